//! The handles of all keepers, and which of them is asked what.

use std::{convert::Infallible, sync::Arc, time::Duration};

use super::{Look, QuotaKeeper, Take, Verdict, wait_list::WaitList};
use crate::{
    actors::{
        handle::{Handle, NoAnswer},
        quota_lender::Lender,
        roster::Roster,
        supervisor::{Starts, supervise},
    },
    clock::Clock,
    domain::{
        ids::UserId,
        lease::HolderId,
        limit::{
            Standing,
            shard::{Charges, Setting, Shard, TooManySubjects},
        },
    },
};

/// The name of every keeper in the roster.
pub const NAME: &str = "quota_keeper";

/// How old what is shown may be where nothing hangs on it.
const GLANCE_NS: u64 = 100_000_000;

/// The handles of all keepers. Clones share them.
#[derive(Clone)]
pub struct Quotas {
    shards: Arc<[Handle<QuotaKeeper>]>,
    lender: Lender,
}

/// What a keeper is built from, again after each restart.
#[derive(Clone)]
pub struct Blueprint {
    pub clock: Clock,
    /// How many subjects it tracks at most.
    pub max_subjects: usize,
    /// Whether replicas share limits over a Redis.
    pub with_redis: bool,
}

impl Starts for Quotas {
    type Blueprint = Blueprint;
    type Error = Infallible;

    /// Starts the keeper of the first shard that has none, on this thread. A worker that was replaced leaves its
    /// shard free for its successor.
    async fn start_here(&self, roster: &Roster, blueprint: Blueprint) -> Result<(), Infallible> {
        let claimed = self.shards.iter().find_map(|handle| Some((handle.claim()?, handle.clone())));
        let Some((claim, handle)) = claimed else { return Ok(()) };
        let successor = handle.clone();
        let (keepers, lender) = (u64::try_from(self.shards.len()).unwrap_or(u64::MAX), self.lender.clone());
        let build = move |lifeline| {
            // Held as long as this thread supervises the keeper.
            let _ = &claim;
            let Blueprint { clock, max_subjects, with_redis } = blueprint.clone();
            let setting = Setting {
                max_subjects,
                inherited_ns: successor.has_run().then(|| clock.monotonic_ns()),
                with_redis,
                keeps_all: false,
                keepers,
                replicas: lender.replicas(),
                holder: HolderId(clock.new_id().as_u128()),
            };
            let keeper = QuotaKeeper {
                clock,
                own: successor.clone(),
                incarnation: successor.restarts(),
                shard: Shard::new(setting),
                lender: lender.clone(),
                waiting: WaitList::default(),
                alarm: None,
                _lifeline: lifeline,
            };
            std::future::ready(Ok::<_, Infallible>(keeper))
        };
        // Starting a keeper reads nothing and cannot fail.
        supervise(roster, handle, build).await
    }
}

impl Quotas {
    /// Handles for `shards` keepers, none of which runs yet. Each takes `max_in_flight` messages, and keeps room for the
    /// ends of `max_calls` calls.
    #[must_use]
    pub fn new(shards: usize, max_in_flight: usize, max_calls: usize, deadline: Duration, lender: Lender) -> Self {
        let bound = max_in_flight.saturating_add(max_calls);
        Self { shards: (0..shards).map(|_| Handle::new(NAME, bound, deadline)).collect(), lender }
    }

    /// Checks and charges every policy, or none.
    pub async fn take(&self, user: UserId, charges: Charges) -> Result<Result<Verdict, TooManySubjects>, NoAnswer> {
        let keeper = self.shard(user)?;
        keeper.ask(Take { charges, permit: keeper.permit()? }).await
    }

    /// How the policies stand; charges nothing.
    pub async fn look(&self, user: UserId, charges: Charges) -> Result<Vec<Standing>, NoAnswer> {
        self.see(user, Look { charges, max_age_ns: 0 }).await
    }

    /// How the policies stood a moment ago at the latest, so that refused calls cost those who lend next to nothing.
    pub async fn glance(&self, user: UserId, charges: Charges) -> Result<Vec<Standing>, NoAnswer> {
        self.see(user, Look { charges, max_age_ns: GLANCE_NS }).await
    }

    async fn see(&self, user: UserId, look: Look) -> Result<Vec<Standing>, NoAnswer> {
        if look.charges.is_empty() {
            return Ok(vec![]);
        }
        self.shard(user)?.ask(look).await
    }

    /// True when every keeper runs.
    pub fn are_running(&self) -> bool {
        self.keepers().all(Handle::is_running)
    }

    /// The handles, for metrics.
    pub fn keepers(&self) -> impl Iterator<Item = &Handle<QuotaKeeper>> {
        self.shards.iter()
    }

    /// The low half of a UUIDv7 is random, so it spreads users evenly.
    fn shard(&self, user: UserId) -> Result<&Handle<QuotaKeeper>, NoAnswer> {
        let (_, low) = user.0.as_u64_pair();
        let count = u64::try_from(self.shards.len()).unwrap_or(1).max(1);
        usize::try_from(low % count).ok().and_then(|index| self.shards.get(index)).ok_or(NoAnswer::Dead)
    }
}
