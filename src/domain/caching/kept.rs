//! An answer that is kept.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{
    directives::Wishes,
    fields::date_at,
    freshness::{Freshness, Times},
    status::Why,
};

/// An answer as its upstream gave it, and how fresh it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub status: StatusCode,
    /// Fit for a client: nothing of them is about a connection.
    pub headers: HeaderMap,
    pub body: Bytes,
    pub times: Times,
    freshness: Freshness,
}

/// How a kept answer serves a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Now,
    /// Now, and its upstream is asked meanwhile whether it has changed.
    NowAndRefresh,
    /// Not before its upstream has confirmed it.
    Confirmed(Why),
}

/// What an entry takes of memory besides its text, about.
const OVERHEAD_BYTES: usize = 512;
const OVERHEAD_OF_A_LINE: usize = 64;

impl Kept {
    /// `ttl_s` is for how long it is fresh where its upstream does not say.
    #[must_use]
    pub fn new(status: StatusCode, headers: HeaderMap, body: Bytes, times: Times, ttl_s: u32) -> Self {
        let freshness = Freshness::of(status, &headers, times, ttl_s);
        Self { status, headers, body, times, freshness }
    }

    /// The same with its body, which came later.
    #[must_use]
    pub fn with_body(self, body: Bytes) -> Self {
        Self { body, ..self }
    }

    /// How it may serve a request with these wishes.
    #[must_use]
    pub fn use_for(&self, wishes: &Wishes, now_ms: i64) -> Use {
        if self.freshness.satisfies(wishes, now_ms) {
            Use::Now
        } else if self.freshness.may_refresh_later(wishes, now_ms) {
            Use::NowAndRefresh
        } else if self.freshness.satisfies(&Wishes::default(), now_ms) {
            Use::Confirmed(Why::Request)
        } else {
            Use::Confirmed(Why::Stale)
        }
    }

    /// Whether it may be served although stale, where its upstream fails.
    #[must_use]
    pub fn may_serve_on_error(&self, wishes: &Wishes, now_ms: i64) -> bool {
        self.freshness.may_serve_on_error(wishes, now_ms)
    }

    /// How many seconds longer it is fresh; negative where it is stale.
    #[must_use]
    pub fn ttl_s(&self, now_ms: i64) -> i64 {
        self.freshness.ttl_ms(now_ms).div_euclid(1_000)
    }

    /// Whether others who ask at the same time may be given it.
    #[must_use]
    pub fn is_fresh(&self, now_ms: i64) -> bool {
        self.freshness.satisfies(&Wishes::default(), now_ms)
    }

    /// For how many milliseconds others who ask may be given it; 0 where it is not fresh.
    #[must_use]
    pub fn fresh_for_ms(&self, now_ms: i64) -> i64 {
        if self.is_fresh(now_ms) { self.freshness.ttl_ms(now_ms).max(0) } else { 0 }
    }

    /// For how many milliseconds it may still be of use without being asked for; what can be confirmed is worth keeping
    /// longer.
    #[must_use]
    pub fn useful_for_ms(&self, now_ms: i64) -> i64 {
        self.freshness.useful_until_ms().saturating_sub(now_ms).max(0)
    }

    /// The headers as they are sent now: with the answer's age (RFC 9111 §5.1), and where its upstream has no clock, with the date at
    /// which it came (RFC 9110 §6.6.1).
    #[must_use]
    pub fn headers_at(&self, now_ms: i64) -> HeaderMap {
        let mut headers = self.headers.clone();
        let age_s = self.freshness.age_ms(now_ms).max(0) / 1_000;
        headers.insert(http::header::AGE, HeaderValue::from(age_s));
        if !headers.contains_key(http::header::DATE)
            && let Some(date) = date_at(self.times.answered_ms)
        {
            headers.insert(http::header::DATE, date);
        }
        headers
    }

    /// What it takes of memory, about.
    pub fn bytes(&self) -> usize {
        let lines = self
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len().saturating_add(value.len()).saturating_add(OVERHEAD_OF_A_LINE));
        lines.fold(self.body.len().saturating_add(OVERHEAD_BYTES), usize::saturating_add)
    }

    pub(super) const fn has_use(&self) -> bool {
        self.freshness.has_use()
    }

    /// Whether its upstream can be asked if it has changed.
    pub(super) fn has_validator(&self) -> bool {
        self.headers.contains_key(http::header::ETAG) || self.headers.contains_key(http::header::LAST_MODIFIED)
    }
}
