//! API keys: made once, shown once, and dead when they are revoked, expired, or their user is.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tollgate::clock::Clock;

use super::support::{Answer, Key, Setup, TestGateway, TestStore, User, eventually};

on_both_stores!(
    a_key_calls_as_its_user_in_either_header,
    an_access_token_is_no_api_key,
    a_key_may_expire_at_the_end_of_time,
    a_key_is_shown_once_and_kept_nowhere,
    the_same_idempotency_key_gives_the_same_key,
    a_key_acts_with_the_role_its_user_has_now,
    a_key_expires_when_it_says,
    a_revoked_key_is_refused_at_once,
    a_key_made_and_revoked_on_one_replica_is_so_on_the_other,
    a_disabled_or_deleted_user_has_no_key,
    what_is_no_key_is_refused,
    the_key_of_another_is_not_found,
    an_administrator_makes_lists_and_revokes_any_key,
    bad_fields_name_their_place,
    a_user_has_a_hundred_live_keys_and_no_more,
    only_a_login_makes_a_key,
    a_list_of_keys_is_walked_page_by_page,
    what_was_done_to_a_key_is_on_record_without_its_secret,
);

const NO_SUCH_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

async fn me(gateway: &TestGateway, key: &Key) -> Answer {
    gateway.get("/me").token(&key.text).send().await
}

async fn delete(gateway: &TestGateway, target: &str, token: &str) -> Answer {
    gateway.request("DELETE", target).token(token).send().await
}

async fn a_key_calls_as_its_user_in_either_header(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let answer = gateway.post("/me/api-keys").token(&user.token).json(&json!({ "name": "Zoë's laptop" })).send().await;
    let created = answer.expect(201).json();
    let fields: Vec<&String> = created.as_object().unwrap().keys().collect();
    let expected = "created_at expires_at id key last_used_at models name old_secret_until revoked_at role routes user_id user_name";
    assert_eq!(fields, expected.split(' ').collect::<Vec<_>>());
    assert_eq!((&created["name"], &created["user_id"]), (&json!("Zoë's laptop"), &json!(user.id)));
    assert_eq!((&created["expires_at"], &created["revoked_at"]), (&Value::Null, &Value::Null));
    let key = Key::from(&answer);
    assert_eq!(answer.header("location"), Some(format!("/me/api-keys/{}", key.id).as_str()));
    assert_eq!((key.text.len(), key.text.starts_with(&format!("tg_{}_", key.id))), (3 + 36 + 1 + 64, true));
    let view = me(&gateway, &key).await.expect(200).json();
    assert_eq!((&view["user"]["id"], &view["role"], &view["session"]), (&json!(user.id), &json!("user"), &Value::Null));
    let called = gateway.get("/echo").header("x-api-key", &key.text).send().await;
    assert_eq!(called.expect(200).json()["headers"].get("x-api-key"), None);
    let record = gateway.record(called.request_id()).await.unwrap();
    assert_eq!(record["credential"], json!({ "kind": "api_key", "id": key.id }));
    assert_eq!((&record["user_id"], record.get("session_id")), (&json!(user.id), None));
    gateway.get("/me").token(&key.text).header("x-api-key", &key.text).send().await.expect(200);
    gateway
        .get("/me")
        .token(&user.token)
        .header("x-api-key", &key.text)
        .send()
        .await
        .problem(400, "ambiguous-credentials");
    gateway.post("/auth/logout").token(&key.text).send().await.problem(409, "conflict");
    gateway.finish().await;
}

async fn an_access_token_is_no_api_key(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let refresh = gateway.login("admin", super::support::ADMIN_PASSWORD).await.refresh;
    for other in [gateway.admin.as_str(), refresh.as_str(), "sk-1234"] {
        gateway.get("/me").header("x-api-key", other).send().await.problem(401, "invalid-token");
    }
    gateway.finish().await;
}

async fn a_key_may_expire_at_the_end_of_time(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for (name, expires_at) in
        [("a", "9999-12-31T23:59:59Z"), ("b", "9999-12-31T23:59:59.999999999Z"), ("c", "2100-01-01T00:00:00Z")]
    {
        let body = json!({ "name": name, "expires_at": expires_at });
        let made = gateway.post("/me/api-keys").token(&gateway.admin).json(&body).send().await;
        assert!(made.expect(201).json()["expires_at"].as_str().unwrap() > "2099", "{}", made.text());
        me(&gateway, &Key::from(&made)).await.expect(200);
    }
    gateway.get("/me/api-keys").token(&gateway.admin).send().await.expect(200);
    gateway.finish().await;
}

