//! What the tests are made with: a gateway process, an upstream and a client on bare sockets, a database.

pub mod audit;
pub mod cluster;
pub mod collector;
pub mod database;
pub mod gateway;
pub mod home;
pub mod load;
pub mod postgres;
pub mod rate;
pub mod redis;
pub mod stage;
pub mod tls;
pub mod upstream;
pub mod wire;

use std::{
    thread,
    time::{Duration, Instant},
};

pub use self::{
    audit::{Entry, check_chains},
    cluster::{Cluster, only_limit},
    collector::{Collected, Collector, hex, text as span_text},
    database::{Database, MASTER_KEY},
    gateway::{Gateway, Starting},
    home::{Home, PASSWORD, run, with_upstream},
    load::{Call, Stopwatch, Target, under_load},
    postgres::PostgresServer,
    rate::{Rate, Span},
    redis::{RedisServer, free_address},
    stage::Stage,
    tls::{Authority, Identity, TlsClient},
    upstream::{Exchange, Upstream},
    wire::{Message, Wire, chunked, request},
};

/// How long anything may take that happens at all.
pub const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

/// Asks `probe` until it has an answer; panics when it had none for [`PATIENCE`].
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, probe)
}

/// Asks `probe` until it has an answer; panics when it had none for `limit`.
pub fn within<T>(limit: Duration, what: &str, probe: impl FnMut() -> Option<T>) -> T {
    poll(limit, probe).unwrap_or_else(|| panic!("not within {limit:?}: {what}"))
}

/// Whether `probe` is true within [`PATIENCE`].
pub fn has_come(mut probe: impl FnMut() -> bool) -> bool {
    poll(PATIENCE, || probe().then_some(())).is_some()
}

fn poll<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = now();
    loop {
        // The last look is one that begins in time.
        let is_over = begun.elapsed() > limit;
        let found = probe();
        if found.is_some() || is_over {
            return found;
        }
        thread::sleep(PAUSE);
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests measure real time")]
pub fn now() -> Instant {
    Instant::now()
}
