//! Traffic: how many requests came, what became of them and how long they took, step by step.

use std::collections::BTreeMap;

use actix_web::web::Data;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    csv::{Table, Tabular},
    extract::{Caller, QueryOf},
    failure::unavailable,
    grouping::SomeOf,
    input::Moment,
    office::AuditLog,
    page,
    problem::Problem,
};
use crate::domain::{
    money::Money,
    refusal::Refusal,
    traffic::{
        Dimension, Durations, Group, Tally, count,
        spans::{self, SHORTEST_S},
    },
};

/// The most steps of one answer.
const MAX_STEPS: i64 = 1_000;

/// The most items of one answer.
const MAX_ITEMS: usize = 20_000;

/// The most records that are read one by one, where a step is no whole number of minutes.
const MAX_RECORDS: u32 = 20_000;

/// How long a time is, where no beginning is given.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Which time, in which steps, by what.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficQuery {
    /// A time or a day; requests that began then or later. 24 hours before `to` unless given.
    #[schemars(with = "Option<Moment>")]
    from: Option<String>,
    /// A time or a day; requests that began before. Now unless given.
    #[schemars(with = "Option<Moment>")]
    to: Option<String>,
    /// Seconds of a step. Steps begin at whole multiples of it since 1970-01-01, and there are at most 1,000 of them. With
    /// whole minutes any time is answered at once, by the minutes that `from` and `to` touch; a year is quickest in whole
    /// days, hours or quarters of an hour. With anything else the records themselves are counted, at most 20,000. Unless
    /// given, it is chosen so that there are at most 300 steps.
    #[schemars(range(min = 1, max = 315_360_000))]
    step_s: Option<u32>,
    /// None: one sum a step.
    #[schemars(with = "Option<SomeOf<Dimension>>")]
    group_by: Option<String>,
}

/// Sums of traffic, in the order of time.
#[derive(Serialize, JsonSchema)]
pub struct Traffic {
    /// A step in which there was nothing is left out.
    items: Vec<TrafficItem>,
    step_s: u32,
    /// False where a part of the log is not counted yet, as in the first minutes after the upgrade of a gateway that has
    /// a long one.
    is_complete: bool,
    /// What was grouped by.
    #[serde(skip)]
    group_by: Vec<Dimension>,
}

/// One sum. It has the fields that were grouped by; null where the record of a request has no such thing.
#[derive(Default, Serialize, JsonSchema)]
pub struct TrafficItem {
    /// Where the step begins.
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Option<u16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Option<String>>,
    /// As many as the audit log has records of, those under way included.
    requests: u64,
    duration_ms: DurationMs,
    cost_usd: Money,
}

/// Percentiles of the time from the first byte of a request to the last of its answer, in milliseconds: each is within
/// 3.2 % of the value at its rank. Null where no request is over.
#[derive(Default, Serialize, JsonSchema)]
pub struct DurationMs {
    p50: Option<f64>,
    p99: Option<f64>,
}

/// Sums by step and group.
type Steps = BTreeMap<(i64, Group), Tally>;

/// What is asked for.
struct Question {
    from: Timestamp,
    to: Timestamp,
    step_s: u32,
    group_by: Vec<Dimension>,
}

/// `GET /admin/traffic`.
pub async fn show(
    audit_log: Data<AuditLog>,
    _: Caller,
    QueryOf(query): QueryOf<TrafficQuery>,
) -> Result<Tabular<Traffic>, Problem> {
    let question = Question::read(&query, audit_log.clock.now())?;
    audit_log.settled().await;
    let is_minutes = i64::from(question.step_s).checked_rem(SHORTEST_S) == Some(0);
    let (steps, is_complete) = if is_minutes {
        let is_complete = audit_log.traffic.is_complete().await;
        (question.of_sums(&audit_log).await?, is_complete)
    } else {
        (question.of_records(&audit_log).await?, true)
    };
    if steps.len() > MAX_ITEMS {
        let reason = format!("this makes more than {MAX_ITEMS} sums; ask for fewer steps or group by less");
        return Err(Refusal::invalid("?group_by", reason).into());
    }
    let items = steps.into_iter().filter(|(_, tally)| tally.requests > 0);
    let items = items.map(|((time, group), tally)| TrafficItem::of(time, group, &tally, &question.group_by)).collect();
    Ok(Tabular(Traffic { items, step_s: question.step_s, is_complete, group_by: question.group_by }))
}

