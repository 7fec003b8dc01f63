//! Which of several routes of one path is a call for? The model that it asks for says so, and stands in its body. Only there is the
//! body read before the limits are asked; any other call passes at once.

use std::sync::Arc;

use actix_web::http::header::HeaderMap;

use super::{authorize::Authorized, body::ClientBody, formats, tokens, visit::Visit};
use crate::{
    domain::{refusal::Refusal, route::Route},
    meter::Asked,
};

/// The route of a call, with its request where that was read.
pub struct Chosen {
    pub authorized: Authorized,
    pub route: Arc<Route>,
    pub asked: Option<Asked>,
}

/// Finds the route that serves the model. `route` is the first at the path.
pub async fn choose(
    visit: &mut Visit<'_>,
    headers: &HeaderMap,
    (authorized, route): (Authorized, Arc<Route>),
    body: &mut ClientBody,
) -> Result<Chosen, Refusal> {
    let is_by_model = route.meter.bills_tokens() && {
        let routing = visit.gate.routing.read();
        !route.models.is_all() || routing.table.siblings(&route, &visit.call.method).nth(1).is_some()
    };
    if !is_by_model {
        return Ok(Chosen { authorized, route, asked: None });
    }
    let Some(asked) = tokens::read(visit, headers, &route, body).await? else {
        return Ok(Chosen { authorized, route, asked: None });
    };
    let method = &visit.call.method;
    let found = visit.gate.routing.read().route_of(&route, method, asked.model()).cloned();
    let Some(route) = found else {
        if let Some(caller) = authorized.principal() {
            formats::check(visit, caller, &route, asked.model())?;
        }
        return Err(Refusal::ModelNotServed(asked.model().to_owned()));
    };
    let authorized = authorized.on(Arc::clone(&route), method)?;
    visit.record.known.destination(authorized.destination());
    check_others(visit, &route, &asked)?;
    Ok(Chosen { authorized, route, asked: Some(asked) })
}

/// Which of the models serves that a request names, its upstream decides. So one route must serve them all: the roles, the limits and
/// the upstreams of another were not asked.
fn check_others(visit: &Visit<'_>, route: &Route, asked: &Asked) -> Result<(), Refusal> {
    let routing = visit.gate.routing.read();
    for model in asked.other_models() {
        match routing.route_of(route, &visit.call.method, model) {
            Some(other) if other.name == route.name => {}
            Some(_) => {
                let reason = format!(
                    "the route \"{}\", which serves {}, does not serve {model}: ask for that model by itself",
                    route.name,
                    asked.model()
                );
                return Err(Refusal::invalid("/model", reason));
            }
            None => return Err(Refusal::ModelNotServed(model.to_owned())),
        }
    }
    Ok(())
}
