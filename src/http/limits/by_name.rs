//! Limits by their names.

use actix_web::{HttpRequest, web::Data};

use super::{Limit, LimitCreate, LimitPatch, check, edit, shown};
use crate::{
    domain::{
        ids::LimitId,
        limit::{Per, Spec},
        refusal::Fault,
    },
    http::{
        administered,
        by_name::{ListedName, SubjectName},
        conditional::{At, Tagged},
        extract::{Caller, DraftBody},
        no_content::NoContent,
        office::Administration,
        problem::Problem,
        put::{Put, PutOf},
        subject::{
            Written,
            by_name::{self as of_name, Shared, found},
        },
    },
    store::{
        Store, StoreError,
        filter::Filter,
        limits::{LimitChange, LimitRow, NewLimit},
    },
};

/// `GET /admin/limits/by-name/{name}`.
pub async fn show(
    administration: Data<Administration>,
    _: Caller,
    name: SubjectName,
) -> Result<Tagged<Limit>, Problem> {
    let row = found(&administration.store, &name).await?;
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
    let asked = (&request, &conditions);
    let placed = of_name::put::<LimitRow>(&administration, asked, &administration.limits, &name, draft).await?;
    let view = shown(&administration, placed.row()).await?;
    Ok(Put::of(&placed, format!("/admin/limits/{}", placed.row().id()), view.object))
}

/// `PATCH /admin/limits/by-name/{name}`.
pub async fn change(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(name, conditions): At<SubjectName>,
    DraftBody(draft): DraftBody<LimitPatch>,
) -> Result<Tagged<Limit>, Problem> {
    let present = found(&administration.store, &name).await?;
    Ok(edit(&administration, &request, present, &conditions, draft).await?)
}

/// `DELETE /admin/limits/by-name/{name}`.
pub async fn delete(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(name, conditions): At<SubjectName>,
) -> Result<NoContent, Problem> {
    let present: LimitRow = found(&administration.store, &name).await?;
    let found = (present.id(), &present);
    Ok(administered::delete_present(&request, &administration.limits, found, &conditions).await?)
}

impl Shared for LimitRow {
    type Body = LimitCreate;

    const OF_SUBJECT: &'static str = "limit of this subject";
    const OF_ALL: &'static str = "limit without a subject";

    async fn find(store: &Store, name: &str, subject: Option<&str>) -> Result<Option<Self>, StoreError> {
        store.limit_by_name(name, subject).await
    }

    async fn kind(store: &Store, name: &str) -> Result<Option<Per>, StoreError> {
        let of_name = Filter { name: Some(name.to_owned()), team: None };
        Ok(store.limits_page(of_name, None, 1).await?.first().map(|row| row.spec.per))
    }

    fn id(&self) -> LimitId {
        self.policy.id
    }

    fn subject(body: &mut LimitCreate) -> Written<'_> {
        body.subject("")
    }

    fn place(body: &LimitCreate) -> (&str, Option<&str>) {
        let Spec { name, subject, .. } = body.spec();
        (name, subject.as_deref())
    }

    fn made(administration: &Administration, body: &LimitCreate) -> Result<NewLimit, Vec<Fault>> {
        let (spec, created_at) = (body.spec().clone(), administration.clock.now());
        let policy = check(administration, &spec, LimitId(administration.clock.new_id()))?;
        Ok(NewLimit { spec, policy, created_at })
    }

    fn changed_to(&self, administration: &Administration, body: &LimitCreate) -> Result<LimitChange, Vec<Fault>> {
        let spec = body.spec().clone();
        let policy = check(administration, &spec, self.policy.id)?;
        Ok(LimitChange { spec, policy, only_at: self.revision })
    }
}
