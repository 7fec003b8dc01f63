//! Access tokens of trusted outside issuers (RFC 9068), verified with the keys that those publish (RFC 7517).
//!
//! Such a token is read more tolerantly than one of ours (its header may have members that mean nothing here), but never
//! in two ways: a name that is given twice is refused. The issuer that a token names, before anything about it is
//! trusted, picks the keys that alone are tried; nothing in a header ever picks a key from elsewhere. Nothing here makes a
//! connection: [`crate::actors::key_fetcher`] fetches the keys and publishes an [`OutsideVerifier`] that has them.

mod claim_path;
mod claims;
mod discovery;
mod id_token;
mod key_set;
mod media_type;
mod token;
mod unique;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use self::media_type::without_application;
pub use self::{
    discovery::{Discovered, Endpoints, NotDiscovered, SecretGoes},
    id_token::{Expected, NoUserInfo, NotVouched, SignedIn, UserInfo, Vouched},
    key_set::{KeySet, NotAKeySet},
    token::OutsideToken,
};
use super::Rejection;
use crate::domain::{
    principal::{OutsideIdentity, Role},
    refusal::TokenFault,
    sign_in::IdTokenFault,
};

/// What an outside issuer is trusted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// What `iss` must be, byte for byte.
    pub issuer: Arc<str>,
    /// What must be in the claim at `audience_claim`, or among its list.
    pub audience: String,
    /// The path of the audience claim: `aud` by RFC 7519 §4.1.3.
    pub audience_claim: String,
    /// The path of the claim that names roles, if it is there; empty: none does.
    pub role_claim: String,
    /// The roles that the issuer's names stand for; empty: our roles have the same names there.
    pub roles: BTreeMap<String, Role>,
    /// The role of a token that names none.
    pub role: Role,
    /// The path of the claim that names teams, and the names of our teams by the issuer's names.
    pub team_claim: String,
    pub teams: BTreeMap<String, String>,
    /// What `typ` may be, without `application/` before it; compared without case (RFC 7515 §4.1.9). An empty one stands for
    /// a token without `typ`.
    pub token_types: Vec<String>,
    /// By how much the issuer's clock may differ from ours, in seconds: a token is valid by so much longer, and so much
    /// earlier (5 seconds earlier in any case).
    pub leeway_s: u32,
    /// The longest lifetime of a token, in seconds.
    pub max_lifetime_s: u32,
}

/// An outside token that verified. All that is asked of it later is here, so that it can be kept until `ends_s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideVerified {
    pub identity: OutsideIdentity,
    /// The role that the token names, the highest of several.
    pub role: Option<Role>,
    /// The role of a token of this issuer that names none.
    pub first_role: Role,
    /// The name of the team of a user that is made for it.
    pub team: Option<Arc<str>>,
    /// Its `jti`, or a digest of the token where it has none.
    pub token_id: String,
    /// The earliest time at which it can have been made, and when it ends, in seconds since the Unix epoch. What the
    /// issuer's clock may differ is in them.
    pub made_s: i64,
    pub ends_s: i64,
}

/// Why an outside token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutsideRejection {
    /// Not with the keys that are known of this trusted issuer, which may have published others since: a new one, or
    /// another one under a name that was used before.
    NeedsKeys {
        issuer: Arc<str>,
        /// How often the issuer's keys had been fetched.
        fetched: u64,
        /// Why the token is refused if they stay as they are.
        fault: TokenFault,
    },
    Rejected(Rejection),
}

/// Why an ID token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdTokenRejection {
    /// Not with the keys that are known of the issuer, see [`OutsideRejection::NeedsKeys`].
    NeedsKeys(TokenFault),
    Rejected(IdTokenFault),
}

impl From<IdTokenFault> for IdTokenRejection {
    fn from(fault: IdTokenFault) -> Self {
        Self::Rejected(fault)
    }
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
    fetched: u64,
    /// Where people sign in, by the last discovery document.
    endpoints: Option<Arc<Endpoints>>,
}

