//! Balances by account. An account is written as one text, so that rows can be locked in the order of it.

use std::collections::BTreeSet;

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, SqliteConnection,
    dsl::sql,
    expression::SqlLiteral,
    pg::Pg,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types,
    sqlite::Sqlite,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    domain::{
        ids::BudgetId,
        ledger::{Balance, Balances, BudgetAccount, Movement},
        limit::Subject,
        money::Money,
    },
    store::{
        StoreError,
        connection::{AsyncSqliteConnection, Connection, for_each, on_backend},
        schema::ledger_balances,
        values::{micros, read_text, read_time},
    },
};

/// A balance as it is stored: its account, what is spent and what is held.
type Row = (String, i64, i64);

/// Reads the balances of these accounts within a transaction that may write them: nobody else changes them until its end.
pub(super) async fn lock(
    connection: &mut Connection,
    accounts: &BTreeSet<BudgetAccount>,
) -> Result<Balances, StoreError> {
    if accounts.is_empty() {
        return Ok(Balances::new());
    }
    match connection {
        // The transaction has the only right to write.
        Connection::Sqlite(_) => read(connection, accounts).await,
        Connection::Postgres(conn) => balances(locked(conn, accounts).await?),
    }
}

/// Reads the balances of these accounts.
pub(super) async fn read(
    connection: &mut Connection,
    accounts: &BTreeSet<BudgetAccount>,
) -> Result<Balances, StoreError> {
    let names = texts(accounts);
    let rows = match connection {
        Connection::Sqlite(conn) => conn.spawn_blocking(move |conn| read_each(conn, &names)).await?,
        Connection::Postgres(conn) => {
            ledger_balances::table.filter(ledger_balances::account.eq_any(names)).load(conn).await?
        }
    };
    balances(rows)
}

/// One statement an account, so that SQLite parses one.
fn read_each(conn: &mut SqliteConnection, names: &[String]) -> QueryResult<Vec<Row>> {
    let read = |name| {
        let row = ledger_balances::table.find(name);
        diesel::RunQueryDsl::get_result(row, conn).optional().transpose()
    };
    names.iter().filter_map(read).collect()
}

/// A budget and a period, as the index of balances has it.
fn period() -> SqlLiteral<sql_types::Text> {
    sql("(substr(account, 1, 37) || substr(account, 75))")
}

fn periods(budgets: &[(BudgetId, Timestamp)]) -> Vec<String> {
    budgets.iter().map(|(budget, since)| format!("{budget}/{}", micros(*since))).collect()
}

/// Reads the balances of these budgets in these periods, whomever they count.
pub(super) async fn of_budgets(
    connection: &mut Connection,
    budgets: &[(BudgetId, Timestamp)],
) -> Result<Balances, StoreError> {
    let rows = ledger_balances::table.filter(period().eq_any(periods(budgets)));
    balances(on_backend!(connection, |conn| rows.load(conn).await)?)
}

/// A budget, and the sums of its balances: micro-USD, and what is left of them in pico-USD, because the sum of many
/// amounts is more than a column holds.
type Sums = (String, i64, i64, i64, i64);

/// Adds up the balances of these budgets in these periods.
pub(super) async fn sums(
    connection: &mut Connection,
    budgets: &[(BudgetId, Timestamp)],
) -> Result<Vec<(BudgetId, Balance)>, StoreError> {
    let sum = |expression: &str| sql::<sql_types::BigInt>(&format!("CAST(SUM({expression}) AS BIGINT)"));
    let rows = ledger_balances::table.filter(period().eq_any(periods(budgets)));
    let rows = rows.group_by(sql::<sql_types::Text>("substr(account, 1, 36)")).select((
        sql::<sql_types::Text>("substr(account, 1, 36)"),
        sum("spent_pusd / 1000000"),
        sum("spent_pusd % 1000000"),
        sum("held_pusd / 1000000"),
        sum("held_pusd % 1000000"),
    ));
    let rows: Vec<Sums> = on_backend!(connection, |conn| rows.load(conn).await)?;
    let money = |micro: i64, rest: i64| Money::from_pusd(micro.saturating_mul(1_000_000).saturating_add(rest));
    let sums = rows.into_iter().map(|(budget, spent, spent_rest, held, held_rest)| {
        let balance = Balance { spent: money(spent, spent_rest), held: money(held, held_rest) };
        Ok((read_text("ledger_balances.account", &budget)?, balance))
    });
    sums.collect()
}

/// Writes what has changed.
pub(super) async fn write(connection: &mut Connection, movements: &[Movement]) -> Result<(), StoreError> {
    if movements.is_empty() {
        return Ok(());
    }
    match connection {
        Connection::Sqlite(conn) => replace(conn, movements).await?,
        Connection::Postgres(conn) => update(conn, movements).await?,
    }
    Ok(())
}

/// The rows, locked in the order of their accounts. One that is new is first inserted, so that there is something to lock.
async fn locked(conn: &mut AsyncPgConnection, accounts: &BTreeSet<BudgetAccount>) -> QueryResult<Vec<Row>> {
    let mut names = texts(accounts);
    names.sort_unstable();
    let new = names.iter().map(|name| {
        (ledger_balances::account.eq(name), ledger_balances::spent_pusd.eq(0), ledger_balances::held_pusd.eq(0))
    });
    let new: Vec<_> = new.collect();
    diesel::insert_into(ledger_balances::table).values(&new).on_conflict_do_nothing().execute(conn).await?;
    let rows = ledger_balances::table.filter(ledger_balances::account.eq_any(&names));
    rows.order(ledger_balances::account).for_update().load(conn).await
}

