//! Refresh tokens: which session, and which step of it, under a MAC.
//!
//! A session counts its refreshes; a token names the session and the count. So the store keeps no token and no hash of
//! one, and the successor of a token is always the same token: a client whose answer was lost asks again and gets it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::{crypto::MacKey, domain::ids::SessionId};

/// Lets scanners of leaked secrets recognise one.
const PREFIX: &str = "tgr_";
const ID_BYTES: usize = 16;
const BODY_BYTES: usize = ID_BYTES + 8;

/// What a refresh token says, once its MAC was found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RefreshToken {
    pub(super) session: SessionId,
    pub(super) generation: i64,
}

impl RefreshToken {
    pub(super) fn write(self, key: &MacKey) -> String {
        let body = self.body();
        let tag = key.sign(&body);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([body.as_slice(), &tag].concat()))
    }

    /// Reads a token that this key made; anything else is `None`.
    pub(super) fn read(text: &str, key: &MacKey) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (body, tag) = bytes.split_at_checked(BODY_BYTES)?;
        if !key.verify(body, tag) {
            return None;
        }
        let (id, generation) = body.split_at_checked(ID_BYTES)?;
        let session = SessionId(Uuid::from_slice(id).ok()?);
        Some(Self { session, generation: i64::from_be_bytes(generation.try_into().ok()?) })
    }

    fn body(self) -> Vec<u8> {
        [self.session.0.as_bytes().as_slice(), &self.generation.to_be_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_key_wrote_is_read() {
        let (ours, other) = (MacKey::new(&[1; 32]), MacKey::new(&[2; 32]));
        let token = RefreshToken { session: SessionId(Uuid::from_u128(9)), generation: 3 };
        let text = token.write(&ours);
        assert_eq!(RefreshToken::read(&text, &ours), Some(token));
        assert_eq!(RefreshToken::read(&text, &other), None);
        for bad in [
            "",
            "tgr_",
            "tgr_AAAA",
            text.trim_start_matches(PREFIX),
            text.strip_suffix(|_| true).unwrap(),
            &format!("{text}A"),
            &text.to_uppercase(),
        ] {
            assert_eq!(RefreshToken::read(bad, &ours), None, "{bad}");
        }
    }

    #[test]
    fn the_successor_of_a_token_is_always_the_same() {
        let key = MacKey::new(&[1; 32]);
        let successor = RefreshToken { session: SessionId(Uuid::from_u128(9)), generation: 4 };
        assert_eq!(successor.write(&key), successor.write(&key));
    }
}
