//! The OpenAPI document, derived from the table of URLs and the signatures of the handlers.
//!
//! [`crate::http::routes`] adds every URL to [`Operations`]. A refusal is documented because something causes it: the
//! gateway itself (every URL), the URL's permission, an argument of the handler, its answer, or the table, which names
//! what a handler refuses besides. Handlers say nothing about the document.

mod examples;
pub mod operation;
mod texts;

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{Handler, web::Bytes};
use apistos_models::{
    OpenApi,
    components::Components,
    info::{Info, License},
    paths::{Operation, OperationType, Paths},
    reference_or::ReferenceOr,
    security::{Http, SecurityRequirement, SecurityScheme, SecurityType},
    tag::Tag,
};
use schemars::r#gen::{SchemaGenerator, SchemaSettings};

use self::operation::{Answer, Arguments, Draft};
use super::{
    extract::{JSON, MERGE_PATCH},
    packed::Packed,
    problem::{self, Problem, documented::RefusalKind},
};
use crate::domain::access::Permission;

/// The name of the security scheme.
const BEARER: &str = "bearer";

/// The document as it is served and as `tollgate openapi` prints it.
#[derive(Clone)]
pub struct Document(Arc<Packed>);

/// The document could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoDocument {
    #[error("the OpenAPI document has no text for the operation {0}")]
    NoText(&'static str),
    #[error("the OpenAPI document cannot be written as JSON")]
    Unwritable,
}

impl Document {
    /// Writes the document of all operations; called once, at start.
    pub fn of(operations: Operations) -> Result<Self, NoDocument> {
        // By way of a value, whose members are sorted: the document is the same at every build.
        let value = serde_json::to_value(operations.into_document()).map_err(|_| NoDocument::Unwritable)?;
        let mut text = serde_json::to_vec_pretty(&value).map_err(|_| NoDocument::Unwritable)?;
        text.push(b'\n');
        Ok(Self(Arc::new(Packed::new("application/json", text.into()))))
    }

    /// The document as JSON.
    pub fn bytes(&self) -> Bytes {
        self.0.bytes().clone()
    }

    /// The document as it is served.
    pub(super) fn packed(&self) -> Arc<Packed> {
        Arc::clone(&self.0)
    }
}

/// A row of the table of URLs.
pub struct Url {
    pub method: OperationType,
    pub template: &'static str,
    pub permission: Permission,
    /// The handler's path below `http`, which names the operation.
    pub handler: &'static str,
    /// What the handler refuses besides what follows from its signature.
    pub refuses: &'static [RefusalKind],
}

/// The operations that were added, and the schemas that they name.
pub struct Operations {
    paths: Paths,
    schemas: SchemaGenerator,
}

impl Default for Operations {
    fn default() -> Self {
        Self { paths: Paths::default(), schemas: SchemaSettings::openapi3().into_generator() }
    }
}

impl Operations {
    /// Adds the operation at `url`, which `handler` serves.
    pub fn add<F, Args, R>(&mut self, url: &Url, _handler: &F) -> Result<(), NoDocument>
    where
        F: Handler<Args, Output = Result<R, Problem>>,
        Args: Arguments,
        R: Answer,
    {
        let (tag, text) = texts::of(url.handler).ok_or(NoDocument::NoText(url.handler))?;
        let mut draft = Draft::new(&mut self.schemas);
        Args::describe(&mut draft);
        R::describe(&mut draft);
        draft.refuses(EVERYWHERE);
        draft.refuses(of_permission(url.permission));
        draft.refuses(url.refuses);
        let mut operation = draft.finish();
        examples::put(url.handler, &mut operation)?;
        if url.method == OperationType::Patch {
            take_merge_patch(&mut operation);
        }
        operation.tags = vec![tag.name.into()];
        operation.summary = Some(text.summary.into());
        operation.description = Some(text.description.to_owned()).filter(|text| !text.is_empty());
        operation.operation_id = Some(url.handler.replace("::", "_"));
        operation.security = security(url.permission);
        let item = self.paths.paths.entry(url.template.into()).or_default();
        item.operations.insert(url.method, operation);
        Ok(())
    }

