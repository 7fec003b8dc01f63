//! A bound that follows what is measured. Shared by all workers without a lock: calls add what they took, and the one that comes
//! first after the end of a window of time makes the next limit of it.

use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use arc_swap::ArcSwap;

use super::gradient::{Gradient, Window};

/// The shortest window, in which calls are added up.
const WINDOW_US: u64 = 100_000;

/// The fewest calls that say anything.
const MIN_CALLS: u64 = 5;

/// The present limit, and what the next one will be made of.
#[derive(Debug)]
pub(super) struct Measured {
    gradient: ArcSwap<Gradient>,
    /// That of the gradient, as a whole number.
    limit: AtomicUsize,
    window_ends_us: AtomicU64,
    calls: AtomicU64,
    took_us: AtomicU64,
    most: AtomicUsize,
}

impl Default for Measured {
    fn default() -> Self {
        let gradient = Gradient::default();
        Self {
            limit: AtomicUsize::new(whole(gradient.limit())),
            gradient: ArcSwap::from_pointee(gradient),
            window_ends_us: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            took_us: AtomicU64::new(0),
            most: AtomicUsize::new(0),
        }
    }
}

impl Measured {
    /// The most calls at once.
    pub fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    /// So many calls are under way.
    pub fn has(&self, count: usize) {
        self.most.fetch_max(count, Relaxed);
    }

    /// A call was answered after this time.
    pub fn took(&self, took_us: u64, now_us: u64) {
        let calls = self.calls.fetch_add(1, Relaxed).saturating_add(1);
        self.took_us.fetch_add(took_us, Relaxed);
        let ends_us = self.window_ends_us.load(Acquire);
        if now_us < ends_us || calls < MIN_CALLS {
            return;
        }
        let next_us = now_us.saturating_add(WINDOW_US);
        if self.window_ends_us.compare_exchange(ends_us, next_us, AcqRel, Relaxed).is_err() {
            return;
        }
        let (calls, took_us) = (self.calls.swap(0, Relaxed).max(1), self.took_us.swap(0, Relaxed));
        let latency_us = number(took_us.checked_div(calls).unwrap_or(0));
        let in_flight = number(u64::try_from(self.most.swap(0, Relaxed)).unwrap_or(u64::MAX));
        let gradient = self.gradient.load().after(Window { latency_us, in_flight });
        self.limit.store(whole(gradient.limit()), Relaxed);
        self.gradient.store(std::sync::Arc::new(gradient));
    }
}

/// Below 2³² it is exact, and above it is as good.
fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A limit as a number of calls; it is between 4 and 4,096.
fn whole(limit: f64) -> usize {
    std::time::Duration::try_from_secs_f64(limit).map_or(0, |it| usize::try_from(it.as_secs()).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_falls_while_calls_wait_and_rises_while_none_does() {
        let measured = Measured::default();
        let mut now_us = 1;
        let mut windows = |count: u32, took_us: u64| {
            for _ in 0..count {
                measured.has(measured.limit());
                (0..MIN_CALLS).for_each(|_| measured.took(took_us, now_us));
                now_us += WINDOW_US;
            }
            measured.limit()
        };
        let first = windows(1, 1_000);
        let risen = windows(40, 1_000);
        assert!(risen > first, "{risen} after {first}");
        let fallen = windows(8, 10_000);
        assert!(fallen < risen / 2, "{fallen} after {risen}");
    }
}
