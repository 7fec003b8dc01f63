//! Counts what a replay finds: in all, by subject, and by step of time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use jiff::Timestamp;

use super::{
    Span,
    call::{Call, Unknown},
    report::{NotCounted, PeriodReport, Report, Step, SubjectReport},
};
use crate::domain::{
    limit::{Per, Subject},
    money::Money,
    traffic::spans::{begin, chosen},
};

/// The most subjects of a report.
const MOST_SUBJECTS: usize = 100;

pub(super) struct Tally {
    per: Per,
    step_s: i64,
    total: Counts,
    was_refused: u64,
    subjects: HashMap<Subject, OfSubject>,
    /// By subject and the beginning of a period; only of budgets.
    periods: BTreeMap<(Subject, Timestamp), OfPeriod>,
    steps: BTreeMap<i64, Counts>,
    not_counted: BTreeMap<Unknown, u64>,
}

#[derive(Default, Clone, Copy)]
struct Counts {
    requests: u64,
    refused: u64,
}

#[derive(Default)]
struct OfSubject {
    counts: Counts,
    first_refused_at: Option<Timestamp>,
}

#[derive(Default)]
struct OfPeriod {
    spent: Money,
    exhausted_at: Option<Timestamp>,
}

impl Counts {
    const fn add(&mut self, has_room: bool) {
        self.requests = self.requests.saturating_add(1);
        if !has_room {
            self.refused = self.refused.saturating_add(1);
        }
    }
}

impl Tally {
    pub(super) fn new(span: Span, per: Per) -> Self {
        Self {
            per,
            step_s: i64::from(chosen(span.from, span.to)),
            total: Counts::default(),
            was_refused: 0,
            subjects: HashMap::new(),
            periods: BTreeMap::new(),
            steps: BTreeMap::new(),
            not_counted: BTreeMap::new(),
        }
    }

    /// A call asked, within the time that is asked about.
    pub(super) fn add(&mut self, call: &Call, has_room: bool) {
        self.total.add(has_room);
        self.steps.entry(begin(call.time.as_second(), self.step_s)).or_default().add(has_room);
        let of_subject = self.subjects.entry(call.subject).or_default();
        of_subject.counts.add(has_room);
        if !has_room {
            of_subject.first_refused_at = Some(earlier(of_subject.first_refused_at, call.time));
        }
    }

    /// A call found no room in a budget.
    pub(super) fn exhaust(&mut self, call: &Call, period: Timestamp) {
        let of_period = self.periods.entry((call.subject, period)).or_default();
        of_period.exhausted_at = Some(earlier(of_period.exhausted_at, call.time));
    }

    /// A call has spent money of a budget.
    pub(super) fn spend(&mut self, call: &Call, period: Timestamp, cost: Money) {
        let of_period = self.periods.entry((call.subject, period)).or_default();
        of_period.spent = of_period.spent.saturating_plus(cost);
    }

    /// The log says that the rule refused a request.
    pub(super) const fn was_refused(&mut self) {
        self.was_refused = self.was_refused.saturating_add(1);
    }

    pub(super) fn not_counted(&mut self, why: Unknown) {
        let count = self.not_counted.entry(why).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn report(self, is_budget: bool) -> Report {
        let Counts { requests, refused } = self.total;
        let spent = self.periods.values().map(|period| period.spent).fold(Money::ZERO, Money::saturating_plus);
        let steps = self.steps.iter().filter_map(|(second, counts)| {
            let time = Timestamp::from_second(*second).ok()?;
            Some(Step { time, requests: counts.requests, refused: counts.refused })
        });
        let not_counted = self.not_counted.iter();
        let not_counted = not_counted.map(|(why, count)| NotCounted { reason: why.as_str().into(), requests: *count });
        Report {
            requests,
            admitted: requests.saturating_sub(refused),
            refused,
            was_refused: self.was_refused,
            spent_usd: is_budget.then_some(spent),
            series: steps.collect(),
            not_counted: not_counted.collect(),
            subjects: self.first_subjects(is_budget),
            not_yet_made: None,
        }
    }

    fn first_subjects(&self, is_budget: bool) -> Vec<SubjectReport> {
        let mut subjects: Vec<(&Subject, &OfSubject)> = self.subjects.iter().collect();
        let rank = |(subject, of): &(&Subject, &OfSubject)| {
            (Reverse(of.counts.refused), Reverse(of.counts.requests), **subject)
        };
        if subjects.len() > MOST_SUBJECTS {
            subjects.select_nth_unstable_by_key(MOST_SUBJECTS, rank);
            subjects.truncate(MOST_SUBJECTS);
        }
        subjects.sort_unstable_by_key(rank);
        let report = |(subject, of): (&Subject, &OfSubject)| SubjectReport {
            subject: subject.written(self.per),
            name: None,
            requests: of.counts.requests,
            refused: of.counts.refused,
            first_refused_at: of.first_refused_at,
            periods: is_budget.then(|| self.periods_of(*subject)),
        };
        subjects.into_iter().map(report).collect()
    }

    fn periods_of(&self, subject: Subject) -> Vec<PeriodReport> {
        let periods = self.periods.range((subject, Timestamp::MIN)..=(subject, Timestamp::MAX));
        let report = |((_, since), of): (&(Subject, Timestamp), &OfPeriod)| PeriodReport {
            since: *since,
            spent_usd: of.spent,
            exhausted_at: of.exhausted_at,
        };
        periods.map(report).collect()
    }
}

fn earlier(first: Option<Timestamp>, time: Timestamp) -> Timestamp {
    first.map_or(time, |first| first.min(time))
}
