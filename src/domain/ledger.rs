//! The arithmetic of budgets: money is held before a call, and each hold ends once.
//!
//! Pure: the store loads the balances that a batch touches, applies it by these functions, and writes them back in the
//! same transaction. What a call is counted in is decided when its money is held, so a period that turns or a limit that
//! changes while it is under way neither loses nor doubles it.

pub mod check;
mod order;
mod places;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    ids::{BudgetId, RequestId},
    limit::{Mode, Subject},
    money::Money,
};

pub use self::order::{Booked, End, Movement, Order, Purpose, Served};
pub use self::places::retreat;

/// The identity of one balance: a budget, a subject that it applies to, and one of its periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BudgetAccount {
    pub budget: BudgetId,
    pub subject: Subject,
    /// When the period began.
    pub since: Timestamp,
}

/// What is spent and held of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    pub spent: Money,
    pub held: Money,
}

impl Balance {
    /// What is left of `limit`; never below zero.
    pub fn remaining(self, limit: Money) -> Money {
        limit.saturating_minus(self.spent).saturating_minus(self.held).max(Money::ZERO)
    }

    fn has_room(self, amount: Money, limit: Money) -> bool {
        let sum = self.spent.plus(self.held).and_then(|taken| taken.plus(amount));
        sum.is_some_and(|sum| sum <= limit)
    }
}

/// Balances by account. An account that is not here has neither spent nor held.
pub type Balances = BTreeMap<BudgetAccount, Balance>;

/// A budget that a call is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub account: BudgetAccount,
    pub limit: Money,
    /// In shadow it counts and refuses nothing.
    pub mode: Mode,
}

/// Money set aside for one call until it is settled or released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub request: RequestId,
    pub amount: Money,
    pub accounts: Vec<BudgetAccount>,
}

/// A budget without room, as it stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    pub account: BudgetAccount,
    pub balance: Balance,
}

/// How the cost of a call was booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// Out of its hold.
    pub settled: Money,
    /// Beyond its hold: the upstream billed more than the bound. It is booked all the same.
    pub forced: Money,
}

/// Holds `amount` in every claimed account, or in none. The error names every account that has no room; so does the good
/// answer, of those in shadow.
pub fn reserve(balances: &mut Balances, claims: &[Claim], amount: Money) -> Result<Vec<Shortage>, Vec<Shortage>> {
    let short = |mode| {
        let without_room =
            |claim: &&Claim| claim.mode == mode && !balance(balances, claim).has_room(amount, claim.limit);
        let shortage = |claim: &Claim| Shortage { account: claim.account, balance: balance(balances, claim) };
        claims.iter().filter(without_room).map(shortage).collect::<Vec<_>>()
    };
    let (shortages, shadowed) = (short(Mode::Enforce), short(Mode::Shadow));
    if !shortages.is_empty() {
        return Err(shortages);
    }
    for claim in claims {
        let balance = balances.entry(claim.account).or_default();
        balance.held = balance.held.saturating_plus(amount);
    }
    Ok(shadowed)
}

/// Ends a hold at the true cost of its call; a cost of zero releases it. The cost is booked in the accounts that are
/// `counted`, which are some of the hold's or all of them.
pub fn settle(balances: &mut Balances, hold: &Hold, counted: &[BudgetAccount], cost: Money) -> Settlement {
    for account in &hold.accounts {
        let balance = balances.entry(*account).or_default();
        balance.held = balance.held.saturating_minus(hold.amount);
        if counted.contains(account) {
            balance.spent = balance.spent.saturating_plus(cost);
        }
    }
    let settled = cost.min(hold.amount);
    Settlement { settled, forced: cost.saturating_minus(settled) }
}

/// Gives back money of a call that was booked at more than it cost.
pub fn refund(balances: &mut Balances, accounts: &[BudgetAccount], amount: Money) {
    for account in accounts {
        let balance = balances.entry(*account).or_default();
        balance.spent = balance.spent.saturating_minus(amount);
    }
}

fn balance(balances: &Balances, claim: &Claim) -> Balance {
    balances.get(&claim.account).copied().unwrap_or_default()
}

#[cfg(test)]
mod test_model;
