//! Limits by their names. Several may share one, each with another subject: the subject says which is meant.

use actix_web::{HttpRequest, web::Data};
use uuid::Uuid;

use super::{Limit, LimitCreate, LimitPatch, check, edit, shown};
use crate::{
    domain::{
        ids::LimitId,
        limit::{Policy, Spec},
        refusal::Refusal,
    },
    http::{
        administered::{self, Wanted},
        by_name::{ListedName, OfSubject, SubjectName},
        conditional::{At, Tagged},
        extract::{Caller, DraftBody},
        failure::unavailable,
        no_content::NoContent,
        office::Administration,
        problem::Problem,
        put::{Put, PutOf},
    },
    store::{
        Store,
        limits::{LimitChange, LimitRow, NewLimit},
    },
};

/// `GET /admin/limits/by-name/{name}`.
pub async fn show(
    administration: Data<Administration>,
    _: Caller,
    SubjectName { name, of }: SubjectName,
) -> Result<Tagged<Limit>, Problem> {
    let row = found(&administration.store, &name, &of).await?;
    Ok(shown(&administration, &row).await?)
}

/// `PUT /admin/limits/by-name/{name}`.
pub async fn put(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(ListedName(name), conditions): At<ListedName>,
    DraftBody(draft): DraftBody<PutOf<LimitCreate>>,
) -> Result<Put<Limit>, Problem> {
    let no_id = LimitId(Uuid::nil());
    let own = |body: &PutOf<LimitCreate>| {
        body.faults(&name, |limit| check(&administration, limit.spec(), no_id).err().unwrap_or_default())
    };
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let body = body.named(&name).map_err(Refusal::InvalidRequest)?;
    let wanted = WantedLimit { administration: &administration, spec: body.spec() };
    let placed = administered::put(&request, &administration.limits, &conditions, &wanted).await?;
    let view = shown(&administration, placed.row()).await?;
    Ok(Put::of(&placed, format!("/admin/limits/{}", placed.row().id()), view.object))
}

/// `PATCH /admin/limits/by-name/{name}`.
pub async fn change(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(SubjectName { name, of }, conditions): At<SubjectName>,
    DraftBody(draft): DraftBody<LimitPatch>,
) -> Result<Tagged<Limit>, Problem> {
    let present = found(&administration.store, &name, &of).await?;
    Ok(edit(&administration, &request, present, &conditions, draft).await?)
}

/// `DELETE /admin/limits/by-name/{name}`.
pub async fn delete(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(SubjectName { name, of }, conditions): At<SubjectName>,
) -> Result<NoContent, Problem> {
    let present = found(&administration.store, &name, &of).await?;
    let only_at = administered::only_at(&present, &conditions)?;
    Ok(administered::delete::<LimitRow>(&request, &administration.limits, present.id(), only_at).await?)
}

async fn found(store: &Store, name: &str, OfSubject { subject }: &OfSubject) -> Result<LimitRow, Refusal> {
    let row = store.limit_by_name(name, subject.as_deref()).await.map_err(unavailable)?;
    let noun = if subject.is_some() { "limit of this subject" } else { "limit without a subject" };
    row.ok_or_else(|| Refusal::NoSuchName { noun, name: name.to_owned() })
}

/// What a limit is to be.
struct WantedLimit<'a> {
    administration: &'a Administration,
    spec: &'a Spec,
}

impl WantedLimit<'_> {
    fn policy(&self, id: LimitId) -> Result<Policy, Refusal> {
        check(self.administration, self.spec, id).map_err(Refusal::InvalidRequest)
    }
}

impl Wanted<LimitRow> for WantedLimit<'_> {
    async fn present(&self) -> Result<Option<LimitRow>, Refusal> {
        let Spec { name, subject, .. } = self.spec;
        self.administration.store.limit_by_name(name, subject.as_deref()).await.map_err(unavailable)
    }

    fn id_of(&self, present: &LimitRow) -> LimitId {
        present.id()
    }

    async fn made(&self) -> Result<NewLimit, Refusal> {
        let policy = self.policy(LimitId(self.administration.clock.new_id()))?;
        let created_at = self.administration.clock.now();
        Ok(NewLimit { spec: self.spec.clone(), policy, created_at })
    }

    async fn change(&self, present: &LimitRow) -> Result<LimitChange, Refusal> {
        let policy = self.policy(present.id())?;
        Ok(LimitChange { spec: self.spec.clone(), policy, only_at: present.revision })
    }
}
