//! Budgets by their names. Several may share one, each with another subject: the subject says which is meant.

use actix_web::{HttpRequest, web::Data};
use uuid::Uuid;

use super::{Budget, BudgetCreate, BudgetPatch, edit, shown};
use crate::{
    domain::{
        budget::{Budget as InForce, Spec},
        ids::BudgetId,
        refusal::Refusal,
    },
    http::{
        administered::{self, Wanted},
        by_name::{ListedName, OfSubject, SubjectName},
        conditional::{At, Tagged},
        extract::{Caller, DraftBody},
        failure::unavailable,
        no_content::NoContent,
        office::{Accounting, Administration},
        problem::Problem,
        put::{Put, PutOf},
    },
    store::{
        Store,
        budgets::{BudgetChange, BudgetRow, NewBudget},
    },
};

/// `GET /admin/budgets/by-name/{name}`.
pub async fn show(
    accounting: Data<Accounting>,
    _: Caller,
    SubjectName { name, of }: SubjectName,
) -> Result<Tagged<Budget>, Problem> {
    let row = found(&accounting.store, &name, &of).await?;
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
    let no_id = BudgetId(Uuid::nil());
    let own =
        |body: &PutOf<BudgetCreate>| body.faults(&name, |budget| budget.spec().budget(no_id).err().unwrap_or_default());
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let body = body.named(&name).map_err(Refusal::InvalidRequest)?;
    let wanted = WantedBudget { administration: &administration, spec: body.spec() };
    let placed = administered::put(&request, &administration.budgets, &conditions, &wanted).await?;
    let view = shown(&administration.accounting, placed.row()).await?;
    Ok(Put::of(&placed, format!("/admin/budgets/{}", placed.row().id()), view.object))
}

/// `PATCH /admin/budgets/by-name/{name}`.
pub async fn change(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(SubjectName { name, of }, conditions): At<SubjectName>,
    DraftBody(draft): DraftBody<BudgetPatch>,
) -> Result<Tagged<Budget>, Problem> {
    let present = found(&administration.store, &name, &of).await?;
    Ok(edit(&administration, &request, present, &conditions, draft).await?)
}

/// `DELETE /admin/budgets/by-name/{name}`.
pub async fn delete(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(SubjectName { name, of }, conditions): At<SubjectName>,
) -> Result<NoContent, Problem> {
    let present = found(&administration.store, &name, &of).await?;
    let only_at = administered::only_at(&present, &conditions)?;
    Ok(administered::delete::<BudgetRow>(&request, &administration.budgets, present.id(), only_at).await?)
}

async fn found(store: &Store, name: &str, OfSubject { subject }: &OfSubject) -> Result<BudgetRow, Refusal> {
    let row = store.budget_by_name(name, subject.as_deref()).await.map_err(unavailable)?;
    let noun = if subject.is_some() { "budget of this subject" } else { "budget without a subject" };
    row.ok_or_else(|| Refusal::NoSuchName { noun, name: name.to_owned() })
}

/// What a budget is to be.
struct WantedBudget<'a> {
    administration: &'a Administration,
    spec: &'a Spec,
}

impl WantedBudget<'_> {
    fn budget(&self, id: BudgetId) -> Result<InForce, Refusal> {
        self.spec.budget(id).map_err(Refusal::InvalidRequest)
    }
}

impl Wanted<BudgetRow> for WantedBudget<'_> {
    async fn present(&self) -> Result<Option<BudgetRow>, Refusal> {
        let Spec { name, subject, .. } = self.spec;
        self.administration.store.budget_by_name(name, subject.as_deref()).await.map_err(unavailable)
    }

    fn id_of(&self, present: &BudgetRow) -> BudgetId {
        present.id()
    }

    async fn made(&self) -> Result<NewBudget, Refusal> {
        let budget = self.budget(BudgetId(self.administration.clock.new_id()))?;
        let created_at = self.administration.clock.now();
        Ok(NewBudget { spec: self.spec.clone(), budget, created_at })
    }

    async fn change(&self, present: &BudgetRow) -> Result<BudgetChange, Refusal> {
        let budget = self.budget(present.id())?;
        Ok(BudgetChange { spec: self.spec.clone(), budget, only_at: present.revision })
    }
}
