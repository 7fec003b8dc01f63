//! The audit log as it is stored: appending to a chain, and where a chain ends.
//!
//! Only the audit writer appends; it gives the entries their places. The admin endpoints read by `page`, the verifier
//! and exports by `reading`. Nothing changes an entry: triggers in the database refuse it, but for what `custody` has
//! put on record first.

#![expect(clippy::ref_option_ref, reason = "what is derived for a row takes a reference to each of its fields")]

mod checkpoints;
mod custody;
mod page;
mod reading;
mod sought;

use std::{collections::HashSet, sync::Arc};

use diesel::{ExpressionMethods, Insertable, OptionalExtension, QueryDsl, SqliteConnection};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{
    Store, StoreError,
    connection::{Connection, First, on_backend},
    row_insert::{insert_each, row_insert},
    schema::audit_entries,
    values::{micros, read_count, read_digest, read_text, signed},
};
use crate::domain::{
    audit::{Decision, Draft, Hash, Head, Link, Stage},
    ids::{EntryId, RequestId, UserId},
};

pub use page::{AuditEntryRow, AuditFilter, AuditRecordRow};
pub use reading::Stored;

/// An entry in its place, with the columns it is searched by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    pub seq: u64,
    pub id: EntryId,
    pub request_id: RequestId,
    pub stage: Stage,
    pub time: Timestamp,
    pub user_id: Option<UserId>,
    pub route: Option<String>,
    pub decision: Option<Decision>,
    pub status: Option<u16>,
    pub about: Option<UserId>,
    pub prev_hash: Hash,
    pub hash: Hash,
    /// One line of JSON, byte for byte as it was hashed.
    pub entry: String,
    /// The parts that can be erased, byte for byte as the entry commits to them.
    pub personal: Option<String>,
    pub change: Option<String>,
}

impl AuditRow {
    /// The row of an entry that has its place in the chain.
    pub fn new(draft: &Draft, link: Link) -> Self {
        Self {
            seq: link.seq,
            id: draft.id,
            request_id: draft.request_id,
            stage: draft.stage,
            time: draft.time,
            user_id: draft.caller(),
            route: draft.subject.as_ref().and_then(|subject| subject.route.clone()),
            decision: draft.findings.decision,
            status: draft.findings.status,
            about: draft.findings.about,
            prev_hash: link.prev_hash,
            hash: link.hash,
            entry: link.entry,
            personal: link.personal,
            change: link.change,
        }
    }
}

/// A row as it is written. `None` is written as NULL, so that many rows are one statement.
#[derive(Insertable)]
#[diesel(table_name = audit_entries, treat_none_as_default_value = false)]
struct Record<'a> {
    chain: &'a str,
    seq: i64,
    id: String,
    request_id: String,
    stage: &'static str,
    time: i64,
    user_id: Option<String>,
    route: Option<&'a str>,
    decision: Option<&'static str>,
    status: Option<i32>,
    prev_hash: &'a [u8],
    hash: &'a [u8],
    entry: &'a str,
    about: Option<String>,
    personal: Option<&'a str>,
    change: Option<&'a str>,
}
row_insert!(
    Record<'_>,
    audit_entries,
    [
        chain, seq, id, request_id, stage, time, user_id, route, decision, status, prev_hash, hash, entry, about,
        personal, change,
    ]
);

/// The most rows of one statement: PostgreSQL takes 65,535 values in it, and a row is 16.
const ROWS_PER_INSERT: usize = 2_000;

impl Store {
    /// The last link of a chain, which its next entry follows; nothing if the chain has not begun. Where its last entry was
    /// dropped, that is the dropped one, as the checkpoint has it that vouched for it.
    pub async fn audit_head(&self, chain: &str) -> Result<Option<Head>, StoreError> {
        let chain = chain.to_owned();
        self.read("audit_entries", async move |connection: &mut Connection| {
            let last = last_link(connection, chain.clone()).await?;
            // Read behind the entries: a drop is on record before they go.
            let through = custody::dropped_through(connection, chain.clone()).await?;
            if last.map_or(0, |last| last.seq) >= through {
                return Ok(last);
            }
            Ok(checkpoints::vouched_at(connection, chain, through).await?.or(last))
        })
        .await
    }

    /// Those of these requests whose decision is on record.
    pub async fn decided(&self, requests: Vec<RequestId>) -> Result<HashSet<RequestId>, StoreError> {
        let ids: Vec<String> = requests.iter().map(ToString::to_string).collect();
        self.read("audit_entries", async move |connection: &mut Connection| {
            let decisions = audit_entries::table
                .filter(audit_entries::request_id.eq_any(ids))
                .filter(audit_entries::stage.eq(Stage::Decision.as_str()))
                .select(audit_entries::request_id);
            let ids: Vec<String> = on_backend!(connection, |conn| decisions.load(conn).await)?;
            ids.iter().map(|id| read_text("audit_entries.request_id", id)).collect()
        })
        .await
    }

