//! What many requests can bring about and the log says seldom.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::clock::Clock;

/// For how long nothing more is said, in seconds.
const QUIET_S: i64 = 10;

/// How often something has happened, and when it was said last.
pub(super) struct Seldom {
    count: AtomicU64,
    said_s: AtomicI64,
}

impl Seldom {
    pub(super) const fn new() -> Self {
        Self { count: AtomicU64::new(0), said_s: AtomicI64::new(i64::MIN) }
    }

    /// It has happened. `say` is called with how often by now, once in ten seconds.
    pub(super) fn tell(&self, say: impl FnOnce(u64)) {
        let count = self.count.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let now_s = Clock::system().now().as_second();
        if now_s.saturating_sub(self.said_s.fetch_max(now_s, Ordering::Relaxed)) >= QUIET_S {
            say(count);
        }
    }
}
