//! `Registrar`: owns the users, their teams and their API keys, and publishes what the hot path reads of them.
//!
//! Called by the handlers of all three, the admin's and one's own, and by `authenticate` when an outside issuer vouches for
//! somebody new. Every change is one transaction in the store; a change that ends sessions is answered when this replica
//! has stopped accepting their tokens. Other replicas read it at their next poll.

mod api_keys;
mod outside_users;
mod teams;
mod users;

use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use jiff::{SignedDuration, Timestamp};

pub use self::{
    api_keys::{CreateApiKey, RevokeApiKey},
    outside_users::Provision,
    teams::{CreateTeam, DeleteTeam, RenameTeam},
    users::{Change, Create, Delete, EndSessions},
};
use super::{
    catch_up::CatchUp,
    handle::{Ask, Handle, NoAnswer, Reply, Request},
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
    token_issuer::Issuer,
};
use crate::{
    clock::Clock,
    domain::ids::{TeamId, UserId},
    snapshot::{Snapshot, api_keys::ApiKeys, directory::Directory},
    store::{
        Store, StoreError,
        api_keys::{ApiKeyRow, KeyCreated, KeyRevoked},
        teams::{TeamChanged, TeamCreated},
        users::{Changed, Created, UserRow},
    },
};

/// How often changes by other replicas are read; promise 8 allows one second.
const POLL: Duration = Duration::from_millis(400);

/// How often what was kept long enough is deleted.
const PURGE: Duration = Duration::from_mins(10);
/// How long an answer is kept for its `Idempotency-Key`.
pub const ANSWERS_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How long API keys that were revoked or have expired are kept, so that their use is refused with the reason.
const DEAD_KEYS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Reads what other replicas have changed, now.
pub struct CatchUpNow;

impl Request for CatchUpNow {
    type Answer = ();
}
pub struct Registrar {
    store: Store,
    clock: Clock,
    issuer: Issuer,
    directory: Snapshot<Directory>,
    api_keys: Snapshot<ApiKeys>,
    seen: Seen,
    catch_up: CatchUp<Answer>,
    _lifeline: Lifeline,
}

/// The last revisions that are published. Users and keys are read one after the other, so a change may come between
/// that only one of the two readings includes.
#[derive(Clone, Copy, Default)]
struct Seen {
    users: i64,
    api_keys: i64,
}

/// What has changed since.
struct News {
    users: Vec<UserRow>,
    api_keys: Vec<ApiKeyRow>,
}

impl Seen {
    async fn news(self, store: &Store) -> Result<News, StoreError> {
        let users = store.users_changed_since(self.users).await?;
        Ok(News { users, api_keys: store.api_keys_changed_since(self.api_keys).await? })
    }
}

/// Answers somebody whose change is published.
type Answer = Box<dyn FnOnce()>;

impl Actor for Registrar {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(POLL, Registrar::read);
        context.run_interval(PURGE, |registrar, _| registrar.purge());
    }
}

impl Handler<Ask<CatchUpNow>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { reply, .. }: Ask<CatchUpNow>, context: &mut Self::Context) {
        self.catch_up.wait(Box::new(move || reply.answer(())));
        self.read(context);
    }
}

impl Registrar {
    /// Runs a change in the store, and answers when it is published.
    fn change<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, StoreError>> + 'static,
        reply: Reply<Result<T, StoreError>>,
        context: &mut Context<Self>,
    ) {
        context.spawn(change.into_actor(self).map(|result, registrar, context| match result {
            Err(error) => reply.answer(Err(error)),
            Ok(changed) => {
                registrar.catch_up.wait(Box::new(move || reply.answer(Ok(changed))));
                registrar.read(context);
            }
        }));
    }

    /// Reads and publishes what has changed, here or on another replica, and serves those who wait for it.
    fn read(&mut self, context: &mut Context<Self>) {
        let Some(served) = self.catch_up.begin() else {
            return;
        };
        let (store, issuer, seen) = (self.store.clone(), self.issuer.clone(), self.seen);
        let read = async move { seen.news(&store).await };
        context.spawn(read.into_actor(self).map(|news, registrar, context| {
            match news {
                Ok(news) => registrar.publish(&news),
                Err(error) => tracing::warn!(%error, "users and keys will be read at the next poll"),
            }
            if !served.is_empty() {
                actix::spawn(serve_after_reload(issuer, served));
            }
            if registrar.catch_up.end() {
                registrar.read(context);
            }
        }));
    }

    fn purge(&self) {
        let earlier = |kept: SignedDuration| self.clock.now().saturating_sub(kept).unwrap_or(Timestamp::MIN);
        let (store, answers, dead_keys) = (self.store.clone(), earlier(ANSWERS_KEPT), earlier(DEAD_KEYS_KEPT));
        actix::spawn(async move {
            // A bounded number at a time.
            while store.purge_idempotency_keys(answers).await.inspect_err(purge_failed).is_ok_and(|deleted| deleted > 0)
            {
            }
            while store.purge_api_keys(dead_keys).await.inspect_err(purge_failed).is_ok_and(|deleted| deleted > 0) {}
        });
    }

    fn publish(&mut self, news: &News) {
        self.publish_users(&news.users);
        self.publish_api_keys(&news.api_keys);
    }

    fn publish_users(&mut self, rows: &[UserRow]) {
        if rows.is_empty() {
            return;
        }
        let directory = Directory::clone(&self.directory.read());
        self.directory.publish(rows.iter().fold(directory, users::followed_by));
        self.seen.users = rows.iter().map(|row| row.revision).fold(self.seen.users, i64::max);
    }

    fn publish_api_keys(&mut self, rows: &[ApiKeyRow]) {
        if rows.is_empty() {
            return;
        }
        let keys = ApiKeys::clone(&self.api_keys.read());
        self.api_keys.publish(rows.iter().fold(keys, |keys, row| keys.with(row.id, api_keys::standing(row))));
        self.seen.api_keys = rows.iter().map(|row| row.revision).fold(self.seen.api_keys, i64::max);
    }
}

