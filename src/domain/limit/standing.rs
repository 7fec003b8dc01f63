//! How a policy stood when a call was decided.

use std::sync::Arc;

use jiff::Timestamp;

use super::policy::{Allowance, Policy};
use crate::domain::calendar::Window;

/// How one policy stood when a call was decided; the numbers of `RateLimit` and of a 429.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub policy: Arc<Policy>,
    /// Whole units that are left now.
    pub remaining: u64,
    /// Nanoseconds until the bucket is full again, or the next window of its calendar begins; `None` for calls under way.
    pub full_in_ns: Option<u64>,
    /// The window of the calendar that the call is counted in, where the policy has a calendar.
    pub window: Option<Window>,
    /// Nanoseconds until this call would be admitted; `None` if this policy has room for it now.
    pub retry_after_ns: Option<u64>,
    /// Units that the call has taken; none if it was refused.
    pub taken: u64,
}

const NS_PER_S: u64 = 1_000_000_000;

impl Standing {
    /// Whole seconds, rounded up, until the bucket is full again; `None` for calls under way.
    pub fn reset_s(&self) -> Option<u64> {
        self.full_in_ns.map(|ns| ns.div_ceil(NS_PER_S))
    }

    /// Whole seconds of the policy's window: of a calendar's, as many as this one has, which need not be 86,400 a day.
    pub fn window_s(&self) -> Option<u64> {
        self.window.map_or_else(|| self.policy.window_s(), |window| window.seconds())
    }

    /// When the next window of the calendar begins.
    pub fn resets_at(&self) -> Option<Timestamp> {
        self.window?.until
    }

    /// The same where the call was given back what it had taken.
    #[must_use]
    pub fn given_back(&self) -> Self {
        let back_ns = if let Allowance::Rate(rate) = self.policy.allowance { rate.refill_ns(self.taken) } else { 0 };
        Self {
            remaining: self.remaining.saturating_add(self.taken).min(self.policy.most_at_once()),
            full_in_ns: self.full_in_ns.map(|ns| ns.saturating_sub(back_ns)),
            taken: 0,
            ..self.clone()
        }
    }

    /// Whole seconds, rounded up, until this call would be admitted.
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_ns.map(|ns| ns.div_ceil(NS_PER_S))
    }
}
