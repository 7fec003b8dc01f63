//! Every user and every team as the hot path must know them: name, role, status, models. Owned and published by the `Registrar`.

use std::sync::Arc;

use super::parts::Parts;
use crate::domain::{
    ids::{TeamId, UserId},
    principal::{Account, OutsideIdentity, Team},
};

/// An immutable map of users and of teams. Deleted ones are not in it.
#[derive(Clone, Default)]
pub struct Directory {
    users: Parts<UserId, Arc<Account>>,
    /// Whom outside issuers vouch for. Deleted users stay here: they are known, and not to be made again.
    outside: Parts<OutsideIdentity, UserId>,
    teams: Parts<TeamId, Arc<Team>>,
}

impl Directory {
    /// The user with this id, if there is one.
    pub fn find(&self, id: UserId) -> Option<&Arc<Account>> {
        self.users.get(&id)
    }

    /// The team of a user, if there is one.
    pub fn team_of(&self, account: &Account) -> Option<Arc<Team>> {
        self.teams.get(&account.team?).cloned()
    }

    /// The user of this subject of an outside issuer, even if it was deleted.
    pub fn find_outside(&self, identity: &OutsideIdentity) -> Option<UserId> {
        self.outside.get(identity).copied()
    }

    /// A directory in which an outside issuer vouches for the user `id`. That never changes, so it is never taken back.
    #[must_use]
    pub fn with_outside(mut self, identity: &OutsideIdentity, id: UserId) -> Self {
        if self.find_outside(identity) != Some(id) {
            self.outside.insert(identity.clone(), id);
        }
        self
    }

    /// A directory in which `account` is as given.
    #[must_use]
    pub fn with(mut self, account: Account) -> Self {
        self.users.insert(account.id, Arc::new(account));
        self
    }

    /// A directory in which this team is as given; without it for `None`.
    #[must_use]
    pub fn with_team(mut self, id: TeamId, team: Option<Team>) -> Self {
        match team {
            Some(team) => self.teams.insert(id, Arc::new(team)),
            None => self.teams.remove(&id),
        }
        self
    }

    /// A directory without this user.
    #[must_use]
    pub fn without(mut self, id: UserId) -> Self {
        self.users.remove(&id);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        allowed::Allowed,
        principal::{Role, UserStatus},
    };
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
            models: Allowed::default(),
            tokens_not_before: Timestamp::UNIX_EPOCH,
            follows_issuer: false,
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

    #[test]
    fn the_team_of_a_user_is_as_it_was_last_given() {
        let id = TeamId(Uuid::from_u128(9));
        let member = Account { team: Some(id), ..account(5, Role::User) };
        let team = |name: &str| Team { name: name.into(), models: Allowed::default() };
        let old = Directory::default().with_team(id, Some(team("a")));
        let new = old.clone().with_team(id, Some(team("b")));
        let name_in = |directory: &Directory| directory.team_of(&member).map(|team| team.name.to_string());
        assert_eq!((name_in(&old), name_in(&new)), (Some("a".into()), Some("b".into())));
        assert_eq!(name_in(&new.with_team(id, None)), None);
        assert!(old.team_of(&account(6, Role::User)).is_none());
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
