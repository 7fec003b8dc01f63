//! A pair of tokens as it is answered: both in the body, or the refresh token as a cookie that no script can read, for pages
//! of the gateway itself. The cookie is given, taken and cleared here.

use actix_web::{HttpRequest, HttpResponse, Responder, body::BoxBody, http::header::SET_COOKIE};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    openapi::operation::{Answer, Draft},
    problem::{self, documented::Success},
};
use crate::{
    actors::token_issuer::Tokens,
    domain::{barrier::Barrier, refusal::Refusal, session},
    pipeline::{Gate, authenticate::cookie},
};

/// A pair of tokens (RFC 6749 §5.1).
#[derive(Serialize, JsonSchema)]
pub struct TokenPair {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: u32,
    /// Not there where it is in the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Seconds.
    refresh_expires_in: i64,
}

impl From<Tokens> for TokenPair {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: tokens.expires_in,
            refresh_token: Some(tokens.refresh_token),
            refresh_expires_in: tokens.refresh_expires_in,
        }
    }
}

/// A pair of tokens, and where the refresh token goes.
pub struct PairAnswer {
    pair: TokenPair,
    cookie: Option<String>,
}

impl PairAnswer {
    /// Both tokens in the body.
    pub fn in_body(tokens: Tokens) -> Self {
        Self { pair: tokens.into(), cookie: None }
    }

    /// The refresh token in the cookie alone.
    pub fn in_cookie(tokens: Tokens, gate: &Gate, request: &HttpRequest) -> Self {
        let cookie = cookie_line(&tokens.refresh_token, tokens.refresh_expires_in, gate, request);
        Self { pair: TokenPair { refresh_token: None, ..tokens.into() }, cookie: Some(cookie) }
    }
}

impl Responder for PairAnswer {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        if let Some(cookie) = self.cookie {
            response.insert_header((SET_COOKIE, cookie));
        }
        response.json(self.pair)
    }
}

impl Answer for PairAnswer {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers::<TokenPair>(Success::Ok);
    }
}

/// The session is over, and the browser forgets the cookie.
pub struct LoggedOut {
    /// Where the browser sent one.
    cookie: Option<String>,
}

impl LoggedOut {
    /// Clears the cookie where the request had one.
    pub fn of(gate: &Gate, request: &HttpRequest) -> Self {
        let is_there = cookie::refresh_token(request.headers()).is_some();
        Self { cookie: is_there.then(|| cookie_line("", 0, gate, request)) }
    }
}

impl Responder for LoggedOut {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = problem::no_content();
        if let Some(Ok(cookie)) = self.cookie.map(|cookie| cookie.parse()) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }
}

impl Answer for LoggedOut {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers_nothing(Success::NoContent);
    }
}

/// The refresh token that the browser of one of our own pages sent.
pub fn from_cookie(gate: &Gate, request: &HttpRequest) -> Result<String, Refusal> {
    let token = cookie::refresh_token(request.headers());
    // Who has no cookie was to send a body.
    let token = token.ok_or(Refusal::UnsupportedMediaType { expected: "application/json" })?;
    if cookie::is_same_origin(request.headers(), &gate.peers.front_of(request)) {
        return Ok(token.to_owned());
    }
    Err(Refusal::Forbidden(Barrier::Origin))
}

/// It goes to nothing but the two URLs that read it and their neighbours below `/auth`.
pub(super) fn cookie_line(token: &str, max_age_s: i64, gate: &Gate, request: &HttpRequest) -> String {
    cookie::line(session::COOKIE, token, (max_age_s, "/auth", "Strict"), &gate.peers.front_of(request))
}
