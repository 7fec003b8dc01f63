//! API keys by the names of their users and their own: those that are neither revoked nor expired.

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    ApiKey, ApiKeyCreate, ApiKeyPage, list as list_of, new_key,
    terms::{self, ApiKeyPatch},
};
use crate::{
    domain::{display_name::DisplayName, ids::UserId, refusal::Refusal},
    http::{
        administered::{self, Placed, Wanted},
        by_name::{KeyName, PathUsername},
        conditional::{At, Tagged},
        extract::{Caller, DraftBody, QueryOf},
        failure::unavailable,
        named::named_one,
        no_content::NoContent,
        office::Administration,
        page::FilterQuery,
        problem::Problem,
        put::{Put, PutOf},
        users::by_name::found as user_of_name,
    },
    store::api_keys::{ApiKeyRow, KeyChange, KeyOf, KeyTerms, NewApiKey},
};

/// An API key; with the key itself only where it was made.
#[derive(Serialize, JsonSchema)]
pub struct PutKey {
    #[serde(flatten)]
    api_key: ApiKey,
    /// `tg_<id>_<secret>`, where the answer is 201. The gateway cannot show it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// `GET /admin/users/by-name/{username}/api-keys`.
pub async fn list(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    PathUsername(username): PathUsername,
    QueryOf(query): QueryOf<FilterQuery>,
) -> Result<Json<ApiKeyPage>, Problem> {
    let user = user_of_name(&administration, &request, &username).await?.id;
    list_of(&administration, user, &query).await
}

/// `GET /admin/users/by-name/{username}/api-keys/by-name/{name}`.
pub async fn show(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    name: KeyName,
) -> Result<Tagged<ApiKey>, Problem> {
    let row = found(&administration, &request, &name).await?;
    Ok(terms::shown(&administration, &row).await?)
}

/// `PUT /admin/users/by-name/{username}/api-keys/by-name/{name}`: shows the secret where the key is made.
pub async fn put(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(KeyName { username, name }, conditions): At<KeyName>,
    DraftBody(draft): DraftBody<PutOf<ApiKeyCreate>>,
) -> Result<Put<PutKey>, Problem> {
    let user = user_of_name(&administration, &request, &username).await?.id;
    let own = |body: &PutOf<ApiKeyCreate>| {
        body.faults(&name, |key| new_key(&administration, user, key).err().unwrap_or_default())
    };
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let body = body.named(&name).map_err(Refusal::InvalidRequest)?;
    let new = new_key(&administration, user, &body).map_err(Refusal::InvalidRequest)?;
    let wanted = WantedKey { administration: &administration, new: NewApiKey { only_of_name: true, ..new } };
    let placed = administered::put(&request, &administration.users, &conditions, &wanted).await?;
    let row = placed.row();
    let secret = || administration.keys.mint.text_of(row.id, row.generation).to_string();
    let key = matches!(placed, Placed::Made(_)).then(secret);
    let api_key = named_one(&administration.store, ApiKey::from(row)).await?;
    Ok(Put::of(&placed, format!("/admin/api-keys/{}", row.id), PutKey { api_key, key }))
}

/// `PATCH /admin/users/by-name/{username}/api-keys/by-name/{name}`.
pub async fn change(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(name, conditions): At<KeyName>,
    DraftBody(draft): DraftBody<ApiKeyPatch>,
) -> Result<Tagged<ApiKey>, Problem> {
    let present = found(&administration, &request, &name).await?;
    Ok(terms::edit(&administration, &request, &present, &conditions, draft).await?)
}

/// `DELETE /admin/users/by-name/{username}/api-keys/by-name/{name}`.
pub async fn revoke(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(name, conditions): At<KeyName>,
) -> Result<NoContent, Problem> {
    let present = found(&administration, &request, &name).await?;
    Ok(terms::end(&administration, &request, &present, &conditions).await?)
}

async fn found(
    administration: &Administration,
    request: &HttpRequest,
    KeyName { username, name }: &KeyName,
) -> Result<ApiKeyRow, Refusal> {
    let user = user_of_name(administration, request, username).await?.id;
    let missing = || Refusal::NoSuchName { noun: "API key of this user", name: name.to_owned(), hint: None };
    let name = DisplayName::new(name).map_err(|_| missing())?;
    live(administration, user, &name).await?.ok_or_else(missing)
}

/// The one key of this name that can be used.
async fn live(administration: &Administration, user: UserId, name: &DisplayName) -> Result<Option<ApiKeyRow>, Refusal> {
    let now = administration.clock.now();
    let mut live = administration.store.api_keys_by_name(user, name, now).await.map_err(unavailable)?;
    if live.len() > 1 {
        let what = format!("The user has several API keys named \"{name}\": use their ids, or revoke all but one.");
        return Err(Refusal::Conflict(what));
    }
    Ok(live.pop())
}

/// What a key is to be.
struct WantedKey<'a> {
    administration: &'a Administration,
    new: NewApiKey,
}

impl Wanted<ApiKeyRow> for WantedKey<'_> {
    async fn present(&self) -> Result<Option<ApiKeyRow>, Refusal> {
        live(self.administration, self.new.user_id, &self.new.name).await
    }

    fn id_of(&self, present: &ApiKeyRow) -> KeyOf {
        KeyOf { id: present.id, owner: None }
    }

    async fn made(&self) -> Result<NewApiKey, Refusal> {
        Ok(self.new.clone())
    }

    async fn change(&self, present: &ApiKeyRow) -> Result<KeyChange, Refusal> {
        let NewApiKey { name, expires_at, role, routes, models, .. } = self.new.clone();
        Ok(KeyChange::Terms(KeyTerms { name, expires_at, role, routes, models, only_at: present.revision }))
    }
}
