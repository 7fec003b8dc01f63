//! The OpenAPI document, made from the handlers by apistos.

use actix_web::{App, body, web::Bytes};
use apistos::{
    app::OpenApiWrapper,
    info::{Info, License},
    spec::Spec,
    tag::Tag,
};

use super::routes;

const PATH: &str = "/openapi.json.apistos";

/// The document as it is served and as `tollgate openapi` prints it.
#[derive(Clone)]
pub struct Document(Bytes);

/// The document could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the OpenAPI document could not be made")]
pub struct NoDocument;

impl Document {
    /// Asks a gateway without a socket for its document. Called once, at start.
    pub async fn build() -> Result<Self, NoDocument> {
        let app = routes::register(App::new().document(spec())).build(PATH);
        let service = actix_web::test::init_service(app).await;
        let request = actix_web::test::TestRequest::get().uri(PATH).to_request();
        let response = actix_web::test::call_service(&service, request).await;
        let raw = body::to_bytes(response.into_body()).await.map_err(|_| NoDocument)?;
        let value: serde_json::Value = serde_json::from_slice(&raw).map_err(|_| NoDocument)?;
        let mut text = serde_json::to_vec_pretty(&value).map_err(|_| NoDocument)?;
        text.push(b'\n');
        Ok(Self(text.into()))
    }

    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.0.clone()
    }
}

/// What the document says beside the handlers.
#[must_use]
pub fn spec() -> Spec {
    let tag = |name: &str, description: &str| Tag {
        name: name.into(),
        description: Some(description.into()),
        ..Tag::default()
    };
    Spec {
        info: Info {
            title: "Tollgate".into(),
            description: Some(DESCRIPTION.into()),
            version: env!("CARGO_PKG_VERSION").into(),
            license: Some(License { name: "GPL-3.0-or-later".into(), ..License::default() }),
            ..Info::default()
        },
        tags: vec![
            tag("Authentication", "Getting tokens, and the keys they verify with."),
            tag("OAuth", "Tokens for OAuth clients (RFC 6749, 7009, 8414)."),
            tag("Me", "The caller's own account."),
            tag("API keys", "Keys that act as their user, one's own and, for administrators, everybody's."),
            tag("Sessions", "Sessions that are live, one's own and, for administrators, everybody's."),
            tag("Users", "Users, for administrators."),
            tag("Teams", "Groups of users, for administrators."),
            tag("Limits", "How much may be called, for administrators; `readonly` may look."),
            tag("Budgets", "How much calls may cost, for administrators; `readonly` may look."),
            tag("Prices", "What models cost, for administrators."),
            tag("Usage", "What calls took and cost, for administrators; `readonly` may look."),
            tag("Signing keys", "What access tokens are signed with, for administrators."),
            tag("Audit", "The audit log, for administrators."),
            tag("Operations", "Health and documentation."),
        ],
        ..Spec::default()
    }
}

const DESCRIPTION: &str = "An API gateway. These are its own endpoints; the routes it forwards are configured by its \
operator, and the default configuration has `/echo`, `/v1/chat/completions` and `/v1/messages`.\n\n\
Every answer carries `X-Request-Id`. Answers of limited routes carry `RateLimit` and `RateLimit-Policy` \
(draft-ietf-httpapi-ratelimit-headers-11). A refusal is `application/problem+json` (RFC 9457); its `type` ends in the \
code that programs should look at, and its `detail` says what to do.\n\n\
Calls of metered routes carry `X-Tollgate-Hold-USD`, the most that they can cost, and unless the answer is a stream \
`X-Tollgate-Cost-USD`, what they cost. Requests to AI models must be `application/json` without a content coding (415); a \
bound on the answer that is missing is written in, and what has no price is refused: 403 `unpriced-model` for a model, 400 \
for audio, tools that the provider runs, priority tiers, and prompts whose length the request does not show.";
