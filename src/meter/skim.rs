//! What is left of a JSON text that is too long to be kept: its objects without the items of its lists and without the rest
//! of long strings, so that the usage in it is found. Vectors, images and long texts go as they come.

use super::{events::MAX_BYTES, work};

/// The longest string that is kept, in bytes; of a longer one its beginning stays.
const MAX_STRING_BYTES: usize = 256;

/// Deeper nesting is given up.
const MAX_DEPTH: usize = 128;

/// The lists below a member of this name are kept: it states counts.
const KEPT: &[u8] = b"usage";

/// The longest start of a string that is looked at, and how the types of calls of tools end.
const MAX_NAME_BYTES: usize = 40;
const CALL: &[u8] = b"_call";

/// The most calls of tools that are found.
const MAX_CALLS: usize = 1_000;

/// What has come of the JSON text, less what is long in it.
#[derive(Debug, Default)]
pub(super) struct Skim {
    kept: Vec<u8>,
    /// One for each object or list that is open.
    open: Vec<Depth>,
    string: Str,
    /// Bytes of the string that is open, or was last.
    string_bytes: usize,
    /// The last string, as far as it can be a name of interest.
    last_string: Vec<u8>,
    /// The last name of a member, and whether its value comes.
    name: Vec<u8>,
    is_value: bool,
    /// Types of calls of tools in lists that are not kept.
    calls: Vec<String>,
    is_too_long: bool,
}

/// What becomes of what is in an object or a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// It is kept, less the items of lists.
    Kept,
    /// It is kept with the items of lists.
    All,
    Dropped,
}

/// Whether the next byte is in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Str {
    #[default]
    Outside,
    Within,
    /// Behind a backslash in it.
    Escaped,
}

impl Skim {
    /// Of a whole text.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut skim = Self::default();
        skim.add(text);
        skim
    }

    pub(super) fn add(&mut self, piece: &[u8]) {
        work::count(piece.len());
        for byte in piece {
            self.step(*byte);
        }
    }

    /// What is kept, from its first bracket on; nothing if even that was too long.
    pub(super) fn into_kept(self) -> Option<Vec<u8>> {
        let start = self.kept.iter().position(|byte| matches!(byte, b'{' | b'[')).unwrap_or(0);
        (!self.is_too_long).then(|| self.kept.get(start..).unwrap_or_default().to_vec())
    }

    /// The types of calls of tools that were left out.
    pub(super) fn calls(&self) -> &[String] {
        &self.calls
    }

    fn is_kept(&self) -> bool {
        self.last_string.get(..KEPT.len()).is_some_and(|start| start.eq_ignore_ascii_case(KEPT))
    }

    fn end_string(&mut self) {
        if !self.is_value {
            self.name.clone_from(&self.last_string);
        } else if self.depth() == Depth::Dropped && self.name == b"type" && self.last_string.ends_with(CALL) {
            let kind = String::from_utf8_lossy(&self.last_string).into_owned();
            if self.calls.len() < MAX_CALLS {
                self.calls.push(kind);
            }
        }
    }

    fn depth(&self) -> Depth {
        self.open.last().copied().unwrap_or(Depth::Kept)
    }

    fn keep(&mut self, byte: u8) {
        if self.depth() == Depth::Dropped {
            return;
        }
        self.is_too_long |= self.kept.len() >= MAX_BYTES || self.open.len() > MAX_DEPTH;
        if !self.is_too_long {
            self.kept.push(byte);
        }
    }

    /// Follows where in the text this byte is (RFC 8259). What is no JSON is found out by the reader of what is kept.
    fn step(&mut self, byte: u8) {
        match (self.string, byte) {
            (Str::Outside, _) => self.outside(byte),
            // Escapes go: no name or number of interest has one.
            (Str::Escaped, _) => self.string = Str::Within,
            (Str::Within, b'\\') => self.string = Str::Escaped,
            (Str::Within, b'"') => {
                self.string = Str::Outside;
                self.keep(byte);
                self.end_string();
            }
            (Str::Within, _) => self.within(byte),
        }
    }

    fn within(&mut self, byte: u8) {
        self.string_bytes = self.string_bytes.saturating_add(1);
        if self.string_bytes <= MAX_STRING_BYTES {
            self.keep(byte);
        }
        if self.last_string.len() < MAX_NAME_BYTES {
            self.last_string.push(byte);
        }
    }

    fn outside(&mut self, byte: u8) {
        self.is_value = byte == b':' || (self.is_value && !b",{}[]".contains(&byte));
        match byte {
            b'"' => {
                self.string = Str::Within;
                self.string_bytes = 0;
                self.last_string.clear();
                self.keep(byte);
            }
            b'{' | b'[' => {
                self.keep(byte);
                let inner = match self.depth() {
                    Depth::Kept if self.is_kept() => Depth::All,
                    Depth::Kept if byte == b'[' && !self.open.is_empty() => Depth::Dropped,
                    depth => depth,
                };
                if !self.is_too_long {
                    self.open.push(inner);
                }
            }
            b'}' | b']' => {
                self.open.pop();
                self.keep(byte);
            }
            _ => self.keep(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept of the text, which must not depend on how it is cut.
    fn skim(text: &str) -> String {
        let kept = |at: usize| {
            let (head, tail) = text.as_bytes().split_at(at);
            let mut skim = Skim::default();
            skim.add(head);
            skim.add(tail);
            skim.into_kept().unwrap()
        };
        assert!((0..=text.len()).all(|at| kept(at) == kept(0)), "{text}");
        String::from_utf8(kept(0)).unwrap()
    }

    #[test]
    fn lists_and_long_texts_are_left_out_and_usage_is_kept() {
        let long = "x".repeat(1_000);
        for (text, kept) in [
            (r#"{"data":[1,2,[3,{"a":[4]}]],"usage":{"n":1}}"#, r#"{"data":[],"usage":{"n":1}}"#),
            (r#"{"a":[],"b":[[]],"c":{"d":[1]}}"#, r#"{"a":[],"b":[],"c":{"d":[]}}"#),
            (r#"{"a":["]","\"]",  "\\"],"b[":"[\\\"]"}"#, r#"{"a":[],"b[":"[]"}"#),
            (r#"{"usage":{"iterations":[{"n":1}]}}"#, r#"{"usage":{"iterations":[{"n":1}]}}"#),
            (r#"data: {"usageMetadata":{"list":[{"n":1}]}}"#, r#"{"usageMetadata":{"list":[{"n":1}]}}"#),
            (r#"[{"a":[1]},{"b":2}]"#, r#"[{"a":[]},{"b":2}]"#),
            (r#"{"a":[1,2"#, r#"{"a":["#),
            (&format!(r#"{{"a":"{long}"}}"#), &format!(r#"{{"a":"{}"}}"#, long.split_at(MAX_STRING_BYTES).0)),
        ] {
            assert_eq!(skim(text), kept);
        }
    }

    #[test]
    fn what_is_long_without_its_lists_too_is_given_up() {
        let mut skim = Skim::default();
        skim.add(br#"{"a":[""#);
        skim.add(&vec![b'x'; MAX_BYTES]);
        skim.add(br#""]"#);
        assert_eq!(skim.kept, br#"{"a":[]"#);
        skim.add(&vec![b' '; MAX_BYTES]);
        assert_eq!(skim.into_kept(), None);
        let mut deep = Skim::default();
        deep.add("{\"a\":".repeat(100_000).as_bytes());
        assert_eq!(deep.into_kept(), None);
    }
}
