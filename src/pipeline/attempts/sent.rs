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

/// Whether it says how long an answer takes there. An error says nothing of that: it is quick where the upstream does nothing for it,
/// and a request that gets one is anybody's to send.
pub(super) fn is_measure(sent: &Result<Answer, UpstreamError>) -> bool {
    match sent {
        Ok(answer) => !answer.status.is_client_error() && !answer.status.is_server_error(),
        Err(error) => error.is_timeout(),
    }
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

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::upstream::{AnswerBody, Reason};

    #[test]
    fn only_answers_and_silence_say_how_long_an_answer_takes() {
        let answered = |status: u16| {
            let (status, headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
            Ok(Answer { status, reason: Reason::default(), headers, body: AnswerBody::Whole(bytes::Bytes::new()) })
        };
        for (status, measures) in
            [(200, true), (204, true), (304, true), (400, false), (404, false), (429, false), (503, false)]
        {
            assert_eq!(is_measure(&answered(status)), measures, "{status}");
        }
        assert!(is_measure(&Err(UpstreamError::HeadTimeout)) && !is_measure(&Err(UpstreamError::Busy)));
    }
}
