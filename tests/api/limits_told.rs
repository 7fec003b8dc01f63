//! Whatever a limited route answers, it tells what is left, and a call that is refused for another reason takes nothing.

use serde_json::{Value, json};
use tollgate::clock::Clock;

use super::support::{Answer, RawUpstream, Request, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    a_call_that_is_refused_before_it_is_limited_is_told_what_is_left,
    a_call_that_is_refused_for_its_role_or_method_is_told_what_is_left,
    a_call_that_is_refused_for_its_price_or_budget_is_told_what_is_left,
    a_call_that_its_upstream_fails_is_told_what_is_left,
    a_body_that_does_not_come_ends_in_an_answer_that_tells_what_is_left,
    a_refused_call_is_told_of_limits_that_are_shared_and_of_tokens,
    who_has_no_credential_and_what_is_no_route_has_no_limits,
);

const CHAT: &str = "/v1/chat/completions";

/// Two policies of which nothing comes back while a test runs: of the caller's own, and shared by all.
const POLICIES: &str = r#"
    [[limits]]
    name = "slow"
    routes = ["*"]
    per = "user"
    unit = "requests"
    limit = 1
    window_s = 1000
    burst = 5
    [[limits]]
    name = "all"
    routes = ["*"]
    per = "global"
    unit = "requests"
    limit = 1
    window_s = 7200
    burst = 90
"#;

/// The built-in routes are replaced by these.
const ROUTES: &str = r#"
    [[routes]]
    name = "chat"
    path = "/v1/chat/completions"
    match = "exact"
    methods = ["POST"]
    roles = ["admin", "user"]
    upstream = "builtin:llm"
    meter = "openai-chat"
    [[routes]]
    name = "paid"
    path = "/paid"
    match = "prefix"
    methods = ["GET", "POST"]
    roles = ["admin", "readonly"]
    upstream = "builtin:echo"
    meter = { fixed_usd = "0.002" }
"#;

async fn limited(store: &TestStore, lists: &[&str]) -> TestGateway {
    let setup = Setup::default().set("server.max_body_bytes", 2_000).set("server.body_timeout_s", 1);
    setup.lists(&lists.concat()).clock(&Clock::manual(1_800_000_000)).start(store).await
}

/// Fails the test unless the answer says that so many are left of what the caller has, and nothing is on its way back.
#[track_caller]
fn told(answer: &Answer, remaining: u64) {
    let reset_s = (5 - remaining) * 1_000;
    assert_eq!(answer.rate_limit("ratelimit", "slow"), format!("r={remaining};t={reset_s}"), "{answer:?}");
    assert_eq!(answer.rate_limit("ratelimit-policy", "slow"), "q=1;w=1000");
    assert!(answer.rate_limit("ratelimit", "all").starts_with("r="), "{answer:?}");
    assert_eq!(answer.rate_limit("ratelimit-policy", "all"), "q=1;w=7200");
}

/// What `/me` says is left of the caller's own.
async fn left(gateway: &TestGateway, token: &str) -> Value {
    let me = gateway.get("/me").token(token).send().await.expect(200).json();
    let limits = me["limits"].as_array().unwrap();
    limits.iter().find(|limit| limit["name"] == "slow").unwrap()["remaining"].clone()
}

/// Sends a call, and fails the test unless it is refused with this problem, told what is left, and has taken nothing.
async fn refused(gateway: &TestGateway, token: &str, request: Request<'_>, status: u16, code: &str) {
    let answer = request.token(token).send().await;
    answer.problem(status, code);
    told(&answer, 5);
    eventually("all is back", async || (left(gateway, token).await == 5).then_some(())).await;
}

