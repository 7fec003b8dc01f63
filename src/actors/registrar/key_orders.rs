//! API keys that are made with all that belongs to them.

use actix::{Context, Handler};

use super::{Registrar, Users};
use crate::{
    actors::{
        administration::Answered,
        catch_up::Follower,
        handle::{Ask, Request},
    },
    store::{
        StoreError,
        administered::Created,
        idempotency::Idempotency,
        key_orders::{KeyOrder, MadeKey, OrderRefused},
    },
};

/// What came of an order.
type Ordered = Created<MadeKey, OrderRefused>;

struct MakeKey {
    order: KeyOrder,
    idempotency: Option<Idempotency>,
}

impl Request for MakeKey {
    type Answer = Result<Ordered, StoreError>;
}

impl Handler<Ask<MakeKey>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<MakeKey>, context: &mut Context<Self>) {
        let (store, MakeKey { order, idempotency }) = (self.store.clone(), request);
        self.perform(async move { store.create_key_order(order, idempotency).await }, reply, context);
    }
}

impl Users {
    /// Makes a key with all that belongs to it. Its budget and limits are in force when their own regulators have read them.
    pub async fn make_key(&self, order: KeyOrder, idempotency: Option<Idempotency>) -> Answered<Ordered> {
        self.handle().ask(MakeKey { order, idempotency }).await
    }
}
