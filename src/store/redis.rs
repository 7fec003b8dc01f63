//! The door to Redis, which holds only what replicas share at request rate.
//!
//! Opened when `redis.url` is set. A Redis that is slow or gone is an error within milliseconds, never a wait.

pub mod cache;
pub mod leases;
mod replicas;
mod way;

use std::{fmt, sync::Arc, time::Duration};

use deadpool_redis::redis::{self, ErrorKind, RedisError, RedisResult, ServerErrorKind};

pub use self::way::Way;
use self::way::{Link, Pools};

use super::{Connections, StoreError, threads::Threads};
use crate::telemetry::{DatabaseCall, Parents, Target};

/// The longest time of one operation, from asking for a connection to the answer.
pub const OPERATION_TIMEOUT: Duration = Duration::from_millis(50);

/// Where something is written to see whether Redis takes it: with a command of the scripts, which a user of Redis may do who may use these.
const TAKEN: &str = "tollgate:taken";

/// The longest time of each step to a connection; [`OPERATION_TIMEOUT`] bounds them all together.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a free connection.
    pub wait: Duration,
    /// For a new connection.
    pub create: Duration,
    /// For the check of a connection that was used before.
    pub recycle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let step = Duration::from_millis(40);
        Self { wait: step, create: step, recycle: step }
    }
}

/// Connections to one Redis, or to one cluster; clones share them.
#[derive(Clone)]
pub struct Redis {
    pools: Pools,
    /// Connections live on these, so that no caller's thread that ends takes one with it.
    threads: Arc<Threads>,
    seen: leases::Seen,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis")
    }
}

/// Whether a URL and a way can lead to a Redis. Nothing is connected.
///
/// # Errors
/// What is expected instead.
pub fn check(url: &str, way: &Way) -> Result<(), String> {
    Pools::new(url, way, Timeouts::default()).map(drop).map_err(|error| match error {
        StoreError::Invalid(expected) => expected,
        other => other.to_string(),
    })
}

impl Redis {
    /// Prepares connections without opening any.
    ///
    /// # Errors
    /// `Invalid` if the URL, or where the way leads, is not understood.
    pub fn connect(url: &str, way: &Way, timeouts: Timeouts) -> Result<Self, StoreError> {
        let pools = Pools::new(url, way, timeouts)?;
        Ok(Self { pools, threads: Arc::new(Threads::start("redis", 1)?), seen: leases::Seen::default() })
    }

    /// What its connections do.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.pools.connections()
    }

    /// Asks Redis to take something: one that answers and takes no writes, such as a replica or one without memory, is of no use.
    ///
    /// # Errors
    /// `Unavailable` if it is not taken within [`OPERATION_TIMEOUT`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut add = redis::cmd("ZADD");
        add.arg(TAKEN).arg(0).arg("1");
        self.perform(command("ZADD"), async move |mut connection| add.query_async(&mut connection).await).await
    }

    /// The `maxmemory-policy` under which this Redis may evict keys that are in use; `None` if it evicts nothing.
    ///
    /// # Errors
    /// `Unavailable` if there is no answer in time.
    pub async fn eviction_policy(&self) -> Result<Option<String>, StoreError> {
        let memory = self.perform(command("INFO"), Link::memory).await?;
        Ok(memory.iter().find_map(|node| eviction_policy(node)))
    }

    /// Runs an operation, and shows it in the traces of those that it is for.
    async fn perform<T, W, Doing>(&self, call: DatabaseCall, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(Link) -> Doing + Send + 'static,
        Doing: Future<Output = RedisResult<T>> + Send,
    {
        let pools = self.pools.clone();
        let work = async move {
            let done = work(pools.get().await?).await;
            if done.as_ref().is_err_and(is_of_replica) {
                pools.close_idle();
            }
            done.map_err(|error| StoreError::unavailable(&error))
        };
        // To connect takes 14 kB of state, which every call that may ask Redis would carry.
        let spans = Parents::current().call(&call);
        let done = self.threads.run(Box::pin(within(OPERATION_TIMEOUT, work))).await;
        spans.end(done.as_ref().err().and_then(StoreError::failure));
        done
    }
}

/// Whether a server says so that is a replica. It was the master when the connection was opened, and the address may lead to
/// another one by now.
fn is_of_replica(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
}

/// A command of this name.
const fn command(operation: &'static str) -> DatabaseCall {
    DatabaseCall { system: "redis", operation, target: None }
}

/// The call of a script, which is sent by its digest.
const fn script(name: &'static str) -> DatabaseCall {
    DatabaseCall { system: "redis", operation: "EVALSHA", target: Some(Target::Script(name)) }
}

/// Reads the section `memory` of `INFO`.
fn eviction_policy(memory: &str) -> Option<String> {
    let field = |name: &str| memory.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let is_bounded = field("maxmemory").is_some_and(|bytes| bytes != "0");
    field("maxmemory_policy").filter(|policy| is_bounded && *policy != "noeviction").map(ToOwned::to_owned)
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| Err(StoreError::Unavailable(format!("Redis gave no answer within {} ms", limit.as_millis())));
    tokio::time::timeout(limit, work).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_evicts_where_its_memory_is_bounded_and_its_policy_is_not_noeviction() {
        for (maxmemory, policy, evicts) in [
            ("0", "allkeys-lru", None),
            ("1048576", "noeviction", None),
            ("1048576", "volatile-lru", Some("volatile-lru")),
            ("1048576", "allkeys-lfu", Some("allkeys-lfu")),
        ] {
            let memory = format!(
                "# Memory\r\nused_memory:9\r\nmaxmemory:{maxmemory}\r\nmaxmemory_human:1M\r\nmaxmemory_policy:{policy}\r\n"
            );
            assert_eq!(eviction_policy(&memory).as_deref(), evicts, "{maxmemory} {policy}");
        }
    }
}
