//! Brings a database up to date, or back to nothing. Two replicas that start at once migrate one after the other, and the
//! second finds nothing left to do.

use std::{thread, time::Duration};

use diesel::{
    Connection as _, SqliteConnection, backend::Backend, connection::SimpleConnection as _, migration::MigrationSource,
};
use diesel_async::{AnsiTransactionManager, AsyncMigrationHarness, TransactionManager as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use tokio_postgres::Config;

use super::sources::{POSTGRES, SQLITE, connect, failed, in_runtime, on_thread};
use crate::store::{StoreError, address::Address, file, pools::sqlite_setup};

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

fn on_own_thread(url: &str, task: Task) -> Result<Vec<String>, StoreError> {
    let address = Address::parse(url)?;
    on_thread(move || match address {
        Address::Sqlite(path) => on_sqlite(file::text(&path)?, task),
        Address::Postgres(config) => in_runtime(on_postgres(*config, task)),
    })
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

async fn on_postgres(config: Config, task: Task) -> Result<Vec<String>, StoreError> {
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
    }
    migrations.sort_by_key(|migration| migration.name().version().as_owned());
    Ok(migrations.iter().map(|migration| migration.name().to_string()).collect())
}
