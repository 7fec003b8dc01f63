//! `BudgetLedger`: owns the orders that are not yet booked.
//!
//! Called by `pipeline::reserve` and `pipeline::settle` through [`Ledger`]. It books in groups: all orders that arrive
//! during one transaction are the next transaction, and each is answered when it is on disk. An order that opens a hold
//! fails at once when the store does; one that ends a hold stays until it is booked, and a hold whose caller goes away
//! ends with it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use super::{
    handle::{Ask, Handle, NoAnswer, Permit, Reply, Request},
    supervisor::{Lifeline, supervise},
};
use crate::{
    clock::Clock,
    domain::{
        ids::RequestId,
        ledger::{Booked, Claim, End, Movement, Order, Purpose, Shortage},
        money::Money,
    },
    snapshot::{Snapshot, budgets::BudgetBook},
    store::{Store, StoreError},
};

/// The most orders of one transaction.
const MAX_BATCH: usize = 512;

/// How long to wait before ends that could not be booked are tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// Books an order.
pub struct Book(Order);

/// It is not known to be booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ledger could not be written")]
pub struct NotBooked;

impl Request for Book {
    type Answer = Result<Booked, NotBooked>;
}

struct Waiting {
    order: Order,
    reply: Reply<Result<Booked, NotBooked>>,
}

pub struct BudgetLedger {
    blueprint: Blueprint,
    queue: VecDeque<Waiting>,
    booking: bool,
    _lifeline: Lifeline,
}

impl Actor for BudgetLedger {
    type Context = Context<Self>;
}

impl Handler<Ask<Book>> for BudgetLedger {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Book>, context: &mut Self::Context) {
        self.queue.push_back(Waiting { order: request.0, reply });
        self.book(context);
    }
}

impl BudgetLedger {
    /// Books what is queued, one batch at a time.
    fn book(&mut self, context: &mut Context<Self>) {
        if self.booking || self.queue.is_empty() {
            return;
        }
        self.booking = true;
        let size = self.queue.len().min(MAX_BATCH);
        let batch = self.queue.drain(..size).collect();
        let book = book(self.blueprint.clone(), batch);
        context.spawn(book.into_actor(self).map(|unbooked, ledger, context| {
            let must_wait = !unbooked.is_empty();
            unbooked.into_iter().rev().for_each(|waiting| ledger.queue.push_front(waiting));
            if must_wait {
                context.run_later(PAUSE, Self::go_on);
            } else {
                ledger.go_on(context);
            }
        }));
    }

    fn go_on(&mut self, context: &mut Context<Self>) {
        self.booking = false;
        self.book(context);
    }
}

