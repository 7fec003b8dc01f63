//! The life of a request, from its head to its audit record. [`serve`] is the whole of it, and holds the only branching.
//!
//! Each step takes the proof that the step before it gave: without a [`reserve::Reserved`] there is no way to call
//! [`forward::forward`]. Called by `http::entry` for every request. It never sees a database, and words no refusal:
//! [`answer`](crate::answer) does.

pub mod audit;
pub mod authenticate;
pub mod authorize;
pub mod bill;
pub mod body;
pub mod call;
pub mod edge;
pub mod forward;
pub mod limit;
pub mod reserve;
pub mod settle;
pub mod tokens;
pub mod unread;
pub mod urls;

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    dev::{Payload, ServiceResponse},
};

use self::{
    audit::Record,
    authenticate::{Identity, VerifiedTokens, authenticate},
    authorize::{Authorized, Destination, authorize},
    body::ClientBody,
    call::{Call, Ground, Shape},
    edge::Edge,
    forward::forward,
    limit::limit,
    reserve::reserve,
    settle::settle,
    urls::{Find, ManagedUrl},
};
use crate::{
    actors::{audit_writer::Audit, budget_ledger::Ledger, quota_keeper::Quotas},
    clock::Clock,
    domain::{
        access::Permission,
        recording::{Durability, Recording},
        refusal::Refusal,
        route::{Meter, Route},
    },
    meter::Asked,
    snapshot::{Snapshot, budgets::BudgetBook, policies::PolicyBook, prices::PriceBook, routing::Routing},
    telemetry::Metrics,
    upstream,
};

/// Everything the steps need; one a worker thread.
pub struct Gate {
    pub clock: Clock,
    pub metrics: Metrics,
    pub shape: Shape,
    pub ground: Ground,
    pub edge: Edge,
    pub identity: Identity,
    pub tokens: VerifiedTokens,
    pub routing: Snapshot<Routing>,
    pub policies: Snapshot<PolicyBook>,
    pub budgets: Snapshot<BudgetBook>,
    pub prices: Snapshot<PriceBook>,
    pub quotas: Quotas,
    pub ledger: Ledger,
    pub audit: Audit,
    /// Of calls to a route that does not say.
    pub recording: Recording,
    pub upstream: upstream::Client,
    /// Finds one of the gateway's own URLs.
    pub find: Find,
}

/// What a managed URL's handler gives back: the request's head, and the answer or why there is none. The outer error is
/// the framework's own, after which there is no request left to answer.
pub type Handled = Result<(HttpRequest, Result<HttpResponse, Refusal>), Error>;

/// Serves one request. `handle` runs the handler of a managed URL, with its [`Authorized`] and the caller's
/// [`Network`](crate::domain::network::Network) in the extensions.
pub async fn serve<H>(
    gate: &Gate,
    call: Call,
    request: HttpRequest,
    body: Payload,
    handle: H,
) -> Result<ServiceResponse, Error>
where
    H: AsyncFnOnce(HttpRequest, Payload) -> Handled,
{
    let mut record = match Record::open(gate, &call) {
        Ok(record) => record,
        Err(_) if (gate.find)(&call.method, &call.path).is_probe() => Record::of(gate, &call, None),
        // Without a place in the audit log nothing is done at all.
        Err(refusal) => return Ok(ServiceResponse::new(request, audit::refuse(&call, &refusal, &[]))),
    };
    let (request, outcome) = match admit(gate, &call, &request, &mut record).await {
        Err(refusal) => (request, Err(refusal)),
        Ok(authorized) => match authorized.destination().clone() {
            Destination::Managed(managed) => {
                manage(&call, request, body, authorized, managed, &mut record, handle).await?
            }
            Destination::Route(route) => {
                let outcome = proxy(gate, &call, &request, body, authorized, &route, &mut record).await;
                (request, outcome)
            }
        },
    };
    if outcome.is_err() {
        limit::tell_refused(gate, &call, &mut record).await;
    }
    let response = audit::close(&call, record, &request, outcome).await;
    Ok(ServiceResponse::new(request, response))
}

/// Everything that must hold before a call is served, from the cheapest check to the dearest.
async fn admit(gate: &Gate, call: &Call, request: &HttpRequest, record: &mut Record) -> Result<Authorized, Refusal> {
    gate.edge.check(call)?;
    if call.is_preflight {
        let authorized = Authorized::preflight();
        record.destination(authorized.destination());
        return Ok(authorized);
    }
    let caller =
        authenticate(&gate.identity, &gate.tokens, gate.find, call, request.headers(), gate.clock.now()).await?;
    record.caller(&caller);
    gate.shape.check(call, request.headers())?;
    let authorized = authorize(gate.find, &gate.routing.read(), caller, call)?;
    record.destination(authorized.destination());
    Ok(authorized)
}

/// A call to one of the gateway's own URLs.
async fn manage<H>(
    call: &Call,
    request: HttpRequest,
    body: Payload,
    authorized: Authorized,
    managed: ManagedUrl,
    record: &mut Record,
    handle: H,
) -> Handled
where
    H: AsyncFnOnce(HttpRequest, Payload) -> Handled,
{
    if call.may_change() {
        record.commit_always();
    }
    if call.may_change()
        && managed.permission != Permission::Public
        && let Err(refusal) = record.decide(Durability::Committed).await
    {
        return Ok((request, Err(refusal)));
    }
    request.extensions_mut().insert(authorized);
    request.extensions_mut().insert(call.network());
    request.extensions_mut().insert(record.intake());
    handle(request, body).await
}

/// A call to an upstream.
async fn proxy(
    gate: &Gate,
    call: &Call,
    request: &HttpRequest,
    body: Payload,
    authorized: Authorized,
    route: &Route,
    record: &mut Record,
) -> Result<HttpResponse, Refusal> {
    let mut body = ClientBody::of(request.headers(), body);
    let asked = tokens::read(gate, (&call.path, request.headers()), route, &mut body, record).await?;
    let tokens = asked.as_ref().map(Asked::estimated_tokens);
    let admitted = limit(gate, call, authorized, route, tokens, record).await?;
    let reserved = reserve(gate, call, admitted, route, asked, record).await?;
    if route.meter != Meter::None {
        // A start after a kill tells by the decision whether a hold was spent, so it is never left for later.
        record.decide(Durability::Committed).await?;
    } else if call.may_change() {
        record.decide(record.durability()).await?;
    }
    let forwarded = forward(gate, call, request, body, reserved, route, record).await?;
    Ok(settle(forwarded))
}
