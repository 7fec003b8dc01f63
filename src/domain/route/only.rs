//! Who of its roles may call a route.

use crate::domain::principal::Principal;

/// Those who may call a route, by name; everybody of its roles where no name stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Only {
    pub teams: Vec<String>,
    pub users: Vec<String>,
}

impl Only {
    /// Whether the caller is named, or is in a team that is.
    #[must_use]
    pub fn admits(&self, caller: &Principal) -> bool {
        let is_open = self.teams.is_empty() && self.users.is_empty();
        let is_in_team = || caller.team.as_ref().is_some_and(|team| self.teams.iter().any(|name| **name == *team.name));
        is_open || self.users.iter().any(|name| name == caller.account.username.as_str()) || is_in_team()
    }
}
