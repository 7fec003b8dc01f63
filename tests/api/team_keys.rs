//! One call that makes an API key with its user, its budget and its limits: all of it or nothing.

use serde_json::{Value, json};

use super::support::{Answer, TestGateway, TestStore};

on_both_stores!(
    one_call_makes_a_key_with_all_that_belongs_to_it,
    the_budget_and_the_limits_hold_from_the_first_call,
    nothing_is_made_where_something_is_wrong,
    the_same_idempotency_key_makes_one_key_and_shows_the_same_secret,
    the_user_of_the_key_is_in_the_team,
);

const KEY: &str = "/admin/api-keys";

async fn call(gateway: &TestGateway, method: &str, target: &str, body: &Value) -> Answer {
    let request = gateway.request(method, target).token(&gateway.admin);
    if body.is_null() { request.send().await } else { request.json(body).send().await }
}

/// The URL of the keys of a new team.
async fn team(gateway: &TestGateway, name: &str) -> String {
    let made = call(gateway, "POST", "/admin/teams", &json!({ "name": name })).await;
    format!("{}/api-keys", made.expect(201).header("location").unwrap())
}

fn order() -> Value {
    json!({
        "username": "pipeline",
        "name": "ci",
        "models": ["demo"],
        "budget": { "limit_usd": "0.50", "period": "month" },
        "limits": [{ "name": "few", "unit": "requests", "limit": 3, "window_s": 3_600 },
            { "name": "at-once", "unit": "concurrent", "limit": 2 }],
    })
}

async fn counted(gateway: &TestGateway, list: &str) -> usize {
    call(gateway, "GET", list, &Value::Null).await.expect(200).json()["items"].as_array().unwrap().len()
}

async fn one_call_makes_a_key_with_all_that_belongs_to_it(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let keys = team(&gateway, "research").await;
    let made = call(&gateway, "POST", &keys, &order()).await;
    let body = made.expect(201).json();
    let id = body["id"].as_str().unwrap();
    assert_eq!(made.header("location"), Some(&*format!("{KEY}/{id}")));
    assert!(body["key"].as_str().unwrap().starts_with(&format!("tg_{id}_")));
    assert_eq!((&body["user_name"], &body["models"]), (&json!("pipeline"), &json!(["demo"])));
    let budget = &body["budget"];
    assert_eq!((&budget["scope"], &budget["subject"], &budget["name"]), (&json!("key"), &json!(id), &json!("key")));
    assert_eq!((&budget["key_name"], &budget["remaining_usd"]), (&json!("ci"), &json!("0.5")));
    for limit in body["limits"].as_array().unwrap() {
        assert_eq!((&limit["per"], &limit["subject"], &limit["key_name"]), (&json!("key"), &json!(id), &json!("ci")));
        let path = format!("/admin/limits/{}", limit["id"].as_str().unwrap());
        assert_eq!(call(&gateway, "GET", &path, &Value::Null).await.expect(200).json(), *limit);
    }
    let path = format!("/admin/budgets/{}", budget["id"].as_str().unwrap());
    let shown = call(&gateway, "GET", &path, &Value::Null).await.expect(200).json();
    assert_eq!((&shown["subject"], &shown["key_name"]), (&json!(id), &json!("ci")));
    let user = call(&gateway, "GET", "/admin/users/by-name/pipeline", &Value::Null).await.expect(200).json();
    assert_eq!((&user["team_name"], &user["role"]), (&json!("research"), &json!("user")));
    let change = gateway.record(made.request_id()).await.unwrap()["change"].clone();
    assert_eq!((&change["before"], &change["after"]["user"]["username"]), (&Value::Null, &json!("pipeline")));
    assert!(change["after"]["api_key"]["id"] == id && change["after"]["limits"].as_array().unwrap().len() == 2);
    let (_, secret) = body["key"].as_str().unwrap().rsplit_once('_').unwrap();
    assert!(!change.to_string().contains(secret), "{change}");
    // A second key of the same user has its own.
    let other =
        call(&gateway, "POST", &keys, &json!({ "username": "pipeline", "name": "cd", "budget": order()["budget"] }))
            .await;
    assert_eq!(other.expect(201).json()["user_id"], body["user_id"]);
    assert_eq!(other.json()["limits"], json!([]));
    gateway.finish().await;
}

