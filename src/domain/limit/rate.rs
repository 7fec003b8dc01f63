//! The rate of a limit: how many units in which window, how many of them at once, and the ticks in which its
//! [`Bucket`](super::bucket::Bucket) counts.
//!
//! A rate of `limit` per window refills one unit every `window / limit`, which is rarely a whole number of nanoseconds.
//! So time is scaled: one tick is `1 / limit` nanoseconds, a unit costs `window` ticks, and no division rounds.

use crate::domain::calendar::Calendar;

/// Nanoseconds in a second.
pub(super) const NS_PER_S: u64 = 1_000_000_000;

/// The most units that a rate may allow in its window. With this bound and the next no product below leaves 128 bits.
pub const MAX_LIMIT: u64 = 1_000_000_000_000;
/// The longest window, in seconds: ten years.
pub const MAX_WINDOW_S: u64 = 315_360_000;

/// `limit` units every so often, at most `burst` of them at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    limit: u64,
    refill: Refill,
    burst: u64,
}

/// How what was used of a rate comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refill {
    /// Little by little: all of `limit` within `window_s` seconds.
    Steady { window_s: u64 },
    /// All at once, when the next day, week or month begins.
    Calendar(Calendar),
}

/// Why a rate makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRate {
    #[error("limit must be from 1 to {MAX_LIMIT}")]
    Limit,
    #[error("window_s must be from 1 to {MAX_WINDOW_S}")]
    Window,
    #[error("burst must be from 1 to {MAX_LIMIT}")]
    Burst,
}

impl Rate {
    /// A rate within the bounds of [`MAX_LIMIT`] and [`MAX_WINDOW_S`].
    pub fn new(limit: u64, window_s: u64, burst: u64) -> Result<Self, InvalidRate> {
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(InvalidRate::Limit);
        }
        if !(1..=MAX_WINDOW_S).contains(&window_s) {
            return Err(InvalidRate::Window);
        }
        if !(1..=MAX_LIMIT).contains(&burst) {
            return Err(InvalidRate::Burst);
        }
        Ok(Self { limit, refill: Refill::Steady { window_s }, burst })
    }

    /// `limit` units in each window of a calendar, within the bound of [`MAX_LIMIT`].
    pub fn calendar(limit: u64, calendar: Calendar) -> Result<Self, InvalidRate> {
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(InvalidRate::Limit);
        }
        Ok(Self { limit, refill: Refill::Calendar(calendar), burst: limit })
    }

    /// The same with another limit; the burst follows it where it is as large as the limit by its nature.
    pub fn with_limit(self, limit: u64, burst: u64) -> Result<Self, InvalidRate> {
        match self.refill {
            Refill::Steady { window_s } => Self::new(limit, window_s, burst),
            Refill::Calendar(calendar) => Self::calendar(limit, calendar),
        }
    }

    /// The same rate with a burst of at least `burst` units.
    pub(super) fn roomy(self, burst: u64) -> Self {
        Self { burst: self.burst.max(burst), ..self }
    }

    /// Units a window.
    #[must_use]
    pub const fn limit(self) -> u64 {
        self.limit
    }

    /// How what was used comes back.
    #[must_use]
    pub const fn refill(self) -> Refill {
        self.refill
    }

    /// Units that may be taken at once.
    #[must_use]
    pub const fn burst(self) -> u64 {
        self.burst
    }

    /// Nanoseconds in which `units` refill, where they come back little by little.
    #[must_use]
    pub fn refill_ns(self, units: u64) -> u64 {
        self.ns_of(self.ticks_of(units))
    }

    /// A time as ticks.
    pub(super) fn ticks_at(self, now_ns: u64) -> u128 {
        u128::from(now_ns).saturating_mul(u128::from(self.limit))
    }

    /// The ticks that `units` cost; none where they do not come back little by little.
    pub(super) fn ticks_of(self, units: u64) -> u128 {
        let Refill::Steady { window_s } = self.refill else { return 0 };
        u128::from(window_s).saturating_mul(u128::from(NS_PER_S)).saturating_mul(u128::from(units))
    }

    /// Scaled ticks as nanoseconds, rounded up: a promise of "then" must not be early.
    pub(super) fn ns_of(self, ticks: u128) -> u64 {
        u64::try_from(ticks.div_ceil(u128::from(self.limit))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::Every;

    #[test]
    fn senseless_rates_are_refused() {
        assert_eq!(Rate::new(0, 1, 1), Err(InvalidRate::Limit));
        assert_eq!(Rate::new(1, 0, 1), Err(InvalidRate::Window));
        assert_eq!(Rate::new(1, 1, 0), Err(InvalidRate::Burst));
        assert_eq!(Rate::new(u64::MAX, 1, 1), Err(InvalidRate::Limit));
        assert_eq!(Rate::calendar(0, Calendar::utc(Every::Day)), Err(InvalidRate::Limit));
    }
}
