//! Budgets as rules.

use super::{Rulebook, Rules, SingleRules};
use crate::{
    clock::Clock,
    domain::ids::BudgetId,
    snapshot::budgets::BudgetBook,
    store::{
        Store, StoreError,
        budgets::{BudgetChange, BudgetChanged, BudgetCreated, BudgetRow, NewBudget},
        users::Idempotency,
    },
};

/// The handle of the regulator of budgets.
pub type Budgets = Rulebook<BudgetRules>;

/// How much calls may cost.
pub struct BudgetRules;

impl Rules for BudgetRules {
    const ACTOR: &'static str = "budget_regulator";
    type Row = BudgetRow;
    type Book = BudgetBook;

    async fn changed_since(store: Store, revision: i64) -> Result<Option<(i64, Vec<BudgetRow>)>, StoreError> {
        store.budgets_changed_since(revision).await
    }

    fn book(_: i64, rows: Vec<BudgetRow>, _: &BudgetBook, _: u64) -> BudgetBook {
        BudgetBook::new(rows.into_iter().map(|row| row.budget))
    }
}

impl SingleRules for BudgetRules {
    type Id = BudgetId;
    type New = NewBudget;
    type Created = BudgetCreated;
    type Change = BudgetChange;
    type Changed = BudgetChanged;

    async fn create(store: Store, new: NewBudget, request: Option<Idempotency>) -> Result<BudgetCreated, StoreError> {
        store.create_budget(new, request).await
    }

    async fn change(store: Store, change: BudgetChange, clock: Clock) -> Result<BudgetChanged, StoreError> {
        store.change_budget(change, clock.now()).await
    }

    async fn delete(store: Store, id: BudgetId, clock: Clock) -> Result<Option<BudgetRow>, StoreError> {
        store.delete_budget(id, clock.now()).await
    }
}
