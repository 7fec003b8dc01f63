//! The life of a request, from its head to its audit record. [`serve`] is the whole of it, and holds the only branching.
//!
//! Each step takes the proof that the step before it gave: without a [`reserve::Reserved`] there is no way to call
//! [`forward::forward`]. Called by `http::entry` for every request. It never sees a database, and words no refusal:
//! [`answer`](crate::answer) does.

mod acted_as;
pub mod attempts;
pub mod audit;
pub mod authenticate;
pub mod authorize;
pub mod bill;
pub mod body;
pub mod buffered;
mod by_model;
pub mod cache;
pub mod call;
mod circles;
pub mod coding;
pub mod connection;
pub mod destination;
pub mod edge;
pub mod fields;
mod formats;
pub mod forward;
pub mod forwarded;
pub mod framing;
pub mod gate;
pub mod limit;
mod max_forwards;
mod move_to;
pub mod offers;
mod once;
mod outages;
pub mod outgoing;
pub mod peers;
pub mod reserve;
pub mod rewritten;
pub mod settle;
pub mod tokens;
mod turns;
pub mod unread;
pub mod urls;
pub mod visit;
pub mod websocket;

use std::sync::Arc;

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    dev::{Payload, ServiceResponse},
};

pub use self::gate::Gate;
use self::{
    audit::record::Record,
    authenticate::{Authenticated, step::authenticate},
    authorize::{Authorized, authorize},
    body::ClientBody,
    by_model::{Chosen, choose},
    cache::{Content, Found, cache},
    call::Call,
    connection::Connection,
    forward::forward,
    limit::{limit, limit_tokens},
    reserve::reserve,
    settle::settle,
    urls::Destination,
    visit::Visit,
};
use crate::{
    domain::{
        recording::Durability,
        refusal::Refusal,
        route::{Meter, Route},
    },
    meter::Asked,
    telemetry::{Step, Trace},
};

/// What a managed URL's handler gives back: the request's head, and the answer or why there is none. The outer error is
/// the framework's own, after which there is no request left to answer.
pub type Handled = Result<(HttpRequest, Result<HttpResponse, Refusal>), Error>;

/// Serves one request. `handle` runs the handler of a managed URL, with its [`Authorized`] and the caller's
/// [`Network`](crate::domain::network::Network) in the extensions.
pub async fn serve<H>(
    gate: &Gate,
    mut call: Call,
    request: HttpRequest,
    body: Payload,
    handle: H,
) -> Result<ServiceResponse, Error>
where
    H: AsyncFnOnce(HttpRequest, Payload) -> Handled,
{
    let trace = begin_trace(gate, &mut call, &request);
    let record = match Record::open(gate, &call, trace) {
        Ok(record) => record,
        Err(_) if (gate.find)(&call.method, &call.path).is_probe() => Record::of(gate, &call, Trace::default(), None),
        // Without a place in the audit log nothing is done at all.
        Err(refusal) => return Ok(answer(request, audit::refuse(gate, &call, &refusal, &[]))),
    };
    // In one place: else every step that takes it over would hold it once more.
    let visit = Box::new(Visit { gate, call, record, buffered: gate.buffers.share() });
    let place = visit.record.trace.place();
    // Boxed: else the scope would hold it twice.
    place.scope(Box::pin(serve_admitted(visit, request, body, handle))).await
}

/// Serves a request that has its slot in the audit log.
async fn serve_admitted<H>(
    mut visit: Box<Visit<'_>>,
    request: HttpRequest,
    body: Payload,
    handle: H,
) -> Result<ServiceResponse, Error>
where
    H: AsyncFnOnce(HttpRequest, Payload) -> Handled,
{
    let (request, outcome) = match admit(&mut visit, &request).await {
        Err(refusal) => (request, Err(refusal)),
        Ok(authorized) => match authorized.destination().clone() {
            Destination::Managed(_) => manage(&mut visit, request, body, authorized, handle).await?,
            Destination::Route(route) => {
                let outcome = proxy(&mut visit, &request, body, (authorized, route)).await;
                (request, outcome)
            }
        },
    };
    if outcome.is_err() {
        limit::tell_others(&mut visit).await;
    }
    let response = audit::close(visit, &request, outcome).await;
    Ok(answer(request, response))
}

/// Begins the trace of a request, and names it in what is logged about it.
fn begin_trace(gate: &Gate, call: &mut Call, request: &HttpRequest) -> Trace {
    let trace = gate.tracing.begin(&call.start(), request.headers());
    call.trace_id = trace.id().or(call.trace_id.take());
    if let Some(id) = &call.trace_id {
        tracing::Span::current().record("trace_id", id);
    }
    trace
}

fn answer(request: HttpRequest, mut response: HttpResponse) -> ServiceResponse {
    framing::fit(&mut response, request.head());
    ServiceResponse::new(request, response)
}

