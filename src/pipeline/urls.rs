//! The gateway's own URLs, as the steps see them. The table itself, with its handlers, is in `http::routes`, above the
//! pipeline: it hands its lookup down as a [`Find`].

use std::sync::Arc;

use crate::domain::{access::Permission, route::Route};

/// Whether the gateway is alive and ready: answered also when nothing can be put on record.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// One of the gateway's own URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManagedUrl {
    /// With its parameters as `{id}`; what logs, metrics and the audit log call it.
    pub template: &'static str,
    pub permission: Permission,
}

/// Where a call goes.
#[derive(Debug, Clone)]
pub enum Destination {
    Managed(ManagedUrl),
    Route(Arc<Route>),
}

/// What the table of the gateway's own URLs says of a method and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Managed {
    Found(ManagedUrl),
    OtherMethods(Vec<String>),
    /// Below a path that belongs to the gateway: never looked for among the routes.
    Reserved,
    NotManaged,
}

/// The lookup in that table.
pub type Find = fn(method: &str, path: &str) -> Managed;

/// Whether a path is one of a probe's.
pub fn is_probe(path: &str) -> bool {
    PROBES.contains(&path)
}

impl Managed {
    /// Whether this is a URL by which an operator's probe asks how the gateway is.
    pub fn is_probe(&self) -> bool {
        matches!(self, Self::Found(url) if PROBES.contains(&url.template))
    }
}
