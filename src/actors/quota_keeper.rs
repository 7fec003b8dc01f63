//! `QuotaKeeper`: owns the rate buckets of the users of its shard, in memory.
//!
//! One runs on each worker thread, and a user's shard is a hash of the id, so a call is decided by one message to one
//! place: every policy is checked, then all are charged or none. Called by `pipeline::limit` through [`Quotas`]. It
//! never waits and never touches a store.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use actix::{Actor, Context, Handler};

use super::{
    handle::{Ask, Handle, NoAnswer, Request},
    supervisor::{Lifeline, supervise},
};
use crate::{
    clock::Clock,
    domain::{
        ids::UserId,
        limit::{Allowance, Policy, Standing},
        quota::{Bucket, Rate},
    },
};

const SWEEP_EVERY_NS: u64 = 100_000_000;

/// The policies that speak of one route, in the order they are configured.
pub type Policies = Arc<[Arc<Policy>]>;

/// A charge against every policy of a route.
pub struct Take {
    pub user: UserId,
    pub policies: Policies,
    /// Units of a policy that counts requests; at least 1.
    pub weight: u64,
}

/// What all policies said. Nothing was charged unless all had room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub standings: Vec<Standing>,
    /// When it was decided, on the monotonic clock; a refund names it.
    pub decided_ns: u64,
}

impl Verdict {
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.standings.iter().all(|standing| standing.retry_after_ns.is_none())
    }
}

impl Request for Take {
    type Answer = Result<Verdict, TooManySubjects>;
}

/// The shard tracks as many subjects as it may, and none of them is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManySubjects;

/// Gives back what a [`Take`] charged, because the call never reached its upstream.
pub struct Refund {
    pub user: UserId,
    pub policies: Policies,
    pub weight: u64,
    /// [`Verdict::decided_ns`] of the charge.
    pub charged_ns: u64,
}

impl Request for Refund {
    type Answer = ();
}

/// How the policies stand for a user; charges nothing.
pub struct Look {
    pub user: UserId,
    pub policies: Policies,
}

impl Request for Look {
    type Answer = Vec<Standing>;
}

pub struct QuotaKeeper {
    clock: Clock,
    max_subjects: usize,
    /// By policy and user. A bucket that is not here is as [`QuotaKeeper::unseen`] says.
    buckets: HashMap<(Arc<str>, UserId), Bucket>,
    /// When a keeper before this one died: what its buckets held is not known and taken as spent.
    inherited_ns: Option<u64>,
    /// When full buckets may be looked for again: at the bound, every call would.
    next_sweep_ns: u64,
    _lifeline: Lifeline,
}

impl Actor for QuotaKeeper {
    type Context = Context<Self>;
}

impl Handler<Ask<Take>> for QuotaKeeper {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Take>, _: &mut Self::Context) {
        reply.answer(self.take(&request));
    }
}

impl Handler<Ask<Refund>> for QuotaKeeper {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Refund>, _: &mut Self::Context) {
        let now_ns = self.clock.monotonic_ns();
        for policy in request.policies.iter() {
            if let Some(bucket) = self.buckets.get_mut(&(Arc::clone(&policy.name), request.user)) {
                bucket.refund(rate(policy), request.weight, request.charged_ns, now_ns);
            }
        }
        reply.answer(());
    }
}

impl Handler<Ask<Look>> for QuotaKeeper {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Look>, _: &mut Self::Context) {
        let now_ns = self.clock.monotonic_ns();
        let standing = |policy: &Arc<Policy>| self.standing(policy, request.user, 1, now_ns);
        reply.answer(request.policies.iter().map(standing).collect());
    }
}

impl QuotaKeeper {
    fn take(&mut self, take: &Take) -> Result<Verdict, TooManySubjects> {
        let now_ns = self.clock.monotonic_ns();
        let check = |policy: &Arc<Policy>| self.standing(policy, take.user, take.weight, now_ns);
        let verdict = Verdict { standings: take.policies.iter().map(check).collect(), decided_ns: now_ns };
        if !verdict.is_admitted() {
            return Ok(verdict);
        }
        self.make_room(take, now_ns)?;
        for policy in take.policies.iter() {
            let unseen = self.unseen(policy);
            let bucket = self.buckets.entry((Arc::clone(&policy.name), take.user)).or_insert(unseen);
            bucket.charge(rate(policy), take.weight, now_ns);
        }
        // Read again, so that the answer tells what is left after this call.
        let standings = take.policies.iter().map(|policy| self.standing(policy, take.user, 0, now_ns)).collect();
        Ok(Verdict { standings, decided_ns: now_ns })
    }

