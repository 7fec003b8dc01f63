//! Routes and the upstreams they lead to, always together. Published at start, when `SIGHUP` brings a good file, and when
//! administrators have changed what they add to it.

mod plan;
mod written;

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

pub use self::{
    plan::Plan,
    written::{Made, Written, WrittenEntry},
};
use super::condition::Condition;
use crate::{
    domain::{
        alias::Alias,
        failover::{Aim, spread},
        redaction::KnownSecrets,
        route::{Dialect, Route, RouteTable},
    },
    upstream::{Target, llm, target::Kind},
};

/// How the health of an upstream is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub upstream: Arc<str>,
    pub path: String,
    pub interval: Duration,
}

/// An upstream as every call to it finds it, by one look.
struct Upstream {
    target: Arc<Target>,
    condition: Condition,
}

/// Where calls go.
#[derive(Default)]
pub struct Routing {
    pub table: RouteTable,
    upstreams: HashMap<Arc<str>, Upstream>,
    checks: Vec<Check>,
    aliases: HashMap<Arc<str>, Alias>,
    /// Calls to routes with several targets.
    calls: AtomicU64,
    /// What the upstreams are sent as secrets.
    secrets: KnownSecrets,
    dialects: HashMap<String, Dialect>,
    written: Written,
    /// What it was made by.
    plan: Option<Arc<dyn Plan>>,
}

impl Routing {
    /// The routes of `table`, to these upstreams by name.
    pub fn new(table: RouteTable, targets: impl IntoIterator<Item = Target>) -> Self {
        let named = |target: Target| {
            let (name, condition) = (Arc::clone(&target.name), Condition::default());
            (name, Upstream { target: Arc::new(target), condition })
        };
        let upstreams: HashMap<_, _> = targets.into_iter().map(named).collect();
        let secrets = upstreams.values().filter_map(|upstream| upstream.target.secret.as_ref()?.text());
        let secrets = KnownSecrets::new(secrets);
        Self {
            table,
            upstreams,
            checks: vec![],
            aliases: HashMap::new(),
            calls: AtomicU64::new(0),
            secrets,
            dialects: HashMap::new(),
            written: Written::default(),
            plan: None,
        }
    }

    /// As it is written.
    #[must_use]
    pub fn with_written(self, written: Written) -> Self {
        Self { written, ..self }
    }

    /// What it was made of.
    pub const fn written(&self) -> &Written {
        &self.written
    }

    /// As it is planned.
    #[must_use]
    pub fn with_plan(self, plan: Arc<dyn Plan>) -> Self {
        Self { plan: Some(plan), ..self }
    }

    /// How it was made; nothing of one that is made of nothing.
    pub const fn plan(&self) -> Option<&Arc<dyn Plan>> {
        self.plan.as_ref()
    }

    /// With how fit these upstreams are.
    #[must_use]
    pub fn with_conditions(mut self, conditions: impl IntoIterator<Item = (Arc<str>, Condition)>) -> Self {
        for (name, condition) in conditions {
            if let Some(upstream) = self.upstreams.get_mut(&name) {
                upstream.condition = condition;
            }
        }
        self
    }

    /// With these health checks.
    #[must_use]
    pub fn with_checks(self, checks: Vec<Check>) -> Self {
        Self { checks, ..self }
    }

    /// With these names for models.
    #[must_use]
    pub fn with_aliases(self, aliases: impl IntoIterator<Item = Alias>) -> Self {
        let named = |alias: Alias| (Arc::clone(&alias.name), alias);
        Self { aliases: aliases.into_iter().map(named).collect(), ..self }
    }

    /// The names for models, in no order.
    pub fn aliases(&self) -> impl Iterator<Item = &Alias> {
        self.aliases.values()
    }

    /// The name for models that this is, if it is one.
    #[must_use]
    pub fn alias(&self, name: &str) -> Option<&Alias> {
        self.aliases.get(name)
    }

    /// Where a call on this route to this model may go: the places of the name that it is, or those of the route.
    #[must_use]
    pub fn aims<'r>(&'r self, route: &'r Route, model: Option<&str>) -> &'r Arc<[Aim]> {
        let alias = model.and_then(|model| self.alias(model));
        alias.filter(|alias| alias.is_spoken(route.meter)).map_or(&route.aims, |alias| &alias.aims)
    }

    /// Of this route and those that differ from it in the models that they serve, the one that serves this model: the one that
    /// names it most closely. A name for models that none names is served where one of its targets is.
    #[must_use]
    pub fn route_of<'r>(&'r self, route: &'r Route, method: &'r str, model: &str) -> Option<&'r Arc<Route>> {
        let siblings = || self.table.siblings(route, method);
        let named = siblings().filter_map(|route| Some((route.models.closeness(model)?, route)));
        let closest = named.min_by_key(|(closeness, _)| Reverse(*closeness)).map(|(_, route)| route);
        closest.or_else(|| {
            let alias = self.alias(model).filter(|alias| alias.is_spoken(route.meter))?;
            let has = |route: &&Arc<Route>| {
                alias.aims.iter().filter_map(|aim| aim.model.as_deref()).any(|model| route.models.allows(model))
            };
            siblings().find(has).or_else(|| siblings().next())
        })
    }

    /// The health checks of upstreams.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// How fit the upstream with this name is.
    pub fn condition(&self, name: &str) -> Option<&Condition> {
        self.upstream(name).map(|(_, condition)| condition)
    }

    /// All upstreams and how fit each is, in no order.
    pub fn conditions(&self) -> impl Iterator<Item = (&Arc<str>, &Condition)> {
        self.upstreams.iter().map(|(name, upstream)| (name, &upstream.condition))
    }

    /// Where the next call falls among the targets of its route.
    pub fn next_place(&self) -> u64 {
        spread(self.calls.fetch_add(1, Relaxed))
    }

    /// The secrets of the upstreams, to be cut from what is put on record.
    pub const fn secrets(&self) -> &KnownSecrets {
        &self.secrets
    }

    /// With what may be written into requests to the upstreams of these names.
    #[must_use]
    pub fn with_dialects(self, dialects: impl IntoIterator<Item = (String, Dialect)>) -> Self {
        Self { dialects: dialects.into_iter().collect(), ..self }
    }

    /// What may be written into requests to an upstream.
    #[must_use]
    pub fn dialect(&self, upstream: &str) -> Dialect {
        self.dialects.get(upstream).copied().unwrap_or_default()
    }

    /// Whether an upstream may know a model by this name; of the built-in one it is known.
    #[must_use]
    pub fn serves(&self, upstream: &str, model: &str) -> bool {
        let is_built_in = self.target(upstream).is_some_and(|target| matches!(target.kind, Kind::Llm));
        !is_built_in || model == llm::NAME
    }

    /// The upstream with this name.
    pub fn target(&self, name: &str) -> Option<&Arc<Target>> {
        self.upstream(name).map(|(target, _)| target)
    }

    /// The upstream with this name, and how fit it is.
    pub fn upstream(&self, name: &str) -> Option<(&Arc<Target>, &Condition)> {
        self.upstreams.get(name).map(|upstream| (&upstream.target, &upstream.condition))
    }
}
