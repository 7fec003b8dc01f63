//! Who is calling: users, their roles, and the credential a call came with.

use std::{fmt, str::FromStr, sync::Arc};

use jiff::Timestamp;
use schemars::{JsonSchema, r#gen::SchemaGenerator, schema::Schema};
use serde::{Deserialize, Serialize};

use super::{
    allowed::Allowed,
    ids::{SessionId, TeamId, UserId},
    name::{matching, text},
    path,
};

/// What a user may do; the matrix is in [`super::access`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Admin,
    User,
    /// Sees all that administrators see, changes nothing and calls no route.
    Auditor,
    Readonly,
}

impl Role {
    /// Every role; of several that a token names, the first here counts.
    pub const ALL: [Self; 4] = [Self::Admin, Self::User, Self::Auditor, Self::Readonly];

    /// The word in configuration, API and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
            Self::Auditor => "auditor",
            Self::Readonly => "readonly",
        }
    }

    /// Whichever of the two may do less: `admin` > `user` > `readonly`, and `admin` > `auditor`. `None` where each may do
    /// what the other may not.
    #[must_use]
    pub const fn lesser(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Admin, role) | (role, Self::Admin) => Some(role),
            (Self::Auditor, Self::Auditor) => Some(Self::Auditor),
            (Self::Auditor, _) | (_, Self::Auditor) => None,
            (Self::Readonly, _) | (_, Self::Readonly) => Some(Self::Readonly),
            (Self::User, Self::User) => Some(Self::User),
        }
    }

    /// Whether this role, of an API key, may do what that of its user may not.
    #[must_use]
    pub fn is_beyond(self, user: Self) -> bool {
        self.lesser(user) != Some(self)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a user may log in and call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserStatus {
    Active,
    Disabled,
}

impl UserStatus {
    /// The word in configuration, API and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// Text that names no role or no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown {0}")]
pub struct UnknownName(&'static str);

impl FromStr for Role {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownName("role"))
    }
}

impl FromStr for UserStatus {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::Active, Self::Disabled].into_iter().find(|status| status.as_str() == text).ok_or(UnknownName("status"))
    }
}

/// The name a user logs in with: 1 to 64 characters of `A-Z a-z 0-9 . _ @ -`, so that it can stand in a log line, a
/// header or a shell without quoting. Names are compared by their exact bytes; no two that differ in case alone are given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Username(Arc<str>);

/// The longest name of a user, in bytes.
pub const MAX_USERNAME_BYTES: usize = 64;

impl Username {
    /// How a schema names this form of text.
    pub const FORMAT: &str = "username";

    /// A new name: one that can stand in a URL.
    pub fn new(text: &str) -> Result<Self, InvalidUsername> {
        let name: Self = text.parse()?;
        if path::can_name(&name.0) { Ok(name) } else { Err(InvalidUsername::DotSegment) }
    }

    /// The name as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared instead of copied.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl JsonSchema for Username {
    fn schema_name() -> String {
        "Username".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let description = "1 to 64 characters of `A-Z a-z 0-9 . _ @ -`, but not `.` or `..`.";
        text(Self::FORMAT, description, matching(r"^(?!\.{1,2}$)[A-Za-z0-9._@-]{1,64}$"))
    }
}

impl FromStr for Username {
    type Err = InvalidUsername;

    /// Reads a name that is stored: it may be from before names had to be as [`Username::new`] has them.
    fn from_str(text: &str) -> Result<Self, InvalidUsername> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._@-".contains(&b);
        let fits = !text.is_empty() && text.len() <= MAX_USERNAME_BYTES;
        (fits && text.bytes().all(plain)).then(|| Self(text.into())).ok_or(InvalidUsername::Characters)
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUsername {
    /// It is outside the alphabet or the length of [`Username`].
    #[error("must be 1 to 64 characters of A-Z a-z 0-9 . _ @ -")]
    Characters,
    /// Its address, `/by-name/..`, would be read as another's (RFC 3986 §5.2.4).
    #[error("must not be \".\" or \"..\": no URL can have such a name")]
    DotSegment,
}

/// Who a user is to a trusted outside issuer. Both are compared by their exact bytes (RFC 7519 §2, `StringOrURI`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OutsideIdentity {
    pub issuer: Arc<str>,
    pub subject: Arc<str>,
}

