//! Budgets as rules.

use super::{Rulebook, Rules};
use crate::{
    snapshot::budgets::BudgetBook,
    store::{Store, StoreError, budgets::BudgetRow, revisions::Seen},
};

/// The handle of the regulator of budgets.
pub type Budgets = Rulebook<BudgetRules>;

/// How much calls may cost.
pub struct BudgetRules;

impl Rules for BudgetRules {
    const ACTOR: &'static str = "budget_regulator";
    type Row = BudgetRow;
    type Book = BudgetBook;

    async fn since(store: Store, seen: Seen) -> Result<Option<(Seen, Vec<BudgetRow>)>, StoreError> {
        store.budgets_since(seen).await
    }

    fn book(_: i64, rows: Vec<BudgetRow>, _: &BudgetBook, _: u64) -> BudgetBook {
        BudgetBook::new(rows.into_iter().map(|row| row.budget))
    }
}
