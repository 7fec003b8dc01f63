//! `TokenIssuer`: owns the signing keys, the sessions and the revocations.
//!
//! Called by the login, refresh, logout, OAuth and signing-key handlers and by the `Registrar`. It publishes two snapshots
//! for the hot path: the verifier (public keys) and the revoked sessions. Which of two refreshes came first is decided by
//! the store, in one conditional update, so it holds over replicas too. When the issuer is down, tokens still verify.

mod following;
mod key_exchange;
mod keys;
mod refresh_token;
mod ring;
mod ring_error;
mod sealing;
mod sessions;
mod skew;

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

pub use self::{
    key_exchange::{AccessToken, Exchange},
    keys::Keys,
    ring_error::RingError,
    sealing::{purpose_of, shared_key},
    sessions::Denied,
};
use self::{ring::Ring, sessions::Sessions};
use super::{
    catch_up::{CatchUp, Follower, POLL},
    handle::{Ask, Handle, NoAnswer, Reply, Request},
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
};
use crate::{
    credentials::jwt::Verifier,
    domain::{
        ids::{SessionId, UserId},
        principal::Username,
    },
    snapshot::{Snapshot, freshness::Freshness, revocations::Revocations},
    store::{
        StoreError,
        keys::{Remember, Rotated},
        revisions::Seen,
    },
};

/// The sealed key behind refresh tokens.
const REFRESH_TOKENS: &str = "refresh-tokens";

/// How often sessions and keys that have expired are deleted.
const PURGE: Duration = Duration::from_mins(10);

/// A pair of tokens for one session.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    pub access_token: String,
    /// Seconds.
    pub expires_in: u32,
    pub refresh_token: String,
    /// Seconds.
    pub refresh_expires_in: i64,
    pub user: UserId,
    pub username: Username,
    pub session: SessionId,
}

/// Opens a session for a user whose password was right, as long as nothing about the user has changed since
/// `revision`.
pub struct Issue {
    pub user: UserId,
    pub revision: i64,
}

/// Exchanges a refresh token for the next pair.
pub struct Refresh {
    pub token: String,
}

/// Ends one session.
pub struct Revoke {
    pub session: SessionId,
}

/// Ends the session that a refresh token is of, used or not. What is no refresh token ends nothing.
pub struct RevokeRefreshToken {
    pub token: String,
}

/// Adds a signing key that takes over after the lead, or names the one that another replica has added.
pub struct Rotate {
    pub remember: Option<Remember>,
}

/// Reads the revocations and the ring again, now: another actor has written some.
pub struct Reload;

impl Request for Issue {
    type Answer = Result<Tokens, Denied>;
}
impl Request for Refresh {
    type Answer = Result<Tokens, Denied>;
}
impl Request for Revoke {
    type Answer = Result<(), StoreError>;
}
impl Request for RevokeRefreshToken {
    type Answer = Result<(), StoreError>;
}
impl Request for Rotate {
    type Answer = Result<Rotated, RingError>;
}
impl Request for Reload {
    type Answer = Result<(), StoreError>;
}

/// Owns the ring of signing keys, the sessions, and which of these are revoked.
pub struct TokenIssuer {
    sessions: Arc<Sessions>,
    keys: Arc<Keys>,
    ring: Snapshot<Ring>,
    verifier: Snapshot<Verifier>,
    revocations: Snapshot<Revocations>,
    /// Up to which change the revocations are published.
    seen: Seen,
    catch_up: CatchUp,
    _lifeline: Lifeline,
}

impl Actor for TokenIssuer {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(POLL, Self::follow);
        context.run_interval(POLL, Self::rotate_if_due);
        context.run_interval(PURGE, |issuer, _| issuer.purge());
    }
}

impl Handler<Ask<Issue>> for TokenIssuer {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Issue>, _: &mut Self::Context) {
        let sessions = Arc::clone(&self.sessions);
        let opening = reply.parents().scope(async move { sessions.open(request.user, request.revision).await });
        actix::spawn(async move { reply.answer(opening.await) });
    }
}

impl Handler<Ask<Refresh>> for TokenIssuer {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Refresh>, context: &mut Self::Context) {
        let sessions = Arc::clone(&self.sessions);
        let refresh = reply.parents().scope(async move { sessions.refresh(&request.token).await });
        context.spawn(refresh.into_actor(self).map(|result, issuer, context| {
            if matches!(result, Err(Denied::Reused)) {
                issuer.follow(context);
            }
            reply.answer(result);
        }));
    }
}

impl Handler<Ask<Revoke>> for TokenIssuer {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Revoke>, context: &mut Self::Context) {
        let sessions = Arc::clone(&self.sessions);
        self.revoke(async move { sessions.revoke(request.session).await }, reply, context);
    }
}

impl Handler<Ask<RevokeRefreshToken>> for TokenIssuer {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<RevokeRefreshToken>, context: &mut Self::Context) {
        let sessions = Arc::clone(&self.sessions);
        self.revoke(async move { sessions.revoke_by_token(&request.token).await }, reply, context);
    }
}

impl Handler<Ask<Rotate>> for TokenIssuer {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Rotate>, context: &mut Self::Context) {
        let keys = Arc::clone(&self.keys);
        let parents = reply.parents();
        let rotate = parents.clone().scope(async move { keys.rotate(request.remember).await });
        context.spawn(rotate.into_actor(self).map(move |rotated, issuer, context| {
            issuer.after_reading(parents, Box::new(move |_| reply.answer(rotated)), context);
        }));
    }
}

impl Handler<Ask<Reload>> for TokenIssuer {
    type Result = ();

    fn handle(&mut self, Ask { reply, .. }: Ask<Reload>, context: &mut Self::Context) {
        self.reload(reply, context);
    }
}

