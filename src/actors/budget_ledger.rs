//! `BudgetLedger`: owns the orders that are not yet booked.
//!
//! Called by `pipeline::reserve` and `pipeline::settle` through [`Ledger`]. It books in groups: all orders that arrive
//! during one transaction are the next transaction, and each is answered when it is on disk. An order that opens a hold
//! fails at once when the store does; one that ends a hold stays until it is booked, also when the actor dies before, and
//! a hold whose caller goes away ends with it. What nobody ends any more, [`orphans`] finds.

mod hold;
mod orphans;
mod state;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, rc::Rc, sync::Arc, time::Duration};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, StreamHandler, WrapFuture};
use tokio::sync::{OwnedMutexGuard, mpsc};

use self::{
    hold::{Ending, LostEnds},
    state::LedgerState,
};
use super::{
    announcer::Announcements,
    handle::{Ask, Handle, NoAnswer, Permit, Reply, Request},
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
};
use crate::{
    clock::Clock,
    domain::{
        budget::Alert,
        ids::{AlertId, RequestId},
        ledger::{Booked, End, Movement, Order},
    },
    snapshot::{Snapshot, budgets::BudgetBook},
    store::{Store, StoreError},
};

pub use hold::{NoHold, OpenHold, Quote};

/// The most orders of one transaction.
const MAX_BATCH: usize = 512;

/// How long to wait before ends that could not be booked are tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks for a hold.
struct Reserve(Order);

/// Ends a hold.
struct EndHold(Ending);

/// Asks to be told when everything that came before is booked.
struct Flush;

/// It is not known to be booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ledger could not be written")]
struct NotBooked;

impl Request for Reserve {
    type Answer = Result<Booked, NotBooked>;
}
impl Request for EndHold {
    type Answer = ();
}
impl Request for Flush {
    type Answer = ();
}

/// What waits for the next transaction.
enum Queued {
    Reserve {
        order: Order,
        reply: Reply<Result<Booked, NotBooked>>,
    },
    /// One that comes from an actor that died has nobody to answer.
    End {
        ending: Ending,
        reply: Option<Reply<()>>,
    },
    Flush(Reply<()>),
}

/// The actor: owns the orders that are not yet booked.
pub struct BudgetLedger {
    blueprint: Blueprint,
    state: Rc<LedgerState>,
    queue: VecDeque<Queued>,
    /// The ends that actors before this one dropped.
    lost: LostEnds,
    _lifeline: Lifeline,
}

impl Actor for BudgetLedger {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.add_stream(self.lost.stream());
    }
}

impl Handler<Ask<Reserve>> for BudgetLedger {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Reserve>, context: &mut Self::Context) {
        self.queue.push_back(Queued::Reserve { order: request.0, reply });
        self.book(context);
    }
}

impl Handler<Ask<EndHold>> for BudgetLedger {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<EndHold>, context: &mut Self::Context) {
        self.queue.push_back(Queued::End { ending: request.0, reply: Some(reply) });
        self.book(context);
    }
}

impl Handler<Ask<Flush>> for BudgetLedger {
    type Result = ();

    fn handle(&mut self, Ask { reply, .. }: Ask<Flush>, context: &mut Self::Context) {
        self.queue.push_back(Queued::Flush(reply));
        self.book(context);
    }
}

impl StreamHandler<Ending> for BudgetLedger {
    fn handle(&mut self, ending: Ending, context: &mut Self::Context) {
        self.queue.push_back(Queued::End { ending, reply: None });
        self.book(context);
    }
}

impl BudgetLedger {
    /// Books what is queued, one batch at a time. A transaction that has begun goes on when this actor dies, and the next
    /// one begins when it is done.
    fn book(&mut self, context: &mut Context<Self>) {
        if self.queue.is_empty() {
            return;
        }
        let Some(turn) = self.state.turn() else { return };
        let size = self.queue.len().min(MAX_BATCH);
        let batch: Vec<Queued> = self.queue.drain(..size).collect();
        let (blueprint, state) = (self.blueprint.clone(), Rc::clone(&self.state));
        let booking = actix::spawn(async move { (book(&blueprint, &state, batch).await, turn) });
        context.spawn(booking.into_actor(self).map(|done, ledger, context| match done {
            Ok((unbooked, turn)) => ledger.go_on(unbooked, turn, context),
            // It panicked: what was in its hands was dropped, and its turn with it.
            Err(_) => ledger.book(context),
        }));
    }

    fn go_on(&mut self, unbooked: Vec<Queued>, turn: OwnedMutexGuard<()>, context: &mut Context<Self>) {
        let pause = if unbooked.is_empty() { Duration::ZERO } else { PAUSE };
        unbooked.into_iter().rev().for_each(|waiting| self.queue.push_front(waiting));
        let next = move |ledger: &mut Self, context: &mut Context<Self>| {
            drop(turn);
            ledger.book(context);
        };
        if pause.is_zero() {
            next(self, context);
        } else {
            context.run_later(pause, next);
        }
    }
}

/// Books a batch and answers; returns the ends that must be tried again. If an order cannot stand beside what is there,
/// each goes alone, so that it takes no other with it.
async fn book(blueprint: &Blueprint, state: &LedgerState, batch: Vec<Queued>) -> Vec<Queued> {
    let orders: Vec<Order> = batch.iter().filter_map(Queued::order).collect();
    let is_alone = batch.len() == 1;
    match blueprint.book(state, &blueprint.owner, orders).await {
        Ok(booked) => {
            let mut booked = booked.into_iter();
            for waiting in batch {
                waiting.booked(&mut booked, state);
            }
            vec![]
        }
        Err(error @ StoreError::Unavailable(_)) => {
            tracing::error!(%error, orders = batch.len(), "orders were not booked");
            batch.into_iter().filter_map(Queued::put_off).collect()
        }
        Err(error) if is_alone => {
            for waiting in batch {
                waiting.give_up(state, &error);
            }
            vec![]
        }
        Err(_) => {
            let mut unbooked = vec![];
            for waiting in batch {
                unbooked.extend(Box::pin(book(blueprint, state, vec![waiting])).await);
            }
            unbooked
        }
    }
}

