//! When what is published of identity was read. The followers of the store renew it with each reading.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// When a follower last began a reading of the store that succeeded, on the monotonic clock. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Freshness(Arc<AtomicU64>);

impl Freshness {
    /// A reading that began at `began_ns` is published.
    pub fn renew(&self, began_ns: u64) {
        self.0.fetch_max(began_ns, Ordering::Release);
    }

    /// How long ago, at `now_ns`, what is published was read.
    pub fn age(&self, now_ns: u64) -> Duration {
        Duration::from_nanos(now_ns.saturating_sub(self.0.load(Ordering::Acquire)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_that_ends_late_does_not_make_what_is_newer_old() {
        let fresh = Freshness::default();
        fresh.renew(9);
        fresh.renew(7);
        assert_eq!(fresh.age(10), Duration::from_nanos(1));
    }
}
