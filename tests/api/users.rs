//! Users, as an administrator keeps them: creating, listing, showing, changing, deleting.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::support::{Answer, PASSWORD, Request, TestGateway, TestStore};

on_both_stores!(
    a_new_user_is_found_where_location_says,
    a_list_is_walked_page_by_page_and_shows_everyone_once,
    only_the_fields_given_are_changed,
    a_name_belongs_to_one_user,
    the_name_of_a_deleted_user_is_free_again,
    the_same_idempotency_key_gives_the_same_answer,
    a_reused_idempotency_key_with_another_body_is_a_conflict,
    an_idempotency_key_that_came_many_times_at_once_makes_one_user,
    bad_ids_cursors_and_limits_name_their_place,
    bad_fields_name_their_place,
    what_is_not_there_is_not_found,
);

const NO_SUCH_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn creation<'g>(gateway: &'g TestGateway, body: &Value) -> Request<'g> {
    gateway.post("/admin/users").token(&gateway.admin).json(body)
}

async fn get(gateway: &TestGateway, target: &str) -> Answer {
    gateway.get(target).token(&gateway.admin).send().await
}

async fn a_new_user_is_found_where_location_says(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let body = json!({ "username": "new.user@example-1_a", "password": PASSWORD, "role": "readonly" });
    let created = creation(&gateway, &body).send().await;
    let user = created.expect(201).json();
    let fields: Vec<&String> = user.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        ["created_at", "id", "models", "role", "status", "team_id", "team_name", "updated_at", "username"]
    );
    assert_eq!((&user["status"], &user["team_id"]), (&json!("active"), &Value::Null));
    assert_eq!(created.header("location"), Some(format!("/admin/users/{}", user["id"].as_str().unwrap()).as_str()));
    assert_eq!(get(&gateway, created.header("location").unwrap()).await.expect(200).json(), user);
    gateway.finish().await;
}

async fn a_list_is_walked_page_by_page_and_shows_everyone_once(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for i in 0..9 {
        creation(&gateway, &json!({ "username": format!("user-{i}"), "role": "user" })).send().await.expect(201);
    }
    let (mut names, mut pages, mut cursor) = (vec![], 0, String::new());
    loop {
        let page = get(&gateway, &format!("/admin/users?limit=2{cursor}")).await.expect(200).json();
        names
            .extend(page["items"].as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned()));
        pages += 1;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((pages, names.len(), names.iter().collect::<HashSet<_>>().len()), (5, 10, 10));
    let whole = get(&gateway, "/admin/users").await.expect(200).json();
    assert_eq!((whole["items"].as_array().unwrap().len(), &whole["next_cursor"]), (10, &Value::Null));
    gateway.finish().await;
}

async fn only_the_fields_given_are_changed(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.create("before", "user").await;
    let id = user["id"].as_str().unwrap();
    let renamed = gateway.patch(id, &json!({ "username": "after" })).await.expect(200).json();
    let mut expected = user.clone();
    expected["username"] = json!("after");
    expected["updated_at"] = renamed["updated_at"].clone();
    assert_eq!(renamed, expected);
    assert_ne!(renamed["updated_at"], user["updated_at"]);
    assert_eq!(gateway.patch(id, &json!({})).await.expect(200).json()["username"], "after");
    gateway.login("after", PASSWORD).await;
    gateway.try_login("before", PASSWORD).await.problem(401, "invalid-credentials");
    gateway.finish().await;
}

async fn a_name_belongs_to_one_user(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    gateway.create("taken", "user").await;
    let other = gateway.create("other", "user").await["id"].as_str().unwrap().to_owned();
    creation(&gateway, &json!({ "username": "taken", "role": "admin" })).send().await.problem(409, "conflict");
    gateway.patch(&other, &json!({ "username": "taken" })).await.problem(409, "conflict");
    let at_once = (0..10).map(|_| creation(&gateway, &json!({ "username": "race", "role": "user" })).send());
    let answers = futures_util::future::join_all(at_once).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 9);
    gateway.finish().await;
}

async fn the_name_of_a_deleted_user_is_free_again(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let first = gateway.user("phoenix", "user").await;
    let path = format!("/admin/users/{}", first.id);
    let gone = gateway.request("DELETE", &path).token(&gateway.admin).send().await;
    assert!(gone.expect(204).body.is_empty());
    gateway.get("/me").token(&first.token).send().await.problem(401, "revoked-token");
    get(&gateway, &path).await.problem(404, "not-found");
    gateway.request("DELETE", &path).token(&gateway.admin).send().await.problem(404, "not-found");
    gateway.patch(&first.id, &json!({ "status": "active" })).await.problem(404, "not-found");
    gateway.try_login("phoenix", PASSWORD).await.problem(401, "invalid-credentials");
    let second = gateway.user("phoenix", "user").await;
    assert_ne!(second.id, first.id);
    gateway.get("/me").token(&first.token).send().await.problem(401, "revoked-token");
    gateway.finish().await;
}

