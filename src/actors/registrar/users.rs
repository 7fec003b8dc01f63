//! Changes of users: the messages, and how each becomes one transaction in the store.

use actix::{Context, Handler};

use super::Registrar;
use crate::{
    actors::handle::{Ask, Request},
    domain::{ids::UserId, principal::Account},
    snapshot::directory::Directory,
    store::{
        StoreError,
        users::{Changed, Created, Idempotency, NewUser, UserChange, UserRow},
    },
};

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

/// Ends all sessions of a user, and the tokens of outside issuers with them. Answers how many sessions there were, or
/// `None` if there is no such user.
pub struct EndSessions {
    pub of: UserId,
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
impl Request for EndSessions {
    type Answer = Result<Option<usize>, StoreError>;
}

impl Handler<Ask<Create>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Create>, context: &mut Context<Self>) {
        let store = self.store.clone();
        let create = async move { store.create_user(request.user, request.idempotency).await };
        self.change(create, reply, context);
    }
}

impl Handler<Ask<Change>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Change>, context: &mut Context<Self>) {
        let (store, now) = (self.store.clone(), self.clock.now());
        let change = async move { store.change_user(request.id, request.change, now).await };
        self.change(change, reply, context);
    }
}

impl Handler<Ask<Delete>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Delete>, context: &mut Context<Self>) {
        let (store, now) = (self.store.clone(), self.clock.now());
        let delete = async move { store.delete_user(request.id, now).await };
        self.change(delete, reply, context);
    }
}

impl Handler<Ask<EndSessions>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<EndSessions>, context: &mut Context<Self>) {
        let (store, now) = (self.store.clone(), self.clock.now());
        let end = async move { store.revoke_sessions_of(request.of, now).await };
        self.change(end, reply, context);
    }
}

/// The directory after this change of a user.
pub(super) fn followed_by(directory: Directory, row: &UserRow) -> Directory {
    let directory = match row.deleted_at {
        Some(_) => directory.without(row.id),
        None => directory.with(account(row)),
    };
    match &row.outside {
        Some(identity) => directory.with_outside(identity, row.id),
        None => directory,
    }
}

/// A user as the directory has it.
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
