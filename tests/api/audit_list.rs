//! `/admin/audit`: its filters and its pages.

use std::{cell::Cell, collections::HashSet};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tollgate::domain::hex;

use super::support::{TestGateway, TestStore};

on_both_stores!(
    each_filter_shows_its_records_and_no_others,
    filters_combine,
    callers_are_found_by_their_names_as_by_their_ids,
    a_walk_through_the_pages_is_not_disturbed_by_new_records,
    while_records_arrive_each_that_was_there_is_on_one_page,
    a_record_is_shown_by_its_id_with_every_field,
    bad_filters_name_their_place,
    a_span_of_time_holds_what_began_in_it,
);

async fn list(gateway: &TestGateway, query: &str) -> Value {
    gateway.get(&format!("/admin/audit?{query}")).token(&gateway.admin).send().await.expect(200).json()
}

async fn items(gateway: &TestGateway, query: &str) -> Vec<Value> {
    let page = list(gateway, &format!("limit=200&{query}")).await;
    assert_eq!(page["next_cursor"], Value::Null, "{query}");
    page["items"].as_array().unwrap().clone()
}

/// A few requests of different kinds; the id of the user who made some of them.
async fn some_requests(gateway: &TestGateway) -> String {
    let user = gateway.user("user", "user").await;
    for path in ["/echo", "/echo/x", "/me", "/admin/users", "/nothing"] {
        gateway.get(path).token(&user.token).send().await;
        gateway.get(path).send().await;
    }
    gateway.post("/echo").token(&user.token).send().await;
    user.id
}

async fn each_filter_shows_its_records_and_no_others(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = some_requests(&gateway).await;
    let all = gateway.records().await;
    let known = all[0]["request_id"].as_str().unwrap();
    for (query, field, value) in [
        (format!("user_id={user}"), "user_id", json!(user)),
        ("route=echo".into(), "route", json!("echo")),
        ("route=/admin/users".into(), "route", json!("/admin/users")),
        ("status=401".into(), "status", json!(401)),
        ("status=403".into(), "status", json!(403)),
        ("decision=refused".into(), "decision", json!("refused")),
        ("username=user".into(), "username", json!("user")),
        ("reason=forbidden:%20roles".into(), "reason", json!("forbidden: roles")),
        ("upstream=builtin:echo".into(), "upstream", json!("builtin:echo")),
        (format!("request_id={known}"), "request_id", json!(known)),
    ] {
        let expected: Vec<&Value> = all.iter().filter(|r| r[field] == value).map(|r| &r["request_id"]).collect();
        let found = items(&gateway, &query).await;
        assert!(!expected.is_empty(), "{query}");
        assert_eq!(found.iter().map(|record| &record["request_id"]).collect::<Vec<_>>(), expected, "{query}");
    }
    assert_eq!(items(&gateway, "route=nothing-like-it").await, Vec::<Value>::new());
    gateway.finish().await;
}

async fn filters_combine(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = some_requests(&gateway).await;
    let found = items(&gateway, &format!("user_id={user}&route=echo&decision=allowed&status=200")).await;
    assert_eq!(found.len(), 3);
    assert_eq!(items(&gateway, &format!("user_id={user}&status=401")).await.len(), 0);
    gateway.finish().await;
}

async fn callers_are_found_by_their_names_as_by_their_ids(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let team = json!({ "name": "Research" });
    let team = gateway.post("/admin/teams").token(&gateway.admin).json(&team).send().await.expect(201).json();
    let (ann, bob) = (gateway.user("ann", "user").await, gateway.user("bob", "user").await);
    gateway.patch(&ann.id, &json!({ "team_id": team["id"] })).await.expect(200);
    let (key, other) = (gateway.api_key(&ann.token, "ci").await, gateway.api_key(&bob.token, "ci").await);
    gateway.get("/echo/of-ann").header("x-api-key", &key.text).send().await.expect(200);
    gateway.get("/echo/of-bob").header("x-api-key", &other.text).send().await.expect(200);
    let named = ["user=ann".into(), format!("user={}", ann.id), "team=Research".into(), "key=ann/ci".into()];
    for query in named.into_iter().chain([format!("key={}", key.id)]) {
        let found = items(&gateway, &format!("route=echo&{query}")).await;
        let paths: Vec<&Value> = found.iter().map(|record| &record["path"]).collect();
        assert_eq!(paths, ["/echo/of-ann"], "{query}");
    }
    let refused = |query: &str| gateway.get(&format!("/admin/audit?{query}")).token(&gateway.admin).send();
    refused("user=nobody").await.invalid("?user");
    refused("team=nobody").await.invalid("?team");
    refused("key=ci").await.invalid("?key");
    refused("user=%00").await.invalid("?user");
    refused(&format!("user=ann&user_id={}", ann.id)).await.invalid("?user");
    let bobs = format!("/admin/users/{}", bob.id);
    gateway.request("DELETE", &bobs).token(&gateway.admin).send().await.expect(204);
    assert_eq!(items(&gateway, "route=echo&user=bob").await.len(), 1, "who was deleted is found by the last name");
    gateway.finish().await;
}