async fn a_key_is_shown_once_and_kept_nowhere(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let request = gateway.post("/me/api-keys").token(&gateway.admin).header("idempotency-key", "kept");
    let key = Key::from(&request.json(&json!({ "name": "ci" })).send().await);
    let listed = gateway.get("/me/api-keys").token(&gateway.admin).send().await.expect(200).json();
    assert_eq!((&listed["items"][0]["id"], listed["items"][0].get("key")), (&json!(key.id), None));
    let stored = store.everything().await;
    assert!(stored.iter().any(|text| text.contains(&key.id)));
    for text in stored {
        assert!(!text.contains(key.secret()), "the secret is in the store: {text:.300}");
    }
    gateway.finish().await;
}

async fn the_same_idempotency_key_gives_the_same_key(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let at = |path: &str, name: &str| {
        let request = gateway.post(path).token(&gateway.admin).header("idempotency-key", "once");
        request.json(&json!({ "name": name })).send()
    };
    let answers = join_all((0..5).map(|_| at("/me/api-keys", "first"))).await;
    let again = at("/me/api-keys", "first").await;
    assert_eq!(again.header("location"), answers[0].header("location"));
    for answer in &answers {
        assert_eq!(answer.expect(201).text(), again.expect(201).text());
    }
    me(&gateway, &Key::from(&again)).await.expect(200);
    at("/me/api-keys", "second").await.problem(409, "conflict");
    at(&format!("/admin/users/{}/api-keys", user.id), "first").await.problem(409, "conflict");
    let listed = gateway.get("/me/api-keys").token(&gateway.admin).send().await.expect(200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    gateway.finish().await;
}

async fn a_key_acts_with_the_role_its_user_has_now(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let key = gateway.api_key(&user.token, "ci").await;
    let users = |key: &Key| gateway.get("/admin/users").token(&key.text).send();
    users(&key).await.problem(403, "forbidden");
    gateway.patch(&user.id, &json!({ "role": "admin" })).await.expect(200);
    users(&key).await.expect(200);
    gateway.patch(&user.id, &json!({ "role": "readonly" })).await.expect(200);
    users(&key).await.problem(403, "forbidden");
    gateway.post("/echo").token(&key.text).send().await.problem(403, "forbidden");
    gateway.finish().await;
}

async fn a_key_expires_when_it_says(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().clock(&clock).start(store).await;
    let body = json!({ "name": "short", "expires_at": "2027-01-15T08:00:10.5Z" });
    let answer = gateway.post("/me/api-keys").token(&gateway.admin).json(&body).send().await;
    assert_eq!(answer.expect(201).json()["expires_at"], "2027-01-15T08:00:10.5Z");
    let key = Key::from(&answer);
    clock.advance(Duration::from_millis(10_499));
    me(&gateway, &key).await.expect(200);
    clock.advance(Duration::from_millis(1));
    let refused = me(&gateway, &key).await;
    let problem = refused.problem(401, "expired-token");
    assert!(!problem["detail"].as_str().unwrap().contains("refresh"), "{problem}");
    assert_eq!(gateway.record(refused.request_id()).await.unwrap()["reason"], "expired-token: api-key-expired");
    gateway.finish().await;
}

async fn a_revoked_key_is_refused_at_once(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let (key, other) = (gateway.api_key(&user.token, "one").await, gateway.api_key(&user.token, "two").await);
    let token = gateway.exchange(&key).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    gateway.get("/me").token(&token).send().await.expect(200);
    let path = format!("/me/api-keys/{}", key.id);
    assert!(delete(&gateway, &path, &user.token).await.expect(204).body.is_empty());
    let refused = me(&gateway, &key).await;
    refused.problem(401, "revoked-token");
    assert_eq!(gateway.record(refused.request_id()).await.unwrap()["reason"], "revoked-token: api-key-revoked");
    gateway.get("/me").token(&token).send().await.problem(401, "revoked-token");
    gateway.exchange(&key).await.oauth_error(401, "invalid_client");
    me(&gateway, &other).await.expect(200);
    delete(&gateway, &path, &user.token).await.expect(204);
    let listed = gateway.get("/me/api-keys").token(&user.token).send().await.expect(200).json();
    assert!(listed["items"][0]["revoked_at"].is_string() && listed["items"][1]["revoked_at"].is_null(), "{listed}");
    gateway.finish().await;
}

async fn a_key_made_and_revoked_on_one_replica_is_so_on_the_other(store: &TestStore) {
    let one = TestGateway::start(store).await;
    let two = TestGateway::start(store).await;
    let user = one.user("user", "user").await;
    let key = one.api_key(&user.token, "ci").await;
    me(&two, &key).await.expect(200);
    let token = two.exchange(&key).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    delete(&one, &format!("/me/api-keys/{}", key.id), &user.token).await.expect(204);
    let clock = Clock::system();
    let revoked_ns = clock.monotonic_ns();
    for credential in [&key.text, &token] {
        let refused = eventually("the revocation on the other replica", async || {
            let answer = two.get("/me").token(credential).send().await;
            (answer.status != 200).then_some(answer)
        });
        refused.await.problem(401, "revoked-token");
    }
    let took_ns = clock.monotonic_ns() - revoked_ns;
    assert!(took_ns < 1_000_000_000, "it took {took_ns} ns");
    TestGateway::finish_all([one, two]).await;
}

async fn a_disabled_or_deleted_user_has_no_key(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let key = gateway.api_key(&user.token, "ci").await;
    gateway.patch(&user.id, &json!({ "status": "disabled" })).await.expect(200);
    me(&gateway, &key).await.problem(401, "revoked-token");
    gateway.exchange(&key).await.oauth_error(401, "invalid_client");
    gateway.patch(&user.id, &json!({ "status": "active" })).await.expect(200);
    me(&gateway, &key).await.expect(200);
    let place = format!("/admin/api-keys/{}", key.id);
    let shown = async || gateway.get(&place).token(&gateway.admin).send().await.expect(200).json();
    assert_eq!(shown().await["revoked_at"], Value::Null);
    delete(&gateway, &format!("/admin/users/{}", user.id), &gateway.admin).await.expect(204);
    me(&gateway, &key).await.problem(401, "revoked-token");
    let shown = shown().await;
    assert!(shown["revoked_at"].is_string() && shown["user_name"] == "user", "{shown}");
    gateway.finish().await;
}

async fn what_is_no_key_is_refused(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let (key, other) = (gateway.api_key(&gateway.admin, "1").await, gateway.api_key(&gateway.admin, "2").await);
    let with = |id: &str, secret: &str| format!("tg_{id}_{secret}");
    for (bad, reason) in [
        (with(&key.id, other.secret()), "wrong-api-key-secret"),
        (with(&key.id, &"0".repeat(64)), "wrong-api-key-secret"),
        (with(NO_SUCH_ID, key.secret()), "unknown-api-key"),
        (with(&key.id, &key.secret().to_uppercase()), "malformed-token"),
        (with(&key.id.to_uppercase(), key.secret()), "malformed-token"),
        (with(&key.id, ""), "malformed-token"),
        ("tg_".into(), "malformed-token"),
        (format!("{}0", key.text), "malformed-token"),
    ] {
        let refused = gateway.get("/me").header("x-api-key", &bad).send().await;
        refused.problem(401, "invalid-token");
        let record = gateway.record(refused.request_id()).await.unwrap();
        assert_eq!(record["reason"], format!("invalid-token: {reason}"), "{bad}");
    }
    gateway.get(&format!("/me?api_key={}", key.text)).send().await.problem(401, "missing-credential");
    gateway.finish().await;
}

async fn the_key_of_another_is_not_found(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let (ada, bob) = (gateway.user("ada", "user").await, gateway.user("bob", "user").await);
    let key = gateway.api_key(&ada.token, "ci").await;
    for id in [key.id.as_str(), NO_SUCH_ID] {
        delete(&gateway, &format!("/me/api-keys/{id}"), &bob.token).await.problem(404, "not-found");
        // Not an administrator's by that path either.
        delete(&gateway, &format!("/me/api-keys/{id}"), &gateway.admin).await.problem(404, "not-found");
    }
    delete(&gateway, "/me/api-keys/x", &bob.token).await.invalid("path");
    let listed = gateway.get("/me/api-keys").token(&bob.token).send().await.expect(200).json();
    assert_eq!(listed, json!({ "items": [], "next_cursor": null }));
    me(&gateway, &key).await.expect(200);
    gateway.finish().await;
}

async fn an_administrator_makes_lists_and_revokes_any_key(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let path = format!("/admin/users/{}/api-keys", user.id);
    let answer = gateway.post(&path).token(&gateway.admin).json(&json!({ "name": "made for you" })).send().await;
    let key = Key::from(&answer);
    assert_eq!(answer.header("location"), Some(format!("/admin/api-keys/{}", key.id).as_str()));
    assert_eq!(me(&gateway, &key).await.expect(200).json()["user"]["id"], user.id.as_str());
    let listed = gateway.get(&path).token(&gateway.admin).send().await.expect(200).json();
    assert_eq!((&listed["items"][0]["id"], listed["items"][0].get("key")), (&json!(key.id), None));
    delete(&gateway, &format!("/admin/api-keys/{}", key.id), &user.token).await.problem(403, "forbidden");
    delete(&gateway, &format!("/admin/api-keys/{}", key.id), &gateway.admin).await.expect(204);
    delete(&gateway, &format!("/admin/api-keys/{NO_SUCH_ID}"), &gateway.admin).await.problem(404, "not-found");
    me(&gateway, &key).await.problem(401, "revoked-token");
    let nobody = format!("/admin/users/{NO_SUCH_ID}/api-keys");
    let body = json!({ "name": "x" });
    gateway.post(&nobody).token(&gateway.admin).json(&body).send().await.problem(404, "not-found");
    gateway.get(&nobody).token(&gateway.admin).send().await.problem(404, "not-found");
    delete(&gateway, &format!("/admin/users/{}", user.id), &gateway.admin).await.expect(204);
    gateway.post(&path).token(&gateway.admin).json(&body).send().await.problem(404, "not-found");
    gateway.finish().await;
}

async fn bad_fields_name_their_place(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let User { id, token } = gateway.user("user", "user").await;
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("a\nb")),
        ("name", json!("x".repeat(65))),
        ("name", Value::Null),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
        ("expires_at", json!("tomorrow")),
        ("expires_at", json!("10000-01-01T00:00:00Z")),
        ("expires_at", json!(1)),
        ("role", json!("admin")),
        ("id", json!(NO_SUCH_ID)),
        ("user_id", json!(id)),
        ("status", json!("active")),
        ("key", json!("tg_1_2")),
    ] {
        let mut body = json!({ "name": "key" });
        body[field] = value;
        let sent = gateway.post("/me/api-keys").token(&token).json(&body).send().await;
        sent.invalid(&format!("/{field}"));
        let path = format!("/admin/users/{id}/api-keys");
        gateway.post(&path).token(&gateway.admin).json(&body).send().await.invalid(&format!("/{field}"));
    }
    gateway.finish().await;
}

