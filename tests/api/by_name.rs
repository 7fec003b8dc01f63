//! What administrators make, by its name: made once, changed where it differs, left alone where it does not.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::support::{Answer, TestGateway, TestStore};

on_both_stores!(
    a_put_that_is_sent_again_changes_nothing,
    the_same_written_otherwise_makes_no_new_version,
    what_is_there_is_shown_changed_and_deleted_by_its_name,
    the_keys_of_a_user_are_listed_by_the_users_name,
    a_name_that_nothing_has_is_named_by_the_refusal,
    a_rule_that_has_a_subject_is_pointed_at,
    names_as_people_write_them_stand_in_paths,
    two_puts_of_one_new_name_make_one_thing,
    a_change_is_made_to_the_version_that_it_names,
    a_limit_and_a_budget_are_told_from_others_of_their_name_by_the_subject,
    the_secret_of_a_key_is_shown_where_it_is_made_and_never_again,
    the_terms_of_a_key_change_and_the_tokens_of_others_end,
    a_password_and_a_secret_stay_unless_they_are_given,
    a_name_in_the_body_is_that_of_the_path,
);

async fn call(gateway: &TestGateway, method: &str, target: &str, body: &Value) -> Answer {
    let request = gateway.request(method, target).token(&gateway.admin);
    if body.is_null() { request.send().await } else { request.json(body).send().await }
}

/// Where it is put, what it is to be, and the same otherwise.
fn things() -> Vec<(&'static str, Value, Value)> {
    let limit =
        |limit: u64| json!({ "routes": ["*"], "per": "user", "unit": "requests", "limit": limit, "window_s": 60 });
    let budget = |usd: &str| json!({ "scope": "user", "limit_usd": usd, "period": "day" });
    let route = |path: &str| json!({ "path": path, "match": "exact", "methods": ["GET"], "roles": ["admin"], "upstream": "builtin:echo" });
    let model = |model: &str| json!({ "targets": [{ "upstream": "builtin:llm", "model": model }] });
    vec![
        ("/admin/teams/by-name/research", json!({ "models": ["demo"] }), json!({})),
        ("/admin/users/by-name/ann", json!({ "role": "user" }), json!({ "role": "readonly" })),
        ("/admin/users/by-name/ann/api-keys/by-name/ci", json!({ "models": ["demo"] }), json!({ "role": "readonly" })),
        ("/admin/limits/by-name/few", limit(5), limit(6)),
        ("/admin/budgets/by-name/little", budget("1"), budget("2.50")),
        ("/admin/upstreams/own", json!({ "url": "http://127.0.0.1:9" }), json!({ "url": "http://127.0.0.1:10" })),
        ("/admin/routes/own", route("/own"), route("/other")),
        ("/admin/models/own/fast", model("demo"), model("demo-2")),
    ]
}

/// Without what is shown once.
fn shown(answer: &Answer) -> Value {
    let mut shown = answer.json();
    shown.as_object_mut().unwrap().remove("key");
    shown
}

async fn change_of(gateway: &TestGateway, answer: &Answer) -> Value {
    gateway.record(answer.request_id()).await.unwrap()["change"].clone()
}

async fn a_put_that_is_sent_again_changes_nothing(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for (path, body, other) in things() {
        let made = call(&gateway, "PUT", path, &body).await;
        let place = made.expect(201).header("location").unwrap_or_else(|| panic!("{path}")).to_owned();
        let change = change_of(&gateway, &made).await;
        assert!(change["before"].is_null() && change["after"].is_object(), "{path}: {change}");
        let again = call(&gateway, "PUT", path, &body).await;
        assert_eq!((shown(again.expect(200)), again.header("location")), (shown(&made), None), "{path}");
        assert_eq!(again.header("etag"), made.header("etag"), "{path}");
        assert_eq!(change_of(&gateway, &again).await, Value::Null, "{path}");
        assert_eq!(call(&gateway, "GET", &place, &Value::Null).await.expect(200).header("etag"), made.header("etag"));

        let changed = call(&gateway, "PUT", path, &other).await;
        assert_ne!(shown(changed.expect(200)), shown(&made), "{path}");
        assert_ne!(changed.header("etag"), made.header("etag"), "{path}");
        assert_eq!(changed.json().get("id"), made.json().get("id"), "{path}");
        let change = change_of(&gateway, &changed).await;
        assert!(change["before"].is_object() && change["before"] != change["after"], "{path}: {change}");
        call(&gateway, "PUT", path, &other).await.expect(200);
    }
    gateway.finish().await;
}

