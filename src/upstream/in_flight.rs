//! How many calls an upstream may have in flight, counted without a lock.
//!
//! A [`Target`](super::Target) holds the counter, a call its permit until the last byte of the answer. It never queues: a
//! call above the bound is refused at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A bound and a count; clones share the count.
#[derive(Debug, Clone)]
pub struct InFlight {
    count: Arc<AtomicUsize>,
    max: usize,
}

/// One call's place; given back when dropped.
#[derive(Debug)]
pub struct Permit(Arc<AtomicUsize>);

impl InFlight {
    /// A count of calls, at most `max` at once.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { count: Arc::default(), max }
    }

    /// The same count under another bound: calls that began before a reload still count after it.
    #[must_use]
    pub fn resized(&self, max: usize) -> Self {
        Self { count: Arc::clone(&self.count), max }
    }

    /// Calls in flight at this moment.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether there is a place at this moment.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.count() < self.max
    }

    /// A place, or none when all are taken.
    #[must_use]
    pub fn try_acquire(&self) -> Option<Permit> {
        let one_more = |count: usize| (count < self.max).then(|| count.saturating_add(1));
        // Only the number matters, it guards no other memory: relaxed is enough.
        self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Permit(Arc::clone(&self.count)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_refused_above_the_bound_and_given_back_on_drop() {
        let in_flight = InFlight::new(2);
        let first = in_flight.try_acquire().unwrap();
        let _second = in_flight.try_acquire().unwrap();
        assert!(in_flight.try_acquire().is_none());
        drop(first);
        assert!(in_flight.try_acquire().is_some());
    }

    #[test]
    fn a_resized_bound_still_counts_the_calls_that_began_before() {
        let before = InFlight::new(3);
        let _held = (before.try_acquire(), before.try_acquire());
        let after = before.resized(2);
        assert_eq!(after.count(), 2);
        assert!(after.try_acquire().is_none());
    }
}
