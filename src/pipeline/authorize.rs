//! May they, here? A pure rule over the caller, the URL and its permission. It sends no message and reads no store.

use std::sync::Arc;

use super::{
    authenticate::Authenticated,
    call::Call,
    urls::{Find, Managed, ManagedUrl},
};
use crate::{
    domain::{
        access::{Permission, may_forward},
        principal::Principal,
        refusal::Refusal,
        route::{Found, Route},
    },
    snapshot::routing::Routing,
};

/// Where a call goes.
#[derive(Debug, Clone)]
pub enum Destination {
    Managed(ManagedUrl),
    Route(Arc<Route>),
}

/// Proof that the caller may go where the call goes.
#[derive(Debug, Clone)]
pub struct Authorized {
    caller: Authenticated,
    destination: Destination,
}

/// What logs and the audit log call a browser's question whether it may call.
const PREFLIGHT: ManagedUrl = ManagedUrl { template: "preflight", permission: Permission::Public };

impl Authorized {
    /// A preflight carries no credential and reaches nothing but the CORS rules.
    pub(super) const fn preflight() -> Self {
        Self { caller: Authenticated::Anybody, destination: Destination::Managed(PREFLIGHT) }
    }

    #[must_use]
    pub const fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Who calls; `None` on a public URL.
    #[must_use]
    pub const fn principal(&self) -> Option<&Arc<Principal>> {
        match &self.caller {
            Authenticated::Anybody => None,
            Authenticated::Known(principal) => Some(principal),
        }
    }
}

/// Decides. Whoever is not signed in never learns which URLs exist.
pub fn authorize(find: Find, routing: &Routing, caller: Authenticated, call: &Call) -> Result<Authorized, Refusal> {
    let destination = match find(&call.method, &call.path) {
        Managed::Found(url) => Destination::Managed(url),
        Managed::OtherMethods(methods) => return Err(Refusal::MethodNotAllowed(methods)),
        Managed::Reserved => return Err(Refusal::NotFound),
        Managed::NotManaged => find_route(routing, call)?,
    };
    let allowed = match (&destination, &caller) {
        (Destination::Managed(url), Authenticated::Known(principal)) => url.permission.allows(principal.role),
        // `authenticate` lets nobody in particular through to these alone.
        (Destination::Managed(url), Authenticated::Anybody) => {
            matches!(url.permission, Permission::Public | Permission::Docs)
        }
        (Destination::Route(route), Authenticated::Known(principal)) => {
            may_forward(&route.roles, principal.role, &call.method)
        }
        (Destination::Route(_), Authenticated::Anybody) => false,
    };
    if allowed { Ok(Authorized { caller, destination }) } else { Err(Refusal::Forbidden) }
}

/// The route that a call is at, whether or not it may go there.
#[must_use]
pub fn route_at(find: Find, routing: &Routing, call: &Call) -> Option<Arc<Route>> {
    let is_managed = find(&call.method, &call.path) != Managed::NotManaged;
    (!is_managed).then(|| routing.table.nearest(&call.method, &call.path)).flatten()
}

fn find_route(routing: &Routing, call: &Call) -> Result<Destination, Refusal> {
    match routing.table.find(&call.method, &call.path) {
        Found::Route(route) => Ok(Destination::Route(route)),
        Found::OtherMethods(methods) => Err(Refusal::MethodNotAllowed(methods)),
        Found::Nothing => Err(Refusal::NotFound),
    }
}
