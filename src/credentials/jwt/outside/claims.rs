//! The claims of an outside token that is well signed (RFC 7519 §4.1, RFC 9068 §4).

use std::sync::Arc;

use serde_json::Value;

use super::{OutsideToken, OutsideVerified, Trust};
use crate::{
    credentials::jwt::{CLOCK_SKEW_S, MAX_LIFETIME_S, Rejection},
    domain::{
        principal::{OutsideIdentity, Role},
        refusal::TokenFault,
    },
};

/// The longest name of a user at an issuer, in bytes (`OpenID` Connect Core §2).
const MAX_SUBJECT_BYTES: usize = 255;
/// A longer `jti` is not written into records.
const MAX_TOKEN_ID_BYTES: usize = 128;

/// Claims that only an ID token has. It tells a client who logged in, and is no credential here, whatever its `typ`.
const OF_ID_TOKENS: [&str; 3] = ["nonce", "at_hash", "c_hash"];

pub(super) fn check(trust: &Trust, token: &OutsideToken, now_s: i64) -> Result<OutsideVerified, Rejection> {
    if is_id_token(token) {
        return Err(TokenFault::WrongType.into());
    }
    let verified = read(trust, token).ok_or(TokenFault::WrongClaims)?;
    let nbf_s = token.claims.get("nbf").map_or(Some(verified.iat_s), time_s).ok_or(TokenFault::WrongClaims)?;
    if nbf_s.max(verified.iat_s) > now_s.saturating_add(CLOCK_SKEW_S) {
        return Err(TokenFault::NotYetValid.into());
    }
    if verified.exp_s <= now_s {
        return Err(Rejection::Expired);
    }
    Ok(verified)
}

fn is_id_token(token: &OutsideToken) -> bool {
    let claims = &token.claims;
    OF_ID_TOKENS.iter().any(|name| claims.contains_key(*name)) || claims.get("typ").is_some_and(|typ| typ == "ID")
}

/// Everything but what depends on the time; `None` where a claim is missing or not as it must be.
fn read(trust: &Trust, token: &OutsideToken) -> Option<OutsideVerified> {
    let claims = &token.claims;
    // A token bound to a key of its sender (RFC 7800 §3) is no bearer token, and the proof is not asked for here.
    if claims.contains_key("cnf") || !is_for(&trust.audience, claims.get("aud")?) {
        return None;
    }
    let subject = claims.get("sub")?.as_str().filter(|subject| is_subject(subject))?;
    let (iat_s, exp_s) = (time_s(claims.get("iat")?)?, time_s(claims.get("exp")?)?);
    let lifetime_s = exp_s.saturating_sub(iat_s);
    (1..=i64::from(MAX_LIFETIME_S)).contains(&lifetime_s).then_some(())?;
    let identity = OutsideIdentity { issuer: Arc::clone(&trust.issuer), subject: subject.into() };
    let (role, token_id) = (role(trust, token)?, token_id(token)?);
    Some(OutsideVerified { identity, role, first_role: trust.role, token_id, iat_s, exp_s })
}

/// Every member of a list must be a string, though one that fits is enough.
fn is_for(audience: &str, aud: &Value) -> bool {
    match aud {
        Value::String(one) => one == audience,
        Value::Array(all) => all.iter().all(Value::is_string) && all.iter().any(|one| one == audience),
        _ => false,
    }
}

/// Control characters have no place in a record, and PostgreSQL stores no NUL.
fn is_subject(subject: &str) -> bool {
    (1..=MAX_SUBJECT_BYTES).contains(&subject.len()) && !subject.chars().any(char::is_control)
}

/// Whole seconds since the Unix epoch; a fraction or an exponent is refused rather than rounded.
fn time_s(value: &Value) -> Option<i64> {
    value.as_i64().filter(|time_s| *time_s >= 0)
}

/// `Some(None)` where the token names no role, `None` where it names none of ours.
fn role(trust: &Trust, token: &OutsideToken) -> Option<Option<Role>> {
    match token.claims.get(&trust.role_claim).filter(|_| !trust.role_claim.is_empty()) {
        None => Some(None),
        Some(named) => named.as_str()?.parse().ok().map(Some),
    }
}

fn token_id(token: &OutsideToken) -> Option<String> {
    let fits = |jti: &&str| (1..=MAX_TOKEN_ID_BYTES).contains(&jti.len()) && !jti.chars().any(char::is_control);
    match token.claims.get("jti") {
        None => Some(token.digest()),
        Some(jti) => Some(Some(jti.as_str()?).filter(fits).map_or_else(|| token.digest(), str::to_owned)),
    }
}
