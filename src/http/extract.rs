//! Extractors that answer a fault with its place: JSON bodies, queries, ids in paths, and the caller.

use std::{future::Ready, future::ready, str::FromStr, sync::Arc};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::{Method, header::CONTENT_TYPE},
    web::{Bytes, Data},
};
use apistos_models::{
    paths::{Parameter, ParameterDefinition, ParameterIn},
    reference_or::ReferenceOr,
};
use futures_util::future::LocalBoxFuture;
use schemars::{
    JsonSchema,
    schema::{InstanceType, Schema, SchemaObject},
};
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use zeroize::Zeroizing;

use super::{
    grouping, input,
    openapi::operation::{Argument, Draft},
    problem::{Problem, documented::RefusalKind},
};
use crate::{
    domain::{
        name::{ModelName, Name, matching},
        percent,
        principal::Principal,
        refusal::{OAuthError, Refusal},
    },
    pipeline::{
        Gate,
        audit::Intake,
        authorize::Authorized,
        body::{BodyBounds, ClientBody},
        buffered::BufferBound,
        coding,
    },
};

/// The most bytes of a body that the gateway itself reads: all its objects are small.
const MAX_OBJECT_BYTES: u64 = 65_536;
pub(super) const JSON: &str = "application/json";
/// A PATCH gives the members that change (RFC 7396 §4).
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";
const PATCHES: &str = "application/merge-patch+json or application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// In the extensions of a HEAD, which its handler takes for the GET that it asks about.
pub struct IsHead;

/// A JSON body of exactly the fields of `T`.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned + JsonSchema + 'static> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            require(JSON, &request)?;
            let bytes = read(&request, payload).await?;
            Ok(Self(input::body(&bytes)?))
        })
    }
}

/// A JSON body of exactly the fields of `T`, whose faults are told together with those between its fields.
pub struct DraftBody<T>(pub input::Draft<T>);

impl<T: DeserializeOwned + JsonSchema + 'static> FromRequest for DraftBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            require(JSON, &request)?;
            let bytes = read(&request, payload).await?;
            Ok(Self(input::draft(&bytes)?))
        })
    }
}

/// A JSON body of exactly the fields of `T`, or none at all: no bytes and no media type.
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned + JsonSchema + 'static> FromRequest for OptionalJson<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let is_told = request.headers().contains_key(CONTENT_TYPE);
            if is_told {
                require(JSON, &request)?;
            }
            let bytes = read(&request, payload).await?;
            match (is_told, bytes.is_empty()) {
                (true, _) => Ok(Self(Some(input::body(&bytes)?))),
                (false, true) => Ok(Self(None)),
                (false, false) => Err(Refusal::UnsupportedMediaType { expected: JSON }.into()),
            }
        })
    }
}

/// A form (RFC 6749 §3.2): unknown parameters are ignored, empty ones count as not there, and none comes twice.
pub struct FormBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for FormBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            require(FORM, &request)?;
            let bytes = read(&request, payload).await?;
            Ok(Self(parse_form(&bytes)?))
        })
    }
}

fn parse_form<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let invalid = |why: &str| Refusal::OAuth(OAuthError::InvalidRequest, why.into());
    let mut names = HashSet::new();
    if !form_urlencoded::parse(bytes).all(|(name, _)| names.insert(name)) {
        return Err(invalid("a parameter is there more than once"));
    }
    let given = form_urlencoded::parse(bytes).filter(|(_, value)| !value.is_empty());
    let given = Zeroizing::new(form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish());
    serde_urlencoded::from_str(&given).map_err(|_| invalid("the form cannot be read"))
}

/// The body has to say that it is of this type; that of a PATCH may say as well what a PATCH here is.
fn require(media: &'static str, request: &HttpRequest) -> Result<(), Refusal> {
    coding::refuse(request.headers())?;
    let essence = request.content_type().split(';').next().unwrap_or_default().trim();
    let is_patch = request.method() == Method::PATCH && media == JSON;
    let is_media = essence.eq_ignore_ascii_case(media) || (is_patch && essence.eq_ignore_ascii_case(MERGE_PATCH));
    if is_media && request.headers().get_all(CONTENT_TYPE).count() == 1 {
        return Ok(());
    }
    Err(Refusal::UnsupportedMediaType { expected: if is_patch { PATCHES } else { media } })
}

/// A small body. It does not compete with those of proxied calls for memory: an administrator can act while they fill it.
async fn read(request: &HttpRequest, payload: Payload) -> Result<Bytes, Refusal> {
    let bounds = request.app_data::<Data<Gate>>().map(|gate| gate.shape.body).ok_or(Refusal::Internal)?;
    let bounds = BodyBounds { max_bytes: bounds.max_bytes.min(MAX_OBJECT_BYTES), ..bounds };
    let intake = request.extensions().get::<Intake>().cloned().unwrap_or_default();
    let mut room = BufferBound::new(MAX_OBJECT_BYTES).share();
    ClientBody::of(request.headers(), payload).read(&bounds, &intake, &mut room).await
}

