//! Sessions that are live: seen, and ended by their user or by an administrator.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate::clock::Clock;

use super::support::{Answer, PASSWORD, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    one_sees_ones_own_live_sessions,
    a_session_ended_by_its_user_is_dead_and_no_other,
    the_session_of_another_is_not_found,
    an_administrator_ends_all_sessions_of_a_user,
    an_expired_session_is_not_listed,
    sessions_ended_on_one_replica_are_dead_on_the_other,
);

const NO_SUCH_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

async fn list(gateway: &TestGateway, target: &str, token: &str) -> Vec<Value> {
    let page = gateway.get(target).token(token).send().await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

async fn delete(gateway: &TestGateway, target: &str, token: &str) -> Answer {
    gateway.request("DELETE", target).token(token).send().await
}

async fn one_sees_ones_own_live_sessions(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let key = gateway.api_key(&user.token, "ci").await;
    gateway.exchange(&key).await.expect(200);
    let gone = gateway.login("user", PASSWORD).await;
    gateway.post("/auth/logout").token(&gone.access).send().await.expect(204);
    let sessions = list(&gateway, "/me/sessions", &user.token).await;
    let fields: Vec<&String> = sessions[0].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["api_key_id", "created_at", "current", "expires_at", "id", "key_name", "refreshed_at"]);
    let seen: Vec<_> = sessions.iter().map(|session| (&session["current"], &session["api_key_id"])).collect();
    assert_eq!(seen, [(&json!(true), &Value::Null), (&json!(false), &json!(key.id))]);
    let seen = list(&gateway, &format!("/admin/users/{}/sessions", user.id), &gateway.admin).await;
    assert_eq!((seen.len(), &seen[0]["current"], &seen[0]["id"]), (2, &json!(false), &sessions[0]["id"]));
    let page = gateway.get("/me/sessions?limit=1").token(&user.token).send().await.expect(200).json();
    let rest = format!("/me/sessions?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(list(&gateway, &rest, &user.token).await, &sessions[1..]);
    gateway.finish().await;
}

async fn a_session_ended_by_its_user_is_dead_and_no_other(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let other = gateway.login("user", PASSWORD).await;
    let sessions = list(&gateway, "/me/sessions", &other.access).await;
    let first = sessions.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/me/sessions/{}", first["id"].as_str().unwrap());
    delete(&gateway, &path, &other.access).await.expect(204);
    gateway.get("/me").token(&user.token).send().await.problem(401, "revoked-token");
    gateway.get("/me").token(&other.access).send().await.expect(200);
    delete(&gateway, &path, &other.access).await.expect(204);
    assert_eq!(list(&gateway, "/me/sessions", &other.access).await.len(), 1);
    gateway.finish().await;
}

async fn the_session_of_another_is_not_found(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let (ada, bob) = (gateway.user("ada", "user").await, gateway.user("bob", "user").await);
    let session = list(&gateway, "/me/sessions", &ada.token).await[0]["id"].as_str().unwrap().to_owned();
    for id in [session.as_str(), NO_SUCH_ID] {
        for token in [&bob.token, &gateway.admin] {
            delete(&gateway, &format!("/me/sessions/{id}"), token).await.problem(404, "not-found");
        }
    }
    delete(&gateway, "/me/sessions/x", &bob.token).await.invalid("path");
    gateway.get("/me").token(&ada.token).send().await.expect(200);
    gateway.finish().await;
}

async fn an_administrator_ends_all_sessions_of_a_user(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let (other, key) = (gateway.login("user", PASSWORD).await, gateway.api_key(&user.token, "ci").await);
    let path = format!("/admin/users/{}/sessions", user.id);
    delete(&gateway, &path, &user.token).await.problem(403, "forbidden");
    let ended = delete(&gateway, &path, &gateway.admin).await;
    ended.expect(204);
    for token in [&user.token, &other.access] {
        gateway.get("/me").token(token).send().await.problem(401, "revoked-token");
    }
    gateway.refresh(&other.refresh).await.problem(401, "invalid-token");
    gateway.get("/me").token(&key.text).send().await.expect(200);
    assert_eq!(list(&gateway, &path, &gateway.admin).await, Vec::<Value>::new());
    let record = gateway.record(ended.request_id()).await.unwrap();
    let change = json!({ "before": { "live_sessions": 2 }, "after": { "live_sessions": 0 } });
    assert_eq!(record["change"], change);
    gateway.login("user", PASSWORD).await;
    let nobody = format!("/admin/users/{NO_SUCH_ID}/sessions");
    delete(&gateway, &nobody, &gateway.admin).await.problem(404, "not-found");
    gateway.get(&nobody).token(&gateway.admin).send().await.problem(404, "not-found");
    gateway.finish().await;
}

async fn an_expired_session_is_not_listed(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().clock(&clock).start(store).await;
    let key = gateway.api_key(&gateway.admin, "ci").await;
    gateway.exchange(&key).await.expect(200);
    clock.advance(Duration::from_mins(15));
    let sessions = list(&gateway, "/me/sessions", &key.text).await;
    assert_eq!((sessions.len(), &sessions[0]["api_key_id"]), (1, &Value::Null));
    gateway.finish().await;
}

async fn sessions_ended_on_one_replica_are_dead_on_the_other(store: &TestStore) {
    let one = TestGateway::start(store).await;
    let two = TestGateway::start(store).await;
    let user = one.user("user", "user").await;
    two.get("/me").token(&user.token).send().await.expect(200);
    delete(&one, &format!("/admin/users/{}/sessions", user.id), &one.admin).await.expect(204);
    let clock = Clock::system();
    let ended_ns = clock.monotonic_ns();
    let refused = eventually("the end of the session on the other replica", async || {
        let answer = two.get("/me").token(&user.token).send().await;
        (answer.status != 200).then_some(answer)
    });
    refused.await.problem(401, "revoked-token");
    let took_ns = clock.monotonic_ns() - ended_ns;
    assert!(took_ns < 1_000_000_000, "it took {took_ns} ns");
    TestGateway::finish_all([one, two]).await;
}
