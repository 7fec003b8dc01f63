//! Budgets: spent to the last unit and never beyond, whoever calls at once, and refusals that say what is missing.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tollgate::clock::Clock;

use super::support::{Answer, Connection, RawUpstream, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    a_budget_is_spent_to_the_last_unit_and_not_beyond,
    a_refusal_names_every_budget_that_is_short_and_holds_nothing,
    a_raised_limit_lets_calls_through_and_what_was_spent_stays_spent,
    a_budget_in_shadow_refuses_nothing_and_says_so,
    a_budget_for_one_subject_stands_in_for_the_general_one,
    a_key_has_a_budget_of_its_own,
    a_call_that_fails_costs_nothing,
    a_redirect_costs_nothing,
    a_client_that_hangs_up_within_a_stream_leaves_no_hold,
    a_client_that_does_not_wait_for_the_head_pays_for_the_call,
    a_budget_is_made_shown_changed_and_deleted,
    a_budget_of_a_team_that_is_gone_can_be_changed,
    a_taken_name_is_a_conflict,
    every_bad_budget_names_its_place_and_changes_nothing,
    readonly_may_look_at_budgets_and_not_touch,
    the_same_idempotency_key_makes_one_budget,
    the_configured_budgets_are_made_once,
    what_a_call_cost_is_told_as_soon_as_its_answer_was_read,
    a_hold_from_before_midnight_is_settled_in_its_own_day,
    a_limit_that_changes_while_calls_are_under_way_loses_and_doubles_nothing,
    a_refusal_says_what_was_needed_and_when_the_last_of_them_resets,
);

/// Calls of 0.002 USD, one of them to where SDKs of AI providers call.
const ROUTES: &str = r#"
    [[routes]]
    name = "paid"
    path = "/paid"
    match = "prefix"
    methods = ["GET"]
    roles = ["admin", "user"]
    upstream = "builtin:echo"
    meter = { fixed_usd = "0.002" }

    [[routes]]
    name = "v1-paid"
    path = "/v1/paid"
    match = "exact"
    methods = ["GET"]
    roles = ["admin", "user"]
    upstream = "builtin:echo"
    meter = { fixed_usd = "0.002" }
"#;

async fn start(store: &TestStore) -> TestGateway {
    Setup::default().more_lists(ROUTES).start(store).await
}

fn budget(changes: Value) -> Value {
    let mut budget = json!({ "name": "all", "scope": "global", "limit_usd": "0.02", "period": "day" });
    for (field, value) in changes.as_object().unwrap() {
        budget[field] = value.clone();
    }
    budget
}

async fn call(gateway: &TestGateway, method: &str, target: &str, body: Option<&Value>) -> Answer {
    let request = gateway.request(method, target).token(&gateway.admin);
    match body {
        Some(body) => request.json(body).send().await,
        None => request.send().await,
    }
}

/// The id of a new budget.
async fn make(gateway: &TestGateway, changes: Value) -> String {
    let answer = call(gateway, "POST", "/admin/budgets", Some(&budget(changes))).await;
    answer.expect(201).json()["id"].as_str().unwrap().to_owned()
}

/// What is spent, held and left, when nothing is held any more.
async fn at_rest(gateway: &TestGateway, id: &str) -> (String, String) {
    let found = eventually("the end of all holds", async || {
        let budget = call(gateway, "GET", &format!("/admin/budgets/{id}"), None).await.expect(200).json();
        (budget["held_usd"] == "0").then_some(budget)
    })
    .await;
    let text = |field: &str| found[field].as_str().unwrap().to_owned();
    (text("spent_usd"), text("remaining_usd"))
}

fn pair(spent: &str, remaining: &str) -> (String, String) {
    (spent.to_owned(), remaining.to_owned())
}

async fn paid(gateway: &TestGateway, credential: &str) -> Answer {
    gateway.get("/paid").token(credential).send().await
}

