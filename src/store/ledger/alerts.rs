//! Alerts as they are stored: raised in the transaction that spends the money, and kept until they are reported.

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::balances::{name, parse};
use crate::{
    domain::{
        budget::Alert,
        ids::{AlertId, EntryId},
        money::Money,
    },
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        schema::{audit_entries, budget_alerts},
        values::{micros, read_count, read_text, read_time, signed},
    },
};

/// An alert that is not reported yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRow {
    pub alert: Alert,
    pub raised_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = budget_alerts)]
struct Record {
    id: String,
    account: String,
    fraction_ppm: i64,
    name: String,
    spent_pusd: i64,
    limit_pusd: i64,
    raised_at: i64,
}

/// What is left to do for an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreported {
    /// To put it on record.
    Unrecorded,
    /// It is on record, and the webhook has not been called.
    Recorded,
}

impl Store {
    /// At most `limit` alerts of which `owner` has this left to do, the oldest first.
    pub async fn untold_alerts(&self, owner: &str, left: Unreported, limit: u32) -> Result<Vec<AlertRow>, StoreError> {
        let owner = owner.to_owned();
        self.read("budget_alerts", async move |connection: &mut Connection| {
            let mine = budget_alerts::owner.eq(owner).and(budget_alerts::told_at.is_null());
            let this = budget_alerts::recorded_at.is_null().eq(left == Unreported::Unrecorded);
            let untold = budget_alerts::table.filter(mine.and(this)).order(budget_alerts::id).limit(limit.into());
            let records: Vec<Record> =
                on_backend!(connection, |conn| untold.select(Record::as_select()).load(conn).await)?;
            records.into_iter().map(AlertRow::try_from).collect()
        })
        .await
    }

    /// Keeps that an alert is on record, and whether nothing more is left to do.
    pub async fn alert_recorded(&self, id: AlertId, is_told: bool, now: Timestamp) -> Result<(), StoreError> {
        self.write("UPDATE", "budget_alerts", async move |connection: &mut Connection| {
            let recorded = diesel::update(budget_alerts::table.find(id.to_string()));
            let told_at = is_told.then_some(micros(now));
            let recorded =
                recorded.set((budget_alerts::recorded_at.eq(micros(now)), budget_alerts::told_at.eq(told_at)));
            on_backend!(connection, |conn| recorded.execute(conn).await)?;
            Ok(())
        })
        .await
    }

    /// Records that an alert was delivered, or cannot be.
    pub async fn alert_delivered(&self, id: AlertId, now: Timestamp) -> Result<(), StoreError> {
        self.write("UPDATE", "budget_alerts", async move |connection: &mut Connection| {
            let delivered = diesel::update(budget_alerts::table.find(id.to_string()));
            let delivered = delivered.set(budget_alerts::told_at.eq(micros(now)));
            on_backend!(connection, |conn| delivered.execute(conn).await)?;
            Ok(())
        })
        .await
    }

    /// Whether the audit log has an entry with this id.
    pub async fn is_recorded(&self, id: EntryId) -> Result<bool, StoreError> {
        self.read("audit_entries", async move |connection: &mut Connection| {
            let entry = audit_entries::table.filter(audit_entries::id.eq(id.to_string())).count();
            let count: i64 = on_backend!(connection, |conn| entry.get_result(conn).await)?;
            Ok(count > 0)
        })
        .await
    }
}

/// Keeps alerts that `owner` has to report. One that was raised before, for the same account and fraction, stays as it
/// is.
pub(super) async fn raise(
    connection: &mut Connection,
    owner: &str,
    alerts: &[Alert],
    now: Timestamp,
) -> Result<(), StoreError> {
    for alert in alerts {
        let row = (
            budget_alerts::id.eq(alert.id.to_string()),
            budget_alerts::account.eq(name(&alert.account)),
            budget_alerts::fraction_ppm.eq(signed(alert.fraction_ppm)),
            budget_alerts::name.eq(&*alert.budget),
            budget_alerts::spent_pusd.eq(alert.spent.pusd()),
            budget_alerts::limit_pusd.eq(alert.limit.pusd()),
            budget_alerts::raised_at.eq(micros(now)),
            budget_alerts::owner.eq(owner),
        );
        let raise = diesel::insert_into(budget_alerts::table).values(row).on_conflict_do_nothing();
        on_backend!(connection, |conn| raise.execute(conn).await)?;
    }
    Ok(())
}

impl TryFrom<Record> for AlertRow {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        Ok(Self {
            alert: Alert {
                id: read_text("budget_alerts.id", &record.id)?,
                account: parse(&record.account)?,
                fraction_ppm: read_count("budget_alerts.fraction_ppm", record.fraction_ppm)?,
                budget: record.name.into(),
                spent: Money::from_pusd(record.spent_pusd),
                limit: Money::from_pusd(record.limit_pusd),
            },
            raised_at: read_time("budget_alerts.raised_at", record.raised_at)?,
        })
    }
}
