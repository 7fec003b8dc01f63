//! The ways to Redis: one server, the master that sentinels name, or a cluster. TLS is by `rediss://`.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use deadpool_redis::{
    Connection, Manager, Pool, Runtime, Status,
    cluster::{self, ClusterConnection},
    redis::{
        self, AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo,
        Pipeline, RedisFuture, RedisResult, TlsCertificates, Value, aio::ConnectionLike,
    },
    sentinel::{self, SentinelNodeConnectionInfo, SentinelServerType, TlsMode},
};
use futures_util::future::try_join_all;

use super::{OPERATION_TIMEOUT, Timeouts};
use crate::store::{Connections, StoreError};

/// The most connections.
const POOL_SIZE: usize = 16;

/// How the server is found that a URL leads to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Way {
    /// It is the one that the URL names.
    #[default]
    Server,
    /// As [`Self::Server`]; by TLS it is trusted if an authority of this PEM file vouches for it.
    Trusted(PathBuf),
    /// The URL names one node of a cluster, which says where the others are.
    Cluster,
    /// Sentinels, each `host:port`, know where the `master` of that name is. The URL says all but its host.
    Sentinels { master: String, nodes: Vec<String> },
}

/// Connections that are open, by the way that leads to them.
#[derive(Clone)]
pub(super) enum Pools {
    Server(Pool),
    Cluster(cluster::Pool),
    Master(Arc<Masters>),
}

/// Connections to the master, by the sentinel that says where it is: so none is waited for that has not answered the last time.
pub(super) struct Masters {
    pools: Vec<sentinel::Pool>,
    /// The sentinel whose turn it is, and how often one has failed before.
    turn: AtomicUsize,
}

/// A connection.
pub(super) enum Link {
    Server(Connection),
    Cluster(cluster::Connection),
    Master(sentinel::Connection),
}

macro_rules! pool {
    ($pool:path, $manager:expr, $timeouts:expr) => {
        <$pool>::builder($manager)
            .max_size(POOL_SIZE)
            .wait_timeout(Some($timeouts.wait))
            .create_timeout(Some($timeouts.create))
            .recycle_timeout(Some($timeouts.recycle))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Other(error.to_string()))
    };
}

impl Pools {
    /// Prepares connections without opening any.
    ///
    /// # Errors
    /// `Invalid` if the URL, a node or the file of authorities is not understood.
    pub fn new(url: &str, way: &Way, timeouts: Timeouts) -> Result<Self, StoreError> {
        let address = url.into_connection_info().map_err(|_| not_understood())?;
        match way {
            Way::Server => Self::of_server(address, timeouts),
            Way::Trusted(file) => Self::of_server(trusting(address, file)?, timeouts),
            Way::Cluster => {
                let manager = cluster::Manager::new(vec![address], false).map_err(|_| not_understood())?;
                Ok(Self::Cluster(pool!(cluster::Pool, manager, timeouts)?))
            }
            Way::Sentinels { master, nodes } => {
                let pool = |node: &String| pool!(sentinel::Pool, master_of(master, node, &address)?, timeouts);
                let pools = nodes.iter().map(pool).collect::<Result<_, _>>()?;
                Ok(Self::Master(Arc::new(Masters { pools, turn: AtomicUsize::new(0) })))
            }
        }
    }

    fn of_server(address: ConnectionInfo, timeouts: Timeouts) -> Result<Self, StoreError> {
        Ok(Self::Server(pool!(Pool, manager(address, timeouts.create)?, timeouts)?))
    }

    /// A connection that is free, or a new one.
    pub async fn get(&self) -> Result<Link, StoreError> {
        match self {
            Self::Server(pool) => pool.get().await.map(Link::Server).map_err(|error| StoreError::unavailable(&error)),
            Self::Cluster(pool) => pool.get().await.map(Link::Cluster).map_err(|error| StoreError::unavailable(&error)),
            Self::Master(masters) => masters.get().await.map(Link::Master),
        }
    }

    /// Closes the connections that nobody uses.
    pub fn close_idle(&self) {
        match self {
            Self::Server(pool) => drop(pool.retain(|_, _| false)),
            Self::Cluster(pool) => drop(pool.retain(|_, _| false)),
            Self::Master(masters) => {
                for pool in &masters.pools {
                    drop(pool.retain(|_, _| false));
                }
            }
        }
    }

