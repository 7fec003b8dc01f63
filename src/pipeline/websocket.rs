//! WebSocket (RFC 6455) through routes that allow it: the opening handshake is held against the standard and carried to the
//! upstream; what follows are bytes both ways ([`tunnel`]), which nothing here decodes.
//!
//! Called by the pipeline in place of `forward` and `settle`: a call like any other up to there, authenticated, authorised,
//! limited and recorded, which is under way as long as its connection.

mod frames;
mod tunnel;

use actix_web::{
    HttpRequest, HttpResponse,
    body::BoxBody,
    dev::{Payload, RequestHead},
    http::{
        ConnectionType, Method, StatusCode, Version,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use base64::{
    Engine,
    alphabet::STANDARD as ALPHABET,
    engine::{
        GeneralPurpose,
        general_purpose::{PAD, STANDARD},
    },
};

use self::tunnel::Tunnel;
use super::{
    attempts::{Attempts, Failure, Lane},
    connection::Connection,
    destination::route_at,
    fields::members,
    forward::{refusal_of, tell_of_call},
    forwarded::Forwarded,
    outgoing::{begin_span, outgoing},
    reserve::Reserved,
    settle::settle,
    urls::Destination,
    visit::Visit,
};
use crate::{
    crypto,
    domain::{
        refusal::Refusal,
        route::{Meter, Route},
    },
    telemetry::Step,
    upstream::{OutgoingBody, Switch, UpstreamError, headers},
};

/// Where models are asked.
const MODELS: &str = "/v1/";

const KEY: &str = "sec-websocket-key";
const VERSION: &str = "sec-websocket-version";
const ACCEPT: &str = "sec-websocket-accept";
const PROTOCOL: &str = "sec-websocket-protocol";
const EXTENSIONS: &str = "sec-websocket-extensions";
/// What a key is hashed with (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether a request offers to go on as a WebSocket, by itself or among other protocols.
pub fn is_offered(head: &RequestHead) -> bool {
    members(&head.headers, header::UPGRADE).any(is_websocket)
}

fn is_websocket(protocol: &[u8]) -> bool {
    protocol.trim_ascii().eq_ignore_ascii_case(b"websocket")
}

/// Whether an offer is one at all: HTTP/1.0 knows none, and without the option of `Connection` it was made on another
/// connection than this (RFC 9110 §7.8).
fn is_meant(head: &RequestHead) -> bool {
    head.version >= Version::HTTP_11 && head.connection_type() == ConnectionType::Upgrade
}

/// Whether a call that passed [`check`] goes on as a WebSocket on this route.
pub fn is_opened(head: &RequestHead, route: &Route) -> bool {
    route.websocket && is_offered(head) && is_meant(head)
}

/// The refusal of a call whose method is not taken: 426 for an opening handshake at a path of models. Clients that try a
/// WebSocket first fall back to HTTP at once on 426 and on no other status.
pub fn told(head: &RequestHead, visit: &Visit<'_>, refusal: Refusal) -> Refusal {
    let is_handshake = head.method == Method::GET && is_offered(head) && is_meant(head);
    if !is_handshake || !matches!(refusal, Refusal::MethodNotAllowed(_)) {
        return refusal;
    }
    let Visit { gate, call, .. } = visit;
    let is_metered = route_at(gate.find, &gate.routing.read(), call).is_some_and(|route| route.meter != Meter::None);
    if is_metered || call.path.starts_with(MODELS) { Refusal::NoWebSocket } else { refusal }
}

/// Refuses an offer where it is not taken, and an opening handshake that is none (RFC 6455 §4.2.1). Behind a head that offers
/// WebSocket the HTTP parser reads no more requests and no length, so one with a body cannot be served without it.
pub fn check(head: &RequestHead, destination: &Destination) -> Result<(), Refusal> {
    if !is_offered(head) {
        return Ok(());
    }
    let headers = &head.headers;
    let invalid = |name: &str, why: &str| Err(Refusal::invalid(format!("header:{name}"), why));
    let has_length = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    let may_have_body = has_length || !matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !is_meant(head) && !may_have_body {
        return Ok(());
    }
    match destination {
        Destination::Route(route) if route.websocket => {}
        Destination::Route(route) if route.meter != Meter::None && is_meant(head) => return Err(Refusal::NoWebSocket),
        _ => return invalid("upgrade", "WebSocket is not served here"),
    }
    if head.method != Method::GET || !is_meant(head) {
        return invalid("upgrade", "a WebSocket begins with a GET of HTTP/1.1 and Connection: upgrade");
    }
    if has_length || headers.contains_key(header::TRANSFER_ENCODING) {
        return invalid("content-length", "a WebSocket begins without a body");
    }
    if headers.get(VERSION).is_none_or(|version| version.as_bytes() != b"13") {
        return Err(Refusal::WebSocketVersion);
    }
    let key = headers.get(KEY).and_then(|key| LENIENT.decode(key.as_bytes()).ok());
    if key.is_none_or(|key| key.len() != 16) {
        return invalid(KEY, "must be 16 bytes in base64");
    }
    Ok(())
}

/// The last digit of 16 bytes has bits to spare, which the example of RFC 6455 §4.1 itself does not leave at zero.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&ALPHABET, PAD.with_decode_allow_trailing_bits(true));

/// Carries the opening handshake to the upstream, and what follows it; the answer of an upstream that does not switch passes
/// as that to any other call.
pub async fn carry(
    visit: &mut Visit<'_>,
    request: &HttpRequest,
    client: Payload,
    reserved: Reserved,
    route: &Route,
) -> Result<HttpResponse, Refusal> {
    let Visit { gate, call, record, .. } = visit;
    let attempts =
        Attempts::of(gate, (route, &reserved.aims), (call.id, &*call.method, None), record.known.attempts_note());
    let attempts = attempts.ok_or(Refusal::UpstreamFailed)?;
    let (lane, pass) = attempts.one().ok_or_else(|| refusal_of(&attempts.unfit(), &gate.shape.body))?;
    let target = &lane.target;
    record.known.upstream(&target.name);
    let mut open = reserved.open;
    let mut outgoing =
        outgoing((call, record.known.principal().map(AsRef::as_ref)), request, route, OutgoingBody::Empty)?;
    open.sent();
    record.enter(Step::Forward);
    record.trace.carry(&mut outgoing.headers);
    let spans = record.trace.attempts(route.meter, None);
    begin_span(&spans, target, &mut outgoing);
    let begun_ns = gate.clock.monotonic_ns();
    let switched = gate.upstream.switch(target, outgoing).await;
    spans.told(ended(&switched));
    record.known.waited(gate.clock.monotonic_ns().saturating_sub(begun_ns));
    tell(&attempts, lane, &switched);
    drop(pass);
    match switched {
        Ok(Switch::Answered(answer)) => {
            record.known.upstream_status(answer.status.as_u16());
            open.answered(&answer, (0, &target.name));
            Ok(settle(Forwarded::new(answer, open), request.method()))
        }
        Ok(Switch::Done(head, switched)) => {
            record.known.upstream_status(StatusCode::SWITCHING_PROTOCOLS.as_u16());
            if let Err(fault) = check_answer(request.headers(), &head) {
                attempts.cut(&fault);
                return Err(Refusal::UpstreamFailed);
            }
            let connection = request.conn_data::<Connection>().ok_or(Refusal::Internal)?;
            let kept = (connection, gate.shape.websocket_idle);
            let tunnel = Tunnel::begin(switched, client, record.known.intake(), open, kept);
            Ok(answer(&head, BoxBody::new(tunnel)))
        }
        Err(error) => {
            if !error.reached_upstream() {
                open.give_back();
            }
            tell_of_call(call, route, &error);
            Err(refusal_of(&error, &gate.shape.body))
        }
    }
}

/// The status that the upstream answered with, or the error in a word.
fn ended(switched: &Result<Switch, UpstreamError>) -> Result<u16, &'static str> {
    match switched {
        Ok(Switch::Answered(answer)) => Ok(answer.status.as_u16()),
        Ok(Switch::Done(..)) => Ok(StatusCode::SWITCHING_PROTOCOLS.as_u16()),
        Err(error) => Err(error.code()),
    }
}

/// Tells whether the upstream has served the handshake; nothing where that failed by itself.
fn tell(attempts: &Attempts, lane: &Lane, switched: &Result<Switch, UpstreamError>) {
    match switched {
        Ok(Switch::Answered(answer)) => attempts.tell(lane, Failure::of_status(answer.status)),
        Ok(Switch::Done(..)) => attempts.tell(lane, None),
        Err(error) => {
            if let Some(failure) = Failure::of_error(error) {
                attempts.tell(lane, Some(failure));
            }
        }
    }
}

/// What is wrong with the upstream's side of the handshake (RFC 6455 §4.1): it must have read the client's key, and may
/// choose only what was offered.
fn check_answer(offered: &HeaderMap, answer: &http::HeaderMap) -> Result<(), &'static str> {
    let one = |name: &str| {
        let mut values = answer.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    };
    let expected = accept_of(offered.get(KEY).map(HeaderValue::as_bytes).unwrap_or_default());
    if one(ACCEPT).is_none_or(|accept| accept.as_bytes() != expected.as_bytes()) {
        return Err("Sec-WebSocket-Accept is not that of the client's key");
    }
    if let Some(chosen) = answer.get(PROTOCOL) {
        let is_offered = members(offered, PROTOCOL).any(|protocol| protocol == chosen.as_bytes().trim_ascii());
        if one(PROTOCOL).is_none() || !is_offered {
            return Err("Sec-WebSocket-Protocol is none that was offered");
        }
    }
    let name = |extension: &[u8]| {
        let name = extension.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii().to_ascii_lowercase()
    };
    let offered: Vec<Vec<u8>> = members(offered, EXTENSIONS).map(name).collect();
    let mut chosen = headers::members(answer, EXTENSIONS).map(name);
    if chosen.any(|extension| !offered.contains(&extension)) {
        return Err("Sec-WebSocket-Extensions has one that was not offered");
    }
    Ok(())
}

