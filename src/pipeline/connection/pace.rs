//! How fast a body comes or an answer is taken, counted only over the time that the gateway waited for it.

use std::time::Duration;

use tokio::time::Instant;

/// What has passed of one body, and how long it was waited for.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Pace {
    bytes: u64,
    waited: Duration,
    waiting: Option<Instant>,
}

impl Pace {
    /// Notes that the gateway waits, and gives the moment at which the wait is too long: after `pause`, or when all pauses
    /// together exceed `pause` and the time that the bytes so far may take at `bytes_per_s`. A rate of 0 is none.
    pub fn waits(&mut self, now: Instant, pause: Duration, bytes_per_s: u64) -> Instant {
        let since = *self.waiting.get_or_insert(now);
        let earned =
            self.bytes.checked_div(bytes_per_s).map(|seconds| pause.saturating_add(Duration::from_secs(seconds)));
        let left = earned.map_or(pause, |earned| pause.min(earned.saturating_sub(self.waited)));
        since.checked_add(left).unwrap_or(since)
    }

    /// Notes that a piece has come.
    pub fn came(&mut self, now: Instant, bytes: usize) {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if let Some(since) = self.waiting.take() {
            self.waited = self.waited.saturating_add(now.saturating_duration_since(since));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_pause_is_bounded_and_so_is_the_sum_of_pauses() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.waits(begin, s(30), 100), begin + s(30), "nothing has come");
        pace.came(begin + s(9), 500);
        assert_eq!(pace.waits(begin + s(9), s(30), 100), begin + s(35), "500 bytes are worth 5 s");
        pace.came(begin + s(14), 100_000);
        assert_eq!(pace.waits(begin + s(20), s(30), 100), begin + s(50), "no pause is longer than the bound");
    }

    #[test]
    fn time_in_which_the_gateway_did_not_wait_counts_for_nothing() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        pace.came(begin, 1);
        assert_eq!(pace.waits(begin + s(1_000), s(30), 100), begin + s(1_030));
    }

    #[test]
    fn without_a_rate_only_pauses_are_bounded() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        for second in 0..100 {
            assert_eq!(pace.waits(begin + s(second), s(30), 0), begin + s(second + 30));
            pace.came(begin + s(second + 1), 1);
        }
    }
}
