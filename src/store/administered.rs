//! The one flow by which administrators make, change and delete rows: users, teams, API keys, limits, budgets, and what is added
//! to the lists of the configuration.
//!
//! An aggregate of the store says how its rows are found, checked and written by implementing [`Administered`]; the flow
//! around that is here, once: the revision first, then the `Idempotency-Key`, the rules, the write. Each call is one
//! transaction. Called by the actors `Registrar` and `Regulator` and by the command line; handlers only read.

use jiff::Timestamp;

use super::{
    Store, StoreError,
    connection::Connection,
    idempotency::{self, Answer, Idempotency, Known},
    revisions,
};

/// What came of making a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created<Row, Refused> {
    New(Row),
    /// The same request came before. This is its answer, and nothing was changed.
    Replayed(Answer),
    /// The `Idempotency-Key` came before with another request.
    KeyReused,
    Refused(Refused),
}

/// What came of changing or deleting a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed<Row, Refused> {
    /// They are equal, and nothing was written, if the change asked for what is so already. After a deletion, `after` is
    /// the row as it was deleted.
    Done {
        before: Row,
        after: Row,
    },
    /// There is no such row, or it is deleted.
    NotFound,
    /// The row is not as it was at the revision that the change asked for.
    Stale,
    /// The same request came before. This is its answer, and nothing was changed.
    Replayed(Answer),
    /// The `Idempotency-Key` came before with another request.
    KeyReused,
    Refused(Refused),
}

/// What came of the rows of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First<Refused> {
    Made,
    /// There have been rows before; nothing was changed.
    MadeBefore,
    /// The row at this index is refused; nothing was changed.
    Refused(usize, Refused),
}

/// When a change is made, and its number among the changes of its kind.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    pub now: Timestamp,
    pub revision: i64,
}

/// A kind of row that administrators make, change and delete. All functions run in a transaction that holds the
/// revision of the kind, so what they read of it stays true until the commit.
pub trait Administered: Clone + PartialEq + Send + Sync + Sized + 'static {
    type Id: Clone + Send + Sync + 'static;
    /// A row to be, checked as far as that needs no store.
    type New: Send + Sync + 'static;
    /// What a row is to be, checked as far as that needs no store.
    type Change: Send + Sync + 'static;
    /// Why the store refuses a row.
    type Refused: Send + 'static;

    /// The name of the revision that counts changes of this kind (see `revisions`).
    const REVISION: &'static str;

    /// Where the rows are.
    const TABLE: &'static str;

    fn id_of(new: &Self::New) -> Self::Id;

    /// The number of the last change of this row.
    fn revision(&self) -> i64;

    /// The revision that the row must be at for the change to be made, if any will not do.
    fn only_at(_: &Self::Change) -> Option<i64> {
        None
    }

    /// The key of the request that asks for the change, and the answer to keep under it, if the change is made once only.
    fn once(_: &Self::Change) -> Option<&Idempotency> {
        None
    }

    /// The row with this id, unless deleted.
    fn living(
        connection: &mut Connection,
        id: Self::Id,
    ) -> impl Future<Output = Result<Option<Self>, StoreError>> + Send;

    /// Why this row cannot be made.
    fn refuse_new(
        connection: &mut Connection,
        new: &Self::New,
    ) -> impl Future<Output = Result<Option<Self::Refused>, StoreError>> + Send;

    fn insert(
        connection: &mut Connection,
        new: &Self::New,
        revision: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The row after a change; `None` if the change asks for nothing new.
    fn changed(&self, change: &Self::Change) -> Option<Self>;

    /// Why `before` cannot become `after`.
    fn refuse_change(
        _: &mut Connection,
        _before: &Self,
        _after: &Self,
    ) -> impl Future<Output = Result<Option<Self::Refused>, StoreError>> + Send {
        async { Ok(None) }
    }

    /// Writes `after` over `before`, and gives the row as it is then.
    fn update(
        connection: &mut Connection,
        before: &Self,
        after: Self,
        change: Self::Change,
        stamp: Stamp,
    ) -> impl Future<Output = Result<Self, StoreError>> + Send;

    /// Why this row cannot be deleted.
    fn refuse_deletion(
        _: &mut Connection,
        _: &Self,
    ) -> impl Future<Output = Result<Option<Self::Refused>, StoreError>> + Send {
        async { Ok(None) }
    }

    /// Marks the row as deleted, and gives it as it was deleted.
    fn delete(
        connection: &mut Connection,
        row: &Self,
        stamp: Stamp,
    ) -> impl Future<Output = Result<Self, StoreError>> + Send;
}

/// What came of making a row of this kind.
pub type CreatedRow<N> = Created<N, <N as Administered>::Refused>;
/// The first rows of this kind, and the index of one that is refused, with the reason.
pub type CheckedFirst<N> = (Vec<<N as Administered>::New>, Option<(usize, <N as Administered>::Refused)>);
/// What came of changing or deleting a row of this kind.
pub type ChangedRow<N> = Changed<N, <N as Administered>::Refused>;

impl Store {
    /// Makes a row and, with it, keeps the answer under the key of the request.
    ///
    /// # Errors
    /// `Conflict` if the id is taken.
    pub async fn create<N: Administered>(
        &self,
        new: N::New,
        request: Option<Idempotency>,
    ) -> Result<CreatedRow<N>, StoreError> {
        self.transaction(N::TABLE, async move |connection: &mut Connection| {
            create::<N>(connection, &new, request).await
        })
        .await
    }

    /// Changes a row.
    pub async fn change<N: Administered>(
        &self,
        id: N::Id,
        change: N::Change,
        now: Timestamp,
    ) -> Result<ChangedRow<N>, StoreError> {
        self.transaction(N::TABLE, async move |connection: &mut Connection| {
            self::change::<N>(connection, id, change, now).await
        })
        .await
    }

