//! Budgets by their names.

use actix_web::{HttpRequest, web::Data};

use super::{Budget, BudgetCreate, BudgetPatch, edit, shown};
use crate::{
    domain::{budget::Spec, ids::BudgetId, limit::Per, refusal::Fault},
    http::{
        administered,
        by_name::{ListedName, SubjectName},
        conditional::{At, Tagged},
        extract::{Caller, DraftBody},
        no_content::NoContent,
        office::{Accounting, Administration},
        problem::Problem,
        put::{Put, PutOf},
        subject::{
            Written,
            by_name::{self as of_name, Shared, found},
        },
    },
    store::{
        Store, StoreError,
        budgets::{BudgetChange, BudgetRow, NewBudget},
        filter::Filter,
    },
};

/// `GET /admin/budgets/by-name/{name}`.
pub async fn show(accounting: Data<Accounting>, _: Caller, name: SubjectName) -> Result<Tagged<Budget>, Problem> {
    let row = found(&accounting.store, &name).await?;
    Ok(shown(&accounting, &row).await?)
}

/// `PUT /admin/budgets/by-name/{name}`.
pub async fn put(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(ListedName(name), conditions): At<ListedName>,
    DraftBody(draft): DraftBody<PutOf<BudgetCreate>>,
) -> Result<Put<Budget>, Problem> {
    let asked = (&request, &conditions);
    let placed = of_name::put::<BudgetRow>(&administration, asked, &administration.budgets, &name, draft).await?;
    let view = shown(&administration.accounting, placed.row()).await?;
    Ok(Put::of(&placed, format!("/admin/budgets/{}", placed.row().id()), view.object))
}

/// `PATCH /admin/budgets/by-name/{name}`.
pub async fn change(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(name, conditions): At<SubjectName>,
    DraftBody(draft): DraftBody<BudgetPatch>,
) -> Result<Tagged<Budget>, Problem> {
    let present = found(&administration.store, &name).await?;
    Ok(edit(&administration, &request, present, &conditions, draft).await?)
}

/// `DELETE /admin/budgets/by-name/{name}`.
pub async fn delete(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(name, conditions): At<SubjectName>,
) -> Result<NoContent, Problem> {
    let present: BudgetRow = found(&administration.store, &name).await?;
    let found = (present.id(), &present);
    Ok(administered::delete_present(&request, &administration.budgets, found, &conditions).await?)
}

impl Shared for BudgetRow {
    type Body = BudgetCreate;

    const OF_SUBJECT: &'static str = "budget of this subject";
    const OF_ALL: &'static str = "budget without a subject";

    async fn find(store: &Store, name: &str, subject: Option<&str>) -> Result<Option<Self>, StoreError> {
        store.budget_by_name(name, subject).await
    }

    async fn kind(store: &Store, name: &str) -> Result<Option<Per>, StoreError> {
        let of_name = Filter { name: Some(name.to_owned()), team: None };
        Ok(store.budgets_page(of_name, None, 1).await?.first().map(|row| row.spec.scope.per()))
    }

    fn id(&self) -> BudgetId {
        self.budget.id
    }

    fn subject(body: &mut BudgetCreate) -> Written<'_> {
        body.subject("")
    }

    fn place(body: &BudgetCreate) -> (&str, Option<&str>) {
        let Spec { name, subject, .. } = body.spec();
        (name, subject.as_deref())
    }

    fn made(administration: &Administration, body: &BudgetCreate) -> Result<NewBudget, Vec<Fault>> {
        let (spec, created_at) = (body.spec().clone(), administration.clock.now());
        let budget = spec.budget(BudgetId(administration.clock.new_id()))?;
        Ok(NewBudget { spec, budget, created_at })
    }

    fn changed_to(&self, _: &Administration, body: &BudgetCreate) -> Result<BudgetChange, Vec<Fault>> {
        let spec = body.spec().clone();
        let budget = spec.budget(self.budget.id)?;
        Ok(BudgetChange { spec, budget, only_at: self.revision })
    }
}