/// What the hot path must know of a user, published in the directory snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: UserId,
    pub username: Username,
    pub role: Role,
    pub status: UserStatus,
    pub team: Option<TeamId>,
    /// The models that the user may call.
    pub models: Allowed,
    /// Tokens of outside issuers that were made before this time are dead.
    pub tokens_not_before: Timestamp,
    /// True for a user of an outside issuer that no administrator has changed here.
    pub follows_issuer: bool,
}

/// What the hot path must know of a team, published in the directory snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    pub name: Arc<str>,
    /// The models that its users may call.
    pub models: Allowed,
}

/// What an API key may do of what its user may. The default is all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyBounds {
    pub name: Arc<str>,
    /// `None`: that of the user.
    pub role: Option<Role>,
    pub routes: Allowed,
    pub models: Allowed,
}

impl KeyBounds {
    /// What a call with the key may do: what both the key and its user may. `None` where that is nothing.
    #[must_use]
    pub const fn role_of(&self, user: Role) -> Option<Role> {
        match self.role {
            Some(role) => role.lesser(user),
            None => Some(user),
        }
    }
}

/// The kind of credential a call came with; of a token that an API key was exchanged for that is `api_key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    AccessToken,
    ApiKey,
    /// An access token of a trusted outside issuer.
    OutsideToken,
}

/// A credential by kind and id, never by its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Credential {
    pub kind: CredentialKind,
    pub id: String,
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub account: Arc<Account>,
    /// The user's team, if there is one.
    pub team: Option<Arc<Team>>,
    /// What the API key may do that the call came with, or that its token was exchanged for.
    pub bounds: Option<Arc<KeyBounds>>,
    /// What this call may do: the account's role, or less where the credential itself stands for less.
    pub role: Role,
    /// Absent where the credential itself is the proof: an API key, or a token of an outside issuer.
    pub session: Option<SessionId>,
    /// Of a token that an API key was exchanged for it is that key: whatever is counted for the key counts these calls too.
    pub credential: Credential,
    /// Of the secret of the API key that the call came with.
    pub secret_hash: Option<[u8; 32]>,
}

impl Principal {
    /// Whose list has none of the names of a model; `None` if the caller may call it.
    #[must_use]
    pub fn who_forbids(&self, names: &[&str]) -> Option<String> {
        let not_on = |list: &Allowed| !names.iter().any(|name| list.allows(name));
        if not_on(&self.account.models) {
            return Some(format!("the user {}", self.account.username));
        }
        if let Some(team) = self.team.as_ref().filter(|team| not_on(&team.models)) {
            return Some(format!("the team {}", team.name));
        }
        let bounds = self.bounds.as_ref().filter(|bounds| not_on(&bounds.models));
        bounds.map(|bounds| format!("the API key {}", bounds.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_that_would_need_quoting_is_refused() {
        for bad in ["", " ", "a b", "a\n", "ä", "a/b", "\0", &"x".repeat(65)] {
            assert_eq!(bad.parse::<Username>(), Err(InvalidUsername::Characters), "{bad:?}");
        }
        for bad in [".", ".."] {
            assert_eq!(Username::new(bad), Err(InvalidUsername::DotSegment), "{bad}");
            assert!(bad.parse::<Username>().is_ok(), "one that is stored stays: {bad}");
        }
        for good in ["admin", "a.b_c-d@example.com", &"x".repeat(64)] {
            assert!(good.parse::<Username>().is_ok(), "{good}");
        }
    }

    #[test]
    fn of_two_roles_the_lesser_is_the_one_that_may_do_less() {
        let ascending = [Role::Readonly, Role::User, Role::Admin];
        for (i, less) in ascending.into_iter().enumerate() {
            for more in &ascending[i..] {
                assert_eq!((less.lesser(*more), more.lesser(less)), (Some(less), Some(less)));
            }
            let with_auditor = if less == Role::Admin { Some(Role::Auditor) } else { None };
            assert_eq!((less.lesser(Role::Auditor), Role::Auditor.lesser(less)), (with_auditor, with_auditor));
        }
    }

    #[test]
    fn names_of_roles_are_read_in_one_spelling_only() {
        assert_eq!("admin".parse(), Ok(Role::Admin));
        for bad in ["Admin", "ADMIN", " admin", "root", ""] {
            assert!(bad.parse::<Role>().is_err(), "{bad}");
        }
    }
}
