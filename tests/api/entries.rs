//! Upstreams, routes and names for models that administrators make: in force at once, and kept.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::support::{Answer, RawUpstream, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    an_upstream_is_made_shown_changed_and_deleted,
    a_secret_is_sent_to_its_upstream_and_shown_nowhere,
    a_route_leads_to_its_upstream_as_soon_as_it_is_made,
    a_name_for_models_may_have_slashes,
    an_upstream_goes_on_when_another_is_changed,
    an_upstream_that_is_led_elsewhere_is_asked_at_once,
    what_is_made_is_in_force_on_another_replica_and_after_a_restart,
    who_has_changed_something_sees_it_at_every_replica,
    what_does_not_go_together_with_the_file_is_left_out_and_can_be_deleted,
    the_same_idempotency_key_makes_one_entry,
);

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

pub async fn call(gateway: &TestGateway, method: &str, target: &str, body: &Value) -> Answer {
    let request = gateway.request(method, target).token(&gateway.admin);
    if body.is_null() { request.send().await } else { request.json(body).send().await }
}

pub async fn made(gateway: &TestGateway, list: &str, body: &Value) -> Answer {
    let made = call(gateway, "POST", list, body).await;
    made.expect(201);
    made
}

pub fn upstream(name: &str, url: impl std::fmt::Display) -> Value {
    json!({ "name": name, "url": url.to_string() })
}

pub fn route(name: &str, upstream: &str) -> Value {
    json!({ "name": name, "path": format!("/{name}"), "match": "exact", "methods": ["GET"], "roles": ["admin", "user"],
        "upstream": upstream })
}

async fn get(gateway: &TestGateway, target: &str) -> Value {
    call(gateway, "GET", target, &Value::Null).await.expect(200).json()
}

async fn change_of(gateway: &TestGateway, answer: &Answer) -> Value {
    gateway.record(answer.request_id()).await.unwrap()["change"].clone()
}

async fn an_upstream_is_made_shown_changed_and_deleted(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let answer = made(&gateway, "/admin/upstreams", &upstream("made", "https://a.example/base")).await;
    let before = answer.json();
    assert_eq!(answer.header("location"), Some("/admin/upstreams/made"));
    for (field, value) in [
        ("name", json!("made")),
        ("source", json!("api")),
        ("url", json!("https://a.example/base")),
        ("max_in_flight", json!(1_000)),
        ("secret_header", json!("authorization")),
        ("has_secret", json!(false)),
    ] {
        assert_eq!(before[field], value, "{field} of {before}");
    }
    assert_eq!(change_of(&gateway, &answer).await, json!({ "before": null, "after": before }));
    let mut shown = get(&gateway, "/admin/upstreams/made").await;
    let latency = json!({ "p50": null, "p99": null });
    let state = json!({ "health": "ok", "breaker": "closed", "in_flight": 0, "limit": 1_000, "latency_ms": latency });
    assert_eq!(shown.as_object_mut().unwrap().remove("state"), Some(state));
    assert_eq!(shown, before);
    let patch = json!({ "url": "http://b.example", "max_in_flight": "auto", "breaker": { "failures": 2 } });
    let answer = call(&gateway, "PATCH", "/admin/upstreams/made", &patch).await;
    let after = answer.expect(200).json();
    assert_eq!((&after["url"], &after["max_in_flight"]), (&patch["url"], &patch["max_in_flight"]));
    assert_eq!(after["breaker"], json!({ "failures": 2, "within_s": 10, "open_s": 5 }));
    assert_eq!(change_of(&gateway, &answer).await, json!({ "before": before, "after": after }));
    let again = call(&gateway, "PATCH", "/admin/upstreams/made", &json!({})).await;
    assert_eq!(again.expect(200).json(), after);
    let without = call(&gateway, "PATCH", "/admin/upstreams/made", &json!({ "breaker": null })).await;
    assert_eq!(without.expect(200).json().get("breaker"), None);
    let listed = get(&gateway, "/admin/upstreams?name=made").await;
    assert_eq!(listed["items"][0]["name"], "made");
    assert_eq!(call(&gateway, "DELETE", "/admin/upstreams/made", &Value::Null).await.expect(204).text(), "");
    for method in ["GET", "DELETE"] {
        call(&gateway, method, "/admin/upstreams/made", &Value::Null).await.problem(404, "not-found");
    }
    call(&gateway, "PATCH", "/admin/upstreams/made", &json!({})).await.problem(404, "not-found");
    assert_eq!(get(&gateway, "/admin/upstreams").await["items"], json!([]));
    gateway.finish().await;
}