    /// What the connections do.
    pub fn connections(&self) -> Connections {
        let of = |status: Status| Connections::of(status.size, status.available, status.waiting);
        match self {
            Self::Server(pool) => of(pool.status()),
            Self::Cluster(pool) => of(pool.status()),
            Self::Master(masters) => {
                masters.pools.iter().map(|pool| of(pool.status())).fold(Connections::default(), Connections::and)
            }
        }
    }
}

impl Masters {
    /// A connection to the master that the sentinel names whose turn it is. If there is none, the next sentinel is asked the next time:
    /// one that has no answer takes all the time that there is.
    async fn get(&self) -> Result<sentinel::Connection, StoreError> {
        let turn = self.turn.load(Ordering::Relaxed);
        let pool = turn.checked_rem(self.pools.len()).and_then(|place| self.pools.get(place));
        let pool = pool.ok_or_else(|| StoreError::Invalid("no sentinel is named".into()))?;
        pool.get().await.map_err(|error| {
            // Many may find that out at the same time.
            let next = turn.wrapping_add(1);
            self.turn.compare_exchange(turn, next, Ordering::Relaxed, Ordering::Relaxed).ok();
            StoreError::unavailable(&error)
        })
    }
}

/// The parser's own words could repeat the password.
fn not_understood() -> StoreError {
    StoreError::Invalid("expected redis://user:password@host:port/database, or rediss:// for TLS".into())
}

fn manager(address: ConnectionInfo, create: Duration) -> Result<Manager, StoreError> {
    let connection =
        AsyncConnectionConfig::new().set_connection_timeout(Some(create)).set_response_timeout(Some(OPERATION_TIMEOUT));
    Manager::new_with_config(address, connection).map_err(|_| not_understood())
}

/// The address of a server that only the authorities of this file can vouch for.
fn trusting(address: ConnectionInfo, file: &PathBuf) -> Result<ConnectionInfo, StoreError> {
    let unusable = |why: String| StoreError::Invalid(format!("the authorities in {}: {why}", file.display()));
    let root_cert = Some(fs::read(file).map_err(|error| unusable(error.to_string()))?);
    let client = Client::build_with_tls(address, TlsCertificates { client_tls: None, root_cert });
    client.map(|client| client.get_connection_info().clone()).map_err(|_| unusable("are no certificates".into()))
}

/// The master of that name, as one sentinel says. Both are spoken to as the URL says, which has several words for TLS.
fn master_of(master: &str, node: &str, address: &ConnectionInfo) -> Result<sentinel::Manager, StoreError> {
    let is_tls = matches!(address.addr(), ConnectionAddr::TcpTls { .. });
    let scheme = if is_tls { "rediss" } else { "redis" };
    let of_master = SentinelNodeConnectionInfo {
        tls_mode: is_tls.then_some(TlsMode::Secure),
        redis_connection_info: Some(address.redis_settings().clone().into()),
    };
    let nodes = vec![format!("{scheme}://{node}")];
    sentinel::Manager::new(nodes, master.to_owned(), Some(of_master), SentinelServerType::Master)
        .map_err(|_| StoreError::Invalid("expected host:port of each sentinel".into()))
}

impl Link {
    /// Does each of these commands, which may lie on several nodes of a cluster; their order says nothing.
    pub async fn all<T: FromRedisValue + Send>(self, commands: Vec<Cmd>) -> RedisResult<Vec<T>> {
        if let Self::Cluster(connection) = &self {
            let each = commands.iter().map(async |command| {
                let mut node = ClusterConnection::clone(connection);
                command.query_async(&mut node).await
            });
            return try_join_all(each).await;
        }
        let (mut link, mut pipeline) = (self, redis::pipe());
        for command in commands {
            pipeline.add_command(command);
        }
        pipeline.query_async(&mut link).await
    }

    /// What `INFO memory` says, of each node.
    pub async fn memory(mut self) -> RedisResult<Vec<String>> {
        let mut command = redis::cmd("INFO");
        command.arg("memory");
        if let Self::Cluster(_) = &self {
            let nodes: HashMap<String, String> = command.query_async(&mut self).await?;
            return Ok(nodes.into_values().collect());
        }
        Ok(vec![command.query_async(&mut self).await?])
    }

    fn way(&mut self) -> &mut (dyn ConnectionLike + Send) {
        match self {
            Self::Server(connection) => connection,
            Self::Cluster(connection) => connection,
            Self::Master(connection) => connection,
        }
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.way().req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.way().req_packed_commands(commands, offset, count)
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
            Self::Master(connection) => connection.get_db(),
        }
    }
}
