//! The record of a refusal says what its answer said: which limit or budget had no room, what was left of it, what the call
//! needed, and which field was wrong.

use serde_json::{Value, json};

use super::support::{Answer, Setup, TestGateway, TestStore};

on_both_stores!(
    the_record_of_a_refusal_by_a_limit_says_what_was_left_and_needed,
    the_record_of_a_refusal_by_a_budget_says_what_was_left_and_needed,
    the_record_of_a_wrong_body_names_its_fields_in_the_part_that_can_be_erased,
    the_record_of_a_caller_who_may_not_names_the_route_and_what_kept_them,
);

const LISTS: &str = r#"
    [[routes]]
    name = "echo"
    path = "/echo"
    match = "exact"
    methods = ["GET"]
    roles = ["admin", "user"]
    upstream = "builtin:echo"
    weight = 2

    [[routes]]
    name = "paid"
    path = "/paid"
    match = "exact"
    methods = ["POST"]
    roles = ["admin", "user"]
    upstream = "builtin:echo"
    meter = { fixed_usd = "0.5" }

    [[limits]]
    name = "three"
    routes = ["echo"]
    per = "user"
    unit = "requests"
    limit = 3
    window_s = 3600

    [[limits]]
    name = "many"
    routes = ["*"]
    per = "user"
    unit = "requests"
    limit = 1000
    window_s = 60

    [[budgets]]
    name = "mine"
    scope = "user"
    limit_usd = "0.7"
    period = "day"
"#;

async fn started(store: &TestStore) -> TestGateway {
    Setup::default().lists(LISTS).start(store).await
}

/// The record of a call, as an administrator sees it, with its proof.
async fn record(gateway: &TestGateway, answer: &Answer) -> Value {
    let url = format!("/admin/audit?request_id={}", answer.request_id());
    let found = gateway.get(&url).token(&gateway.admin).send().await.expect(200).json();
    let id = found["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{found}")).to_owned();
    gateway.get(&format!("/admin/audit/{id}")).token(&gateway.admin).send().await.expect(200).json()
}

async fn the_record_of_a_refusal_by_a_limit_says_what_was_left_and_needed(store: &TestStore) {
    let gateway = started(store).await;
    gateway.get("/echo").token(&gateway.admin).send().await.expect(200);
    let refused = gateway.get("/echo").token(&gateway.admin).send().await;
    let problem = refused.problem(429, "quota-exceeded");
    let policy = problem["policies"].as_array().unwrap().iter().find(|policy| policy["name"] == "three").unwrap();
    let expected = json!({
        "name": "three", "limit": 3, "window_s": 3600, "remaining": 1, "needed": 2, "retry_after_s": policy["retry_after_s"],
    });
    let record = record(&gateway, &refused).await;
    assert_eq!(record["refused"], json!({ "limits": [expected] }), "one that had room has not refused");
    assert!(policy["retry_after_s"].is_u64() && policy["remaining"] == 1, "{problem}");
    let csv = gateway.get("/admin/audit?status=429").token(&gateway.admin).header("accept", "text/csv").send().await;
    let text = csv.expect(200).text().to_owned();
    assert!(text.lines().next().unwrap().contains(",reason,refused,fields,status,"), "{text}");
    assert!(text.contains("\"\"needed\"\":2"), "{text}");
    gateway.finish().await;
}

async fn the_record_of_a_refusal_by_a_budget_says_what_was_left_and_needed(store: &TestStore) {
    let gateway = started(store).await;
    gateway.post("/paid").token(&gateway.admin).send().await.expect(200);
    let refused = gateway.post("/paid").token(&gateway.admin).send().await;
    let problem = refused.problem(402, "budget-exhausted");
    let detail = problem["detail"].as_str().unwrap();
    for words in ["mine has 0.2 USD left and the call may cost 0.5", "ask an administrator", "raise limit_usd of mine"]
    {
        assert!(detail.contains(words), "{words}: {detail}");
    }
    let mut expected = problem["budgets"][0].clone();
    expected["remaining_usd"] = "0.2".into();
    assert_eq!(record(&gateway, &refused).await["refused"], json!({ "budgets": [expected] }));
    let allowed = gateway.get("/echo").token(&gateway.admin).send().await;
    assert_eq!(record(&gateway, &allowed).await["refused"], Value::Null);
    gateway.finish().await;
}

