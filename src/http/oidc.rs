//! Sign-in to the console at a provider: the authorization code flow of `OpenID` Connect (Core §3.1) with PKCE (RFC 7636).
//!
//! `start` sends the browser to the provider with a sealed cookie; `callback` takes the provider's answer, has the code
//! redeemed by the `CodeRedeemer`, and opens a session as a login with a password does. Whatever goes wrong leads the
//! browser back to the console's sign-in page with a word for it. No code, token or secret is ever logged.

mod account;
mod answer;
mod pending;

use std::time::Duration;

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    http::header::SET_COOKIE,
    web::{Data, Json},
};
use form_urlencoded::Serializer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::{answer::ProviderAnswer, pending::Pending};
use super::{
    auth::note,
    extract::QueryOf,
    office::SignIn,
    openapi::operation::{Answer, Draft},
    problem::{self, Problem, documented::Success},
    provider::Provider,
    token_pair::cookie_line,
};
use crate::{
    actors::{
        code_redeemer::{Redeem, SIGN_IN_TTL},
        doorkeeper::Ticket,
        token_issuer::{Issue, Tokens},
    },
    config::login::Login,
    credentials::jwt::outside::Endpoints,
    domain::{
        network::Network,
        refusal::Refusal,
        sign_in::{self, SignInFault},
    },
    pipeline::{Gate, authenticate::cookie, peers::Front},
};

const START: &str = "/auth/oidc/start";
const CALLBACK: &str = "/auth/oidc/callback";
/// Where the cookie of a sign-in goes: to the two URLs above.
const COOKIE_PATH: &str = "/auth/oidc";

/// How people can sign in besides with a password.
#[derive(Serialize, JsonSchema)]
pub struct Ways {
    /// Null where no provider is configured.
    provider: Option<Way>,
}

/// A provider, for the page that leads to it.
#[derive(Serialize, JsonSchema)]
pub struct Way {
    /// The provider as people know it.
    label: String,
    /// Where a browser is sent to sign in.
    url: &'static str,
}

/// Where to be led afterwards.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// A page of the console: what stands behind `#` in its address. Anything else is ignored.
    #[serde(default)]
    to: Option<String>,
}

/// A browser on its way to the provider.
pub struct Away {
    location: String,
    cookie: String,
}

/// A browser with a session, on its way to the console.
pub struct Entered {
    location: String,
    cookies: [String; 2],
}

impl Responder for Away {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        led(&self.location, [self.cookie])
    }
}

impl Answer for Away {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers_nothing(Success::SeeOther);
    }
}

impl Responder for Entered {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        led(&self.location, self.cookies)
    }
}

impl Answer for Entered {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers_nothing(Success::SeeOther);
    }
}

