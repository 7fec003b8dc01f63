//! The headers that every answer carries, whoever made it.

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap, HeaderName, HeaderValue, VARY,
};

use super::rate_limit;
use crate::domain::{ids::RequestId, limit::Standing};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");

/// The headers that a page of an allowed origin may read.
const EXPOSED: &str = "x-request-id, retry-after, ratelimit, ratelimit-policy";

/// Adds the id of the request, how its limits stand where policies were asked, and what a page of `allowed_origin` may
/// read.
pub fn add(headers: &mut HeaderMap, id: RequestId, standings: &[Standing], allowed_origin: Option<&str>) {
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(X_REQUEST_ID, id);
    }
    rate_limit::add_headers(headers, standings);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(Ok(origin)) = allowed_origin.map(HeaderValue::from_str) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }
}
