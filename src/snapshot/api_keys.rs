//! Every API key as the hot path must know it. Owned and published by the `Registrar`.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::Timestamp;

use super::parts::Parts;
use crate::domain::{
    api_key::OldSecret,
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
    /// How often its secret was replaced.
    pub generation: i64,
    /// The secret before, while it is good.
    pub old: Option<OldSecret>,
    pub used: Used,
}

/// The last minute in which a key was used here, since the Unix epoch. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Used(Arc<AtomicI64>);

impl Used {
    /// The begin of the minute that `now` is in, if this is the key's first use in that minute.
    #[must_use]
    pub fn first_of_minute(&self, now: Timestamp) -> Option<Timestamp> {
        let minute = now.as_second().div_euclid(60);
        let is_first = self.0.load(Ordering::Relaxed) != minute && self.0.swap(minute, Ordering::Relaxed) != minute;
        if is_first { Timestamp::from_second(minute.saturating_mul(60)).ok() } else { None }
    }
}

/// It is nothing of the key's own.
impl PartialEq for Used {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Used {}

/// An immutable map of keys. Revoked ones stay in it, so that they are refused as what they are.
#[derive(Clone, Default)]
pub struct ApiKeys(Parts<ApiKeyId, KeyStanding>);

impl ApiKeys {
    /// The key of this id; `None` if there is none.
    pub fn find(&self, id: ApiKeyId) -> Option<&KeyStanding> {
        self.0.get(&id)
    }

    /// The keys with this one as given.
    #[must_use]
    pub fn with(mut self, id: ApiKeyId, standing: KeyStanding) -> Self {
        self.0.insert(id, standing);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn of_the_uses_in_a_minute_the_first_is_told() {
        let used = Used::default();
        let at = |s| Timestamp::from_second(s).unwrap();
        assert_eq!(used.first_of_minute(at(61)), Some(at(60)));
        assert_eq!(used.clone().first_of_minute(at(119)), None);
        assert_eq!(used.first_of_minute(at(120)), Some(at(120)));
    }

    #[test]
    fn a_revoked_key_stays_known() {
        let (id, user) = (ApiKeyId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let live = KeyStanding {
            user,
            secret_hash: [3; 32],
            expires_at: None,
            is_revoked: false,
            bounds: Arc::default(),
            generation: 0,
            old: None,
            used: Used::default(),
        };
        let old = ApiKeys::default().with(id, live.clone());
        let new = old.clone().with(id, KeyStanding { is_revoked: true, ..live });
        assert_eq!((old.find(id).unwrap().is_revoked, new.find(id).unwrap().is_revoked), (false, true));
        assert_eq!(new.find(ApiKeyId(user.0)), None);
    }
}
