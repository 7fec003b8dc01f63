//! What came of an attempt, as the rules, the record and the client take it.

use crate::{
    domain::failover::Miss,
    upstream::{Answer, UpstreamError},
};

/// What the rules of failover know of it.
pub(super) fn miss_of(sent: &Result<Answer, UpstreamError>) -> Miss {
    match sent {
        Ok(answer) => Miss::Status(answer.status.as_u16()),
        Err(UpstreamError::Unforwardable(_) | UpstreamError::RequestBody(_) | UpstreamError::AnswerBody(_)) => {
            Miss::Final
        }
        Err(error) if error.reached_upstream() => Miss::Unanswered,
        Err(_) => Miss::Unsent,
    }
}

/// Whether a kept connection ended as the call went out on it.
pub(super) const fn is_stale(sent: &Result<Answer, UpstreamError>) -> bool {
    matches!(sent, Err(UpstreamError::Stale(_)))
}

/// The status, or the error, as it is put on record.
pub(super) fn ended(sent: &Result<Answer, UpstreamError>) -> Result<u16, &'static str> {
    sent.as_ref().map(|answer| answer.status.as_u16()).map_err(UpstreamError::code)
}

/// What the client gets if nothing follows: an answer rather than none, and the last.
pub(super) fn better(
    sent: Result<Answer, UpstreamError>,
    before: Option<Result<Answer, UpstreamError>>,
) -> Result<Answer, UpstreamError> {
    match (sent, before) {
        (Err(_), Some(Ok(answer))) => Ok(answer),
        (sent, _) => sent,
    }
}