async fn a_budget_is_spent_to_the_last_unit_and_not_beyond(store: &TestStore) {
    let gateway = start(store).await;
    let id = make(&gateway, json!({})).await;
    let answers = join_all((0..40).map(|_| paid(&gateway, &gateway.admin))).await;
    let passed: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(passed.len(), 10);
    for answer in passed {
        assert_eq!(answer.header("x-tollgate-hold-usd"), Some("0.002"));
        assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0.002"));
    }
    assert_eq!(at_rest(&gateway, &id).await, pair("0.02", "0"));
    let refused = gateway.get("/v1/paid").token(&gateway.admin).send().await;
    let problem = refused.problem(402, "budget-exhausted");
    let short = &problem["budgets"][0];
    assert_eq!((&short["id"], &short["name"], &short["limit_usd"]), (&json!(id), &json!("all"), &json!("0.02")));
    assert_eq!((&short["spent_usd"], &short["needed_usd"]), (&json!("0.02"), &json!("0.002")));
    assert!(short["resets_at"].as_str().unwrap().ends_with("T00:00:00Z"), "{short}");
    assert_eq!(problem["error"]["code"], "budget-exhausted");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&seconds), "{seconds}");
    let record = gateway.record(refused.request_id()).await.unwrap();
    assert_eq!((&record["decision"], &record["reason"]), (&json!("refused"), &json!("budget-exhausted: all")));
    gateway.finish().await;
}

