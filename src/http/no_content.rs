//! 204: done, and there is nothing to say.

use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody};

use super::{
    openapi::operation::{Answer, Draft},
    problem::{self, documented::Success},
};

/// An answer without a body.
#[derive(Debug)]
pub struct NoContent;

impl Responder for NoContent {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        problem::no_content()
    }
}

impl Answer for NoContent {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers_nothing(Success::NoContent);
    }
}
