//! The console: the pages under `/console/`, which hold no data, and the way to them from `/`.
//!
//! The files are in the binary. What the pages show comes from the gateway's other URLs, with the credential of whoever
//! signs in there.

mod files;

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder, body::BoxBody, dev::Payload};

use self::files::File;
use super::{
    extract::path_text,
    lead::Lead,
    openapi::operation::{Answer, Argument, Draft},
    packed::{self, Packed},
    problem::{Problem, documented::Success},
};
use crate::domain::refusal::Refusal;

const CONSOLE: &str = "/console/";
const PAGE: &str = "index.html";
const ICON: &str = "icon.svg";

/// Nothing from anywhere else, no script in the page itself, and no text that becomes markup (Content Security Policy 3,
/// Trusted Types).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'";

/// The way to the console.
type ToConsole = Lead<false>;

/// What a file is answered with besides.
const FIELDS: [(&str, &str); 3] = [
    ("content-security-policy", POLICY),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// A file of the console as it is answered.
pub struct FileAnswer(&'static Packed);

impl Responder for FileAnswer {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        self.0.answer(request, &FIELDS)
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
        draft.answers_nothing(Success::NotModified);
    }
}

/// `GET /favicon.ico`.
pub async fn icon() -> Result<FileAnswer, Problem> {
    find(ICON).await
}

/// `GET /`.
pub async fn home() -> Result<ToConsole, Problem> {
    Ok(Lead(CONSOLE))
}

/// `GET /console`.
pub async fn lead() -> Result<ToConsole, Problem> {
    Ok(Lead(CONSOLE))
}

/// `GET /console/`.
pub async fn page() -> Result<FileAnswer, Problem> {
    find(PAGE).await
}

/// `GET /console/{file}`.
pub async fn file(FileName(name): FileName) -> Result<FileAnswer, Problem> {
    find(&name).await
}

async fn find(name: &str) -> Result<FileAnswer, Problem> {
    let file = File::find(name).ok_or(Problem(Refusal::NotFound))?;
    Ok(FileAnswer(packed::ready(&file.content).await?))
}
