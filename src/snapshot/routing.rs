//! Routes and the upstreams they lead to, always together. Published at start and when `SIGHUP` brings a good file.

use std::{collections::HashMap, sync::Arc};

use crate::{
    domain::{redaction::KnownSecrets, route::RouteTable},
    upstream::Target,
};

/// Where calls go.
#[derive(Default)]
pub struct Routing {
    pub table: RouteTable,
    targets: HashMap<Arc<str>, Arc<Target>>,
    /// What the upstreams are sent as secrets.
    secrets: KnownSecrets,
}

impl Routing {
    pub fn new(table: RouteTable, targets: impl IntoIterator<Item = Target>) -> Self {
        let named = |target: Target| (Arc::clone(&target.name), Arc::new(target));
        let targets: HashMap<_, _> = targets.into_iter().map(named).collect();
        let secrets = KnownSecrets::new(targets.values().filter_map(|target| target.secret.as_ref()?.text()));
        Self { table, targets, secrets }
    }

    /// The secrets of the upstreams, to be cut from what is put on record.
    pub const fn secrets(&self) -> &KnownSecrets {
        &self.secrets
    }

    /// The upstream with this name.
    pub fn target(&self, name: &str) -> Option<&Arc<Target>> {
        self.targets.get(name)
    }
}
