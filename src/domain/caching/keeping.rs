//! Which answers may be kept (RFC 9111 §3), and more strictly: none that is for one client alone, or a failure.

use http::{HeaderMap, StatusCode};

use super::{Caching, directives::Directives, fields::lower_elements, kept::Kept, variant::Vary};

/// What of a request decides whether its answer may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking {
    /// To a model, on a route that keeps such answers.
    pub is_post: bool,
    /// The client wants nothing of it to be kept.
    pub no_store: bool,
}

/// Whether this answer may be kept. A body that is cut or too large never is, whatever its head says.
#[must_use]
pub fn may_keep(asking: Asking, caching: Caching, kept: &Kept) -> bool {
    let directives = Directives::of(&kept.headers);
    let is_for_all = !directives.has("no-store")
        && !directives.has("private")
        // A session of one client; a shared answer would hand it on.
        && !kept.headers.contains_key("set-cookie")
        && !kept.headers.contains_key("set-cookie2")
        && Vary::of(&kept.headers).is_some();
    let is_explicit =
        ["s-maxage", "max-age"].iter().any(|name| directives.has(name)) || kept.headers.contains_key("expires");
    // What it takes to be kept is said where the status is (RFC 9111 §5.2.2.3).
    let is_understood = !directives.has("must-understand") || has_known_meaning(kept.status);
    !asking.no_store
        && is_for_all
        && is_understood
        && !is_stream(&kept.headers)
        && may_status(kept.status, is_explicit, asking.is_post, caching)
        && (kept.has_use() || (!asking.is_post && kept.has_validator()))
}

/// Statuses that say something of this request's own fields, its form, its ranges or its caller, which are no part of a key: kept,
/// they would be told to everybody who asks as one should.
const OF_ONE_REQUEST: [u16; 19] =
    [400, 401, 402, 403, 406, 407, 408, 411, 412, 413, 415, 416, 417, 421, 425, 426, 428, 429, 431];

/// Parts (206) are not put together, and a 304 is no answer by itself. What is refused to one request, or failed (5xx), is never
/// kept; any other final status where the upstream says for how long, and those that are no error
/// by the route's time. Of an answer to POST only a success is kept.
fn may_status(status: StatusCode, is_explicit: bool, is_post: bool, caching: Caching) -> bool {
    match status.as_u16() {
        200 | 203 | 204 | 300 | 301 | 308 if !is_post => true,
        206 | 304 => false,
        of_one if OF_ONE_REQUEST.contains(&of_one) => false,
        200..300 if is_post => is_explicit || caching.ttl_s > 0,
        200..500 => is_explicit && !is_post,
        _ => false,
    }
}

/// Statuses of RFC 9110 §15 of which more than one request may be told.
const fn has_known_meaning(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=205 | 300..=305 | 307 | 308 | 404 | 405 | 409 | 410 | 414 | 422)
}

/// A stream is for whoever reads it as it comes.
fn is_stream(headers: &HeaderMap) -> bool {
    let kind = lower_elements(headers, "content-type").into_iter().next().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    matches!(kind, "text/event-stream" | "application/vnd.amazon.eventstream" | "multipart/x-mixed-replace")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderName, HeaderValue};

    use super::{super::Sharing, *};
    use crate::domain::caching::Times;

    fn keeps(asking: Asking, status: u16, lines: &[(&'static str, &'static str)]) -> bool {
        let caching = Caching { ttl_s: 60, per: Sharing::Global, posts: true };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let times = Times { asked_ms: 0, answered_ms: 0 };
        let status = StatusCode::from_u16(status).unwrap();
        may_keep(asking, caching, &Kept::new(status, headers, Bytes::new(), times, caching.ttl_s))
    }

    #[test]
    fn an_answer_is_kept_only_where_it_is_for_others_too() {
        let asking = Asking { is_post: false, no_store: false };
        let cc = "cache-control";
        for (status, lines, expected) in [
            (200, vec![], true),
            (200, vec![(cc, "max-age=60")], true),
            (200, vec![(cc, "max-age=0")], false),
            (200, vec![(cc, "max-age=0"), ("etag", "\"a\"")], true),
            (200, vec![(cc, "no-cache"), ("etag", "\"a\"")], true),
            (200, vec![(cc, "no-cache")], false),
            (200, vec![(cc, "No-Store, max-age=60")], false),
            (200, vec![(cc, "max-age=60"), (cc, "PRIVATE")], false),
            (200, vec![(cc, "max-age=60, private=\"x-foo\"")], false),
            (200, vec![(cc, "private; max-age=60")], false),
            (200, vec![(cc, "no-cache; no-store")], false),
            (200, vec![(cc, "public max-age=60")], true),
            (200, vec![(cc, "\"max-age=60\"")], false),
            (200, vec![("vary", "accept; cookie")], false),
            (200, vec![(cc, "public, max-age=60"), ("set-cookie", "a=1")], false),
            (200, vec![(cc, "max-age=60"), ("vary", "accept, *")], false),
            (200, vec![(cc, "max-age=60"), ("vary", "X-Forwarded-Host")], false),
            (200, vec![(cc, "max-age=60"), ("vary", "accept")], true),
            (200, vec![("content-type", "text/event-stream; charset=utf-8")], false),
            (200, vec![("content-type", "multipart/x-mixed-replace;boundary=a")], false),
            (201, vec![], false),
            (201, vec![(cc, "max-age=60")], true),
            (206, vec![(cc, "max-age=60")], false),
            (299, vec![(cc, "max-age=60")], true),
            (299, vec![(cc, "max-age=60, must-understand")], false),
            (200, vec![(cc, "max-age=60, must-understand")], true),
            (301, vec![], true),
            (302, vec![], false),
            (302, vec![(cc, "max-age=60")], true),
            (304, vec![(cc, "max-age=60")], false),
            (400, vec![(cc, "max-age=60")], false),
            (403, vec![(cc, "max-age=60")], false),
            (406, vec![(cc, "max-age=60")], false),
            (412, vec![(cc, "max-age=60")], false),
            (416, vec![(cc, "max-age=60")], false),
            (421, vec![(cc, "max-age=60")], false),
            (404, vec![], false),
            (404, vec![(cc, "max-age=60")], true),
            (429, vec![(cc, "max-age=60")], false),
            (500, vec![(cc, "max-age=60")], false),
            (503, vec![(cc, "max-age=60")], false),
            (504, vec![(cc, "max-age=60")], false),
        ] {
            assert_eq!(keeps(asking, status, &lines), expected, "{status} {lines:?}");
            assert!(!keeps(Asking { no_store: true, ..asking }, status, &lines), "{status} {lines:?}");
        }
    }

    #[test]
    fn of_answers_to_post_only_a_whole_success_is_kept() {
        let asking = Asking { is_post: true, no_store: false };
        for (status, lines, expected) in [
            (200, vec![("content-type", "application/json")], true),
            (200, vec![("content-type", "Text/Event-Stream")], false),
            (200, vec![("cache-control", "no-store")], false),
            (206, vec![], false),
            (301, vec![], false),
            (400, vec![("cache-control", "max-age=60")], false),
            (429, vec![], false),
            (500, vec![], false),
        ] {
            assert_eq!(keeps(asking, status, &lines), expected, "{status} {lines:?}");
        }
    }
}
