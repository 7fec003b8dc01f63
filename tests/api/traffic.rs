//! `/admin/traffic`: the audit log added up, and never otherwise than the log has it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::support::{RawUpstream, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    traffic_is_what_the_records_add_up_to,
    a_call_under_way_is_counted_once_and_then_as_it_ended,
    replicas_count_each_others_chains_once,
    what_was_counted_before_a_restart_stays_counted,
    a_question_that_makes_too_many_steps_names_its_place,
    traffic_is_for_those_who_may_see_the_log,
    traffic_is_a_table_too,
);

const LISTS: &str = r#"
    [[upstreams]]
    name = "nowhere"
    url = "http://127.0.0.1:1"
    [[routes]]
    name = "paid"
    path = "/paid"
    match = "exact"
    methods = ["GET", "POST"]
    roles = ["admin", "user"]
    upstream = "builtin:echo"
    meter = { fixed_usd = "0.25" }
    [[routes]]
    name = "down"
    path = "/down"
    match = "exact"
    methods = ["GET", "POST"]
    roles = ["admin", "user"]
    upstream = "nowhere"
    [[routes]]
    name = "echo"
    path = "/echo"
    match = "prefix"
    methods = ["GET", "POST"]
    roles = ["admin", "user"]
    upstream = "builtin:echo"
    [[routes]]
    name = "chat"
    path = "/v1/chat/completions"
    match = "exact"
    methods = ["POST"]
    roles = ["admin", "user"]
    upstream = "builtin:llm"
    meter = "openai-chat"
    [[limits]]
    name = "few"
    routes = ["echo"]
    per = "user"
    unit = "requests"
    limit = 3
    window_s = 3600
"#;

const DIMENSIONS: [&str; 6] = ["route", "decision", "reason", "status", "upstream", "model"];

/// Calls of many kinds, all of them over.
async fn many_calls(gateway: &TestGateway) {
    let name = format!("user-{}", gateway.running().office.accounting.clock.now().as_millisecond());
    let token = &gateway.user(&name, "user").await.token;
    for method in ["GET", "POST"] {
        for path in ["/paid", "/down", "/echo", "/echo/x", "/echo", "/nothing", "/admin/users", "/me"] {
            gateway.request(method, path).token(token).send().await;
            gateway.request(method, path).send().await;
        }
    }
    for (model, stream) in [("demo", true), ("demo", false), ("unknown", false)] {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "hi" }], "stream": stream });
        gateway.post("/v1/chat/completions").token(token).json(&body).send().await;
    }
    all_over(gateway).await;
}

async fn all_over(gateway: &TestGateway) {
    eventually("the end of all records", async || {
        gateway.records().await.iter().all(|record| record["outcome"].is_string()).then_some(())
    })
    .await;
}

/// Requests, cost in tenths of a nano-USD and durations in microseconds, of one sum.
type Sum = (u64, u64, Vec<u64>);

/// The records as they should add up.
fn expected(records: &[Value], step_s: i64, group_by: &[&str]) -> BTreeMap<String, Sum> {
    let mut sums = BTreeMap::<String, Sum>::new();
    for record in records.iter().filter(|record| record["method"].is_string()) {
        let began: Timestamp = record["time"].as_str().unwrap().parse().unwrap();
        let second = began.as_second() - began.as_second().rem_euclid(step_s);
        let sum = sums.entry(key(Timestamp::from_second(second).unwrap(), record, group_by)).or_default();
        sum.0 += 1;
        sum.1 += units(&record["cost_usd"]);
        sum.2.extend(record["duration_us"].as_u64());
    }
    sums
}

fn key(time: Timestamp, fields: &Value, group_by: &[&str]) -> String {
    let fields: Vec<&Value> = group_by.iter().map(|field| &fields[*field]).collect();
    format!("{time} {}", json!(fields))
}

