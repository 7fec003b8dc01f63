//! Teams, as an administrator keeps them, and who may be in one.

use serde_json::{Value, json};

use super::support::{Answer, TestGateway, TestStore};

on_both_stores!(
    a_team_is_made_shown_renamed_and_deleted,
    bad_teams_name_their_place,
    names_that_cannot_be_told_apart_are_refused,
    a_team_that_somebody_is_in_stays,
    a_user_joins_only_a_team_that_is_there,
    the_same_idempotency_key_makes_one_team,
);

const NO_SUCH_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

async fn call(gateway: &TestGateway, method: &str, target: &str, body: Option<&Value>) -> Answer {
    let request = gateway.request(method, target).token(&gateway.admin);
    match body {
        Some(body) => request.json(body).send().await,
        None => request.send().await,
    }
}

async fn team(gateway: &TestGateway, name: &str) -> String {
    let made = call(gateway, "POST", "/admin/teams", Some(&json!({ "name": name }))).await;
    made.expect(201).header("location").unwrap().to_owned()
}

async fn change_of(gateway: &TestGateway, answer: &Answer) -> Value {
    gateway.record(answer.request_id()).await.unwrap()["change"].clone()
}

async fn a_team_is_made_shown_renamed_and_deleted(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let made = call(&gateway, "POST", "/admin/teams", Some(&json!({ "name": "before" }))).await;
    let (place, before) = (made.expect(201).header("location").unwrap(), made.json());
    assert_eq!(
        before.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["created_at", "id", "models", "name", "updated_at"]
    );
    assert_eq!(change_of(&gateway, &made).await, json!({ "before": null, "after": before }));
    let renamed = call(&gateway, "PATCH", place, Some(&json!({ "name": "after" }))).await;
    let after = renamed.expect(200).json();
    assert_eq!((&after["name"], &after["id"]), (&json!("after"), &before["id"]));
    assert_eq!(change_of(&gateway, &renamed).await, json!({ "before": before, "after": after }));
    assert_eq!(call(&gateway, "PATCH", place, Some(&json!({}))).await.expect(200).json(), after);
    assert_eq!(call(&gateway, "GET", place, None).await.expect(200).json(), after);
    let list = call(&gateway, "GET", "/admin/teams", None).await.expect(200).json();
    assert_eq!(list, json!({ "items": [after], "next_cursor": null }));
    let deleted = call(&gateway, "DELETE", place, None).await;
    assert_eq!(change_of(&gateway, deleted.expect(204)).await, json!({ "before": after, "after": null }));
    for method in ["GET", "DELETE"] {
        call(&gateway, method, place, None).await.problem(404, "not-found");
    }
    call(&gateway, "PATCH", place, Some(&json!({ "name": "x" }))).await.problem(404, "not-found");
    team(&gateway, "after").await;
    gateway.finish().await;
}

async fn names_that_cannot_be_told_apart_are_refused(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    team(&gateway, "Zoë's team").await;
    for hidden in ["a\u{200b}b", "a\u{202e}b", "\u{2066}ab", "a\u{ad}b"] {
        let body = json!({ "name": hidden });
        call(&gateway, "POST", "/admin/teams", Some(&body)).await.invalid("/name");
        call(&gateway, "POST", "/me/api-keys", Some(&body)).await.invalid("/name");
    }
    for twin in ["zoë's TEAM", "Zoe\u{308}'s  team"] {
        call(&gateway, "POST", "/admin/teams", Some(&json!({ "name": twin }))).await.problem(409, "conflict");
    }
    gateway.create("Ada", "user").await;
    let twin = json!({ "username": "ada", "role": "user" });
    call(&gateway, "POST", "/admin/users", Some(&twin)).await.problem(409, "conflict");
    gateway.finish().await;
}

async fn bad_teams_name_their_place(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let (_, other) = (team(&gateway, "taken").await, team(&gateway, "other").await);
    for name in ["", " ", &"x".repeat(65)] {
        let body = json!({ "name": name });
        call(&gateway, "POST", "/admin/teams", Some(&body)).await.invalid("/name");
        call(&gateway, "PATCH", &other, Some(&body)).await.invalid("/name");
    }
    call(&gateway, "PATCH", &other, Some(&json!({ "name": null }))).await.invalid("/name");
    let taken = json!({ "name": "taken" });
    call(&gateway, "POST", "/admin/teams", Some(&taken)).await.problem(409, "conflict");
    call(&gateway, "PATCH", &other, Some(&taken)).await.problem(409, "conflict");
    call(&gateway, "POST", "/admin/teams", Some(&json!({ "name": "a", "size": 1 }))).await.invalid("/size");
    call(&gateway, "GET", "/admin/teams/x", None).await.invalid("path");
    gateway.finish().await;
}

async fn a_team_that_somebody_is_in_stays(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let place = team(&gateway, "team").await;
    let id = place.rsplit('/').next().unwrap();
    let user = gateway.create("user", "user").await;
    let user = user["id"].as_str().unwrap();
    let joined = gateway.patch(user, &json!({ "team_id": id })).await;
    assert_eq!(joined.expect(200).json()["team_id"], id);
    call(&gateway, "DELETE", &place, None).await.problem(409, "conflict");
    for field in ["username", "password", "role", "status"] {
        gateway.patch(user, &json!({ field: null })).await.invalid(&format!("/{field}"));
    }
    gateway.patch(user, &json!({ "team_id": null })).await.expect(200);
    call(&gateway, "DELETE", &place, None).await.expect(204);
    gateway.patch(user, &json!({ "team_id": id })).await.invalid("/team_id");
    gateway.finish().await;
}

async fn a_user_joins_only_a_team_that_is_there(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let place = team(&gateway, "team").await;
    let id = place.rsplit('/').next().unwrap();
    let user = |team: &str| json!({ "username": "user", "role": "user", "team_id": team });
    call(&gateway, "POST", "/admin/users", Some(&user(NO_SUCH_ID))).await.invalid("/team_id");
    let made = call(&gateway, "POST", "/admin/users", Some(&user(id))).await;
    assert_eq!(made.expect(201).json()["team_id"], id);
    gateway.finish().await;
}

async fn the_same_idempotency_key_makes_one_team(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let send = async |name: &str| {
        let request = gateway.post("/admin/teams").token(&gateway.admin).header("idempotency-key", "key");
        request.json(&json!({ "name": name })).send().await
    };
    let (first, again) = (send("once").await, send("once").await);
    assert_eq!(first.expect(201).json(), again.expect(201).json());
    assert_eq!(first.header("location"), again.header("location"));
    send("twice").await.problem(409, "conflict");
    gateway.finish().await;
}
