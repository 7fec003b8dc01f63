//! A rule that is replayed, of either kind: what it says to a request, and how the end of a call changes what was taken.

use jiff::Timestamp;

use super::{
    budgets::{BudgetGate, cost},
    call::{Asks, Call, is_refused},
    limits::LimitGate,
    request::Request,
};
use crate::domain::money::Money;

/// A rule, and how it stands.
pub(super) enum Gate {
    Limit(LimitGate),
    Budget(BudgetGate),
}

impl Gate {
    pub(super) fn asks(&self, request: &Request) -> Asks {
        match self {
            Self::Limit(limit) => limit.asks(request),
            Self::Budget(budget) => budget.asks(request),
        }
    }

    /// Whether the log says that a rule of this name refused the request.
    pub(super) fn was_refused(&self, request: &Request) -> bool {
        let (code, name) = match self {
            Self::Limit(limit) => ("quota-exceeded", limit.name()),
            Self::Budget(budget) => ("budget-exhausted", budget.name()),
        };
        is_refused(request) && request.code == code && request.refused_by.iter().any(|refusing| refusing == name)
    }

    /// Whether there is room; if there is, it is taken.
    pub(super) fn ask(&mut self, call: &Call, now_ns: u64) -> bool {
        match self {
            Self::Limit(limit) => limit.ask(call, now_ns),
            Self::Budget(budget) => budget.ask(call),
        }
    }

    /// Whether the end of a call that had room changes anything.
    pub(super) fn has_an_end(&self, call: &Call) -> bool {
        match self {
            Self::Limit(limit) => limit.has_an_end(call),
            Self::Budget(_) => true,
        }
    }

    pub(super) fn end(&mut self, call: &Call, asked_ns: u64, now_ns: u64) {
        match self {
            Self::Limit(limit) => limit.end(call, asked_ns, now_ns),
            Self::Budget(budget) => budget.end(call),
        }
    }

    /// What a call has spent at its end, and in which period; only of budgets.
    pub(super) fn spends(&self, call: &Call) -> Option<(Timestamp, Money)> {
        match self {
            Self::Limit(_) => None,
            Self::Budget(budget) => Some((budget.period_of(call), cost(call))),
        }
    }

    /// When the period began that a call is in; only of budgets.
    pub(super) fn period_of(&self, call: &Call) -> Option<Timestamp> {
        if let Self::Budget(budget) = self { Some(budget.period_of(call)) } else { None }
    }
}
