//! `Idempotency-Key`: a POST that is sent again gives the same answer for a day
//! (draft-ietf-httpapi-idempotency-key-header).

use actix_web::{HttpRequest, http::header::HeaderMap};
use apistos_models::paths::Parameter;
use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{extract::header_text, office::Administration, problem::CREATED};
use crate::{
    actors::registrar::ANSWERS_KEPT,
    domain::{ids::UserId, refusal::Refusal},
    store::idempotency::Idempotency,
};

const MAX_KEY_BYTES: usize = 255;

/// What [`key`] takes, as ECMA-262 has it. Blanks around it are no part of a field's value (RFC 9110 §5.5).
const KEY: &str = r"^[!-~][\t -~]{0,254}$";

/// The header field as the document describes it.
pub(super) fn parameter() -> Parameter {
    let text = "Names this request, so that it can be sent again after an answer that was lost: for 24 hours the same user gets the \
                same answer, and nothing is made a second time. With another path or body under the same key: 409.";
    Parameter { description: Some(text.into()), ..header_text("Idempotency-Key", Some(KEY)) }
}

/// The key of a request, if it has one.
fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|text| (1..=MAX_KEY_BYTES).contains(&text.len()));
    let refused = || Refusal::invalid("header:idempotency-key", "must be 1 to 255 visible characters");
    text.map(|text| Some(text.to_owned())).ok_or_else(refused)
}

/// What to keep with a change, so that the same request finds it; `None` for a request without a key. The path and
/// `body` are all that makes two requests the same. The body may hold a password, so only its MAC under a sealed key is
/// stored. `answer` is the location and the body of the answer if the change is made.
pub fn remember(
    administration: &Administration,
    request: &HttpRequest,
    user_id: UserId,
    body: &impl Serialize,
    (location, answer): (&str, &impl Serialize),
) -> Result<Option<Idempotency>, Refusal> {
    let Some(key) = key(request.headers())? else {
        return Ok(None);
    };
    let now = administration.clock.now();
    let what = Zeroizing::new(serde_json::to_vec(&(request.path(), body)).map_err(|_| Refusal::Internal)?);
    let body = serde_json::to_string(answer).map_err(|_| Refusal::Internal)?;
    Ok(Some(Idempotency {
        user_id,
        key,
        fingerprint: administration.fingerprints.sign(&what),
        status: CREATED,
        location: Some(location.to_owned()),
        body,
        created_at: now,
        not_before: now.saturating_sub(ANSWERS_KEPT).unwrap_or(Timestamp::MIN),
    }))
}

/// A key that came before with another request.
pub fn reused() -> Refusal {
    Refusal::Conflict("This Idempotency-Key came before with another request.".into())
}
