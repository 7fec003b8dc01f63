//! Purges of the cache as rules: which answers count as kept no more.

use actix::{Context, Handler};

use super::{Regulator, Rulebook, Rules};
use crate::{
    actors::{
        catch_up::Follower,
        handle::{Ask, NoAnswer, Request},
    },
    snapshot::cache_purges::CachePurges,
    store::{
        Store, StoreError,
        cache_purges::{CachePurge, EVERY_ROUTE},
        revisions::Seen,
    },
};

/// The handle of the regulator of purges.
pub type Purges = Rulebook<PurgeRules>;

/// The last purge of each route.
pub struct PurgeRules;

impl Rules for PurgeRules {
    const ACTOR: &'static str = "purge_regulator";
    type Row = CachePurge;
    type Book = CachePurges;

    async fn since(store: Store, seen: Seen) -> Result<Option<(Seen, Vec<CachePurge>)>, StoreError> {
        store.cache_purges_since(seen).await
    }

    fn book(_: i64, rows: Vec<CachePurge>, _: &CachePurges, _: u64) -> CachePurges {
        let (of_all, of_routes): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.route == EVERY_ROUTE);
        let of_all = of_all.into_iter().next().map(|row| row.purge_id).unwrap_or_default();
        CachePurges::new(of_all, of_routes.into_iter().map(|row| (row.route, row.purge_id)))
    }
}

struct PurgeRoute(Option<String>);

impl Request for PurgeRoute {
    type Answer = Result<(), StoreError>;
}

impl Handler<Ask<PurgeRoute>> for Regulator<PurgeRules> {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<PurgeRoute>, context: &mut Context<Self>) {
        let route = request.0.unwrap_or_else(|| EVERY_ROUTE.to_owned());
        let (store, purge_id) = (self.store.clone(), self.clock.new_id().to_string());
        let purge = CachePurge { route, purge_id };
        self.perform(async move { store.purge_cache(purge).await }, reply, context);
    }
}

impl Purges {
    /// Purges what is kept of a route, or of every route: here when the answer is here, on other replicas when they have
    /// read it.
    pub async fn purge(&self, route: Option<String>) -> Result<Result<(), StoreError>, NoAnswer> {
        self.handle().ask(PurgeRoute(route)).await
    }
}
