//! Who may call what: every URL, every method, every kind of caller.

use serde_json::{Value, json};
use tollgate::{
    config::Config,
    credentials::jwt::Claims,
    domain::{
        access::{Permission, may_forward},
        principal::Role,
    },
    http::routes::TABLE,
};

use super::support::{
    ADMIN_PASSWORD, Setup, TestGateway, TestStore,
    forge::{Forge, part},
};

on_both_stores!(
    every_caller_gets_what_the_table_says_and_nothing_else,
    nobody_learns_whether_anything_exists,
    a_credential_in_the_query_is_none,
    two_credentials_that_differ_are_ambiguous,
    the_same_credential_twice_is_one,
    a_token_that_was_tampered_with_is_refused,
    documentation_that_is_not_public_asks_for_a_credential,
    head_is_answered_wherever_get_is,
);

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
const NO_SUCH_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Who calls: a token, and the role that it stands for if it is any good.
struct Caller {
    name: &'static str,
    token: Option<String>,
    role: Option<Role>,
}

async fn callers(gateway: &TestGateway) -> Vec<Caller> {
    let caller = |name, token: &str, role| Caller { name, token: Some(token.to_owned()), role };
    let disabled = gateway.user("disabled", "admin").await;
    gateway.patch(&disabled.id, &json!({ "status": "disabled" })).await.expect(200);
    let revoked = gateway.user("revoked", "admin").await;
    gateway
        .request("DELETE", &format!("/admin/users/{}/sessions", revoked.id))
        .token(&gateway.admin)
        .send()
        .await
        .expect(204);
    let logged_out = gateway.user("logged-out", "admin").await;
    gateway.post("/auth/logout").token(&logged_out.token).send().await.expect(204);
    vec![
        Caller { name: "nobody", token: None, role: None },
        caller("readonly", &gateway.user("reader", "readonly").await.token, Some(Role::Readonly)),
        caller("auditor", &gateway.user("auditor", "auditor").await.token, Some(Role::Auditor)),
        caller("user", &gateway.user("user", "user").await.token, Some(Role::User)),
        caller("admin", &gateway.admin, Some(Role::Admin)),
        caller("disabled", &disabled.token, None),
        caller("logged out", &logged_out.token, None),
        caller("revoked", &revoked.token, None),
        caller("expired", &expired(gateway).await, None),
        caller("readonly by API key", &api_key(gateway, "reading-key", "readonly").await, Some(Role::Readonly)),
        caller("user by API key", &api_key(gateway, "using-key", "user").await, Some(Role::User)),
        caller("revoked API key", &revoked_api_key(gateway).await, None),
        caller("API key of nobody", &format!("tg_{NO_SUCH_ID}_{}", "0".repeat(64)), None),
        caller("garbage", "eyJhbGciOiJub25lIn0.e30.", None),
    ]
}

/// A token of the administrator's whose time was over an hour ago.
async fn expired(gateway: &TestGateway) -> String {
    let forge = Forge::of(gateway, &gateway.admin).await;
    let mut claims: Value = serde_json::from_slice(&part(&gateway.admin, 1)).unwrap();
    for name in ["iat", "nbf", "exp"] {
        claims[name] = (claims[name].as_i64().unwrap() - 4_500).into();
    }
    let claims: Claims = serde_json::from_value(claims).unwrap();
    forge.sign(&forge.header(), &serde_json::to_string(&claims).unwrap())
}

async fn api_key(gateway: &TestGateway, username: &str, role: &str) -> String {
    let user = gateway.user(username, role).await;
    let request = gateway.post("/me/api-keys").token(&user.token).json(&json!({ "name": "key" }));
    request.send().await.expect(201).json()["key"].as_str().unwrap().to_owned()
}

async fn revoked_api_key(gateway: &TestGateway) -> String {
    let key = api_key(gateway, "revoked-key", "admin").await;
    let path = format!("/admin/api-keys/{}", key.split('_').nth(1).unwrap());
    gateway.request("DELETE", &path).token(&gateway.admin).send().await.expect(204);
    key
}

/// One place, and who may do what there, by method.
struct Place {
    path: String,
    methods: Vec<(String, Rule)>,
}

