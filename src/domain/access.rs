//! Who may do what: the permission of every URL, and the rule that applies it.

use super::principal::Role;

/// What a managed URL asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Answers without a credential.
    Public,
    /// Public where the operator says so, else for any signed-in caller.
    Docs,
    /// Public where the operator serves the console; else there is no such URL.
    Console,
    /// Any signed-in caller; for one who has no credential, a refresh token in a cookie is one.
    OwnOrCookie,
    /// Any signed-in caller; the objects are the caller's own.
    Own,
    /// Administrators only.
    Admin,
    /// Administrators, and those who may look at what they have set.
    AdminOrReadonly,
}

impl Permission {
    /// Whether a caller with this role may call the URL, as far as the role decides it.
    #[must_use]
    pub const fn allows(self, role: Role) -> bool {
        match self {
            Self::Public | Self::Docs | Self::Console | Self::Own | Self::OwnOrCookie => true,
            Self::Admin => matches!(role, Role::Admin),
            Self::AdminOrReadonly => matches!(role, Role::Admin | Role::Readonly),
        }
    }
}

/// On a proxied route a role must be listed, and `readonly` may only read (GET and HEAD).
#[must_use]
pub fn may_forward(listed: &[Role], role: Role, method: &str) -> bool {
    let reads = matches!(method, "GET" | "HEAD");
    listed.contains(&role) && (role != Role::Readonly || reads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_admin_passes_an_admin_permission() {
        assert!(Permission::Admin.allows(Role::Admin));
        assert!(!Permission::Admin.allows(Role::User));
        assert!(!Permission::Admin.allows(Role::Readonly));
    }

    #[test]
    fn readonly_may_look_where_a_user_may_not() {
        assert!(Permission::AdminOrReadonly.allows(Role::Admin));
        assert!(Permission::AdminOrReadonly.allows(Role::Readonly));
        assert!(!Permission::AdminOrReadonly.allows(Role::User));
    }

    #[test]
    fn readonly_never_changes_anything_even_where_it_is_listed() {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            assert!(!may_forward(&Role::ALL, Role::Readonly, method), "{method}");
            assert!(may_forward(&Role::ALL, Role::User, method), "{method}");
        }
        assert!(may_forward(&Role::ALL, Role::Readonly, "GET"));
        assert!(may_forward(&Role::ALL, Role::Readonly, "HEAD"));
    }

    #[test]
    fn a_role_that_is_not_listed_is_refused_even_for_an_admin() {
        assert!(!may_forward(&[Role::User], Role::Admin, "GET"));
    }
}
