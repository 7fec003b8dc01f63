//! The answer to a browser that asks whether a page may call (Fetch standard, "CORS-preflight request"): one of an allowed origin may,
//! with any method and header, and without cookies. Which methods a path takes is told by the call itself.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, HeaderMap, VARY,
    },
};

use super::problem;
use crate::{answer::headers::NO_SNIFFING, domain::refusal::Refusal};

/// For how long a browser may go without asking again, in seconds.
const MAX_AGE_S: &str = "3600";

/// What an answer to such a question depends on.
const ASKED: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

/// Says yes to a page whose origin is allowed; which origin that is, every answer says.
pub(super) fn answer(request: &HttpRequest, is_allowed: bool) -> Result<HttpResponse, Refusal> {
    if !is_allowed {
        return Err(Refusal::OriginNotAllowed);
    }
    let mut answer = problem::ok();
    answer.insert_header(NO_SNIFFING).insert_header((CACHE_CONTROL, "no-store")).insert_header((VARY, ASKED));
    answer.insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE_S));
    let headers: &HeaderMap = request.headers();
    for (asked, allowed) in [
        (ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS),
        (ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS),
    ] {
        for line in headers.get_all(asked) {
            answer.append_header((allowed.clone(), line.clone()));
        }
    }
    Ok(answer.finish())
}
