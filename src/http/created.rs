//! 201 with `Location`: a new object, or the one that an earlier request with the same key made.

use std::marker::PhantomData;

use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody, http::header};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    administered::Made,
    idempotency,
    openapi::operation::{self, Draft},
    problem::{
        self,
        documented::{RefusalKind, Success},
    },
};
use crate::{domain::refusal::Refusal, store::idempotency::Answer};

/// An object that was made.
pub struct CreatedAt<T> {
    location: Option<String>,
    body: String,
    object: PhantomData<T>,
}

impl<T: Serialize> CreatedAt<T> {
    /// The answer 201 with `object`, made at `location`.
    pub fn new(location: String, object: &T) -> Result<Self, Refusal> {
        let body = serde_json::to_string(object).map_err(|_| Refusal::Internal)?;
        Ok(Self { location: Some(location), body, object: PhantomData })
    }

    /// A row that was made at `location`, as `view` shows it; or the answer that the same request was given before.
    pub(super) fn of<N>(made: Made<N>, location: String, view: impl FnOnce(&N) -> T) -> Result<Self, Refusal> {
        match made {
            Made::New(row) => Self::new(location, &view(&row)),
            Made::Again(answer) => Ok(Self::again(answer)),
        }
    }

    /// The answer of the request that came first.
    pub fn again(answer: Answer) -> Self {
        Self { location: answer.location, body: answer.body, object: PhantomData }
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

impl<T: JsonSchema> operation::Answer for CreatedAt<T> {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers::<T>(Success::Created);
        draft.has_header(Success::Created, "Location", "Where it is found.");
        // Every POST that makes something takes an Idempotency-Key, which may belong to another request.
        draft.parameter(idempotency::parameter());
        draft.refuses(&[RefusalKind::Conflict]);
    }
}
