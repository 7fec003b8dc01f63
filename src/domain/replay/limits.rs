//! A limit that is replayed: by the shard that decides in service, which here has every bucket itself.

use std::{collections::HashSet, sync::Arc};

use super::{
    call::{Asks, Call, Fate, Reach, Unknown, ended_ns, is_refused},
    nanoseconds,
    request::Request,
};
use crate::domain::limit::{
    Mode, Policy, Subject, Unit,
    shard::{Charge, Charges, Ending, Ruling, Setting, Shard, Taken},
};

pub(super) struct LimitGate {
    policy: Arc<Policy>,
    reach: Reach,
    shard: Shard,
}

impl LimitGate {
    pub(super) fn new(policy: Policy, apart: HashSet<Subject>) -> Self {
        let reach = Reach { per: policy.per, only: policy.subject, apart };
        // What one in shadow would refuse is asked too.
        let policy = Arc::new(Policy { mode: Mode::Enforce, since_ns: 0, ..policy });
        Self { policy, reach, shard: Shard::new(Setting::keeping_all()) }
    }

    pub(super) fn name(&self) -> &str {
        &self.policy.name
    }

    pub(super) fn asks(&self, request: &Request) -> Asks {
        let is_on_route = request.route.as_ref().is_some_and(|route| self.policy.routes.contains(route));
        if !is_on_route || !request.came_to_limits() {
            return Asks::Nothing;
        }
        let units = match self.units(request) {
            Ok(Some(units)) => units.min(self.policy.most_at_once()),
            Ok(None) => return Asks::Nothing,
            Err(why) => return Asks::Unknown(why),
        };
        let subject = match self.reach.subject(request) {
            Ok(Some(subject)) => subject,
            Ok(None) => return Asks::Nothing,
            Err(why) => return Asks::Unknown(why),
        };
        if self.policy.unit == Unit::Concurrent && request.duration_us.is_none() {
            return Asks::Unknown(Unknown::End);
        }
        let asked = &request.asked;
        let at =
            if self.policy.unit == Unit::Tokens { asked.reserved_at.or(asked.limited_at) } else { asked.limited_at };
        let at_ns = nanoseconds(at.unwrap_or(request.time));
        let call = Call { subject, amount: units, time: request.time, fate: self.fate(request, at_ns) };
        Asks::For { at_ns, call }
    }

    /// How much the request asks for; nothing where it does not ask this policy.
    fn units(&self, request: &Request) -> Result<Option<u64>, Unknown> {
        let asked = &request.asked;
        match self.policy.unit {
            Unit::Requests => Ok(Some(asked.weight.unwrap_or(1))),
            Unit::Concurrent => Ok(Some(1)),
            Unit::Tokens if asked.limited_at.is_some() => Ok(asked.estimated_tokens),
            // From before the estimate was on record: what it took stands for it.
            Unit::Tokens if request.tokens.is_some() => Ok(request.tokens),
            Unit::Tokens if request.code == "quota-exceeded" => Err(Unknown::Tokens),
            Unit::Tokens => Ok(None),
        }
    }

    fn fate(&self, request: &Request, at_ns: u64) -> Fate {
        let ended = |reached, took| Fate::Ended { at_ns: ended_ns(request, at_ns), reached, took };
        let is_refunded = request.asked.refunded == Some(true);
        if !is_refused(request) {
            // A call that failed before its answer was given back its tokens.
            let took = request.tokens.or_else(|| request.cost.filter(|_| self.policy.unit == Unit::Tokens).map(|_| 0));
            return ended(!is_refunded, took);
        }
        match request.code.as_str() {
            "quota-exceeded" if request.is_refused_by_others(&self.policy.name) => {
                // By tokens, after the limits that count calls had let it through.
                let is_behind = self.policy.unit != Unit::Tokens && request.asked.reserved_at.is_some();
                if is_behind { ended(false, None) } else { Fate::RefusedElsewhere }
            }
            "quota-exceeded" => ended(true, None),
            "temporary-reduced-capacity" if !is_refunded => Fate::RefusedElsewhere,
            // A rule behind the limits refused it, so nothing was sent.
            _ => ended(false, None),
        }
    }

    fn charges(&self, call: &Call) -> Charges {
        let (policy, subject, units) = (Arc::clone(&self.policy), call.subject, call.amount);
        Arc::from([Charge { series: 0, policy, subject, units }])
    }

    pub(super) fn ask(&mut self, call: &Call, now_ns: u64) -> bool {
        let charges = self.charges(call);
        let taken = self.shard.take(&charges, false, now_ns);
        let has_room = matches!(taken, Ok(Taken::Decided(decision)) if matches!(decision.ruling, Ruling::Admitted(_)));
        if has_room && matches!(call.fate, Fate::RefusedElsewhere) {
            self.shard.end(&charges, Ending { charged_ns: now_ns, reached: false, tokens: None }, now_ns);
        }
        has_room
    }

    pub(super) fn has_an_end(&self, call: &Call) -> bool {
        let Fate::Ended { reached, took, .. } = call.fate else { return false };
        match self.policy.unit {
            Unit::Concurrent => true,
            Unit::Tokens => !reached || took.is_some(),
            Unit::Requests => !reached,
        }
    }

    pub(super) fn end(&mut self, call: &Call, asked_ns: u64, now_ns: u64) {
        let Fate::Ended { reached, took, .. } = call.fate else { return };
        let ending = Ending { charged_ns: asked_ns, reached, tokens: took };
        self.shard.end(&self.charges(call), ending, now_ns);
    }
}
