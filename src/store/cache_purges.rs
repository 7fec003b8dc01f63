//! Purges of the cache as they are stored: the last one of each route.
//!
//! A purge is a name that no other has. What is kept is found only under the last purges, so that one reaches the memory
//! of every replica and Redis, at the latest when the replica has read it, and also if Redis was away meanwhile.

use diesel::ExpressionMethods;
use diesel_async::RunQueryDsl;

use super::{
    Store, StoreError,
    connection::{Connection, on_backend},
    revisions::{self, Seen},
    schema::cache_purges,
};

/// The name under which a purge of every route is stored.
pub const EVERY_ROUTE: &str = "*";

/// The last purge of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachePurge {
    /// Or [`EVERY_ROUTE`].
    pub route: String,
    pub purge_id: String,
}

impl Store {
    /// Purges what is kept of a route.
    pub async fn purge_cache(&self, purge: CachePurge) -> Result<(), StoreError> {
        self.transaction("cache_purges", async move |connection: &mut Connection| {
            revisions::next(connection, revisions::CACHE).await?;
            let CachePurge { route, purge_id } = purge;
            let row = (cache_purges::route.eq(route), cache_purges::purge_id.eq(purge_id.clone()));
            let insert = diesel::insert_into(cache_purges::table).values(row).on_conflict(cache_purges::route);
            let insert = insert.do_update().set(cache_purges::purge_id.eq(purge_id));
            on_backend!(connection, |conn| insert.execute(conn).await)?;
            Ok(())
        })
        .await
    }

    /// The last purges; `None` if nothing is new since `seen`.
    pub async fn cache_purges_since(&self, seen: Seen) -> Result<Option<(Seen, Vec<CachePurge>)>, StoreError> {
        self.read("cache_purges", async move |connection: &mut Connection| {
            let Some(news) = revisions::news(connection, revisions::CACHE, seen).await? else { return Ok(None) };
            let rows: Vec<(String, String)> = on_backend!(connection, |conn| cache_purges::table.load(conn).await)?;
            Ok(Some((news.seen, rows.into_iter().map(|(route, purge_id)| CachePurge { route, purge_id }).collect())))
        })
        .await
    }
}
