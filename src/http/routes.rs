//! Every URL of the gateway itself, and who may call it. What is not here and not a configured route does not exist.

use actix_web::{
    App, Error, HttpRequest, HttpResponse,
    dev::{ServiceFactory, ServiceRequest},
    http::Method,
    web,
};
use apistos_models::paths::OperationType;

use super::{
    api_keys, audit, auth, budgets, cache, configured, console, docs, health, keys, limits, me, models, oauth, oidc,
    openapi::{Document, NoDocument, Operations, Url},
    prices,
    problem::{self, documented::RefusalKind},
    replay, sessions, signing_keys, teams, traffic, usage, users,
};
use crate::{
    domain::{access::Permission, route},
    pipeline::urls::{Managed, ManagedUrl},
};

macro_rules! urls {
    ($($method:ident $template:literal $permission:ident => $handler:path $(, $refusal:ident)*;)*) => {
        /// Method, URL and permission of every handler.
        pub const TABLE: &[(&str, ManagedUrl)] = &[$(
            (method!($method).0, ManagedUrl { template: $template, permission: Permission::$permission }),
        )*];

        /// Registers every handler at its URL.
        pub fn register<T>(app: App<T>) -> App<T>
        where
            T: ServiceFactory<ServiceRequest, Config = (), Error = Error, InitError = ()>,
        {
            app$(
                .route(&pattern($template), web::$method().to($handler))
                .route(&pattern($template), web::method(Method::OPTIONS).to(options))
            )*
            .default_service(web::to(options))
        }

        /// The OpenAPI document of every URL: from its row, and from what its handler takes and answers.
        pub fn document() -> Result<Document, NoDocument> {
            let mut operations = Operations::default();
            $(operations.add(
                &Url {
                    method: method!($method).1,
                    template: $template,
                    permission: Permission::$permission,
                    handler: stringify!($handler),
                    refuses: &[$(RefusalKind::$refusal),*],
                },
                &$handler,
            )?;)*
            Document::of(operations)
        }
    };
}

/// As the framework writes a template: a name that ends it may have slashes.
fn pattern(template: &str) -> String {
    match template.strip_suffix(BY_NAME) {
        Some(before) => format!("{before}/by-name/{{name:.+}}"),
        None => template.replace(MODEL, "{model:.+}"),
    }
}

/// A parameter that takes all that is left of a path.
const MODEL: &str = "{model}";

/// The end of a template with another one.
const BY_NAME: &str = "/by-name/{name}";

/// The first of the URLs that a configured route may have in their place.
const MODELS: &str = "/v1/models";

/// The target of a request about the server as a whole.
const ANY: &str = "*";

/// The other URLs of the gateway that a route may take.
const OUTSIDE: [&str; 2] = ["/", "/favicon.ico"];

/// The method of a row: as it stands in a request, and as the document names it.
macro_rules! method {
    (get) => {
        ("GET", OperationType::Get)
    };
    (post) => {
        ("POST", OperationType::Post)
    };
    (put) => {
        ("PUT", OperationType::Put)
    };
    (patch) => {
        ("PATCH", OperationType::Patch)
    };
    (delete) => {
        ("DELETE", OperationType::Delete)
    };
}

