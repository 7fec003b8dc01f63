//! Keepers that borrow from one bucket: what they admit together, whatever becomes of their messages.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicU64},
};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{
    ids::LimitId,
    lease::LeaseAccount,
    limit::{Allowance, OnError, Per, RouteSet, Subject, rate::Rate},
};

const MS: u64 = 1_000_000;

/// What becomes of an ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    NeverHeard,
    AnswerLost,
}

/// Keepers, and the place where what they share lives.
pub(super) struct Bench {
    pub shards: Vec<Shard>,
    accounts: HashMap<BucketId, LeaseAccount>,
    pub now_ns: u64,
    asks: u64,
    /// When how much was admitted.
    admitted: Vec<(u64, u64)>,
}

pub(super) fn policy(allowance: Allowance, on_error: OnError) -> Arc<Policy> {
    let unit = if let Allowance::Rate(_) = allowance { Unit::Requests } else { Unit::Concurrent };
    Arc::new(Policy {
        id: LimitId(Uuid::nil()),
        name: "shared".into(),
        routes: RouteSet::All,
        per: Per::Global,
        subject: None,
        unit,
        allowance,
        mode: Mode::Enforce,
        on_error,
        version: 1,
        since_ns: 0,
    })
}

fn rate(limit: u64, burst: u64) -> Allowance {
    Allowance::Rate(Rate::new(limit, 1, burst).unwrap())
}

impl Bench {
    pub(super) fn new(keepers: u64) -> Self {
        let shard = |i| {
            let holder = HolderId(u128::from(i) << 64);
            let replicas = Arc::new(AtomicU64::new(1));
            Shard::new(Setting { keepers, replicas, holder, ..Setting::alone(100) })
        };
        let shards = (0..keepers).map(shard).collect();
        Self { shards, accounts: HashMap::new(), now_ns: 1_000 * MS, asks: 0, admitted: vec![] }
    }

    fn carry(&mut self, shard: usize, loan: &Loan, need: u64, fate: Fate) {
        self.asks += 1;
        let now_us = self.now_ns / 1_000;
        let answer = (fate != Fate::NeverHeard).then(|| {
            let account =
                self.accounts.entry(loan.bucket).or_insert_with(|| LeaseAccount::full(loan.ask.terms, now_us));
            account.exchange(&loan.ask, now_us).unwrap()
        });
        let answer = answer.filter(|_| fate == Fate::Answered);
        self.shards[shard].answered(loan.bucket, need, answer.as_ref(), self.now_ns);
    }

    /// Lets time pass, in which every keeper reports what is due.
    pub(super) fn wait(&mut self, ns: u64) {
        let until_ns = self.now_ns + ns;
        while self.now_ns < until_ns {
            self.now_ns = until_ns.min(self.now_ns + 50 * MS);
            for shard in 0..self.shards.len() {
                for loan in self.shards[shard].report_due(self.now_ns) {
                    self.carry(shard, &loan, 0, Fate::Answered);
                }
            }
        }
    }

    /// A call on one of the keepers; all of its asks have the same fate.
    pub(super) fn decide(&mut self, shard: usize, policy: &Arc<Policy>, units: u64, fate: Fate) -> Decision {
        let charge = Charge { series: 0, policy: Arc::clone(policy), subject: Subject::EVERYBODY, units };
        self.decide_on(shard, &[charge].into(), fate).unwrap()
    }

    /// The same with any charges.
    fn decide_on(&mut self, shard: usize, charges: &Charges, fate: Fate) -> Result<Decision, TooManySubjects> {
        for loan in self.shards[shard].report_due(self.now_ns) {
            self.carry(shard, &loan, 0, fate);
        }
        let units = charges[0].units;
        let decision = loop {
            match self.shards[shard].take(charges, false, self.now_ns)? {
                Taken::Decided(decision) => break decision,
                Taken::Wants(wants) => {
                    for want in wants {
                        let loan = self.shards[shard].ask(want.bucket, want.units, want.units, self.now_ns).unwrap();
                        self.carry(shard, &loan, want.units, fate);
                    }
                }
            }
        };
        if let Ruling::Admitted(_) = &decision.ruling {
            self.admitted.push((self.now_ns, units));
        }
        for loan in self.shards[shard].ask_early(charges, self.now_ns) {
            self.carry(shard, &loan, 0, fate);
        }
        Ok(decision)
    }

    pub(super) fn admits(&mut self, shard: usize, policy: &Arc<Policy>, units: u64, fate: Fate) -> bool {
        matches!(self.decide(shard, policy, units, fate).ruling, Ruling::Admitted(_))
    }

