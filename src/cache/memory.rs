//! The entries of this process.

use std::sync::Arc;

use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::{Bounds, Epoch, key::Digest};
use crate::domain::caching::{Kept, Vary};

/// What is under a key.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    Epoch(Epoch),
    /// Answers are under the keys of what they vary by.
    Varies(Arc<Vary>),
    Kept(Arc<Kept>),
}

impl Slot {
    pub(super) fn kept(self) -> Option<Arc<Kept>> {
        match self {
            Self::Kept(kept) => Some(kept),
            Self::Epoch(_) | Self::Varies(_) => None,
        }
    }

    /// Whether it says more than what was found before.
    pub(super) fn is_newer_than(&self, found: Option<&Self>) -> bool {
        match (self, found) {
            (Self::Kept(told), Some(Self::Kept(found))) => told.times.answered_ms > found.times.answered_ms,
            _ => true,
        }
    }
}

/// All of them, within the bound.
#[derive(Clone)]
pub(super) struct Memory(Arc<Cache<Digest, Slot, ByBytes, DefaultHashBuilder>>);

#[derive(Clone)]
struct ByBytes;

/// What a small entry takes, about, and each name of a field besides its text.
const SMALL_BYTES: u64 = 256;
const OVERHEAD_OF_A_NAME: usize = 24;

impl Weighter<Digest, Slot> for ByBytes {
    fn weight(&self, _: &Digest, slot: &Slot) -> u64 {
        match slot {
            Slot::Epoch(_) => SMALL_BYTES,
            Slot::Varies(vary) => {
                let names = vary.names().iter().map(|name| name.len().saturating_add(OVERHEAD_OF_A_NAME));
                SMALL_BYTES.saturating_add(u64::try_from(names.sum::<usize>()).unwrap_or(u64::MAX))
            }
            Slot::Kept(kept) => u64::try_from(kept.bytes()).unwrap_or(u64::MAX),
        }
    }
}

/// The usual size of an entry. The map begins with room for `max_bytes / USUAL_BYTES` entries, and grows.
const USUAL_BYTES: u64 = 4_096;
/// A shard holds several of the largest entries, so that one does not push all others out.
const LARGEST_IN_A_SHARD: u64 = 8;
const MAX_SHARDS: u64 = 64;

impl Memory {
    pub(super) fn new(bounds: Bounds) -> Self {
        let Bounds { max_bytes, max_entry_bytes } = bounds;
        let largest = u64::try_from(max_entry_bytes).unwrap_or(u64::MAX).max(1);
        let shards = (max_bytes / largest.saturating_mul(LARGEST_IN_A_SHARD)).clamp(1, MAX_SHARDS);
        // It rounds up to a power of two.
        let shards = usize::try_from(1_u64 << shards.ilog2()).unwrap_or(1);
        let usual = usize::try_from(max_bytes / USUAL_BYTES).unwrap_or(usize::MAX);
        let options = OptionsBuilder::new()
            .shards(shards)
            .estimated_items_capacity(usual.max(1))
            .weight_capacity(max_bytes)
            .build();
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(Arc::new(match options {
            Ok(options) => Cache::with_options(options, ByBytes, hasher, lifecycle),
            // Only where a setting was left out.
            Err(_) => Cache::with(usual, max_bytes, ByBytes, hasher, lifecycle),
        }))
    }

    pub(super) fn get(&self, key: &Digest) -> Option<Slot> {
        self.0.get(key)
    }

    pub(super) fn insert(&self, key: Digest, slot: Slot) {
        self.0.insert(key, slot);
    }

    pub(super) fn remove(&self, key: &Digest) {
        self.0.remove(key);
    }

    /// The epoch under a key: the one that is there, or this one from now on.
    pub(super) fn epoch_or(&self, key: &Digest, epoch: Epoch) -> Epoch {
        let slot = self.0.get_or_insert_with(key, || Ok::<_, std::convert::Infallible>(Slot::Epoch(epoch.clone())));
        match slot {
            Ok(Slot::Epoch(epoch)) => epoch,
            _ => epoch,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::domain::caching::Times;

    fn kept(bytes: usize) -> Slot {
        let times = Times { asked_ms: 0, answered_ms: 0 };
        Slot::Kept(Arc::new(Kept::new(StatusCode::OK, HeaderMap::new(), Bytes::from(vec![0; bytes]), times, 60)))
    }

    #[test]
    fn what_answers_vary_by_counts_with_its_names() {
        let vary = Vary::named(vec!["a".repeat(1_000), "b".repeat(2_000)]).unwrap();
        assert!(ByBytes.weight(&[0; 32], &Slot::Varies(Arc::new(vary))) > 3_000);
    }

    #[test]
    fn all_entries_together_stay_within_the_bound_and_the_largest_has_room() {
        for (max_bytes, max_entry_bytes) in [(1 << 20, 1 << 17), (1 << 20, 1 << 10), (1 << 16, 1 << 13)] {
            let memory = Memory::new(Bounds { max_bytes, max_entry_bytes });
            for n in 0..2_000_u32 {
                let mut key = [0; 32];
                key[..4].copy_from_slice(&n.to_be_bytes());
                memory.insert(key, kept(max_entry_bytes / 2));
                assert!(memory.0.weight() <= max_bytes);
            }
            memory.insert([9; 32], kept(max_entry_bytes));
            assert!(memory.get(&[9; 32]).is_some(), "{max_bytes} {max_entry_bytes}");
        }
    }
}
