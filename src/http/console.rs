//! The console: the pages under `/console/`, which hold no data, and the way to them from `/`.
//!
//! The files are in the binary. What the pages show comes from the gateway's other URLs, with the credential of whoever
//! signs in there.

mod files;

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    dev::Payload,
    http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY},
};

use self::files::{File, tag};
use super::{
    extract::path_text,
    openapi::operation::{Answer, Argument, Draft},
    problem::{self, Problem, documented::Success},
};
use crate::{domain::refusal::Refusal, pipeline::fields::members};

const CONSOLE: &str = "/console/";
const PAGE: &str = "index.html";
const ICON: &str = "icon.svg";

/// Nothing from anywhere else, no script in the page itself, and no text that becomes markup (Content Security Policy 3,
/// Trusted Types).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'";

/// The way to the console.
pub struct Lead;

impl Responder for Lead {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        problem::see_other(CONSOLE)
    }
}

impl Answer for Lead {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers_nothing(Success::SeeOther);
    }
}

/// Whether the client takes gzip by its name (RFC 9110 §12.5.3), and not with a weight of nothing.
fn accepts_gzip(request: &HttpRequest) -> bool {
    members(request.headers(), ACCEPT_ENCODING).filter_map(|coding| std::str::from_utf8(coding).ok()).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
}

/// A file of the console as it is answered.
pub struct FileAnswer(&'static File);

impl Responder for FileAnswer {
    type Body = BoxBody;

    /// A browser asks each time and learns from the hash that nothing changed: an upgrade is never seen half.
    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let packed = self.0.packed();
        let is_packed = !packed.is_empty() && accepts_gzip(request);
        let bytes = if is_packed { packed } else { self.0.bytes };
        let tag = tag(bytes);
        let is_known = members(request.headers(), IF_NONE_MATCH)
            .map(|known| known.strip_prefix(b"W/").unwrap_or(known))
            .any(|known| known == tag.as_bytes() || known == b"*");
        let mut response = if is_known { problem::not_modified() } else { HttpResponse::Ok() };
        response
            .insert_header((ETAG, tag))
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((VARY, "Accept-Encoding"))
            .insert_header(("content-security-policy", POLICY))
            .insert_header(("referrer-policy", "no-referrer"))
            .insert_header(("cross-origin-opener-policy", "same-origin"));
        if is_known {
            return response.finish();
        }
        if is_packed {
            response.insert_header((CONTENT_ENCODING, "gzip"));
        }
        response.insert_header((CONTENT_TYPE, self.0.media)).body(bytes)
    }
}

/// The `{file}` of a path.
pub struct FileName(String);

impl FromRequest for FileName {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.match_info().get("file").unwrap_or_default().to_owned())))
    }
}

impl Argument for FileName {
    fn describe(draft: &mut Draft<'_>) {
        path_text::<String>(draft, "file");
    }
}

impl Answer for FileAnswer {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers_untyped(Success::Ok, "*/*");
    }
}

/// `GET /favicon.ico`.
pub async fn icon() -> Result<FileAnswer, Problem> {
    find(ICON)
}

/// `GET /`.
pub async fn home() -> Result<Lead, Problem> {
    Ok(Lead)
}

/// `GET /console`.
pub async fn lead() -> Result<Lead, Problem> {
    Ok(Lead)
}

/// `GET /console/`.
pub async fn page() -> Result<FileAnswer, Problem> {
    find(PAGE)
}

/// `GET /console/{file}`.
pub async fn file(FileName(name): FileName) -> Result<FileAnswer, Problem> {
    find(&name)
}

fn find(name: &str) -> Result<FileAnswer, Problem> {
    File::find(name).map(FileAnswer).ok_or(Problem(Refusal::NotFound))
}
