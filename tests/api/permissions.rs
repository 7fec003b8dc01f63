//! Which models and routes a user, a team and an API key may call.

use serde_json::{Value, json};

use super::support::{Answer, Key, Setup, TestGateway, TestStore, User, eventually};

on_both_stores!(
    what_is_listed_is_what_a_call_is_let_through_to,
    a_refusal_names_the_model_and_whose_list_it_is,
    a_change_of_a_list_counts_from_the_next_call_on,
    a_list_that_makes_no_sense_is_refused_at_its_place,
    a_key_may_do_no_more_than_it_says_nor_than_its_user,
    a_token_may_do_what_the_key_may_that_it_was_exchanged_for,
    a_key_that_makes_no_sense_is_refused_at_its_place,
);

/// Nothing listens there: a call that is let through gets 502.
const LISTS: &str = r#"
    [[upstreams]]
    name = "closed"
    url = "http://127.0.0.1:1"

    [[routes]]
    name = "chat"
    path = "/v1/chat/completions"
    match = "exact"
    methods = ["POST"]
    roles = ["admin", "user"]
    upstream = "closed"
    meter = "openai-chat"

    [[routes]]
    name = "echo"
    path = "/echo"
    match = "prefix"
    methods = ["GET", "POST"]
    roles = ["admin", "user", "readonly"]
    upstream = "builtin:echo"
"#;

const MODELS: [&str; 5] = ["a/one", "a/two", "gpt-4", "gpt-4-mini", "other"];

async fn start(store: &TestStore) -> TestGateway {
    let gateway = Setup::default().more_lists(LISTS).start(store).await;
    let price = |model| json!({ "model": model, "input_usd": "1", "output_usd": "1", "max_output_tokens": 9 });
    let items: Vec<Value> = MODELS.map(price).to_vec();
    let put = gateway.request("PUT", "/admin/prices").token(&gateway.admin);
    put.json(&json!({ "items": items, "remove": ["*"] })).send().await.expect(200);
    gateway
}

async fn call(gateway: &TestGateway, token: &str, model: &str) -> Answer {
    let body = json!({ "model": model, "max_tokens": 1, "messages": [{ "role": "user", "content": "x" }] });
    gateway.post("/v1/chat/completions").token(token).json(&body).send().await
}

async fn listed(gateway: &TestGateway, token: &str) -> Vec<String> {
    let list = gateway.get("/v1/models").token(token).send().await.expect(200).json();
    list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

async fn let_through(gateway: &TestGateway, token: &str) -> Vec<String> {
    let mut models = vec![];
    for model in MODELS {
        let answer = call(gateway, token, model).await;
        let shown = gateway.get(&format!("/v1/models/{model}")).token(token).send().await;
        if answer.status == 403 {
            shown.problem(404, "not-found");
        } else {
            answer.problem(502, "upstream-failed");
            shown.expect(200);
            models.push(model.to_owned());
        }
    }
    models
}

async fn team(gateway: &TestGateway, body: &Value) -> String {
    let made = gateway.post("/admin/teams").token(&gateway.admin).json(body).send().await;
    made.expect(201).json()["id"].as_str().unwrap().to_owned()
}

async fn key(gateway: &TestGateway, user: &User, body: &Value) -> Key {
    Key::from(&gateway.post("/me/api-keys").token(&user.token).json(body).send().await)
}

async fn what_is_listed_is_what_a_call_is_let_through_to(store: &TestStore) {
    let gateway = start(store).await;
    let user = gateway.user("ada", "user").await;
    let team = team(&gateway, &json!({ "name": "Research", "models": ["gpt-*", "a/one"] })).await;
    gateway.patch(&user.id, &json!({ "models": ["a/*", "gpt-4", "gpt-4-mini"] })).await.expect(200);
    assert_eq!(listed(&gateway, &user.token).await, ["a/one", "a/two", "gpt-4", "gpt-4-mini"]);
    assert_eq!(let_through(&gateway, &user.token).await, ["a/one", "a/two", "gpt-4", "gpt-4-mini"]);
    gateway.patch(&user.id, &json!({ "team_id": team })).await.expect(200);
    let narrow = key(&gateway, &user, &json!({ "name": "narrow", "models": ["gpt-4", "a/two"] })).await;
    let elsewhere = key(&gateway, &user, &json!({ "name": "elsewhere", "routes": ["echo"] })).await;
    let reads = key(&gateway, &user, &json!({ "name": "reads", "role": "readonly" })).await;
    let wide = key(&gateway, &user, &json!({ "name": "wide" })).await;
    let all = ["a/one", "gpt-4", "gpt-4-mini"];
    for (token, expected) in [
        (&user.token, &all[..]),
        (&wide.text, &all[..]),
        (&narrow.text, &["gpt-4"]),
        (&elsewhere.text, &[]),
        (&reads.text, &[]),
        (&gateway.admin, &MODELS),
    ] {
        assert_eq!(listed(&gateway, token).await, expected);
        assert_eq!(let_through(&gateway, token).await, expected);
    }
    gateway.finish().await;
}

async fn a_refusal_names_the_model_and_whose_list_it_is(store: &TestStore) {
    let gateway = start(store).await;
    let user = gateway.user("ada", "user").await;
    let team = team(&gateway, &json!({ "name": "Research", "models": ["gpt-*", "a/one"] })).await;
    gateway.patch(&user.id, &json!({ "team_id": team, "models": ["a/*", "gpt-*"] })).await.expect(200);
    let narrow = key(&gateway, &user, &json!({ "name": "laptop", "models": ["gpt-4"] })).await;
    for (token, model, whose) in [
        (&user.token, "other", "the user ada"),
        (&user.token, "a/two", "the team Research"),
        (&narrow.text, "gpt-4-mini", "the API key laptop"),
    ] {
        let answer = call(&gateway, token, model).await;
        let problem = answer.problem(403, "model-not-allowed");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(model) && detail.contains(whose), "{detail}");
        assert_eq!(problem["error"]["code"], "model-not-allowed");
        let record = gateway.record(answer.request_id()).await.unwrap();
        assert_eq!(record["reason"], format!("model-not-allowed: {whose}"));
    }
    gateway.finish().await;
}

