//! What is known of a request before anything is decided, and the form that every request must have.

use std::{cell::Cell, net::IpAddr, time::Duration};

use actix_web::{
    HttpRequest,
    dev::RequestHead,
    http::{
        Version,
        header::{self, HeaderMap},
    },
};
use jiff::Timestamp;

use super::{
    body::BodyBounds,
    connection::{Connection, Line, Transport},
    fields::members,
    once,
    peers::{Front, Peers},
    urls,
};
use crate::{
    clock::Clock,
    domain::{
        host::{self, Host},
        ids::RequestId,
        method::is_safe,
        network::Network,
        path,
        refusal::Refusal,
        route,
    },
    telemetry::{Start, named_trace},
};

/// The facts of one request.
#[derive(Debug, Clone)]
pub struct Call {
    pub id: RequestId,
    pub time: Timestamp,
    /// When the request's head was in hand, on the monotonic clock.
    pub started_ns: u64,
    /// How the request came.
    pub transport: Transport,
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
    /// The client's address: the peer's, or the one that trusted proxies name.
    pub client: Option<IpAddr>,
    /// The chain of proxies before the peer as they wrote it, if the peer is a trusted proxy. What is no printable ASCII
    /// has become a question mark.
    pub forwarded_for: Option<String>,
    /// The scheme and the host of the URL that the client called.
    pub front: Front,
    pub method: String,
    /// The raw path: never decoded, never changed.
    pub path: String,
    pub query: Option<String>,
    /// What else the head says that the HTTP library does not tell.
    pub line: Line,
    /// The origin of a browser's page, if the operator allows it.
    pub allowed_origin: Option<String>,
    /// Whether this is a browser asking, before the call itself, whether it may make it.
    pub is_preflight: bool,
    /// Whether an earlier head on this connection could be read in two ways, so that this may be part of its body.
    pub follows_doubt: bool,
    /// The trace this request belongs to (W3C Trace Context): the one it names, or one that was begun for it.
    pub trace_id: Option<String>,
}

impl Call {
    /// Reads the facts off a request.
    pub fn of(request: &HttpRequest, id: RequestId, clock: &Clock, peers: &Peers) -> Self {
        let peer = request.peer_addr().map(|address| address.ip().to_canonical());
        let headers = request.headers();
        let proxied = peers.proxied(request);
        let connection = request.conn_data::<Connection>();
        Self {
            id,
            time: clock.now(),
            started_ns: clock.monotonic_ns(),
            transport: connection.map_or(Transport::Plain, |connection| connection.transport().clone()),
            peer,
            client: proxied.as_ref().map(|proxied| proxied.client).or(peer),
            front: Front::of(request, proxied.as_ref()),
            forwarded_for: proxied.and_then(|proxied| proxied.chain),
            method: request.method().as_str().to_owned(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            line: connection.map(Connection::line).unwrap_or_default(),
            allowed_origin: peers.allowed_origin(headers).map(str::to_owned),
            is_preflight: peers.is_preflight(request),
            follows_doubt: request.conn_data::<Doubt>().is_some_and(Doubt::is_raised),
            trace_id: named_trace(headers),
        }
    }

    /// A call of which nothing is known but where it came from.
    #[must_use]
    pub fn unread(id: RequestId, peer: Option<IpAddr>, transport: Transport, clock: &Clock) -> Self {
        Self {
            id,
            time: clock.now(),
            started_ns: clock.monotonic_ns(),
            transport,
            peer,
            client: peer,
            forwarded_for: None,
            front: Front { scheme: "http", host: None },
            method: String::new(),
            path: String::new(),
            query: None,
            line: Line::default(),
            allowed_origin: None,
            is_preflight: false,
            follows_doubt: false,
            trace_id: None,
        }
    }

    /// How a trace of it begins.
    pub(super) fn start(&self) -> Start<'_> {
        Start { method: &self.method, scheme: self.front.scheme, time: self.time, started_ns: self.started_ns }
    }

    /// The network that the call is believed to come from.
    pub fn network(&self) -> Network {
        self.client.map_or(Network::UNKNOWN, Network::of)
    }

    /// Whether it asks about the server and no resource of it: `OPTIONS *` (RFC 9110 §9.3.7).
    fn is_of_the_server(&self) -> bool {
        self.method == "OPTIONS" && self.path == "*"
    }

