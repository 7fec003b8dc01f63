//! The lists: upstreams, routes and names for models, each entry held against the rules and all against each other; and limits and
//! budgets against them. What administrators add to the lists is held against the same rules: see `merge`.

mod entry;
mod merge;

use super::{
    Config, Fault,
    mistakes::{Mistakes, field},
    models::{self, Known, ModelEntry},
    routing::{BUILTIN_ECHO, BUILTIN_LLM, RouteEntry, UpstreamEntry},
};
use crate::domain::{
    budget::{self, Budget},
    entry::{EntryKey, EntryKind},
    ids::{BudgetId, LimitId},
    limit::{Policy, Spec},
    refusal,
    route::Route,
};

/// The lists that say where calls go.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    pub upstreams: Vec<UpstreamEntry>,
    pub routes: Vec<RouteEntry>,
    pub models: Vec<ModelEntry>,
}

impl Lists {
    /// Those of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { upstreams: config.upstreams.clone(), routes: config.routes.clone(), models: config.models.clone() }
    }

    /// Checks each entry by itself and all against each other.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let named = |kind: EntryKind, count| {
            (0..count).try_for_each(|i| at(kind, i, entry::name_mistakes(&self.names(kind), i)))
        };
        named(EntryKind::Upstream, self.upstreams.len())?;
        named(EntryKind::Route, self.routes.len())?;
        for (i, upstream) in self.upstreams.iter().enumerate() {
            at(EntryKind::Upstream, i, entry::upstream_mistakes(upstream))?;
        }
        let known = self.known_upstreams();
        for (i, route) in self.routes.iter().enumerate() {
            at(EntryKind::Route, i, entry::route_mistakes(route, self.routes.get(..i).unwrap_or_default(), &known))?;
        }
        models::validate(&self.models, &self.to_routes(), &known)
    }

    /// All that is wrong with the last entry of a list, by itself and against the others.
    pub(super) fn faults_of_last(&self, kind: EntryKind) -> Vec<refusal::Fault> {
        let known = self.known_upstreams();
        let names = self.names(kind);
        let index = names.len().saturating_sub(1);
        let mut mistakes = Mistakes::default();
        match kind {
            EntryKind::Upstream => {
                mistakes.add(entry::name_mistakes(&names, index));
                self.upstreams.last().into_iter().for_each(|entry| mistakes.add(entry::upstream_mistakes(entry)));
            }
            EntryKind::Route => {
                mistakes.add(entry::name_mistakes(&names, index));
                if let Some((last, earlier)) = self.routes.split_last() {
                    mistakes.add(entry::route_mistakes(last, earlier, &known));
                }
            }
            EntryKind::Model => {
                let known = Known { models: &self.models, routes: &self.to_routes(), upstreams: &known };
                mistakes.add(models::mistakes(index, &known));
            }
        }
        mistakes.faults()
    }

    fn names(&self, kind: EntryKind) -> Vec<&str> {
        match kind {
            EntryKind::Upstream => self.upstreams.iter().map(|entry| entry.name.as_str()).collect(),
            EntryKind::Route => self.routes.iter().map(|entry| entry.name.as_str()).collect(),
            EntryKind::Model => self.models.iter().map(|entry| entry.name.as_str()).collect(),
        }
    }

    fn known_upstreams(&self) -> Vec<&str> {
        self.names(EntryKind::Upstream).into_iter().chain([BUILTIN_ECHO, BUILTIN_LLM]).collect()
    }

    /// The routes as the rules of `domain` know them.
    #[must_use]
    pub fn to_routes(&self) -> Vec<Route> {
        self.routes.iter().map(RouteEntry::to_route).collect()
    }

    /// Whether there is an entry with this key.
    #[must_use]
    pub fn has(&self, key: &EntryKey) -> bool {
        self.names(key.kind).contains(&&*key.name)
    }
}

/// Checks the lists of a configuration, and its limits and budgets.
pub(super) fn validate(config: &Config) -> Result<(), Fault> {
    let lists = Lists::of(config);
    lists.check()?;
    validate_limits(&config.limits, &lists.to_routes())?;
    validate_budgets(&config.budgets)
}

fn at(kind: EntryKind, index: usize, mistakes: Mistakes) -> Result<(), Fault> {
    mistakes.first().map_err(|(field, reason)| Fault::new(format!("{}[{index}].{field}", kind.list()), reason))
}

/// Each limit by itself, on the routes, and against the limits before it.
fn validate_limits(limits: &[Spec], routes: &[Route]) -> Result<(), Fault> {
    let known: Vec<&Route> = routes.iter().collect();
    let mut policies: Vec<Policy> = vec![];
    for (i, limit) in limits.iter().enumerate() {
        let blame = |faults: &[refusal::Fault]| fault_in("limits", i, faults);
        let limit = limit.rehearsed();
        let policy = limit.check(LimitId(uuid::Uuid::nil()), &known).map_err(|faults| blame(&faults))?;
        if let Some(misfit) = policies.iter().find_map(|other| policy.misfit(other)) {
            return Err(blame(&[misfit.fault()]));
        }
        policies.push(policy);
    }
    Ok(())
}

/// Each budget by itself, and against the budgets before it.
fn validate_budgets(specs: &[budget::Spec]) -> Result<(), Fault> {
    let mut budgets: Vec<Budget> = vec![];
    for (i, spec) in specs.iter().enumerate() {
        let blame = |faults: &[refusal::Fault]| fault_in("budgets", i, faults);
        let budget = spec.rehearsed().budget(BudgetId(uuid::Uuid::nil())).map_err(|faults| blame(&faults))?;
        if let Some(misfit) = budgets.iter().find_map(|other| budget.misfit(other)) {
            return Err(blame(&[misfit.fault()]));
        }
        budgets.push(budget);
    }
    Ok(())
}

/// The first of the faults of an entry of a list, with its key: `/routes/1` of the third limit is `limits[2].routes[1]`.
#[must_use]
pub fn fault_in(list: &str, index: usize, faults: &[refusal::Fault]) -> Fault {
    let (pointer, reason) = faults.first().map_or(("", ""), |fault| (&fault.pointer, &fault.detail));
    Fault::new(format!("{list}[{index}].{}", field(pointer)), reason)
}
