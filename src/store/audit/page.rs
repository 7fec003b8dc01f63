//! The audit log as administrators read it: one record a request, newest first.
//!
//! A record is an opening entry (its only one, or its decision) and, where it has one, the outcome that has the same
//! chain and request. Used by the admin endpoints; it reads the log and never interprets what an entry says.

use std::{collections::HashMap, ops::RangeInclusive};

use diesel::{
    BoolExpressionMethods, EscapeExpressionMethods, ExpressionMethods, NullableExpressionMethods, OptionalExtension,
    QueryDsl, Queryable, Selectable, SelectableHelper, TextExpressionMethods, define_sql_function,
    dsl::sql,
    expression::SqlLiteral,
    sql_types::{Nullable, SingleValue, SqlType, Text, is_nullable},
};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use crate::{
    domain::{
        audit::{Decision, Hash, Stage},
        ids::{ApiKeyId, EntryId, RequestId, TeamId, UserId},
    },
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        schema::{api_keys, audit_entries, users},
        values::{micros, read_digest, read_text},
    },
};

/// Which records to show; `None` shows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Requests that began at this time or later.
    pub from: Option<Timestamp>,
    /// Requests that began before this time.
    pub to: Option<Timestamp>,
    pub user_id: Option<UserId>,
    /// The name that the caller had; found as long as it is not erased.
    pub username: Option<String>,
    /// Callers who are in this team now.
    pub team_id: Option<TeamId>,
    pub key_id: Option<ApiKeyId>,
    pub route: Option<String>,
    /// The model that was asked for.
    pub model: Option<String>,
    /// The upstream that was asked last.
    pub upstream: Option<String>,
    /// The reason of a refusal or failure: its code, or the whole of it.
    pub reason: Option<String>,
    /// The statuses that the client may have been answered with: the outcome's where it has one.
    pub status: Option<RangeInclusive<u16>>,
    /// The last word: the outcome's where it has one.
    pub decision: Option<Decision>,
    pub request_id: Option<RequestId>,
}

/// An entry as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntryRow {
    pub id: EntryId,
    /// One line of JSON, byte for byte as it was hashed.
    pub entry: String,
    /// The parts that can be erased.
    pub personal: Option<String>,
    pub change: Option<String>,
    pub prev_hash: Hash,
    pub hash: Hash,
}

/// What is on record of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecordRow {
    pub opening: AuditEntryRow,
    pub outcome: Option<AuditEntryRow>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_entries)]
pub(super) struct Record {
    chain: String,
    request_id: String,
    id: String,
    entry: String,
    personal: Option<String>,
    change: Option<String>,
    prev_hash: Vec<u8>,
    hash: Vec<u8>,
}

diesel::alias!(audit_entries as outcomes: Outcomes);

define_sql_function! {
    /// The first of the two that is not NULL.
    fn coalesce<T: SqlType<IsNull = is_nullable::NotNull> + SingleValue>(a: Nullable<T>, b: Nullable<T>) -> Nullable<T>;
}

/// Adds to a query the condition of each value that is there.
macro_rules! narrow {
    ($page:ident, $($wanted:expr => |$value:ident| $condition:expr;)*) => {
        $(if let Some($value) = $wanted {
            $page = $page.filter($condition);
        })*
    };
}

/// A column of the outcome or, where that says nothing, of the opening. A subquery and not a join: it is looked up by
/// its index whatever the planner believes of the table.
macro_rules! last_word {
    ($column:ident) => {{
        let outcome = outcomes
            .filter(outcomes.field(audit_entries::request_id).eq(audit_entries::request_id))
            .filter(outcomes.field(audit_entries::chain).eq(audit_entries::chain))
            .filter(outcomes.field(audit_entries::stage).eq(Stage::Outcome.as_str()))
            .select(outcomes.field(audit_entries::$column))
            .limit(1);
        coalesce(outcome.single_value(), audit_entries::$column)
    }};
}

/// The opening entry, and its outcome, as a query names them.
const THIS: &str = "audit_entries";
const LATER: &str = "later";

/// The text at a path of names, `a,b`, in a column of JSON.
fn member(is_postgres: bool, table: &str, column: &str, path: &str) -> String {
    if is_postgres {
        format!("({table}.{column}::json #>> '{{{path}}}')")
    } else {
        format!("json_extract({table}.{column}, '$.{}')", path.replace(',', "."))
    }
}

/// What is written in SQL, as a text that may be NULL.
fn text(written: String) -> SqlLiteral<Nullable<Text>> {
    sql(&written)
}

/// The pattern of reasons that begin with this code: `quota-exceeded: per-minute`.
fn beginning(code: &str) -> String {
    let escaped = code.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    format!("{escaped}:%")
}

/// A member of the outcome or, where that says nothing of it, of the opening.
fn last_member(is_postgres: bool, name: &str) -> String {
    let [this, later] = [THIS, LATER].map(|table| member(is_postgres, table, "entry", name));
    format!(
        "coalesce((SELECT {later} FROM audit_entries {LATER} WHERE {LATER}.request_id = {THIS}.request_id \
         AND {LATER}.chain = {THIS}.chain AND {LATER}.stage = '{}' LIMIT 1), {this})",
        Stage::Outcome.as_str()
    )
}

/// The most records of one page.
pub(super) const MAX_PAGE: u32 = 1_000;

