//! The name of the model in an answer, in place of the one that its upstream knows it by. Every other byte stays.
//!
//! Follows JSON texts as they pass (RFC 8259), however they are cut: of each answer it changes `model` and `modelVersion`, and
//! those in its `message` and its `response`. It keeps no more than the last name of a member.

use super::work;

/// Members that name the model.
const NAMES: [&[u8]; 2] = [b"model", b"modelVersion"];

/// Members with an answer in them, in events that begin or end one.
const WRAPPERS: [&[u8]; 2] = [b"message", b"response"];

/// Longer than every name of interest.
const MAX_NAME_BYTES: usize = 16;

/// Renames the model in one JSON text, or in several that follow each other.
#[derive(Debug, Clone)]
pub(super) struct Renamer {
    /// The name in quotes.
    name: Vec<u8>,
    at: At,
}

/// Where in the text the next byte is.
#[derive(Debug, Clone, Default)]
struct At {
    /// Objects and lists that are open.
    depth: usize,
    /// Of these, the list that all the answers are in.
    base: usize,
    /// Whether the answer is at a member that has another one in it.
    is_wrapped: bool,
    /// Whether a value comes next, not a name.
    is_value: bool,
    text: Text,
    /// The last name of a member, as far as it can be one of interest.
    member: Vec<u8>,
}

/// Whether the next byte is in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Text {
    #[default]
    Outside,
    Within {
        is_escaped: bool,
        /// It is the name that goes.
        is_dropped: bool,
    },
}

impl Renamer {
    /// Puts this name in place of every other.
    pub fn new(name: &str) -> Self {
        Self { name: serde_json::Value::from(name).to_string().into_bytes(), at: At::default() }
    }

    /// The bytes that follow begin a text of their own.
    pub fn begin(&mut self) {
        self.at = At::default();
    }

    /// The next bytes with the name.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut passed = Vec::with_capacity(bytes.len().saturating_add(self.name.len()));
        work::count(bytes.len());
        for byte in bytes {
            match self.at.step(*byte) {
                Step::Keep => passed.push(*byte),
                Step::Drop => {}
                Step::Name => passed.extend_from_slice(&self.name),
            }
        }
        passed
    }
}

/// What becomes of a byte.
enum Step {
    Keep,
    Drop,
    /// The name stands in its place.
    Name,
}

impl At {
    fn step(&mut self, byte: u8) -> Step {
        match self.text {
            Text::Outside => self.outside(byte),
            Text::Within { is_escaped, is_dropped } => {
                let ends = byte == b'"' && !is_escaped;
                if !ends && !self.is_value && self.member.len() < MAX_NAME_BYTES {
                    self.member.push(byte);
                }
                let is_escaped = byte == b'\\' && !is_escaped;
                self.text = if ends { Text::Outside } else { Text::Within { is_escaped, is_dropped } };
                if is_dropped { Step::Drop } else { Step::Keep }
            }
        }
    }

    fn outside(&mut self, byte: u8) -> Step {
        match byte {
            b'"' if self.depth > 0 => {
                let is_dropped = self.is_value && self.is_of_answer() && NAMES.contains(&self.member.as_slice());
                self.text = Text::Within { is_escaped: false, is_dropped };
                if !self.is_value {
                    self.member.clear();
                }
                return if is_dropped { Step::Name } else { Step::Keep };
            }
            b'{' | b'[' => self.open(byte),
            b'}' | b']' => self.close(),
            b',' => self.is_value = false,
            b':' => self.is_value = true,
            _ => {}
        }
        Step::Keep
    }

    fn open(&mut self, byte: u8) {
        if self.depth == 0 && byte == b'[' {
            self.base = 1;
        }
        if self.depth == self.base.saturating_add(1) {
            self.is_wrapped = byte == b'{' && self.is_value && WRAPPERS.contains(&self.member.as_slice());
        }
        self.depth = self.depth.saturating_add(1);
        self.is_value = false;
        self.member.clear();
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.is_value = false;
        if self.depth == 0 {
            self.base = 0;
        }
    }

    /// Whether what comes is a member of an answer.
    fn is_of_answer(&self) -> bool {
        match self.depth.saturating_sub(self.base) {
            1 => true,
            2 => self.is_wrapped,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What becomes of the text, which must not depend on how it is cut.
    fn renamed(text: &str) -> String {
        let pass = |at: usize| {
            let (head, tail) = text.as_bytes().split_at(at);
            let mut renamer = Renamer::new("fast");
            [renamer.pass(head), renamer.pass(tail)].concat()
        };
        assert!((0..=text.len()).all(|at| pass(at) == pass(0)), "{text}");
        String::from_utf8(pass(0)).unwrap()
    }

    #[test]
    fn the_name_of_the_model_is_changed_and_nothing_else() {
        for (text, expected) in [
            (r#"{"id":1 , "model" : "a-1" , "x":"model"}"#, r#"{"id":1 , "model" : "fast" , "x":"model"}"#),
            (r#"{"model":"a \" b\\","n":{"model":"a"}}"#, r#"{"model":"fast","n":{"model":"a"}}"#),
            (
                r#"{"type":"message_start","message":{"model":"a"}}"#,
                r#"{"type":"message_start","message":{"model":"fast"}}"#,
            ),
            (
                r#"{"response":{"modelVersion":"a","b":[{"model":"a"}]}}"#,
                r#"{"response":{"modelVersion":"fast","b":[{"model":"a"}]}}"#,
            ),
            (r#"[{"model":"a"},{"model":"b"}]"#, r#"[{"model":"fast"},{"model":"fast"}]"#),
            (r#"{"message":[{"model":"a"}],"model":null}"#, r#"{"message":[{"model":"a"}],"model":null}"#),
            (
                r#"{"choices":[{"message":{"model":"a"}}],"model":"a"}"#,
                r#"{"choices":[{"message":{"model":"a"}}],"model":"fast"}"#,
            ),
            (
                r#"{"content":"\"model\":\"a\"","models":"a","modelx":"a"}"#,
                r#"{"content":"\"model\":\"a\"","models":"a","modelx":"a"}"#,
            ),
            (
                r#"{"message":{"x":{"y":1},"model":"a"},"other":{"model":"a"}}"#,
                r#"{"message":{"x":{"y":1},"model":"fast"},"other":{"model":"a"}}"#,
            ),
            ("{\"model\":\"a\"}\n{\"model\":\"b\"}", "{\"model\":\"fast\"}\n{\"model\":\"fast\"}"),
            ("", ""),
        ] {
            assert_eq!(renamed(text), expected);
        }
    }

    proptest! {
        #[test]
        fn every_byte_of_other_text_stays(text in "[\\[\\]{}:,\"\\\\ xyz]{0,60}") {
            prop_assert_eq!(renamed(&text), text);
        }
    }
}
