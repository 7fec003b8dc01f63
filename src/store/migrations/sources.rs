//! The migrations of each database, and where they are worked on: on a thread of their own, which blocks its caller.

use std::{error::Error, thread, time::Duration};

use diesel_async::AsyncPgConnection;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use tokio_postgres::Config;

use crate::store::{StoreError, tls::Connector};

pub(super) const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
pub(super) const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// How long to wait for PostgreSQL to answer the first time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Works on a thread of its own.
pub(super) fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    thread::spawn(work).join().unwrap_or_else(|_| Err(StoreError::Other("the migrations panicked".into())))
}

/// The harness blocks the thread while it drives the connection, which only a runtime with several threads allows.
pub(super) fn in_runtime<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(|error| StoreError::unavailable(&error))?.block_on(work)
}

pub(super) async fn connect(config: Config) -> Result<AsyncPgConnection, StoreError> {
    let connector = Connector::new(config, CONNECT_TIMEOUT)?;
    let conn = tokio::time::timeout(CONNECT_TIMEOUT, connector.connect()).await;
    let conn = conn.map_err(|_| StoreError::Unavailable("PostgreSQL does not answer".into()))?;
    conn.map(|(conn, _)| conn).map_err(|error| StoreError::Unavailable(error.to_string()))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
pub(super) fn failed(error: Box<dyn Error + Send + Sync>) -> StoreError {
    StoreError::Other(error.to_string())
}
