//! The revisions: one counter a kind of change, by which every replica learns what is new to it.
//!
//! The aggregates take the next value inside the transaction of each change, as its first statement: the row is then
//! locked until the commit, so changes of one kind happen one after the other, over all replicas, in the order of their
//! values. Followers ask for what is new since they last looked ([`news`]). Each value has a random mark, drawn by the
//! database when it is taken; so a store that went back, and even one that has gone on with other changes since, shows.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, JoinOnDsl, NullableExpressionMethods, OptionalExtension, QueryDsl,
};
use diesel_async::RunQueryDsl;

use super::{
    Store, StoreError,
    connection::{Connection, on_backend},
    schema::{revisions, stamps},
};

/// Changes of users, teams and API keys, and revocations of sessions.
pub(super) const IDENTITY: &str = "identity";
/// Changes of the ring of signing keys.
pub(super) const KEYS: &str = "keys";
/// Changes of budgets.
pub(super) const BUDGETS: &str = "budgets";
/// Changes of limits.
pub(super) const LIMITS: &str = "limits";
/// Changes of prices; the revision is the version of the list.
pub(super) const PRICES: &str = "prices";
/// Purges of the cache.
pub(super) const CACHE: &str = "cache";
/// Changes of upstreams, routes and names for models.
pub(super) const ROUTING: &str = "routing";

/// Up to which change a follower has read. The default is that of a follower that has read nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    pub revision: i64,
    /// Of this revision; no other history of the store has the same.
    mark: Option<i64>,
}

/// What a follower has to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// Up to which change there is something to read, at least.
    pub seen: Seen,
    /// What changed after this revision is new; 0 where everything is to be read anew.
    pub after: i64,
    /// The store does not have the changes that the follower has read: it went back.
    pub went_back: bool,
}

impl Store {
    /// What is new of users, teams, API keys and revoked sessions.
    pub async fn identity_news(&self, seen: Seen) -> Result<Option<News>, StoreError> {
        self.poll("revisions", async move |connection: &mut Connection| news(connection, IDENTITY, seen).await).await
    }

    /// What is new of the ring of signing keys.
    pub async fn keys_news(&self, seen: Seen) -> Result<Option<News>, StoreError> {
        self.read("revisions", async move |connection: &mut Connection| news(connection, KEYS, seen).await).await
    }
}

/// What is new since `seen`; `None` if nothing is. Ask before the rows are read: a change that comes between is then read
/// twice, and none is missed.
pub(super) async fn news(
    connection: &mut Connection,
    name: &'static str,
    seen: Seen,
) -> Result<Option<News>, StoreError> {
    let now = current(connection, name).await?;
    if now == seen {
        return Ok(None);
    }
    let goes_on = now.revision > seen.revision
        && seen.mark.is_some()
        && mark_of(connection, name, seen.revision).await? == seen.mark;
    let after = if goes_on { seen.revision } else { 0 };
    Ok(Some(News { seen: now, after, went_back: !goes_on && seen != Seen::default() }))
}

/// The last revision that was taken and committed.
pub(super) async fn current(connection: &mut Connection, name: &'static str) -> Result<Seen, StoreError> {
    let stamp = stamps::name.eq(revisions::name).and(stamps::value.eq(revisions::value));
    let current = revisions::table.left_join(stamps::table.on(stamp)).filter(revisions::name.eq(name));
    let current = current.select((revisions::value, stamps::mark.nullable()));
    // Without a bound LIMIT: SQLite would plan the statement anew for each value of it (its planner looks at the value).
    let (revision, mark) = on_backend!(connection, |conn| current.get_result(conn).await)?;
    Ok(Seen { revision, mark })
}

async fn mark_of(connection: &mut Connection, name: &'static str, value: i64) -> Result<Option<i64>, StoreError> {
    let mark = stamps::table.find((name, value)).select(stamps::mark);
    Ok(on_backend!(connection, |conn| mark.get_result(conn).await.optional())?)
}

/// Takes the next revision, and waits until every change with an earlier one is committed or undone.
pub(super) async fn next(connection: &mut Connection, name: &'static str) -> Result<i64, StoreError> {
    let next = diesel::update(revisions::table.find(name)).set(revisions::value.eq(revisions::value + 1));
    let next = next.returning(revisions::value);
    Ok(on_backend!(connection, |conn| next.get_result(conn).await)?)
}

/// The last revision, locked like [`next`] without taking one: for a transaction that may find nothing to change.
pub(super) async fn hold(connection: &mut Connection, name: &'static str) -> Result<i64, StoreError> {
    let hold = diesel::update(revisions::table.find(name)).set(revisions::value.eq(revisions::value));
    let hold = hold.returning(revisions::value);
    Ok(on_backend!(connection, |conn| hold.get_result(conn).await)?)
}

/// The last revision that was taken and committed.
pub(super) async fn last(connection: &mut Connection, name: &'static str) -> Result<i64, StoreError> {
    let last = revisions::table.find(name).select(revisions::value);
    Ok(on_backend!(connection, |conn| last.get_result(conn).await)?)
}
