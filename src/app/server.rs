//! The two HTTP servers: the public one, and the operators'.

mod connections;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    time::Duration,
};

use actix_web::{
    App,
    dev::{Server, ServerHandle},
    http::header::HeaderValue,
    middleware::from_fn,
    web::Data,
};
use socket2::SockRef;
use tokio::net::TcpSocket;
use tracing_actix_web::TracingLogger;

use self::connections::{Addresses, Door, Handshakes, Listener, Proxies};
use super::{
    Parts, StartError,
    actors::{keeper, workers},
    tls::Tls,
};
use crate::{
    actors::supervisor::Starts,
    cache::{self, Cache},
    config::Config,
    crypto,
    http::{
        entry,
        office::Office,
        ops::{self as ops_urls, BudgetSums},
        routes,
    },
    pipeline::{
        Gate, authenticate::VerifiedTokens, body::BodyBounds, buffered::BufferBound, call::Shape, connection::Bounds,
        edge::Edge, peers::Peers,
    },
    telemetry::{AccessLog, RootSpan},
    upstream,
};

/// How many connections may wait to be taken.
const BACKLOG: u32 = 1_024;

/// What the kernel holds of an answer besides what is on its way. A client that reads slowly is seen to read by this
/// much at a time, and one that does not read costs no more.
const UNSENT_BYTES: u32 = 256 * 1024;

/// How often addresses with nothing on their account are forgotten.
const FORGET_ADDRESSES: Duration = Duration::from_mins(1);

/// The two ports, taken before anything is made but the folder with its lock. Who connects early waits for the server.
pub(super) struct Ports {
    pub public: TcpListener,
    pub ops: TcpListener,
}

impl Ports {
    /// Takes both.
    pub(super) fn take(config: &Config) -> Result<Self, StartError> {
        let (public, ops) = (Place::public(config), Place::ops(config));
        let take = |place: Place| listen(place.address).map_err(|error| place.cannot_be_taken(error));
        Ok(Self { public: take(public)?, ops: take(ops)? })
    }
}

/// An address to listen at, with the key that says so.
#[derive(Clone, Copy)]
struct Place {
    key: &'static str,
    variable: &'static str,
    address: SocketAddr,
}

impl Place {
    const fn public(config: &Config) -> Self {
        let address = SocketAddr::new(config.server.host, config.server.port);
        Self { key: "server.port", variable: "TOLLGATE__SERVER__PORT", address }
    }

    const fn ops(config: &Config) -> Self {
        let address = SocketAddr::new(config.ops.host, config.ops.port);
        Self { key: "ops.port", variable: "TOLLGATE__OPS__PORT", address }
    }

    const fn cannot_be_taken(self, error: io::Error) -> StartError {
        let Self { key, variable, address } = self;
        StartError::Bind { key, variable, address, error }
    }
}

/// Starts the public server. Each worker thread gets its own gate and runs one shard of the limits.
pub(super) fn public(
    parts: &Parts,
    office: &Office,
    listener: TcpListener,
) -> Result<(SocketAddr, ServerHandle), StartError> {
    let Parts { config, handles, .. } = parts;
    let edge = edge(config)?;
    forget_idle(edge.clone());
    let gate = gate_factory(parts, edge)?;
    let (office, document) = (office.clone(), parts.document.clone());
    let page = Data::new(parts.docs_page.clone());
    let (quotas, keeper) = (handles.quotas.clone(), keeper(config, parts.base.clock.clone()));
    let cannot_bind = |error| Place::public(config).cannot_be_taken(error);
    let bound = listener.local_addr().map_err(cannot_bind)?;
    let builder = Server::build()
        .workers(workers(config))
        .max_concurrent_connections(usize::try_from(config.server.max_connections).unwrap_or(usize::MAX))
        .shutdown_timeout(config.server.shutdown_timeout_s)
        .disable_signals();
    let (drain, bounds, door) = (builder.graceful_shutdown_signal(), bounds(config), door(parts)?);
    let serve = move || {
        let (quotas, roster, keeper) = (quotas.clone(), office.operations.roster.clone(), keeper.clone());
        actix_web::rt::spawn(async move { quotas.start_here(&roster, keeper).await });
        let gate = Data::new(gate());
        let app = office
            .attach(routes::register(App::new()))
            .app_data(gate.clone())
            .app_data(Data::new(document.clone()))
            .app_data(page.clone())
            .wrap(from_fn(entry::entry))
            .wrap(TracingLogger::<RootSpan>::new());
        let drain = drain.clone();
        let is_told_to_stop = move || {
            let drain = drain.clone();
            async move { drain.notified().await }
        };
        connections::serve(app, Listener { gate, bounds, door: door.clone() }, is_told_to_stop)
    };
    let server = builder.listen("public", listener, serve).map_err(cannot_bind)?.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Ok((bound, handle))
}

/// Listens at an address that an earlier gateway may have used a moment ago.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    socket.set_reuseaddr(true)?;
    // The connections inherit it.
    SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Starts the operators' server.
pub(super) fn ops(
    parts: &Parts,
    office: &Office,
    listener: TcpListener,
) -> Result<(SocketAddr, ServerHandle), StartError> {
    let (operations, metrics) = (Data::new(office.operations.clone()), Data::new(parts.metrics.clone()));
    let sums = Data::new(BudgetSums::default());
    let serve = move || {
        let app = App::new().app_data(operations.clone()).app_data(metrics.clone()).app_data(sums.clone());
        connections::serve_briefly(app.configure(ops_urls::configure))
    };
    let cannot_bind = |error| Place::ops(&parts.config).cannot_be_taken(error);
    let bound = listener.local_addr().map_err(cannot_bind)?;
    let builder = Server::build().workers(1).disable_signals().shutdown_timeout(1);
    let server = builder.listen("ops", listener, serve).map_err(cannot_bind)?.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Ok((bound, handle))
}