    /// Whether the method may change something.
    pub fn may_change(&self) -> bool {
        !is_safe(&self.method)
    }
}

/// Kept with a connection: raised by a head that could be read in two ways. The server still serves what was pipelined
/// behind it, so every later request is refused as well.
#[derive(Debug, Default)]
pub struct Doubt(Cell<bool>);

impl Doubt {
    /// Says that the connection cannot be used for another request.
    pub fn raise(&self) {
        self.0.set(true);
    }

    fn is_raised(&self) -> bool {
        self.0.get()
    }
}

/// The form that every request must have, beyond what the HTTP parser asks.
#[derive(Debug, Clone)]
pub struct Shape {
    pub max_header_bytes: u64,
    pub body: BodyBounds,
    /// The longest silence of a WebSocket, in both directions.
    pub websocket_idle: Duration,
}

/// The longest target that the HTTP library reads.
const MAX_TARGET_BYTES: u64 = 65_534;

impl Shape {
    /// The longest request line.
    pub fn max_line_bytes(&self) -> u64 {
        self.max_header_bytes.min(MAX_TARGET_BYTES)
    }

    /// Refuses what two readers could read in two ways, and what is too large to be meant.
    pub fn check(&self, call: &Call, head: &RequestHead) -> Result<(), Refusal> {
        if call.follows_doubt {
            return Err(Refusal::invalid("header:connection", "an earlier request on this connection was not clear"));
        }
        if call.line.bytes > self.max_line_bytes() {
            return Err(Refusal::TargetTooLong { limit_bytes: self.max_line_bytes() });
        }
        if call.line.has_fragment {
            return Err(Refusal::invalid(
                "path",
                "the request target has a fragment, which is never sent (RFC 9112 §3.2)",
            ));
        }
        if !call.is_of_the_server() {
            let is_own = route::reserved(&call.path).is_some() || path::model_in(&call.path).is_some();
            let checked = if is_own { path::check_own(&call.path) } else { path::check(&call.path) };
            checked.map_err(Refusal::UnsafePath)?;
        }
        check_host(head, urls::is_probe(&call.path))?;
        check_expect(head)?;
        once::check(&head.headers)?;
        self.check_headers(&head.headers)?;
        self.body.check_declared(&head.headers)
    }

    fn check_headers(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let length = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
            name.as_str().len().saturating_add(value.len()).saturating_add(4)
        };
        let total = headers.iter().map(length).fold(0, usize::saturating_add);
        let limit = self.max_header_bytes;
        if u64::try_from(total).is_ok_and(|total| total <= limit) {
            return Ok(());
        }
        Err(Refusal::HeadTooLarge { limit_bytes: limit })
    }
}

/// Exactly one `Host`, with a name or address and perhaps a port; HTTP/1.0 has none (RFC 9112 §3.2). A target in absolute
/// form must be of a scheme that is served here, and of the same host. Probes of some balancers know no name, and say so: theirs may
/// be empty.
fn check_host(head: &RequestHead, is_probe: bool) -> Result<(), Refusal> {
    let default_port = host::default_port(head.uri.scheme_str().unwrap_or("http"));
    let default_port =
        default_port.ok_or_else(|| Refusal::invalid("path", "the target's scheme is not http or https"))?;
    let mut hosts = head.headers.get_all(header::HOST);
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(Refusal::InvalidHost("there is more than one Host header"));
    }
    let Some(value) = first else {
        let may_be_absent = head.version < Version::HTTP_11;
        return if may_be_absent { Ok(()) } else { Err(Refusal::InvalidHost("there is no Host header")) };
    };
    if is_probe && value.is_empty() && head.uri.authority().is_none() {
        return Ok(());
    }
    let text = value.to_str().ok().map(host::without_zone);
    let host = text.as_deref().and_then(Host::read);
    let host = host.ok_or(Refusal::InvalidHost("the Host header is not a host and a port"))?;
    let Some(authority) = head.uri.authority() else { return Ok(()) };
    if Host::read(authority.as_str()).is_some_and(|target| target.is(&host, default_port)) {
        return Ok(());
    }
    Err(Refusal::InvalidHost("the target names another host than the Host header"))
}

