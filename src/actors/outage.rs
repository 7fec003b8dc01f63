//! An outage of something that an actor depends on, in the log: one line when it begins and one when it is over, with the
//! number of failures between them.
//!
//! Owned by the actor that fails. Never asked whether to try again: that is the actor's own rule.

use std::fmt::Display;

/// Whether there is an outage, and how often something failed in it.
pub(super) struct Outage {
    /// The work that fails, as the log names it: "orders of the ledger".
    work: &'static str,
    failures: u64,
}

impl Outage {
    pub(super) const fn none(work: &'static str) -> Self {
        Self { work, failures: 0 }
    }

    /// Counts a failure; the first is logged.
    pub(super) fn failed(&mut self, error: &dyn Display) {
        if self.failures == 0 {
            tracing::error!(%error, work = self.work, "an outage begins: this failed, and is tried again");
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// Something succeeded; the end of an outage is logged.
    pub(super) fn over(&mut self) {
        if self.is_on() {
            tracing::info!(work = self.work, failures = self.failures, "an outage is over: this succeeds again");
        }
        self.failures = 0;
    }

    pub(super) const fn is_on(&self) -> bool {
        self.failures > 0
    }
}
