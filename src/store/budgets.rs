//! Budgets as they are stored, and how they are read. What is spent of them is in the ledger.
//!
//! Handlers read through it; the `Regulator` follows changes with [`Store::budgets_since`]. Deleted budgets stay
//! as rows; nobody reads them. Writes: by the flow of [`administered`](super::administered), with the rules in `change`.

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
    limits,
    revisions::{self, Seen},
    schema::budgets,
    values::{read_text, read_time},
};
use crate::domain::{
    budget::{Budget, Misfit, Spec},
    ids::BudgetId,
};

pub use change::{BudgetChange, NewBudget};

/// A budget: as it was written, and what it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRow {
    pub spec: Spec,
    pub budget: Budget,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The number of the last change.
    pub revision: i64,
}

impl BudgetRow {
    /// The id of the budget.
    pub const fn id(&self) -> BudgetId {
        self.budget.id
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = budgets)]
struct Record {
    id: String,
    spec: String,
    created_at: i64,
    updated_at: i64,
    revision: i64,
}

impl Store {
    /// The budget, unless deleted.
    pub async fn budget(&self, id: BudgetId) -> Result<Option<BudgetRow>, StoreError> {
        self.read("budgets", async move |connection: &mut Connection| BudgetRow::living(connection, id).await).await
    }

    /// The budget of this name and this subject, or without one, unless deleted.
    pub async fn budget_by_name(&self, name: &str, subject: Option<&str>) -> Result<Option<BudgetRow>, StoreError> {
        let (name, is_general) = (name.to_owned(), subject.is_none());
        let subject = subject.map(str::to_owned);
        self.read("budgets", async move |connection: &mut Connection| {
            let named = budgets::table.filter(budgets::name.eq(name)).filter(budgets::deleted_at.is_null());
            let general = budgets::subject.is_null().and(is_general.into_sql::<Bool>());
            let named = named.filter(budgets::subject.eq(subject).or(general));
            let record: Option<Record> =
                on_backend!(connection, |conn| named.select(Record::as_select()).first(conn).await.optional())?;
            record.map(BudgetRow::try_from).transpose()
        })
        .await
    }

    /// Whether there is, or was, a budget of this name and this subject.
    pub async fn has_had_budget(&self, name: &str, subject: &str) -> Result<bool, StoreError> {
        let (name, subject) = (name.to_owned(), subject.to_owned());
        self.read("budgets", async move |connection: &mut Connection| {
            let named = budgets::table.filter(budgets::name.eq(name)).filter(budgets::subject.eq(subject));
            Ok(on_backend!(connection, |conn| diesel::select(diesel::dsl::exists(named)).get_result(conn).await)?)
        })
        .await
    }

    /// At most `limit` budgets in the order of their ids, from the one after `after` on; deleted ones are left out.
    pub async fn budgets_page(
        &self,
        filter: Filter,
        after: Option<BudgetId>,
        limit: u32,
    ) -> Result<Vec<BudgetRow>, StoreError> {
        let ((name, any_name), (team, any_team)) = filter.parts();
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.read("budgets", async move |connection: &mut Connection| {
            let page = budgets::table.filter(budgets::deleted_at.is_null()).filter(budgets::id.gt(after));
            let page = page.filter(budgets::name.eq(name).or(any_name.into_sql::<Bool>()));
            let page = page.filter(budgets::subject.eq(team).or(any_team.into_sql::<Bool>()));
            let page = page.order(budgets::id).limit(limit.into());
            rows(on_backend!(connection, |conn| page.select(Record::as_select()).load(conn).await)?)
        })
        .await
    }

    /// All budgets in the order of their ids, and up to which change they are read at least; `None` if nothing is new since
    /// `seen`.
    pub async fn budgets_since(&self, seen: Seen) -> Result<Option<(Seen, Vec<BudgetRow>)>, StoreError> {
        self.read("budgets", async move |connection: &mut Connection| {
            let Some(news) = revisions::news(connection, revisions::BUDGETS, seen).await? else { return Ok(None) };
            let all = budgets::table.filter(budgets::deleted_at.is_null()).order(budgets::id);
            let records = on_backend!(connection, |conn| all.select(Record::as_select()).load(conn).await)?;
            Ok(Some((news.seen, rows(records)?)))
        })
        .await
    }
}

/// Why a budget does not fit to the others, or has a subject that does not exist. Reliable within a transaction that took
/// a revision.
async fn misfit(connection: &mut Connection, spec: &Spec, budget: &Budget) -> Result<Option<Misfit>, StoreError> {
    let others = budgets::table
        .filter(budgets::name.eq(&spec.name))
        .filter(budgets::deleted_at.is_null())
        .filter(budgets::id.ne(budget.id.to_string()));
    let others = rows(on_backend!(connection, |conn| others.select(Record::as_select()).load(conn).await)?)?;
    if let Some(misfit) = others.iter().find_map(|other| budget.misfit(&other.budget)) {
        return Ok(Some(misfit));
    }
    let there = subject_exists(connection, spec).await?;
    Ok((!there).then_some(Misfit::NoSuchSubject))
}

async fn subject_exists(connection: &mut Connection, spec: &Spec) -> Result<bool, StoreError> {
    limits::subject_exists(connection, spec.scope.per(), spec.subject.as_deref()).await
}

fn rows(records: Vec<Record>) -> Result<Vec<BudgetRow>, StoreError> {
    records.into_iter().map(BudgetRow::try_from).collect()
}

fn spec_text(spec: &Spec) -> Result<String, StoreError> {
    serde_json::to_string(spec).map_err(|error| StoreError::Other(error.to_string()))
}

impl TryFrom<Record> for BudgetRow {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        let corrupt = |reason: String| StoreError::Corrupt(format!("budgets: {}: {reason}", record.id));
        let spec: Spec = serde_json::from_str(&record.spec).map_err(|error| corrupt(error.to_string()))?;
        let budget = spec.budget(read_text("budgets.id", &record.id)?);
        Ok(Self {
            budget: budget.map_err(|faults| corrupt(format!("makes no budget: {faults:?}")))?,
            spec,
            created_at: read_time("budgets.created_at", record.created_at)?,
            updated_at: read_time("budgets.updated_at", record.updated_at)?,
            revision: record.revision,
        })
    }
}
