//! A budget that is replayed: by the arithmetic of the ledger. Each call asks for the hold that it asked for in service.

use std::collections::HashSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    call::{Asks, Call, Fate, Reach, Unknown, ended_ns, is_refused},
    nanoseconds,
    request::Request,
};
use crate::domain::{
    audit::Decision,
    budget::Budget,
    ids::RequestId,
    ledger::{Balances, Hold, reserve, settle},
    limit::{Mode, Subject},
    money::Money,
};

pub(super) struct BudgetGate {
    budget: Budget,
    reach: Reach,
    balances: Balances,
}

impl BudgetGate {
    pub(super) fn new(budget: Budget, apart: HashSet<Subject>) -> Self {
        let reach = Reach { per: budget.scope.per(), only: budget.subject, apart };
        let budget = Budget { mode: Mode::Enforce, ..budget };
        Self { budget, reach, balances: Balances::new() }
    }

    pub(super) fn name(&self) -> &str {
        &self.budget.name
    }

    pub(super) fn asks(&self, request: &Request) -> Asks {
        let [asked, served] = request.models.each_ref().map(Option::as_deref);
        let models = &self.budget.models;
        if !(models.contains(asked) || (served.is_some() && models.contains(served))) {
            return Asks::Nothing;
        }
        // What has no subject here is not counted, whatever it would have cost.
        let Ok(Some(subject)) = self.reach.subject(request) else { return Asks::Nothing };
        let hold = match (request.asked.hold_usd, request.cost) {
            (Some(hold), _) => hold,
            // From before the hold was on record: what it cost stands for it.
            (None, Some(cost)) if request.asked.limited_at.is_none() && cost > Money::ZERO => cost,
            (None, _) if is_refused(request) && request.code == "budget-exhausted" => {
                return Asks::Unknown(Unknown::Hold);
            }
            (None, _) => return Asks::Nothing,
        };
        let at = request.asked.reserved_at.or(request.asked.limited_at).unwrap_or(request.time);
        let at_ns = nanoseconds(at);
        let fate = self.fate(request, ended_ns(request, at_ns));
        Asks::For { at_ns, call: Call { subject, amount: pusd(hold), time: request.time, fate } }
    }

    fn fate(&self, request: &Request, at_ns: u64) -> Fate {
        let ended = |took| Fate::Ended { at_ns, reached: true, took };
        match (request.decision, request.code.as_str()) {
            (Some(Decision::Refused), "budget-exhausted") if request.is_refused_by_others(&self.budget.name) => {
                Fate::RefusedElsewhere
            }
            // What it would have cost nobody knows.
            (Some(Decision::Refused), "budget-exhausted") => ended(None),
            (Some(Decision::Refused), "ledger-unavailable") => Fate::RefusedElsewhere,
            // Of a call that was killed all that was held is taken.
            (Some(Decision::Allowed), _) if request.duration_us.is_none() => ended(None),
            _ => ended(Some(request.cost.map_or(0, pusd))),
        }
    }

    /// When the period began that a call is counted in.
    pub(super) fn period_of(&self, call: &Call) -> Timestamp {
        self.budget.period.window(call.time).since
    }

    pub(super) fn ask(&mut self, call: &Call) -> bool {
        let claim = self.budget.claim(call.subject, call.time);
        let has_room = reserve(&mut self.balances, &[claim], money(call.amount)).is_ok();
        if has_room && matches!(call.fate, Fate::RefusedElsewhere) {
            let hold = self.hold(call);
            settle(&mut self.balances, &hold, &[], Money::ZERO);
        }
        has_room
    }

    pub(super) fn end(&mut self, call: &Call) {
        let (hold, cost) = (self.hold(call), cost(call));
        settle(&mut self.balances, &hold, &hold.accounts, cost);
    }

    fn hold(&self, call: &Call) -> Hold {
        let account = self.budget.claim(call.subject, call.time).account;
        Hold { request: RequestId(Uuid::nil()), amount: money(call.amount), accounts: vec![account] }
    }
}

/// What a call cost in the end.
pub(super) fn cost(call: &Call) -> Money {
    match call.fate {
        Fate::Ended { took, .. } => money(took.unwrap_or(call.amount)),
        Fate::RefusedElsewhere => Money::ZERO,
    }
}

fn pusd(amount: Money) -> u64 {
    u64::try_from(amount.pusd()).unwrap_or(0)
}

fn money(pusd: u64) -> Money {
    Money::from_pusd(i64::try_from(pusd).unwrap_or(i64::MAX))
}