async fn the_record_of_a_wrong_body_names_its_fields_in_the_part_that_can_be_erased(store: &TestStore) {
    let gateway = started(store).await;
    let body =
        json!({ "name": "x", "routes": [], "per": "user", "unit": "requests", "limit": 0, "window_s": 1, "of_ann": 1 });
    let refused = gateway.post("/admin/limits").token(&gateway.admin).json(&body).send().await;
    let problem = refused.problem(400, "invalid-request");
    let pointers: Vec<&Value> = problem["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert!(pointers.contains(&&json!("/of_ann")), "{problem}");
    let record = record(&gateway, &refused).await;
    let known: Vec<&&Value> = pointers.iter().filter(|pointer| **pointer != "/of_ann").collect();
    assert_eq!(record["fields"], json!(known));
    // A name that nobody knows may be anything, a secret too.
    assert!(!record.to_string().contains("of_ann"), "{record}");
    let entries = record["entries"].as_array().unwrap();
    assert!(entries.iter().all(|entry| !entry["line"].as_str().unwrap().contains("/limit\"")), "{record}");
    assert!(entries.iter().any(|entry| entry["personal"].to_string().contains("/routes")), "{record}");
    gateway.finish().await;
}

/// A route that is narrowed so.
fn narrowed(name: &str, lines: &str) -> String {
    let head = format!("[[routes]]\nname = \"{name}\"\npath = \"/{name}\"\nmatch = \"exact\"\nmethods = [\"GET\"]\n");
    head + "upstream = \"builtin:echo\"\n" + lines + "\n"
}

async fn the_record_of_a_caller_who_may_not_names_the_route_and_what_kept_them(store: &TestStore) {
    let lists = [
        narrowed("admins", "roles = [\"admin\"]"),
        narrowed("teams", "roles = [\"user\"]\nteams = [\"red\"]"),
        narrowed("users", "roles = [\"user\"]\nusers = [\"bob\"]"),
        narrowed("both", "roles = [\"user\"]\nteams = [\"red\"]\nusers = [\"bob\"]"),
        narrowed("open", "roles = [\"user\"]"),
    ];
    let gateway = Setup::default().lists(&lists.concat()).start(store).await;
    let ann = gateway.user("ann", "user").await;
    let key = json!({ "name": "k", "routes": ["both"] });
    let key = gateway.post("/me/api-keys").token(&ann.token).json(&key).send().await.expect(201).json();
    let key = key["key"].as_str().unwrap();
    for (method, path, token, status, reason, route) in [
        ("GET", "/admins", ann.token.as_str(), 403, "forbidden: roles", "admins"),
        ("GET", "/teams", &ann.token, 403, "forbidden: teams", "teams"),
        ("GET", "/users", &ann.token, 403, "forbidden: users", "users"),
        ("GET", "/both", &ann.token, 403, "forbidden: teams, users", "both"),
        ("GET", "/open", key, 403, "forbidden: key", "open"),
        ("PUT", "/open", &ann.token, 405, "method-not-allowed", "open"),
        ("GET", "/admin/users", &ann.token, 403, "forbidden: roles", "/admin/users"),
    ] {
        let answer = gateway.request(method, path).token(token).send().await;
        assert_eq!(answer.status, status, "{path}");
        assert!(!answer.text().contains(reason) || reason == "method-not-allowed", "the caller is not told: {path}");
        let record = record(&gateway, &answer).await;
        assert_eq!((&record["reason"], &record["route"]), (&json!(reason), &json!(route)), "{path}: {record}");
    }
    gateway.finish().await;
}
