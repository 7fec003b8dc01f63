//! API keys as text: `tg_<id>_<secret>`. How one is made, and how one is read.
//!
//! The id is the key's name everywhere; the secret is 64 lower-case hexadecimal digits. The store keeps the SHA-256 of
//! the secret and nothing else of it. The secret is the MAC of the id, and of how often it was replaced, under a sealed key, so that a creation that is
//! sent again gives the same key, though nobody has kept it; and so that an invented id is distinguished from one that
//! this replica has not heard of yet, without asking the store. This module stores nothing and knows no user.

use zeroize::Zeroizing;

use crate::{
    crypto::{self, MacKey},
    domain::{hex, ids::ApiKeyId},
};

/// Lets scanners of leaked secrets recognise a key. No access token and no refresh token begins so.
const PREFIX: &str = "tg_";
const SECRET_DIGITS: usize = 64;
/// What the MAC is of, before the id.
const PURPOSE: &[u8] = b"api-key";

/// Makes the secrets of new keys.
pub struct Mint(MacKey);

impl Mint {
    /// A mint that derives secrets with `key`.
    #[must_use]
    pub const fn new(key: MacKey) -> Self {
        Self(key)
    }

    /// The secret of the key with this id that was replaced so often, always the same.
    #[must_use]
    pub fn secret_of(&self, id: ApiKeyId, generation: i64) -> Zeroizing<String> {
        let tag = Zeroizing::new(self.0.sign(&message(id, generation)));
        Zeroizing::new(hex::encode(tag.as_slice()))
    }

    /// The key as its owner gets it, once.
    #[must_use]
    pub fn text_of(&self, id: ApiKeyId, generation: i64) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{id}_{}", self.secret_of(id, generation).as_str()))
    }

    /// Whether the key was made by a gateway with this mint, as the secret of this generation. Compared in constant time.
    #[must_use]
    pub fn made(&self, key: &ApiKey, generation: i64) -> bool {
        crypto::is_equal(self.secret_of(key.id, generation).as_bytes(), key.secret.as_bytes())
    }
}

fn message(id: ApiKeyId, generation: i64) -> Vec<u8> {
    let id = id.to_string();
    match generation {
        0 => [PURPOSE, id.as_bytes()].concat(),
        _ => [PURPOSE, id.as_bytes(), b"#", generation.to_string().as_bytes()].concat(),
    }
}

/// The digest of a secret, as the store keeps it.
#[must_use]
pub fn hash_of(secret: &str) -> [u8; 32] {
    crypto::sha256(&[secret.as_bytes()])
}

/// Whether a credential is meant as an API key, good or bad.
#[must_use]
pub fn is_meant(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// A key as a caller presents it. It has no `Debug`: it holds the secret.
pub struct ApiKey {
    pub id: ApiKeyId,
    secret: Zeroizing<String>,
}

impl ApiKey {
    /// Reads `tg_<id>_<secret>` in its one spelling.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        Self::of(id, secret)
    }

    /// The same from its two parts, as OAuth clients send it.
    #[must_use]
    pub fn of(id: &str, secret: &str) -> Option<Self> {
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if secret.len() != SECRET_DIGITS || !secret.bytes().all(is_digit) {
            return None;
        }
        Some(Self { id: id.parse().ok()?, secret: Zeroizing::new(secret.to_owned()) })
    }

    /// The digest to compare with what the store keeps.
    pub fn secret_hash(&self) -> [u8; 32] {
        hash_of(&self.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn id(n: u128) -> ApiKeyId {
        ApiKeyId(Uuid::from_u128(n))
    }

    #[test]
    fn a_key_is_read_in_its_one_spelling_only() {
        let mint = Mint::new(MacKey::new(&[1; 32]));
        let text = mint.text_of(id(7), 0);
        let read = ApiKey::read(&text).unwrap();
        assert_eq!((read.id, read.secret_hash()), (id(7), hash_of(&mint.secret_of(id(7), 0))));
        let cut = text.strip_suffix(|_| true).unwrap();
        for bad in
            ["", "tg_", "tg__", "tg_1_2", cut, &format!("{}0", *text), &text.to_uppercase(), &text.replace('-', "")]
        {
            assert!(ApiKey::read(bad).is_none(), "{bad}");
        }
        assert!(ApiKey::read(&text.replace("tg_", "tgr_")).is_none());
        assert!(ApiKey::read(&format!(" {}", *text)).is_none());
    }

    #[test]
    fn the_secret_of_an_id_is_always_the_same_and_no_other_mint_makes_it() {
        let (ours, other) = (Mint::new(MacKey::new(&[1; 32])), Mint::new(MacKey::new(&[2; 32])));
        assert_eq!(ours.secret_of(id(7), 1), ours.secret_of(id(7), 1));
        assert_ne!(ours.secret_of(id(7), 0), ours.secret_of(id(8), 0));
        assert_ne!(ours.secret_of(id(7), 0), ours.secret_of(id(7), 1));
        let key = ApiKey::read(&ours.text_of(id(7), 1)).unwrap();
        assert!(ours.made(&key, 1) && !ours.made(&key, 0) && !other.made(&key, 1));
    }
}
