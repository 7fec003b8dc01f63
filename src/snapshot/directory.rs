//! Every user as the hot path must know them: name, role, status. Owned and published by the `Registrar`.

use std::sync::Arc;

use super::parts::Parts;
use crate::domain::{ids::UserId, principal::Account};

/// An immutable map of users. Deleted ones are not in it.
#[derive(Clone, Default)]
pub struct Directory {
    users: Parts<Arc<Account>>,
}

impl Directory {
    /// The user with this id, if there is one.
    #[must_use]
    pub fn find(&self, id: UserId) -> Option<&Arc<Account>> {
        self.users.get(id.0)
    }

    /// A directory in which `account` is as given.
    #[must_use]
    pub fn with(mut self, account: Account) -> Self {
        self.users.insert(account.id.0, Arc::new(account));
        self
    }

    /// A directory without this user.
    #[must_use]
    pub fn without(mut self, id: UserId) -> Self {
        self.users.remove(id.0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::principal::{Role, UserStatus};
    use jiff::Timestamp;
    use uuid::Uuid;

    fn account(id: u128, role: Role) -> Account {
        let id = UserId(Uuid::from_u128(id));
        Account {
            id,
            username: "u".parse().unwrap(),
            role,
            status: UserStatus::Active,
            team: None,
            tokens_not_before: Timestamp::UNIX_EPOCH,
        }
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