    fn total(&self) -> u64 {
        self.admitted.iter().map(|(_, units)| units).sum()
    }

    /// In every span from one admitted call to another: within `burst + limit × span`, all scaled by a second.
    fn never_over(&self, limit: u64, burst: u64) -> bool {
        self.admitted.iter().enumerate().all(|(i, &(from, _))| {
            let mut units = 0u128;
            self.admitted[i..].iter().all(|&(at, n)| {
                units += u128::from(n);
                let allowed = u128::from(burst) * 1_000 * u128::from(MS) + u128::from(at - from) * u128::from(limit);
                units * 1_000 * u128::from(MS) <= allowed
            })
        })
    }
}

pub(super) fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![8 => Just(Fate::Answered), 1 => Just(Fate::NeverHeard), 1 => Just(Fate::AnswerLost)]
}

proptest! {
    #[test]
    fn keepers_that_borrow_never_admit_more_than_the_limit_whatever_is_lost(
        limit in 1u64..200, burst in 1u64..300,
        calls in prop::collection::vec((0usize..3, 0u64..120, 1u64..4, fates(), any::<bool>()), 1..250),
    ) {
        let (mut bench, policy) = (Bench::new(3), policy(rate(limit, burst), OnError::Deny));
        for (shard, gap_ms, units, fate, reached) in calls {
            bench.now_ns += gap_ms * MS;
            let decision = bench.decide(shard, &policy, units.min(burst), fate);
            if let (Ruling::Admitted(charges), false) = (decision.ruling, reached) {
                let ending = Ending { charged_ns: bench.now_ns, reached, tokens: None };
                bench.shards[shard].end(&charges, ending, bench.now_ns);
                bench.admitted.pop();
            }
        }
        prop_assert!(bench.never_over(limit, burst));
    }
}

#[test]
fn what_is_there_is_admitted_nearly_all_whoever_asks_and_with_few_asks() {
    for spread in [[97, 98, 99], [33, 66, 99]] {
        let (limit, burst, seconds) = (500, 500, 20);
        let (mut bench, policy) = (Bench::new(4), policy(rate(limit, burst), OnError::Deny));
        for i in 0..seconds * 1_000 {
            bench.now_ns += MS;
            let shard = spread.iter().filter(|bound| i * 7 % 100 > **bound - 1).count();
            bench.admits(shard, &policy, 1, Fate::Answered);
        }
        let (admitted, allowed) = (bench.total(), burst + limit * seconds);
        assert!(bench.never_over(limit, burst));
        assert!(admitted * 100 >= allowed * 97, "{spread:?}: {admitted} of {allowed}");
        println!("{spread:?}: {admitted} of {allowed} admitted, {} asks for {} calls", bench.asks, seconds * 1_000);
    }
}

#[test]
fn below_the_limit_hardly_anything_is_asked() {
    let (mut bench, policy) = (Bench::new(4), policy(rate(500, 500), OnError::Deny));
    for i in 0..10_000 {
        bench.now_ns += 5 * MS;
        assert!(bench.admits(i % 4, &policy, 1, Fate::Answered));
    }
    assert!(bench.asks < 1_000, "{} asks for 10000 calls", bench.asks);
}

#[test]
fn keepers_without_answers_admit_their_shares() {
    let (mut bench, policy) = (Bench::new(4), policy(rate(100, 100), OnError::AllowLocalShare));
    for _ in 0..2_000 {
        bench.now_ns += MS;
        for shard in 0..4 {
            bench.admits(shard, &policy, 1, Fate::NeverHeard);
        }
    }
    assert!(bench.never_over(100, 100));
    assert!(bench.total() > 280, "{}", bench.total());
    // What they used of their shares is counted as soon as there are answers again.
    for shard in 0..4 {
        bench.now_ns += 1_000 * MS / 4;
        bench.admits(shard, &policy, 1, Fate::Answered);
    }
    assert!(bench.accounts[&BucketId { series: 0, subject: Subject::EVERYBODY }].level > 0);
}

#[test]
fn a_policy_that_denies_admits_nothing_without_answers_and_says_so() {
    let (mut bench, policy) = (Bench::new(2), policy(rate(100, 100), OnError::Deny));
    let lost = bench.decide(0, &policy, 1, Fate::NeverHeard);
    assert!(matches!(lost.ruling, Ruling::Unknown(names) if names == [Arc::from("shared")]));
    bench.now_ns += 300 * MS;
    // One call more, with which it asks again: that one does not wait for the answer.
    assert!(!bench.admits(0, &policy, 1, Fate::Answered));
    assert!(bench.admits(0, &policy, 1, Fate::Answered));
}

