use std::time::Duration;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::*;
use crate::domain::{
    ids::LimitId,
    limit::{Allowance, OnError, Per, RouteSet},
};

const LONG: Duration = Duration::from_mins(1);

struct Bench {
    keeper: QuotaKeeper,
    clock: Clock,
}

fn bench(max_subjects: usize) -> Bench {
    let clock = Clock::manual(1);
    let (lifeline, _) = oneshot::channel();
    let keeper = QuotaKeeper {
        clock: clock.clone(),
        own: Handle::new("quota_keeper", 1_000, LONG),
        incarnation: 0,
        max_subjects,
        tracked: 0,
        series: vec![],
        inherited_ns: None,
        _lifeline: Lifeline::new(lifeline),
    };
    Bench { keeper, clock }
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
    }
}

fn rate(name: &str, limit: u64, burst: u64) -> Policy {
    policy(name, Unit::Requests, Allowance::Rate(Rate::new(limit, 1, burst).unwrap()))
}

fn places(name: &str, places: u64) -> Policy {
    policy(name, Unit::Concurrent, Allowance::Places(places))
}

impl Bench {
    /// Each policy is a series of its own; its number is its place.
    fn verdict(&mut self, user: u128, policies: &[Policy], units: u64) -> Result<Verdict, TooManySubjects> {
        let subject = Uuid::from_u128(user).into();
        let charge = |(series, policy): (u32, &Policy)| {
            let units = if policy.unit == Unit::Concurrent { 1 } else { units };
            Charge { series, policy: Arc::new(policy.clone()), subject, units }
        };
        let charges = (0..).zip(policies).map(charge).collect();
        let permit = self.keeper.own.permit().unwrap();
        self.keeper.take(&charges, permit)
    }

    /// Whether the call is admitted; it is sent, and ends at once.
    fn takes(&mut self, user: u128, policies: &[Policy], units: u64) -> Option<bool> {
        let ticket = self.verdict(user, policies, units).ok()?.ticket;
        Some(ticket.map(|ticket| self.end(ticket, true)).is_some())
    }

    fn end(&mut self, ticket: Ticket, reached: bool) {
        let receipt = ticket.receipt();
        self.keeper.end(&End { receipt, reached, tokens: None });
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
    let two = [places("two", 2), rate("wide", 100, 100)];
    let first = bench.verdict(1, &two, 1).unwrap();
    assert_eq!(first.standings[0].remaining, 1);
    let second = bench.verdict(1, &two, 1).unwrap();
    let refused = bench.verdict(1, &two, 1).unwrap();
    assert!(refused.ticket.is_none());
    assert_eq!(refused.standings[0].retry_after_s(), Some(1));
    // A refused call took nothing from the rate either.
    assert_eq!(refused.standings[1].remaining, 98);
    assert!(bench.verdict(2, &two, 1).unwrap().ticket.is_some());
    bench.end(first.ticket.unwrap(), true);
    assert_eq!(bench.takes(1, &two, 1), Some(true));
    bench.end(second.ticket.unwrap(), false);
    // The second never reached its upstream: its unit of the rate came back, those of the two others did not.
    assert_eq!(bench.verdict(1, &two, 1).unwrap().standings[1].remaining, 97);
}

#[test]
fn a_policy_in_shadow_refuses_nothing_and_says_when_it_would() {
    let mut bench = bench(100);
    let shadow = Policy { mode: Mode::Shadow, ..rate("shadow", 1, 1) };
    let both = [shadow, rate("real", 1, 3)];
    let names = |verdict: &Verdict| verdict.shadowed.iter().map(ToString::to_string).collect::<Vec<_>>();
    let first = bench.verdict(1, &both, 1).unwrap();
    assert_eq!((names(&first), first.standings.len()), (vec![], 1));
    first.ticket.unwrap().sent();
    let second = bench.verdict(1, &both, 1).unwrap();
    assert_eq!(names(&second), ["shadow"]);
    bench.end(second.ticket.unwrap(), false);
    // The refund of the second call is of what it took: nothing from the policy in shadow.
    assert_eq!(names(&bench.verdict(1, &both, 1).unwrap()), ["shadow"]);
}

#[test]
fn tokens_are_corrected_to_what_the_call_took() {
    let mut bench = bench(100);
    let tokens = [policy("t", Unit::Tokens, Allowance::Rate(Rate::new(1, 1, 100).unwrap()))];
    for (took, left) in [(Some(10), 90), (Some(40), 50), (None, 25), (Some(35), 0)] {
        let ticket = bench.verdict(1, &tokens, 25).unwrap().ticket.unwrap();
        let receipt = ticket.receipt();
        bench.keeper.end(&End { receipt, reached: true, tokens: took });
        assert_eq!(bench.verdict(1, &tokens, 100).unwrap().standings[0].remaining, left, "{took:?}");
    }
    // Ten more than there was are owed.
    bench.clock.advance(Duration::from_secs(10));
    assert_eq!(bench.takes(1, &tokens, 1), Some(false));
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.takes(1, &tokens, 1), Some(true));
}

#[test]
fn another_rate_for_the_same_series_keeps_what_was_used() {
    let mut bench = bench(100);
    assert_eq!(bench.takes(1, &[rate("p", 1, 10)], 7), Some(true));
    let verdict = bench.verdict(1, &[rate("p", 5, 8)], 1).unwrap();
    assert_eq!(verdict.standings[0].remaining, 0);
    assert_eq!(bench.takes(1, &[rate("p", 5, 7)], 1), Some(false));
}

#[test]
fn the_heir_of_a_dead_keeper_takes_every_bucket_as_spent_and_knows_no_older_ticket() {
    let mut bench = bench(100);
    bench.keeper.inherited_ns = Some(bench.clock.monotonic_ns());
    let one = [rate("p", 10, 10)];
    assert_eq!(bench.takes(1, &one, 1), Some(false));
    bench.clock.advance(Duration::from_millis(100));
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
    // Whoever is known is decided as ever.
    assert_eq!(bench.takes(1, &one, 1), Some(false));
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.takes(3, &one, 1), Some(true));
    assert_eq!(bench.keeper.tracked, 1);
    // Full buckets of another series make room as well.
    bench.clock.advance(Duration::from_secs(1));
    let other = [places("held", 9), rate("q", 1, 1)];
    assert_eq!(bench.takes(1, &other, 1), Some(true));
    assert_eq!(bench.keeper.tracked, 2);
}

#[actix::test]
async fn a_caller_that_goes_away_before_it_reads_its_verdict_gives_all_back() {
    let quotas = Quotas::new(1, 10, 10, LONG);
    quotas.start_here(Clock::manual(1), 100).await;
    let user = crate::domain::ids::UserId(Uuid::from_u128(4));
    let charges = || -> quotas::Charges {
        let charge = |(series, policy)| Charge { series, policy: Arc::new(policy), subject: user.0.into(), units: 1 };
        (0..).zip([places("one", 1), rate("slow", 1, 2)]).map(charge).collect()
    };
    for _ in 0..3 {
        let take = quotas.take(user, charges());
        futures_util::pin_mut!(take);
        assert!(futures_util::poll!(take).is_pending());
    }
    while quotas.keepers().any(|keeper| keeper.in_flight() > 0) {
        tokio::task::yield_now().await;
    }
    let left: Vec<u64> = quotas.look(user, charges()).await.unwrap().iter().map(|s| s.remaining).collect();
    assert_eq!(left, [1, 2]);
}
