//! 201 with `Location`: a new object, or the one that an earlier request with the same key made.

use std::marker::PhantomData;

use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody, http::header};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    openapi::operation::{Answer, Draft},
    problem::{
        self,
        documented::{RefusalKind, Success},
    },
};
use crate::domain::refusal::Refusal;

/// An object that was made.
pub struct CreatedAt<T> {
    location: Option<String>,
    body: String,
    object: PhantomData<T>,
}

impl<T: Serialize> CreatedAt<T> {
    pub fn new(location: String, object: &T) -> Result<Self, Refusal> {
        let body = serde_json::to_string(object).map_err(|_| Refusal::Internal)?;
        Ok(Self { location: Some(location), body, object: PhantomData })
    }

    /// The answer of the request that came first.
    #[must_use]
    pub fn again(location: Option<String>, body: String) -> Self {
        Self { location, body, object: PhantomData }
    }
}

impl<T> Responder for CreatedAt<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = problem::created();
        response.content_type("application/json");
        if let Some(location) = self.location {
            response.insert_header((header::LOCATION, location));
        }
        response.body(self.body)
    }
}

impl<T: JsonSchema> Answer for CreatedAt<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers::<T>(Success::Created);
        // Every POST that makes something takes an Idempotency-Key, which may belong to another request.
        draft.refuses(&[RefusalKind::Conflict]);
    }
}
