//! New budgets, their changes and their deletion. What was spent is untouched by both.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{BudgetRow, Record, misfit, spec_text};
use crate::{
    domain::{
        budget::{Budget, Misfit, Spec},
        ids::BudgetId,
    },
    store::{
        StoreError,
        administered::{Administered, Stamp},
        connection::{Connection, on_backend},
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

/// What a budget is to be, checked. Its id is that of the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetChange {
    pub spec: Spec,
    /// What the spec makes.
    pub budget: Budget,
    /// Makes the change only if the budget still is as it was at this revision.
    pub only_at: i64,
}

impl Administered for BudgetRow {
    type Id = BudgetId;
    type New = NewBudget;
    type Change = BudgetChange;
    type Refused = Misfit;

    const TABLE: &'static str = "budgets";
    const REVISION: &'static str = revisions::BUDGETS;

    fn id_of(new: &NewBudget) -> BudgetId {
        new.budget.id
    }

    fn revision(&self) -> i64 {
        self.revision
    }

    fn only_at(change: &BudgetChange) -> Option<i64> {
        Some(change.only_at)
    }

    async fn living(connection: &mut Connection, id: BudgetId) -> Result<Option<Self>, StoreError> {
        let budget = budgets::table.find(id.to_string()).filter(budgets::deleted_at.is_null());
        let record: Option<Record> =
            on_backend!(connection, |conn| budget.select(Record::as_select()).first(conn).await.optional())?;
        record.map(Self::try_from).transpose()
    }

    async fn refuse_new(connection: &mut Connection, new: &NewBudget) -> Result<Option<Misfit>, StoreError> {
        misfit(connection, &new.spec, &new.budget).await
    }

    async fn insert(connection: &mut Connection, new: &NewBudget, revision: i64) -> Result<(), StoreError> {
        let insert = diesel::insert_into(budgets::table).values((
            budgets::id.eq(new.budget.id.to_string()),
            budgets::name.eq(&new.spec.name),
            budgets::subject.eq(&new.spec.subject),
            budgets::spec.eq(spec_text(&new.spec)?),
            budgets::created_at.eq(micros(new.created_at)),
            budgets::updated_at.eq(micros(new.created_at)),
            budgets::revision.eq(revision),
        ));
        on_backend!(connection, |conn| insert.execute(conn).await)?;
        Ok(())
    }

    fn changed(&self, change: &BudgetChange) -> Option<Self> {
        let BudgetChange { spec, budget, .. } = change.clone();
        // What it means and not how it is written: "10" and "10.00", names in another order.
        (budget != self.budget).then(|| Self { spec, budget, ..self.clone() })
    }

    async fn refuse_change(
        connection: &mut Connection,
        before: &Self,
        after: &Self,
    ) -> Result<Option<Misfit>, StoreError> {
        if let Some(misfit) = after.budget.cannot_replace(&before.budget) {
            return Ok(Some(misfit));
        }
        let found = misfit(connection, &after.spec, &after.budget).await?;
        // Its subject stays, and may be gone.
        Ok(found.filter(|found| *found != Misfit::NoSuchSubject))
    }

    async fn update(
        connection: &mut Connection,
        _: &Self,
        after: Self,
        _: BudgetChange,
        stamp: Stamp,
    ) -> Result<Self, StoreError> {
        let after = Self { updated_at: stamp.now, revision: stamp.revision, ..after };
        update(connection, &after).await?;
        Ok(after)
    }

    async fn delete(connection: &mut Connection, row: &Self, stamp: Stamp) -> Result<Self, StoreError> {
        let delete = diesel::update(budgets::table.find(row.id().to_string())).set((
            budgets::updated_at.eq(micros(stamp.now)),
            budgets::deleted_at.eq(micros(stamp.now)),
            budgets::revision.eq(stamp.revision),
        ));
        on_backend!(connection, |conn| delete.execute(conn).await)?;
        Ok(Self { updated_at: stamp.now, revision: stamp.revision, ..row.clone() })
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
