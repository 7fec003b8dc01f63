//! An ask of a shard for units of a bucket that is kept elsewhere.

use std::sync::Arc;

use super::charge::BucketId;
use crate::domain::{lease::Ask, limit::Home};

/// An ask, and where it is to be carried.
#[derive(Debug, Clone)]
pub struct Loan {
    pub bucket: BucketId,
    /// The name of the account, the same on every replica.
    pub name: Arc<str>,
    pub home: Home,
    pub ask: Ask,
    /// Microseconds in a moment of the ask.
    pub moment_us: u64,
}
