//! Who of its roles may call a route.

use crate::domain::{barrier::Barrier, principal::Principal};

/// Those who may call a route, by name; everybody of its roles where no name stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Only {
    pub teams: Vec<String>,
    pub users: Vec<String>,
}

impl Only {
    /// Admits a caller who is named, or is in a team that is.
    ///
    /// # Errors
    /// The lists that the caller is on none of.
    pub fn admits(&self, caller: &Principal) -> Result<(), Barrier> {
        let barrier = match (self.teams.is_empty(), self.users.is_empty()) {
            (true, true) => return Ok(()),
            (true, false) => Barrier::Users,
            (false, true) => Barrier::Teams,
            (false, false) => Barrier::TeamsAndUsers,
        };
        let is_in_team = || caller.team.as_ref().is_some_and(|team| self.teams.iter().any(|name| **name == *team.name));
        let is_named = self.users.iter().any(|name| name == caller.account.username.as_str());
        if is_named || is_in_team() { Ok(()) } else { Err(barrier) }
    }
}