/// The one expectation there is, in HTTP/1.1; HTTP/1.0 knows none, and what it says is ignored (RFC 9110 §10.1.1).
fn check_expect(head: &RequestHead) -> Result<(), Refusal> {
    let is_known = |member: &[u8]| member.is_empty() || member.eq_ignore_ascii_case(b"100-continue");
    let all_are_known = head.version < Version::HTTP_11 || members(&head.headers, header::EXPECT).all(is_known);
    if all_are_known { Ok(()) } else { Err(Refusal::ExpectationFailed) }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn call(headers: &[(&'static str, &str)], peer: &str, trusted: &[&str]) -> Call {
        let mut request = TestRequest::get().peer_addr(format!("{peer}:1").parse().unwrap());
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        let trusted_proxies = trusted.iter().map(|block| block.parse().unwrap()).collect();
        let peers = Peers { trusted_proxies, ..Peers::default() };
        let id = RequestId(uuid::Uuid::nil());
        Call::of(&request.to_http_request(), id, &Clock::manual(1), &peers)
    }

    #[test]
    fn a_forwarded_address_is_believed_only_from_a_trusted_proxy() {
        let chain = [("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.0.0.9")];
        for (peer, trusted, client) in [
            ("9.9.9.9", vec![], "9.9.9.9"),
            ("9.9.9.9", vec!["10.0.0.0/8"], "9.9.9.9"),
            ("10.0.0.1", vec!["10.0.0.0/8"], "2.2.2.2"),
            ("10.0.0.1", vec!["10.0.0.0/8", "2.2.2.2/32"], "1.1.1.1"),
        ] {
            let call = call(&chain, peer, &trusted);
            assert_eq!(call.client, Some(client.parse().unwrap()), "{peer} {trusted:?}");
        }
        let garbage = call(&[("x-forwarded-for", "1.1.1.1, nonsense")], "10.0.0.1", &["10.0.0.0/8"]);
        assert_eq!(garbage.client, Some("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn only_a_well_formed_traceparent_names_a_trace() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let trace = |value: &str| call(&[("traceparent", value)], "1.1.1.1", &[]).trace_id;
        let whole = format!("00-{id}-00f067aa0ba902b7-01");
        assert_eq!(trace(&whole).as_deref(), Some(id));
        let twice = [("traceparent", &*whole), ("traceparent", &*whole)];
        assert_eq!(call(&twice, "1.1.1.1", &[]).trace_id, None, "which of the two?");
        for bad in ["", "x", "00-XYZ-1-1", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
            assert_eq!(trace(bad), None, "{bad}");
        }
    }

    #[test]
    fn misshapen_requests_are_refused() {
        let second = Duration::from_secs(1);
        let body = BodyBounds { max_bytes: 10, max_pause: second };
        let shape = Shape { max_header_bytes: 100, body, websocket_idle: second };
        let check = |headers: &[(&'static str, &str)]| {
            let mut request = TestRequest::get();
            for (name, value) in headers {
                request = request.append_header((*name, *value));
            }
            let request = request.to_http_request();
            shape.check(&call(&[], "1.1.1.1", &[]), request.head()).map_err(|refusal| refusal.code())
        };
        assert_eq!(check(&[("host", "a:80")]), Ok(()));
        assert_eq!(check(&[("host", "[::1]:80"), ("content-length", "10")]), Ok(()));
        for host in ["", "a b", "a@b", "a/b", "a:b:c"] {
            assert_eq!(check(&[("host", host)]), Err("invalid-host"), "{host}");
        }
        assert_eq!(check(&[]), Err("invalid-host"));
        assert_eq!(check(&[("host", "a"), ("host", "b")]), Err("invalid-host"));
        assert_eq!(check(&[("host", "a"), ("content-length", "11")]), Err("body-too-large"));
        // 1*DIGIT (RFC 9110 §8.6).
        assert_eq!(check(&[("host", "a"), ("content-length", "010")]), Ok(()));
        assert_eq!(check(&[("host", "a"), ("content-length", "011")]), Err("body-too-large"));
        for length in ["+1", "1,1", "-1", "x", ""] {
            assert_eq!(check(&[("host", "a"), ("content-length", length)]), Err("invalid-request"), "{length}");
        }
        assert_eq!(check(&[("host", "a"), ("x", &"y".repeat(100))]), Err("head-too-large"));
    }
}
