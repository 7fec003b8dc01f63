//! What changing a user ends at once, and the administrator who cannot be removed.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::support::{ADMIN_PASSWORD, PASSWORD, TestGateway, TestStore, User};

on_both_stores!(
    the_last_active_admin_cannot_be_removed,
    two_admins_who_remove_each_other_at_once_leave_one,
    a_disabled_user_is_shut_out_at_once,
    a_change_of_role_ends_the_old_tokens,
    a_change_of_password_ends_the_sessions,
    a_change_of_name_ends_nothing,
);

async fn id_of_admin(gateway: &TestGateway) -> String {
    let me = gateway.get("/me").token(&gateway.admin).send().await.expect(200).json();
    me["user"]["id"].as_str().unwrap().to_owned()
}

async fn delete(gateway: &TestGateway, token: &str, id: &str) -> u16 {
    gateway.request("DELETE", &format!("/admin/users/{id}")).token(token).send().await.status
}

async fn the_last_active_admin_cannot_be_removed(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let id = id_of_admin(&gateway).await;
    let disabled = json!({ "username": "asleep", "role": "admin", "status": "disabled" });
    gateway.post("/admin/users").token(&gateway.admin).json(&disabled).send().await.expect(201);
    for change in
        [json!({ "status": "disabled" }), json!({ "role": "user" }), json!({ "role": "readonly", "username": "x" })]
    {
        gateway.patch(&id, &change).await.problem(409, "conflict");
    }
    assert_eq!(delete(&gateway, &gateway.admin, &id).await, 409);
    let me = gateway.get("/me").token(&gateway.admin).send().await.expect(200).json();
    assert_eq!((&me["role"], &me["user"]["username"]), (&json!("admin"), &json!("admin")));
    let second = gateway.user("second", "admin").await;
    assert_eq!(delete(&gateway, &second.token, &id).await, 204);
    assert_eq!(delete(&gateway, &second.token, &second.id).await, 409);
    gateway.finish().await;
}

async fn two_admins_who_remove_each_other_at_once_leave_one(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let first = User { id: id_of_admin(&gateway).await, token: gateway.admin.clone() };
    let second = gateway.user("second", "admin").await;
    let removals = [(&first.token, &second.id), (&second.token, &first.id)];
    let mut statuses = join_all(removals.map(|(token, id)| delete(&gateway, token, id))).await;
    statuses.sort_unstable();
    assert_eq!(statuses[0], 204);
    assert!([401, 409].contains(&statuses[1]), "{statuses:?}");
    gateway.finish().await;
}

async fn refused(gateway: &TestGateway, token: &str) -> Value {
    gateway.get("/me").token(token).send().await.problem(401, "revoked-token")
}

async fn a_disabled_user_is_shut_out_at_once(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    gateway.get("/echo").token(&user.token).send().await.expect(200);
    gateway.patch(&user.id, &json!({ "status": "disabled" })).await.expect(200);
    refused(&gateway, &user.token).await;
    gateway.get("/echo").token(&user.token).send().await.problem(401, "revoked-token");
    gateway.patch(&user.id, &json!({ "status": "active" })).await.expect(200);
    refused(&gateway, &user.token).await;
    gateway.get("/me").token(&gateway.login("user", PASSWORD).await.access).send().await.expect(200);
    gateway.finish().await;
}

async fn a_change_of_role_ends_the_old_tokens(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    gateway.patch(&user.id, &json!({ "role": "admin" })).await.expect(200);
    refused(&gateway, &user.token).await;
    let promoted = gateway.login("user", PASSWORD).await.access;
    gateway.get("/admin/users").token(&promoted).send().await.expect(200);
    gateway.patch(&user.id, &json!({ "role": "readonly" })).await.expect(200);
    refused(&gateway, &promoted).await;
    let demoted = gateway.login("user", PASSWORD).await.access;
    gateway.get("/admin/users").token(&demoted).send().await.problem(403, "forbidden");
    gateway.post("/echo").token(&demoted).send().await.problem(403, "forbidden");
    gateway.finish().await;
}

async fn a_change_of_password_ends_the_sessions(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let tokens = gateway.login("user", PASSWORD).await;
    gateway.patch(&user.id, &json!({ "password": ADMIN_PASSWORD })).await.expect(200);
    refused(&gateway, &user.token).await;
    refused(&gateway, &tokens.access).await;
    gateway.refresh(&tokens.refresh).await.problem(401, "invalid-token");
    gateway.login("user", ADMIN_PASSWORD).await;
    gateway.finish().await;
}

async fn a_change_of_name_ends_nothing(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("before", "user").await;
    gateway.patch(&user.id, &json!({ "username": "after", "role": "user", "status": "active" })).await.expect(200);
    let me = gateway.get("/me").token(&user.token).send().await.expect(200).json();
    assert_eq!(me["user"]["username"], "after");
    gateway.finish().await;
}
