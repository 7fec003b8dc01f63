//! The wording of refusals: `application/problem+json` (RFC 9457). The only file that gives a
//! refusal its status.

pub mod documented;
pub mod examples;
mod limits;
mod oauth;
mod wording;

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use actix_web_httpauth::headers::www_authenticate::{
    WwwAuthenticate,
    basic::Basic,
    bearer::{Bearer, Error as BearerError},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

use self::{
    limits::{PolicyBody, policies},
    wording::{detail_of, title_of},
};
use super::{headers::NO_SNIFFING, retry_after::retry_after_s};
use crate::domain::{
    budget::Shortfall,
    ids::{BudgetId, RequestId},
    money::Money,
    refusal::{Fault, OAuthError, Refusal, Unavailable},
};

const MEDIA_TYPE: &str = "application/problem+json";
/// What an OAuth client is asked to authenticate to (RFC 7617 §2).
const REALM: &str = "tollgate";
/// The most faults that one answer lists.
const MAX_FAULTS: usize = 100;
const OURS: &str = "https://tollgate.dev/problems/";
/// Problem types registered with IANA for rate limits (draft-ietf-httpapi-ratelimit-headers-11 §"Problem Types").
const REGISTERED: &str = "https://iana.org/assignments/http-problem-types#";

/// A refusal as a handler returns it.
#[derive(Debug, Clone)]
pub struct Problem(pub Refusal);

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        status_of(&self.0)
    }

    /// Without a body: the pipeline words it, because only it knows the request.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

