//! Where a shard stands: what it may hold, and who else draws from what it borrows.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::domain::{
    lease::HolderId,
    limit::{Home, Per, Policy, bucket::Bucket, rate::Rate},
};

/// Where a shard stands: what it may hold, and who else draws from what it borrows.
#[derive(Debug, Clone)]
pub struct Setting {
    /// How many subjects it tracks at most.
    pub max_subjects: usize,
    /// When a shard before this one was lost: what its buckets held is not known and taken as spent.
    pub inherited_ns: Option<u64>,
    pub with_redis: bool,
    /// Whether it keeps every bucket itself, whoever shares it: nobody else counts.
    pub keeps_all: bool,
    /// How many keepers this process has.
    pub keepers: u64,
    /// How many replicas were last counted.
    pub replicas: Arc<AtomicU64>,
    /// The first of the names under which it borrows; nobody else uses this one and those after it.
    pub holder: HolderId,
}

impl Setting {
    /// A shard that borrows nothing from other replicas and tracks at most `max_subjects`.
    #[must_use]
    pub fn alone(max_subjects: usize) -> Self {
        let replicas = Arc::new(AtomicU64::new(1));
        Self {
            max_subjects,
            inherited_ns: None,
            with_redis: false,
            keeps_all: false,
            keepers: 1,
            replicas,
            holder: HolderId(0),
        }
    }

    /// A shard that keeps every bucket itself, as many as there are.
    #[must_use]
    pub fn keeping_all() -> Self {
        Self { keeps_all: true, ..Self::alone(usize::MAX) }
    }

    /// Whether this keeper has what was used of a policy, and borrows nothing.
    pub(super) fn keeps(&self, policy: &Policy) -> bool {
        self.keeps_all || policy.home(self.with_redis) == Home::Keeper
    }

    /// How many keepers share a policy of this kind while none of them can ask.
    pub(super) fn shares(&self, per: Per) -> u64 {
        let keepers = if let Per::User | Per::Key = per { 1 } else { self.keepers.max(1) };
        self.replicas.load(Ordering::Relaxed).max(1).saturating_mul(keepers)
    }

    /// A bucket that this keeper has nothing of.
    pub(super) fn unseen(&self, rate: Rate) -> Bucket {
        self.inherited_ns.map_or(Bucket::full(), |died_ns| Bucket::spent(rate, died_ns))
    }
}