async fn a_change_of_a_list_counts_from_the_next_call_on(store: &TestStore) {
    let gateway = start(store).await;
    let other = start(store).await;
    let user = gateway.user("ada", "user").await;
    let team = team(&gateway, &json!({ "name": "Research" })).await;
    let moved = gateway.patch(&user.id, &json!({ "team_id": team })).await.expect(200).json();
    assert_eq!(moved["models"], json!(["*"]));
    call(&gateway, &user.token, "other").await.problem(502, "upstream-failed");
    let change = gateway.request("PATCH", &format!("/admin/teams/{team}")).token(&gateway.admin);
    let changed = change.json(&json!({ "models": ["gpt-*"] })).send().await;
    assert_eq!(changed.expect(200).json()["models"], json!(["gpt-*"]));
    let record = gateway.record(changed.request_id()).await.unwrap();
    assert_eq!(record["change"]["before"]["models"], json!(["*"]));
    // The session goes on.
    call(&gateway, &user.token, "other").await.problem(403, "model-not-allowed");
    eventually("the other replica follows", async || {
        (listed(&other, &user.token).await == ["gpt-4", "gpt-4-mini"]).then_some(())
    })
    .await;
    TestGateway::finish_all([gateway, other]).await;
}

async fn a_list_that_makes_no_sense_is_refused_at_its_place(store: &TestStore) {
    let gateway = start(store).await;
    let user = gateway.user("ada", "user").await;
    for (models, pointer) in [
        (json!([]), "/models"),
        (json!(["a", "*"]), "/models/1"),
        (json!(["a", "a"]), "/models/1"),
        (json!(["a*b"]), "/models/0"),
        (json!([""]), "/models/0"),
    ] {
        let refused = gateway.patch(&user.id, &json!({ "models": models })).await;
        assert_eq!(refused.problem(400, "invalid-request")["errors"][0]["pointer"], pointer, "{models}");
        let refused = gateway.post("/admin/teams").token(&gateway.admin);
        let refused = refused.json(&json!({ "name": "t", "models": models })).send().await;
        assert_eq!(refused.problem(400, "invalid-request")["errors"][0]["pointer"], pointer, "{models}");
    }
    gateway.finish().await;
}

