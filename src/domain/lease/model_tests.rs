//! One account and three holders in a world where messages are lost, late and doubled and holders are killed, held
//! against the plain log of what was used.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{
    Answer, Ask, HolderId, Kind, LeaseAccount, Terms,
    holder::{Habits, Lease},
};
use crate::domain::calendar::{Calendar, Every};

const HOLDERS: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Take(usize, u64),
    /// A slot is free again, or a use did not happen.
    Undo(usize, usize),
    /// An ask that is answered at once.
    Talk(usize, u64, u64),
    Send(usize, u64),
    Deliver(usize),
    DeliverTwice(usize),
    Lose(usize),
    GiveUp(usize),
    Answer(usize),
    Crash(usize),
    GiveBack(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let holder = 0..HOLDERS;
    prop_oneof![
        6 => (0u64..12).prop_map(Step::Pass),
        10 => (holder.clone(), 1u64..4).prop_map(|(i, units)| Step::Take(i, units)),
        2 => (holder.clone(), 0usize..50).prop_map(|(i, k)| Step::Undo(i, k)),
        6 => (holder.clone(), 0u64..4, 0u64..6).prop_map(|(i, need, more)| Step::Talk(i, need, need + more)),
        3 => (holder.clone(), 0u64..4).prop_map(|(i, need)| Step::Send(i, need)),
        3 => (0usize..50).prop_map(Step::Deliver),
        2 => (0usize..50).prop_map(Step::DeliverTwice),
        1 => (0usize..50).prop_map(Step::Lose),
        1 => holder.clone().prop_map(Step::GiveUp),
        3 => (0usize..50).prop_map(Step::Answer),
        1 => holder.clone().prop_map(Step::Crash),
        1 => holder.prop_map(Step::GiveBack),
    ]
}

fn rate() -> impl Strategy<Value = Terms> {
    (1u64..20, 1u64..50, 1u64..12)
        .prop_map(|(limit, window, burst)| Terms { kind: Kind::Rate { limit, window, burst }, version: 1 })
}

/// A calendar whose window turns soon after the world begins.
fn calendar() -> impl Strategy<Value = (Terms, u64)> {
    let every = prop_oneof![Just(Every::Day), Just(Every::Week), Just(Every::Month)];
    let zone = prop::sample::select(&["UTC", "Europe/Berlin", "America/Havana", "Asia/Kathmandu", "Pacific/Apia"][..]);
    (1u64..12, every, zone, 0i64..40_000, 1u64..100).prop_map(|(limit, every, zone, day, before)| {
        let calendar = Calendar { every, zone: zone.parse().unwrap() };
        let until = calendar.at(Timestamp::from_second(day * 86_400).unwrap()).until.unwrap();
        let begin = u64::try_from(until.as_microsecond()).unwrap() - before;
        (Terms { kind: Kind::Calendar { limit, calendar }, version: 1 }, begin)
    })
}

fn slots() -> impl Strategy<Value = Terms> {
    (1u64..12).prop_map(|limit| Terms { kind: Kind::Concurrent { limit }, version: 1 })
}

#[derive(Debug, Clone, Copy)]
struct Use {
    holder: HolderId,
    at: u64,
    units: u64,
}

struct World {
    terms: Terms,
    habits: Habits,
    now: u64,
    account: LeaseAccount,
    leases: Vec<(HolderId, Lease)>,
    asks: Vec<Ask>,
    answers: Vec<(HolderId, Answer)>,
    uses: Vec<Use>,
    /// Slots in use.
    calls: BTreeMap<HolderId, u64>,
    born: u128,
}

impl World {
    fn new(terms: Terms, lease: u64) -> Self {
        Self::from(terms, lease, 1_000)
    }

    fn from(terms: Terms, lease: u64, begin: u64) -> Self {
        let habits = Habits { lease, margin: 0, most: 8 };
        let mut world = Self {
            terms,
            habits,
            now: begin,
            account: LeaseAccount::full(terms, begin),
            leases: vec![],
            asks: vec![],
            answers: vec![],
            uses: vec![],
            calls: BTreeMap::new(),
            born: 0,
        };
        world.leases = (0..HOLDERS).map(|_| world.new_lease()).collect();
        world
    }