/// An amount as a whole number of 10^-12 USD; none is 0.
fn units(amount: &Value) -> u64 {
    let Some(text) = amount.as_str() else { return 0 };
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part:0<12}").parse().unwrap()
}

async fn traffic(gateway: &TestGateway, query: &str) -> Value {
    let answer = gateway.get(&format!("/admin/traffic?{query}")).token(&gateway.admin).send().await;
    let answer = answer.expect(200).json();
    assert_eq!(answer["is_complete"], true, "{query}");
    answer
}

/// What is answered is what the records that are there now add up to.
async fn compare(gateway: &TestGateway, records: &[Value], step_s: i64, group_by: &[&str], span: &str) {
    let expected = expected(records, step_s, group_by);
    let query = format!("step_s={step_s}&group_by={}{span}", group_by.join(","));
    let answer = traffic(gateway, &query).await;
    let items = answer["items"].as_array().unwrap();
    assert_eq!(items.len(), expected.len(), "{query}: {items:#?} {expected:#?}");
    for item in items {
        let time = item["time"].as_str().unwrap().parse().unwrap();
        let (requests, cost, durations) = &expected[&key(time, item, group_by)];
        assert_eq!((item["requests"].as_u64(), units(&item["cost_usd"])), (Some(*requests), *cost), "{query} {item}");
        for (name, percent) in [("p50", 50), ("p99", 99)] {
            is_near(&item["duration_ms"][name], durations, percent);
        }
    }
}

/// Within 3.2 % of the value at its rank.
fn is_near(told: &Value, durations: &[u64], percent: usize) {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    let Some(exact) = sorted.get(rank - 1) else {
        assert_eq!(told, &Value::Null);
        return;
    };
    let (told, exact) = (told.as_f64().unwrap() * 1_000.0, f64::from(u32::try_from(*exact).unwrap()));
    assert!((told - exact).abs() <= exact * 0.032 + 0.001, "p{percent}: {told} for {exact}");
}

async fn traffic_is_what_the_records_add_up_to(store: &TestStore) {
    let gateway = Setup::default().lists(LISTS).start(store).await;
    many_calls(&gateway).await;
    let seen: Vec<Value> = gateway.records().await.iter().map(|record| record["status"].clone()).collect();
    for status in [200, 201, 401, 403, 404, 429, 502] {
        assert!(seen.contains(&json!(status)), "no call ended with {status}");
    }
    for group_by in [&DIMENSIONS[..], &[], &["status"], &["route", "model"], &["decision", "reason"]] {
        for step_s in [60, 900, 1_800, 3_600, 86_400, 1, 7] {
            let span = if step_s < 900 { last_minutes(&gateway) } else { String::new() };
            let records = gateway.records().await;
            compare(&gateway, &records, step_s, group_by, &span).await;
            all_over(&gateway).await;
        }
    }
    gateway.finish().await;
}

/// A time that has no more than 1,000 steps of a second.
fn last_minutes(gateway: &TestGateway) -> String {
    let now = gateway.running().office.accounting.clock.now();
    let ago = now - std::time::Duration::from_mins(15);
    format!("&from={ago}&to={now}")
}

async fn a_call_under_way_is_counted_once_and_then_as_it_ended(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let setup = Setup::default().more_lists(&RawUpstream::route_to(upstream.address));
    let gateway = setup.start(store).await;
    let query = "step_s=86400&group_by=route,status";
    let of_route = async || {
        let items = traffic(&gateway, query).await["items"].clone();
        let of_route = items.as_array().unwrap().iter().filter(|item| item["route"] == "up");
        of_route.map(|item| (item["status"].clone(), item["requests"].clone())).collect::<Vec<_>>()
    };
    let call = gateway.post("/up").token(&gateway.admin).body("x").send();
    let serving = async {
        let (open, _) = upstream.serve("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12").await;
        assert_eq!(of_route().await, [(Value::Null, json!(1))]);
        open
    };
    let (answer, ()) = tokio::join!(call, async {
        use tokio::io::AsyncWriteExt;
        serving.await.write_all(b"345").await.unwrap();
    });
    assert_eq!(answer.status, 200);
    all_over(&gateway).await;
    assert_eq!(of_route().await, [(json!(200), json!(1))]);
    gateway.finish().await;
}

