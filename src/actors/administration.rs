//! The messages by which administered rows are made, changed and deleted, and the handles that send them.
//!
//! The `Registrar` takes them for users, teams and API keys, a `Regulator` for limits and budgets. What each message does
//! in the store is [`store::administered`](crate::store::administered); that it is answered once this replica has
//! published the change is [`Follower`]. Nothing here decides who may do what.

use actix::{Actor, Context, Handler};

use super::{
    catch_up::Follower,
    handle::{Ask, Handle, NoAnswer, Request},
};
use crate::store::{
    StoreError,
    administered::{Administered, ChangedRow, CreatedRow},
    idempotency::Idempotency,
};

/// Makes a row.
pub struct Create<N: Administered> {
    pub new: N::New,
    pub idempotency: Option<Idempotency>,
}

/// Changes the given fields of a row.
pub struct Change<N: Administered> {
    pub id: N::Id,
    pub change: N::Change,
}

/// Deletes a row.
pub struct Delete<N: Administered> {
    pub id: N::Id,
    /// The revision that it must be at, if any will not do.
    pub only_at: Option<i64>,
}

impl<N: Administered> Request for Create<N> {
    type Answer = Result<CreatedRow<N>, StoreError>;
}
impl<N: Administered> Request for Change<N> {
    type Answer = Result<ChangedRow<N>, StoreError>;
}
impl<N: Administered> Request for Delete<N> {
    type Answer = Result<ChangedRow<N>, StoreError>;
}

/// How an actor that follows the store serves the three messages: in its `Handler` of each it calls one of these.
pub(super) trait Administrator: Follower {
    fn create<N: Administered>(&mut self, Ask { request, reply }: Ask<Create<N>>, context: &mut Context<Self>) {
        let store = self.store().clone();
        self.perform(async move { store.create::<N>(request.new, request.idempotency).await }, reply, context);
    }

    fn change<N: Administered>(&mut self, Ask { request, reply }: Ask<Change<N>>, context: &mut Context<Self>) {
        let (store, now) = (self.store().clone(), self.clock().store_now());
        self.perform(async move { store.change::<N>(request.id, request.change, now).await }, reply, context);
    }

    fn delete<N: Administered>(&mut self, Ask { request, reply }: Ask<Delete<N>>, context: &mut Context<Self>) {
        let (store, now) = (self.store().clone(), self.clock().store_now());
        self.perform(async move { store.delete_at::<N>(request.id, request.only_at, now).await }, reply, context);
    }
}

impl<A: Follower> Administrator for A {}

/// What a change of a row was answered.
pub type Answered<T> = Result<Result<T, StoreError>, NoAnswer>;

/// A handle of the actor that makes, changes and deletes rows of the kind `N`.
#[expect(async_fn_in_trait, reason = "handles are used on the thread they were cloned to")]
pub trait Administers<N: Administered> {
    type Actor: Actor<Context = Context<Self::Actor>>
        + Handler<Ask<Create<N>>>
        + Handler<Ask<Change<N>>>
        + Handler<Ask<Delete<N>>>;

    fn handle(&self) -> &Handle<Self::Actor>;

    /// Makes a row and, with it, keeps the answer under the key of the request.
    async fn create(&self, new: N::New, idempotency: Option<Idempotency>) -> Answered<CreatedRow<N>> {
        self.handle().ask(Create::<N> { new, idempotency }).await
    }

    async fn change(&self, id: N::Id, change: N::Change) -> Answered<ChangedRow<N>> {
        self.handle().ask(Change::<N> { id, change }).await
    }

    async fn delete(&self, id: N::Id, only_at: Option<i64>) -> Answered<ChangedRow<N>> {
        self.handle().ask(Delete::<N> { id, only_at }).await
    }
}