async fn a_refusal_names_every_budget_that_is_short_and_holds_nothing(store: &TestStore) {
    let gateway = start(store).await;
    let roomy = make(&gateway, json!({ "name": "roomy", "limit_usd": "1" })).await;
    make(&gateway, json!({ "name": "short", "limit_usd": "0.001", "period": "total" })).await;
    make(&gateway, json!({ "name": "mine", "scope": "user", "limit_usd": "0" })).await;
    make(&gateway, json!({ "name": "of-a-model", "models": ["gpt"], "limit_usd": "0" })).await;
    let refused = paid(&gateway, &gateway.admin).await;
    let problem = refused.problem(402, "budget-exhausted");
    let mut names: Vec<&str> =
        problem["budgets"].as_array().unwrap().iter().map(|b| b["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["mine", "short"]);
    // One of them never resets.
    assert_eq!(refused.header("retry-after"), None);
    assert_eq!(at_rest(&gateway, &roomy).await, pair("0", "1"));
    gateway.finish().await;
}

async fn a_raised_limit_lets_calls_through_and_what_was_spent_stays_spent(store: &TestStore) {
    let gateway = start(store).await;
    let id = make(&gateway, json!({ "limit_usd": "0.003" })).await;
    paid(&gateway, &gateway.admin).await.expect(200);
    paid(&gateway, &gateway.admin).await.problem(402, "budget-exhausted");
    let target = format!("/admin/budgets/{id}");
    call(&gateway, "PATCH", &target, Some(&json!({ "limit_usd": "0.004" }))).await.expect(200);
    paid(&gateway, &gateway.admin).await.expect(200);
    call(&gateway, "PATCH", &target, Some(&json!({ "limit_usd": "0.001" }))).await.expect(200);
    paid(&gateway, &gateway.admin).await.problem(402, "budget-exhausted");
    assert_eq!(at_rest(&gateway, &id).await, pair("0.004", "0"));
    gateway.finish().await;
}

async fn a_budget_in_shadow_refuses_nothing_and_says_so(store: &TestStore) {
    let gateway = start(store).await;
    let id = make(&gateway, json!({ "limit_usd": "0.001", "mode": "shadow" })).await;
    let answer = paid(&gateway, &gateway.admin).await;
    answer.expect(200);
    let record = gateway.record(answer.request_id()).await.unwrap();
    assert_eq!((&record["reason"], &record["cost_usd"]), (&json!("shadow-budget-exhausted: all"), &json!("0.002")));
    assert_eq!(at_rest(&gateway, &id).await, pair("0.002", "0"));
    gateway.finish().await;
}

async fn a_budget_for_one_subject_stands_in_for_the_general_one(store: &TestStore) {
    let gateway = start(store).await;
    let (rich, poor) = (gateway.user("rich", "user").await, gateway.user("poor", "user").await);
    make(&gateway, json!({ "name": "each", "scope": "user", "limit_usd": "0.002" })).await;
    make(&gateway, json!({ "name": "each", "scope": "user", "subject": rich.id, "limit_usd": "0.006" })).await;
    for (user, passes) in [(&rich, 3), (&poor, 1)] {
        for _ in 0..passes {
            paid(&gateway, &user.token).await.expect(200);
        }
        paid(&gateway, &user.token).await.problem(402, "budget-exhausted");
        let me = eventually("the end of the holds", async || {
            let me = gateway.get("/me").token(&user.token).send().await.expect(200).json();
            (me["budgets"][0]["held_usd"] == "0").then_some(me)
        })
        .await;
        let mine = me["budgets"].as_array().unwrap();
        assert_eq!((mine.len(), &mine[0]["remaining_usd"]), (1, &json!("0")), "{me}");
    }
    gateway.finish().await;
}

async fn a_key_has_a_budget_of_its_own(store: &TestStore) {
    let gateway = start(store).await;
    let id = make(&gateway, json!({ "name": "keys", "scope": "key", "limit_usd": "0.002" })).await;
    for name in ["one", "two"] {
        let key = gateway.api_key(&gateway.admin, name).await;
        paid(&gateway, &key.text).await.expect(200);
        paid(&gateway, &key.text).await.problem(402, "budget-exhausted");
        // Nor by a token that the key is exchanged for.
        let token = gateway.exchange(&key).await.expect(200).json()["access_token"].as_str().unwrap().to_owned();
        paid(&gateway, &token).await.problem(402, "budget-exhausted");
    }
    // The token of a login is no key.
    paid(&gateway, &gateway.admin).await.expect(200);
    assert_eq!(at_rest(&gateway, &id).await, pair("0.004", "0"));
    gateway.finish().await;
}

fn paid_upstream(upstream: &str) -> String {
    format!("{}meter = {{ fixed_usd = \"0.002\" }}\n", upstream.trim_end_matches(' '))
}

/// A gateway whose route leads to this upstream, and the id of a budget for all its calls.
async fn with_paid_upstream(store: &TestStore) -> (RawUpstream, TestGateway, String) {
    let upstream = RawUpstream::start().await;
    let lists = paid_upstream(&RawUpstream::route_to(upstream.address));
    let gateway = Setup::default().more_lists(&lists).start(store).await;
    let id = make(&gateway, json!({})).await;
    (upstream, gateway, id)
}

async fn a_call_that_fails_costs_nothing(store: &TestStore) {
    let nowhere = paid_upstream(&RawUpstream::route_to(RawUpstream::nowhere().await));
    let gateway = Setup::default().more_lists(&nowhere).start(store).await;
    let id = make(&gateway, json!({})).await;
    gateway.get("/up").token(&gateway.admin).send().await.problem(502, "upstream-failed");
    assert_eq!(at_rest(&gateway, &id).await, pair("0", "0.02"));
    gateway.finish().await;
}

async fn a_redirect_costs_nothing(store: &TestStore) {
    let (upstream, gateway, id) = with_paid_upstream(store).await;
    for status in ["302 Found", "304 Not Modified"] {
        let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let call = gateway.get("/up").token(&gateway.admin);
        let (_served, answer) = tokio::join!(upstream.take(&answer), call.send());
        assert_eq!(answer.header("x-tollgate-cost-usd"), Some("0"), "{status}");
    }
    assert_eq!(at_rest(&gateway, &id).await, pair("0", "0.02"));
    gateway.finish().await;
}

async fn a_client_that_hangs_up_within_a_stream_leaves_no_hold(store: &TestStore) {
    let (upstream, gateway, id) = with_paid_upstream(store).await;
    gateway.expect_record();
    let mut connection = gateway.connect().await;
    connection.send(&gateway.get("/up").token(&gateway.admin).bytes()).await;
    let _open = upstream.take("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    connection.head().await;
    connection.reset();
    assert_eq!(at_rest(&gateway, &id).await, pair("0.002", "0.018"));
    gateway.finish().await;
}

async fn a_client_that_does_not_wait_for_the_head_pays_for_the_call(store: &TestStore) {
    let (upstream, gateway, id) = with_paid_upstream(store).await;
    gateway.expect_record();
    let mut connection = gateway.connect().await;
    connection.send(&gateway.get("/up").token(&gateway.admin).bytes()).await;
    let mut served = upstream.take("").await;
    connection.reset();
    gateway.without_clients().await;
    served.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert_eq!(at_rest(&gateway, &id).await, pair("0.002", "0.018"));
    let record = eventually("the record of the client that is gone", async || {
        let records = gateway.records().await;
        records.into_iter().find(|record| record["outcome"] == "aborted")
    })
    .await;
    assert_eq!((&record["cost_usd"], &record["upstream_status"]), (&json!("0.002"), &json!(200)), "{record}");
    gateway.finish().await;
}

async fn a_budget_is_made_shown_changed_and_deleted(store: &TestStore) {
    let gateway = start(store).await;
    let spec = budget(json!({ "alert_at": [0.8], "models": ["*"], "mode": "enforce", "subject": null }));
    let made = call(&gateway, "POST", "/admin/budgets", Some(&spec)).await;
    let budget = made.expect(201).json();
    let target = made.header("location").unwrap().to_owned();
    for (field, value) in spec.as_object().unwrap() {
        assert_eq!(&budget[field], value, "{field}");
    }
    assert_eq!((&budget["spent_usd"], &budget["remaining_usd"]), (&json!("0"), &json!("0.02")));
    assert_eq!(call(&gateway, "GET", &target, None).await.expect(200).json(), budget);
    let list = call(&gateway, "GET", "/admin/budgets", None).await.expect(200).json();
    assert_eq!(list, json!({ "items": [budget], "next_cursor": null }));
    let changed = call(&gateway, "PATCH", &target, Some(&json!({ "mode": "shadow", "alert_at": [] }))).await;
    assert_eq!(changed.expect(200).json()["mode"], "shadow");
    let change = gateway.record(changed.request_id()).await.unwrap()["change"].clone();
    assert_eq!((&change["before"]["mode"], &change["after"]["mode"]), (&json!("enforce"), &json!("shadow")));
    let raised = call(&gateway, "PATCH", &target, Some(&json!({ "limit_usd": "1.5e3" }))).await;
    assert_eq!(raised.expect(200).json()["limit_usd"], "1500");
    call(&gateway, "DELETE", &target, None).await.expect(204);
    call(&gateway, "GET", &target, None).await.problem(404, "not-found");
    gateway.finish().await;
}

async fn a_budget_of_a_team_that_is_gone_can_be_changed(store: &TestStore) {
    let gateway = start(store).await;
    let team = call(&gateway, "POST", "/admin/teams", Some(&json!({ "name": "team" }))).await.expect(201).json();
    let id = make(&gateway, json!({ "scope": "team", "subject": team["id"] })).await;
    call(&gateway, "DELETE", &format!("/admin/teams/{}", team["id"].as_str().unwrap()), None).await.expect(204);
    let changed = call(&gateway, "PATCH", &format!("/admin/budgets/{id}"), Some(&json!({ "limit_usd": "7" }))).await;
    assert_eq!(changed.expect(200).json()["limit_usd"], "7");
    gateway.finish().await;
}

async fn a_taken_name_is_a_conflict(store: &TestStore) {
    let gateway = start(store).await;
    make(&gateway, json!({})).await;
    let taken = call(&gateway, "POST", "/admin/budgets", Some(&budget(json!({})))).await.problem(409, "conflict");
    assert_eq!(taken["detail"], "There is a budget with this name and this subject.");
    let other = make(&gateway, json!({ "name": "other" })).await;
    let other = format!("/admin/budgets/{other}");
    call(&gateway, "PATCH", &other, Some(&json!({ "name": "all" }))).await.problem(409, "conflict");
    let list = call(&gateway, "GET", "/admin/budgets", None).await.expect(200).json();
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
    assert!(names.len() == 2 && names.contains(&&json!("other")), "{names:?}");
    gateway.finish().await;
}

async fn every_bad_budget_names_its_place_and_changes_nothing(store: &TestStore) {
    let gateway = start(store).await;
    let id = make(&gateway, json!({})).await;
    let nobody = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (changes, pointer) in [
        (json!({ "name": "a b" }), "/name"),
        (json!({ "scope": "user" }), "/scope"),
        (json!({ "scope": "planet", "name": "x" }), "/scope"),
        (json!({ "name": "x", "scope": "user", "subject": nobody }), "/subject"),
        (json!({ "name": "x", "limit_usd": "-1" }), "/limit_usd"),
        (json!({ "name": "x", "limit_usd": "1,5" }), "/limit_usd"),
        (json!({ "name": "x", "limit_usd": "99999999999" }), "/limit_usd"),
        (json!({ "name": "x", "period": "year" }), "/period"),
        (json!({ "name": "x", "models": [] }), "/models"),
        (json!({ "name": "x", "alert_at": [2] }), "/alert_at/0"),
        (json!({ "name": "x", "more": 1 }), "/more"),
        (json!({ "name": "" }), "/name"),
        (json!({ "name": "x".repeat(200) }), "/name"),
        (json!({ "name": "x", "limit_usd": "" }), "/limit_usd"),
        (json!({ "name": "x", "limit_usd": "NaN" }), "/limit_usd"),
        (json!({ "name": "x", "limit_usd": "+1" }), "/limit_usd"),
        (json!({ "name": "x", "limit_usd": "0.0000000000001" }), "/limit_usd"),
        (json!({ "name": "x", "limit_usd": "9000000.000000000001" }), "/limit_usd"),
        (json!({ "name": "x", "limit_usd": "1e30" }), "/limit_usd"),
        (json!({ "name": "x", "limit_usd": "1e999999999" }), "/limit_usd"),
        (json!({ "name": "x", "limit_usd": null }), "/limit_usd"),
        (json!({ "name": "x", "subject": nobody }), "/subject"),
        (json!({ "name": "x", "scope": "team", "subject": "nobody" }), "/subject"),
        (json!({ "name": "x", "scope": "key", "subject": nobody }), "/subject"),
        (json!({ "name": "x", "models": ["*", "a"] }), "/models/0"),
        (json!({ "name": "x", "models": ["a", "a"] }), "/models/1"),
        (json!({ "name": "x", "models": [""] }), "/models/0"),
        (json!({ "name": "x", "alert_at": [0] }), "/alert_at/0"),
        (json!({ "name": "x", "alert_at": [0.5, -1] }), "/alert_at/1"),
        (json!({ "name": "x", "alert_at": [0.123_456_7] }), "/alert_at/0"),
        (json!({ "name": "x", "alert_at": vec![0.1; 17] }), "/alert_at"),
        (json!({ "name": "x", "mode": "off" }), "/mode"),
    ] {
        let answer = call(&gateway, "POST", "/admin/budgets", Some(&budget(changes.clone()))).await;
        assert_eq!(answer.status, 400, "{changes}");
        answer.invalid(pointer);
    }
    for (change, pointer) in [
        (json!({ "period": "month" }), "/period"),
        (json!({ "scope": "user" }), "/scope"),
        (json!({ "limit_usd": "x" }), "/limit_usd"),
        (json!({ "limit_usd": "-0.01" }), "/limit_usd"),
        (json!({ "subject": nobody }), "/subject"),
        (json!({ "models": [] }), "/models"),
        (json!({ "id": nobody }), "/id"),
        (json!({ "name": null }), "/name"),
        (json!({ "scope": null }), "/scope"),
        (json!({ "models": null }), "/models"),
        (json!({ "limit_usd": null }), "/limit_usd"),
        (json!({ "period": null }), "/period"),
        (json!({ "mode": null }), "/mode"),
        (json!({ "alert_at": null }), "/alert_at"),
    ] {
        call(&gateway, "PATCH", &format!("/admin/budgets/{id}"), Some(&change)).await.invalid(pointer);
    }
    for (method, body) in [("GET", None), ("DELETE", None), ("PATCH", Some(json!({ "limit_usd": "1" })))] {
        let target = format!("/admin/budgets/{nobody}");
        call(&gateway, method, &target, body.as_ref()).await.problem(404, "not-found");
    }
    let list = call(&gateway, "GET", "/admin/budgets", None).await.expect(200).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["limit_usd"], "0.02");
    gateway.finish().await;
}

async fn readonly_may_look_at_budgets_and_not_touch(store: &TestStore) {
    let gateway = start(store).await;
    let (reader, user) = (gateway.user("reader", "readonly").await, gateway.user("user", "user").await);
    gateway.get("/admin/budgets").token(&reader.token).send().await.expect(200);
    gateway.get("/admin/budgets").token(&user.token).send().await.problem(403, "forbidden");
    let made = gateway.post("/admin/budgets").token(&reader.token).json(&budget(json!({}))).send().await;
    made.problem(403, "forbidden");
    gateway.finish().await;
}

async fn the_same_idempotency_key_makes_one_budget(store: &TestStore) {
    let gateway = start(store).await;
    let post = async |changes: Value| {
        let request = gateway.post("/admin/budgets").token(&gateway.admin).header("idempotency-key", "k");
        request.json(&budget(changes)).send().await
    };
    let first = post(json!({})).await.expect(201).json();
    assert_eq!(post(json!({})).await.expect(201).json(), first);
    post(json!({ "limit_usd": "9" })).await.problem(409, "conflict");
    gateway.finish().await;
}

async fn the_configured_budgets_are_made_once(store: &TestStore) {
    let configured = |limit: &str| {
        format!(
            "{ROUTES}\n[[budgets]]\nname = \"c\"\nscope = \"global\"\nlimit_usd = \"{limit}\"\nperiod = \"month\"\nalert_at = [0.5]\n"
        )
    };
    for limit in ["3", "4"] {
        let gateway = Setup::default().more_lists(&configured(limit)).start(store).await;
        let list = call(&gateway, "GET", "/admin/budgets", None).await.expect(200).json();
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
        assert_eq!(list["items"][0]["limit_usd"], "3");
        gateway.discard().await;
    }
}

async fn what_a_call_cost_is_told_as_soon_as_its_answer_was_read(store: &TestStore) {
    let gateway = start(store).await;
    let id = make(&gateway, json!({ "limit_usd": "1" })).await;
    for calls in 1..=20 {
        paid(&gateway, &gateway.admin).await.expect(200);
        let cost = json!(format!("0.{:03}", calls * 2).trim_end_matches('0'));
        let told = match calls % 4 {
            0 => call(&gateway, "GET", "/me", None).await.json()["budgets"][0]["spent_usd"].clone(),
            1 => call(&gateway, "GET", "/me/usage", None).await.json()["items"][0]["cost_usd"].clone(),
            2 => call(&gateway, "GET", "/admin/usage", None).await.json()["items"][0]["cost_usd"].clone(),
            _ => call(&gateway, "GET", &format!("/admin/budgets/{id}"), None).await.json()["spent_usd"].clone(),
        };
        assert_eq!(told, cost, "after {calls} calls");
    }
    gateway.finish().await;
}

/// A call that the upstream has and has not answered.
async fn under_way(gateway: &TestGateway, upstream: &RawUpstream) -> (Connection, tokio::net::TcpStream) {
    gateway.expect_record();
    let mut connection = gateway.connect().await;
    connection.send(&gateway.get("/up").token(&gateway.admin).bytes()).await;
    (connection, upstream.take("").await)
}

async fn answer((mut connection, mut stream): (Connection, tokio::net::TcpStream)) {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    connection.answer().await.expect(200);
}

async fn a_hold_from_before_midnight_is_settled_in_its_own_day(store: &TestStore) {
    // 2026-11-23T23:59:50Z
    let clock = Clock::manual(1_795_478_390);
    let upstream = RawUpstream::start().await;
    let lists = paid_upstream(&RawUpstream::route_to(upstream.address));
    let gateway = Setup::default().clock(&clock).more_lists(&lists).start(store).await;
    let id = make(&gateway, json!({ "limit_usd": "0.002" })).await;
    let first = under_way(&gateway, &upstream).await;
    gateway.get("/up").token(&gateway.admin).send().await.problem(402, "budget-exhausted");
    clock.advance(Duration::from_secs(20));
    // The new day has all of its money while the hold of the old one is still open.
    let second = under_way(&gateway, &upstream).await;
    gateway.get("/up").token(&gateway.admin).send().await.problem(402, "budget-exhausted");
    answer(first).await;
    answer(second).await;
    assert_eq!(at_rest(&gateway, &id).await, pair("0.002", "0"));
    let days = ["2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"];
    let days = days.map(|day| (id.parse().unwrap(), day.parse().unwrap())).to_vec();
    let balances = gateway.running().office.accounting.store.balances_of(days).await.unwrap();
    let told: Vec<_> = balances.values().map(|balance| (balance.spent.to_string(), balance.held.to_string())).collect();
    assert_eq!(told, [("0.002".into(), "0".into()), ("0.002".into(), "0".into())]);
    gateway.finish().await;
}

async fn a_limit_that_changes_while_calls_are_under_way_loses_and_doubles_nothing(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let lists = paid_upstream(&RawUpstream::route_to(upstream.address));
    let gateway = Setup::default().more_lists(&lists).start(store).await;
    let id = make(&gateway, json!({ "limit_usd": "0.004" })).await;
    let limit = async |limit_usd: &str| {
        let change = json!({ "limit_usd": limit_usd });
        let changed = call(&gateway, "PATCH", &format!("/admin/budgets/{id}"), Some(&change)).await;
        let budget = changed.expect(200).json();
        (budget["held_usd"].clone(), budget["remaining_usd"].clone())
    };
    let first = under_way(&gateway, &upstream).await;
    assert_eq!(limit("0.001").await, (json!("0.002"), json!("0")));
    gateway.get("/up").token(&gateway.admin).send().await.problem(402, "budget-exhausted");
    assert_eq!(limit("0.006").await, (json!("0.002"), json!("0.004")));
    let second = under_way(&gateway, &upstream).await;
    answer(first).await;
    assert_eq!(limit("0.004").await, (json!("0.002"), json!("0")));
    answer(second).await;
    assert_eq!(at_rest(&gateway, &id).await, pair("0.004", "0"));
    gateway.finish().await;
}

async fn a_refusal_says_what_was_needed_and_when_the_last_of_them_resets(store: &TestStore) {
    // 2026-11-24T00:00:00Z, a Tuesday.
    let gateway = Setup::default().clock(&Clock::manual(1_795_478_400)).more_lists(ROUTES).start(store).await;
    for period in ["day", "week", "month"] {
        make(&gateway, json!({ "name": period, "period": period, "limit_usd": "0.001" })).await;
    }
    let refused = paid(&gateway, &gateway.admin).await;
    let problem = refused.problem(402, "budget-exhausted");
    let mut told: Vec<(&str, &str)> = problem["budgets"]
        .as_array()
        .unwrap()
        .iter()
        .inspect(|short| assert_eq!(short["needed_usd"], "0.002"))
        .map(|short| (short["name"].as_str().unwrap(), short["resets_at"].as_str().unwrap()))
        .collect();
    told.sort_unstable();
    let resets = [("day", "2026-11-25T00:00:00Z"), ("month", "2026-12-01T00:00:00Z"), ("week", "2026-11-30T00:00:00Z")];
    assert_eq!(told, resets);
    // Until the month is over.
    assert_eq!(refused.header("retry-after"), Some("604800"));
    gateway.finish().await;
}
