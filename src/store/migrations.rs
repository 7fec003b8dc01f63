//! The schema's history: brings a database up to date, or back to nothing.
//!
//! Called before the store is opened (`tollgate migrate`, `serve`) and by `check-config`. Each function works on a
//! thread of its own and blocks its caller until it is done. Two replicas that start at once migrate one after the other,
//! and the second finds nothing left to do.

use std::{error::Error, thread, time::Duration};

use diesel::{
    Connection as _, SqliteConnection, backend::Backend, connection::SimpleConnection as _, migration::MigrationSource,
};
use diesel_async::{AnsiTransactionManager, AsyncMigrationHarness, AsyncPgConnection, TransactionManager as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio_postgres::Config;

use super::{StoreError, address::Address, file, pools::sqlite_setup, tls::Connector};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// How long to wait for PostgreSQL to answer the first time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for another process that writes to the same SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// Only one migrates at a time: held until the transaction ends, which is all of one run, so that a pooler keeps it on one
/// server and frees it there. The number is an arbitrary one of ours.
const POSTGRES_BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '60s'; \
     SELECT pg_advisory_xact_lock(7310868735420133169);";

/// What to do with a database, and which migrations it was done with, oldest first.
#[derive(Clone, Copy)]
enum Task {
    Run,
    RevertAll,
    ListPending,
}

/// Applies what is missing and returns the names of what it applied. A SQLite file that is missing is made.
///
/// # Errors
/// `Invalid` for a senseless URL, `Unavailable` if the database cannot be reached or another replica holds the lock for a
/// minute, `Other` if a migration fails; all that this run did is then undone.
pub fn run(url: &str) -> Result<Vec<String>, StoreError> {
    on_own_thread(url, Task::Run)
}

/// Drops everything that was ever made, the newest first, and all data with it.
pub fn revert_all(url: &str) -> Result<Vec<String>, StoreError> {
    on_own_thread(url, Task::RevertAll)
}

/// The names of what [`run`] would apply.
pub fn pending(url: &str) -> Result<Vec<String>, StoreError> {
    on_own_thread(url, Task::ListPending)
}

fn on_own_thread(url: &str, task: Task) -> Result<Vec<String>, StoreError> {
    let address = Address::parse(url)?;
    let work = move || match address {
        Address::Sqlite(path) => on_sqlite(file::text(&path)?, task),
        Address::Postgres(config) => on_postgres(*config, task),
    };
    thread::spawn(work).join().unwrap_or_else(|_| Err(StoreError::Other("the migrations panicked".into())))
}

/// All migrations are one transaction, so the write lock that it begins with keeps others out.
fn on_sqlite(path: &str, task: Task) -> Result<Vec<String>, StoreError> {
    file::prepare(path.as_ref())?;
    let mut conn = SqliteConnection::establish(path).map_err(|error| StoreError::unavailable(&error))?;
    set_up(&mut conn)?;
    conn.immediate_transaction(|conn| perform(conn, SQLITE, task))
}

/// SQLite does not wait when two connections switch a new file to WAL at once: one of them gets at once the error that
/// it is busy, and asks again.
fn set_up(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut waited = Duration::ZERO;
    loop {
        match conn.batch_execute(&sqlite_setup(BUSY_TIMEOUT)).map_err(StoreError::from) {
            Err(StoreError::Unavailable(_)) if waited < BUSY_TIMEOUT => thread::sleep(ASK_AGAIN),
            done => return done,
        }
        waited = waited.saturating_add(ASK_AGAIN);
    }
}

/// The harness blocks the thread while it drives the connection, which only a runtime with several threads allows.
fn on_postgres(config: Config, task: Task) -> Result<Vec<String>, StoreError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| StoreError::unavailable(&error))?;
    runtime.block_on(async {
        let mut conn = connect(config).await?;
        AnsiTransactionManager::begin_transaction_sql(&mut conn, POSTGRES_BEGIN).await?;
        let mut harness = AsyncMigrationHarness::new(conn);
        let done = perform(&mut harness, POSTGRES, task);
        let mut conn = harness.into_inner();
        match done {
            Ok(_) => AnsiTransactionManager::commit_transaction(&mut conn).await?,
            Err(_) => drop(AnsiTransactionManager::rollback_transaction(&mut conn).await),
        }
        done
    })
}

async fn connect(config: Config) -> Result<AsyncPgConnection, StoreError> {
    let connector = Connector::new(config, CONNECT_TIMEOUT)?;
    let conn = tokio::time::timeout(CONNECT_TIMEOUT, connector.connect()).await;
    let conn = conn.map_err(|_| StoreError::Unavailable("PostgreSQL does not answer".into()))?;
    conn.map(|(conn, _)| conn).map_err(|error| StoreError::Unavailable(error.to_string()))
}

fn perform<DB: Backend>(
    harness: &mut impl MigrationHarness<DB>,
    source: EmbeddedMigrations,
    task: Task,
) -> Result<Vec<String>, StoreError>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let applied = harness.applied_migrations().map_err(failed)?;
    let mut migrations = source.migrations().map_err(failed)?;
    let reverts = matches!(task, Task::RevertAll);
    migrations.retain(|migration| applied.contains(&migration.name().version()) == reverts);
    match task {
        Task::Run => harness.run_pending_migrations(source).map_err(failed).map(drop)?,
        Task::RevertAll => harness.revert_all_migrations(source).map_err(failed).map(drop)?,
        Task::ListPending => {}
    }
    migrations.sort_by_key(|migration| migration.name().version().as_owned());
    Ok(migrations.iter().map(|migration| migration.name().to_string()).collect())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn failed(error: Box<dyn Error + Send + Sync>) -> StoreError {
    StoreError::Other(error.to_string())
}