async fn replicas_count_each_others_chains_once(store: &TestStore) {
    let one = Setup::default().lists(LISTS).start(store).await;
    let other = Setup::default().lists(LISTS).start(store).await;
    for _ in 0..3 {
        for gateway in [&one, &other] {
            gateway.get("/echo").token(&gateway.admin).send().await;
            gateway.post("/paid").token(&gateway.admin).send().await;
        }
        all_over(&one).await;
        // Beside a file each settles what it has itself.
        other.records().await;
        let records = one.records().await;
        // Both look at the same time.
        let (own, others) = tokio::join!(
            traffic(&one, "step_s=86400&group_by=route"),
            other.get("/admin/traffic?step_s=86400").token(&other.admin).send()
        );
        others.expect(200);
        let paid = own["items"].as_array().unwrap().iter().find(|item| item["route"] == "paid").unwrap().clone();
        let expected = records.iter().filter(|record| record["route"] == "paid").count();
        assert_eq!(paid["requests"], expected);
    }
    all_over(&one).await;
    other.records().await;
    let records = one.records().await;
    compare(&one, &records, 86_400, &["route", "status"], "").await;
    TestGateway::finish_all([one, other]).await;
}

async fn what_was_counted_before_a_restart_stays_counted(store: &TestStore) {
    let gateway = Setup::default().lists(LISTS).start(store).await;
    many_calls(&gateway).await;
    traffic(&gateway, "").await;
    gateway.discard().await;
    let gateway = Setup::default().lists(LISTS).start(store).await;
    many_calls(&gateway).await;
    let records = gateway.records().await;
    compare(&gateway, &records, 3_600, &DIMENSIONS, "").await;
    gateway.discard().await;
}

async fn a_question_that_makes_too_many_steps_names_its_place(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for (query, pointer) in [
        ("from=2026-11-01&to=2026-12-01&step_s=60", "?step_s"),
        ("from=2026-11-01&to=2026-12-01&step_s=1", "?step_s"),
        ("step_s=0", "?step_s"),
        ("from=2026-11-02&to=2026-11-01", "?to"),
        ("group_by=planet", "?group_by"),
        ("group_by=route,route", "?group_by"),
        ("from=yesterday", "?from"),
    ] {
        gateway.get(&format!("/admin/traffic?{query}")).token(&gateway.admin).send().await.invalid(pointer);
    }
    let longest = traffic(&gateway, "from=2026-11-01&to=2026-12-01&step_s=2640").await;
    assert_eq!(longest["step_s"], 2_640);
    let chosen = traffic(&gateway, "from=2026-11-01&to=2026-12-01").await;
    assert_eq!(chosen["step_s"], 10_800);
    gateway.finish().await;
}

async fn traffic_is_for_those_who_may_see_the_log(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for (role, status) in [("auditor", 200), ("readonly", 403), ("user", 403)] {
        let user = gateway.user(role, role).await;
        assert_eq!(gateway.get("/admin/traffic").token(&user.token).send().await.status, status, "{role}");
    }
    gateway.get("/admin/traffic").send().await.problem(401, "missing-credential");
    gateway.finish().await;
}

async fn traffic_is_a_table_too(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let get = gateway.get("/admin/traffic?step_s=86400&group_by=route,status").token(&gateway.admin);
    let answer = get.header("accept", "text/csv").send().await;
    let csv = String::from_utf8(answer.expect(200).body.clone()).unwrap();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("time,route,status,requests,duration_ms,cost_usd"));
    let login = lines.next().unwrap();
    assert!(login.contains("T00:00:00Z,/auth/login,200,1,"), "{login}");
    gateway.finish().await;
}
