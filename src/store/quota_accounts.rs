//! Accounts of leases that outlive the process: what was used of limits with windows of an hour and more.
//!
//! The `QuotaLender` brings what keepers ask, many asks in one transaction; [`crate::domain::lease`] says what becomes of
//! each. A moment is a microsecond of Unix time, of the database where replicas share one.

mod record;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use diesel::{BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, sql_types};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;

use super::{
    PURGE_ROWS, Store, StoreError,
    connection::{AsyncSqliteConnection, Connection, on_backend},
    schema::{quota_accounts, quota_vaults},
    values::{micros, read_count, signed},
};
use crate::domain::lease::{Answer, Ask, LeaseAccount};

/// How long an idle account is kept: the clock of a database that takes another's part may be behind that one's.
const KEPT_US: i64 = 60_000_000;

/// What became of one ask: `None` if one as new was heard before, [`StoreError::Corrupt`] if its account is unreadable.
pub type Exchanged = Result<Option<Answer>, StoreError>;

/// An account as it is stored: its name, its state, and when it is idle. No state: it was never written.
type Row = (String, String, i64);

/// Accounts as they were read, those that were never written left out.
type Accounts = BTreeMap<Arc<str>, Result<LeaseAccount, StoreError>>;

impl Store {
    /// Brings asks to the accounts of these names, in this order, in one transaction. `now` is the time where the
    /// database has none of its own.
    ///
    /// # Errors
    /// `Unavailable`: whether the asks were heard is not known. An account that is unreadable fails the asks for it only.
    pub async fn exchange_quotas(
        &self,
        asks: Vec<(Arc<str>, Ask)>,
        now: Timestamp,
    ) -> Result<Vec<Exchanged>, StoreError> {
        self.transaction("quota_accounts", async move |connection: &mut Connection| {
            let names: BTreeSet<Arc<str>> = asks.iter().map(|(name, _)| Arc::clone(name)).collect();
            let (rows, now) = match connection {
                Connection::Sqlite(conn) => (stored(conn, &names).await?, micros(now)),
                Connection::Postgres(conn) => locked(conn, &names).await?,
            };
            let mut accounts: Accounts = rows.into_iter().map(|(name, state, _)| account(name, &state)).collect();
            let now = read_count("the time", now)?;
            let exchanged = asks.iter().map(|(name, ask)| exchange(&mut accounts, name, ask, now)).collect();
            let changed: Vec<Row> = accounts.iter().filter_map(|(name, account)| row(name, account)).collect();
            match connection {
                Connection::Sqlite(conn) => replace(conn, &changed).await?,
                Connection::Postgres(conn) => update(conn, changed).await?,
            }
            Ok(exchanged)
        })
        .await
    }

    /// Deletes accounts that have been idle for a minute, the oldest first, and returns how many; about [`PURGE_ROWS`] at most.
    /// `now` is the time where the database has none of its own: when an account is idle is said by the clock that its
    /// asks are counted by, and no gateway's own.
    pub async fn purge_quota_accounts(&self, now: Timestamp) -> Result<usize, StoreError> {
        let idle_at = quota_accounts::idle_at;
        self.write("DELETE", "quota_accounts", async move |connection: &mut Connection| {
            let oldest = quota_accounts::table.select(idle_at).order(idle_at).offset(PURGE_ROWS);
            let stop: Option<i64> = on_backend!(connection, |conn| oldest.first(conn).await.optional())?;
            let now = match connection {
                Connection::Sqlite(_) => micros(now),
                Connection::Postgres(conn) => database_time(conn).await?,
            };
            let idle = idle_at.lt(now.saturating_sub(KEPT_US)).and(idle_at.le(stop.unwrap_or(i64::MAX)));
            let purge = diesel::delete(quota_accounts::table.filter(idle));
            Ok(on_backend!(connection, |conn| purge.execute(conn).await)?)
        })
        .await
    }

