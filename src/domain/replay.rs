//! What a limit or a budget would have refused: the audit log is asked, record by record, and the code decides that decides in
//! service ([`limit::shard`](super::limit::shard), [`ledger`](super::ledger)).
//!
//! Pure: [`Request`] reads one record, [`Replay`] takes them in the order in which the requests began and says at the end what
//! it found. Which record asks, for what and when is in `limits` and `budgets`; `timeline` puts what happened into its order.
//!
//! A record counts as the policy would have met it. One that was refused before the limits (no credential, a role, a body) asks
//! nothing. One that another policy refused, or that was refused behind the limits, is asked about and charges nothing in the end. One that
//! this policy refused in the log asks again, and takes what it would have taken.

mod budgets;
mod call;
mod export;
mod gate;
mod limits;
mod report;
mod request;
mod search;
mod tally;
mod timeline;

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use self::{
    budgets::BudgetGate,
    call::{Asks, Fate},
    gate::Gate,
    limits::LimitGate,
    tally::Tally,
    timeline::{Event, Timeline, What},
};
pub use self::{
    call::Unknown,
    export::Joiner,
    report::{Answer, NotCounted, NotYetMade, PeriodReport, Report, Step, SubjectReport},
    request::{Lines, Request, Unreadable},
    search::{Search, share_ppm},
};
use super::{
    budget::Budget,
    limit::{Allowance, Policy, Subject, rate::Refill},
};

/// The most rules that are compared in one replay.
pub const MOST_CANDIDATES: usize = 10;

/// How long a call may take that is under way when a replay of a limit of concurrent calls begins.
const LONGEST_CALL: SignedDuration = SignedDuration::from_hours(1);

/// The time that is asked about: `from` is its first moment, `to` the first one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// What is replayed, with what is known of it.
#[derive(Debug, Clone)]
pub enum Rule {
    Limit(Policy, Known),
    Budget(Budget, Known),
}

/// What the gateway knows of a rule besides what the rule says.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The subjects that have a rule of the same name for themselves: this one is not asked for them.
    pub apart: HashSet<Subject>,
    /// When this rule was made, if it is in force: it has met, and counted, nothing that was decided before.
    pub in_force_since: Option<Timestamp>,
}

impl Rule {
    /// The rule asked of the whole time, also where it is in force and was made within it.
    #[must_use]
    pub fn as_what_if(mut self) -> Self {
        let (Self::Limit(_, known) | Self::Budget(_, known)) = &mut self;
        known.in_force_since = None;
        self
    }

    /// From when on records are to be read, so that it stands at `from` as it would have stood then.
    #[must_use]
    pub fn reads_from(&self, from: Timestamp) -> Timestamp {
        let before = match self {
            Self::Budget(budget, _) => return budget.period.window(from).since,
            Self::Limit(policy, _) => match policy.allowance {
                Allowance::Rate(rate) => match rate.refill() {
                    Refill::Steady { window_s } => {
                        let refill_s = rate.refill_ns(rate.burst()) / 1_000_000_000;
                        SignedDuration::from_secs(i64::try_from(refill_s.max(window_s)).unwrap_or(i64::MAX))
                    }
                    Refill::Calendar(calendar) => return calendar.at(from).since,
                },
                Allowance::Concurrent(_) => LONGEST_CALL,
            },
        };
        from.saturating_sub(before).unwrap_or(Timestamp::MIN)
    }
}

/// A rule that meets the requests of the past, one after the other.
pub struct Replay {
    span: Span,
    reads_from: Timestamp,
    /// When the rule was made, where that is within the time: from then on it is asked. One that was made later was not in force then, and
    /// is asked of all.
    in_force_since: Option<Timestamp>,
    /// The requests of the time that were decided before the rule was made.
    not_yet_made: u64,
    gate: Gate,
    timeline: Timeline,
    tally: Tally,
    /// All that was asked for, of all subjects.
    asked: u64,
    /// By how much the clock that limits go by was behind that of the records at most: it is never set, and the other is.
    behind_ns: u64,
}

