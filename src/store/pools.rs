//! The pools of connections, and how a new connection is set up.
//!
//! SQLite has one connection that writes, so that writers of this process wait in a queue and never find the database
//! locked by each other, and several that read at the same time (WAL). PostgreSQL has one pool for both ([`postgres`]).

mod postgres;

use std::{path::Path, sync::Arc, time::Duration};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{
    AsyncConnection, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, SetupCallback,
        deadpool::{BuildError, Pool, PoolError},
    },
};
use futures_util::FutureExt;

pub(super) use self::postgres::Leased;
use self::postgres::Postgres;
use super::{
    Settings, StoreError,
    address::Address,
    connection::{AsyncSqliteConnection, Connection},
    file,
    sqlite_file::OpenedFile,
    tls::Connector,
};

/// The set-up of every SQLite connection. A commit is on the disk when it returns (`synchronous`), another process that
/// holds the lock, such as a command line tool, is waited for, and a write-ahead log that had to grow is cut to 64 MiB.
pub(super) fn sqlite_setup(busy_timeout: Duration) -> String {
    let busy_ms = busy_timeout.as_millis();
    format!("PRAGMA busy_timeout = {busy_ms}; {SQLITE_MODES}")
}

const SQLITE_MODES: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
     PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 67108864;";

/// A connection of the reading pool refuses to write.
const SQLITE_READ_ONLY: &str = "PRAGMA query_only = ON;";

/// What a connection is wanted for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Access {
    Read,
    Write,
    /// A read of what was revoked or changed, that must not wait behind others.
    Poll,
}

pub(super) struct Pools {
    kind: Kind,
    acquire_timeout: Duration,
}

enum Kind {
    Sqlite { readers: Pool<AsyncSqliteConnection>, writer: Pool<AsyncSqliteConnection>, file: Arc<OpenedFile> },
    Postgres(Postgres),
}

impl Pools {
    /// Connects to nothing yet.
    pub(super) fn new(address: Address, settings: &Settings) -> Result<Self, StoreError> {
        let size = settings.pool_size.max(1);
        let kind = match address {
            Address::Sqlite(path) => Kind::sqlite(&path, size, settings.statement_timeout)?,
            Address::Postgres(config) => {
                let connector = Connector::new(*config, settings.acquire_timeout)?;
                Kind::Postgres(Postgres::new(connector.with_limits(settings.statement_timeout), size, settings)?)
            }
        };
        Ok(Self { kind, acquire_timeout: settings.acquire_timeout })
    }

    /// Whether a call of one of these connections blocks its thread until the answer.
    pub(super) const fn block(&self) -> bool {
        matches!(self.kind, Kind::Sqlite { .. })
    }

    /// The kind of the database, as traces name it.
    pub(super) const fn system(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite { .. } => "sqlite",
            Kind::Postgres(_) => "postgresql",
        }
    }

    /// Whether what is written still goes where the address leads: the file of a SQLite store may have been moved, replaced
    /// or deleted under it.
    ///
    /// # Errors
    /// `Unavailable` if it does not.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Sqlite { file, .. } => file.check(),
            Kind::Postgres(_) => Ok(()),
        }
    }

    /// Whether the write-ahead log of a SQLite store keeps within its bound.
    ///
    /// # Errors
    /// `Unavailable` if it does not.
    pub(super) fn check_log(&self) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Sqlite { file, .. } => file.check_log(),
            Kind::Postgres(_) => Ok(()),
        }
    }

    /// The kind of the store, and what its connections do.
    pub(super) fn connections(&self) -> (&'static str, Connections) {
        match &self.kind {
            Kind::Sqlite { readers, writer, .. } => {
                let (reads, writes) = (readers.status(), writer.status());
                let reads = Connections::of(reads.size, reads.available, reads.waiting);
                ("sqlite", reads.and(Connections::of(writes.size, writes.available, writes.waiting)))
            }
            Kind::Postgres(pools) => ("postgres", pools.connections()),
        }
    }

    /// Waits for a free connection, or for a new one.
    ///
    /// # Errors
    /// `Unavailable` after the timeout, or if the database cannot be reached, or if the file of a SQLite store was found
    /// moved, deleted or replaced.
    pub(super) async fn acquire(&self, access: Access) -> Result<Connection, StoreError> {
        if let Kind::Sqlite { file, .. } = &self.kind {
            file.as_last_seen()?;
        }
        let found = tokio::time::timeout(self.acquire_timeout, self.kind.get(access)).await;
        match found {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(PoolError::Backend(error))) => Err(StoreError::Unavailable(error.to_string())),
            Ok(Err(error)) => Err(StoreError::Unavailable(error.to_string())),
            Err(_) => {
                let waited_ms = self.acquire_timeout.as_millis();
                Err(StoreError::Unavailable(format!("no connection within {waited_ms} ms")))
            }
        }
    }
}

