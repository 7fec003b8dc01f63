//! Where every request comes in: it is handed to the pipeline, and only the pipeline calls a handler.

use actix_cors::CorsError;
use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{
            ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, HeaderMap, HeaderName,
            HeaderValue, VARY,
        },
    },
    middleware::Next,
    web::Data,
};

use super::{
    Office,
    problem::{self, Problem},
    rate_limit, routes,
};
use crate::{
    domain::{limit::Standing, refusal::Refusal},
    pipeline::{self, Desk, Gate, Handled, authorize::Managed, call::Call, connection::Connection},
    telemetry,
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");

/// The headers that a page of an allowed origin may read.
const EXPOSED: &str = "x-request-id, retry-after, ratelimit, ratelimit-policy";

/// What the pipeline asks of this layer.
#[must_use]
pub fn desk() -> Desk {
    Desk { find: routes::find, is_probe, problem: problem::render, decorate }
}

fn is_probe(call: &Call) -> bool {
    matches!(routes::find(&call.method, &call.path), Managed::Found(url) if routes::PROBES.contains(&url.template))
}

/// The middleware around everything.
pub async fn entry<B: MessageBody + 'static>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse, Error> {
    let Some(gate) = request.app_data::<Data<Gate>>().cloned() else {
        return Err(Problem(Refusal::Internal).into());
    };
    let id = telemetry::request_id(&request);
    let is_draining = request.app_data::<Data<Office>>().is_some_and(|office| office.draining.has_begun());
    let (request, body) = request.into_parts();
    let ongoing = request.conn_data::<Connection>().map(Connection::begin);
    let body = ongoing.as_ref().map_or(Payload::None, |ongoing| ongoing.receive(request.headers(), body));
    let call = Call::of(&request, id, &gate.clock, &gate.ground);
    let changes = call.may_change() && matches!(routes::find(&call.method, &call.path), Managed::Found(_));
    let serve = async move {
        pipeline::serve(&gate, call, request, body, async |request, body| handle(request, body, next).await).await
    };
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
    let mut request = ServiceRequest::from_parts(request, body);
    // A HEAD is answered as the GET it asks about; the server keeps the body back.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let response = next.call(request).await?.map_into_boxed_body();
    let (request, mut response) = response.into_parts();
    if !response.headers().contains_key(CACHE_CONTROL) {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let refusal = refusal_in(&response);
    Ok((request, refusal.map_or(Ok(response), Err)))
}

/// The refusal a handler, an extractor or the CORS rules answered with.
fn refusal_in(response: &HttpResponse) -> Option<Refusal> {
    let error = response.error()?;
    if let Some(problem) = error.as_error::<Problem>() {
        return Some(problem.0.clone());
    }
    Some(if error.as_error::<CorsError>().is_some() { Refusal::Forbidden } else { Refusal::Internal })
}

fn decorate(headers: &mut HeaderMap, call: &Call, standings: &[Standing]) {
    if let Ok(id) = HeaderValue::from_str(&call.id.to_string()) {
        headers.insert(X_REQUEST_ID, id);
    }
    rate_limit::add_headers(headers, standings);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(Ok(origin)) = call.allowed_origin.as_deref().map(HeaderValue::from_str) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }
}