async fn a_call_that_is_refused_before_it_is_limited_is_told_what_is_left(store: &TestStore) {
    let gateway = limited(store, &[ROUTES, POLICIES]).await;
    let post = |path: &str, kind: &str, body: &str| gateway.post(path).header("content-type", kind).body(body);
    let long = "x".repeat(2_001);
    for (request, status, code) in [
        (gateway.get("/paid").header("upgrade", "websocket").header("connection", "upgrade"), 426, "websocket-version"),
        (gateway.get("/paid").header("x-long", "y".repeat(40_000)), 431, "head-too-large"),
        (post(CHAT, "application/json", "{"), 400, "invalid-request"),
        (post(CHAT, "application/json", r#"{"model":"demo","messages":[],"n":-1}"#), 400, "invalid-request"),
        (post("/paid", "text/plain", &long), 413, "body-too-large"),
        (post(CHAT, "application/json", &long), 413, "body-too-large"),
        (post(CHAT, "application/xml", "{}"), 415, "unsupported-media-type"),
        (post(CHAT, "application/json", "{}").header("content-encoding", "gzip"), 415, "unsupported-media-type"),
    ] {
        refused(&gateway, &gateway.admin, request, status, code).await;
    }
    gateway.finish().await;
}

async fn a_call_that_is_refused_for_its_role_or_method_is_told_what_is_left(store: &TestStore) {
    let gateway = limited(store, &[ROUTES, POLICIES]).await;
    let (user, reader) = (gateway.user("user", "user").await, gateway.user("reader", "readonly").await);
    for (token, method, path, status, code) in [
        (&user.token, "GET", "/paid", 403, "forbidden"),
        (&reader.token, "POST", "/paid", 403, "forbidden"),
        (&reader.token, "POST", CHAT, 403, "forbidden"),
        (&gateway.admin, "DELETE", "/paid/it", 405, "method-not-allowed"),
        (&user.token, "PATCH", "/paid", 405, "method-not-allowed"),
        (&gateway.admin, "GET", CHAT, 405, "method-not-allowed"),
    ] {
        refused(&gateway, token, gateway.request(method, path), status, code).await;
    }
    gateway.finish().await;
}

async fn a_call_that_is_refused_for_its_price_or_budget_is_told_what_is_left(store: &TestStore) {
    let gateway = limited(store, &[ROUTES, POLICIES]).await;
    let budget = json!({ "name": "none", "scope": "global", "limit_usd": "0.001", "period": "day" });
    gateway.post("/admin/budgets").token(&gateway.admin).json(&budget).send().await.expect(201);
    let chat = json!({ "model": "nobody-knows-it", "messages": [{ "role": "user", "content": "Hello" }] });
    refused(&gateway, &gateway.admin, gateway.post(CHAT).json(&chat), 403, "unpriced-model").await;
    refused(&gateway, &gateway.admin, gateway.get("/paid"), 402, "budget-exhausted").await;
    gateway.finish().await;
}

/// An upstream that never answers within its second, and takes one call at a time.
fn slow(upstream: &RawUpstream) -> String {
    RawUpstream::route_to(upstream.address).replace("[[routes]]", "timeout_s = 1\nmax_in_flight = 1\n[[routes]]")
}

async fn a_call_that_its_upstream_fails_is_told_what_is_left(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let gone = RawUpstream::route_to(RawUpstream::nowhere().await).replace("\"up\"", "\"gone\"");
    let gone = gone.replace("\"raw\"", "\"gone\"").replace("/up", "/gone");
    let gateway = limited(store, &[&slow(&upstream), &gone, POLICIES]).await;
    refused(&gateway, &gateway.admin, gateway.get("/gone"), 502, "upstream-failed").await;
    let mut waiting = gateway.connect().await;
    waiting.send(&gateway.get("/up").token(&gateway.admin).bytes()).await;
    gateway.expect_record();
    let served = upstream.take("").await;
    let busy = gateway.get("/up").token(&gateway.admin).send().await;
    busy.problem(503, "temporary-reduced-capacity");
    told(&busy, 4);
    // The one that was sent has taken its unit, whatever became of it.
    let late = waiting.answer().await;
    late.problem(504, "upstream-timeout");
    told(&late, 4);
    drop(served);
    assert_eq!(left(&gateway, &gateway.admin).await, 4);
    gateway.finish().await;
}

async fn a_body_that_does_not_come_ends_in_an_answer_that_tells_what_is_left(store: &TestStore) {
    let gateway = limited(store, &[ROUTES, POLICIES]).await;
    let request = gateway.post(CHAT).token(&gateway.admin).header("content-type", "application/json");
    let request = request.header("content-length", "100").bytes();
    let mut client = gateway.connect().await;
    client.send(&request).await;
    gateway.expect_record();
    let late = client.answer().await;
    late.problem(408, "request-timeout");
    told(&late, 5);
    assert_eq!(left(&gateway, &gateway.admin).await, 5);
    gateway.finish().await;
}

async fn a_refused_call_is_told_of_limits_that_are_shared_and_of_tokens(store: &TestStore) {
    let tokens = POLICIES
        .replace("\"slow\"", "\"tokens\"")
        .replace("\"requests\"\n    limit = 1\n    window_s = 1000", "\"tokens\"\n    limit = 1\n    window_s = 1000");
    let tokens = tokens.split("[[limits]]").nth(1).unwrap();
    let gateway = limited(store, &[ROUTES, POLICIES, "[[limits]]", tokens]).await;
    let user = gateway.user("user", "user").await;
    for _ in 0..2 {
        gateway.get("/paid").token(&gateway.admin).send().await.expect(200);
    }
    let answer = gateway.get(CHAT).token(&user.token).send().await;
    answer.problem(405, "method-not-allowed");
    assert_eq!(answer.rate_limit("ratelimit", "all"), "r=88;t=14400");
    assert_eq!(answer.rate_limit("ratelimit", "tokens"), "r=5;t=0");
    // Where no model is called there are no tokens.
    let answer = gateway.request("DELETE", "/paid").token(&user.token).send().await;
    assert!(!answer.header("ratelimit").unwrap().contains("tokens"), "{answer:?}");
    gateway.finish().await;
}

async fn who_has_no_credential_and_what_is_no_route_has_no_limits(store: &TestStore) {
    let gateway = limited(store, &[ROUTES, POLICIES]).await;
    for (answer, status) in [
        (gateway.get("/paid").send().await, 401),
        (gateway.get("/paid").token("nonsense").send().await, 401),
        (gateway.get("/nowhere").send().await, 401),
        (gateway.get("/nowhere").token(&gateway.admin).send().await, 404),
        (gateway.post("/me").token(&gateway.admin).send().await, 405),
    ] {
        assert_eq!((answer.expect(status).header("ratelimit"), answer.header("ratelimit-policy")), (None, None));
    }
    gateway.finish().await;
}
