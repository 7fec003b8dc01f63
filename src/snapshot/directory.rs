//! Every user as the hot path must know them: name, role, status. Owned and published by the `Registrar`.

use std::{collections::HashMap, sync::Arc};

use crate::domain::{ids::UserId, principal::Account};

/// How many parts the map has. A change copies one part, not a million users.
const PARTS: usize = 1_024;

/// An immutable map of users. Deleted ones are not in it.
#[derive(Clone)]
pub struct Directory {
    parts: Vec<Arc<HashMap<UserId, Arc<Account>>>>,
}

impl Default for Directory {
    fn default() -> Self {
        Self { parts: vec![Arc::default(); PARTS] }
    }
}

impl Directory {
    /// The user with this id, if there is one.
    #[must_use]
    pub fn find(&self, id: UserId) -> Option<&Arc<Account>> {
        self.parts.get(part_of(id))?.get(&id)
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
    let (_, low) = id.0.as_u64_pair();
    let parts = u64::try_from(PARTS).unwrap_or(1);
    usize::try_from(low % parts).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::principal::{Role, UserStatus};
    use uuid::Uuid;

    fn account(id: u128, role: Role) -> Account {
        let id = UserId(Uuid::from_u128(id));
        Account { id, username: "u".parse().unwrap(), role, status: UserStatus::Active, team: None }
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
}
