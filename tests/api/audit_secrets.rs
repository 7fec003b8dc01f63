//! What the audit log keeps of changes, and what it never keeps.

use serde_json::{Value, json};

use super::support::{ADMIN_PASSWORD, Answer, PASSWORD, TestGateway, TestStore, Tokens};

on_both_stores!(a_change_is_recorded_with_before_and_after, no_secret_is_in_any_entry);

async fn change_of(gateway: &TestGateway, answer: &Answer) -> Value {
    let target = format!("/admin/audit?request_id={}", answer.request_id());
    let page = gateway.get(&target).token(&gateway.admin).send().await.expect(200).json();
    page["items"][0]["change"].clone()
}

/// A user as it is on record: an id there is an id.
fn recorded(answered: &Value) -> Value {
    let mut recorded = answered.clone();
    recorded.as_object_mut().unwrap().remove("team_name");
    recorded
}

async fn a_change_is_recorded_with_before_and_after(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let body = json!({ "username": "user", "password": PASSWORD, "role": "user" });
    let created = gateway.post("/admin/users").token(&gateway.admin).json(&body).send().await;
    let user = created.expect(201).json();
    assert_eq!(change_of(&gateway, &created).await, json!({ "before": null, "after": recorded(&user) }));
    let id = user["id"].as_str().unwrap();
    let changed = gateway.patch(id, &json!({ "role": "readonly", "password": ADMIN_PASSWORD })).await;
    let change = change_of(&gateway, &changed).await;
    assert_eq!((&change["before"], &change["after"]), (&recorded(&user), &recorded(&changed.expect(200).json())));
    assert_eq!(change["password_changed"], true);
    let refused = gateway.patch(id, &json!({ "username": "admin" })).await;
    refused.problem(409, "conflict");
    assert_eq!(change_of(&gateway, &refused).await, Value::Null);
    let deleted = gateway.request("DELETE", &format!("/admin/users/{id}")).token(&gateway.admin).send().await;
    assert_eq!(deleted.status, 204);
    assert_eq!(change_of(&gateway, &deleted).await, json!({ "before": recorded(&changed.json()), "after": null }));
    gateway.finish().await;
}

/// Everything that must not be seen again, after it was given in every place where a secret can be.
async fn leave_secrets_everywhere(gateway: &TestGateway) -> Vec<String> {
    let id = gateway.create("user", "user").await["id"].as_str().unwrap().to_owned();
    let tokens = gateway.login("user", PASSWORD).await;
    let next = Tokens::from(&gateway.refresh(&tokens.refresh).await);
    gateway.try_login("user", "canary-wrong-password").await.expect(401);
    gateway.patch(&id, &json!({ "password": "canary-of-the-new-password" })).await.expect(200);
    gateway.patch(&id, &json!({ "password": "canary-short" })).await.expect(400);
    gateway.get("/echo?access_token=canary-in-the-query").token(&gateway.admin).send().await.expect(200);
    gateway.get("/me").token("canary-bad-token").send().await.expect(401);
    gateway.get("/me").header("authorization", "Basic canary-basic").send().await.expect(401);
    gateway.get("/me").header("x-api-key", "tg_1_canary-key").send().await.expect(401);
    gateway.post("/auth/login").json_text("{\"password\": \"canary-broken\", ").send().await.expect(400);
    gateway.post("/echo").token(&gateway.admin).header("cookie", "canary-cookie").body("canary-body").send().await;
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let signatures = [&tokens.access, &next.access, &gateway.admin].map(|token| signature(token));
    [&["canary".to_owned(), tokens.refresh, next.refresh], signatures.as_slice()].concat()
}

async fn no_secret_is_in_any_entry(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let secrets = leave_secrets_everywhere(&gateway).await;
    let entries = gateway.entries().await;
    assert!(entries.len() > 12);
    for entry in entries {
        for secret in &secrets {
            assert!(!entry.contains(secret), "{secret} is in {entry}");
        }
    }
    gateway.finish().await;
}
