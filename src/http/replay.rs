//! Replay: what a limit or a budget would have refused in the past.

use actix_web::web::{Data, Json};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    budgets::BudgetCreate,
    extract::{Caller, DraftBody},
    failure::unavailable,
    input::Moment,
    limits::{self, LimitCreate},
    office::{Administration, AuditLog},
    problem::Problem,
    subject::{self, Written},
};
use crate::{
    domain::{
        ids::{BudgetId, LimitId},
        refusal::{Fault, Refusal, Unavailable},
        replay::{Answer, Known, MOST_CANDIDATES, Replay, Rule, Search, Span, share_ppm},
    },
    store::{Store, StoreError},
};

/// Which limit or budget, and of which time: one of `limit`, `budget` and `candidates`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = "a_week_at_a_hundred_a_minute")]
pub struct ReplayRequest {
    /// As for `POST /admin/limits`.
    limit: Option<LimitCreate>,
    /// As for `POST /admin/budgets`.
    budget: Option<BudgetCreate>,
    /// Several side by side, each with its own answer.
    #[schemars(length(min = 1, max = 10))]
    candidates: Option<Vec<Candidate>>,
    /// Beside a `limit`: what its `limit` would have to be at least.
    tightest: Option<Tightest>,
    /// A time or a day; requests that began then or later.
    #[schemars(with = "Moment")]
    from: String,
    /// A time or a day; requests that began before. Now unless given.
    #[schemars(with = "Option<Moment>")]
    to: Option<String>,
    /// Asks of the whole time, whatever is in force. Unless it is true, what is in force just so (its name, subject and numbers) and
    /// was made within the time says what it did, and `not_yet_made` what was before.
    #[serde(default)]
    what_if: bool,
}

fn a_week_at_a_hundred_a_minute() -> Value {
    json!({
        "from": "2026-11-16",
        "to": "2026-11-23",
        "limit": {
            "name": "per-minute", "routes": ["*"], "per": "user", "unit": "requests", "limit": 100, "window_s": 60
        },
        "tightest": { "below": 0.001 }
    })
}

/// One of several: a `limit` or a `budget`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReplayCandidate")]
pub struct Candidate {
    limit: Option<LimitCreate>,
    budget: Option<BudgetCreate>,
}

/// What the tightest limit must not reach.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReplayTightest")]
pub struct Tightest {
    /// The share of calls of which fewer are refused, to six decimal places: 0.001 is one in a thousand.
    #[schemars(range(min = 0.000_001, max = 1.0))]
    below: f64,
}

/// `POST /admin/replay`. A client whose connection is reset ends it: what is awaited here is dropped then. One that has closed
/// its own side may still read the answer (RFC 9112 §9.6), so its replay goes on to the end.
pub async fn run(
    administration: Data<Administration>,
    audit_log: Data<AuditLog>,
    _: Caller,
    DraftBody(mut draft): DraftBody<ReplayRequest>,
) -> Result<Json<Answer>, Problem> {
    let now = administration.clock.now();
    // Given, but not as what it must be.
    let is_given = ["/budget", "/candidates"].into_iter().any(|place| draft.is_faulty(place));
    subject::resolve(&administration.store, &mut draft, ReplayRequest::subjects).await?;
    let unsure: Vec<String> = places().flat_map(|at| subject::unsure(&draft, &at)).collect();
    let own = |body: &ReplayRequest| {
        let mut faults = body.read(&administration, now).err().unwrap_or_default();
        faults.retain(|fault| !(unsure.contains(&fault.pointer) || is_given && fault.pointer == "/limit"));
        faults
    };
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let question = body.read(&administration, now).map_err(Refusal::InvalidRequest)?;
    let _place = administration.replays.enter().ok_or(Refusal::Unavailable(Unavailable::Capacity))?;
    Ok(Json(question.answer(audit_log.settled().await).await.map_err(unavailable)?))
}

/// What is asked, once it is known to make sense.
struct Question {
    span: Span,
    rules: Vec<Rule>,
    /// Whether it is about several.
    is_comparison: bool,
    /// The share, in millionths, and whether the burst follows the limit.
    tightest: Option<(u64, bool)>,
    /// Whether what is in force is asked of the time before it was made, too.
    what_if: bool,
}

/// Where a limit or a budget may stand.
fn places() -> impl Iterator<Item = String> {
    let candidates =
        (0..MOST_CANDIDATES).flat_map(|i| ["limit", "budget"].map(|kind| format!("/candidates/{i}/{kind}")));
    ["/limit".to_owned(), "/budget".to_owned()].into_iter().chain(candidates)
}

