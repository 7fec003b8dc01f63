//! Limits: for administrators, and for `readonly` to look at.

pub mod by_name;

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    administered::{self, Exposed},
    conditional::{At, Conditions, Tagged},
    created::CreatedAt,
    extract::{Caller, DraftBody, PathId, QueryOf},
    failure::unavailable,
    idempotency,
    input::Draft,
    named::{Mentions, NameOf, SubjectNames, named, named_one},
    no_content::NoContent,
    office::Administration,
    page::{FilterQuery, Page},
    patch::Patch,
    problem::Problem,
    put::Nameable,
    subject::{self, Written},
};
use crate::{
    domain::{
        calendar::Every,
        ids::LimitId,
        limit::{Misfit, Mode, OnError, Per, Policy, Spec, SubjectText, Unit},
        name::Name,
        refusal::{Fault, Refusal},
        route::Route,
    },
    store::limits::{LimitChange, LimitRow, NewLimit},
};

/// A limit.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Limit {
    id: LimitId,
    #[serde(flatten)]
    spec: Spec,
    #[serde(flatten)]
    names: SubjectNames,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "String")]
    updated_at: Timestamp,
}

/// A limit to be.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LimitCreate(Spec);

impl Nameable for LimitCreate {
    fn own_faults(&self, _: Timestamp) -> Vec<Fault> {
        self.0.policy(LimitId(Uuid::nil())).err().unwrap_or_default()
    }
}

/// The fields to change; the others stay. Null where it means nothing is refused.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitPatch {
    #[schemars(with = "Patch<Name>")]
    name: Patch<String>,
    routes: Patch<Vec<String>>,
    per: Patch<Per>,
    /// Null: each one of its kind has as much.
    #[schemars(with = "Patch<Option<SubjectText>>")]
    subject: Patch<Option<String>>,
    unit: Patch<Unit>,
    limit: Patch<u64>,
    /// Takes the place of `window` and `time_zone`.
    window_s: Patch<Option<u64>>,
    /// Takes the place of `window_s` and `burst`.
    window: Patch<Option<Every>>,
    /// Null: UTC.
    #[schemars(length(min = 1, max = 64))]
    time_zone: Patch<Option<String>>,
    /// Null: as much as `limit`.
    burst: Patch<Option<u64>>,
    mode: Patch<Mode>,
    on_error: Patch<OnError>,
}

/// A page of limits.
#[derive(Serialize, JsonSchema)]
pub struct LimitPage {
    #[serde(flatten)]
    page: Page<Limit>,
}

impl LimitCreate {
    /// What was written.
    pub(super) const fn spec(&self) -> &Spec {
        &self.0
    }

    /// Whose it is, as it was written in a limit at `at`.
    pub(super) fn subject(&mut self, at: &str) -> Written<'_> {
        Written { at: at.to_owned(), per: self.0.per, subject: &mut self.0.subject }
    }
}

impl From<&LimitRow> for Limit {
    fn from(row: &LimitRow) -> Self {
        let (names, spec) = (SubjectNames::default(), row.spec.clone());
        Self { id: row.id(), spec, names, created_at: row.created_at, updated_at: row.updated_at }
    }
}

impl From<&NewLimit> for Limit {
    fn from(new: &NewLimit) -> Self {
        let (names, spec) = (SubjectNames::default(), new.spec.clone());
        Self { id: new.policy.id, spec, names, created_at: new.created_at, updated_at: new.created_at }
    }
}

impl Mentions for Limit {
    fn mentions(&mut self, each: &mut dyn FnMut(Option<String>, &mut NameOf)) {
        self.names.mentions(self.spec.per, self.spec.subject.as_deref(), each);
    }
}

impl LimitPatch {
    /// Whose it is to be, if that is given.
    fn subject(&mut self, present: Per) -> Vec<Written<'_>> {
        let per = self.per.clone().over(present);
        let written = |subject| Written { at: String::new(), per, subject };
        if let Patch::Value(subject) = &mut self.subject { vec![written(subject)] } else { vec![] }
    }

    fn applied_to(self, before: Spec) -> Spec {
        let before = self.of_one_window(before);
        Spec {
            name: self.name.over(before.name),
            routes: self.routes.over(before.routes),
            per: self.per.over(before.per),
            subject: self.subject.over(before.subject),
            unit: self.unit.over(before.unit),
            limit: self.limit.over(before.limit),
            window_s: self.window_s.over(before.window_s),
            window: self.window.over(before.window),
            time_zone: self.time_zone.over(before.time_zone),
            burst: self.burst.over(before.burst),
            mode: self.mode.over(before.mode),
            on_error: self.on_error.over(before.on_error),
        }
    }

    /// A limit without what belongs to the other kind of window, where one kind is given in place of the other.
    fn of_one_window(&self, before: Spec) -> Spec {
        let refills = matches!(self.window_s, Patch::Value(Some(_)));
        let turns = matches!(self.window, Patch::Value(Some(_)));
        match (refills, turns) {
            (true, false) => Spec { window: None, time_zone: None, ..before },
            (false, true) => Spec { window_s: None, burst: None, ..before },
            _ => before,
        }
    }
}

/// `GET /admin/limits`.
pub async fn list(
    administration: Data<Administration>,
    _: Caller,
    QueryOf(query): QueryOf<FilterQuery>,
) -> Result<Json<LimitPage>, Problem> {
    let (limit, after) = (query.limit(), query.after()?);
    let rows =
        administration.store.limits_page(query.filter(), after, limit.saturating_add(1)).await.map_err(unavailable)?;
    let limits = named(&administration.store, rows.iter().map(Limit::from).collect()).await?;
    Ok(Json(LimitPage { page: Page::of(limits, limit, |limit: &Limit| limit.id.to_string()) }))
}