impl Queued {
    fn order(&self) -> Option<Order> {
        match self {
            Self::Reserve { order, .. } => Some(order.clone()),
            Self::End { ending, .. } => Some(Order::End { request: ending.request, end: ending.end }),
            Self::Flush(_) => None,
        }
    }

    /// Answers with what became of it: the next of what was booked, where it is an order.
    fn booked(self, booked: &mut impl Iterator<Item = Booked>, state: &LedgerState) {
        match self {
            Self::Reserve { order, reply } => {
                let Some(booked) = booked.next() else { return };
                if matches!(booked, Booked::Held(_)) {
                    state.opened(order.request());
                }
                reply.answer(Ok(booked));
            }
            Self::End { ending, reply } => {
                booked.next();
                state.ended(ending.done());
                if let Some(reply) = reply {
                    reply.answer(());
                }
            }
            Self::Flush(reply) => reply.answer(()),
        }
    }

    /// The store is away: a hold is refused, its end waits. Who waits for others is told by silence.
    fn put_off(self) -> Option<Self> {
        match self {
            Self::Reserve { reply, .. } => reply.answer(Err(NotBooked)),
            Self::Flush(_) => {}
            end @ Self::End { .. } => return Some(end),
        }
        None
    }

    /// It cannot be booked at all, now or later. What a hold without an end comes to is left to the sweep.
    fn give_up(self, state: &LedgerState, error: &StoreError) {
        match self {
            Self::Reserve { order, reply } => {
                tracing::error!(%error, request = %order.request(), "a hold cannot be booked");
                reply.answer(Err(NotBooked));
            }
            Self::End { ending, .. } => {
                tracing::error!(%error, request = %ending.request, "the end of a hold cannot be booked");
                state.ended(ending.done());
            }
            Self::Flush(_) => {}
        }
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
    pub announcements: Announcements,
    /// How long a replica may be silent before it is taken for lost.
    pub silence: Duration,
}

impl Blueprint {
    /// Books orders in the name of a replica, and has told what the spending gives to tell.
    async fn book(&self, state: &LedgerState, owner: &str, orders: Vec<Order>) -> Result<Vec<Booked>, StoreError> {
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
}

/// The ledger's handle.
#[derive(Clone)]
pub struct Ledger {
    handle: Handle<BudgetLedger>,
    /// Where ends go that an actor drops.
    lost: mpsc::UnboundedSender<(RequestId, End)>,
    lost_ends: LostEnds,
}

impl Starts for Ledger {
    type Blueprint = Blueprint;
    type Error = StoreError;

    /// Ends the holds that this replica left open when it was stopped, then starts the ledger on this arbiter and keeps
    /// it running.
    async fn start_here(&self, roster: &Roster, blueprint: Blueprint) -> Result<(), StoreError> {
        let state = Rc::new(LedgerState::default());
        orphans::resolve(&blueprint, &state, &blueprint.owner).await?;
        orphans::sweep_at_intervals(blueprint.clone(), Rc::clone(&state), self.clone());
        let lost = self.lost_ends.clone();
        let build = move |lifeline| {
            let (blueprint, state, lost) = (blueprint.clone(), Rc::clone(&state), lost.clone());
            async move {
                // The last transaction of an actor that died is done before the first of the next one.
                state.wait().await;
                let queue = VecDeque::new();
                Ok(BudgetLedger { blueprint, state, queue, lost, _lifeline: lifeline })
            }
        };
        supervise(roster, self.handle.clone(), build).await
    }
}

impl Ledger {
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        // Each end in it had a permit, of which there are so many.
        let (lost, received) = mpsc::unbounded_channel();
        let lost_ends = LostEnds::new(lost.clone(), received);
        Self { handle: Handle::new("budget_ledger", max_in_flight, deadline), lost, lost_ends }
    }

    /// Returns when everything that was handed over before is booked, or at the deadline: what the store then says is
    /// true for whoever has seen the end of an answer.
    pub async fn flushed(&self) -> Result<(), NoAnswer> {
        self.handle.ask(Flush).await
    }

    /// Opens a hold for a call; it is on disk when this returns.
    pub async fn reserve(&self, request: RequestId, quote: Quote) -> Result<OpenHold, NoHold> {
        let Quote { amount, claims, purpose } = quote;
        // There before the answer: if nobody waits for that any more, the hold ends all the same.
        let open = OpenHold::new(self.clone(), request, amount, self.handle.permit()?);
        match self.handle.ask(Reserve(Order::Reserve { request, amount, claims, purpose })).await? {
            Ok(Booked::Held(shadowed)) => Ok(open.shadowed_by(shadowed)),
            Ok(Booked::Short(shortages)) => {
                open.never_was();
                Err(NoHold::Short(shortages))
            }
            Ok(Booked::Ended(_) | Booked::EndedBefore) | Err(NotBooked) => Err(NoHold::Unknown),
        }
    }

    /// Hands the end of a hold over: it is booked whatever becomes of the actor.
    fn end(&self, request: RequestId, end: End, permit: Permit) {
        let ending = Ending::new(request, end, self.lost.clone());
        if let Err(error) = self.handle.hand_over(EndHold(ending), permit) {
            tracing::warn!(%error, %request, "the end of a hold waits for the ledger to run again");
        }
    }

    pub const fn handle(&self) -> &Handle<BudgetLedger> {
        &self.handle
    }
}
