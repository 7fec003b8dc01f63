//! API keys: one's own, and those of any user for administrators. A key itself is answered once, when it is made.

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Office,
    created::CreatedAt,
    extract::{Caller, JsonBody, PathId, QueryOf},
    idempotency,
    no_content::NoContent,
    page::{Page, PageQuery},
    problem::Problem,
};
use crate::{
    actors::registrar::{CreateApiKey, RevokeApiKey},
    credentials::api_key,
    domain::{
        api_key::{KeyName, MAX_KEPT_KEYS, MAX_LIVE_KEYS},
        ids::{ApiKeyId, UserId},
        principal::{CredentialKind, Principal},
        refusal::Refusal,
    },
    http::failure::{no_answer, unavailable},
    pipeline::audit::Note,
    store::api_keys::{ApiKeyRow, KeyCreated, KeyRevoked, NewApiKey},
};

/// An API key, without the key itself.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ApiKey {
    id: ApiKeyId,
    user_id: UserId,
    name: String,
    #[schemars(with = "String")]
    created_at: Timestamp,
    /// Null: it does not expire.
    #[schemars(with = "Option<String>")]
    expires_at: Option<Timestamp>,
    #[schemars(with = "Option<String>")]
    revoked_at: Option<Timestamp>,
}

/// An API key as it is answered once, to whoever made it.
#[derive(Serialize, JsonSchema)]
pub struct NewKey {
    #[serde(flatten)]
    api_key: ApiKey,
    /// `tg_<id>_<secret>`. The gateway cannot show it again.
    key: String,
}

/// An API key to be.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyCreate {
    /// 1 to 64 printable characters.
    name: String,
    /// In the future; without it the key does not expire.
    #[schemars(with = "Option<String>")]
    expires_at: Option<Timestamp>,
}

/// A page of API keys.
#[derive(Serialize, JsonSchema)]
pub struct ApiKeyPage {
    #[serde(flatten)]
    page: Page<ApiKey>,
}

