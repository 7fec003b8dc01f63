//! The public server's connections: each is counted, bounded by a clock, and ended with a record where its last head was
//! refused by the HTTP parser.
//!
//! `HttpServer` would make them, but it bounds only the first head of a connection and keeps to itself how one ends.

mod addresses;
mod arrival;
mod brief;
mod clock;
mod framing;
mod inbound;
mod last_answer;
mod socket;
mod tally;
mod wire;

use std::{fmt, net::SocketAddr, rc::Rc, time::Duration};

use actix_http::{
    HttpService, KeepAlive, Protocol, Request, Response,
    body::{BoxBody, MessageBody},
    error::{DispatchError, ParseError},
};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, apply_fn_factory, fn_factory, fn_service, map_config,
};
use actix_web::{dev::AppConfig, rt::net::TcpStream, web::Data};

pub(super) use self::{
    addresses::Addresses,
    arrival::{Door, Handshakes, Proxies},
    brief::serve_briefly,
};
use self::{
    arrival::{Arrived, Entrance},
    clock::End,
    tally::Tally,
    wire::Wire,
};
use crate::{
    domain::{principal::Principal, refusal::Refusal, route::Route},
    pipeline::{
        Gate,
        call::Doubt,
        connection::{Bounds, Connection, Line, LineVersion, Overdue},
        unread::{self, Unread},
    },
};

/// What every connection of one worker is served with.
pub(super) struct Listener {
    pub gate: Data<Gate>,
    pub bounds: Bounds,
    pub door: Door,
}

