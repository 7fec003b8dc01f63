//! Entries of the lists are made, changed and deleted, all three kinds by the same flow.

use std::sync::Arc;

use actix_web::{HttpRequest, http::header::EntityTag, web::Data};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{
    Configured,
    body::{Listed, PatchOf, document},
    missing,
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
        conditional::{At, Conditions, Tagged, tag_of},
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
    At(PathName(name), conditions): At<PathName<false>>,
    DraftBody(draft): DraftBody<PatchOf<UpstreamEntry>>,
) -> Result<Tagged<Configured>, Problem> {
    Ok(change(&administration, &request, &name, &conditions, draft).await?)
}

/// `DELETE /admin/upstreams/{name}`.
pub async fn delete_upstream(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathName(name), conditions): At<PathName<false>>,
) -> Result<NoContent, Problem> {
    Ok(delete(&administration, &request, key(EntryKind::Upstream, &name), &conditions).await?)
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
    At(PathName(name), conditions): At<PathName<false>>,
    DraftBody(draft): DraftBody<PatchOf<RouteEntry>>,
) -> Result<Tagged<Configured>, Problem> {
    Ok(change(&administration, &request, &name, &conditions, draft).await?)
}

/// `DELETE /admin/routes/{name}`.
pub async fn delete_route(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathName(name), conditions): At<PathName<false>>,
) -> Result<NoContent, Problem> {
    Ok(delete(&administration, &request, key(EntryKind::Route, &name), &conditions).await?)
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
    At(PathName(name), conditions): At<PathName<true>>,
    DraftBody(draft): DraftBody<PatchOf<ModelEntry>>,
) -> Result<Tagged<Configured>, Problem> {
    Ok(change(&administration, &request, &name, &conditions, draft).await?)
}

/// `DELETE /admin/models/{model}`.
pub async fn delete_model(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathName(name), conditions): At<PathName<true>>,
) -> Result<NoContent, Problem> {
    Ok(delete(&administration, &request, key(EntryKind::Model, &name), &conditions).await?)
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
        with_shadow(faults, administration, (None, body))
    };
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let location = location(T::KIND, body.name()).ok_or(Refusal::Internal)?;
    let entry = entry(administration, &body)?;
    let shown = Configured::from(&WrittenEntry::from(&entry));
    let what = (&body, body.secret());
    let once = idempotency::remember(administration, request, admin.account.id, &what, (&location, &shown))?;
    let new = NewEntry { entry, judge: judge(administration) };
    let made = administered::create::<EntryRow>(request, &administration.entries, new, once).await?;
    CreatedAt::of(made, location, view)
}

async fn change<T: Listed>(
    administration: &Administration,
    request: &HttpRequest,
    name: &str,
    conditions: &Conditions,
    draft: Draft<PatchOf<T>>,
) -> Result<Tagged<Configured>, Refusal> {
    let key = key(T::KIND, name);
    let present = found(administration, &key).await?;
    let is_faulty = draft.has_faults();
    let own = |patch: &PatchOf<T>| match patch.applied_to(&present.entry.document) {
        Ok(body) => {
            let faults = if is_faulty { faults_of(administration, &body) } else { vec![] };
            with_shadow(faults, administration, (Some(&present.entry), &body))
        }
        Err(refusal) => refusal.into_faults(),
    };
    let patch = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let body: T = patch.applied_to(&present.entry.document)?;
    administered::only_at(&present, conditions)?;
    let change = EntryChange {
        document: document(&body)?,
        sealed_secret: if patch.gives_secret() { Some(sealed(administration, &body)?) } else { None },
        only_at: present.revision,
    };
    let id = EntryId { key, judge: judge(administration) };
    let row = administered::change::<EntryRow>(request, &administration.entries, id, change, conditions).await?;
    Ok(view(&row).tagged())
}

async fn delete(
    administration: &Administration,
    request: &HttpRequest,
    key: EntryKey,
    conditions: &Conditions,
) -> Result<NoContent, Refusal> {
    let only_at = administered::only_at(&found(administration, &key).await?, conditions)?;
    let id = EntryId { key, judge: judge(administration) };
    administered::delete::<EntryRow>(request, &administration.entries, id, only_at).await
}

pub(super) fn view(row: &EntryRow) -> Configured {
    Configured::from(&WrittenEntry::from(&row.entry))
}

pub(super) fn key(kind: EntryKind, name: &str) -> EntryKey {
    EntryKey { kind, name: name.into() }
}

