//! The price list as it is stored: every version of it, and how it is changed.
//!
//! Handlers read through it; the `Regulator` follows changes with [`Store::prices_since`]. A version is the revision
//! of the change that made it. What a version says never changes: a price that ends is a row that stays.

use std::collections::BTreeMap;

use diesel::{BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{
    Store, StoreError,
    connection::{Connection, on_backend},
    revisions::{self, Seen},
    schema::{price_versions, prices},
    values::{micros, read_time},
};
use crate::domain::price::{
    Price, PriceSpec,
    list::{Difference, ListChange, MAX_MODELS, PriceList},
};

/// A price: as it is written, and what it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRow {
    pub spec: PriceSpec,
    pub price: Price,
}

/// A version of the list: when it was made, and what from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceVersion {
    pub version: i64,
    pub created_at: Timestamp,
    pub source: String,
}

/// What the list is to be, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceChange {
    pub change: ListChange,
    /// Makes the change only if the list still is at this version; 0: only if there never was one.
    pub only_at: Option<i64>,
    /// Who or what it comes from.
    pub source: String,
    pub made_at: Timestamp,
}

/// What came of a change. Not [`Changed`](super::administered::Changed), which is of one row: the list has no id under which it
/// could not be found, and of 50,000 prices only the difference is worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PricesChanged {
    /// The list is at `version` now. Nothing differs, and no version was made, if the change asked for what was so
    /// already.
    Done { before: i64, version: i64, difference: Difference },
    /// The list is at this version, which is not the one that was asked for.
    Stale(i64),
    /// The list would have more than [`MAX_MODELS`] models.
    TooMany,
}

/// A row. `None` is written as NULL, so that many rows are one statement.
#[derive(Insertable)]
#[diesel(table_name = prices, treat_none_as_default_value = false)]
struct Record {
    model: String,
    from_version: i64,
    until_version: Option<i64>,
    spec: String,
}

/// The most rows of one statement: SQLite takes 32,766 values in it, and a row is 4.
const ROWS_PER_STATEMENT: usize = 8_000;

impl Store {
    /// Changes the list.
    pub async fn change_prices(&self, change: PriceChange) -> Result<PricesChanged, StoreError> {
        self.transaction("prices", async move |connection: &mut Connection| {
            let before = revisions::hold(connection, revisions::PRICES).await?;
            if change.only_at.is_some_and(|only_at| only_at != before) {
                return Ok(PricesChanged::Stale(before));
            }
            let list = list(rows_at(connection, before).await?);
            let models = list.len();
            let difference = change.change.difference(list);
            let models = models.saturating_add(difference.added.len()).saturating_sub(difference.removed.len());
            if difference.is_empty() || models > MAX_MODELS {
                let same = PricesChanged::Done { before, version: before, difference };
                return Ok(if models > MAX_MODELS { PricesChanged::TooMany } else { same });
            }
            let version = revisions::next(connection, revisions::PRICES).await?;
            write_version(connection, PriceVersion { version, created_at: change.made_at, source: change.source })
                .await?;
            end(connection, &difference, version).await?;
            insert(connection, &difference, version).await?;
            Ok(PricesChanged::Done { before, version, difference })
        })
        .await
    }

    /// The version asked for, or the last one; `None` if there is none.
    pub async fn price_version(&self, version: Option<i64>) -> Result<Option<PriceVersion>, StoreError> {
        self.read("price_versions", async move |connection: &mut Connection| {
            let last = revisions::last(connection, revisions::PRICES).await?;
            let row = price_versions::table.find(version.unwrap_or(last));
            let row: Option<(i64, i64, String)> = on_backend!(connection, |conn| row.first(conn).await.optional())?;
            row.map(|(version, created_at, source)| {
                Ok(PriceVersion { version, created_at: read_time("price_versions.created_at", created_at)?, source })
            })
            .transpose()
        })
        .await
    }

    /// At most `limit` prices of a version in the order of their models, from the one after `after` on.
    pub async fn prices_page(&self, version: i64, after: String, limit: u32) -> Result<Vec<PriceRow>, StoreError> {
        self.read("prices", async move |connection: &mut Connection| {
            let page = prices::table.filter(holds_at(version)).filter(prices::model.gt(after)).order(prices::model);
            let page = page.limit(limit.into()).select(prices::spec);
            rows(on_backend!(connection, |conn| page.load(conn).await)?)
        })
        .await
    }

