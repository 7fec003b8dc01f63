//! Exemplars: for each bucket of a histogram the trace of a call that fell into it, of the last second in which one was sampled.
//!
//! Kept and read without a lock. They are bounded as the histogram is: by its labels and its buckets.

use std::{array, collections::HashMap, sync::Arc};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;

use super::BUCKETS;

/// One call of a histogram.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exemplar {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// What was observed, in seconds.
    pub value: f64,
    pub at: Timestamp,
}

/// Of the buckets of one label, the last of them without a bound.
pub(super) type OfBuckets = [ArcSwapOption<Exemplar>; BUCKETS.len() + 1];

/// Those of a histogram with one label, by its values. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Exemplars(Arc<ArcSwap<HashMap<Box<str>, Arc<OfBuckets>>>>);

impl Exemplars {
    /// Keeps a call in place of the one before, unless that is of the same second: nobody reads exemplars more often.
    pub fn keep(&self, label: &str, trace_id: &str, value: f64, at: Timestamp) {
        let buckets = self.of(label).unwrap_or_else(|| self.begin(label));
        let index = BUCKETS.partition_point(|bound| *bound < value);
        if let Some(bucket) = buckets.get(index)
            && bucket.load().as_ref().is_none_or(|kept| kept.at.as_second() != at.as_second())
        {
            bucket.store(Some(Arc::new(Exemplar { trace_id: trace_id.to_owned(), value, at })));
        }
    }

    /// Those of a label.
    pub fn of(&self, label: &str) -> Option<Arc<OfBuckets>> {
        self.0.load().get(label).cloned()
    }

    fn begin(&self, label: &str) -> Arc<OfBuckets> {
        let new = Arc::<OfBuckets>::new(array::from_fn(|_| ArcSwapOption::empty()));
        self.0.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.entry(label.into()).or_insert_with(|| Arc::clone(&new));
            known
        });
        // Another thread may have begun it at the same time.
        self.of(label).unwrap_or(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_each_bucket_is_kept_for_a_second() {
        let exemplars = Exemplars::default();
        assert!(exemplars.of("a").is_none());
        for (trace_id, value, ms) in
            [("1", 0.02, 0), ("2", 0.025, 999), ("3", 0.026, 0), ("4", 10.0, 0), ("5", 10.1, 0), ("6", 10.2, 1_000)]
        {
            exemplars.keep("a", trace_id, value, Timestamp::from_millisecond(ms).unwrap());
        }
        let kept = exemplars.of("a").unwrap();
        let kept = kept.iter().filter_map(|bucket| Some(bucket.load_full()?.trace_id.clone()));
        assert_eq!(kept.collect::<Vec<_>>(), ["1", "3", "4", "6"]);
    }
}
