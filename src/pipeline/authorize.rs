//! May they, here? A pure rule over the caller, the URL and its permission. It sends no message and reads no store.

use std::sync::Arc;

use super::{
    authenticate::Authenticated,
    destination,
    urls::{Destination, ManagedUrl},
    visit::Visit,
};
use crate::domain::{
    access::{Permission, may_call, may_manage},
    principal::Principal,
    refusal::Refusal,
    route::Route,
};

/// Proof that the caller may go where the call goes.
#[derive(Debug, Clone)]
pub struct Authorized {
    caller: Authenticated,
    destination: Destination,
}

/// The name of a CORS preflight in logs and the audit log.
const PREFLIGHT: ManagedUrl = ManagedUrl { template: "preflight", permission: Permission::Public };

impl Authorized {
    /// A preflight carries no credential and reaches nothing but the CORS rules.
    pub(super) const fn preflight() -> Self {
        Self { caller: Authenticated::Anybody, destination: Destination::Managed(PREFLIGHT) }
    }

    /// The same caller on another route of this path, if they may call it.
    pub(super) fn on(self, route: Arc<Route>, method: &str) -> Result<Self, Refusal> {
        let is_allowed = self.principal().is_some_and(|principal| may_call(&route, principal, method));
        if is_allowed { Ok(Self { destination: Destination::Route(route), ..self }) } else { Err(Refusal::Forbidden) }
    }

    /// Where the call goes: a URL of the gateway, or a route.
    pub const fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Whether the call is to a URL that answers without a credential.
    pub(super) const fn is_public(&self) -> bool {
        matches!(self.destination, Destination::Managed(ManagedUrl { permission: Permission::Public, .. }))
    }

    /// Who calls; `None` on a public URL.
    pub const fn principal(&self) -> Option<&Arc<Principal>> {
        match &self.caller {
            Authenticated::Anybody => None,
            Authenticated::Known(principal) => Some(principal),
        }
    }
}

/// Decides. A caller who is not signed in never learns which URLs exist.
pub fn authorize(visit: &Visit<'_>, caller: Authenticated) -> Result<Authorized, Refusal> {
    let Visit { gate, call, .. } = visit;
    let destination = destination::find(gate.find, &gate.routing.read(), call)?;
    let allowed = match (&destination, &caller) {
        // Where these are served, `authenticate` asks nobody who they are.
        (
            Destination::Managed(ManagedUrl { permission: Permission::Console | Permission::Provider, .. }),
            Authenticated::Known(_),
        ) => return Err(Refusal::NotFound),
        (Destination::Managed(url), Authenticated::Known(principal)) => {
            may_manage(url.permission, principal, &call.method)
        }
        // `authenticate` lets a call without a credential through to these alone.
        (Destination::Managed(url), Authenticated::Anybody) => {
            use Permission::{Console, Docs, OwnOrCookie, Provider, Public};
            matches!(url.permission, Public | Docs | Console | Provider | OwnOrCookie)
        }
        // Which of several routes it is for is known from its body alone, and then asked again.
        (Destination::Route(route), Authenticated::Known(principal)) => {
            let routing = gate.routing.read();
            let mut routes = routing.table.siblings(route, &call.method);
            routes.any(|route| may_call(route, principal, &call.method))
        }
        (Destination::Route(_), Authenticated::Anybody) => false,
    };
    if allowed { Ok(Authorized { caller, destination }) } else { Err(Refusal::Forbidden) }
}
