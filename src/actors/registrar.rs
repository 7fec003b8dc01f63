//! `Registrar`: owns the users, their teams and their API keys, and publishes what the hot path reads of them.
//!
//! Called by the handlers of all three, the admin's and one's own, and by `authenticate` when an outside issuer vouches for
//! somebody new. Every change is one transaction in the store; a change that ends sessions is answered when this replica
//! has stopped accepting their tokens. Other replicas read it at their next poll.

mod key_orders;
mod outside_users;
mod rows;

use std::{collections::HashMap, time::Duration};

use actix::{Actor, AsyncContext, Context, Handler};
use futures_util::future::LocalBoxFuture;
use jiff::{SignedDuration, Timestamp};

pub use self::outside_users::Provision;
use super::{
    administration::{Administers, Administrator, Change, Create, Delete},
    catch_up::{CatchUp, Follower, POLL, Waiter},
    handle::{Ask, Handle, NoAnswer, Request},
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
    token_issuer::Issuer,
};
use crate::{
    clock::Clock,
    domain::ids::{ApiKeyId, UserId},
    snapshot::{Snapshot, api_keys::ApiKeys, directory::Directory, freshness::Freshness},
    store::{
        Store, StoreError,
        administered::Administered,
        api_keys::ApiKeyRow,
        revisions::{News, Seen},
        teams::TeamRow,
        users::UserRow,
    },
};

/// How often what was kept long enough is deleted.
const PURGE: Duration = Duration::from_mins(10);
/// How often it is written which keys were used. Each is written once for a minute in which it was.
const KEEP_USES: Duration = Duration::from_secs(5);
/// How long an answer is kept for its `Idempotency-Key`.
pub const ANSWERS_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How long API keys that were revoked or have expired are kept, so that their use is refused with the reason.
const DEAD_KEYS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Reads what other replicas have changed, now.
pub struct CatchUpNow;

impl Request for CatchUpNow {
    type Answer = Result<(), StoreError>;
}

/// The store could not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store could not be asked")]
pub struct NotRead;

/// Ends all sessions of a user, and the tokens of outside issuers with them. Answers how many sessions there were, or
/// `None` if there is no such user.
pub struct EndSessions {
    pub of: UserId,
}

impl Request for EndSessions {
    type Answer = Result<Option<usize>, StoreError>;
}

/// Notes that an API key is used in the minute that begins at `minute`.
struct NoteUse {
    key: ApiKeyId,
    minute: Timestamp,
}

impl Request for NoteUse {
    type Answer = ();
}

/// Owns the users, teams and API keys of the gateway, as the directory and the map of API keys have them.
pub struct Registrar {
    store: Store,
    clock: Clock,
    issuer: Issuer,
    directory: Snapshot<Directory>,
    api_keys: Snapshot<ApiKeys>,
    /// Up to which change users and API keys are published.
    seen: Seen,
    catch_up: CatchUp,
    /// When keys were used, as far as the store does not have it yet.
    uses: HashMap<ApiKeyId, Timestamp>,
    _lifeline: Lifeline,
}

/// What is new of users, teams and API keys.
pub(super) struct Changes {
    news: News,
    users: Vec<UserRow>,
    teams: Vec<TeamRow>,
    api_keys: Vec<ApiKeyRow>,
}

/// Reads what has changed since `seen`; `None` if nothing has.
async fn changes(store: Store, seen: Seen) -> Result<Option<Changes>, StoreError> {
    let Some(news) = store.identity_news(seen).await? else { return Ok(None) };
    let users = store.users_changed_since(news.after).await?;
    let teams = store.teams_changed_since(news.after).await?;
    let api_keys = store.api_keys_changed_since(news.after).await?;
    Ok(Some(Changes { news, users, teams, api_keys }))
}

/// The rows that the registrar owns.
pub trait Identity: Administered {}

impl Identity for UserRow {}
impl Identity for TeamRow {}
impl Identity for ApiKeyRow {}

impl Actor for Registrar {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(POLL, Self::follow);
        context.run_interval(PURGE, |registrar, _| registrar.purge());
        context.run_interval(KEEP_USES, |registrar, _| registrar.keep_uses());
    }
}

