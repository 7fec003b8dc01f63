//! ID tokens (`OpenID` Connect Core §2): what the provider says to this gateway, its client, about who has signed in. They
//! come straight from the token endpoint and are no credential of anybody.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    OutsideToken, Trust,
    claim_path::find,
    claims::{is_for, is_subject, role, team, time_s},
};
use crate::{
    credentials::jwt::CLOCK_SKEW_S,
    crypto,
    domain::{
        principal::{OutsideIdentity, Role},
        sign_in::IdTokenFault,
    },
};

/// Where a name for people is looked for, in order (`OpenID` Connect Core §5.1).
const NAMES: [&str; 3] = ["preferred_username", "email", "sub"];

/// What an ID token must fit besides its issuer and its client.
pub struct Expected<'e> {
    /// As it went to the provider.
    pub nonce: &'e str,
    /// The access token that came with it, if one did.
    pub access_token: Option<&'e str>,
    /// The claim that names the user; empty: the first of `preferred_username`, `email` and `sub` that is there.
    pub username_claim: &'e str,
}

/// Who has signed in at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    pub identity: OutsideIdentity,
    /// The role that the mapping gives.
    pub role: Option<Role>,
    /// The name of the team that the mapping gives.
    pub team: Option<Arc<str>>,
    /// What people call the user.
    pub username: Option<String>,
}

/// Checks the claims of an ID token that is well signed and of this issuer, in the order of Core §3.1.3.7.
pub(super) fn check(
    trust: &Trust,
    token: &OutsideToken,
    expected: &Expected<'_>,
    now_s: i64,
) -> Result<SignedIn, IdTokenFault> {
    let claims = &token.claims;
    check_audience(trust, claims)?;
    check_times(claims, now_s)?;
    let nonce = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
    if !crypto::is_equal(nonce.as_bytes(), expected.nonce.as_bytes()) {
        return Err(IdTokenFault::Nonce);
    }
    if let (Some(hash), Some(access_token)) = (claims.get("at_hash"), expected.access_token)
        && *hash != half_hash(&token.alg, access_token)
    {
        return Err(IdTokenFault::AccessTokenHash);
    }
    let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| is_subject(subject));
    let subject = subject.ok_or(IdTokenFault::Subject)?;
    Ok(SignedIn {
        identity: OutsideIdentity { issuer: Arc::clone(&trust.issuer), subject: subject.into() },
        role: role(trust, token),
        team: team(trust, token),
        username: username(claims, expected.username_claim),
    })
}

/// The client is the audience or among several; then, or where `azp` is there, that must name the client too.
fn check_audience(trust: &Trust, claims: &Map<String, Value>) -> Result<(), IdTokenFault> {
    let audience = claims.get("aud").filter(|aud| is_for(&trust.audience, aud)).ok_or(IdTokenFault::Audience)?;
    let is_one_of_several = audience.as_array().is_some_and(|all| all.len() > 1);
    match claims.get("azp") {
        None if is_one_of_several => Err(IdTokenFault::AuthorizedParty),
        Some(azp) if *azp != trust.audience.as_str() => Err(IdTokenFault::AuthorizedParty),
        _ => Ok(()),
    }
}

fn check_times(claims: &Map<String, Value>, now_s: i64) -> Result<(), IdTokenFault> {
    let time = |name: &str| claims.get(name).and_then(time_s);
    let (exp_s, iat_s) = time("exp").zip(time("iat")).ok_or(IdTokenFault::Times)?;
    let nbf_s = claims.get("nbf").map_or(Some(iat_s), time_s).ok_or(IdTokenFault::Times)?;
    if iat_s.max(nbf_s) > now_s.saturating_add(CLOCK_SKEW_S) {
        return Err(IdTokenFault::NotYetValid);
    }
    if exp_s.saturating_add(CLOCK_SKEW_S) <= now_s { Err(IdTokenFault::Expired) } else { Ok(()) }
}

/// The left half of the hash of an access token, with the hash of the algorithm that signed (Core §3.1.3.6).
fn half_hash(alg: &str, access_token: &str) -> String {
    let bytes = access_token.as_bytes();
    let hash = match alg {
        "RS384" | "PS384" | "ES384" => crypto::sha384(bytes),
        "RS512" | "PS512" | "EdDSA" | "Ed25519" => crypto::sha512(bytes),
        _ => crypto::sha256(&[bytes]).to_vec(),
    };
    URL_SAFE_NO_PAD.encode(hash.get(..hash.len() / 2).unwrap_or_default())
}

fn username(claims: &Map<String, Value>, claim: &str) -> Option<String> {
    let text = |name: &str| find(claims, name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if claim.is_empty() { NAMES.into_iter().find_map(text) } else { text(claim) }
}
