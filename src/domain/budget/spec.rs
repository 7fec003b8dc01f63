//! A budget as it is written: in configurations and at `/admin/budgets`.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::{Budget, ModelSet, Period, Scope};
use crate::domain::{
    ids::BudgetId,
    limit::{Mode, Subject, SubjectText, spec::rehearsed},
    money::{InvalidAmount, Money, text_or_number, whole},
    name,
    refusal::Fault,
};

/// The word for every model.
const EVERY_MODEL: &str = "*";

/// Decimal places of a fraction in `alert_at`.
const FRACTION_PLACES: u32 = 6;
const ALL_PPM: u64 = 1_000_000;

const MAX_ALERTS: usize = 16;
const MAX_MODELS: usize = 1_000;

/// The highest limit: amounts are counted up to about 9.2 million USD, and what is spent may go beyond a limit.
const MAX_LIMIT: Money = Money::from_pusd(9_000_000_000_000_000_000);

/// A budget to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BudgetCreate")]
pub struct Spec {
    #[schemars(with = "name::Name")]
    pub name: String,
    pub scope: Scope,
    /// Its only subject, a user, a team or an API key by its name or its id, in place of the general budget of the same name;
    /// null: each one of its kind has as much.
    #[schemars(with = "Option<SubjectText>")]
    pub subject: Option<String>,
    /// `["*"]`, or names of models as requests have them; `gpt-*` is each that begins so.
    #[serde(default = "every_model")]
    #[schemars(length(min = 1, max = 1_000))]
    pub models: Vec<String>,
    /// USD in decimal text, at most 9000000.
    #[serde(deserialize_with = "text_or_number")]
    #[schemars(with = "Money")]
    pub limit_usd: String,
    pub period: Period,
    #[serde(default)]
    pub mode: Mode,
    /// Fractions of the limit at which to say so.
    #[serde(default)]
    #[schemars(with = "Vec<f64>", length(max = 16))]
    pub alert_at: Vec<Number>,
}

fn every_model() -> Vec<String> {
    vec![EVERY_MODEL.to_owned()]
}

impl Spec {
    /// The budget, or all that is wrong with it.
    pub fn budget(&self, id: BudgetId) -> Result<Budget, Vec<Fault>> {
        let mut faults: Vec<Fault> = name::fault(&self.name).into_iter().chain(self.model_faults()).collect();
        let alert_at_ppm = self.alerts();
        let mut keep = |fault: Fault| faults.push(fault);
        let subject = self.subject.as_deref().map(|text| Subject::parse(self.scope.per(), text)).transpose();
        let subject = subject.map_err(|error| keep(Fault::new("/subject", error.to_string())));
        let limit = limit(&self.limit_usd).map_err(|error| keep(Fault::new("/limit_usd", error)));
        let alert_at_ppm = alert_at_ppm.map_err(|wrong| wrong.into_iter().for_each(keep));
        match (subject, limit, alert_at_ppm) {
            (Ok(subject), Ok(limit), Ok(alert_at_ppm)) if faults.is_empty() => Ok(Budget {
                id,
                name: self.name.as_str().into(),
                scope: self.scope,
                subject,
                models: self.model_set(),
                limit,
                period: self.period,
                mode: self.mode,
                alert_at_ppm,
            }),
            _ => Err(faults),
        }
    }

    /// The budget of a file, whose subject may be a name, as it can be held against the rules: see [`rehearsed`].
    #[must_use]
    pub fn rehearsed(&self) -> Self {
        let subject = self.subject.as_deref().map(|text| rehearsed(self.scope.per(), text));
        Self { subject, ..self.clone() }
    }

    fn model_set(&self) -> ModelSet {
        match self.models.as_slice() {
            [all] if all == EVERY_MODEL => ModelSet::All,
            names => ModelSet::Named(names.iter().cloned().collect()),
        }
    }

    fn model_faults(&self) -> Vec<Fault> {
        if self.models.is_empty() || self.models.len() > MAX_MODELS {
            return vec![Fault::new("/models", format!("must be [\"*\"] or name 1 to {MAX_MODELS} models"))];
        }
        let (alone, mut seen, mut faults) = (self.models.len() == 1, HashSet::new(), vec![]);
        for (i, model) in self.models.iter().enumerate() {
            let at = format!("/models/{i}");
            if model == EVERY_MODEL && !alone {
                faults.push(Fault::new(at, "\"*\" stands alone"));
            } else if model.is_empty() {
                faults.push(Fault::new(at, "is empty"));
            } else if !seen.insert(model) {
                faults.push(Fault::new(at, "is named twice"));
            }
        }
        faults
    }

