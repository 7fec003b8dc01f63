//! One keeper that owns its buckets: what its shard admits, refuses and forgets.

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::domain::{
    ids::LimitId,
    limit::{Allowance, OnError, Per, RouteSet, rate::Rate},
};

struct Bench {
    shard: Shard,
    now_ns: u64,
}

fn bench(max_subjects: usize) -> Bench {
    Bench { shard: Shard::new(Setting::alone(max_subjects)), now_ns: 1_000_000_000 }
}

fn policy(name: &str, unit: Unit, allowance: Allowance) -> Policy {
    Policy {
        id: LimitId(Uuid::nil()),
        name: name.into(),
        routes: RouteSet::All,
        per: Per::User,
        subject: None,
        unit,
        allowance,
        mode: Mode::Enforce,
        on_error: OnError::AllowLocalShare,
        version: 0,
        since_ns: 0,
    }
}

fn rate(name: &str, limit: u64, burst: u64) -> Policy {
    policy(name, Unit::Requests, Allowance::Rate(Rate::new(limit, 1, burst).unwrap()))
}

fn slots(name: &str, slots: u64) -> Policy {
    policy(name, Unit::Concurrent, Allowance::Concurrent(slots))
}

fn charged(decision: Decision) -> Option<Arc<[Charge]>> {
    if let Ruling::Admitted(charges) = decision.ruling { Some(charges) } else { None }
}

impl Bench {
    /// Each policy is a series of its own; its number is its place.
    fn decide(&mut self, user: u128, policies: &[Policy], units: u64) -> Result<Decision, TooManySubjects> {
        let subject = Uuid::from_u128(user).into();
        let charge = |(series, policy): (u32, &Policy)| {
            let units = if policy.unit == Unit::Concurrent { 1 } else { units };
            Charge { series, policy: Arc::new(policy.clone()), subject, units }
        };
        let charges = (0..).zip(policies).map(charge).collect();
        match self.shard.take(&charges, false, self.now_ns)? {
            Taken::Decided(decision) => Ok(decision),
            Taken::Wants(wants) => panic!("nothing is borrowed: {wants:?}"),
        }
    }

    /// Whether the call is admitted; it is sent, and ends at once.
    fn takes(&mut self, user: u128, policies: &[Policy], units: u64) -> Option<bool> {
        let charged = charged(self.decide(user, policies, units).ok()?);
        Some(charged.map(|charged| self.end(&charged, true, None)).is_some())
    }

    fn pass(&mut self, time: Duration) {
        self.now_ns += u64::try_from(time.as_nanos()).unwrap();
    }

    fn end(&mut self, charged: &[Charge], reached: bool, tokens: Option<u64>) {
        let now_ns = self.now_ns;
        self.shard.end(charged, Ending { charged_ns: now_ns, reached, tokens }, now_ns);
    }
}

#[test]
fn a_call_that_one_policy_refuses_charges_none() {
    let mut bench = bench(100);
    let (wide, narrow) = (rate("wide", 1, 10), rate("narrow", 1, 1));
    let both = [wide.clone(), narrow];
    assert_eq!(bench.takes(1, &both, 1), Some(true));
    assert_eq!(bench.takes(1, &both, 1), Some(false));
    // Nine of ten are left in the wide one, not eight.
    assert_eq!(bench.takes(1, std::slice::from_ref(&wide), 9), Some(true));
    assert_eq!(bench.takes(1, &[wide], 1), Some(false));
}

#[test]
fn users_do_not_share_a_bucket() {
    let mut bench = bench(100);
    let one = [rate("p", 1, 1)];
    assert_eq!(bench.takes(1, &one, 1), Some(true));
    assert_eq!(bench.takes(2, &one, 1), Some(true));
    assert_eq!(bench.takes(1, &one, 1), Some(false));
}

