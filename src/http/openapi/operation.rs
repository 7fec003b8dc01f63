//! What a handler's signature says about its operation: what goes in, what comes out, and which refusals follow from both.
//!
//! An extractor implements [`Argument`], an answer implements [`Answer`]; a handler then needs nothing of its own.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use apistos_models::{
    paths::{MediaType, Operation, Parameter, RequestBody, Response},
    reference_or::ReferenceOr,
};
use schemars::{JsonSchema, r#gen::SchemaGenerator};

use crate::http::problem::documented::{RefusalKind, Success, header};

/// An operation while it is put together.
pub struct Draft<'a> {
    operation: Operation,
    refusals: BTreeSet<RefusalKind>,
    /// Whether refusals of the grant are those of OAuth (RFC 6749 §5.2).
    speaks_oauth: bool,
    /// Collects the named schemas of the whole document.
    pub schemas: &'a mut SchemaGenerator,
}

impl<'a> Draft<'a> {
    pub(super) fn new(schemas: &'a mut SchemaGenerator) -> Self {
        Self { operation: Operation::default(), refusals: BTreeSet::new(), speaks_oauth: false, schemas }
    }

    /// The operation with the refusals gathered so far.
    pub(super) fn finish(mut self) -> Operation {
        for kind in self.refusals {
            let (status, mut response) = kind.response(self.speaks_oauth, self.schemas);
            // What else may be answered with this status.
            if let Some(ReferenceOr::Object(told)) = self.operation.responses.responses.remove(&status) {
                for (media, content) in told.content {
                    response.content.entry(media).or_insert(content);
                }
            }
            self.operation.responses.responses.insert(status, ReferenceOr::Object(response));
        }
        self.operation
    }

    /// The operation may be refused in these ways.
    pub fn refuses(&mut self, kinds: &[RefusalKind]) {
        self.refusals.extend(kinds);
    }

    /// A fault in the form or the client is answered as OAuth libraries read it, besides problems of the request.
    pub fn speaks_oauth(&mut self) {
        self.speaks_oauth = true;
    }

    /// Adds a parameter of the path, the query or a header.
    pub fn parameter(&mut self, parameter: Parameter) {
        self.operation.parameters.push(ReferenceOr::Object(parameter));
    }

    /// The operation reads a body, with all that can be wrong about one.
    pub fn body<T: JsonSchema>(&mut self, media: &str) {
        use RefusalKind::{Invalid, TooLarge, TooSlow, WrongMediaType};
        let body = RequestBody { content: self.content::<T>(media), required: Some(true), ..RequestBody::default() };
        self.operation.request_body = Some(ReferenceOr::Object(body));
        self.refuses(&[Invalid, TooLarge, TooSlow, WrongMediaType]);
    }

    /// The body that the operation reads may be missing.
    pub fn body_is_optional(&mut self) {
        if let Some(ReferenceOr::Object(body)) = &mut self.operation.request_body {
            body.required = Some(false);
        }
    }

    /// The operation answers with a `T` as JSON.
    pub fn answers<T: JsonSchema>(&mut self, success: Success) {
        let content = self.content::<T>("application/json");
        self.answers_with(success, Response { content, ..Response::default() });
    }

    /// This answer of the operation has a header, or may have it.
    pub fn has_header(&mut self, success: Success, name: &str, description: &str) {
        let header = header(description, self.schemas);
        if let Some(ReferenceOr::Object(response)) = self.operation.responses.responses.get_mut(&success.status()) {
            response.headers.insert(name.to_owned(), ReferenceOr::Object(header));
        }
    }

    /// The operation answers in this form as well, if it is asked for.
    pub fn answers_also(&mut self, success: Success, media: &str) {
        if let Some(ReferenceOr::Object(response)) = self.operation.responses.responses.get_mut(&success.status()) {
            response.content.insert(media.to_owned(), MediaType::default());
        }
    }

    /// The operation answers with bytes of another kind than JSON, or with JSON that needs no schema.
    pub fn answers_untyped(&mut self, success: Success, media: &str) {
        let content = BTreeMap::from([(media.to_owned(), MediaType::default())]);
        self.answers_with(success, Response { content, ..Response::default() });
    }

    /// The operation answers without a body.
    pub fn answers_nothing(&mut self, success: Success) {
        self.answers_with(success, Response::default());
    }

    fn answers_with(&mut self, success: Success, response: Response) {
        self.operation.responses.responses.insert(success.status(), ReferenceOr::Object(response));
    }

    fn content<T: JsonSchema>(&mut self, media: &str) -> BTreeMap<String, MediaType> {
        let schema = ReferenceOr::Object(self.schemas.subschema_for::<T>());
        BTreeMap::from([(media.to_owned(), MediaType { schema: Some(schema), ..MediaType::default() })])
    }
}

/// What a handler is called with.
pub trait Argument {
    /// Adds what this argument asks of the request, and the refusals that follow.
    fn describe(draft: &mut Draft<'_>);
}

/// What a handler answers with when it does not refuse.
pub trait Answer {
    /// Adds the answer, and the refusals that follow from what it promises.
    fn describe(draft: &mut Draft<'_>);
}

/// All arguments of a handler.
pub trait Arguments {
    fn describe(draft: &mut Draft<'_>);
}

macro_rules! arguments {
    ($($name:ident)*) => {
        impl<$($name: Argument),*> Arguments for ($($name,)*) {
            fn describe(_draft: &mut Draft<'_>) {
                $($name::describe(_draft);)*
            }
        }
    };
}

arguments! {}
arguments! { A }
arguments! { A B }
arguments! { A B C }
arguments! { A B C D }
arguments! { A B C D E }

impl<T: ?Sized> Argument for Data<T> {
    fn describe(_: &mut Draft<'_>) {}
}

impl Argument for HttpRequest {
    fn describe(_: &mut Draft<'_>) {}
}

impl<T: JsonSchema> Answer for Json<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers::<T>(Success::Ok);
    }
}
