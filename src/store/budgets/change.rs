//! Changes of budgets and their deletion. What was spent is untouched by both.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{BudgetRow, living, misfit, spec_text};
use crate::{
    domain::{
        budget::{Budget, Misfit, Spec},
        ids::BudgetId,
    },
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        revisions,
        schema::budgets,
        values::micros,
    },
};

/// What a budget is to be, checked. Its id is that of the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetChange {
    pub spec: Spec,
    /// What the spec makes.
    pub budget: Budget,
    /// Makes the change only if the budget still is as it was at this revision.
    pub only_at: i64,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one a change, and it is taken apart at once")]
pub enum BudgetChanged {
    /// They are equal, and nothing was written, if the change asked for what is so already.
    Done {
        before: BudgetRow,
        after: BudgetRow,
    },
    NotFound,
    /// The budget is not as it was at the revision that was asked for.
    Stale,
    Refused(Misfit),
}

impl Store {
    /// Changes a budget.
    pub async fn change_budget(&self, change: BudgetChange, now: Timestamp) -> Result<BudgetChanged, StoreError> {
        self.transaction(async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::BUDGETS).await?;
            let BudgetChange { spec, budget, only_at } = change;
            let Some(before) = living(connection, budget.id).await? else { return Ok(BudgetChanged::NotFound) };
            if before.revision != only_at {
                return Ok(BudgetChanged::Stale);
            }
            if before.spec == spec {
                return Ok(BudgetChanged::Done { after: before.clone(), before });
            }
            let fixed = budget.cannot_replace(&before.budget);
            if let Some(misfit) = fixed.or(misfit(connection, &spec, &budget).await?) {
                return Ok(BudgetChanged::Refused(misfit));
            }
            let after = BudgetRow { spec, budget, updated_at: now, revision, ..before.clone() };
            update(connection, &after).await?;
            Ok(BudgetChanged::Done { before, after })
        })
        .await
    }

    /// Deletes a budget and tells what it was; `None` if there is none. The row stays; the name becomes free.
    pub async fn delete_budget(&self, id: BudgetId, now: Timestamp) -> Result<Option<BudgetRow>, StoreError> {
        self.transaction(async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::BUDGETS).await?;
            let Some(before) = living(connection, id).await? else { return Ok(None) };
            let delete = diesel::update(budgets::table.find(id.to_string())).set((
                budgets::updated_at.eq(micros(now)),
                budgets::deleted_at.eq(micros(now)),
                budgets::revision.eq(revision),
            ));
            on_backend!(connection, |conn| delete.execute(conn).await)?;
            Ok(Some(before))
        })
        .await
    }
}

async fn update(connection: &mut Connection, budget: &BudgetRow) -> Result<(), StoreError> {
    let update = diesel::update(budgets::table.find(budget.id().to_string())).set((
        budgets::name.eq(&budget.spec.name),
        budgets::spec.eq(spec_text(&budget.spec)?),
        budgets::updated_at.eq(micros(budget.updated_at)),
        budgets::revision.eq(budget.revision),
    ));
    on_backend!(connection, |conn| update.execute(conn).await)?;
    Ok(())
}
