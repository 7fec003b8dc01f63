//! Turns an upstream's head into an answer that the client may have, or refuses it.
//!
//! Called once per forwarded call. What a recipient could read in two ways is not passed on.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE},
};
use hyper::body::{Body, Incoming};

use crate::upstream::{Answer, AnswerBody, AnswerStream, Reason, UpstreamError, headers};

pub(super) fn answer(
    response: Response<Incoming>,
    is_head: bool,
    idle_timeout: Duration,
) -> Result<Answer, UpstreamError> {
    let (parts, incoming) = response.into_parts();
    let (status, mut headers) = (parts.status, parts.headers);
    let reason = Reason::of(&parts.extensions);
    let own_length = if is_identity(&headers) { length_beside_identity(&mut headers)? } else { None };
    refuse_unforwardable(status, &headers)?;
    let length = own_length.or_else(|| stated_length(status, &headers, is_head, &incoming));
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    headers::make_fit_for_client(&mut headers, status, parts.version);
    headers.remove(CONTENT_LENGTH);
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if incoming.is_end_stream() {
        return Ok(Answer { status, headers, reason, body: AnswerBody::Whole(Bytes::new()) });
    }
    let stream = AnswerStream::upstream(incoming, idle_timeout, is_chunked).ending_after(own_length);
    Ok(Answer { status, headers, reason, body: AnswerBody::Stream(stream) })
}

/// The headers of an answer that switches to WebSocket, fit for the client. It must be about this connection, and the connection
/// must go on (RFC 6455 §4.1).
pub(super) fn switched(response: &Response<Incoming>) -> Result<HeaderMap, UpstreamError> {
    let mut headers = response.headers().clone();
    let mut protocols = headers.get_all(UPGRADE).iter();
    let is_websocket = protocols.next().is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !is_websocket || protocols.next().is_some() {
        return Err(UpstreamError::Protocol("the upstream switched to another protocol than WebSocket".into()));
    }
    let says = |option: &[u8]| headers::members(&headers, CONNECTION).any(|named| named.eq_ignore_ascii_case(option));
    if !says(b"upgrade") || says(b"close") {
        return Err(UpstreamError::Protocol(
            "the upstream switched protocols without Connection: upgrade alone".into(),
        ));
    }
    headers::make_fit_for_client(&mut headers, response.status(), response.version());
    headers.remove(CONTENT_LENGTH);
    Ok(headers)
}

/// Whether the upstream may send a body where there is none (RFC 9112 §6.3), perhaps late, so that what follows the head on the
/// connection is not the next answer: some answer HEAD as GET, and some send what a 204 or a 304 states.
pub(super) fn may_have_more(response: &Response<Incoming>, is_head: bool) -> bool {
    let headers = response.headers();
    let states_a_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|length| length.as_bytes() != b"0");
    is_head || (states_a_body && matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED))
}

fn refuse_unforwardable(status: StatusCode, headers: &HeaderMap) -> Result<(), UpstreamError> {
    // RFC 9110 §15.2.2: only in answer to an `Upgrade`, and the gateway sends none.
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(UpstreamError::Protocol("the upstream switched protocols unasked".into()));
    }
    // RFC 9112 §6.3: an attempt to smuggle, or a broken upstream.
    if headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH) {
        return Err(UpstreamError::Protocol("the upstream stated a length and a transfer coding".into()));
    }
    let codings = headers.get_all(TRANSFER_ENCODING);
    // Another coding would have to be undone here, as the header is not passed on (RFC 9112 §6.1).
    if codings.iter().any(|line| !is_chunked(line)) {
        return Err(UpstreamError::Protocol("the upstream used a transfer coding other than chunked".into()));
    }
    Ok(())
}

/// Whether a line names this coding once, and no other; an empty member of a list is none (RFC 9110 §5.6.1).
fn is_chunked(line: &HeaderValue) -> bool {
    let members = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let mut members = members.filter(|member| !member.is_empty());
    members.next().is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked")) && members.next().is_none()
}

/// The one length that both sides will agree on (RFC 9110 §8.6): none with a transfer coding and none for 204; for HEAD and 304 what a GET would have had.
fn stated_length(status: StatusCode, headers: &HeaderMap, is_head: bool, incoming: &Incoming) -> Option<u64> {
    if headers.contains_key(TRANSFER_ENCODING) || status == StatusCode::NO_CONTENT {
        return None;
    }
    if is_head || status == StatusCode::NOT_MODIFIED {
        return length_without_body(headers);
    }
    incoming.size_hint().exact()
}

/// Only digits, and the same in every line.
fn length_without_body(headers: &HeaderMap) -> Option<u64> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let first = lines.next()?;
    let is_a_number = first.as_bytes().iter().all(u8::is_ascii_digit) && lines.all(|line| line == first);
    if is_a_number { first.to_str().ok()?.parse().ok() } else { None }
}

/// The coding that is none: RFC 2616 §3.6 had it, RFC 7230 took it away, and old servers still say it.
fn is_identity(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter().peekable();
    codings.peek().is_some() && codings.all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// Takes that coding out, and gives the length that counts in its absence. The HTTP library has not heeded it.
fn length_beside_identity(headers: &mut HeaderMap) -> Result<Option<u64>, UpstreamError> {
    headers.remove(TRANSFER_ENCODING);
    let length = length_without_body(headers);
    if length.is_none() && headers.contains_key(CONTENT_LENGTH) {
        return Err(UpstreamError::Protocol("the upstream stated a length that is none".into()));
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_without_a_body_is_kept_only_when_every_reader_reads_the_same() {
        for (lines, length) in [
            (vec!["12"], Some(12)),
            (vec!["12", "12"], Some(12)),
            (vec![], None),
            (vec!["12", "13"], None),
            (vec!["+12"], None),
            (vec!["12, 12"], None),
            (vec![""], None),
            (vec!["99999999999999999999"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(CONTENT_LENGTH, HeaderValue::from_static(line));
            }
            assert_eq!(length_without_body(&headers), length, "{lines:?}");
        }
    }
}
