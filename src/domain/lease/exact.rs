//! Terms in numbers so small that a store which counts in floating-point numbers, as Redis does in Lua, counts exactly.

use std::time::Duration;

use super::terms::{Kind, Terms};
use crate::domain::limit::rate::{Rate, Refill};

/// The longest lease; with it every product stays exact.
pub const MAX_LEASE: Duration = Duration::from_mins(1);

/// Half of what such a number holds exactly, and half again, for sums of two.
const MOST_TICKS: u64 = 1 << 51;

/// The coarsest moment in which a rate can be leased.
const COARSEST_US: u64 = 1_000;

/// Terms in moments in which they are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExactTerms {
    pub terms: Terms,
    /// Microseconds in a moment.
    pub moment_us: u64,
}

impl ExactTerms {
    /// The finest moment in which a rate is exact; `None` if even milliseconds are too fine.
    #[must_use]
    pub fn rate(rate: Rate, version: i64) -> Option<Self> {
        [1, COARSEST_US].into_iter().find_map(|moment_us| Self::rate_in(rate, version, moment_us))
    }

    /// The terms of at most `limit` calls at once.
    #[must_use]
    pub const fn concurrent(limit: u64, version: i64) -> Self {
        Self { terms: Terms { kind: Kind::Concurrent { limit }, version }, moment_us: 1 }
    }

    /// The same rate in the smallest numbers: only the ratio of limit and window counts.
    fn rate_in(rate: Rate, version: i64, moment_us: u64) -> Option<Self> {
        let moments_in_s = 1_000_000u64.checked_div(moment_us)?;
        let Refill::Steady { window_s } = rate.refill() else { return None };
        let window = window_s.checked_mul(moments_in_s)?;
        let common = common_divisor(rate.limit(), window);
        let (limit, window) = (rate.limit().checked_div(common)?, window.checked_div(common)?);
        let leased = limit.checked_mul(MAX_LEASE.as_secs())?.checked_mul(moments_in_s)?;
        let whole = rate.burst().checked_mul(window)?;
        let terms = Terms { kind: Kind::Rate { limit, window, burst: rate.burst() }, version };
        (leased <= MOST_TICKS && whole <= MOST_TICKS).then_some(Self { terms, moment_us })
    }
}

/// Euclid's.
fn common_divisor(a: u64, b: u64) -> u64 {
    a.checked_rem(b).map_or(a, |rest| common_divisor(b, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_counted_in_the_finest_moment_that_is_exact() {
        let moment = |limit, window_s, burst| {
            ExactTerms::rate(Rate::new(limit, window_s, burst).unwrap(), 1).map(|exact| exact.moment_us)
        };
        assert_eq!(moment(100, 1, 200), Some(1));
        assert_eq!(moment(1_000_000, 86_400, 1_000_000), Some(1));
        assert_eq!(moment(999_983, 86_400, 1_000_000), Some(1_000));
        assert_eq!(moment(999_999_937, 86_400, 1_000_000_000), None);
    }
}
