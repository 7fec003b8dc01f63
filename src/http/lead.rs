//! From a URL to the one whose page is meant.

use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody};

use super::{
    openapi::operation::{Answer, Draft},
    problem::{self, documented::Success},
};

/// An answer that leads to another URL: for good, or to a page that is another one (RFC 9110 §15.4).
pub struct Lead<const FOR_GOOD: bool>(pub &'static str);

impl<const FOR_GOOD: bool> Responder for Lead<FOR_GOOD> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        if FOR_GOOD { problem::permanent_redirect(self.0) } else { problem::see_other(self.0) }
    }
}

impl<const FOR_GOOD: bool> Answer for Lead<FOR_GOOD> {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers_nothing(if FOR_GOOD { Success::PermanentRedirect } else { Success::SeeOther });
    }
}
