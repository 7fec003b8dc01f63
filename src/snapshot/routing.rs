//! Routes and the upstreams they lead to, always together. Published at start and when `SIGHUP` brings a good file.

use std::{collections::HashMap, sync::Arc};

use crate::{
    domain::{
        redaction::KnownSecrets,
        route::{Dialect, RouteTable},
    },
    upstream::{Target, llm, target::Kind},
};

/// Where calls go.
#[derive(Default)]
pub struct Routing {
    pub table: RouteTable,
    targets: HashMap<Arc<str>, Arc<Target>>,
    /// What the upstreams are sent as secrets.
    secrets: KnownSecrets,
    dialects: HashMap<String, Dialect>,
}

impl Routing {
    /// The routes of `table`, to these upstreams by name.
    pub fn new(table: RouteTable, targets: impl IntoIterator<Item = Target>) -> Self {
        let named = |target: Target| (Arc::clone(&target.name), Arc::new(target));
        let targets: HashMap<_, _> = targets.into_iter().map(named).collect();
        let secrets = KnownSecrets::new(targets.values().filter_map(|target| target.secret.as_ref()?.text()));
        Self { table, targets, secrets, dialects: HashMap::new() }
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
        self.targets.get(name)
    }
}