impl From<&ApiKeyRow> for ApiKey {
    fn from(row: &ApiKeyRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            name: row.name.to_string(),
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}

impl From<&NewApiKey> for ApiKey {
    fn from(new: &NewApiKey) -> Self {
        Self {
            id: new.id,
            user_id: new.user_id,
            name: new.name.to_string(),
            created_at: new.created_at,
            expires_at: new.expires_at,
            revoked_at: None,
        }
    }
}

pub async fn list_own(
    office: Data<Office>,
    Caller(caller): Caller,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<ApiKeyPage>, Problem> {
    list(&office, caller.account.id, &query).await
}

pub async fn create_own(
    office: Data<Office>,
    request: HttpRequest,
    Caller(caller): Caller,
    JsonBody(body): JsonBody<ApiKeyCreate>,
) -> Result<CreatedAt<NewKey>, Problem> {
    if !is_login(&office, &caller).await? {
        return Err(Refusal::NotByThisCredential.into());
    }
    let order = Order { by: caller.account.id, of: caller.account.id, listed_at: "/me/api-keys" };
    create(&office, &request, order, &body).await
}

pub async fn revoke_own(
    office: Data<Office>,
    request: HttpRequest,
    Caller(caller): Caller,
    PathId(id): PathId<ApiKeyId>,
) -> Result<NoContent, Problem> {
    revoke_noted(&office, &request, RevokeApiKey { id, owner: Some(caller.account.id) }).await
}

pub async fn list_of_user(
    office: Data<Office>,
    _: Caller,
    PathId(user): PathId<UserId>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<ApiKeyPage>, Problem> {
    office.store.user(user).await.map_err(unavailable)?.ok_or(Refusal::NotFound)?;
    list(&office, user, &query).await
}

pub async fn create_for_user(
    office: Data<Office>,
    request: HttpRequest,
    Caller(admin): Caller,
    PathId(user): PathId<UserId>,
    JsonBody(body): JsonBody<ApiKeyCreate>,
) -> Result<CreatedAt<NewKey>, Problem> {
    let order = Order { by: admin.account.id, of: user, listed_at: "/admin/api-keys" };
    create(&office, &request, order, &body).await
}

pub async fn revoke(
    office: Data<Office>,
    request: HttpRequest,
    _: Caller,
    PathId(id): PathId<ApiKeyId>,
) -> Result<NoContent, Problem> {
    revoke_noted(&office, &request, RevokeApiKey { id, owner: None }).await
}

async fn list(office: &Office, user: UserId, query: &PageQuery) -> Result<Json<ApiKeyPage>, Problem> {
    let (after, limit) = (query.after()?, query.limit()?);
    let rows = office.store.api_keys_page(user, after, limit.saturating_add(1)).await.map_err(unavailable)?;
    let keys = rows.iter().map(ApiKey::from).collect();
    Ok(Json(ApiKeyPage { page: Page::of(keys, limit, |key: &ApiKey| key.id.to_string()) }))
}

/// Who orders a key, for whom, and below which path it will be found.
struct Order {
    by: UserId,
    of: UserId,
    listed_at: &'static str,
}

async fn create(
    office: &Office,
    request: &HttpRequest,
    order: Order,
    body: &ApiKeyCreate,
) -> Result<CreatedAt<NewKey>, Problem> {
    let new = new_key(office, order.of, body)?;
    let location = format!("{}/{}", order.listed_at, new.id);
    // The path says for whom the key is, so it is a part of what makes two requests the same. What is kept is the answer
    // without the key.
    let (what, view) = ((request.path(), body), ApiKey::from(&new));
    let idempotency = idempotency::key(request.headers())?
        .map(|key| idempotency::remember(&office.fingerprints, key, order.by, &what, &location, &view, new.created_at))
        .transpose()?;
    let create = CreateApiKey { key: new, idempotency };
    match office.users.create_api_key(create).await.map_err(no_answer)?.map_err(unavailable)? {
        KeyCreated::New(row) => {
            let view = ApiKey::from(&row);
            note(request, order.of, json!({ "before": null, "after": view }));
            Ok(CreatedAt::new(location, &with_key(office, view))?)
        }
        KeyCreated::Replayed { location, body } => Ok(CreatedAt::again(location, again(office, &body)?)),
        KeyCreated::RequestReused => {
            Err(Refusal::Conflict("This Idempotency-Key came before with another request.".into()).into())
        }
        KeyCreated::NoSuchUser => Err(Refusal::NotFound.into()),
        KeyCreated::TooMany => Err(too_many().into()),
    }
}

fn new_key(office: &Office, user_id: UserId, body: &ApiKeyCreate) -> Result<NewApiKey, Refusal> {
    let (id, now) = (ApiKeyId(office.clock.new_id()), office.clock.now());
    let name: KeyName = body.name.parse().map_err(|error| Refusal::invalid("/name", format!("{error}")))?;
    if body.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(Refusal::invalid("/expires_at", "must be in the future"));
    }
    let expires_at = body.expires_at.map(in_micros).transpose()?;
    let secret_hash = api_key::hash_of(&office.keys.mint.secret_of(id));
    Ok(NewApiKey { id, user_id, name, secret_hash, created_at: now, expires_at })
}

/// Whether the call comes with the whole standing of its user: a key outlives the credential that makes it, so neither
/// another key nor a token that was exchanged for one may make it, nor a token that is held to a lesser role.
async fn is_login(office: &Office, caller: &Principal) -> Result<bool, Refusal> {
    if caller.credential.kind == CredentialKind::ApiKey || caller.role != caller.account.role {
        return Ok(false);
    }
    let Some(session) = caller.session else {
        return Ok(true);
    };
    let session = office.store.session(session).await.map_err(unavailable)?;
    Ok(session.is_some_and(|session| session.api_key_id.is_none()))
}

/// As the store holds it, so that every answer says the same time.
fn in_micros(time: Timestamp) -> Result<Timestamp, Refusal> {
    let cut = Timestamp::from_microsecond(time.as_microsecond());
    cut.map_err(|_| Refusal::invalid("/expires_at", "is too far in the future"))
}

fn with_key(office: &Office, api_key: ApiKey) -> NewKey {
    let key = office.keys.mint.text_of(api_key.id).to_string();
    NewKey { api_key, key }
}

/// The answer as it was given first: what was kept, and the key made again.
fn again(office: &Office, kept: &str) -> Result<String, Refusal> {
    let view: ApiKey = serde_json::from_str(kept).map_err(|_| Refusal::Internal)?;
    serde_json::to_string(&with_key(office, view)).map_err(|_| Refusal::Internal)
}

fn too_many() -> Refusal {
    Refusal::Conflict(format!(
        "The user has {MAX_LIVE_KEYS} API keys, or {MAX_KEPT_KEYS} with those that were revoked or have expired in the last \
         month, the most there can be."
    ))
}

async fn revoke_noted(office: &Office, request: &HttpRequest, revoke: RevokeApiKey) -> Result<NoContent, Problem> {
    match office.users.revoke_api_key(revoke).await.map_err(no_answer)?.map_err(unavailable)? {
        KeyRevoked::NotFound => Err(Refusal::NotFound.into()),
        KeyRevoked::Done { before, after } => {
            note_revocation(request, &before, &after);
            Ok(NoContent)
        }
    }
}

/// Puts a revocation on record.
pub(super) fn note_revocation(request: &HttpRequest, before: &ApiKeyRow, after: &ApiKeyRow) {
    let change = json!({ "before": ApiKey::from(before), "after": ApiKey::from(after) });
    note(request, before.user_id, change);
}

fn note(request: &HttpRequest, about: UserId, change: serde_json::Value) {
    Note::add(request, |note| (note.change, note.about) = (Some(change), Some(about)));
}
