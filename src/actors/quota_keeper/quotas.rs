//! The handles of all keepers, and which of them is asked what.

use std::{convert::Infallible, sync::Arc, time::Duration};

use super::{Charge, Look, QuotaKeeper, Take, TooManySubjects, Verdict, shard::Shard};
use crate::{
    actors::{
        handle::{Handle, NoAnswer},
        supervisor::supervise,
    },
    clock::Clock,
    domain::{
        ids::UserId,
        limit::{Per, Standing},
    },
};

/// The handles of all keepers. Clones share them.
#[derive(Clone)]
pub struct Quotas {
    shards: Arc<[Handle<QuotaKeeper>]>,
    /// Keeps what many users share.
    common: Handle<QuotaKeeper>,
}

/// What a call would take, apart by who keeps it.
pub struct Charges {
    own: Arc<[Charge]>,
    common: Arc<[Charge]>,
}

impl FromIterator<Charge> for Charges {
    fn from_iter<I: IntoIterator<Item = Charge>>(charges: I) -> Self {
        let is_own = |charge: &Charge| matches!(charge.policy.per, Per::User | Per::Key);
        let (own, common): (Vec<_>, Vec<_>) = charges.into_iter().partition(is_own);
        Self { own: own.into(), common: common.into() }
    }
}

impl Charges {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.common.is_empty()
    }
}

/// What came of asking the keepers: at most two verdicts, and each has its ticket if the call is admitted.
pub type Verdicts = Vec<Verdict>;

impl Quotas {
    /// Handles for `shards` keepers and the common one, none of which runs yet. Each takes `max_in_flight` messages, and
    /// keeps room for the ends of `max_calls` calls.
    #[must_use]
    pub fn new(shards: usize, max_in_flight: usize, max_calls: usize, deadline: Duration) -> Self {
        let bound = max_in_flight.saturating_add(max_calls);
        let handle = || Handle::new("quota_keeper", bound, deadline);
        Self { shards: (0..shards).map(|_| handle()).collect(), common: handle() }
    }

    /// Starts the keeper of the first shard that has none, on this thread. A worker that was replaced leaves its
    /// shard free for its successor.
    pub async fn start_here(&self, clock: Clock, max_subjects: usize) {
        if let Some(free) = self.shards.iter().find(|handle| !handle.is_claimed()) {
            start(free, clock, max_subjects).await;
        }
    }

    /// Starts the common keeper, on this thread.
    pub async fn start_common_here(&self, clock: Clock, max_subjects: usize) {
        start(&self.common, clock, max_subjects).await;
    }

    /// Checks and charges every policy, or none: the user's own first. Where the common keeper refuses, the drop of the
    /// first verdict gives the user's own charges back.
    pub async fn take(&self, user: UserId, charges: Charges) -> Result<Result<Verdicts, TooManySubjects>, NoAnswer> {
        let mut verdicts = vec![];
        for (keeper, charges) in [(self.shard(user)?, charges.own), (&self.common, charges.common)] {
            if charges.is_empty() {
                continue;
            }
            let verdict = match keeper.ask(Take { charges, permit: keeper.permit()? }).await? {
                Ok(verdict) => verdict,
                Err(error) => return Ok(Err(error)),
            };
            let refused = verdict.ticket.is_none();
            verdicts.push(verdict);
            if refused {
                break;
            }
        }
        Ok(Ok(verdicts))
    }

    /// How the policies stand; charges nothing.
    pub async fn look(&self, user: UserId, charges: Charges) -> Result<Vec<Standing>, NoAnswer> {
        let mut standings = vec![];
        for (keeper, charges) in [(self.shard(user)?, charges.own), (&self.common, charges.common)] {
            if !charges.is_empty() {
                standings.extend(keeper.ask(Look { charges }).await?);
            }
        }
        Ok(standings)
    }

    /// True when every keeper runs.
    #[must_use]
    pub fn are_running(&self) -> bool {
        self.keepers().all(Handle::is_running)
    }

    /// The handles, for metrics.
    pub fn keepers(&self) -> impl Iterator<Item = &Handle<QuotaKeeper>> {
        self.shards.iter().chain([&self.common])
    }

    /// The low half of a UUIDv7 is random, so it spreads users evenly.
    fn shard(&self, user: UserId) -> Result<&Handle<QuotaKeeper>, NoAnswer> {
        let (_, low) = user.0.as_u64_pair();
        let count = u64::try_from(self.shards.len()).unwrap_or(1).max(1);
        usize::try_from(low % count).ok().and_then(|index| self.shards.get(index)).ok_or(NoAnswer::Dead)
    }
}

async fn start(handle: &Handle<QuotaKeeper>, clock: Clock, max_subjects: usize) {
    let Some(claim) = handle.claim() else { return };
    let heir = handle.clone();
    let build = move |lifeline| {
        // Held as long as this thread supervises the keeper.
        let _ = &claim;
        let inherited_ns = heir.has_run().then(|| clock.monotonic_ns());
        let keeper = QuotaKeeper {
            clock: clock.clone(),
            own: heir.clone(),
            incarnation: heir.restarts(),
            shard: Shard::new(max_subjects, inherited_ns),
            _lifeline: lifeline,
        };
        std::future::ready(Ok::<_, Infallible>(keeper))
    };
    // Starting a keeper reads nothing and cannot fail.
    let Ok(()) = supervise(handle.clone(), build).await;
}
