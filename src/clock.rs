//! The only caller of `now()`: everything else takes the time from here, so that tests can hold it still.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

const NS_IN_MS: u64 = 1_000_000;

/// A source of wall time, of monotonic time and of time-ordered ids.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
    /// By how many microseconds this clock is ahead of the store's, as last measured.
    ahead_us: Arc<AtomicI64>,
}

#[derive(Debug, Clone)]
enum Source {
    System {
        started: Instant,
        /// What the machine's clock said then, in nanoseconds since the Unix epoch.
        started_ns: u64,
        /// By how many microseconds the machine's clock is wrong.
        wrong_by_us: i64,
    },
    /// Nanoseconds since the Unix epoch.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self::wrong_by(SignedDuration::ZERO)
    }

    /// The clock of a machine whose wall time is ahead of the true one by this much: for tests of replicas whose clocks
    /// are apart.
    #[expect(clippy::disallowed_methods, reason = "this file is where the time comes from")]
    pub fn wrong_by(wrong_by: SignedDuration) -> Self {
        let (started, started_at) =
            (Instant::now(), Timestamp::now().saturating_add(wrong_by).unwrap_or(Timestamp::MAX));
        let started_ns = u64::try_from(started_at.as_nanosecond()).unwrap_or(0);
        let wrong_by_us = i64::try_from(wrong_by.as_micros()).unwrap_or(i64::MAX);
        Self { source: Source::System { started, started_ns, wrong_by_us }, ahead_us: Arc::default() }
    }

    /// A clock that stands still until [`Clock::advance`].
    pub fn manual(unix_s: u64) -> Self {
        let ns = Arc::new(AtomicU64::new(unix_s.saturating_mul(1_000_000_000)));
        Self { source: Source::Manual(ns), ahead_us: Arc::default() }
    }

    /// Moves a manual clock on; the clock of the machine moves by itself.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(ns) = &self.source {
            ns.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }

    /// Wall time, UTC, cut to microseconds: what the stores hold.
    #[expect(clippy::disallowed_methods, reason = "this file is where the time comes from")]
    pub fn now(&self) -> Timestamp {
        let micros = match &self.source {
            Source::System { wrong_by_us, .. } => Timestamp::now().as_microsecond().saturating_add(*wrong_by_us),
            Source::Manual(ns) => i64::try_from(ns.load(Ordering::SeqCst) / 1_000).unwrap_or(i64::MAX),
        };
        Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
    }

    /// The time of the store, as far as it was measured: what replicas write and compare, so that it does not matter
    /// whose clock is wrong.
    pub fn store_now(&self) -> Timestamp {
        self.now().checked_sub(SignedDuration::from_micros(self.ahead_us())).unwrap_or(Timestamp::MAX)
    }

    /// By how many microseconds this clock is ahead of the store's, as last measured; 0 before.
    pub fn ahead_us(&self) -> i64 {
        self.ahead_us.load(Ordering::Acquire)
    }

    /// Takes a measurement: the store had the time `store` between the times `asked` and `answered` of this clock. Clones
    /// share it. A clock that is held still goes with any store.
    pub fn compare(&self, asked: Timestamp, store: Timestamp, answered: Timestamp) {
        if let Source::Manual(_) = self.source {
            return;
        }
        let [asked, store, answered] = [asked, store, answered].map(Timestamp::as_microsecond);
        let middle = asked.saturating_add(answered.saturating_sub(asked) / 2);
        self.ahead_us.store(middle.saturating_sub(store), Ordering::Release);
    }

    /// Nanoseconds that never go backwards: Unix time when this clock was made, and from then on as far apart as the times
    /// were, whatever was done to the machine's clock.
    pub fn monotonic_ns(&self) -> u64 {
        match &self.source {
            Source::System { started, started_ns, .. } => {
                started_ns.saturating_add(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX))
            }
            Source::Manual(ns) => ns.load(Ordering::SeqCst),
        }
    }

    /// A monotonic time as a wall time, to the nanosecond.
    pub fn time_of(monotonic_ns: u64) -> Timestamp {
        Timestamp::from_nanosecond(monotonic_ns.into()).unwrap_or(Timestamp::MAX)
    }

    /// The same as [`Clock::monotonic_ns`], in whole milliseconds.
    pub fn monotonic_ms(&self) -> u64 {
        self.monotonic_ns() / NS_IN_MS
    }

    /// A new UUIDv7 (RFC 9562 §5.7); ids made by one process sort by the order they were made in.
    #[expect(clippy::disallowed_methods, reason = "this file is where the time comes from")]
    pub fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(1_000);
        let before = (clock.now(), clock.monotonic_ns());
        assert_eq!((clock.now(), clock.monotonic_ns()), before);
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now().as_microsecond() - before.0.as_microsecond(), 1_500_000);
        assert_eq!(clock.monotonic_ns() - before.1, 1_500_000_000);
    }

    #[test]
    fn the_time_of_the_store_is_told_from_the_middle_of_the_question() {
        let clock = Clock::system();
        let at = |second| Timestamp::from_second(second).unwrap();
        for (store, ahead_s) in [(901, 100), (1_101, -100), (1_001, 0)] {
            clock.clone().compare(at(1_000), at(store), at(1_002));
            assert_eq!(clock.ahead_us(), ahead_s * 1_000_000);
            let ahead = SignedDuration::from_secs(ahead_s);
            let (before, of_store, after) = (clock.now() - ahead, clock.store_now(), clock.now() - ahead);
            assert!(before <= of_store && of_store <= after);
        }
    }

    #[test]
    fn ids_sort_by_the_order_they_were_made_in() {
        let clock = Clock::system();
        let ids: Vec<_> = (0..1_000).map(|_| clock.new_id()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
