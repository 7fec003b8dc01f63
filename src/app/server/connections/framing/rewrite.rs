//! What is handed on of a piece of a head: nearly always the bytes that came.

use std::ops::Range;

/// What stands in place of a piece, as far as it was gone through.
#[derive(Debug, Default)]
pub(super) struct Rewrite {
    text: Option<Vec<u8>>,
    done: usize,
}

impl Rewrite {
    /// Puts `text` in the place of a range of the piece, which is behind all earlier ones.
    pub fn put(&mut self, piece: &[u8], range: Range<usize>, text: &[u8]) {
        let rewritten = self.text.get_or_insert_default();
        rewritten.extend_from_slice(piece.get(self.done..range.start).unwrap_or_default());
        rewritten.extend_from_slice(text);
        self.done = range.end;
    }

    /// The whole in place of the piece; `None` where nothing differs.
    pub fn finish(self, piece: &[u8]) -> Option<Vec<u8>> {
        let mut rewritten = self.text?;
        rewritten.extend_from_slice(piece.get(self.done..).unwrap_or_default());
        Some(rewritten)
    }
}
