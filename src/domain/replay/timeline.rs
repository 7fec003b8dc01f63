//! What happened, in its order. Records come as their requests began; what they asked came later, and their ends later still.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use super::call::Call;

/// The most that waits for its turn: as many calls as are under way at a time, in a log whose times make sense.
const MOST_WAITING: usize = 1_000_000;

/// What happens.
pub(super) enum What {
    /// A call asks.
    Asks(Call),
    /// A call ends that had asked then.
    Ends { call: Call, asked_ns: u64 },
}

/// Something that happens at a time.
pub(super) struct Event {
    pub at_ns: u64,
    /// Of what happens at the same time, what belongs to the earlier request comes first: ids sort by the time they were made.
    pub order: u128,
    pub what: What,
}

impl Event {
    const fn key(&self) -> (u64, u128, bool) {
        (self.at_ns, self.order, matches!(self.what, What::Ends { .. }))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// What has not happened yet.
#[derive(Default)]
pub(super) struct Timeline(BinaryHeap<Reverse<Event>>);

impl Timeline {
    /// The next thing that happened before this time. No request that began then or later can have asked before.
    pub(super) fn next_before(&mut self, ns: u64) -> Option<Event> {
        let Reverse(next) = self.0.peek()?;
        let is_due = next.at_ns < ns || self.0.len() > MOST_WAITING;
        if is_due { self.next() } else { None }
    }

    /// The next thing that happened.
    pub(super) fn next(&mut self) -> Option<Event> {
        self.0.pop().map(|Reverse(event)| event)
    }

    /// Something happens, too.
    pub(super) fn add(&mut self, event: Event) {
        self.0.push(Reverse(event));
    }
}
