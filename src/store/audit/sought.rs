//! Searches by what the sums of traffic know of records: minutes in which no request was such are passed over, so that a
//! rare value is found as quickly in ten million records as in ten thousand.
//!
//! Ids of entries begin with their time (UUIDv7, RFC 9562 §5.7), and pages are in the order of ids. So a minute is a range of ids.

use diesel::{ExpressionMethods, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::RunQueryDsl;
use jiff::{SignedDuration, Timestamp};

use super::page::{AuditFilter, AuditRecordRow, Ids, MAX_PAGE, openings, with_outcomes};
use crate::{
    domain::{
        audit::Decision,
        ids::EntryId,
        traffic::{
            count::ALERT_REASON,
            spans::{LENGTHS_S, begin},
        },
    },
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        schema::{audit_entries, traffic_groups, traffic_sums},
    },
};

/// How long before the count a request may have begun whose entry came after it. They are looked through one by one.
const RECENT: SignedDuration = SignedDuration::from_mins(5);
/// By how much the time of a record and the time in its id may differ: both are taken when the request comes, but ids go on
/// where they were when the clock is set back.
const SLACK_MS: i64 = 60_000;

/// What the requests that are counted together have in common.
#[derive(Queryable, Selectable)]
#[diesel(table_name = traffic_groups)]
struct Common {
    id: i64,
    route: Option<String>,
    decision: Option<String>,
    reason: Option<String>,
    status: Option<i32>,
    upstream: Option<String>,
    model: Option<String>,
}

/// A span of time in which there is something, by its length's place in [`LENGTHS_S`].
#[derive(Clone, Copy)]
struct Span {
    length: usize,
    begin_s: i64,
}

impl AuditFilter {
    /// Whether the sums of traffic say in which minutes there are such records: something that they know is asked for, no
    /// narrower condition has an index, and no alert, which is on record and no request, can be such a record.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        let Self {
            user_id,
            username,
            team_id,
            key_id,
            route,
            model,
            upstream,
            reason,
            status,
            decision,
            request_id,
            ..
        } = self;
        let is_of_someone = user_id.is_some() || username.is_some() || team_id.is_some() || key_id.is_some();
        let is_of_requests = route.is_some()
            || model.is_some()
            || upstream.is_some()
            || status.is_some()
            || decision.is_some_and(|decision| decision != Decision::Allowed)
            || reason.as_ref().is_some_and(|reason| !reason.starts_with(ALERT_REASON));
        is_of_requests && !is_of_someone && request_id.is_none()
    }

    fn takes(&self, common: &Common) -> bool {
        let is_same = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        let decision = self.decision.map(|decision| decision.as_str().to_owned());
        let has_status = |status: i32| u16::try_from(status).is_ok_and(|status| self.has(status));
        is_same(&self.route, &common.route)
            && is_same(&self.model, &common.model)
            && is_same(&self.upstream, &common.upstream)
            && is_same(&decision, &common.decision)
            && (self.status.is_none() || common.status.is_some_and(has_status))
            && self
                .reason
                .as_ref()
                .is_none_or(|wanted| common.reason.as_ref().is_some_and(|found| begins(found, wanted)))
    }

    fn has(&self, status: u16) -> bool {
        self.status.as_ref().is_none_or(|range| range.contains(&status))
    }
}

