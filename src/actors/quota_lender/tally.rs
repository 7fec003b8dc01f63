//! How many asks went to Redis and to the store, and what came of them; read when the metrics are.

use std::sync::atomic::{AtomicU64, Ordering};

/// What came of an ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    /// One as new had been heard before.
    Stale,
    /// Redis does not know what was used, and is being made ready.
    Forgotten,
    Failed,
    /// It was not sent, because what it was for is known to be away or late.
    Unsent,
}

const FATES: [(Fate, &str); 5] = [
    (Fate::Answered, "answered"),
    (Fate::Stale, "stale"),
    (Fate::Forgotten, "forgotten"),
    (Fate::Failed, "failed"),
    (Fate::Unsent, "unsent"),
];

/// How many asks of a kind there were since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Where the buckets live: `redis` or `store`.
    pub home: &'static str,
    pub result: &'static str,
    pub count: u64,
}

#[derive(Default)]
pub(super) struct Tally {
    pub redis: Counts,
    pub store: Counts,
}

#[derive(Default)]
pub(super) struct Counts([AtomicU64; FATES.len()]);

impl Counts {
    pub(super) fn add(&self, fate: Fate) {
        let count = FATES.iter().zip(&self.0).find(|((of, _), _)| *of == fate);
        if let Some((_, count)) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self, home: &'static str) -> impl Iterator<Item = Asked> {
        let asked = move |((_, result), count): (&(Fate, &'static str), &AtomicU64)| Asked {
            home,
            result,
            count: count.load(Ordering::Relaxed),
        };
        FATES.iter().zip(&self.0).map(asked)
    }
}

impl Tally {
    pub(super) fn read(&self) -> Vec<Asked> {
        self.redis.read("redis").chain(self.store.read("store")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ask_is_counted_by_what_came_of_it() {
        let tally = Tally::default();
        tally.redis.add(Fate::Answered);
        tally.redis.add(Fate::Answered);
        tally.store.add(Fate::Unsent);
        let counted: Vec<Asked> = tally.read().into_iter().filter(|asked| asked.count > 0).collect();
        let asked = |home, result, count| Asked { home, result, count };
        assert_eq!(counted, [asked("redis", "answered", 2), asked("store", "unsent", 1)]);
    }
}
