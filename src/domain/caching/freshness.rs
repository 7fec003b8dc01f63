//! How long an answer is fresh, and how old it is (RFC 9111 §4.2).

use http::{HeaderMap, StatusCode};

use super::{
    directives::{Directives, Wishes},
    fields::{date_of, elements, joined},
};

/// When a call was sent and when its answer began, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub asked_ms: i64,
    pub answered_ms: i64,
}

/// How fresh an answer is at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Freshness {
    lifetime_ms: i64,
    initial_age_ms: i64,
    answered_ms: i64,
    /// For so long after that a stale answer may be served, while it is confirmed, and where its upstream fails (RFC 5861).
    while_revalidate_ms: i64,
    if_error_ms: i64,
    /// It is never served before it was confirmed.
    no_cache: bool,
    /// It is never served stale (RFC 9111 §4.2.4).
    must_revalidate: bool,
    /// `s-maxage` bars staleness as well, but not where the upstream has said otherwise.
    is_for_shared: bool,
}

/// The most seconds of an `Age`: as many as of a lifetime.
const MAX_AGE_S: i64 = 1 << 31;

impl Freshness {
    /// Of an answer of which its upstream does not say, `ttl_s` is the lifetime where its status allows that.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap, times: Times, ttl_s: u32) -> Self {
        let directives = Directives::of(headers);
        let Times { asked_ms, answered_ms } = times;
        let date_ms = date_of(headers, "date").map(|s| s.saturating_mul(1_000));
        let lifetime_ms = stated_ms(&directives, headers, date_ms.unwrap_or(answered_ms));
        let default_ms = if has_default_lifetime(status) { i64::from(ttl_s).saturating_mul(1_000) } else { 0 };
        let window = |name| directives.seconds(name).map_or(0, ms);
        Self {
            lifetime_ms: lifetime_ms.unwrap_or(default_ms),
            initial_age_ms: initial_age_ms(headers, times, date_ms),
            answered_ms: answered_ms.max(asked_ms),
            while_revalidate_ms: window("stale-while-revalidate"),
            if_error_ms: window("stale-if-error"),
            no_cache: directives.has("no-cache"),
            must_revalidate: directives.has("must-revalidate") || directives.has("proxy-revalidate"),
            is_for_shared: directives.has("s-maxage"),
        }
    }

    pub(super) fn age_ms(&self, now_ms: i64) -> i64 {
        self.initial_age_ms.saturating_add(now_ms.saturating_sub(self.answered_ms).max(0))
    }

    /// How much longer it is fresh; negative where it is stale.
    pub(super) fn ttl_ms(&self, now_ms: i64) -> i64 {
        self.lifetime_ms.saturating_sub(self.age_ms(now_ms))
    }

    /// Whether it may be served as it is to whoever wishes so.
    pub(super) fn satisfies(&self, wishes: &Wishes, now_ms: i64) -> bool {
        let (ttl_ms, age_ms) = (self.ttl_ms(now_ms), self.age_ms(now_ms));
        let young = wishes.max_age_s.is_none_or(|s| age_ms <= ms(s));
        let fresh_enough = wishes.min_fresh_s.is_none_or(|s| ttl_ms >= ms(s));
        let not_too_stale = ttl_ms > 0
            || wishes.max_stale_s.is_some_and(|s| self.may_be_stale(false) && ttl_ms.saturating_neg() <= ms(s));
        !self.no_cache && !wishes.no_cache && young && fresh_enough && not_too_stale
    }

    /// Whether it may be served although stale, while it is confirmed.
    pub(super) fn may_refresh_later(&self, wishes: &Wishes, now_ms: i64) -> bool {
        let asks_nothing = wishes.max_age_s.is_none() && wishes.min_fresh_s.is_none() && !wishes.no_cache;
        asks_nothing && self.may_be_stale(true) && self.is_stale_for_less(self.while_revalidate_ms, now_ms)
    }

    /// Whether it may be served although stale, because its upstream fails.
    pub(super) fn may_serve_on_error(&self, wishes: &Wishes, now_ms: i64) -> bool {
        let wished_ms = wishes.stale_if_error_s.map_or(0, ms);
        let by_upstream = self.may_be_stale(true) && self.is_stale_for_less(self.if_error_ms, now_ms);
        by_upstream || (self.may_be_stale(false) && self.is_stale_for_less(wished_ms, now_ms))
    }

    /// Until when it may be of use as it is.
    pub(super) fn useful_until_ms(&self) -> i64 {
        let window = self.while_revalidate_ms.max(self.if_error_ms);
        let fresh_ms = self.lifetime_ms.saturating_sub(self.initial_age_ms).max(0);
        self.answered_ms.saturating_add(fresh_ms).saturating_add(window)
    }

    pub(super) const fn has_use(&self) -> bool {
        let is_of_use_stale = self.while_revalidate_ms > 0 || self.if_error_ms > 0;
        !self.no_cache && (self.lifetime_ms > self.initial_age_ms || (is_of_use_stale && self.may_be_stale(true)))
    }

    /// `is_said`: whether the upstream itself allows it for a time.
    const fn may_be_stale(&self, is_said: bool) -> bool {
        !self.no_cache && !self.must_revalidate && (is_said || !self.is_for_shared)
    }

    fn is_stale_for_less(&self, window_ms: i64, now_ms: i64) -> bool {
        self.ttl_ms(now_ms) > -window_ms
    }
}