impl TokenIssuer {
    /// Answers when this replica no longer accepts what was revoked.
    fn revoke(
        &self,
        revoke: impl Future<Output = Result<(), StoreError>> + 'static,
        reply: Reply<Result<(), StoreError>>,
        context: &mut Context<Self>,
    ) {
        let revoke = reply.parents().scope(revoke);
        context.spawn(revoke.into_actor(self).map(|result, issuer, context| match result {
            Ok(()) => issuer.reload(reply, context),
            Err(error) => reply.answer(Err(error)),
        }));
    }

    /// Answers when a reading that began after this moment is published.
    fn reload(&mut self, reply: Reply<Result<(), StoreError>>, context: &mut Context<Self>) {
        let parents = reply.parents();
        self.after_reading(parents, Box::new(move |read| reply.answer(read.clone())), context);
    }

    fn rotate_if_due(&mut self, context: &mut Context<Self>) {
        if !self.keys.rotation_is_due(&self.ring.read()) {
            return;
        }
        let keys = Arc::clone(&self.keys);
        let rotate = async move { keys.rotate(None).await };
        context.spawn(rotate.into_actor(self).map(|rotated, issuer, context| match rotated {
            Ok(_) => issuer.follow(context),
            Err(error) => tracing::error!(%error, "the signing key is due for rotation, which failed"),
        }));
    }

    fn purge(&self) {
        let (sessions, keys) = (Arc::clone(&self.sessions), Arc::clone(&self.keys));
        actix::spawn(async move {
            if let Err(error) = sessions.purge().await {
                tracing::warn!(%error, "expired sessions were not deleted");
            }
            if let Err(error) = keys.purge().await {
                tracing::warn!(%error, "expired signing keys were not deleted");
            }
        });
    }
}

/// What an issuer is built from, again after each restart.
#[derive(Clone)]
pub struct Blueprint {
    pub keys: Keys,
    pub verifier: Snapshot<Verifier>,
    pub revocations: Snapshot<Revocations>,
}

impl Blueprint {
    async fn build(self, lifeline: Lifeline, fresh: Freshness) -> Result<TokenIssuer, RingError> {
        let Self { keys, verifier, revocations } = self;
        skew::measure(&keys.store, &keys.clock).await?;
        let first = keys.load().await?;
        verifier.publish(keys.verifier(&first));
        let ring = Snapshot::new(first);
        let sessions = Sessions {
            store: keys.store.clone(),
            clock: keys.clock.clone(),
            auth: keys.auth.clone(),
            ring: ring.clone(),
            refresh: shared_key(&keys.store, &keys.master, REFRESH_TOKENS).await?,
        };
        let mut issuer = TokenIssuer {
            seen: Seen::default(),
            sessions: Arc::new(sessions),
            keys: Arc::new(keys),
            ring,
            verifier,
            revocations,
            catch_up: CatchUp::new(fresh.clone()),
            _lifeline: lifeline,
        };
        let began_ns = issuer.keys.clock.monotonic_ns();
        let revoked = issuer.sessions.revoked_since(Seen::default()).await?;
        issuer.take_revoked(revoked);
        fresh.renew(began_ns);
        Ok(issuer)
    }
}

/// The issuer's handle.
#[derive(Clone)]
pub struct Issuer(Handle<TokenIssuer>, Freshness);

impl Starts for Issuer {
    type Blueprint = Blueprint;
    type Error = RingError;

    /// Starts the issuer on this arbiter and keeps it running.
    async fn start_here(&self, roster: &Roster, blueprint: Blueprint) -> Result<(), RingError> {
        let fresh = self.1.clone();
        supervise(roster, self.0.clone(), move |lifeline| blueprint.clone().build(lifeline, fresh.clone())).await
    }
}

impl Issuer {
    /// A handle to an issuer that does not run yet.
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        Self(Handle::new(TokenIssuer::NAME, max_in_flight, deadline), Freshness::default())
    }

    /// When revoked sessions were last read.
    pub const fn freshness(&self) -> &Freshness {
        &self.1
    }

    /// Opens a session and gives its first pair of tokens.
    pub async fn issue(&self, issue: Issue) -> Result<Result<Tokens, Denied>, NoAnswer> {
        self.0.ask(issue).await
    }

    /// Exchanges a refresh token for the next pair of tokens of its session.
    pub async fn refresh(&self, token: String) -> Result<Result<Tokens, Denied>, NoAnswer> {
        self.0.ask(Refresh { token }).await
    }

    /// Ends a session; when this returns, no replica's answer is older than its next reading, and this one's is new.
    pub async fn revoke(&self, session: SessionId) -> Result<Result<(), StoreError>, NoAnswer> {
        self.0.ask(Revoke { session }).await
    }

    /// Gives an access token for an API key that was found right.
    pub async fn exchange(&self, exchange: Exchange) -> Result<Result<AccessToken, Denied>, NoAnswer> {
        self.0.ask(exchange).await
    }

    /// Ends the session of a refresh token, if it is one.
    pub async fn revoke_refresh_token(&self, token: String) -> Result<Result<(), StoreError>, NoAnswer> {
        self.0.ask(RevokeRefreshToken { token }).await
    }

    /// Rotates; when this returns, this replica verifies with the key that takes over.
    pub async fn rotate(&self, remember: Option<Remember>) -> Result<Result<Rotated, RingError>, NoAnswer> {
        self.0.ask(Rotate { remember }).await
    }

    /// Reads the ring of signing keys from the store again.
    pub async fn reload(&self) -> Result<Result<(), StoreError>, NoAnswer> {
        self.0.ask(Reload).await
    }

    /// The typed handle under this one.
    pub const fn handle(&self) -> &Handle<TokenIssuer> {
        &self.0
    }
}
