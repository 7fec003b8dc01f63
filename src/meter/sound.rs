//! How long a sound is, and how many tokens that makes, as far as its bytes say so.

/// A sound with fewer bytes a second is no speech that anybody records. What it has of seconds above this is a forced debit.
const LEAST_BYTES_A_SECOND: u64 = 500;

/// The usual number: 64 kbit a second.
const BYTES_A_SECOND: u64 = 8_000;

/// Tokens of a second: Gemini's 32 are the most.
const MOST_TOKENS_A_SECOND: u64 = 32;

/// `OpenAI`'s.
const TOKENS_A_SECOND: u64 = 10;

/// Of sound that is not compressed, at 24,000 samples of two bytes a second, as models speak it.
const PLAIN_BYTES_A_SECOND: u64 = 48_000;

/// How many times as many these are.
pub(super) const COMPRESSION: u64 = PLAIN_BYTES_A_SECOND / BYTES_A_SECOND;

/// Tokens of a second that a model speaks: Gemini's 25 (<https://ai.google.dev/gemini-api/docs/speech-generation>); `OpenAI`'s
/// are 20.
const SPOKEN_TOKENS_A_SECOND: u64 = 25;

/// About the tokens of a sound of `bytes` bytes, not compressed, that a model has spoken.
pub(super) const fn spoken(bytes: u64) -> u64 {
    bytes.saturating_mul(SPOKEN_TOKENS_A_SECOND) / PLAIN_BYTES_A_SECOND
}

/// By what a sound is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BilledBy {
    Tokens,
    Seconds,
}

impl BilledBy {
    /// The most seconds, or tokens, that a sound of `bytes` bytes has.
    pub fn most(self, bytes: u64) -> u64 {
        let seconds = bytes.div_ceil(LEAST_BYTES_A_SECOND);
        match self {
            Self::Tokens => seconds.saturating_mul(MOST_TOKENS_A_SECOND),
            Self::Seconds => seconds,
        }
    }

    /// About as many as it has.
    pub const fn about(self, bytes: u64) -> u64 {
        match self {
            Self::Tokens => bytes / (BYTES_A_SECOND / TOKENS_A_SECOND),
            Self::Seconds => bytes.div_ceil(BYTES_A_SECOND),
        }
    }
}

/// The second, begun, in which the last line of subtitles ends (SRT, `WebVTT`): `00:01:02,500 --> 00:01:04,000`.
pub(super) fn last_second(subtitles: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(subtitles).ok()?;
    let (_, end) = text.rsplit_once("-->")?;
    let end = end.split_whitespace().next()?;
    let (whole, rest) = end.split_once([',', '.'])?;
    let seconds = whole.split(':').try_fold(0_u64, |sum, part| sum.checked_mul(60)?.checked_add(part.parse().ok()?))?;
    seconds.checked_add(u64::from(rest.bytes().any(|digit| digit != b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_subtitles_says_how_long_the_sound_is() {
        for (text, expected) in [
            ("1\n00:00:00,000 --> 00:00:04,000\na\n\n2\n00:00:04,000 --> 00:00:29,500\nb\n", Some(30)),
            ("WEBVTT\n\n00:00.000 --> 01:02.000 align:start\na --\n", Some(62)),
            ("1\n01:00:00,000 --> 02:00:00,001\na", Some(7_201)),
            ("a", None),
            ("a --> b", None),
            ("1\n0 --> 99999999999999999999:00,0", None),
        ] {
            assert_eq!(last_second(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn half_a_minute_is_not_held_as_a_day() {
        assert_eq!((BilledBy::Seconds.most(240_000), BilledBy::Seconds.about(240_000)), (480, 30));
        assert_eq!((BilledBy::Tokens.most(240_000), BilledBy::Tokens.about(240_000)), (15_360, 300));
    }
}
