//! Calls whose holds were ended by another replica than the one that serves them, because that one seemed to be lost.
//!
//! If the serving replica comes back, the end of such a call finds no hold; here it finds what was booked for it, once. What
//! the call cost beyond that is then booked as forced, and what it cost less is refunded.

use std::collections::HashMap;

use diesel::{ExpressionMethods, QueryDsl, QueryResult, Queryable, Selectable, SelectableHelper, SqliteConnection};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{
    entries::Kind,
    holds::{OpenHold, read_accounts},
};
use crate::{
    domain::{
        ids::RequestId,
        ledger::{Hold, Purpose},
        money::Money,
    },
    store::{
        PURGE_ROWS, Store, StoreError,
        connection::{Connection, on_backend},
        schema::{ledger_entries, ledger_orphans},
        values::{micros, read_text, read_time},
    },
};

/// A call that is over in the ledger, and not for the replica that serves it.
pub(super) struct Late {
    /// With a hold of zero: its end has given back what was held.
    pub call: OpenHold,
    /// What was held for it.
    pub held: Money,
    /// What was booked as its cost.
    pub booked: Money,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = ledger_entries)]
struct Record {
    request_id: String,
    kind: String,
    time: i64,
    amount_pusd: i64,
    accounts: String,
    user_id: String,
    team_id: Option<String>,
    key_id: Option<String>,
    route: String,
    model: Option<String>,
    price_version: Option<i64>,
}

impl Store {
    /// The calls of `owner` whose holds other replicas ended, and whose own end has not come yet, the oldest first.
    pub async fn orphans_of(&self, owner: &str) -> Result<Vec<RequestId>, StoreError> {
        let owner = owner.to_owned();
        self.read("ledger_orphans", async move |connection: &mut Connection| {
            let orphans = ledger_orphans::table.filter(ledger_orphans::owner.eq(owner));
            let orphans = orphans.order(ledger_orphans::request_id).select(ledger_orphans::request_id);
            let ids: Vec<String> = on_backend!(connection, |conn| orphans.load(conn).await)?;
            ids.iter().map(|id| read_text("ledger_orphans.request_id", id)).collect()
        })
        .await
    }

    /// Forgets calls that were taken for lost before this time, some at a time: they do not come back any more.
    pub async fn forget_orphans(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.write("DELETE", "ledger_orphans", async move |connection: &mut Connection| {
            let old = ledger_orphans::table.filter(ledger_orphans::ended_at.lt(micros(before)));
            let old = old.select(ledger_orphans::request_id).limit(PURGE_ROWS);
            let old: Vec<String> = on_backend!(connection, |conn| old.load(conn).await)?;
            let forget = diesel::delete(ledger_orphans::table.filter(ledger_orphans::request_id.eq_any(old)));
            Ok(on_backend!(connection, |conn| forget.execute(conn).await)?)
        })
        .await
    }
}

/// Remembers these calls, each with the replica that serves it, should they come back.
pub(super) async fn keep(
    connection: &mut Connection,
    calls: &[(RequestId, String)],
    now: Timestamp,
) -> Result<(), StoreError> {
    for (request, owner) in calls {
        let row = (
            ledger_orphans::request_id.eq(request.to_string()),
            ledger_orphans::ended_at.eq(micros(now)),
            ledger_orphans::owner.eq(owner),
        );
        let keep = diesel::insert_into(ledger_orphans::table).values(row).on_conflict_do_nothing();
        on_backend!(connection, |conn| keep.execute(conn).await)?;
    }
    Ok(())
}

/// Takes those of these calls that came back; each comes back once.
pub(super) async fn take(
    connection: &mut Connection,
    requests: &[RequestId],
) -> Result<HashMap<RequestId, Late>, StoreError> {
    if requests.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<String> = requests.iter().map(ToString::to_string).collect();
    let back: Vec<String> = match connection {
        Connection::Sqlite(conn) => conn.spawn_blocking(move |conn| take_each(conn, ids)).await?,
        Connection::Postgres(conn) => {
            let take = diesel::delete(ledger_orphans::table.filter(ledger_orphans::request_id.eq_any(ids)));
            take.returning(ledger_orphans::request_id).get_results(conn).await?
        }
    };
    if back.is_empty() {
        return Ok(HashMap::new());
    }
    let entries = ledger_entries::table.filter(ledger_entries::request_id.eq_any(back));
    let entries: Vec<Record> = on_backend!(connection, |conn| entries.select(Record::as_select()).load(conn).await)?;
    entries.iter().filter(|entry| entry.is(Kind::Hold)).map(|hold| hold.late(&entries)).collect()
}

/// One statement a call, so that SQLite parses one.
fn take_each(conn: &mut SqliteConnection, mut ids: Vec<String>) -> QueryResult<Vec<String>> {
    let mut failed = Ok(());
    ids.retain(|id| {
        let take = diesel::delete(ledger_orphans::table.filter(ledger_orphans::request_id.eq(id)));
        let taken = diesel::RunQueryDsl::execute(take, conn);
        taken.map_err(|error| failed = Err(error)).is_ok_and(|deleted| deleted > 0)
    });
    failed.map(|()| ids)
}

impl Record {
    fn is(&self, kind: Kind) -> bool {
        self.kind == kind.as_str()
    }

    /// What is known of the call whose hold this is.
    fn late(&self, entries: &[Self]) -> Result<(RequestId, Late), StoreError> {
        let spent =
            |entry: &&Self| entry.request_id == self.request_id && (entry.is(Kind::Settle) || entry.is(Kind::Forced));
        let booked = entries.iter().filter(spent).map(|entry| Money::from_pusd(entry.amount_pusd));
        let request = read_text("ledger_entries.request_id", &self.request_id)?;
        let call = OpenHold {
            hold: Hold { request, amount: Money::ZERO, accounts: read_accounts(&self.accounts)? },
            owner: String::new(),
            opened_at: read_time("ledger_entries.time", self.time)?,
            purpose: self.purpose()?,
        };
        let held = Money::from_pusd(self.amount_pusd);
        Ok((request, Late { call, held, booked: booked.fold(Money::ZERO, Money::saturating_plus) }))
    }

    fn purpose(&self) -> Result<Purpose, StoreError> {
        Ok(Purpose {
            user: read_text("ledger_entries.user_id", &self.user_id)?,
            team: self.team_id.as_deref().map(|id| read_text("ledger_entries.team_id", id)).transpose()?,
            key: self.key_id.as_deref().map(|id| read_text("ledger_entries.key_id", id)).transpose()?,
            route: self.route.clone(),
            model: self.model.clone(),
            price_version: self.price_version,
        })
    }
}
