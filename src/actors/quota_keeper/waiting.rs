//! Calls and viewers that wait until the lender has answered.

use std::collections::BTreeMap;

use super::{Charge, Charges, TooManySubjects, Verdict};
use crate::{
    actors::{
        handle::{Permit, Reply},
        quota_lender::BucketId,
    },
    domain::limit::Standing,
};

/// A call that is to be decided.
pub(super) struct Call {
    pub charges: Charges,
    pub permit: Permit,
    pub reply: Reply<Result<Verdict, TooManySubjects>>,
    /// Its place among those that wait, once it does.
    pub number: Option<u64>,
}

/// Somebody who wants to know how policies stand.
pub(super) struct Viewer {
    pub charges: Charges,
    pub reply: Reply<Vec<Standing>>,
    /// How these stand was asked and not answered.
    pub asked: Vec<BucketId>,
}

/// Those that wait, in the order in which they came.
#[derive(Default)]
pub(super) struct Waiting {
    last: u64,
    calls: BTreeMap<u64, Call>,
    viewers: BTreeMap<u64, Viewer>,
}

impl Waiting {
    /// Adds a call; returns its number, and whether it has not waited before.
    pub(super) fn wait(&mut self, mut call: Call) -> (u64, bool) {
        let is_new = call.number.is_none();
        let number = call.number.unwrap_or_else(|| self.next());
        call.number = Some(number);
        self.calls.insert(number, call);
        (number, is_new)
    }

    pub(super) fn stop_waiting(&mut self, number: u64) -> Option<Call> {
        self.calls.remove(&number)
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

    pub(super) fn look(&mut self, viewer: Viewer) -> u64 {
        let number = self.next();
        self.viewers.insert(number, viewer);
        number
    }

    pub(super) fn stop_looking(&mut self, number: u64) -> Option<Viewer> {
        self.viewers.remove(&number)
    }

    /// The viewers who were told everything with the answer for this bucket; they wait no longer.
    pub(super) fn viewers_of(&mut self, bucket: BucketId) -> Vec<Viewer> {
        let is_served = |_: &u64, viewer: &mut Viewer| {
            viewer.asked.retain(|asked| *asked != bucket);
            viewer.asked.is_empty()
        };
        self.viewers.extract_if(.., is_served).map(|(_, viewer)| viewer).collect()
    }

    const fn next(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.last
    }
}
