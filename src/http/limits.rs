//! Limits: for administrators, and for `readonly` to look at.

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
    extract::{Caller, JsonBody, PathId, QueryOf, given},
    failure::{no_answer, unavailable},
    idempotency,
    no_content::NoContent,
    page::{Page, PageQuery},
    problem::Problem,
};
use crate::{
    domain::{
        ids::LimitId,
        limit::{Misfit, Mode, OnError, Per, Policy, Spec, Unit},
        refusal::Refusal,
        route::Route,
    },
    pipeline::audit::Note,
    store::limits::{LimitChange, LimitChanged, LimitCreated, LimitRow, NewLimit},
};

/// A limit.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Limit {
    id: LimitId,
    #[serde(flatten)]
    spec: Spec,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "String")]
    updated_at: Timestamp,
}

/// A limit to be.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LimitCreate(Spec);

/// The fields to change; the others stay. Null where it means nothing is refused.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitPatch {
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String")]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Vec<String>")]
    routes: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Per")]
    per: Option<Per>,
    /// Null: each one of its kind has as much.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<String>")]
    subject: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Unit")]
    unit: Option<Unit>,
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "u64")]
    limit: Option<u64>,
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<u64>")]
    window_s: Option<Option<u64>>,
    /// Null: as much as `limit`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<u64>")]
    burst: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Mode")]
    mode: Option<Mode>,
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "OnError")]
    on_error: Option<OnError>,
}

/// A page of limits.
#[derive(Serialize, JsonSchema)]
pub struct LimitPage {
    #[serde(flatten)]
    page: Page<Limit>,
}

impl From<&LimitRow> for Limit {
    fn from(row: &LimitRow) -> Self {
        Self { id: row.id(), spec: row.spec.clone(), created_at: row.created_at, updated_at: row.updated_at }
    }
}

impl From<&NewLimit> for Limit {
    fn from(new: &NewLimit) -> Self {
        Self { id: new.policy.id, spec: new.spec.clone(), created_at: new.created_at, updated_at: new.created_at }
    }
}

impl LimitPatch {
    fn applied_to(self, before: Spec) -> Spec {
        Spec {
            name: self.name.unwrap_or(before.name),
            routes: self.routes.unwrap_or(before.routes),
            per: self.per.unwrap_or(before.per),
            subject: self.subject.unwrap_or(before.subject),
            unit: self.unit.unwrap_or(before.unit),
            limit: self.limit.unwrap_or(before.limit),
            window_s: self.window_s.unwrap_or(before.window_s),
            burst: self.burst.unwrap_or(before.burst),
            mode: self.mode.unwrap_or(before.mode),
            on_error: self.on_error.unwrap_or(before.on_error),
        }
    }
}

pub async fn list(
    office: Data<Office>,
    _: Caller,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<LimitPage>, Problem> {
    let (limit, after) = (query.limit()?, query.after()?);
    let rows = office.store.limits_page(after, limit.saturating_add(1)).await.map_err(unavailable)?;
    let limits = rows.iter().map(Limit::from).collect();
    Ok(Json(LimitPage { page: Page::of(limits, limit, |limit: &Limit| limit.id.to_string()) }))
}

pub async fn create(
    office: Data<Office>,
    request: HttpRequest,
    Caller(admin): Caller,
    JsonBody(body): JsonBody<LimitCreate>,
) -> Result<CreatedAt<Limit>, Problem> {
    let (id, now) = (LimitId(office.clock.new_id()), office.clock.now());
    let policy = check(&office, &body.0, id)?;
    let limit = NewLimit { spec: body.0.clone(), policy, created_at: now };
    let (location, view) = (format!("/admin/limits/{id}"), Limit::from(&limit));
    let (what, by) = ((request.path(), &body), admin.account.id);
    let idempotency = idempotency::key(request.headers())?
        .map(|key| idempotency::remember(&office.fingerprints, key, by, &what, &location, &view, now))
        .transpose()?;
    match office.limits.create(limit, idempotency).await.map_err(no_answer)?.map_err(unavailable)? {
        LimitCreated::New(row) => {
            let view = Limit::from(&row);
            note(&request, json!({ "before": null, "after": view }));
            Ok(CreatedAt::new(location, &view)?)
        }
        LimitCreated::Replayed { location, body } => Ok(CreatedAt::again(location, body)),
        LimitCreated::RequestReused => Err(idempotency::reused().into()),
        LimitCreated::Refused(misfit) => Err(refused(misfit).into()),
    }
}

pub async fn show(office: Data<Office>, _: Caller, PathId(id): PathId<LimitId>) -> Result<Json<Limit>, Problem> {
    let row = office.store.limit(id).await.map_err(unavailable)?.ok_or(Refusal::NotFound)?;
    Ok(Json(Limit::from(&row)))
}

pub async fn change(
    office: Data<Office>,
    request: HttpRequest,
    _: Caller,
    PathId(id): PathId<LimitId>,
    JsonBody(body): JsonBody<LimitPatch>,
) -> Result<Json<Limit>, Problem> {
    let present = office.store.limit(id).await.map_err(unavailable)?.ok_or(Refusal::NotFound)?;
    let spec = body.applied_to(present.spec);
    let policy = check(&office, &spec, id)?;
    let change = LimitChange { spec, policy, only_at: present.revision };
    let changed = office.limits.change(change).await.map_err(no_answer)?.map_err(unavailable)?;
    let (before, after) = done(changed)?;
    let view = Limit::from(&after);
    note(&request, json!({ "before": Limit::from(&before), "after": view }));
    Ok(Json(view))
}

pub async fn delete(
    office: Data<Office>,
    request: HttpRequest,
    _: Caller,
    PathId(id): PathId<LimitId>,
) -> Result<NoContent, Problem> {
    let deleted = office.limits.delete(id).await.map_err(no_answer)?.map_err(unavailable)?;
    let before = deleted.ok_or(Refusal::NotFound)?;
    note(&request, json!({ "before": Limit::from(&before), "after": null }));
    Ok(NoContent)
}

/// The policy of a limit, on the routes that are configured now.
fn check(office: &Office, spec: &Spec, id: LimitId) -> Result<Policy, Refusal> {
    let routing = office.routing.read();
    let known: Vec<&Route> = routing.table.iter().map(AsRef::as_ref).collect();
    spec.check(id, &known).map_err(Refusal::InvalidRequest)
}

fn done(changed: LimitChanged) -> Result<(LimitRow, LimitRow), Refusal> {
    match changed {
        LimitChanged::Done { before, after } => Ok((before, after)),
        LimitChanged::NotFound => Err(Refusal::NotFound),
        LimitChanged::Stale => Err(Refusal::Conflict("The limit was changed meanwhile. Look again.".into())),
        LimitChanged::Refused(misfit) => Err(refused(misfit)),
    }
}

fn refused(misfit: Misfit) -> Refusal {
    Refusal::InvalidRequest(vec![misfit.fault()])
}

fn note(request: &HttpRequest, change: serde_json::Value) {
    Note::add(request, |note| note.change = Some(change));
}
