//! What an OAuth client reads of a refusal (RFC 6749 §5.2), beside the members of the problem.

use actix_web::{HttpResponse, HttpResponseBuilder, http::header};
use serde::Serialize;

use super::Body;
use crate::domain::refusal::OAuthError;

/// A problem that an OAuth library can read.
#[derive(Serialize)]
struct OAuthBody {
    error: &'static str,
    error_description: String,
    #[serde(flatten)]
    problem: Body,
}

/// The answer as `application/json`, which is what the libraries expect.
pub(super) fn answer(mut response: HttpResponseBuilder, error: OAuthError, problem: Body) -> HttpResponse {
    response.insert_header((header::CONTENT_TYPE, "application/json"));
    let body = OAuthBody { error: error.as_str(), error_description: problem.detail.clone(), problem };
    response.body(serde_json::to_vec(&body).unwrap_or_default())
}

pub(super) const fn title(error: OAuthError) -> &'static str {
    match error {
        OAuthError::InvalidRequest => "The request is not valid",
        OAuthError::InvalidClient => "The client is not known",
        OAuthError::InvalidGrant => "The grant is not valid",
        OAuthError::UnsupportedGrantType => "The grant type is not supported",
    }
}

/// Why a credential was not accepted is for the audit log alone. RFC 6749 §5.2 allows no quotation marks here.
pub(super) fn detail(error: OAuthError, reason: &str) -> String {
    match error {
        OAuthError::InvalidRequest => format!("{reason}."),
        OAuthError::InvalidClient => {
            "Authenticate with the id and the secret of an API key that is live, by HTTP Basic or in the form.".into()
        }
        OAuthError::InvalidGrant => "The refresh token is not valid any more. Log in again.".into(),
        OAuthError::UnsupportedGrantType => "grant_type must be client_credentials or refresh_token.".into(),
    }
}
