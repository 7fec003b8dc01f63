//! What a ledger is asked to do, and what it answers.

use super::{Balance, BudgetAccount, Claim, Settlement, Shortage};
use crate::domain::{
    ids::{ApiKeyId, RequestId, TeamId, UserId},
    money::Money,
    usage::Usage,
};

/// Whose call it is and what for: the columns that usage is grouped by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    pub user: UserId,
    pub team: Option<TeamId>,
    pub key: Option<ApiKeyId>,
    pub route: String,
    pub model: Option<String>,
    /// Of the price that the call is billed by.
    pub price_version: Option<i64>,
}

/// Who served a call that may have gone to several places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub upstream: String,
    /// As the upstream knows it.
    pub model: Option<String>,
    pub price_version: Option<i64>,
    /// The accounts that it is counted in, where these are not all that money is held in.
    pub accounts: Option<Vec<BudgetAccount>>,
}

/// An instruction to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Holds money for a call, in every account that is claimed or in none.
    Reserve { request: RequestId, amount: Money, claims: Vec<Claim>, purpose: Purpose },
    /// Ends the hold of a call.
    End { request: RequestId, end: End },
}

impl Order {
    /// The call it is about.
    pub const fn request(&self) -> RequestId {
        match self {
            Self::Reserve { request, .. } | Self::End { request, .. } => *request,
        }
    }

    /// Whether the order ends a hold.
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::End { .. })
    }
}

/// How a hold ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Nothing was delivered that has to be paid.
    Release,
    /// The cost is not known: the call is booked at all that was held.
    Capture,
    /// The call took this much; `estimated` where its upstream did not say so in a way that can be believed.
    Settle { cost: Money, usage: Usage, estimated: bool, served: Option<Box<Served>> },
}

impl End {
    /// Who served the call, where that is known.
    pub fn served(&self) -> Option<&Served> {
        if let Self::Settle { served, .. } = self { served.as_deref() } else { None }
    }
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Booked {
    /// It is held, though these accounts, in shadow, have no room.
    Held(Vec<Shortage>),
    /// These accounts have no room; nothing is held.
    Short(Vec<Shortage>),
    Ended(Settlement),
    /// Another replica had ended its hold, at more than the call cost: this much is given back.
    Refunded(Money),
    /// There is no such hold any more: it has ended before.
    EndedBefore,
}

/// How a balance went from what it was to what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    pub account: BudgetAccount,
    pub before: Balance,
    pub after: Balance,
}
