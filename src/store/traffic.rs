//! Traffic as it is stored: sums by span and group, and how far each chain of the audit log was counted into them.
//!
//! The `TrafficCounter` writes, handlers read. What is added and how far it goes are one transaction, which is done by
//! whoever counts from where the last one stopped: nothing is counted twice, whoever counts, and whenever it is killed.

mod records;

use std::collections::{BTreeMap, HashMap};

use diesel::{ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::RunQueryDsl;

use super::{
    Store, StoreError,
    connection::{Connection, insert_rows, on_backend},
    row_insert::row_insert,
    schema::{traffic_groups, traffic_marks, traffic_sums},
    values::{read_count, read_status, signed},
};
use crate::domain::{
    money::Money,
    traffic::{Durations, Group, Tally, count::Sums, spans::Run},
};

pub use records::{Backlog, TrafficRecord};

/// How many rows one statement on PostgreSQL writes.
const ROWS_PER_INSERT: usize = 1_000;

/// What was counted of one group in one span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficRow {
    pub begin_s: i64,
    /// Of those that came with the rows.
    pub group: i64,
    pub tally: Tally,
}

/// Rows, and what their groups are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrafficRows {
    pub groups: HashMap<i64, Group>,
    pub rows: Vec<TrafficRow>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = traffic_groups)]
struct GroupRecord {
    id: i64,
    chain: String,
    route: Option<String>,
    decision: Option<String>,
    reason: Option<String>,
    status: Option<i32>,
    upstream: Option<String>,
    model: Option<String>,
}
row_insert!(GroupRecord, traffic_groups, [id, chain, route, decision, reason, status, upstream, model]);

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = traffic_sums)]
struct SumRecord {
    span_s: i64,
    begin_s: i64,
    group_id: i64,
    requests: i64,
    cost_pusd: i64,
    durations: Vec<u8>,
}
row_insert!(SumRecord, traffic_sums, [span_s, begin_s, group_id, requests, cost_pusd, durations]);

impl Store {
    /// Adds what the entries of a chain after the place `after` up to `through` count as.
    ///
    /// # Errors
    /// `Conflict` if the chain was counted from there already.
    pub async fn add_traffic(&self, chain: &str, (after, through): (u64, u64), sums: Sums) -> Result<(), StoreError> {
        let chain = chain.to_owned();
        self.transaction("traffic_sums", async move |connection: &mut Connection| {
            advance(connection, &chain, after, through).await?;
            let ids = group_ids(connection, &chain, &sums).await?;
            let mut new: BTreeMap<i64, BTreeMap<(i64, i64), Tally>> = BTreeMap::new();
            for (place, tally) in sums {
                if let Some(id) = ids.get(&place.group) {
                    new.entry(place.length_s).or_default().insert((place.begin_s, *id), tally);
                }
            }
            for (length_s, tallies) in new {
                merge(connection, length_s, tallies).await?;
            }
            Ok(())
        })
        .await
    }

    /// What was counted in some spans.
    pub async fn traffic(&self, runs: Vec<Run>) -> Result<TrafficRows, StoreError> {
        self.read("traffic_sums", async move |connection: &mut Connection| {
            let groups = traffic_groups::table;
            let groups: Vec<GroupRecord> =
                on_backend!(connection, |conn| groups.select(GroupRecord::as_select()).load(conn).await)?;
            let mut rows = vec![];
            for Run { length_s, from_s, to_s } in runs {
                let of_run = traffic_sums::table
                    .filter(traffic_sums::span_s.eq(length_s))
                    .filter(traffic_sums::begin_s.ge(from_s))
                    .filter(traffic_sums::begin_s.lt(to_s));
                let records: Vec<SumRecord> =
                    on_backend!(connection, |conn| of_run.select(SumRecord::as_select()).load(conn).await)?;
                for record in records {
                    let (begin_s, group) = (record.begin_s, record.group_id);
                    rows.push(TrafficRow { begin_s, group, tally: record.tally()? });
                }
            }
            let groups = groups.into_iter().map(|record| Ok((record.id, record.group()?)));
            Ok(TrafficRows { groups: groups.collect::<Result<_, StoreError>>()?, rows })
        })
        .await
    }
}

/// How far a chain was counted.
async fn mark(connection: &mut Connection, chain: &str) -> Result<u64, StoreError> {
    let mark = traffic_marks::table.find(chain.to_owned()).select(traffic_marks::through_seq);
    let mark: Option<i64> = on_backend!(connection, |conn| mark.get_result(conn).await.optional())?;
    read_count("traffic_marks.through_seq", mark.unwrap_or_default())
}

