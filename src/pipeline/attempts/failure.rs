//! How an upstream fails a call.

use std::fmt::{self, Display, Formatter};

use http::StatusCode;

use crate::upstream::UpstreamError;

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
