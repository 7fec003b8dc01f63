//! How many calls an upstream should have at once, found by measurement: as many as it serves without making them wait.
//!
//! The gradient of two latencies says it, as in Netflix's concurrency-limits: that of the last moment against the one of a long
//! run. While calls wait at the upstream the first is the longer one, and the limit falls; it rises while they are alike. So that
//! the long run is not one of waiting, the limit is lowered for a moment every now and then, and what the upstream takes then is
//! what it takes (as Envoy does). Pure: times and numbers in, a limit out.

/// The bounds of every limit.
const MIN_LIMIT: f64 = 4.0;
const MAX_LIMIT: f64 = 4_096.0;

/// Where it begins.
const FIRST_LIMIT: f64 = 20.0;

/// By how much calls may take longer than they need to before the limit falls.
const TOLERANCE: f64 = 1.25;

/// What of a new limit is taken over at once.
const SMOOTHING: f64 = 0.3;

/// How fast the long run follows what is slower.
const DRIFT: f64 = 0.002;

/// The number of windows in which the limit was reached, after which one window measures calls that do not queue.
const WINDOWS_TO_PROBE: u32 = 50;

/// What is left of the limit for that.
const PROBE: f64 = 0.6;

/// What was measured in a window of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Until the head of the answer, on average.
    pub latency_us: f64,
    /// The most calls that were under way at once.
    pub in_flight: f64,
}

/// The limit, and what it follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gradient {
    limit: f64,
    /// The latency of the long run; nothing before the first window.
    long_us: Option<f64>,
    until_probe: u32,
    is_probing: bool,
}

impl Default for Gradient {
    fn default() -> Self {
        Self { limit: FIRST_LIMIT, long_us: None, until_probe: WINDOWS_TO_PROBE, is_probing: false }
    }
}

impl Gradient {
    /// So many calls at once.
    #[must_use]
    pub fn limit(&self) -> f64 {
        let limit = if self.is_probing { self.limit * PROBE } else { self.limit };
        limit.clamp(MIN_LIMIT, MAX_LIMIT)
    }