// Behind a handler stands what it refuses besides what its permission and its signature say.
urls! {
    get    "/healthz"               Public => health::healthz;
    get    "/readyz"                Public => health::readyz;
    get    "/.well-known/jwks.json" Public => keys::jwks;
    get    "/.well-known/oauth-authorization-server" Public => oauth::metadata;
    get    "/"                      Console => console::home;
    get    "/favicon.ico"           Console => console::icon;
    get    "/console"               Console => console::lead;
    get    "/console/"              Console => console::page;
    get    "/console/{file}"        Console => console::file;
    get    "/docs"                  Docs   => docs::page;
    get    "/docs/"                 Docs   => docs::lead;
    get    "/docs/problems"         Docs   => docs::problems;
    get    "/docs/problems/"        Docs   => docs::lead_to_problems;
    get    "/docs/routes"           Docs   => docs::routes;
    get    "/openapi.json"          Docs   => docs::document;

    get    "/v1/models"             Own    => models::list;
    get    "/v1/models/{model}"     Own    => models::show;

    post   "/auth/login"            Public => auth::login, WrongPassword;
    post   "/auth/refresh"          Public => auth::refresh, Unauthenticated, Forbidden;
    post   "/auth/logout"           OwnOrCookie => auth::logout, Conflict, Forbidden;
    get    "/auth/ways"             Public => oidc::ways;
    get    "/auth/oidc/start"       Provider => oidc::start;
    get    "/auth/oidc/callback"    Provider => oidc::callback;
    post   "/oauth/token"           Public => oauth::token, InvalidGrant, Unauthenticated;
    post   "/oauth/revoke"          Public => oauth::revoke;

    get    "/me"                    Own    => me::show;
    post   "/me/password"           Own    => me::password::change, Conflict;
    get    "/me/usage"              Own    => usage::own;
    get    "/me/api-keys"           Own    => api_keys::list_own;
    post   "/me/api-keys"           Own    => api_keys::create_own, Forbidden;
    delete "/me/api-keys/{id}"      Own    => api_keys::revoke_own;
    post   "/me/api-keys/{id}/rotate" Own  => api_keys::rotation::rotate_own, Forbidden, Conflict;
    get    "/me/sessions"           Own    => sessions::list_own;
    delete "/me/sessions/{id}"      Own    => sessions::end_own;

    get    "/admin/users"           Admin  => users::list;
    post   "/admin/users"           Admin  => users::create;
    get    "/admin/users/by-name/{username}" Admin => users::by_name::show;
    put    "/admin/users/by-name/{username}" Admin => users::by_name::put;
    patch  "/admin/users/by-name/{username}" Admin => users::by_name::change, Conflict;
    delete "/admin/users/by-name/{username}" Admin => users::by_name::delete, Conflict;
    get    "/admin/users/by-name/{username}/api-keys" Admin => api_keys::by_name::list;
    get    "/admin/users/by-name/{username}/api-keys/by-name/{name}" Admin => api_keys::by_name::show, Conflict;
    put    "/admin/users/by-name/{username}/api-keys/by-name/{name}" Admin => api_keys::by_name::put;
    patch  "/admin/users/by-name/{username}/api-keys/by-name/{name}" Admin => api_keys::by_name::change, Conflict;
    delete "/admin/users/by-name/{username}/api-keys/by-name/{name}" Admin => api_keys::by_name::revoke, Conflict;
    get    "/admin/users/{id}"      Admin  => users::show;
    patch  "/admin/users/{id}"      Admin  => users::change, Conflict;
    delete "/admin/users/{id}"      Admin  => users::delete, Conflict;
    get    "/admin/users/{id}/sessions" Admin => sessions::list_of_user;
    delete "/admin/users/{id}/sessions" Admin => sessions::end_all_of_user;
    get    "/admin/users/{id}/api-keys" Admin => api_keys::list_of_user;
    post   "/admin/users/{id}/api-keys" Admin => api_keys::create_for_user;
    get    "/admin/api-keys/{id}"   Admin  => api_keys::terms::show;
    patch  "/admin/api-keys/{id}"   Admin  => api_keys::terms::change, Conflict;
    delete "/admin/api-keys/{id}"   Admin  => api_keys::terms::revoke;
    post   "/admin/api-keys/{id}/rotate" Admin => api_keys::rotation::rotate_any, Conflict;
    get    "/admin/teams"           Admin  => teams::list;
    post   "/admin/teams"           Admin  => teams::create;
    get    "/admin/teams/by-name/{name}" Admin => teams::by_name::show;
    put    "/admin/teams/by-name/{name}" Admin => teams::by_name::put;
    patch  "/admin/teams/by-name/{name}" Admin => teams::by_name::change, Conflict;
    delete "/admin/teams/by-name/{name}" Admin => teams::by_name::delete, Conflict;
    get    "/admin/teams/{id}"      Admin  => teams::show;
    patch  "/admin/teams/{id}"      Admin  => teams::change, Conflict;
    delete "/admin/teams/{id}"      Admin  => teams::delete, Conflict;
    post   "/admin/teams/{id}/api-keys" Admin => api_keys::of_team::create;
    get    "/admin/limits"          AdminOrReadonly => limits::list;
    post   "/admin/limits"          Admin  => limits::create;
    get    "/admin/limits/by-name/{name}" AdminOrReadonly => limits::by_name::show;
    put    "/admin/limits/by-name/{name}" Admin => limits::by_name::put;
    patch  "/admin/limits/by-name/{name}" Admin => limits::by_name::change, Conflict;
    delete "/admin/limits/by-name/{name}" Admin => limits::by_name::delete;
    get    "/admin/limits/{id}"     AdminOrReadonly => limits::show;
    patch  "/admin/limits/{id}"     Admin  => limits::change, Conflict;
    delete "/admin/limits/{id}"     Admin  => limits::delete;
    get    "/admin/budgets"         AdminOrReadonly => budgets::list;
    post   "/admin/budgets"         Admin  => budgets::create;
    get    "/admin/budgets/by-name/{name}" AdminOrReadonly => budgets::by_name::show;
    put    "/admin/budgets/by-name/{name}" Admin => budgets::by_name::put;
    patch  "/admin/budgets/by-name/{name}" Admin => budgets::by_name::change, Conflict;
    delete "/admin/budgets/by-name/{name}" Admin => budgets::by_name::delete;
    get    "/admin/budgets/{id}"    AdminOrReadonly => budgets::show;
    patch  "/admin/budgets/{id}"    Admin  => budgets::change, Conflict;
    delete "/admin/budgets/{id}"    Admin  => budgets::delete;
    get    "/admin/upstreams"       Admin  => configured::upstreams;
    post   "/admin/upstreams"       Admin  => configured::create_upstream;
    get    "/admin/upstreams/{name}" Admin => configured::upstream;
    put    "/admin/upstreams/{name}" Admin => configured::put_upstream;
    patch  "/admin/upstreams/{name}" Admin => configured::change_upstream, Conflict;
    delete "/admin/upstreams/{name}" Admin => configured::delete_upstream, Conflict;
    get    "/admin/routes"          Admin  => configured::routes;
    post   "/admin/routes"          Admin  => configured::create_route;
    get    "/admin/routes/{name}"   Admin  => configured::route;
    put    "/admin/routes/{name}" Admin => configured::put_route;
    patch  "/admin/routes/{name}"   Admin  => configured::change_route, Conflict;
    delete "/admin/routes/{name}"   Admin  => configured::delete_route, Conflict;
    get    "/admin/models"          Admin  => configured::models;
    post   "/admin/models"          Admin  => configured::create_model;
    get    "/admin/models/{model}"  Admin  => configured::model;
    put    "/admin/models/{model}" Admin => configured::put_model;
    patch  "/admin/models/{model}"  Admin  => configured::change_model, Conflict;
    delete "/admin/models/{model}"  Admin  => configured::delete_model, Conflict;
    get    "/admin/status"          Admin  => health::status;
    get    "/admin/prices"          Admin  => prices::list, NotFound;
    put    "/admin/prices"          Admin  => prices::put, Conflict;
    delete "/admin/cache"           Admin  => cache::purge;
    get    "/admin/usage"           AdminOrReadonly => usage::all;
    get    "/admin/traffic"         Admin  => traffic::show;
    post   "/admin/replay"          Admin  => replay::run;
    get    "/admin/signing-keys"    Admin  => signing_keys::list;
    post   "/admin/signing-keys/rotate" Admin => signing_keys::rotate;
    get    "/admin/audit"           Admin  => audit::list;
    get    "/admin/audit/checkpoints" Admin => audit::checkpoints::list;
    get    "/admin/audit/{id}"      Admin  => audit::show;
}

