//! Until when an upstream is not asked for some of its models: services limit the calls to each model by themselves, so that one
//! which has been called too often says nothing of the others.

use std::{cmp::Reverse, sync::Arc};

use arc_swap::ArcSwap;

/// The most models that are kept; of more, those that rest longest.
const MAX_MODELS: usize = 64;

/// The models that rest, each with the end of that.
#[derive(Debug, Default)]
pub(super) struct Resting(ArcSwap<Vec<(Arc<str>, u64)>>);

impl Resting {
    /// Whether this model rests.
    pub fn has(&self, model: &str, now_ms: u64) -> bool {
        self.0.load().iter().any(|(name, until_ms)| *until_ms > now_ms && **name == *model)
    }

    /// Whether any model rests.
    pub fn is_any(&self, now_ms: u64) -> bool {
        self.0.load().iter().any(|(_, until_ms)| *until_ms > now_ms)
    }

    /// This model rests until then.
    pub fn add(&self, model: &str, until_ms: u64, now_ms: u64) {
        self.0.rcu(|resting| {
            let still = resting.iter().filter(|(_, until_ms)| *until_ms > now_ms);
            let mut next: Vec<(Arc<str>, u64)> = still.cloned().collect();
            match next.iter_mut().find(|(name, _)| **name == *model) {
                Some((_, until)) => *until = until_ms.max(*until),
                None => next.push((model.into(), until_ms)),
            }
            next.sort_by_key(|(_, until_ms)| Reverse(*until_ms));
            next.truncate(MAX_MODELS);
            next
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_rests_by_itself_and_as_long_as_it_was_asked_to_at_most() {
        let resting = Resting::default();
        resting.add("a", 10, 0);
        resting.add("a", 5, 0);
        resting.add("b", 20, 0);
        assert_eq!(["a", "b", "c"].map(|model| resting.has(model, 9)), [true, true, false]);
        assert_eq!(["a", "b", "c"].map(|model| resting.has(model, 10)), [false, true, false]);
        assert_eq!((resting.is_any(19), resting.is_any(20)), (true, false));
    }

    #[test]
    fn no_more_models_are_kept_than_the_bound() {
        let resting = Resting::default();
        for number in 0..1_000 {
            resting.add(&format!("m{number}"), 1_000 + number, 0);
        }
        assert_eq!(resting.0.load().len(), MAX_MODELS);
        assert!(resting.has("m999", 0) && !resting.has("m0", 0));
    }
}
