//! Which models and routes a user, a team and an API key may call.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate::clock::Clock;

use super::support::{Answer, Key, Setup, TestGateway, TestStore, User, eventually};

on_both_stores!(
    what_is_listed_is_what_a_call_is_let_through_to,
    a_refusal_names_the_model_and_whose_list_it_is,
    a_change_of_a_list_counts_from_the_next_call_on,
    a_list_that_makes_no_sense_is_refused_at_its_place,
    a_key_may_do_no_more_than_it_says_nor_than_its_user,
    a_token_may_do_what_the_key_may_that_it_was_exchanged_for,
    a_call_by_a_token_is_one_of_the_key_that_it_was_exchanged_for,
    lists_show_when_a_key_was_last_used,
    a_key_is_used_by_the_token_that_it_was_exchanged_for,
    a_route_is_for_those_it_names,
    lists_are_filtered_by_name_and_team,
    a_secret_is_replaced_and_the_old_one_goes_on_as_long_as_it_says,
    a_secret_is_replaced_once_for_each_idempotency_key,
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
    // A key for a route is for no administration, though its user is an administrator.
    let echoes = key(&gateway, &admin, &json!({ "name": "echoes", "routes": ["echo"] })).await;
    gateway.get("/echo").token(&echoes.text).send().await.expect(200);
    gateway.get("/me").token(&echoes.text).send().await.expect(200);
    for url in ["/admin/users", "/admin/usage", "/admin/limits"] {
        gateway.get(url).token(&echoes.text).send().await.problem(403, "forbidden");
    }
    let exchanged = gateway.exchange(&echoes).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    gateway.get("/admin/users").token(&exchanged).send().await.problem(403, "forbidden");
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

async fn a_call_by_a_token_is_one_of_the_key_that_it_was_exchanged_for(store: &TestStore) {
    let gateway = start(store).await;
    let user = gateway.user("ada", "user").await;
    let limit =
        json!({ "name": "keys", "routes": ["echo"], "per": "key", "unit": "requests", "limit": 3, "window_s": 3_600 });
    gateway.post("/admin/limits").token(&gateway.admin).json(&limit).send().await.expect(201);
    let ci = key(&gateway, &user, &json!({ "name": "ci" })).await;
    let exchange = async || gateway.exchange(&ci).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    let (first, second) = (exchange().await, exchange().await);
    for text in [&ci.text, &first, &second] {
        gateway.get("/echo").token(text).send().await.expect(200);
    }
    for text in [&first, &second, &ci.text] {
        gateway.get("/echo").token(text).send().await.problem(429, "quota-exceeded");
    }
    let me = gateway.get("/me").token(&first).send().await.expect(200).json();
    assert!(me["limits"].as_array().unwrap().iter().any(|limit| limit["name"] == "keys"), "{me}");
    gateway.get("/echo").token(&user.token).send().await.expect(200);
    let query = format!("/admin/audit?route=echo&key_id={}", ci.id);
    let records = gateway.get(&query).token(&gateway.admin).send().await.expect(200).json();
    let records = records["items"].as_array().unwrap();
    assert_eq!((records.len(), records.iter().filter(|record| record["key_name"] == "ci").count()), (6, 6));
    // The session says that it was a token.
    assert_eq!(records.iter().filter(|record| record["session_id"].is_string()).count(), 4);
    gateway.finish().await;
}

async fn lists_show_when_a_key_was_last_used(store: &TestStore) {
    let gateway = start(store).await;
    let user = gateway.user("ada", "user").await;
    let busy = key(&gateway, &user, &json!({ "name": "busy" })).await;
    key(&gateway, &user, &json!({ "name": "idle" })).await;
    gateway.get("/me").token(&busy.text).send().await.expect(200);
    let last = async || {
        let list = gateway.get("/me/api-keys").token(&user.token).send().await.expect(200).json();
        [0, 1].map(|index| list["items"][index]["last_used_at"].clone())
    };
    let [first, second] =
        eventually("the use is kept", async || Some(last().await).filter(|last| !last[0].is_null())).await;
    assert!(first.as_str().unwrap().ends_with(":00Z") && second.is_null(), "{first} {second}");
    gateway.finish().await;
}

async fn a_key_is_used_by_the_token_that_it_was_exchanged_for(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().more_lists(LISTS).clock(&clock).start(store).await;
    let user = gateway.user("ada", "user").await;
    let ci = key(&gateway, &user, &json!({ "name": "ci" })).await;
    let token = gateway.exchange(&ci).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    clock.advance(Duration::from_mins(2));
    gateway.get("/me").token(&token).send().await.expect(200);
    eventually("the use is kept", async || {
        let list = gateway.get("/me/api-keys").token(&user.token).send().await.expect(200).json();
        (list["items"][0]["last_used_at"] == "2027-01-15T08:02:00Z").then_some(())
    })
    .await;
    gateway.finish().await;
}

async fn a_route_is_for_those_it_names(store: &TestStore) {
    let lists = LISTS.replace("path = \"/echo\"", "path = \"/echo\"\nteams = [\"Research\"]\nusers = [\"bob\"]");
    let gateway = Setup::default().more_lists(&lists).start(store).await;
    let team = team(&gateway, &json!({ "name": "Research" })).await;
    let (ada, bob, eve) =
        (gateway.user("ada", "user").await, gateway.user("bob", "user").await, gateway.user("eve", "user").await);
    gateway.patch(&ada.id, &json!({ "team_id": team })).await.expect(200);
    for (token, status) in [(&ada.token, 200), (&bob.token, 200), (&eve.token, 403), (&gateway.admin, 403)] {
        assert_eq!(gateway.get("/echo").token(token).send().await.status, status);
    }
    gateway.get("/echo").token(&eve.token).send().await.problem(403, "forbidden");
    gateway.patch(&ada.id, &json!({ "team_id": null })).await.expect(200);
    gateway.get("/echo").token(&ada.token).send().await.problem(403, "forbidden");
    gateway.finish().await;
}

async fn lists_are_filtered_by_name_and_team(store: &TestStore) {
    let gateway = start(store).await;
    let [research, sales] =
        [team(&gateway, &json!({ "name": "Research" })).await, team(&gateway, &json!({ "name": "Sales" })).await];
    let (ada, bob) = (gateway.user("ada", "user").await, gateway.user("bob", "user").await);
    gateway.patch(&ada.id, &json!({ "team_id": research })).await.expect(200);
    gateway.patch(&bob.id, &json!({ "team_id": sales })).await.expect(200);
    key(&gateway, &ada, &json!({ "name": "one" })).await;
    key(&gateway, &ada, &json!({ "name": "two" })).await;
    for (name, subject) in [("all", Value::Null), ("few", json!(sales))] {
        let limit = json!({ "name": name, "routes": ["*"], "per": "team", "subject": subject, "unit": "requests",
                            "limit": 1000, "window_s": 1 });
        gateway.post("/admin/limits").token(&gateway.admin).json(&limit).send().await.expect(201);
        let budget = json!({ "name": name, "scope": "team", "subject": subject, "limit_usd": "1", "period": "day" });
        gateway.post("/admin/budgets").token(&gateway.admin).json(&budget).send().await.expect(201);
    }
    let keys = format!("/admin/users/{}/api-keys", ada.id);
    for (list, query, field, expected) in [
        ("/admin/users", "name=ada".to_owned(), "username", vec!["ada"]),
        ("/admin/users", "name=ADA".to_owned(), "username", vec![]),
        ("/admin/users", format!("team_id={sales}"), "username", vec!["bob"]),
        ("/admin/users", format!("team_id={sales}&name=ada"), "username", vec![]),
        ("/admin/teams", "name=Sales".to_owned(), "name", vec!["Sales"]),
        ("/admin/teams", format!("team_id={research}"), "name", vec!["Research"]),
        ("/admin/limits", "name=few".to_owned(), "name", vec!["few"]),
        ("/admin/limits", format!("team_id={sales}"), "name", vec!["few"]),
        ("/admin/budgets", "name=all".to_owned(), "name", vec!["all"]),
        ("/admin/budgets", format!("team_id={research}"), "name", vec![]),
        (&keys, "name=two".to_owned(), "name", vec!["two"]),
        (&keys, format!("team_id={research}"), "name", vec!["one", "two"]),
        (&keys, format!("team_id={sales}"), "name", vec![]),
    ] {
        let page = gateway.get(&format!("{list}?{query}")).token(&gateway.admin).send().await.expect(200).json();
        let names: Vec<&str> =
            page["items"].as_array().unwrap().iter().filter_map(|item| item[field].as_str()).collect();
        assert_eq!(names, expected, "{list}?{query}");
    }
    gateway.get("/admin/users?team_id=x").token(&gateway.admin).send().await.problem(400, "invalid-request");
    gateway.finish().await;
}

async fn rotate(gateway: &TestGateway, token: &str, key: &Key, body: &Value) -> Answer {
    gateway.post(&format!("/me/api-keys/{}/rotate", key.id)).token(token).json(body).send().await
}

async fn a_secret_is_replaced_once_for_each_idempotency_key(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("ada", "user").await;
    let first = key(&gateway, &user, &json!({ "name": "k" })).await;
    for (base, token) in [("/me", &user.token), ("/admin", &gateway.admin)] {
        let ask = async |body: Value, once: &str| {
            let request = gateway.post(&format!("{base}/api-keys/{}/rotate", first.id)).token(token);
            request.header("idempotency-key", once).json(&body).send().await
        };
        let (new, again) = (ask(json!({}), "one").await, ask(json!({}), "one").await);
        assert_eq!((new.status, again.status), (201, 201), "{base}");
        assert_eq!((new.json(), new.header("location")), (again.json(), again.header("location")), "{base}");
        gateway.get("/me").token(&Key::from(&new).text).send().await.expect(200);
        ask(json!({ "overlap_s": 9 }), "one").await.problem(409, "conflict");
        let other = ask(json!({}), "two").await;
        assert_ne!(other.expect(201).json()["key"], new.json()["key"]);
        // The answer is the one that was given, though its secret is dead by now.
        assert_eq!(ask(json!({}), "one").await.expect(201).json(), new.json());
        gateway.get("/me").token(&Key::from(&other).text).send().await.expect(200);
    }
    gateway.finish().await;
}

async fn a_secret_is_replaced_and_the_old_one_goes_on_as_long_as_it_says(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().more_lists(LISTS).clock(&clock).start(store).await;
    let (user, other) = (gateway.user("ada", "user").await, gateway.user("bob", "user").await);
    let first = key(&gateway, &user, &json!({ "name": "k", "models": ["gpt-*"] })).await;
    let exchanged = gateway.exchange(&first).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    let works = async |text: &str| gateway.get("/me").token(text).send().await.status == 200;
    let second = Key::from(&rotate(&gateway, &user.token, &first, &json!({ "overlap_s": 60 })).await);
    assert_eq!((&second.id, second.text == first.text), (&first.id, false));
    assert!(works(&first.text).await && works(&second.text).await && works(&exchanged).await);
    // A token for the old secret is good no longer than the old secret.
    let late = gateway.exchange(&first).await.expect(200).json();
    assert_eq!(late["expires_in"], 60, "{late}");
    let late = late["access_token"].as_str().unwrap();
    assert!(works(late).await);
    clock.advance(Duration::from_mins(1));
    assert!(!works(&first.text).await && works(&second.text).await && works(&exchanged).await && !works(late).await);
    let admin = gateway.post(&format!("/admin/api-keys/{}/rotate", first.id)).token(&gateway.admin);
    let answer = admin.send().await;
    let third = Key::from(&answer);
    assert!(!works(&first.text).await && !works(&second.text).await && works(&third.text).await);
    gateway.get("/me").token(&exchanged).send().await.problem(401, "revoked-token");
    let record = gateway.record(answer.request_id()).await.unwrap().to_string();
    assert!(!record.contains(third.secret()) && record.contains("old_secret_until"), "{record}");
    // Another's, with another key, for too long, and when it is revoked.
    rotate(&gateway, &other.token, &first, &json!({})).await.problem(404, "not-found");
    rotate(&gateway, &third.text, &first, &json!({})).await.problem(403, "forbidden");
    rotate(&gateway, &user.token, &first, &json!({ "overlap_s": 604_801 })).await.problem(400, "invalid-request");
    let revoke = gateway.request("DELETE", &format!("/me/api-keys/{}", first.id)).token(&user.token);
    revoke.send().await.expect(204);
    rotate(&gateway, &user.token, &first, &json!({})).await.problem(409, "conflict");
    gateway.finish().await;
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
