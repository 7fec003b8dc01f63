//! A connection to either database, the macro that compiles a query for both, and transactions.
//!
//! Used by the aggregates of the store only. A query is written once, between the bars of [`on_backend!`], and typed
//! twice by the compiler; which of the two runs is decided by the connection at hand.

use std::{error::Error, future::Future};

use diesel::{
    QueryResult, SqliteConnection,
    backend::Backend,
    connection::AnsiTransactionManager,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
};
use diesel_async::{
    AnsiTransactionManager as PgTransactions, AsyncConnection, TransactionManager,
    pooled_connection::deadpool::Object,
    sync_connection_wrapper::{SpawnBlocking, SyncConnectionWrapper},
};
use futures_util::{FutureExt, future::BoxFuture};

use super::{StoreError, pools::Leased, tls::session_limits};

/// A connection to SQLite that diesel-async can use.
pub type AsyncSqliteConnection = SyncConnectionWrapper<SqliteConnection, Here>;

/// Runs a statement of SQLite where it is asked for: an operation is on a thread that may block, all of it (`threads`).
pub struct Here;

impl SpawnBlocking for Here {
    fn spawn_blocking<'a, R>(
        &mut self,
        task: impl FnOnce() -> R + Send + 'static,
    ) -> BoxFuture<'a, Result<R, Box<dyn Error + Send + Sync + 'static>>>
    where
        R: Send + 'static,
    {
        async move { Ok(task()) }.boxed()
    }

    fn get_runtime() -> Self {
        Self
    }
}

/// A connection that goes back to its pool when dropped. Its name stays in the store: this module is private.
#[expect(clippy::large_enum_variant, reason = "one an operation, and it is not moved")]
pub enum Connection {
    Sqlite(Object<AsyncSqliteConnection>),
    Postgres(Leased),
}

/// `on_backend!(connection, |conn| query.load::<Row>(conn).await)`: the query, on whichever database `connection` is.
macro_rules! on_backend {
    ($connection:expr, |$conn:ident| $query:expr) => {
        match $connection {
            $crate::store::connection::Connection::Sqlite(object) => {
                let $conn = &mut **object;
                $query
            }
            $crate::store::connection::Connection::Postgres(object) => {
                let $conn = &mut **object;
                $query
            }
        }
    };
}
pub(super) use on_backend;

/// The first row of a query. That of diesel's `first` binds the 1 of its LIMIT, which makes SQLite parse and plan the statement
/// anew each time it runs, because its planner looks at the value.
#[derive(QueryId)]
pub(super) struct First<Q>(pub Q);

impl<Q: Query> Query for First<Q> {
    type SqlType = Q::SqlType;
}

impl<Q: QueryFragment<DB>, DB: Backend> QueryFragment<DB> for First<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" LIMIT 1");
        Ok(())
    }
}

/// Runs a statement on SQLite for each of `rows`, within a transaction. SQLite parses the statement once for a connection,
/// as long as the text of the statement does not depend on how many rows there are.
pub(super) async fn for_each<R: Send + 'static>(
    conn: &mut AsyncSqliteConnection,
    rows: Vec<R>,
    run: impl Fn(&mut SqliteConnection, R) -> QueryResult<()> + Send + 'static,
) -> QueryResult<()> {
    conn.spawn_blocking(move |conn| rows.into_iter().try_for_each(|row| run(conn, row))).await
}

/// `insert_rows!(connection, table, records, most)`: inserts a `Vec` of records. PostgreSQL gets at most `most` of them in a
/// statement; SQLite gets them as `row_insert!` writes them.
macro_rules! insert_rows {
    ($connection:expr, $table:expr, $records:expr, $most:expr) => {{
        let mut records = $records;
        match $connection {
            $crate::store::connection::Connection::Sqlite(conn) => {
                conn.spawn_blocking(move |conn| $crate::store::row_insert::insert_each(conn, records)).await?;
            }
            $crate::store::connection::Connection::Postgres(conn) => {
                while !records.is_empty() {
                    let later = records.split_off(records.len().min($most));
                    let some = std::mem::replace(&mut records, later);
                    diesel::insert_into($table).values(some).execute(conn).await?;
                }
            }
        }
    }};
}
pub(super) use insert_rows;

