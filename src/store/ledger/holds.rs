//! Holds of calls that are under way. The one that ends a hold deletes its row, so it ends once.

use std::collections::HashMap;

use diesel::{
    ExpressionMethods, Insertable, OptionalExtension, QueryDsl, QueryResult, Queryable, Selectable, SelectableHelper,
    SqliteConnection,
};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::balances::{NAME_BYTES, parse, push_name};
use crate::{
    domain::{
        ids::{ApiKeyId, RequestId, TeamId},
        ledger::{BudgetAccount, Hold, Purpose},
        money::Money,
    },
    store::{
        StoreError,
        connection::{Connection, insert_rows, on_backend},
        row_insert::row_insert,
        schema::ledger_holds,
        values::{micros, read_text, read_time},
    },
};

/// A hold with the fields of its later entries.
pub(super) struct OpenHold {
    pub hold: Hold,
    /// The replica that serves the call.
    pub owner: String,
    pub opened_at: Timestamp,
    pub purpose: Purpose,
}

/// A row. `None` is written as NULL, so that many rows are one statement.
#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = ledger_holds, treat_none_as_default_value = false)]
struct Record {
    request_id: String,
    owner: String,
    opened_at: i64,
    amount_pusd: i64,
    accounts: String,
    user_id: String,
    team_id: Option<String>,
    key_id: Option<String>,
    route: String,
    model: Option<String>,
    price_version: Option<i64>,
}
row_insert!(
    Record,
    ledger_holds,
    [request_id, owner, opened_at, amount_pusd, accounts, user_id, team_id, key_id, route, model, price_version]
);

/// The most rows of one statement: PostgreSQL takes 65,535 values in it, and a row is 11.
const ROWS_PER_INSERT: usize = 2_500;

/// Takes the holds of these calls out; those that have ended before are left out.
pub(super) async fn take(
    connection: &mut Connection,
    requests: &[RequestId],
) -> Result<HashMap<RequestId, OpenHold>, StoreError> {
    if requests.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<String> = requests.iter().map(|request| request.text()).collect();
    let records = match connection {
        Connection::Sqlite(conn) => conn.spawn_blocking(move |conn| take_each(conn, &ids)).await?,
        Connection::Postgres(conn) => {
            let take = diesel::delete(ledger_holds::table.filter(ledger_holds::request_id.eq_any(ids)));
            take.returning(Record::as_returning()).get_results(conn).await?
        }
    };
    records.into_iter().map(|record: Record| OpenHold::try_from(record).map(|open| (open.hold.request, open))).collect()
}

/// Two statements a call, whose texts are fixed, so that SQLite parses them once: RETURNING would make a table for each call.
/// Nobody comes between them, because the transaction has the only right to write.
fn take_each(conn: &mut SqliteConnection, ids: &[String]) -> QueryResult<Vec<Record>> {
    let mut taken = Vec::with_capacity(ids.len());
    for id in ids {
        let hold = ledger_holds::table.find(id).select(Record::as_select());
        let hold: Option<Record> = diesel::RunQueryDsl::get_result(hold, conn).optional()?;
        if let Some(hold) = hold {
            diesel::RunQueryDsl::execute(diesel::delete(ledger_holds::table.find(id)), conn)?;
            taken.push(hold);
        }
    }
    Ok(taken)
}

pub(super) async fn insert(connection: &mut Connection, holds: Vec<OpenHold>) -> Result<(), StoreError> {
    let records: Vec<Record> = holds.iter().map(Record::from).collect();
    insert_rows!(connection, ledger_holds::table, records, ROWS_PER_INSERT);
    Ok(())
}

pub(super) async fn of_owner(connection: &mut Connection, owner: &str) -> Result<Vec<RequestId>, StoreError> {
    let holds = ledger_holds::table.filter(ledger_holds::owner.eq(owner));
    let holds = holds.order(ledger_holds::request_id).select(ledger_holds::request_id);
    let ids: Vec<String> = on_backend!(connection, |conn| holds.load(conn).await)?;
    ids.iter().map(|id| read_text("ledger_holds.request_id", id)).collect()
}

/// The accounts as they are written in a column: a list of texts in JSON. None has a character that JSON escapes.
pub(super) fn accounts_text(accounts: &[BudgetAccount]) -> String {
    let mut text = String::with_capacity(NAME_BYTES.saturating_mul(accounts.len().max(1)));
    let mut before = "[\"";
    for account in accounts {
        text.push_str(before);
        push_name(&mut text, account);
        before = "\",\"";
    }
    text.push_str(if accounts.is_empty() { "[]" } else { "\"]" });
    text
}

pub(super) fn read_accounts(text: &str) -> Result<Vec<BudgetAccount>, StoreError> {
    let names: Vec<String> =
        serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("ledger.accounts: {error}")))?;
    names.iter().map(|name| parse(name)).collect()
}

impl From<&OpenHold> for Record {
    fn from(open: &OpenHold) -> Self {
        let purpose = open.purpose.clone();
        Self {
            request_id: open.hold.request.text(),
            owner: open.owner.clone(),
            opened_at: micros(open.opened_at),
            amount_pusd: open.hold.amount.pusd(),
            accounts: accounts_text(&open.hold.accounts),
            user_id: purpose.user.text(),
            team_id: purpose.team.map(TeamId::text),
            key_id: purpose.key.map(ApiKeyId::text),
            route: purpose.route,
            model: purpose.model,
            price_version: purpose.price_version,
        }
    }
}

impl TryFrom<Record> for OpenHold {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        Ok(Self {
            hold: Hold {
                request: read_text("ledger_holds.request_id", &record.request_id)?,
                amount: Money::from_pusd(record.amount_pusd),
                accounts: read_accounts(&record.accounts)?,
            },
            owner: record.owner,
            opened_at: read_time("ledger_holds.opened_at", record.opened_at)?,
            purpose: Purpose {
                user: read_text("ledger_holds.user_id", &record.user_id)?,
                team: record.team_id.map(|id| read_text("ledger_holds.team_id", &id)).transpose()?,
                key: record.key_id.map(|id| read_text("ledger_holds.key_id", &id)).transpose()?,
                route: record.route,
                model: record.model,
                price_version: record.price_version,
            },
        })
    }
}
