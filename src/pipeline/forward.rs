//! The call goes to its upstream. The body streams from the client to the upstream as fast as the slower of the two.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest,
    dev::Payload,
    error::PayloadError,
    http::header::{self, HeaderMap},
};
use futures_util::StreamExt;

use super::{
    Gate,
    audit::{ByteCount, Record},
    call::{Call, Shape},
    limit::Tickets,
    reserve::Reserved,
};
use crate::{
    actors::budget_ledger::OpenHold,
    domain::{
        refusal::{Refusal, Unavailable},
        route::Route,
    },
    upstream::{Answer, BodyAborted, BodySender, Original, Outgoing, OutgoingBody, UpstreamError},
};

/// Proof that the upstream has begun to answer.
pub struct Forwarded {
    pub answer: Answer,
    pub hold: Option<OpenHold>,
    /// Kept until the last byte of the answer.
    pub tickets: Tickets,
}

/// How a client's body is bounded on its way.
#[derive(Debug, Clone, Copy)]
struct BodyBounds {
    max_bytes: u64,
    max_pause: Duration,
}

/// Sends the call and waits for the head of the answer.
pub async fn forward(
    gate: &Gate,
    call: &Call,
    request: &HttpRequest,
    body: Payload,
    mut reserved: Reserved,
    route: &Route,
    record: &mut Record,
) -> Result<Forwarded, Refusal> {
    let target = gate.routing.read().target(&route.upstream).map(Arc::clone).ok_or(Refusal::UpstreamFailed)?;
    record.upstream(&target.name);
    let body = body_of(request.headers(), body, &gate.shape, record.request_bytes());
    let outgoing = outgoing(call, request, route, body)?;
    reserved.tickets.sent();
    let begun_ns = gate.clock.monotonic_ns();
    let sent = gate.upstream.send(&target, outgoing).await;
    record.waited(gate.clock.monotonic_ns().saturating_sub(begun_ns));
    match sent {
        Ok(answer) => {
            record.upstream_status(answer.status.as_u16());
            Ok(Forwarded { answer, hold: reserved.hold, tickets: reserved.tickets })
        }
        Err(error) => {
            if !error.reached_upstream() {
                reserved.tickets.give_back();
            }
            tracing::warn!(request = %call.id, upstream = %target.name, %error, "a call was not forwarded");
            Err(refusal_of(&error, &gate.shape))
        }
    }
}

fn outgoing(call: &Call, request: &HttpRequest, route: &Route, body: OutgoingBody) -> Result<Outgoing, Refusal> {
    let path = route.forwarded_path(&call.path);
    Ok(Outgoing {
        method: call.method.parse().map_err(|_| Refusal::Internal)?,
        path_and_query: call.query.as_ref().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")),
        headers: translate(request.headers()),
        body,
        request_id: call.id.to_string(),
        original: Original {
            host: request.headers().get(header::HOST).and_then(|value| value.as_bytes().try_into().ok()),
            client_address: call.peer.unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)),
            scheme: call.scheme,
            forwarded_for: call.forwarded_for.clone(),
        },
        unix_time_s: call.time.as_second(),
    })
}

/// The same headers in the types of the outgoing client; both crates hold them to the same syntax.
fn translate(headers: &HeaderMap) -> http::HeaderMap {
    let pair = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        let name = http::HeaderName::try_from(name.as_str()).ok()?;
        Some((name, http::HeaderValue::from_bytes(value.as_bytes()).ok()?))
    };
    let mut translated = http::HeaderMap::with_capacity(headers.len());
    headers.iter().filter_map(pair).for_each(|(name, value)| {
        translated.append(name, value);
    });
    translated
}

/// The body that will be sent, and a task on this thread that feeds it.
fn body_of(headers: &HeaderMap, payload: Payload, shape: &Shape, count: ByteCount) -> OutgoingBody {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    if matches!(payload, Payload::None) || (!chunked && length.is_none_or(|length: u64| length == 0)) {
        return OutgoingBody::Empty;
    }
    let (sender, body) = OutgoingBody::channel(length.filter(|_| !chunked));
    let bounds = BodyBounds { max_bytes: shape.max_body_bytes, max_pause: shape.body_timeout };
    actix_web::rt::spawn(feed(payload, sender, bounds, count));
    body
}

/// Carries the body over, one piece at a time: the client is read only when the upstream has taken what came before.
async fn feed(mut payload: Payload, sender: BodySender, bounds: BodyBounds, count: ByteCount) {
    loop {
        let chunk = match tokio::time::timeout(bounds.max_pause, payload.next()).await {
            Err(_) => return sender.abort(BodyAborted::TimedOut),
            Ok(None) => return sender.finish(),
            Ok(Some(Err(error))) => return sender.abort(reason_of(&error)),
            Ok(Some(Ok(chunk))) => chunk,
        };
        if count.add(chunk.len()) > bounds.max_bytes {
            return sender.abort(BodyAborted::TooLarge);
        }
        if sender.send(chunk).await.is_err() {
            return;
        }
    }
}

const fn reason_of(error: &PayloadError) -> BodyAborted {
    match error {
        PayloadError::Incomplete(_) | PayloadError::Io(_) => BodyAborted::Disconnected,
        PayloadError::Overflow => BodyAborted::TooLarge,
        _ => BodyAborted::Malformed,
    }
}

fn refusal_of(error: &UpstreamError, shape: &Shape) -> Refusal {
    match error {
        UpstreamError::Busy => Refusal::Unavailable(Unavailable::Capacity),
        UpstreamError::RequestBody(BodyAborted::TooLarge) => {
            Refusal::BodyTooLarge { limit_bytes: shape.max_body_bytes }
        }
        UpstreamError::RequestBody(BodyAborted::TimedOut) => Refusal::RequestTimeout,
        UpstreamError::RequestBody(BodyAborted::Disconnected) => Refusal::Disconnected,
        UpstreamError::RequestBody(_) => Refusal::invalid("", "the body ended early or is not well-formed"),
        error if error.is_timeout() => Refusal::UpstreamTimeout,
        _ => Refusal::UpstreamFailed,
    }
}