/// What is done on a connection: an `async move |connection: &mut Connection| …` whose future can change threads.
pub(super) trait Work<'c, T>:
    FnOnce(&'c mut Connection) -> <Self as Work<'c, T>>::Doing + Send + 'static
{
    type Doing: Future<Output = Result<T, StoreError>> + Send;
}

impl<'c, T, F, Doing> Work<'c, T> for F
where
    F: FnOnce(&'c mut Connection) -> Doing + Send + 'static,
    Doing: Future<Output = Result<T, StoreError>> + Send,
{
    type Doing = Doing;
}

impl Connection {
    /// Runs a statement, or reads that need not agree. Where the connection has no session of its own they are one
    /// transaction, because the server that prepares a statement must be the one that runs it.
    pub(super) async fn each<T>(&mut self, work: impl for<'c> Work<'c, T>) -> Result<T, StoreError> {
        match self {
            Self::Postgres(conn) if conn.pooled().is_some() => self.transaction(work).await,
            _ => work(self).await,
        }
    }

    /// Runs `work` in a transaction, which is committed if it ends well and rolled back if it does not.
    pub(super) async fn transaction<T>(&mut self, work: impl for<'c> Work<'c, T>) -> Result<T, StoreError> {
        self.begin().await?;
        let result = work(&mut *self).await;
        match &result {
            Ok(_) => self.commit().await?,
            // The first error is the one to return; a connection that cannot roll back is not used again by its pool.
            Err(_) => drop(self.roll_back().await),
        }
        result
    }

    /// Runs reads that all see the database as it is at the first of them. Nobody waits for them.
    pub(super) async fn snapshot<T>(&mut self, work: impl for<'c> Work<'c, T>) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(conn) => {
                conn.spawn_blocking(|conn| AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN")).await?;
            }
            Self::Postgres(conn) => begin(conn, "REPEATABLE READ, READ ONLY").await?,
        }
        let result = work(&mut *self).await;
        drop(self.roll_back().await);
        result
    }

    /// SQLite takes the write lock at once: a transaction that began by reading could not wait for it.
    async fn begin(&mut self) -> QueryResult<()> {
        match self {
            Self::Sqlite(conn) => {
                conn.spawn_blocking(|conn| AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")).await
            }
            Self::Postgres(conn) => begin(conn, "READ COMMITTED").await,
        }
    }

    async fn commit(&mut self) -> QueryResult<()> {
        on_backend!(self, |conn| commit(conn).await)
    }

    async fn roll_back(&mut self) -> QueryResult<()> {
        on_backend!(self, |conn| roll_back(conn).await)
    }

    /// Closes the connection instead of giving it back; the database rolls back what was open on it.
    pub(super) fn discard(self) {
        match self {
            Self::Sqlite(object) => drop(Object::take(object)),
            Self::Postgres(leased) => leased.discard(),
        }
    }
}

/// Begins a transaction of this isolation. Where the connection has no session of its own, the limits that a session
/// would keep are set for the transaction.
async fn begin(conn: &mut Leased, isolation: &str) -> QueryResult<()> {
    let mut sql = format!("BEGIN ISOLATION LEVEL {isolation}");
    if let Some(statement_timeout) = conn.pooled() {
        let limits = session_limits(statement_timeout).map(|(name, value)| format!("; SET LOCAL {name} = {value}"));
        sql.push_str(&limits.concat());
    }
    PgTransactions::begin_transaction_sql(&mut **conn, &sql).await
}

async fn commit<C: AsyncConnection>(conn: &mut C) -> QueryResult<()> {
    C::TransactionManager::commit_transaction(conn).await
}

async fn roll_back<C: AsyncConnection>(conn: &mut C) -> QueryResult<()> {
    C::TransactionManager::rollback_transaction(conn).await
}
