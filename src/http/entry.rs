//! Where every request comes in: it is handed to the pipeline, and only the pipeline calls a handler.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::BoxBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};

use super::{
    problem::{self, Problem},
    rate_limit, routes,
};
use crate::{
    domain::{ids::RequestId, limit::Standing, refusal::Refusal},
    pipeline::{self, Desk, Gate, Handled, call::Call},
    telemetry,
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");

/// What the pipeline asks of this layer.
#[must_use]
pub fn desk() -> Desk {
    Desk { find: routes::find, problem: problem::render, decorate }
}

/// The middleware around everything.
pub async fn entry(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let Some(gate) = request.app_data::<Data<Gate>>().cloned() else {
        return Err(Problem(Refusal::Internal).into());
    };
    let id = telemetry::request_id(&request);
    let (request, body) = request.into_parts();
    let call = Call::of(&request, id, &gate.clock, &gate.trusted_proxies);
    pipeline::serve(&gate, call, request, body, async |request, body| handle(request, body, next).await).await
}

/// Runs the handler that the URL belongs to. Its refusals go back to be worded.
async fn handle(request: HttpRequest, body: Payload, next: Next<BoxBody>) -> Handled {
    let mut request = ServiceRequest::from_parts(request, body);
    // A HEAD is answered as the GET it asks about; the server keeps the body back.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let response = next.call(request).await?;
    let (request, mut response) = response.into_parts();
    if !response.headers().contains_key(CACHE_CONTROL) {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let refusal = refusal_in(&response);
    Ok((request, refusal.map_or(Ok(response), Err)))
}

/// The refusal a handler or an extractor answered with.
fn refusal_in(response: &HttpResponse) -> Option<Refusal> {
    let error = response.error()?;
    Some(error.as_error::<Problem>().map_or(Refusal::Internal, |problem| problem.0.clone()))
}

fn decorate(headers: &mut HeaderMap, request: RequestId, standings: &[Standing]) {
    if let Ok(id) = HeaderValue::from_str(&request.to_string()) {
        headers.insert(X_REQUEST_ID, id);
    }
    rate_limit::add_headers(headers, standings);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
