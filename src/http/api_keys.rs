//! API keys: one's own, and those of any user for administrators. A key itself is answered once, when it is made.

pub mod by_name;
mod expiry;
pub mod of_team;
pub mod rotation;
pub mod terms;

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::expiry::Expiry;
use super::{
    administered::{self, Exposed, Made},
    created::CreatedAt,
    extract::{Caller, DraftBody, PathId, QueryOf},
    failure::unavailable,
    idempotency,
    input::{Draft, Moment},
    named::{Mentions, NameOf, named, named_one},
    no_content::NoContent,
    office::Administration,
    page::{FilterQuery, Page},
    problem::Problem,
    put::Nameable,
};
use crate::{
    credentials::api_key,
    domain::{
        allowed::{Allowed, every_name},
        api_key::{MAX_KEPT_KEYS, MAX_LIVE_KEYS},
        display_name::DisplayName,
        ids::{ApiKeyId, UserId},
        principal::{CredentialKind, Principal, Role},
        refusal::{Fault, Refusal},
    },
    snapshot::routing::Routing,
    store::{
        api_keys::{ApiKeyRow, KeyOf, KeyRefused, NewApiKey},
        idempotency::Answer,
    },
};

/// What is wrong with the role of an API key that may do what its user may not.
pub const ROLE_BEYOND: &str = "is more than the user's, or another one's";

/// An API key, without the key itself.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ApiKey {
    id: ApiKeyId,
    user_id: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_name: NameOf,
    name: String,
    #[schemars(with = "String")]
    created_at: Timestamp,
    /// Null: it does not expire.
    #[schemars(with = "Option<String>")]
    expires_at: Option<Timestamp>,
    #[schemars(with = "Option<String>")]
    revoked_at: Option<Timestamp>,
    /// Null: that of the user.
    role: Option<Role>,
    #[serde(default = "every_name")]
    routes: Vec<String>,
    #[serde(default = "every_name")]
    models: Vec<String>,
    /// To the minute; null: not yet.
    #[schemars(with = "Option<String>")]
    last_used_at: Option<Timestamp>,
    /// Until when the secret before the present one is good; null: there is none that is.
    #[schemars(with = "Option<String>")]
    old_secret_until: Option<Timestamp>,
}

/// An API key as it is answered once, when it is made.
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
    #[schemars(with = "DisplayName")]
    name: String,
    /// In the future; without it the key does not expire.
    #[schemars(with = "Option<Moment>")]
    expires_at: Option<Expiry>,
    /// What the key may do where it is less than the user may; without it, all of that.
    role: Option<Role>,
    /// `["*"]`, or names of routes.
    #[serde(default = "every_name")]
    #[schemars(length(min = 1, max = 1_000))]
    routes: Vec<String>,
    /// `["*"]`, or names of models; `gpt-*` is each that begins so.
    #[serde(default = "every_name")]
    #[schemars(length(min = 1, max = 1_000))]
    models: Vec<String>,
}

impl Nameable for ApiKeyCreate {
    fn own_faults(&self, now: Timestamp) -> Vec<Fault> {
        let of_name = DisplayName::new(&self.name).err().map(|error| Fault::new("/name", error.to_string()));
        let of_lists = [("/routes", &self.routes), ("/models", &self.models)];
        let of_lists = of_lists.into_iter().flat_map(|(at, names)| Allowed::read(at, names).err().unwrap_or_default());
        of_name.into_iter().chain(in_time(self.expires_at, now).err()).chain(of_lists).collect()
    }
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
            user_name: None,
            name: row.name.to_string(),
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            role: row.role,
            routes: row.routes.names(),
            models: row.models.names(),
            last_used_at: row.last_used_at,
            old_secret_until: row.old.map(|old| old.until),
        }
    }
}

impl From<&NewApiKey> for ApiKey {
    fn from(new: &NewApiKey) -> Self {
        Self {
            id: new.id,
            user_id: new.user_id,
            user_name: None,
            name: new.name.to_string(),
            created_at: new.created_at,
            expires_at: new.expires_at,
            revoked_at: None,
            role: new.role,
            routes: new.routes.names(),
            models: new.models.names(),
            last_used_at: None,
            old_secret_until: None,
        }
    }
}

impl Mentions for ApiKey {
    fn mentions(&mut self, each: &mut dyn FnMut(Option<String>, &mut NameOf)) {
        each(Some(self.user_id.to_string()), &mut self.user_name);
    }
}