impl Replay {
    /// A rule that has met none.
    #[must_use]
    pub fn new(rule: Rule, span: Span) -> Self {
        let reads_from = rule.reads_from(span.from);
        let (gate, per, in_force_since) = match rule {
            Rule::Limit(policy, Known { apart, in_force_since }) => {
                let per = policy.per;
                (Gate::Limit(LimitGate::new(policy, apart)), per, in_force_since)
            }
            Rule::Budget(budget, Known { apart, in_force_since }) => {
                let per = budget.scope.per();
                (Gate::Budget(BudgetGate::new(budget, apart)), per, in_force_since)
            }
        };
        Self {
            span,
            reads_from,
            in_force_since: in_force_since.filter(|made| *made < span.to),
            not_yet_made: 0,
            gate,
            timeline: Timeline::default(),
            tally: Tally::new(span, per),
            asked: 0,
            behind_ns: 0,
        }
    }

    /// From when on it is to be given requests.
    #[must_use]
    pub const fn reads_from(&self) -> Timestamp {
        self.reads_from
    }

    /// Takes the next request: requests come in the order in which they began.
    pub fn take(&mut self, request: &Request) {
        while let Some(event) = self.timeline.next_before(nanoseconds(request.time).saturating_sub(self.behind_ns)) {
            self.happen(event);
        }
        self.keep(request);
    }

    /// Takes a request in no order: what it asks waits for [`Replay::report`].
    pub fn keep(&mut self, request: &Request) {
        if request.time < self.reads_from || request.time >= self.span.to {
            return;
        }
        let is_counted = request.time >= self.span.from;
        let in_force_ns = self.in_force_since.map_or(0, nanoseconds);
        match self.gate.asks(request) {
            Asks::Nothing => {}
            Asks::For { at_ns, .. } if at_ns < in_force_ns => {
                self.not_yet_made = self.not_yet_made.saturating_add(u64::from(is_counted));
            }
            Asks::Unknown(why) => {
                if is_counted && nanoseconds(request.time) >= in_force_ns {
                    self.tally.not_counted(why);
                }
            }
            Asks::For { at_ns, call } => {
                if is_counted && self.gate.was_refused(request) {
                    self.tally.was_refused();
                }
                self.asked = self.asked.saturating_add(call.amount);
                self.behind_ns = self.behind_ns.max(nanoseconds(request.time).saturating_sub(at_ns));
                self.timeline.add(Event { at_ns, order: request.id.0.as_u128(), what: What::Asks(call) });
            }
        }
    }

    /// A record that says nothing that can be read.
    pub fn take_unreadable(&mut self, time: Timestamp) {
        if time >= self.span.from && time < self.span.to {
            self.tally.not_counted(Unknown::Unreadable);
        }
    }

    /// All units that were asked for: a limit of this many in one window refuses none.
    #[must_use]
    pub const fn asked(&self) -> u64 {
        self.asked
    }

    /// What came of it.
    #[must_use]
    pub fn report(mut self) -> Report {
        while let Some(event) = self.timeline.next() {
            self.happen(event);
        }
        let requests = self.not_yet_made;
        let not_yet_made = self.in_force_since.filter(|_| requests > 0);
        Report {
            not_yet_made: not_yet_made.map(|in_force_since| NotYetMade { in_force_since, requests }),
            ..self.tally.report(matches!(self.gate, Gate::Budget(_)))
        }
    }

    fn happen(&mut self, event: Event) {
        let Event { at_ns, order, what } = event;
        match what {
            What::Asks(call) => {
                let has_room = self.gate.ask(&call, at_ns);
                if call.time >= self.span.from {
                    self.tally.add(&call, has_room);
                }
                if let Some(period) = self.gate.period_of(&call).filter(|_| !has_room) {
                    self.tally.exhaust(&call, period);
                }
                if let (true, Fate::Ended { at_ns: end_ns, .. }) = (has_room, &call.fate)
                    && self.gate.has_an_end(&call)
                {
                    let end_ns = (*end_ns).max(at_ns);
                    self.timeline.add(Event { at_ns: end_ns, order, what: What::Ends { call, asked_ns: at_ns } });
                }
            }
            What::Ends { call, asked_ns } => {
                self.gate.end(&call, asked_ns, at_ns);
                if let Some((period, cost)) = self.gate.spends(&call) {
                    self.tally.spend(&call, period, cost);
                }
            }
        }
    }
}

/// Gives records to all replays, in the order in which the requests began.
pub fn take_all(replays: &mut [Replay], records: &[(Timestamp, Lines)]) {
    for (time, lines) in records {
        match Request::read(lines) {
            Ok(Some(request)) => replays.iter_mut().for_each(|replay| replay.take(&request)),
            Ok(None) => {}
            Err(_) => replays.iter_mut().for_each(|replay| replay.take_unreadable(*time)),
        }
    }
}

/// Nanoseconds since 1970-01-01; zero before.
fn nanoseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
