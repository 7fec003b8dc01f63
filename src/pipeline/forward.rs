//! The call goes to its upstream.

use std::sync::Arc;

use super::{
    Gate,
    audit::Record,
    body::{self, ClientBody},
    call::{Call, Shape},
    limit::Charged,
    reserve::{Bill, Reserved},
};
use crate::{
    domain::{
        refusal::{Refusal, Unavailable},
        route::Route,
    },
    upstream::{Answer, Original, Outgoing, OutgoingBody, UpstreamError},
};
use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
};

/// Proof that the upstream has begun to answer.
pub struct Forwarded {
    pub answer: Answer,
    pub bill: Option<Bill>,
    /// Kept until the last byte of the answer.
    pub charged: Charged,
}

/// Sends the call and waits for the head of the answer.
pub async fn forward(
    gate: &Gate,
    call: &Call,
    request: &HttpRequest,
    body: ClientBody,
    mut reserved: Reserved,
    route: &Route,
    record: &mut Record,
) -> Result<Forwarded, Refusal> {
    let target = gate.routing.read().target(&route.upstream).map(Arc::clone).ok_or(Refusal::UpstreamFailed)?;
    record.upstream(&target.name);
    let body = body.outgoing(&gate.shape, record.request_bytes());
    let outgoing = outgoing(call, request, route, body)?;
    reserved.charged.sent();
    let begun_ns = gate.clock.monotonic_ns();
    let sent = gate.upstream.send(&target, outgoing).await;
    record.waited(gate.clock.monotonic_ns().saturating_sub(begun_ns));
    match sent {
        Ok(answer) => {
            record.upstream_status(answer.status.as_u16());
            Ok(Forwarded { answer, bill: reserved.bill, charged: reserved.charged })
        }
        Err(error) => {
            if !error.reached_upstream() {
                reserved.charged.give_back();
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

fn refusal_of(error: &UpstreamError, shape: &Shape) -> Refusal {
    match error {
        UpstreamError::Busy => Refusal::Unavailable(Unavailable::Capacity),
        UpstreamError::RequestBody(aborted) => body::refusal_of(*aborted, shape),
        error if error.is_timeout() => Refusal::UpstreamTimeout,
        _ => Refusal::UpstreamFailed,
    }
}
