//! A large immutable map in parts, so that a change copies one part and not a million entries.

use std::{collections::HashMap, sync::Arc};

use uuid::Uuid;

/// How many parts a map has.
const PARTS: usize = 1_024;

/// A map from ids that are UUIDv7; cloning it copies no entry.
#[derive(Clone)]
pub(super) struct Parts<V> {
    parts: Vec<Arc<HashMap<Uuid, V>>>,
}

impl<V> Default for Parts<V> {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| Arc::default()).collect() }
    }
}

impl<V: Clone> Parts<V> {
    pub(super) fn get(&self, id: Uuid) -> Option<&V> {
        self.parts.get(part_of(id))?.get(&id)
    }

    pub(super) fn insert(&mut self, id: Uuid, value: V) {
        if let Some(part) = self.parts.get_mut(part_of(id)) {
            Arc::make_mut(part).insert(id, value);
        }
    }

    pub(super) fn remove(&mut self, id: Uuid) {
        if let Some(part) = self.parts.get_mut(part_of(id)) {
            Arc::make_mut(part).remove(&id);
        }
    }
}

/// The last 64 bits of a UUIDv7 are random, so they spread entries evenly.
fn part_of(id: Uuid) -> usize {
    let (_, low) = id.as_u64_pair();
    let parts = u64::try_from(PARTS).unwrap_or(1);
    usize::try_from(low % parts).unwrap_or(0)
}