    fn into_document(mut self) -> OpenApi {
        let mut schemas = self.schemas.take_definitions();
        // OpenAPI 3.0 differs from JSON Schema: `nullable`, and no other member next to a `$ref`.
        for visitor in self.schemas.visitors_mut() {
            for schema in schemas.values_mut() {
                visitor.visit_schema(schema);
            }
        }
        let schemas = schemas.into_iter().map(|(name, schema)| (name, ReferenceOr::Object(schema))).collect();
        let security_schemes = BTreeMap::from([(BEARER.to_owned(), ReferenceOr::Object(bearer()))]);
        let tag = |tag: &texts::Tag| Tag {
            name: tag.name.into(),
            description: Some(tag.description.into()),
            ..Tag::default()
        };
        OpenApi {
            info: info(),
            paths: self.paths,
            components: Some(Components {
                schemas,
                security_schemes,
                examples: problem::examples::all(),
                ..Components::default()
            }),
            tags: texts::TAGS.iter().map(tag).collect(),
            ..OpenApi::default()
        }
    }
}

/// The body of a PATCH may have the media type of RFC 7396 too.
fn take_merge_patch(operation: &mut Operation) {
    if let Some(ReferenceOr::Object(body)) = &mut operation.request_body
        && let Some(media) = body.content.get(JSON).cloned()
    {
        body.content.insert(MERGE_PATCH.to_owned(), media);
    }
}

/// What any URL may answer: its head or path may be faulty, its address over the edge limit, the gateway out of room
/// or at fault.
const EVERYWHERE: &[RefusalKind] = &[
    RefusalKind::Invalid,
    RefusalKind::TargetTooLong,
    RefusalKind::UnknownExpectation,
    RefusalKind::Limited,
    RefusalKind::HeadTooLarge,
    RefusalKind::Failed,
    RefusalKind::Unavailable,
];

const fn of_permission(permission: Permission) -> &'static [RefusalKind] {
    match permission {
        Permission::Public => &[],
        // Where it is not served, there is no such URL, and nobody without a credential is told so.
        Permission::Console | Permission::Provider => &[RefusalKind::Unauthenticated, RefusalKind::NotFound],
        Permission::Docs | Permission::Own | Permission::OwnOrCookie => &[RefusalKind::Unauthenticated],
        Permission::Admin | Permission::AdminOrReadonly => &[RefusalKind::Unauthenticated, RefusalKind::Forbidden],
    }
}

/// `Docs` is public or not as the operator configured; the document does not say which.
fn security(permission: Permission) -> Option<Vec<SecurityRequirement>> {
    match permission {
        Permission::Public | Permission::Console | Permission::Provider => Some(vec![]),
        Permission::Docs => None,
        Permission::Own | Permission::OwnOrCookie | Permission::Admin | Permission::AdminOrReadonly => {
            let requirements = BTreeMap::from([(BEARER.to_owned(), vec![])]);
            Some(vec![SecurityRequirement { requirements }])
        }
    }
}

fn bearer() -> SecurityScheme {
    SecurityScheme {
        description: Some(CREDENTIALS.into()),
        _type: SecurityType::Http(Http { scheme: "bearer".into(), bearer_format: Some("JWT".into()) }),
        extensions: OpenApi::default().extensions,
    }
}

const CREDENTIALS: &str = "An access token from POST /auth/login or POST /oauth/token, or an API key. An API key may come \
as `x-api-key` instead.";

fn info() -> Info {
    Info {
        title: "Tollgate".into(),
        description: Some(DESCRIPTION.into()),
        version: env!("CARGO_PKG_VERSION").into(),
        license: Some(License { name: "GPL-3.0-or-later".into(), ..License::default() }),
        ..Info::default()
    }
}

const DESCRIPTION: &str = "An API gateway. These are its own endpoints; the routes it forwards are configured by its \
operator: GET /docs/routes lists them. The default configuration has `/echo`, `/v1/chat/completions` and `/v1/messages`.\n\n\
Every answer carries `X-Request-Id`. Answers of limited routes carry `RateLimit` and `RateLimit-Policy` \
(draft-ietf-httpapi-ratelimit-headers-11). A refusal is `application/problem+json` (RFC 9457); its `type` ends in the \
code that programs should look at, and its `detail` says what to do.\n\n\
Calls of metered routes carry `X-Tollgate-Hold-USD`, the most that they can cost, and unless the answer is a stream \
`X-Tollgate-Cost-USD`, what they cost. Requests to AI models must be `application/json`, or of images and transcriptions \
`multipart/form-data`, without a content coding (415); a bound on the answer that is missing is written in, and what has no \
price is refused: 403 `unpriced-model` for a model, 400 for sound, images to be drawn and service tiers that the model's \
price has no rate for, tools that the provider runs, and prompts whose length the request does not show.";
