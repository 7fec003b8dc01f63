//! Several upstreams behind one route: which of them gets a call, and whether it is tried again on another.
//!
//! Pure rules: who is fit is kept by `snapshot::condition`, and the attempts are made by the pipeline.

pub mod allowance;
pub mod breaker;
mod choice;

use std::{sync::Arc, time::UNIX_EPOCH};

pub use choice::{choose, spread};

/// A place where a call may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aim {
    pub upstream: Arc<str>,
    /// What the model is called there, where that is another name than the one that is asked for.
    pub model: Option<Arc<str>>,
    /// Its part of the calls among those of one priority.
    pub weight: u32,
    /// The lowest number is asked first.
    pub priority: u32,
}

impl Aim {
    /// The only place of a route.
    #[must_use]
    pub const fn only(upstream: Arc<str>) -> Self {
        Self { upstream, model: None, weight: 1, priority: 0 }
    }
}

/// When a call is tried again on another target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Further ones after the first, over all targets.
    pub attempts: u32,
    /// After this time from the start of the first, none is begun.
    pub within_ms: u64,
    /// The statuses of answers that are not taken.
    pub statuses: Vec<u16>,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, within_ms: 30_000, statuses: vec![429, 500, 502, 503, 504] }
    }
}

/// How an attempt ended that has no answer which the client should get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// No byte of the request was written.
    Unsent,
    /// It was sent, and no head of an answer came.
    Unanswered,
    /// It was answered with this status.
    Status(u16),
    /// The request itself cannot be sent, or its answer has begun.
    Final,
}

/// What has been done for a call by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Attempts after the first.
    pub retries: u32,
    pub elapsed_ms: u64,
}

impl Retry {
    /// Whether the call may be tried again after this miss. What `may_repeat` has no effect when it is done twice, or is a
    /// call to a model; of anything else nothing may have been sent.
    #[must_use]
    pub fn allows(&self, miss: Miss, may_repeat: bool, done: Done) -> bool {
        let is_in_bounds = done.retries < self.attempts && done.elapsed_ms < self.within_ms;
        is_in_bounds
            && match miss {
                Miss::Unsent => true,
                Miss::Unanswered => may_repeat,
                Miss::Status(status) => may_repeat && self.statuses.contains(&status),
                Miss::Final => false,
            }
    }
}

/// The longest time that an upstream's `Retry-After` is heeded for.
const MAX_REST_S: u64 = 3_600;

/// For how long an upstream that answered with this asks not to be called, in seconds: a number, or a date (RFC 9110 §10.2.3).
#[must_use]
pub fn rest_s(status: u16, retry_after: Option<&str>, now_unix_s: i64) -> Option<u64> {
    let text = retry_after.filter(|_| matches!(status, 429 | 503))?.trim();
    let seconds = text.parse().ok().or_else(|| {
        let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
        date.checked_sub(u64::try_from(now_unix_s).ok()?)
    });
    seconds.map(|seconds| seconds.min(MAX_REST_S)).filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_call_is_repeated_only_where_that_does_no_harm() {
        let retry = Retry::default();
        let first = Done { retries: 0, elapsed_ms: 0 };
        for (miss, may_repeat, allowed) in [
            (Miss::Unsent, false, true),
            (Miss::Unsent, true, true),
            (Miss::Unanswered, false, false),
            (Miss::Unanswered, true, true),
            (Miss::Status(503), true, true),
            (Miss::Status(503), false, false),
            (Miss::Status(404), true, false),
            (Miss::Final, true, false),
        ] {
            assert_eq!(retry.allows(miss, may_repeat, first), allowed, "{miss:?} {may_repeat}");
        }
    }

    #[test]
    fn an_upstream_that_says_when_to_come_back_is_left_alone_until_then() {
        let now = 1_700_000_000;
        for (status, text, expected) in [
            (429, Some("7"), Some(7)),
            (503, Some(" 7 "), Some(7)),
            (503, Some("Tue, 14 Nov 2023 22:13:30 GMT"), Some(10)),
            (503, Some("Tue, 14 Nov 2023 22:13:10 GMT"), None),
            (429, Some("99999999"), Some(MAX_REST_S)),
            (429, Some("soon"), None),
            (429, Some("-1"), None),
            (429, Some("0"), None),
            (429, None, None),
            (500, Some("7"), None),
            (200, Some("7"), None),
        ] {
            assert_eq!(rest_s(status, text, now), expected, "{status} {text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_more_is_tried_than_attempts_and_time_allow(attempts in 0..9_u32, within_ms in 0..99_u64, takes_ms in 1..50_u64) {
            let retry = Retry { attempts, within_ms, statuses: vec![] };
            let (mut done, mut last_begun) = (Done { retries: 0, elapsed_ms: takes_ms }, 0);
            while retry.allows(Miss::Unsent, false, done) {
                last_begun = done.elapsed_ms;
                done = Done { retries: done.retries + 1, elapsed_ms: done.elapsed_ms + takes_ms };
            }
            prop_assert!(done.retries <= attempts);
            prop_assert!(last_begun == 0 || last_begun < within_ms);
        }
    }
}
