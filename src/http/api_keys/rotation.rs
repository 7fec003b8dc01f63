//! New secrets for API keys: the key stays what it is, with its id, its limits and its budgets.

use actix_web::{HttpRequest, web::Data};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ApiKey, Kept, NewKey, again, is_login, with_key};
use crate::{
    credentials::api_key,
    domain::{
        api_key::MAX_OVERLAP_S,
        ids::{ApiKeyId, UserId},
        refusal::Refusal,
    },
    http::{
        administered::{self, Made},
        created::CreatedAt,
        extract::{Caller, OptionalJson, PathId},
        failure::unavailable,
        idempotency,
        named::named_one,
        office::Administration,
        problem::Problem,
    },
    store::{
        administered::Administered,
        api_keys::{ApiKeyRow, KeyChange, KeyOf, KeyRotation},
    },
};

/// How the secret is replaced.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRotate {
    /// For how many seconds the present secret goes on. At 0 it ends at once, and so do the tokens it was exchanged for.
    #[serde(default)]
    #[schemars(range(max = 604_800))]
    overlap_s: u32,
}

/// `POST /me/api-keys/{id}/rotate`: shows the new secret once.
pub async fn rotate_own(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(caller): Caller,
    PathId(id): PathId<ApiKeyId>,
    OptionalJson(body): OptionalJson<KeyRotate>,
) -> Result<CreatedAt<NewKey>, Problem> {
    if !is_login(&administration, &caller).await? {
        return Err(Refusal::NotByThisCredential.into());
    }
    let order =
        Order { key: KeyOf { id, owner: Some(caller.account.id) }, listed_at: "/me/api-keys", by: caller.account.id };
    rotate(&administration, &request, order, &body.unwrap_or_default()).await
}

/// `POST /admin/api-keys/{id}/rotate`: shows the new secret once.
pub async fn rotate_any(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(admin): Caller,
    PathId(id): PathId<ApiKeyId>,
    OptionalJson(body): OptionalJson<KeyRotate>,
) -> Result<CreatedAt<NewKey>, Problem> {
    let order = Order { key: KeyOf { id, owner: None }, listed_at: "/admin/api-keys", by: admin.account.id };
    rotate(&administration, &request, order, &body.unwrap_or_default()).await
}

/// Which key is to have a new secret, and by whose request.
struct Order {
    key: KeyOf,
    listed_at: &'static str,
    by: UserId,
}

async fn rotate(
    administration: &Administration,
    request: &HttpRequest,
    Order { key, listed_at, by }: Order,
    body: &KeyRotate,
) -> Result<CreatedAt<NewKey>, Problem> {
    if body.overlap_s > MAX_OVERLAP_S {
        return Err(Refusal::invalid("/overlap_s", format!("must be at most {MAX_OVERLAP_S}")).into());
    }
    let now = administration.clock.now();
    let row = administration.store.api_key(key).await.map_err(unavailable)?.ok_or(Refusal::NotFound)?;
    if row.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(Refusal::Conflict("The API key has expired.".into()).into());
    }
    let generation = row.generation.saturating_add(1);
    let secret_hash = api_key::hash_of(&administration.keys.mint.secret_of(key.id, generation));
    let old_until = until(now, body.overlap_s);
    let rotation = KeyRotation { secret_hash, old_until, only_at: row.revision, once: None };
    let after = row.changed(&KeyChange::Secret(rotation.clone())).ok_or(Refusal::Internal)?;
    let api_key = named_one(&administration.store, ApiKey::from(&after)).await?;
    let user_name = api_key.user_name.clone();
    let (location, kept) = (format!("{listed_at}/{}", key.id), Kept { api_key, generation });
    let once = idempotency::remember(administration, request, by, body, (&location, &kept))?;
    let rotation = KeyChange::Secret(KeyRotation { once, ..rotation });
    match administered::change_once::<ApiKeyRow>(request, &administration.users, key, rotation).await? {
        Made::New(row) => {
            let rotated = ApiKey { user_name, ..ApiKey::from(&row) };
            let view = with_key(administration, rotated, row.generation);
            Ok(CreatedAt::new(location, &view)?)
        }
        Made::Again(answer) => Ok(CreatedAt::again(again(administration, answer)?)),
    }
}

/// In whole microseconds, as the store keeps times.
fn until(now: Timestamp, overlap_s: u32) -> Option<Timestamp> {
    let until = now.saturating_add(SignedDuration::from_secs(overlap_s.into())).ok()?;
    let until = Timestamp::from_microsecond(until.as_microsecond()).ok()?;
    (overlap_s > 0).then_some(until)
}
