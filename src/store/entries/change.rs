//! New entries, their changes and their deletion. A deleted one leaves no row, and its secret is gone.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper};
use diesel_async::RunQueryDsl;

use super::{EntryId, EntryRow, Judge, Record, all};
use crate::{
    domain::entry::{Entry, EntryKey, EntryRefused},
    store::{
        StoreError,
        administered::{Administered, Stamp},
        connection::{Connection, on_backend},
        revisions,
        schema::list_entries,
        values::micros,
    },
};

/// An entry to be.
#[derive(Clone)]
pub struct NewEntry {
    pub entry: Entry,
    pub judge: Judge,
}

/// What an entry is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryChange {
    pub document: String,
    /// Another secret, or none; nothing where it stays.
    pub sealed_secret: Option<Option<Vec<u8>>>,
    /// Makes the change only if the entry still is as it was at this revision.
    pub only_at: i64,
}

impl Administered for EntryRow {
    type Id = EntryId;
    type New = NewEntry;
    type Change = EntryChange;
    type Refused = EntryRefused;

    const TABLE: &'static str = "list_entries";
    const REVISION: &'static str = revisions::ROUTING;

    fn id_of(new: &NewEntry) -> EntryId {
        EntryId { key: new.entry.key.clone(), judge: new.judge.clone() }
    }

    fn revision(&self) -> i64 {
        self.revision
    }

    fn only_at(change: &EntryChange) -> Option<i64> {
        Some(change.only_at)
    }

    async fn living(connection: &mut Connection, id: EntryId) -> Result<Option<Self>, StoreError> {
        let row = find(connection, &id.key).await?;
        Ok(row.map(|row| Self { judge: Some(id.judge), ..row }))
    }

    async fn refuse_new(connection: &mut Connection, new: &NewEntry) -> Result<Option<EntryRefused>, StoreError> {
        let key = &new.entry.key;
        if find(connection, key).await?.is_some() {
            return Ok(Some(EntryRefused::Conflict(format!("The {key} is there already."))));
        }
        judged(connection, Some(&new.judge), key, Some(&new.entry)).await
    }

    async fn insert(connection: &mut Connection, new: &NewEntry, revision: i64) -> Result<(), StoreError> {
        let entry = &new.entry;
        let insert = diesel::insert_into(list_entries::table).values((
            list_entries::kind.eq(entry.key.kind.as_str()),
            list_entries::name.eq(&*entry.key.name),
            list_entries::document.eq(&entry.document),
            list_entries::sealed_secret.eq(&entry.sealed_secret),
            list_entries::created_at.eq(micros(entry.created_at)),
            list_entries::updated_at.eq(micros(entry.updated_at)),
            list_entries::revision.eq(revision),
        ));
        on_backend!(connection, |conn| insert.execute(conn).await)?;
        Ok(())
    }

    fn changed(&self, change: &EntryChange) -> Option<Self> {
        let sealed_secret = change.sealed_secret.clone().unwrap_or_else(|| self.entry.sealed_secret.clone());
        let entry = Entry { document: change.document.clone(), sealed_secret, ..self.entry.clone() };
        (entry != self.entry).then(|| Self { entry, ..self.clone() })
    }

    async fn refuse_change(
        connection: &mut Connection,
        before: &Self,
        after: &Self,
    ) -> Result<Option<EntryRefused>, StoreError> {
        judged(connection, before.judge.as_ref(), &before.entry.key, Some(&after.entry)).await
    }

    async fn update(
        connection: &mut Connection,
        _: &Self,
        after: Self,
        _: EntryChange,
        stamp: Stamp,
    ) -> Result<Self, StoreError> {
        let entry = Entry { updated_at: stamp.now, ..after.entry };
        let update = diesel::update(list_entries::table.find((entry.key.kind.as_str(), &*entry.key.name))).set((
            list_entries::document.eq(&entry.document),
            list_entries::sealed_secret.eq(&entry.sealed_secret),
            list_entries::updated_at.eq(micros(entry.updated_at)),
            list_entries::revision.eq(stamp.revision),
        ));
        on_backend!(connection, |conn| update.execute(conn).await)?;
        Ok(Self { entry, revision: stamp.revision, judge: None })
    }

    async fn refuse_deletion(connection: &mut Connection, row: &Self) -> Result<Option<EntryRefused>, StoreError> {
        judged(connection, row.judge.as_ref(), &row.entry.key, None).await
    }

    async fn delete(connection: &mut Connection, row: &Self, stamp: Stamp) -> Result<Self, StoreError> {
        let key = &row.entry.key;
        let delete = diesel::delete(list_entries::table.find((key.kind.as_str(), &*key.name)));
        on_backend!(connection, |conn| delete.execute(conn).await)?;
        Ok(Self { revision: stamp.revision, ..row.clone() })
    }
}

pub(super) async fn find(connection: &mut Connection, key: &EntryKey) -> Result<Option<EntryRow>, StoreError> {
    let entry = list_entries::table.find((key.kind.as_str(), &*key.name));
    let record: Option<Record> =
        on_backend!(connection, |conn| entry.select(Record::as_select()).first(conn).await.optional())?;
    record.map(EntryRow::try_from).transpose()
}

async fn judged(
    connection: &mut Connection,
    judge: Option<&Judge>,
    key: &EntryKey,
    after: Option<&Entry>,
) -> Result<Option<EntryRefused>, StoreError> {
    let judge = judge.ok_or_else(|| StoreError::Other("a change of an entry without a judge".into()))?;
    let present: Vec<Entry> = all(connection).await?.into_iter().map(|row| row.entry).collect();
    Ok(judge(&present, key, after))
}
