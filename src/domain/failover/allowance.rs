//! How many of the calls that failed at an upstream may be tried again elsewhere: a fifth of its calls, so that an outage is
//! not made worse by twice the calls; and a few at any time, so that an upstream with few calls has some.
//!
//! Both are numbers that only these functions change, so that they can be counted without a lock.

/// A retry, in the unit that is saved up.
const RETRY: u64 = 1_000;

/// What a call adds: a fifth of a retry.
const EARNED: u64 = RETRY / 5;

/// The most that is saved up: 500 retries.
const MAX_SAVED: u64 = 500 * RETRY;

/// The few at any time: one a second, and ten at once.
const FEW_EVERY_MS: u64 = 1_000;
const FEW_AT_ONCE_MS: u64 = 10 * FEW_EVERY_MS;

/// What is saved up after one more call; nothing where it stays the same.
#[must_use]
pub const fn earned(saved: u64) -> Option<u64> {
    if saved >= MAX_SAVED { None } else { Some(saved.saturating_add(EARNED)) }
}

/// What is left after one retry, if it is enough.
#[must_use]
pub const fn spent(saved: u64) -> Option<u64> {
    saved.checked_sub(RETRY)
}

/// Takes one of the few: `taken_until_ms` is the time by which what was taken will have come back.
#[must_use]
pub fn few_taken(taken_until_ms: u64, now_ms: u64) -> Option<u64> {
    let next = taken_until_ms.max(now_ms).saturating_add(FEW_EVERY_MS);
    (next <= now_ms.saturating_add(FEW_AT_ONCE_MS)).then_some(next)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn no_more_than_a_fifth_and_the_few_are_tried_again(steps in vec((any::<bool>(), 0..30_u64), 0..2_000)) {
            let (mut saved, mut taken, mut now) = (0, 0, 0);
            let (mut calls, mut retries) = (0_u64, 0_u64);
            for (fails, passed) in steps {
                now += passed;
                calls += 1;
                saved = earned(saved).unwrap_or(saved);
                if !fails {
                    continue;
                }
                if let Some(next) = few_taken(taken, now) {
                    (taken, retries) = (next, retries + 1);
                } else if let Some(left) = spent(saved) {
                    (saved, retries) = (left, retries + 1);
                }
                prop_assert!(retries <= calls / 5 + 10 + now / FEW_EVERY_MS);
            }
        }
    }

    #[test]
    fn the_few_come_back() {
        let mut taken = 0;
        for _ in 0..10 {
            taken = few_taken(taken, 5).unwrap();
        }
        assert_eq!(few_taken(taken, 5), None);
        assert!(few_taken(taken, 1_005).is_some());
    }
}