#[test]
fn places_are_shared_and_free_again_when_calls_end() {
    let (mut bench, policy) = (Bench::new(2), policy(Allowance::Concurrent(3), OnError::Deny));
    let mut under_way = vec![];
    for shard in [0, 1, 0] {
        let Ruling::Admitted(charges) = bench.decide(shard, &policy, 1, Fate::Answered).ruling else {
            panic!("there is a place")
        };
        under_way.push((shard, charges));
    }
    // As long as the calls last, however long that is.
    for _ in 0..50 {
        bench.now_ns += 200 * MS;
        for shard in 0..2 {
            assert!(!bench.admits(shard, &policy, 1, Fate::Answered));
        }
    }
    let (shard, charges) = under_way.pop().unwrap();
    bench.shards[shard].end(&charges, Ending { charged_ns: 0, reached: true, tokens: None }, bench.now_ns);
    bench.now_ns += 200 * MS;
    for loan in bench.shards[shard].report_due(bench.now_ns) {
        bench.carry(shard, &loan, 0, Fate::Answered);
    }
    assert!(bench.admits(1, &policy, 1, Fate::Answered));
    assert!(!bench.admits(0, &policy, 1, Fate::Answered));
}

#[test]
fn calls_under_way_are_known_again_to_an_account_that_forgot_them_or_never_knew() {
    let (mut bench, policy) = (Bench::new(2), policy(Allowance::Concurrent(4), OnError::AllowLocalShare));
    assert!(bench.admits(0, &policy, 1, Fate::Answered));
    // Its share is two of four, and one is taken.
    assert!(bench.admits(0, &policy, 1, Fate::NeverHeard));
    assert!(!bench.admits(0, &policy, 1, Fate::NeverHeard));
    bench.accounts.clear();
    for _ in 0..3 {
        bench.now_ns += 1_000 * MS;
        for loan in bench.shards[0].report_due(bench.now_ns) {
            bench.carry(0, &loan, 0, Fate::Answered);
        }
    }
    assert!(bench.admits(1, &policy, 1, Fate::Answered));
    assert!(bench.admits(1, &policy, 1, Fate::Answered));
    assert!(!bench.admits(1, &policy, 1, Fate::Answered));
}

#[test]
fn a_keeper_that_stops_returns_what_it_has_not_used() {
    let (mut bench, policy) = (Bench::new(2), policy(rate(1, 400), OnError::Deny));
    for _ in 0..30 {
        assert!(bench.admits(0, &policy, 1, Fate::Answered));
    }
    for loan in bench.shards[0].give_all_back(bench.now_ns) {
        bench.carry(0, &loan, 0, Fate::Answered);
    }
    while bench.admits(1, &policy, 1, Fate::Answered) {}
    assert_eq!(bench.total(), 400);
}

/// The first charge of a call on a policy of its own series, by a subject of its own.
fn charge(series: u32, policy: &Arc<Policy>, subject: u128) -> Charge {
    Charge { series, policy: Arc::clone(policy), subject: Uuid::from_u128(subject).into(), units: 1 }
}

#[test]
fn what_was_borrowed_for_long_windows_is_forgotten_when_its_lease_has_ended() {
    let mut bench = Bench::new(1);
    let day = Allowance::Rate(Rate::new(100, 86_400, 100).unwrap());
    let policy = policy(day, OnError::Deny);
    for subject in 0..1_000 {
        // A lease ends after three seconds.
        bench.now_ns += 100 * MS;
        let decided = bench.decide_on(0, &[charge(0, &policy, subject)].into(), Fate::Answered);
        assert!(matches!(decided.unwrap().ruling, Ruling::Admitted(_)), "{subject}");
    }
    // What was used is known where the bucket lives.
    for left in [98, 97] {
        bench.now_ns += 10_000 * MS;
        let decision = bench.decide_on(0, &[charge(0, &policy, 7)].into(), Fate::Answered).unwrap();
        assert_eq!(decision.standings[0].remaining, left);
    }
}

