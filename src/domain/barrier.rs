//! What a caller is refused by who is known.

/// What keeps a caller from where the call goes. The caller learns only that something does; the audit record names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Barrier {
    /// The role may not do this, or is none of the route's.
    #[error("roles")]
    Roles,
    /// The route is for teams, and the caller is in none of them.
    #[error("teams")]
    Teams,
    /// The route is for users, and the caller is none of them.
    #[error("users")]
    Users,
    /// The route is for teams and for users.
    #[error("teams, users")]
    TeamsAndUsers,
    /// The API key is narrower than its user.
    #[error("key")]
    Key,
    /// The page that asks with a cookie is of another origin.
    #[error("origin")]
    Origin,
}