async fn the_same_written_otherwise_makes_no_new_version(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let id = gateway.create("ann", "user").await["id"].as_str().unwrap().to_owned();
    let limit = |more: Value| {
        let mut limit = json!({ "per": "user", "unit": "requests", "limit": 5 });
        limit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        limit
    };
    let things = [
        (
            "/admin/budgets/by-name/little",
            json!({ "scope": "user", "limit_usd": "10", "period": "day", "models": ["b", "a"], "alert_at": [1, 0.5] }),
            json!({ "scope": "user", "subject": null, "limit_usd": "10.00", "period": "day", "models": ["a", "b"],
                "mode": "enforce", "alert_at": [0.5, 1.0] }),
        ),
        (
            "/admin/budgets/by-name/hers?subject=ann",
            json!({ "scope": "user", "subject": "ann", "limit_usd": 2.5, "period": "day" }),
            json!({ "scope": "user", "subject": id, "limit_usd": "2.50", "period": "day", "models": ["*"], "alert_at": [] }),
        ),
        (
            "/admin/limits/by-name/few",
            limit(json!({ "routes": ["echo", "chat"], "window_s": 60 })),
            limit(json!({ "routes": ["chat", "echo"], "window_s": 60, "burst": 5, "window": null, "mode": "enforce",
                "on_error": "allow_local_share" })),
        ),
        (
            "/admin/limits/by-name/daily",
            limit(json!({ "routes": ["*"], "window": "day" })),
            limit(json!({ "routes": ["*"], "window": "day", "time_zone": "UTC" })),
        ),
    ];
    for (path, body, other) in things {
        let target = path.split('?').next().unwrap();
        let made = call(&gateway, "PUT", target, &body).await;
        for (method, target) in [("PUT", target), ("PATCH", path)] {
            let again = call(&gateway, method, target, &other).await;
            assert_eq!(shown(again.expect(200)), shown(made.expect(201)), "{method} {path}");
            assert_eq!(again.header("etag"), made.header("etag"), "{method} {path}");
            assert_eq!(change_of(&gateway, &again).await, Value::Null, "{method} {path}");
        }
    }
    gateway.finish().await;
}

async fn what_is_there_is_shown_changed_and_deleted_by_its_name(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let mut things = things();
    for (path, body, _) in &things {
        call(&gateway, "PUT", path, body).await.expect(201);
    }
    // What others need is deleted last.
    things.reverse();
    for (path, body, other) in things {
        let before = call(&gateway, "GET", path, &Value::Null).await;
        let patched =
            call(&gateway, "PATCH", path, &if other == json!({}) { json!({ "models": ["*"] }) } else { other }).await;
        assert_ne!(patched.expect(200).header("etag"), before.expect(200).header("etag"), "{path}");
        let after = call(&gateway, "GET", path, &Value::Null).await;
        assert_eq!(after.expect(200).header("etag"), patched.header("etag"), "{path}");
        let deleted = call(&gateway, "DELETE", path, &Value::Null).await;
        assert!(change_of(&gateway, deleted.expect(204)).await["before"].is_object(), "{path}");
        for method in ["GET", "DELETE"] {
            call(&gateway, method, path, &Value::Null).await.problem(404, "not-found");
        }
        let again = call(&gateway, "PUT", path, &body).await;
        assert_eq!(again.status, 201, "{path}: {}", again.text());
        call(&gateway, "DELETE", path, &Value::Null).await.expect(204);
    }
    gateway.finish().await;
}

