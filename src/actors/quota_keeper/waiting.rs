//! Calls and viewers that wait until the lender has answered.

use std::collections::BTreeMap;

use super::Verdict;
use crate::{
    actors::handle::{Permit, Reply},
    domain::limit::{
        Standing,
        shard::{BucketId, Charge, Charges, TooManySubjects},
    },
};

/// A call that is to be decided.
pub(super) struct Call {
    pub charges: Charges,
    pub permit: Permit,
    pub reply: Reply<Result<Verdict, TooManySubjects>>,
    /// Once it waits: its place among those that do, and since when.
    pub place: Option<Place>,
}

/// A place among those that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    since_ns: u64,
    number: u64,
}

/// Somebody who wants to know how policies stand.
pub(super) struct Viewer {
    pub charges: Charges,
    pub reply: Reply<Vec<Standing>>,
    /// How these stand was asked and not answered.
    pub asked: Vec<BucketId>,
}

/// Whoever has waited for long enough.
pub(super) struct Overdue {
    pub calls: Vec<Call>,
    pub viewers: Vec<Viewer>,
}

/// Those that wait, in the order in which they came.
#[derive(Default)]
pub(super) struct Waiting {
    last: u64,
    calls: BTreeMap<Place, Call>,
    viewers: BTreeMap<Place, Viewer>,
}

impl Waiting {
    /// Adds a call, or one that was taken out back to its place.
    pub(super) fn wait(&mut self, mut call: Call, now_ns: u64) {
        let place = call.place.unwrap_or_else(|| self.next(now_ns));
        call.place = Some(place);
        self.calls.insert(place, call);
    }

    pub(super) fn look(&mut self, viewer: Viewer, now_ns: u64) {
        let place = self.next(now_ns);
        self.viewers.insert(place, viewer);
    }

    /// Since when the one waits who has waited longest.
    pub(super) fn longest_since_ns(&self) -> Option<u64> {
        let since_ns = |place: &Place| place.since_ns;
        let firsts = [self.calls.keys().next().map(since_ns), self.viewers.keys().next().map(since_ns)];
        firsts.into_iter().flatten().min()
    }

    /// Those who have waited since then or longer; they wait no longer.
    pub(super) fn overdue(&mut self, since_ns: u64) -> Overdue {
        let last = Place { since_ns, number: u64::MAX };
        Overdue {
            calls: self.calls.extract_if(..=last, |_, _| true).map(|(_, call)| call).collect(),
            viewers: self.viewers.extract_if(..=last, |_, _| true).map(|(_, viewer)| viewer).collect(),
        }
    }

    /// How many units all calls that wait would take of a bucket.
    pub(super) fn units(&self, bucket: BucketId) -> u64 {
        let charges = self.calls.values().flat_map(|call| call.charges.iter());
        charges.filter(|charge| charge.bucket() == bucket).fold(0, |sum, charge| sum.saturating_add(charge.units))
    }

    /// The calls that would take something of a bucket; they wait no longer.
    pub(super) fn calls_for(&mut self, bucket: BucketId) -> Vec<Call> {
        let speaks = |charge: &Charge| charge.bucket() == bucket;
        self.calls.extract_if(.., |_, call| call.charges.iter().any(speaks)).map(|(_, call)| call).collect()
    }

    /// The viewers who were told everything with the answer for this bucket; they wait no longer.
    pub(super) fn viewers_of(&mut self, bucket: BucketId) -> Vec<Viewer> {
        let is_served = |_: &Place, viewer: &mut Viewer| {
            viewer.asked.retain(|asked| *asked != bucket);
            viewer.asked.is_empty()
        };
        self.viewers.extract_if(.., is_served).map(|(_, viewer)| viewer).collect()
    }

    const fn next(&mut self, since_ns: u64) -> Place {
        self.last = self.last.wrapping_add(1);
        Place { since_ns, number: self.last }
    }
}
