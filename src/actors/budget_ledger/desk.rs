//! What a ledger has on its desk beside the queue, and what the next actor finds there when one died.

use std::{cell::RefCell, collections::HashSet, sync::Arc};

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::domain::{budget::Alert, ids::RequestId, ledger::Account};

/// The most alerts that are remembered as raised; the store knows all.
const MAX_TOLD: usize = 10_000;

/// Accounts and the fractions of them, in millionths, that were given to tell.
type Told = HashSet<(Account, u64)>;

#[derive(Default)]
pub(super) struct Desk {
    /// Held by whoever has a transaction under way in the name of this replica.
    turn: Arc<Mutex<()>>,
    /// The holds of calls that this process serves: as many as there are permits at most.
    open: RefCell<HashSet<RequestId>>,
    told: RefCell<Arc<Told>>,
}

impl Desk {
    /// The right to write, unless somebody has it.
    pub fn turn(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.turn).try_lock_owned().ok()
    }

    /// The right to write, when whoever has it is done.
    pub async fn wait(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    pub fn opened(&self, request: RequestId) {
        self.open.borrow_mut().insert(request);
    }

    pub fn ended(&self, request: RequestId) {
        self.open.borrow_mut().remove(&request);
    }

    /// Whether a call of this process has this hold, or its end is on the way.
    pub fn is_open(&self, request: RequestId) -> bool {
        self.open.borrow().contains(&request)
    }

    /// What need not be raised again.
    pub fn told(&self) -> Arc<Told> {
        Arc::clone(&self.told.borrow())
    }

    pub fn tell(&self, alerts: &[Alert]) {
        let mut told = self.told.borrow_mut();
        let told = Arc::make_mut(&mut told);
        if told.len() >= MAX_TOLD {
            told.clear();
        }
        told.extend(alerts.iter().map(|alert| (alert.account, alert.fraction_ppm)));
    }
}
