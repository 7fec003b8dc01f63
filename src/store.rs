//! Persistence: users, teams, sessions, API keys, signing keys, limits, budgets, prices, the ledger and the audit log, on SQLite or PostgreSQL; and the door to Redis.
//!
//! The only folder that names diesel or redis. Actors write through it, handlers may read through it. It never decides
//! who may do what, never reads a clock, and never hands out a transaction: each function is one operation that happens
//! as a whole or not at all. Each query is written once and compiled for both databases (`connection`).
//!
//! Reading order: `connection` (a connection of either kind) · `threads` (where the work runs) · [`users`] and the other
//! aggregates · [`migrations`].

mod address;
pub mod administered;
pub mod api_keys;
pub mod audit;
pub mod backup;
pub mod budgets;
pub mod cache_purges;
mod connection;
pub mod entries;
mod error;
mod file;
pub mod filter;
pub mod idempotency;
pub mod key_orders;
pub mod keys;
pub mod ledger;
pub mod limits;
pub mod migrations;
pub mod names;
mod pools;
pub mod prices;
pub mod quota_accounts;
pub mod redis;
pub mod replay;
mod replicas;
pub mod reseal;
pub mod revisions;
mod row_insert;
mod schema;
pub mod sessions;
pub mod sign_ins;
mod sqlite_file;
pub mod teams;
#[cfg(test)]
pub(crate) mod test_lock;
mod threads;
mod tls;
pub mod traffic;
pub mod users;
mod values;

use std::{fmt, sync::Arc, time::Duration};

use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use address::Address;
use connection::{Connection, Work};
use pools::{Access, Pools};
use threads::Threads;

use crate::telemetry::{DatabaseCall, Parents, Target};

pub use error::StoreError;
pub use pools::Connections;

/// About how many rows one purge deletes at most.
pub const PURGE_ROWS: i64 = 1_000;

/// Where the store is, and how long it may take.
#[derive(Clone)]
pub struct Settings {
    /// `sqlite:path`, `sqlite:///absolute/path`, or `postgres://user:password@host:port/database?sslmode=…`.
    pub url: String,
    /// The most connections to PostgreSQL, or the most SQLite connections that read; at least 1.
    pub pool_size: usize,
    /// The longest wait for a connection, whether a free one or a new one.
    pub acquire_timeout: Duration,
    /// The longest time of one statement on PostgreSQL, and the longest wait on SQLite for another process that writes.
    /// An operation on PostgreSQL, which is a few statements, is given up after twice this time.
    pub statement_timeout: Duration,
}

impl fmt::Debug for Settings {
    /// Without the URL: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("pool_size", &self.pool_size)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}

/// A handle to the store; clones share its connections and its threads.
///
/// An operation once begun goes on to its end even when the caller's future is dropped.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pools: Pools,
    threads: Threads,
    /// The longest time of an operation once it has its connection.
    deadline: Duration,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Prepares a store without connecting to it: a database that is down shows in the first operation. A SQLite file
    /// that does not exist is made, empty, for its owner only. Nothing is migrated: see [`migrations::run`].
    ///
    /// # Errors
    /// `Invalid` if the URL is not understood, `Unavailable` if the file or the threads cannot be made.
    pub fn open(settings: &Settings) -> Result<Self, StoreError> {
        let address = Address::parse(&settings.url)?;
        let threads = Threads::start("store", settings.pool_size.saturating_add(2))?;
        let pools = Pools::new(address, settings)?;
        let deadline = settings.statement_timeout.saturating_mul(2);
        Ok(Self { inner: Arc::new(Inner { pools, threads, deadline }) })
    }

