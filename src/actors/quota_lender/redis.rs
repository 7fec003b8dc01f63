//! Accounts in Redis: asks that are carried there, and what happens while it is away or has forgotten.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    presence::{Others, Presence},
    tally::{Fate, Tally},
};
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
            leases::{Exchanged, PriorUse},
        },
    },
};

/// The name under which the store remembers that Redis was used.
const VAULT: &str = "redis";
/// How often a Redis that is away is asked whether it is back.
const PROBE: Duration = Duration::from_millis(100);
/// How long the first of all replicas may take to make a new Redis ready.
const FIRST_COMER: Duration = Duration::from_millis(300);

/// This replica, as the others know it.
#[derive(Debug, Clone)]
pub struct Replica {
    /// Under which it says in the store that it lives.
    pub name: Arc<str>,
    /// How long a replica may be silent in the store before it counts as gone.
    pub silence: Duration,
}

/// What the lender's handle reads.
pub(super) struct Common {
    pub replicas: Arc<AtomicU64>,
    pub tally: Arc<Tally>,
}

/// The way to Redis.
#[derive(Clone)]
pub(super) struct RedisVault(Rc<Inside>);

struct Inside {
    redis: Redis,
    store: Store,
    clock: Clock,
    /// Under which this process is counted.
    name: String,
    /// How many replicas there are, as keepers read it.
    replicas: Arc<AtomicU64>,
    /// The last counts of Redis, zero before the first. The largest holds: a Redis that begins anew counts too few for a while.
    counts: Cell<[u64; 5]>,
    /// What the store says of the other replicas, for while Redis does not count them.
    presence: RefCell<Presence>,
    own: Replica,
    away: Cell<bool>,
    /// A generation is being begun.
    beginning: Cell<bool>,
    /// It answers, but not to everything: said once, until a heartbeat has passed without that.
    ailing: Cell<bool>,
    ailed_lately: Cell<bool>,
    tally: Arc<Tally>,
}

impl RedisVault {
    pub(super) fn new(redis: Redis, own: Replica, store: Store, clock: Clock, common: Common) -> Self {
        let Common { replicas, tally } = common;
        Self(Rc::new(Inside {
            name: clock.new_id().to_string(),
            redis,
            store,
            clock,
            replicas,
            counts: Cell::default(),
            presence: RefCell::default(),
            own,
            away: Cell::default(),
            beginning: Cell::default(),
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
            let exchange = vault.0.redis.exchange(&loan.name, &loan.ask, loan.moment_us);
            let exchanged = reply.parents().scope(exchange).await;
            vault.0.tally.redis.add(fate(&exchanged));
            match exchanged {
                Ok(Exchanged::Answered(answer)) => reply.answer(Some(answer)),
                Ok(Exchanged::Stale) => reply.answer(None),
                Ok(Exchanged::Forgotten) => {
                    reply.answer(None);
                    vault.begin_generation();
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
            vault.inspect();
        });
    }

    /// Makes a Redis that is new ready to grant, and reports this process to it.
    pub(super) fn begin(&self) {
        self.begin_generation();
        self.beat();
        self.inspect();
    }

    /// Says in the log if Redis is set so that it forgets what is in use. That is noticed, but it makes limits too strict.
    fn inspect(&self) {
        let redis = self.0.redis.clone();
        actix::spawn(async move {
            if let Ok(Some(policy)) = redis.eviction_policy().await {
                tracing::warn!(
                    maxmemory_policy = %policy,
                    "Redis may evict limits that are in use, which then count as used up: set maxmemory-policy to noeviction"
                );
            }
        });
    }

    /// Lets a Redis grant again that has no generation. If nothing was ever used, all of every limit is left; if Redis has
    /// forgotten what was used, all of it counts as used.
    fn begin_generation(&self) {
        if self.0.beginning.replace(true) {
            return;
        }
        let vault = self.clone();
        actix::spawn(async move {
            if let Err(error) = vault.try_to_begin_generation().await {
                vault.ail(&error, "Redis cannot be made ready to share limits");
            }
            vault.0.beginning.set(false);
        });
    }

    async fn try_to_begin_generation(&self) -> Result<(), StoreError> {
        let Inside { redis, store, clock, .. } = &*self.0;
        redis.ping().await?;
        if store.record_quota_vault(VAULT, clock.now()).await? {
            return redis.begin_generation(PriorUse::None).await.map(drop);
        }
        // The replica that is the first to use this Redis may be about to say that it is new.
        tokio::time::sleep(FIRST_COMER).await;
        if redis.begin_generation(PriorUse::Unknown { lease: LONGEST_IN_REDIS }).await? {
            tracing::warn!(
                "Redis has forgotten what was used of limits (it was started again, replaced, emptied or set back): \
                 all of it counts as used"
            );
        }
        Ok(())
    }

    /// Reports this process to Redis, and counts the others.
    pub(super) fn beat(&self) {
        self.recover();
        let vault = self.clone();
        actix::spawn(async move {
            if vault.0.away.get() {
                return vault.count_in_store().await;
            }
            match vault.0.redis.count_replica(&vault.0.name).await {
                Ok(count) => vault.counted(count),
                Err(error) => {
                    vault.lost(&error);
                    vault.count_in_store().await;
                }
            }
        });
    }

    /// Counts the replicas in the store: all that may live where Redis has never counted them, else those that Redis last
    /// counted and those that came since. While the store is away too, the last count holds.
    pub(super) async fn count_in_store(&self) {
        let Inside { store, clock, own, .. } = &*self.0;
        let Ok(mut rows) = store.replica_beats().await else { return };
        rows.retain(|(name, _)| **name != *own.name);
        let silence_ns = u64::try_from(own.silence.as_nanos()).unwrap_or(u64::MAX);
        let others = self.0.presence.borrow_mut().read(rows, silence_ns, clock.monotonic_ns());
        self.0.replicas.store(shares(self.0.counts.get(), others), Ordering::Relaxed);
    }

    fn counted(&self, count: u64) {
        let [_, b, c, d, e] = self.0.counts.get();
        let counts = [b, c, d, e, count];
        self.0.counts.set(counts);
        self.0.replicas.store(largest(counts).max(1), Ordering::Relaxed);
    }
}

/// How many replicas share a limit while Redis is away: this one, and the others.
fn shares(counts: [u64; 5], others: Others) -> u64 {
    match largest(counts) {
        0 => others.possible.saturating_add(1),
        counted => counted.max(others.living.saturating_add(1)),
    }
}

fn largest(counts: [u64; 5]) -> u64 {
    counts.into_iter().max().unwrap_or(0)
}

const fn fate(exchanged: &Result<Exchanged, StoreError>) -> Fate {
    match exchanged {
        Ok(Exchanged::Answered(_)) => Fate::Answered,
        Ok(Exchanged::Stale) => Fate::Stale,
        Ok(Exchanged::Forgotten) => Fate::Forgotten,
        Err(_) => Fate::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_shared_by_all_replicas_that_may_live_until_redis_has_counted_them() {
        let others = |living, possible| Others { living, possible };
        assert_eq!(shares([0; 5], others(0, 0)), 1);
        assert_eq!(shares([0; 5], others(0, 2)), 3);
        assert_eq!(shares([0, 0, 0, 3, 2], others(0, 9)), 3);
        assert_eq!(shares([0, 0, 0, 3, 2], others(4, 9)), 5);
    }
}
