//! Exchanging an API key for an access token (RFC 6749 §4.4): a short session without a refresh token, which ends with
//! the token, with the key, or when it is revoked.

use std::sync::Arc;

use actix::{Context, Handler};

use super::{
    TokenIssuer,
    sessions::{Denied, Sessions, later},
};
use crate::{
    actors::handle::{Ask, Request},
    credentials::jwt::Claims,
    domain::{
        ids::{ApiKeyId, SessionId, UserId},
        principal::KeyBounds,
    },
    store::sessions::NewSession,
};

/// Opens a session for a user whose API key was right, as long as both are still live.
pub struct Exchange {
    pub user: UserId,
    pub key: ApiKeyId,
    /// SHA-256 of the secret that was right. No token outlives it, nor the key.
    pub secret_hash: [u8; 32],
    /// What the key may do.
    pub bounds: Arc<KeyBounds>,
}

/// An access token alone.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    pub access_token: String,
    /// Seconds.
    pub expires_in: i64,
    pub session: SessionId,
}

impl Request for Exchange {
    type Answer = Result<AccessToken, Denied>;
}

impl Handler<Ask<Exchange>> for TokenIssuer {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Exchange>, _: &mut Context<Self>) {
        let sessions = Arc::clone(&self.sessions);
        let exchange = reply.parents().scope(async move { sessions.exchange(request).await });
        actix::spawn(async move { reply.answer(exchange.await) });
    }
}

impl Sessions {
    async fn exchange(&self, exchange: Exchange) -> Result<AccessToken, Denied> {
        let (user, now) = (exchange.user, self.clock.store_now());
        let expires_at = later(now, self.auth.access_ttl_s);
        let session = NewSession { id: SessionId(self.clock.new_id()), user_id: user, created_at: now, expires_at };
        // What this replica knows of the key may be a moment old: the store says whether the secret is still good.
        let opened = self.store.open_session_for_key(session, exchange.key, exchange.secret_hash).await?;
        let expires_at = opened.ok_or(Denied::Unknown)?;
        // The role is read after the session is open: a change of it from here on ends the session.
        let role = exchange.bounds.role_of(self.active(user).await?.role).ok_or(Denied::UserChanged)?;
        let claims = self.claims(user, role, session.id);
        let claims = Claims { exp: claims.exp.min(expires_at.as_second()), key: Some(exchange.key), ..claims };
        let expires_in = claims.exp.saturating_sub(claims.iat);
        let access_token = self.sign(&claims, now)?;
        Ok(AccessToken { access_token, expires_in, session: session.id })
    }
}
