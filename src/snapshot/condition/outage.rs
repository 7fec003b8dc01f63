//! When the log is told that an upstream fails: at the first failure, then with their number once in ten seconds, and when it serves
//! again.
//!
//! An upstream that fails now and then is told of no more often than one that always fails.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// For how long no further failure is told.
const QUIET_MS: u64 = 10_000;

/// The failures since an upstream has served.
#[derive(Debug, Default)]
pub(super) struct Outage {
    failures: AtomicU64,
    /// Whether any of them was told.
    is_told: AtomicBool,
    quiet_until_ms: AtomicU64,
}

impl Outage {
    /// A call failed. How many did by now, if that is to be told.
    pub fn failed(&self, now_ms: u64) -> Option<u64> {
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        let until_ms = now_ms.saturating_add(QUIET_MS);
        let is_over = |until: u64| (until <= now_ms).then_some(until_ms);
        self.quiet_until_ms.fetch_update(Relaxed, Relaxed, is_over).ok()?;
        self.is_told.store(true, Relaxed);
        Some(failures)
    }

    /// A call was served. How many had failed, if the end of that is to be told: where their beginning was not, it waits for
    /// the end of the quiet.
    pub fn served(&self, now_ms: u64) -> Option<u64> {
        if self.failures.load(Relaxed) == 0 {
            return None;
        }
        if !self.is_told.load(Relaxed) && now_ms < self.quiet_until_ms.load(Relaxed) {
            return None;
        }
        self.is_told.store(false, Relaxed);
        Some(self.failures.swap(0, Relaxed)).filter(|failures| *failures > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_once_then_counted_and_its_end_is_told_once() {
        let outage = Outage::default();
        assert_eq!(outage.served(0), None);
        let told = [0, 1, 9_999, 10_000, 10_001].map(|now_ms| outage.failed(now_ms));
        assert_eq!(told, [Some(1), None, None, Some(4), None]);
        assert_eq!([10_002, 10_003].map(|now_ms| outage.served(now_ms)), [Some(5), None]);
    }

    #[test]
    fn an_upstream_that_fails_now_and_then_is_told_of_twice_in_ten_seconds() {
        let outage = Outage::default();
        assert_eq!((outage.failed(0), outage.served(1)), (Some(1), Some(1)));
        for now_ms in 2..10_000 {
            assert_eq!((outage.failed(now_ms), outage.served(now_ms)), (None, None), "{now_ms}");
        }
        assert_eq!((outage.failed(10_000), outage.served(10_001)), (Some(9_999), Some(9_999)));
        assert_eq!((outage.failed(10_002), outage.served(19_999)), (None, None));
        assert_eq!(outage.served(20_000), Some(1), "one that was not told is told in the end");
    }
}
