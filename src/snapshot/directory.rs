//! Every user as the hot path must know them: name, role, status. Owned and published by the `Registrar`.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use crate::domain::{
    ids::UserId,
    principal::{Account, OutsideIdentity},
};

/// How many parts the map has. A change copies one part, not a million users.
const PARTS: usize = 1_024;

/// An immutable map of users. Deleted ones are not in it.
#[derive(Clone)]
pub struct Directory {
    parts: Vec<Arc<HashMap<UserId, Arc<Account>>>>,
    /// Whom outside issuers vouch for. Deleted users stay here: they are known, and not to be made again.
    outside: Vec<Arc<HashMap<OutsideIdentity, UserId>>>,
}

impl Default for Directory {
    fn default() -> Self {
        Self { parts: vec![Arc::default(); PARTS], outside: vec![Arc::default(); PARTS] }
    }
}

impl Directory {
    /// The user with this id, if there is one.
    #[must_use]
    pub fn find(&self, id: UserId) -> Option<&Arc<Account>> {
        self.parts.get(part_of(id))?.get(&id)
    }

    /// The user whom an outside issuer knows as this one, even if it was deleted.
    #[must_use]
    pub fn find_outside(&self, identity: &OutsideIdentity) -> Option<UserId> {
        self.outside.get(part_of_outside(identity))?.get(identity).copied()
    }

    /// A directory in which an outside issuer vouches for the user `id`. That never changes, so it is never taken back.
    #[must_use]
    pub fn with_outside(mut self, identity: &OutsideIdentity, id: UserId) -> Self {
        if self.find_outside(identity) != Some(id)
            && let Some(part) = self.outside.get_mut(part_of_outside(identity))
        {
            Arc::make_mut(part).insert(identity.clone(), id);
        }
        self
    }

    /// A directory in which `account` is as given.
    #[must_use]
    pub fn with(mut self, account: Account) -> Self {
        if let Some(part) = self.parts.get_mut(part_of(account.id)) {
            Arc::make_mut(part).insert(account.id, Arc::new(account));
        }
        self
    }

    /// A directory without this user.
    #[must_use]
    pub fn without(mut self, id: UserId) -> Self {
        if let Some(part) = self.parts.get_mut(part_of(id)) {
            Arc::make_mut(part).remove(&id);
        }
        self
    }
}

/// The last 64 bits of a UUIDv7 are random, so they spread users evenly.
fn part_of(id: UserId) -> usize {
    nth_part(id.0.as_u64_pair().1)
}

fn part_of_outside(identity: &OutsideIdentity) -> usize {
    let mut hasher = DefaultHasher::new();
    identity.hash(&mut hasher);
    nth_part(hasher.finish())
}

fn nth_part(spread: u64) -> usize {
    let parts = u64::try_from(PARTS).unwrap_or(1);
    usize::try_from(spread % parts).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::principal::{Role, UserStatus};
    use uuid::Uuid;

    fn account(id: u128, role: Role) -> Account {
        let id = UserId(Uuid::from_u128(id));
        let (username, tokens_not_before) = ("u".parse().unwrap(), jiff::Timestamp::UNIX_EPOCH);
        Account { id, username, role, status: UserStatus::Active, team: None, tokens_not_before }
    }

    #[test]
    fn a_new_directory_leaves_the_old_one_as_it_was() {
        let id = account(5, Role::User).id;
        let old = Directory::default().with(account(5, Role::User)).with(account(5 + 1_024, Role::User));
        let new = old.clone().with(account(5, Role::Admin));
        assert_eq!(old.find(id).unwrap().role, Role::User);
        assert_eq!(new.find(id).unwrap().role, Role::Admin);
        assert!(new.clone().without(id).find(id).is_none());
        assert!(new.find(account(5 + 1_024, Role::User).id).is_some());
    }

    #[test]
    fn whom_an_outside_issuer_vouches_for_is_known_even_when_deleted() {
        let identity = |issuer: &str, subject: &str| OutsideIdentity { issuer: issuer.into(), subject: subject.into() };
        let user = account(5, Role::User);
        let id = user.id;
        let directory = Directory::default().with(user).with_outside(&identity("i", "s"), id);
        assert_eq!(directory.find_outside(&identity("i", "s")), Some(id));
        for other in [identity("s", "i"), identity("i", "S"), identity("is", ""), identity("", "is")] {
            assert_eq!(directory.find_outside(&other), None);
        }
        let deleted = directory.without(id);
        assert_eq!(deleted.find_outside(&identity("i", "s")), Some(id));
        assert!(deleted.find(id).is_none());
    }
}
