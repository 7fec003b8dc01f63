//! What a ledger is built from, and how it writes to the store.

use std::{sync::Arc, time::Duration};

use super::state::LedgerState;
use crate::{
    actors::announcer::Announcements,
    clock::Clock,
    domain::{
        budget::Alert,
        ids::{AlertId, RequestId},
        ledger::{Booked, End, Movement, Order},
    },
    snapshot::{Snapshot, budgets::BudgetBook},
    store::{Store, StoreError},
};

/// What the ledger is built from, again after each restart.
#[derive(Clone)]
pub struct Blueprint {
    pub store: Store,
    pub clock: Clock,
    /// Names this replica; its holds are its own.
    pub owner: Arc<str>,
    pub budgets: Snapshot<BudgetBook>,
    pub announcements: Announcements,
    /// How long a replica may be silent before it is taken for lost.
    pub silence: Duration,
}

impl Blueprint {
    /// Books orders in the name of a replica, and raises the alerts that the spending gives rise to.
    pub(super) async fn book(
        &self,
        state: &LedgerState,
        owner: &str,
        orders: Vec<Order>,
    ) -> Result<Vec<Booked>, StoreError> {
        if orders.is_empty() {
            return Ok(vec![]);
        }
        let (budgets, raised, clock) = (Arc::clone(&self.budgets.read()), state.raised(), self.clock.clone());
        let watch = move |movement: &Movement| {
            let Some(budget) = budgets.budget(movement.account.budget) else { return vec![] };
            let mut alerts = budget.alerts(movement, || AlertId(clock.new_id()));
            alerts.retain(|alert: &Alert| !raised.contains(&(alert.account, alert.fraction_ppm)));
            alerts
        };
        let (booked, alerts) = self.store.book(owner, orders, watch, self.clock.now()).await?;
        if !alerts.is_empty() {
            state.raise(&alerts);
            self.announcements.look();
        }
        Ok(booked)
    }

    /// An order that changes nothing and needs all that an end of a hold needs: whether the store books again.
    pub(super) fn probe(&self) -> Order {
        Order::End { request: RequestId(self.clock.new_id()), end: End::Release }
    }
}
