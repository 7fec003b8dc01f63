//! A thread's connections to upstreams that have a TLS of their own: they are shared with no other upstream.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};

use super::{Pool, connection::Connector, socket::TcpConnector};
use crate::upstream::OwnTls;

/// Connections over TLS.
pub(super) type SecurePool = Pool<Connector<HttpsConnector<TcpConnector>>>;

/// Of one upstream: the digest of its TLS, and the connections.
type Own = ([u8; 32], SecurePool);

/// The connections to the upstream of this name. They are new where its TLS is another than before.
pub(super) fn pool(
    upstream: &Arc<str>,
    own: &OwnTls,
    tcp: fn() -> TcpConnector,
    make: fn(HttpsConnector<TcpConnector>) -> SecurePool,
) -> SecurePool {
    thread_local! {
        static POOLS: RefCell<HashMap<Arc<str>, Own>> = RefCell::default();
    }
    POOLS.with_borrow_mut(|pools| match pools.get(upstream) {
        Some((digest, pool)) if *digest == own.digest => pool.clone(),
        _ => {
            let pool = make(connector(own, tcp()));
            pools.insert(Arc::clone(upstream), (own.digest, pool.clone()));
            pool
        }
    })
}

fn connector(own: &OwnTls, tcp: TcpConnector) -> HttpsConnector<TcpConnector> {
    let builder = HttpsConnectorBuilder::new().with_tls_config(own.config.as_ref().clone()).https_only();
    let builder = match &own.name {
        Some(name) => builder.with_server_name_resolver(FixedServerNameResolver::new(name.clone())),
        None => builder,
    };
    builder.enable_http1().wrap_connector(tcp)
}
