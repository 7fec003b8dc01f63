//! The roster: every actor that this process runs, and how each is doing.
//!
//! [`supervise`](super::supervisor::supervise) enters each handle, so that no actor can run without being listed. Read by
//! the start, `/readyz`, `/metrics` and the way down; it changes nothing about an actor.

use std::{collections::BTreeMap, sync::Arc};

use actix::Actor;
use arc_swap::ArcSwap;

use super::handle::{Handle, Vitals};

/// The list of actors. Clones share it.
#[derive(Clone, Default)]
pub struct Roster(Arc<ArcSwap<Vec<Arc<dyn Vitals>>>>);

/// The state of all actors of one name: a worker thread each has its own `quota_keeper`, of others there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActorState {
    /// How many of them take messages.
    pub running: usize,
    /// How many of them were started.
    pub started: usize,
    /// Messages accepted and not answered.
    pub in_flight: usize,
    /// How often one of them was started again after it died.
    pub restarts: u64,
}

impl ActorState {
    /// True while every actor of the name takes messages.
    pub const fn is_running(&self) -> bool {
        self.running == self.started
    }
}

impl Roster {
    /// Enters the actor of a handle; a second time changes nothing.
    pub(super) fn enter<A: Actor>(&self, handle: &Handle<A>) {
        let vitals = handle.vitals();
        self.0.rcu(|list| {
            let mut list = Vec::clone(list);
            if !list.iter().any(|entered| Arc::ptr_eq(entered, &vitals)) {
                list.push(Arc::clone(&vitals));
            }
            list
        });
    }

    /// The state of the actors now, by name.
    pub fn states(&self) -> BTreeMap<&'static str, ActorState> {
        let mut states = BTreeMap::new();
        for actor in self.0.load().iter() {
            let none = ActorState { running: 0, started: 0, in_flight: 0, restarts: 0 };
            let state = states.entry(actor.name()).or_insert(none);
            state.running = state.running.saturating_add(actor.is_running().into());
            state.started = state.started.saturating_add(1);
            state.in_flight = state.in_flight.saturating_add(actor.in_flight());
            state.restarts = state.restarts.saturating_add(actor.restarts());
        }
        states
    }

    /// How many actors of this name take messages.
    #[must_use]
    pub fn running(&self, name: &str) -> usize {
        self.states().get(name).map_or(0, |state| state.running)
    }

    /// The actors that have messages accepted and not answered, with how many.
    pub fn busy(&self) -> Vec<(&'static str, usize)> {
        let busy = |(name, state): (_, ActorState)| (state.in_flight > 0).then_some((name, state.in_flight));
        self.states().into_iter().filter_map(busy).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix::Context;

    use super::*;

    struct Idle;

    impl Actor for Idle {
        type Context = Context<Self>;
    }

    fn handle(name: &'static str) -> Handle<Idle> {
        Handle::new(name, 10, Duration::from_mins(1))
    }

    #[test]
    fn actors_of_one_name_are_added_up_and_an_actor_is_entered_once() {
        let (roster, first, second) = (Roster::default(), handle("keeper"), handle("keeper"));
        for entered in [&first, &second, &first, &first.clone(), &handle("notary")] {
            roster.enter(entered);
        }
        let permits = [first.permit().unwrap(), second.permit().unwrap()];
        let state = |started, in_flight| ActorState { running: 0, started, in_flight, restarts: 0 };
        assert_eq!(roster.states(), BTreeMap::from([("keeper", state(2, 2)), ("notary", state(1, 0))]));
        assert_eq!(roster.busy(), [("keeper", 2)]);
        drop(permits);
        assert_eq!(roster.busy(), []);
    }

    #[actix::test]
    async fn an_actor_that_runs_is_counted_as_running_until_it_is_withdrawn() {
        let (roster, handle) = (Roster::default(), handle("notary"));
        roster.enter(&handle);
        assert!(!roster.states()["notary"].is_running());
        handle.publish(Idle.start());
        assert!(roster.states()["notary"].is_running());
        handle.withdraw();
        assert_eq!((roster.running("notary"), roster.states()["notary"].restarts), (0, 1));
    }
}
