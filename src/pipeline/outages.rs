//! What the log says of an upstream that fails: its first failure, then their number once in ten seconds, and that it serves again.
//!
//! When that is told is known to the upstream's [`Condition`](crate::snapshot::condition::Condition). Each call by itself is in the
//! access log.

use std::{fmt::Display, sync::Arc};

use crate::{domain::ids::RequestId, upstream::Target};

/// The call that an upstream has failed.
pub(super) struct Subject {
    pub request: RequestId,
    pub route: Arc<str>,
}

impl Subject {
    /// An upstream has failed this call at this attempt, and by now so many.
    pub fn tell_failure(&self, target: &Target, attempt: u32, error: &dyn Display, failures: u64) {
        let Self { request, route } = self;
        let host = target.authority().map(tracing::field::display);
        tracing::warn!(
            upstream = %target.name, host, attempt, %route, %request, %error, failures,
            "an upstream fails: its failures are counted, and told once in ten seconds until it serves again"
        );
    }
}

/// An upstream has served a call again, after so many failures.
pub(super) fn tell_recovery(target: &Target, failures: u64) {
    let host = target.authority().map(tracing::field::display);
    tracing::info!(upstream = %target.name, host, failures, "an upstream serves again");
}