/// Serves `app` on each connection. What `drain` gives resolves when the server is told to stop: idle connections are
/// closed then.
pub(super) fn serve<I, S, B, F>(
    app: I,
    listener: Listener,
    drain: impl Fn() -> F + Clone + 'static,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
    F: Future<Output = ()> + 'static,
{
    let Listener { gate, bounds, door } = listener;
    let tally = Rc::new(Tally::new(Rc::clone(&gate.metrics)));
    let entrance = Rc::new(Entrance::new(door, Rc::clone(&tally)));
    let http = HttpService::build()
        // The clock closes idle connections and those that are slow with a head.
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(bounds.unread_body)
        .graceful_shutdown_signal(drain.clone())
        .expect(fn_service(async |request: Request| {
            if let Some(connection) = request.conn_data::<Connection>() {
                connection.interim().announce_continue().await;
            }
            Ok::<_, Response<BoxBody>>(request)
        }))
        .on_connect_ext(|wire: &Wire, extensions| {
            extensions.insert(Doubt::default());
            extensions.insert(wire.connection().clone());
        })
        .finish(map_config(apply_fn_factory(app, |request, app: &S::Service| app.call(completed(request))), |()| {
            AppConfig::default()
        }));
    fn_factory(move || {
        let (gate, tally, entrance, drain) = (gate.clone(), Rc::clone(&tally), Rc::clone(&entrance), drain.clone());
        let http = http.new_service(());
        async move {
            let http = Rc::new(http.await?);
            Ok(fn_service(move |stream: TcpStream| {
                let (gate, tally, entrance) = (gate.clone(), Rc::clone(&tally), Rc::clone(&entrance));
                let (http, mut stopping) = (Rc::clone(&http), Box::pin(drain()));
                async move {
                    let arrived = tokio::select! {
                        arrived = entrance.let_in(stream) => arrived,
                        () = &mut stopping => None,
                    };
                    let Some(Arrived { socket, peer, transport, slot: _slot, lacks_tls }) = arrived else {
                        return Ok(());
                    };
                    let wire = Wire::new(socket, Connection::opened(bounds, transport));
                    if lacks_tls {
                        refuse(&without_tls(), wire, peer, &gate).await;
                        return Ok(());
                    }
                    tally.open(1);
                    let serving = Box::pin(http.call((wire.clone(), Protocol::Http1, Some(peer))));
                    let may_be_answered = |caller: &Principal, route: Option<&str>| {
                        let (identity, routing) = (&gate.identity, gate.routing.read());
                        let still_allows = |route: &Route| identity.still_allows(caller, route);
                        identity.still_admits(caller, gate.clock.now())
                            && route.is_none_or(|name| routing.table.named(name).is_some_and(still_allows))
                    };
                    let ended = clock::run(serving, &wire, may_be_answered, stopping).await;
                    end(ended, wire, peer, &gate, &tally).await;
                    tally.open(-1);
                    Ok(())
                }
            }))
        }
    })
}

/// The request with the lines of its head that the HTTP library did not get.
fn completed(mut request: Request) -> Request {
    let lines = request.conn_data::<Connection>().map(Connection::take_lines).unwrap_or_default();
    for (name, value) in framing::fields(&lines) {
        request.headers_mut().append(name, value);
    }
    request
}

/// What remains to be said on a connection that has ended.
async fn end(ended: End<Result<(), DispatchError>>, wire: Wire, peer: SocketAddr, gate: &Gate, tally: &Tally) {
    match ended {
        End::Served(Err(DispatchError::Parse(error))) if !wire.connection().has_open_body() => {
            refuse(&unread_because(&error, wire.connection(), gate), wire, peer, gate).await;
        }
        // To a client of HTTP/1.0 the end of the connection is the end of the body: an answer that was cut must end otherwise.
        End::Served(Err(DispatchError::Body(_))) if wire.connection().line().version == LineVersion::Old => {
            wire.reset();
        }
        // What is still on its way of a body must not take the answer with it.
        End::Served(_) if wire.connection().has_open_body() => wire.close().await,
        End::Served(_) => {}
        End::Overdue(overdue) => {
            tally.overdue(overdue, peer);
            match overdue {
                Overdue::Head => {
                    let late = Unread { refusal: Refusal::RequestTimeout, reason: "slow-head" };
                    refuse(&late, wire, peer, gate).await;
                }
                Overdue::LongHead => {
                    refuse(&unread_because(&ParseError::TooLarge, wire.connection(), gate), wire, peer, gate).await;
                }
                Overdue::UnreadAnswer | Overdue::Revoked | Overdue::Stopping => wire.reset(),
                Overdue::Idle | Overdue::UnreadBody => wire.close().await,
            }
        }
    }
}

async fn refuse(unread: &Unread, wire: Wire, peer: SocketAddr, gate: &Gate) {
    let answer = unread::answer(gate, Some(peer), wire.connection(), unread).await;
    wire.answer(&last_answer::encode(answer, gate.clock.now())).await;
}

/// Of a request that came where a handshake should have. What it asks for, and with which credential, is not read.
fn without_tls() -> Unread {
    let why = "this port speaks TLS, and the request came without: the URL must begin with https://";
    Unread { refusal: Refusal::invalid("", why), reason: "without-tls" }
}

fn unread_because(error: &ParseError, connection: &Connection, gate: &Gate) -> Unread {
    let (line, limit_bytes) = (connection.line(), gate.shape.max_line_bytes());
    let unread = |refusal, reason| Unread { refusal, reason };
    match error {
        ParseError::TooLarge | ParseError::Uri(_) if line.bytes > limit_bytes => {
            unread(Refusal::TargetTooLong { limit_bytes }, "target-too-long")
        }
        ParseError::TooLarge => {
            let refusal = Refusal::HeadTooLarge { limit_bytes: gate.shape.max_header_bytes };
            unread(refusal, "head-too-long")
        }
        ParseError::Version if line.version == LineVersion::Other => {
            unread(Refusal::VersionNotSupported, "version-not-supported")
        }
        ParseError::Header if line.version == LineVersion::Old && line.is_post && !line.states_length => {
            unread(Refusal::LengthRequired, "length-required")
        }
        ParseError::Header if line.version == LineVersion::Current && line.hosts.is_some_and(|hosts| hosts != 1) => {
            let why =
                if line.hosts == Some(0) { "there is no Host header" } else { "there is more than one Host header" };
            unread(Refusal::InvalidHost(why), "invalid-host")
        }
        _ => {
            let fault = connection.opening().fault();
            unread(Refusal::invalid("", fault.unwrap_or_else(|| fault_of(error, line))), "unreadable-head")
        }
    }
}

/// What is wrong with a head whose request line is one in its form.
const fn fault_of(error: &ParseError, line: Line) -> &'static str {
    match error {
        ParseError::Method => "the method is not a token (RFC 9110 §9.1)",
        ParseError::Uri(_) => {
            "the request target is not one (RFC 9112 §3.2), or has a character that must be percent-encoded (RFC 3986 §2.1)"
        }
        ParseError::Version => "the version is neither HTTP/1.1 nor HTTP/1.0",
        ParseError::Header if line.states_length => {
            "a header line is malformed, the length of the body is stated in more than one way, or its transfer coding is \
             another than chunked"
        }
        ParseError::Header => {
            "a header line is malformed (RFC 9112 §5): not a name, a colon right behind it, and a value without control \
             characters"
        }
        _ => "the head is not one of HTTP/1.1 (RFC 9112)",
    }
}