#[test]
fn a_refusal_names_every_policy_that_refuses_though_one_was_never_asked_here() {
    let mut bench = Bench::new(2);
    let slow = |per, limit| {
        let allowance = Allowance::Rate(Rate::new(1, limit, 2).unwrap());
        Arc::new(Policy { per, ..Policy::clone(&policy(allowance, OnError::Deny)) })
    };
    let (own, shared) = (slow(Per::User, 100), slow(Per::Global, 300));
    let [first, second] = [charge(1, &own, 5), charge(0, &shared, 0)];
    for _ in 0..2 {
        assert!(matches!(
            bench.decide_on(0, &[first.clone()].into(), Fate::Answered).unwrap().ruling,
            Ruling::Admitted(_)
        ));
    }
    // A unit of the shared one is left, and the keeper that refuses has never heard of it.
    assert!(matches!(
        bench.decide_on(1, &[second.clone()].into(), Fate::Answered).unwrap().ruling,
        Ruling::Admitted(_)
    ));
    let both: Charges = [first, second.clone()].into();
    let refused = bench.decide_on(0, &both, Fate::Answered).unwrap();
    assert_eq!(refused.standings.iter().map(|s| s.remaining).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(refused.standings[1].retry_after_ns, None);
    // It is used up elsewhere, when it has come back.
    bench.now_ns += 10_000 * MS;
    drop(bench.decide_on(0, &[both[0].clone()].into(), Fate::Answered));
    while let Ruling::Admitted(_) = bench.decide_on(1, &[second.clone()].into(), Fate::Answered).unwrap().ruling {}
    bench.now_ns += 1_000 * MS;
    let refused = bench.decide_on(0, &both, Fate::Answered).unwrap();
    assert!(refused.standings.iter().all(|s| s.remaining == 0 && s.retry_after_ns.is_some()));
    bench.now_ns += refused.standings.iter().filter_map(|s| s.retry_after_ns).max().unwrap();
    assert!(matches!(bench.decide_on(0, &both, Fate::Answered).unwrap().ruling, Ruling::Admitted(_)));
}

#[test]
fn what_is_given_back_reaches_another_keeper_soon_and_whole() {
    for window_s in [1_000, 86_400] {
        let allowance = Allowance::Rate(Rate::new(1, window_s, 100).unwrap());
        let (mut bench, policy) = (Bench::new(2), policy(allowance, OnError::Deny));
        let mut taken = vec![];
        while let Ruling::Admitted(charges) = bench.decide(0, &policy, 1, Fate::Answered).ruling {
            taken.push((bench.now_ns, charges));
            bench.now_ns += MS;
        }
        assert!(!bench.admits(1, &policy, 1, Fate::Answered));
        for (charged_ns, charges) in taken {
            bench.shards[0].end(&charges, Ending { charged_ns, reached: false, tokens: None }, bench.now_ns);
        }
        let given_back_ns = bench.now_ns;
        // All but the one of which a part may have refilled meanwhile.
        for _ in 0..99 {
            while !bench.admits(1, &policy, 1, Fate::Answered) {
                bench.now_ns += 10 * MS;
                for loan in bench.shards[0].report_due(bench.now_ns) {
                    bench.carry(0, &loan, 0, Fate::Answered);
                }
            }
        }
        let waited_ms = (bench.now_ns - given_back_ns) / MS;
        assert!(waited_ms <= 300, "{waited_ms} ms in a window of {window_s} s");
    }
}

#[test]
fn who_glances_asks_no_more_often_than_ten_times_a_second_and_nobody_waits_for_an_ask_that_is_not_made() {
    let (mut bench, policy) = (Bench::new(1), policy(rate(100, 100), OnError::Deny));
    let charges: Charges = [charge(0, &policy, 0)].into();
    let mut look = |max_age_ns: u64, fate: Fate, ms: u64| {
        bench.now_ns += ms * MS;
        let asked = bench.shards[0].to_be_asked(&charges, max_age_ns, bench.now_ns);
        for bucket in &asked {
            let loan = bench.shards[0].ask(*bucket, 0, 0, bench.now_ns).unwrap();
            bench.carry(0, &loan, 0, fate);
        }
        asked.len()
    };
    let asks: usize = (0..1_000).map(|_| look(100 * MS, Fate::Answered, 1)).sum();
    assert_eq!(asks, 10);
    // Whoever looks closely asks each time.
    assert_eq!((look(0, Fate::Answered, 1), look(0, Fate::Answered, 1)), (1, 1));
    // Without an answer it is not asked again for a quarter of a second, by either.
    assert_eq!(look(100 * MS, Fate::AnswerLost, 100), 1);
    assert_eq!((look(0, Fate::Answered, 100), look(100 * MS, Fate::Answered, 149)), (0, 0));
    assert_eq!(look(100 * MS, Fate::Answered, 1), 1);
}