async fn a_secret_is_sent_to_its_upstream_and_shown_nowhere(store: &TestStore) {
    const SECRETS: [&str; 2] = ["canary-of-the-first-secret", "canary-of-the-second-secret"];
    let (gateway, origin) = (TestGateway::start(store).await, RawUpstream::start().await);
    let mut body = upstream("sealed", format!("http://{}", origin.address));
    body["secret"] = SECRETS[0].into();
    let mut answers = vec![made(&gateway, "/admin/upstreams", &body).await];
    made(&gateway, "/admin/routes", &route("sealed", "sealed")).await;
    let sent = async |header: Option<&str>| {
        let (answer, (_, request)) =
            tokio::join!(gateway.get("/sealed").token(&gateway.admin).send(), origin.serve(OK));
        answer.expect(200);
        let given = request.lines().find(|line| line.starts_with("authorization:") || line.starts_with("x-api-key:"));
        assert_eq!(given, header, "{request}");
    };
    sent(Some(&format!("authorization: Bearer {}", SECRETS[0]))).await;
    for (patch, header) in [
        (json!({ "timeout_s": 7 }), Some(format!("authorization: Bearer {}", SECRETS[0]))),
        (json!({ "secret_header": "x-api-key" }), Some(format!("x-api-key: {}", SECRETS[0]))),
        (json!({ "secret": SECRETS[1] }), Some(format!("x-api-key: {}", SECRETS[1]))),
        (json!({ "secret": null }), None),
    ] {
        let changed = call(&gateway, "PATCH", "/admin/upstreams/sealed", &patch).await;
        assert_eq!(changed.expect(200).json()["has_secret"], header.is_some());
        let told = change_of(&gateway, &changed).await;
        assert_eq!(told["secret_changed"], if patch.get("secret").is_some() { json!(true) } else { Value::Null });
        answers.push(changed);
        sent(header.as_deref()).await;
    }
    answers.push(call(&gateway, "GET", "/admin/upstreams/sealed", &Value::Null).await);
    answers.push(call(&gateway, "GET", "/admin/audit?limit=200", &Value::Null).await);
    for answer in &answers {
        assert!(!SECRETS.iter().any(|secret| answer.text().contains(secret)), "{answer:?}");
    }
    // What a header cannot carry.
    let wrong = call(&gateway, "PATCH", "/admin/upstreams/sealed", &json!({ "secret": "a\nb" })).await;
    wrong.invalid("/secret");
    gateway.finish().await;
}

async fn a_route_leads_to_its_upstream_as_soon_as_it_is_made(store: &TestStore) {
    let (gateway, origin) = (TestGateway::start(store).await, RawUpstream::start().await);
    made(&gateway, "/admin/upstreams", &upstream("up", format!("http://{}", origin.address))).await;
    gateway.get("/new").token(&gateway.admin).send().await.problem(404, "not-found");
    let answer = made(&gateway, "/admin/routes", &route("new", "up")).await;
    assert_eq!(answer.json()["source"], "api");
    let (called, (_, request)) = tokio::join!(gateway.get("/new").token(&gateway.admin).send(), origin.serve(OK));
    assert!(called.expect(200).text() == "ok" && request.starts_with("GET /new "), "{request}");
    // Limits, keys and the like know it by its name.
    let limit =
        json!({ "name": "l", "routes": ["new"], "per": "user", "unit": "requests", "limit": 9, "window_s": 60 });
    made(&gateway, "/admin/limits", &limit).await;
    let moved =
        call(&gateway, "PATCH", "/admin/routes/new", &json!({ "path": "/moved", "upstream": "builtin:echo" })).await;
    assert_eq!(moved.expect(200).json()["path"], "/moved");
    gateway.get("/new").token(&gateway.admin).send().await.problem(404, "not-found");
    gateway.get("/moved").token(&gateway.admin).send().await.expect(200);
    let targets =
        json!({ "upstream": null, "targets": [{ "upstream": "up" }, { "upstream": "builtin:echo", "priority": 1 }] });
    call(&gateway, "PATCH", "/admin/routes/new", &targets).await.expect(200);
    let (called, _) = tokio::join!(gateway.get("/moved").token(&gateway.admin).send(), origin.serve(OK));
    assert_eq!(called.expect(200).text(), "ok");
    call(&gateway, "DELETE", "/admin/routes/new", &Value::Null).await.expect(204);
    gateway.get("/moved").token(&gateway.admin).send().await.problem(404, "not-found");
    gateway.finish().await;
}

