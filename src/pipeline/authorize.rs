//! May they, here? A pure rule over the caller, the URL and its permission. It sends no message and reads no store.

use std::sync::Arc;

use super::{
    authenticate::Authenticated,
    destination,
    urls::{Destination, ManagedUrl},
    visit::Visit,
};
use crate::domain::{
    access::{Permission, calls, manages},
    barrier::Barrier,
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
        let principal = self.principal().ok_or(Refusal::Forbidden(Barrier::Roles))?;
        calls(&route, principal, method).map_err(Refusal::Forbidden)?;
        Ok(Self { destination: Destination::Route(route), ..self })
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
pub fn authorize(visit: &mut Visit<'_>, caller: Authenticated) -> Result<Authorized, Refusal> {
    let destination = destination(visit)?;
    visit.record.known.destination(&destination);
    let Visit { gate, call, .. } = visit;
    let judged = match (&destination, &caller) {
        // Where these are served, `authenticate` asks nobody who they are.
        (
            Destination::Managed(ManagedUrl { permission: Permission::Console | Permission::Provider, .. }),
            Authenticated::Known(_),
        ) => return Err(Refusal::NotFound),
        (Destination::Managed(url), Authenticated::Known(principal)) => {
            manages(url.permission, principal, &call.method)
        }
        // `authenticate` lets a call without a credential through to these alone.
        (Destination::Managed(url), Authenticated::Anybody) => {
            use Permission::{Console, Docs, OwnOrCookie, Provider, Public};
            let is_open = matches!(url.permission, Public | Docs | Console | Provider | OwnOrCookie);
            if is_open { Ok(()) } else { Err(Barrier::Roles) }
        }
        // Which of several routes it is for is known from its body alone, and then asked again.
        (Destination::Route(route), Authenticated::Known(principal)) => {
            let routing = gate.routing.read();
            let mut routes = routing.table.siblings(route, &call.method);
            let barrier = calls(route, principal, &call.method);
            barrier.or_else(|barrier| {
                let is_open = routes.any(|route| calls(route, principal, &call.method).is_ok());
                if is_open { Ok(()) } else { Err(barrier) }
            })
        }
        (Destination::Route(_), Authenticated::Anybody) => Err(Barrier::Roles),
    };
    judged.map_err(Refusal::Forbidden)?;
    Ok(Authorized { caller, destination })
}

/// Where the call goes. A route that does not take its method is on record all the same.
fn destination(visit: &mut Visit<'_>) -> Result<Destination, Refusal> {
    let Visit { gate, call, record, .. } = visit;
    let routing = gate.routing.read();
    destination::find(gate.find, &routing, call).inspect_err(|refusal| {
        let at = || destination::route_at(gate.find, &routing, call);
        if let Some(route) = matches!(refusal, Refusal::MethodNotAllowed(_)).then(at).flatten() {
            record.known.destination(&Destination::Route(route));
        }
    })
}
