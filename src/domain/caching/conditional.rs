//! Conditional requests, both ways (RFC 9110 §13, RFC 9111 §4.3): what a client has already, and what the cache has.

use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, IF_MODIFIED_SINCE,
        IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, SET_COOKIE,
    },
};

use super::{
    fields::{date_of, date_s, elements, joined},
    freshness::Times,
    kept::Kept,
};

/// Conditions that only the upstream judges (RFC 9111 §4.3.2).
const FOR_THE_UPSTREAM: [HeaderName; 2] = [IF_MATCH, IF_UNMODIFIED_SINCE];

/// Fields by which a client asks for less than the whole.
const FOR_LESS: [HeaderName; 4] = [IF_NONE_MATCH, IF_MODIFIED_SINCE, RANGE, IF_RANGE];

/// Digests of the content of a message, which another part, or none, of a body does not have (RFC 9530 §2). `Repr-Digest` is of the
/// whole in any case.
pub const OF_CONTENT: [HeaderName; 2] =
    [HeaderName::from_static("content-digest"), HeaderName::from_static("content-md5")];

/// Of a 304 these do not go into the answer that is kept: they describe a body that did not come (RFC 9111 §3.2), or to one
/// client.
const NOT_UPDATED: [HeaderName; 5] = [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, SET_COOKIE];

/// Whether a request has conditions that are not for a cache.
#[must_use]
pub fn is_for_upstream(request: &HeaderMap) -> bool {
    FOR_THE_UPSTREAM.iter().any(|name| request.contains_key(name))
}

/// Whether the answer to a request may be less than the whole, and of no use to others.
#[must_use]
pub fn asks_for_less(request: &HeaderMap) -> bool {
    FOR_LESS.iter().any(|name| request.contains_key(name))
}

/// Whether the client has this answer already (RFC 9110 §13.2.2).
#[must_use]
pub fn is_not_modified(request: &HeaderMap, kept: &Kept) -> bool {
    if kept.status != StatusCode::OK {
        return false;
    }
    if let Some(list) = joined(request, IF_NONE_MATCH.as_str()) {
        let tag = joined(&kept.headers, ETAG.as_str());
        return elements(&list)
            .iter()
            .any(|known| *known == "*" || tag.as_deref().is_some_and(|tag| is_same_weakly(known, tag)));
    }
    let Some(since) = date_of(request, IF_MODIFIED_SINCE.as_str()) else { return false };
    // Without a date of its own it was last modified when it was made.
    let modified = date_of(&kept.headers, LAST_MODIFIED.as_str()).or_else(|| date_of(&kept.headers, "date"));
    modified.is_some_and(|modified| modified <= since)
}

/// The headers of the 304 that tells a client so: without those of a body (RFC 9110 §15.4.5).
#[must_use]
pub fn not_modified_headers(mut headers: HeaderMap) -> HeaderMap {
    for name in [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE].into_iter().chain(OF_CONTENT) {
        headers.remove(name);
    }
    headers
}

/// Asks the upstream whether the kept answer has changed, in place of what the client asks. `false` where it has nothing
/// to be asked by.
pub fn add_validators(request: &mut HeaderMap, kept: &Kept) -> bool {
    for name in FOR_LESS {
        request.remove(name);
    }
    let mut has_any = false;
    for (of_answer, of_request) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
        if let Some(value) = kept.headers.get(of_answer) {
            request.insert(of_request, value.clone());
            has_any = true;
        }
    }
    has_any
}