/// A query of exactly the fields of `T`.
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned + JsonSchema> FromRequest for QueryOf<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(input::query(request.query_string()).map(Self).map_err(Problem))
    }
}

/// The `{id}` of a path.
pub struct PathId<T>(pub T);

impl<T: FromStr<Err: std::fmt::Display>> FromRequest for PathId<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.match_info().get("id").unwrap_or_default();
        let id = text.parse().map(Self);
        ready(id.map_err(|error| Problem(Refusal::invalid("path", error.to_string()))))
    }
}

/// The name at the end of `/admin/<list>/<name>`; that of a model may have slashes.
pub struct PathName<const MODEL: bool>(pub String);

impl<const MODEL: bool> FromRequest for PathName<MODEL> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // By the raw bytes: the framework leaves some escapes as they are.
        let name = request.uri().path().splitn(4, '/').nth(3).and_then(percent::decoded);
        let name = name.filter(|name| !name.chars().any(char::is_control));
        ready(name.map(Self).ok_or(Problem(Refusal::NotFound)))
    }
}

impl<const MODEL: bool> Argument for PathName<MODEL> {
    fn describe(draft: &mut Draft<'_>) {
        if MODEL {
            path_text::<ModelName>(draft, "model");
        } else {
            path_text::<Name>(draft, "name");
        }
        draft.refuses(&[RefusalKind::NotFound]);
    }
}

/// Who calls.
pub struct Caller(pub Arc<Principal>);

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let principal = request.extensions().get::<Authorized>().and_then(|a| a.principal().map(Arc::clone));
        ready(principal.map(Self).ok_or(Problem(Refusal::MissingCredential)))
    }
}

impl<T: JsonSchema> Argument for JsonBody<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.body::<T>(JSON);
    }
}

impl<T: JsonSchema> Argument for DraftBody<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.body::<T>(JSON);
    }
}

impl<T: JsonSchema> Argument for OptionalJson<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.body::<T>(JSON);
        draft.body_is_optional();
    }
}

impl<T: JsonSchema> Argument for FormBody<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.body::<T>(FORM);
        draft.speaks_oauth();
    }
}

/// Every field of `T` is a parameter.
impl<T: JsonSchema> Argument for QueryOf<T> {
    fn describe(draft: &mut Draft<'_>) {
        let root = draft.schemas.root_schema_for::<T>();
        let Some(object) = root.schema.object else { return };
        for (name, schema) in object.properties {
            let required = object.required.contains(&name);
            let mut schema = schema.into_object();
            // A parameter is there or not; there is no way to write null.
            schema.extensions.remove("nullable");
            if let Some(metadata) = &mut schema.metadata {
                metadata.default = metadata.default.take().filter(|default| !default.is_null());
            }
            let description = schema.metadata.as_ref().and_then(|metadata| metadata.description.clone());
            let described = parameter(ParameterIn::Query, name, description, required, schema.clone());
            draft.parameter(grouping::listed(described, &schema));
        }
    }
}

impl<T> Argument for PathId<T> {
    fn describe(draft: &mut Draft<'_>) {
        let schema = SchemaObject {
            instance_type: Some(InstanceType::String.into()),
            format: Some("uuid".into()),
            ..SchemaObject::default()
        };
        draft.parameter(parameter(ParameterIn::Path, "id".into(), None, true, schema));
        draft.refuses(&[RefusalKind::Invalid, RefusalKind::NotFound]);
    }
}

/// A text in a path, of the form `F`.
pub(super) fn path_text<F: JsonSchema>(draft: &mut Draft<'_>, name: &str) {
    let schema = draft.schemas.subschema_for::<F>().into_object();
    draft.parameter(parameter(ParameterIn::Path, name.into(), None, true, schema));
}

/// A text in a header that matches this pattern (ECMA-262), or any text.
pub(super) fn header_text(name: &str, pattern: Option<&str>) -> Parameter {
    let schema = SchemaObject {
        instance_type: Some(InstanceType::String.into()),
        string: pattern.map(|pattern| Box::new(matching(pattern))),
        ..SchemaObject::default()
    };
    parameter(ParameterIn::Header, name.into(), None, false, schema)
}

fn parameter(
    place: ParameterIn,
    name: String,
    description: Option<String>,
    required: bool,
    schema: SchemaObject,
) -> Parameter {
    let schema = ReferenceOr::Object(Schema::Object(schema));
    Parameter {
        name,
        _in: place,
        description,
        required: Some(required),
        definition: Some(ParameterDefinition::Schema(Box::new(schema))),
        ..Parameter::default()
    }
}

/// That a caller is needed follows from the URL's permission.
impl Argument for Caller {
    fn describe(_: &mut Draft<'_>) {}
}

/// Nobody, where a cookie may say who calls.
impl Argument for Option<Caller> {
    fn describe(_: &mut Draft<'_>) {}
}
