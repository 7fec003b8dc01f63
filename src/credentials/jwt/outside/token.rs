//! An outside token in its parts, read strictly and not yet trusted.

use serde_json::{Map, Value};

use super::unique::UniqueObject;
use crate::{
    credentials::jwt::compact::Compact,
    crypto,
    domain::{hex, refusal::TokenFault},
};

/// Members of a header that would change how the token is read, or where its key comes from (RFC 7515 §4.1, RFC 7797).
const REFUSED: [&str; 8] = ["crit", "b64", "zip", "jwk", "jku", "x5u", "x5c", "cty"];

/// How much of a token's digest names it, in bytes.
const NAME_BYTES: usize = 16;

/// A token that another issuer may have given. What it says is to be believed only when it verified.
pub struct OutsideToken<'t> {
    pub(super) compact: Compact<'t>,
    pub(super) claims: Map<String, Value>,
    pub(super) alg: String,
    kid: String,
    media_type: String,
    token: &'t str,
}

impl<'t> OutsideToken<'t> {
    /// Reads the form, the header and the claims.
    pub fn read(token: &'t str) -> Result<Self, TokenFault> {
        let compact = Compact::read(token)?;
        let UniqueObject(header) =
            serde_json::from_slice(&compact.header).map_err(|_| TokenFault::UnsupportedHeader)?;
        if REFUSED.iter().any(|name| header.contains_key(*name)) {
            return Err(TokenFault::UnsupportedHeader);
        }
        let text = |name: &str| header.get(name).and_then(Value::as_str).map(str::to_owned);
        let alg = text("alg").ok_or(TokenFault::UnsupportedHeader)?;
        let kid = text("kid").ok_or(TokenFault::UnsupportedHeader)?;
        let media_type = text("typ").ok_or(TokenFault::WrongType)?;
        let UniqueObject(claims) = serde_json::from_slice(&compact.claims).map_err(|_| TokenFault::WrongClaims)?;
        Ok(Self { compact, claims, alg, kid, media_type, token })
    }

    /// The name of the key that it says it is signed with.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its `typ`.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Its `iss`, if that is a string.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// A name for it that gives nothing of it away: the first half of its SHA-256, in hex.
    pub(super) fn digest(&self) -> String {
        let digest = crypto::sha256(&[self.token.as_bytes()]);
        hex::encode(digest.get(..NAME_BYTES).unwrap_or(&digest))
    }
}