    /// Reads from a table, as every operation does: a database that only answers is not yet a store.
    ///
    /// # Errors
    /// `Unavailable` if it does not answer, has no tables, or is a SQLite file that was replaced or deleted.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.check_place()?;
        self.read("revisions", async move |connection: &mut Connection| {
            revisions::current(connection, revisions::IDENTITY).await.map(drop)
        })
        .await
    }

    /// The kind of the store, and what its connections do.
    #[must_use]
    pub fn connections(&self) -> (&'static str, Connections) {
        self.inner.pools.connections()
    }

    /// Whether the store is a file, which shares the disk and the fate of this machine.
    #[must_use]
    pub fn is_a_file(&self) -> bool {
        self.inner.pools.block()
    }

    /// Whether what is written still goes where the address leads. Where it does not, because the file of a SQLite store was
    /// moved, deleted or replaced while it was open, no operation gets a connection until a look finds the right one again.
    ///
    /// # Errors
    /// `Unavailable`, with what it is.
    pub fn check_place(&self) -> Result<(), StoreError> {
        self.inner.pools.check()
    }

    /// What is wrong with the file of a SQLite store while it is open: another lies in its place, or its log grows without
    /// bound.
    ///
    /// # Errors
    /// `Unavailable`, with what it is.
    pub fn check_file(&self) -> Result<(), StoreError> {
        self.check_place()?;
        self.inner.pools.check_log()
    }

    /// The time of the database; `None` on SQLite, whose clock is that of this machine.
    pub async fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.perform(Access::Read, ("SELECT", None), async move |connection: &mut Connection| {
            let Connection::Postgres(conn) = connection else { return Ok(None) };
            let now = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
            let now = diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(now));
            let micros: i64 = now.get_result(&mut **conn).await?;
            values::read_time("clock_timestamp()", micros).map(Some)
        })
        .await
    }

    /// Runs reads on one connection. `table` is the collection that a trace names, here and in the functions below.
    async fn read<T: Send + 'static>(
        &self,
        table: &'static str,
        work: impl for<'c> Work<'c, T>,
    ) -> Result<T, StoreError> {
        self.perform(Access::Read, ("SELECT", Some(table)), async move |connection: &mut Connection| {
            connection.each(work).await
        })
        .await
    }

    /// Runs a read that must not wait behind others, because a change that somebody made must bite soon.
    async fn poll<T: Send + 'static>(
        &self,
        table: &'static str,
        work: impl for<'c> Work<'c, T>,
    ) -> Result<T, StoreError> {
        self.perform(Access::Poll, ("SELECT", Some(table)), async move |connection: &mut Connection| {
            connection.each(work).await
        })
        .await
    }

    /// Runs one statement that changes something, of this command; it is atomic by itself.
    async fn write<T: Send + 'static>(
        &self,
        command: &'static str,
        table: &'static str,
        work: impl for<'c> Work<'c, T>,
    ) -> Result<T, StoreError> {
        self.perform(Access::Write, (command, Some(table)), async move |connection: &mut Connection| {
            connection.each(work).await
        })
        .await
    }

    /// Runs statements that all happen or, if any fails, all do not.
    async fn transaction<T: Send + 'static>(
        &self,
        table: &'static str,
        work: impl for<'c> Work<'c, T>,
    ) -> Result<T, StoreError> {
        self.perform(Access::Write, ("BATCH", Some(table)), async move |connection: &mut Connection| {
            connection.transaction(work).await
        })
        .await
    }

    /// Runs reads that all see the store as it is at one moment.
    async fn snapshot<T: Send + 'static>(
        &self,
        table: &'static str,
        work: impl for<'c> Work<'c, T>,
    ) -> Result<T, StoreError> {
        self.perform(Access::Read, ("SELECT", Some(table)), async move |connection: &mut Connection| {
            connection.snapshot(work).await
        })
        .await
    }

    /// Runs an operation, and shows it in the traces of those that it is for.
    async fn perform<T: Send + 'static>(
        &self,
        access: Access,
        (operation, table): (&'static str, Option<&'static str>),
        work: impl for<'c> Work<'c, T>,
    ) -> Result<T, StoreError> {
        let system = self.inner.pools.system();
        let spans = Parents::current().call(&DatabaseCall { system, operation, target: table.map(Target::Table) });
        let done = self.run(access, work).await;
        spans.end(done.as_ref().err().and_then(StoreError::failure));
        done
    }

    /// Runs an operation on the store's threads. It is boxed, because it is kilobytes, which every future that waits for it
    /// would have in it, and which are copied at each step to those threads.
    async fn run<T: Send + 'static>(&self, access: Access, work: impl for<'c> Work<'c, T>) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        if self.inner.pools.block() {
            // Waited for here, where it keeps no thread from others.
            let connection = inner.pools.acquire(access).await?;
            return inner.threads.run_blocking(Box::pin(perform_on(connection, inner.deadline, work))).await;
        }
        let doing = async move {
            let connection = inner.pools.acquire(access).await?;
            perform_on(connection, inner.deadline, work).await
        };
        self.inner.threads.run(Box::pin(doing)).await
    }
}

async fn perform_on<T>(
    mut connection: Connection,
    deadline: Duration,
    work: impl for<'c> Work<'c, T>,
) -> Result<T, StoreError> {
    let done = tokio::time::timeout(deadline, work(&mut connection)).await;
    let late = |_| Err(StoreError::Unavailable(format!("no answer within {} ms", deadline.as_millis())));
    let done = done.unwrap_or_else(late);
    if matches!(done, Err(StoreError::Unavailable(_))) {
        // The line may be cut, or what was asked on it may still go on: nobody is to find it in the pool.
        connection.discard();
    }
    done
}
