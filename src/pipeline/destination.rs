//! Where does a call go? Found by method and path alone, before it is known who calls.

use std::sync::Arc;

use super::{
    call::Call,
    urls::{Destination, Find, Managed},
};
use crate::{
    domain::{
        path::{self, UnsafePath},
        refusal::Refusal,
        route::{Found, Route, reserved},
    },
    snapshot::routing::Routing,
};

/// The URL of the gateway or the route that a call is for.
pub fn find(find: Find, routing: &Routing, call: &Call) -> Result<Destination, Refusal> {
    let managed = find(&call.method, &call.path);
    match reserved(&call.path) {
        Some(_) => own(managed),
        None => at_route(routing, call, managed),
    }
}

/// The route that a call is at, whether or not it may go there.
pub fn route_at(find: Find, routing: &Routing, call: &Call) -> Option<Arc<Route>> {
    match at_route(routing, call, find(&call.method, &call.path)) {
        _ if reserved(&call.path).is_some() => None,
        Ok(Destination::Managed(_)) => None,
        _ => routing.table.nearest(&call.method, &call.path),
    }
}

/// One of the gateway's own URLs.
fn own(managed: Managed) -> Result<Destination, Refusal> {
    match managed {
        Managed::Found(url) => Ok(Destination::Managed(url)),
        Managed::OtherMethods(methods) => Err(Refusal::MethodNotAllowed(methods)),
        Managed::Reserved | Managed::NotManaged => Err(Refusal::NotFound),
    }
}

/// A configured route; or, where none takes the path with this method, one of the gateway's own URLs outside what is
/// reserved for it.
fn at_route(routing: &Routing, call: &Call, managed: Managed) -> Result<Destination, Refusal> {
    match (routing.table.find(&call.method, &call.path), managed) {
        (Found::Route(route), _) => {
            // A name in a URL of the gateway may have what no path has that is forwarded.
            if path::model_in(&call.path).is_some() {
                path::check(&call.path).map_err(Refusal::UnsafePath)?;
            }
            Ok(Destination::Route(route))
        }
        (Found::Ambiguous, _) => Err(Refusal::UnsafePath(UnsafePath::OtherRoute)),
        (_, Managed::Found(url)) => Ok(Destination::Managed(url)),
        (Found::OtherMethods(methods), _) => Err(Refusal::MethodNotAllowed(methods)),
        (Found::Nothing, managed) => own(managed),
    }
}