impl OutsideVerifier {
    /// A verifier that knows the issuers and none of their keys.
    #[must_use]
    pub fn new(issuers: impl IntoIterator<Item = Trust>) -> Self {
        let keyless = |trust: Trust| {
            let (issuer, trust) = (Arc::clone(&trust.issuer), Arc::new(trust));
            (issuer, Trusted { trust, keys: Arc::default(), fetched: 0, endpoints: None })
        };
        Self { issuers: issuers.into_iter().map(keyless).collect() }
    }

    /// A verifier in which these are the keys of an issuer.
    #[must_use]
    pub fn with_keys(mut self, issuer: &str, keys: KeySet) -> Self {
        if let Some(trusted) = self.issuers.get_mut(issuer) {
            trusted.keys = Arc::new(keys);
            trusted.fetched = trusted.fetched.saturating_add(1);
        }
        self
    }

    /// A verifier in which people sign in with an issuer there.
    #[must_use]
    pub fn with_endpoints(mut self, issuer: &str, endpoints: Option<Endpoints>) -> Self {
        if let Some(trusted) = self.issuers.get_mut(issuer) {
            trusted.endpoints = endpoints.map(Arc::new);
        }
        self
    }

    /// Where people sign in with an issuer; `None` where it is not known, or they cannot.
    #[must_use]
    pub fn endpoints(&self, issuer: &str) -> Option<Arc<Endpoints>> {
        self.issuers.get(issuer).and_then(|trusted| trusted.endpoints.clone())
    }

    /// True where no outside issuer is trusted.
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// How often the keys of an issuer have been fetched.
    #[must_use]
    pub fn fetched(&self, issuer: &str) -> u64 {
        self.issuers.get(issuer).map_or(0, |trusted| trusted.fetched)
    }

    /// Verifies the type, the signature and the claims of a token. Who its subject is here is not looked at.
    pub fn verify(&self, token: &OutsideToken, now_s: i64) -> Result<OutsideVerified, OutsideRejection> {
        let issuer = token.issuer().ok_or(TokenFault::WrongClaim("iss"))?;
        let Trusted { trust, keys, fetched, .. } = self.issuers.get(issuer).ok_or(TokenFault::UnknownIssuer)?;
        if !trust.takes(&token.media_type) {
            return Err(TokenFault::WrongType.into());
        }
        match keys.check(token) {
            Ok(()) => Ok(claims::check(trust, token, now_s)?),
            Err(fault @ (TokenFault::UnknownKey | TokenFault::BadSignature)) => {
                Err(OutsideRejection::NeedsKeys { issuer: Arc::clone(&trust.issuer), fetched: *fetched, fault })
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Verifies the signature and the claims of an ID token that `issuer` gave to this gateway.
    pub fn verify_id_token(
        &self,
        issuer: &str,
        token: &OutsideToken,
        expected: &Expected<'_>,
        now_s: i64,
    ) -> Result<Vouched, IdTokenRejection> {
        let trusted = self.issuers.get(issuer).filter(|_| token.issuer() == Some(issuer));
        let Trusted { trust, keys, .. } = trusted.ok_or(IdTokenFault::Issuer)?;
        match keys.check(token) {
            Ok(()) => Ok(id_token::check(trust, token, expected, now_s)?),
            Err(fault @ (TokenFault::UnknownKey | TokenFault::BadSignature)) => Err(IdTokenRejection::NeedsKeys(fault)),
            Err(fault) => Err(IdTokenFault::from(fault).into()),
        }
    }
}

impl Trust {
    fn takes(&self, media_type: &str) -> bool {
        let plain = without_application(media_type);
        if plain.is_empty() {
            return media_type.is_empty() && self.token_types.iter().any(String::is_empty);
        }
        self.token_types.iter().any(|taken| without_application(taken).eq_ignore_ascii_case(plain))
    }

    /// The role that a name at the issuer stands for.
    fn role_of(&self, name: &str) -> Option<Role> {
        if self.roles.is_empty() { name.parse().ok() } else { self.roles.get(name).copied() }
    }
}
