//! Where every request comes in: it is handed to the pipeline, and only the pipeline calls a handler.

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{CACHE_CONTROL, HeaderValue, IF_MATCH, IF_NONE_MATCH},
    },
    middleware::Next,
    web::Data,
};

use super::{conditional::Conditions, extract::IsHead, input, office::Operations, preflight, problem::Problem, routes};
use crate::{
    answer::headers::NO_SNIFFING,
    domain::refusal::Refusal,
    pipeline::{
        self, Gate, Handled,
        call::Call,
        connection::{Connection, Ongoing},
        urls::Managed,
    },
    telemetry,
};

/// The middleware around everything.
pub async fn entry<B: MessageBody + 'static>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse, Error> {
    let Some(gate) = request.app_data::<Data<Gate>>().cloned() else {
        return Err(Problem(Refusal::Internal).into());
    };
    let id = telemetry::request_id(&request);
    let is_draining = request.app_data::<Data<Operations>>().is_some_and(|operations| operations.draining.has_begun());
    let (request, body) = request.into_parts();
    let ongoing = request.conn_data::<Connection>().map(Ongoing::begin);
    let body = ongoing.as_ref().map_or(Payload::None, |ongoing| ongoing.receive(request.headers(), body));
    let call = Call::of(&request, id, &gate.clock, &gate.peers);
    let asks_first = call.is_preflight.then_some(call.allowed_origin.is_some());
    let changes = call.may_change()
        && matches!(routes::find(&call.method, &call.path), Managed::Found(url) if routes::goes_on(&url));
    // Boxed: else an idle connection would keep the room that a call takes, and the layers around would copy it.
    let serve = Box::pin(async move {
        let handle = async |request: HttpRequest, body: Payload| match asks_first {
            Some(is_allowed) => {
                let answer = preflight::answer(&request, is_allowed);
                Ok((request, answer))
            }
            None => handle(request, body, next).await,
        };
        pipeline::serve(&gate, call, request, body, handle).await
    });
    // A change of the gateway itself goes on, and on record, when the client hangs up in the middle of it.
    let served = if changes {
        actix_web::rt::spawn(serve).await.unwrap_or_else(|_| Err(Problem(Refusal::Internal).into()))?
    } else {
        serve.await?
    };
    let Some(ongoing) = ongoing else { return Ok(served) };
    let (request, response) = served.into_parts();
    Ok(ServiceResponse::new(request, ongoing.answer(response, is_draining).await))
}

/// Runs the handler that the URL belongs to. Its refusals go back to be worded.
async fn handle<B: MessageBody + 'static>(request: HttpRequest, body: Payload, next: Next<B>) -> Handled {
    if let Err(refusal) = check_query(&request).and_then(|()| check_conditions(&request)) {
        return Ok((request, Err(refusal)));
    }
    let mut request = ServiceRequest::from_parts(request, body);
    // A HEAD is answered as the GET it asks about; the server keeps the body back.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
        request.extensions_mut().insert(IsHead);
    }
    let response = next.call(request).await?.map_into_boxed_body();
    let (request, mut response) = response.into_parts();
    if !response.headers().contains_key(CACHE_CONTROL) {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let (name, value) = NO_SNIFFING;
    response.headers_mut().insert(name, value);
    let refusal = refusal_in(&response);
    Ok((request, refusal.map_or(Ok(response), Err)))
}

/// A parameter that nobody reads would leave a change to do more, or other, than its caller means. What only reads says so where
/// it takes a query.
fn check_query(request: &HttpRequest) -> Result<(), Refusal> {
    if request.method().is_safe() || request.query_string().is_empty() {
        return Ok(());
    }
    let method = request.method().as_str();
    match routes::find(method, request.uri().path()) {
        Managed::Found(url) if !routes::may_have_query(method, &url) => input::no_query(request.query_string()),
        _ => Ok(()),
    }
}

/// A change is not made on a condition that does not hold (RFC 9110 §13.1.1), nor where nobody reads the condition, because what is
/// changed has no version.
fn check_conditions(request: &HttpRequest) -> Result<(), Refusal> {
    let has_any = request.headers().contains_key(&IF_MATCH) || request.headers().contains_key(&IF_NONE_MATCH);
    if request.method().is_safe() || !has_any {
        return Ok(());
    }
    let (method, path) = (request.method().as_str(), request.uri().path());
    match routes::find(method, path) {
        Managed::Found(url) if !routes::has_version(method, &url) => {
            let conditions = Conditions::from_request(request, &mut Payload::None).into_inner();
            let is_there = matches!(routes::find("GET", path), Managed::Found(_));
            conditions.map_err(|problem| problem.0)?.check_without_version(is_there)
        }
        _ => Ok(()),
    }
}

/// The refusal that a handler or an extractor answered with.
fn refusal_in(response: &HttpResponse) -> Option<Refusal> {
    let error = response.error()?;
    Some(error.as_error::<Problem>().map_or(Refusal::Internal, |problem| problem.0.clone()))
}
