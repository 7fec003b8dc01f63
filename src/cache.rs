//! The cache: answers of upstreams that are kept, and calls that others wait for.
//!
//! Called by `pipeline::cache`, which knows the request; `domain::caching` says what may be kept and what it answers. It
//! never calls an upstream and words nothing.
//!
//! **Owner.** The entries of a process are in one sharded map (`quick_cache`, S3-FIFO by bytes; a dependency already, without
//! threads or timers of its own, where `moka` would bring both). It is no actor: reading an entry takes a
//! read lock of one of its shards for the time of a hash lookup, where a message to another thread would take 5 to 57 µs
//! and make one thread the bound of all hits. No lock is held over an await, and no other lock is taken under one.
//!
//! **Two steps to an entry.** Each URL has an epoch, a name that no other has, and answers are found under it. A change of the
//! URL begins another epoch, so that no list of what belongs to a URL is needed. An epoch that is forgotten takes what
//! was kept under it along: that is a miss, never a stale answer.
//!
//! **Replicas** share answers and epochs by way of Redis. Each looks up the epoch of a URL twice a second at most, so what one
//! changes the others serve for half a second at the longest. While Redis is away, or slower than 50 ms, there is a miss.

pub mod collapse;
pub mod key;
mod memory;
mod packed;
mod shared;

use std::sync::Arc;

use http::HeaderMap;

use self::{
    collapse::Collapsing,
    key::{Digest, RequestKey},
    memory::{Memory, Slot},
    shared::Shared,
};
use crate::{
    domain::caching::{Kept, Vary},
    store::redis::{Redis, cache::EPOCH_TTL},
};

/// How long the epoch of a URL is believed before Redis is asked again.
const BELIEVED_MS: i64 = 500;

/// The bounds of the cache, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of all answers in memory, and again in Redis.
    pub max_bytes: u64,
    /// Of the body of one.
    pub max_entry_bytes: usize,
}

/// What is kept. Clones share it.
#[derive(Clone)]
pub struct Cache {
    memory: Memory,
    shared: Option<Shared>,
    pub collapsing: Collapsing,
    pub bounds: Bounds,
}

/// What was found for a request.
pub struct Look {
    pub kept: Option<Arc<Kept>>,
    /// Answers at this URL vary, and none is for this request.
    pub is_variant_missing: bool,
    pub site: Site,
}

/// Where the answer to a request is kept.
#[derive(Clone)]
pub struct Site {
    url: Digest,
    epoch: Arc<str>,
    /// Of answers that do not vary, and of the fields by which they do.
    base: Digest,
    /// Where an answer was looked for: who asks for the same waits for the same.
    pub key: Digest,
}

/// The epoch of a URL, as far as it is known here.
#[derive(Debug, Clone)]
struct Epoch {
    name: Arc<str>,
    /// When Redis was last asked for it.
    checked_ms: i64,
    /// Whether Redis has had it: what it has from then on began later, unless it has gone back.
    is_shared: bool,
}

impl Cache {
    /// Nothing is kept yet. With a Redis it is shared.
    #[must_use]
    pub fn new(bounds: Bounds, redis: Option<Redis>) -> Self {
        let shared = redis.map(|redis| Shared::new(redis, bounds));
        Self { memory: Memory::new(bounds), shared, collapsing: Collapsing::default(), bounds }
    }

    /// Looks for an answer. `new_epoch` is a name that no other epoch has; `ttl_s` the route's.
    pub async fn look(&self, place: &RequestKey, request: &HeaderMap, moment: Moment) -> Look {
        let epoch = self.epoch(&place.url, moment).await;
        let base = place.base(&epoch);
        let mut site = Site { url: place.url, epoch, base, key: base };
        let slot = self.slot(&site, moment).await;
        let Some(Slot::Varies(vary)) = slot else {
            let kept = slot.and_then(Slot::kept);
            return Look { kept, is_variant_missing: false, site };
        };
        site.key = key::variant(&base, &vary.selecting(request));
        let kept = self.slot(&site, moment).await.and_then(Slot::kept);
        Look { is_variant_missing: kept.is_none(), kept, site }
    }

