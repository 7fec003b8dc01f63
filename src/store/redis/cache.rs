//! Kept answers in Redis, as bytes that this file does not read.
//!
//! They lie in 16 hash slots by their URL. Each slot takes a sixteenth of the bytes that all may have; what has ended makes
//! room, nothing else is pushed out. Under the epoch of a URL its answers are found: a new one forgets them all.

use std::{sync::LazyLock, time::Duration};

use deadpool_redis::redis::{self, Script};

use super::{Redis, command, script};
use crate::{domain::hex, store::StoreError};

/// How long an epoch is remembered after it was last used; no answer is kept for longer.
pub const EPOCH_TTL: Duration = Duration::from_hours(24);

/// How many hash slots the answers lie in.
const SLOTS: u64 = 16;

static KEEP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("cache_keep.lua")));

/// The name of something that is kept: a digest.
pub type Name = [u8; 32];

/// An answer to be kept.
pub struct Keeping {
    pub name: Name,
    /// Of its URL.
    pub url: Name,
    /// The epoch of the URL when the answer was asked for.
    pub epoch: String,
    pub bytes: Vec<u8>,
    /// At most [`EPOCH_TTL`].
    pub ttl: Duration,
    /// Of the answer, also of what it varies by.
    pub age: Age,
}

/// How old an answer is: none takes the place of a newer one that is fresh.
#[derive(Debug, Clone, Copy, Default)]
pub struct Age {
    /// When it was given, in milliseconds since the Unix epoch.
    pub answered_ms: i64,
    /// For how long it is fresh.
    pub fresh: Duration,
}

impl Redis {
    /// The epoch of a URL, where one is remembered.
    ///
    /// # Errors
    /// `Unavailable` if there is no answer in time.
    pub async fn cache_epoch(&self, url: &Name) -> Result<Option<String>, StoreError> {
        let key = epoch_key(url);
        self.perform(command("GET"), async move |mut connection| {
            redis::cmd("GET").arg(key).query_async(&mut connection).await
        })
        .await
    }

    /// Begins an epoch of a URL: what was kept before is not found any more.
    ///
    /// # Errors
    /// `Unavailable` if there is no answer in time.
    pub async fn begin_cache_epoch(&self, url: &Name, epoch: String) -> Result<(), StoreError> {
        let mut set = redis::cmd("SET");
        set.arg(epoch_key(url)).arg(epoch).arg("PX").arg(ms(EPOCH_TTL));
        self.perform(command("SET"), async move |mut connection| set.query_async(&mut connection).await).await
    }

    /// What is kept under a name of that URL.
    ///
    /// # Errors
    /// `Unavailable` if there is no answer in time.
    pub async fn cached(&self, url: &Name, name: &Name) -> Result<Option<Vec<u8>>, StoreError> {
        let key = kept_key(url, name);
        self.perform(command("GET"), async move |mut connection| {
            redis::cmd("GET").arg(key).query_async(&mut connection).await
        })
        .await
    }

    /// Keeps an answer, where the epoch that it was asked under has not ended, no newer one is there that is fresh (RFC 9111 §4), and
    /// there is room among `max_bytes` of all.
    ///
    /// # Errors
    /// `Unavailable` if there is no answer in time; whether it is kept is not known.
    pub async fn keep_cached(&self, keeping: Keeping, max_bytes: u64) -> Result<bool, StoreError> {
        let Keeping { name, url, epoch, bytes, ttl, age } = keeping;
        let tag = tag(&url);
        let mut call = KEEP.prepare_invoke();
        call.key(kept_key(&url, &name)).key(epoch_key(&url));
        call.key(format!("tollgate:{tag}:ends")).key(format!("tollgate:{tag}:sizes"));
        call.key(age_key(&url, &name));
        call.arg(bytes).arg(ms(ttl.min(EPOCH_TTL))).arg(epoch).arg(ms(EPOCH_TTL)).arg(max_bytes / SLOTS);
        call.arg(age.answered_ms).arg(u64::try_from(age.fresh.as_millis()).unwrap_or(u64::MAX).min(ms(EPOCH_TTL)));
        let kept: u64 = self
            .perform(script("cache_keep"), async move |mut connection| call.invoke_async(&mut connection).await)
            .await?;
        Ok(kept == 1)
    }

    /// Forgets what is kept under a name of that URL.
    ///
    /// # Errors
    /// `Unavailable` if there is no answer in time.
    pub async fn forget_cached(&self, url: &Name, name: &Name) -> Result<(), StoreError> {
        let (kept, age) = (kept_key(url, name), age_key(url, name));
        self.perform(command("UNLINK"), async move |mut connection| {
            redis::cmd("UNLINK").arg(kept).arg(age).query_async(&mut connection).await
        })
        .await
    }
}

fn tag(url: &Name) -> String {
    let first = u64::from(url.first().copied().unwrap_or(0));
    format!("{{cache-{:x}}}", first % SLOTS)
}

fn epoch_key(url: &Name) -> String {
    format!("tollgate:{}:epoch:{}", tag(url), hex::encode(url))
}

fn kept_key(url: &Name, name: &Name) -> String {
    format!("tollgate:{}:kept:{}", tag(url), hex::encode(name))
}

fn age_key(url: &Name, name: &Name) -> String {
    format!("tollgate:{}:age:{}", tag(url), hex::encode(name))
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