/// Moves the mark of a chain on. Until the transaction ends, nobody else can.
async fn advance(connection: &mut Connection, chain: &str, after: u64, through: u64) -> Result<(), StoreError> {
    if after == 0 {
        let first = (traffic_marks::chain.eq(chain.to_owned()), traffic_marks::through_seq.eq(0_i64));
        let first = diesel::insert_into(traffic_marks::table).values(first).on_conflict_do_nothing();
        on_backend!(connection, |conn| first.execute(conn).await)?;
    }
    let from_there = traffic_marks::table
        .filter(traffic_marks::chain.eq(chain.to_owned()))
        .filter(traffic_marks::through_seq.eq(signed(after)));
    let update = diesel::update(from_there).set(traffic_marks::through_seq.eq(signed(through)));
    match on_backend!(connection, |conn| update.execute(conn).await)? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict("traffic_marks")),
    }
}

/// The id of each group of a chain that the sums have. A group without an id gets one.
async fn group_ids(connection: &mut Connection, chain: &str, sums: &Sums) -> Result<HashMap<Group, i64>, StoreError> {
    let known = traffic_groups::table.filter(traffic_groups::chain.eq(chain.to_owned()));
    let known: Vec<GroupRecord> =
        on_backend!(connection, |conn| known.select(GroupRecord::as_select()).load(conn).await)?;
    let known = known.into_iter().map(|record| Ok((record.group()?, record.id)));
    let mut ids = known.collect::<Result<HashMap<_, _>, StoreError>>()?;
    let last = traffic_groups::table.select(diesel::dsl::max(traffic_groups::id));
    let last: Option<i64> = on_backend!(connection, |conn| last.get_result(conn).await)?;
    let (mut last, mut new) = (last.unwrap_or_default(), vec![]);
    for place in sums.keys() {
        if !ids.contains_key(&place.group) {
            last = last.saturating_add(1);
            ids.insert(place.group.clone(), last);
            new.push(GroupRecord::new(last, chain, &place.group));
        }
    }
    insert_rows!(connection, traffic_groups::table, new, ROWS_PER_INSERT);
    Ok(ids)
}

/// Adds to the sums of one length of span. Only this chain has its groups, and nobody else counts it now.
async fn merge(
    connection: &mut Connection,
    length_s: i64,
    mut tallies: BTreeMap<(i64, i64), Tally>,
) -> Result<(), StoreError> {
    let begins: Vec<i64> = tallies.keys().map(|(begin, _)| *begin).collect();
    let groups: Vec<i64> = tallies.keys().map(|(_, group)| *group).collect();
    let touched = || {
        traffic_sums::table
            .filter(traffic_sums::span_s.eq(length_s))
            .filter(traffic_sums::begin_s.eq_any(begins.clone()))
            .filter(traffic_sums::group_id.eq_any(groups.clone()))
    };
    let present: Vec<SumRecord> =
        on_backend!(connection, |conn| touched().select(SumRecord::as_select()).load(conn).await)?;
    for record in present {
        let place = (record.begin_s, record.group_id);
        tallies.entry(place).or_default().add(&record.tally()?);
    }
    on_backend!(connection, |conn| diesel::delete(touched()).execute(conn).await)?;
    let records = tallies.into_iter().filter(|(_, tally)| !tally.is_nothing());
    let records: Vec<SumRecord> = records.map(|(place, tally)| SumRecord::new(length_s, place, &tally)).collect();
    insert_rows!(connection, traffic_sums::table, records, ROWS_PER_INSERT);
    Ok(())
}

impl GroupRecord {
    fn new(id: i64, chain: &str, group: &Group) -> Self {
        let Group { route, decision, reason, status, upstream, model } = group.clone();
        Self { id, chain: chain.to_owned(), route, decision, reason, status: status.map(i32::from), upstream, model }
    }

    fn group(&self) -> Result<Group, StoreError> {
        Ok(Group {
            route: self.route.clone(),
            decision: self.decision.clone(),
            reason: self.reason.clone(),
            status: self.status.map(|status| read_status("traffic_groups.status", status)).transpose()?,
            upstream: self.upstream.clone(),
            model: self.model.clone(),
        })
    }
}

impl SumRecord {
    fn new(span_s: i64, (begin_s, group_id): (i64, i64), tally: &Tally) -> Self {
        let (requests, cost_pusd, durations) = (tally.requests, tally.cost.pusd(), tally.durations.to_bytes());
        Self { span_s, begin_s, group_id, requests, cost_pusd, durations }
    }

    fn tally(&self) -> Result<Tally, StoreError> {
        let durations = Durations::from_bytes(&self.durations);
        let durations = durations.map_err(|error| StoreError::Corrupt(format!("traffic_sums.durations: {error}")))?;
        Ok(Tally { requests: self.requests, cost: Money::from_pusd(self.cost_pusd), durations })
    }
}
