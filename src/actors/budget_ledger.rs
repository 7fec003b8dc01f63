//! `BudgetLedger`: owns the open holds of metered calls.
//!
//! Called by `pipeline::reserve` and `pipeline::settle` through [`Ledger`]. There are no budgets yet, so every hold is
//! granted at once and costs nothing; what stands is the protocol: a metered call has a hold before it is forwarded,
//! and each hold ends exactly once.

use std::{collections::HashMap, convert::Infallible, time::Duration};

use actix::{Actor, Context, Handler};

use super::{
    handle::{Ask, Handle, NoAnswer, Permit, Request},
    supervisor::{Lifeline, supervise},
};
use crate::domain::{ids::RequestId, ledger::Hold, money::Money};

/// Sets money aside for a call.
pub struct Reserve {
    pub request: RequestId,
}

impl Request for Reserve {
    type Answer = Hold;
}

/// Ends a hold: settled at its cost, or released at zero.
pub struct Settle {
    pub request: RequestId,
    pub cost: Money,
}

impl Request for Settle {
    type Answer = ();
}

pub struct BudgetLedger {
    holds: HashMap<RequestId, Hold>,
    _lifeline: Lifeline,
}

impl Actor for BudgetLedger {
    type Context = Context<Self>;
}

impl Handler<Ask<Reserve>> for BudgetLedger {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Reserve>, _: &mut Self::Context) {
        let hold = Hold { request: request.request, amount: Money::ZERO, accounts: vec![] };
        self.holds.insert(hold.request, hold.clone());
        reply.answer(hold);
    }
}

impl Handler<Ask<Settle>> for BudgetLedger {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Settle>, _: &mut Self::Context) {
        if self.holds.remove(&request.request).is_none() {
            tracing::debug!(request = %request.request, "a hold was settled that is not open");
        }
        reply.answer(());
    }
}

/// The ledger's handle.
#[derive(Clone)]
pub struct Ledger(Handle<BudgetLedger>);

/// A hold, and the place in the ledger's queue that its end will take. Dropped unsettled, it is released: whatever
/// became of the call, its hold ends with it.
pub struct OpenHold {
    ledger: Ledger,
    hold: Hold,
    permit: Option<Permit>,
}

impl Ledger {
    #[must_use]
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        Self(Handle::new("budget_ledger", max_in_flight, deadline))
    }

    /// Starts the ledger on this arbiter and keeps it running.
    pub async fn start_here(&self) {
        let build = |lifeline| {
            let ledger = BudgetLedger { holds: HashMap::new(), _lifeline: lifeline };
            std::future::ready(Ok::<_, Infallible>(ledger))
        };
        let Ok(()) = supervise(self.0.clone(), build).await;
    }

    /// Opens a hold for a call.
    pub async fn reserve(&self, request: RequestId) -> Result<OpenHold, NoAnswer> {
        let permit = Some(self.0.permit()?);
        // There before the answer: if nobody waits for that any more, the hold ends all the same.
        let mut open =
            OpenHold { ledger: self.clone(), hold: Hold { request, amount: Money::ZERO, accounts: vec![] }, permit };
        open.hold = self.0.ask(Reserve { request }).await?;
        Ok(open)
    }

    #[must_use]
    pub const fn handle(&self) -> &Handle<BudgetLedger> {
        &self.0
    }
}

impl OpenHold {
    /// What is set aside.
    #[must_use]
    pub const fn amount(&self) -> Money {
        self.hold.amount
    }

    /// Ends the hold at the true cost.
    pub fn settle(mut self, cost: Money) {
        self.end(cost);
    }

    fn end(&mut self, cost: Money) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        if let Err(error) = self.ledger.0.hand_over(Settle { request: self.hold.request, cost }, permit) {
            tracing::warn!(%error, request = %self.hold.request, "the end of a hold was not handed over");
        }
    }
}

impl Drop for OpenHold {
    fn drop(&mut self) {
        self.end(Money::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[actix::test]
    async fn a_hold_ends_with_its_request_settled_or_dropped() {
        let ledger = Ledger::new(8, Duration::from_mins(1));
        ledger.start_here().await;
        let first = ledger.reserve(RequestId(Uuid::from_u128(1))).await.unwrap();
        let second = ledger.reserve(RequestId(Uuid::from_u128(2))).await.unwrap();
        assert_eq!(ledger.handle().in_flight(), 2);
        first.settle(Money::ZERO);
        drop(second);
        while ledger.handle().in_flight() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[actix::test]
    async fn a_ledger_at_its_bound_refuses_before_anything_is_held() {
        let ledger = Ledger::new(2, Duration::from_mins(1));
        ledger.start_here().await;
        let first = ledger.reserve(RequestId(Uuid::from_u128(1))).await.unwrap();
        assert!(ledger.reserve(RequestId(Uuid::from_u128(2))).await.is_err());
        drop(first);
    }
}
