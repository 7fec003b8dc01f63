//! Who may do what: the kinds of permission, and which roles have each. Which URL has which is the table in
//! `http/routes.rs`.

use super::{
    barrier::Barrier,
    principal::{Principal, Role},
    route::Route,
};

/// What a managed URL asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Answers without a credential.
    Public,
    /// Public where the operator says so, else for any signed-in caller.
    Docs,
    /// Public where the operator serves the console; else there is no such URL.
    Console,
    /// Public where people sign in at a provider; else there is no such URL.
    Provider,
    /// Any signed-in caller; for one who has no credential, a refresh token in a cookie is one.
    OwnOrCookie,
    /// Any signed-in caller; the objects are the caller's own.
    Own,
    /// Administrators; auditors, to look.
    Admin,
    /// Administrators, and those who may look at what they have set, auditors among them.
    AdminOrReadonly,
}

impl Permission {
    /// Whether a caller with this role may call the URL with this method, as far as the role decides it.
    #[must_use]
    pub fn allows(self, role: Role, method: &str) -> bool {
        match (self, role) {
            (Self::Public | Self::Docs | Self::Console | Self::Provider | Self::Own | Self::OwnOrCookie, _)
            | (_, Role::Admin)
            | (Self::AdminOrReadonly, Role::Readonly) => true,
            (Self::Admin | Self::AdminOrReadonly, Role::Auditor) => reads(method),
            (Self::Admin, Role::User | Role::Readonly) | (Self::AdminOrReadonly, Role::User) => false,
        }
    }
}

/// What keeps a caller from one of the gateway's own URLs with this method: the role, or what narrows the API key.
/// A key with a list of routes is for these and for what is its user's own: whoever hands it out gives nobody the
/// administration, by which any other key could be made.
pub fn manages(permission: Permission, caller: &Principal, method: &str) -> Result<(), Barrier> {
    let is_for_routes = caller.bounds.as_ref().is_some_and(|bounds| !bounds.routes.is_all());
    let administers = matches!(permission, Permission::Admin | Permission::AdminOrReadonly);
    match permission.allows(caller.role, method) {
        false => Err(Barrier::Roles),
        true if administers && is_for_routes => Err(Barrier::Key),
        true => Ok(()),
    }
}

/// On a proxied route a role must be listed, `readonly` may only read (GET and HEAD), and `auditor` may nothing.
#[must_use]
pub fn may_forward(listed: &[Role], role: Role, method: &str) -> bool {
    match role {
        Role::Auditor => false,
        Role::Readonly => listed.contains(&role) && reads(method),
        Role::Admin | Role::User => listed.contains(&role),
    }
}

/// What keeps a caller from a route with this method: the role, or what narrows the route or the API key.
pub fn calls(route: &Route, caller: &Principal, method: &str) -> Result<(), Barrier> {
    if !may_forward(&route.roles, caller.role, method) {
        return Err(Barrier::Roles);
    }
    route.only.admits(caller)?;
    let is_of_key = caller.bounds.as_ref().is_none_or(|bounds| bounds.routes.allows(&route.name));
    if is_of_key { Ok(()) } else { Err(Barrier::Key) }
}

/// Whether a caller may call a route with this method.
#[must_use]
pub fn may_call(route: &Route, caller: &Principal, method: &str) -> bool {
    calls(route, caller, method).is_ok()
}

fn reads(method: &str) -> bool {
    matches!(method, "GET" | "HEAD")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_admin_passes_an_admin_permission() {
        assert!(Permission::Admin.allows(Role::Admin, "POST"));
        assert!(!Permission::Admin.allows(Role::User, "GET"));
        assert!(!Permission::Admin.allows(Role::Readonly, "GET"));
    }

    #[test]
    fn an_auditor_looks_at_everything_changes_nothing_and_calls_no_route() {
        for permission in [Permission::Admin, Permission::AdminOrReadonly] {
            for (method, allowed) in [("GET", true), ("HEAD", true), ("POST", false), ("PUT", false)] {
                assert_eq!(permission.allows(Role::Auditor, method), allowed, "{method}");
            }
        }
        assert!(Permission::Own.allows(Role::Auditor, "POST"));
        assert!(!may_forward(&Role::ALL, Role::Auditor, "GET"));
    }

    #[test]
    fn readonly_may_look_where_a_user_may_not() {
        assert!(Permission::AdminOrReadonly.allows(Role::Admin, "GET"));
        assert!(Permission::AdminOrReadonly.allows(Role::Readonly, "GET"));
        assert!(!Permission::AdminOrReadonly.allows(Role::User, "GET"));
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
