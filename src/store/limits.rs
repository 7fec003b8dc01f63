//! Limit policies as they are stored, and how they are read.
//!
//! Handlers read through it; the `Regulator` follows changes with [`Store::limits_since`]. Deleted limits stay as
//! rows; nobody reads them. Writes: by the flow of [`administered`](super::administered), with the rules in `change`.

mod change;

use diesel::{
    BoolExpressionMethods, ExpressionMethods, IntoSql, OptionalExtension, QueryDsl, Queryable, Selectable,
    SelectableHelper, sql_types::Bool,
};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{
    Store, StoreError,
    administered::Administered,
    connection::{Connection, on_backend},
    filter::Filter,
    revisions::{self, Seen},
    schema::{api_keys, limits, users},
    teams::TeamRow,
    users::UserRow,
    values::{read_count, read_text, read_time},
};
use crate::domain::{
    ids::LimitId,
    limit::{Misfit, Per, Policy, Spec},
};

pub use change::{LimitChange, NewLimit};

/// A limit: as it was written, and the policy that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRow {
    pub spec: Spec,
    pub policy: Policy,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The number of the last change.
    pub revision: i64,
}

impl LimitRow {
    /// The id of the limit.
    pub const fn id(&self) -> LimitId {
        self.policy.id
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = limits)]
struct Record {
    id: String,
    name: String,
    routes: String,
    per: String,
    subject: Option<String>,
    unit: String,
    quantity: i64,
    window_s: Option<i64>,
    burst: Option<i64>,
    mode: String,
    on_error: String,
    created_at: i64,
    updated_at: i64,
    revision: i64,
    calendar: Option<String>,
    time_zone: Option<String>,
}

impl Store {
    /// The limit, unless deleted.
    pub async fn limit(&self, id: LimitId) -> Result<Option<LimitRow>, StoreError> {
        self.read("limits", async move |connection: &mut Connection| LimitRow::living(connection, id).await).await
    }

    /// The limit of this name and this subject, or without one, unless deleted.
    pub async fn limit_by_name(&self, name: &str, subject: Option<&str>) -> Result<Option<LimitRow>, StoreError> {
        let (name, is_general) = (name.to_owned(), subject.is_none());
        let subject = subject.map(str::to_owned);
        self.read("limits", async move |connection: &mut Connection| {
            let named = limits::table.filter(limits::name.eq(name)).filter(limits::deleted_at.is_null());
            let general = limits::subject.is_null().and(is_general.into_sql::<Bool>());
            let named = named.filter(limits::subject.eq(subject).or(general));
            let record: Option<Record> =
                on_backend!(connection, |conn| named.select(Record::as_select()).first(conn).await.optional())?;
            record.map(LimitRow::try_from).transpose()
        })
        .await
    }

    /// Whether there is, or was, a limit of this name and this subject.
    pub async fn has_had_limit(&self, name: &str, subject: &str) -> Result<bool, StoreError> {
        let (name, subject) = (name.to_owned(), subject.to_owned());
        self.read("limits", async move |connection: &mut Connection| {
            let named = limits::table.filter(limits::name.eq(name)).filter(limits::subject.eq(subject));
            Ok(on_backend!(connection, |conn| diesel::select(diesel::dsl::exists(named)).get_result(conn).await)?)
        })
        .await
    }

    /// At most `limit` limits in the order of their ids, from the one after `after` on; deleted ones are left out.
    pub async fn limits_page(
        &self,
        filter: Filter,
        after: Option<LimitId>,
        limit: u32,
    ) -> Result<Vec<LimitRow>, StoreError> {
        let ((name, any_name), (team, any_team)) = filter.parts();
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.read("limits", async move |connection: &mut Connection| {
            let page = limits::table.filter(limits::deleted_at.is_null()).filter(limits::id.gt(after));
            let page = page.filter(limits::name.eq(name).or(any_name.into_sql::<Bool>()));
            let page = page.filter(limits::subject.eq(team).or(any_team.into_sql::<Bool>()));
            let page = page.order(limits::id).limit(limit.into());
            rows(on_backend!(connection, |conn| page.select(Record::as_select()).load(conn).await)?)
        })
        .await
    }

    /// Whether the subject of a limit or a budget exists.
    pub async fn has_subject(&self, per: Per, subject: Option<&str>) -> Result<bool, StoreError> {
        let subject = subject.map(str::to_owned);
        self.read("users", async move |connection: &mut Connection| {
            subject_exists(connection, per, subject.as_deref()).await
        })
        .await
    }

