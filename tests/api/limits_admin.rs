//! Limits, as an administrator keeps them: what is written is what holds, and what makes no sense changes nothing.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate::domain::limit::Per;

use super::support::{Answer, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    a_limit_is_made_shown_changed_and_deleted,
    every_bad_limit_names_its_place_and_changes_nothing,
    a_limit_for_one_subject_stands_beside_the_general_one,
    a_limit_that_names_what_is_gone_can_be_changed_otherwise,
    readonly_may_look_and_not_touch,
    the_same_idempotency_key_makes_one_limit,
    the_configured_limits_are_made_at_the_first_start_only,
    another_replica_has_a_change_within_a_second,
);

const NO_SUCH_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
/// A metered route and one that is not, one heavy and one light.
const ROUTES: &str = r#"
    [[routes]]
    name = "heavy"
    path = "/heavy"
    match = "exact"
    methods = ["GET"]
    roles = ["admin"]
    upstream = "builtin:echo"
    weight = 9

    [[routes]]
    name = "chat"
    path = "/v1/chat/completions"
    match = "exact"
    methods = ["POST"]
    roles = ["admin"]
    upstream = "builtin:llm"
    meter = "openai-chat"
"#;

async fn call(gateway: &TestGateway, method: &str, target: &str, body: Option<&Value>) -> Answer {
    let request = gateway.request(method, target).token(&gateway.admin);
    match body {
        Some(body) => request.json(body).send().await,
        None => request.send().await,
    }
}

fn limit(changes: Value) -> Value {
    let mut limit =
        json!({ "name": "new", "routes": ["*"], "per": "user", "unit": "requests", "limit": 10, "window_s": 60 });
    for (field, value) in changes.as_object().unwrap() {
        limit[field] = value.clone();
    }
    limit
}

async fn create(gateway: &TestGateway, changes: Value) -> Answer {
    call(gateway, "POST", "/admin/limits", Some(&limit(changes))).await
}

async fn change_of(gateway: &TestGateway, answer: &Answer) -> Value {
    gateway.record(answer.request_id()).await.unwrap()["change"].clone()
}

/// The policies that are in force: name, limit and what may be taken at once.
fn in_force(gateway: &TestGateway) -> Vec<(String, u64, u64)> {
    let book = gateway.running().office.accounting.policies.read();
    let general = book.groups().iter().filter_map(|group| {
        // No test names this subject.
        let nobody = tollgate::domain::limit::Subject::parse(Per::User, NO_SUCH_ID).unwrap();
        group.policy_of(nobody).map(|policy| (policy.name.to_string(), policy.limit(), policy.most_at_once()))
    });
    general.collect()
}

fn configured() -> (String, u64, u64) {
    ("per-user".into(), 1_000_000, 1_000_000)
}

/// A limit as it is on record: an id there is an id.
fn recorded(answered: &Value) -> Value {
    let mut recorded = answered.clone();
    recorded.as_object_mut().unwrap().remove("subject_name");
    recorded
}

async fn a_limit_is_made_shown_changed_and_deleted(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    assert_eq!(in_force(&gateway), [configured()]);
    let made = create(&gateway, json!({ "burst": 20 })).await;
    let (place, before) = (made.expect(201).header("location").unwrap(), made.json());
    let mut expected = limit(json!({ "burst": 20, "subject": null, "mode": "enforce", "on_error": "allow_local_share",
                      "window": null, "time_zone": null }));
    for field in ["id", "created_at", "updated_at"] {
        expected[field] = before[field].clone();
    }
    expected["subject_name"] = Value::Null;
    assert_eq!(before, expected);
    assert_eq!(change_of(&gateway, &made).await, json!({ "before": null, "after": recorded(&before) }));
    assert_eq!(in_force(&gateway), [configured(), ("new".into(), 10, 20)]);

    let changed = call(&gateway, "PATCH", place, Some(&json!({ "limit": 5, "burst": null, "mode": "shadow" }))).await;
    let after = changed.expect(200).json();
    assert_eq!((&after["limit"], &after["burst"], &after["mode"]), (&json!(5), &Value::Null, &json!("shadow")));
    assert_eq!((&after["name"], &after["window_s"]), (&before["name"], &before["window_s"]));
    assert_eq!(change_of(&gateway, &changed).await, json!({ "before": recorded(&before), "after": recorded(&after) }));
    assert_eq!(in_force(&gateway), [configured(), ("new".into(), 5, 5)]);
    assert_eq!(call(&gateway, "GET", place, None).await.expect(200).json(), after);
    let list = call(&gateway, "GET", "/admin/limits", None).await.expect(200).json();
    assert_eq!((&list["items"][1], &list["items"][0]["name"]), (&after, &json!("per-user")));

    let deleted = call(&gateway, "DELETE", place, None).await;
    assert_eq!(change_of(&gateway, deleted.expect(204)).await, json!({ "before": recorded(&after), "after": null }));
    assert_eq!(in_force(&gateway), [configured()]);
    for method in ["GET", "DELETE"] {
        call(&gateway, method, place, None).await.problem(404, "not-found");
    }
    call(&gateway, "PATCH", place, Some(&json!({}))).await.problem(404, "not-found");
    gateway.finish().await;
}

