//! A call as it is handed to the outgoing client: the client's own, before any header rule is applied.

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::{
        Version,
        header::{self, HeaderMap},
    },
};

use super::{call::Call, max_forwards, move_to, once};
use crate::{
    domain::{
        principal::{CredentialKind, Principal},
        redaction::redact,
        refusal::Refusal,
        route::Route,
    },
    telemetry::{AttemptSpans, TRACEPARENT, TRACESTATE, Upstream},
    upstream::{Identity, Kind, Original, Outgoing, OutgoingBody, Target, headers::DESTINATION},
};

/// As many header fields as the gateway adds to most calls: room for them is made at once.
const ADDED_HEADERS: usize = 6;

/// The call as the outgoing client takes it.
pub fn outgoing(
    (call, caller): (&Call, Option<&Principal>),
    request: &HttpRequest,
    route: &Route,
    body: OutgoingBody,
) -> Result<Box<Outgoing>, Refusal> {
    let path = route.forwarded_path(&call.path);
    let mut headers = max_forwards::counted(request.method(), translate(request.headers()));
    if let Some(path) = move_to::forwarded(call, request.headers(), route)? {
        headers.insert(DESTINATION, path);
    }
    Ok(Box::new(Outgoing {
        method: call.method.parse().map_err(|_| Refusal::Internal)?,
        path_and_query: call.query.as_ref().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")),
        headers,
        body,
        request_id: call.id.text(),
        original: Some(Original {
            host: call.front.host.as_deref().and_then(|host| host.try_into().ok()),
            client_address: call.peer.unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)),
            scheme: call.front.scheme,
            version: if request.version() < Version::HTTP_11 { http::Version::HTTP_10 } else { http::Version::HTTP_11 },
            forwarded_for: call.forwarded_for.clone(),
            identity: caller.filter(|_| route.identity).map(identity),
        }),
        unix_time_s: call.time.as_second(),
        importance: route.importance,
    }))
}

/// What an upstream is told of a caller, on routes with `identity = true`.
pub fn identity(caller: &Principal) -> Identity {
    let Principal { account, team, role, credential, .. } = caller;
    Identity {
        username: account.username.shared(),
        team: team.as_ref().map(|team| Arc::clone(&team.name)),
        role: role.as_str(),
        key: (credential.kind == CredentialKind::ApiKey).then(|| credential.id.clone()),
    }
}

/// An attempt at this target begins: its request names the attempt's span, where there is one.
pub fn begin_span(spans: &AttemptSpans, target: &Target, outgoing: &mut Outgoing) {
    if !spans.is_recording() {
        return;
    }
    let Outgoing { method, path_and_query, headers, .. } = outgoing;
    let path = path_and_query.split('?').next().unwrap_or_default();
    let uri = match &target.kind {
        Kind::Http(base) => base.uri_for(path).ok(),
        Kind::Echo | Kind::Llm => None,
    };
    let shown = redact(uri.as_ref().map_or(path, http::Uri::path));
    let upstream = Upstream { name: &target.name, method: method.as_str(), uri: uri.as_ref(), path: &shown };
    spans.begin(&upstream, headers);
}

/// The same headers in the types of the outgoing client; both crates hold them to the same syntax.
pub fn translate(headers: &HeaderMap) -> http::HeaderMap {
    let pair = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        let name = http::HeaderName::try_from(name.as_str()).ok()?;
        Some((name, http::HeaderValue::from_bytes(value.as_bytes()).ok()?))
    };
    let mut translated = http::HeaderMap::with_capacity(headers.len().saturating_add(ADDED_HEADERS));
    for (name, value) in headers.iter().filter_map(pair) {
        if once::stands_once(name.as_str()) {
            translated.insert(name, value);
        } else {
            translated.append(name, value);
        }
    }
    // Which of several traces it belongs to cannot be told (W3C Trace Context §3.2).
    if translated.get_all(TRACEPARENT).iter().nth(1).is_some() {
        translated.remove(TRACEPARENT);
        translated.remove(TRACESTATE);
    }
    translated
}
