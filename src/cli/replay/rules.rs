//! The limits or budgets of a file.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;

use super::source::Source;
use crate::{
    cli::Failure,
    domain::{
        budget,
        fault::Fault,
        ids::{BudgetId, LimitId},
        limit::{self, Per},
        replay::{Known, MOST_CANDIDATES, Rule},
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

/// What a file asks about, as it is written: its subjects may be names.
pub(super) struct Written {
    path: PathBuf,
    /// The name of the list, where it has one.
    list: Option<&'static str>,
    specs: Specs,
}

enum Specs {
    Limits(Vec<limit::Spec>),
    Budgets(Vec<budget::Spec>),
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

impl Written {
    /// The limits of a file, each sound by itself: which routes there are only its source knows.
    ///
    /// # Errors
    /// The file cannot be read, or all that is wrong with what is in it.
    pub(super) fn limits(path: &Path) -> Result<Self, Failure> {
        let (specs, list) = read(path, "limits", |list: Limits| list.limits)?;
        let rehearsed = Specs::Limits(specs.iter().map(limit::Spec::rehearsed).collect());
        Self { path: path.to_owned(), list, specs: rehearsed }.rules()?;
        Ok(Self { path: path.to_owned(), list, specs: Specs::Limits(specs) })
    }

    /// The budgets of a file.
    ///
    /// # Errors
    /// As of [`Self::limits`].
    pub(super) fn budgets(path: &Path) -> Result<Self, Failure> {
        let (specs, list) = read(path, "budgets", |list: Budgets| list.budgets)?;
        let rehearsed = Specs::Budgets(specs.iter().map(budget::Spec::rehearsed).collect());
        Self { path: path.to_owned(), list, specs: rehearsed }.rules()?;
        Ok(Self { path: path.to_owned(), list, specs: Specs::Budgets(specs) })
    }

    pub(super) const fn len(&self) -> usize {
        match &self.specs {
            Specs::Limits(specs) => specs.len(),
            Specs::Budgets(specs) => specs.len(),
        }
    }

    /// The routes that limits are for.
    pub(super) fn routes(&self) -> BTreeSet<String> {
        self.specs.routes().into_iter().flatten().cloned().collect()
    }

    /// The rules for the subjects whose names or ids are written.
    ///
    /// # Errors
    /// The store does not answer, or all names that are nobody's, of several, or of no route.
    pub(super) async fn resolved(mut self, source: &Source) -> Result<Rules, Failure> {
        let mut faults = vec![];
        for (index, (per, subject)) in self.specs.subjects().into_iter().enumerate() {
            let Some(text) = subject.as_deref() else { continue };
            match source.subject_id(per, text).await? {
                Ok(id) => *subject = Some(id),
                Err(why) => faults.push((index, Fault::new("/subject", why))),
            }
        }
        for (index, routes) in self.specs.routes().into_iter().enumerate() {
            faults.extend(source.unknown_routes(routes).into_iter().map(|fault| (index, fault)));
        }
        self.judge(&faults)?;
        let burst_follows = match &self.specs {
            Specs::Limits(specs) => specs.first().is_some_and(|spec| spec.burst.is_none()),
            Specs::Budgets(_) => false,
        };
        Ok(Rules { asked: self.rules()?, is_comparison: self.list.is_some(), burst_follows })
    }

    fn rules(&self) -> Result<Vec<Rule>, Failure> {
        let (mut rules, mut faults) = (vec![], vec![]);
        for (index, rule) in self.specs.rules().into_iter().enumerate() {
            match rule {
                Ok(rule) => rules.push(rule),
                Err(found) => faults.extend(found.into_iter().map(|fault| (index, fault))),
            }
        }
        self.judge(&faults)?;
        Ok(rules)
    }

    /// Nothing if there is no fault.
    fn judge(&self, faults: &[(usize, Fault)]) -> Result<(), Failure> {
        let worded = |(index, fault): &(usize, Fault)| {
            let at = self.list.map(|list| format!("{list}.{index}.")).unwrap_or_default();
            let key = fault.pointer.trim_start_matches('/').replace('/', ".");
            format!("{}: {at}{key}: {}", self.path.display(), fault.detail)
        };
        let told: Vec<String> = faults.iter().map(worded).collect();
        if told.is_empty() { Ok(()) } else { Err(Failure::Configuration(told.join("\n"))) }
    }
}

impl Specs {
    fn subjects(&mut self) -> Vec<(Per, &mut Option<String>)> {
        match self {
            Self::Limits(specs) => specs.iter_mut().map(|spec| (spec.per, &mut spec.subject)).collect(),
            Self::Budgets(specs) => specs.iter_mut().map(|spec| (spec.scope.per(), &mut spec.subject)).collect(),
        }
    }

    /// Of each limit; budgets have none.
    fn routes(&self) -> Vec<&[String]> {
        match self {
            Self::Limits(specs) => specs.iter().map(|spec| spec.routes.as_slice()).collect(),
            Self::Budgets(_) => vec![],
        }
    }

    fn rules(&self) -> Vec<Result<Rule, Vec<Fault>>> {
        let of_limit = |spec: &limit::Spec| Ok(Rule::Limit(spec.policy(LimitId(Uuid::nil()))?, Known::default()));
        let of_budget = |spec: &budget::Spec| Ok(Rule::Budget(spec.budget(BudgetId(Uuid::nil()))?, Known::default()));
        match self {
            Self::Limits(specs) => specs.iter().map(of_limit).collect(),
            Self::Budgets(specs) => specs.iter().map(of_budget).collect(),
        }
    }
}

/// One, or a list of them under a name.
fn read<L: DeserializeOwned, S: DeserializeOwned>(
    path: &Path,
    list: &'static str,
    of_list: impl Fn(L) -> Vec<S>,
) -> Result<(Vec<S>, Option<&'static str>), Failure> {
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
    Ok((specs, is_list.then_some(list)))
}
