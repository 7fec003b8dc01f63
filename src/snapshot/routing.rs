//! Routes and the upstreams they lead to, always together. Published at start and when `SIGHUP` brings a good file.

use std::{collections::HashMap, sync::Arc};

use crate::{domain::route::RouteTable, upstream::Target};

/// Where calls go.
#[derive(Default)]
pub struct Routing {
    pub table: RouteTable,
    targets: HashMap<Arc<str>, Arc<Target>>,
}

impl Routing {
    pub fn new(table: RouteTable, targets: impl IntoIterator<Item = Target>) -> Self {
        let named = |target: Target| (Arc::clone(&target.name), Arc::new(target));
        Self { table, targets: targets.into_iter().map(named).collect() }
    }

    /// The upstream with this name.
    pub fn target(&self, name: &str) -> Option<&Arc<Target>> {
        self.targets.get(name)
    }
}
