//! Starts an actor, and again when it dies.
//!
//! actix's own `Supervisor` does not catch a panic: it takes the actor and its mailbox with it. So each actor holds a
//! [`Lifeline`], and when that is dropped, however that came about, the supervisor reads the actor's state from the
//! store again, starts a new one and puts its address into the handle. Callers meanwhile get the error `Dead`.

use std::{future::Future, time::Duration};

use actix::{Actor, Context};
use tokio::sync::oneshot;

use super::{handle::Handle, roster::Roster};

/// Held by an actor as long as it lives.
pub struct Lifeline(#[expect(dead_code, reason = "its drop is the message")] oneshot::Sender<()>);

impl Lifeline {
    pub(super) const fn new(drop_is_seen_by: oneshot::Sender<()>) -> Self {
        Self(drop_is_seen_by)
    }
}

/// How long to wait before another try when the state could not be read; doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// The handle of an actor that is started from a blueprint.
pub trait Starts: Clone + Send + 'static {
    /// What the actor is built from, again after each restart.
    type Blueprint: Send + 'static;
    /// Why it did not start; `Infallible` where nothing is read.
    type Error;

    /// Starts the actor on the arbiter that calls, enters it in the roster and keeps it running.
    fn start_here(&self, roster: &Roster, blueprint: Self::Blueprint) -> impl Future<Output = Result<(), Self::Error>>;
}

/// Enters the actor of `handle` in the roster, starts what `build` makes and keeps it running until the arbiter stops.
/// Returns when it runs for the first time, or with the error of the first try. Call it on the arbiter the actor is to
/// live on.
pub async fn supervise<A, E, F, B>(roster: &Roster, handle: Handle<A>, mut build: F) -> Result<(), E>
where
    A: Actor<Context = Context<A>>,
    E: std::fmt::Display + 'static,
    F: FnMut(Lifeline) -> B + 'static,
    B: Future<Output = Result<A, E>> + 'static,
{
    roster.enter(&handle);
    let mut died = start(&handle, &mut build).await?;
    actix::spawn(async move {
        loop {
            // An error means that the lifeline was dropped: nothing is ever sent on it.
            drop(died.await);
            handle.withdraw();
            tracing::error!(actor = handle.name(), restarts = handle.restarts(), "an actor died and is restarted");
            died = restart(&handle, &mut build).await;
        }
    });
    Ok(())
}

async fn start<A, E, F, B>(handle: &Handle<A>, build: &mut F) -> Result<oneshot::Receiver<()>, E>
where
    A: Actor<Context = Context<A>>,
    F: FnMut(Lifeline) -> B,
    B: Future<Output = Result<A, E>>,
{
    let (lifeline, died) = oneshot::channel();
    let actor = build(Lifeline::new(lifeline)).await?;
    handle.publish(A::create(|context| {
        // The handle counts permits. actix's own bound is none for senders that wait, and refuses those that do not;
        // it must be gone before the first message, not when the actor has begun.
        context.set_mailbox_capacity(0);
        actor
    }));
    Ok(died)
}

async fn restart<A, E, F, B>(handle: &Handle<A>, build: &mut F) -> oneshot::Receiver<()>
where
    A: Actor<Context = Context<A>>,
    E: std::fmt::Display,
    F: FnMut(Lifeline) -> B,
    B: Future<Output = Result<A, E>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match start(handle, build).await {
            Ok(died) => return died,
            Err(error) => tracing::error!(actor = handle.name(), %error, "an actor could not be restarted"),
        }
        tokio::time::sleep(pause).await;
        pause = LAST_PAUSE.min(pause.saturating_mul(2));
    }
}

#[cfg(test)]
mod tests {
    use actix::Handler;

    use super::*;
    use crate::actors::handle::{Ask, NoAnswer, Request};

    struct Counter {
        count: u32,
        _lifeline: Lifeline,
    }

    impl Actor for Counter {
        type Context = Context<Self>;
    }

    struct Add(u32);
    struct Panic;
    /// Answers only when released.
    struct Hold(oneshot::Receiver<()>);

    impl Request for Add {
        type Answer = u32;
    }
    impl Request for Panic {
        type Answer = ();
    }
    impl Request for Hold {
        type Answer = ();
    }

