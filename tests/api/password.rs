//! Changing one's own password.

use serde_json::{Value, json};

use super::support::{Answer, PASSWORD, TestGateway, TestStore};

on_both_stores!(
    a_new_password_ends_every_session_and_no_key,
    a_wrong_current_password_changes_nothing,
    a_weak_new_password_is_refused,
    a_user_without_a_password_has_none_to_change,
    other_fields_are_refused,
);

const NEW_PASSWORD: &str = "canary-of-the-new-password";

async fn change(gateway: &TestGateway, token: &str, current: &str, new: &str) -> Answer {
    let body = json!({ "current_password": current, "new_password": new });
    gateway.post("/me/password").token(token).json(&body).send().await
}

async fn a_new_password_ends_every_session_and_no_key(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let (other, key) = (gateway.login("user", PASSWORD).await, gateway.api_key(&user.token, "ci").await);
    let changed = change(&gateway, &user.token, PASSWORD, NEW_PASSWORD).await;
    changed.expect(204);
    for token in [&user.token, &other.access] {
        gateway.get("/me").token(token).send().await.problem(401, "revoked-token");
    }
    gateway.refresh(&other.refresh).await.problem(401, "invalid-token");
    gateway.get("/me").token(&key.text).send().await.expect(200);
    gateway.try_login("user", PASSWORD).await.problem(401, "invalid-credentials");
    gateway.login("user", NEW_PASSWORD).await;
    let record = gateway.record(changed.request_id()).await.unwrap();
    assert_eq!(record["change"], json!({ "password_changed": true }));
    assert!(gateway.entries().await.iter().all(|entry| !entry.contains("canary")));
    gateway.finish().await;
}

async fn a_wrong_current_password_changes_nothing(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    for wrong in ["", "canary-wrong-password", NEW_PASSWORD] {
        change(&gateway, &user.token, wrong, NEW_PASSWORD).await.invalid("/current_password");
    }
    gateway.get("/me").token(&user.token).send().await.expect(200);
    gateway.login("user", PASSWORD).await;
    gateway.finish().await;
}

async fn a_weak_new_password_is_refused(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    for weak in ["", "short", &"x".repeat(257)] {
        change(&gateway, &user.token, PASSWORD, weak).await.invalid("/new_password");
    }
    gateway.login("user", PASSWORD).await;
    gateway.finish().await;
}

async fn a_user_without_a_password_has_none_to_change(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let body = json!({ "username": "machine", "role": "user" });
    let created = gateway.post("/admin/users").token(&gateway.admin).json(&body).send().await.expect(201).json();
    let path = format!("/admin/users/{}/api-keys", created["id"].as_str().unwrap());
    let key = gateway.post(&path).token(&gateway.admin).json(&json!({ "name": "ci" })).send().await.expect(201).json();
    change(&gateway, key["key"].as_str().unwrap(), "", NEW_PASSWORD).await.problem(409, "conflict");
    gateway.finish().await;
}

async fn other_fields_are_refused(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    for field in ["role", "id", "user_id", "status", "username"] {
        let mut body = json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD });
        body[field] = json!("admin");
        gateway.post("/me/password").token(&user.token).json(&body).send().await.invalid(&format!("/{field}"));
    }
    let body = json!({ "new_password": NEW_PASSWORD, "current_password": Value::Null });
    gateway.post("/me/password").token(&user.token).json(&body).send().await.invalid("/current_password");
    gateway.finish().await;
}