async fn every_bad_limit_names_its_place_and_changes_nothing(store: &TestStore) {
    let gateway = Setup::default().more_lists(ROUTES).start(store).await;
    let other = create(&gateway, json!({ "name": "other", "limit": 9 })).await;
    let (place, before) = (other.expect(201).header("location").unwrap(), other.json());
    let in_force_before = in_force(&gateway);
    for (changes, pointer) in [
        (json!({ "name": "" }), "/name"),
        (json!({ "name": "a b" }), "/name"),
        (json!({ "name": "per-user", "per": "team" }), "/per"),
        (json!({ "name": "per-user", "unit": "concurrent" }), "/unit"),
        (json!({ "routes": [] }), "/routes"),
        (json!({ "routes": ["nope"] }), "/routes/0"),
        (json!({ "routes": ["heavy", "*"] }), "/routes/1"),
        (json!({ "routes": ["heavy", "heavy"] }), "/routes/1"),
        (json!({ "routes": ["heavy", 1] }), "/routes/1"),
        (json!({ "routes": "heavy" }), "/routes"),
        (json!({ "unit": "tokens", "routes": ["chat", "heavy"] }), "/routes/1"),
        (json!({ "per": "planet" }), "/per"),
        (json!({ "unit": "sheep" }), "/unit"),
        (json!({ "subject": "x" }), "/subject"),
        (json!({ "subject": NO_SUCH_ID }), "/subject"),
        (json!({ "per": "global", "subject": NO_SUCH_ID }), "/subject"),
        (json!({ "per": "address", "subject": "here" }), "/subject"),
        (json!({ "limit": 0 }), "/limit"),
        (json!({ "limit": -1 }), "/limit"),
        (json!({ "limit": 1.5 }), "/limit"),
        (json!({ "limit": "one" }), "/limit"),
        (json!({ "limit": 1_000_000_000_001_u64 }), "/limit"),
        (json!({ "unit": "concurrent", "limit": 1_000_001 }), "/limit"),
        (json!({ "window_s": 0 }), "/window_s"),
        (json!({ "window_s": null }), "/window_s"),
        (json!({ "window_s": 315_360_001 }), "/window_s"),
        (json!({ "burst": 0 }), "/burst"),
        (json!({ "burst": 8 }), "/burst"),
        (json!({ "unit": "concurrent", "burst": 3 }), "/burst"),
        (json!({ "mode": "loud" }), "/mode"),
        (json!({ "on_error": "shrug" }), "/on_error"),
        (json!({ "id": NO_SUCH_ID }), "/id"),
        (json!({ "limit": 999_999_999_989_u64 }), "/limit"),
        (json!({ "name": null }), "/name"),
        (json!({ "routes": null }), "/routes"),
        (json!({ "per": null }), "/per"),
        (json!({ "unit": null }), "/unit"),
        (json!({ "limit": null }), "/limit"),
        (json!({ "mode": null }), "/mode"),
        (json!({ "on_error": null }), "/on_error"),
    ] {
        create(&gateway, changes.clone()).await.invalid(pointer);
        let answer = call(&gateway, "PATCH", place, Some(&changes)).await;
        assert_eq!(answer.status, 400, "{changes}: {}", answer.text());
        answer.invalid(pointer);
    }
    let all = create(&gateway, json!({ "name": "", "limit": 0, "window_s": 0, "subject": "x" }))
        .await
        .problem(400, "invalid-request");
    let pointers: Vec<&Value> = all["errors"].as_array().unwrap().iter().map(|fault| &fault["pointer"]).collect();
    assert_eq!(pointers, ["/limit", "/name", "/window_s", "/subject"], "{all}");
    assert_eq!(call(&gateway, "GET", place, None).await.expect(200).json(), before);
    assert_eq!(in_force(&gateway), in_force_before);
    gateway.finish().await;
}

async fn a_limit_for_one_subject_stands_beside_the_general_one(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.create("user", "user").await;
    let team = call(&gateway, "POST", "/admin/teams", Some(&json!({ "name": "team" }))).await.expect(201).json();
    let key = gateway.api_key(&gateway.admin, "key").await;
    for (per, subject) in
        [("user", user["id"].clone()), ("team", team["id"].clone()), ("key", json!(key.id)), ("address", json!("::1"))]
    {
        create(&gateway, json!({ "name": per, "per": per })).await.expect(201);
        let theirs = json!({ "name": per, "per": per, "subject": subject, "limit": 99 });
        create(&gateway, theirs.clone()).await.expect(201);
        let taken = create(&gateway, theirs.clone()).await.problem(409, "conflict");
        assert_eq!(taken["detail"], "There is a limit with this name and this subject.");
        let other = create(&gateway, json!({ "name": format!("other-{per}"), "per": per, "subject": subject })).await;
        let other = other.expect(201).header("location").unwrap().to_owned();
        call(&gateway, "PATCH", &other, Some(&json!({ "name": per }))).await.problem(409, "conflict");
        // By its name it is the one that is there.
        let target = format!("/admin/limits/by-name/{per}");
        call(&gateway, "PUT", &target, Some(&limit(theirs))).await.expect(200);
        let subject = tollgate::domain::limit::Subject::parse(per.parse().unwrap(), subject.as_str().unwrap()).unwrap();
        let book = gateway.running().office.accounting.policies.read();
        let group = book.groups().iter().find(|group| *group.name == *per).unwrap();
        assert_eq!(group.policy_of(subject).unwrap().limit(), 99, "{per}");
    }
    gateway.finish().await;
}

