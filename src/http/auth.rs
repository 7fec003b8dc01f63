//! Logging in, refreshing, logging out.

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Caller, JsonBody},
    guarded_password,
    no_content::NoContent,
    office::SignIn,
    password::Password,
    problem::Problem,
};
use crate::{
    actors::token_issuer::{Denied, Issue, Tokens},
    domain::{
        principal::{UserStatus, Username},
        refusal::{Refusal, TokenFault},
    },
    http::failure::{no_answer, unavailable},
    pipeline::audit::Note,
};

/// A name and a password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    username: String,
    password: Password,
}

/// A refresh token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    refresh_token: Password,
}

/// A pair of tokens (RFC 6749 §5.1).
#[derive(Serialize, JsonSchema)]
pub struct TokenPair {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: u32,
    refresh_token: String,
    /// Seconds.
    refresh_expires_in: i64,
}

impl From<Tokens> for TokenPair {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: tokens.expires_in,
            refresh_token: tokens.refresh_token,
            refresh_expires_in: tokens.refresh_expires_in,
        }
    }
}

/// `POST /auth/login`.
pub async fn login(
    sign_in: Data<SignIn>,
    request: HttpRequest,
    JsonBody(login): JsonBody<Login>,
) -> Result<Json<TokenPair>, Problem> {
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
    Ok(Json(tokens.into()))
}

/// `POST /auth/refresh`.
pub async fn refresh(
    sign_in: Data<SignIn>,
    request: HttpRequest,
    JsonBody(body): JsonBody<RefreshRequest>,
) -> Result<Json<TokenPair>, Problem> {
    let tokens =
        sign_in.issuer.refresh(body.refresh_token.0.to_string()).await.map_err(no_answer)?.map_err(denied_refresh)?;
    note(&request, &tokens);
    Ok(Json(tokens.into()))
}

/// `POST /auth/logout`: ends the session of the access token.
pub async fn logout(sign_in: Data<SignIn>, Caller(principal): Caller) -> Result<NoContent, Problem> {
    let none = || Refusal::Conflict("This credential belongs to no session, so there is none to end.".into());
    let session = principal.session.ok_or_else(none)?;
    sign_in.issuer.revoke(session).await.map_err(no_answer)?.map_err(unavailable)?;
    Ok(NoContent)
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
