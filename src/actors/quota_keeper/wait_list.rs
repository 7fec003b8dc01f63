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
    /// When it came.
    pub since_ns: u64,
    /// Once it waits: its position among those that do.
    pub position: Option<Position>,
}

/// A position in the list: those whose wait ends first are first, and of equals those that came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    until_ns: u64,
    number: u64,
}

/// A reader who wants to know how policies stand.
pub(super) struct Viewer {
    pub charges: Charges,
    pub reply: Reply<Vec<Standing>>,
    /// The buckets whose standing was asked for and not answered yet.
    pub asked: Vec<BucketId>,
}

/// Those whose wait has ended.
pub(super) struct Overdue {
    pub calls: Vec<Call>,
    pub viewers: Vec<Viewer>,
}

/// Those that wait, in the order in which their waits end.
#[derive(Default)]
pub(super) struct WaitList {
    last: u64,
    calls: BTreeMap<Position, Call>,
    viewers: BTreeMap<Position, Viewer>,
}

impl WaitList {
    /// Adds a call whose wait ends `patience_ns` after it came. One that was taken out goes back to its position, or behind it
    /// if what it waits for now has more patience.
    pub(super) fn wait(&mut self, mut call: Call, patience_ns: u64) {
        let until_ns = call.since_ns.saturating_add(patience_ns);
        let position = match call.position {
            Some(before) => Position { until_ns: before.until_ns.max(until_ns), ..before },
            None => self.next(until_ns),
        };
        call.position = Some(position);
        self.calls.insert(position, call);
    }

    /// Adds a viewer whose wait ends at `until_ns`.
    pub(super) fn look(&mut self, viewer: Viewer, until_ns: u64) {
        let position = self.next(until_ns);
        self.viewers.insert(position, viewer);
    }

    /// When the first wait ends.
    pub(super) fn first_until_ns(&self) -> Option<u64> {
        let until_ns = |position: &Position| position.until_ns;
        let firsts = [self.calls.keys().next().map(until_ns), self.viewers.keys().next().map(until_ns)];
        firsts.into_iter().flatten().min()
    }

    /// Takes out those whose wait has ended by `now_ns`.
    pub(super) fn overdue(&mut self, now_ns: u64) -> Overdue {
        let last = Position { until_ns: now_ns, number: u64::MAX };
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

    /// Takes out the calls that would take something of a bucket.
    pub(super) fn calls_for(&mut self, bucket: BucketId) -> Vec<Call> {
        let takes = |charge: &Charge| charge.bucket() == bucket;
        self.calls.extract_if(.., |_, call| call.charges.iter().any(takes)).map(|(_, call)| call).collect()
    }

    /// Takes out the viewers that waited only for this bucket.
    pub(super) fn viewers_of(&mut self, bucket: BucketId) -> Vec<Viewer> {
        let is_served = |_: &Position, viewer: &mut Viewer| {
            viewer.asked.retain(|asked| *asked != bucket);
            viewer.asked.is_empty()
        };
        self.viewers.extract_if(.., is_served).map(|(_, viewer)| viewer).collect()
    }

    const fn next(&mut self, until_ns: u64) -> Position {
        self.last = self.last.wrapping_add(1);
        Position { until_ns, number: self.last }
    }
}
