//! What a call would take from the buckets of its policies, and how a bucket is named.

use std::sync::Arc;

use crate::domain::limit::{Policy, Subject};

/// Names a bucket within this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId {
    /// The number of the policy's name, kind of subject and unit, which stays the same as long as the process lives.
    pub series: u32,
    pub subject: Subject,
}

/// What a call would take from one policy.
#[derive(Debug, Clone)]
pub struct Charge {
    /// The number of the policy's name, kind of subject and unit, which stays the same as long as the process lives.
    pub series: u32,
    pub policy: Arc<Policy>,
    pub subject: Subject,
    /// At least 1.
    pub units: u64,
}

impl Charge {
    /// The bucket that the charge is taken from.
    pub const fn bucket(&self) -> BucketId {
        BucketId { series: self.series, subject: self.subject }
    }
}

/// The charges of a call: one for every policy that applies to it.
pub type Charges = Arc<[Charge]>;

/// The shard tracks as many subjects as it may, and none of them can be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("as many subjects are tracked as may be, and none of them can be forgotten")]
pub struct TooManySubjects;