impl<N: Identity> Handler<Ask<Create<N>>> for Registrar {
    type Result = ();

    fn handle(&mut self, ask: Ask<Create<N>>, context: &mut Self::Context) {
        self.create(ask, context);
    }
}

impl<N: Identity> Handler<Ask<Change<N>>> for Registrar {
    type Result = ();

    fn handle(&mut self, ask: Ask<Change<N>>, context: &mut Self::Context) {
        self.change(ask, context);
    }
}

impl<N: Identity> Handler<Ask<Delete<N>>> for Registrar {
    type Result = ();

    fn handle(&mut self, ask: Ask<Delete<N>>, context: &mut Self::Context) {
        self.delete(ask, context);
    }
}

impl Handler<Ask<EndSessions>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<EndSessions>, context: &mut Self::Context) {
        let (store, now) = (self.store.clone(), self.clock.store_now());
        self.perform(async move { store.revoke_sessions_of(request.of, now).await }, reply, context);
    }
}

impl Handler<Ask<NoteUse>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<NoteUse>, _: &mut Self::Context) {
        self.uses.insert(request.key, request.minute);
        reply.answer(());
    }
}

impl Handler<Ask<CatchUpNow>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { reply, .. }: Ask<CatchUpNow>, context: &mut Self::Context) {
        let parents = reply.parents();
        self.after_reading(parents, Box::new(move |read| reply.answer(read.clone())), context);
    }
}

impl Follower for Registrar {
    const NAME: &'static str = "registrar";
    type Reading = Result<Option<Changes>, StoreError>;

    fn store(&self) -> &Store {
        &self.store
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn catch_up(&mut self) -> &mut CatchUp {
        &mut self.catch_up
    }

    fn read(&self) -> LocalBoxFuture<'static, Self::Reading> {
        Box::pin(changes(self.store.clone(), self.seen))
    }

    fn publish(&mut self, reading: Self::Reading) -> Result<(), StoreError> {
        if let Some(changes) = reading? {
            self.take(&changes);
        }
        Ok(())
    }

    /// The directory refuses a changed user's tokens by itself; their sessions are for the issuer to read.
    fn serve(&self, waiting: Vec<Waiter>, read: Result<(), StoreError>) {
        if waiting.is_empty() {
            return;
        }
        let issuer = self.issuer.clone();
        actix::spawn(async move {
            if let Err(error) = issuer.reload().await {
                tracing::warn!(%error, "revocations will be read at the next poll");
            }
            for answer in waiting {
                answer(&read);
            }
        });
    }
}

impl Registrar {
    fn purge(&self) {
        let earlier = |kept: SignedDuration| self.clock.now().saturating_sub(kept).unwrap_or(Timestamp::MIN);
        let (store, answers, dead_keys) = (self.store.clone(), earlier(ANSWERS_KEPT), earlier(DEAD_KEYS_KEPT));
        let now = self.clock.now();
        actix::spawn(async move {
            if let Err(error) = store.revoke_keys_of_deleted(now).await {
                tracing::warn!(%error, "API keys of deleted users were not revoked");
            }
            // A bounded number at a time.
            while store.purge_idempotency_keys(answers).await.inspect_err(purge_failed).is_ok_and(|deleted| deleted > 0)
            {
            }
            while store.purge_api_keys(dead_keys).await.inspect_err(purge_failed).is_ok_and(|deleted| deleted > 0) {}
        });
    }

    fn keep_uses(&mut self) {
        let uses = std::mem::take(&mut self.uses).into_iter().collect::<Vec<_>>();
        if uses.is_empty() {
            return;
        }
        let store = self.store.clone();
        actix::spawn(async move {
            if let Err(error) = store.keep_key_uses(uses).await {
                tracing::warn!(%error, "when API keys were last used is not kept");
            }
        });
    }