    /// Keeps an answer to a request, unless it is for no other, or a newer one has come meanwhile (RFC 9111 §4). On other replicas it
    /// is found when Redis has it.
    pub fn keep(&self, site: &Site, kept: Arc<Kept>, request: &HeaderMap, now_ms: i64) {
        let Some(vary) = Vary::of(&kept.headers) else { return };
        let varies = !vary.names().is_empty();
        let key = if varies { key::variant(&site.base, &vary.selecting(request)) } else { site.base };
        if self.has_newer(&key, &kept, now_ms) {
            return;
        }
        let mut slots = vec![(key, Slot::Kept(kept))];
        if varies {
            slots.push((site.base, Slot::Varies(Arc::new(vary))));
        }
        for (key, slot) in &slots {
            self.memory.insert(*key, slot.clone());
        }
        if let Some(shared) = &self.shared {
            shared.keep(site, slots, now_ms);
        }
    }

    /// Forgets the answer that was found for a request.
    pub fn forget(&self, site: &Site) {
        self.memory.remove(&site.key);
        if let Some(shared) = &self.shared {
            shared.forget(site);
        }
    }

    /// Forgets every answer at a URL, whoever they are for.
    pub async fn forget_url(&self, url: &Digest, moment: Moment) {
        self.begin_epoch(url, moment).await;
    }

    async fn begin_epoch(&self, url: &Digest, moment: Moment) -> Arc<str> {
        let epoch = Epoch { is_shared: true, ..Epoch::new(moment) };
        self.memory.insert(*url, Slot::Epoch(epoch.clone()));
        if let Some(shared) = &self.shared {
            shared.begin_epoch(url, &epoch.name, moment.now_ms).await;
        }
        epoch.name
    }

    /// Of two answers under way at once the older may come to its end last.
    fn has_newer(&self, key: &Digest, kept: &Kept, now_ms: i64) -> bool {
        let Some(Slot::Kept(held)) = self.memory.get(key) else { return false };
        held.times.answered_ms > kept.times.answered_ms && held.is_fresh(now_ms)
    }

    async fn epoch(&self, url: &Digest, moment: Moment) -> Arc<str> {
        let known = match self.memory.get(url) {
            Some(Slot::Epoch(epoch)) => Some(epoch),
            _ => None,
        };
        let Some(shared) = &self.shared else {
            let known = known.unwrap_or_else(|| self.memory.epoch_or(url, Epoch::new(moment)));
            return known.name;
        };
        if let Some(known) = &known
            && moment.now_ms.saturating_sub(known.checked_ms) < BELIEVED_MS
        {
            return Arc::clone(&known.name);
        }
        let told = shared.epoch(url, moment.now_ms).await;
        let epoch = match (told, known) {
            // Redis has gone back to an earlier state: what is kept there was forgotten since.
            (Ok(Some(name)), Some(known)) if known.is_shared && *name < *known.name => {
                return self.begin_epoch(url, moment).await;
            }
            (Ok(Some(name)), _) => Epoch { name, is_shared: true, ..Epoch::new(moment) },
            // Redis has forgotten it, or never knew it: what it may have been told of since is forgotten as well.
            (Ok(None), Some(known)) if !known.is_too_old(moment.now_ms) => Epoch { checked_ms: moment.now_ms, ..known },
            (Ok(None), _) | (Err(_), None) => Epoch::new(moment),
            (Err(_), Some(known)) => return known.name,
        };
        let epoch = epoch.or_later(self.memory.get(url));
        self.memory.insert(*url, Slot::Epoch(epoch.clone()));
        epoch.name
    }