    /// After a window.
    #[must_use]
    pub fn after(self, window: Window) -> Self {
        let short_us = window.latency_us.max(1.0);
        if self.is_probing {
            // Nothing waited.
            return Self { long_us: Some(short_us), until_probe: WINDOWS_TO_PROBE, is_probing: false, ..self };
        }
        let long_us = self
            .long_us
            .map_or(short_us, |long| if short_us < long { short_us } else { long + (short_us - long) * DRIFT });
        let is_reached = window.in_flight >= self.limit() / 2.0;
        if !is_reached {
            // It says nothing about a limit that it was far below.
            return Self { long_us: Some(long_us), ..self };
        }
        let gradient = (long_us * TOLERANCE / short_us).clamp(0.5, 1.0);
        let room = (self.limit.sqrt() / 2.0).max(1.0);
        let next = self.limit * gradient + room;
        let limit = (self.limit + (next - self.limit) * SMOOTHING).clamp(MIN_LIMIT, MAX_LIMIT);
        let until_probe = self.until_probe.saturating_sub(1);
        Self { limit, long_us: Some(long_us), until_probe, is_probing: until_probe == 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BinaryHeap;

    use super::*;

    /// An upstream with one worker for each entry of `free_at`. A worker takes `SERVICE_US` for a call; other calls queue.
    struct Upstream {
        free_at: Vec<f64>,
    }

    const PLACES: usize = 50;
    const SERVICE_US: f64 = 20_000.0;
    const WINDOW_US: f64 = 100_000.0;
    const CAPACITY_A_S: u32 = 2_500;

    fn number(count: usize) -> f64 {
        f64::from(u32::try_from(count).unwrap())
    }

    impl Upstream {
        /// When a call that comes now is done.
        fn take(&mut self, now: f64, jitter: f64) -> f64 {
            let place = (0..PLACES).min_by(|a, b| self.free_at[*a].total_cmp(&self.free_at[*b])).unwrap();
            let done = self.free_at[place].max(now) + SERVICE_US * jitter;
            self.free_at[place] = done;
            done
        }
    }

    #[derive(PartialEq)]
    struct Done(f64, f64);
    impl Eq for Done {}
    impl PartialOrd for Done {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Done {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            other.0.total_cmp(&self.0)
        }
    }

    /// Calls at this rate for a minute: the answers a second within a second each, and the 99th percentile of what they took, of the
    /// second half.
    fn run(rate_a_s: u32, fixed: Option<f64>) -> (f64, f64, f64) {
        let (mut upstream, mut gradient) = (Upstream { free_at: vec![0.0; PLACES] }, Gradient::default());
        let (mut under_way, mut took, mut window) = (BinaryHeap::<Done>::new(), vec![], (0.0, 0.0, 0.0_f64));
        let (mut window_ends, mut random) = (WINDOW_US, 1_u64);
        for call in 0..60 * rate_a_s {
            let now = f64::from(call) * 1e6 / f64::from(rate_a_s);
            while under_way.peek().is_some_and(|done| done.0 <= now) {
                let Done(_, latency) = under_way.pop().unwrap();
                window = (window.0 + latency, window.1 + 1.0, window.2);
                if now > 30e6 {
                    took.push(latency);
                }
            }
            if now >= window_ends {
                window_ends = now + WINDOW_US;
                if window.1 > 0.0 {
                    gradient = gradient.after(Window { latency_us: window.0 / window.1, in_flight: window.2 });
                }
                window = (0.0, 0.0, 0.0);
            }
            let limit = fixed.unwrap_or_else(|| gradient.limit());
            if number(under_way.len()) < limit {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let jitter = 0.8 + 0.4 * f64::from(u32::try_from(random >> 33).unwrap()) / f64::from(1_u32 << 31);
                let done = upstream.take(now, jitter);
                under_way.push(Done(done, done - now));
                window.2 = window.2.max(number(under_way.len()));
            }
        }
        took.sort_by(f64::total_cmp);
        // An answer that took more than ten times as long as it need comes too late for its caller.
        let good = number(took.iter().filter(|latency| **latency < 10.0 * SERVICE_US).count()) / 30.0;
        (good, took[took.len() * 99 / 100], gradient.limit())
    }

    #[test]
    fn an_upstream_that_is_asked_for_twice_of_what_it_can_do_does_what_it_can_and_lets_nobody_wait() {
        let (good, p99_us, limit) = run(2 * CAPACITY_A_S, None);
        let (_, unloaded_us, _) = run(CAPACITY_A_S / 5, None);
        assert!(good > 0.9 * f64::from(CAPACITY_A_S), "{good} a second, limit {limit}");
        assert!(p99_us < 2.0 * unloaded_us, "{p99_us} µs after {unloaded_us}, limit {limit}");
        // A fixed one lets them wait.
        let (good, p99_us, _) = run(2 * CAPACITY_A_S, Some(1_000.0));
        assert!(good < 0.5 * f64::from(CAPACITY_A_S) && p99_us > 10.0 * unloaded_us, "{good} a second, {p99_us} µs");
    }

    #[test]
    fn a_limit_that_is_not_reached_stays_and_every_limit_has_bounds() {
        let quiet = Window { latency_us: 1e6, in_flight: 1.0 };
        let after = (0..1_000).fold(Gradient::default(), |gradient, _| gradient.after(quiet));
        assert!((after.limit() - FIRST_LIMIT).abs() < 1e-9, "{after:?}");
        let busy = |latency_us| {
            move |gradient: Gradient, _| gradient.after(Window { latency_us, in_flight: gradient.limit() })
        };
        let high = (0..3_000).fold(Gradient::default(), busy(1_000.0));
        assert!(high.limit() >= MAX_LIMIT * PROBE, "{high:?}");
        let slower = (0..200).fold(high, |gradient, n| busy(1_000.0 * f64::from(n))(gradient, n));
        assert!(slower.limit() < high.limit() / 2.0, "{slower:?}");
        assert!(
            (0..10_000).map(|n| busy(f64::from(n))).fold(slower, |gradient, step| step(gradient, 0)).limit()
                >= MIN_LIMIT
        );
    }
}