fn led(location: &str, cookies: impl IntoIterator<Item = String>) -> HttpResponse {
    let mut response = problem::see_other(location);
    for cookie in cookies.into_iter().filter_map(|cookie| cookie.parse().ok()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// `GET /auth/ways`.
pub async fn ways(sign_in: Data<SignIn>) -> Result<Json<Ways>, Problem> {
    let way = |provider: &Provider| Way { label: provider.login.label.clone(), url: START };
    Ok(Json(Ways { provider: sign_in.provider.as_ref().map(way) }))
}

/// `GET /auth/oidc/start`.
pub async fn start(
    sign_in: Data<SignIn>,
    gate: Data<Gate>,
    request: HttpRequest,
    QueryOf(Start { to }): QueryOf<Start>,
) -> Result<Away, Problem> {
    let provider = sign_in.provider.as_ref().ok_or(Refusal::NotFound)?;
    let front = gate.peers.front_of(&request);
    let redirect_uri = redirect_uri(&provider.login, &front)?;
    let endpoints = provider.sign_ins.endpoints().await.ok_or(Refusal::SignIn(SignInFault::ProviderUnavailable))?;
    let pending = Pending::begin(redirect_uri, to, sign_in.clock.now()).map_err(|_| Refusal::Internal)?;
    let sealed = pending.seal(&provider.master).map_err(|_| Refusal::Internal)?;
    let cookie = pending_cookie(&sealed, SIGN_IN_TTL, &front);
    Ok(Away { location: authorization_url(&endpoints, provider, &pending), cookie })
}

/// `GET /auth/oidc/callback`.
pub async fn callback(
    sign_in: Data<SignIn>,
    gate: Data<Gate>,
    request: HttpRequest,
    answer: ProviderAnswer,
) -> Result<Entered, Problem> {
    let provider = sign_in.provider.as_ref().ok_or(Refusal::NotFound)?;
    let ticket = admit(&sign_in, &request, &answer).await?;
    let done = enter(&sign_in, provider, &request, answer).await;
    ticket.report(done.as_ref().err().is_none_or(|fault| !is_a_try(*fault)));
    let (tokens, to) = done.map_err(Refusal::SignIn)?;
    note(&request, &tokens);
    let front = gate.peers.front_of(&request);
    let session = cookie_line(&tokens.refresh_token, tokens.refresh_expires_in, &gate, &request);
    Ok(Entered { location: format!("/console/#{to}"), cookies: [session, pending_cookie("", Duration::ZERO, &front)] })
}

/// A sign-in is throttled like a login with a password, by the network alone: nobody knows yet whose it is.
async fn admit(sign_in: &SignIn, request: &HttpRequest, answer: &ProviderAnswer) -> Result<Ticket, Refusal> {
    let network = request.extensions().get::<Network>().copied().ok_or(Refusal::Internal)?;
    // No user has a colon in the name.
    let visitor = sign_in.login_throttle.visitor(&format!("oidc:{}", answer.state), network);
    let admitted = sign_in.login_throttle.admit(visitor).await.map_err(|_| SignInFault::Unavailable)?;
    Ok(admitted.map_err(|_| SignInFault::Throttled)?)
}

/// Whether a sign-in that came to nothing for this counts as a wrong password does.
const fn is_a_try(fault: SignInFault) -> bool {
    !matches!(fault, SignInFault::Denied | SignInFault::ProviderUnavailable | SignInFault::Unavailable)
}

/// Opens a session for whom the provider vouches, and says which page was asked for.
async fn enter(
    sign_in: &SignIn,
    provider: &Provider,
    request: &HttpRequest,
    answer: ProviderAnswer,
) -> Result<(Tokens, String), SignInFault> {
    let pending = Pending::of(request.headers(), &provider.master, sign_in.clock.now());
    let pending = pending.ok_or(SignInFault::NotUnderWay)?;
    let code = answer.code_for(&pending, provider).await?;
    let Pending { state, nonce, verifier, redirect_uri, to, .. } = pending;
    let redeem = Redeem { state, code, verifier: Zeroizing::new(verifier), nonce, redirect_uri };
    let signed_in = provider.sign_ins.redeem(redeem).await.map_err(|_| SignInFault::Unavailable)??;
    let user = account::of(sign_in, &provider.login, request, signed_in).await?;
    let issue = Issue { user: user.id, revision: user.revision };
    let issued = sign_in.issuer.issue(issue).await.map_err(|_| SignInFault::Unavailable)?;
    Ok((issued.map_err(|_| SignInFault::Unavailable)?, to))
}

/// Where the provider sends the browser back to: below the configured URL of the gateway, or the one that was called.
fn redirect_uri(login: &Login, Front { scheme, host }: &Front) -> Result<String, Refusal> {
    if !login.public_url.is_empty() {
        return Ok(format!("{}{CALLBACK}", login.public_url.trim_end_matches('/')));
    }
    let host = host.as_deref().ok_or(Refusal::InvalidHost("there is no Host"))?;
    Ok(format!("{scheme}://{host}{CALLBACK}"))
}

/// The URL of an authorization request (Core §3.1.2.1, RFC 7636 §4.3). The endpoint's own query stays (RFC 6749 §3.1).
fn authorization_url(endpoints: &Endpoints, provider: &Provider, pending: &Pending) -> String {
    let base = &endpoints.authorization;
    let between = if base.contains('?') { '&' } else { '?' };
    let query = Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.login.client_id)
        .append_pair("redirect_uri", &pending.redirect_uri)
        .append_pair("scope", &provider.login.scopes.join(" "))
        .append_pair("state", &pending.state)
        .append_pair("nonce", &pending.nonce)
        .append_pair("code_challenge", &pending.challenge())
        .append_pair("code_challenge_method", "S256")
        .finish();
    format!("{base}{between}{query}")
}

/// `Lax`: the browser comes back from another site, by a link.
fn pending_cookie(sealed: &str, lives: Duration, front: &Front) -> String {
    let max_age_s = i64::try_from(lives.as_secs()).unwrap_or(i64::MAX);
    cookie::line(sign_in::COOKIE, sealed, (max_age_s, COOKIE_PATH, "Lax"), front)
}