/// Who may call with one method.
enum Rule {
    Managed(Permission),
    Route(Vec<Role>),
}

impl Rule {
    fn allows(&self, role: Option<Role>, method: &str) -> bool {
        match (self, role) {
            (Self::Managed(Permission::Public | Permission::Docs | Permission::Console), _) => true,
            (_, None) | (Self::Managed(Permission::Provider), _) => false,
            (Self::Managed(permission), Some(role)) => permission.allows(role, method),
            (Self::Route(roles), Some(role)) => may_forward(roles, role, method),
        }
    }
}

impl Place {
    fn managed(template: &'static str) -> Self {
        let here = TABLE.iter().filter(|(_, url)| url.template == template);
        let methods = here.map(|(method, url)| ((*method).to_owned(), Rule::Managed(url.permission)));
        Self {
            path: template
                .replace("{id}", NO_SUCH_ID)
                .replace("{model}", "no/such")
                .replace("{file}", "no.js")
                .replace("{username}", "no-such")
                .replace("{name}", "no-such"),
            methods: methods.collect(),
        }
    }

    fn all() -> Vec<Self> {
        let mut templates: Vec<&str> = TABLE.iter().map(|(_, url)| url.template).collect();
        templates.sort_unstable();
        templates.dedup();
        let mut places: Vec<Self> = templates.into_iter().map(Self::managed).collect();
        for route in Config::built_in().unwrap().routes {
            let methods = route.methods.iter().map(|method| (method.clone(), Rule::Route(route.roles.clone())));
            places.push(Self { path: route.path.clone(), methods: methods.collect() });
        }
        let unknown = ["/nothing", "/admin/nothing", "/auth", "/me/", "/echoes", "/.well-known/", "/v1"];
        places.extend(unknown.map(|path| Self { path: path.into(), methods: vec![] }));
        places
    }

    /// What the contract says of a call here; `None` where the call is let in.
    fn refusal(&self, method: &str, caller: &Caller) -> Option<(u16, &'static str)> {
        let is_open = |(_, rule): &(String, Rule)| {
            matches!(rule, Rule::Managed(Permission::Public | Permission::Docs | Permission::Console))
        };
        if method == "OPTIONS" && self.methods.iter().any(is_open) {
            return None;
        }
        let rule = self.methods.iter().find(|(m, _)| m == method).map(|(_, rule)| rule);
        match rule {
            Some(rule) if rule.allows(caller.role, method) => None,
            _ if caller.role.is_none() => Some((401, "")),
            // No provider is configured here.
            Some(Rule::Managed(Permission::Provider)) => Some((404, "not-found")),
            Some(_) => Some((403, "forbidden")),
            None if self.methods.is_empty() => Some((404, "not-found")),
            None => Some((405, "method-not-allowed")),
        }
    }
}

async fn every_caller_gets_what_the_table_says_and_nothing_else(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for caller in callers(&gateway).await {
        for place in Place::all() {
            for method in METHODS {
                // One would end the session that the other calls need, one is by no API key; both have tests of their own.
                let own_key = format!("/me/api-keys/{NO_SUCH_ID}/rotate");
                let is_special = method == "POST" && ["/auth/logout", &own_key].contains(&place.path.as_str());
                if caller.role.is_none() || !is_special {
                    check(&gateway, &caller, &place, method).await;
                }
            }
        }
    }
    gateway.finish().await;
}

async fn check(gateway: &TestGateway, caller: &Caller, place: &Place, method: &str) {
    let mut request = gateway.request(method, &place.path);
    if let Some(token) = &caller.token {
        request = request.token(token);
    }
    let answer = request.send().await;
    let call = format!("{method} {} by {}: {} {}", place.path, caller.name, answer.status, answer.text());
    match place.refusal(method, caller) {
        None => assert!(![401, 403, 405].contains(&answer.status) && answer.status < 500, "{call}"),
        Some((status, _)) if answer.status != status => panic!("{call}, not {status}"),
        Some((401, _)) => assert!(answer.header("www-authenticate").is_some_and(|c| c.starts_with("Bearer")), "{call}"),
        Some((status, code)) => drop(answer.problem(status, code)),
    }
    if answer.status == 405 {
        let allowed: Vec<&str> = answer.header("allow").unwrap().split(", ").collect();
        assert!(place.methods.iter().all(|(method, _)| allowed.contains(&method.as_str())), "{call}: {allowed:?}");
    }
}

