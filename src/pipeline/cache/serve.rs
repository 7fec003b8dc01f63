//! What is kept becomes the answer to a request: the whole, a part, or that the client has it already.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE},
};

use super::wanted::{Kind, Wanted};
use crate::{
    domain::caching::{CacheStatus, Kept, Part, conditional, part_of},
    pipeline::{
        bill::Open,
        forwarded::Forwarded,
        settle::{COST, HOLD},
    },
    upstream::{Answer, AnswerBody, Reason},
};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The answer by what is kept.
pub(super) fn serve(kept: &Kept, wanted: &Wanted, open: Open, now_ms: i64) -> Forwarded {
    let (mut status, mut headers, mut body) = (kept.status, kept.headers_at(now_ms), kept.body.clone());
    if wanted.kind != Kind::Post && conditional::is_not_modified(&wanted.headers, kept) {
        status = StatusCode::NOT_MODIFIED;
        headers = conditional::not_modified_headers(headers);
        body = Bytes::new();
    } else if wanted.kind == Kind::Get {
        (status, body) = part(kept, wanted, &mut headers);
    } else if wanted.kind == Kind::Head {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let answer = Answer { status, reason: Reason::default(), headers, body: AnswerBody::Whole(body) };
    Forwarded { answer, begun: Bytes::new(), open, upstream_status: None }
}

/// As much of the body as is wanted.
fn part(kept: &Kept, wanted: &Wanted, headers: &mut HeaderMap) -> (StatusCode, Bytes) {
    let length = kept.body.len();
    let (status, body, range) = match part_of(&wanted.headers, kept) {
        Part::Whole => return (kept.status, kept.body.clone()),
        Part::Bytes(range) => {
            let told = format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1));
            (StatusCode::PARTIAL_CONTENT, kept.body.slice(range), told)
        }
        Part::None => {
            for name in [CONTENT_ENCODING, CONTENT_TYPE] {
                headers.remove(name);
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new(), format!("bytes */{length}"))
        }
    };
    for name in std::iter::once(CONTENT_LENGTH).chain(conditional::OF_CONTENT) {
        headers.remove(name);
    }
    if let Ok(range) = HeaderValue::from_str(&range) {
        headers.insert(CONTENT_RANGE, range);
    }
    (status, body)
}

/// Adds how the cache handled the request, behind what caches nearer to the upstream say (RFC 9211 §2).
pub(super) fn tell(headers: &mut HeaderMap, status: CacheStatus) {
    if let Ok(value) = HeaderValue::from_str(&status.to_string()) {
        headers.append(CACHE_STATUS, value);
    }
}

/// Adds that nothing was held for the call, and that it cost nothing.
pub(super) fn tell_free(headers: &mut HeaderMap) {
    for name in [HOLD, COST] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("0"));
    }
}
