//! The terms of an account: how much there is, and how it refills.

use crate::domain::calendar::Calendar;

/// What is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `limit` units every `window` moments, at most `burst` at once. None is zero.
    Rate { limit: u64, window: u64, burst: u64 },
    /// `limit` units in each window of a calendar. Its moments are microseconds of Unix time.
    Calendar { limit: u64, calendar: Calendar },
    /// `limit` calls at a time.
    Concurrent { limit: u64 },
}

/// The terms of one version of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub kind: Kind,
    /// The account goes by the newest version that it has seen.
    pub version: i64,
}

impl Terms {
    /// Whether units are used up. Slots are not: they are free again when a call ends.
    pub(super) const fn is_rate(self) -> bool {
        matches!(self.kind, Kind::Rate { .. } | Kind::Calendar { .. })
    }

    /// The calendar whose windows are counted.
    pub(super) const fn calendar(self) -> Option<Calendar> {
        if let Kind::Calendar { calendar, .. } = self.kind { Some(calendar) } else { None }
    }

    /// Ticks that refill in a moment. Slots do not refill, and a calendar's units all come back at once.
    pub(super) fn refill(self) -> i128 {
        match self.kind {
            Kind::Rate { limit, .. } => i128::from(limit),
            Kind::Calendar { .. } | Kind::Concurrent { .. } => 0,
        }
    }

    /// Ticks that a unit costs.
    pub(super) fn unit(self) -> i128 {
        match self.kind {
            Kind::Rate { window, .. } => i128::from(window.max(1)),
            Kind::Calendar { .. } | Kind::Concurrent { .. } => 1,
        }
    }

    /// The most units at once.
    pub(super) const fn burst(self) -> u64 {
        match self.kind {
            Kind::Rate { burst, .. } => burst,
            Kind::Calendar { limit, .. } | Kind::Concurrent { limit } => limit,
        }
    }

    /// Units in ticks.
    pub(super) fn ticks(self, units: u64) -> i128 {
        self.unit().saturating_mul(i128::from(units))
    }

    /// What refills in this many moments, in ticks.
    pub(super) fn refilled(self, moments: u64) -> i128 {
        self.refill().saturating_mul(i128::from(moments))
    }

    /// Ticks as moments, rounded up: a promise of "then" must not be early.
    pub(super) fn moments(self, ticks: i128) -> u64 {
        let rate = self.refill().max(1);
        let up = ticks.max(0).saturating_add(rate.saturating_sub(1)).checked_div(rate);
        up.and_then(|moments| u64::try_from(moments).ok()).unwrap_or(u64::MAX)
    }

    /// Whole units in this many ticks; zero if the ticks are negative.
    pub(super) fn units(self, ticks: i128) -> u64 {
        ticks.max(0).checked_div(self.unit()).and_then(|units| u64::try_from(units).ok()).unwrap_or(u64::MAX)
    }
}
