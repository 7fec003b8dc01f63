//! Limits as rules.

use super::{Rulebook, Rules, SingleRules};
use crate::{
    clock::Clock,
    domain::{ids::LimitId, limit::Policy},
    snapshot::policies::PolicyBook,
    store::{
        Store, StoreError,
        limits::{LimitChange, LimitChanged, LimitCreated, LimitRow, NewLimit},
        users::Idempotency,
    },
};

/// The handle of the regulator of limits.
pub type Limits = Rulebook<LimitRules>;

/// Limit policies.
pub struct LimitRules;

impl Rules for LimitRules {
    const ACTOR: &'static str = "regulator";
    type Row = LimitRow;
    type Book = PolicyBook;

    async fn changed_since(store: Store, revision: i64) -> Result<Option<(i64, Vec<LimitRow>)>, StoreError> {
        store.limits_changed_since(revision).await
    }

    fn book(revision: i64, rows: Vec<LimitRow>, before: &PolicyBook, now_ns: u64) -> PolicyBook {
        PolicyBook::new(rows.into_iter().map(|row| Policy { version: revision, ..row.policy }), before, now_ns)
    }
}

impl SingleRules for LimitRules {
    type Id = LimitId;
    type New = NewLimit;
    type Created = LimitCreated;
    type Change = LimitChange;
    type Changed = LimitChanged;

    async fn create(store: Store, new: NewLimit, request: Option<Idempotency>) -> Result<LimitCreated, StoreError> {
        store.create_limit(new, request).await
    }

    async fn change(store: Store, change: LimitChange, clock: Clock) -> Result<LimitChanged, StoreError> {
        store.change_limit(change, clock.now()).await
    }

    async fn delete(store: Store, id: LimitId, clock: Clock) -> Result<Option<LimitRow>, StoreError> {
        store.delete_limit(id, clock.now()).await
    }
}
