//! The audit log as the verifier and an export read it: chain by chain, in pages, every column as it is stored.

use std::collections::HashMap;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use crate::{
    domain::audit::{Head, Stage, lines::Exported, verify::Columns},
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        schema::{audit_checkpoints, audit_entries},
        values::{micros, read_count, read_digest, signed},
    },
};

/// An entry with the columns it is searched by.
pub type Stored = (Exported, Columns);

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_entries)]
struct Record {
    seq: i64,
    id: String,
    request_id: String,
    stage: String,
    time: i64,
    user_id: Option<String>,
    route: Option<String>,
    decision: Option<String>,
    status: Option<i32>,
    prev_hash: Vec<u8>,
    hash: Vec<u8>,
    entry: String,
    about: Option<String>,
    personal: Option<String>,
    change: Option<String>,
}

/// The most entries of one page.
const MAX_PAGE: u32 = 10_000;

impl Store {
    /// The names of all chains that have entries or checkpoints, in their order.
    pub async fn audit_chains(&self) -> Result<Vec<String>, StoreError> {
        self.read("audit_entries", async move |connection: &mut Connection| {
            let mut chains = vec![];
            // From one to the next by the index: a list of the distinct ones would read the whole table.
            let mut last = String::new();
            while let Some(next) = next_chain(connection, &last).await? {
                chains.push(next.clone());
                last = next;
            }
            Ok(chains)
        })
        .await
    }

    /// The link at this place of a chain.
    pub async fn audit_link(&self, chain: &str, seq: u64) -> Result<Option<Head>, StoreError> {
        let chain = chain.to_owned();
        self.read("audit_entries", async move |connection: &mut Connection| {
            let hash = audit_entries::table.find((chain, signed(seq))).select(audit_entries::hash);
            let hash: Option<Vec<u8>> = on_backend!(connection, |conn| hash.first(conn).await.optional())?;
            hash.map(|hash| Ok(Head { seq, hash: read_digest("audit_entries.hash", hash)? })).transpose()
        })
        .await
    }

    /// The places of the first entry of a chain that is not before `from` and of the last one before `to`; everything
    /// between them belongs to that span. Nothing if there is none.
    pub async fn audit_span(
        &self,
        chain: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Option<(u64, u64)>, StoreError> {
        let chain = chain.to_owned();
        self.read("audit_entries", async move |connection: &mut Connection| {
            let of_chain = || audit_entries::table.filter(audit_entries::chain.eq(chain.clone()));
            let from = from.map_or(i64::MIN, micros);
            let to = to.map_or(i64::MAX, micros);
            let first = of_chain().filter(audit_entries::time.ge(from)).order(audit_entries::seq);
            let first = first.select(audit_entries::seq);
            let last = of_chain().filter(audit_entries::time.lt(to)).order(audit_entries::seq.desc());
            let last = last.select(audit_entries::seq);
            let first: Option<i64> = on_backend!(connection, |conn| first.first(conn).await.optional())?;
            let last: Option<i64> = on_backend!(connection, |conn| last.first(conn).await.optional())?;
            let seq = |seq| read_count("audit_entries.seq", seq);
            match (first, last) {
                (Some(first), Some(last)) if first <= last => Ok(Some((seq(first)?, seq(last)?))),
                _ => Ok(None),
            }
        })
        .await
    }

    /// Entries of a chain in their order, at most `limit` (and never more than 10,000), from the one after the place
    /// `after` up to `through`.
    pub async fn audit_entries_after(
        &self,
        chain: &str,
        after: u64,
        through: u64,
        limit: u32,
    ) -> Result<Vec<Stored>, StoreError> {
        let chain = chain.to_owned();
        self.read("audit_entries", async move |connection: &mut Connection| {
            let page = audit_entries::table
                .filter(audit_entries::chain.eq(chain))
                .filter(audit_entries::seq.gt(signed(after)))
                .filter(audit_entries::seq.le(signed(through)))
                .order(audit_entries::seq)
                .limit(limit.min(MAX_PAGE).into());
            let records: Vec<Record> =
                on_backend!(connection, |conn| page.select(Record::as_select()).load(conn).await)?;
            records.into_iter().map(stored).collect()
        })
        .await
    }
}

impl Store {
    /// The outcomes of some requests in a chain, by request id.
    pub async fn audit_outcomes(
        &self,
        chain: &str,
        requests: Vec<String>,
    ) -> Result<HashMap<String, Exported>, StoreError> {
        let chain = chain.to_owned();
        self.read("audit_entries", async move |connection: &mut Connection| {
            let outcomes = audit_entries::table
                .filter(audit_entries::request_id.eq_any(requests))
                .filter(audit_entries::chain.eq(chain))
                .filter(audit_entries::stage.eq(Stage::Outcome.as_str()));
            let records: Vec<Record> =
                on_backend!(connection, |conn| outcomes.select(Record::as_select()).load(conn).await)?;
            let stored = records.into_iter().map(stored);
            stored.map(|found| found.map(|(entry, columns)| (columns.request_id, entry))).collect()
        })
        .await
    }
}

async fn next_chain(connection: &mut Connection, last: &str) -> Result<Option<String>, StoreError> {
    let entries = audit_entries::table
        .filter(audit_entries::chain.gt(last))
        .order((audit_entries::chain, audit_entries::seq))
        .select(audit_entries::chain);
    let checkpoints = audit_checkpoints::table
        .filter(audit_checkpoints::chain.gt(last))
        .order((audit_checkpoints::chain, audit_checkpoints::number))
        .select(audit_checkpoints::chain);
    let of_entries: Option<String> = on_backend!(connection, |conn| entries.first(conn).await.optional())?;
    let of_checkpoints: Option<String> = on_backend!(connection, |conn| checkpoints.first(conn).await.optional())?;
    Ok(of_entries.into_iter().chain(of_checkpoints).min())
}

fn stored(record: Record) -> Result<Stored, StoreError> {
    let entry = Exported {
        entry: record.entry,
        prev_hash: read_digest("audit_entries.prev_hash", record.prev_hash)?,
        hash: read_digest("audit_entries.hash", record.hash)?,
        personal: record.personal,
        change: record.change,
    };
    let columns = Columns {
        seq: read_count("audit_entries.seq", record.seq)?,
        id: record.id,
        request_id: record.request_id,
        stage: record.stage,
        time: record.time,
        user_id: record.user_id,
        route: record.route,
        decision: record.decision,
        status: record.status,
        about: record.about,
    };
    Ok((entry, columns))
}