    /// All limits in the order of their ids, and up to which change they are read at least; `None` if nothing is new since
    /// `seen`.
    pub async fn limits_since(&self, seen: Seen) -> Result<Option<(Seen, Vec<LimitRow>)>, StoreError> {
        self.read("limits", async move |connection: &mut Connection| {
            let Some(news) = revisions::news(connection, revisions::LIMITS, seen).await? else { return Ok(None) };
            let all = limits::table.filter(limits::deleted_at.is_null()).order(limits::id);
            let records = on_backend!(connection, |conn| all.select(Record::as_select()).load(conn).await)?;
            Ok(Some((news.seen, rows(records)?)))
        })
        .await
    }
}

/// Why a limit does not fit to the others, or has a subject that does not exist. Reliable within a transaction that took
/// a revision.
async fn misfit(connection: &mut Connection, spec: &Spec, policy: &Policy) -> Result<Option<Misfit>, StoreError> {
    let others = limits::table
        .filter(limits::name.eq(&spec.name))
        .filter(limits::deleted_at.is_null())
        .filter(limits::id.ne(policy.id.to_string()));
    let others = rows(on_backend!(connection, |conn| others.select(Record::as_select()).load(conn).await)?)?;
    if let Some(misfit) = others.iter().find_map(|other| policy.misfit(&other.policy)) {
        return Ok(Some(misfit));
    }
    let there = subject_exists(connection, spec.per, spec.subject.as_deref()).await?;
    Ok((!there).then_some(Misfit::NoSuchSubject))
}

/// Whether the subject of a limit or a budget exists. Every address does, and so does "all".
pub(super) async fn subject_exists(
    connection: &mut Connection,
    per: Per,
    subject: Option<&str>,
) -> Result<bool, StoreError> {
    const COLUMN: &str = "subject";
    let Some(subject) = subject else { return Ok(true) };
    match per {
        Per::Global | Per::Address => Ok(true),
        Per::User => Ok(UserRow::living(connection, read_text(COLUMN, subject)?).await?.is_some()),
        Per::Team => Ok(TeamRow::living(connection, read_text(COLUMN, subject)?).await?.is_some()),
        Per::Key => {
            let living = users::table.filter(users::deleted_at.is_null()).select(users::id);
            let key = api_keys::table.find(subject).filter(api_keys::revoked_at.is_null());
            let key = key.filter(api_keys::user_id.eq_any(living));
            Ok(on_backend!(connection, |conn| diesel::select(diesel::dsl::exists(key)).get_result(conn).await)?)
        }
    }
}

fn rows(records: Vec<Record>) -> Result<Vec<LimitRow>, StoreError> {
    records.into_iter().map(LimitRow::try_from).collect()
}

/// The names of routes, as they are written in the column.
fn routes_text(spec: &Spec) -> Result<String, StoreError> {
    serde_json::to_string(&spec.routes).map_err(|error| StoreError::Other(error.to_string()))
}

fn corrupt(reason: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("limits: {reason}"))
}

impl TryFrom<Record> for LimitRow {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        let spec = Spec {
            name: record.name,
            routes: serde_json::from_str(&record.routes).map_err(corrupt)?,
            per: read_text("limits.per", &record.per)?,
            subject: record.subject,
            unit: read_text("limits.unit", &record.unit)?,
            limit: read_count("limits.quantity", record.quantity)?,
            window_s: record.window_s.map(|window_s| read_count("limits.window_s", window_s)).transpose()?,
            window: record.calendar.map(|window| read_text("limits.calendar", &window)).transpose()?,
            time_zone: record.time_zone,
            burst: record.burst.map(|burst| read_count("limits.burst", burst)).transpose()?,
            mode: read_text("limits.mode", &record.mode)?,
            on_error: read_text("limits.on_error", &record.on_error)?,
        };
        let policy = spec.policy(read_text("limits.id", &record.id)?);
        let fault = |faults: Vec<_>| corrupt(format!("{} makes no policy: {faults:?}", record.id));
        Ok(Self {
            policy: policy.map_err(fault)?,
            spec,
            created_at: read_time("limits.created_at", record.created_at)?,
            updated_at: read_time("limits.updated_at", record.updated_at)?,
            revision: record.revision,
        })
    }
}
