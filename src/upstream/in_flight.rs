//! How many calls an upstream may have in flight, counted without a lock.
//!
//! A [`Target`](super::Target) holds the counter, a call its permit until the last byte of the answer. It never queues: a
//! call above the bound is refused at once.

mod gradient;
mod measured;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use self::measured::Measured;
use crate::domain::importance::Importance;

/// A bound and a count; clones share both.
#[derive(Debug, Clone)]
pub struct InFlight {
    count: Arc<AtomicUsize>,
    bound: Bound,
}

#[derive(Debug, Clone)]
enum Bound {
    Fixed(usize),
    Measured(Arc<Measured>),
}

/// One of the calls that an upstream may have at a time; free again when dropped.
#[must_use = "a permit that is dropped is free again"]
#[derive(Debug)]
pub struct Permit(Arc<AtomicUsize>);

impl InFlight {
    /// A count of calls, at most `max` at once.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { count: Arc::default(), bound: Bound::Fixed(max) }
    }

    /// A count of calls, at most as many at once as are answered without waiting.
    #[must_use]
    pub fn measured() -> Self {
        Self { count: Arc::default(), bound: Bound::Measured(Arc::default()) }
    }

    /// The same count under the bound of another: calls that began before a reload still count after it, and what was measured
    /// is still known.
    #[must_use]
    pub fn bounded_as(&self, other: Self) -> Self {
        let bound = match (&self.bound, other.bound) {
            (Bound::Measured(before), Bound::Measured(_)) => Bound::Measured(Arc::clone(before)),
            (_, bound) => bound,
        };
        Self { count: Arc::clone(&self.count), bound }
    }

    /// Calls in flight at this moment.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The most calls at once, at this moment.
    pub fn limit(&self) -> usize {
        match &self.bound {
            Bound::Fixed(max) => *max,
            Bound::Measured(measured) => measured.limit(),
        }
    }

    /// Whether there is a place at this moment.
    #[must_use]
    pub fn has_room(&self, importance: Importance) -> bool {
        self.count() < self.room(importance)
    }

    /// The last places are kept for what matters more. Of a fixed bound, which is meant as it is written, only from what may be
    /// left out.
    fn room(&self, importance: Importance) -> usize {
        let limit = self.limit();
        importance.share(limit, matches!(self.bound, Bound::Measured(_)))
    }

    /// A place, or none when all are taken.
    #[must_use]
    pub fn try_acquire(&self, importance: Importance) -> Option<Permit> {
        let room = self.room(importance);
        let one_more = |count: usize| (count < room).then(|| count.saturating_add(1));
        // Only the number matters, it guards no other memory: relaxed is enough.
        let before = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        if let Bound::Measured(measured) = &self.bound {
            measured.has(before.saturating_add(1));
        }
        Some(Permit(Arc::clone(&self.count)))
    }

    /// A call was answered after this time.
    pub fn took(&self, took_us: u64, now_us: u64) {
        if let Bound::Measured(measured) = &self.bound {
            measured.took(took_us, now_us);
        }
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
        let first = in_flight.try_acquire(Importance::Default).unwrap();
        let _second = in_flight.try_acquire(Importance::Default).unwrap();
        assert!(in_flight.try_acquire(Importance::Default).is_none());
        drop(first);
        assert!(in_flight.try_acquire(Importance::Default).is_some());
    }

    #[test]
    fn the_last_places_are_for_what_matters_more() {
        use Importance::{Critical, Default, Sheddable};
        let taken = |in_flight: &InFlight, importance| {
            let permits: Vec<Permit> = std::iter::from_fn(|| in_flight.try_acquire(importance)).collect();
            permits.len()
        };
        let fixed = InFlight::new(20);
        assert_eq!([Critical, Default, Sheddable].map(|importance| taken(&fixed, importance)), [20, 20, 15]);
        let one = InFlight::new(1);
        assert_eq!([Critical, Default, Sheddable].map(|importance| taken(&one, importance)), [1, 1, 1]);
        let measured = InFlight::measured();
        assert_eq!(measured.limit(), 20);
        assert_eq!([Critical, Default, Sheddable].map(|importance| taken(&measured, importance)), [20, 18, 15]);
    }

    #[test]
    fn a_resized_bound_still_counts_the_calls_that_began_before() {
        let before = InFlight::new(3);
        let _held = (before.try_acquire(Importance::Default), before.try_acquire(Importance::Default));
        let after = before.bounded_as(InFlight::new(2));
        assert_eq!(after.count(), 2);
        assert!(after.try_acquire(Importance::Default).is_none());
    }
}