async fn a_limit_that_names_what_is_gone_can_be_changed_otherwise(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let route = json!({ "name": "made", "path": "/made", "match": "exact", "methods": ["GET"], "roles": ["admin"],
        "upstream": "builtin:echo" });
    call(&gateway, "POST", "/admin/routes", Some(&route)).await.expect(201);
    let team = call(&gateway, "POST", "/admin/teams", Some(&json!({ "name": "team" }))).await.expect(201).json();
    let made = create(&gateway, json!({ "routes": ["made"], "per": "team", "subject": team["id"] })).await;
    let place = made.expect(201).header("location").unwrap();
    call(&gateway, "DELETE", "/admin/routes/made", None).await.expect(204);
    call(&gateway, "DELETE", &format!("/admin/teams/{}", team["id"].as_str().unwrap()), None).await.expect(204);

    let changed = call(&gateway, "PATCH", place, Some(&json!({ "limit": 6 }))).await.expect(200).json();
    assert_eq!((&changed["limit"], &changed["routes"]), (&json!(6), &json!(["made"])));
    for (changes, pointer) in [
        (json!({ "limit": 7, "routes": ["made"] }), "/routes/0"),
        (json!({ "limit": 7, "subject": NO_SUCH_ID }), "/subject"),
        (json!({ "limit": 7, "per": "user" }), "/subject"),
        (json!({ "limit": 0 }), "/limit"),
    ] {
        call(&gateway, "PATCH", place, Some(&changes)).await.invalid(pointer);
    }
    gateway.finish().await;
}

async fn readonly_may_look_and_not_touch(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let (reader, user) = (gateway.user("reader", "readonly").await.token, gateway.user("user", "user").await.token);
    let list = gateway.get("/admin/limits").token(&reader).send().await.expect(200).json();
    let place = format!("/admin/limits/{}", list["items"][0]["id"].as_str().unwrap());
    gateway.get(&place).token(&reader).send().await.expect(200);
    gateway.get(&place).token(&user).send().await.problem(403, "forbidden");
    let post = gateway.post("/admin/limits").token(&reader).json(&limit(json!({})));
    post.send().await.problem(403, "forbidden");
    for method in ["PATCH", "DELETE"] {
        let touch = gateway.request(method, &place).token(&reader).json(&json!({}));
        touch.send().await.problem(403, "forbidden");
    }
    assert_eq!(in_force(&gateway), [configured()]);
    gateway.finish().await;
}

async fn the_same_idempotency_key_makes_one_limit(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let send = async |changes: Value| {
        let request = gateway.post("/admin/limits").token(&gateway.admin).header("idempotency-key", "key");
        request.json(&limit(changes)).send().await
    };
    let (first, again) = (send(json!({})).await, send(json!({})).await);
    assert_eq!(first.expect(201).json(), again.expect(201).json());
    assert_eq!(first.header("location"), again.header("location"));
    send(json!({ "limit": 1 })).await.problem(409, "conflict");
    assert_eq!(in_force(&gateway).len(), 2);
    gateway.finish().await;
}

async fn the_configured_limits_are_made_at_the_first_start_only(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let list = call(&gateway, "GET", "/admin/limits", None).await.expect(200).json();
    let place = format!("/admin/limits/{}", list["items"][0]["id"].as_str().unwrap());
    call(&gateway, "PATCH", &place, Some(&json!({ "limit": 7 }))).await.expect(200);
    gateway.finish().await;
    let gateway = TestGateway::start(store).await;
    assert_eq!(in_force(&gateway), [("per-user".into(), 7, 7)]);
    call(&gateway, "DELETE", &place, None).await.expect(204);
    gateway.discard().await;
    let gateway = TestGateway::start(store).await;
    assert_eq!(in_force(&gateway), []);
    gateway.discard().await;
}

async fn another_replica_has_a_change_within_a_second(store: &TestStore) {
    let replicas = [TestGateway::start(store).await, TestGateway::start(store).await];
    create(&replicas[0], json!({})).await.expect(201);
    let there = eventually("the change", async || (in_force(&replicas[1]).len() == 2).then_some(()));
    tokio::time::timeout(Duration::from_secs(1), there).await.expect("within a second");
    TestGateway::finish_all(replicas).await;
}
