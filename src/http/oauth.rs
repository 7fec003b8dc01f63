//! OAuth 2: tokens for API keys and refresh tokens (RFC 6749), their revocation (RFC 7009), and where both are found
//! (RFC 8414).

mod client;
mod metadata;

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::metadata::metadata;
use super::{administered, auth, extract::FormBody, office::SignIn, password::Password, problem::Problem};
use crate::{
    actors::token_issuer::{Denied, Exchange, Tokens},
    credentials::api_key::{self, ApiKey},
    domain::refusal::{OAuthError, Refusal},
    http::failure::{no_answer, unavailable},
    pipeline::{audit::Note, authenticate::api_key::credential},
    store::api_keys::{ApiKeyRow, KeyOf},
};

const CLIENT_CREDENTIALS: &str = "client_credentials";
const REFRESH_TOKEN: &str = "refresh_token";

/// A grant. The client authenticates by HTTP Basic or with `client_id` and `client_secret`: the id and the secret of an
/// API key.
#[derive(Deserialize, JsonSchema)]
pub struct TokenRequest {
    #[schemars(with = "GrantType")]
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Password>,
    refresh_token: Option<Password>,
}

/// Stands in the schema for the grants that are known.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[expect(dead_code, reason = "the handler reads a text, so that an unknown grant gets the error of RFC 6749 §5.2")]
enum GrantType {
    ClientCredentials,
    RefreshToken,
}

/// A token to revoke. Other parameters are not looked at.
#[derive(Deserialize, JsonSchema)]
pub struct RevocationRequest {
    /// A refresh token, an access token, or an API key.
    #[schemars(with = "String", length(min = 1))]
    token: Option<Password>,
}

/// RFC 6749 §5.1.
#[derive(Serialize, JsonSchema)]
pub struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    /// Only for a refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<i64>,
}

/// Nothing: that the token is dead is all there is to know.
#[derive(Serialize, JsonSchema)]
pub struct Revoked {}

/// `POST /oauth/token` (RFC 6749 §5).
pub async fn token(
    sign_in: Data<SignIn>,
    request: HttpRequest,
    FormBody(form): FormBody<TokenRequest>,
) -> Result<Json<TokenResponse>, Problem> {
    match form.grant_type.as_deref() {
        Some(CLIENT_CREDENTIALS) => exchange(&sign_in, &request, &form).await,
        Some(REFRESH_TOKEN) => refresh(&sign_in, &request, form).await,
        Some(_) => Err(Refusal::OAuth(OAuthError::UnsupportedGrantType, "another grant type".into()).into()),
        None => Err(missing("grant_type").into()),
    }
}

/// `POST /oauth/revoke` (RFC 7009).
pub async fn revoke(
    sign_in: Data<SignIn>,
    request: HttpRequest,
    FormBody(form): FormBody<RevocationRequest>,
) -> Result<Json<Revoked>, Problem> {
    let token = form.token.ok_or_else(|| missing("token"))?;
    if api_key::is_meant(&token.0) {
        revoke_key(&sign_in, &request, &token.0).await?;
    } else {
        end_session(&sign_in, &request, &token.0).await?;
    }
    Ok(Json(Revoked {}))
}

async fn exchange(
    sign_in: &SignIn,
    request: &HttpRequest,
    form: &TokenRequest,
) -> Result<Json<TokenResponse>, Problem> {
    let key = client::key(request.headers(), form)?;
    let (account, standing) = sign_in.keys.owner(&key, sign_in.clock.now()).await.map_err(unknown_client)?;
    Note::add(request, |note| {
        note.user = Some((account.id, account.username.clone()));
        note.credential = Some(credential(key.id));
    });
    let (secret_hash, bounds) = (key.secret_hash(), standing.bounds);
    let exchange = Exchange { user: account.id, key: key.id, secret_hash, bounds };
    let token = sign_in.issuer.exchange(exchange).await.map_err(no_answer)?.map_err(denied_exchange)?;
    Note::add(request, |note| note.session = Some(token.session));
    Ok(Json(TokenResponse {
        access_token: token.access_token,
        token_type: "Bearer",
        expires_in: token.expires_in,
        refresh_token: None,
        refresh_expires_in: None,
    }))
}

async fn refresh(sign_in: &SignIn, request: &HttpRequest, form: TokenRequest) -> Result<Json<TokenResponse>, Problem> {
    // No client needs to say who it is, but one that does must be right (RFC 6749 §6).
    if client::is_named(request.headers(), &form) {
        let key = client::key(request.headers(), &form)?;
        sign_in.keys.owner(&key, sign_in.clock.now()).await.map_err(unknown_client)?;
    }
    let token = form.refresh_token.ok_or_else(|| missing(REFRESH_TOKEN))?;
    let tokens = sign_in.issuer.refresh(token.0.to_string()).await.map_err(no_answer)?.map_err(denied_refresh)?;
    auth::note(request, &tokens);
    Ok(Json(tokens.into()))
}

impl From<Tokens> for TokenResponse {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: tokens.expires_in.into(),
            refresh_token: Some(tokens.refresh_token),
            refresh_expires_in: Some(tokens.refresh_expires_in),
        }
    }
}

async fn revoke_key(sign_in: &SignIn, request: &HttpRequest, text: &str) -> Result<(), Refusal> {
    let Some(key) = ApiKey::read(text) else {
        return Ok(());
    };
    let standing = match sign_in.keys.standing(&key, sign_in.clock.now()).await {
        Ok(standing) => standing,
        // Not known to be no key.
        Err(refusal @ Refusal::Unavailable(_)) => return Err(refusal),
        Err(_) => return Ok(()),
    };
    let id = KeyOf { id: key.id, owner: Some(standing.user) };
    match administered::delete::<ApiKeyRow>(request, &sign_in.users, id, None).await {
        Ok(_) => Note::add(request, |note| note.credential = Some(credential(key.id))),
        // Purged a moment ago.
        Err(Refusal::NotFound) => {}
        Err(refusal) => return Err(refusal),
    }
    Ok(())
}

async fn end_session(sign_in: &SignIn, request: &HttpRequest, text: &str) -> Result<(), Refusal> {
    let verified = sign_in.verifier.read().verify(text, sign_in.clock.now().as_second());
    let ended = match verified {
        Ok(verified) => {
            Note::add(request, |note| note.session = Some(verified.session));
            sign_in.issuer.revoke(verified.session).await
        }
        Err(_) => sign_in.issuer.revoke_refresh_token(text.to_owned()).await,
    };
    ended.map_err(no_answer)?.map_err(unavailable)
}

fn missing(name: &str) -> Refusal {
    Refusal::OAuth(OAuthError::InvalidRequest, format!("{name} is missing"))
}

/// A key that could not be looked up is not called wrong.
fn unknown_client(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Unavailable(_) => refusal,
        refusal => Refusal::OAuth(OAuthError::InvalidClient, refusal.reason()),
    }
}

fn denied_exchange(denied: Denied) -> Refusal {
    match denied {
        Denied::Store(error) => unavailable(error),
        Denied::Signing => Refusal::Internal,
        // Changed between the check of the key and now.
        Denied::UserChanged | Denied::Unknown | Denied::Reused => {
            Refusal::OAuth(OAuthError::InvalidClient, "changed-meanwhile".into())
        }
    }
}

fn denied_refresh(denied: Denied) -> Refusal {
    match auth::denied_refresh(denied) {
        Refusal::InvalidToken(fault) => Refusal::OAuth(OAuthError::InvalidGrant, fault.to_string()),
        other => other,
    }
}