#[test]
fn a_call_under_way_holds_its_place_to_its_end() {
    let mut bench = bench(100);
    let two = [slots("two", 2), rate("wide", 100, 100)];
    let first = bench.decide(1, &two, 1).unwrap();
    assert_eq!(first.standings[0].remaining, 1);
    let second = bench.decide(1, &two, 1).unwrap();
    let refused = bench.decide(1, &two, 1).unwrap();
    assert!(matches!(refused.ruling, Ruling::Refused));
    assert_eq!(refused.standings[0].retry_after_s(), Some(1));
    // A refused call took nothing from the rate either.
    assert_eq!(refused.standings[1].remaining, 98);
    assert!(charged(bench.decide(2, &two, 1).unwrap()).is_some());
    bench.end(&charged(first).unwrap(), true, None);
    assert_eq!(bench.takes(1, &two, 1), Some(true));
    bench.end(&charged(second).unwrap(), false, None);
    // The second never reached its upstream: its unit of the rate came back, those of the two others did not.
    assert_eq!(bench.decide(1, &two, 1).unwrap().standings[1].remaining, 97);
}

#[test]
fn a_policy_in_shadow_refuses_nothing_and_says_when_it_would() {
    let mut bench = bench(100);
    let shadow = Policy { mode: Mode::Shadow, ..rate("shadow", 1, 1) };
    let both = [shadow, rate("real", 1, 3)];
    let names = |decision: &Decision| decision.shadowed.iter().map(ToString::to_string).collect::<Vec<_>>();
    let first = bench.decide(1, &both, 1).unwrap();
    assert_eq!((names(&first), first.standings.len()), (vec![], 1));
    let second = bench.decide(1, &both, 1).unwrap();
    assert_eq!(names(&second), ["shadow"]);
    bench.end(&charged(second).unwrap(), false, None);
    // The refund of the second call is of what it took: nothing from the policy in shadow.
    assert_eq!(names(&bench.decide(1, &both, 1).unwrap()), ["shadow"]);
}

#[test]
fn tokens_are_corrected_to_what_the_call_took() {
    let mut bench = bench(100);
    let tokens = [policy("t", Unit::Tokens, Allowance::Rate(Rate::new(1, 1, 100).unwrap()))];
    for (took, left) in [(Some(10), 90), (Some(40), 50), (None, 25), (Some(35), 0)] {
        let charged = charged(bench.decide(1, &tokens, 25).unwrap()).unwrap();
        bench.end(&charged, true, took);
        assert_eq!(bench.decide(1, &tokens, 100).unwrap().standings[0].remaining, left, "{took:?}");
    }
    // Ten more than there was are owed.
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.takes(1, &tokens, 1), Some(false));
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.takes(1, &tokens, 1), Some(true));
}

#[test]
fn another_rate_for_the_same_series_keeps_what_was_used() {
    let mut bench = bench(100);
    assert_eq!(bench.takes(1, &[rate("p", 1, 10)], 7), Some(true));
    let since_ns = bench.now_ns;
    let changed = |policy| [Policy { since_ns, ..policy }];
    let decision = bench.decide(1, &changed(rate("p", 5, 8)), 1).unwrap();
    assert_eq!(decision.standings[0].remaining, 0);
    assert_eq!(bench.takes(1, &changed(rate("p", 5, 7)), 1), Some(false));
}

#[test]
fn another_rate_counts_from_when_it_came_into_force_and_not_from_the_next_call() {
    for (before, after, left) in [(10, 1, 31), (1, 10, 22)] {
        let mut bench = bench(100);
        assert_eq!(bench.takes(1, &[rate("p", before, 100)], 100), Some(true));
        bench.pass(Duration::from_secs(3));
        let changed = Policy { since_ns: bench.now_ns, ..rate("p", after, 100) };
        bench.pass(Duration::from_secs(2));
        assert_eq!(bench.decide(1, &[changed], 1).unwrap().standings[0].remaining, left);
    }
}

#[test]
fn the_successor_of_a_dead_keeper_takes_every_bucket_as_spent() {
    let mut bench = bench(100);
    bench.shard = Shard::new(Setting { inherited_ns: Some(bench.now_ns), ..Setting::alone(100) });
    let one = [rate("p", 10, 10)];
    assert_eq!(bench.takes(1, &one, 1), Some(false));
    bench.pass(Duration::from_millis(100));
    assert_eq!(bench.takes(1, &one, 1), Some(true));
    assert_eq!(bench.takes(1, &one, 1), Some(false));
}

