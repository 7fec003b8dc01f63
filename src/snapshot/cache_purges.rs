//! The last purges of the cache. Published by the owner of purges; read where the key of what is kept is made.

use std::collections::HashMap;

/// The last purges, by route.
#[derive(Debug, Clone, Default)]
pub struct CachePurges {
    of_all: String,
    of_routes: HashMap<String, String>,
}

impl CachePurges {
    /// `of_all` is the last purge of every route, empty where there was none.
    pub fn new(of_all: String, of_routes: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { of_all, of_routes: of_routes.into_iter().collect() }
    }

    /// The last purges that concern a route: of every route, and of this one. Empty where there was none.
    #[must_use]
    pub fn of(&self, route: &str) -> [&str; 2] {
        [&self.of_all, self.of_routes.get(route).map_or("", String::as_str)]
    }
}
