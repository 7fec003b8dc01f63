//! The ledger against a plain list of what was held and what was billed: killed after every single step, with limits that
//! change and periods that turn while calls are under way.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn account(number: u128, period: i64) -> BudgetAccount {
    let since = Timestamp::from_second(period).unwrap();
    BudgetAccount { budget: BudgetId(Uuid::from_u128(number)), subject: Subject::EVERYBODY, since }
}

/// What can happen to a ledger.
#[derive(Debug, Clone)]
enum Event {
    /// A call asks for money of these budgets.
    Reserve {
        budgets: Vec<u8>,
        amount: i64,
    },
    /// One of the open calls is forwarded.
    Dispatch {
        call: prop::sample::Index,
    },
    /// One of all calls there ever were ends, at this cost in percent of its hold.
    Settle {
        call: prop::sample::Index,
        percent: i64,
    },
    /// The process is killed; the next start resolves what is open.
    Kill,
    Limit {
        budget: u8,
        limit: i64,
    },
    /// A day is over: calls from now on are counted in the next one.
    Turn,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let budgets = prop::collection::btree_set(0..4_u8, 0..4).prop_map(|set| set.into_iter().collect());
    let reserve = (budgets, 0..60_i64).prop_map(|(budgets, amount)| Event::Reserve { budgets, amount });
    let call = any::<prop::sample::Index>;
    let event = prop_oneof![
        4 => reserve,
        2 => call().prop_map(|call| Event::Dispatch { call }),
        4 => (call(), 0..150_i64).prop_map(|(call, percent)| Event::Settle { call, percent }),
        1 => Just(Event::Kill),
        1 => (0..4_u8, 0..200_i64).prop_map(|(budget, limit)| Event::Limit { budget, limit }),
        1 => Just(Event::Turn),
    ];
    prop::collection::vec(event, 0..80)
}

/// Budget 3 only counts.
const SHADOW: u8 = 3;

#[derive(Default, Clone)]
struct World {
    period: i64,
    balances: Balances,
    limits: BTreeMap<u8, i64>,
    open: BTreeMap<usize, Hold>,
    dispatched: BTreeSet<usize>,
    calls: usize,
    /// The plain reference: every amount that was billed, by budget.
    billed: Vec<(BudgetAccount, i64)>,
    /// What was billed beyond a hold, by budget; and what a lowered limit left above it.
    excused: BTreeMap<BudgetAccount, i64>,
}

impl World {
    fn happen(&mut self, event: &Event) {
        match event {
            Event::Reserve { budgets, amount } => self.reserve(budgets, *amount),
            Event::Dispatch { call } => {
                let open: Vec<usize> = self.open.keys().copied().collect();
                self.dispatched.extend(if open.is_empty() { None } else { Some(*call.get(&open)) });
            }
            Event::Settle { call, percent } if self.calls > 0 => self.settle(call.index(self.calls), *percent),
            Event::Settle { .. } => {}
            Event::Kill => {
                for call in self.open.keys().copied().collect::<Vec<_>>() {
                    let percent = if self.dispatched.contains(&call) { 100 } else { 0 };
                    self.settle(call, percent);
                }
            }
            Event::Limit { budget, limit } => {
                self.limits.insert(*budget, *limit);
                let account = self.account(*budget);
                let above = (self.taken(account) - limit).max(0);
                self.excused.insert(account, above);
            }
            // What is excused is of one period; a new one begins with nothing.
            Event::Turn => self.period += 1,
        }
    }

    /// Where a call of now is counted.
    fn account(&self, budget: u8) -> BudgetAccount {
        account(budget.into(), self.period)
    }

    fn limit(&self, budget: u8) -> i64 {
        self.limits.get(&budget).copied().unwrap_or(100)
    }

    fn taken(&self, account: BudgetAccount) -> i64 {
        let balance = self.balances.get(&account).copied().unwrap_or_default();
        balance.spent.pusd() + balance.held.pusd()
    }

