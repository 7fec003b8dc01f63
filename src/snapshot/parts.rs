//! A large immutable map in parts, so that a change copies one part and not a million entries.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// How many parts a map has.
const PARTS: usize = 1_024;

/// A map whose clone copies no entry.
#[derive(Clone)]
pub(super) struct Parts<K, V> {
    parts: Vec<Arc<HashMap<K, V>>>,
}

impl<K, V> Default for Parts<K, V> {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| Arc::default()).collect() }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Parts<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.parts.get(part_of(key))?.get(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if let Some(part) = self.parts.get_mut(part_of(&key)) {
            Arc::make_mut(part).insert(key, value);
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some(part) = self.parts.get_mut(part_of(key)) {
            Arc::make_mut(part).remove(key);
        }
    }
}

fn part_of(key: &impl Hash) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let parts = u64::try_from(PARTS).unwrap_or(1);
    usize::try_from(hasher.finish() % parts).unwrap_or(0)
}
