//! About how many tokens a text has. Only where nobody states it: what limits take in advance, and what is billed where an
//! answer does not say what it took.
//!
//! The rule: a token for every four letters of a word begun, for every three digits or marks begun, for every character
//! outside ASCII, and for every sixteen blanks in a row.

use super::work;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letters,
    Digits,
    Marks,
    Blanks,
    Other,
}

impl Kind {
    const fn of(byte: u8) -> Self {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => Self::Letters,
            b'0'..=b'9' => Self::Digits,
            b' ' | b'\t' | b'\n' | b'\r' => Self::Blanks,
            0x80.. => Self::Other,
            _ => Self::Marks,
        }
    }

    /// Whether the byte at this place in a run of its kind makes a token.
    const fn counts_at(self, place: u64) -> bool {
        match self {
            Self::Letters => place.is_multiple_of(4),
            Self::Digits | Self::Marks => place.is_multiple_of(3),
            Self::Blanks => place % 16 == 15,
            Self::Other => true,
        }
    }
}

/// Where a text is in a run of bytes of one kind.
#[derive(Debug)]
struct Run {
    kind: Kind,
    place: u64,
}

impl Run {
    /// Before the first byte.
    const NONE: Self = Self { kind: Kind::Other, place: 0 };

    /// Whether the next byte makes a token.
    fn counts(&mut self, byte: u8) -> bool {
        let kind = Kind::of(byte);
        self.place = if kind == self.kind { self.place.saturating_add(1) } else { 0 };
        self.kind = kind;
        kind.counts_at(self.place)
    }
}

/// Whether a byte follows the first one of a character outside ASCII, to which it belongs.
const fn is_continuation(byte: u8) -> bool {
    matches!(byte, 0x80..=0xbf)
}

/// The estimate, for UTF-8.
pub(super) fn tokens(text: &[u8]) -> u64 {
    let (mut tokens, mut run) = (0_u64, Run::NONE);
    work::count(text.len());
    for byte in text.iter().filter(|byte| !is_continuation(**byte)) {
        tokens = tokens.saturating_add(u64::from(run.counts(*byte)));
    }
    tokens
}

/// A longer run without a blank is data in base64, and no text.
const MAX_RUN_BYTES: usize = 4 << 10;

/// The same estimate of a text in pieces, less the data in it: an image in Markdown, for instance.
#[derive(Debug)]
pub(super) struct Counter {
    tokens: u64,
    run: Run,
    /// Of the run of letters of base64 that is not at its end.
    run_bytes: usize,
    run_tokens: u64,
}

impl Default for Counter {
    fn default() -> Self {
        Self { tokens: 0, run: Run::NONE, run_bytes: 0, run_tokens: 0 }
    }
}

impl Counter {
    /// The next byte of the text.
    pub fn add(&mut self, byte: u8) {
        if is_continuation(byte) {
            return;
        }
        let more = u64::from(self.run.counts(byte));
        // A backslash may stand before a slash or a line feed.
        if byte.is_ascii_alphanumeric() || b"+/=-_\\".contains(&byte) {
            self.run_bytes = self.run_bytes.saturating_add(1);
            self.run_tokens = self.run_tokens.saturating_add(more);
        } else {
            self.tokens = self.total().saturating_add(more);
            (self.run_bytes, self.run_tokens) = (0, 0);
        }
    }

    /// The bytes of the data that it ends with; 0 where it ends with text.
    pub const fn data_bytes(&self) -> usize {
        if self.run_bytes > MAX_RUN_BYTES { self.run_bytes } else { 0 }
    }

    /// The estimate up to here.
    pub const fn total(&self) -> u64 {
        let run = if self.run_bytes > MAX_RUN_BYTES { 0 } else { self.run_tokens };
        self.tokens.saturating_add(run)
    }
}

/// The estimate of a text that a model wrote, less the data in it.
pub(super) fn written(text: &[u8]) -> u64 {
    if text.len() <= MAX_RUN_BYTES {
        return tokens(text);
    }
    work::count(text.len());
    let mut counter = Counter::default();
    for byte in text {
        counter.add(*byte);
    }
    counter.total()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_are_counted_by_the_rule() {
        for (text, expected) in [
            ("", 0),
            ("word", 1),
            ("words", 2),
            ("Hello, you", 4),
            ("123 4567", 3),
            ("\":{\"", 2),
            ("naïve", 3),
            ("你好吗", 3),
            ("🦀", 1),
            ("a                b", 3),
        ] {
            assert_eq!(tokens(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn an_image_in_a_text_is_no_text() {
        let image = "Aa1+".repeat(25_000);
        assert_eq!(written(format!("look ![x](data:image/png;base64,{image}) word").as_bytes()), 15);
        assert_eq!(written(" word".repeat(2_000).as_bytes()), 2_000);
        assert_eq!(written("你".repeat(5_000).as_bytes()), 5_000);
    }

    proptest! {
        #[test]
        fn a_text_without_data_has_as_many_tokens_in_pieces(text in "[a-z0-9 .,\\n你]{0,300}") {
            let mut counter = Counter::default();
            text.bytes().for_each(|byte| counter.add(byte));
            prop_assert_eq!(counter.total(), tokens(text.as_bytes()));
        }

        #[test]
        fn no_text_has_more_tokens_than_bytes(text in any::<Vec<u8>>()) {
            prop_assert!(tokens(&text) <= u64::try_from(text.len()).unwrap());
        }
    }
}