/// A range of ids: from one on, or from a beginning of one, and before another.
#[derive(Debug, Default)]
pub(super) struct Ids {
    pub(super) from: Option<String>,
    pub(super) before: Option<String>,
}

impl Store {
    /// At most `limit` records (and never more than 1,000), newest first, from the one before the record `before` on.
    pub async fn audit_page(
        &self,
        filter: &AuditFilter,
        before: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<AuditRecordRow>, StoreError> {
        let (filter, limit) = (filter.clone(), usize::try_from(limit.min(MAX_PAGE)).unwrap_or(usize::MAX));
        let ids = Ids { from: None, before: before.map(|id| id.to_string()) };
        self.read("audit_entries", async move |connection: &mut Connection| {
            let found = openings(connection, &filter, &ids, limit).await?;
            with_outcomes(connection, found).await
        })
        .await
    }

    /// The record whose opening entry has this id.
    pub async fn audit_record(&self, id: EntryId) -> Result<Option<AuditRecordRow>, StoreError> {
        self.read("audit_entries", async move |connection: &mut Connection| {
            let opening = audit_entries::table
                .filter(audit_entries::id.eq(id.to_string()))
                .filter(audit_entries::stage.ne(Stage::Outcome.as_str()));
            let opening = on_backend!(connection, |conn| opening.select(Record::as_select()).load(conn).await)?;
            Ok(with_outcomes(connection, opening).await?.pop())
        })
        .await
    }
}

/// At most `limit` openings of records in a range of ids, newest first.
pub(super) async fn openings(
    connection: &mut Connection,
    filter: &AuditFilter,
    ids: &Ids,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let is_postgres = matches!(connection, Connection::Postgres(_));
    let (filter, owner) = (filter.clone(), owner(connection, filter).await?);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(on_backend!(connection, |conn| {
        let openings = audit_entries::table.filter(audit_entries::stage.ne(Stage::Outcome.as_str()));
        let openings = openings.order(audit_entries::id.desc()).limit(limit);
        let mut page = openings.select(Record::as_select()).into_boxed();
        narrow! { page,
            ids.from.clone() => |id| audit_entries::id.ge(id);
            ids.before.clone() => |id| audit_entries::id.lt(id);
            filter.from => |from| audit_entries::time.ge(micros(from));
            filter.to => |to| audit_entries::time.lt(micros(to));
            filter.user_id => |id| audit_entries::user_id.eq(id.to_string());
            owner => |id| audit_entries::user_id.eq(id);
            filter.username => |name| text(member(is_postgres, THIS, "personal", "username")).eq(name);
            filter.team_id => |team| {
                let members = users::table.filter(users::team_id.eq(team.to_string()));
                audit_entries::user_id.eq_any(members.select(users::id.nullable()))
            };
            filter.key_id => |id| text(member(is_postgres, THIS, "entry", "credential,id")).eq(id.to_string());
            filter.route => |route| audit_entries::route.eq(route);
            filter.model => |model| text(last_member(is_postgres, "model")).eq(model);
            filter.upstream => |upstream| text(last_member(is_postgres, "upstream")).eq(upstream);
            filter.reason => |reason| {
                let found = || text(last_member(is_postgres, "reason"));
                found().eq(reason.clone()).or(found().like(beginning(&reason)).escape('\\'))
            };
            filter.request_id => |id| audit_entries::request_id.eq(id.to_string());
            filter.status => |status| last_word!(status).between(i32::from(*status.start()), i32::from(*status.end()));
            filter.decision => |decision| last_word!(decision).eq(decision.as_str());
        }
        page.load(conn).await
    })?)
}

/// Whose the key is that is asked for, where it is known: by the user the records have an index, by the key they have none.
async fn owner(connection: &mut Connection, filter: &AuditFilter) -> Result<Option<String>, StoreError> {
    let Some(key) = filter.key_id else { return Ok(None) };
    let owner = api_keys::table.find(key.to_string()).select(api_keys::user_id);
    Ok(on_backend!(connection, |conn| owner.first(conn).await.optional())?)
}

/// Looks up the outcomes of the openings of one page.
pub(super) async fn with_outcomes(
    connection: &mut Connection,
    openings: Vec<Record>,
) -> Result<Vec<AuditRecordRow>, StoreError> {
    let requests: Vec<_> = openings.iter().map(|opening| &opening.request_id).collect();
    let found = audit_entries::table
        .filter(audit_entries::request_id.eq_any(requests))
        .filter(audit_entries::stage.eq(Stage::Outcome.as_str()));
    let found: Vec<Record> = on_backend!(connection, |conn| found.select(Record::as_select()).load(conn).await)?;
    let mut found: HashMap<_, _> = found.into_iter().map(|outcome| (outcome.key(), outcome)).collect();
    let records = openings.into_iter().map(|opening| {
        let outcome = found.remove(&opening.key()).map(AuditEntryRow::try_from).transpose()?;
        Ok(AuditRecordRow { opening: opening.try_into()?, outcome })
    });
    records.collect()
}

impl Record {
    /// What an opening and its outcome have in common.
    fn key(&self) -> (String, String) {
        (self.chain.clone(), self.request_id.clone())
    }
}

impl TryFrom<Record> for AuditEntryRow {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_text("audit_entries.id", &record.id)?,
            entry: record.entry,
            personal: record.personal,
            change: record.change,
            prev_hash: read_digest("audit_entries.prev_hash", record.prev_hash)?,
            hash: read_digest("audit_entries.hash", record.hash)?,
        })
    }
}
