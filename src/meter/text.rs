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

/// The estimate, for UTF-8.
pub(super) fn tokens(text: &[u8]) -> u64 {
    let (mut tokens, mut before, mut place) = (0_u64, Kind::Other, 0_u64);
    work::count(text.len());
    for byte in text {
        // What follows the first byte of a character outside ASCII belongs to it.
        if matches!(byte, 0x80..=0xbf) {
            continue;
        }
        let kind = Kind::of(*byte);
        place = if kind == before { place.saturating_add(1) } else { 0 };
        before = kind;
        tokens = tokens.saturating_add(u64::from(kind.counts_at(place)));
    }
    tokens
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

    proptest! {
        #[test]
        fn no_text_has_more_tokens_than_bytes(text in any::<Vec<u8>>()) {
            prop_assert!(tokens(&text) <= u64::try_from(text.len()).unwrap());
        }
    }
}
