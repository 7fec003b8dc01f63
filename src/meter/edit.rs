//! Changes of a JSON text that leave every other byte as it is.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::work;

/// A text in place of what stands at some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub at: Range<usize>,
    pub text: String,
}

impl Edit {
    /// A further member at the end of the object that stands at `object`; the first one where that `is_empty`.
    pub fn append(object: &Range<usize>, is_empty: bool, name: &str, value: &str) -> Self {
        let (end, comma) = (object.end.saturating_sub(1), if is_empty { "" } else { "," });
        Self { at: end..end, text: format!("{comma}\"{name}\":{value}") }
    }
}

/// The text with all edits, which do not overlap. Without any it is the same bytes.
pub(super) fn apply(text: &Bytes, edits: &[Edit]) -> Bytes {
    if edits.is_empty() {
        return text.clone();
    }
    work::count(text.len());
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.at.start);
    let mut edited = BytesMut::with_capacity(text.len().saturating_add(edits.iter().map(|edit| edit.text.len()).sum()));
    let mut from = 0;
    for Edit { at, text: new } in edits {
        edited.extend_from_slice(text.get(from..at.start).unwrap_or_default());
        edited.extend_from_slice(new.as_bytes());
        from = at.end;
    }
    edited.extend_from_slice(text.get(from..).unwrap_or_default());
    edited.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_edited_changes() {
        let text = Bytes::from_static(br#" {"a": 1.0, "b":{} } "#);
        assert_eq!(apply(&text, &[]).as_ptr(), text.as_ptr());
        let replace = Edit { at: 7..10, text: "2".into() };
        let append = Edit::append(&(1..20), false, "c", "true");
        let first = Edit::append(&(16..18), true, "d", "1");
        assert_eq!(apply(&text, &[append, first, replace]), &br#" {"a": 2, "b":{"d":1} ,"c":true} "#[..]);
    }
}