/// What the upstream says of the lifetime: for a shared cache, then for any, then as a date.
fn stated_ms(directives: &Directives, headers: &HeaderMap, date_ms: i64) -> Option<i64> {
    let seconds = directives.seconds("s-maxage").or_else(|| directives.seconds("max-age"));
    seconds.map(ms).or_else(|| {
        // One that cannot be read is in the past (RFC 9111 §5.3).
        headers.contains_key("expires").then(|| {
            let expires_ms = date_of(headers, "expires").map_or(0, |s| s.saturating_mul(1_000));
            expires_ms.saturating_sub(date_ms).max(0)
        })
    })
}

/// RFC 9111 §4.2.3. An upstream whose clock is behind has its answers grow stale early, never late.
fn initial_age_ms(headers: &HeaderMap, times: Times, date_ms: Option<i64>) -> i64 {
    let Times { asked_ms, answered_ms } = times;
    let stated = joined(headers, "age").unwrap_or_default();
    let stated_s = elements(&stated).first().and_then(|first| age_s(first)).unwrap_or(0);
    let delay_ms = answered_ms.saturating_sub(asked_ms).max(0);
    // A `Date` is cut to the second: less than one is no age.
    let apparent_ms = date_ms.map_or(0, |date| answered_ms.saturating_sub(date)).max(0) / 1_000 * 1_000;
    stated_s.saturating_mul(1_000).saturating_add(delay_ms).max(apparent_ms)
}

fn age_s(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(MAX_AGE_S).min(MAX_AGE_S))
}

/// Statuses that may be kept although nothing is said of their lifetime: of those in RFC 9110 §15.1 the ones that are no
/// error, so that a failure is never kept unasked.
const fn has_default_lifetime(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308)
}

fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    /// 1994-11-06 08:49:37, in milliseconds.
    const NOW_MS: i64 = 784_111_777_000;
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let mut headers = HeaderMap::new();
        lines.iter().map(line).for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    fn freshness(lines: &[(&'static str, &str)]) -> Freshness {
        let times = Times { asked_ms: NOW_MS, answered_ms: NOW_MS };
        Freshness::of(StatusCode::OK, &headers(lines), times, 7)
    }

    fn ttl_s(lines: &[(&'static str, &str)]) -> i64 {
        freshness(lines).ttl_ms(NOW_MS) / 1_000
    }

    #[test]
    fn the_lifetime_is_what_the_upstream_says_and_else_that_of_the_route() {
        let cc = "cache-control";
        for (lines, expected) in [
            (vec![], 7),
            (vec![(cc, "public")], 7),
            (vec![(cc, "max-age=100")], 100),
            (vec![(cc, "max-age=100, s-maxage=10")], 10),
            (vec![(cc, "s-maxage=100"), (cc, "max-age=10")], 100),
            (vec![(cc, "max-age=100"), ("expires", DATE)], 100),
            (vec![("expires", "Sun, 06 Nov 1994 08:50:37 GMT")], 60),
            (vec![("expires", "Sun, 06 Nov 1994 08:50:37 GMT"), ("date", "Sun, 06 Nov 1994 08:49:07 GMT")], 60),
            (vec![("expires", "Sun, 06 Nov 1994 08:50:37 GMT"), ("date", "Sun, 06 Nov 1994 08:50:07 GMT")], 30),
            (vec![("expires", DATE)], 0),
            (vec![("expires", "0")], 0),
            (vec![("expires", "Sun, 06 Nov 1994 08:50:37 GMT"), ("expires", "Sun, 06 Nov 1994 08:51:37 GMT")], 0),
            (vec![(cc, "max-age=100"), ("age", "30")], 70),
            (vec![(cc, "max-age=100"), ("age", "130")], -30),
            (vec![(cc, "max-age=100"), ("age", "30, 0")], 70),
            (vec![(cc, "max-age=100"), ("age", "0"), ("age", "30")], 100),
            (vec![(cc, "max-age=100"), ("age", "-1")], 100),
            (vec![(cc, "max-age=100"), ("age", "7200.0")], 100),
            (vec![(cc, "max-age=100"), ("date", "Sun, 06 Nov 1994 08:49:07 GMT")], 70),
            (vec![(cc, "max-age=100"), ("date", "Sun, 06 Nov 1994 08:59:37 GMT")], 100),
        ] {
            assert_eq!(ttl_s(&lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn no_number_in_an_answer_overflows() {
        for value in ["18446744073709551615", "99999999999999999999999999", "9223372036854775807"] {
            let kept = freshness(&[("age", value), ("cache-control", &format!("max-age={value}"))]);
            assert!(kept.ttl_ms(i64::MAX) <= 0);
            assert!(!kept.satisfies(&Wishes { max_stale_s: Some(0), ..Wishes::default() }, i64::MAX));
            assert!(kept.useful_until_ms() >= NOW_MS);
        }
    }

    #[test]
    fn an_error_of_which_nothing_is_said_has_no_lifetime() {
        let times = Times { asked_ms: NOW_MS, answered_ms: NOW_MS };
        for (status, expected) in [(200, 7), (203, 7), (301, 7), (302, 0), (404, 0), (410, 0), (500, 0), (501, 0)] {
            let status = StatusCode::from_u16(status).unwrap();
            let kept = Freshness::of(status, &HeaderMap::new(), times, 7);
            assert_eq!(kept.ttl_ms(NOW_MS) / 1_000, expected, "{status}");
        }
    }

    #[test]
    fn a_slow_answer_is_as_old_as_it_was_slow() {
        let times = Times { asked_ms: NOW_MS - 4_000, answered_ms: NOW_MS };
        let kept = Freshness::of(StatusCode::OK, &headers(&[("cache-control", "max-age=10")]), times, 0);
        assert_eq!(kept.ttl_ms(NOW_MS), 6_000);
    }

    #[test]
    fn staleness_is_served_only_as_far_as_it_is_allowed() {
        let later = NOW_MS + 12_000;
        for (directives, while_revalidating, on_error) in [
            ("max-age=10", false, false),
            ("max-age=10, stale-while-revalidate=5", true, false),
            ("max-age=10, stale-while-revalidate=1", false, false),
            ("max-age=10, stale-if-error=5", false, true),
            ("max-age=10, stale-while-revalidate=5, stale-if-error=5, must-revalidate", false, false),
            ("max-age=10, stale-while-revalidate=5, stale-if-error=5, proxy-revalidate", false, false),
            ("max-age=10, stale-while-revalidate=5, stale-if-error=5, no-cache", false, false),
            ("s-maxage=10, stale-while-revalidate=5", true, false),
        ] {
            let kept = freshness(&[("cache-control", directives)]);
            let wishes = Wishes::default();
            assert!(!kept.satisfies(&wishes, later), "{directives}");
            assert_eq!(kept.may_refresh_later(&wishes, later), while_revalidating, "{directives}");
            assert_eq!(kept.may_serve_on_error(&wishes, later), on_error, "{directives}");
        }
    }

    #[test]
    fn a_client_may_wish_for_fresher_or_staler_answers_than_the_upstream_says() {
        let wishes = |text: &str| Wishes::of(&headers(&[("cache-control", text)]));
        for (kept, wish, after_s, served) in [
            ("max-age=10", "", 9, true),
            ("max-age=10", "", 10, false),
            ("max-age=10", "no-cache", 1, false),
            ("max-age=10", "max-age=5", 5, true),
            ("max-age=10", "max-age=5", 6, false),
            ("max-age=10", "min-fresh=5", 5, true),
            ("max-age=10", "min-fresh=5", 6, false),
            ("max-age=10", "max-stale=5", 15, true),
            ("max-age=10", "max-stale=5", 16, false),
            ("max-age=10", "max-stale", 1_000, true),
            ("max-age=10, must-revalidate", "max-stale", 11, false),
            ("s-maxage=10", "max-stale", 11, false),
            ("no-cache, max-age=10", "", 0, false),
        ] {
            let kept_ = freshness(&[("cache-control", kept)]);
            assert_eq!(kept_.satisfies(&wishes(wish), NOW_MS + after_s * 1_000), served, "{kept} {wish} {after_s}");
        }
    }
}
