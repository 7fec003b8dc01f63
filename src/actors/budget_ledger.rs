//! `BudgetLedger`: owns the orders that are not yet booked.
//!
//! Called by `pipeline::reserve` and `pipeline::settle` through [`Ledger`]. It books in groups: all orders that arrive
//! during one transaction are the next transaction, and each is answered when it is on disk. An order that ends a hold
//! stays until it is booked, also when the actor dies before, and a hold whose caller goes away ends with it. What nobody
//! ends any more, [`orphans`] finds.
//!
//! When the store fails, or has not answered for as long as a caller waits, orders that open a hold are refused at once,
//! also those that are queued, and the store is tried with ends of holds or with a probe until it books again. A hold
//! that was not sent to the store needs no end.

mod batch;
mod blueprint;
mod hold;
mod orphans;
mod state;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, rc::Rc, time::Duration};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, StreamHandler, WrapFuture};
use tokio::sync::{OwnedMutexGuard, mpsc};

use self::{
    batch::{Done, Queued},
    hold::{Ending, LostEnds},
    state::LedgerState,
};
use super::{
    handle::{Ask, Handle, NoAnswer, Permit, Request},
    outage::Outage,
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
};
use crate::{
    domain::{
        ids::RequestId,
        ledger::{Booked, End, Order},
    },
    store::StoreError,
    telemetry::Parents,
};

pub use blueprint::Blueprint;
pub use hold::{NoHold, OpenHold, Quote};

/// The most orders of one transaction.
const MAX_BATCH: usize = 512;

/// How long to wait before the store is tried again after it failed.
const PAUSE: Duration = Duration::from_millis(100);

/// How often to look whether a transaction takes too long.
const LOOK: Duration = Duration::from_millis(250);

/// Asks for a hold.
struct Reserve(Order);

/// Ends a hold.
struct EndHold(Ending);

/// Asks for an answer when all earlier messages are booked.
struct Flush;

/// Why a hold is not booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum NotBooked {
    #[error("the store is away, and the hold was not sent to it")]
    NotSent,
    #[error("the store did not say whether the hold is booked")]
    Unknown,
}

impl Request for Reserve {
    type Answer = Result<Booked, NotBooked>;
}
impl Request for EndHold {
    type Answer = ();
}
impl Request for Flush {
    type Answer = ();
}

/// The actor: owns the orders that are not yet booked.
pub struct BudgetLedger {
    blueprint: Blueprint,
    state: Rc<LedgerState>,
    queue: VecDeque<Queued>,
    /// The ends that actors before this one dropped.
    lost: LostEnds,
    /// While there is one, holds are refused at once, and the store is tried with ends or with a probe.
    outage: Outage,
    /// When the transaction under way began, by the monotonic clock.
    began_ns: Option<u64>,
    /// How long a transaction may take before those who wait behind it are refused: as long as a caller waits.
    patience: Duration,
    _lifeline: Lifeline,
}

impl Actor for BudgetLedger {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.add_stream(self.lost.stream());
        context.run_interval(LOOK, |ledger, _| {
            if ledger.is_store_away() {
                ledger.refuse_queued();
            }
        });
    }
}

impl Handler<Ask<Reserve>> for BudgetLedger {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Reserve>, context: &mut Self::Context) {
        self.take(Queued::Reserve { order: request.0, reply }, context);
    }
}

impl Handler<Ask<EndHold>> for BudgetLedger {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<EndHold>, context: &mut Self::Context) {
        if self.state.is_open(request.0.request) {
            self.take(Queued::End { ending: request.0, reply: Some(reply) }, context);
        } else {
            // Its hold was never sent to the store: the caller went before.
            batch::end(request.0, Some(reply), &self.state);
        }
    }
}

impl Handler<Ask<Flush>> for BudgetLedger {
    type Result = ();

    fn handle(&mut self, Ask { reply, .. }: Ask<Flush>, context: &mut Self::Context) {
        self.take(Queued::Flush(reply), context);
    }
}

impl StreamHandler<Ending> for BudgetLedger {
    fn handle(&mut self, ending: Ending, context: &mut Self::Context) {
        self.take(Queued::End { ending, reply: None }, context);
    }
}

impl BudgetLedger {
    /// Puts an order into the queue, or refuses it at once where the store is known to be away.
    fn take(&mut self, queued: Queued, context: &mut Context<Self>) {
        let taken = if self.is_store_away() { queued.refuse() } else { Some(queued) };
        self.queue.extend(taken);
        self.book(context);
    }

    /// Whether the store failed when it was last tried, or has not answered for as long as a caller waits.
    fn is_store_away(&self) -> bool {
        let now_ns = self.blueprint.clock.monotonic_ns();
        let waited = |began_ns| Duration::from_nanos(now_ns.saturating_sub(began_ns));
        self.outage.is_on() || self.began_ns.is_some_and(|began_ns| waited(began_ns) >= self.patience)
    }

    /// Answers everybody who waits; only ends of holds stay.
    fn refuse_queued(&mut self) {
        self.queue = std::mem::take(&mut self.queue).into_iter().filter_map(Queued::refuse).collect();
    }