    /// Rising, and each once; or all that is wrong with them.
    fn alerts(&self) -> Result<Vec<u64>, Vec<Fault>> {
        if self.alert_at.len() > MAX_ALERTS {
            return Err(vec![Fault::new("/alert_at", format!("at most {MAX_ALERTS} are kept"))]);
        }
        let ppm = |(i, fraction): (usize, &Number)| {
            let ppm = whole(&fraction.to_string(), FRACTION_PLACES).ok().filter(|ppm| (1..=ALL_PPM).contains(ppm));
            let reason = "must be more than 0 and at most 1, with at most six decimal places";
            ppm.ok_or_else(|| Fault::new(format!("/alert_at/{i}"), reason))
        };
        let (mut alerts, mut faults) = (vec![], vec![]);
        for ppm in self.alert_at.iter().enumerate().map(ppm) {
            match ppm {
                Ok(ppm) => alerts.push(ppm),
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        alerts.sort_unstable();
        alerts.dedup();
        Ok(alerts)
    }
}

/// Why a budget conflicts with the others, or cannot be changed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// There is one of this name for this subject.
    Taken,
    OtherScope,
    NoSuchSubject,
    /// What was spent is counted by this field.
    Fixed(&'static str),
}

impl Misfit {
    /// The fault as a refusal names it.
    pub fn fault(self) -> Fault {
        match self {
            Self::Taken => Fault::new("/name", "there is a budget with this name and this subject"),
            Self::OtherScope => Fault::new("/scope", "a budget with this name is for another kind of subject"),
            Self::NoSuchSubject => Fault::new("/subject", "there is none with this name or id"),
            Self::Fixed(field) => {
                let why = "stays as it is, because what was spent is counted by it; make another budget";
                Fault::new(format!("/{field}"), why)
            }
        }
    }
}

impl Budget {
    /// Whether this budget conflicts with another.
    pub fn misfit(&self, other: &Self) -> Option<Misfit> {
        match other {
            _ if other.name != self.name => None,
            _ if other.scope != self.scope => Some(Misfit::OtherScope),
            _ if other.subject == self.subject => Some(Misfit::Taken),
            _ => None,
        }
    }

    /// Whether a budget cannot become this one.
    #[must_use]
    pub fn cannot_replace(&self, before: &Self) -> Option<Misfit> {
        match before {
            _ if before.scope != self.scope => Some(Misfit::Fixed("scope")),
            _ if before.subject != self.subject => Some(Misfit::Fixed("subject")),
            _ if before.period != self.period => Some(Misfit::Fixed("period")),
            _ => None,
        }
    }
}

fn limit(text: &str) -> Result<Money, String> {
    let limit: Money = text.parse().map_err(|error: InvalidAmount| error.to_string())?;
    if limit <= MAX_LIMIT { Ok(limit) } else { Err(format!("must be at most {MAX_LIMIT}")) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    fn budget(changes: Value) -> Result<Budget, Vec<String>> {
        let mut spec = json!({ "name": "team", "scope": "team", "limit_usd": "12.5", "period": "month" });
        for (field, value) in changes.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let spec: Spec = serde_json::from_value(spec).unwrap();
        let pointers = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.pointer).collect();
        spec.budget(BudgetId(Uuid::nil())).map_err(pointers)
    }

    #[test]
    fn a_budget_that_makes_sense_is_exact() {
        let budget = budget(json!({ "models": ["b", "a"], "alert_at": [1, 0.8, 0.800_000, 0.000_001] })).unwrap();
        assert_eq!(budget.limit, Money::from_pusd(12_500_000_000_000));
        assert_eq!(budget.alert_at_ppm, [1, 800_000, 1_000_000]);
        assert!(budget.models.contains(Some("a")) && !budget.models.contains(Some("c")));
        assert!(!budget.models.contains(None) && ModelSet::All.contains(None));
    }

    #[test]
    fn a_name_with_a_star_counts_each_model_that_begins_so() {
        let models = budget(json!({ "models": ["gpt-*", "o3"] })).unwrap().models;
        for (model, is_counted) in
            [("gpt-4o", true), ("gpt-", true), ("o3", true), ("gpt", false), ("o3-mini", false), ("x-gpt-4o", false)]
        {
            assert_eq!(models.contains(Some(model)), is_counted, "{model}");
        }
        assert!(!models.contains(None));
    }

    #[test]
    fn every_fault_is_named_by_its_place_and_all_at_once() {
        for (changes, pointers) in [
            (json!({ "name": "a b" }), vec!["/name"]),
            (json!({ "models": [] }), vec!["/models"]),
            (json!({ "models": ["a", "*", "a", ""] }), vec!["/models/1", "/models/2", "/models/3"]),
            (json!({ "subject": "x" }), vec!["/subject"]),
            (json!({ "scope": "global", "subject": "01890a5d-ac96-774b-bcce-b302099a8057" }), vec!["/subject"]),
            (json!({ "limit_usd": "-1" }), vec!["/limit_usd"]),
            (json!({ "limit_usd": "9000000.01" }), vec!["/limit_usd"]),
            (json!({ "limit_usd": "0.0000000000001" }), vec!["/limit_usd"]),
            (json!({ "alert_at": [0.5, 0] }), vec!["/alert_at/1"]),
            (json!({ "alert_at": [1.5] }), vec!["/alert_at/0"]),
            (json!({ "alert_at": [1.5, 0.5, 0, -1] }), vec!["/alert_at/0", "/alert_at/2", "/alert_at/3"]),
            (
                json!({ "name": "", "models": [], "subject": "x", "limit_usd": "x", "alert_at": [-1] }),
                vec!["/name", "/models", "/subject", "/limit_usd", "/alert_at/0"],
            ),
        ] {
            assert_eq!(budget(changes.clone()).unwrap_err(), pointers, "{changes}");
        }
    }
}