/// Books a batch and answers; returns the ends that must be tried again. If an order cannot stand beside what is there,
/// each goes alone, so that it takes no other with it.
async fn book(blueprint: Blueprint, batch: Vec<Waiting>) -> Vec<Waiting> {
    let Blueprint { store, clock, owner, .. } = &blueprint;
    let orders = batch.iter().map(|waiting| waiting.order.clone()).collect();
    match store.book(owner, orders, clock.now()).await {
        Ok((booked, movements)) => {
            blueprint.alert(&movements);
            batch.into_iter().zip(booked).for_each(|(waiting, booked)| waiting.reply.answer(Ok(booked)));
            vec![]
        }
        Err(error @ StoreError::Unavailable(_)) => {
            tracing::error!(%error, orders = batch.len(), "orders were not booked");
            let (ends, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(Waiting::is_end);
            for waiting in others {
                waiting.reply.answer(Err(NotBooked));
            }
            ends
        }
        Err(error) if batch.len() == 1 => {
            for Waiting { order, reply } in batch {
                tracing::error!(%error, request = %order.request(), "an order cannot be booked");
                reply.answer(Err(NotBooked));
            }
            vec![]
        }
        Err(_) => {
            let mut unbooked = vec![];
            for waiting in batch {
                unbooked.extend(Box::pin(book(blueprint.clone(), vec![waiting])).await);
            }
            unbooked
        }
    }
}

impl Waiting {
    const fn is_end(&self) -> bool {
        matches!(self.order, Order::End { .. })
    }
}

/// What the ledger is built from, again after each restart.
#[derive(Clone)]
pub struct Blueprint {
    pub store: Store,
    pub clock: Clock,
    /// Names this replica; its holds are its own.
    pub owner: Arc<str>,
    pub budgets: Snapshot<BudgetBook>,
}

impl Blueprint {
    /// Says that a budget has come to a fraction at which somebody wants to know. Balances move one commit after the
    /// other, over all replicas, so each fraction is passed in one of them.
    fn alert(&self, movements: &[Movement]) {
        let book = self.budgets.read();
        for Movement { account, before, after } in movements {
            let Some(budget) = book.budget(account.budget) else { continue };
            for passed in budget.alerts_between(before.spent, after.spent) {
                tracing::warn!(
                    budget = %budget.name,
                    subject = %uuid::Uuid::from(account.subject),
                    spent_usd = %after.spent,
                    limit_usd = %budget.limit,
                    fraction_ppm = passed,
                    "a budget is spent to a fraction that was to be told"
                );
            }
        }
    }
}

/// The ledger's handle.
#[derive(Clone)]
pub struct Ledger(Handle<BudgetLedger>);

/// What a call may cost, who pays it, and what for.
pub struct Quote {
    pub amount: Money,
    pub claims: Vec<Claim>,
    pub purpose: Purpose,
}

/// A hold, and the place in the ledger's queue that its end will take. Dropped unsettled, it is released: whatever
/// became of the call, its hold ends with it.
pub struct OpenHold {
    ledger: Ledger,
    request: RequestId,
    amount: Money,
    shadowed: Vec<Shortage>,
    permit: Option<Permit>,
}

/// Why a call has no hold.
#[derive(Debug)]
pub enum NoHold {
    /// There is not enough money in these accounts.
    Short(Vec<Shortage>),
    /// Nobody can tell whether there is.
    Unknown,
}

impl From<NoAnswer> for NoHold {
    fn from(_: NoAnswer) -> Self {
        Self::Unknown
    }
}

impl Ledger {
    #[must_use]
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        Self(Handle::new("budget_ledger", max_in_flight, deadline))
    }

    /// Starts the ledger on this arbiter and keeps it running.
    pub async fn start_here(&self, blueprint: Blueprint) {
        let build = move |lifeline| {
            let (blueprint, queue) = (blueprint.clone(), VecDeque::new());
            let ledger = BudgetLedger { blueprint, queue, booking: false, _lifeline: lifeline };
            std::future::ready(Ok::<_, std::convert::Infallible>(ledger))
        };
        let Ok(()) = supervise(self.0.clone(), build).await;
    }

    /// Opens a hold for a call; it is on disk when this returns.
    pub async fn reserve(&self, request: RequestId, quote: Quote) -> Result<OpenHold, NoHold> {
        let Quote { amount, claims, purpose } = quote;
        let permit = Some(self.0.permit()?);
        // There before the answer: if nobody waits for that any more, the hold ends all the same.
        let mut open = OpenHold { ledger: self.clone(), request, amount, shadowed: vec![], permit };
        match self.0.ask(Book(Order::Reserve { request, amount, claims, purpose })).await? {
            Ok(Booked::Held(shadowed)) => {
                open.shadowed = shadowed;
                Ok(open)
            }
            Ok(Booked::Short(shortages)) => {
                open.permit = None;
                Err(NoHold::Short(shortages))
            }
            Ok(Booked::Ended(_) | Booked::EndedBefore) | Err(NotBooked) => Err(NoHold::Unknown),
        }
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
        self.amount
    }

    /// The accounts in shadow that had no room for it.
    #[must_use]
    pub fn shadowed(&self) -> &[Shortage] {
        &self.shadowed
    }

    /// Ends the hold at the true cost.
    pub fn settle(mut self, end: End) {
        self.end(end);
    }

    fn end(&mut self, end: End) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        let request = self.request;
        if let Err(error) = self.ledger.0.hand_over(Book(Order::End { request, end }), permit) {
            tracing::error!(%error, %request, "the end of a hold was not handed over; the next start resolves it");
        }
    }
}

impl Drop for OpenHold {
    fn drop(&mut self) {
        self.end(End::Release);
    }
}
