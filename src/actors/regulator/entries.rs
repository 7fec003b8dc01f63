//! What administrators add to the lists of the configuration, as rules: with these it makes the routing.

use std::sync::Arc;

use actix::{Context, Handler};

use super::{Regulator, Rulebook, Rules};
use crate::{
    actors::handle::{Ask, NoAnswer, Request},
    domain::entry::{Entry, Unfit},
    snapshot::routing::{Plan, Routing},
    store::{Store, StoreError, entries::EntryRow, revisions::Seen},
};

/// The handle of the regulator of upstreams, routes and names for models.
pub type Entries = Rulebook<EntryRules>;

/// Upstreams, routes and names for models.
pub struct EntryRules;

impl Rules for EntryRules {
    const ACTOR: &'static str = "routing_regulator";
    type Row = EntryRow;
    type Book = Routing;

    async fn since(store: Store, seen: Seen) -> Result<Option<(Seen, Vec<EntryRow>)>, StoreError> {
        store.entries_since(seen).await
    }

    fn book(_: i64, rows: Vec<EntryRow>, before: &Routing, _: u64) -> Routing {
        let entries: Vec<Entry> = rows.into_iter().map(|row| row.entry).collect();
        made(before.plan(), &entries, before)
    }
}

/// The routing of the plan and these entries. An entry that is left out is logged once.
fn made(plan: Option<&Arc<dyn Plan>>, entries: &[Entry], before: &Routing) -> Routing {
    let routing = plan.map(|plan| Arc::clone(plan).routing(entries, before)).unwrap_or_default();
    let known = &before.written().unfit;
    for Unfit { key, reason } in routing.written().unfit.iter().filter(|unfit| !known.contains(unfit)) {
        tracing::warn!("the {key} that was made through /admin is not in force: {reason}");
    }
    routing
}

struct Take(Arc<dyn Plan>);

impl Request for Take {
    type Answer = ();
}

impl Handler<Ask<Take>> for Regulator<EntryRules> {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Take>, _: &mut Context<Self>) {
        let before = self.book.read();
        self.book.publish(made(Some(&request.0), &before.written().entries, &before));
        reply.answer(());
    }
}

impl Entries {
    /// Takes another configuration from here on.
    pub async fn take(&self, plan: Arc<dyn Plan>) -> Result<(), NoAnswer> {
        self.handle().ask(Take(plan)).await
    }
}
