//! Sign-in to the console at a provider: the authorization code flow of `OpenID` Connect (Core §3.1) with PKCE (RFC 7636).
//!
//! `start` sends the browser to the provider with a sealed cookie, also for another site that begins the sign-in (Core §4);
//! `callback` takes the provider's answer, has the code redeemed by the `CodeRedeemer`, and opens a session as a login with a
//! password does. Whatever goes wrong leads the browser back to the console's sign-in page with a word for it. No code, token
//! or secret is ever logged.

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
    extract::{IsHead, QueryOf},
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
/// How many sign-ins a browser may have under way: their cookies share the room of a head.
const MAX_UNDER_WAY: usize = 4;
/// What stands before the address of a page of the console.
const PAGE: &str = "/console/#";

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

/// Where to be led afterwards, and what another site says that begins the sign-in (Core §4). What else is there is ignored.
#[derive(Deserialize, JsonSchema)]
pub struct Start {
    /// A page of the console: what stands behind `#` in its address. Anything else is ignored.
    #[serde(default)]
    to: Option<String>,
    /// The issuer where to sign in; it must be the one that is configured.
    #[serde(default)]
    iss: Option<String>,
    /// Who is expected to sign in, for the provider.
    #[serde(default)]
    #[schemars(length(max = 256))]
    login_hint: Option<String>,
    /// The whole URL of a page of the console. Anything else is ignored.
    #[serde(default)]
    target_link_uri: Option<String>,
}

impl Start {
    /// The page that is asked for. The URL is not read further than to the gateway's own console, so that it leads nowhere else.
    fn page(&self, redirect_uri: &str) -> Option<String> {
        let own = redirect_uri.strip_suffix(CALLBACK);
        let linked = || self.target_link_uri.as_deref()?.strip_prefix(own?)?.strip_prefix(PAGE);
        self.to.as_deref().or_else(linked).map(str::to_owned)
    }
}

/// A browser on its way to the provider.
pub struct Away {
    location: String,
    cookies: Vec<String>,
}

/// A browser with a session, on its way to the console.
pub struct Entered {
    location: String,
    cookies: Vec<String>,
}

impl Responder for Away {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        led(&self.location, self.cookies)
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
    QueryOf(start): QueryOf<Start>,
) -> Result<Away, Problem> {
    let provider = sign_in.provider.as_ref().ok_or(Refusal::NotFound)?;
    if start.iss.as_deref().is_some_and(|iss| iss != &*provider.sign_ins.client().issuer) {
        return Err(Refusal::invalid("?iss", "is not the issuer where people sign in to this gateway").into());
    }
    let front = gate.peers.front_of(&request);
    let redirect_uri = redirect_uri(&provider.login, &front)?;
    let endpoints = provider.sign_ins.endpoints().await.ok_or(Refusal::SignIn(SignInFault::ProviderUnavailable))?;
    let to = start.page(&redirect_uri);
    let pending = Pending::begin(redirect_uri, to, sign_in.clock.now()).map_err(|_| Refusal::Internal)?;
    let sealed = pending.seal(&provider.master).map_err(|_| Refusal::Internal)?;
    let before = cookie::sign_ins(request.headers());
    let ended = before.iter().filter(|_| before.len() >= MAX_UNDER_WAY).map(|name| no_cookie(name, &front));
    let mut cookies: Vec<String> = ended.collect();
    cookies.push(pending_cookie(&sign_in::cookie_of(&pending.state), &sealed, SIGN_IN_TTL, &front));
    Ok(Away { location: authorization_url(&endpoints, provider, &pending, start.login_hint.as_deref()), cookies })
}