impl ReplayRequest {
    /// Whose the limits and the budgets are, as it was written.
    fn subjects(&mut self) -> Vec<Written<'_>> {
        let limit = self.limit.as_mut().map(|limit| limit.subject("/limit"));
        let budget = self.budget.as_mut().map(|budget| budget.subject("/budget"));
        let candidates = self.candidates.iter_mut().flatten().enumerate().take(MOST_CANDIDATES);
        let candidates = candidates.flat_map(|(i, candidate)| {
            let at = format!("/candidates/{i}");
            let limit = candidate.limit.as_mut().map(|limit| limit.subject(&format!("{at}/limit")));
            let budget = candidate.budget.as_mut().map(|budget| budget.subject(&format!("{at}/budget")));
            [limit, budget].into_iter().flatten()
        });
        limit.into_iter().chain(budget).chain(candidates).collect()
    }

    fn read(&self, administration: &Administration, now: Timestamp) -> Result<Question, Vec<Fault>> {
        let mut faults = vec![];
        let mut rules = vec![];
        let mut keep = |rule: Result<Rule, Vec<Fault>>| match rule {
            Ok(rule) => rules.push(rule),
            Err(found) => faults.extend(found),
        };
        let candidates = self.candidates.as_deref().unwrap_or_default();
        if let Some(limit) = &self.limit {
            keep(limit_rule(administration, limit, "/limit"));
        }
        if let Some(budget) = &self.budget {
            keep(budget_rule(budget, "/budget"));
        }
        for (i, candidate) in candidates.iter().enumerate().take(MOST_CANDIDATES) {
            keep(candidate.rule(administration, &format!("/candidates/{i}")));
        }
        let given = [self.limit.is_some(), self.budget.is_some(), self.candidates.is_some()];
        match given.into_iter().filter(|is_given| *is_given).count() {
            1 => {}
            0 => faults.push(Fault::new("/limit", "is missing; or give a budget, or candidates")),
            _ => faults.push(Fault::new("", "must have one of limit, budget and candidates")),
        }
        if self.tightest.is_some() && self.limit.is_none() {
            faults.push(Fault::new("/tightest", "stands beside a limit only"));
        }
        let span = self.span(now).map_err(|fault| faults.push(fault));
        match span {
            Ok(span) if faults.is_empty() => {
                let (is_comparison, tightest) = (self.candidates.is_some(), self.tightest());
                Ok(Question { span, rules, is_comparison, tightest, what_if: self.what_if })
            }
            _ => Err(faults),
        }
    }

    fn span(&self, now: Timestamp) -> Result<Span, Fault> {
        let time = |name: &str, text: &str| {
            text.parse().map_err(|error: jiff::Error| Fault::new(format!("/{name}"), error.to_string()))
        };
        let from = time("from", &self.from)?;
        let to = self.to.as_deref().map_or(Ok(now), |to| time("to", to))?;
        if to <= from {
            return Err(Fault::new("/from", "must be earlier than to, which is now unless it is given"));
        }
        Ok(Span { from, to })
    }

    fn tightest(&self) -> Option<(u64, bool)> {
        let Tightest { below } = self.tightest?;
        Some((share_ppm(below)?, self.limit.as_ref().is_some_and(|limit| limit.spec().burst.is_none())))
    }
}

impl Candidate {
    fn rule(&self, administration: &Administration, at: &str) -> Result<Rule, Vec<Fault>> {
        match (&self.limit, &self.budget) {
            (Some(limit), None) => limit_rule(administration, limit, &format!("{at}/limit")),
            (None, Some(budget)) => budget_rule(budget, &format!("{at}/budget")),
            _ => Err(vec![Fault::new(at, "must have a limit or a budget")]),
        }
    }
}

fn limit_rule(administration: &Administration, limit: &LimitCreate, at: &str) -> Result<Rule, Vec<Fault>> {
    let policy = limits::check(administration, limit.spec(), LimitId(Uuid::nil()));
    policy.map(|policy| Rule::Limit(policy, Known::default())).map_err(|faults| below(at, faults))
}

fn budget_rule(budget: &BudgetCreate, at: &str) -> Result<Rule, Vec<Fault>> {
    let budget = budget.spec().budget(BudgetId(Uuid::nil()));
    budget.map(|budget| Rule::Budget(budget, Known::default())).map_err(|faults| below(at, faults))
}

/// The faults of an object that stands at this place.
fn below(at: &str, faults: Vec<Fault>) -> Vec<Fault> {
    faults.into_iter().map(|fault| fault.within(at)).collect()
}

impl Question {
    async fn answer(self, store: &Store) -> Result<Answer, StoreError> {
        let Self { span, rules, is_comparison, tightest, what_if } = self;
        let mut known = vec![];
        for rule in rules {
            let rule = store.with_known(rule).await?;
            known.push(if what_if { rule.as_what_if() } else { rule });
        }
        let replays = known.iter().map(|rule| Replay::new(rule.clone(), span)).collect();
        let replays = store.replay(replays, span.to, |_| {}).await?;
        let asked = replays.iter().map(Replay::asked).max().unwrap_or(0);
        let tightest_limit = match (tightest, known.pop()) {
            (Some((below_ppm, burst_follows)), Some(Rule::Limit(policy, of_it))) => {
                let search = Search::new((policy, of_it), burst_follows, span, (below_ppm, asked));
                Some(search.find(async |runs| store.replay(runs, span.to, |_| {}).await).await?)
            }
            _ => None,
        };
        let reports = replays.into_iter().map(Replay::report).collect();
        let mut answer = Answer::new(span, reports, is_comparison, tightest_limit);
        store.name_subjects(&mut answer).await?;
        Ok(answer)
    }
}