/// A problem as it is sent.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Problem")]
struct Body {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    /// What was wrong, and what to do.
    detail: String,
    /// The id of the request, also in `X-Request-Id`.
    instance: String,
    /// With `invalid-request`: each fault and where it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FaultBody>,
    /// With `quota-exceeded`: the policies that refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    violated_policies: Vec<String>,
    /// With `quota-exceeded`: every policy that was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    policies: Vec<PolicyBody>,
    /// With `budget-exhausted`: the budgets that have no room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    budgets: Vec<BudgetBody>,
    /// On `/v1/…`: the same for the SDKs of AI providers.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ProviderError>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Fault")]
struct FaultBody {
    /// A JSON pointer into the body, `?name` for a query parameter, `header:name` for a header, or `path`.
    pointer: String,
    detail: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BudgetShortfall")]
struct BudgetBody {
    id: BudgetId,
    name: String,
    limit_usd: Money,
    spent_usd: Money,
    held_usd: Money,
    /// What the call may cost.
    needed_usd: Money,
    /// When the budget is whole again; null for one that never is.
    #[schemars(with = "Option<String>")]
    resets_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ProviderError {
    message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'static str,
    param: Option<String>,
}

/// Words the refusal of the request `id` to `path` for the client.
#[must_use]
pub fn render(refusal: &Refusal, id: RequestId, path: &str) -> HttpResponse {
    let status = status_of(refusal);
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CONTENT_TYPE, MEDIA_TYPE)).insert_header(NO_SNIFFING);
    if let Some(challenge) = challenge(refusal) {
        response.insert_header(WwwAuthenticate(challenge));
    }
    if let Refusal::OAuth(OAuthError::InvalidClient, _) = refusal {
        response.insert_header(WwwAuthenticate(Basic::with_realm(REALM)));
    }
    if let Some(seconds) = retry_after_s(refusal) {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    if let Refusal::MethodNotAllowed(methods) = refusal
        && let Ok(allow) = HeaderValue::from_str(&wording::allowed(methods))
    {
        response.insert_header((header::ALLOW, allow));
    }
    if let Refusal::SignIn(fault) = refusal {
        // No more than a word that the page knows, so that nobody can make it show a text of theirs.
        response.insert_header((header::LOCATION, format!("/console/#/sign-in?failed={}&request={id}", fault.told())));
    }
    if let Refusal::UnsupportedMediaType { expected } = refusal {
        let (name, types) = wording::media_types(expected);
        response.insert_header((name, types));
    }
    if *refusal == Refusal::ContentCoding {
        response.insert_header((header::ACCEPT_ENCODING, "identity"));
    }
    if *refusal == Refusal::NoWebSocket {
        response.insert_header((header::UPGRADE, "HTTP/1.1"));
    }
    if *refusal == Refusal::WebSocketVersion {
        // RFC 9110 §15.5.22 and RFC 6455 §4.4.
        response.insert_header((header::UPGRADE, "websocket")).insert_header((header::SEC_WEBSOCKET_VERSION, "13"));
    }
    // A body that was not read to its end would be taken for the next request.
    if leaves_body_unread(refusal) {
        response.force_close();
    }
    let body = body(refusal, id, path);
    if let Refusal::OAuth(error, _) = refusal {
        return oauth::answer(response, *error, body);
    }
    response.body(serde_json::to_vec(&body).unwrap_or_default())
}

fn body(refusal: &Refusal, id: RequestId, path: &str) -> Body {
    let status = status_of(refusal);
    let detail = detail_of(refusal);
    // An OAuth client has another member of that name.
    let is_provider = path.starts_with("/v1/") && !matches!(refusal, Refusal::OAuth(..));
    let error = is_provider.then(|| provider_error(refusal, &detail, status));
    Body {
        kind: type_of(refusal),
        title: title_of(refusal),
        status: status.as_u16(),
        detail,
        instance: id.to_string(),
        errors: fault_bodies(faults(refusal)),
        violated_policies: refusal.refusing_policies().map(str::to_owned).collect(),
        policies: policies(refusal),
        budgets: budgets(refusal),
        error,
    }
}

/// The faults, or the first of many and how many more there are: an answer is not to be many times as long as its request.
fn fault_bodies(faults: &[Fault]) -> Vec<FaultBody> {
    let more = faults.len().saturating_sub(MAX_FAULTS);
    let last = (more > 0).then(|| FaultBody { pointer: String::new(), detail: format!("and {more} more") });
    faults.iter().take(MAX_FAULTS).map(FaultBody::from).chain(last).collect()
}

impl From<&Fault> for FaultBody {
    fn from(fault: &Fault) -> Self {
        Self { pointer: fault.pointer.clone(), detail: fault.detail.clone() }
    }
}

fn faults(refusal: &Refusal) -> &[Fault] {
    match refusal {
        Refusal::InvalidRequest(faults) => faults,
        _ => &[],
    }
}

fn budgets(refusal: &Refusal) -> Vec<BudgetBody> {
    let Refusal::BudgetExhausted(shortfalls) = refusal else { return vec![] };
    let body = |short: &Shortfall| BudgetBody {
        id: short.budget.id,
        name: short.budget.name.to_string(),
        limit_usd: short.budget.limit,
        spent_usd: short.balance.spent,
        held_usd: short.balance.held,
        needed_usd: short.needed,
        resets_at: short.resets_at,
    };
    shortfalls.iter().map(body).collect()
}

const fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::InvalidRequest(_)
        | Refusal::AmbiguousCredentials
        | Refusal::UnsafePath(_)
        | Refusal::InvalidHost(_)
        | Refusal::OAuth(OAuthError::InvalidRequest | OAuthError::InvalidGrant | OAuthError::UnsupportedGrantType, _)
        | Refusal::Disconnected => StatusCode::BAD_REQUEST,
        Refusal::MissingCredential
        | Refusal::InvalidToken(_)
        | Refusal::ExpiredToken
        | Refusal::ExpiredApiKey
        | Refusal::RevokedToken(_)
        | Refusal::OAuth(OAuthError::InvalidClient, _)
        | Refusal::InvalidCredentials => StatusCode::UNAUTHORIZED,
        // It is a page that is shown, not an answer that a program reads.
        Refusal::SignIn(_) => StatusCode::SEE_OTHER,
        Refusal::Forbidden(_)
        | Refusal::NotByThisCredential
        | Refusal::OriginNotAllowed
        | Refusal::UnpricedModel(_)
        | Refusal::ModelNotAllowed { .. } => StatusCode::FORBIDDEN,
        Refusal::NotFound | Refusal::NothingHere { .. } | Refusal::NoSuchName { .. } | Refusal::ModelNotServed(_) => {
            StatusCode::NOT_FOUND
        }
        Refusal::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Refusal::Conflict(_) => StatusCode::CONFLICT,
        Refusal::PreconditionFailed(_) => StatusCode::PRECONDITION_FAILED,
        Refusal::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Refusal::TargetTooLong { .. } => StatusCode::URI_TOO_LONG,
        Refusal::LengthRequired => StatusCode::LENGTH_REQUIRED,
        Refusal::VersionNotSupported => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        Refusal::UnsupportedMediaType { .. } | Refusal::ContentCoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
        Refusal::NoWebSocket | Refusal::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
        Refusal::Throttled { .. } | Refusal::QuotaExceeded(_) => StatusCode::TOO_MANY_REQUESTS,
        Refusal::BudgetExhausted(_) => StatusCode::PAYMENT_REQUIRED,
        Refusal::UpstreamFailed => StatusCode::BAD_GATEWAY,
        Refusal::UpstreamTimeout | Refusal::NotCached => StatusCode::GATEWAY_TIMEOUT,
        // RFC 5842 §7.2.
        Refusal::Loop { .. } => StatusCode::LOOP_DETECTED,
        Refusal::LimitsUnknown(_) | Refusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn type_of(refusal: &Refusal) -> String {
    let registered = matches!(
        refusal,
        Refusal::Throttled { .. }
            | Refusal::QuotaExceeded(_)
            | Refusal::LimitsUnknown(_)
            | Refusal::Unavailable(Unavailable::Capacity | Unavailable::LeftAlone { .. })
    );
    format!("{}{}", if registered { REGISTERED } else { OURS }, refusal.code())
}

/// RFC 6750 §3: the challenge names an error only where a credential was given.
fn challenge(refusal: &Refusal) -> Option<Bearer> {
    match refusal {
        Refusal::MissingCredential | Refusal::InvalidCredentials => Some(Bearer::default()),
        Refusal::InvalidToken(_) | Refusal::ExpiredToken | Refusal::ExpiredApiKey | Refusal::RevokedToken(_) => {
            Some(Bearer::build().error(BearerError::InvalidToken).finish())
        }
        _ => None,
    }
}

fn leaves_body_unread(refusal: &Refusal) -> bool {
    refusal.doubts_framing() || matches!(refusal, Refusal::BodyTooLarge { .. } | Refusal::RequestTimeout)
}

/// The error object of OpenAI's API, so that its SDKs and Anthropic's raise their own typed errors.
fn provider_error(refusal: &Refusal, detail: &str, status: StatusCode) -> ProviderError {
    let kind = match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::PAYMENT_REQUIRED => "billing_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::NOT_FOUND => "not_found_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "api_error",
        _ => "invalid_request_error",
    };
    let param = faults(refusal).first().map(|fault| fault.pointer.clone());
    ProviderError { message: detail.to_owned(), kind, code: refusal.code(), param }
}

/// The status that a kept answer to a POST has.
pub const CREATED: u16 = 201;

/// The answer to a request for something that is there.
#[must_use]
pub fn ok() -> HttpResponseBuilder {
    HttpResponse::Ok()
}

/// The answer to a POST that made something.
#[must_use]
pub fn created() -> HttpResponseBuilder {
    HttpResponse::Created()
}

/// The answer to a request that is done and has nothing to answer.
#[must_use]
pub fn no_content() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// Says which methods a URL takes (RFC 9110 §10.2.1).
#[must_use]
pub fn methods(methods: &[String]) -> HttpResponse {
    HttpResponse::NoContent().insert_header((header::ALLOW, wording::allowed(methods))).finish()
}

/// Leads a browser to another page (RFC 9110 §15.4.4).
#[must_use]
pub fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, location)).finish()
}

/// Leads to the URL that is the right one, for good (RFC 9110 §15.4.9).
#[must_use]
pub fn permanent_redirect(location: &str) -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, location)).finish()
}

/// What the client has is still good (RFC 9110 §15.4.5).
#[must_use]
pub fn not_modified() -> HttpResponseBuilder {
    HttpResponse::NotModified()
}

/// The answer of `/readyz`: its body says why.
#[must_use]
pub fn readiness(ready: bool) -> HttpResponseBuilder {
    HttpResponse::build(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE })
}