async fn a_key_may_do_no_more_than_it_says_nor_than_its_user(store: &TestStore) {
    let gateway = start(store).await;
    let user = gateway.user("ada", "user").await;
    let admin = gateway.user("root", "admin").await;
    let reads = key(&gateway, &admin, &json!({ "name": "reads", "role": "readonly" })).await;
    let audits = key(&gateway, &admin, &json!({ "name": "audits", "role": "auditor" })).await;
    let chats = key(&gateway, &user, &json!({ "name": "chats", "routes": ["chat"] })).await;
    gateway.get("/echo").token(&reads.text).send().await.expect(200);
    gateway.post("/echo").token(&reads.text).send().await.problem(403, "forbidden");
    gateway.get("/admin/users").token(&reads.text).send().await.problem(403, "forbidden");
    gateway.get("/admin/users").token(&audits.text).send().await.expect(200);
    gateway.get("/admin/audit").token(&audits.text).send().await.expect(200);
    gateway.get("/echo").token(&audits.text).send().await.problem(403, "forbidden");
    gateway.get("/echo").token(&chats.text).send().await.problem(403, "forbidden");
    call(&gateway, &chats.text, "other").await.problem(502, "upstream-failed");
    let me = gateway.get("/me").token(&reads.text).send().await.expect(200).json();
    assert_eq!(me["role"], "readonly");
    let record = gateway.get("/echo").token(&reads.text).send().await;
    assert_eq!(gateway.record(record.request_id()).await.unwrap()["role"], "readonly");
    // What is left to the key of a user who may do less now is what both may.
    gateway.patch(&admin.id, &json!({ "role": "user" })).await.expect(200);
    gateway.get("/echo").token(&reads.text).send().await.expect(200);
    gateway.get("/admin/users").token(&audits.text).send().await.problem(403, "forbidden");
    gateway.get("/me").token(&audits.text).send().await.problem(403, "forbidden");
    gateway.finish().await;
}

async fn a_token_may_do_what_the_key_may_that_it_was_exchanged_for(store: &TestStore) {
    let gateway = start(store).await;
    let other = start(store).await;
    let user = gateway.user("ada", "admin").await;
    let body = json!({ "name": "narrow", "role": "user", "routes": ["chat"], "models": ["gpt-4"] });
    let narrow = key(&gateway, &user, &body).await;
    let token = gateway.exchange(&narrow).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    for gateway in [&gateway, &other] {
        gateway.get("/admin/users").token(&token).send().await.problem(403, "forbidden");
        gateway.get("/echo").token(&token).send().await.problem(403, "forbidden");
        assert_eq!(listed(gateway, &token).await, ["gpt-4"]);
        assert_eq!(let_through(gateway, &token).await, ["gpt-4"]);
        assert_eq!(gateway.get("/me").token(&token).send().await.expect(200).json()["role"], "user");
    }
    let gone = gateway.request("DELETE", &format!("/admin/api-keys/{}", narrow.id)).token(&gateway.admin);
    gone.send().await.expect(204);
    gateway.get("/me").token(&token).send().await.problem(401, "revoked-token");
    TestGateway::finish_all([gateway, other]).await;
}

async fn a_key_that_makes_no_sense_is_refused_at_its_place(store: &TestStore) {
    let gateway = start(store).await;
    let user = gateway.user("ada", "user").await;
    for (field, value, pointer) in [
        ("role", json!("admin"), "/role"),
        ("role", json!("auditor"), "/role"),
        ("role", json!("root"), "/role"),
        ("routes", json!([]), "/routes"),
        ("routes", json!(["chat", "nope"]), "/routes/1"),
        ("models", json!(["a", "*"]), "/models/1"),
        ("expires_at", json!("2001-01-01T00:00:00Z"), "/expires_at"),
    ] {
        for (target, token) in
            [("/me/api-keys".to_owned(), &user.token), (format!("/admin/users/{}/api-keys", user.id), &gateway.admin)]
        {
            let refused = gateway.post(&target).token(token).json(&json!({ "name": "k", field: value })).send().await;
            let problem = refused.problem(400, "invalid-request");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{field} {value}");
        }
    }
    let body = json!({ "name": "k", "role": "readonly", "routes": ["echo"], "models": ["gpt-*"] });
    let made = gateway.post("/me/api-keys").token(&user.token).json(&body).send().await.expect(201).json();
    let shown = gateway.get("/me/api-keys").token(&user.token).send().await.expect(200).json()["items"][0].clone();
    for field in ["name", "role", "routes", "models"] {
        assert_eq!((&made[field], &shown[field]), (&body[field], &body[field]), "{field}");
    }
    gateway.finish().await;
}
