//! What an API key is called, how long it is good and what it may do: shown and changed, for administrators.

use actix_web::{HttpRequest, web::Data};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ApiKey, expiry::Expiry, in_time, routes};
use crate::{
    domain::{
        allowed::Allowed,
        display_name::DisplayName,
        ids::ApiKeyId,
        principal::Role,
        refusal::{Fault, Refusal},
    },
    http::{
        administered::{self, Exposed},
        conditional::{At, Conditions, Tagged},
        extract::{Caller, DraftBody, PathId},
        failure::unavailable,
        input::{Draft, Moment},
        named::named_one,
        no_content::NoContent,
        office::Administration,
        patch::Patch,
        problem::Problem,
    },
    store::api_keys::{ApiKeyRow, KeyChange, KeyOf, KeyTerms},
};

/// The fields to change; the others stay, and so does the secret.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiKeyPatch {
    #[schemars(with = "Patch<DisplayName>")]
    name: Patch<String>,
    /// In the future; null: it does not expire.
    #[schemars(with = "Patch<Option<Moment>>")]
    expires_at: Patch<Option<Expiry>>,
    /// Null: that of the user.
    role: Patch<Option<Role>>,
    routes: Patch<Vec<String>>,
    models: Patch<Vec<String>>,
}

impl ApiKeyPatch {
    /// The terms of the key after the change, or all that is wrong with it.
    fn applied_to(self, key: &ApiKeyRow, administration: &Administration) -> Result<KeyTerms, Vec<Fault>> {
        let mut faults = vec![];
        let name = self.name.given().map_or_else(|| Ok(key.name.clone()), |name| DisplayName::new(&name));
        let name = name.map_err(|error| faults.push(Fault::new("/name", error.to_string())));
        let now = administration.clock.now();
        let expires_at = self.expires_at.given().map_or(Ok(key.expires_at), |given| in_time(given, now));
        let expires_at = expires_at.map_err(|fault| faults.push(fault));
        let routing = administration.routing.read();
        let routes = self.routes.given().map_or_else(|| Ok(key.routes.clone()), |names| routes(&routing, &names));
        let routes = routes.map_err(|of_routes| faults.extend(of_routes));
        let models =
            self.models.given().map_or_else(|| Ok(key.models.clone()), |names| Allowed::read("/models", &names));
        let models = models.map_err(|of_models| faults.extend(of_models));
        match (name, expires_at, routes, models) {
            (Ok(name), Ok(expires_at), Ok(routes), Ok(models)) => {
                let role = self.role.over(key.role);
                Ok(KeyTerms { name, expires_at, role, routes, models, only_at: key.revision })
            }
            _ => Err(faults),
        }
    }
}

/// `GET /admin/api-keys/{id}`.
pub async fn show(
    administration: Data<Administration>,
    _: Caller,
    PathId(id): PathId<ApiKeyId>,
) -> Result<Tagged<ApiKey>, Problem> {
    let row = found(&administration, id).await?;
    Ok(shown(&administration, &row).await?)
}

/// `PATCH /admin/api-keys/{id}`.
pub async fn change(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathId(id), conditions): At<PathId<ApiKeyId>>,
    DraftBody(draft): DraftBody<ApiKeyPatch>,
) -> Result<Tagged<ApiKey>, Problem> {
    let present = found(&administration, id).await?;
    Ok(edit(&administration, &request, &present, &conditions, draft).await?)
}

/// `DELETE /admin/api-keys/{id}`.
pub async fn revoke(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathId(id), conditions): At<PathId<ApiKeyId>>,
) -> Result<NoContent, Problem> {
    let present = found(&administration, id).await?;
    Ok(end(&administration, &request, &present, &conditions).await?)
}

async fn found(administration: &Administration, id: ApiKeyId) -> Result<ApiKeyRow, Refusal> {
    let key = KeyOf { id, owner: None };
    administration.store.api_key(key).await.map_err(unavailable)?.ok_or(Refusal::NotFound)
}

pub(super) async fn shown(administration: &Administration, row: &ApiKeyRow) -> Result<Tagged<ApiKey>, Refusal> {
    Ok(Tagged::new(row.tag(), named_one(&administration.store, ApiKey::from(row)).await?))
}

pub(super) async fn edit(
    administration: &Administration,
    request: &HttpRequest,
    present: &ApiKeyRow,
    conditions: &Conditions,
    draft: Draft<ApiKeyPatch>,
) -> Result<Tagged<ApiKey>, Refusal> {
    let own = |patch: &ApiKeyPatch| patch.clone().applied_to(present, administration).err().unwrap_or_default();
    let patch = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let terms = patch.applied_to(present, administration).map_err(Refusal::InvalidRequest)?;
    administered::only_at(present, conditions)?;
    let (key, change) = (KeyOf { id: present.id, owner: None }, KeyChange::Terms(terms));
    let row = administered::change::<ApiKeyRow>(request, &administration.users, key, change, conditions).await?;
    shown(administration, &row).await
}

pub(super) async fn end(
    administration: &Administration,
    request: &HttpRequest,
    present: &ApiKeyRow,
    conditions: &Conditions,
) -> Result<NoContent, Refusal> {
    let key = KeyOf { id: present.id, owner: None };
    administered::delete_present(request, &administration.users, (key, present), conditions).await
}
