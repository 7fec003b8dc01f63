//! Logging in, refreshing, logging out.

use actix_web::{HttpRequest, web::Data};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    extract::{Caller, JsonBody, OptionalJson},
    guarded_password,
    office::SignIn,
    password::Password,
    problem::Problem,
    token_pair::{LoggedOut, PairAnswer, from_cookie},
};
use crate::{
    actors::token_issuer::{Denied, Issue, Tokens},
    domain::{
        principal::{UserStatus, Username},
        refusal::{Refusal, TokenFault},
    },
    http::failure::{no_answer, unavailable},
    pipeline::{Gate, audit::Note},
};

/// A name and a password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    username: String,
    password: Password,
    /// Gives the refresh token as a cookie, for pages of the gateway itself.
    #[serde(default)]
    cookie: bool,
}

/// A refresh token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    refresh_token: Password,
}

/// `POST /auth/login`.
pub async fn login(
    sign_in: Data<SignIn>,
    gate: Data<Gate>,
    request: HttpRequest,
    JsonBody(login): JsonBody<Login>,
) -> Result<PairAnswer, Problem> {
    let known = match login.username.parse::<Username>() {
        Ok(username) => sign_in.store.password_of(&username).await.map_err(unavailable)?,
        Err(_) => None,
    };
    let (user, hash) = known.map_or((None, None), |(user, hash)| (Some(user), hash));
    let may_log_in = user.as_ref().is_some_and(|user| user.status == UserStatus::Active);
    if let Some(user) = &user {
        Note::add(&request, |note| note.user = Some((user.id, user.username.clone())));
    }
    // Hashed for every name, so that the time does not show whether there is such a user.
    let hash = hash.filter(|_| may_log_in);
    let right = guarded_password::verify(&sign_in, &request, &login.username, login.password, hash).await?;
    let user = user.filter(|_| right).ok_or(Refusal::InvalidCredentials)?;
    let issue = Issue { user: user.id, revision: user.revision };
    let tokens = sign_in.issuer.issue(issue).await.map_err(no_answer)?.map_err(denied_login)?;
    note(&request, &tokens);
    Ok(if login.cookie { PairAnswer::in_cookie(tokens, &gate, &request) } else { PairAnswer::in_body(tokens) })
}

/// `POST /auth/refresh`.
pub async fn refresh(
    sign_in: Data<SignIn>,
    gate: Data<Gate>,
    request: HttpRequest,
    OptionalJson(body): OptionalJson<RefreshRequest>,
) -> Result<PairAnswer, Problem> {
    let (token, is_in_cookie) = match body {
        Some(body) => (body.refresh_token.0.to_string(), false),
        None => (from_cookie(&gate, &request)?, true),
    };
    let tokens = sign_in.issuer.refresh(token).await.map_err(no_answer)?.map_err(denied_refresh)?;
    note(&request, &tokens);
    Ok(if is_in_cookie { PairAnswer::in_cookie(tokens, &gate, &request) } else { PairAnswer::in_body(tokens) })
}

/// `POST /auth/logout`: ends the session of the access token; without one, that of the cookie.
pub async fn logout(
    sign_in: Data<SignIn>,
    gate: Data<Gate>,
    request: HttpRequest,
    caller: Option<Caller>,
) -> Result<LoggedOut, Problem> {
    let ended = match caller {
        Some(Caller(principal)) => {
            let none = || Refusal::Conflict("This credential belongs to no session, so there is none to end.".into());
            sign_in.issuer.revoke(principal.session.ok_or_else(none)?).await
        }
        None => sign_in.issuer.revoke_refresh_token(from_cookie(&gate, &request)?).await,
    };
    ended.map_err(no_answer)?.map_err(unavailable)?;
    Ok(LoggedOut::of(&gate, &request))
}

/// The call itself had no credential, so the session is noted for its record.
pub(super) fn note(request: &HttpRequest, tokens: &Tokens) {
    Note::add(request, |note| {
        note.user = Some((tokens.user, tokens.username.clone()));
        note.session = Some(tokens.session);
    });
}

fn denied_login(denied: Denied) -> Refusal {
    match denied {
        Denied::Store(error) => unavailable(error),
        Denied::Signing => Refusal::Internal,
        // Changed between the check of the password and now.
        Denied::UserChanged | Denied::Unknown | Denied::Reused => Refusal::InvalidCredentials,
    }
}

pub(super) fn denied_refresh(denied: Denied) -> Refusal {
    match denied {
        Denied::Store(error) => unavailable(error),
        Denied::Signing => Refusal::Internal,
        Denied::UserChanged | Denied::Unknown => Refusal::InvalidToken(TokenFault::UnknownRefreshToken),
        Denied::Reused => Refusal::InvalidToken(TokenFault::RefreshTokenReused),
    }
}