/// The origins whose pages may call.
fn origins(config: &Config) -> Vec<String> {
    config.cors.allowed_origins.iter().map(|origin| origin.0.clone()).collect()
}

fn gate_factory(parts: &Parts, edge: Edge) -> Result<impl Fn() -> Gate + Clone + Send + 'static, StartError> {
    let cache_key = crypto::random()?;
    let server = &parts.config.server;
    let shape = Shape {
        max_header_bytes: server.max_header_bytes.into(),
        body: BodyBounds { max_bytes: server.max_body_bytes, max_pause: Duration::from_secs(server.body_timeout_s) },
        websocket_idle: Duration::from_secs(server.websocket_idle_s),
    };
    let peers = Peers {
        trusted_proxies: server.trusted_proxies.iter().map(|block| block.0).collect(),
        allowed_origins: origins(&parts.config),
        hsts: hsts(server.hsts_max_age_s),
    };
    let (clock, handles, published) = (parts.base.clock.clone(), parts.handles.clone(), parts.published.clone());
    let (routing, identity, metrics) = (parts.published.routing.clone(), parts.identity.clone(), parts.metrics.clone());
    let buffers = BufferBound::new(server.max_buffered_bytes);
    let tracing = parts.tracing.clone();
    let (recording, access_log) = (parts.config.audit.recording(), AccessLog::new(&parts.config.log));
    let cache = Cache::new(cache_bounds(&parts.config), parts.base.redis.clone());
    let max_tokens = usize::try_from(parts.config.auth.token_cache_entries).unwrap_or(usize::MAX);
    Ok(move || Gate {
        clock: clock.clone(),
        metrics: Rc::new(metrics.clone()),
        access_log,
        tracing: tracing.clone(),
        shape: shape.clone(),
        peers: peers.clone(),
        edge: edge.clone(),
        identity: identity.clone(),
        tokens: VerifiedTokens::new(max_tokens, &cache_key),
        routing: routing.clone(),
        policies: published.policies.clone(),
        budgets: published.budgets.clone(),
        prices: published.prices.clone(),
        quotas: handles.quotas.clone(),
        ledger: handles.ledger.clone(),
        audit: handles.audit.clone(),
        recording,
        cache: cache.clone(),
        purges: published.purges.clone(),
        upstream: Rc::new(upstream::Client::new()),
        buffers: buffers.clone(),
        find: routes::find,
    })
}

fn cache_bounds(config: &Config) -> cache::Bounds {
    let max_entry_bytes = usize::try_from(config.cache.max_entry_bytes).unwrap_or(usize::MAX);
    cache::Bounds { max_bytes: config.cache.max_bytes, max_entry_bytes }
}

fn bounds(config: &Config) -> Bounds {
    let server = &config.server;
    Bounds {
        head: Duration::from_secs(server.head_timeout_s),
        head_bytes: server.max_header_bytes.into(),
        idle: Duration::from_secs(server.keep_alive_s),
        unread_body: Duration::from_millis(server.unread_body_ms),
        unread_body_bytes: server.unread_body_bytes,
        trailer_bytes: server.max_header_bytes.into(),
        write: Duration::from_secs(server.write_timeout_s),
        write_bytes_per_s: server.write_min_bytes_per_s,
        body_pause: Duration::from_secs(server.body_timeout_s),
        body_bytes_per_s: server.body_min_bytes_per_s,
    }
}

/// Half of all connections for one address, where the configuration names no number; of handshakes always.
fn door(parts: &Parts) -> Result<Door, StartError> {
    let server = &parts.config.server;
    let workers = u32::try_from(workers(&parts.config)).unwrap_or(u32::MAX);
    let half = |all: u32| all.saturating_mul(workers).div_ceil(2);
    let addresses = |max| -> Result<Addresses, StartError> {
        Ok(Addresses::new(max, server.trusted_proxies.iter().map(|block| block.0), crypto::random()?))
    };
    let max = match server.max_connections_per_address {
        0 => half(server.max_connections),
        max => max,
    };
    let handshakes = |tls: &Tls| -> Result<Handshakes, StartError> {
        Ok(Handshakes {
            tls: tls.clone(),
            limit: Duration::from_secs(server.tls_handshake_timeout_s),
            max: usize::try_from(server.tls_max_handshakes).unwrap_or(usize::MAX),
            addresses: addresses(half(server.tls_max_handshakes))?,
        })
    };
    let proxies = server.proxy_protocol.then(|| Proxies {
        trusted: server.trusted_proxies.iter().map(|block| block.0).collect(),
        limit: Duration::from_secs(server.head_timeout_s),
    });
    Ok(Door { proxies, addresses: addresses(max)?, tls: parts.tls.as_ref().map(handshakes).transpose()? })
}

fn hsts(max_age_s: u32) -> Option<HeaderValue> {
    let value = HeaderValue::from_str(&format!("max-age={max_age_s}")).ok();
    value.filter(|_| max_age_s > 0)
}

fn edge(config: &Config) -> Result<Edge, StartError> {
    let edge = Edge::new(config.edge.requests_per_s, config.edge.burst);
    Ok(edge.ok_or_else(|| config.blame("edge", "no limiter can be made of this rate and burst"))?)
}

fn forget_idle(edge: Edge) {
    actix_web::rt::spawn(async move {
        loop {
            tokio::time::sleep(FORGET_ADDRESSES).await;
            edge.forget_idle();
        }
    });
}
