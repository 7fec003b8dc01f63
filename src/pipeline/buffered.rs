//! The memory of request bodies that are read whole before they are forwarded, bounded over all threads.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::domain::refusal::{Refusal, Unavailable};

/// The bound, and how much of it is used. Clones share it.
#[derive(Debug, Clone)]
pub struct BufferBound {
    used: Arc<AtomicU64>,
    max_bytes: u64,
}

/// The bytes of one body. Dropped, they are free again.
#[derive(Debug)]
#[must_use = "bytes are free again when this is dropped"]
pub struct Buffered {
    bound: BufferBound,
    bytes: u64,
}

impl BufferBound {
    /// At most `max_bytes` at once.
    pub fn new(max_bytes: u64) -> Self {
        Self { used: Arc::default(), max_bytes }
    }

    /// The share of a body of which nothing is read yet.
    pub fn share(&self) -> Buffered {
        Buffered { bound: self.clone(), bytes: 0 }
    }
}

impl Buffered {
    /// Takes `bytes` more; refuses where all calls together would be above the bound.
    pub fn take(&mut self, bytes: u64) -> Result<(), Refusal> {
        let BufferBound { used, max_bytes } = &self.bound;
        let more = |now: u64| now.checked_add(bytes).filter(|sum| sum <= max_bytes);
        // Only the number matters, it guards no other memory: relaxed is enough.
        let taken = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.map_err(|_| Refusal::Unavailable(Unavailable::Capacity))?;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// All that it has taken, for whoever holds the bytes from now on.
    pub fn hand_over(&mut self) -> Self {
        let rest = self.bound.share();
        std::mem::replace(self, rest)
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        self.bound.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bodies_together_stay_within_the_bound() {
        let bound = BufferBound::new(10);
        let (mut one, mut other) = (bound.share(), bound.share());
        assert_eq!(one.take(6), Ok(()));
        assert_eq!(other.take(5), Err(Refusal::Unavailable(Unavailable::Capacity)));
        assert_eq!(other.take(4), Ok(()));
        drop(one);
        assert_eq!(other.take(6), Ok(()));
        assert!(other.take(u64::MAX).is_err());
        let handed = other.hand_over();
        drop(other);
        assert!(bound.share().take(1).is_err());
        drop(handed);
        assert_eq!(bound.share().take(10), Ok(()));
    }
}
