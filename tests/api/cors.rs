//! Browsers of other origins: what they are told, and that their questions are requests like any other.

use super::support::{Answer, Setup, TestGateway, TestStore};

on_both_stores!(
    a_preflight_is_answered_and_on_record,
    a_page_may_call_with_any_method_and_header,
    an_origin_that_is_not_allowed_is_told_nothing,
    a_page_may_read_every_field_that_an_answer_of_the_gateway_is_used_by,
);

const ORIGIN: &str = "https://app.example.com";

async fn gateway(store: &TestStore) -> TestGateway {
    Setup::default().set("cors.allowed_origins", format!("[\"{ORIGIN}\"]")).start(store).await
}

async fn preflight(gateway: &TestGateway, origin: &str) -> Answer {
    let asked = gateway.request("OPTIONS", "/echo").header("origin", origin);
    let asked = asked.header("access-control-request-method", "POST");
    asked.header("access-control-request-headers", "authorization").send().await
}

async fn a_preflight_is_answered_and_on_record(store: &TestStore) {
    let gateway = gateway(store).await;
    let answer = preflight(&gateway, ORIGIN).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert!(gateway.record(answer.request_id()).await.is_some(), "a preflight left no record");
    let call = gateway.get("/echo").token(&gateway.admin).header("origin", ORIGIN).send().await;
    assert_eq!(call.expect(200).header("access-control-allow-origin"), Some(ORIGIN));
    let refused = gateway.get("/echo").header("origin", ORIGIN).send().await;
    refused.problem(401, "missing-credential");
    assert_eq!(refused.header("access-control-allow-origin"), Some(ORIGIN));
    gateway.finish().await;
}

async fn a_page_may_call_with_any_method_and_header(store: &TestStore) {
    let gateway = gateway(store).await;
    for method in ["GET", "DELETE", "PROPFIND", "QUERY", "PURGE", "patch"] {
        for asked in [Some("authorization, depth"), Some("x-a"), None] {
            let question = gateway.request("OPTIONS", "/echo").header("origin", ORIGIN);
            let question = question.header("access-control-request-method", method);
            let question = asked
                .iter()
                .fold(question, |question, asked| question.header("access-control-request-headers", *asked));
            let answer = question.send().await;
            answer.expect(200);
            assert_eq!(answer.header("access-control-allow-methods"), Some(method), "{answer:?}");
            assert_eq!(answer.header("access-control-allow-headers"), asked, "{answer:?}");
            assert_eq!(answer.header("access-control-max-age"), Some("3600"), "{answer:?}");
            let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
            assert_eq!(answer.header("vary"), Some(vary), "{answer:?}");
        }
    }
    gateway.finish().await;
}

async fn an_origin_that_is_not_allowed_is_told_nothing(store: &TestStore) {
    let gateway = gateway(store).await;
    let answer = preflight(&gateway, "https://evil.example.com").await;
    assert_eq!(answer.header("access-control-allow-origin"), None, "{answer:?}");
    let problem = answer.problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("origin"), "{problem}");
    let call = gateway.get("/echo").token(&gateway.admin).header("origin", "https://evil.example.com").send().await;
    assert_eq!(call.header("access-control-allow-origin"), None);
    gateway.finish().await;
}

/// What a page may read of any answer (Fetch standard, "CORS-safelisted response-header name"), and what is for caches, the browser
/// or the connection.
const NOT_ASKED_FOR: [&str; 9] = [
    "cache-control",
    "content-length",
    "content-type",
    "date",
    "connection",
    "vary",
    "via",
    "x-content-type-options",
    "transfer-encoding",
];

async fn a_page_may_read_every_field_that_an_answer_of_the_gateway_is_used_by(store: &TestStore) {
    let gateway = gateway(store).await;
    let page = |method: &str, path: &str| gateway.request(method, path).token(&gateway.admin).header("origin", ORIGIN);
    let made = page("POST", "/admin/teams").json(&serde_json::json!({"name": "research"})).send().await;
    let location = made.expect(201).header("location").unwrap().to_owned();
    for (answer, field) in [
        (made, "location"),
        (page("GET", &location).send().await, "etag"),
        (page("DELETE", "/me").send().await, "allow"),
        (gateway.get("/me").header("origin", ORIGIN).send().await, "www-authenticate"),
        (page("GET", "/admin/audit?limit=1").header("accept", "text/csv").send().await, "link"),
    ] {
        assert!(answer.header(field).is_some(), "{field}: {answer:?}");
        let exposed = answer.header("access-control-expose-headers").unwrap();
        let is_readable = |name: &str| exposed.split(", ").any(|other| other == name);
        let is_known = |name: &str| NOT_ASKED_FOR.contains(&name) || name.starts_with("access-control-");
        for (name, _) in &answer.headers {
            assert!(is_readable(name) || is_known(name), "a page cannot read {name}: {answer:?}");
        }
    }
    gateway.finish().await;
}
