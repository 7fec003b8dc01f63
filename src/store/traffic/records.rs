//! The entries of the audit log that traffic is counted from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::{ExpressionMethods, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::mark;
use crate::{
    domain::{
        audit::Stage,
        ids::RequestId,
        traffic::count::{Entry, Said, without_decision},
    },
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        schema::audit_entries,
        values::{micros, read_count, read_text, read_time, signed},
    },
};

/// How many requests one statement looks for.
const REQUESTS_AT_ONCE: usize = 5_000;

/// The next entries of a chain that are not counted yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backlog {
    /// How far the chain was counted.
    pub after: u64,
    /// The place of the last of the entries.
    pub through: u64,
    pub entries: Vec<Entry>,
    /// The decisions from before them of those outcomes whose decision is not among them, by request.
    pub earlier: BTreeMap<RequestId, Entry>,
}

/// One record of the log: when it began, and what its entries say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficRecord {
    pub time: Timestamp,
    pub opening: Said,
    pub outcome: Option<Said>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_entries)]
struct Record {
    chain: String,
    seq: i64,
    request_id: String,
    stage: String,
    time: i64,
    entry: String,
}

impl Store {
    /// At most `limit` entries of a chain after those that were counted.
    pub async fn traffic_backlog(&self, chain: &str, limit: u32) -> Result<Backlog, StoreError> {
        let chain = chain.to_owned();
        self.read("audit_entries", async move |connection: &mut Connection| {
            let after = mark(connection, &chain).await?;
            let next = audit_entries::table
                .filter(audit_entries::chain.eq(chain.clone()))
                .filter(audit_entries::seq.gt(signed(after)))
                .order(audit_entries::seq)
                .limit(limit.into());
            let next: Vec<Record> = on_backend!(connection, |conn| next.select(Record::as_select()).load(conn).await)?;
            let through = next.last().map_or(Ok(after), |last| read_count("audit_entries.seq", last.seq))?;
            let entries = next.into_iter().map(Record::entry).collect::<Result<Vec<_>, _>>()?;
            let earlier = decisions(connection, &chain, without_decision(&entries)).await?;
            Ok(Backlog { after, through, entries, earlier })
        })
        .await
    }

    /// How far a chain was counted: the place of its last entry that was.
    pub async fn traffic_mark(&self, chain: &str) -> Result<u64, StoreError> {
        let chain = chain.to_owned();
        self.read("traffic_marks", async move |connection: &mut Connection| mark(connection, &chain).await).await
    }

    /// The decisions of these requests that are in a chain, by request.
    pub async fn traffic_decisions(
        &self,
        chain: &str,
        requests: BTreeSet<RequestId>,
    ) -> Result<BTreeMap<RequestId, Entry>, StoreError> {
        let chain = chain.to_owned();
        self.read("audit_entries", async move |connection: &mut Connection| {
            decisions(connection, &chain, requests).await
        })
        .await
    }

    /// The records that began in a span of time, at most `limit`, in no order.
    pub async fn traffic_records(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<TrafficRecord>, StoreError> {
        self.read("audit_entries", async move |connection: &mut Connection| {
            let openings = audit_entries::table
                .filter(audit_entries::time.ge(micros(from)))
                .filter(audit_entries::time.lt(micros(to)))
                .filter(audit_entries::stage.ne(Stage::Outcome.as_str()))
                .limit(limit.into());
            let openings: Vec<Record> =
                on_backend!(connection, |conn| openings.select(Record::as_select()).load(conn).await)?;
            let decided = openings.iter().filter(|record| record.stage == Stage::Decision.as_str());
            let decided = decided.map(|record| record.request_id.clone()).collect();
            let outcomes = of_stage(connection, decided, |stage| stage == Stage::Outcome).await?;
            let outcomes = outcomes.into_iter().map(|record| ((record.chain, record.request_id), record.entry));
            let mut outcomes: HashMap<_, _> = outcomes.collect();
            let record = |opening: Record| {
                let time = read_time("audit_entries.time", opening.time)?;
                let outcome = outcomes.remove(&(opening.chain, opening.request_id));
                let outcome = outcome.map(|line| said(&line)).transpose()?;
                Ok(TrafficRecord { time, opening: said(&opening.entry)?, outcome })
            };
            openings.into_iter().map(record).collect()
        })
        .await
    }
}

/// The decisions of these requests that are in a chain, by request.
async fn decisions(
    connection: &mut Connection,
    chain: &str,
    requests: BTreeSet<RequestId>,
) -> Result<BTreeMap<RequestId, Entry>, StoreError> {
    let requests = requests.iter().map(ToString::to_string).collect();
    let found = of_stage(connection, requests, |stage| stage == Stage::Decision).await?;
    let found = found.into_iter().filter(|record| record.chain == chain);
    found.map(|record| record.entry().map(|entry| (entry.request_id, entry))).collect()
}

/// The entries of these requests that are of one stage.
async fn of_stage(
    connection: &mut Connection,
    requests: Vec<String>,
    is_wanted: impl Fn(Stage) -> bool,
) -> Result<Vec<Record>, StoreError> {
    let mut found = vec![];
    for some in requests.chunks(REQUESTS_AT_ONCE) {
        let entries = audit_entries::table.filter(audit_entries::request_id.eq_any(some.to_vec()));
        let entries: Vec<Record> =
            on_backend!(connection, |conn| entries.select(Record::as_select()).load(conn).await)?;
        found.extend(entries.into_iter().filter(|record| record.stage.parse().is_ok_and(&is_wanted)));
    }
    Ok(found)
}

impl Record {
    fn entry(self) -> Result<Entry, StoreError> {
        Ok(Entry {
            request_id: read_text("audit_entries.request_id", &self.request_id)?,
            stage: read_text("audit_entries.stage", &self.stage)?,
            time: read_time("audit_entries.time", self.time)?,
            said: said(&self.entry)?,
        })
    }
}

fn said(line: &str) -> Result<Said, StoreError> {
    Said::read(line).map_err(|error| StoreError::Corrupt(format!("audit_entries.entry: {error}")))
}