async fn the_same_idempotency_key_gives_the_same_answer(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let request = creation(&gateway, &json!({ "username": "once", "password": PASSWORD, "role": "user" }));
    let request = request.header("idempotency-key", "key 1");
    let first = request.clone().send().await;
    let again = request.send().await;
    first.expect(201);
    assert_eq!((again.status, again.text()), (201, first.text()));
    assert_eq!(again.header("location"), first.header("location"));
    assert_ne!(again.request_id(), first.request_id());
    // The key is one caller's: another administrator's is another key.
    let other = gateway.user("other-admin", "admin").await;
    let theirs = gateway.post("/admin/users").token(&other.token).header("idempotency-key", "key 1");
    theirs.json(&json!({ "username": "twice", "role": "user" })).send().await.expect(201);
    gateway.finish().await;
}

async fn a_reused_idempotency_key_with_another_body_is_a_conflict(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let first = json!({ "username": "first", "password": PASSWORD, "role": "user" });
    let keyed = |body: &Value| creation(&gateway, body).header("idempotency-key", "one-key").send();
    keyed(&first).await.expect(201);
    for (field, value) in [("username", "second"), ("role", "admin"), ("password", "quite another password")] {
        let mut other = first.clone();
        other[field] = json!(value);
        keyed(&other).await.problem(409, "conflict");
    }
    for bad in [String::new(), "x".repeat(256)] {
        let request = creation(&gateway, &first).header("idempotency-key", bad);
        request.send().await.invalid("header:idempotency-key");
    }
    gateway.finish().await;
}

async fn an_idempotency_key_that_came_many_times_at_once_makes_one_user(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let request = creation(&gateway, &json!({ "username": "once", "role": "user" }));
    let request = request.header("idempotency-key", "at-once");
    let answers = futures_util::future::join_all((0..20).map(|_| request.clone().send())).await;
    for answer in &answers {
        assert_eq!(answer.expect(201).text(), answers[0].text());
    }
    gateway.finish().await;
}

async fn bad_ids_cursors_and_limits_name_their_place(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for id in ["1", "x", &NO_SUCH_ID.to_uppercase(), &NO_SUCH_ID.replace('-', ""), "%20", "null"] {
        get(&gateway, &format!("/admin/users/{id}")).await.invalid("path");
        get(&gateway, &format!("/admin/audit/{id}")).await.invalid("path");
    }
    for list in ["/admin/users", "/admin/teams", "/admin/limits", "/admin/audit"] {
        for limit in ["0", "201", "-1", "x", "", "1.5", "99999999999999999999"] {
            get(&gateway, &format!("{list}?limit={limit}")).await.invalid("?limit");
        }
        for cursor in ["x", "", "1", "%00", "a%20b"] {
            get(&gateway, &format!("{list}?cursor={cursor}")).await.invalid("?cursor");
        }
        get(&gateway, &format!("{list}?nonsense=1")).await.invalid("?nonsense");
        get(&gateway, &format!("{list}?limit=1&limit=2")).await.invalid("?limit");
    }
    gateway.finish().await;
}

async fn bad_fields_name_their_place(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for (field, value) in [
        ("username", json!("")),
        ("username", json!("a b")),
        ("username", json!("x".repeat(65))),
        ("username", json!("zo\u{eb}")),
        ("username", json!(1)),
        ("role", json!("root")),
        ("role", Value::Null),
        ("status", json!("asleep")),
        ("team_id", json!("x")),
        ("team_id", json!(NO_SUCH_ID)),
        ("password", json!(["x"])),
        ("id", json!(NO_SUCH_ID)),
    ] {
        let mut body = json!({ "username": "user", "role": "user" });
        body[field] = value;
        creation(&gateway, &body).send().await.invalid(&format!("/{field}"));
    }
    gateway.finish().await;
}

async fn what_is_not_there_is_not_found(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for path in ["/admin/users", "/admin/audit"] {
        get(&gateway, &format!("{path}/{NO_SUCH_ID}")).await.problem(404, "not-found");
    }
    gateway.patch(NO_SUCH_ID, &json!({})).await.problem(404, "not-found");
    gateway.finish().await;
}
