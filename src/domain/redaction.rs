//! Credentials that stand where they should not: in a path, in a header or in a body that is put on record or logged.
//!
//! One rule says what a credential looks like, wherever it stands ([`is_credential`]); of bodies [`content`] reads the names
//! too that values stand under, and [`KnownSecrets`] are cut whatever they look like.

pub mod content;
mod known;
mod shapes;

use std::borrow::Cow;

pub use self::known::KnownSecrets;

/// What is written in place of a credential.
const REDACTED: &str = "[redacted]";

/// A word of this many bytes is long enough to be a key.
const LEAST_KEY_BYTES: usize = 12;

/// The text without words that look like a credential, also where they are percent-encoded, once or more.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut words = text.split(|c| !is_part_of_word(c));
    if !words.any(|word| word.len() >= LEAST_KEY_BYTES && is_credential(&decoded(word))) {
        return Cow::Borrowed(text);
    }
    let mut redacted = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c| !is_part_of_word(c)) {
        let word = piece.trim_end_matches(|c| !is_part_of_word(c));
        let (_, behind) = piece.split_at(word.len());
        redacted.push_str(if is_credential(&decoded(word)) { REDACTED } else { word });
        redacted.push_str(behind);
    }
    Cow::Owned(redacted)
}

/// Of what keys and tokens are made, and the sign that may stand for any of it.
fn is_part_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '%')
}

/// The word decoded until nothing changes.
fn decoded(word: &str) -> Cow<'_, str> {
    if !word.contains('%') {
        return Cow::Borrowed(word);
    }
    let mut decoded = Vec::with_capacity(word.len());
    for byte in word.bytes() {
        decoded.push(byte);
        // What stood for a digit or a percent sign may complete another escape.
        while let Some((before, byte)) = escaped_at_end(&decoded) {
            decoded.truncate(before);
            decoded.push(byte);
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

/// Where an escape at the end begins, and what it stands for: a space if it is not ASCII, of which no credential is made.
fn escaped_at_end(bytes: &[u8]) -> Option<(usize, u8)> {
    let (before, &[b'%', high, low]) = bytes.split_last_chunk()? else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = digit(high)? << 4 | digit(low)?;
    Some((before.len(), if byte.is_ascii() { byte } else { b' ' }))
}

/// Whether a word is, or has in it, an API key of ours, a JWT, or a key of a well-known service.
fn is_credential(word: &str) -> bool {
    let is_key = word.contains("tg_") && word.len() >= LEAST_KEY_BYTES;
    // The header of a JWT is a JSON object, which begins with these letters in base64.
    let is_token = word.contains("eyJ") && word.matches('.').count() >= 2;
    is_key || is_token || shapes::has_foreign_key(word)
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
            ("/echo/tg%5F0198%5fsecret/x", "/echo/[redacted]/x"),
            ("/echo/%74%67_0198_secret", "/echo/[redacted]"),
            ("/echo/tg%255F0198_secret", "/echo/[redacted]"),
            ("/echo/tg%25%35F0198_secret", "/echo/[redacted]"),
            ("/echo/eyJhbGciOiJFZERTQSJ9%2EeyJzdWIiOiIxIn0%2Ec2ln", "/echo/[redacted]"),
            ("/echo/%65%79Jhbgci.eyJzdWIi.c2ln?", "/echo/[redacted]?"),
            ("/echo/%00%tg%é%", "/echo/%00%tg%é%"),
            ("/echo/%C3%A9%2", "/echo/%C3%A9%2"),
            ("/v1/keys/sk-proj-0123456789abcdef", "/v1/keys/[redacted]"),
            ("/v1/keys/sk%2Dproj%2D0123456789abcdef/x", "/v1/keys/[redacted]/x"),
            ("/hooks;hf_0123456789abcdefgh", "/hooks;[redacted]"),
            ("/users/0198c5a7-1111-7222-8333-444455556666", "/users/0198c5a7-1111-7222-8333-444455556666"),
        ] {
            assert_eq!(redact(text), redacted);
        }
    }
}
