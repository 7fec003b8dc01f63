//! The claims of an outside token that is well signed (RFC 7519 §4.1, RFC 9068 §4).

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{OutsideToken, OutsideVerified, Trust, claim_path, media_type::without_application};
use crate::{
    credentials::jwt::{CLOCK_SKEW_S, Rejection},
    domain::{
        principal::{OutsideIdentity, Role},
        refusal::TokenFault,
    },
};

/// The longest name of a user at an issuer, in bytes (`OpenID` Connect Core §2).
const MAX_SUBJECT_BYTES: usize = 255;
/// A longer `jti` is not written into records.
const MAX_TOKEN_ID_BYTES: usize = 128;

/// Claims that only an ID token has. It says to a client who logged in, and is no credential here, whatever its `typ`.
const OF_ID_TOKENS: [&str; 2] = ["at_hash", "c_hash"];

/// What a security event token is about, such as a logout (RFC 8417 §2.2, `OpenID` Connect Back-Channel Logout §2.4). It says that
/// something has happened, and lets nobody in.
const OF_EVENTS: &str = "events";

pub(super) fn check(trust: &Trust, token: &OutsideToken, now_s: i64) -> Result<OutsideVerified, Rejection> {
    if is_id_token(token) || token.claims.contains_key(OF_EVENTS) {
        return Err(TokenFault::WrongType.into());
    }
    let times = Times::read(trust, token, now_s).map_err(TokenFault::WrongClaim)?;
    let verified = read(trust, token, &times).map_err(TokenFault::WrongClaim)?;
    if times.begins > now_s {
        return Err(TokenFault::NotYetValid.into());
    }
    if times.ends <= now_s {
        return Err(Rejection::Expired);
    }
    Ok(verified)
}

/// A `nonce` is in ID tokens (`OpenID` Connect Core §2). Some issuers copy it into access tokens (Keycloak, Authentik);
/// these have a scope, or say `Bearer`, and ID tokens do neither.
fn is_id_token(token: &OutsideToken) -> bool {
    let claims = &token.claims;
    let says = |name: &str, value: &str| claims.get(name).is_some_and(|claim| claim == value);
    let is_access = claims.contains_key("scope") || claims.contains_key("scp") || says("typ", "Bearer");
    OF_ID_TOKENS.iter().any(|name| claims.contains_key(*name))
        || says("typ", "ID")
        || says("token_use", "id")
        || (claims.contains_key("nonce") && !is_access)
}

/// The times of a token by this gateway's clock, in seconds since the Unix epoch; the leeway is in them.
struct Times {
    /// The earliest time at which it can have been made.
    made: i64,
    begins: i64,
    ends: i64,
}

impl Times {
    /// The claim that is at fault where the end is missing, a time is none, or the token lives longer than may be. Access tokens by RFC 9068 say when
    /// they were made (§2.2), of others RFC 7519 §4.1.6 does not ask it: one that does not say it was made when it begins, or
    /// as early as its lifetime allows, and has no longer to live from now.
    fn read(trust: &Trust, token: &OutsideToken, now_s: i64) -> Result<Self, &'static str> {
        let exp_s = token.claims.get("exp").and_then(time_s).ok_or("exp")?;
        let nbf_s = token.claims.get("nbf").map(|nbf| time_s(nbf).ok_or("nbf")).transpose()?;
        let earliest_s = exp_s.saturating_sub(i64::from(trust.max_lifetime_s));
        let iat_s = match token.claims.get("iat") {
            Some(iat) => time_s(iat).ok_or("iat")?,
            None if without_application(&token.media_type).eq_ignore_ascii_case("at+jwt") => return Err("iat"),
            None => nbf_s.or_else(|| (earliest_s <= now_s).then_some(earliest_s)).ok_or("exp")?,
        };
        let nbf_s = nbf_s.unwrap_or(iat_s);
        let lifetime_s = exp_s.saturating_sub(iat_s);
        if !(1..=i64::from(trust.max_lifetime_s)).contains(&lifetime_s) {
            return Err(if lifetime_s < 1 { "exp" } else { "lifetime" });
        }
        let leeway_s = i64::from(trust.leeway_s);
        let skew_s = CLOCK_SKEW_S.max(leeway_s);
        Ok(Self {
            made: iat_s.saturating_sub(skew_s),
            begins: nbf_s.max(iat_s).saturating_sub(skew_s),
            ends: exp_s.saturating_add(leeway_s),
        })
    }
}

/// Everything but whether it is valid now; or the first claim that is missing or not as it must be.
fn read(trust: &Trust, token: &OutsideToken, times: &Times) -> Result<OutsideVerified, &'static str> {
    let claims = &token.claims;
    // A token bound to a key of its sender (RFC 7800 §3) is no bearer token, and the proof is not asked for here.
    if claims.contains_key("cnf") {
        return Err("cnf");
    }
    // In place of `aud` the configuration may name another claim.
    let audience = claim_path::find(claims, &trust.audience_claim);
    audience.filter(|audience| is_for(&trust.audience, audience)).ok_or("aud")?;
    let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| is_subject(subject)).ok_or("sub")?;
    let identity = OutsideIdentity { issuer: Arc::clone(&trust.issuer), subject: subject.into() };
    Ok(OutsideVerified {
        identity,
        role: claim_path::find(claims, &trust.role_claim).and_then(|claim| role(trust, claim)),
        first_role: trust.role,
        team: claim_path::find(claims, &trust.team_claim).and_then(|claim| team(trust, claim)),
        token_id: token_id(token).ok_or("jti")?,
        made_s: times.made,
        ends_s: times.ends,
    })
}

/// Every member of a list must be a string, though one that fits is enough.
pub(super) fn is_for(audience: &str, aud: &Value) -> bool {
    match aud {
        Value::String(one) => one == audience,
        Value::Array(all) => all.iter().all(Value::is_string) && all.iter().any(|one| one == audience),
        _ => false,
    }
}

/// Control characters have no place in a record, and PostgreSQL stores no NUL.
pub(super) fn is_subject(subject: &str) -> bool {
    (1..=MAX_SUBJECT_BYTES).contains(&subject.len()) && !subject.chars().any(char::is_control)
}

/// A `NumericDate` (RFC 7519 §2): seconds since the Unix epoch, which may have a fraction. The fraction is dropped.
pub(super) fn time_s(value: &Value) -> Option<i64> {
    let whole = value.as_u64().or_else(|| Some(Duration::try_from_secs_f64(value.as_f64()?).ok()?.as_secs()))?;
    i64::try_from(whole).ok()
}

/// The highest role that a claim names. Names that are no role here are ignored; `None` where no other is there.
pub(super) fn role(trust: &Trust, claim: &Value) -> Option<Role> {
    let named: Vec<Role> = claim_path::names(claim).into_iter().filter_map(|name| trust.role_of(name)).collect();
    Role::ALL.into_iter().find(|role| named.contains(role))
}

/// The first team that a claim names.
pub(super) fn team(trust: &Trust, claim: &Value) -> Option<Arc<str>> {
    claim_path::names(claim).into_iter().find_map(|name| trust.teams.get(name)).map(|team| team.as_str().into())
}

fn token_id(token: &OutsideToken) -> Option<String> {
    let fits = |jti: &&str| (1..=MAX_TOKEN_ID_BYTES).contains(&jti.len()) && !jti.chars().any(char::is_control);
    match token.claims.get("jti") {
        None => Some(token.digest()),
        Some(jti) => Some(Some(jti.as_str()?).filter(fits).map_or_else(|| token.digest(), str::to_owned)),
    }
}
