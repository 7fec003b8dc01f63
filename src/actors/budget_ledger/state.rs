//! The state of a ledger that outlives one actor: the turn to write, the open holds, and the alerts that were raised.
//!
//! Shared by the actor, the sweep for orphaned holds, and the next actor after a panic. The queue is not in it.

use std::{cell::RefCell, collections::HashSet, sync::Arc};

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::domain::{budget::Alert, ids::RequestId, ledger::BudgetAccount};

/// The most alerts that are remembered as raised; the store knows all.
const MAX_RAISED: usize = 10_000;

/// Accounts and the fractions of their limits, in millionths, whose alert was raised.
type Raised = HashSet<(BudgetAccount, u64)>;

/// One for each process; its clones are `Rc`s on the ledger's thread.
#[derive(Default)]
pub(super) struct LedgerState {
    /// Held during a transaction in the name of this replica.
    turn: Arc<Mutex<()>>,
    /// The calls of this process whose hold is or may be in the store: as many as there are permits at most.
    open: RefCell<HashSet<RequestId>>,
    raised: RefCell<Arc<Raised>>,
}

impl LedgerState {
    /// The right to write, unless somebody has it.
    pub fn turn(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.turn).try_lock_owned().ok()
    }

    /// The right to write, once the present transaction has ended.
    pub async fn wait(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// The hold of this call is asked for in the store now.
    pub fn sent(&self, request: RequestId) {
        self.open.borrow_mut().insert(request);
    }

    /// The hold of this call is not in the store, or not any more.
    pub fn ended(&self, request: RequestId) {
        self.open.borrow_mut().remove(&request);
    }

    /// Whether a call of this process has this hold, or the end of the hold is still to be booked.
    pub fn is_open(&self, request: RequestId) -> bool {
        self.open.borrow().contains(&request)
    }

    /// The alerts that need not be raised again.
    pub fn raised(&self) -> Arc<Raised> {
        Arc::clone(&self.raised.borrow())
    }

    /// Remembers that these alerts were raised. The memory is bounded; the store ignores an alert that it has.
    pub fn raise(&self, alerts: &[Alert]) {
        let mut raised = self.raised.borrow_mut();
        let raised = Arc::make_mut(&mut raised);
        if raised.len() >= MAX_RAISED {
            raised.clear();
        }
        raised.extend(alerts.iter().map(|alert| (alert.account, alert.fraction_ppm)));
    }
}
