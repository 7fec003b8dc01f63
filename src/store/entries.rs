//! Upstreams, routes and names for models that administrators made, as they are stored.
//!
//! What a document means is not known here: whether an entry goes together with the others is asked of a [`Judge`], within the
//! transaction of the change. The `Regulator` follows changes with [`Store::entries_since`]. Nothing here opens a secret.

mod change;

use std::sync::Arc;

use diesel::{QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::RunQueryDsl;

use super::{
    Store, StoreError,
    administered::Administered,
    connection::{Connection, on_backend},
    revisions::{self, Seen},
    schema::list_entries,
    values::{read_text, read_time},
};
use crate::domain::entry::{Entry, EntryKey, EntryRefused};

pub use change::{EntryChange, NewEntry};

/// Says why the entry with this key cannot become `after`, or be taken out where that is none; of all entries that there are.
pub type Judge = Arc<dyn Fn(&[Entry], &EntryKey, Option<&Entry>) -> Option<EntryRefused> + Send + Sync>;

/// Which entry, and who judges a change of it.
#[derive(Clone)]
pub struct EntryId {
    pub key: EntryKey,
    pub judge: Judge,
}

/// An entry as it is stored.
#[derive(Clone)]
pub struct EntryRow {
    pub entry: Entry,
    /// The number of the last change.
    pub revision: i64,
    /// Of a row that is about to be changed.
    judge: Option<Judge>,
}

impl PartialEq for EntryRow {
    fn eq(&self, other: &Self) -> bool {
        (&self.entry, self.revision) == (&other.entry, other.revision)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = list_entries)]
struct Record {
    kind: String,
    name: String,
    document: String,
    sealed_secret: Option<Vec<u8>>,
    created_at: i64,
    updated_at: i64,
    revision: i64,
}

impl Store {
    /// The entry with this key.
    pub async fn entry(&self, key: EntryKey) -> Result<Option<EntryRow>, StoreError> {
        self.read("list_entries", async move |connection: &mut Connection| change::find(connection, &key).await).await
    }

    /// All entries, those that were made first before the others, and up to which change they are read at least; `None` if
    /// nothing is new since `seen`.
    pub async fn entries_since(&self, seen: Seen) -> Result<Option<(Seen, Vec<EntryRow>)>, StoreError> {
        self.read("list_entries", async move |connection: &mut Connection| {
            let Some(news) = revisions::news(connection, EntryRow::REVISION, seen).await? else { return Ok(None) };
            Ok(Some((news.seen, all(connection).await?)))
        })
        .await
    }
}

async fn all(connection: &mut Connection) -> Result<Vec<EntryRow>, StoreError> {
    let order = (list_entries::created_at, list_entries::kind, list_entries::name);
    let all = list_entries::table.order(order);
    let records: Vec<Record> = on_backend!(connection, |conn| all.select(Record::as_select()).load(conn).await)?;
    records.into_iter().map(EntryRow::try_from).collect()
}

impl TryFrom<Record> for EntryRow {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        let kind = read_text("list_entries.kind", &record.kind)?;
        let entry = Entry {
            key: EntryKey { kind, name: record.name.into() },
            document: record.document,
            sealed_secret: record.sealed_secret,
            created_at: read_time("list_entries.created_at", record.created_at)?,
            updated_at: read_time("list_entries.updated_at", record.updated_at)?,
        };
        Ok(Self { entry, revision: record.revision, judge: None })
    }
}