/// `OPTIONS` of a URL that is public: the methods that it takes; of `*`, those that any URL takes (RFC 9110 §9.3.7).
async fn options(request: HttpRequest) -> HttpResponse {
    let path = request.uri().path();
    let methods = TABLE.iter().filter(|(_, url)| path == ANY || matches(url.template, path));
    let methods = methods.map(|(method, _)| allowed_with(method).to_owned()).chain(["OPTIONS".to_owned()]);
    problem::methods(&methods.collect::<Vec<_>>())
}

fn methods_at(path: &str) -> impl Iterator<Item = String> {
    TABLE.iter().filter(move |(_, url)| matches(url.template, path)).map(|(method, _)| allowed_with(method).to_owned())
}

/// Finds one of the gateway's own URLs by the raw bytes of the path. Where GET is, HEAD is too (RFC 9110 §9.1); what is
/// public says its methods by OPTIONS, as the probes of some balancers ask.
#[must_use]
pub fn find(method: &str, path: &str) -> Managed {
    if method == "OPTIONS" && path == ANY {
        return Managed::Found(ManagedUrl { template: ANY, permission: Permission::Public });
    }
    // Nearly every request is for a configured route: it is not compared with the whole table.
    if route::reserved(path).is_none() && !path.starts_with(MODELS) && !OUTSIDE.contains(&path) {
        return Managed::NotManaged;
    }
    let matching = || TABLE.iter().filter(|(_, url)| matches(url.template, path));
    let wanted = if method == "HEAD" { "GET" } else { method };
    let is_open =
        |url: &ManagedUrl| matches!(url.permission, Permission::Public | Permission::Docs | Permission::Console);
    if let Some((_, url)) = matching().find(|(m, url)| *m == wanted || (method == "OPTIONS" && is_open(url))) {
        return Managed::Found(*url);
    }
    let others: Vec<String> = methods_at(path).collect();
    match others.is_empty() {
        false => Managed::OtherMethods(others),
        true if route::reserved(path).is_some() => Managed::Reserved,
        true => Managed::NotManaged,
    }
}