/// `GET /auth/oidc/callback`. HEAD asks what it would say, and does nothing.
pub async fn callback(
    sign_in: Data<SignIn>,
    gate: Data<Gate>,
    request: HttpRequest,
    answer: ProviderAnswer,
) -> Result<Entered, Problem> {
    let provider = sign_in.provider.as_ref().ok_or(Refusal::NotFound)?;
    if request.extensions().get::<IsHead>().is_some() {
        return Ok(Entered { location: PAGE.into(), cookies: vec![] });
    }
    let (pending, code) = answered(&sign_in, provider, &request, answer).await.map_err(Refusal::SignIn)?;
    let (to, cookie) = (pending.to.clone(), sign_in::cookie_of(&pending.state));
    let ticket = admit(&sign_in, &request, &pending).await?;
    let done = enter(&sign_in, provider, &request, (pending, code)).await;
    ticket.report(done.as_ref().err().is_none_or(|fault| !is_a_guess(*fault)));
    let tokens = done.map_err(Refusal::SignIn)?;
    note(&request, &tokens);
    let front = gate.peers.front_of(&request);
    let session = cookie_line(&tokens.refresh_token, tokens.refresh_expires_in, &gate, &request);
    Ok(Entered { location: format!("{PAGE}{to}"), cookies: vec![session, no_cookie(&cookie, &front)] })
}

/// The sign-in that this is the answer to, and its code. What fails here was no guess: any page can lead a browser here.
async fn answered(
    sign_in: &SignIn,
    provider: &Provider,
    request: &HttpRequest,
    answer: ProviderAnswer,
) -> Result<(Pending, Zeroizing<String>), SignInFault> {
    let pending = Pending::of(request.headers(), &answer.state, &provider.master, sign_in.clock.now());
    let pending = pending.ok_or(SignInFault::NotUnderWay)?;
    let code = answer.code_for(&pending, provider).await?;
    Ok((pending, code))
}

/// A sign-in is throttled like a login with a password, by the network alone: nobody knows yet whose it is.
async fn admit(sign_in: &SignIn, request: &HttpRequest, pending: &Pending) -> Result<Ticket, Refusal> {
    let network = request.extensions().get::<Network>().copied().ok_or(Refusal::Internal)?;
    // No user has a colon in the name.
    let visitor = sign_in.login_throttle.visitor(&format!("oidc:{}", pending.state), network);
    let admitted = sign_in.login_throttle.admit(visitor).await.map_err(|_| SignInFault::Unavailable)?;
    Ok(admitted.map_err(|_| SignInFault::Throttled)?)
}

/// Whether a sign-in that came to nothing for this counts as a wrong password does: its code was none of this sign-in's.
const fn is_a_guess(fault: SignInFault) -> bool {
    matches!(fault, SignInFault::RefusedByProvider | SignInFault::InvalidIdToken(_))
}

/// Opens a session for whom the provider vouches.
async fn enter(
    sign_in: &SignIn,
    provider: &Provider,
    request: &HttpRequest,
    (pending, code): (Pending, Zeroizing<String>),
) -> Result<Tokens, SignInFault> {
    let Pending { state, nonce, verifier, redirect_uri, .. } = pending;
    let redeem = Redeem { state, code, verifier: Zeroizing::new(verifier), nonce, redirect_uri };
    let signed_in = provider.sign_ins.redeem(redeem).await.map_err(|_| SignInFault::Unavailable)??;
    let user = account::of(sign_in, &provider.login, request, signed_in).await?;
    let issue = Issue { user: user.id, revision: user.revision };
    let issued = sign_in.issuer.issue(issue).await.map_err(|_| SignInFault::Unavailable)?;
    issued.map_err(|_| SignInFault::Unavailable)
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
fn authorization_url(
    endpoints: &Endpoints,
    provider: &Provider,
    pending: &Pending,
    login_hint: Option<&str>,
) -> String {
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
        .extend_pairs(login_hint.map(|hint| ("login_hint", hint)))
        .finish();
    format!("{base}{between}{query}")
}

/// `Lax`: the browser comes back from another site, by a link.
fn pending_cookie(name: &str, sealed: &str, lives: Duration, front: &Front) -> String {
    let max_age_s = i64::try_from(lives.as_secs()).unwrap_or(i64::MAX);
    cookie::line(name, sealed, (max_age_s, COOKIE_PATH, "Lax"), front)
}

/// Takes the cookie of a sign-in away.
fn no_cookie(name: &str, front: &Front) -> String {
    pending_cookie(name, "", Duration::ZERO, front)
}
