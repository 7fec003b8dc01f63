//! The ledger as it is stored: balances of budgets, holds of calls under way, and entries of all that became of money.
//!
//! Only the `BudgetLedger` writes, many orders in one transaction; [`crate::domain::ledger`] says what becomes of each.
//! Balances that a batch touches are locked in one order over all replicas, so what is committed is exact whatever
//! other replica books at the same time.

mod alerts;
mod balances;
mod check;
mod entries;
mod holds;
mod orphans;
mod usage;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use self::{
    entries::{Entry, Kind},
    holds::OpenHold,
    orphans::Late,
};
use super::{Store, StoreError, connection::Connection};
use crate::domain::{
    budget::Alert,
    ids::{BudgetId, RequestId},
    ledger::{self, Balance, Balances, Booked, BudgetAccount, Claim, End, Hold, Movement, Order, Purpose},
    money::Money,
    usage::Usage,
};

pub use {
    alerts::{AlertRow, Unreported},
    check::{AccountFinding, CallFinding, LedgerReport},
    usage::{Named, Narrowed, Nobody, UsageFilter, UsageRow},
};

impl Store {
    /// Books all orders in one transaction, the ends of holds first, and returns the outcome of each, in their order,
    /// and the alerts that `watch` raised for the balances that moved, each kept until it is reported, once for each
    /// account and fraction. It is on the disk when this returns.
    ///
    /// # Errors
    /// `Unavailable`: whether anything was booked is not known. Booking the same ends again changes nothing.
    pub async fn book(
        &self,
        owner: &str,
        orders: Vec<Order>,
        watch: impl Fn(&Movement) -> Vec<Alert> + Send + 'static,
        now: Timestamp,
    ) -> Result<(Vec<Booked>, Vec<Alert>), StoreError> {
        let owner = owner.to_owned();
        self.transaction("ledger_entries", async move |connection: &mut Connection| {
            let open = holds::take(connection, &ending(&orders)).await?;
            let taken_over = open.values().filter(|open| open.owner != owner);
            let taken_over: Vec<_> = taken_over.map(|open| (open.hold.request, open.owner.clone())).collect();
            let late = orphans::take(connection, &without_hold(&orders, &open)).await?;
            let before = balances::lock(connection, &touched(&orders, &open, &late)).await?;
            let mut batch = Batch::new(owner.clone(), before.clone(), open, late, now);
            let booked = batch.book(&orders);
            let movements = movements(&before, &batch.balances);
            let alerts: Vec<Alert> = movements.iter().flat_map(watch).collect();
            balances::write(connection, &movements).await?;
            holds::insert(connection, batch.opened.into_values().collect()).await?;
            orphans::keep(connection, &taken_over, now).await?;
            entries::append(connection, batch.entries).await?;
            alerts::raise(connection, &owner, &alerts, now).await?;
            Ok((booked, alerts))
        })
        .await
    }

    /// The balances of these accounts; one that was never touched is left out.
    pub async fn balances(&self, accounts: BTreeSet<BudgetAccount>) -> Result<Balances, StoreError> {
        self.read("ledger_balances", async move |connection: &mut Connection| {
            balances::read(connection, &accounts).await
        })
        .await
    }

    /// The balances of these budgets in the periods that began at these times, of all their subjects.
    pub async fn balances_of(&self, budgets: Vec<(BudgetId, Timestamp)>) -> Result<Balances, StoreError> {
        self.read("ledger_balances", async move |connection: &mut Connection| {
            balances::of_budgets(connection, &budgets).await
        })
        .await
    }

    /// What is spent and held of each of these budgets in the period that began at that time, by all its subjects.
    /// A budget that nothing was ever held of is left out.
    pub async fn sums_of(&self, budgets: Vec<(BudgetId, Timestamp)>) -> Result<Vec<(BudgetId, Balance)>, StoreError> {
        self.read("ledger_balances", async move |connection: &mut Connection| {
            balances::sums(connection, &budgets).await
        })
        .await
    }

    /// The calls whose money `owner` holds, the oldest first.
    pub async fn open_holds(&self, owner: &str) -> Result<Vec<RequestId>, StoreError> {
        let owner = owner.to_owned();
        self.read("ledger_holds", async move |connection: &mut Connection| holds::of_owner(connection, &owner).await)
            .await
    }
}

/// The calls whose holds are to end.
fn ending(orders: &[Order]) -> Vec<RequestId> {
    let end = |order: &Order| if order.is_end() { Some(order.request()) } else { None };
    orders.iter().filter_map(end).collect()
}

/// Those whose hold is neither there nor asked for in the same batch.
fn without_hold(orders: &[Order], open: &HashMap<RequestId, OpenHold>) -> Vec<RequestId> {
    let asked: HashSet<RequestId> = orders.iter().filter(|order| !order.is_end()).map(Order::request).collect();
    ending(orders).into_iter().filter(|request| !open.contains_key(request) && !asked.contains(request)).collect()
}

/// Every account that an order may change.
fn touched(
    orders: &[Order],
    open: &HashMap<RequestId, OpenHold>,
    late: &HashMap<RequestId, Late>,
) -> BTreeSet<BudgetAccount> {
    let claimed = orders.iter().flat_map(|order| match order {
        Order::Reserve { claims, .. } => claims.as_slice(),
        Order::End { .. } => &[],
    });
    let held = open.values().chain(late.values().map(|late| &late.call)).flat_map(|open| &open.hold.accounts).copied();
    claimed.map(|claim| claim.account).chain(held).collect()
}

