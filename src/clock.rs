//! The only caller of `now()`: everything else takes the time from here, so that tests can hold it still.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use uuid::Uuid;

/// A source of wall time, of monotonic time and of time-ordered ids.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    System {
        started: Instant,
    },
    /// Nanoseconds since the Unix epoch.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The clock of the machine.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this file is where the time comes from")]
    pub fn system() -> Self {
        Self { source: Source::System { started: Instant::now() } }
    }

    /// A clock that stands still until [`Clock::advance`].
    #[must_use]
    pub fn manual(unix_s: u64) -> Self {
        Self { source: Source::Manual(Arc::new(AtomicU64::new(unix_s.saturating_mul(1_000_000_000)))) }
    }

    /// Moves a manual clock on; the clock of the machine moves by itself.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(ns) = &self.source {
            ns.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }

    /// Wall time, UTC, cut to microseconds: what the stores hold.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this file is where the time comes from")]
    pub fn now(&self) -> Timestamp {
        let micros = match &self.source {
            Source::System { .. } => Timestamp::now().as_microsecond(),
            Source::Manual(ns) => i64::try_from(ns.load(Ordering::SeqCst) / 1_000).unwrap_or(i64::MAX),
        };
        Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
    }

    /// Nanoseconds that never go backwards, since this clock was made.
    #[must_use]
    pub fn monotonic_ns(&self) -> u64 {
        match &self.source {
            Source::System { started } => u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX),
            Source::Manual(ns) => ns.load(Ordering::SeqCst),
        }
    }

    /// A new UUIDv7 (RFC 9562 §5.7); ids made by one process sort by the order they were made in.
    #[must_use]
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
    fn ids_sort_by_the_order_they_were_made_in() {
        let clock = Clock::system();
        let ids: Vec<_> = (0..1_000).map(|_| clock.new_id()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