/// The kept answer as a 304 updates it (RFC 9111 §4.3.4); `None` where the 304 is of another one.
#[must_use]
pub fn updated(kept: &Kept, not_modified: &HeaderMap, times: Times, ttl_s: u32) -> Option<Kept> {
    let [before, now] = [&kept.headers, not_modified].map(|headers| joined(headers, ETAG.as_str()));
    if let (Some(before), Some(now)) = (&before, &now)
        && !is_same_weakly(before, now)
    {
        return None;
    }
    let mut headers = kept.headers.clone();
    // How old the confirmed answer is, the 304 says: it comes from where it was made, or with an age of its own.
    headers.remove(http::header::AGE);
    // A strong tag says that the bytes are the same, which a weak one of the kept answer does not: that one stays (RFC 9110 §8.8.1).
    // Upstreams that make tags weak where they compress do not do so in a 304.
    let is_stronger = |name: &HeaderName| *name == ETAG && is_weak(before.as_deref()) && !is_weak(now.as_deref());
    let is_of_body = |name: &HeaderName| NOT_UPDATED.contains(name) || OF_CONTENT.contains(name);
    let is_taken = |name: &&HeaderName| !is_of_body(name) && !is_stronger(name);
    let names: Vec<&HeaderName> = not_modified.keys().filter(is_taken).collect();
    for name in names {
        headers.remove(name);
        for value in not_modified.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    if !not_modified.contains_key("date") {
        headers.remove("date");
    }
    Some(Kept::new(kept.status, headers, kept.body.clone(), times, ttl_s))
}

/// Whether the head of an answer to HEAD is that of the kept answer to GET: it states no other `ETag`, `Last-Modified` or length
/// (RFC 9111 §4.3.5). `None` where it states nothing that tells two answers apart, so that it confirms nothing.
#[must_use]
pub fn of_head(kept: &Kept, head: &HeaderMap) -> Option<bool> {
    let same =
        |name: HeaderName| joined(head, name.as_str()).map(|now| Some(now) == joined(&kept.headers, name.as_str()));
    let length = joined(head, CONTENT_LENGTH.as_str()).map(|stated| stated.parse() == Ok(kept.body.len()));
    let validators = [same(ETAG), same(LAST_MODIFIED)];
    let is_another = validators.contains(&Some(false)) || length == Some(false);
    if is_another { Some(false) } else { validators.contains(&Some(true)).then_some(true) }
}

/// Whether a range is wanted of just this answer (RFC 9110 §13.1.5); without `If-Range` it is of any.
pub(super) fn is_of_range(request: &HeaderMap, kept: &Kept) -> bool {
    let Some(condition) = joined(request, IF_RANGE.as_str()) else { return true };
    if condition.contains('"') {
        let tag = joined(&kept.headers, ETAG.as_str());
        return !condition.starts_with("W/") && tag.is_some_and(|tag| tag == condition);
    }
    let modified = date_of(&kept.headers, LAST_MODIFIED.as_str());
    // What changes twice within a second has one date for two bodies: it is strong where the answer was made later (§8.8.2.2).
    let made = date_of(&kept.headers, "date").unwrap_or(kept.times.answered_ms / 1_000);
    modified.is_some_and(|modified| modified < made) && modified == date_s(&condition)
}

fn is_weak(tag: Option<&str>) -> bool {
    tag.is_some_and(|tag| tag.trim().starts_with("W/"))
}

/// The weak comparison of entity tags (RFC 9110 §8.8.3.2).
fn is_same_weakly(left: &str, right: &str) -> bool {
    let [left, right] = [left, right].map(|tag| tag.trim().trim_start_matches("W/"));
    left == right
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;

    const TIMES: Times = Times { asked_ms: 0, answered_ms: 0 };
    const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NEW: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn kept(lines: &[(&'static str, &str)]) -> Kept {
        Kept::new(StatusCode::OK, headers(lines), Bytes::from_static(b"body"), TIMES, 0)
    }

    #[test]
    fn a_client_that_has_the_answer_is_told_so() {
        for (answer, request, expected) in [
            (vec![("etag", "\"a\"")], vec![("if-none-match", "\"a\"")], true),
            (vec![("etag", "\"a\"")], vec![("if-none-match", "\"b\", W/\"a\"")], true),
            (vec![("etag", "W/\"a\"")], vec![("if-none-match", "\"a\"")], true),
            (vec![("etag", "\"a\"")], vec![("if-none-match", "\"b\""), ("if-none-match", "\"a\"")], true),
            (vec![("etag", "\"a\"")], vec![("if-none-match", "\"b\"")], false),
            (vec![("etag", "\"a\"")], vec![("if-none-match", "a")], false),
            (vec![("etag", "\"a,b\"")], vec![("if-none-match", "\"c\", \"a,b\"")], true),
            (vec![], vec![("if-none-match", "*")], true),
            (vec![], vec![("if-none-match", "\"a\"")], false),
            (vec![("last-modified", OLD)], vec![("if-modified-since", OLD)], true),
            (vec![("last-modified", OLD)], vec![("if-modified-since", NEW)], true),
            (vec![("last-modified", NEW)], vec![("if-modified-since", OLD)], false),
            (vec![("date", OLD)], vec![("if-modified-since", NEW)], true),
            (vec![("last-modified", OLD)], vec![("if-modified-since", "no date")], false),
            (vec![("last-modified", OLD)], vec![("if-modified-since", NEW), ("if-none-match", "\"b\"")], false),
            (vec![("etag", "\"a\"")], vec![], false),
        ] {
            assert_eq!(is_not_modified(&headers(&request), &kept(&answer)), expected, "{answer:?} {request:?}");
        }
        let missing = Kept::new(StatusCode::NOT_FOUND, headers(&[("etag", "\"a\"")]), Bytes::new(), TIMES, 0);
        assert!(!is_not_modified(&headers(&[("if-none-match", "\"a\"")]), &missing));
    }

    #[test]
    fn an_upstream_is_asked_by_what_it_gave_and_not_by_what_the_client_has() {
        let mut request = headers(&[("if-none-match", "\"client\""), ("range", "bytes=0-1"), ("accept", "*/*")]);
        assert!(add_validators(&mut request, &kept(&[("etag", "W/\"a\""), ("last-modified", OLD)])));
        assert_eq!(request, headers(&[("accept", "*/*"), ("if-none-match", "W/\"a\""), ("if-modified-since", OLD)]));
        assert!(!add_validators(&mut request, &kept(&[])));
        assert_eq!(request, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn an_answer_to_head_is_held_against_the_kept_one_by_what_it_states() {
        let whole = [("etag", "\"a\""), ("last-modified", OLD), ("content-length", "4")];
        for (answer, head, expected) in [
            (whole.to_vec(), whole.to_vec(), Some(true)),
            (whole.to_vec(), vec![("etag", "\"a\"")], Some(true)),
            (whole.to_vec(), vec![("last-modified", OLD)], Some(true)),
            (whole.to_vec(), vec![("etag", "\"b\"")], Some(false)),
            (whole.to_vec(), vec![("etag", "W/\"a\"")], Some(false)),
            (whole.to_vec(), vec![("last-modified", NEW)], Some(false)),
            (whole.to_vec(), vec![("etag", "\"a\""), ("last-modified", NEW)], Some(false)),
            (whole.to_vec(), vec![("etag", "\"a\""), ("content-length", "5")], Some(false)),
            (whole.to_vec(), vec![("content-length", "5")], Some(false)),
            (whole.to_vec(), vec![("content-length", "4")], None),
            (whole.to_vec(), vec![], None),
            // It has what the kept one has not.
            (vec![], vec![("etag", "\"a\"")], Some(false)),
            // Of a body that came in chunks the length is known all the same.
            (vec![], vec![("content-length", "4")], None),
            (vec![], vec![("content-length", "5")], Some(false)),
        ] {
            assert_eq!(of_head(&kept(&answer), &headers(&head)), expected, "{answer:?} {head:?}");
        }
    }

    #[test]
    fn a_304_renews_the_headers_and_leaves_the_body() {
        let before = kept(&[("etag", "\"a\""), ("content-type", "text/plain"), ("x", "1"), ("x", "2"), ("age", "9")]);
        let told = headers(&[
            ("etag", "\"a\""),
            ("x", "3"),
            ("x", "4"),
            ("new", "5"),
            ("content-length", "0"),
            ("content-type", "text/html"),
            ("content-digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"),
            ("set-cookie", "a=1"),
        ]);
        let after = updated(&before, &told, TIMES, 0).unwrap();
        let expected =
            headers(&[("etag", "\"a\""), ("content-type", "text/plain"), ("x", "3"), ("x", "4"), ("new", "5")]);
        assert_eq!((after.headers, after.body), (expected, before.body.clone()));
        assert_eq!(updated(&before, &headers(&[("etag", "\"b\"")]), TIMES, 0), None);
        assert!(updated(&before, &headers(&[("etag", "W/\"a\"")]), TIMES, 0).is_some());
        let weak =
            updated(&kept(&[("etag", "W/\"a\"")]), &headers(&[("etag", "\"a\""), ("x", "1")]), TIMES, 0).unwrap();
        assert_eq!(weak.headers, headers(&[("etag", "W/\"a\""), ("x", "1")]), "its bytes may be others");
        assert!(updated(&before, &headers(&[]), TIMES, 0).is_some());
    }
}