    fn new_lease(&mut self) -> (HolderId, Lease) {
        self.born += 1;
        let id = HolderId(self.born);
        (id, Lease::new(id, self.terms, 0, self.habits))
    }

    /// Each holder has a clock of its own.
    fn local(&self, i: usize) -> u64 {
        self.now + [0, 700, 31][i]
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Pass(moments) => self.pass(moments),
            Step::Take(i, units) => self.take(i, units),
            Step::Undo(i, k) => self.undo(i, k),
            Step::Talk(i, need, waiting) => self.talk(i, need, waiting),
            Step::Send(i, need) => self.send(i, need),
            Step::Deliver(k) if !self.asks.is_empty() => {
                let ask = self.asks.remove(k % self.asks.len());
                self.deliver(&ask);
            }
            Step::DeliverTwice(k) if !self.asks.is_empty() => {
                let ask = self.asks[k % self.asks.len()].clone();
                self.deliver(&ask);
            }
            Step::Lose(k) if !self.asks.is_empty() => drop(self.asks.remove(k % self.asks.len())),
            Step::Answer(k) if !self.answers.is_empty() => self.answer(k % self.answers.len()),
            Step::GiveUp(i) => self.leases[i].1.lost(),
            Step::Crash(i) => {
                self.calls.remove(&self.leases[i].0);
                self.leases[i] = self.new_lease();
            }
            Step::GiveBack(i) => self.give_back(i),
            _ => {}
        }
    }

    /// Calls that outlive their lease are not the account's any more: here they end with it.
    fn pass(&mut self, moments: u64) {
        self.now += moments;
        for i in 0..HOLDERS {
            let now = self.local(i);
            let (id, lease) = &mut self.leases[i];
            if now >= lease.expires() {
                lease.release(self.calls.remove(id).unwrap_or(0));
            }
        }
    }

    fn take(&mut self, i: usize, units: u64) {
        let (local, id) = (self.local(i), self.leases[i].0);
        if self.leases[i].1.take(units, local) {
            self.uses.push(Use { holder: id, at: self.now, units });
            *self.calls.entry(id).or_default() += units;
        }
    }

    fn undo(&mut self, i: usize, k: usize) {
        let (id, behind) = (self.leases[i].0, self.local(i) - self.now);
        if !self.terms.is_rate() {
            if let Some(calls) = self.calls.get_mut(&id).filter(|calls| **calls > 0) {
                *calls -= 1;
                self.leases[i].1.release(1);
            }
        } else if let Some(k) =
            self.uses.iter().rposition(|used| used.holder == id).and_then(|last| last.checked_sub(k % 4))
        {
            if self.uses[k].holder != id {
                return;
            }
            let used = self.uses.remove(k);
            self.leases[i].1.refund(used.units, used.at + behind);
        }
    }

    fn send(&mut self, i: usize, need: u64) {
        let local = self.local(i);
        let ask = self.leases[i].1.ask(need, need, local);
        self.asks.push(ask);
    }

    fn talk(&mut self, i: usize, need: u64, waiting: u64) {
        let local = self.local(i);
        let ask = self.leases[i].1.ask(need, waiting, local);
        let answer = self.exchange(&ask).unwrap();
        self.leases[i].1.answered(&answer, local);
        assert!(answer.granted == 0 || answer.granted >= need);
    }

    fn give_back(&mut self, i: usize) {
        let local = self.local(i);
        if let Some(ask) = self.leases[i].1.give_back(local) {
            self.asks.push(ask);
        }
    }

    fn deliver(&mut self, ask: &Ask) {
        if let Some(answer) = self.exchange(ask) {
            self.answers.push((ask.holder, answer));
        }
    }

    fn answer(&mut self, k: usize) {
        let (id, answer) = self.answers.remove(k);
        if let Some(i) = self.leases.iter().position(|(own, _)| *own == id) {
            let local = self.local(i);
            self.leases[i].1.answered(&answer, local);
        }
    }

    fn exchange(&mut self, ask: &Ask) -> Option<Answer> {
        let answer = self.account.exchange(ask, self.now).ok()?;
        if answer.granted < ask.need {
            self.check_retry(ask, &answer);
        }
        Some(answer)
    }

    /// A lone ask at the announced time is granted, whether the others are silent or have used everything just then.
    fn check_retry(&self, ask: &Ask, answer: &Answer) {
        let Some(fits_in) = answer.fits_in else {
            assert!(ask.need > self.terms.burst());
            return;
        };
        assert!(fits_in > 0 || !self.terms.is_rate());
        let then = self.now + fits_in;
        let retry = Ask { seq: ask.seq + 1, keep: answer.kept, forced: vec![], refunds: vec![], ..ask.clone() };
        let mut silent = self.account.clone();
        assert!(silent.exchange(&retry, then).unwrap().granted >= ask.need, "{silent:?} {retry:?} {fits_in}");
        let mut used = self.account.clone();
        for (&holder, own) in self.account.holders.iter().filter(|(id, _)| **id != ask.holder) {
            let report = Ask { holder, seq: own.seq + 1, need: 0, waiting: 0, want: 0, keep: 0, ..retry.clone() };
            used.exchange(&Ask { back: 0, used_ago: 0, ..report }, then).unwrap();
        }
        assert!(used.exchange(&retry, then).unwrap().granted >= ask.need, "{used:?} {retry:?} {fits_in}");
    }

    fn check(&self) {
        let terms = self.account.terms;
        let held: u64 = self.account.holders.values().map(|holding| holding.units).sum();
        assert!(self.account.level.max(0) + terms.ticks(held) <= terms.ticks(terms.burst()), "{:?}", self.account);
        if !terms.is_rate() {
            assert!(self.calls.values().sum::<u64>() <= terms.burst(), "{:?} {:?}", self.calls, self.account);
        }
    }

    /// From each use to each later one: what was used in between is within the burst and what refills.
    fn check_spans(&self) {
        for (i, first) in self.uses.iter().enumerate() {
            let mut units = 0;
            for last in &self.uses[i..] {
                units += last.units;
                let most = self.terms.ticks(self.terms.burst()) + self.terms.refilled(last.at - first.at);
                assert!(self.terms.ticks(units) <= most, "{units} from {} to {}", first.at, last.at);
            }
        }
    }

    /// What was used in each window of the calendar is within the limit.
    fn check_windows(&self) {
        let Kind::Calendar { limit, calendar } = self.terms.kind else { return };
        let mut used = BTreeMap::<Timestamp, u64>::new();
        for one in &self.uses {
            let at = Timestamp::from_microsecond(one.at.try_into().unwrap()).unwrap();
            *used.entry(calendar.at(at).since).or_default() += one.units;
        }
        assert!(used.values().all(|used| *used <= limit), "{used:?}");
    }

    /// When all is given back or has ended, and has refilled, everything can be had at once.
    fn check_full_again(&mut self) {
        self.asks.clear();
        for i in 0..HOLDERS {
            self.leases[i].1.lost();
            self.give_back(i);
        }
        while let Some(ask) = self.asks.pop() {
            self.deliver(&ask);
        }
        let whole = self.terms.ticks(self.terms.burst());
        self.now = match self.terms.kind {
            Kind::Rate { .. } => self.now + self.habits.lease + self.terms.moments(whole),
            Kind::Calendar { .. } => self.account.window.until,
            Kind::Concurrent { .. } => self.now + self.habits.lease,
        };
        let burst = self.terms.burst();
        let ask = Ask { need: burst, waiting: burst, want: burst, ..self.leases[0].1.ask(0, 0, self.now) };
        assert_eq!(self.exchange(&ask).unwrap().granted, burst);
    }

    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
            self.check();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn no_span_sees_more_than_burst_and_rate(terms in rate(), lease in 2u64..40, steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new(terms, lease);
        world.run(&steps);
        world.check_spans();
        world.check_full_again();
    }

    #[test]
    fn no_window_of_a_calendar_sees_more_than_its_limit(
        (terms, begin) in calendar(), lease in 2u64..40, steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::from(terms, lease, begin);
        world.run(&steps);
        world.check_windows();
        world.check_full_again();
    }

    #[test]
    fn no_more_places_are_in_use_than_there_are(terms in slots(), lease in 2u64..40, steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new(terms, lease);
        world.run(&steps);
        world.check_full_again();
    }
}