/// `GET /me/api-keys`.
pub async fn list_own(
    administration: Data<Administration>,
    Caller(caller): Caller,
    QueryOf(query): QueryOf<FilterQuery>,
) -> Result<Json<ApiKeyPage>, Problem> {
    list(&administration, caller.account.id, &query).await
}

/// `POST /me/api-keys`: shows the secret once.
pub async fn create_own(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(caller): Caller,
    DraftBody(draft): DraftBody<ApiKeyCreate>,
) -> Result<CreatedAt<NewKey>, Problem> {
    if !is_login(&administration, &caller).await? {
        return Err(Refusal::NotByThisCredential.into());
    }
    let order = Order { by: caller.account.id, of: caller.account.id, listed_at: "/me/api-keys" };
    create(&administration, &request, order, draft).await
}

/// `DELETE /me/api-keys/{id}`.
pub async fn revoke_own(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(caller): Caller,
    PathId(id): PathId<ApiKeyId>,
) -> Result<NoContent, Problem> {
    let key = KeyOf { id, owner: Some(caller.account.id) };
    Ok(administered::delete::<ApiKeyRow>(&request, &administration.users, key, None).await?)
}

/// `GET /admin/users/{id}/api-keys`.
pub async fn list_of_user(
    administration: Data<Administration>,
    _: Caller,
    PathId(user): PathId<UserId>,
    QueryOf(query): QueryOf<FilterQuery>,
) -> Result<Json<ApiKeyPage>, Problem> {
    administration.store.user(user).await.map_err(unavailable)?.ok_or(Refusal::NotFound)?;
    list(&administration, user, &query).await
}

/// `POST /admin/users/{id}/api-keys`: shows the secret once.
pub async fn create_for_user(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(admin): Caller,
    PathId(user): PathId<UserId>,
    DraftBody(draft): DraftBody<ApiKeyCreate>,
) -> Result<CreatedAt<NewKey>, Problem> {
    let order = Order { by: admin.account.id, of: user, listed_at: "/admin/api-keys" };
    create(&administration, &request, order, draft).await
}

async fn list(administration: &Administration, user: UserId, query: &FilterQuery) -> Result<Json<ApiKeyPage>, Problem> {
    let (after, limit) = (query.after()?, query.limit());
    let rows = administration
        .store
        .api_keys_page(user, query.filter(), after, limit.saturating_add(1))
        .await
        .map_err(unavailable)?;
    let keys = named(&administration.store, rows.iter().map(ApiKey::from).collect()).await?;
    Ok(Json(ApiKeyPage { page: Page::of(keys, limit, |key: &ApiKey| key.id.to_string()) }))
}

/// Who makes a key, for which user, and below which path it will be found.
struct Order {
    by: UserId,
    of: UserId,
    listed_at: &'static str,
}

async fn create(
    administration: &Administration,
    request: &HttpRequest,
    order: Order,
    draft: Draft<ApiKeyCreate>,
) -> Result<CreatedAt<NewKey>, Problem> {
    let own = |body: &ApiKeyCreate| new_key(administration, order.of, body).err().unwrap_or_default();
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let new = new_key(administration, order.of, &body).map_err(Refusal::InvalidRequest)?;
    let location = format!("{}/{}", order.listed_at, new.id);
    let api_key = named_one(&administration.store, ApiKey::from(&new)).await?;
    let (user_name, kept) = (api_key.user_name.clone(), Kept { api_key, generation: 0 });
    let once = idempotency::remember(administration, request, order.by, &body, (&location, &kept))?;
    match administered::create::<ApiKeyRow>(request, &administration.users, new, once).await? {
        Made::New(row) => {
            let made = ApiKey { user_name, ..ApiKey::from(&row) };
            Ok(CreatedAt::new(location, &with_key(administration, made, 0))?)
        }
        Made::Again(answer) => Ok(CreatedAt::again(again(administration, answer)?)),
    }
}

