//! An entry of a list is made what a body says, whether it is there or not.

use actix_web::{HttpRequest, web::Data};

use super::{
    Configured,
    body::{Listed, SECRET, document},
    change::{entry, faults_of, judge, key, location, opened, present, sealed, view, with_shadow},
};
use crate::{
    config::{
        models::ModelEntry,
        routing::{RouteEntry, UpstreamEntry},
    },
    domain::{
        entry::Entry,
        refusal::{Fault, Refusal},
    },
    http::{
        administered::{self, Wanted},
        conditional::{At, Conditions},
        extract::{Caller, DraftBody, PathName},
        input::Draft,
        office::Administration,
        problem::Problem,
        put::{Nameable, Put, PutOf},
    },
    store::entries::{EntryChange, EntryId, EntryRow, NewEntry},
};

impl Nameable for UpstreamEntry {}
impl Nameable for RouteEntry {}
impl Nameable for ModelEntry {}

/// `PUT /admin/upstreams/{name}`.
pub async fn put_upstream(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathName(name), conditions): At<PathName<false>>,
    DraftBody(draft): DraftBody<PutOf<UpstreamEntry>>,
) -> Result<Put<Configured>, Problem> {
    Ok(put(&administration, &request, &name, &conditions, draft).await?)
}

/// `PUT /admin/routes/{name}`.
pub async fn put_route(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathName(name), conditions): At<PathName<false>>,
    DraftBody(draft): DraftBody<PutOf<RouteEntry>>,
) -> Result<Put<Configured>, Problem> {
    Ok(put(&administration, &request, &name, &conditions, draft).await?)
}

/// `PUT /admin/models/{model}`.
pub async fn put_model(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathName(name), conditions): At<PathName<true>>,
    DraftBody(draft): DraftBody<PutOf<ModelEntry>>,
) -> Result<Put<Configured>, Problem> {
    Ok(put(&administration, &request, &name, &conditions, draft).await?)
}

async fn put<T: Listed + Nameable>(
    administration: &Administration,
    request: &HttpRequest,
    name: &str,
    conditions: &Conditions,
    draft: Draft<PutOf<T>>,
) -> Result<Put<Configured>, Refusal> {
    // What only the others can say is said within the transaction, unless there is a fault already. A name that nothing can have
    // is one before the conditions are asked (RFC 9110 §13.2.1).
    let is_faulty = draft.has_faults() || !T::can_have(name);
    let own =
        |body: &PutOf<T>| body.faults(name, |entry| if is_faulty { faults_of(administration, entry) } else { vec![] });
    let put = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let body = put.named(name).map_err(Refusal::InvalidRequest)?;
    let unreachable = || Refusal::InvalidRequest(vec![Fault::new("path", "cannot stand in the path of a URL")]);
    let location = location(T::KIND, name).ok_or_else(unreachable)?;
    let gives_secret = put.gives(SECRET);
    let wanted = WantedEntry { administration, body, gives_secret };
    let placed = administered::put(request, &administration.entries, conditions, &wanted).await?;
    Ok(Put::of(&placed, location, view(placed.row())))
}

/// What an entry is to be.
struct WantedEntry<'a, T> {
    administration: &'a Administration,
    body: T,
    gives_secret: bool,
}

impl<T: Listed> WantedEntry<'_, T> {
    /// Refuses a name that is that of a model, unless it was so before.
    fn check_name(&self, before: Option<&Entry>) -> Result<(), Refusal> {
        let faults = with_shadow(vec![], self.administration, (before, &self.body));
        if faults.is_empty() { Ok(()) } else { Err(Refusal::InvalidRequest(faults)) }
    }

    /// The secret to write: nothing where none is given or it is the present one.
    fn new_secret(&self, present: &EntryRow) -> Result<Option<Option<Vec<u8>>>, Refusal> {
        let is_same = || -> Result<bool, Refusal> {
            Ok(opened(self.administration, &present.entry)?.as_ref().map(|secret| secret.as_slice())
                == self.body.secret().map(str::as_bytes))
        };
        if !self.gives_secret || is_same()? {
            return Ok(None);
        }
        sealed(self.administration, &self.body).map(Some)
    }
}

impl<T: Listed> Wanted<EntryRow> for WantedEntry<'_, T> {
    async fn present(&self) -> Result<Option<EntryRow>, Refusal> {
        present(self.administration, &key(T::KIND, self.body.name())).await
    }

    fn id_of(&self, present: &EntryRow) -> EntryId {
        EntryId { key: present.entry.key.clone(), judge: judge(self.administration) }
    }

    async fn made(&self) -> Result<NewEntry, Refusal> {
        self.check_name(None)?;
        Ok(NewEntry { entry: entry(self.administration, &self.body)?, judge: judge(self.administration) })
    }

    /// Without a secret in the body the present one stays: nobody can be shown it to send it again.
    async fn change(&self, present: &EntryRow) -> Result<EntryChange, Refusal> {
        self.check_name(Some(&present.entry))?;
        Ok(EntryChange {
            document: document(&self.body)?,
            sealed_secret: self.new_secret(present)?,
            only_at: present.revision,
        })
    }
}