async fn nobody_learns_whether_anything_exists(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let paths = ["//", "/nothing", "/admin/nothing", "/%61dmin/users", "/..%2fadmin", "/admin/../healthz", "/me?x=1"];
    let more = [
        "/admin/users/",
        "/healthz/",
        "/healthz/..",
        "/%68ealthz",
        "/HEALTHZ",
        "/auth/login/",
        "/docs/x",
        "/%",
        "/a\\b",
    ];
    for path in paths.into_iter().chain(more) {
        for method in METHODS.into_iter().chain(["HEAD"]) {
            let answer = gateway.request(method, path).send().await;
            assert_eq!(answer.status, 401, "{method} {path}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {path}");
        }
    }
    gateway.finish().await;
}

async fn a_credential_in_the_query_is_none(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for name in ["access_token", "token", "api_key", "authorization"] {
        for path in ["/me", "/echo", "/admin/users"] {
            let answer = gateway.get(&format!("{path}?{name}={}", gateway.admin)).send().await;
            answer.problem(401, "missing-credential");
        }
    }
    gateway.finish().await;
}

async fn two_credentials_that_differ_are_ambiguous(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let other = gateway.user("other", "user").await;
    for path in ["/me", "/echo", "/admin/users", "/nothing"] {
        let twice = gateway.get(path).token(&gateway.admin).token(&other.token).send().await;
        twice.problem(400, "ambiguous-credentials");
        let mixed = gateway.get(path).token(&gateway.admin).header("x-api-key", "tg_1_2").send().await;
        mixed.problem(400, "ambiguous-credentials");
    }
    gateway.finish().await;
}

async fn the_same_credential_twice_is_one(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let twice = gateway.get("/me").token(&gateway.admin).token(&gateway.admin);
    twice.send().await.expect(200);
    gateway.get("/me").token(&gateway.admin).header("x-api-key", &gateway.admin).send().await.expect(200);
    gateway.finish().await;
}

async fn a_token_that_was_tampered_with_is_refused(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let tokens = gateway.login("admin", ADMIN_PASSWORD).await;
    let user = gateway.user("user", "user").await.token;
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (admins, users) = (parts(&tokens.access), parts(&user));
    let forged = [
        format!("{}.{}.{}", users[0], admins[1], users[2]),
        format!("{}.{}.", admins[0], admins[1]),
        format!("{}.{}", admins[0], admins[1]),
        format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", admins[1]),
        format!("{}=", tokens.access),
        format!("{} ", tokens.access).repeat(2),
        tokens.refresh,
        "x".repeat(20_000),
        String::new(),
    ];
    for token in forged {
        let answer = gateway.get("/me").token(&token).send().await;
        answer.problem(401, "invalid-token");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""), "{token}");
    }
    gateway.finish().await;
}

async fn documentation_that_is_not_public_asks_for_a_credential(store: &TestStore) {
    let gateway = Setup::default().set("docs.public", false).start(store).await;
    let reader = gateway.user("reader", "readonly").await;
    for path in ["/docs", "/docs/problems", "/docs/routes", "/openapi.json"] {
        gateway.get(path).send().await.problem(401, "missing-credential");
        gateway.get(path).token(&reader.token).send().await.expect(200);
    }
    for path in ["/docs/", "/docs/problems/"] {
        gateway.get(path).send().await.problem(401, "missing-credential");
        gateway.get(path).token(&reader.token).send().await.expect(308);
    }
    gateway.finish().await;
}

/// RFC 9110 §9.1: a general-purpose server supports GET and HEAD.
async fn head_is_answered_wherever_get_is(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for path in ["/healthz", "/me", "/admin/users", "/echo"] {
        let answer = gateway.request("HEAD", path).token(&gateway.admin).send().await;
        assert_eq!((answer.status, answer.text()), (200, ""), "{path}");
    }
    gateway.finish().await;
}
