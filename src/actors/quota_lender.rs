//! `QuotaLender`: carries what keepers ask of buckets that they borrow from to the place where the bucket lives.
//!
//! One for the process, on an arbiter of its own. What users of this process share is in its memory; what replicas share
//! is in Redis; what outlives the process is in the store, where all that is asked during one transaction goes into the
//! next. Called by the keepers through [`Lender`]; it alone waits for Redis and the store, and where one of them is known
//! to be away it says so at once. It decides nothing: `domain::lease` and its twin in Redis do.

mod presence;
mod process;
mod redis;
mod store;
mod tally;

use std::{
    convert::Infallible,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use tokio::sync::oneshot;

use self::{
    process::ProcessAccounts,
    redis::{Common, RedisVault},
    store::StoreVault,
    tally::{Fate, Tally},
};
pub use self::{redis::Replica, tally::Asked};
use super::{
    handle::{Ask, Handle, NoAnswer, Request},
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
};
use crate::{
    clock::Clock,
    domain::{
        lease::Answer,
        limit::{Home, shard::Loan},
    },
    store::{Store, redis::Redis},
};

/// How often accounts that forgetting does not change are forgotten.
const FORGET: Duration = Duration::from_secs(30);
/// How often this process reports itself to Redis.
const HEARTBEAT: Duration = Duration::from_secs(3);

impl Request for Loan {
    /// `None` if it is not known what became of the ask.
    type Answer = Option<Answer>;
}

/// Owns the accounts of the buckets that this process shares, and the ways to those in Redis and in the store.
pub struct QuotaLender {
    clock: Clock,
    process: ProcessAccounts,
    redis: Option<RedisVault>,
    store: StoreVault,
    tally: Arc<Tally>,
    _lifeline: Lifeline,
}

impl Actor for QuotaLender {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(FORGET, |lender, context| {
            lender.process.forget_idle(lender.now_us());
            context.spawn(lender.store.purge().into_actor(lender));
        });
        if let Some(redis) = &self.redis {
            redis.begin();
            context.run_interval(HEARTBEAT, |lender, _| {
                if let Some(redis) = &lender.redis {
                    redis.beat();
                }
            });
        }
    }
}

impl Handler<Ask<Loan>> for QuotaLender {
    type Result = ();

    fn handle(&mut self, Ask { request: loan, reply }: Ask<Loan>, context: &mut Self::Context) {
        match (loan.home, &self.redis) {
            (Home::Keeper | Home::Process, _) | (Home::Redis, None) => {
                reply.answer(self.process.exchange(&loan, self.now_us()));
            }
            (Home::Redis, Some(redis)) => redis.exchange(loan, reply),
            (Home::Store, _) => {
                if self.store.is_late() {
                    self.tally.store.add(Fate::Unsent);
                    reply.answer(None);
                } else {
                    self.store.queue(loan, reply);
                    self.write(context);
                }
            }
        }
    }
}

impl QuotaLender {
    fn now_us(&self) -> u64 {
        self.clock.monotonic_ns() / 1_000
    }

    /// Brings what was asked of the store to it, unless a transaction is under way.
    fn write(&mut self, context: &mut Context<Self>) {
        if let Some((replies, writing)) = self.store.begin() {
            context.spawn(writing.into_actor(self).map(move |answers, lender, context| {
                lender.store.end(replies, answers);
                lender.write(context);
            }));
        }
    }
}

/// What the lender is built from, again after each restart.
#[derive(Clone)]
pub struct Blueprint {
    pub store: Store,
    pub redis: Option<Redis>,
    pub clock: Clock,
    /// How many accounts it keeps in memory at most.
    pub max_accounts: usize,
    pub replica: Replica,
}

/// The lender's handle.
#[derive(Clone)]
pub struct Lender {
    handle: Handle<QuotaLender>,
    replicas: Arc<AtomicU64>,
    tally: Arc<Tally>,
}

impl Starts for Lender {
    type Blueprint = Blueprint;
    type Error = Infallible;

    /// Starts the lender on this arbiter and keeps it running.
    async fn start_here(&self, roster: &Roster, blueprint: Blueprint) -> Result<(), Infallible> {
        let (handle, replicas, tally) = (self.handle.clone(), Arc::clone(&self.replicas), Arc::clone(&self.tally));
        let build = move |lifeline| {
            let Blueprint { store, redis, clock, max_accounts, replica } = blueprint.clone();
            let died_us = handle.has_run().then(|| clock.monotonic_ns() / 1_000);
            let common = Common { replicas: Arc::clone(&replicas), tally: Arc::clone(&tally) };
            let tally = Arc::clone(&tally);
            let redis = redis.map(|redis| RedisVault::new(redis, replica, store.clone(), clock.clone(), common));
            let lender = QuotaLender {
                process: ProcessAccounts::new(max_accounts, died_us),
                redis,
                store: StoreVault::new(store.clone(), clock.clone(), Arc::clone(&tally)),
                clock: clock.clone(),
                tally,
                _lifeline: lifeline,
            };
            async move {
                // Before the first call is limited: Redis may be away, and then shares go by this count.
                if let Some(redis) = &lender.redis {
                    redis.count_in_store().await;
                }
                Ok::<_, Infallible>(lender)
            }
        };
        supervise(roster, self.handle.clone(), build).await
    }
}

impl Lender {
    /// A handle to a lender that does not run yet.
    #[must_use]
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        let handle = Handle::new("quota_lender", max_in_flight, deadline);
        Self { handle, replicas: Arc::new(AtomicU64::new(1)), tally: Arc::default() }
    }

    /// Hands an ask over at once; its answer comes later.
    pub fn lend(&self, loan: Loan) -> Result<oneshot::Receiver<Option<Answer>>, NoAnswer> {
        self.handle.hand_over(loan, self.handle.permit()?)
    }

    /// How many replicas were last counted, this one among them.
    pub fn replicas(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.replicas)
    }

    /// How many asks went to Redis and to the store, by what came of them.
    pub fn asked(&self) -> Vec<Asked> {
        self.tally.read()
    }

    /// The typed handle under this one.
    pub const fn handle(&self) -> &Handle<QuotaLender> {
        &self.handle
    }
}