    fn standing(&self, policy: &Policy, user: UserId, units: u64, now_ns: u64) -> Standing {
        let bucket = self.buckets.get(&(Arc::clone(&policy.name), user)).copied();
        let reading = bucket.unwrap_or_else(|| self.unseen(policy)).read(rate(policy), units, now_ns);
        Standing {
            policy: Arc::clone(&policy.name),
            unit: policy.unit,
            limit: policy.limit(),
            window_s: policy.window_s(),
            remaining: reading.remaining,
            reset_s: Some(reading.full_in_ns.div_ceil(1_000_000_000)),
            retry_after_ns: (reading.fits_in_ns > 0).then_some(reading.fits_in_ns),
        }
    }

    fn unseen(&self, policy: &Policy) -> Bucket {
        self.inherited_ns.map_or(Bucket::full(), |died_ns| Bucket::spent(rate(policy), died_ns))
    }

    /// Forgets full buckets when there are too many. A bucket in use is never forgotten: that would give back what was
    /// taken from it.
    fn make_room(&mut self, take: &Take, now_ns: u64) -> Result<(), TooManySubjects> {
        let is_new = |policy: &&Arc<Policy>| !self.buckets.contains_key(&(Arc::clone(&policy.name), take.user));
        let new = take.policies.iter().filter(is_new).count();
        if new == 0 || self.buckets.len().saturating_add(new) <= self.max_subjects {
            return Ok(());
        }
        if now_ns < self.next_sweep_ns {
            return Err(TooManySubjects);
        }
        self.next_sweep_ns = now_ns.saturating_add(SWEEP_EVERY_NS);
        let rates: HashMap<_, _> = take.policies.iter().map(|p| (Arc::clone(&p.name), rate(p))).collect();
        self.buckets.retain(|(policy, _), bucket| rates.get(policy).is_none_or(|rate| !bucket.is_full(*rate, now_ns)));
        let fits = self.buckets.len().saturating_add(new) <= self.max_subjects;
        if fits { Ok(()) } else { Err(TooManySubjects) }
    }
}

/// Only rates are kept yet.
fn rate(policy: &Policy) -> Rate {
    match policy.allowance {
        Allowance::Rate(rate) => rate,
        Allowance::Places(_) => Rate::new(1, 1, 1).unwrap_or_else(|_| std::process::abort()),
    }
}

/// The handles of all shards. Clones share them.
#[derive(Clone)]
pub struct Quotas {
    shards: Arc<[Handle<QuotaKeeper>]>,
}

impl Quotas {
    /// Handles for `shards` keepers, none of which runs yet.
    #[must_use]
    pub fn new(shards: usize, max_in_flight: usize, deadline: Duration) -> Self {
        let handle = |_| Handle::new("quota_keeper", max_in_flight, deadline);
        Self { shards: (0..shards).map(handle).collect() }
    }

    /// Starts the keeper of the first shard that has none, on this thread. A worker that was replaced leaves its
    /// shard free for its successor.
    pub async fn start_here(&self, clock: Clock, max_subjects: usize) {
        let Some((handle, claim)) = self.shards.iter().find_map(|handle| Some((handle, handle.claim()?))) else {
            return;
        };
        let heir = handle.clone();
        let build = move |lifeline| {
            // Held as long as this thread supervises the shard.
            let _ = &claim;
            let inherited_ns = heir.has_run().then(|| clock.monotonic_ns());
            let keeper = QuotaKeeper {
                clock: clock.clone(),
                max_subjects,
                buckets: HashMap::new(),
                inherited_ns,
                next_sweep_ns: 0,
                _lifeline: lifeline,
            };
            std::future::ready(Ok::<_, Infallible>(keeper))
        };
        // Starting a keeper reads nothing and cannot fail.
        let Ok(()) = supervise(handle.clone(), build).await;
    }

    /// Checks and charges every policy, or none.
    pub async fn take(&self, take: Take) -> Result<Result<Verdict, TooManySubjects>, NoAnswer> {
        self.shard(take.user)?.ask(take).await
    }

    /// How the policies stand; charges nothing.
    pub async fn look(&self, look: Look) -> Result<Vec<Standing>, NoAnswer> {
        self.shard(look.user)?.ask(look).await
    }

    /// Gives a charge back. Nobody waits for it; if the shard is full or gone, the user waits for the refill.
    pub fn refund(&self, refund: Refund) {
        let given = self.shard(refund.user).and_then(|shard| shard.hand_over(refund, shard.permit()?));
        if let Err(error) = given {
            tracing::warn!(%error, "a charge was not given back");
        }
    }

    /// True when every shard has its keeper.
    #[must_use]
    pub fn are_running(&self) -> bool {
        self.shards.iter().all(Handle::is_running)
    }