fn accept_of(key: &[u8]) -> String {
    STANDARD.encode(crypto::sha1(&[key, GUID]))
}

fn answer(head: &http::HeaderMap, body: BoxBody) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::SWITCHING_PROTOCOLS).set_body(body);
    for (name, value) in head {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_bytes(value.as_bytes()))
        {
            response.headers_mut().append(name, value);
        }
    }
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    response.head_mut().set_connection_type(ConnectionType::Upgrade);
    response.head_mut().no_chunking(true);
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::test::TestRequest;

    use super::*;
    use crate::domain::route::{Metering, Only, PathMatch};

    const GOOD: [(&str, &str); 4] = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn route(websocket: bool) -> Destination {
        Destination::Route(Arc::new(Route {
            name: "ws".into(),
            path: "/ws".into(),
            matching: PathMatch::Exact,
            methods: vec!["GET".into()],
            only: Only::default(),
            roles: vec![],
            aims: [crate::domain::failover::Aim::only("up".into())].into(),
            retry: std::sync::Arc::default(),
            strip_prefix: false,
            weight: 1,
            durability: None,
            bodies: None,
            meter: Meter::None,
            metering: Metering::default(),
            models: crate::domain::allowed::Allowed::default(),
            importance: crate::domain::importance::Importance::default(),
            caching: None,
            identity: false,
            websocket,
        }))
    }

    fn checked(lines: &[(&str, &str)], websocket: bool) -> Result<(), &'static str> {
        let mut request = TestRequest::get();
        for (name, value) in lines {
            request = request.append_header((*name, *value));
        }
        let mut head = request.to_http_request().head().clone();
        if lines.iter().any(|(name, value)| *name == "connection" && value.eq_ignore_ascii_case("upgrade")) {
            head.set_connection_type(ConnectionType::Upgrade);
        }
        check(&head, &route(websocket)).map_err(|refusal| refusal.code())
    }

    #[test]
    fn only_a_whole_opening_handshake_on_a_route_that_allows_it_goes_on() {
        assert_eq!(checked(&GOOD, true), Ok(()));
        assert_eq!(checked(&GOOD, false), Err("invalid-request"));
        // The example of RFC 6455 §4.1 has bits to spare in its last digit.
        let mut lines = GOOD.to_vec();
        lines[3].1 = "AQIDBAUGBwgJCgsMDQ4PEC==";
        assert_eq!(checked(&lines, true), Ok(()));
        for (without, code) in [(2, "websocket-version"), (3, "invalid-request")] {
            let mut lines = GOOD.to_vec();
            lines.remove(without);
            assert_eq!(checked(&lines, true), Err(code), "without {:?}", GOOD[without]);
        }
        for (at, value, code) in [
            (2, "8", "websocket-version"),
            (2, "13, 8", "websocket-version"),
            (3, "c2hvcnQ=", "invalid-request"),
            (3, "no base64 at all", "invalid-request"),
            (3, "", "invalid-request"),
        ] {
            let mut lines = GOOD.to_vec();
            lines[at].1 = value;
            assert_eq!(checked(&lines, true), Err(code), "{value}");
        }
        for offers in ["h2c, websocket", "websocket,TLS/1.0"] {
            let mut lines = GOOD.to_vec();
            lines[0].1 = offers;
            assert_eq!((checked(&lines, true), checked(&lines, false)), (Ok(()), Err("invalid-request")), "{offers}");
        }
        for more in [("content-length", "5"), ("transfer-encoding", "chunked")] {
            let lines = [&GOOD[..], &[more]].concat();
            assert_eq!(checked(&lines, true), Err("invalid-request"), "{more:?}");
        }
        // An offer that was made on another connection is none.
        let lines = [GOOD[0], GOOD[2], GOOD[3]];
        assert_eq!((checked(&lines, true), checked(&lines, false)), (Ok(()), Ok(())));
        let with_body = [GOOD[0], ("content-length", "5")];
        assert_eq!(checked(&with_body, false), Err("invalid-request"));
        // No offer of WebSocket is no concern of this file.
        for protocol in ["h2c", "TLS/1.2", "h2c, TLS/1.2", "websockets", ""] {
            assert_eq!(checked(&[("upgrade", protocol), ("connection", "upgrade")], false), Ok(()), "{protocol}");
        }
    }

    #[test]
    fn an_upstream_may_choose_only_what_was_offered() {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        // The example of RFC 6455 §1.3.
        let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert_eq!(accept_of(key.as_bytes()), accept);
        let mut offered = HeaderMap::new();
        for (name, value) in
            [(KEY, key), (PROTOCOL, "chat, superchat"), (EXTENSIONS, "permessage-deflate; client_max_window_bits")]
        {
            offered.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        for (lines, is_good) in [
            (vec![(ACCEPT, accept)], true),
            (vec![(ACCEPT, accept), (PROTOCOL, "superchat"), (EXTENSIONS, "permessage-deflate")], true),
            (vec![], false),
            (vec![(ACCEPT, accept), (ACCEPT, accept)], false),
            (vec![(ACCEPT, "x")], false),
            (vec![(ACCEPT, accept), (PROTOCOL, "other")], false),
            (vec![(ACCEPT, accept), (PROTOCOL, "chat"), (PROTOCOL, "superchat")], false),
            (vec![(ACCEPT, accept), (EXTENSIONS, "other")], false),
        ] {
            let mut answer = http::HeaderMap::new();
            for (name, value) in &lines {
                answer.append(http::HeaderName::from_static(name), http::HeaderValue::from_static(value));
            }
            assert_eq!(check_answer(&offered, &answer).is_ok(), is_good, "{lines:?}");
        }
    }
}