async fn a_name_for_models_may_have_slashes(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let body = json!({ "name": "team/best +1", "targets": [{ "upstream": "builtin:llm", "model": "demo" }] });
    let answer = made(&gateway, "/admin/models", &body).await;
    let place = answer.header("location").unwrap();
    assert_eq!(place, "/admin/models/team/best%20%2B1");
    assert_eq!(get(&gateway, place).await, answer.json());
    let question =
        json!({ "model": "team/best +1", "messages": [{ "role": "user", "content": "hi" }], "max_tokens": 5 });
    let called = call(&gateway, "POST", "/v1/chat/completions", &question).await;
    assert_eq!(called.expect(200).json()["model"], "team/best +1");
    let listed = get(&gateway, "/v1/models").await;
    assert!(listed["data"].as_array().unwrap().iter().any(|model| model["id"] == "team/best +1"), "{listed}");
    let weight = json!({ "targets": [{ "upstream": "builtin:llm", "model": "demo", "weight": 2 }] });
    assert_eq!(call(&gateway, "PATCH", place, &weight).await.expect(200).json()["targets"][0]["weight"], 2);
    call(&gateway, "DELETE", place, &Value::Null).await.expect(204);
    call(&gateway, "POST", "/v1/chat/completions", &question).await.problem(403, "unpriced-model");
    gateway.finish().await;
}

async fn an_upstream_goes_on_when_another_is_changed(store: &TestStore) {
    let (gateway, origin) = (TestGateway::start(store).await, RawUpstream::start().await);
    let mut broken = upstream("broken", format!("http://{}", RawUpstream::nowhere().await));
    broken["breaker"] = json!({ "failures": 1, "within_s": 60, "open_s": 60 });
    made(&gateway, "/admin/upstreams", &broken).await;
    made(&gateway, "/admin/upstreams", &upstream("slow", format!("http://{}", origin.address))).await;
    for name in ["broken", "slow"] {
        made(&gateway, "/admin/routes", &route(name, name)).await;
    }
    gateway.get("/broken").token(&gateway.admin).send().await.problem(502, "upstream-failed");
    let change = async {
        let (mut stream, _) = origin.serve("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no").await;
        call(&gateway, "PATCH", "/admin/upstreams/slow", &json!({ "max_in_flight": 3 })).await.expect(200);
        made(&gateway, "/admin/upstreams", &upstream("other", "http://127.0.0.1:9")).await;
        let state = get(&gateway, "/admin/upstreams/slow").await["state"].clone();
        assert_eq!((&state["in_flight"], &state["limit"]), (&json!(1), &json!(3)), "{state}");
        assert_eq!(get(&gateway, "/admin/upstreams/broken").await["state"]["breaker"], "open");
        stream.write_all(b"k").await.unwrap();
        stream
    };
    let (called, _stream) = tokio::join!(gateway.get("/slow").token(&gateway.admin).send(), change);
    assert_eq!(called.expect(200).text(), "ok");
    gateway.finish().await;
}

async fn an_upstream_that_is_led_elsewhere_is_asked_at_once(store: &TestStore) {
    let (gateway, origin) = (TestGateway::start(store).await, RawUpstream::start().await);
    let mut broken = upstream("broken", format!("http://{}", RawUpstream::nowhere().await));
    broken["breaker"] = json!({ "failures": 1, "within_s": 60, "open_s": 3600 });
    made(&gateway, "/admin/upstreams", &broken).await;
    made(&gateway, "/admin/routes", &route("broken", "broken")).await;
    let ask = || gateway.get("/broken").token(&gateway.admin).send();
    ask().await.problem(502, "upstream-failed");
    call(&gateway, "PATCH", "/admin/upstreams/broken", &json!({ "timeout_s": 5 })).await.expect(200);
    ask().await.problem(503, "temporary-reduced-capacity");
    let elsewhere = json!({ "url": format!("http://{}", origin.address) });
    call(&gateway, "PATCH", "/admin/upstreams/broken", &elsewhere).await.expect(200);
    let (called, _) = tokio::join!(ask(), origin.serve(OK));
    assert_eq!(called.expect(200).text(), "ok");
    // So it is with another secret.
    let fails = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
    let (called, _) = tokio::join!(ask(), origin.serve(fails));
    called.expect(500);
    ask().await.problem(503, "temporary-reduced-capacity");
    call(&gateway, "PATCH", "/admin/upstreams/broken", &json!({ "secret": "another" })).await.expect(200);
    let (called, _) = tokio::join!(ask(), origin.serve(OK));
    assert_eq!(called.expect(200).text(), "ok");
    gateway.finish().await;
}

