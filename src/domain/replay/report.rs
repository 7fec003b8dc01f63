//! What a replay found, as it is answered and printed.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::Span;
use crate::domain::money::Money;

/// What would have been refused in a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ReplayAnswer")]
pub struct Answer {
    #[schemars(with = "String")]
    pub from: Timestamp,
    #[schemars(with = "String")]
    pub to: Timestamp,
    /// Of the one limit or budget that was asked about.
    #[serde(flatten)]
    pub report: Option<Report>,
    /// Of each candidate, in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<Vec<Report>>,
    /// Where it was asked for: the lowest `limit` that refuses fewer than the share; null where none does, because of its `burst`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tightest_limit: Option<Option<u64>>,
}

impl Answer {
    /// The answer of a replay, to a question about one rule or about several side by side.
    #[must_use]
    pub fn new(span: Span, mut reports: Vec<Report>, is_comparison: bool, tightest_limit: Option<Option<u64>>) -> Self {
        let (report, candidates) = if is_comparison { (None, Some(reports)) } else { (reports.pop(), None) };
        Self { from: span.from, to: span.to, report, candidates, tightest_limit }
    }

    /// All reports in it.
    pub fn reports_mut(&mut self) -> impl Iterator<Item = &mut Report> {
        self.report.iter_mut().chain(self.candidates.iter_mut().flatten())
    }
}

/// What a limit or a budget would have done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[schemars(rename = "ReplayReport")]
pub struct Report {
    /// Requests that would have asked it: `admitted` and `refused`.
    pub requests: u64,
    /// For which it had room; another rule may have refused them.
    pub admitted: u64,
    pub refused: u64,
    /// How many the log says it refused: what has this name and was in force then.
    pub was_refused: u64,
    /// Of a budget: what was spent in the periods that the time touches, from their beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spent_usd: Option<Money>,
    /// The hundred of which most was refused, or that asked most.
    pub subjects: Vec<SubjectReport>,
    /// A step in which nothing asked is left out.
    pub series: Vec<Step>,
    /// Records that cannot be replayed, by the reason.
    pub not_counted: Vec<NotCounted>,
    /// Where it is in force and was made within the time: what asked nothing of it, because it was not there yet. With `what_if` all ask it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_yet_made: Option<NotYetMade>,
}

/// The part of a time in which a limit or a budget that is in force was not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ReplayNotYetMade")]
pub struct NotYetMade {
    /// When it was made.
    #[schemars(with = "String")]
    pub in_force_since: Timestamp,
    /// Requests of before that would have asked it.
    pub requests: u64,
}

/// One of those that a rule counts separately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ReplaySubject")]
pub struct SubjectReport {
    /// The id of a user, a team or a key, or an address; null where everybody is one.
    pub subject: Option<String>,
    pub name: Option<String>,
    pub requests: u64,
    pub refused: u64,
    #[schemars(with = "Option<String>")]
    pub first_refused_at: Option<Timestamp>,
    /// Of a budget, each day, week or month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub periods: Option<Vec<PeriodReport>>,
}

/// A subject in one period of a budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ReplayPeriod")]
pub struct PeriodReport {
    #[schemars(with = "String")]
    pub since: Timestamp,
    pub spent_usd: Money,
    /// When a call found no room for the first time.
    #[schemars(with = "Option<String>")]
    pub exhausted_at: Option<Timestamp>,
}

/// A step of the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ReplayStep")]
pub struct Step {
    /// When it begins.
    #[schemars(with = "String")]
    pub time: Timestamp,
    pub requests: u64,
    pub refused: u64,
}

/// Records that cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ReplayNotCounted")]
pub struct NotCounted {
    /// `address-erased`, `address-unknown`, `tokens-unknown`, `hold-unknown`, `end-unknown` or `unreadable`.
    pub reason: String,
    pub requests: u64,
}
