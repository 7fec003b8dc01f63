//! The audit log as a replay reads it: in the order in which the requests began, in pages, of every chain.

use std::collections::{BTreeSet, HashMap};

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use futures_util::future::join;
use jiff::Timestamp;
use tokio::task::spawn_blocking;

use super::{
    Store, StoreError,
    connection::{Connection, on_backend},
    names::Names,
    revisions::Seen,
    schema::audit_entries,
    values::{micros, read_time},
};
use crate::domain::{
    audit::Stage,
    replay::{Answer, Known, Lines, Replay, Rule, take_all},
};

/// How many records are in hand at a time, and as many behind them are read meanwhile.
const RECORDS_AT_ONCE: i64 = 5_000;

/// Where a page ends.
#[derive(Clone)]
struct Place {
    time: i64,
    id: String,
}

/// Some records, and where the next page begins; nothing if there is no next.
#[derive(Default)]
struct Page {
    records: Vec<(Timestamp, Lines)>,
    last: Option<Place>,
}

/// An opening: chain, request, id, stage, time, line and personal part.
type Opening = (String, String, String, String, i64, String, Option<String>);

impl Store {
    /// Gives the records of requests that began before `to` to all replays, each from when on it wants them. `told` hears of each page when the
    /// last of its requests began. Dropped, it reads no further page.
    pub async fn replay(
        &self,
        mut replays: Vec<Replay>,
        to: Timestamp,
        mut told: impl FnMut(Timestamp),
    ) -> Result<Vec<Replay>, StoreError> {
        let from = replays.iter().map(Replay::reads_from).min().unwrap_or(to);
        let mut page = self.replay_page(from, to, None).await?;
        while let Some(last) = page.last.take() {
            let records = page.records;
            if let Some((time, _)) = records.last() {
                told(*time);
            }
            let taken = spawn_blocking(move || {
                take_all(&mut replays, &records);
                replays
            });
            let (next, taken) = join(self.replay_page(from, to, Some(last)), taken).await;
            replays = taken.map_err(|error| StoreError::unavailable(&error))?;
            page = next?;
        }
        Ok(replays)
    }

    /// The rule, with what the store knows of it: those to whom a rule of the same name applies that is theirs alone, for whom the
    /// general one is not asked; and since when just this rule is in force, if it is.
    pub async fn with_known(&self, rule: Rule) -> Result<Rule, StoreError> {
        Ok(match rule {
            Rule::Limit(policy, _) => {
                let rows = self.limits_since(Seen::default()).await?.map(|(_, rows)| rows).unwrap_or_default();
                let in_force = rows.iter().find(|row| row.policy.decides_as(&policy)).map(|row| row.created_at);
                let others = rows.into_iter().map(|row| row.policy).filter(|_| policy.subject.is_none());
                let others = others.filter(|other| other.name == policy.name && other.misfit(&policy).is_none());
                let apart = others.filter_map(|other| other.subject).collect();
                Rule::Limit(policy, Known { apart, in_force_since: in_force })
            }
            Rule::Budget(budget, _) => {
                let rows = self.budgets_since(Seen::default()).await?.map(|(_, rows)| rows).unwrap_or_default();
                let in_force = rows.iter().find(|row| row.budget.decides_as(&budget)).map(|row| row.created_at);
                let others = rows.into_iter().map(|row| row.budget).filter(|_| budget.subject.is_none());
                let others = others.filter(|other| other.name == budget.name && other.misfit(&budget).is_none());
                let apart = others.filter_map(|other| other.subject).collect();
                Rule::Budget(budget, Known { apart, in_force_since: in_force })
            }
        })
    }

    /// Puts beside the subjects of an answer their names.
    pub async fn name_subjects(&self, answer: &mut Answer) -> Result<(), StoreError> {
        let subjects =
            || answer.report.iter().chain(answer.candidates.iter().flatten()).flat_map(|report| &report.subjects);
        let ids: BTreeSet<String> = subjects().filter_map(|subject| subject.subject.clone()).collect();
        let names: Names = self.names(ids).await?;
        for subject in answer.reports_mut().flat_map(|report| &mut report.subjects) {
            subject.name = subject.subject.as_deref().and_then(|id| names.of(id)).map(str::to_owned);
        }
        Ok(())
    }

    async fn replay_page(&self, from: Timestamp, to: Timestamp, after: Option<Place>) -> Result<Page, StoreError> {
        self.read("audit_entries", async move |connection: &mut Connection| {
            let (from, id) = after.map_or_else(|| (micros(from), String::new()), |place| (place.time, place.id));
            let page = audit_entries::table
                .filter(audit_entries::time.ge(from))
                .filter(audit_entries::time.lt(micros(to)))
                .filter(audit_entries::stage.ne(Stage::Outcome.as_str()))
                // The first condition finds its place in the index, this one what was read of that moment already.
                .filter(audit_entries::time.gt(from).or(audit_entries::id.gt(id)))
                .order((audit_entries::time, audit_entries::id))
                .limit(RECORDS_AT_ONCE)
                .select((
                    audit_entries::chain,
                    audit_entries::request_id,
                    audit_entries::id,
                    audit_entries::stage,
                    audit_entries::time,
                    audit_entries::entry,
                    audit_entries::personal,
                ));
            let openings: Vec<Opening> = on_backend!(connection, |conn| page.load(conn).await)?;
            let last = openings.last().map(|opening| Place { time: opening.4, id: opening.2.clone() });
            let mut outcomes = outcomes(connection, &openings).await?;
            let record = |(chain, request, _, _, time, opening, personal): Opening| {
                let outcome = outcomes.remove(&(chain, request));
                Ok((read_time("audit_entries.time", time)?, Lines { opening, personal, outcome }))
            };
            let records = openings.into_iter().map(record).collect::<Result<_, StoreError>>()?;
            Ok(Page { records, last })
        })
        .await
    }
}

/// The lines of the outcomes of those of these that are decisions, by chain and request.
async fn outcomes(
    connection: &mut Connection,
    openings: &[Opening],
) -> Result<HashMap<(String, String), String>, StoreError> {
    let decided = openings.iter().filter(|opening| opening.3 == Stage::Decision.as_str());
    let decided: Vec<String> = decided.map(|opening| opening.1.clone()).collect();
    if decided.is_empty() {
        return Ok(HashMap::new());
    }
    let outcomes = audit_entries::table
        .filter(audit_entries::request_id.eq_any(decided))
        .filter(audit_entries::stage.eq(Stage::Outcome.as_str()))
        .select((audit_entries::chain, audit_entries::request_id, audit_entries::entry));
    let found: Vec<(String, String, String)> = on_backend!(connection, |conn| outcomes.load(conn).await)?;
    Ok(found.into_iter().map(|(chain, request, line)| ((chain, request), line)).collect())
}
