//! Sessions: opening, refreshing with reuse detection (RFC 9700 §4.14.2), ending.

use jiff::{SignedDuration, Timestamp};

use super::{Tokens, refresh_token::RefreshToken, ring::Ring};
use crate::{
    clock::Clock,
    config::sections::Auth,
    credentials::jwt::Claims,
    crypto::MacKey,
    domain::{
        ids::{SessionId, TokenId, UserId},
        principal::{Role, UserStatus},
        session::{Presented, Progress},
    },
    snapshot::Snapshot,
    store::{
        Store, StoreError,
        revisions::{News, Seen},
        sessions::{NewSession, SessionRow},
        users::UserRow,
    },
};

/// Why no tokens are given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("the user was changed, disabled or deleted meanwhile")]
    UserChanged,
    #[error("not a refresh token of this gateway, or of a session that has ended")]
    Unknown,
    /// The session was revoked for it.
    #[error("the refresh token was used before")]
    Reused,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a token could not be signed")]
    Signing,
}

/// Sessions that were revoked, each with the time and the revision of its revocation.
pub(in crate::actors) struct Revoked {
    pub(super) news: News,
    pub(super) sessions: Vec<(SessionId, Timestamp, i64)>,
}

/// What sessions are opened, refreshed and ended with. All times are the store's, but those in tokens.
pub(super) struct Sessions {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) auth: Auth,
    pub(super) ring: Snapshot<Ring>,
    pub(super) refresh: MacKey,
}

impl Sessions {
    pub(super) async fn open(&self, user: UserId, revision: i64) -> Result<Tokens, Denied> {
        let now = self.clock.store_now();
        let session = NewSession {
            id: SessionId(self.clock.new_id()),
            user_id: user,
            created_at: now,
            expires_at: later(now, self.auth.refresh_ttl_s),
        };
        if !self.store.open_session(session, revision).await? {
            return Err(Denied::UserChanged);
        }
        let first = RefreshToken { session: session.id, generation: 0 };
        self.tokens(user, first, session.expires_at, now).await
    }

    /// Judges a refresh token and does what follows, see [`Presented`].
    pub(super) async fn refresh(&self, text: &str) -> Result<Tokens, Denied> {
        let token = RefreshToken::read(text, &self.refresh).ok_or(Denied::Unknown)?;
        let now = self.clock.store_now();
        let row = self.live(token.session, now).await?;
        if self.judge(token, &row, now) != Presented::Due {
            return self.repeat(token, &row, now).await;
        }
        let expires_at = later(now, self.auth.refresh_ttl_s);
        if self.store.rotate_session(row.id, row.generation, now, expires_at).await? {
            let next = RefreshToken { session: row.id, generation: row.generation.saturating_add(1) };
            return self.tokens(row.user_id, next, expires_at, now).await;
        }
        // Another call was first: the row says now what this token is.
        let row = self.live(token.session, now).await?;
        self.repeat(token, &row, now).await
    }

    /// Answers a token that is not due.
    async fn repeat(&self, token: RefreshToken, row: &SessionRow, now: Timestamp) -> Result<Tokens, Denied> {
        if self.judge(token, row, now) == Presented::Again {
            let same = RefreshToken { session: row.id, generation: row.generation };
            return self.tokens(row.user_id, same, row.expires_at, now).await;
        }
        self.store.revoke_session(row.id, now).await?;
        Err(Denied::Reused)
    }

    fn judge(&self, token: RefreshToken, row: &SessionRow, now: Timestamp) -> Presented {
        let progress = Progress { generation: row.generation, since: row.rotated_at };
        progress.judge(token.generation, now, self.auth.refresh_grace_s)
    }

    async fn live(&self, session: SessionId, now: Timestamp) -> Result<SessionRow, Denied> {
        let row = self.store.session(session).await?.ok_or(Denied::Unknown)?;
        let live = row.revoked_at.is_none() && row.expires_at > now;
        live.then_some(row).ok_or(Denied::Unknown)
    }

    pub(super) async fn revoke(&self, session: SessionId) -> Result<(), StoreError> {
        self.store.revoke_session(session, self.clock.store_now()).await.map(|_| ())
    }

    /// Ends the session of a refresh token, whichever step of it the token is; anything else ends nothing.
    pub(super) async fn revoke_by_token(&self, text: &str) -> Result<(), StoreError> {
        match RefreshToken::read(text, &self.refresh) {
            Some(token) => self.revoke(token.session).await,
            None => Ok(()),
        }
    }

    /// The sessions whose revocation is new since `seen`; `None` if nothing of identity is.
    pub(super) async fn revoked_since(&self, seen: Seen) -> Result<Option<Revoked>, StoreError> {
        let Some(news) = self.store.identity_news(seen).await? else { return Ok(None) };
        // Of what is new, nothing is left out by its time.
        let not_before = if news.after == 0 { self.horizon() } else { Timestamp::MIN };
        let sessions = self.store.sessions_revoked_since(news.after, not_before).await?;
        Ok(Some(Revoked { news, sessions }))
    }

    /// Deletes the sessions that have expired, a bounded number at a time.
    pub(super) async fn purge(&self) -> Result<(), StoreError> {
        while self.store.purge_sessions(self.horizon()).await? > 0 {}
        Ok(())
    }

    /// Access tokens of sessions revoked before this have expired by themselves.
    pub(super) fn horizon(&self) -> Timestamp {
        // Twice the lifetime: its times are those of the clock that signed it.
        earlier(self.clock.store_now(), self.auth.access_ttl_s.saturating_mul(2))
    }

    /// The role is read now, not taken from the old token.
    async fn tokens(
        &self,
        user: UserId,
        refresh: RefreshToken,
        refresh_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Tokens, Denied> {
        let (account, session) = (self.active(user).await?, refresh.session);
        let claims = self.claims(user, account.role, session);
        Ok(Tokens {
            access_token: self.sign(&claims, now)?,
            expires_in: self.auth.access_ttl_s,
            refresh_token: refresh.write(&self.refresh),
            refresh_expires_in: refresh_expires_at.duration_since(now).as_secs().max(0),
            user,
            username: account.username,
            session,
        })
    }

    pub(super) async fn active(&self, user: UserId) -> Result<UserRow, Denied> {
        let account = self.store.user(user).await?.filter(|user| user.status == UserStatus::Active);
        account.ok_or(Denied::UserChanged)
    }

    pub(super) fn sign(&self, claims: &Claims, now: Timestamp) -> Result<String, Denied> {
        self.ring.read().sign(claims, now).map_err(|_| Denied::Signing)
    }

    /// The claims of a token. Their times are this machine's, as those who verify it compare them with theirs.
    pub(super) fn claims(&self, sub: UserId, role: Role, sid: SessionId) -> Claims {
        let iat = self.clock.now().as_second();
        Claims {
            iss: self.auth.issuer.clone(),
            aud: self.auth.audience.clone(),
            sub,
            jti: TokenId(self.clock.new_id()),
            iat,
            nbf: iat,
            exp: iat.saturating_add(self.auth.access_ttl_s.into()),
            role,
            sid,
            key: None,
        }
    }
}

pub(super) fn later(time: Timestamp, seconds: u32) -> Timestamp {
    time.saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(Timestamp::MAX)
}

fn earlier(time: Timestamp, seconds: u32) -> Timestamp {
    time.saturating_sub(SignedDuration::from_secs(seconds.into())).unwrap_or(Timestamp::MIN)
}
