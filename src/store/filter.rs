//! Which rows of a list are meant.

use crate::domain::ids::TeamId;

/// Rows with this name and of this team; all where none is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The whole name, as it is written.
    pub name: Option<String>,
    /// The team itself, its users, their API keys, or the limits and budgets with it as their subject.
    pub team: Option<TeamId>,
}

impl Filter {
    /// The name and the team as queries compare them, each with whether any will do.
    pub(super) fn parts(&self) -> ((String, bool), (String, bool)) {
        let name = (self.name.clone().unwrap_or_default(), self.name.is_none());
        let team = self.team.map(|id| id.to_string());
        (name, (team.clone().unwrap_or_default(), team.is_none()))
    }
}