async fn a_walk_through_the_pages_is_not_disturbed_by_new_records(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    some_requests(&gateway).await;
    let before: Vec<Value> = gateway.records().await.iter().map(|record| record["request_id"].clone()).collect();
    let (mut walked, mut query) = (vec![], "limit=3".to_owned());
    loop {
        let page = list(&gateway, &query).await;
        walked.extend(page["items"].as_array().unwrap().iter().map(|record| record["request_id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("limit=3&cursor={next}");
        gateway.get("/echo").token(&gateway.admin).send().await.expect(200);
    }
    assert_eq!(walked, before);
    gateway.finish().await;
}

/// Calls until the walk is over; so many answers came.
async fn call_meanwhile(gateway: &TestGateway, is_over: &Cell<bool>) -> usize {
    let mut answers = 0;
    while !is_over.get() {
        gateway.get("/echo").token(&gateway.admin).send().await.expect(200);
        answers += 1;
    }
    answers
}

/// The requests on all pages, in their order.
async fn walk(gateway: &TestGateway) -> Vec<String> {
    let (mut seen, mut cursor) = (vec![], String::new());
    loop {
        let page = list(gateway, &format!("limit=3{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|record| record["request_id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { return seen };
        cursor = format!("&cursor={next}");
    }
}

async fn while_records_arrive_each_that_was_there_is_on_one_page(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for _ in 0..40 {
        gateway.get("/me").token(&gateway.admin).send().await.expect(200);
    }
    let before: Vec<_> = gateway.records().await.iter().map(|r| r["request_id"].as_str().unwrap().to_owned()).collect();
    let is_over = Cell::new(false);
    let walks = async {
        let walks = [walk(&gateway).await, walk(&gateway).await];
        is_over.set(true);
        walks
    };
    let calls = async { tokio::join!(call_meanwhile(&gateway, &is_over), call_meanwhile(&gateway, &is_over)) };
    let (walks, (one, other)) = tokio::join!(walks, calls);
    assert!(one + other > 20, "records came meanwhile");
    for seen in walks {
        let distinct: HashSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "a record is on two pages");
        let old: Vec<_> = seen.iter().filter(|id| before.contains(id)).cloned().collect();
        assert_eq!(old, before, "a record that was there is on no page, or out of its order");
    }
    gateway.finish().await;
}

async fn a_record_is_shown_by_its_id_with_every_field(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let answer = gateway.post("/echo").token(&gateway.admin).body("x").send().await;
    let listed = items(&gateway, &format!("request_id={}", answer.request_id())).await.remove(0);
    let path = format!("/admin/audit/{}", listed["id"].as_str().unwrap());
    let mut shown = gateway.get(&path).token(&gateway.admin).send().await.expect(200).json();
    let by_request = format!("/admin/audit/{}", answer.request_id());
    let by_request = gateway.get(&by_request).token(&gateway.admin).send().await.expect(200).json();
    assert_eq!(by_request, shown, "the id of the request, which the caller knows, finds its record");
    let entries = shown.as_object_mut().unwrap().remove("entries").unwrap();
    assert_eq!(shown, listed);
    for entry in entries.as_array().unwrap() {
        let text = |field: &str| entry[field].as_str().unwrap();
        let hashed = [&hex::decode::<32>(text("prev_hash")).unwrap(), text("line").as_bytes()].concat();
        let hash = hex::encode(digest(&SHA256, &hashed).as_ref());
        assert_eq!(text("hash"), hash, "the hash is that of the link before and the line: {entry}");
    }
    assert_eq!((entries[0]["hash"].as_str(), entries.as_array().unwrap().len()), (shown["hash"].as_str(), 2));
    let contract = "chain seq id time request_id trace_id user_id username role credential session_id peer forwarded_for \
        method path route decision reason status upstream upstream_status request_bytes response_bytes duration_us model \
        input_tokens output_tokens cost_usd outcome prev_hash hash";
    for field in contract.split_whitespace() {
        assert!(shown.get(field).is_some(), "{field} is missing in {shown}");
    }
    assert_eq!((&shown["status"], &shown["outcome"]), (&json!(200), &json!("complete")));
    gateway.finish().await;
}

async fn bad_filters_name_their_place(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for (name, values) in [
        ("from", ["yesterday", "2026-13-01T00:00:00Z", "", "1"]),
        ("to", ["2026-1-1", "x", "", "2026-01-01T25:00:00Z"]),
        ("user_id", ["admin", "1", "", "%27"]),
        ("status", ["99", "1000", "%2B200", ""]),
        ("decision", ["maybe", "ALLOWED", "", "allowed,refused"]),
        ("request_id", ["x", "1", "", "%00"]),
    ] {
        for value in values {
            let answer = gateway.get(&format!("/admin/audit?{name}={value}")).token(&gateway.admin).send().await;
            answer.invalid(&format!("?{name}"));
        }
    }
    gateway.finish().await;
}

async fn a_span_of_time_holds_what_began_in_it(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    some_requests(&gateway).await;
    let all = gateway.records().await;
    let time = |record: &Value| record["time"].as_str().unwrap().to_owned();
    let (from, to) = (time(&all[6]), time(&all[2]));
    let expected: Vec<&Value> = all.iter().filter(|r| (&from..&to).contains(&&time(r))).map(|r| &r["id"]).collect();
    let found = items(&gateway, &format!("from={from}&to={to}")).await;
    assert_eq!(found.iter().map(|record| &record["id"]).collect::<Vec<_>>(), expected);
    for nothing in [format!("from={to}&to={from}"), "from=2026-11-29&to=2026-11-29".into()] {
        gateway.get(&format!("/admin/audit?{nothing}")).token(&gateway.admin).send().await.invalid("?to");
    }
    // A plus in a query is a blank to whatever reads it as a form.
    for all_time in
        ["from=1970-01-01T00:00:00+01:00", "from=1970-01-01T00:00:00%2B01:00&to=9999-12-31", "to=9999-12-31T23:59:59Z"]
    {
        assert_eq!(items(&gateway, &format!("route=echo&{all_time}")).await.len(), 3, "{all_time}");
    }
    gateway.finish().await;
}
