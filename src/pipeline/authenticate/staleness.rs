//! How old what this replica knows of callers may be before it accepts no credential (`auth.max_staleness_s`).

use std::time::Duration;

use crate::{clock::Clock, snapshot::freshness::Freshness};

/// The bound, and what it is compared with.
#[derive(Debug, Clone)]
pub struct Staleness {
    /// When users and API keys, and when revoked sessions, were last read.
    pub read: [Freshness; 2],
    /// `None`: without bound.
    pub max: Option<Duration>,
    pub clock: Clock,
}

impl Staleness {
    /// Whether all was read lately enough to judge a credential by.
    pub fn is_within_bound(&self) -> bool {
        let now_ns = self.clock.monotonic_ns();
        self.max.is_none_or(|max| self.read.iter().all(|read| read.age(now_ns) <= max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_of_the_two_readings_decides_and_without_a_bound_neither() {
        let second = Duration::from_secs(1);
        let (read, clock) = ([Freshness::default(), Freshness::default()], Clock::manual(1_000));
        let bounded = Staleness { read: read.clone(), max: Some(second * 5), clock: clock.clone() };
        let unbounded = Staleness { max: None, ..bounded.clone() };
        read[0].renew(clock.monotonic_ns());
        assert!(!bounded.is_within_bound() && unbounded.is_within_bound());
        read[1].renew(clock.monotonic_ns());
        clock.advance(second * 5);
        assert!(bounded.is_within_bound());
        read[0].renew(clock.monotonic_ns());
        clock.advance(Duration::from_nanos(1));
        assert!(!bounded.is_within_bound() && unbounded.is_within_bound());
        read[1].renew(clock.monotonic_ns());
        assert!(bounded.is_within_bound());
    }
}
