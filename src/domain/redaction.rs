//! Credentials that stand where they should not: in a path, or in a header that is put on record.

use std::borrow::Cow;

/// What is written in place of a credential.
const REDACTED: &str = "[redacted]";

/// A word of so many bytes is long enough to be a key.
const LEAST_KEY_BYTES: usize = 12;

/// The text without words that look like one of our API keys or like a JWT. Whoever sent it knows what it was.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    if !text.contains("tg_") && !text.contains("eyJ") {
        return Cow::Borrowed(text);
    }
    let mut redacted = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c| !is_part_of_word(c)) {
        let word = piece.trim_end_matches(|c| !is_part_of_word(c));
        let (_, behind) = piece.split_at(word.len());
        redacted.push_str(if is_credential(word) { REDACTED } else { word });
        redacted.push_str(behind);
    }
    Cow::Owned(redacted)
}

/// Of what keys and tokens are made.
fn is_part_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn is_credential(word: &str) -> bool {
    let is_key = word.contains("tg_") && word.len() >= LEAST_KEY_BYTES;
    // The header of a JWT is a JSON object, which begins with these letters in base64.
    let is_token = word.contains("eyJ") && word.matches('.').count() >= 2;
    is_key || is_token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_credential_is_redacted_wherever_it_stands() {
        for (text, redacted) in [
            ("/echo/a%20b", "/echo/a%20b"),
            ("/echo/tg_x", "/echo/tg_x"),
            ("/echo/tg_0198_secret-of-a-key/x", "/echo/[redacted]/x"),
            ("/echo/eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln", "/echo/[redacted]"),
            ("/echo;key=tg_0198_secret;x", "/echo;key=[redacted];x"),
            ("1.1.1.1, tg_0198_secret", "1.1.1.1, [redacted]"),
            ("é tg_0198_secret é", "é [redacted] é"),
            ("/eyJ/it.is.not", "/eyJ/it.is.not"),
        ] {
            assert_eq!(redact(text), redacted);
        }
    }
}