async fn the_keys_of_a_user_are_listed_by_the_users_name(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let mut ids = vec![];
    for (user, key) in [("ann", "ci"), ("ann", "desk"), ("bob", "ci")] {
        let path = format!("/admin/users/by-name/{user}");
        let made = call(&gateway, "PUT", &path, &json!({ "role": "user" })).await.json();
        let path = format!("{path}/api-keys/by-name/{key}");
        let key = call(&gateway, "PUT", &path, &json!({})).await.expect(201).json();
        ids.push((made["id"].as_str().unwrap().to_owned(), key["id"].clone()));
    }
    let list = async |query: &str| {
        let target = format!("/admin/users/by-name/ann/api-keys{query}");
        let by_name = call(&gateway, "GET", &target, &Value::Null).await.expect(200).json();
        let target = format!("/admin/users/{}/api-keys{query}", ids[0].0);
        assert_eq!(by_name, call(&gateway, "GET", &target, &Value::Null).await.expect(200).json(), "{query}");
        by_name["items"].as_array().unwrap().iter().map(|key| key["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(list("").await, [ids[0].1.clone(), ids[1].1.clone()]);
    assert_eq!(list("?name=desk").await, [ids[1].1.clone()]);
    assert_eq!(list("?limit=1").await, [ids[0].1.clone()]);
    let nobody = call(&gateway, "GET", "/admin/users/by-name/nobody/api-keys", &Value::Null).await;
    assert_eq!(nobody.problem(404, "not-found")["detail"], "There is no user named \"nobody\".");
    gateway.finish().await;
}

async fn a_name_that_nothing_has_is_named_by_the_refusal(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    gateway.create("bob", "user").await;
    for (path, told) in [
        ("/admin/teams/by-name/no%20one", "There is no team named \"no one\"."),
        ("/admin/users/by-name/nobody", "There is no user named \"nobody\"."),
        ("/admin/users/by-name/not%20one", "There is no user named \"not one\"."),
        ("/admin/users/by-name/nobody/api-keys/by-name/ci", "There is no user named \"nobody\"."),
        ("/admin/users/by-name/bob/api-keys/by-name/ci", "There is no API key of this user named \"ci\"."),
        ("/admin/limits/by-name/none", "There is no limit without a subject named \"none\"."),
        ("/admin/budgets/by-name/none", "There is no budget without a subject named \"none\"."),
        ("/admin/upstreams/none", "There is no upstream named \"none\"."),
        ("/admin/routes/none", "There is no route named \"none\"."),
        ("/admin/models/no/ne", "There is no model named \"no/ne\"."),
    ] {
        for method in ["GET", "DELETE"] {
            let problem = call(&gateway, method, path, &Value::Null).await.problem(404, "not-found");
            assert_eq!(problem["detail"], told, "{method} {path}");
        }
        let problem = call(&gateway, "PATCH", path, &json!({})).await.problem(404, "not-found");
        assert_eq!(problem["detail"], told, "PATCH {path}");
    }
    gateway.finish().await;
}

async fn a_rule_that_has_a_subject_is_pointed_at(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    gateway.create("bob", "user").await;
    let rule =
        json!({ "routes": ["*"], "per": "user", "subject": "bob", "unit": "requests", "limit": 5, "window_s": 60 });
    call(&gateway, "PUT", "/admin/limits/by-name/few", &rule).await.expect(201);
    for (method, body) in [("GET", Value::Null), ("DELETE", Value::Null), ("PATCH", json!({ "limit": 6 }))] {
        let problem = call(&gateway, method, "/admin/limits/by-name/few", &body).await.problem(404, "not-found");
        assert!(problem["detail"].as_str().unwrap().contains("?subject="), "{method}: {problem}");
    }
    let path = "/admin/limits/by-name/few?subject=bob";
    call(&gateway, "PATCH", path, &json!({ "limit": 6 })).await.expect(200);
    gateway.finish().await;
}

async fn names_as_people_write_them_stand_in_paths(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    call(&gateway, "PUT", "/admin/users/by-name/zo%40example.org", &json!({ "role": "user" })).await.expect(201);
    for (written, name) in [
        ("R%26D/Wien", "R&D/Wien"),
        ("Zo%C3%AB's%20team", "Zoë's team"),
        ("%E7%A0%94%E7%A9%B6%E9%96%8B%E7%99%BA", "研究開発"),
        ("sessions", "sessions"),
        ("api-keys", "api-keys"),
        ("by-name/x", "by-name/x"),
        ("50%25", "50%"),
        ("a%5Cb", "a\\b"),
        ("a%2F%2Fb", "a//b"),
        ("%2Fx%2F", "/x/"),
        ("%252F", "%2F"),
    ] {
        for list in ["/admin/teams/by-name", "/admin/users/by-name/zo%40example.org/api-keys/by-name"] {
            let path = format!("{list}/{written}");
            let made = call(&gateway, "PUT", &path, &json!({})).await;
            assert_eq!(made.expect(201).json()["name"], name, "{path}");
            assert_eq!(call(&gateway, "GET", &path, &Value::Null).await.expect(200).json()["name"], name, "{path}");
            call(&gateway, "PUT", &path, &json!({ "name": name })).await.expect(200);
        }
    }
    // As clients write it that are made from the document: OpenAPI 3.0 knows no path parameter with slashes.
    let model = json!({ "targets": [{ "upstream": "builtin:llm", "model": "demo" }] });
    let made = call(&gateway, "PUT", "/admin/models/team%2Fbest", &model).await;
    assert_eq!(made.expect(201).json()["name"], "team/best");
    call(&gateway, "PUT", "/admin/models/team/best", &model).await.expect(200);
    for written in ["a//b", "..", "a%2F..%2Fb", "a%0Ab"] {
        let path = format!("/admin/teams/by-name/{written}");
        let refused = call(&gateway, "PUT", &path, &json!({})).await.problem(400, "unsafe-path");
        assert!(refused["detail"].as_str().unwrap().starts_with("the path has"), "{path}: {refused}");
    }
    for (list, field, name) in [("teams", "name", ".."), ("teams", "name", "a/./b"), ("users", "username", ".")] {
        let body = json!({ field: name, "role": "user" });
        let body = if list == "teams" { json!({ field: name }) } else { body };
        let refused = call(&gateway, "POST", &format!("/admin/{list}"), &body).await.invalid(&format!("/{field}"));
        assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("no URL can have"), "{refused}");
    }
    // Which names there can be is said where the name stands.
    for (path, body) in [
        ("/admin/teams/by-name/a%E2%80%8Bb", json!({})),
        ("/admin/users/by-name/a%20b", json!({ "role": "user" })),
        (
            "/admin/limits/by-name/a%20b",
            json!({ "routes": ["*"], "per": "user", "unit": "requests", "limit": 1, "window_s": 60 }),
        ),
        ("/admin/budgets/by-name/a%20b", json!({ "scope": "user", "limit_usd": "1", "period": "day" })),
        ("/admin/upstreams/a%20b", json!({ "url": "http://127.0.0.1:9" })),
        ("/admin/models/gpt-*", model.clone()),
    ] {
        call(&gateway, "PUT", path, &body).await.invalid("path");
        // Conditions are heeded where the request could else be done (RFC 9110 §13.2.1).
        let put = gateway.request("PUT", path).token(&gateway.admin).header("if-match", "*");
        put.json(&body).send().await.invalid("path");
    }
    // A name that readers would take for another's is not another.
    let twin = call(&gateway, "PUT", "/admin/teams/by-name/zo%C3%AB's%20TEAM", &json!({})).await;
    twin.problem(409, "conflict");
    gateway.finish().await;
}

async fn two_puts_of_one_new_name_make_one_thing(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for (path, body, _) in things() {
        let answers = join_all((0..6).map(|_| call(&gateway, "PUT", path, &body))).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        let kept = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((made, kept), (1, 5), "{path}: {answers:?}");
        assert!(answers.iter().all(|answer| shown(answer) == shown(&answers[0])), "{path}");
    }
    gateway.finish().await;
}

async fn a_change_is_made_to_the_version_that_it_names(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let with = async |method: &str, path: &str, name: &str, tag: &str, body: &Value| {
        let request = gateway.request(method, path).token(&gateway.admin).header(name, tag);
        if body.is_null() { request.send().await } else { request.json(body).send().await }
    };
    let mut things = things();
    for (path, body, _) in &things {
        with("PUT", path, "if-match", "*", body).await.problem(412, "precondition-failed");
        let made = with("PUT", path, "if-none-match", "*", body).await;
        assert_eq!(made.status, 201, "{path}: {}", made.text());
        let refused = with("PUT", path, "if-none-match", "*", body).await.problem(412, "precondition-failed");
        assert!(refused["detail"].as_str().unwrap().contains(made.header("etag").unwrap()), "{path}: {refused}");
    }
    things.reverse();
    for (path, body, other) in things {
        let place = call(&gateway, "GET", path, &Value::Null).await.expect(200).json();
        let first = call(&gateway, "GET", path, &Value::Null).await.header("etag").unwrap().to_owned();
        let second = with("PUT", path, "if-match", &first, &other).await.expect(200).header("etag").unwrap().to_owned();
        assert_ne!(first, second, "{path}");
        for method in ["PUT", "PATCH"] {
            with(method, path, "if-match", &first, &body).await.problem(412, "precondition-failed");
        }
        with("DELETE", path, "if-match", &first, &Value::Null).await.problem(412, "precondition-failed");
        // By its id too, where it has one.
        if let (Some(id), Some(list)) = (place["id"].as_str(), path.split("/by-name/").next()) {
            let list = if path.contains("/api-keys/") { "/admin/api-keys" } else { list };
            let by_id = format!("{list}/{id}");
            with("PATCH", &by_id, "if-match", &first, &json!({})).await.problem(412, "precondition-failed");
            with("DELETE", &by_id, "if-match", &first, &Value::Null).await.problem(412, "precondition-failed");
            with("PATCH", &by_id, "if-match", &second, &json!({})).await.expect(200);
        }
        with("PATCH", path, "if-match", "17", &json!({})).await.invalid("header:if-match");
        with("DELETE", path, "if-match", &format!("\"1\", {second}"), &Value::Null).await.expect(204);
    }
    gateway.finish().await;
}

async fn a_limit_and_a_budget_are_told_from_others_of_their_name_by_the_subject(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let ann = gateway.create("ann", "user").await["id"].as_str().unwrap().to_owned();
    let limit = json!({ "routes": ["*"], "per": "user", "unit": "requests", "limit": 5, "window_s": 60 });
    let budget = json!({ "scope": "user", "limit_usd": "1", "period": "day" });
    for (path, general) in [("/admin/limits/by-name/same", limit), ("/admin/budgets/by-name/same", budget)] {
        let of_ann = [general.as_object().unwrap().clone(), [("subject".to_owned(), json!(ann))].into_iter().collect()];
        let of_ann: Value = of_ann.into_iter().flatten().collect::<serde_json::Map<_, _>>().into();
        let first = call(&gateway, "PUT", path, &of_ann).await.expect(201).json();
        call(&gateway, "GET", path, &Value::Null).await.problem(404, "not-found");
        let second = call(&gateway, "PUT", path, &general).await.expect(201).json();
        assert_ne!(first["id"], second["id"]);
        call(&gateway, "PUT", path, &of_ann).await.expect(200);
        let by = format!("{path}?subject={ann}");
        assert_eq!(call(&gateway, "GET", &by, &Value::Null).await.expect(200).json()["id"], first["id"]);
        assert_eq!(call(&gateway, "GET", path, &Value::Null).await.expect(200).json()["id"], second["id"]);
        call(&gateway, "PATCH", &by, &json!({ "mode": "shadow" })).await.expect(200);
        assert_eq!(call(&gateway, "GET", path, &Value::Null).await.expect(200).json()["mode"], "enforce");
        call(&gateway, "DELETE", &by, &Value::Null).await.expect(204);
        call(&gateway, "GET", &by, &Value::Null).await.problem(404, "not-found");
        call(&gateway, "GET", &format!("{path}?other=1"), &Value::Null).await.invalid("?other");
        call(&gateway, "DELETE", path, &Value::Null).await.expect(204);
    }
    gateway.finish().await;
}

async fn the_secret_of_a_key_is_shown_where_it_is_made_and_never_again(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    call(&gateway, "PUT", "/admin/users/by-name/ann", &json!({ "role": "user" })).await.expect(201);
    let path = "/admin/users/by-name/ann/api-keys/by-name/ci";
    let made = call(&gateway, "PUT", path, &json!({})).await.expect(201).json();
    let key = made["key"].as_str().unwrap();
    gateway.get("/me").token(key).send().await.expect(200);
    for (method, body) in [("PUT", json!({})), ("GET", Value::Null), ("PATCH", json!({}))] {
        assert_eq!(call(&gateway, method, path, &body).await.expect(200).json().get("key"), None, "{method}");
    }
    call(&gateway, "DELETE", path, &Value::Null).await.expect(204);
    gateway.get("/me").token(key).send().await.problem(401, "revoked-token");
    let other = call(&gateway, "PUT", path, &json!({})).await.expect(201).json();
    assert!(other["key"] != made["key"] && other["id"] != made["id"]);
    // Made by POST, two keys may have one name: which of them is meant cannot be told.
    let user = other["user_id"].as_str().unwrap();
    call(&gateway, "POST", &format!("/admin/users/{user}/api-keys"), &json!({ "name": "ci" })).await.expect(201);
    call(&gateway, "GET", path, &Value::Null).await.problem(409, "conflict");
    call(&gateway, "PUT", path, &json!({})).await.problem(409, "conflict");
    gateway.finish().await;
}

async fn the_terms_of_a_key_change_and_the_tokens_of_others_end(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let ann = gateway.user("ann", "user").await;
    let key = gateway.api_key(&ann.token, "ci").await;
    let token = gateway.exchange(&key).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    let path = "/admin/users/by-name/ann/api-keys/by-name/ci";
    call(&gateway, "PATCH", path, &json!({ "models": ["demo"], "routes": ["echo"] })).await.expect(200);
    gateway.get("/me").token(&token).send().await.expect(200);
    let call_of_model = json!({ "model": "other", "messages": [{ "role": "user", "content": "hello" }] });
    let refused = gateway.post("/v1/chat/completions").token(&key.text).json(&call_of_model).send().await;
    refused.problem(403, "forbidden");
    call(&gateway, "PATCH", path, &json!({ "role": "readonly" })).await.expect(200);
    gateway.get("/me").token(&token).send().await.problem(401, "revoked-token");
    for (patch, pointer) in [
        (json!({ "role": "admin" }), "/role"),
        (json!({ "expires_at": "2020-01-01" }), "/expires_at"),
        (json!({ "routes": ["nope"] }), "/routes/0"),
        (json!({ "name": " " }), "/name"),
    ] {
        call(&gateway, "PATCH", path, &patch).await.invalid(pointer);
    }
    gateway.finish().await;
}

async fn a_password_and_a_secret_stay_unless_they_are_given(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let (user, password) = ("/admin/users/by-name/ann", "a long password for ann");
    let with = |password: &str| json!({ "role": "user", "password": password });
    call(&gateway, "PUT", user, &with(password)).await.expect(201);
    gateway.login("ann", password).await;
    for body in [with(password), json!({ "role": "user" })] {
        let kept = call(&gateway, "PUT", user, &body).await;
        assert_eq!(change_of(&gateway, kept.expect(200)).await, Value::Null);
        gateway.login("ann", password).await;
    }
    let changed = call(&gateway, "PUT", user, &with("another long password")).await;
    assert_eq!(change_of(&gateway, changed.expect(200)).await["password_changed"], true);
    gateway.login("ann", "another long password").await;

    let upstream = "/admin/upstreams/own";
    let with = |secret: Value| json!({ "url": "http://127.0.0.1:9", "secret": secret });
    let without = json!({ "url": "http://127.0.0.1:9" });
    call(&gateway, "PUT", upstream, &with(json!("canary"))).await.expect(201);
    for body in [with(json!("canary")), without] {
        let kept = call(&gateway, "PUT", upstream, &body).await;
        assert_eq!(kept.expect(200).json()["has_secret"], true);
        assert_eq!(change_of(&gateway, &kept).await, Value::Null);
    }
    let changed = call(&gateway, "PUT", upstream, &with(json!("other"))).await;
    assert_eq!(change_of(&gateway, changed.expect(200)).await["secret_changed"], true);
    assert_eq!(call(&gateway, "PUT", upstream, &with(Value::Null)).await.expect(200).json()["has_secret"], false);
    gateway.finish().await;
}

async fn a_name_in_the_body_is_that_of_the_path(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for (path, body, _) in things() {
        let field = if path.ends_with("/ann") { "username" } else { "name" };
        let mut body = body.as_object().unwrap().clone();
        body.insert(field.into(), json!("another"));
        call(&gateway, "PUT", path, &body.clone().into()).await.invalid(&format!("/{field}"));
        let name = path.split_once("/by-name/").map_or("own", |(_, name)| name.rsplit('/').next().unwrap());
        body.insert(field.into(), json!(if path.ends_with("fast") { "own/fast" } else { name }));
        call(&gateway, "PUT", path, &body.into()).await.expect(201);
    }
    // What the file says is changed there.
    let refused = call(&gateway, "PUT", "/admin/routes/echo", &things()[6].1).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("SIGHUP"));
    gateway.finish().await;
}