    /// The shards' handles, for metrics.
    pub fn shards(&self) -> impl Iterator<Item = &Handle<QuotaKeeper>> {
        self.shards.iter()
    }

    /// The low half of a UUIDv7 is random, so it spreads users evenly.
    fn shard(&self, user: UserId) -> Result<&Handle<QuotaKeeper>, NoAnswer> {
        let (_, low) = user.0.as_u64_pair();
        let count = u64::try_from(self.shards.len()).unwrap_or(1).max(1);
        usize::try_from(low % count).ok().and_then(|index| self.shards.get(index)).ok_or(NoAnswer::Dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        limit::{Per, RouteSet, Unit},
        quota::Rate,
    };
    use tokio::sync::oneshot;
    use uuid::Uuid;

    fn keeper(max_subjects: usize, clock: &Clock, inherited_ns: Option<u64>) -> QuotaKeeper {
        let (lifeline, _) = oneshot::channel();
        QuotaKeeper {
            clock: clock.clone(),
            max_subjects,
            buckets: HashMap::new(),
            inherited_ns,
            next_sweep_ns: 0,
            _lifeline: Lifeline::new(lifeline),
        }
    }

    fn policy(name: &str, limit: u64, burst: u64) -> Arc<Policy> {
        let rate = Rate::new(limit, 1, burst).unwrap();
        Arc::new(Policy {
            id: crate::domain::ids::LimitId(Uuid::nil()),
            name: name.into(),
            routes: RouteSet::All,
            per: Per::User,
            subject: None,
            unit: Unit::Requests,
            allowance: Allowance::Rate(rate),
            mode: crate::domain::limit::Mode::Enforce,
            on_error: crate::domain::limit::OnError::AllowLocalShare,
        })
    }

    fn take(keeper: &mut QuotaKeeper, user: u128, policies: &[Arc<Policy>], weight: u64) -> Option<bool> {
        let take = Take { user: UserId(Uuid::from_u128(user)), policies: policies.into(), weight };
        keeper.take(&take).ok().map(|verdict| verdict.is_admitted())
    }

    #[test]
    fn a_call_that_one_policy_refuses_charges_none() {
        let clock = Clock::manual(1);
        let mut keeper = keeper(100, &clock, None);
        let (wide, narrow) = (policy("wide", 1, 10), policy("narrow", 1, 1));
        let both = [Arc::clone(&wide), narrow];
        assert_eq!(take(&mut keeper, 1, &both, 1), Some(true));
        assert_eq!(take(&mut keeper, 1, &both, 1), Some(false));
        // Nine of ten are left in the wide one, not eight.
        assert_eq!(take(&mut keeper, 1, std::slice::from_ref(&wide), 9), Some(true));
        assert_eq!(take(&mut keeper, 1, &[wide], 1), Some(false));
    }

    #[test]
    fn users_do_not_share_a_bucket() {
        let clock = Clock::manual(1);
        let mut keeper = keeper(100, &clock, None);
        let one = [policy("p", 1, 1)];
        assert_eq!(take(&mut keeper, 1, &one, 1), Some(true));
        assert_eq!(take(&mut keeper, 2, &one, 1), Some(true));
        assert_eq!(take(&mut keeper, 1, &one, 1), Some(false));
    }

    #[test]
    fn the_heir_of_a_dead_keeper_takes_every_bucket_as_spent() {
        let clock = Clock::manual(1);
        let mut heir = keeper(100, &clock, Some(clock.monotonic_ns()));
        let one = [policy("p", 10, 10)];
        assert_eq!(take(&mut heir, 1, &one, 1), Some(false));
        clock.advance(Duration::from_millis(100));
        assert_eq!(take(&mut heir, 1, &one, 1), Some(true));
        assert_eq!(take(&mut heir, 1, &one, 1), Some(false));
    }

    #[test]
    fn at_the_bound_only_full_buckets_are_forgotten() {
        let clock = Clock::manual(1);
        let mut keeper = keeper(2, &clock, None);
        let one = [policy("p", 1, 1)];
        assert_eq!(take(&mut keeper, 1, &one, 1), Some(true));
        assert_eq!(take(&mut keeper, 2, &one, 1), Some(true));
        assert_eq!(take(&mut keeper, 3, &one, 1), None);
        // Whoever is known is decided as ever.
        assert_eq!(take(&mut keeper, 1, &one, 1), Some(false));
        clock.advance(Duration::from_secs(1));
        assert_eq!(take(&mut keeper, 3, &one, 1), Some(true));
        assert_eq!(keeper.buckets.len(), 1);
    }
}
