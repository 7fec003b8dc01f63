//! A whole answer that is long by its lists, kept without what is in them: the vectors of embeddings, whose usage comes last.

use super::events::MAX_BYTES;

/// What has come of the JSON text of one answer, less the items of each list that is a member of it.
#[derive(Debug, Default)]
pub(super) struct Skim {
    kept: Vec<u8>,
    depth: u32,
    in_list: bool,
    string: Str,
    is_too_long: bool,
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
    pub(super) fn add(&mut self, piece: &[u8]) {
        for byte in piece {
            let was_in_list = self.in_list;
            self.step(*byte);
            // The brackets of a list stay.
            if !(was_in_list && self.in_list) {
                self.keep(*byte);
            }
        }
    }

    /// What is kept; nothing if even that was too long.
    pub(super) fn into_kept(self) -> Option<Vec<u8>> {
        (!self.is_too_long).then_some(self.kept)
    }

    fn keep(&mut self, byte: u8) {
        self.is_too_long |= self.kept.len() >= MAX_BYTES;
        if !self.is_too_long {
            self.kept.push(byte);
        }
    }

    /// Follows where in the text this byte is (RFC 8259). What is no JSON is found out by whoever reads what is kept.
    fn step(&mut self, byte: u8) {
        self.string = match (self.string, byte) {
            (Str::Outside, b'"') | (Str::Escaped, _) => Str::Within,
            (Str::Within, b'"') => Str::Outside,
            (Str::Within, b'\\') => Str::Escaped,
            (string, _) => string,
        };
        if self.string != Str::Outside {
            return;
        }
        match byte {
            b'{' | b'[' => {
                self.in_list |= byte == b'[' && self.depth == 1;
                self.depth = self.depth.saturating_add(1);
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.in_list &= self.depth > 1;
            }
            _ => {}
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
    fn the_items_of_the_members_that_are_lists_are_left_out_and_nothing_else() {
        for (text, kept) in [
            (r#"{"data":[1,2,[3,{"a":[4]}]],"usage":{"n":1}}"#, r#"{"data":[],"usage":{"n":1}}"#),
            (r#"{"a":[],"b":[[]],"c":{"d":[1]}}"#, r#"{"a":[],"b":[],"c":{"d":[1]}}"#),
            (r#"{"a":["]","\"]",  "\\"],"b[":"[\\\"]"}"#, r#"{"a":[],"b[":"[\\\"]"}"#),
            (r#"{"a":[1,2"#, r#"{"a":["#),
            ("]]}}[1]", "]]}}[1]"),
        ] {
            assert_eq!(skim(text), kept);
        }
    }

    #[test]
    fn what_is_long_without_its_lists_too_is_given_up() {
        let mut skim = Skim::default();
        skim.add(br#"{"a":[""#);
        skim.add(&vec![b'x'; MAX_BYTES]);
        skim.add(br#""],"b":""#);
        assert_eq!(skim.kept, br#"{"a":[],"b":""#);
        skim.add(&vec![b'x'; MAX_BYTES]);
        assert_eq!(skim.into_kept(), None);
    }
}
