//! The members that an OAuth client reads of a refusal (RFC 6749 §5.2), besides those of the problem.

use actix_web::{HttpResponse, HttpResponseBuilder, http::header};
use schemars::{JsonSchema, r#gen::SchemaGenerator, schema::Schema};
use serde::Serialize;

use super::Body;
use crate::domain::refusal::OAuthError;

/// What OAuth libraries expect of an error.
pub(super) const MEDIA_TYPE: &str = "application/json";

/// A problem that an OAuth library can read.
#[derive(Serialize)]
pub(super) struct OAuthBody {
    error: &'static str,
    error_description: String,
    #[serde(flatten)]
    problem: Body,
}

impl OAuthBody {
    pub(super) fn of(error: OAuthError, problem: Body) -> Self {
        Self { error: error.as_str(), error_description: problem.detail.clone(), problem }
    }
}

/// Derived, `error` would be the object that a problem has on `/v1/…`.
impl JsonSchema for OAuthBody {
    fn schema_name() -> String {
        "OAuthProblem".into()
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let mut schema = Body::json_schema(schemas).into_object();
        for name in ["error", "error_description"] {
            schema.object().properties.insert(name.into(), schemas.subschema_for::<String>());
            schema.object().required.insert(name.into());
        }
        schema.into()
    }
}

/// The answer as `application/json`, which is what the libraries expect.
pub(super) fn answer(mut response: HttpResponseBuilder, error: OAuthError, problem: Body) -> HttpResponse {
    response.insert_header((header::CONTENT_TYPE, MEDIA_TYPE));
    response.body(serde_json::to_vec(&OAuthBody::of(error, problem)).unwrap_or_default())
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
