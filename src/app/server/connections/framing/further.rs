//! The field lines of a head beyond those that the HTTP library takes: it refuses a head of more than 96.
//!
//! They are kept here instead of handed on, and added to the request before anything reads it. Only lines that are
//! well-formed and of no meaning to the library are: whatever it decides by, or would refuse, it gets to see.

use actix_web::http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};

/// The field lines that are handed on in any case. The rest of the 96 is for those that the library decides by.
const HANDED_ON: usize = 80;
/// The most that is kept of a head: `server.max_header_bytes` may be as much.
const MAX_BYTES: usize = 96 * 1024;

/// What the library decides by: how the body is delimited, whether the connection goes on, and whether there is a host.
const DECISIVE: [HeaderName; 6] = [CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE];

/// The lines of one head that are kept.
#[derive(Debug, Default)]
pub(super) struct Further {
    seen: usize,
    /// The present line, if it may be kept.
    line: Vec<u8>,
    kept: Vec<u8>,
    is_full: bool,
}

impl Further {
    /// Whether the present line is held here.
    pub const fn holds(&self) -> bool {
        self.seen >= HANDED_ON && !self.is_full
    }

    /// Takes a piece of the present line. Gives all of it back where it is too much to be kept.
    pub fn hold(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        self.line.extend_from_slice(piece);
        self.is_full = self.kept.len().saturating_add(self.line.len()) > MAX_BYTES;
        self.is_full.then(|| std::mem::take(&mut self.line))
    }

    /// Ends the present line. Gives it back, with its end, where it is for the library.
    pub fn end_line(&mut self) -> Option<Vec<u8>> {
        self.seen = self.seen.saturating_add(1);
        let mut line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return None;
        }
        line.push(b'\n');
        if field(&line).is_none_or(|(name, _)| DECISIVE.contains(&name)) {
            return Some(line);
        }
        self.kept.append(&mut line);
        None
    }

    /// What was kept, to be read by [`fields`].
    pub fn into_kept(self) -> Vec<u8> {
        self.kept
    }
}

/// The fields of lines that were kept.
pub(in crate::app::server::connections) fn fields(kept: &[u8]) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    kept.split_inclusive(|byte| *byte == b'\n').filter_map(field)
}

/// A field line as RFC 9112 §5 has it: a token, a colon with no space before it, and a value, with blanks around it that are
/// none of it.
fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = (line.get(..colon)?, line.get(colon.saturating_add(1)..)?);
    let begins = value.iter().position(|byte| !is_blank(*byte)).unwrap_or(value.len());
    let ends = value.iter().rposition(|byte| !is_blank(*byte)).map_or(begins, |last| last.saturating_add(1));
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value.get(begins..ends)?).ok()?))
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[u8]) -> Option<(String, Vec<u8>)> {
        field(line).map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
    }

    #[test]
    fn only_a_line_that_is_well_formed_is_a_field() {
        let is = |name: &str, value: &[u8]| Some((name.to_owned(), value.to_vec()));
        for (line, expected) in [
            (&b"X-A: b\r\n"[..], is("x-a", b"b")),
            (b"X-A:b\n", is("x-a", b"b")),
            (b"x:\t b \t c \r\n", is("x", b"b \t c")),
            (b"x:\r\n", is("x", b"")),
            (b"x: \xc3\xa4\xff\r\n", is("x", b"\xc3\xa4\xff")),
            (b"x: a:b\r\n", is("x", b"a:b")),
            (b"x : a\r\n", None),
            (b" x: a\r\n", None),
            (b"\tx: a\r\n", None),
            (b": a\r\n", None),
            (b"x\r\n", None),
            (b"x y: a\r\n", None),
            (b"x: a\0b\r\n", None),
            (b"x: a\rb\r\n", None),
            (b"x: a\r\r\n", None),
            (b"x: a\x7fb\r\n", None),
            (b"x\xe4: a\r\n", None),
            (b"x: a", None),
        ] {
            assert_eq!(read(line), expected, "{:?}", String::from_utf8_lossy(line));
        }
    }
}