/// Whether a reason is the one that is wanted, or has its code.
fn begins(found: &str, wanted: &str) -> bool {
    found.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// How ids of a millisecond begin; of times before 1970 as of its first one.
fn prefix(ms: i64) -> String {
    let ms = ms.max(0);
    format!("{:08x}-{:04x}", ms >> 16, ms & 0xffff)
}

impl Store {
    /// As [`Store::audit_page`], for a filter that [is counted](AuditFilter::is_counted), where all that was on record at `counted` is in
    /// the sums of traffic. What changed since then about a request that had begun more than five minutes before is seen
    /// by the next search.
    pub async fn audit_page_of_counted(
        &self,
        filter: &AuditFilter,
        before: Option<EntryId>,
        limit: u32,
        counted: Timestamp,
    ) -> Result<Vec<AuditRecordRow>, StoreError> {
        let (filter, limit) = (filter.clone(), usize::try_from(limit.min(MAX_PAGE)).unwrap_or(usize::MAX));
        self.read("audit_entries", async move |connection: &mut Connection| {
            let recent = counted.saturating_sub(RECENT).unwrap_or(Timestamp::MIN);
            let mut ids = Ids { from: Some(prefix(recent.as_millisecond())), before: before.map(|id| id.to_string()) };
            let mut found = openings(connection, &filter, &ids, limit).await?;
            let groups = groups_of(connection, &filter).await?;
            let mut open = if found.len() < limit { days(connection, &filter, &groups, recent).await? } else { vec![] };
            // The newest is at the end.
            while let Some(span) = open.pop() {
                let Some(length) = span.length.checked_sub(1) else {
                    ids = ids.back_to(span.begin_s);
                    let more = openings(connection, &filter, &ids, limit.saturating_sub(found.len())).await?;
                    found.extend(more);
                    if found.len() >= limit {
                        break;
                    }
                    continue;
                };
                let until_s = span.begin_s.saturating_add(length_s(span.length));
                open.extend(spans(connection, length, (span.begin_s, until_s), &groups).await?);
            }
            with_outcomes(connection, found).await
        })
        .await
    }
}

impl Ids {
    /// Those of a minute that lies before all that were looked through.
    fn back_to(self, minute_s: i64) -> Self {
        let ms = |second: i64| second.saturating_mul(1_000);
        let end = prefix(ms(minute_s.saturating_add(length_s(0))).saturating_add(SLACK_MS));
        // What was looked through before began here, or the page did.
        let ends = [self.from, self.before, Some(end)];
        Self { from: Some(prefix(ms(minute_s).saturating_sub(SLACK_MS))), before: ends.into_iter().flatten().min() }
    }
}

fn length_s(length: usize) -> i64 {
    LENGTHS_S.get(length).copied().unwrap_or_default()
}

/// The groups whose requests are such as are looked for.
async fn groups_of(connection: &mut Connection, filter: &AuditFilter) -> Result<Vec<i64>, StoreError> {
    let groups = traffic_groups::table;
    let groups: Vec<Common> = on_backend!(connection, |conn| groups.select(Common::as_select()).load(conn).await)?;
    Ok(groups.into_iter().filter(|common| filter.takes(common)).map(|common| common.id).collect())
}

/// The days with something in them, from the oldest record on, before `recent` and within the time that is asked for.
async fn days(
    connection: &mut Connection,
    filter: &AuditFilter,
    groups: &[i64],
    recent: Timestamp,
) -> Result<Vec<Span>, StoreError> {
    let oldest = audit_entries::table.select(diesel::dsl::min(audit_entries::time));
    let oldest: Option<i64> = on_backend!(connection, |conn| oldest.get_result(conn).await)?;
    let oldest = oldest.and_then(|micros| Timestamp::from_microsecond(micros).ok()).unwrap_or(recent);
    let from = filter.from.map_or(oldest, |from| from.max(oldest));
    let to = filter.to.map_or(recent, |to| to.min(recent));
    let last = LENGTHS_S.len().saturating_sub(1);
    spans(connection, last, (begin(from.as_second(), length_s(last)), to.as_second().saturating_add(1)), groups).await
}

/// The spans of a length with requests of these groups in them, which begin in a time; the newest at the end.
async fn spans(
    connection: &mut Connection,
    length: usize,
    (from_s, until_s): (i64, i64),
    groups: &[i64],
) -> Result<Vec<Span>, StoreError> {
    if groups.is_empty() {
        return Ok(vec![]);
    }
    let begins = traffic_sums::table
        .filter(traffic_sums::span_s.eq(length_s(length)))
        .filter(traffic_sums::begin_s.ge(from_s))
        .filter(traffic_sums::begin_s.lt(until_s))
        .filter(traffic_sums::requests.gt(0))
        .filter(traffic_sums::group_id.eq_any(groups.to_vec()))
        .select(traffic_sums::begin_s)
        .distinct()
        .order(traffic_sums::begin_s);
    let begins: Vec<i64> = on_backend!(connection, |conn| begins.load(conn).await)?;
    Ok(begins.into_iter().map(|begin_s| Span { length, begin_s }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_a_range_of_ids() {
        let ids = Ids { from: Some(prefix(1_796_037_700_000)), before: None };
        let id = "01a22c30-f043-759e-99c4-648870832c11".to_owned();
        let minute = Timestamp::from_millisecond(0x01a2_2c30_f043).unwrap().as_second();
        let within = ids.back_to(begin(minute, 60));
        assert!(within.from.as_ref().is_some_and(|from| *from <= id), "{within:?}");
        assert_eq!(within.before, Some(prefix(1_796_037_700_000)), "nothing is looked through twice");
        let earlier = Ids { from: Some("01a22d00-0000".into()), before: Some("01a22c30-f000".into()) };
        assert_eq!(
            earlier.back_to(begin(minute, 60)).before,
            Some("01a22c30-f000".into()),
            "the page goes on from there"
        );
        assert_eq!(prefix(-1), "00000000-0000");
    }

    #[test]
    fn a_reason_is_found_by_its_code_or_in_full() {
        for (found, wanted, is_found) in [
            ("quota-exceeded: a", "quota-exceeded", true),
            ("quota-exceeded: a", "quota-exceeded: a", true),
            ("quota-exceeded", "quota-exceeded", true),
            ("quota-exceeded: a", "quota", false),
            ("quota-exceeded: ab", "quota-exceeded: a", false),
        ] {
            assert_eq!(begins(found, wanted), is_found, "{found} {wanted}");
        }
    }

    #[test]
    fn what_an_alert_can_be_is_not_looked_for_by_the_sums() {
        let of = |reason: Option<&str>, decision| AuditFilter {
            reason: reason.map(str::to_owned),
            decision,
            ..AuditFilter::default()
        };
        assert!(!AuditFilter::default().is_counted() && !of(None, Some(Decision::Allowed)).is_counted());
        assert!(!of(Some("budget-alert"), None).is_counted());
        assert!(of(Some("quota-exceeded"), None).is_counted() && of(None, Some(Decision::Failed)).is_counted());
        let with_user = AuditFilter { username: Some("ada".into()), route: Some("r".into()), ..AuditFilter::default() };
        assert!(!with_user.is_counted());
    }
}