impl Question {
    fn read(query: &TrafficQuery, now: Timestamp) -> Result<Self, Refusal> {
        let group_by = Dimension::list(query.group_by.as_deref().unwrap_or_default());
        let group_by = group_by.map_err(|error| Refusal::invalid("?group_by", error.to_string()))?;
        let (from, to) = page::span(query.from.as_deref(), query.to.as_deref())?;
        let to = to.unwrap_or(now);
        let from = from.unwrap_or_else(|| to.saturating_sub(DAY).unwrap_or(Timestamp::MIN));
        if to <= from {
            return Err(Refusal::invalid("?from", "must be earlier than to, which is now unless it is given"));
        }
        let step_s = match query.step_s {
            Some(step_s) => step_s,
            None => spans::chosen(from, to),
        };
        let asked = spans::count(from, to, step_s.into());
        if step_s == 0 || asked > MAX_STEPS {
            let least = to.as_second().saturating_sub(from.as_second()).checked_div(MAX_STEPS - 1).unwrap_or_default();
            let reason = format!(
                "makes {asked} steps, and at most {MAX_STEPS} are answered; ask for a shorter time, or for steps of {} s \
                 or more",
                spans::end(least.saturating_add(1), SHORTEST_S)
            );
            return Err(Refusal::invalid("?step_s", reason));
        }
        Ok(Self { from, to, step_s, group_by })
    }

    /// From the sums that are kept.
    async fn of_sums(&self, audit_log: &AuditLog) -> Result<Steps, Refusal> {
        let runs = spans::cover(self.from.as_second(), self.last_second(), self.step_s.into());
        let found = audit_log.store.traffic(runs).await.map_err(unavailable)?;
        let groups = found.groups.iter().map(|(id, group)| (*id, group.only(&self.group_by)));
        let groups: BTreeMap<i64, Group> = groups.collect();
        let mut steps = Steps::new();
        for row in &found.rows {
            if let Some(group) = groups.get(&row.group) {
                self.add(&mut steps, row.begin_s, group.clone(), &row.tally);
            }
        }
        Ok(steps)
    }

    /// From the records themselves.
    async fn of_records(&self, audit_log: &AuditLog) -> Result<Steps, Refusal> {
        let limit = MAX_RECORDS.saturating_add(1);
        let records = audit_log.store.traffic_records(self.from, self.to, limit).await.map_err(unavailable)?;
        if u32::try_from(records.len()).is_ok_and(|records| records > MAX_RECORDS) {
            let reason = format!("more than {MAX_RECORDS} records began then; ask for whole minutes or a shorter time");
            return Err(Refusal::invalid("?step_s", reason));
        }
        let mut steps = Steps::new();
        for record in records {
            if let Some((group, tally)) = count::record(&record.opening, record.outcome.as_ref()) {
                self.add(&mut steps, record.time.as_second(), group.only(&self.group_by), &tally);
            }
        }
        Ok(steps)
    }

    fn add(&self, steps: &mut Steps, second: i64, group: Group, tally: &Tally) {
        let step = spans::begin(second, self.step_s.into());
        steps.entry((step, group)).or_default().add(tally);
    }

    /// The second after the last that has a moment before `to` in it.
    fn last_second(&self) -> i64 {
        let second = self.to.as_second();
        if self.to.subsec_nanosecond() > 0 { second.saturating_add(1) } else { second }
    }
}

impl TrafficItem {
    fn of(begin_s: i64, group: Group, tally: &Tally, group_by: &[Dimension]) -> Self {
        let sums = Self {
            time: Timestamp::from_second(begin_s).map(|time| time.to_string()).unwrap_or_default(),
            requests: u64::try_from(tally.requests).unwrap_or_default(),
            duration_ms: DurationMs::of(&tally.durations),
            cost_usd: tally.cost,
            ..Self::default()
        };
        let Group { route, decision, reason, status, upstream, model } = group;
        let asked = |dimension| group_by.contains(&dimension);
        Self {
            route: asked(Dimension::Route).then_some(route),
            decision: asked(Dimension::Decision).then_some(decision),
            reason: asked(Dimension::Reason).then_some(reason),
            status: asked(Dimension::Status).then_some(status),
            upstream: asked(Dimension::Upstream).then_some(upstream),
            model: asked(Dimension::Model).then_some(model),
            ..sums
        }
    }
}

impl DurationMs {
    fn of(durations: &Durations) -> Self {
        let percentile = |percent| durations.percentile_us(percent).map(milliseconds);
        Self { p50: percentile(50), p99: percentile(99) }
    }
}

/// Microseconds as milliseconds.
fn milliseconds(us: u64) -> f64 {
    format!("{}.{:03}", us / 1_000, us % 1_000).parse().unwrap_or_default()
}

impl Table for Traffic {
    type Row = TrafficItem;

    const COLUMNS: &'static [&'static str] =
        &["time", "route", "decision", "reason", "status", "upstream", "model", "requests", "duration_ms", "cost_usd"];

    fn columns(&self) -> Vec<&'static str> {
        // What is no dimension is always there.
        let of = |column: &str| Dimension::list(column).unwrap_or_default();
        let is_asked = |column: &&'static str| of(column).iter().all(|dimension| self.group_by.contains(dimension));
        Self::COLUMNS.iter().copied().filter(is_asked).collect()
    }

    fn rows(&self) -> &[TrafficItem] {
        &self.items
    }
}
