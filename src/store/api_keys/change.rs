//! Changes of API keys: another secret, or other terms.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::ApiKeyRow;
use crate::{
    domain::{allowed::Allowed, api_key::OldSecret, display_name::DisplayName, principal::Role},
    store::{
        StoreError,
        administered::Stamp,
        connection::{Connection, on_backend},
        idempotency::Idempotency,
        schema::api_keys,
        sessions,
        values::micros,
    },
};

/// What is to be changed of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    Secret(KeyRotation),
    Terms(KeyTerms),
}

/// A new secret for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRotation {
    /// SHA-256.
    pub secret_hash: [u8; 32],
    /// Until when the present secret goes on; `None`: it ends now, and with it the sessions it was exchanged for.
    pub old_until: Option<Timestamp>,
    /// The revision of the key that the new secret was made for.
    pub only_at: i64,
    /// The key of the request, and its answer.
    pub once: Option<Idempotency>,
}

/// What a key is to be called, how long it is to be good, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTerms {
    pub name: DisplayName,
    /// `None`: it does not expire.
    pub expires_at: Option<Timestamp>,
    /// `None`: that of the user.
    pub role: Option<Role>,
    pub routes: Allowed,
    pub models: Allowed,
    /// The revision of the key whose terms are changed.
    pub only_at: i64,
}

impl KeyChange {
    pub(super) const fn only_at(&self) -> i64 {
        match self {
            Self::Secret(rotation) => rotation.only_at,
            Self::Terms(terms) => terms.only_at,
        }
    }

    pub(super) const fn once(&self) -> Option<&Idempotency> {
        match self {
            Self::Secret(rotation) => rotation.once.as_ref(),
            Self::Terms(_) => None,
        }
    }

    /// The key after the change; `None` if the change asks for nothing new.
    pub(super) fn applied_to(&self, key: &ApiKeyRow) -> Option<ApiKeyRow> {
        match self.clone() {
            Self::Secret(KeyRotation { secret_hash, old_until, .. }) => {
                let old = old_until.map(|until| OldSecret { secret_hash: key.secret_hash, until });
                let generation = key.generation.saturating_add(1);
                Some(ApiKeyRow { secret_hash, generation, old, ..key.clone() })
            }
            Self::Terms(KeyTerms { name, expires_at, role, routes, models, .. }) => {
                let after = ApiKeyRow { name, expires_at, role, routes, models, ..key.clone() };
                (after != *key).then_some(after)
            }
        }
    }
}

/// Writes a key. The sessions it was exchanged for end with the secret, and with the role and the time that they took from it.
pub(super) async fn update(
    connection: &mut Connection,
    before: &ApiKeyRow,
    after: ApiKeyRow,
    stamp: Stamp,
) -> Result<ApiKeyRow, StoreError> {
    let after = ApiKeyRow { revision: stamp.revision, ..after };
    let update = diesel::update(api_keys::table.find(after.id.to_string())).set((
        api_keys::name.eq(after.name.as_str()),
        api_keys::expires_at.eq(after.expires_at.map(micros)),
        api_keys::role.eq(after.role.map(Role::as_str)),
        api_keys::routes.eq(after.routes.to_stored()),
        api_keys::models.eq(after.models.to_stored()),
        api_keys::secret_hash.eq(after.secret_hash.as_slice()),
        api_keys::generation.eq(after.generation),
        api_keys::old_secret_hash.eq(after.old.map(|old| old.secret_hash.to_vec())),
        api_keys::old_until.eq(after.old.map(|old| micros(old.until))),
        api_keys::revision.eq(after.revision),
    ));
    on_backend!(connection, |conn| update.execute(conn).await)?;
    let is_replaced = before.generation != after.generation && after.old.is_none();
    if is_replaced || (before.role, before.expires_at) != (after.role, after.expires_at) {
        sessions::revoke_live_of_key(connection, after.id, stamp.now, stamp.revision).await?;
    }
    Ok(after)
}