/// The key, or all that is wrong with it.
fn new_key(administration: &Administration, user_id: UserId, body: &ApiKeyCreate) -> Result<NewApiKey, Vec<Fault>> {
    let (id, now) = (ApiKeyId(administration.clock.new_id()), administration.clock.now());
    let mut faults = vec![];
    let name = DisplayName::new(&body.name).map_err(|error| faults.push(Fault::new("/name", error.to_string())));
    let expires_at = in_time(body.expires_at, now).map_err(|fault| faults.push(fault));
    let routes = routes(&administration.routing.read(), &body.routes).map_err(|of_routes| faults.extend(of_routes));
    let models = Allowed::read("/models", &body.models).map_err(|of_models| faults.extend(of_models));
    let (Ok(name), Ok(expires_at), Ok(routes), Ok(models)) = (name, expires_at, routes, models) else {
        return Err(faults);
    };
    let secret_hash = api_key::hash_of(&administration.keys.mint.secret_of(id, 0));
    let role = body.role;
    let only_of_name = false;
    Ok(NewApiKey { id, user_id, name, secret_hash, created_at: now, expires_at, role, routes, models, only_of_name })
}

fn in_time(given: Option<Expiry>, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
    let Some(Expiry(expires_at)) = given else { return Ok(None) };
    if expires_at <= now {
        return Err(Fault::new("/expires_at", "must be in the future"));
    }
    in_micros(expires_at).map(Some)
}

fn routes(routing: &Routing, names: &[String]) -> Result<Allowed, Vec<Fault>> {
    let routes = Allowed::read("/routes", names)?;
    let is_known = |name: &str| routing.table.iter().any(|route| *route.name == *name);
    let unknown = |(index, name): (usize, &String)| {
        let fault = || Fault::new(format!("/routes/{index}"), "there is no route with this name");
        (routes != Allowed::default() && !is_known(name)).then(fault)
    };
    let faults: Vec<Fault> = names.iter().enumerate().filter_map(unknown).collect();
    if faults.is_empty() { Ok(routes) } else { Err(faults) }
}

/// Whether the call comes with the whole standing of its user: a key outlives the credential that makes it, so neither
/// another key nor a token that was exchanged for one may make it, nor a token that is held to a lesser role.
async fn is_login(administration: &Administration, caller: &Principal) -> Result<bool, Refusal> {
    if caller.credential.kind == CredentialKind::ApiKey || caller.role != caller.account.role {
        return Ok(false);
    }
    let Some(session) = caller.session else {
        return Ok(true);
    };
    let session = administration.store.session(session).await.map_err(unavailable)?;
    Ok(session.is_some_and(|session| session.api_key_id.is_none()))
}

/// As the store holds it, so that every answer says the same time.
fn in_micros(time: Timestamp) -> Result<Timestamp, Fault> {
    let cut = Timestamp::from_microsecond(time.as_microsecond());
    cut.map_err(|_| Fault::new("/expires_at", "is too far in the future"))
}

fn with_key(administration: &Administration, api_key: ApiKey, generation: i64) -> NewKey {
    let key = administration.keys.mint.text_of(api_key.id, generation).to_string();
    NewKey { api_key, key }
}

/// What is kept of an answer that shows a secret: all but the secret, and which of the key's it was.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    api_key: ApiKey,
    #[serde(default)]
    generation: i64,
}

/// The answer as it was given first: what was kept, and the secret made again.
fn again(administration: &Administration, answer: Answer) -> Result<Answer, Refusal> {
    let Kept { api_key, generation } = serde_json::from_str(&answer.body).map_err(|_| Refusal::Internal)?;
    let shown = with_key(administration, api_key, generation);
    Ok(Answer { body: serde_json::to_string(&shown).map_err(|_| Refusal::Internal)?, ..answer })
}

impl Exposed for ApiKeyRow {
    const NOUN: &'static str = "API key";

    fn record(&self) -> Value {
        json!(ApiKey::from(self))
    }

    /// A key that is revoked is still there to be seen.
    fn record_deleted(&self) -> Value {
        self.record()
    }

    fn about(&self) -> Option<UserId> {
        Some(self.user_id)
    }

    fn refusal(refused: KeyRefused) -> Refusal {
        match refused {
            KeyRefused::NoSuchUser => Refusal::NotFound,
            KeyRefused::RoleBeyond => Refusal::invalid("/role", ROLE_BEYOND),
            KeyRefused::NameTaken => Refusal::Conflict("The user has an API key with this name.".into()),
            KeyRefused::Revoked => Refusal::Conflict("The API key was revoked.".into()),
            KeyRefused::TooMany => Refusal::Conflict(format!(
                "The user has {MAX_LIVE_KEYS} API keys, or {MAX_KEPT_KEYS} with those that were revoked or have expired in \
                 the last month, the most there can be."
            )),
        }
    }
}