    /// Publishes what is new. Where the store went back, what it no longer has is gone from here too.
    fn take(&mut self, Changes { news, users, teams, api_keys }: &Changes) {
        if news.went_back {
            tracing::warn!(revision = news.seen.revision, "the store went back: users and API keys are read anew");
        }
        let anew = news.after == 0;
        if anew || !users.is_empty() || !teams.is_empty() {
            let known = if anew { Directory::default() } else { Directory::clone(&self.directory.read()) };
            let known = teams.iter().fold(known, rows::with_team);
            self.directory.publish(users.iter().fold(known, rows::followed_by));
        }
        if anew || !api_keys.is_empty() {
            let known = if anew { ApiKeys::default() } else { ApiKeys::clone(&self.api_keys.read()) };
            self.api_keys.publish(api_keys.iter().fold(known, |known, row| known.with(row.id, rows::standing(row))));
        }
        self.seen = news.seen;
    }
}

fn purge_failed(error: &StoreError) {
    tracing::warn!(%error, "what is too old was not deleted");
}

/// What the registrar is built from, again after each restart.
#[derive(Clone)]
pub struct Blueprint {
    pub store: Store,
    pub clock: Clock,
    pub issuer: Issuer,
    pub directory: Snapshot<Directory>,
    pub api_keys: Snapshot<ApiKeys>,
}

impl Blueprint {
    async fn build(self, lifeline: Lifeline, fresh: Freshness) -> Result<Registrar, StoreError> {
        let began_ns = self.clock.monotonic_ns();
        let first = changes(self.store.clone(), Seen::default()).await?;
        fresh.renew(began_ns);
        let mut registrar = Registrar {
            store: self.store,
            clock: self.clock,
            issuer: self.issuer,
            directory: self.directory,
            api_keys: self.api_keys,
            seen: Seen::default(),
            catch_up: CatchUp::new(fresh),
            uses: HashMap::new(),
            _lifeline: lifeline,
        };
        registrar.publish(Ok(first))?;
        Ok(registrar)
    }
}

/// The registrar's handle.
#[derive(Clone)]
pub struct Users(Handle<Registrar>, Freshness);

impl Starts for Users {
    type Blueprint = Blueprint;
    type Error = StoreError;

    /// Starts the registrar on this arbiter and keeps it running. Reads every user and every key.
    async fn start_here(&self, roster: &Roster, blueprint: Blueprint) -> Result<(), StoreError> {
        let fresh = self.1.clone();
        supervise(roster, self.0.clone(), move |lifeline| blueprint.clone().build(lifeline, fresh.clone())).await
    }
}

impl Users {
    /// A handle to a registrar that does not run yet.
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        Self(Handle::new(Registrar::NAME, max_in_flight, deadline), Freshness::default())
    }

    /// Ends all sessions of a user and returns how many were live; `None` if there is no such user.
    pub async fn end_sessions(&self, of: UserId) -> Result<Result<Option<usize>, StoreError>, NoAnswer> {
        self.0.ask(EndSessions { of }).await
    }

    /// Returns when the directory has the user of this identity, if only as one that was deleted.
    pub async fn provision(&self, provision: Provision) -> Result<Result<UserRow, StoreError>, NoAnswer> {
        self.0.ask(provision).await
    }

    /// Returns when the snapshots have all that was changed before.
    ///
    /// # Errors
    /// `NotRead` if the store could not be asked: nothing is known then of what the snapshots do not have.
    pub async fn catch_up(&self) -> Result<(), NotRead> {
        match self.0.ask(CatchUpNow).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(NotRead),
            Err(error) => {
                tracing::warn!(%error, "users and keys will be read at the next poll");
                Err(NotRead)
            }
        }
    }

    /// Notes that an API key is used, without waiting. While the registrar has too much to do or does not run, the use is
    /// not noted: the next one in another minute is.
    pub fn note_use(&self, key: ApiKeyId, minute: Timestamp) {
        let noted = self.0.permit().and_then(|permit| self.0.hand_over(NoteUse { key, minute }, permit));
        if let Err(error) = noted {
            tracing::debug!(%error, "the use of an API key is not noted");
        }
    }

    /// When users and API keys were last read.
    pub const fn freshness(&self) -> &Freshness {
        &self.1
    }

    /// The typed handle under this one.
    pub const fn handle(&self) -> &Handle<Registrar> {
        &self.0
    }
}

impl<N: Identity> Administers<N> for Users {
    type Actor = Registrar;

    fn handle(&self) -> &Handle<Registrar> {
        &self.0
    }
}
