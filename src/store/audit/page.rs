//! The audit log as administrators read it: one record a request, newest first.
//!
//! A record is an opening entry (its only one, or its decision) and, where it has one, the outcome that has the same
//! chain and request. Used by the admin endpoints; it reads the log and never interprets what an entry says.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, JoinOnDsl, NullableExpressionMethods, OptionalExtension, QueryDsl,
};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use crate::{
    domain::{
        audit::{Decision, Hash, Stage},
        ids::{EntryId, RequestId, UserId},
    },
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        schema::audit_entries,
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
    pub route: Option<String>,
    /// The status the client was answered with: the outcome's where it has one.
    pub status: Option<u16>,
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
    pub prev_hash: Hash,
    pub hash: Hash,
}

/// What is on record of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecordRow {
    pub opening: AuditEntryRow,
    pub outcome: Option<AuditEntryRow>,
}

type Columns = (String, String, Vec<u8>, Vec<u8>);

diesel::alias!(audit_entries as outcomes: Outcomes);

/// The openings with their outcomes, of either database.
macro_rules! records {
    () => {{
        let same_record = outcomes
            .field(audit_entries::request_id)
            .eq(audit_entries::request_id)
            .and(outcomes.field(audit_entries::chain).eq(audit_entries::chain))
            .and(outcomes.field(audit_entries::stage).eq(Stage::Outcome.as_str()));
        audit_entries::table
            .left_join(outcomes.on(same_record))
            .filter(audit_entries::stage.ne(Stage::Outcome.as_str()))
            .select((
                (audit_entries::id, audit_entries::entry, audit_entries::prev_hash, audit_entries::hash),
                outcomes
                    .fields((audit_entries::id, audit_entries::entry, audit_entries::prev_hash, audit_entries::hash))
                    .nullable(),
            ))
    }};
}

/// Adds to a query the condition of each value that is there.
macro_rules! narrow {
    ($page:ident, $($wanted:expr => |$value:ident| $condition:expr;)*) => {
        $(if let Some($value) = $wanted {
            $page = $page.filter($condition);
        })*
    };
}

/// The column of the outcome equals the value, or the column of the opening where the outcome says nothing.
macro_rules! last_word {
    ($column:ident, $value:expr) => {{
        let last = outcomes.field(audit_entries::$column);
        last.eq($value).or(last.is_null().and(audit_entries::$column.eq($value)))
    }};
}

impl Store {
    /// At most `limit` records, newest first, from the one before the record `before` on.
    pub async fn audit_page(
        &self,
        filter: &AuditFilter,
        before: Option<EntryId>,
        limit: u32,
    ) -> Result<Vec<AuditRecordRow>, StoreError> {
        let filter = filter.clone();
        self.read(async move |connection: &mut Connection| {
            let rows: Vec<(Columns, Option<Columns>)> = on_backend!(connection, |conn| {
                let mut page = records!().order(audit_entries::id.desc()).limit(limit.into()).into_boxed();
                narrow! { page,
                    before => |id| audit_entries::id.lt(id.to_string());
                    filter.from => |from| audit_entries::time.ge(micros(from));
                    filter.to => |to| audit_entries::time.lt(micros(to));
                    filter.user_id => |id| audit_entries::user_id.eq(id.to_string());
                    filter.route => |route| audit_entries::route.eq(route);
                    filter.request_id => |id| audit_entries::request_id.eq(id.to_string());
                    filter.status => |status| last_word!(status, i32::from(status));
                    filter.decision => |decision| last_word!(decision, decision.as_str());
                }
                page.load(conn).await
            })?;
            rows.into_iter().map(AuditRecordRow::try_from).collect()
        })
        .await
    }

    /// The record whose opening entry has this id.
    pub async fn audit_record(&self, id: EntryId) -> Result<Option<AuditRecordRow>, StoreError> {
        self.read(async move |connection: &mut Connection| {
            let record = records!().filter(audit_entries::id.eq(id.to_string()));
            let row: Option<(Columns, Option<Columns>)> =
                on_backend!(connection, |conn| record.first(conn).await.optional())?;
            row.map(AuditRecordRow::try_from).transpose()
        })
        .await
    }
}

impl TryFrom<(Columns, Option<Columns>)> for AuditRecordRow {
    type Error = StoreError;

    fn try_from((opening, outcome): (Columns, Option<Columns>)) -> Result<Self, StoreError> {
        Ok(Self { opening: opening.try_into()?, outcome: outcome.map(AuditEntryRow::try_from).transpose()? })
    }
}

impl TryFrom<Columns> for AuditEntryRow {
    type Error = StoreError;

    fn try_from((id, entry, prev_hash, hash): Columns) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_text("audit_entries.id", &id)?,
            entry,
            prev_hash: read_digest("audit_entries.prev_hash", prev_hash)?,
            hash: read_digest("audit_entries.hash", hash)?,
        })
    }
}