/// What the connections of pools do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Connections {
    pub idle: usize,
    pub in_use: usize,
    /// Operations that wait for one.
    pub waiting: usize,
}

impl Connections {
    /// Those of one pool: `size` connections, `idle` ones among them, and `waiting` operations.
    pub(super) const fn of(size: usize, idle: usize, waiting: usize) -> Self {
        Self { idle, in_use: size.saturating_sub(idle), waiting }
    }

    pub(super) const fn and(self, Self { idle, in_use, waiting }: Self) -> Self {
        Self {
            idle: self.idle.saturating_add(idle),
            in_use: self.in_use.saturating_add(in_use),
            waiting: self.waiting.saturating_add(waiting),
        }
    }
}

impl Kind {
    fn sqlite(path: &Path, size: usize, busy_timeout: Duration) -> Result<Self, StoreError> {
        file::prepare(path)?;
        let path = file::text(path)?;
        let (file, setup) = (Arc::new(OpenedFile::at(path)), sqlite_setup(busy_timeout));
        let readers = manager(open_sqlite(&file, path, &format!("{setup}{SQLITE_READ_ONLY}")));
        let readers = Pool::builder(readers).max_size(size).build().map_err(unbuilt)?;
        let writer = manager(open_sqlite(&file, path, &setup));
        let writer = Pool::builder(writer).max_size(1).build().map_err(unbuilt)?;
        Ok(Self::Sqlite { readers, writer, file })
    }

    async fn get(&self, access: Access) -> Result<Connection, PoolError> {
        match (self, access) {
            (Self::Sqlite { readers, .. }, Access::Read | Access::Poll) => readers.get().await.map(Connection::Sqlite),
            (Self::Sqlite { writer, .. }, Access::Write) => writer.get().await.map(Connection::Sqlite),
            (Self::Postgres(pools), Access::Poll) => pools.get_for_poll().await.map(Connection::Postgres),
            (Self::Postgres(pools), _) => pools.get().await.map(Connection::Postgres),
        }
    }
}

fn unbuilt(error: BuildError) -> StoreError {
    StoreError::Other(error.to_string())
}

fn manager<C: AsyncConnection + 'static>(open: SetupCallback<C>) -> AsyncDieselConnectionManager<C> {
    let mut config = ManagerConfig::default();
    config.custom_setup = open;
    // A closed socket and an open transaction are noticed without asking the server.
    config.recycling_method = RecyclingMethod::Fast;
    AsyncDieselConnectionManager::new_with_config("", config)
}

/// A new connection is one to the file that the store was opened with: SQLite would make one that is gone.
fn open_sqlite(file: &Arc<OpenedFile>, path: &str, setup: &str) -> SetupCallback<AsyncSqliteConnection> {
    let (file, path, setup): (_, Arc<str>, Arc<str>) = (Arc::clone(file), path.into(), setup.into());
    Box::new(move |_| {
        let (file, path, setup) = (Arc::clone(&file), Arc::clone(&path), Arc::clone(&setup));
        async move {
            file.check().map_err(|error| ConnectionError::BadConnection(error.to_string()))?;
            set_up(AsyncSqliteConnection::establish(&path).await?, &setup).await
        }
        .boxed()
    })
}

async fn set_up<C: SimpleAsyncConnection>(mut conn: C, sql: &str) -> ConnectionResult<C> {
    conn.batch_execute(sql).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

#[cfg(test)]
mod tests {
    use diesel::{Connection, RunQueryDsl, SqliteConnection, dsl::sql, sql_types::Bool};

    #[test]
    fn sqlite_is_built_without_locks_that_nobody_needs() {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        let mut is_used = |option: &str| {
            let used = sql::<Bool>(&format!("sqlite_compileoption_used('{option}')"));
            diesel::select(used).get_result::<bool>(&mut conn).unwrap()
        };
        assert!(is_used("THREADSAFE=2") && is_used("DEFAULT_MEMSTATUS=0"), "see .cargo/config.toml");
        assert!(!is_used("ENABLE_MEMORY_MANAGEMENT"), "see .cargo/config.toml");
    }
}
