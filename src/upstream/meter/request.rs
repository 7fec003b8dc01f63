//! About how many tokens a request will take.

use serde::Deserialize;

/// Bytes of a request that come to one token, about: what OpenAI states for English text.
const BYTES_A_TOKEN: u64 = 4;

/// Tokens of an answer whose request sets no bound.
const UNBOUNDED_OUTPUT_TOKENS: u64 = 1_024;

/// What a request says about the length of its answer: OpenAI chat completions (`max_completion_tokens`, formerly
/// `max_tokens`, each of `n` answers), OpenAI responses (`max_output_tokens`), Anthropic messages (`max_tokens`).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Bounds {
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    n: Option<u64>,
}

impl Bounds {
    fn output_tokens(&self) -> u64 {
        let each = self.max_completion_tokens.or(self.max_tokens).or(self.max_output_tokens);
        each.unwrap_or(UNBOUNDED_OUTPUT_TOKENS).saturating_mul(self.n.unwrap_or(1).max(1))
    }
}

/// An estimate of the tokens of a request and its answer; at least 1. `answers` is false where the model gives numbers
/// and no text. A body that cannot be read is estimated as if it set no bound: the upstream will say what is wrong.
#[must_use]
pub fn estimate(body: &[u8], answers: bool) -> u64 {
    let input = u64::try_from(body.len()).unwrap_or(u64::MAX).div_ceil(BYTES_A_TOKEN);
    let output = if answers { serde_json::from_slice::<Bounds>(body).unwrap_or_default().output_tokens() } else { 0 };
    input.saturating_add(output).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_the_bytes_of_the_request_and_the_bound_of_the_answer() {
        let of = |text: &str| estimate(text.as_bytes(), true) - u64::try_from(text.len()).unwrap().div_ceil(4);
        assert_eq!(of(r#"{"max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}"#), 50);
        assert_eq!(of(r#"{"max_completion_tokens": 50, "max_tokens": 1, "n": 3}"#), 150);
        assert_eq!(of(r#"{"max_output_tokens": 7, "n": 0}"#), 7);
        assert_eq!(of(r#"{"max_tokens": null}"#), UNBOUNDED_OUTPUT_TOKENS);
        assert_eq!(estimate(br#"{"max_tokens": 18446744073709551615, "n": 9}"#, true), u64::MAX);
        for malformed in [r#"{"max_tokens": -1}"#, r#"{"max_tokens": 1.5}"#, "[", "\u{0}"] {
            assert_eq!(of(malformed), UNBOUNDED_OUTPUT_TOKENS, "{malformed}");
        }
        assert_eq!(estimate(&[b'x'; 400], false), 100);
        assert_eq!(estimate(b"", false), 1);
    }
}
