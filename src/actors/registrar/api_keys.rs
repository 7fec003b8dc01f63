//! Creation and revocation of API keys: the messages, and how each becomes one transaction in the store.

use actix::{Context, Handler};

use super::Registrar;
use crate::{
    actors::handle::{Ask, Request},
    domain::ids::{ApiKeyId, UserId},
    snapshot::api_keys::KeyStanding,
    store::{
        StoreError,
        api_keys::{ApiKeyRow, KeyCreated, KeyRevoked, NewApiKey},
        users::Idempotency,
    },
};

/// Adds an API key.
pub struct CreateApiKey {
    pub key: NewApiKey,
    pub idempotency: Option<Idempotency>,
}

/// Revokes an API key, and the sessions it was exchanged for. With `owner` given, a key of somebody else is not found.
pub struct RevokeApiKey {
    pub id: ApiKeyId,
    pub owner: Option<UserId>,
}

impl Request for CreateApiKey {
    type Answer = Result<KeyCreated, StoreError>;
}
impl Request for RevokeApiKey {
    type Answer = Result<KeyRevoked, StoreError>;
}

impl Handler<Ask<CreateApiKey>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<CreateApiKey>, context: &mut Context<Self>) {
        let store = self.store.clone();
        let create = async move { store.create_api_key(request.key, request.idempotency).await };
        self.change(create, reply, context);
    }
}

impl Handler<Ask<RevokeApiKey>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<RevokeApiKey>, context: &mut Context<Self>) {
        let (store, now) = (self.store.clone(), self.clock.now());
        let revoke = async move { store.revoke_api_key(request.id, request.owner, now).await };
        self.change(revoke, reply, context);
    }
}

/// A key as the snapshot has it.
pub(super) fn standing(row: &ApiKeyRow) -> KeyStanding {
    KeyStanding {
        user: row.user_id,
        secret_hash: row.secret_hash,
        expires_at: row.expires_at,
        is_revoked: row.revoked_at.is_some(),
    }
}
