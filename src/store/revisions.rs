//! The stamps of changes, by which other replicas learn what is new to them.
//!
//! Used by the aggregates, inside the transaction of each change, as its first statement: the row is then locked until
//! the commit, so changes of one name happen one after the other, over all replicas, in the order of their stamps.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;

use super::{
    StoreError,
    connection::{Connection, on_backend},
    schema::revisions,
};

/// Changes of users, teams and API keys, and revocations of sessions.
pub(super) const IDENTITY: &str = "identity";
/// Changes of the ring of signing keys.
pub(super) const KEYS: &str = "keys";
/// Changes of budgets.
pub(super) const BUDGETS: &str = "budgets";
/// Changes of limits.
pub(super) const LIMITS: &str = "limits";
/// Changes of prices; the stamp is the version of the list.
pub(super) const PRICES: &str = "prices";

/// Takes the next stamp, and waits until every change with an earlier one is committed or undone.
pub(super) async fn next(connection: &mut Connection, name: &'static str) -> Result<i64, StoreError> {
    let next = diesel::update(revisions::table.find(name)).set(revisions::value.eq(revisions::value + 1));
    let next = next.returning(revisions::value);
    Ok(on_backend!(connection, |conn| next.get_result(conn).await)?)
}

/// Gives back the stamp that this transaction took, because nothing came to be changed under it.
pub(super) async fn give_back(connection: &mut Connection, name: &'static str) -> Result<(), StoreError> {
    let back = diesel::update(revisions::table.find(name)).set(revisions::value.eq(revisions::value - 1));
    on_backend!(connection, |conn| back.execute(conn).await)?;
    Ok(())
}

/// The last stamp that was taken and committed.
pub(super) async fn last(connection: &mut Connection, name: &'static str) -> Result<i64, StoreError> {
    let last = revisions::table.find(name).select(revisions::value);
    Ok(on_backend!(connection, |conn| last.get_result(conn).await)?)
}
