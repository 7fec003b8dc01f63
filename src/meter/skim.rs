//! What is left of a JSON text that is too long to be kept: its objects without the items of its lists and without the rest
//! of long strings, so that the usage in it is found. Vectors, images and long texts go as they come.

use super::{events::MAX_BYTES, format::Format, skim_texts::Texts, work};

/// The longest string that is kept, in bytes; of a longer one its beginning stays.
const MAX_STRING_BYTES: usize = 256;

/// What is nested deeper is left out.
const MAX_DEPTH: usize = 120;

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
    /// Of the objects and lists that are open, those that are kept, and how many are open within one that is not.
    open: Vec<Depth>,
    dropped: usize,
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
    /// Where the items begin of the outermost list that is kept: in what is kept, and among what is open.
    list: Option<(usize, usize)>,
    /// Where in what is kept the last member of the outermost object ends, and whether its usage is among it.
    last_end: usize,
    has_usage: bool,
    fullness: Fullness,
    pub(super) texts: Texts,
}

/// How much more is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fullness {
    #[default]
    Open,
    /// Nothing before the next member of the outermost object.
    Behind,
    /// Nothing more, because the usage is there.
    Full,
    /// It is given up.
    TooLong,
}

/// What becomes of what is in an object or a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// It is kept, less the items of lists.
    Kept,
    /// It is kept with the items of lists.
    All,
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

    /// Takes a further piece of an answer, and counts what is written in it.
    pub(super) fn read(&mut self, format: &'static Format, piece: &[u8]) {
        self.texts.read_as(format);
        self.add(piece);
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
        let end: &[u8] = if self.fullness == Fullness::Full { b"}" } else { b"" };
        let is_there = matches!(self.fullness, Fullness::Open | Fullness::Full);
        is_there.then(|| [self.kept.get(start..).unwrap_or_default(), end].concat())
    }

    /// The types of calls of tools that were left out.
    pub(super) fn calls(&self) -> &[String] {
        &self.calls
    }

    fn is_kept(&self) -> bool {
        self.last_string.get(..KEPT.len()).is_some_and(|start| start.eq_ignore_ascii_case(KEPT))
    }

    /// Of how many objects and lists it is within.
    fn within_others(&self) -> usize {
        self.open.len().saturating_add(self.dropped)
    }

    fn end_string(&mut self) {
        let depth = self.within_others();
        if !self.is_value {
            if !self.texts.end_name(&self.last_string, depth) {
                self.name.clone_from(&self.last_string);
            }
            return;
        }
        self.texts.end_value((self.name.as_slice(), self.last_string.as_slice()), depth);
        if self.dropped > 0 && self.name == b"type" && self.last_string.ends_with(CALL) {
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
        if self.dropped > 0 {
            return;
        }
        let is_outermost = self.open.len() == 1 && self.string == Str::Outside;
        match self.fullness {
            Fullness::Open if self.kept.len() < MAX_BYTES => {
                if is_outermost && byte == b',' {
                    self.last_end = self.kept.len();
                }
                self.kept.push(byte);
            }
            Fullness::Open => self.shorten(),
            Fullness::Behind if is_outermost && byte == b',' => self.fullness = Fullness::Open,
            Fullness::Behind if self.open.is_empty() => self.fullness = Fullness::TooLong,
            Fullness::Behind | Fullness::Full | Fullness::TooLong => {}
        }
    }

    /// Leaves out items of the list that is kept, or the members before this one; nothing of the usage.
    fn shorten(&mut self) {
        if let Some((items, depth)) = self.list.take() {
            self.kept.truncate(items);
            self.dropped = self.open.len().saturating_sub(depth);
            self.open.truncate(depth);
            return;
        }
        let start = self.kept.iter().position(|byte| matches!(byte, b'{' | b'[')).unwrap_or(0);
        // Of a list of answers the last one says what all took.
        let is_list = self.kept.get(start) == Some(&b'[');
        if self.last_end > 0 && (is_list || !self.has_usage) {
            self.kept.truncate(start.saturating_add(1));
            self.fullness = Fullness::Behind;
        } else if self.last_end > 0 && self.depth() == Depth::Kept {
            self.kept.truncate(self.last_end);
            self.fullness = Fullness::Full;
        } else {
            self.fullness = Fullness::TooLong;
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
        self.texts.within(byte);
        self.string_bytes = self.string_bytes.saturating_add(1);
        if self.string_bytes <= MAX_STRING_BYTES {
            self.keep(byte);
        }
        if self.last_string.len() < MAX_NAME_BYTES {
            self.last_string.push(byte);
        }
    }

    fn outside(&mut self, byte: u8) {
        self.texts.outside(byte);
        let is_member = self.is_value;
        self.is_value = byte == b':' || (self.is_value && !b",{}[]".contains(&byte));
        match byte {
            b'"' => {
                self.string = Str::Within;
                self.string_bytes = 0;
                self.last_string.clear();
                self.texts.begin_string();
                self.keep(byte);
            }
            b'{' | b'[' => {
                self.texts.begin(byte, is_member.then_some(&*self.name), self.within_others());
                self.begin(byte);
            }
            b'}' | b']' => {
                self.end();
                self.texts.end(self.within_others());
                self.keep(byte);
            }
            _ => self.keep(byte),
        }
    }

    /// An object or a list begins.
    fn begin(&mut self, bracket: u8) {
        self.keep(bracket);
        let inner = match self.depth() {
            Depth::Kept if self.is_kept() => Depth::All,
            depth => depth,
        };
        self.has_usage |= inner == Depth::All;
        if inner == Depth::All && bracket == b'[' && self.dropped == 0 && self.list.is_none() {
            self.list = Some((self.kept.len(), self.open.len()));
        }
        let leaves_out = inner == Depth::Kept && bracket == b'[' && !self.open.is_empty();
        if self.dropped > 0 || leaves_out || self.open.len() >= MAX_DEPTH {
            self.dropped = self.dropped.saturating_add(1);
        } else {
            self.open.push(inner);
        }
    }

    /// It ends.
    fn end(&mut self) {
        if self.dropped > 0 {
            self.dropped = self.dropped.saturating_sub(1);
        } else {
            self.open.pop();
            self.list = self.list.filter(|(_, depth)| *depth < self.open.len());
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
    fn what_is_long_without_its_lists_too_loses_what_is_not_usage() {
        let long = " ".repeat(MAX_BYTES + 1);
        for (text, kept) in [
            (format!(r#"{{"a":["{long}"]}}"#), Some(r#"{"a":[]}"#)),
            (format!(r#"{{"a":1,"b":2{long},"usage":{{"n":1}}}}"#), Some(r#"{"usage":{"n":1}}"#)),
            (format!(r#"{{"a":1,"usage":{{"n":1}},"b":2{long},"c":3}}"#), Some(r#"{"a":1,"usage":{"n":1}}"#)),
            (
                format!(r#"{{"usage":{{"n":1,"l":[1,[2{long},3],4]}},"c":3}}"#),
                Some(r#"{"usage":{"n":1,"l":[]},"c":3}"#),
            ),
            (format!(r#"{{"a":1,"usage":{{"n":1{long}}},"c":3}}"#), None),
            (long, None),
        ] {
            let kept_of = |piece_bytes: usize| {
                let mut skim = Skim::default();
                text.as_bytes().chunks(piece_bytes).for_each(|piece| skim.add(piece));
                skim.into_kept().map(|kept| String::from_utf8(kept).unwrap())
            };
            assert_eq!(kept_of(text.len()).as_deref(), kept);
            assert_eq!(kept_of(1).as_deref(), kept);
        }
    }

    #[test]
    fn what_is_nested_too_deep_is_left_out() {
        let deep = |open: &str, close: &str| {
            let mut skim = Skim::default();
            skim.add(format!("{{\"x\":{}1{},\"usage\":{{}}}}", open.repeat(900), close.repeat(900)).as_bytes());
            String::from_utf8(skim.into_kept().unwrap()).unwrap()
        };
        assert_eq!(deep("[", "]"), r#"{"x":[],"usage":{}}"#);
        let objects = MAX_DEPTH - 1;
        let expected = [r#"{"a":"#.repeat(objects), "{}".into(), "}".repeat(objects)].concat();
        assert_eq!(deep(r#"{"a":"#, "}"), format!(r#"{{"x":{expected},"usage":{{}}}}"#));
    }
}
