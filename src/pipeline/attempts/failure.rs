//! How an upstream fails a call, and what the log says of it.
//!
//! An outage is told at its first failure, then with their number once in ten seconds, and when it is over; each call by itself
//! is in the access log.

use std::{
    fmt::{self, Display, Formatter},
    sync::Arc,
};

use http::StatusCode;

use crate::{
    domain::ids::RequestId,
    upstream::{Target, UpstreamError},
};

/// How an upstream has failed a call.
#[derive(Debug, Clone, Copy)]
pub enum Failure<'f> {
    /// With a status of 5xx.
    Answered(u16),
    Error(&'f UpstreamError),
}

impl<'f> Failure<'f> {
    /// Nothing where the upstream has served the call.
    pub fn of_status(status: StatusCode) -> Option<Self> {
        status.is_server_error().then_some(Self::Answered(status.as_u16()))
    }

    /// Nothing where it was not the upstream that failed.
    pub fn of_error(error: &'f UpstreamError) -> Option<Self> {
        error.is_upstreams().then_some(Self::Error(error))
    }
}

impl Display for Failure<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(status) => write!(f, "the upstream answered {status}"),
            Self::Error(error) => f.write_str(&error.with_causes()),
        }
    }
}

/// The call that is attempted, as the log names it.
pub(super) struct Subject {
    pub request: RequestId,
    pub route: Arc<str>,
}

impl Subject {
    /// An upstream has failed this call at this attempt, and by now so many.
    pub fn tell_failure(&self, target: &Target, attempt: u32, failure: Failure<'_>, failures: u64) {
        let Self { request, route } = self;
        let host = target.authority().map(tracing::field::display);
        tracing::warn!(
            upstream = %target.name, host, attempt, %route, %request, error = %failure, failures,
            "an upstream fails: its failures are counted, and told once in ten seconds until it serves again"
        );
    }
}

/// An upstream has served a call again, after so many failures.
pub(super) fn tell_recovery(target: &Target, failures: u64) {
    let host = target.authority().map(tracing::field::display);
    tracing::info!(upstream = %target.name, host, failures, "an upstream serves again");
}
