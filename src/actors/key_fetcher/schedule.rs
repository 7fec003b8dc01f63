//! When the keys of one issuer are fetched: a pure rule over the time. Times are monotonic nanoseconds.

use std::time::Duration;

/// The shortest time between two fetches that somebody asked for, in milliseconds.
const BETWEEN_ASKED_MS: u64 = 10_000;
/// The pause after the first failure, doubled after each further one up to the last.
const FIRST_PAUSE_MS: u64 = 1_000;
const LAST_PAUSE_MS: u64 = 60_000;

/// The schedule of one issuer.
#[derive(Debug)]
pub(super) struct Schedule {
    ttl_ns: u64,
    /// When the next fetch is due by itself; at first, at once.
    due_ns: u64,
    fetching: bool,
    failures: u32,
    asked_ns: Option<u64>,
}

impl Schedule {
    pub(super) fn new(ttl: Duration) -> Self {
        let ttl_ns = u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX);
        Self { ttl_ns, due_ns: 0, fetching: false, failures: 0, asked_ns: None }
    }

    pub(super) const fn is_fetching(&self) -> bool {
        self.fetching
    }

    /// Begins a fetch if one is due and none under way.
    pub(super) const fn begin_due(&mut self, now_ns: u64) -> bool {
        let begins = !self.fetching && now_ns >= self.due_ns;
        self.fetching |= begins;
        begins
    }

    /// Begins a fetch that somebody asks for, if none is under way and the last such one is long enough ago.
    pub(super) fn begin_asked(&mut self, now_ns: u64) -> bool {
        let since = |asked_ns: u64| now_ns.saturating_sub(asked_ns);
        let begins = !self.fetching && self.asked_ns.is_none_or(|asked_ns| since(asked_ns) >= ns(BETWEEN_ASKED_MS));
        if begins {
            self.fetching = true;
            self.asked_ns = Some(now_ns);
        }
        begins
    }

    /// A fetch has ended.
    pub(super) fn end(&mut self, well: bool, now_ns: u64) {
        self.fetching = false;
        let pause_ns = if well { self.ttl_ns } else { ns(self.pause_ms()) };
        self.failures = if well { 0 } else { self.failures.saturating_add(1) };
        self.due_ns = now_ns.saturating_add(pause_ns);
    }

    fn pause_ms(&self) -> u64 {
        let doubled = 1_u64.checked_shl(self.failures).unwrap_or(u64::MAX);
        FIRST_PAUSE_MS.saturating_mul(doubled).min(LAST_PAUSE_MS)
    }
}

const fn ns(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn fetched() -> Schedule {
        let mut schedule = Schedule::new(Duration::from_mins(5));
        assert!(schedule.begin_due(0) && !schedule.begin_due(0));
        schedule.end(true, S);
        schedule
    }

    #[test]
    fn keys_are_fetched_at_start_and_in_every_period() {
        let mut schedule = fetched();
        assert!(!schedule.begin_due(301 * S - 1));
        assert!(schedule.begin_due(301 * S));
    }

    #[test]
    fn after_failures_the_pauses_double_up_to_a_minute_and_a_success_ends_them() {
        let mut schedule = Schedule::new(Duration::from_mins(5));
        let mut now_s = 0;
        for pause_s in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().chain([60; 80]) {
            assert!(schedule.begin_due(now_s * S));
            schedule.end(false, now_s * S);
            assert!(!schedule.begin_due((now_s + pause_s) * S - 1), "{pause_s}");
            now_s += pause_s;
        }
        assert!(schedule.begin_due(now_s * S));
        schedule.end(true, now_s * S);
        assert!(!schedule.begin_due((now_s + 299) * S));
    }

    #[test]
    fn whoever_asks_starts_a_fetch_once_in_ten_seconds() {
        let mut schedule = fetched();
        assert!(schedule.begin_asked(2 * S) && schedule.is_fetching());
        assert!(!schedule.begin_asked(20 * S), "one is under way");
        schedule.end(true, 3 * S);
        assert!(!schedule.begin_asked(12 * S - 1) && !schedule.is_fetching());
        assert!(schedule.begin_asked(12 * S));
    }

    #[test]
    fn a_fetch_that_is_due_is_not_kept_waiting_by_one_that_was_asked_for() {
        let mut schedule = fetched();
        assert!(schedule.begin_asked(300 * S));
        schedule.end(false, 300 * S);
        assert!(!schedule.begin_due(301 * S - 1) && schedule.begin_due(301 * S));
    }
}
