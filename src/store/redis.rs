//! The door to Redis, which holds only what replicas share at request rate.
//!
//! Opened when `redis.url` is set. A Redis that is slow or gone is an error within milliseconds, never a wait.

pub mod leases;
mod replicas;

use std::{fmt, sync::Arc, time::Duration};

use deadpool_redis::{
    Connection, Manager, Pool, Runtime,
    redis::{self, AsyncConnectionConfig, RedisResult},
};

use super::{StoreError, threads::Threads};

/// The longest time of one operation, from asking for a connection to the answer.
pub const OPERATION_TIMEOUT: Duration = Duration::from_millis(50);

/// The most connections.
const POOL_SIZE: usize = 16;

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

/// A pool of connections to one Redis; clones share it.
#[derive(Clone)]
pub struct Redis {
    pool: Pool,
    /// Connections live on these, so that no caller's thread that ends takes one with it.
    threads: Arc<Threads>,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis")
    }
}

impl Redis {
    /// Prepares a pool without connecting.
    ///
    /// # Errors
    /// `Invalid` if the URL is not understood.
    pub fn connect(url: &str, timeouts: Timeouts) -> Result<Self, StoreError> {
        let connection = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeouts.create))
            .set_response_timeout(Some(OPERATION_TIMEOUT));
        // The parser's own words could repeat the password.
        let manager = Manager::new_with_config(url, connection)
            .map_err(|_| StoreError::Invalid("expected redis://user:password@host:port/database".into()))?;
        let pool = Pool::builder(manager)
            .max_size(POOL_SIZE)
            .wait_timeout(Some(timeouts.wait))
            .create_timeout(Some(timeouts.create))
            .recycle_timeout(Some(timeouts.recycle))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Other(error.to_string()))?;
        Ok(Self { pool, threads: Arc::new(Threads::start("redis", 1)?) })
    }

    /// Asks Redis for an answer.
    ///
    /// # Errors
    /// `Unavailable` if there is none within [`OPERATION_TIMEOUT`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.perform(async |mut connection| redis::cmd("PING").query_async(&mut connection).await).await
    }

    async fn perform<T, W, Doing>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(Connection) -> Doing + Send + 'static,
        Doing: Future<Output = RedisResult<T>> + Send,
    {
        let pool = self.pool.clone();
        let work = async move {
            let connection = pool.get().await.map_err(|error| StoreError::unavailable(&error))?;
            work(connection).await.map_err(|error| StoreError::unavailable(&error))
        };
        self.threads.run(within(OPERATION_TIMEOUT, work)).await
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| Err(StoreError::Unavailable(format!("Redis gave no answer within {} ms", limit.as_millis())));
    tokio::time::timeout(limit, work).await.unwrap_or_else(late)
}