    fn fits(&self, budget: u8, amount: i64) -> bool {
        budget == SHADOW || self.taken(self.account(budget)) + amount <= self.limit(budget)
    }

    fn reserve(&mut self, budgets: &[u8], amount: i64) {
        let claim = |budget: &u8| Claim {
            account: self.account(*budget),
            limit: Money::from_pusd(self.limit(*budget)),
            mode: if *budget == SHADOW { Mode::Shadow } else { Mode::Enforce },
        };
        let claims: Vec<Claim> = budgets.iter().map(claim).collect();
        let full: Vec<u8> = budgets.iter().copied().filter(|budget| !self.fits(*budget, amount)).collect();
        let before = self.balances.clone();
        let amount = Money::from_pusd(amount);
        match reserve(&mut self.balances, &claims, amount) {
            Ok(_) => {
                assert!(full.is_empty(), "money was held that is not there");
                let accounts = claims.iter().map(|claim| claim.account).collect();
                self.open.insert(self.calls, Hold { request: RequestId(Uuid::nil()), amount, accounts });
                self.calls += 1;
            }
            Err(shortages) => {
                assert!(!full.is_empty(), "money was refused that is there");
                assert_eq!(before, self.balances, "a refusal held something");
                let named: Vec<BudgetAccount> = shortages.iter().map(|shortage| shortage.account).collect();
                assert_eq!(named, full.into_iter().map(|budget| self.account(budget)).collect::<Vec<_>>());
            }
        }
    }

    /// Settling a call that is settled is nothing, as the store finds no hold of it.
    fn settle(&mut self, call: usize, percent: i64) {
        let Some(hold) = self.open.remove(&call) else { return };
        let cost = hold.amount.pusd() * percent / 100;
        // Of a call that may be served at several places, some accounts may count only other ones.
        let counted = hold.accounts.get(call % 2..).unwrap_or_default();
        let settlement = settle(&mut self.balances, &hold, counted, Money::from_pusd(cost));
        assert_eq!(settlement.settled.pusd() + settlement.forced.pusd(), cost);
        assert!(settlement.settled <= hold.amount);
        for account in counted.iter().copied() {
            self.billed.push((account, cost));
            *self.excused.entry(account).or_default() += settlement.forced.pusd();
        }
    }

    fn check(&self) {
        for budget in 0..4 {
            let account = self.account(budget);
            let excused = self.excused.get(&account).copied().unwrap_or(0);
            assert!(budget == SHADOW || self.taken(account) <= self.limit(budget) + excused, "overspent");
        }
        // Of every period there ever was.
        for account in (0..4).flat_map(|budget| (0..=self.period).map(move |period| account(budget, period))) {
            let balance = self.balances.get(&account).copied().unwrap_or_default();
            let billed: i64 = self.billed.iter().filter(|(of, _)| *of == account).map(|(_, cost)| cost).sum();
            assert_eq!(balance.spent.pusd(), billed);
            let held = self.open.values().filter(|hold| hold.accounts.contains(&account));
            assert_eq!(balance.held.pusd(), held.map(|hold| hold.amount.pusd()).sum::<i64>());
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_overspent_refused_wrongly_or_left_held_whenever_it_is_killed(events in events()) {
        let mut world = World::default();
        for event in &events {
            world.happen(event);
            world.check();
            // And if this was the last thing that happened before a kill:
            let mut killed = world.clone();
            killed.happen(&Event::Kill);
            killed.check();
            prop_assert!(killed.balances.values().all(|balance| balance.held == Money::ZERO));
        }
    }
}

#[test]
fn an_amount_at_the_end_of_the_range_is_refused_and_does_not_wrap() {
    let claim = Claim { account: account(1, 0), limit: Money::MAX, mode: Mode::Enforce };
    let mut balances = Balances::new();
    assert!(reserve(&mut balances, &[claim], Money::MAX).is_ok());
    assert_eq!(reserve(&mut balances, &[claim], Money::from_pusd(1)).unwrap_err().len(), 1);
    assert_eq!(balances[&account(1, 0)].remaining(Money::MAX), Money::ZERO);
}