/// What has changed.
fn movements(before: &Balances, after: &Balances) -> Vec<Movement> {
    let movements = after.iter().map(|(account, after)| Movement {
        account: *account,
        before: before.get(account).copied().unwrap_or_default(),
        after: *after,
    });
    movements.filter(|movement| movement.before != movement.after).collect()
}

/// Orders on their way into the books.
struct Batch {
    owner: String,
    now: Timestamp,
    balances: Balances,
    /// Holds that were there before and whose ends are in the batch.
    open: HashMap<RequestId, OpenHold>,
    /// Calls whose holds another replica ended, and whose own ends come now.
    late: HashMap<RequestId, Late>,
    /// Holds of this batch.
    opened: BTreeMap<RequestId, OpenHold>,
    entries: Vec<Entry>,
}

impl Batch {
    fn new(
        owner: String,
        balances: Balances,
        open: HashMap<RequestId, OpenHold>,
        late: HashMap<RequestId, Late>,
        now: Timestamp,
    ) -> Self {
        Self { owner, now, balances, open, late, opened: BTreeMap::new(), entries: vec![] }
    }

    /// Holds that are given back leave room for those that are asked for; a call whose hold is asked for and ends in
    /// one batch finds its end after it.
    fn book(&mut self, orders: &[Order]) -> Vec<Booked> {
        let mut booked: Vec<Option<Booked>> = orders.iter().map(|order| self.end_earlier(order)).collect();
        for (order, booked) in orders.iter().zip(&mut booked) {
            if booked.is_none() {
                *booked = Some(self.do_now(order));
            }
        }
        booked.into_iter().flatten().collect()
    }

    fn end_earlier(&mut self, order: &Order) -> Option<Booked> {
        let Order::End { request, end } = order else { return None };
        let hold = self.open.remove(request)?;
        Some(self.end(hold, end))
    }

    fn do_now(&mut self, order: &Order) -> Booked {
        match order {
            Order::Reserve { request, amount, claims, purpose } => self.reserve(*request, *amount, claims, purpose),
            Order::End { request, end } => match self.opened.remove(request) {
                Some(hold) => self.end(hold, end),
                None => self.end_late(*request, end),
            },
        }
    }

    fn reserve(&mut self, request: RequestId, amount: Money, claims: &[Claim], purpose: &Purpose) -> Booked {
        let shadowed = match ledger::reserve(&mut self.balances, claims, amount) {
            Ok(shadowed) => shadowed,
            Err(shortages) => return Booked::Short(shortages),
        };
        let accounts = claims.iter().map(|claim| claim.account).collect();
        let hold = Hold { request, amount, accounts };
        let open = OpenHold { hold, owner: self.owner.clone(), opened_at: self.now, purpose: purpose.clone() };
        self.entries.push(Entry::new(Kind::Hold, amount, self.now, &open));
        self.opened.insert(request, open);
        Booked::Held(shadowed)
    }

    fn end(&mut self, open: OpenHold, end: &End) -> Booked {
        let (cost, usage, estimated) = match end {
            End::Release => (Money::ZERO, Usage::default(), false),
            End::Capture => (open.hold.amount, Usage::default(), true),
            End::Settle { cost, usage, estimated, .. } => (*cost, *usage, *estimated),
        };
        let served = end.served();
        let counted = served.and_then(|served| served.accounts.as_ref()).unwrap_or(&open.hold.accounts);
        let settlement = ledger::settle(&mut self.balances, &open.hold, counted, cost);
        let entry = |kind, amount| Entry::new(kind, amount, self.now, &open).by(served);
        self.entries.push(match end {
            End::Release => entry(Kind::Release, Money::ZERO),
            End::Capture | End::Settle { .. } => entry(Kind::Settle, settlement.settled).of(usage, estimated),
        });
        if settlement.forced > Money::ZERO {
            self.entries.push(entry(Kind::Forced, settlement.forced));
        }
        Booked::Ended(settlement)
    }

    /// The end of a call whose hold another replica ended: what was booked for the call stays; what it cost beyond that is
    /// booked as forced, and what it cost less is refunded, in every account that money was held in.
    fn end_late(&mut self, request: RequestId, end: &End) -> Booked {
        let Some(Late { call, held, booked }) = self.late.remove(&request) else { return Booked::EndedBefore };
        let (cost, usage, estimated) = match end {
            End::Release => (Money::ZERO, Usage::default(), false),
            End::Capture => (held.max(booked), Usage::default(), true),
            End::Settle { cost, usage, estimated, .. } => (*cost, *usage, *estimated),
        };
        if cost < booked {
            let refund = booked.saturating_minus(cost);
            ledger::refund(&mut self.balances, &call.hold.accounts, refund);
            self.entries.push(Entry::new(Kind::Refund, refund, self.now, &call).of(usage, estimated));
            return Booked::Refunded(refund);
        }
        let excess = cost.saturating_minus(booked);
        if excess == Money::ZERO {
            return Booked::EndedBefore;
        }
        let settlement = ledger::settle(&mut self.balances, &call.hold, &call.hold.accounts, excess);
        self.entries.push(Entry::new(Kind::Forced, settlement.forced, self.now, &call).of(usage, estimated));
        Booked::Ended(settlement)
    }
}