async fn a_user_has_a_hundred_live_keys_and_no_more(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let create =
        |n: usize| gateway.post("/me/api-keys").token(&gateway.admin).json(&json!({ "name": format!("{n}") })).send();
    for n in 0..96 {
        create(n).await.expect(201);
    }
    let answers = join_all((0..10).map(create)).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 4);
    answers.iter().filter(|answer| answer.status != 201).for_each(|answer| drop(answer.problem(409, "conflict")));
    delete(&gateway, made[0].header("location").unwrap(), &gateway.admin).await.expect(204);
    create(0).await.expect(201);
    create(0).await.problem(409, "conflict");
    gateway.finish().await;
}

/// A key outlives the credential that makes it: what is short-lived or held to less must not make one.
async fn only_a_login_makes_a_key(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let key = gateway.api_key(&user.token, "parent").await;
    let exchanged = gateway.exchange(&key).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
    for token in [&key.text, &exchanged] {
        let child = gateway.post("/me/api-keys").token(token).json(&json!({ "name": "child" })).send().await;
        child.problem(403, "forbidden");
    }
    gateway.api_key(&user.token, "another").await;
    gateway.finish().await;
}

async fn a_list_of_keys_is_walked_page_by_page(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let mut made = vec![];
    for n in 0..5 {
        made.push(json!(gateway.api_key(&gateway.admin, &n.to_string()).await.id));
    }
    let (mut seen, mut target) = (vec![], "/me/api-keys?limit=2".to_owned());
    loop {
        let page = gateway.get(&target).token(&gateway.admin).send().await.expect(200).json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|key| key["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        target = format!("/me/api-keys?limit=2&cursor={next}");
    }
    assert_eq!(seen, made);
    gateway.get("/me/api-keys?limit=0").token(&gateway.admin).send().await.invalid("?limit");
    gateway.get("/me/api-keys?cursor=x").token(&gateway.admin).send().await.invalid("?cursor");
    gateway.get("/me/api-keys?user_id=x").token(&gateway.admin).send().await.invalid("?user_id");
    gateway.finish().await;
}

async fn what_was_done_to_a_key_is_on_record_without_its_secret(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let created = gateway.post("/me/api-keys").token(&gateway.admin).json(&json!({ "name": "ci" })).send().await;
    let key = Key::from(&created);
    let revoked = delete(&gateway, &format!("/me/api-keys/{}", key.id), &gateway.admin).await;
    let change = gateway.record(created.request_id()).await.unwrap()["change"].clone();
    let after = gateway.record(revoked.expect(204).request_id()).await.unwrap()["change"].clone();
    assert_eq!((&change["before"], &change["after"]["id"]), (&Value::Null, &json!(key.id)));
    assert_eq!(after["before"], change["after"]);
    assert!(after["after"]["revoked_at"].is_string(), "{after}");
    for entry in gateway.entries().await {
        assert!(!entry.contains(key.secret()), "{entry}");
    }
    gateway.finish().await;
}