/// The directory refuses a changed user's tokens by itself; their sessions are for the issuer to read.
async fn serve_after_reload(issuer: Issuer, served: Vec<Answer>) {
    if let Err(error) = issuer.reload().await {
        tracing::warn!(%error, "revocations will be read at the next poll");
    }
    for answer in served {
        answer();
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
    async fn build(self, lifeline: Lifeline) -> Result<Registrar, StoreError> {
        let news = Seen::default().news(&self.store).await?;
        let mut registrar = Registrar {
            store: self.store,
            clock: self.clock,
            issuer: self.issuer,
            directory: self.directory,
            api_keys: self.api_keys,
            seen: Seen::default(),
            catch_up: CatchUp::default(),
            _lifeline: lifeline,
        };
        registrar.publish(&news);
        Ok(registrar)
    }
}

/// The registrar's handle.
#[derive(Clone)]
pub struct Users(Handle<Registrar>);

impl Starts for Users {
    type Blueprint = Blueprint;
    type Error = StoreError;

    /// Starts the registrar on this arbiter and keeps it running. Reads every user and every key.
    async fn start_here(&self, roster: &Roster, blueprint: Blueprint) -> Result<(), StoreError> {
        supervise(roster, self.0.clone(), move |lifeline| blueprint.clone().build(lifeline)).await
    }
}

impl Users {
    #[must_use]
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        Self(Handle::new("registrar", max_in_flight, deadline))
    }

    pub async fn create(&self, create: Create) -> Result<Result<Created, StoreError>, NoAnswer> {
        self.0.ask(create).await
    }

    pub async fn change(&self, change: Change) -> Result<Result<Changed, StoreError>, NoAnswer> {
        self.0.ask(change).await
    }

    pub async fn delete(&self, id: UserId) -> Result<Result<Changed, StoreError>, NoAnswer> {
        self.0.ask(Delete { id }).await
    }

    pub async fn end_sessions(&self, of: UserId) -> Result<Result<Option<usize>, StoreError>, NoAnswer> {
        self.0.ask(EndSessions { of }).await
    }

    /// Returns when the directory has the user of this identity, if only as one that was deleted.
    pub async fn provision(&self, provision: Provision) -> Result<Result<UserRow, StoreError>, NoAnswer> {
        self.0.ask(provision).await
    }

    pub async fn create_team(&self, create: CreateTeam) -> Result<Result<TeamCreated, StoreError>, NoAnswer> {
        self.0.ask(create).await
    }

    pub async fn rename_team(&self, rename: RenameTeam) -> Result<Result<TeamChanged, StoreError>, NoAnswer> {
        self.0.ask(rename).await
    }

    pub async fn delete_team(&self, id: TeamId) -> Result<Result<TeamChanged, StoreError>, NoAnswer> {
        self.0.ask(DeleteTeam { id }).await
    }

    pub async fn create_api_key(&self, create: CreateApiKey) -> Result<Result<KeyCreated, StoreError>, NoAnswer> {
        self.0.ask(create).await
    }

    pub async fn revoke_api_key(&self, revoke: RevokeApiKey) -> Result<Result<KeyRevoked, StoreError>, NoAnswer> {
        self.0.ask(revoke).await
    }

    /// Returns when the snapshots have all that was changed before, or cannot have it.
    pub async fn catch_up(&self) {
        if let Err(error) = self.0.ask(CatchUpNow).await {
            tracing::warn!(%error, "users and keys will be read at the next poll");
        }
    }

    #[must_use]
    pub const fn handle(&self) -> &Handle<Registrar> {
        &self.0
    }
}
