//! The pools of connections, and how a new connection is set up.
//!
//! SQLite has one connection that writes, so that writers of this process wait in a queue and never find the database
//! locked by each other, and several that read beside it (WAL). PostgreSQL has one pool for both.

use std::{path::Path, sync::Arc, time::Duration};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{
    AsyncConnection, AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, SetupCallback,
        deadpool::{BuildError, Pool, PoolError},
    },
};
use futures_util::FutureExt;
use tokio_postgres::Config;

use super::{
    Settings, StoreError,
    address::Address,
    connection::{AsyncSqliteConnection, Connection},
    file,
    tls::Connector,
};

/// What every SQLite connection is told first. A commit is on the disk when it returns (`synchronous`), and another
/// process that holds the lock, such as a command line tool, is waited for.
pub(super) fn sqlite_setup(busy_timeout: Duration) -> String {
    let busy_ms = busy_timeout.as_millis();
    format!("PRAGMA busy_timeout = {busy_ms}; {SQLITE_MODES}")
}

const SQLITE_MODES: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
     PRAGMA trusted_schema = OFF;";

/// A connection of the reading pool refuses to write.
const SQLITE_READ_ONLY: &str = "PRAGMA query_only = ON;";

/// What a connection is wanted for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Access {
    Read,
    Write,
}

pub(super) struct Pools {
    kind: Kind,
    acquire_timeout: Duration,
}

enum Kind {
    Sqlite { readers: Pool<AsyncSqliteConnection>, writer: Pool<AsyncSqliteConnection> },
    Postgres(Pool<AsyncPgConnection>),
}

impl Pools {
    /// Connects to nothing yet.
    pub(super) fn new(address: Address, settings: &Settings) -> Result<Self, StoreError> {
        let size = settings.pool_size.max(1);
        let kind = match address {
            Address::Sqlite(path) => Kind::sqlite(&path, size, settings.statement_timeout)?,
            Address::Postgres(config) => Kind::postgres(*config, size, settings)?,
        };
        Ok(Self { kind, acquire_timeout: settings.acquire_timeout })
    }

    /// Whether whoever asks one of these connections is blocked until it answers.
    pub(super) const fn block(&self) -> bool {
        matches!(self.kind, Kind::Sqlite { .. })
    }

    /// Waits for a free connection, or for a new one.
    ///
    /// # Errors
    /// `Unavailable` after the timeout, or if the database cannot be reached.
    pub(super) async fn acquire(&self, access: Access) -> Result<Connection, StoreError> {
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

impl Kind {
    fn sqlite(path: &Path, size: usize, busy_timeout: Duration) -> Result<Self, StoreError> {
        file::prepare(path)?;
        let path = file::text(path)?;
        let setup = sqlite_setup(busy_timeout);
        let readers = manager(open_sqlite(path, &format!("{setup}{SQLITE_READ_ONLY}")));
        let readers = Pool::builder(readers).max_size(size).build().map_err(unbuilt)?;
        let writer = manager(open_sqlite(path, &setup));
        let writer = Pool::builder(writer).max_size(1).build().map_err(unbuilt)?;
        Ok(Self::Sqlite { readers, writer })
    }

    fn postgres(config: Config, size: usize, settings: &Settings) -> Result<Self, StoreError> {
        let pool = Pool::builder(manager(open_postgres(config, settings)?)).max_size(size).build();
        Ok(Self::Postgres(pool.map_err(unbuilt)?))
    }

    async fn get(&self, access: Access) -> Result<Connection, PoolError> {
        match (self, access) {
            (Self::Sqlite { readers, .. }, Access::Read) => readers.get().await.map(Connection::Sqlite),
            (Self::Sqlite { writer, .. }, Access::Write) => writer.get().await.map(Connection::Sqlite),
            (Self::Postgres(pool), _) => pool.get().await.map(Connection::Postgres),
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

fn open_sqlite(path: &str, setup: &str) -> SetupCallback<AsyncSqliteConnection> {
    let (path, setup): (Arc<str>, Arc<str>) = (path.into(), setup.into());
    Box::new(move |_| {
        let (path, setup) = (Arc::clone(&path), Arc::clone(&setup));
        async move { set_up(AsyncSqliteConnection::establish(&path).await?, &setup).await }.boxed()
    })
}

fn open_postgres(config: Config, settings: &Settings) -> Result<SetupCallback<AsyncPgConnection>, StoreError> {
    let connector = Connector::new(config, settings.acquire_timeout)?;
    let setup: Arc<str> = postgres_setup(settings.statement_timeout).into();
    Ok(Box::new(move |_| {
        let (connector, setup) = (connector.clone(), Arc::clone(&setup));
        async move { set_up(connector.connect().await?, &setup).await }.boxed()
    }))
}

/// The server ends a statement that takes too long, and a transaction that was left open. The isolation is the default
/// of PostgreSQL, but not of every server: after waiting for a lock a statement must see what was committed meanwhile.
fn postgres_setup(statement_timeout: Duration) -> String {
    let statement_ms = statement_timeout.as_millis().max(1);
    let idle_ms = statement_ms.saturating_mul(2);
    format!(
        "SET statement_timeout = {statement_ms}; SET idle_in_transaction_session_timeout = {idle_ms}; \
         SET default_transaction_isolation = 'read committed';"
    )
}

async fn set_up<C: SimpleAsyncConnection>(mut conn: C, sql: &str) -> ConnectionResult<C> {
    conn.batch_execute(sql).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}
