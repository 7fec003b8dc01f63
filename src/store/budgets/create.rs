//! New budgets.

use diesel::ExpressionMethods;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::spec_text;
use crate::{
    domain::budget::{Budget, Spec},
    store::{
        StoreError,
        connection::{Connection, on_backend},
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

pub(super) async fn insert(connection: &mut Connection, budget: &NewBudget, revision: i64) -> Result<(), StoreError> {
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
