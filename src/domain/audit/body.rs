//! What an entry keeps of a body. It is personal: it stands in the part that can be erased.

use serde::{Deserialize, Serialize};

use super::Hash;
use crate::domain::{
    hex,
    ids::UserId,
    redaction::{
        KnownSecrets,
        content::{redact_content, without_last_word},
    },
};

/// What is kept of the bodies of one call, and whose they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptBodies {
    /// Who called: an outcome does not say it otherwise, and erasing looks for it.
    pub user_id: Option<UserId>,
    pub request_body: Option<KeptBody>,
    pub response_body: Option<KeptBody>,
}

/// What is kept of one body, as far as it passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeptBody {
    /// In hexadecimal digits, over all bytes that passed.
    pub sha256: String,
    /// The text, or its beginning, with `[redacted]` in place of credentials. Not there where only the hash is kept, or the
    /// body is no text in UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether the text is only the beginning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl KeptBody {
    /// The hash of a body alone.
    #[must_use]
    pub fn hash(sha256: &Hash) -> Self {
        Self { sha256: hex::encode(sha256), text: None, truncated: false }
    }

    /// Of a body that begins with `head`, or is it. What is no text could hide a credential from the search for one, so
    /// nothing of it is kept; NUL is in no text, but in two bytes a letter. `secrets` are cut whatever they look like.
    #[must_use]
    pub fn full(sha256: &Hash, head: &[u8], is_whole: bool, secrets: &KnownSecrets) -> Self {
        let head = match std::str::from_utf8(head) {
            Ok(text) => Some(text),
            // A letter that is cut.
            Err(error) if !is_whole && error.error_len().is_none() => {
                head.get(..error.valid_up_to()).and_then(|head| std::str::from_utf8(head).ok())
            }
            Err(_) => None,
        };
        let text = head.filter(|text| !text.contains('\0'));
        let text = text.map(|text| redact_content(&secrets.cut(if is_whole { text } else { without_last_word(text) })));
        Self { sha256: hex::encode(sha256), truncated: text.is_some() && !is_whole, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(head: &[u8], is_whole: bool) -> (Option<String>, bool) {
        let KeptBody { text, truncated, .. } =
            KeptBody::full(&[0; 32], head, is_whole, &KnownSecrets::new(["kanarienvogel"]));
        (text, truncated)
    }

    #[test]
    fn a_text_is_kept_without_credentials() {
        let text = "{\"a\":\"é\",\"password\":\"x\"}";
        assert_eq!(kept(text.as_bytes(), true), (Some("{\"a\":\"é\",\"password\":\"[redacted]\"}".into()), false));
        assert_eq!(kept(b"sent kanarienvogel", true), (Some("sent [redacted]".into()), false));
    }

    #[test]
    fn what_is_no_text_is_kept_as_a_hash_alone() {
        for bytes in [&[0xff, b'a'][..], b"t\0g\0_\0", b"\x1f\x8b\x08"] {
            assert_eq!(kept(bytes, true), (None, false), "{bytes:?}");
        }
    }

    #[test]
    fn a_cut_text_ends_before_the_word_that_was_cut() {
        assert_eq!(kept("long and tg_0198_sec".as_bytes(), false), (Some("long and ".into()), true));
        assert_eq!(kept(&"an é".as_bytes()[..4], false), (Some("an ".into()), true));
        assert_eq!(kept(&"an é".as_bytes()[..4], true), (None, false));
    }
}