/// The entry that is to be changed or deleted.
async fn found(administration: &Administration, key: &EntryKey) -> Result<EntryRow, Refusal> {
    present(administration, key).await?.ok_or_else(|| missing(key.kind, &key.name))
}

/// The entry of this key, unless there is none.
///
/// # Errors
/// `Conflict` where it stands in the configuration, and is changed there only.
pub(super) async fn present(administration: &Administration, key: &EntryKey) -> Result<Option<EntryRow>, Refusal> {
    if let Some(row) = administration.store.entry(key.clone()).await.map_err(unavailable)? {
        return Ok(Some(row));
    }
    if administration.routing.read().written().is_configured(key) {
        return Err(Refusal::Conflict(format!(
            "The {key} stands in the configuration file: change it there, and reload (SIGHUP)."
        )));
    }
    Ok(None)
}

/// Where an entry is shown; nothing if no path leads to its name.
pub(super) fn location(kind: EntryKind, name: &str) -> Option<String> {
    let segments: Vec<String> = name.split('/').map(percent::encoded).collect();
    let location = format!("/admin/{}/{}", kind.list(), segments.join("/"));
    Some(location).filter(|location| path::check_own(location).is_ok() && !location.ends_with('/'))
}

pub(super) fn entry<T: Listed>(administration: &Administration, body: &T) -> Result<Entry, Refusal> {
    let now = administration.clock.now();
    Ok(Entry {
        key: key(T::KIND, body.name()),
        document: document(body)?,
        sealed_secret: sealed(administration, body)?,
        created_at: now,
        updated_at: now,
    })
}

pub(super) fn sealed<T: Listed>(administration: &Administration, body: &T) -> Result<Option<Vec<u8>>, Refusal> {
    let purpose = purpose_of(&Sealed::Upstream { name: body.name().to_owned() });
    let seal = |secret: &str| administration.master.seal(&purpose, secret.as_bytes()).map_err(|_| Refusal::Internal);
    body.secret().map(seal).transpose()
}

/// The secret of an entry that is stored.
pub(super) fn opened(administration: &Administration, entry: &Entry) -> Result<Option<Zeroizing<Vec<u8>>>, Refusal> {
    let purpose = purpose_of(&Sealed::Upstream { name: entry.key.name.to_string() });
    let open = |sealed: &Vec<u8>| administration.master.open(&purpose, sealed).map_err(|_| Refusal::Internal);
    entry.sealed_secret.as_ref().map(open).transpose()
}

/// Asks the plan that is in force then.
pub(super) fn judge(administration: &Administration) -> Judge {
    let routing = administration.routing.clone();
    Arc::new(move |entries, key, after| routing.read().plan()?.refusal(entries, key, after))
}

/// What is wrong with an entry that has a fault already, as far as this replica knows.
pub(super) fn faults_of<T: Listed>(administration: &Administration, body: &T) -> Vec<Fault> {
    let routing = administration.routing.read();
    let (Some(plan), Ok(entry)) = (routing.plan(), entry(administration, body)) else { return vec![] };
    match plan.refusal(&routing.written().entries, &entry.key, Some(&entry)) {
        Some(EntryRefused::Invalid(faults)) => faults,
        Some(EntryRefused::Conflict(_)) | None => vec![],
    }
}

/// These faults, and that the entry takes the name of a model that has a price, unless it had done so `before`.
pub(super) fn with_shadow<T: Listed>(
    mut faults: Vec<Fault>,
    administration: &Administration,
    (before, body): (Option<&Entry>, &T),
) -> Vec<Fault> {
    let prices = administration.accounting.prices.read();
    let reason = |body: &T| body.shadows(&|model| prices.find(model).is_some());
    let was = before.and_then(|entry| serde_json::from_str::<T>(&entry.document).ok());
    let is_new = was.and_then(|was| reason(&was)).is_none();
    let is_told = faults.iter().any(|fault| fault.pointer == "/name");
    faults.extend(reason(body).filter(|_| is_new && !is_told).map(|reason| Fault::new("/name", reason)));
    faults
}

impl Exposed for EntryRow {
    const NOUN: &'static str = "entry";

    fn record(&self) -> Value {
        json!(view(self))
    }

    /// The time of the last change: what shows an entry has no other number of it.
    fn tag(&self) -> EntityTag {
        tag_of(self.entry.updated_at.as_microsecond())
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