    /// What a model costs in a version.
    pub async fn price(&self, version: i64, model: String) -> Result<Option<PriceRow>, StoreError> {
        self.read("prices", async move |connection: &mut Connection| {
            let price = prices::table.filter(holds_at(version)).filter(prices::model.eq(model)).select(prices::spec);
            let spec: Option<String> = on_backend!(connection, |conn| price.first(conn).await.optional())?;
            spec.as_deref().map(row).transpose()
        })
        .await
    }

    /// The list at its last version; `None` if nothing is new since `seen`.
    pub async fn prices_since(&self, seen: Seen) -> Result<Option<(Seen, Vec<PriceRow>)>, StoreError> {
        self.read("prices", async move |connection: &mut Connection| {
            let Some(news) = revisions::news(connection, revisions::PRICES, seen).await? else { return Ok(None) };
            // A change that comes between is left out: what a version says never changes.
            Ok(Some((news.seen, rows_at(connection, news.seen.revision).await?)))
        })
        .await
    }
}

/// The rows that hold at a version.
#[diesel::dsl::auto_type(no_type_alias)]
fn holds_at(version: i64) -> _ {
    let not_ended = prices::until_version.is_null().or(prices::until_version.gt(version));
    prices::from_version.le(version).and(not_ended)
}

async fn rows_at(connection: &mut Connection, version: i64) -> Result<Vec<PriceRow>, StoreError> {
    let all = prices::table.filter(holds_at(version)).order(prices::model).select(prices::spec);
    rows(on_backend!(connection, |conn| all.load(conn).await)?)
}

async fn write_version(connection: &mut Connection, version: PriceVersion) -> Result<(), StoreError> {
    let insert = diesel::insert_into(price_versions::table).values((
        price_versions::version.eq(version.version),
        price_versions::created_at.eq(micros(version.created_at)),
        price_versions::source.eq(version.source),
    ));
    on_backend!(connection, |conn| insert.execute(conn).await)?;
    Ok(())
}

/// From `version` on the old prices hold no more.
async fn end(connection: &mut Connection, difference: &Difference, version: i64) -> Result<(), StoreError> {
    let models: Vec<&str> = difference.ended().map(|spec| spec.model.as_str()).collect();
    for models in models.chunks(ROWS_PER_STATEMENT) {
        let ended = prices::table.filter(prices::until_version.is_null()).filter(prices::model.eq_any(models));
        let end = diesel::update(ended).set(prices::until_version.eq(version));
        on_backend!(connection, |conn| end.execute(conn).await)?;
    }
    Ok(())
}

/// From `version` on the new prices hold.
async fn insert(connection: &mut Connection, difference: &Difference, version: i64) -> Result<(), StoreError> {
    let record = |spec: &PriceSpec| {
        Ok(Record { model: spec.model.clone(), from_version: version, until_version: None, spec: text(spec)? })
    };
    let mut records = difference.begun().map(record).collect::<Result<Vec<Record>, StoreError>>()?;
    while !records.is_empty() {
        let later = records.split_off(records.len().min(ROWS_PER_STATEMENT));
        let insert = diesel::insert_into(prices::table).values(std::mem::replace(&mut records, later));
        match connection {
            // On SQLite diesel can insert many rows at once, and diesel-async cannot.
            Connection::Sqlite(conn) => conn.spawn_blocking(|conn| diesel::RunQueryDsl::execute(insert, conn)).await?,
            Connection::Postgres(conn) => insert.execute(conn).await?,
        };
    }
    Ok(())
}

fn list(rows: Vec<PriceRow>) -> PriceList {
    rows.into_iter().map(|row| (row.spec.model.clone(), row.spec)).collect::<BTreeMap<_, _>>()
}

fn rows(specs: Vec<String>) -> Result<Vec<PriceRow>, StoreError> {
    specs.iter().map(|spec| row(spec)).collect()
}

fn row(spec: &str) -> Result<PriceRow, StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt(format!("prices: {reason}"));
    let spec: PriceSpec = serde_json::from_str(spec).map_err(|error| corrupt(error.to_string()))?;
    let price = spec.price().map_err(|faults| corrupt(format!("{} has no price: {faults:?}", spec.model)))?;
    Ok(PriceRow { spec, price })
}

fn text(spec: &PriceSpec) -> Result<String, StoreError> {
    serde_json::to_string(spec).map_err(|error| StoreError::Other(error.to_string()))
}
