//! Accounts in Redis: asks that are carried there, and what happens while it is away or has forgotten.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Loan, LoanReply};
use crate::{
    actors::quota_keeper::LONGEST_IN_REDIS,
    clock::Clock,
    store::{
        Store, StoreError,
        redis::{
            Redis,
            leases::{Birth, Exchanged},
        },
    },
};

/// The name under which the store remembers that Redis was used.
const VAULT: &str = "redis";
/// How often a Redis that is away is asked whether it is back.
const PROBE: Duration = Duration::from_millis(100);
/// How long the first of all replicas may take to make a new Redis ready.
const FIRST_COMER: Duration = Duration::from_millis(300);

/// The way to Redis.
#[derive(Clone)]
pub(super) struct RedisVault(Rc<Inside>);

struct Inside {
    redis: Redis,
    store: Store,
    clock: Clock,
    /// Under which this process is counted.
    name: String,
    replicas: Arc<AtomicU64>,
    /// The largest of the last counts: one that begins anew counts too few for a while.
    counts: Cell<[u64; 5]>,
    away: Cell<bool>,
    bearing: Cell<bool>,
}

impl RedisVault {
    pub(super) fn new(redis: Redis, store: Store, clock: Clock, replicas: Arc<AtomicU64>) -> Self {
        let name = clock.new_id().to_string();
        let (counts, away, bearing) = (Cell::default(), Cell::new(false), Cell::new(false));
        Self(Rc::new(Inside { redis, store, clock, name, replicas, counts, away, bearing }))
    }

    /// Carries an ask to Redis; while it is known to be away, says at once that there is no answer.
    pub(super) fn exchange(&self, loan: Loan, reply: LoanReply) {
        if self.0.away.get() {
            return reply.answer(None);
        }
        let vault = self.clone();
        actix::spawn(async move {
            match vault.0.redis.exchange(&loan.name, &loan.ask, loan.moment_us).await {
                Ok(Exchanged::Answered(answer)) => reply.answer(Some(answer)),
                Ok(Exchanged::Stale) => reply.answer(None),
                Ok(Exchanged::Unborn) => {
                    reply.answer(None);
                    vault.bear();
                }
                Err(error) => {
                    reply.answer(None);
                    vault.doubt(&error).await;
                }
            }
        });
    }

    /// An ask has failed: is Redis away, or was it this one alone?
    async fn doubt(&self, error: &StoreError) {
        if self.0.redis.ping().await.is_err() {
            self.lost(error);
        } else {
            tracing::warn!(%error, "Redis did not answer for a limit");
        }
    }

    /// Redis does not answer: nothing is asked of it until it does.
    fn lost(&self, error: &StoreError) {
        if self.0.away.replace(true) {
            return;
        }
        tracing::warn!(%error, "Redis is away: limits that replicas share go by their on_error");
        let vault = self.clone();
        actix::spawn(async move {
            loop {
                tokio::time::sleep(PROBE).await;
                if vault.0.redis.ping().await.is_ok() {
                    break;
                }
            }
            vault.0.away.set(false);
            tracing::info!("Redis is back: limits are shared again");
        });
    }

    /// Makes a Redis ready that is new, and tells it that this process is there.
    pub(super) fn begin(&self) {
        self.bear();
        self.beat();
    }

    /// Lets a Redis grant that knows nothing. If it is new, nothing was used; if it has forgotten, all that may have been
    /// used was.
    fn bear(&self) {
        if self.0.bearing.replace(true) {
            return;
        }
        let vault = self.clone();
        actix::spawn(async move {
            if let Err(error) = vault.try_to_bear().await {
                tracing::warn!(%error, "Redis could not be made ready to share limits");
            }
            vault.0.bearing.set(false);
        });
    }

    async fn try_to_bear(&self) -> Result<(), StoreError> {
        let Inside { redis, store, clock, .. } = &*self.0;
        redis.ping().await?;
        if store.bear_vault(VAULT, clock.now()).await? {
            return redis.bear(Birth::Full).await.map(drop);
        }
        // The replica that is the first to use this Redis may be about to say that it is new.
        tokio::time::sleep(FIRST_COMER).await;
        if redis.bear(Birth::Spent { lease: LONGEST_IN_REDIS }).await? {
            tracing::warn!("Redis had forgotten what was used of limits: all of it counts as used");
        }
        Ok(())
    }

    /// Tells Redis that this process is there, and counts the others.
    pub(super) fn beat(&self) {
        if self.0.away.get() {
            return;
        }
        let vault = self.clone();
        actix::spawn(async move {
            match vault.0.redis.count_replica(&vault.0.name).await {
                Ok(count) => vault.counted(count),
                Err(error) => vault.lost(&error),
            }
        });
    }

    fn counted(&self, count: u64) {
        let [_, b, c, d, e] = self.0.counts.get();
        let counts = [b, c, d, e, count];
        self.0.counts.set(counts);
        self.0.replicas.store(counts.into_iter().max().unwrap_or(1).max(1), Ordering::Relaxed);
    }
}
