//! The ring of signing keys, for administrators.

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    created::CreatedAt,
    extract::{Caller, QueryOf},
    failure::{no_answer, unavailable},
    idempotency,
    office::Administration,
    page::{Page, PageSize},
    problem::Problem,
};
use crate::{
    actors::token_issuer::RingError,
    domain::{algorithm::Algorithm, refusal::Refusal},
    pipeline::audit::Note,
    store::{
        idempotency::Idempotency,
        keys::{OtherNewest, Remember, Rotated, SigningKeyRow},
    },
};

/// Which page of the ring.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RingQuery {
    #[serde(default)]
    limit: PageSize,
    /// `next_cursor` of the page before.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{43}$"))]
    cursor: Option<String>,
}

const LOCATION: &str = "/admin/signing-keys";

/// A key that access tokens are signed with, without its private half.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SigningKeyView {
    /// The RFC 7638 thumbprint.
    kid: String,
    algorithm: Algorithm,
    state: KeyState,
    #[schemars(with = "String")]
    created_at: Timestamp,
    /// From when on it signs.
    #[schemars(with = "String")]
    activates_at: Timestamp,
    /// From when on it signs no more; it verifies until its last token has expired.
    #[schemars(with = "Option<String>")]
    retired_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum KeyState {
    /// Published, and does not sign yet.
    Waiting,
    Signing,
    Retired,
}

impl SigningKeyView {
    fn new(row: &SigningKeyRow, now: Timestamp) -> Self {
        let state = match row.retired_at {
            Some(retired_at) if retired_at <= now => KeyState::Retired,
            _ if row.activates_at > now => KeyState::Waiting,
            _ => KeyState::Signing,
        };
        Self {
            kid: row.kid.clone(),
            algorithm: row.algorithm,
            state,
            created_at: row.created_at,
            activates_at: row.activates_at,
            retired_at: row.retired_at,
        }
    }
}

/// A page of signing keys.
#[derive(Serialize, JsonSchema)]
pub struct SigningKeyPage {
    #[serde(flatten)]
    page: Page<SigningKeyView>,
}

/// `GET /admin/signing-keys`.
pub async fn list(
    administration: Data<Administration>,
    _: Caller,
    QueryOf(query): QueryOf<RingQuery>,
) -> Result<Json<SigningKeyPage>, Problem> {
    let limit = query.limit.0;
    let ring = administration.store.signing_ring().await.map_err(unavailable)?;
    let now = administration.clock.now();
    let mut keys: Vec<_> = ring.keys.iter().rev().map(|row| SigningKeyView::new(row, now)).collect();
    if let Some(cursor) = query.cursor {
        let last = keys.iter().position(|key| key.kid == cursor);
        let last = last.ok_or_else(|| Refusal::invalid("?cursor", "names no key of the ring"))?;
        keys.drain(..=last);
    }
    Ok(Json(SigningKeyPage { page: Page::of(keys, limit, |key: &SigningKeyView| key.kid.clone()) }))
}

/// `POST /admin/signing-keys/rotate`.
pub async fn rotate(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(admin): Caller,
) -> Result<CreatedAt<SigningKeyView>, Problem> {
    let now = administration.clock.now();
    // The answer is known when it is known which key takes over.
    let kept = idempotency::remember(&administration, &request, admin.account.id, &(), (LOCATION, &()))?;
    let remember = kept.map(|kept| -> Remember {
        Arc::new(move |row| {
            let body = serde_json::to_string(&SigningKeyView::new(row, now)).unwrap_or_default();
            Idempotency { body, ..kept.clone() }
        })
    });
    match administration.issuer.rotate(remember).await.map_err(no_answer)?.map_err(refused)? {
        Rotated::New(row) => {
            let view = SigningKeyView::new(&row, now);
            let change = json!({ "before": null, "after": view });
            Note::add(&request, |note| note.change = Some(change));
            Ok(CreatedAt::new(LOCATION.to_owned(), &view)?)
        }
        Rotated::Replayed(answer) => Ok(CreatedAt::again(answer)),
        Rotated::KeyReused => Err(idempotency::reused().into()),
        Rotated::Refused(OtherNewest) => Err(Refusal::Internal.into()),
    }
}

fn refused(error: RingError) -> Refusal {
    match error {
        RingError::Store(error) => unavailable(error),
        RingError::OperatorsSecret => Refusal::Conflict(
            "Tokens are signed with HS256 and the operator's secret. Change auth.hmac_secret instead.".into(),
        ),
        error => {
            tracing::error!(%error, "the signing key was not rotated");
            Refusal::Internal
        }
    }
}