    /// Remembers that limits are counted in the vault of this name; true if they never were before.
    pub async fn record_quota_vault(&self, name: &str, now: Timestamp) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write("INSERT", "quota_vaults", async move |connection: &mut Connection| {
            let vault = (quota_vaults::name.eq(name), quota_vaults::born_at.eq(micros(now)));
            let record = diesel::insert_into(quota_vaults::table).values(vault).on_conflict_do_nothing();
            Ok(on_backend!(connection, |conn| record.execute(conn).await)? == 1)
        })
        .await
    }
}

fn account(name: String, state: &str) -> (Arc<str>, Result<LeaseAccount, StoreError>) {
    let account = record::read(state).map_err(|fault| StoreError::Corrupt(format!("quota_accounts: {name}: {fault}")));
    (name.into(), account)
}

fn exchange(accounts: &mut Accounts, name: &Arc<str>, ask: &Ask, now: u64) -> Exchanged {
    let unseen = || Ok(LeaseAccount::full(ask.terms, now));
    match accounts.entry(Arc::clone(name)).or_insert_with(unseen) {
        Ok(account) => Ok(account.exchange(ask, now).ok()),
        Err(corrupt) => Err(corrupt.clone()),
    }
}

fn row(name: &Arc<str>, account: &Result<LeaseAccount, StoreError>) -> Option<Row> {
    let account = account.as_ref().ok()?;
    Some((name.to_string(), record::written(account), signed(account.idle_at())))
}

/// The accounts; the transaction has the only right to write.
async fn stored(conn: &mut AsyncSqliteConnection, names: &BTreeSet<Arc<str>>) -> QueryResult<Vec<Row>> {
    let names = names.iter().map(|name| &**name);
    quota_accounts::table.filter(quota_accounts::account.eq_any(names)).load(conn).await
}

/// The accounts, locked in the order of their names, and the time of the database after that. An account that is new is
/// first inserted empty, so that there is something to lock.
async fn locked(conn: &mut AsyncPgConnection, names: &BTreeSet<Arc<str>>) -> QueryResult<(Vec<Row>, i64)> {
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let empty = names.iter().map(|name| {
        (quota_accounts::account.eq(*name), quota_accounts::state.eq(""), quota_accounts::idle_at.eq(i64::MAX))
    });
    let empty: Vec<_> = empty.collect();
    diesel::insert_into(quota_accounts::table).values(&empty).on_conflict_do_nothing().execute(conn).await?;
    let accounts = quota_accounts::table.filter(quota_accounts::account.eq_any(names));
    let rows: Vec<Row> = accounts.order(quota_accounts::account).for_update().load(conn).await?;
    let now = database_time(conn).await?;
    Ok((rows.into_iter().filter(|(_, state, _)| !state.is_empty()).collect(), now))
}

/// The time of the database, in microseconds.
async fn database_time(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    let time = diesel::dsl::sql::<sql_types::BigInt>("(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint");
    diesel::select(time).get_result(conn).await
}

async fn replace(conn: &mut AsyncSqliteConnection, rows: &[Row]) -> QueryResult<()> {
    for (account, state, idle_at) in rows {
        let row =
            (quota_accounts::account.eq(account), quota_accounts::state.eq(state), quota_accounts::idle_at.eq(idle_at));
        diesel::replace_into(quota_accounts::table).values(row).execute(conn).await?;
    }
    Ok(())
}

/// All rows in one statement.
async fn update(conn: &mut AsyncPgConnection, rows: Vec<Row>) -> QueryResult<()> {
    let (mut names, mut states, mut idle_ats) = (vec![], vec![], vec![]);
    for (name, state, idle_at) in rows {
        names.push(name);
        states.push(state);
        idle_ats.push(idle_at);
    }
    let update = "UPDATE quota_accounts SET state = new.state, idle_at = new.idle_at \
                  FROM unnest($1, $2, $3) AS new (account, state, idle_at) \
                  WHERE quota_accounts.account = new.account";
    diesel::sql_query(update)
        .bind::<sql_types::Array<sql_types::Text>, _>(names)
        .bind::<sql_types::Array<sql_types::Text>, _>(states)
        .bind::<sql_types::Array<sql_types::BigInt>, _>(idle_ats)
        .execute(conn)
        .await
        .map(drop)
}
