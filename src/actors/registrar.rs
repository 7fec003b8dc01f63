//! `Registrar`: owns the users and publishes the directory that the hot path reads.
//!
//! Called by the admin handlers, and by `authenticate` when an outside issuer vouches for somebody new. Every change is one transaction in the store; a change that ends sessions is answered
//! when this replica has stopped accepting their tokens. Other replicas read it at their next poll.

mod outside_name;

use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use jiff::{SignedDuration, Timestamp};

use super::{
    catch_up::CatchUp,
    handle::{Ask, Handle, NoAnswer, Reply, Request},
    supervisor::{Lifeline, supervise},
    token_issuer::Issuer,
};
use crate::{
    clock::Clock,
    domain::{
        ids::UserId,
        principal::{Account, OutsideIdentity, Role},
    },
    snapshot::{Snapshot, directory::Directory},
    store::{
        Store, StoreError,
        users::{Changed, Created, Idempotency, NewUser, OutsideUser, UserChange, UserRow},
    },
};

/// How often changes by other replicas are read; promise 8 allows one second.
const POLL: Duration = Duration::from_millis(400);

/// How often answers kept for an `Idempotency-Key` are deleted when their day is over.
const PURGE: Duration = Duration::from_mins(10);
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Adds a user.
pub struct Create {
    pub user: NewUser,
    pub idempotency: Option<Idempotency>,
}

/// Changes the given fields of a user.
pub struct Change {
    pub id: UserId,
    pub change: UserChange,
}

/// Deletes a user; the name is free again, the audit log keeps it.
pub struct Delete {
    pub id: UserId,
}

/// Makes the user whom an outside issuer vouches for, if there has never been one.
pub struct Provision {
    pub identity: OutsideIdentity,
    pub role: Role,
}

/// Reads what other replicas have changed, now.
pub struct CatchUpNow;

impl Request for CatchUpNow {
    type Answer = ();
}
impl Request for Provision {
    type Answer = Result<UserRow, StoreError>;
}
impl Request for Create {
    type Answer = Result<Created, StoreError>;
}
impl Request for Change {
    type Answer = Result<Changed, StoreError>;
}
impl Request for Delete {
    type Answer = Result<Changed, StoreError>;
}

pub struct Registrar {
    store: Store,
    clock: Clock,
    issuer: Issuer,
    directory: Snapshot<Directory>,
    /// The last revision that is published.
    seen: i64,
    catch_up: CatchUp<Answer>,
    _lifeline: Lifeline,
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

impl Handler<Ask<Create>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Create>, context: &mut Self::Context) {
        let store = self.store.clone();
        let create = async move { store.create_user(request.user, request.idempotency).await };
        self.change(create, reply, context);
    }
}

impl Handler<Ask<Change>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Change>, context: &mut Self::Context) {
        let (store, now) = (self.store.clone(), self.clock.now());
        let change = async move { store.change_user(request.id, request.change, now).await };
        self.change(change, reply, context);
    }
}

impl Handler<Ask<Delete>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Delete>, context: &mut Self::Context) {
        let (store, now) = (self.store.clone(), self.clock.now());
        let delete = async move { store.delete_user(request.id, now).await };
        self.change(delete, reply, context);
    }
}

impl Handler<Ask<Provision>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Provision>, context: &mut Self::Context) {
        let Provision { identity, role } = request;
        let (store, id, created_at) = (self.store.clone(), UserId(self.clock.new_id()), self.clock.now());
        let usernames = outside_name::candidates(&identity);
        let user = OutsideUser { id, identity, usernames, role, created_at };
        let provision = async move { store.provision_user(user).await };
        self.change(provision, reply, context);
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
        let read = async move { store.users_changed_since(seen).await };
        context.spawn(read.into_actor(self).map(|rows, registrar, context| {
            match rows {
                Ok(rows) => registrar.publish(&rows),
                Err(error) => tracing::warn!(%error, "users will be read at the next poll"),
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
        let (store, before) = (self.store.clone(), self.clock.now().saturating_sub(KEPT).unwrap_or(Timestamp::MIN));
        actix::spawn(async move {
            // A bounded number at a time.
            while store.purge_idempotency_keys(before).await.inspect_err(purge_failed).is_ok_and(|deleted| deleted > 0)
            {
            }
        });
    }

    fn publish(&mut self, rows: &[UserRow]) {
        if rows.is_empty() {
            return;
        }
        let directory = Directory::clone(&self.directory.read());
        self.directory.publish(rows.iter().fold(directory, followed_by));
        self.seen = rows.iter().map(|row| row.revision).fold(self.seen, i64::max);
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
    tracing::warn!(%error, "old idempotency keys were not deleted");
}

fn followed_by(directory: Directory, row: &UserRow) -> Directory {
    let directory = match row.deleted_at {
        Some(_) => directory.without(row.id),
        None => directory.with(account(row)),
    };
    match &row.outside {
        Some(identity) => directory.with_outside(identity, row.id),
        None => directory,
    }
}

fn account(row: &UserRow) -> Account {
    Account {
        id: row.id,
        username: row.username.clone(),
        role: row.role,
        status: row.status,
        team: row.team_id,
        tokens_not_before: row.tokens_not_before,
    }
}

/// What the registrar is built from, again after each restart.
#[derive(Clone)]
pub struct Blueprint {
    pub store: Store,
    pub clock: Clock,
    pub issuer: Issuer,
    pub directory: Snapshot<Directory>,
}

/// The registrar's handle.
#[derive(Clone)]
pub struct Users(Handle<Registrar>);

impl Users {
    #[must_use]
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        Self(Handle::new("registrar", max_in_flight, deadline))
    }

    /// Starts the registrar on this arbiter and keeps it running. Reads every user.
    pub async fn start_here(&self, blueprint: Blueprint) -> Result<(), StoreError> {
        let build = move |lifeline| {
            let Blueprint { store, clock, issuer, directory } = blueprint.clone();
            async move {
                let rows = store.users_changed_since(0).await?;
                let catch_up = CatchUp::default();
                let mut registrar =
                    Registrar { store, clock, issuer, directory, seen: 0, catch_up, _lifeline: lifeline };
                registrar.publish(&rows);
                Ok(registrar)
            }
        };
        supervise(self.0.clone(), build).await
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

    /// Returns when the directory has the user of this identity, if only as one that was deleted.
    pub async fn provision(&self, provision: Provision) -> Result<Result<UserRow, StoreError>, NoAnswer> {
        self.0.ask(provision).await
    }

    /// Returns when the directory has all that was changed before, or cannot have it.
    pub async fn catch_up(&self) {
        if let Err(error) = self.0.ask(CatchUpNow).await {
            tracing::warn!(%error, "users will be read at the next poll");
        }
    }

    #[must_use]
    pub const fn handle(&self) -> &Handle<Registrar> {
        &self.0
    }
}
