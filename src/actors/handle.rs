//! How the rest of the gateway speaks to an actor: bounded, with a deadline, and never by a bare address.
//!
//! actix bounds no mailbox that matters here (`send` never waits for room, every clone of an address has a free slot),
//! and dropping the future of `send` takes a queued message back. So the handle counts permits itself, puts a message
//! in the queue at once or not at all, and the answer travels in the message. A permit is free again when the actor
//! answers, not when the caller has lost interest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Addr, Handler, Message, dev::ToEnvelope};
use arc_swap::ArcSwapOption;
use tokio::sync::oneshot;

use crate::telemetry::Parents;

/// A question to an actor and the type of its answer.
pub trait Request: Send + 'static {
    type Answer: Send + 'static;
}

/// A request on its way, with the means to answer it.
pub struct Ask<R: Request> {
    pub request: R,
    pub reply: Reply<R::Answer>,
}

impl<R: Request> Message for Ask<R> {
    type Result = ();
}

/// The way back to the caller, who gets the error `Dead` if it is dropped unanswered.
pub struct Reply<T> {
    to: oneshot::Sender<T>,
    parents: Parents,
    permit: Permit,
}

impl<T> Reply<T> {
    /// Answers. That nobody listens any more is no error. The permit is free before the answer is there, so that a
    /// caller who has every answer finds nothing in flight.
    pub fn answer(self, answer: T) {
        let Self { to, permit, .. } = self;
        drop(permit);
        drop(to.send(answer));
    }

    /// The traced requests that wait for the answer.
    pub fn parents(&self) -> Parents {
        if self.is_waited_for() { self.parents.clone() } else { Parents::default() }
    }

    /// False once nobody listens any more, or nobody ever has.
    pub fn is_waited_for(&self) -> bool {
        !self.to.is_closed()
    }
}

/// Why there is no answer. In no case is it known that the actor did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    #[error("the actor has as much to do as it may accept")]
    Full,
    #[error("the actor is not running")]
    Dead,
    #[error("the actor did not answer in time")]
    Late,
}

/// One place among the messages an actor may have accepted and not answered.
#[must_use = "a permit that is dropped is free again"]
pub struct Permit(Arc<AtomicUsize>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A handle to an actor that may be restarted under it. Clones share the bound.
pub struct Handle<A: Actor> {
    shared: Arc<Shared<A>>,
}

struct Shared<A: Actor> {
    name: &'static str,
    address: ArcSwapOption<Addr<A>>,
    in_flight: Arc<AtomicUsize>,
    restarts: AtomicU64,
    claimed: Arc<AtomicBool>,
    has_run: AtomicBool,
    max_in_flight: usize,
    deadline: Duration,
}

/// What anybody may see of an actor, whatever its type.
pub(super) trait Vitals: Send + Sync {
    fn name(&self) -> &'static str;
    fn in_flight(&self) -> usize;
    fn restarts(&self) -> u64;
    fn is_running(&self) -> bool;
}

impl<A: Actor> Vitals for Shared<A> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    fn is_running(&self) -> bool {
        self.address.load().as_ref().is_some_and(|address| address.connected())
    }
}

/// The right to run the actor of a handle; free again when it is dropped with the thread it was on.
#[must_use = "a claim that is dropped is free again"]
pub(super) struct Claim(Arc<AtomicBool>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<A: Actor> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<A: Actor> Handle<A> {
    /// A handle to an actor that does not run yet.
    #[must_use]
    pub fn new(name: &'static str, max_in_flight: usize, deadline: Duration) -> Self {
        let shared = Shared {
            name,
            address: ArcSwapOption::empty(),
            in_flight: Arc::default(),
            restarts: AtomicU64::new(0),
            claimed: Arc::default(),
            has_run: AtomicBool::new(false),
            max_in_flight,
            deadline,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes a place without asking anything yet, for a message that must find room later.
    pub fn permit(&self) -> Result<Permit, NoAnswer> {
        let permit = Permit(Arc::clone(&self.shared.in_flight));
        // Counted first and given back by the drop of the permit, so that no two callers share the last place.
        let before = self.shared.in_flight.fetch_add(1, Ordering::Relaxed);
        if before < self.shared.max_in_flight { Ok(permit) } else { Err(NoAnswer::Full) }
    }

    /// Asks and waits for the answer, at most the deadline. Dropping the future loses the answer, not the message.
    pub async fn ask<R: Request>(&self, request: R) -> Result<R::Answer, NoAnswer>
    where
        A: Handler<Ask<R>>,
        A::Context: ToEnvelope<A, Ask<R>>,
    {
        let answer = self.hand_over(request, self.permit()?)?;
        self.wait(answer).await
    }

    /// Puts a request into the actor's queue at once, under a permit taken before. It will be handled whether or not
    /// the answer is waited for.
    pub fn hand_over<R: Request>(&self, request: R, permit: Permit) -> Result<oneshot::Receiver<R::Answer>, NoAnswer>
    where
        A: Handler<Ask<R>>,
        A::Context: ToEnvelope<A, Ask<R>>,
    {
        let (to, answer) = oneshot::channel();
        let address = self.shared.address.load();
        let address = address.as_ref().ok_or(NoAnswer::Dead)?;
        let ask = Ask { request, reply: Reply { to, parents: Parents::current(), permit } };
        address.try_send(ask).map_err(|_| NoAnswer::Dead)?;
        Ok(answer)
    }

    /// Waits for the answer to what was handed over, at most the deadline.
    pub async fn wait<T>(&self, answer: oneshot::Receiver<T>) -> Result<T, NoAnswer> {
        match tokio::time::timeout(self.shared.deadline, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(NoAnswer::Dead),
            Err(_) => Err(NoAnswer::Late),
        }
    }

    /// The actor's name, as metrics and logs have it.
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    /// Messages accepted and not answered.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight()
    }

    /// How often the actor was started again after it died.
    pub fn restarts(&self) -> u64 {
        self.shared.restarts()
    }

    /// True while the actor takes messages.
    pub fn is_running(&self) -> bool {
        self.shared.is_running()
    }

    /// What the roster reads.
    pub(super) fn vitals(&self) -> Arc<dyn Vitals> {
        let vitals: Arc<Shared<A>> = Arc::clone(&self.shared);
        vitals
    }

    /// Claims the handle's actor, unless another thread runs it.
    pub(super) fn claim(&self) -> Option<Claim> {
        let free = self.shared.claimed.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).is_ok();
        free.then(|| Claim(Arc::clone(&self.shared.claimed)))
    }

    /// True once an actor has run, even if it runs no more.
    pub(super) fn has_run(&self) -> bool {
        self.shared.has_run.load(Ordering::Acquire)
    }

    pub(super) fn publish(&self, address: Addr<A>) {
        self.shared.has_run.store(true, Ordering::Release);
        self.shared.address.store(Some(Arc::new(address)));
    }

    pub(super) fn withdraw(&self) {
        self.shared.address.store(None);
        self.shared.restarts.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use actix::Context;

    use super::*;

    struct Idle;

    impl Actor for Idle {
        type Context = Context<Self>;
    }

    #[test]
    fn whoever_has_the_answer_finds_no_place_taken() {
        let handle = Handle::<Idle>::new("idle", 1, Duration::ZERO);
        for _ in 0..2_000 {
            let (to, answer) = oneshot::channel();
            let reply = Reply { to, parents: Parents::default(), permit: handle.permit().unwrap() };
            let answering = std::thread::spawn(|| reply.answer(()));
            answer.blocking_recv().unwrap();
            assert_eq!(handle.in_flight(), 0);
            answering.join().unwrap();
        }
    }
}
