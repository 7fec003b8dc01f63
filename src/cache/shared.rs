//! What replicas share by way of Redis. Nobody waits longer for it than one operation may take, and while it does not
//! answer it is asked once a second: then what it has is a miss.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    Bounds, Moment, Site,
    key::Digest,
    memory::Slot,
    packed::{pack, unpack},
};
use crate::store::{
    StoreError,
    redis::{
        Redis,
        cache::{Age, EPOCH_TTL, Keeping},
    },
};

/// How long Redis is left alone after it did not answer.
const PAUSE_MS: i64 = 1_000;

/// The pause before a failed change is sent to Redis again, and how many times it is: for half a minute.
const RETRY_AFTER: Duration = Duration::from_millis(250);
const RETRIES: u32 = 120;
/// The most changes that are published again at a time.
const MAX_UNTOLD: usize = 1_024;

/// What can be confirmed is kept for so much longer than it is fresh.
const EXTRA: Duration = Duration::from_mins(5);

/// The way to Redis. Clones share it.
#[derive(Clone)]
pub(super) struct Shared {
    redis: Redis,
    bounds: Bounds,
    /// Room for changes that Redis has not heard of.
    untold: Arc<Semaphore>,
    /// Until when Redis is left alone; zero while it answers.
    away_until_ms: Arc<AtomicI64>,
}

/// Redis was not asked, or did not answer.
#[derive(Debug)]
pub(super) struct Away;

impl Shared {
    pub(super) fn new(redis: Redis, bounds: Bounds) -> Self {
        Self { redis, bounds, untold: Arc::new(Semaphore::new(MAX_UNTOLD)), away_until_ms: Arc::default() }
    }

    /// The epoch of a URL, where Redis remembers one.
    pub(super) async fn epoch(&self, url: &Digest, now_ms: i64) -> Result<Option<Arc<str>>, Away> {
        self.asked(now_ms)?;
        let told = self.redis.cache_epoch(url).await;
        Ok(self.told(told, now_ms)?.map(Into::into))
    }

    /// Begins an epoch. If Redis does not take it, it is sent again for a while; until then the other replicas serve
    /// what they have, as long as it is fresh.
    pub(super) async fn begin_epoch(&self, url: &Digest, name: &str, now_ms: i64) {
        if self.asked(now_ms).is_ok() {
            let told = self.redis.begin_cache_epoch(url, name.to_owned()).await;
            if self.told(told, now_ms).is_ok() {
                return;
            }
        }
        let Ok(permit) = Arc::clone(&self.untold).try_acquire_owned() else { return };
        let (redis, url, name) = (self.redis.clone(), *url, name.to_owned());
        tokio::spawn(async move {
            for _ in 0..RETRIES {
                tokio::time::sleep(RETRY_AFTER).await;
                if redis.begin_cache_epoch(&url, name.clone()).await.is_ok() {
                    break;
                }
            }
            drop(permit);
        });
    }

    /// What is kept at a site.
    pub(super) async fn slot(&self, site: &Site, moment: Moment) -> Option<Slot> {
        self.asked(moment.now_ms).ok()?;
        let told = self.redis.cached(&site.url, &site.key).await;
        unpack(&self.told(told, moment.now_ms).ok()??, moment.ttl_s)
    }

    /// Keeps entries, up to one in whose place a newer one is; nobody waits for that.
    pub(super) fn keep(&self, site: &Site, slots: Vec<(Digest, Slot)>, now_ms: i64) {
        if self.asked(now_ms).is_err() {
            return;
        }
        let shared = self.clone();
        let useful = |slot: &Slot| match slot {
            Slot::Kept(kept) => Duration::from_millis(kept.useful_for_ms(now_ms).unsigned_abs()).saturating_add(EXTRA),
            Slot::Epoch(_) | Slot::Varies(_) => EPOCH_TTL,
        };
        // What an answer varies by is as old as the answer.
        let kept = slots.iter().find_map(|(_, slot)| slot.clone().kept());
        let age = kept.map_or_else(Age::default, |kept| Age {
            answered_ms: kept.times.answered_ms,
            fresh: Duration::from_millis(kept.fresh_for_ms(now_ms).unsigned_abs()),
        });
        let keeping = |(name, slot): (Digest, Slot)| {
            let (url, epoch, bytes) = (site.url, site.epoch.to_string(), pack(&slot)?);
            Some(Keeping { name, url, epoch, bytes, ttl: useful(&slot), age })
        };
        let ready: Vec<_> = slots.into_iter().filter_map(keeping).collect();
        tokio::spawn(async move {
            for keeping in ready {
                // One that takes nothing, because its memory is full, may be read all the same.
                let Ok(true) = shared.redis.keep_cached(keeping, shared.bounds.max_bytes).await else { return };
            }
        });
    }

    /// Forgets what is kept at a site; nobody waits for that.
    pub(super) fn forget(&self, site: &Site) {
        let (shared, site) = (self.clone(), site.clone());
        tokio::spawn(async move { drop(shared.redis.forget_cached(&site.url, &site.key).await) });
    }

    fn asked(&self, now_ms: i64) -> Result<(), Away> {
        if now_ms < self.away_until_ms.load(Ordering::Relaxed) { Err(Away) } else { Ok(()) }
    }

    fn told<T>(&self, told: Result<T, StoreError>, now_ms: i64) -> Result<T, Away> {
        match told {
            Ok(told) => {
                if self.away_until_ms.swap(0, Ordering::Relaxed) > 0 {
                    tracing::info!("Redis is back: kept answers are shared again");
                }
                Ok(told)
            }
            Err(error) => {
                if self.away_until_ms.swap(now_ms.saturating_add(PAUSE_MS), Ordering::Relaxed) == 0 {
                    tracing::warn!(%error, "Redis is away: kept answers are not shared");
                }
                Err(Away)
            }
        }
    }
}