async fn the_budget_and_the_limits_hold_from_the_first_call(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let keys = team(&gateway, "research").await;
    let key = call(&gateway, "POST", &keys, &order()).await.expect(201).json()["key"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        gateway.get("/echo").token(&key).send().await.expect(200);
    }
    gateway.get("/echo").token(&key).send().await.problem(429, "quota-exceeded");
    let poor =
        json!({ "username": "pipeline", "name": "poor", "budget": { "limit_usd": "0.0000001", "period": "total" } });
    let key = call(&gateway, "POST", &keys, &poor).await.expect(201).json()["key"].as_str().unwrap().to_owned();
    let question = json!({ "model": "demo", "messages": [{ "role": "user", "content": "hello" }] });
    let refused = gateway.post("/v1/chat/completions").token(&key).json(&question).send().await;
    assert_eq!(refused.problem(402, "budget-exhausted")["budgets"][0]["name"], "key");
    gateway.finish().await;
}

async fn nothing_is_made_where_something_is_wrong(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let keys = team(&gateway, "research").await;
    let taken =
        json!({ "name": "per-team", "routes": ["*"], "per": "team", "unit": "requests", "limit": 9, "window_s": 60 });
    call(&gateway, "POST", "/admin/limits", &taken).await.expect(201);
    let (limits, budgets) = (counted(&gateway, "/admin/limits").await, counted(&gateway, "/admin/budgets").await);
    let with = |change: fn(&mut Value)| {
        let mut order = order();
        change(&mut order);
        order
    };
    for (body, pointer) in [
        (with(|order| order["limits"][1]["limit"] = json!(0)), "/limits/1/limit"),
        (with(|order| order["limits"][1]["name"] = json!("few")), "/limits/1/name"),
        (with(|order| order["limits"][0]["routes"] = json!(["nowhere"])), "/limits/0/routes/0"),
        (with(|order| order["limits"][0]["name"] = json!("per-team")), "/limits/0/per"),
        (with(|order| order["limits"][0]["per"] = json!("user")), "/limits/0/per"),
        (with(|order| order["budget"]["limit_usd"] = json!("much")), "/budget/limit_usd"),
        (with(|order| order["budget"]["alert_at"] = json!([7])), "/budget/alert_at/0"),
        (with(|order| order["username"] = json!("not one")), "/username"),
        (with(|order| order["role"] = json!("admin")), "/role"),
        (with(|order| order["expires_at"] = json!("2001-01-01")), "/expires_at"),
    ] {
        call(&gateway, "POST", &keys, &body).await.invalid(pointer);
    }
    call(&gateway, "GET", "/admin/users/by-name/pipeline", &Value::Null).await.problem(404, "not-found");
    assert_eq!(
        (counted(&gateway, "/admin/limits").await, counted(&gateway, "/admin/budgets").await),
        (limits, budgets)
    );
    let nowhere = "/admin/teams/01890a5d-ac96-774b-bcce-b302099a8057/api-keys";
    call(&gateway, "POST", nowhere, &order()).await.problem(404, "not-found");
    gateway.finish().await;
}

async fn the_same_idempotency_key_makes_one_key_and_shows_the_same_secret(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let keys = team(&gateway, "research").await;
    let post = async |body: &Value| {
        gateway.post(&keys).token(&gateway.admin).header("idempotency-key", "one").json(body).send().await
    };
    let first = post(&order()).await.expect(201).json();
    let again = post(&order()).await;
    assert_eq!(again.expect(201).json(), first);
    gateway.get("/me").token(again.json()["key"].as_str().unwrap()).send().await.expect(200);
    post(&json!({ "username": "pipeline", "name": "other" })).await.problem(409, "conflict");
    let user = format!("/admin/users/{}/api-keys", first["user_id"].as_str().unwrap());
    assert_eq!(counted(&gateway, &user).await, 1);
    gateway.finish().await;
}

async fn the_user_of_the_key_is_in_the_team(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let keys = team(&gateway, "research").await;
    let other = team(&gateway, "platform").await;
    call(&gateway, "POST", &keys, &order()).await.expect(201);
    let refused = call(&gateway, "POST", &other, &order()).await.invalid("/username");
    assert!(refused.to_string().contains("platform"), "{refused}");
    gateway.finish().await;
}
