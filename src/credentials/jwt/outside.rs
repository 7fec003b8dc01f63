//! Access tokens of trusted outside issuers (RFC 9068), verified with the keys that those publish (RFC 7517).
//!
//! Such a token is read more tolerantly than one of ours (its header may have members that mean nothing here), but never
//! in two ways: a name that is given twice is refused. The issuer that a token names, before anything about it is
//! trusted, picks the keys that alone are tried; nothing in a header ever picks a key from elsewhere. Nothing here makes a
//! connection: [`crate::actors::key_fetcher`] fetches the keys and publishes an [`OutsideVerifier`] that has them.

mod claims;
mod key_set;
mod token;
mod unique;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

pub use self::{
    key_set::{KeySet, NotAKeySet},
    token::OutsideToken,
};
use super::Rejection;
use crate::domain::{
    principal::{OutsideIdentity, Role},
    refusal::TokenFault,
};

/// What an outside issuer is trusted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// What `iss` must be, byte for byte.
    pub issuer: Arc<str>,
    /// What must be among `aud`.
    pub audience: String,
    /// The claim that names one of our roles, if it is there; empty: none does.
    pub role_claim: String,
    /// The role of a user made for a token that names none.
    pub role: Role,
    /// What `typ` may be, without `application/` before it; compared without case (RFC 7515 §4.1.9).
    pub token_types: Vec<String>,
}

/// An outside token that verified. All that is asked of it later is here, so that it can be kept until `exp_s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideVerified {
    pub identity: OutsideIdentity,
    /// The role that the token names.
    pub role: Option<Role>,
    /// The role of a user that is made for it.
    pub first_role: Role,
    /// Its `jti`, or a digest of the token where it has none.
    pub token_id: String,
    /// When it was made and when it expires, in seconds since the Unix epoch.
    pub iat_s: i64,
    pub exp_s: i64,
}

/// Why an outside token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutsideRejection {
    /// This trusted issuer may have published the key since its keys were fetched.
    UnknownKey {
        issuer: Arc<str>,
    },
    Rejected(Rejection),
}

impl From<Rejection> for OutsideRejection {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<TokenFault> for OutsideRejection {
    fn from(fault: TokenFault) -> Self {
        Self::Rejected(fault.into())
    }
}

/// The trusted issuers and their keys: an immutable snapshot.
#[derive(Clone, Default)]
pub struct OutsideVerifier {
    issuers: HashMap<Arc<str>, Trusted>,
}

#[derive(Clone)]
struct Trusted {
    trust: Arc<Trust>,
    keys: Arc<KeySet>,
}

impl OutsideVerifier {
    /// A verifier that knows the issuers and none of their keys.
    #[must_use]
    pub fn new(issuers: impl IntoIterator<Item = Trust>) -> Self {
        let keyless =
            |trust: Trust| (Arc::clone(&trust.issuer), Trusted { trust: Arc::new(trust), keys: Arc::default() });
        Self { issuers: issuers.into_iter().map(keyless).collect() }
    }

    /// A verifier in which these are the keys of an issuer.
    #[must_use]
    pub fn with_keys(mut self, issuer: &str, keys: KeySet) -> Self {
        if let Some(trusted) = self.issuers.get_mut(issuer) {
            trusted.keys = Arc::new(keys);
        }
        self
    }

    /// True where no outside issuer is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Whether a key of this name is among the keys of an issuer.
    #[must_use]
    pub fn has_key(&self, issuer: &str, kid: &str) -> bool {
        self.issuers.get(issuer).is_some_and(|trusted| trusted.keys.find(kid).is_some())
    }

    /// Verifies the type, the signature and the claims of a token. Who its subject is here is not looked at.
    pub fn verify(&self, token: &OutsideToken, now_s: i64) -> Result<OutsideVerified, OutsideRejection> {
        let issuer = token.issuer().ok_or(TokenFault::WrongClaims)?;
        let Trusted { trust, keys } = self.issuers.get(issuer).ok_or(TokenFault::UnknownIssuer)?;
        if !trust.takes(token.media_type()) {
            return Err(TokenFault::WrongType.into());
        }
        let unknown = || OutsideRejection::UnknownKey { issuer: Arc::clone(&trust.issuer) };
        let key = keys.find(token.kid()).ok_or_else(unknown)?;
        key.check(token)?;
        Ok(claims::check(trust, token, now_s)?)
    }
}

impl Trust {
    fn takes(&self, media_type: &str) -> bool {
        let plain = without_application(media_type);
        self.token_types.iter().any(|taken| without_application(taken).eq_ignore_ascii_case(plain))
    }
}

fn without_application(media_type: &str) -> &str {
    const PREFIX: &str = "application/";
    match media_type.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => media_type,
    }
}
