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
        None => at_route(routing, call, managed).map_err(|refusal| pointed(refusal, find, routing, call)),
    }
}

/// The longest path that another one is looked for beside.
const MAX_POINTED_BYTES: usize = 256;

/// Where there is nothing, the path that was probably meant is named: base addresses of clients have `/v1` or not, by what each adds
/// to them, and paths that are put together end with a slash.
fn pointed(refusal: Refusal, find: Find, routing: &Routing, call: &Call) -> Refusal {
    let path = call.path.as_str();
    if !matches!(refusal, Refusal::NotFound) || path.len() > MAX_POINTED_BYTES {
        return refusal;
    }
    let is_there = |path: &String| {
        let is_route = matches!(routing.table.find(&call.method, path), Found::Route(_));
        is_route || matches!(find(&call.method, path), Managed::Found(_))
    };
    let versioned = (!path.starts_with("/v1/")).then(|| format!("/v1{path}"));
    let once = path.strip_prefix("/v1").filter(|rest| rest.starts_with("/v1/")).map(str::to_owned);
    let without_slash = path.strip_suffix('/').filter(|rest| !rest.is_empty()).map(str::to_owned);
    let instead = [versioned, once, without_slash].into_iter().flatten().find(is_there);
    instead.map_or(refusal, |instead| Refusal::NothingHere { instead })
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
