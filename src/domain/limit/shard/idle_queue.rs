//! In which order subjects can be forgotten: by the time at which each has again all that it may have.
//!
//! A subject is noted once, for the time that is known then. When that has come it is looked at; if it was charged
//! meanwhile, it is noted for a later time. So every look is paid for by a charge, and nothing is ever searched. The lender
//! keeps its accounts in such an order too. Times are of one clock and of one unit, which the owner knows.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::charge::BucketId;

/// Buckets by the time at which they may be forgotten, in nanoseconds of the monotonic clock.
#[derive(Default)]
pub struct IdleQueue(BinaryHeap<Reverse<(u64, BucketId)>>);

impl IdleQueue {
    /// Adds a bucket that may be forgotten from `due` on.
    pub fn note(&mut self, due: u64, bucket: BucketId) {
        self.0.push(Reverse((due, bucket)));
    }

    /// Takes out the earliest, if it is due by then.
    pub fn next(&mut self, by: u64) -> Option<(u64, BucketId)> {
        let is_due = self.0.peek().is_some_and(|Reverse((due, _))| *due <= by);
        is_due.then(|| self.0.pop()).flatten().map(|Reverse(noted)| noted)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Strikes out the notes that do not hold any more.
    pub(super) fn retain(&mut self, holds: impl Fn(u64, BucketId) -> bool) {
        self.0.retain(|Reverse((due, bucket))| holds(*due, *bucket));
    }
}
