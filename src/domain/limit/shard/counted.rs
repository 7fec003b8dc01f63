//! How a policy is counted where keepers borrow: where, in which terms, in chunks of which size, and for how long.

use std::time::Duration;

use crate::domain::{
    lease::{ExactTerms, Kind, Terms, holder::Habits},
    limit::{Allowance, Home, Policy, rate::Refill},
};

/// The largest chunk is such a part of what there is at most, so that little waits elsewhere; where it may be lost for as
/// long as the window lasts, it is a smaller one.
const CHUNKS: u64 = 10;
const STORE_CHUNKS: u64 = 50;
const MAX_CHUNK: u64 = 1_000;

/// For how long units are held: rates that live in the store cost a transaction an ask.
const RATE_LEASE_US: u64 = 2_000_000;
const SLOT_LEASE_US: u64 = 2_000_000;
const STORE_LEASE_US: u64 = 5_000_000;
/// The longest lease in Redis: one that forgot grants nothing for so long.
pub const LONGEST_IN_REDIS: Duration = Duration::from_micros(SLOT_LEASE_US);

/// How long a call waits for units. Redis answers within a millisecond or is in trouble. The store commits in a few, but a
/// commit may wait for the disk, or for a connection just after the start; a call that is refused for it, or admitted from
/// a share, costs more than that wait.
const PATIENCE_NS: u64 = 50_000_000;
const STORE_PATIENCE_NS: u64 = 250_000_000;
/// The longest of them: a call is decided by then.
pub const LONGEST_PATIENCE_NS: u64 = STORE_PATIENCE_NS;

/// The terms of a policy, and the resolution in which they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub home: Home,
    pub terms: Terms,
    /// Microseconds in a moment.
    pub moment_us: u64,
}

impl Counted {
    /// A rate too fine for Redis to count exactly, which [`crate::domain::limit::Spec::check`] refuses to make, is counted
    /// in this process.
    pub(super) fn of(policy: &Policy, with_redis: bool) -> Self {
        let home = policy.home(with_redis);
        let rate = match policy.allowance {
            Allowance::Concurrent(limit) => {
                let terms = Terms { kind: Kind::Concurrent { limit }, version: policy.version };
                return Self { home, terms, moment_us: 1 };
            }
            Allowance::Rate(rate) => rate,
        };
        let in_redis = (home == Home::Redis).then(|| ExactTerms::rate(rate, policy.version)).flatten();
        if let Some(ExactTerms { terms, moment_us }) = in_redis {
            return Self { home, terms, moment_us };
        }
        let kind = match rate.refill() {
            Refill::Steady { window_s } => {
                Kind::Rate { limit: rate.limit(), window: window_s.saturating_mul(1_000_000), burst: rate.burst() }
            }
            Refill::Calendar(calendar) => Kind::Calendar { limit: rate.limit(), calendar },
        };
        let home = if home == Home::Redis { Home::Process } else { home };
        Self { home, terms: Terms { kind, version: policy.version }, moment_us: 1 }
    }

    /// A time of the monotonic clock in moments.
    pub(super) fn moment(&self, ns: u64) -> u64 {
        (ns / 1_000).checked_div(self.moment_us).unwrap_or(0)
    }

    /// How long a call waits for units.
    pub(super) const fn patience_ns(self) -> u64 {
        if let Home::Store = self.home { STORE_PATIENCE_NS } else { PATIENCE_NS }
    }

    /// For how long units are held.
    pub(super) const fn lease_us(self, policy: &Policy) -> u64 {
        match (policy.allowance, self.home) {
            (Allowance::Concurrent(_), _) => SLOT_LEASE_US,
            (Allowance::Rate(_), Home::Store) => STORE_LEASE_US,
            (Allowance::Rate(_), _) => RATE_LEASE_US,
        }
    }

    pub(super) fn habits(self, policy: &Policy) -> Habits {
        let lease_us = self.lease_us(policy);
        let lease = lease_us.checked_div(self.moment_us).unwrap_or(lease_us);
        let chunks = if self.home == Home::Store { STORE_CHUNKS } else { CHUNKS };
        let most = policy.most_at_once().checked_div(chunks).unwrap_or(1).clamp(1, MAX_CHUNK);
        Habits { lease, margin: lease / 5, most }
    }
}
