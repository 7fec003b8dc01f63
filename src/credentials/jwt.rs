//! Access tokens (RFC 9068): their claims, signing and strict verification. The only module that names jsonwebtoken.
//!
//! A token is accepted only in the one form that this gateway gives it, byte for byte: the header and the claims that
//! were read, written again, must be what was sent. So whatever two readers could read in two ways (repeated names,
//! escapes, white space, other base64) is refused before it means anything (RFC 8725 §3). Times are compared with a `now`
//! that the caller gives. Tokens of trusted outside issuers, which have other forms, are read by [`outside`].

mod compact;
mod key;
pub mod outside;
mod verifier;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::{
    key::{Jwk, NotAKey, PublicKey, SigningError, SigningKey},
    verifier::{RingKey, Verified, Verifier},
};
use crate::domain::{
    ids::{ApiKeyId, SessionId, TokenId, UserId},
    principal::Role,
    refusal::TokenFault,
};

/// The `typ` of an access token (RFC 9068 §2.1).
const TYPE: &str = "at+jwt";
/// How far the clocks of two replicas, or of an outside issuer and ours, may be apart, in seconds.
pub const CLOCK_SKEW_S: i64 = 5;
/// The longest lifetime that can be configured, in seconds: a token that claims more is none of ours.
pub const MAX_LIFETIME_S: u32 = 86_400;

/// The claims of an access token, in the order they are written in. Times are seconds since the Unix epoch (RFC 7519 §2,
/// `NumericDate`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: UserId,
    pub jti: TokenId,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    pub role: Role,
    pub sid: SessionId,
    /// The API key that the token was exchanged for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<ApiKeyId>,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    Faulty(TokenFault),
    Expired,
}

impl From<TokenFault> for Rejection {
    fn from(fault: TokenFault) -> Self {
        Self::Faulty(fault)
    }
}
