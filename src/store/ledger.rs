//! The ledger as it is stored: balances of budgets, holds of calls under way, and entries of all that became of money.
//!
//! Only the `BudgetLedger` writes, many orders in one transaction; [`crate::domain::ledger`] says what becomes of each.
//! Balances that a batch touches are locked in one order over all replicas, so what is committed is exact whoever else
//! books at the same time.

mod balances;
mod entries;
mod holds;
mod usage;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use self::{
    entries::{Entry, Kind},
    holds::OpenHold,
};
use super::{Store, StoreError, connection::Connection};
use crate::domain::{
    ids::{BudgetId, RequestId},
    ledger::{self, Account, Balances, Booked, Claim, End, Hold, Movement, Order, Purpose},
    money::Money,
    usage::Usage,
};

pub use usage::{UsageFilter, UsageRow};

impl Store {
    /// Books all orders in one transaction, the ends of holds first, and tells what became of each, in their order, and
    /// of the balances. It is on the disk when this returns.
    ///
    /// # Errors
    /// `Unavailable`: whether anything was booked is not known. Booking the same ends again changes nothing.
    pub async fn book(
        &self,
        owner: &str,
        orders: Vec<Order>,
        now: Timestamp,
    ) -> Result<(Vec<Booked>, Vec<Movement>), StoreError> {
        let owner = owner.to_owned();
        self.transaction(async move |connection: &mut Connection| {
            let ending = orders.iter().filter_map(|order| match order {
                Order::End { request, .. } => Some(*request),
                Order::Reserve { .. } => None,
            });
            let open = holds::take(connection, &ending.collect::<Vec<_>>()).await?;
            let touched = touched(&orders, &open);
            let before = balances::lock(connection, &touched).await?;
            let mut batch = Batch::new(owner, before.clone(), open, now);
            let booked = batch.book(&orders);
            let after = batch.balances;
            let movements = after.iter().map(|(account, after)| Movement {
                account: *account,
                before: before.get(account).copied().unwrap_or_default(),
                after: *after,
            });
            let movements: Vec<Movement> = movements.filter(|movement| movement.before != movement.after).collect();
            balances::write(connection, &movements).await?;
            holds::insert(connection, batch.opened.into_values().collect()).await?;
            entries::append(connection, batch.entries).await?;
            Ok((booked, movements))
        })
        .await
    }

    /// The balances of these accounts; one that was never touched is left out.
    pub async fn balances(&self, accounts: BTreeSet<Account>) -> Result<Balances, StoreError> {
        self.read(async move |connection: &mut Connection| balances::read(connection, &accounts).await).await
    }

    /// The balances of these budgets in the periods that began at these times, of all whom they speak of.
    pub async fn balances_of(&self, budgets: Vec<(BudgetId, Timestamp)>) -> Result<Balances, StoreError> {
        self.read(async move |connection: &mut Connection| balances::of_budgets(connection, &budgets).await).await
    }

    /// The calls whose money `owner` holds, the oldest first.
    pub async fn open_holds(&self, owner: &str) -> Result<Vec<RequestId>, StoreError> {
        let owner = owner.to_owned();
        self.read(async move |connection: &mut Connection| holds::of_owner(connection, &owner).await).await
    }
}

/// Every account that an order may change.
fn touched(orders: &[Order], open: &HashMap<RequestId, OpenHold>) -> BTreeSet<Account> {
    let claimed = orders.iter().flat_map(|order| match order {
        Order::Reserve { claims, .. } => claims.as_slice(),
        Order::End { .. } => &[],
    });
    let held = open.values().flat_map(|open| &open.hold.accounts).copied();
    claimed.map(|claim| claim.account).chain(held).collect()
}

/// Orders on their way into the books.
struct Batch {
    owner: String,
    now: Timestamp,
    balances: Balances,
    /// Holds that were there before and whose ends are in the batch.
    open: HashMap<RequestId, OpenHold>,
    /// Holds of this batch.
    opened: BTreeMap<RequestId, OpenHold>,
    entries: Vec<Entry>,
}

impl Batch {
    fn new(owner: String, balances: Balances, open: HashMap<RequestId, OpenHold>, now: Timestamp) -> Self {
        Self { owner, now, balances, open, opened: BTreeMap::new(), entries: vec![] }
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
        Some(self.end(hold, *end))
    }

    fn do_now(&mut self, order: &Order) -> Booked {
        match order {
            Order::Reserve { request, amount, claims, purpose } => self.reserve(*request, *amount, claims, purpose),
            Order::End { request, end } => match self.opened.remove(request) {
                Some(hold) => self.end(hold, *end),
                None => Booked::EndedBefore,
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

    fn end(&mut self, open: OpenHold, end: End) -> Booked {
        let cost = match end {
            End::Release => Money::ZERO,
            End::Capture => open.hold.amount,
            End::Settle { cost, .. } => cost,
        };
        let settlement = ledger::settle(&mut self.balances, &open.hold, cost);
        let first = match end {
            End::Release => Entry::new(Kind::Release, Money::ZERO, self.now, &open),
            End::Capture => Entry::new(Kind::Settle, settlement.settled, self.now, &open).of(Usage::default(), true),
            End::Settle { usage, estimated, .. } => {
                Entry::new(Kind::Settle, settlement.settled, self.now, &open).of(usage, estimated)
            }
        };
        self.entries.push(first);
        if settlement.forced > Money::ZERO {
            self.entries.push(Entry::new(Kind::Forced, settlement.forced, self.now, &open));
        }
        Booked::Ended(settlement)
    }
}