/// Everything that must hold before a call is served, from the cheapest check to the dearest.
async fn admit(visit: &mut Visit<'_>, request: &HttpRequest) -> Result<Authorized, Refusal> {
    // A probe is answered at any rate: a busy gateway must not be taken for a dead one.
    if !(visit.gate.find)(&visit.call.method, &visit.call.path).is_probe() {
        visit.gate.edge.check(&visit.call)?;
    }
    if visit.call.is_preflight {
        let authorized = Authorized::preflight();
        visit.record.known.destination(authorized.destination());
        return Ok(authorized);
    }
    visit.record.enter(Step::Authenticate);
    let caller = authenticate(visit, request.headers()).await?;
    visit.record.known.caller(&caller);
    if let (Some(connection), Authenticated::Known(caller)) = (request.conn_data::<Connection>(), &caller) {
        connection.answers(caller);
    }
    visit.gate.shape.check(&visit.call, request.head())?;
    let authorized = authorize(visit, caller);
    let authorized = authorized.map_err(|refusal| websocket::told(request.head(), visit, refusal))?;
    acted_as::check(visit, request.headers(), &authorized)?;
    websocket::check(request.head(), authorized.destination())?;
    move_to::check(visit, request.headers(), authorized.destination())?;
    Ok(authorized)
}

/// A call to one of the gateway's own URLs.
async fn manage<H>(
    visit: &mut Visit<'_>,
    request: HttpRequest,
    body: Payload,
    authorized: Authorized,
    handle: H,
) -> Handled
where
    H: AsyncFnOnce(HttpRequest, Payload) -> Handled,
{
    if visit.call.may_change() {
        visit.record.known.commit_always();
    }
    if visit.call.may_change()
        && !authorized.is_public()
        && let Err(refusal) = visit.record.decide(Durability::Committed).await
    {
        return Ok((request, Err(refusal)));
    }
    visit.record.enter(Step::Handle);
    request.extensions_mut().insert(authorized);
    request.extensions_mut().insert(visit.call.network());
    request.extensions_mut().insert(visit.record.known.intake());
    handle(request, body).await
}

/// A call to an upstream.
async fn proxy(
    visit: &mut Visit<'_>,
    request: &HttpRequest,
    body: Payload,
    destination: (Authorized, Arc<Route>),
) -> Result<HttpResponse, Refusal> {
    if let Some(connection) = request.conn_data::<Connection>() {
        connection.calls_upstream();
    }
    circles::check(request.headers())?;
    let is_websocket = websocket::is_opened(request.head(), &destination.1);
    let (mut body, client) = match body {
        client if is_websocket => (ClientBody::Empty, client),
        body => (ClientBody::of(request.headers(), body), Payload::None),
    };
    let Chosen { authorized, route, asked } = choose(visit, request.headers(), destination, &mut body).await?;
    let route = &*route;
    if let Some(connection) = request.conn_data::<Connection>() {
        connection.is_on(&route.name);
    }
    visit.record.enter(Step::Limit);
    let entered = limit(visit, authorized, route).await?;
    if max_forwards::is_last(request.method(), request.headers()) {
        return Ok(max_forwards::answer(&route.methods));
    }
    let asked = match asked {
        None => tokens::read(visit, request.headers(), route, &mut body).await?,
        read => read,
    };
    let aims = Arc::clone(visit.gate.routing.read().aims(route, asked.as_ref().map(Asked::model)));
    let aims = tokens::permit(entered.principal(), asked.as_ref(), aims)?;
    if let Some(asked) = &asked {
        formats::check(visit, entered.principal(), route, asked.model())?;
    }
    let content = Content { body: &body, asked: asked.as_ref(), aims: &aims, is_websocket };
    if route.caching.is_some() {
        visit.record.enter(Step::Cache);
    }
    let (entered, plan) = match cache(visit, request, content, entered, route).await? {
        Found::Served(forwarded) => return Ok(settle(*forwarded, request.method())),
        Found::Forward(entered, plan) => (entered, plan),
    };
    let billed = asked.as_ref().filter(|asked| !asked.is_free());
    let admitted = limit_tokens(visit, entered, route, billed.map(Asked::estimated_tokens)).await?;
    if route.meter != Meter::None {
        visit.record.enter(Step::Reserve);
    }
    let reserved = reserve(visit, admitted, route, (asked, aims)).await?;
    if route.meter != Meter::None {
        // The start after a kill decides by this record whether a hold was spent, so it is never left for later.
        visit.record.decide(Durability::Committed).await?;
    } else if visit.call.may_change() {
        visit.record.decide(visit.record.known.durability()).await?;
    } else {
        // It stands so on record if the client goes before the upstream has answered.
        visit.record.known.allowed();
    }
    if is_websocket {
        return websocket::carry(visit, request, client, reserved, route).await;
    }
    let forwarded = forward(visit, request, body, (reserved, plan), route).await?;
    visit.record.enter(Step::Settle);
    Ok(settle(forwarded, request.method()))
}