/// Sets one balance. Its text is fixed, so that SQLite parses it once; what diesel makes of `do_update` is parsed each time.
/// No `REPLACE`: that would write the index again.
#[derive(QueryId)]
struct Replace {
    account: String,
    spent: i64,
    held: i64,
}

impl QueryFragment<Sqlite> for Replace {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("INSERT INTO ledger_balances (account, spent_pusd, held_pusd) VALUES (");
        out.push_bind_param::<sql_types::Text, _>(&self.account)?;
        out.push_sql(", ");
        out.push_bind_param::<sql_types::BigInt, _>(&self.spent)?;
        out.push_sql(", ");
        out.push_bind_param::<sql_types::BigInt, _>(&self.held)?;
        out.push_sql(
            ") ON CONFLICT (account) DO UPDATE SET spent_pusd = excluded.spent_pusd, held_pusd = excluded.held_pusd",
        );
        Ok(())
    }
}

impl diesel::RunQueryDsl<SqliteConnection> for Replace {}

async fn replace(conn: &mut AsyncSqliteConnection, movements: &[Movement]) -> QueryResult<()> {
    let rows = movements.iter().map(row).map(|(account, spent, held)| Replace { account, spent, held });
    for_each(conn, rows.collect(), |conn, row| diesel::RunQueryDsl::execute(row, conn).map(drop)).await
}

/// Sets all balances in one statement of a fixed text, which PostgreSQL prepares once for a connection.
#[derive(QueryId, Default)]
struct Update {
    accounts: Vec<String>,
    spent: Vec<i64>,
    held: Vec<i64>,
}

impl QueryFragment<Pg> for Update {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE ledger_balances SET spent_pusd = new.spent, held_pusd = new.held FROM unnest(");
        out.push_bind_param::<sql_types::Array<sql_types::Text>, _>(&self.accounts)?;
        out.push_sql(", ");
        out.push_bind_param::<sql_types::Array<sql_types::BigInt>, _>(&self.spent)?;
        out.push_sql(", ");
        out.push_bind_param::<sql_types::Array<sql_types::BigInt>, _>(&self.held)?;
        out.push_sql(") AS new (account, spent, held) WHERE ledger_balances.account = new.account");
        Ok(())
    }
}

async fn update(conn: &mut AsyncPgConnection, movements: &[Movement]) -> QueryResult<()> {
    let mut update = Update::default();
    for (account, spent, held) in movements.iter().map(row) {
        update.accounts.push(account);
        update.spent.push(spent);
        update.held.push(held);
    }
    update.execute(conn).await.map(drop)
}

fn row(movement: &Movement) -> Row {
    let Balance { spent, held } = movement.after;
    (name(&movement.account), spent.pusd(), held.pusd())
}

fn texts(accounts: &BTreeSet<BudgetAccount>) -> Vec<String> {
    accounts.iter().map(name).collect()
}

fn balances(rows: Vec<Row>) -> Result<Balances, StoreError> {
    let balance = |(account, spent, held): Row| {
        let balance = Balance { spent: Money::from_pusd(spent), held: Money::from_pusd(held) };
        Ok((parse(&account)?, balance))
    };
    rows.into_iter().map(balance).collect()
}

/// Room for an account as one text.
pub(super) const NAME_BYTES: usize = 96;

/// An account as one text.
pub(super) fn name(account: &BudgetAccount) -> String {
    let mut text = String::with_capacity(NAME_BYTES);
    push_name(&mut text, account);
    text
}

/// Adds an account as one text: `budget/subject/since`, since in microseconds.
pub(super) fn push_name(text: &mut String, account: &BudgetAccount) {
    let BudgetAccount { budget, subject, since } = *account;
    let mut buffer = Uuid::encode_buffer();
    for id in [budget.0, subject.into()] {
        text.push_str(id.as_hyphenated().encode_lower(&mut buffer));
        text.push('/');
    }
    text.push_str(&micros(since).to_string());
}

/// Reads what [`name`] writes.
pub(super) fn parse(text: &str) -> Result<BudgetAccount, StoreError> {
    const COLUMN: &str = "ledger.account";
    let corrupt = || StoreError::Corrupt(format!("{COLUMN}: is not three parts"));
    let mut parts = text.split('/');
    let (Some(budget), Some(subject), Some(since), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(corrupt());
    };
    let budget: BudgetId = read_text(COLUMN, budget)?;
    let subject: Subject = read_text::<Uuid>(COLUMN, subject)?.into();
    Ok(BudgetAccount { budget, subject, since: read_time(COLUMN, read_text(COLUMN, since)?)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::ledger::holds::accounts_text;

    proptest! {
        #[test]
        fn accounts_are_read_as_they_were_written(budget: u128, subject: u128, micros in 0..i64::MAX / 1_000_000) {
            let since = Timestamp::from_microsecond(micros).unwrap();
            let account = BudgetAccount {
                budget: BudgetId(Uuid::from_u128(budget)),
                subject: Uuid::from_u128(subject).into(),
                since,
            };
            let written = format!("{}/{}/{micros}", Uuid::from_u128(budget), Uuid::from_u128(subject));
            prop_assert_eq!(name(&account), &*written);
            prop_assert_eq!(parse(&written), Ok(account));
            for accounts in [vec![], vec![account], vec![account; 3]] {
                let texts = vec![written.clone(); accounts.len()];
                prop_assert_eq!(accounts_text(&accounts), serde_json::to_string(&texts).unwrap());
            }
        }
    }
}
