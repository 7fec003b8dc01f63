//! Every API key as the hot path must know it. Owned and published by the `Registrar`.

use std::sync::Arc;

use jiff::Timestamp;

use super::parts::Parts;
use crate::domain::{
    ids::{ApiKeyId, UserId},
    principal::KeyBounds,
};

/// An API key: whose it is, what its secret must hash to, and whether it may still be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStanding {
    pub user: UserId,
    /// SHA-256.
    pub secret_hash: [u8; 32],
    pub expires_at: Option<Timestamp>,
    pub is_revoked: bool,
    /// What it may do of what its user may.
    pub bounds: Arc<KeyBounds>,
}

/// An immutable map of keys. Revoked ones stay in it, so that they are refused as what they are.
#[derive(Clone, Default)]
pub struct ApiKeys {
    keys: Parts<ApiKeyId, KeyStanding>,
}

impl ApiKeys {
    /// The key of this id; `None` if there is none.
    pub fn find(&self, id: ApiKeyId) -> Option<&KeyStanding> {
        self.keys.get(&id)
    }

    /// The keys with this one as given.
    #[must_use]
    pub fn with(mut self, id: ApiKeyId, standing: KeyStanding) -> Self {
        self.keys.insert(id, standing);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_revoked_key_stays_known() {
        let (id, user) = (ApiKeyId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let bounds = Arc::default();
        let live = KeyStanding { user, secret_hash: [3; 32], expires_at: None, is_revoked: false, bounds };
        let old = ApiKeys::default().with(id, live.clone());
        let new = old.clone().with(id, KeyStanding { is_revoked: true, ..live });
        assert_eq!((old.find(id).unwrap().is_revoked, new.find(id).unwrap().is_revoked), (false, true));
        assert_eq!(new.find(ApiKeyId(user.0)), None);
    }
}
