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

use super::tally::{Fate, Tally};
use crate::{
    actors::handle::Reply,
    clock::Clock,
    domain::{
        lease::Answer,
        limit::shard::{LONGEST_IN_REDIS, Loan},
    },
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
    /// It answers, but not to everything: said once, until a heartbeat has passed without that.
    ailing: Cell<bool>,
    ailed_lately: Cell<bool>,
    tally: Arc<Tally>,
}

impl RedisVault {
    pub(super) fn new(redis: Redis, store: Store, clock: Clock, replicas: Arc<AtomicU64>, tally: Arc<Tally>) -> Self {
        Self(Rc::new(Inside {
            name: clock.new_id().to_string(),
            redis,
            store,
            clock,
            replicas,
            counts: Cell::default(),
            away: Cell::default(),
            bearing: Cell::default(),
            ailing: Cell::default(),
            ailed_lately: Cell::default(),
            tally,
        }))
    }

    /// Carries an ask to Redis; while it is known to be away, says at once that there is no answer.
    pub(super) fn exchange(&self, loan: Loan, reply: Reply<Option<Answer>>) {
        if self.0.away.get() {
            self.0.tally.redis.add(Fate::Unsent);
            return reply.answer(None);
        }
        let vault = self.clone();
        actix::spawn(async move {
            let exchanged = vault.0.redis.exchange(&loan.name, &loan.ask, loan.moment_us).await;
            vault.0.tally.redis.add(fate(&exchanged));
            match exchanged {
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
            self.ail(error, "Redis does not answer for every limit");
        }
    }

    /// Redis is there, and does not do all that it is asked. Many calls may find that out, and one line says it.
    fn ail(&self, error: &StoreError, what: &str) {
        self.0.ailed_lately.set(true);
        if !self.0.ailing.replace(true) {
            tracing::warn!(%error, "{what}");
        }
    }

    /// Called at each heartbeat.
    fn recover(&self) {
        let ailed_lately = self.0.ailed_lately.replace(false);
        if !ailed_lately && self.0.ailing.replace(false) {
            tracing::info!("Redis does all that it is asked again");
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
                vault.ail(&error, "Redis cannot be made ready to share limits");
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
        self.recover();
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

const fn fate(exchanged: &Result<Exchanged, StoreError>) -> Fate {
    match exchanged {
        Ok(Exchanged::Answered(_)) => Fate::Answered,
        Ok(Exchanged::Stale) => Fate::Stale,
        Ok(Exchanged::Unborn) => Fate::Unborn,
        Err(_) => Fate::Failed,
    }
}