/// Whichever replica answers, also before its next look at the store.
async fn who_has_changed_something_sees_it_at_every_replica(store: &TestStore) {
    let [one, other] = [TestGateway::start(store).await, TestGateway::start(store).await];
    let listed = async |path: &str| {
        let items = get(&other, path).await["items"].clone();
        items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for n in 0..8 {
        let name = format!("shown-{n}");
        made(&one, "/admin/upstreams", &upstream(&name, "http://127.0.0.1:9")).await;
        assert!(listed("/admin/upstreams").await.contains(&name), "{name}");
        let path = format!("/admin/upstreams/{name}");
        call(&one, "PATCH", &path, &json!({ "timeout_s": 7 })).await.expect(200);
        assert_eq!(get(&other, &path).await["timeout_s"], 7);
        call(&one, "DELETE", &path, &Value::Null).await.expect(204);
        assert!(!listed("/admin/upstreams").await.contains(&name), "{name}");
    }
    TestGateway::finish_all([one, other]).await;
}

async fn what_is_made_is_in_force_on_another_replica_and_after_a_restart(store: &TestStore) {
    let [one, other] = [TestGateway::start(store).await, TestGateway::start(store).await];
    let mut body = upstream("shared", "http://127.0.0.1:9");
    body["secret"] = "canary-of-a-shared-secret".into();
    made(&one, "/admin/upstreams", &body).await;
    made(&one, "/admin/routes", &route("shared", "builtin:echo")).await;
    let sees = async |gateway: &TestGateway, status: u16| {
        eventually("the change on this replica", async || {
            let answer = gateway.get("/shared").token(&gateway.admin).send().await;
            (answer.status == status).then_some(())
        })
        .await;
    };
    sees(&other, 200).await;
    // What another replica has made is changed here, at once.
    call(&other, "PATCH", "/admin/routes/shared", &json!({ "upstream": "shared" })).await.expect(200);
    other.get("/shared").token(&other.admin).send().await.problem(502, "upstream-failed");
    sees(&one, 502).await;
    TestGateway::finish_all([one, other]).await;
    let again = TestGateway::start(store).await;
    again.get("/shared").token(&again.admin).send().await.problem(502, "upstream-failed");
    assert_eq!(get(&again, "/admin/upstreams/shared").await["has_secret"], true);
    call(&again, "DELETE", "/admin/routes/shared", &Value::Null).await.expect(204);
    again.discard().await;
}

async fn what_does_not_go_together_with_the_file_is_left_out_and_can_be_deleted(store: &TestStore) {
    const FILE: &str = r#"
[[upstreams]]
name = "twice"
url = "http://127.0.0.1:9"
[[routes]]
name = "file"
path = "/taken"
match = "exact"
methods = ["GET"]
roles = ["admin"]
upstream = "builtin:echo"
"#;
    let gateway = TestGateway::start(store).await;
    made(&gateway, "/admin/upstreams", &upstream("twice", "http://127.0.0.2:9")).await;
    made(&gateway, "/admin/routes", &route("taken", "twice")).await;
    made(&gateway, "/admin/routes", &route("fits", "twice")).await;
    gateway.finish().await;
    let gateway = Setup::default().more_lists(FILE).start(store).await;
    gateway.get("/taken").token(&gateway.admin).send().await.expect(200);
    gateway.get("/fits").token(&gateway.admin).send().await.problem(502, "upstream-failed");
    let shown = get(&gateway, "/admin/routes/taken").await;
    assert!(shown["not_in_force"].as_str().unwrap().contains("route \"file\" has the same path"), "{shown}");
    let both = get(&gateway, "/admin/upstreams?name=twice").await["items"].clone();
    let sources: Vec<_> = both.as_array().unwrap().iter().map(|item| item["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["file", "api"], "{both}");
    call(&gateway, "PATCH", "/admin/upstreams/twice", &json!({ "timeout_s": 1 })).await.problem(409, "conflict");
    call(&gateway, "DELETE", "/admin/upstreams/twice", &Value::Null).await.expect(204);
    call(&gateway, "DELETE", "/admin/upstreams/twice", &Value::Null).await.problem(409, "conflict");
    let moved = call(&gateway, "PATCH", "/admin/routes/taken", &json!({ "path": "/free" })).await;
    assert_eq!(moved.expect(200).json().get("not_in_force"), None);
    gateway.get("/free").token(&gateway.admin).send().await.problem(502, "upstream-failed");
    gateway.discard().await;
}

async fn the_same_idempotency_key_makes_one_entry(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let send = async |body: &Value| {
        let request = gateway.post("/admin/upstreams").token(&gateway.admin).header("idempotency-key", "k-1");
        request.json(body).send().await
    };
    let mut body = upstream("once", "http://127.0.0.1:9");
    body["secret"] = "canary-of-one".into();
    let (first, again) = (send(&body).await, send(&body).await);
    assert_eq!(
        (first.expect(201).json(), first.header("location")),
        (again.expect(201).json(), again.header("location"))
    );
    body["secret"] = "canary-of-two".into();
    send(&body).await.problem(409, "conflict");
    gateway.finish().await;
}