/// The changes that take a query, which their handlers read. A PUT has its subject in its body.
const WITH_QUERY: [(&str, &str); 5] = [
    ("PATCH", "/admin/limits/by-name/{name}"),
    ("DELETE", "/admin/limits/by-name/{name}"),
    ("PATCH", "/admin/budgets/by-name/{name}"),
    ("DELETE", "/admin/budgets/by-name/{name}"),
    ("DELETE", "/admin/cache"),
];

/// Where parameters that are not known are ignored (RFC 6749 §3.2).
const OAUTH: &str = "/oauth/";

/// Whether a change by this method at this URL may have a query.
#[must_use]
pub fn may_have_query(method: &str, url: &ManagedUrl) -> bool {
    WITH_QUERY.contains(&(method, url.template)) || url.template.starts_with(OAUTH)
}

/// Whether a handler asks which version is there: of what administrators made, each of which has an address of its own.
#[must_use]
pub fn has_version(method: &str, url: &ManagedUrl) -> bool {
    matches!(method, "PUT" | "PATCH" | "DELETE") && url.template.starts_with("/admin/") && url.template.ends_with('}')
}

/// Whether a change that is asked of this URL goes on when its client leaves. A replay is asked by POST and only reads.
#[must_use]
pub fn goes_on(url: &ManagedUrl) -> bool {
    url.template != REPLAY
}

const REPLAY: &str = "/admin/replay";

