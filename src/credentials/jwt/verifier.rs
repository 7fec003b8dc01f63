//! Verifying the gateway's own tokens against its ring of keys.

use std::collections::HashMap;

use super::{
    CLOCK_SKEW_S, Claims, Jwk, MAX_LIFETIME_S, PublicKey, Rejection, TYPE,
    compact::{Compact, Header},
    outside::OutsideToken,
};
use crate::domain::{
    ids::{ApiKeyId, SessionId, TokenId, UserId},
    principal::Role,
    refusal::TokenFault,
};

/// A key of the ring, as far as verifying goes.
#[derive(Clone)]
pub struct RingKey {
    pub key: PublicKey,
    /// Since when it signs no more, in seconds since the Unix epoch; may be ahead.
    pub retired_at_s: Option<i64>,
}

/// What a token says that verified. Whoever keeps it asks [`Verified::check`] each time it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub user: UserId,
    pub token: TokenId,
    pub session: SessionId,
    pub role: Role,
    /// The API key that it was exchanged for.
    pub key: Option<ApiKeyId>,
    expires_at_s: i64,
}

impl Verified {
    /// Refuses it once its time is over.
    pub fn check(&self, now_s: i64) -> Result<(), Rejection> {
        if self.expires_at_s <= now_s { Err(Rejection::Expired) } else { Ok(()) }
    }
}

/// What is needed to verify a token: an immutable snapshot.
pub struct Verifier {
    issuer: String,
    audience: String,
    access_ttl_s: u32,
    keys: HashMap<String, Entry>,
}

struct Entry {
    ring_key: RingKey,
    canonical_header: Vec<u8>,
}

impl Verifier {
    /// A verifier for the keys of a ring, and for the tokens of one issuer to one audience.
    #[must_use]
    pub fn new(issuer: &str, audience: &str, access_ttl_s: u32, ring: impl IntoIterator<Item = RingKey>) -> Self {
        let entry = |ring_key: RingKey| {
            let canonical_header = ring_key.key.canonical_header();
            (ring_key.key.kid.clone(), Entry { ring_key, canonical_header })
        };
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            access_ttl_s,
            keys: ring.into_iter().map(entry).collect(),
        }
    }

    /// The public keys whose tokens may be about, for `/.well-known/jwks.json`; sorted by name.
    #[must_use]
    pub fn jwks(&self, now_s: i64) -> Vec<Jwk> {
        let current = self.keys.values().filter(|entry| now_s < self.until_s(&entry.ring_key));
        let mut jwks: Vec<Jwk> = current.filter_map(|entry| entry.ring_key.key.jwk().cloned()).collect();
        jwks.sort_by(|a, b| a.kid.cmp(&b.kid));
        jwks
    }

    /// Verifies the form, the signature and the claims of a token. Whether it was revoked is not looked at here.
    pub fn verify(&self, token: &str, now_s: i64) -> Result<Verified, Rejection> {
        let compact = Compact::read(token)?;
        let entry = self.entry(&compact.header()?)?;
        let key = &entry.ring_key.key;
        if !compact.has_header(&entry.canonical_header) {
            return Err(TokenFault::UnsupportedHeader.into());
        }
        if !key.has_signed(compact.message, compact.encoded_signature) {
            return Err(TokenFault::BadSignature.into());
        }
        let claims = read_claims(&compact.claims)?;
        self.check(&claims, now_s)?;
        if signed_after_retirement(&entry.ring_key, &claims) {
            return Err(TokenFault::RetiredKey.into());
        }
        let verified = Verified {
            user: claims.sub,
            token: claims.jti,
            session: claims.sid,
            role: claims.role,
            key: claims.key,
            // Revocations and retired keys are forgotten when a token of the lifetime configured now has expired.
            expires_at_s: claims.exp.min(claims.iat.saturating_add(self.access_ttl_s.into())),
        };
        verified.check(now_s).map(|()| verified)
    }

    /// Whether a token is for this verifier to judge, and for no other: it names a key of the ring, or this issuer.
    #[must_use]
    pub fn owns(&self, token: &OutsideToken) -> bool {
        token.kid.as_ref().is_some_and(|kid| self.keys.contains_key(kid))
            || token.issuer() == Some(self.issuer.as_str())
    }

    fn entry(&self, header: &Header) -> Result<&Entry, TokenFault> {
        if header.typ != TYPE {
            return Err(TokenFault::WrongType);
        }
        let entry = self.keys.get(&header.kid).ok_or(TokenFault::UnknownKey)?;
        let fits = header.alg == entry.ring_key.key.algorithm.as_str();
        fits.then_some(entry).ok_or(TokenFault::WrongAlgorithm)
    }

    fn check(&self, claims: &Claims, now_s: i64) -> Result<(), TokenFault> {
        if claims.iss != self.issuer || claims.aud != self.audience || !is_plausible(claims) {
            return Err(TokenFault::WrongClaims);
        }
        let latest = now_s.saturating_add(CLOCK_SKEW_S);
        if claims.nbf > latest || claims.iat > latest {
            return Err(TokenFault::NotYetValid);
        }
        Ok(())
    }

    /// When the last token of a key has expired.
    fn until_s(&self, key: &RingKey) -> i64 {
        let last = |retired_at_s: i64| retired_at_s.saturating_add(self.access_ttl_s.into());
        key.retired_at_s.map_or(i64::MAX, |retired| last(retired).saturating_add(CLOCK_SKEW_S))
    }
}

/// Reads the claims, and refuses them unless they are written as we write them.
fn read_claims(bytes: &[u8]) -> Result<Claims, TokenFault> {
    let claims: Claims = serde_json::from_slice(bytes).map_err(|_| TokenFault::WrongClaims)?;
    let canonical = serde_json::to_vec(&claims).map_err(|_| TokenFault::WrongClaims)?;
    if canonical == bytes { Ok(claims) } else { Err(TokenFault::WrongClaims) }
}

/// Times that this gateway could have written.
fn is_plausible(claims: &Claims) -> bool {
    let lifetime_s = claims.exp.saturating_sub(claims.iat);
    claims.iat >= 0 && claims.nbf >= 0 && (1..=i64::from(MAX_LIFETIME_S)).contains(&lifetime_s)
}

/// Only somebody who has stolen a retired key signs with it.
fn signed_after_retirement(key: &RingKey, claims: &Claims) -> bool {
    key.retired_at_s.is_some_and(|retired| claims.iat > retired.saturating_add(CLOCK_SKEW_S))
}
