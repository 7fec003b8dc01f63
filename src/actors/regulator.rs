//! `Regulator`: owns one kind of rules, limits, budgets or prices, and publishes the book of them that the hot path reads.
//!
//! Called by the handlers of limits, of budgets and of prices; each kind has a regulator of its own. Every change is one transaction
//! in the store, and is answered when this replica's book has it. Other replicas read it at their next poll.

mod budgets;
mod limits;
mod prices;

use std::{future::Future, time::Duration};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use super::{
    catch_up::CatchUp,
    handle::{Ask, Handle, NoAnswer, Reply, Request},
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
};
use crate::{
    clock::Clock,
    snapshot::Snapshot,
    store::{Store, StoreError, users::Idempotency},
};

pub use self::{budgets::Budgets, limits::Limits, prices::Prices};

/// How often changes by other replicas are read.
const POLL: Duration = Duration::from_millis(400);

/// A kind of rules that administrators change while the gateway runs.
pub trait Rules: 'static {
    /// What metrics and logs call its regulator.
    const ACTOR: &'static str;
    /// A rule as it is stored.
    type Row: Send + 'static;
    /// All rules as the hot path reads them.
    type Book: Send + Sync + 'static;

    /// All rules and their stamp, if anything has changed since the change with this one.
    fn changed_since(store: Store, revision: i64) -> impl Future<Output = Result<News<Self>, StoreError>> + 'static;

    /// The book of these rules, which are read at `now_ns` of the monotonic clock.
    fn book(revision: i64, rows: Vec<Self::Row>, before: &Self::Book, now_ns: u64) -> Self::Book;
}

/// Rules that are made, changed and deleted one by one.
pub trait SingleRules: Rules {
    type Id: Send + 'static;
    type New: Send + 'static;
    type Created: Send + 'static;
    type Change: Send + 'static;
    type Changed: Send + 'static;

    /// Adds a rule.
    fn create(
        store: Store,
        new: Self::New,
        request: Option<Idempotency>,
    ) -> impl Future<Output = Result<Self::Created, StoreError>> + 'static;

    /// Makes of a rule what it is to be.
    fn change(
        store: Store,
        change: Self::Change,
        clock: Clock,
    ) -> impl Future<Output = Result<Self::Changed, StoreError>> + 'static;

    /// Deletes a rule and tells what it was, or `None` if there is none.
    fn delete(
        store: Store,
        id: Self::Id,
        clock: Clock,
    ) -> impl Future<Output = Result<Option<Self::Row>, StoreError>> + 'static;
}

/// All rules as of a stamp, if they have changed.
type News<R> = Option<(i64, Vec<<R as Rules>::Row>)>;

struct Create<R: SingleRules> {
    new: R::New,
    idempotency: Option<Idempotency>,
}

struct Change<R: SingleRules>(R::Change);

struct Delete<R: SingleRules>(R::Id);

impl<R: SingleRules> Request for Create<R> {
    type Answer = Result<R::Created, StoreError>;
}
impl<R: SingleRules> Request for Change<R> {
    type Answer = Result<R::Changed, StoreError>;
}
impl<R: SingleRules> Request for Delete<R> {
    type Answer = Result<Option<R::Row>, StoreError>;
}

pub struct Regulator<R: Rules> {
    store: Store,
    clock: Clock,
    book: Snapshot<R::Book>,
    /// The stamp up to which changes are in the book.
    seen: i64,
    catch_up: CatchUp<Answer>,
    _lifeline: Lifeline,
}

/// Answers somebody whose change is published.
type Answer = Box<dyn FnOnce()>;

impl<R: Rules> Unpin for Regulator<R> {}

impl<R: Rules> Actor for Regulator<R> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(POLL, Self::read);
    }
}

impl<R: SingleRules> Handler<Ask<Create<R>>> for Regulator<R> {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Create<R>>, context: &mut Self::Context) {
        self.make(R::create(self.store.clone(), request.new, request.idempotency), reply, context);
    }
}

impl<R: SingleRules> Handler<Ask<Change<R>>> for Regulator<R> {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Change<R>>, context: &mut Self::Context) {
        self.make(R::change(self.store.clone(), request.0, self.clock.clone()), reply, context);
    }
}

impl<R: SingleRules> Handler<Ask<Delete<R>>> for Regulator<R> {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Delete<R>>, context: &mut Self::Context) {
        self.make(R::delete(self.store.clone(), request.0, self.clock.clone()), reply, context);
    }
}

impl<R: Rules> Regulator<R> {
    /// Runs a change in the store, and answers when it is published.
    fn make<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, StoreError>> + 'static,
        reply: Reply<Result<T, StoreError>>,
        context: &mut Context<Self>,
    ) {
        context.spawn(change.into_actor(self).map(|result, regulator, context| match result {
            Err(error) => reply.answer(Err(error)),
            Ok(changed) => {
                regulator.catch_up.wait(Box::new(move || reply.answer(Ok(changed))));
                regulator.read(context);
            }
        }));
    }

    /// Reads and publishes what has changed, here or on another replica, and serves those who wait for it.
    fn read(&mut self, context: &mut Context<Self>) {
        let Some(served) = self.catch_up.begin() else {
            return;
        };
        let read = R::changed_since(self.store.clone(), self.seen);
        context.spawn(read.into_actor(self).map(|news, regulator, context| {
            match news {
                Ok(news) => regulator.publish(news),
                Err(error) => tracing::warn!(%error, actor = R::ACTOR, "changes will be read at the next poll"),
            }
            for answer in served {
                answer();
            }
            if regulator.catch_up.end() {
                regulator.read(context);
            }
        }));
    }

    fn publish(&mut self, news: News<R>) {
        if let Some((revision, rows)) = news {
            let book = R::book(revision, rows, &self.book.read(), self.clock.monotonic_ns());
            self.book.publish(book);
            self.seen = revision;
        }
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
        // Before the first change there is no rule.
        let seen = 0;
        let news = R::changed_since(self.store.clone(), seen).await?;
        let (store, clock, book) = (self.store, self.clock, self.book);
        let mut regulator = Regulator { store, clock, book, seen, catch_up: CatchUp::default(), _lifeline: lifeline };
        regulator.publish(news);
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
    #[must_use]
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        Self(Handle::new(R::ACTOR, max_in_flight, deadline))
    }

    #[must_use]
    pub const fn handle(&self) -> &Handle<Regulator<R>> {
        &self.0
    }
}

impl<R: SingleRules> Rulebook<R> {
    pub async fn create(
        &self,
        new: R::New,
        idempotency: Option<Idempotency>,
    ) -> Result<Result<R::Created, StoreError>, NoAnswer> {
        self.0.ask(Create::<R> { new, idempotency }).await
    }

    pub async fn change(&self, change: R::Change) -> Result<Result<R::Changed, StoreError>, NoAnswer> {
        self.0.ask(Change::<R>(change)).await
    }

    pub async fn delete(&self, id: R::Id) -> Result<Result<Option<R::Row>, StoreError>, NoAnswer> {
        self.0.ask(Delete::<R>(id)).await
    }
}
