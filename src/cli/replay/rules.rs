//! The limits or budgets of a file.

use std::{collections::HashSet, fs, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    cli::Failure,
    domain::{
        budget,
        fault::Fault,
        ids::{BudgetId, LimitId},
        limit,
        replay::{MOST_CANDIDATES, Rule},
    },
};

/// What a file asks about.
pub(super) struct Rules {
    pub asked: Vec<Rule>,
    /// Whether it has a list of them.
    pub is_comparison: bool,
    /// Whether the burst of the first is as large as its limit.
    pub burst_follows: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    limits: Vec<limit::Spec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budgets {
    budgets: Vec<budget::Spec>,
}

/// The limits of a file, each sound by itself: which routes there were in the past only the log knows.
pub(super) fn limits(path: &Path) -> Result<Rules, Failure> {
    let (specs, is_comparison) = read(path, "limits", |list: Limits| list.limits)?;
    let burst_follows = specs.first().is_some_and(|spec: &limit::Spec| spec.burst.is_none());
    let rule = |spec: &limit::Spec| Ok(Rule::Limit(spec.policy(LimitId(Uuid::nil()))?, HashSet::new()));
    Ok(Rules { asked: checked(path, &specs, is_comparison.then_some("limits"), rule)?, is_comparison, burst_follows })
}

/// The budgets of a file.
pub(super) fn budgets(path: &Path) -> Result<Rules, Failure> {
    let (specs, is_comparison) = read(path, "budgets", |list: Budgets| list.budgets)?;
    let rule = |spec: &budget::Spec| Ok(Rule::Budget(spec.budget(BudgetId(Uuid::nil()))?, HashSet::new()));
    let asked = checked(path, &specs, is_comparison.then_some("budgets"), rule)?;
    Ok(Rules { asked, is_comparison, burst_follows: false })
}

/// One, or a list of them under a name.
fn read<L: DeserializeOwned, S: DeserializeOwned>(
    path: &Path,
    list: &str,
    of_list: impl Fn(L) -> Vec<S>,
) -> Result<(Vec<S>, bool), Failure> {
    let bad = |reason: String| Failure::Configuration(format!("{}: {}", path.display(), reason.trim_end()));
    let text = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let is_list = table.contains_key(list);
    let specs = if is_list {
        toml::from_str(&text).map(of_list).map_err(|error| bad(error.to_string()))?
    } else {
        vec![toml::from_str(&text).map_err(|error| bad(error.to_string()))?]
    };
    if specs.is_empty() || specs.len() > MOST_CANDIDATES {
        return Err(bad(format!("{list}: must be 1 to {MOST_CANDIDATES}")));
    }
    Ok((specs, is_list))
}

fn checked<S>(
    path: &Path,
    specs: &[S],
    list: Option<&str>,
    rule: impl Fn(&S) -> Result<Rule, Vec<Fault>>,
) -> Result<Vec<Rule>, Failure> {
    let (mut rules, mut faults) = (vec![], vec![]);
    for (i, spec) in specs.iter().enumerate() {
        let at = list.map(|list| format!("{list}.{i}.")).unwrap_or_default();
        let worded = |fault: Fault| {
            let key = fault.pointer.trim_start_matches('/').replace('/', ".");
            format!("{}: {at}{key}: {}", path.display(), fault.detail)
        };
        match rule(spec) {
            Ok(rule) => rules.push(rule),
            Err(found) => faults.extend(found.into_iter().map(worded)),
        }
    }
    if faults.is_empty() { Ok(rules) } else { Err(Failure::Configuration(faults.join("\n"))) }
}