    /// Books what is queued, one batch at a time; in an outage also nothing, to see whether the store is back. A
    /// transaction that has begun goes on when this actor dies, and the next one begins when it is done.
    fn book(&mut self, context: &mut Context<Self>) {
        if self.queue.is_empty() && !self.outage.is_on() {
            return;
        }
        let Some(turn) = self.state.turn() else { return };
        let size = self.queue.len().min(MAX_BATCH);
        let batch: Vec<Queued> = self.queue.drain(..size).filter(Queued::is_wanted).collect();
        for queued in &batch {
            queued.sent(&self.state);
        }
        let (blueprint, state) = (self.blueprint.clone(), Rc::clone(&self.state));
        let probe = self.outage.is_on().then(|| blueprint.probe());
        self.began_ns = Some(blueprint.clock.monotonic_ns());
        let parents = Parents::of_all(batch.iter().map(Queued::parents));
        let booking = async move { (batch::book(&blueprint, &state, batch, probe).await, turn) };
        let booking = actix::spawn(parents.scope(booking));
        context.spawn(booking.into_actor(self).map(|done, ledger, context| {
            ledger.began_ns = None;
            match done {
                Ok((done, turn)) => ledger.go_on(done, turn, context),
                // It panicked: what was in its hands was dropped, and its turn with it.
                Err(_) => ledger.book(context),
            }
        }));
    }

    fn go_on(&mut self, done: Done, turn: OwnedMutexGuard<()>, context: &mut Context<Self>) {
        let next = move |ledger: &mut Self, context: &mut Context<Self>| {
            drop(turn);
            ledger.book(context);
        };
        match done {
            Done::Booked => {
                self.outage.over();
                next(self, context);
            }
            Done::Away { ends, error } => {
                // What was only a moment's trouble is over at the next try.
                let pause = if self.outage.is_on() { PAUSE } else { Duration::ZERO };
                self.outage.failed(&error);
                self.refuse_queued();
                ends.into_iter().rev().for_each(|end| self.queue.push_front(end));
                context.run_later(pause, next);
            }
        }
    }
}

/// The ledger's handle.
#[derive(Clone)]
pub struct Ledger {
    handle: Handle<BudgetLedger>,
    /// Where ends go that an actor drops.
    lost: mpsc::UnboundedSender<(RequestId, End)>,
    lost_ends: LostEnds,
    /// How long a caller waits for an answer.
    patience: Duration,
}

impl Starts for Ledger {
    type Blueprint = Blueprint;
    type Error = StoreError;

    /// Ends the holds that this replica left open when it was stopped, then starts the ledger on this arbiter and keeps
    /// it running.
    async fn start_here(&self, roster: &Roster, blueprint: Blueprint) -> Result<(), StoreError> {
        let state = Rc::new(LedgerState::default());
        orphans::resolve_own(&blueprint, &state).await?;
        orphans::sweep_at_intervals(blueprint.clone(), Rc::clone(&state), self.clone());
        let (lost, patience) = (self.lost_ends.clone(), self.patience);
        let build = move |lifeline| {
            let (blueprint, state, lost) = (blueprint.clone(), Rc::clone(&state), lost.clone());
            async move {
                // The last transaction of an actor that died is done before the first of the next one.
                state.wait().await;
                Ok(BudgetLedger {
                    blueprint,
                    state,
                    queue: VecDeque::new(),
                    lost,
                    outage: Outage::none("orders of the ledger"),
                    began_ns: None,
                    patience,
                    _lifeline: lifeline,
                })
            }
        };
        supervise(roster, self.handle.clone(), build).await
    }
}

impl Ledger {
    /// A handle to a ledger that does not run yet: at most `max_in_flight` holds and questions.
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        // Every end in the queue holds a permit, so the number of permits bounds it.
        let (lost, received) = mpsc::unbounded_channel();
        let lost_ends = LostEnds::new(lost.clone(), received);
        let handle = Handle::new("budget_ledger", max_in_flight, deadline);
        Self { handle, lost, lost_ends, patience: deadline }
    }

    /// Returns when everything that was handed over before is booked, or at the deadline: what the store then says is
    /// true for a client that has seen the end of an answer.
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
            Err(NotBooked::NotSent) => {
                open.never_was();
                Err(NoHold::Unknown)
            }
            Ok(Booked::Ended(_) | Booked::Refunded(_) | Booked::EndedBefore) | Err(NotBooked::Unknown) => {
                Err(NoHold::Unknown)
            }
        }
    }

    /// Hands the end of a hold over: it is booked whatever becomes of the actor.
    fn end(&self, request: RequestId, end: End, permit: Permit) {
        let ending = Ending::new(request, end, self.lost.clone());
        if let Err(error) = self.handle.hand_over(EndHold(ending), permit) {
            tracing::warn!(%error, %request, "the end of a hold waits for the ledger to run again");
        }
    }

    /// The typed handle under this one.
    pub const fn handle(&self) -> &Handle<BudgetLedger> {
        &self.handle
    }
}
