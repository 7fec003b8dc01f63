//! `Idempotency-Key`: a POST that is sent again gives the same answer for a day
//! (draft-ietf-httpapi-idempotency-key-header).

use actix_web::http::header::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use super::problem::CREATED;
use crate::{
    actors::registrar::ANSWERS_KEPT,
    crypto::MacKey,
    domain::{ids::UserId, refusal::Refusal},
    store::users::Idempotency,
};

const MAX_KEY_BYTES: usize = 255;

/// The key of a request, if it has one.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|text| (1..=MAX_KEY_BYTES).contains(&text.len()));
    let refused = || Refusal::invalid("header:idempotency-key", "must be 1 to 255 visible characters");
    text.map(|text| Some(text.to_owned())).ok_or_else(refused)
}

/// What to keep with a change, so that the same request finds it. `what` is all that makes two requests the same; it may
/// hold a password, so only its MAC under a sealed key is stored.
pub fn remember(
    fingerprints: &MacKey,
    key: String,
    user_id: UserId,
    what: &impl Serialize,
    location: &str,
    body: &impl Serialize,
    now: Timestamp,
) -> Result<Idempotency, Refusal> {
    let what = Zeroizing::new(serde_json::to_vec(what).map_err(|_| Refusal::Internal)?);
    let body = serde_json::to_string(body).map_err(|_| Refusal::Internal)?;
    Ok(Idempotency {
        user_id,
        key,
        fingerprint: fingerprints.sign(&what),
        status: CREATED,
        location: Some(location.to_owned()),
        body,
        created_at: now,
        not_before: now.saturating_sub(ANSWERS_KEPT).unwrap_or(Timestamp::MIN),
    })
}

/// A key that came before with another request.
#[must_use]
pub fn reused() -> Refusal {
    Refusal::Conflict("This Idempotency-Key came before with another request.".into())
}
