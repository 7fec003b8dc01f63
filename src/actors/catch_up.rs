//! Following the store: reading what has changed since last time, one reading at a time and in order, and answering
//! changes once they are published.
//!
//! `Registrar`, `Regulator` and `TokenIssuer` are [`Follower`]s. An answer that must include a change waits for a reading
//! that *began* after the change was committed. If two readings ran at once, the older could be published over the newer.

use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, WrapFuture};
use futures_util::future::LocalBoxFuture;

use super::{handle::Reply, outage::Outage};
use crate::{
    clock::Clock,
    snapshot::freshness::Freshness,
    store::{Store, StoreError},
    telemetry::Parents,
};

/// How often changes by other replicas are read; promise 8 allows one second.
pub(super) const POLL: Duration = Duration::from_millis(400);

/// An answer that waits for the next reading, and is given how that went.
pub(super) type Waiter = Box<dyn FnOnce(&Result<(), StoreError>)>;

/// Whether a reading is under way, and who waits for the next.
pub(super) struct CatchUp<W = Waiter> {
    reading: bool,
    waiting: Vec<W>,
    /// The traced requests that wait for the next.
    parents: Parents,
    /// When the last reading that succeeded began.
    fresh: Freshness,
    outage: Outage,
}

impl<W> Default for CatchUp<W> {
    fn default() -> Self {
        Self::new(Freshness::default())
    }
}

impl<W> CatchUp<W> {
    /// Renews `fresh` with each reading.
    pub(super) fn new(fresh: Freshness) -> Self {
        Self {
            reading: false,
            waiting: vec![],
            parents: Parents::default(),
            fresh,
            outage: Outage::none("the reading of changes"),
        }
    }

    /// `who` is served by the next reading that begins.
    fn wait(&mut self, who: W) {
        self.waiting.push(who);
    }

    /// Begins a reading and gives those it serves; `None` while another is under way.
    fn begin(&mut self) -> Option<Vec<W>> {
        let begins = !std::mem::replace(&mut self.reading, true);
        begins.then(|| std::mem::take(&mut self.waiting))
    }

    /// Ends the reading; true if an answer waits for another.
    fn end(&mut self) -> bool {
        self.reading = false;
        !self.waiting.is_empty()
    }
}

/// An actor that publishes what the store has of something, and follows its changes.
pub(super) trait Follower: Actor<Context = Context<Self>> {
    /// What metrics and logs call the actor.
    const NAME: &'static str;

    /// What one reading found.
    type Reading: 'static;

    fn store(&self) -> &Store;

    fn clock(&self) -> &Clock;

    fn catch_up(&mut self) -> &mut CatchUp;

    /// Reads what has changed since what is published.
    fn read(&self) -> LocalBoxFuture<'static, Self::Reading>;

    /// Publishes what was read.
    ///
    /// # Errors
    /// That of the reading; what is published stays then.
    fn publish(&mut self, reading: Self::Reading) -> Result<(), StoreError>;

    /// Answers those who waited for a reading that is published.
    fn serve(&self, waiting: Vec<Waiter>, read: Result<(), StoreError>) {
        for answer in waiting {
            answer(&read);
        }
    }

    /// Reads and publishes what has changed, here or on another replica, and serves those who wait for it.
    fn follow(&mut self, context: &mut Context<Self>) {
        let Some(waiting) = self.catch_up().begin() else {
            return;
        };
        let began_ns = self.clock().monotonic_ns();
        let reading = std::mem::take(&mut self.catch_up().parents).scope(self.read());
        context.spawn(reading.into_actor(self).map(move |reading, follower, context| {
            let read = follower.publish(reading);
            let catch_up = follower.catch_up();
            match &read {
                Ok(()) => {
                    catch_up.outage.over();
                    catch_up.fresh.renew(began_ns);
                }
                Err(error) => catch_up.outage.failed(error),
            }
            follower.serve(waiting, read);
            if follower.catch_up().end() {
                follower.follow(context);
            }
        }));
    }

    /// Gives `waiting` the result of a reading that begins from now on, for these requests among others.
    fn after_reading(&mut self, parents: Parents, waiting: Waiter, context: &mut Context<Self>) {
        let catch_up = self.catch_up();
        catch_up.parents = Parents::of_all([std::mem::take(&mut catch_up.parents), parents]);
        catch_up.wait(waiting);
        self.follow(context);
    }

    /// Runs a change in the store, and answers when it is published, or could not be read back.
    fn perform<T: Send + 'static>(
        &mut self,
        change: impl Future<Output = Result<T, StoreError>> + 'static,
        reply: Reply<Result<T, StoreError>>,
        context: &mut Context<Self>,
    ) {
        let parents = reply.parents();
        let change = parents.clone().scope(change);
        context.spawn(change.into_actor(self).map(move |result, follower, context| match result {
            Err(error) => reply.answer(Err(error)),
            Ok(changed) => follower.after_reading(parents, Box::new(move |_| reply.answer(Ok(changed))), context),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_during_a_reading_is_served_by_the_next() {
        let mut catch_up = CatchUp::default();
        catch_up.wait(1);
        assert_eq!(catch_up.begin(), Some(vec![1]));
        catch_up.wait(2);
        assert_eq!(catch_up.begin(), None);
        assert!(catch_up.end());
        assert_eq!(catch_up.begin(), Some(vec![2]));
        assert!(!catch_up.end());
    }
}
