//! New budgets: by an administrator, and those of the configuration when there has never been one.

use diesel::ExpressionMethods;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{BudgetRow, living, misfit, spec_text, subject_exists};
use crate::{
    domain::budget::{Budget, Misfit, Spec},
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        idempotency::{self, Idempotency, Known},
        revisions,
        schema::budgets,
        values::micros,
    },
};

/// A budget to be, checked. Its id is that of the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBudget {
    pub spec: Spec,
    /// What the spec makes.
    pub budget: Budget,
    pub created_at: Timestamp,
}

/// What came of creating a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one a creation, and it is taken apart at once")]
pub enum BudgetCreated {
    New(BudgetRow),
    /// The same request came before. This is its answer, and nothing was changed.
    Replayed {
        location: Option<String>,
        body: String,
    },
    /// The `Idempotency-Key` came before with another request.
    RequestReused,
    Refused(Misfit),
}

/// What came of the budgets of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstBudgets {
    Made,
    /// There have been budgets before; nothing was changed.
    MadeBefore,
    /// The one at this place speaks of a subject that is not there; nothing was changed.
    NoSuchSubject(usize),
}

impl Store {
    /// Creates a budget and, with it, keeps the answer under the key of the request.
    ///
    /// # Errors
    /// `Conflict` if the id is taken.
    pub async fn create_budget(
        &self,
        budget: NewBudget,
        request: Option<Idempotency>,
    ) -> Result<BudgetCreated, StoreError> {
        self.transaction(async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::BUDGETS).await?;
            if let Some(request) = &request {
                match idempotency::look_up(connection, request).await? {
                    Known::Fresh => {}
                    Known::Answered { location, body, .. } => return Ok(BudgetCreated::Replayed { location, body }),
                    Known::Reused => return Ok(BudgetCreated::RequestReused),
                }
            }
            if let Some(misfit) = misfit(connection, &budget.spec, &budget.budget).await? {
                return Ok(BudgetCreated::Refused(misfit));
            }
            if let Some(request) = &request {
                idempotency::keep(connection, request).await?;
            }
            insert(connection, &budget, revision).await?;
            let made = living(connection, budget.budget.id).await?;
            made.map(BudgetCreated::New).ok_or_else(|| StoreError::Other("a new budget is not there".into()))
        })
        .await
    }

    /// Creates these budgets, which fit to each other, if nobody has ever created or changed one. Of several replicas
    /// that do so at once only one does.
    pub async fn create_first_budgets(&self, budgets: Vec<NewBudget>) -> Result<FirstBudgets, StoreError> {
        if self.read(async |connection: &mut Connection| revisions::last(connection, revisions::BUDGETS).await).await?
            > 0
        {
            return Ok(FirstBudgets::MadeBefore);
        }
        self.transaction(async move |connection: &mut Connection| {
            for (i, budget) in budgets.iter().enumerate() {
                if !subject_exists(connection, &budget.spec).await? {
                    return Ok(FirstBudgets::NoSuchSubject(i));
                }
            }
            let revision = revisions::next(connection, revisions::BUDGETS).await?;
            if revision > 1 {
                return Ok(FirstBudgets::MadeBefore);
            }
            for budget in &budgets {
                insert(connection, budget, revision).await?;
            }
            Ok(FirstBudgets::Made)
        })
        .await
    }
}

async fn insert(connection: &mut Connection, budget: &NewBudget, revision: i64) -> Result<(), StoreError> {
    let insert = diesel::insert_into(budgets::table).values((
        budgets::id.eq(budget.budget.id.to_string()),
        budgets::name.eq(&budget.spec.name),
        budgets::subject.eq(&budget.spec.subject),
        budgets::spec.eq(spec_text(&budget.spec)?),
        budgets::created_at.eq(micros(budget.created_at)),
        budgets::updated_at.eq(micros(budget.created_at)),
        budgets::revision.eq(revision),
    ));
    on_backend!(connection, |conn| insert.execute(conn).await)?;
    Ok(())
}
