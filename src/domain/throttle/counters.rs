//! The counters of one kind, by key, in bounded memory.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use super::{Charge, Scale};

/// How many quiet counters each failure clears away: more than it adds, so that they go faster than others come.
const FORGOTTEN_AT_ONCE: usize = 4;

/// Failures since the last quiet time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counter {
    pub failures: u32,
    /// When the last of them was counted.
    pub last_ns: u64,
}

/// Above the bound the counters that matter least go first: those below the threshold, which hold nobody back yet, and
/// of each sort the one whose last failure is the longest ago. So what throttles somebody goes only where everything
/// kept does: names that are made up push out each other, because a network is throttled itself before it has brought
/// many of them to their thresholds.
pub(super) struct Counters<K> {
    scale: Scale,
    max: usize,
    by_key: HashMap<K, Counter>,
    /// The same counters by their last failure: those below the threshold, and those from it on.
    harmless: BTreeSet<(u64, K)>,
    throttling: BTreeSet<(u64, K)>,
}

impl<K: Copy + Eq + Hash + Ord> Counters<K> {
    pub(super) fn new(scale: Scale, max: usize) -> Self {
        Self { scale, max, by_key: HashMap::new(), harmless: BTreeSet::new(), throttling: BTreeSet::new() }
    }

    pub(super) const fn scale(&self) -> Scale {
        self.scale
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Nanoseconds until a try is admitted; zero if it is now.
    pub(super) fn wait_ns(&self, key: &K, now_ns: u64) -> u64 {
        let counter = self.read(key, now_ns);
        counter.last_ns.saturating_add(self.scale.wait_ns(counter.failures)).saturating_sub(now_ns)
    }

    /// Admits a try that has not to wait. At the threshold it is charged before it has run.
    pub(super) fn admit(&mut self, key: K, now_ns: u64) -> Charge {
        let before = self.read(&key, now_ns);
        if !self.scale.throttles(before.failures) {
            return Charge::Free;
        }
        self.count(key, now_ns);
        Charge::Counted(before)
    }

    /// A try was wrong.
    pub(super) fn fail(&mut self, key: K, charge: Charge, now_ns: u64) {
        if charge == Charge::Free {
            self.count(key, now_ns);
        }
    }

    /// A try was right: takes back its charge and no other.
    pub(super) fn give_back(&mut self, key: K, charge: Charge, now_ns: u64) {
        let Charge::Counted(before) = charge else {
            return;
        };
        let counter = self.read(&key, now_ns);
        let failures = counter.failures.saturating_sub(1);
        // A try that was admitted below the threshold may have failed meanwhile; its time stands.
        let last_ns = if failures == before.failures { before.last_ns } else { counter.last_ns };
        self.write(key, Counter { failures, last_ns });
    }

    pub(super) fn forget(&mut self, key: &K) {
        if let Some(counter) = self.by_key.remove(key) {
            self.sort_of(counter).remove(&(counter.last_ns, *key));
        }
    }

    fn count(&mut self, key: K, now_ns: u64) {
        let failures = self.read(&key, now_ns).failures.saturating_add(1);
        self.forget_quiet(now_ns);
        self.write(key, Counter { failures, last_ns: now_ns });
    }

    fn read(&self, key: &K, now_ns: u64) -> Counter {
        let known = self.by_key.get(key).copied();
        known.filter(|counter| !self.is_quiet(counter.last_ns, now_ns)).unwrap_or_default()
    }

    fn write(&mut self, key: K, counter: Counter) {
        self.forget(&key);
        if counter.failures == 0 {
            return;
        }
        // Before the new one is in, which would be the first to go where all others throttle.
        if self.len() >= self.max
            && let Some((_, least)) = self.oldest().next()
        {
            self.forget(&least);
        }
        self.by_key.insert(key, counter);
        self.sort_of(counter).insert((counter.last_ns, key));
    }

    fn forget_quiet(&mut self, now_ns: u64) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let Some((_, key)) = self.oldest().find(|(last_ns, _)| self.is_quiet(*last_ns, now_ns)) else {
                return;
            };
            self.forget(&key);
        }
    }

    /// The oldest of each sort, the one that matters less first.
    fn oldest(&self) -> impl Iterator<Item = (u64, K)> + use<K> {
        [self.harmless.first().copied(), self.throttling.first().copied()].into_iter().flatten()
    }

    const fn is_quiet(&self, last_ns: u64, now_ns: u64) -> bool {
        now_ns.saturating_sub(last_ns) >= self.scale.quiet_ns
    }

    const fn sort_of(&mut self, counter: Counter) -> &mut BTreeSet<(u64, K)> {
        if self.scale.throttles(counter.failures) { &mut self.throttling } else { &mut self.harmless }
    }
}

#[cfg(test)]
impl<K: Copy + Eq + Hash + Ord> Counters<K> {
    pub(super) fn contains(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    pub(super) fn is_consistent(&self) -> bool {
        let listed = |(key, counter): (&K, &Counter)| {
            let throttles = self.scale.throttles(counter.failures);
            let entry = (counter.last_ns, *key);
            self.throttling.contains(&entry) == throttles && self.harmless.contains(&entry) != throttles
        };
        self.by_key.len() == self.harmless.len() + self.throttling.len() && self.by_key.iter().all(listed)
    }
}
