//! Snapshots: what the hot path only reads. The owner publishes a new one; reading never waits and sends no message.

pub mod api_keys;
pub mod budgets;
pub mod cache_purges;
pub mod condition;
pub mod directory;
pub mod freshness;
mod parts;
pub mod policies;
pub mod revocations;
pub mod routing;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

/// A value that one owner replaces as a whole and many threads read. Clones share it.
pub struct Snapshot<T>(Arc<ArcSwap<T>>);

impl<T> Snapshot<T> {
    /// A snapshot whose first value this is.
    pub fn new(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// The value as last published. Do not keep the guard across an `await`.
    pub fn read(&self) -> Guard<Arc<T>> {
        self.0.load()
    }

    /// Replaces the value for every reader. Only its owner calls this.
    pub fn publish(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
