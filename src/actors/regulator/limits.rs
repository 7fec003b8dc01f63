//! Limits as rules.

use super::{Rulebook, Rules};
use crate::{
    domain::limit::Policy,
    snapshot::policies::PolicyBook,
    store::{Store, StoreError, limits::LimitRow, revisions::Seen},
};

/// The handle of the regulator of limits.
pub type Limits = Rulebook<LimitRules>;

/// Limit policies.
pub struct LimitRules;

impl Rules for LimitRules {
    const ACTOR: &'static str = "regulator";
    type Row = LimitRow;
    type Book = PolicyBook;

    async fn since(store: Store, seen: Seen) -> Result<Option<(Seen, Vec<LimitRow>)>, StoreError> {
        store.limits_since(seen).await
    }

    fn book(revision: i64, rows: Vec<LimitRow>, before: &PolicyBook, now_ns: u64) -> PolicyBook {
        PolicyBook::new(rows.into_iter().map(|row| Policy { version: revision, ..row.policy }), before, now_ns)
    }
}
