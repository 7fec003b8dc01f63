//! Entries of the lists are made, changed and deleted, all three kinds by the same flow.

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use serde_json::{Map, Value, json};

use super::{
    Configured,
    body::{Listed, PatchOf, document},
};
use crate::{
    actors::token_issuer::purpose_of,
    config::{
        models::ModelEntry,
        routing::{RouteEntry, UpstreamEntry},
    },
    domain::{
        entry::{Entry, EntryKey, EntryKind, EntryRefused},
        path, percent,
        principal::Principal,
        refusal::{Fault, Refusal},
    },
    http::{
        administered::{self, Exposed},
        created::CreatedAt,
        extract::{Caller, DraftBody, PathName},
        failure::unavailable,
        idempotency,
        input::Draft,
        no_content::NoContent,
        office::Administration,
        problem::Problem,
    },
    snapshot::routing::WrittenEntry,
    store::{
        entries::{EntryChange, EntryId, EntryRow, Judge, NewEntry},
        reseal::Sealed,
    },
};

/// `POST /admin/upstreams`.
pub async fn create_upstream(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(admin): Caller,
    DraftBody(draft): DraftBody<UpstreamEntry>,
) -> Result<CreatedAt<Configured>, Problem> {
    Ok(create(&administration, &request, &admin, draft).await?)
}

/// `PATCH /admin/upstreams/{name}`.
pub async fn change_upstream(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    PathName(name): PathName<false>,
    DraftBody(draft): DraftBody<PatchOf<UpstreamEntry>>,
) -> Result<Json<Configured>, Problem> {
    Ok(change(&administration, &request, &name, draft).await?)
}

/// `DELETE /admin/upstreams/{name}`.
pub async fn delete_upstream(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    PathName(name): PathName<false>,
) -> Result<NoContent, Problem> {
    Ok(delete(&administration, &request, key(EntryKind::Upstream, &name)).await?)
}

/// `POST /admin/routes`.
pub async fn create_route(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(admin): Caller,
    DraftBody(draft): DraftBody<RouteEntry>,
) -> Result<CreatedAt<Configured>, Problem> {
    Ok(create(&administration, &request, &admin, draft).await?)
}

/// `PATCH /admin/routes/{name}`.
pub async fn change_route(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    PathName(name): PathName<false>,
    DraftBody(draft): DraftBody<PatchOf<RouteEntry>>,
) -> Result<Json<Configured>, Problem> {
    Ok(change(&administration, &request, &name, draft).await?)
}

/// `DELETE /admin/routes/{name}`.
pub async fn delete_route(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    PathName(name): PathName<false>,
) -> Result<NoContent, Problem> {
    Ok(delete(&administration, &request, key(EntryKind::Route, &name)).await?)
}

/// `POST /admin/models`.
pub async fn create_model(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(admin): Caller,
    DraftBody(draft): DraftBody<ModelEntry>,
) -> Result<CreatedAt<Configured>, Problem> {
    Ok(create(&administration, &request, &admin, draft).await?)
}

/// `PATCH /admin/models/{model}`.
pub async fn change_model(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    PathName(name): PathName<true>,
    DraftBody(draft): DraftBody<PatchOf<ModelEntry>>,
) -> Result<Json<Configured>, Problem> {
    Ok(change(&administration, &request, &name, draft).await?)
}

/// `DELETE /admin/models/{model}`.
pub async fn delete_model(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    PathName(name): PathName<true>,
) -> Result<NoContent, Problem> {
    Ok(delete(&administration, &request, key(EntryKind::Model, &name)).await?)
}

async fn create<T: Listed>(
    administration: &Administration,
    request: &HttpRequest,
    admin: &Principal,
    draft: Draft<T>,
) -> Result<CreatedAt<Configured>, Refusal> {
    // What only the others can say is said within the transaction, unless there is a fault already.
    let is_faulty = draft.has_faults();
    let own = |body: &T| {
        let mut faults = if is_faulty { faults_of(administration, body) } else { vec![] };
        let is_addressable = location(T::KIND, body.name()).is_some();
        faults.extend((!is_addressable).then(|| Fault::new("/name", "cannot stand in the path of a URL")));
        faults
    };
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let location = location(T::KIND, body.name()).ok_or(Refusal::Internal)?;
    let entry = entry(administration, &body)?;
    let view = Configured::from(&WrittenEntry::from(&entry));
    let what = (&body, body.secret());
    let once = idempotency::remember(administration, request, admin.account.id, &what, (&location, &view))?;
    let new = NewEntry { entry, judge: judge(administration) };
    let made = administered::create::<EntryRow>(request, &administration.entries, new, once).await?;
    CreatedAt::of(made, location, |row| Configured::from(&WrittenEntry::from(&row.entry)))
}