    /// From memory; from Redis where there is nothing, or nothing that is fresh.
    async fn slot(&self, site: &Site, moment: Moment) -> Option<Slot> {
        let found = self.memory.get(&site.key);
        let Some(shared) = &self.shared else { return found };
        let is_good = match &found {
            Some(Slot::Kept(kept)) => kept.is_fresh(moment.now_ms),
            Some(Slot::Varies(_)) => true,
            Some(Slot::Epoch(_)) | None => false,
        };
        if is_good {
            return found;
        }
        match shared.slot(site, moment).await {
            Some(told) if told.is_newer_than(found.as_ref()) => {
                self.memory.insert(site.key, told.clone());
                Some(told)
            }
            _ => found,
        }
    }
}

/// When a request is looked at, with a name that no other has.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Of the store's clock, in milliseconds since the Unix epoch.
    pub now_ms: i64,
    pub new_name: Name,
    /// For how long an answer is fresh of which its upstream does not say, on this route.
    pub ttl_s: u32,
}

/// A UUID in hexadecimal digits. Of version 7 the later one is the greater text, but for what clocks differ.
#[derive(Debug, Clone, Copy)]
pub struct Name([u8; 32]);

impl Name {
    /// Of this UUID.
    #[must_use]
    pub fn new(id: uuid::Uuid) -> Self {
        let mut digits = [0; 32];
        id.simple().encode_lower(&mut digits);
        Self(digits)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Epoch {
    fn new(moment: Moment) -> Self {
        Self { name: moment.new_name.as_str().into(), checked_ms: moment.now_ms, is_shared: false }
    }

    /// This one, of which Redis was asked, or the one that a change has begun here until Redis answered.
    fn or_later(self, here: Option<Slot>) -> Self {
        match here {
            Some(Slot::Epoch(here)) if here.is_shared && *here.name > *self.name => here,
            _ => self,
        }
    }

    /// Whether Redis may have known another since, and forgotten that too.
    fn is_too_old(&self, now_ms: i64) -> bool {
        let remembered_ms = i64::try_from(EPOCH_TTL.as_millis()).unwrap_or(i64::MAX);
        now_ms.saturating_sub(self.checked_ms) >= remembered_ms
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::domain::caching::Times;

    const TTL_S: u32 = 60;

    #[test]
    fn an_epoch_that_began_while_redis_was_asked_stays() {
        let epoch = |name: &str, is_shared| Epoch { name: name.into(), checked_ms: 0, is_shared };
        for (here, expected) in [
            (None, "2"),
            (Some(epoch("3", true)), "3"),
            // Nobody else has heard of it.
            (Some(epoch("3", false)), "2"),
            (Some(epoch("1", true)), "2"),
        ] {
            let found = epoch("2", true).or_later(here.clone().map(Slot::Epoch));
            assert_eq!(&*found.name, expected, "{here:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_ends_late_does_not_take_the_place_of_a_newer_one() {
        let cache = Cache::new(Bounds { max_bytes: 1 << 20, max_entry_bytes: 1 << 10 }, None);
        let request = HeaderMap::new();
        let place = RequestKey::of(&key::Parts {
            route: "r",
            upstream: "u",
            purges: ["", ""],
            sharing: "all",
            scheme: "http",
            host: "h",
            path: "/a",
            query: None,
            headers: &request,
            body: None,
        });
        let moment = |now_ms| Moment { now_ms, new_name: Name::new(uuid::Uuid::nil()), ttl_s: TTL_S };
        let site = cache.look(&place, &request, moment(0)).await.site;
        for (answered_ms, now_ms, found_ms) in [
            (2_000, 3_000, 2_000),
            (1_000, 3_000, 2_000),
            (2_500, 3_000, 2_500),
            // What is stale is replaced by whatever comes: a clock that was set back must not bar all that is new.
            (1_000, 70_000, 1_000),
        ] {
            let times = Times { asked_ms: answered_ms, answered_ms };
            let kept = Kept::new(StatusCode::OK, HeaderMap::new(), Bytes::new(), times, TTL_S);
            cache.keep(&site, Arc::new(kept), &request, now_ms);
            let found = cache.look(&place, &request, moment(now_ms)).await.kept.unwrap();
            assert_eq!(found.times.answered_ms, found_ms, "{answered_ms} at {now_ms}");
        }
    }
}
