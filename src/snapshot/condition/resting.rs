//! Until when an upstream is not asked for some of its models: services limit the calls to each model by themselves, so that one
//! which has been called too often says nothing of the others.
//!
//! Some say how long to wait (`Retry-After`). Where a service only says that there were too many calls, again and again, the model rests
//! for a second, and twice as long each time that it is so again as soon as it is asked.

use std::{cmp::Reverse, sync::Arc};

use arc_swap::ArcSwap;

/// The most models that are kept; of more, those that rest longest.
const MAX_MODELS: usize = 64;

/// So many refusals without a time within this time make a model rest.
const REFUSALS: u32 = 5;
const WITHIN_MS: u64 = 10_000;

/// How long it rests then, and at most.
const FIRST_MS: u64 = 1_000;
const LONGEST_MS: u64 = 30_000;

/// What is known of the models that were called too often.
#[derive(Debug, Default)]
pub(super) struct Resting(ArcSwap<Vec<Rest>>);

/// How long a model rests, or how often it was refused without that.
#[derive(Debug, Clone)]
struct Rest {
    model: Arc<str>,
    until_ms: u64,
    /// How long it rested or rests; 0: not yet.
    for_ms: u64,
    /// Refusals since then that did not say how long to wait.
    refusals: u32,
    since_ms: u64,
}

impl Resting {
    /// Whether this model rests.
    pub fn has(&self, model: &str, now_ms: u64) -> bool {
        self.0.load().iter().any(|rest| rest.until_ms > now_ms && *rest.model == *model)
    }

    /// Whether any model rests.
    pub fn is_any(&self, now_ms: u64) -> bool {
        self.0.load().iter().any(|rest| rest.until_ms > now_ms)
    }

    /// This model was called too often; it is asked for again after `for_ms`, where that was said.
    pub fn add(&self, model: &str, for_ms: Option<u64>, now_ms: u64) {
        self.0.rcu(|rests| {
            let others = rests.iter().filter(|rest| *rest.model != *model && rest.is_known(now_ms));
            let mut next: Vec<Rest> = others.cloned().collect();
            let before = rests.iter().find(|rest| *rest.model == *model && rest.is_known(now_ms)).cloned();
            let before = before.unwrap_or_else(|| Rest::of(model, now_ms));
            next.push(match for_ms {
                Some(for_ms) => before.for_a_time(for_ms, now_ms),
                None => before.refused(now_ms),
            });
            next.sort_by_key(|rest| Reverse(rest.until_ms));
            next.truncate(MAX_MODELS);
            next
        });
    }
}

impl Rest {
    fn of(model: &str, now_ms: u64) -> Self {
        Self { model: model.into(), until_ms: now_ms, for_ms: 0, refusals: 0, since_ms: now_ms }
    }

    /// Whether it still says something of the next refusal.
    const fn is_known(&self, now_ms: u64) -> bool {
        self.has_just_rested(now_ms) || self.since_ms.saturating_add(WITHIN_MS) > now_ms
    }

    /// Whether it rests, or has rested for as long as that is over now.
    const fn has_just_rested(&self, now_ms: u64) -> bool {
        self.for_ms > 0 && self.until_ms.saturating_add(self.for_ms) > now_ms
    }

    fn for_a_time(self, for_ms: u64, now_ms: u64) -> Self {
        let until_ms = now_ms.saturating_add(for_ms).max(self.until_ms);
        Self { until_ms, for_ms, refusals: 0, since_ms: now_ms, ..self }
    }

    fn refused(self, now_ms: u64) -> Self {
        if self.until_ms > now_ms {
            // A call that was under way.
            return self;
        }
        if self.has_just_rested(now_ms) {
            let for_ms = self.for_ms.saturating_mul(2).min(LONGEST_MS);
            return self.for_a_time(for_ms, now_ms);
        }
        let is_over = self.since_ms.saturating_add(WITHIN_MS) <= now_ms;
        let (refusals, since_ms) = if is_over { (0, now_ms) } else { (self.refusals, self.since_ms) };
        let refused = Self { refusals: refusals.saturating_add(1), since_ms, ..self };
        if refused.refusals < REFUSALS { refused } else { refused.for_a_time(FIRST_MS, now_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_rests_by_itself_and_as_long_as_was_asked_for() {
        let resting = Resting::default();
        resting.add("a", Some(10), 0);
        resting.add("a", Some(5), 0);
        resting.add("b", Some(20), 0);
        assert_eq!(["a", "b", "c"].map(|model| resting.has(model, 9)), [true, true, false]);
        assert_eq!(["a", "b", "c"].map(|model| resting.has(model, 10)), [false, true, false]);
        assert_eq!((resting.is_any(19), resting.is_any(20)), (true, false));
    }

    #[test]
    fn a_model_that_is_refused_again_and_again_rests_for_longer_each_time() {
        let resting = Resting::default();
        for at in 0..4 {
            resting.add("a", None, at);
            assert!(!resting.has("a", at), "now and then is no reason to rest");
        }
        resting.add("a", None, 4);
        // Calls that were under way change nothing.
        resting.add("a", None, 5);
        assert!(resting.has("a", 1_003) && !resting.has("a", 1_004));
        resting.add("a", None, 1_004);
        assert!(resting.has("a", 3_003) && !resting.has("a", 3_004));
        // What has served for as long begins anew.
        resting.add("a", None, 5_004);
        assert!(!resting.has("a", 5_004));
        let mut now_ms = 5_004;
        for _ in 0..20 {
            resting.add("a", None, now_ms);
            while resting.has("a", now_ms) {
                now_ms += 1;
            }
        }
        resting.add("a", None, now_ms);
        assert!(resting.has("a", now_ms + LONGEST_MS - 1) && !resting.has("a", now_ms + LONGEST_MS));
    }

    #[test]
    fn refusals_that_are_far_apart_are_not_counted_together() {
        let resting = Resting::default();
        for at in 0..100 {
            resting.add("a", None, at * 2_600);
            assert!(!resting.is_any(at * 2_600), "{at}");
        }
    }

    #[test]
    fn no_more_models_are_kept_than_the_bound() {
        let resting = Resting::default();
        for number in 0..1_000 {
            resting.add(&format!("m{number}"), Some(1_000 + number), 0);
        }
        assert_eq!(resting.0.load().len(), MAX_MODELS);
        assert!(resting.has("m999", 0) && !resting.has("m0", 0));
    }
}