async fn change<T: Listed>(
    administration: &Administration,
    request: &HttpRequest,
    name: &str,
    draft: Draft<PatchOf<T>>,
) -> Result<Json<Configured>, Refusal> {
    let key = key(T::KIND, name);
    let present = present(administration, &key).await?;
    let is_faulty = draft.has_faults();
    let own = |patch: &PatchOf<T>| match patch.applied_to(&present.entry.document) {
        Ok(_) if !is_faulty => vec![],
        Ok(body) => faults_of(administration, &body),
        Err(refusal) => refusal.into_faults(),
    };
    let patch = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let body: T = patch.applied_to(&present.entry.document)?;
    let change = EntryChange {
        document: document(&body)?,
        sealed_secret: if patch.gives_secret() { Some(sealed(administration, &body)?) } else { None },
        only_at: present.revision,
    };
    let id = EntryId { key, judge: judge(administration) };
    let row = administered::change::<EntryRow>(request, &administration.entries, id, change).await?;
    Ok(Json(Configured::from(&WrittenEntry::from(&row.entry))))
}

async fn delete(administration: &Administration, request: &HttpRequest, key: EntryKey) -> Result<NoContent, Refusal> {
    present(administration, &key).await?;
    let id = EntryId { key, judge: judge(administration) };
    administered::delete::<EntryRow>(request, &administration.entries, id).await
}

fn key(kind: EntryKind, name: &str) -> EntryKey {
    EntryKey { kind, name: name.into() }
}

/// The entry that is to be changed or deleted.
async fn present(administration: &Administration, key: &EntryKey) -> Result<EntryRow, Refusal> {
    if let Some(row) = administration.store.entry(key.clone()).await.map_err(unavailable)? {
        return Ok(row);
    }
    if administration.routing.read().written().is_configured(key) {
        return Err(Refusal::Conflict(format!(
            "The {key} stands in the configuration file: change it there, and reload (SIGHUP)."
        )));
    }
    Err(Refusal::NotFound)
}

/// Where an entry is shown; nothing if no path leads to its name.
fn location(kind: EntryKind, name: &str) -> Option<String> {
    let segments: Vec<String> = name.split('/').map(percent::encoded).collect();
    let location = format!("/admin/{}/{}", kind.list(), segments.join("/"));
    Some(location).filter(|location| path::check(location).is_ok() && !location.ends_with('/'))
}

fn entry<T: Listed>(administration: &Administration, body: &T) -> Result<Entry, Refusal> {
    let now = administration.clock.now();
    Ok(Entry {
        key: key(T::KIND, body.name()),
        document: document(body)?,
        sealed_secret: sealed(administration, body)?,
        created_at: now,
        updated_at: now,
    })
}

fn sealed<T: Listed>(administration: &Administration, body: &T) -> Result<Option<Vec<u8>>, Refusal> {
    let purpose = purpose_of(&Sealed::Upstream { name: body.name().to_owned() });
    let seal = |secret: &str| administration.master.seal(&purpose, secret.as_bytes()).map_err(|_| Refusal::Internal);
    body.secret().map(seal).transpose()
}

/// Asks the plan that is in force then.
fn judge(administration: &Administration) -> Judge {
    let routing = administration.routing.clone();
    Arc::new(move |entries, key, after| routing.read().plan()?.refusal(entries, key, after))
}

/// What is wrong with an entry that has a fault already, as far as this replica knows.
fn faults_of<T: Listed>(administration: &Administration, body: &T) -> Vec<Fault> {
    let routing = administration.routing.read();
    let (Some(plan), Ok(entry)) = (routing.plan(), entry(administration, body)) else { return vec![] };
    match plan.refusal(&routing.written().entries, &entry.key, Some(&entry)) {
        Some(EntryRefused::Invalid(faults)) => faults,
        Some(EntryRefused::Conflict(_)) | None => vec![],
    }
}

impl Exposed for EntryRow {
    const NOUN: &'static str = "entry";

    fn record(&self) -> Value {
        json!(Configured::from(&WrittenEntry::from(&self.entry)))
    }

    fn record_besides(change: &EntryChange) -> Map<String, Value> {
        change.sealed_secret.iter().map(|_| ("secret_changed".to_owned(), true.into())).collect()
    }

    fn refusal(refused: EntryRefused) -> Refusal {
        match refused {
            EntryRefused::Conflict(why) => Refusal::Conflict(why),
            EntryRefused::Invalid(faults) => Refusal::InvalidRequest(faults),
        }
    }
}