    /// Deletes a row: it stays in its table, marked, and its name becomes free.
    pub async fn delete<N: Administered>(&self, id: N::Id, now: Timestamp) -> Result<ChangedRow<N>, StoreError> {
        self.delete_at::<N>(id, None, now).await
    }

    /// Deletes a row, where a revision is given only if the row still is as it was at that.
    pub async fn delete_at<N: Administered>(
        &self,
        id: N::Id,
        only_at: Option<i64>,
        now: Timestamp,
    ) -> Result<ChangedRow<N>, StoreError> {
        self.transaction(N::TABLE, async move |connection: &mut Connection| {
            delete::<N>(connection, id, only_at, now).await
        })
        .await
    }

    /// Why [`Store::create_first`] would refuse one of these rows, with its index; found without a write. The rows are given
    /// back.
    pub async fn refuse_first<N: Administered>(&self, rows: Vec<N::New>) -> Result<CheckedFirst<N>, StoreError> {
        self.snapshot(N::TABLE, async move |connection: &mut Connection| {
            if revisions::last(connection, N::REVISION).await? > 0 {
                return Ok((rows, None));
            }
            let refused = refuse_any::<N>(connection, &rows).await?;
            Ok((rows, refused))
        })
        .await
    }

    /// Makes these rows if no row of their kind has ever been made or changed. Of several replicas that do so at once
    /// only one does.
    pub async fn create_first<N: Administered>(&self, rows: Vec<N::New>) -> Result<First<N::Refused>, StoreError> {
        let last = async |connection: &mut Connection| revisions::last(connection, N::REVISION).await;
        if self.read(N::TABLE, last).await? > 0 {
            return Ok(First::MadeBefore);
        }
        self.transaction(N::TABLE, async move |connection: &mut Connection| create_first::<N>(connection, &rows).await)
            .await
    }
}

async fn create<N: Administered>(
    connection: &mut Connection,
    new: &N::New,
    request: Option<Idempotency>,
) -> Result<CreatedRow<N>, StoreError> {
    let revision = revisions::next(connection, N::REVISION).await?;
    match idempotency::look_up(connection, request.as_ref()).await? {
        Known::Fresh => {}
        Known::Answered(answer) => return Ok(Created::Replayed(answer)),
        Known::Reused => return Ok(Created::KeyReused),
    }
    if let Some(refused) = N::refuse_new(connection, new).await? {
        return Ok(Created::Refused(refused));
    }
    idempotency::keep(connection, request.as_ref()).await?;
    N::insert(connection, new, revision).await?;
    let row = N::living(connection, N::id_of(new)).await?;
    row.map(Created::New).ok_or_else(|| StoreError::Other("a new row is not there".into()))
}

async fn change<N: Administered>(
    connection: &mut Connection,
    id: N::Id,
    change: N::Change,
    now: Timestamp,
) -> Result<ChangedRow<N>, StoreError> {
    let revision = revisions::next(connection, N::REVISION).await?;
    match idempotency::look_up(connection, N::once(&change)).await? {
        Known::Fresh => {}
        Known::Answered(answer) => return Ok(Changed::Replayed(answer)),
        Known::Reused => return Ok(Changed::KeyReused),
    }
    let Some(before) = N::living(connection, id).await? else { return Ok(Changed::NotFound) };
    if N::only_at(&change).is_some_and(|revision| revision != before.revision()) {
        return Ok(Changed::Stale);
    }
    let Some(after) = before.changed(&change) else {
        return Ok(Changed::Done { after: before.clone(), before });
    };
    if let Some(refused) = N::refuse_change(connection, &before, &after).await? {
        return Ok(Changed::Refused(refused));
    }
    idempotency::keep(connection, N::once(&change)).await?;
    let after = N::update(connection, &before, after, change, Stamp { now, revision }).await?;
    Ok(Changed::Done { before, after })
}

async fn delete<N: Administered>(
    connection: &mut Connection,
    id: N::Id,
    only_at: Option<i64>,
    now: Timestamp,
) -> Result<ChangedRow<N>, StoreError> {
    let revision = revisions::next(connection, N::REVISION).await?;
    let Some(before) = N::living(connection, id).await? else { return Ok(Changed::NotFound) };
    if only_at.is_some_and(|revision| revision != before.revision()) {
        return Ok(Changed::Stale);
    }
    if let Some(refused) = N::refuse_deletion(connection, &before).await? {
        return Ok(Changed::Refused(refused));
    }
    let after = N::delete(connection, &before, Stamp { now, revision }).await?;
    Ok(Changed::Done { before, after })
}

async fn create_first<N: Administered>(
    connection: &mut Connection,
    rows: &[N::New],
) -> Result<First<N::Refused>, StoreError> {
    if revisions::hold(connection, N::REVISION).await? > 0 {
        return Ok(First::MadeBefore);
    }
    if let Some((index, refused)) = refuse_any::<N>(connection, rows).await? {
        return Ok(First::Refused(index, refused));
    }
    let revision = revisions::next(connection, N::REVISION).await?;
    for row in rows {
        N::insert(connection, row, revision).await?;
    }
    Ok(First::Made)
}

/// The first of these rows that is refused, and why.
async fn refuse_any<N: Administered>(
    connection: &mut Connection,
    rows: &[N::New],
) -> Result<Option<(usize, N::Refused)>, StoreError> {
    for (index, row) in rows.iter().enumerate() {
        if let Some(refused) = N::refuse_new(connection, row).await? {
            return Ok(Some((index, refused)));
        }
    }
    Ok(None)
}
