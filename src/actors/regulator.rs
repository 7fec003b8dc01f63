//! `Regulator`: owns one kind of rules (limits, budgets, prices, purges of the cache, where calls go), and publishes the book of them that the
//! hot path reads.
//!
//! Called by the handlers of each kind, which has a regulator of its own. Every change is one transaction
//! in the store, and is answered when this replica's book has it. Other replicas read it at their next poll.

mod budgets;
mod cache_purges;
mod entries;
mod limits;
mod prices;

use std::{future::Future, time::Duration};

use actix::{Actor, AsyncContext, Context, Handler};
use futures_util::future::LocalBoxFuture;

use super::{
    administration::{Administers, Administrator, Answered, Change, Create, Delete},
    catch_up::{CatchUp, Follower, POLL},
    handle::{Ask, Handle, Request},
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
};
use crate::{
    clock::Clock,
    snapshot::Snapshot,
    store::{Store, StoreError, administered::Administered, revisions::Seen},
};

pub use self::{budgets::Budgets, cache_purges::Purges, entries::Entries, limits::Limits, prices::Prices};

/// A kind of rules that administrators change while the gateway runs.
pub trait Rules: 'static {
    /// What metrics and logs call its regulator.
    const ACTOR: &'static str;
    /// A rule as it is stored.
    type Row: Send + 'static;
    /// All rules as the hot path reads them.
    type Book: Send + Sync + 'static;

    /// All rules and up to which change they are read, if anything is new since `seen`.
    fn since(store: Store, seen: Seen) -> impl Future<Output = Result<News<Self>, StoreError>> + 'static;

    /// The book of these rules, which are read at `now_ns` of the monotonic clock.
    fn book(revision: i64, rows: Vec<Self::Row>, before: &Self::Book, now_ns: u64) -> Self::Book;
}

/// All rules, if they have changed.
type News<R> = Option<(Seen, Vec<<R as Rules>::Row>)>;

/// Owns the rules of one kind, as their book has them.
pub struct Regulator<R: Rules> {
    store: Store,
    clock: Clock,
    book: Snapshot<R::Book>,
    /// Up to which change the rules are in the book.
    seen: Seen,
    catch_up: CatchUp,
    _lifeline: Lifeline,
}

impl<R: Rules> Unpin for Regulator<R> {}

impl<R: Rules> Actor for Regulator<R> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(POLL, Self::follow);
    }
}

impl<R: Rules<Row: Administered>> Handler<Ask<Create<R::Row>>> for Regulator<R> {
    type Result = ();

    fn handle(&mut self, ask: Ask<Create<R::Row>>, context: &mut Self::Context) {
        self.create(ask, context);
    }
}

impl<R: Rules<Row: Administered>> Handler<Ask<Change<R::Row>>> for Regulator<R> {
    type Result = ();

    fn handle(&mut self, ask: Ask<Change<R::Row>>, context: &mut Self::Context) {
        self.change(ask, context);
    }
}

impl<R: Rules<Row: Administered>> Handler<Ask<Delete<R::Row>>> for Regulator<R> {
    type Result = ();

    fn handle(&mut self, ask: Ask<Delete<R::Row>>, context: &mut Self::Context) {
        self.delete(ask, context);
    }
}

/// Reads what others have changed, now.
struct ReadNow;

impl Request for ReadNow {
    type Answer = Result<(), StoreError>;
}

impl<R: Rules> Handler<Ask<ReadNow>> for Regulator<R> {
    type Result = ();

    fn handle(&mut self, Ask { reply, .. }: Ask<ReadNow>, context: &mut Self::Context) {
        let parents = reply.parents();
        self.after_reading(parents, Box::new(move |read| reply.answer(read.clone())), context);
    }
}

impl<R: Rules> Follower for Regulator<R> {
    const NAME: &'static str = R::ACTOR;
    type Reading = Result<News<R>, StoreError>;

    fn store(&self) -> &Store {
        &self.store
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn catch_up(&mut self) -> &mut CatchUp {
        &mut self.catch_up
    }

    fn read(&self) -> LocalBoxFuture<'static, Self::Reading> {
        Box::pin(R::since(self.store.clone(), self.seen))
    }

    fn publish(&mut self, reading: Self::Reading) -> Result<(), StoreError> {
        if let Some((seen, rows)) = reading? {
            let book = R::book(seen.revision, rows, &self.book.read(), self.clock.monotonic_ns());
            self.book.publish(book);
            self.seen = seen;
        }
        Ok(())
    }
}

/// What a regulator is built from, again after each restart.
pub struct Blueprint<R: Rules> {
    pub store: Store,
    pub clock: Clock,
    pub book: Snapshot<R::Book>,
}

impl<R: Rules> Clone for Blueprint<R> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), clock: self.clock.clone(), book: self.book.clone() }
    }
}

impl<R: Rules> Blueprint<R> {
    async fn build(self, lifeline: Lifeline) -> Result<Regulator<R>, StoreError> {
        let seen = Seen::default();
        let news = R::since(self.store.clone(), seen).await?;
        let (store, clock, book) = (self.store, self.clock, self.book);
        let mut regulator = Regulator { store, clock, book, seen, catch_up: CatchUp::default(), _lifeline: lifeline };
        regulator.publish(Ok(news))?;
        Ok(regulator)
    }
}

/// The handle of a regulator.
pub struct Rulebook<R: Rules>(Handle<Regulator<R>>);

impl<R: Rules> Clone for Rulebook<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R: Rules> Starts for Rulebook<R> {
    type Blueprint = Blueprint<R>;
    type Error = StoreError;

    /// Starts the regulator on this arbiter and keeps it running. Reads every rule.
    async fn start_here(&self, roster: &Roster, blueprint: Blueprint<R>) -> Result<(), StoreError> {
        supervise(roster, self.0.clone(), move |lifeline| blueprint.clone().build(lifeline)).await
    }
}

impl<R: Rules> Rulebook<R> {
    /// A handle to a regulator that does not run yet.
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        Self(Handle::new(R::ACTOR, max_in_flight, deadline))
    }

    /// Returns when the book has all that was changed before.
    pub async fn catch_up(&self) -> Answered<()> {
        self.0.ask(ReadNow).await
    }

    /// The typed handle under this one.
    pub const fn handle(&self) -> &Handle<Regulator<R>> {
        &self.0
    }
}

impl<R: Rules<Row: Administered>> Administers<R::Row> for Rulebook<R> {
    type Actor = Regulator<R>;

    fn handle(&self) -> &Handle<Regulator<R>> {
        &self.0
    }
}