    /// The next entries of a chain after a place, in order: their places, requests and stages.
    pub async fn audit_stages(
        &self,
        chain: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, RequestId, Stage)>, StoreError> {
        let chain = chain.to_owned();
        self.read("audit_entries", async move |connection: &mut Connection| {
            let next = audit_entries::table
                .filter(audit_entries::chain.eq(chain))
                .filter(audit_entries::seq.gt(signed(after)))
                .order(audit_entries::seq)
                .limit(limit.into())
                .select((audit_entries::seq, audit_entries::request_id, audit_entries::stage));
            let next: Vec<(i64, String, String)> = on_backend!(connection, |conn| next.load(conn).await)?;
            let entry = |(seq, request, stage): (i64, String, String)| {
                let seq = read_count("audit_entries.seq", seq)?;
                let stage = read_text("audit_entries.stage", &stage)?;
                Ok((seq, read_text("audit_entries.request_id", &request)?, stage))
            };
            next.into_iter().map(entry).collect()
        })
        .await
    }

    /// Appends entries to a chain, all or none; they are on the disk when this returns.
    ///
    /// # Errors
    /// `Conflict` if a place in the chain or an id is taken: somebody else writes this chain, or an earlier attempt that
    /// ended in `Unavailable` was done after all.
    pub async fn append_audit(
        &self,
        chain: &str,
        rows: impl IntoIterator<Item = impl Into<Arc<AuditRow>>>,
    ) -> Result<(), StoreError> {
        let (chain, rows): (Arc<str>, Arc<[_]>) = (chain.into(), rows.into_iter().map(Into::into).collect());
        // More than one row can be several statements on SQLite.
        let rows_per_statement = if self.inner.pools.block() { 1 } else { ROWS_PER_INSERT };
        if rows.len() <= rows_per_statement {
            return self
                .write("INSERT", "audit_entries", async move |connection: &mut Connection| {
                    insert(connection, chain, rows).await
                })
                .await;
        }
        self.transaction("audit_entries", async move |connection: &mut Connection| {
            insert(connection, chain, rows).await
        })
        .await
    }
}

/// The link of the last entry that is there.
async fn last_link(connection: &mut Connection, chain: String) -> Result<Option<Head>, StoreError> {
    let last = audit_entries::table
        .filter(audit_entries::chain.eq(chain))
        .order(audit_entries::seq.desc())
        .select((audit_entries::seq, audit_entries::hash));
    let last: Option<(i64, Vec<u8>)> = on_backend!(connection, |conn| First(last).get_result(conn).await.optional())?;
    last.map(|(seq, hash)| {
        Ok(Head { seq: read_count("audit_entries.seq", seq)?, hash: read_digest("audit_entries.hash", hash)? })
    })
    .transpose()
}

/// Inserts the rows; in a transaction, unless they are one statement.
async fn insert(connection: &mut Connection, chain: Arc<str>, rows: Arc<[Arc<AuditRow>]>) -> Result<(), StoreError> {
    match connection {
        Connection::Sqlite(conn) => {
            let insert =
                move |conn: &mut SqliteConnection| insert_each(conn, rows.iter().map(|row| Record::new(&chain, row)));
            conn.spawn_blocking(insert).await?;
        }
        Connection::Postgres(conn) => {
            for part in rows.chunks(ROWS_PER_INSERT) {
                let records: Vec<Record<'_>> = part.iter().map(|row| Record::new(&chain, row)).collect();
                diesel::insert_into(audit_entries::table).values(records).execute(conn).await?;
            }
        }
    }
    Ok(())
}

impl<'a> Record<'a> {
    fn new(chain: &'a str, row: &'a AuditRow) -> Self {
        Self {
            chain,
            seq: signed(row.seq),
            id: row.id.text(),
            request_id: row.request_id.text(),
            stage: row.stage.as_str(),
            time: micros(row.time),
            user_id: row.user_id.map(UserId::text),
            route: row.route.as_deref(),
            decision: row.decision.map(Decision::as_str),
            status: row.status.map(i32::from),
            prev_hash: &row.prev_hash,
            hash: &row.hash,
            entry: &row.entry,
            about: row.about.map(UserId::text),
            personal: row.personal.as_deref(),
            change: row.change.as_deref(),
        }
    }
}