#[test]
fn at_the_bound_only_full_buckets_are_forgotten() {
    let mut bench = bench(2);
    let one = [rate("p", 1, 1)];
    assert_eq!(bench.takes(1, &one, 1), Some(true));
    assert_eq!(bench.takes(2, &one, 1), Some(true));
    assert_eq!(bench.takes(3, &one, 1), None);
    // Calls of a subject that is known are decided as before.
    assert_eq!(bench.takes(1, &one, 1), Some(false));
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.takes(3, &one, 1), Some(true));
    assert_eq!(bench.shard.tracked(), 2);
    // Full buckets of another series make room as well.
    bench.pass(Duration::from_secs(1));
    let other = [slots("held", 9), rate("q", 1, 1)];
    assert_eq!(bench.takes(4, &other, 1), Some(true));
    assert_eq!(bench.shard.tracked(), 2);
    // And where there is room, they are forgotten after a while.
    bench.pass(Duration::from_secs(12));
    bench.shard.tidy(bench.now_ns);
    assert_eq!(bench.shard.tracked(), 0);
}

/// Full again after a quarter of an hour.
fn slow(name: &str) -> Policy {
    policy(name, Unit::Requests, Allowance::Rate(Rate::new(1, 900, 1).unwrap()))
}

#[test]
fn subjects_that_stay_busy_keep_no_others_from_being_forgotten() {
    let mut bench = bench(100);
    for user in 0..90 {
        assert_eq!(bench.takes(user, &[slow("busy")], 1), Some(true));
    }
    for user in 1_000..2_000 {
        bench.pass(Duration::from_millis(100));
        assert_eq!(bench.takes(user, &[rate("p", 10, 1)], 1), Some(true), "{user}");
        assert!(bench.shard.tracked() <= 100);
    }
    // None of the busy ones was.
    for user in 0..90 {
        assert_eq!(bench.takes(user, &[slow("busy")], 1), Some(false), "{user}");
    }
}

#[test]
fn one_is_refused_for_want_of_room_only_where_nothing_can_be_forgotten() {
    for idle in [0, 137, 499] {
        let mut bench = bench(500);
        for user in 0..500 {
            let policies = if user == idle { [rate("p", 10, 1)] } else { [slow("p")] };
            assert_eq!(bench.takes(user, &policies, 1), Some(true));
        }
        bench.pass(Duration::from_millis(100));
        assert_eq!(bench.takes(1_000, &[slow("p")], 1), Some(true), "{idle}");
        assert_eq!(bench.takes(1_001, &[slow("p")], 1), None, "{idle}");
    }
}

#[test]
fn what_is_given_back_or_ends_makes_room() {
    let mut bench = bench(2);
    let first = charged(bench.decide(1, &[slow("p")], 1).unwrap()).unwrap();
    let slot = charged(bench.decide(2, &[slots("q", 1)], 1).unwrap()).unwrap();
    assert_eq!(bench.takes(3, &[slow("p")], 1), None);
    bench.end(&first, false, None);
    assert_eq!(bench.takes(3, &[slow("p")], 1), Some(true));
    assert_eq!(bench.takes(4, &[slow("p")], 1), None);
    bench.end(&slot, true, None);
    assert_eq!(bench.takes(4, &[slow("p")], 1), Some(true));
}

#[test]
fn a_call_waits_longer_for_the_store_than_for_redis() {
    for (window_s, patience_ms) in [(86_400, 250), (60, 50)] {
        let mut shard = Shard::new(Setting { with_redis: true, ..Setting::alone(10) });
        let allowance = Allowance::Rate(Rate::new(100, window_s, 100).unwrap());
        let policy = Policy { on_error: OnError::Deny, ..policy("p", Unit::Requests, allowance) };
        let subject = Uuid::from_u128(1).into();
        let charges: Charges = [Charge { series: 0, policy: Arc::new(policy), subject, units: 1 }].into();
        let begun_ns = 1_000_000_000;
        let Taken::Wants(wants) = shard.take(&charges, false, begun_ns).unwrap() else { panic!("it has nothing yet") };
        assert_eq!(shard.patience_ns([wants[0].bucket]), patience_ms * 1_000_000);
        assert!(shard.ask(wants[0].bucket, 1, 1, begun_ns).is_some());
        let mut is_unknown = |after_ms: u64| match shard.take(&charges, false, begun_ns + after_ms * 1_000_000).unwrap()
        {
            Taken::Decided(decision) => matches!(decision.ruling, Ruling::Unknown(_)),
            Taken::Wants(_) => false,
        };
        assert_eq!([patience_ms - 1, patience_ms].map(&mut is_unknown), [false, true], "{window_s}");
    }
}