const fn allowed_with(method: &'static str) -> &'static str {
    match method.as_bytes() {
        b"GET" => "GET, HEAD",
        _ => method,
    }
}

/// A `{parameter}` takes one segment that is not empty, a name at the end of a template as many as there are; all else is
/// compared byte for byte. The first row that matches is the one, as it is for the framework: the names come before the ids.
fn matches(template: &str, path: &str) -> bool {
    let takes_rest = |want: &str| want == MODEL || (want == "{name}" && template.ends_with(BY_NAME));
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(want), Some(got)) if takes_rest(want) => return !got.is_empty() && !path.ends_with('/'),
            (Some(want), Some(got)) if want == got || (want.starts_with('{') && !got.is_empty()) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_is_found_with_its_method_and_no_other() {
        for (method, url) in TABLE {
            let path = url.template.replace("{id}", "0190").replace(MODEL, "a/b");
            assert_eq!(find(method, &path), Managed::Found(*url));
            assert!(matches!(find("TRACE", &path), Managed::OtherMethods(_)), "{path}");
            assert_ne!(find(method, &format!("{path}/")), Managed::Found(*url));
        }
    }

    #[test]
    fn the_changes_that_take_a_query_are_those_of_the_document() {
        let document: serde_json::Value = serde_json::from_slice(&document().unwrap().bytes()).unwrap();
        let has_query = |operation: &serde_json::Value| {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            parameters.iter().any(|parameter| parameter["in"] == "query")
        };
        let mut with = vec![];
        for (path, item) in document["paths"].as_object().unwrap() {
            let changes = item.as_object().unwrap().iter().filter(|(method, _)| *method != "get");
            with.extend(
                changes.filter(|(_, change)| has_query(change)).map(|(method, _)| (method.to_uppercase(), &**path)),
            );
        }
        let mut listed = WITH_QUERY.map(|(method, template)| (method.to_owned(), template));
        listed.sort_unstable();
        with.sort_unstable();
        assert_eq!(with, listed);
    }

    #[test]
    fn the_changes_that_ask_for_a_version_are_those_of_the_document() {
        let document: serde_json::Value = serde_json::from_slice(&document().unwrap().bytes()).unwrap();
        for (method, url) in TABLE {
            let operation = &document["paths"][url.template][method.to_lowercase()];
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let asks = parameters.iter().any(|parameter| parameter["name"] == "If-Match");
            assert_eq!(has_version(method, url), asks, "{method} {}", url.template);
        }
    }

    #[test]
    fn a_name_is_told_from_an_id_and_may_have_slashes() {
        for (method, path, template) in [
            ("GET", "/admin/teams/by-name/a/b", "/admin/teams/by-name/{name}"),
            ("GET", "/admin/users/by-name/sessions", "/admin/users/by-name/{username}"),
            ("GET", "/admin/users/0190/sessions", "/admin/users/{id}/sessions"),
            (
                "PUT",
                "/admin/users/by-name/a/api-keys/by-name/b/c",
                "/admin/users/by-name/{username}/api-keys/by-name/{name}",
            ),
        ] {
            let Managed::Found(url) = find(method, path) else { panic!("{path}") };
            assert_eq!(url.template, template);
        }
        assert!(matches!(find("GET", "/admin/users/by-name/a/b"), Managed::Reserved));
        assert!(matches!(find("GET", "/admin/teams/by-name/a/"), Managed::Reserved));
    }

    #[test]
    fn nothing_below_a_reserved_path_is_looked_for_among_the_routes() {
        for first in route::RESERVED {
            assert_ne!(find("GET", &format!("/{first}/nothing/here")), Managed::NotManaged, "{first}");
        }
        assert_eq!(find("GET", "/echo"), Managed::NotManaged);
        assert_eq!(find("GET", "/administration"), Managed::NotManaged);
        assert_eq!(find("GET", "/x"), Managed::NotManaged);
    }
}
