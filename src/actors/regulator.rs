//! `Regulator`: owns the limit policies, and publishes the book of them that the hot path reads.
//!
//! Called by the handlers of limits. Every change is one transaction in the store, and is answered when this replica's
//! book has it. Other replicas read it at their next poll.

use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use super::{
    catch_up::CatchUp,
    handle::{Ask, Handle, NoAnswer, Reply, Request},
    supervisor::{Lifeline, supervise},
};
use crate::{
    clock::Clock,
    domain::{ids::LimitId, limit::Policy},
    snapshot::{Snapshot, policies::PolicyBook},
    store::{
        Store, StoreError,
        limits::{LimitChange, LimitChanged, LimitCreated, LimitRow, NewLimit},
        users::Idempotency,
    },
};

/// How often changes by other replicas are read.
const POLL: Duration = Duration::from_millis(400);

/// Adds a limit.
pub struct CreateLimit {
    pub limit: NewLimit,
    pub idempotency: Option<Idempotency>,
}

/// Makes of a limit what it is to be.
pub struct ChangeLimit(pub LimitChange);

/// Deletes a limit. Answers what it was, or `None` if there is none.
pub struct DeleteLimit {
    pub id: LimitId,
}

impl Request for CreateLimit {
    type Answer = Result<LimitCreated, StoreError>;
}
impl Request for ChangeLimit {
    type Answer = Result<LimitChanged, StoreError>;
}
impl Request for DeleteLimit {
    type Answer = Result<Option<LimitRow>, StoreError>;
}

pub struct Regulator {
    store: Store,
    clock: Clock,
    book: Snapshot<PolicyBook>,
    /// The stamp up to which changes are in the book.
    seen: i64,
    catch_up: CatchUp<Answer>,
    _lifeline: Lifeline,
}

/// All limits as of a stamp, if they have changed.
type News = Option<(i64, Vec<LimitRow>)>;

/// Answers somebody whose change is published.
type Answer = Box<dyn FnOnce()>;

impl Actor for Regulator {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(POLL, Regulator::read);
    }
}

impl Handler<Ask<CreateLimit>> for Regulator {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<CreateLimit>, context: &mut Self::Context) {
        let store = self.store.clone();
        let create = async move { store.create_limit(request.limit, request.idempotency).await };
        self.change(create, reply, context);
    }
}

impl Handler<Ask<ChangeLimit>> for Regulator {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<ChangeLimit>, context: &mut Self::Context) {
        let (store, now) = (self.store.clone(), self.clock.now());
        let change = async move { store.change_limit(request.0, now).await };
        self.change(change, reply, context);
    }
}

impl Handler<Ask<DeleteLimit>> for Regulator {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<DeleteLimit>, context: &mut Self::Context) {
        let (store, now) = (self.store.clone(), self.clock.now());
        let delete = async move { store.delete_limit(request.id, now).await };
        self.change(delete, reply, context);
    }
}

impl Regulator {
    /// Runs a change in the store, and answers when it is published.
    fn change<T: Send + 'static>(
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
        let (store, seen) = (self.store.clone(), self.seen);
        let read = async move { store.limits_changed_since(seen).await };
        context.spawn(read.into_actor(self).map(|news, regulator, context| {
            match news {
                Ok(news) => regulator.publish(news),
                Err(error) => tracing::warn!(%error, "limits will be read at the next poll"),
            }
            for answer in served {
                answer();
            }
            if regulator.catch_up.end() {
                regulator.read(context);
            }
        }));
    }

    fn publish(&mut self, news: News) {
        if let Some((revision, rows)) = news {
            let policies = rows.into_iter().map(|row| Policy { version: revision, ..row.policy });
            let book = PolicyBook::new(policies, &self.book.read());
            self.book.publish(book);
            self.seen = revision;
        }
    }
}

/// What the regulator is built from, again after each restart.
#[derive(Clone)]
pub struct Blueprint {
    pub store: Store,
    pub clock: Clock,
    pub book: Snapshot<PolicyBook>,
}

impl Blueprint {
    async fn build(self, lifeline: Lifeline) -> Result<Regulator, StoreError> {
        // Before the first change there is no limit.
        let seen = 0;
        let news = self.store.limits_changed_since(seen).await?;
        let (store, clock, book) = (self.store, self.clock, self.book);
        let mut regulator = Regulator { store, clock, book, seen, catch_up: CatchUp::default(), _lifeline: lifeline };
        regulator.publish(news);
        Ok(regulator)
    }
}

/// The regulator's handle.
#[derive(Clone)]
pub struct Limits(Handle<Regulator>);

impl Limits {
    #[must_use]
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        Self(Handle::new("regulator", max_in_flight, deadline))
    }

    /// Starts the regulator on this arbiter and keeps it running. Reads every limit.
    pub async fn start_here(&self, blueprint: Blueprint) -> Result<(), StoreError> {
        supervise(self.0.clone(), move |lifeline| blueprint.clone().build(lifeline)).await
    }

    pub async fn create(&self, create: CreateLimit) -> Result<Result<LimitCreated, StoreError>, NoAnswer> {
        self.0.ask(create).await
    }

    pub async fn change(&self, change: LimitChange) -> Result<Result<LimitChanged, StoreError>, NoAnswer> {
        self.0.ask(ChangeLimit(change)).await
    }

    pub async fn delete(&self, id: LimitId) -> Result<Result<Option<LimitRow>, StoreError>, NoAnswer> {
        self.0.ask(DeleteLimit { id }).await
    }

    #[must_use]
    pub const fn handle(&self) -> &Handle<Regulator> {
        &self.0
    }
}