/// `POST /admin/limits`.
pub async fn create(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(admin): Caller,
    DraftBody(mut draft): DraftBody<LimitCreate>,
) -> Result<CreatedAt<Limit>, Problem> {
    let (id, now) = (LimitId(administration.clock.new_id()), administration.clock.now());
    subject::resolve(&administration.store, &mut draft, |body| vec![body.subject("")]).await?;
    let unsure = subject::unsure(&draft, "");
    let own = |body: &LimitCreate| {
        let mut faults = check(&administration, &body.0, id).err().unwrap_or_default();
        faults.retain(|fault| !unsure.contains(&fault.pointer));
        faults
    };
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let policy = check(&administration, &body.0, id).map_err(Refusal::InvalidRequest)?;
    let limit = NewLimit { spec: body.0.clone(), policy, created_at: now };
    let view = named_one(&administration.store, Limit::from(&limit)).await?;
    let (location, names) = (format!("/admin/limits/{id}"), view.names.clone());
    let once = idempotency::remember(&administration, &request, admin.account.id, &body, (&location, &view))?;
    let made = administered::create::<LimitRow>(&request, &administration.limits, limit, once).await?;
    Ok(CreatedAt::of(made, location, |row| Limit { names, ..Limit::from(row) })?)
}

/// `GET /admin/limits/{id}`.
pub async fn show(
    administration: Data<Administration>,
    _: Caller,
    PathId(id): PathId<LimitId>,
) -> Result<Tagged<Limit>, Problem> {
    let row = found(&administration, id).await?;
    Ok(shown(&administration, &row).await?)
}

/// `PATCH /admin/limits/{id}`.
pub async fn change(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathId(id), conditions): At<PathId<LimitId>>,
    DraftBody(draft): DraftBody<LimitPatch>,
) -> Result<Tagged<Limit>, Problem> {
    let present = found(&administration, id).await?;
    Ok(edit(&administration, &request, present, &conditions, draft).await?)
}

/// `DELETE /admin/limits/{id}`.
pub async fn delete(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathId(id), conditions): At<PathId<LimitId>>,
) -> Result<NoContent, Problem> {
    let present = found(&administration, id).await?;
    Ok(administered::delete_present(&request, &administration.limits, (id, &present), &conditions).await?)
}

async fn found(administration: &Administration, id: LimitId) -> Result<LimitRow, Refusal> {
    administration.store.limit(id).await.map_err(unavailable)?.ok_or(Refusal::NotFound)
}

async fn shown(administration: &Administration, row: &LimitRow) -> Result<Tagged<Limit>, Refusal> {
    Ok(Tagged::new(row.tag(), named_one(&administration.store, Limit::from(row)).await?))
}

async fn edit(
    administration: &Administration,
    request: &HttpRequest,
    present: LimitRow,
    conditions: &Conditions,
    mut draft: Draft<LimitPatch>,
) -> Result<Tagged<Limit>, Refusal> {
    subject::resolve(&administration.store, &mut draft, |body| body.subject(present.spec.per)).await?;
    // What the other fields must be depends on these two.
    let is_unsure = draft.is_faulty("/per") || draft.is_faulty("/unit");
    let (id, only_at) = (present.id(), present.revision);
    let own = |body: &LimitPatch| match body.clone().applied_to(present.spec.clone()) {
        _ if is_unsure => vec![],
        spec => check_changed(administration, body, &spec, id).err().unwrap_or_default(),
    };
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let spec = body.clone().applied_to(present.spec.clone());
    let policy = check_changed(administration, &body, &spec, id).map_err(Refusal::InvalidRequest)?;
    administered::only_at(&present, conditions)?;
    let change = LimitChange { spec, policy, only_at };
    let row = administered::change::<LimitRow>(request, &administration.limits, id, change, conditions).await?;
    shown(administration, &row).await
}

impl Exposed for LimitRow {
    const NOUN: &'static str = "limit";

    fn record(&self) -> Value {
        json!(Limit::from(self))
    }

    fn refusal(misfit: Misfit) -> Refusal {
        match misfit {
            Misfit::Taken => Refusal::Conflict("There is a limit with this name and this subject.".into()),
            misfit => Refusal::InvalidRequest(vec![misfit.fault()]),
        }
    }
}

/// The policy of a limit, on the routes that are configured now.
pub(super) fn check(administration: &Administration, spec: &Spec, id: LimitId) -> Result<Policy, Vec<Fault>> {
    on_routes(administration, |known| spec.check(id, known))
}

/// The policy of a limit that a PATCH has become: routes that it does not give may be gone.
fn check_changed(
    administration: &Administration,
    patch: &LimitPatch,
    spec: &Spec,
    id: LimitId,
) -> Result<Policy, Vec<Fault>> {
    if patch.routes.as_given().is_some() {
        return check(administration, spec, id);
    }
    on_routes(administration, |known| spec.check_kept(id, known))
}

fn on_routes<T>(administration: &Administration, check: impl FnOnce(&[&Route]) -> T) -> T {
    let routing = administration.routing.read();
    let known: Vec<&Route> = routing.table.iter().map(AsRef::as_ref).collect();
    check(&known)
}
