//! The names in `/admin/<list>/by-name/<name>`.
//!
//! They are read from the raw bytes of the path: the framework leaves some escapes as they are. A name at the end of a path may
//! have slashes, as they are or escaped ([`path::check_own`](crate::domain::path::check_own)).

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    extract::{QueryOf, path_text},
    input,
    openapi::operation::{Argument, Draft},
    problem::{Problem, documented::RefusalKind},
};
use crate::domain::{
    display_name::DisplayName, limit::SubjectText, name::Name, percent, principal::Username, refusal::Refusal,
};

/// The `{name}` of `/admin/limits/by-name/{name}` or `/admin/budgets/by-name/{name}`.
pub struct ListedName(pub String);

/// The `{name}` of `/admin/teams/by-name/{name}`.
pub struct TeamName(pub String);

/// The `{username}` of `/admin/users/by-name/{username}`.
pub struct PathUsername(pub String);

/// Both names of `/admin/users/by-name/{username}/api-keys/by-name/{name}`.
pub struct KeyName {
    /// Whose key it is.
    pub username: String,
    /// What the key is called.
    pub name: String,
}

/// The name of a limit or a budget, and whose it is.
pub struct SubjectName {
    /// The `{name}` of the path.
    pub name: String,
    /// The query.
    pub of: OfSubject,
}

/// Whose limit or budget of the name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfSubject {
    /// The name or the id of its subject, or the address as it was written; without it, the one that has none.
    #[schemars(with = "Option<SubjectText>")]
    pub subject: Option<String>,
}

/// The segment `at`, counted from the slash at the beginning, and with `rest` all that follows.
fn text(request: &HttpRequest, at: usize, rest: bool) -> Result<String, Problem> {
    let path = request.uri().path();
    let found = if rest { path.splitn(at.saturating_add(1), '/').nth(at) } else { path.split('/').nth(at) };
    let name = found.and_then(percent::decoded).filter(|name| !name.chars().any(char::is_control));
    name.ok_or(Problem(Refusal::NotFound))
}

impl FromRequest for ListedName {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(text(request, 4, true).map(Self))
    }
}

impl FromRequest for TeamName {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(text(request, 4, true).map(Self))
    }
}

impl FromRequest for SubjectName {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let of = || input::query(request.query_string()).map_err(Problem);
        ready(text(request, 4, true).and_then(|name| Ok(Self { name, of: of()? })))
    }
}

impl FromRequest for PathUsername {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(text(request, 4, false).map(Self))
    }
}

impl FromRequest for KeyName {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let names = || Ok(Self { username: text(request, 4, false)?, name: text(request, 7, true)? });
        ready(names())
    }
}

impl Argument for ListedName {
    fn describe(draft: &mut Draft<'_>) {
        path_text::<Name>(draft, "name");
        draft.refuses(&[RefusalKind::NotFound]);
    }
}

impl Argument for TeamName {
    fn describe(draft: &mut Draft<'_>) {
        path_text::<DisplayName>(draft, "name");
        draft.refuses(&[RefusalKind::NotFound]);
    }
}

impl Argument for SubjectName {
    fn describe(draft: &mut Draft<'_>) {
        ListedName::describe(draft);
        QueryOf::<OfSubject>::describe(draft);
    }
}

impl Argument for PathUsername {
    fn describe(draft: &mut Draft<'_>) {
        path_text::<Username>(draft, "username");
        draft.refuses(&[RefusalKind::NotFound]);
    }
}

impl Argument for KeyName {
    fn describe(draft: &mut Draft<'_>) {
        path_text::<Username>(draft, "username");
        path_text::<DisplayName>(draft, "name");
        draft.refuses(&[RefusalKind::NotFound]);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_name_is_read_to_its_end_with_its_slashes() {
        for (path, at, rest, name) in [
            ("/admin/teams/by-name/research", 4, true, Some("research")),
            ("/admin/teams/by-name/R%26D/Wien%20S%C3%BCd", 4, true, Some("R&D/Wien Süd")),
            ("/admin/users/by-name/ann/api-keys/by-name/ci/2", 4, false, Some("ann")),
            ("/admin/users/by-name/ann/api-keys/by-name/ci/2", 7, true, Some("ci/2")),
            ("/admin/teams/by-name/50%25/%252F%2Fa%5Cb", 4, true, Some("50%/%2F/a\\b")),
            ("/admin/teams/by-name/a%0Ab", 4, true, None),
            ("/admin/teams/by-name/%FF", 4, true, None),
        ] {
            let request = TestRequest::with_uri(path).to_http_request();
            assert_eq!(text(&request, at, rest).ok().as_deref(), name, "{path}");
        }
    }
}
