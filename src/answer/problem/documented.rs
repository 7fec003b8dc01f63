//! The answers that the OpenAPI document may name. What a URL's permission, a handler's arguments and its answer do not
//! say by themselves stands in the table of URLs.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use apistos_models::{
    paths::{Header, MediaType, ParameterDefinition, Response},
    reference_or::ReferenceOr,
};
use schemars::{JsonSchema, r#gen::SchemaGenerator};

use super::{
    Body, MEDIA_TYPE, examples,
    oauth::{self, OAuthBody},
};

/// A way of refusing: one status, one sentence for the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalKind {
    Invalid,
    /// Besides what is invalid, the grant of an OAuth client may be.
    InvalidGrant,
    Unauthenticated,
    /// Of a name and a password.
    WrongPassword,
    Forbidden,
    NotFound,
    TooSlow,
    Conflict,
    PreconditionFailed,
    TooLarge,
    TargetTooLong,
    WrongMediaType,
    UnknownExpectation,
    Limited,
    HeadTooLarge,
    Failed,
    Unavailable,
}

impl RefusalKind {
    const fn status_and_description(self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid | Self::InvalidGrant => {
                (StatusCode::BAD_REQUEST, "The request is not valid; `errors` says where.")
            }
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "No credential, or one that is not valid."),
            Self::WrongPassword => {
                (StatusCode::UNAUTHORIZED, "The name and the password do not fit, or the user may not log in.")
            }
            Self::Forbidden => (StatusCode::FORBIDDEN, "The caller's role may not do this."),
            Self::NotFound => (StatusCode::NOT_FOUND, "There is no such object."),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "The body came too slowly."),
            Self::Conflict => (StatusCode::CONFLICT, "The change conflicts with what is there."),
            Self::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "It is not at the version that `If-Match` or `If-None-Match` asks for.",
            ),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."),
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, "The request line is longer than is read."),
            Self::WrongMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is of another media type."),
            Self::UnknownExpectation => {
                (StatusCode::EXPECTATION_FAILED, "`Expect` has something else than `100-continue`.")
            }
            Self::HeadTooLarge => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The header fields are more than are read.")
            }
            Self::Limited => {
                (StatusCode::TOO_MANY_REQUESTS, "A limit is reached; `Retry-After` says when to come back.")
            }
            Self::Failed => {
                (StatusCode::INTERNAL_SERVER_ERROR, "The gateway failed; its operator finds the request id in the log.")
            }
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "The gateway is short of something; try again."),
        }
    }

    /// The codes of problems of this kind, as the examples of the document have them.
    const fn codes(self) -> &'static [&'static str] {
        match self {
            Self::Invalid | Self::InvalidGrant => {
                &["invalid-request", "ambiguous-credentials", "unsafe-path", "invalid-host"]
            }
            Self::Unauthenticated => &["missing-credential", "invalid-token", "expired-token", "revoked-token"],
            Self::WrongPassword => &["invalid-credentials"],
            Self::Forbidden => &["forbidden"],
            Self::NotFound => &["not-found"],
            Self::TooSlow => &["request-timeout"],
            Self::Conflict => &["conflict"],
            Self::PreconditionFailed => &["precondition-failed"],
            Self::TooLarge => &["body-too-large"],
            Self::TargetTooLong => &["target-too-long"],
            Self::WrongMediaType => &["unsupported-media-type"],
            Self::UnknownExpectation => &["expectation-failed"],
            Self::Limited => &["quota-exceeded"],
            Self::HeadTooLarge => &["head-too-large"],
            Self::Failed => &["internal-error"],
            Self::Unavailable => &["temporary-reduced-capacity", "ledger-unavailable", "audit-unavailable"],
        }
    }

    /// Those that an OAuth client is told in its own form.
    const fn oauth_codes(self) -> &'static [&'static str] {
        match self {
            Self::InvalidGrant => &["invalid-grant", "unsupported-grant-type"],
            Self::Unauthenticated => &["invalid-client"],
            _ => &[],
        }
    }

    /// The header field that every answer of the kind has, and what it says.
    const fn field(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Unauthenticated | Self::WrongPassword => Some((
                "WWW-Authenticate",
                "How to authenticate, and `error` where a credential was given (RFC 6750 §3).",
            )),
            Self::Limited => Some(("Retry-After", "Whole seconds until a request may come back (RFC 9110 §10.2.3).")),
            _ => None,
        }
    }

    /// The status and the response as the document has them.
    pub fn response(self, speaks_oauth: bool, schemas: &mut SchemaGenerator) -> (String, Response) {
        let (status, description) = self.status_and_description();
        let media = |schema, codes: &[&str]| MediaType {
            schema: Some(ReferenceOr::Object(schema)),
            example: examples::of(codes),
            ..MediaType::default()
        };
        let is_of_oauth = speaks_oauth && matches!(self, Self::Invalid | Self::InvalidGrant | Self::Unauthenticated);
        // Who the client is, an OAuth library is told in its own form alone.
        let codes: &[&str] = if is_of_oauth && self == Self::Unauthenticated { &[] } else { self.codes() };
        let mut content = BTreeMap::from([(MEDIA_TYPE.to_owned(), media(schemas.subschema_for::<Body>(), codes))]);
        if is_of_oauth {
            let form = media(schemas.subschema_for::<OAuthBody>(), self.oauth_codes());
            content.insert(oauth::MEDIA_TYPE.to_owned(), form);
        }
        let mut response = Response { description: description.into(), content, ..Response::default() };
        if let Some((name, text)) = self.field() {
            response.headers.insert(name.to_owned(), ReferenceOr::Object(header(text, schemas)));
        }
        (status.as_u16().to_string(), response)
    }
}

/// A header field with this meaning.
pub fn header(description: &str, schemas: &mut SchemaGenerator) -> Header {
    let text = ReferenceOr::Object(String::json_schema(schemas));
    Header {
        description: Some(description.to_owned()),
        definition: Some(ParameterDefinition::Schema(Box::new(text))),
        ..Header::default()
    }
}

/// A status of an answer that does what was asked, as opposed to a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Success {
    Ok,
    Created,
    NoContent,
    SeeOther,
    NotModified,
    PermanentRedirect,
    /// The question is answered: the gateway is not ready.
    Unready,
}

impl Success {
    /// The status code, as the OpenAPI document has it: a text of three digits.
    pub fn status(self) -> String {
        let status = match self {
            Self::Ok => StatusCode::OK,
            Self::Created => StatusCode::CREATED,
            Self::NoContent => StatusCode::NO_CONTENT,
            Self::SeeOther => StatusCode::SEE_OTHER,
            Self::NotModified => StatusCode::NOT_MODIFIED,
            Self::PermanentRedirect => StatusCode::PERMANENT_REDIRECT,
            Self::Unready => StatusCode::SERVICE_UNAVAILABLE,
        };
        status.as_u16().to_string()
    }
}