    impl Handler<Ask<Add>> for Counter {
        type Result = ();
        fn handle(&mut self, ask: Ask<Add>, _: &mut Self::Context) {
            self.count += ask.request.0;
            ask.reply.answer(self.count);
        }
    }
    impl Handler<Ask<Panic>> for Counter {
        type Result = ();
        fn handle(&mut self, _: Ask<Panic>, _: &mut Self::Context) {
            panic!("as asked");
        }
    }
    impl Handler<Ask<Hold>> for Counter {
        type Result = ();
        fn handle(&mut self, ask: Ask<Hold>, _: &mut Self::Context) {
            actix::spawn(async move {
                drop(ask.request.0.await);
                ask.reply.answer(());
            });
        }
    }

    async fn counter(max_in_flight: usize, deadline: Duration) -> Handle<Counter> {
        let handle = Handle::new("counter", max_in_flight, deadline);
        let build = |lifeline| async { Ok::<_, String>(Counter { count: 100, _lifeline: lifeline }) };
        supervise(&Roster::default(), handle.clone(), build).await.unwrap();
        handle
    }

    const LONG: Duration = Duration::from_mins(1);

    async fn until_running(handle: &Handle<Counter>) {
        while !handle.is_running() {
            tokio::task::yield_now().await;
        }
    }

    #[actix::test]
    async fn a_panic_ends_the_actor_and_a_new_one_starts_from_its_state() {
        let handle = counter(10, LONG).await;
        assert_eq!(handle.ask(Add(1)).await, Ok(101));
        assert_eq!(handle.ask(Panic).await, Err(NoAnswer::Dead));
        until_running(&handle).await;
        assert_eq!(handle.ask(Add(1)).await, Ok(101));
        assert_eq!((handle.restarts(), handle.in_flight()), (1, 0));
    }

    #[actix::test]
    async fn messages_queued_behind_a_panic_are_answered_as_dead_and_give_their_places_back() {
        let handle = counter(10, LONG).await;
        let asks =
            futures_util::future::join4(handle.ask(Panic), handle.ask(Add(1)), handle.ask(Add(1)), handle.ask(Add(1)));
        let (a, b, c, d) = asks.await;
        assert_eq!((a, b, c, d), (Err(NoAnswer::Dead), Err(NoAnswer::Dead), Err(NoAnswer::Dead), Err(NoAnswer::Dead)));
        until_running(&handle).await;
        assert_eq!(handle.in_flight(), 0);
    }

    #[actix::test]
    async fn a_flood_is_refused_at_the_bound_and_served_again_after_it() {
        let handle = counter(3, LONG).await;
        let (go, gates): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel()).unzip();
        let held: Vec<_> =
            gates.into_iter().map(|gate| handle.hand_over(Hold(gate), handle.permit().unwrap()).unwrap()).collect();
        for _ in 0..1_000 {
            assert_eq!(handle.ask(Add(1)).await, Err(NoAnswer::Full));
        }
        for go in go {
            go.send(()).unwrap();
        }
        for answer in held {
            answer.await.unwrap();
        }
        assert_eq!(handle.ask(Add(1)).await, Ok(101));
        assert_eq!(handle.in_flight(), 0);
    }

    #[actix::test]
    async fn a_caller_that_goes_away_takes_no_message_back_and_no_place_with_it() {
        let handle = counter(1, LONG).await;
        {
            let ask = handle.ask(Add(5));
            futures_util::pin_mut!(ask);
            assert!(futures_util::poll!(ask).is_pending());
            assert_eq!(handle.in_flight(), 1);
        }
        while handle.in_flight() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(handle.ask(Add(0)).await, Ok(105));
    }

    #[actix::test]
    async fn a_late_answer_is_late_and_its_place_is_kept_until_it_comes() {
        let handle = counter(1, Duration::from_millis(5)).await;
        let (go, gate) = oneshot::channel();
        assert_eq!(handle.ask(Hold(gate)).await, Err(NoAnswer::Late));
        assert_eq!(handle.ask(Add(1)).await, Err(NoAnswer::Full));
        go.send(()).unwrap();
        while handle.in_flight() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(handle.ask(Add(1)).await, Ok(101));
    }

    #[actix::test]
    async fn an_actor_whose_state_cannot_be_read_at_first_does_not_start() {
        let handle = Handle::<Counter>::new("counter", 1, LONG);
        let result =
            supervise(&Roster::default(), handle.clone(), |_| async { Err::<Counter, _>("no store".to_owned()) }).await;
        assert_eq!(result, Err("no store".to_owned()));
        assert_eq!(handle.ask(Add(1)).await, Err(NoAnswer::Dead));
    }
}
