//! Limits of a calendar day, week or month: exact in each, on all replicas, and anew in the next.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use tollgate::clock::Clock;

use super::support::{Answer, Key, RawUpstream, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    a_day_ends_at_midnight_of_its_zone_and_the_next_has_everything,
    two_replicas_admit_what_one_would_and_turn_at_the_same_time,
    a_start_finds_what_was_counted,
    a_change_within_a_window_keeps_what_was_counted_in_it,
    a_clock_that_is_set_back_over_midnight_admits_nothing_twice,
    a_call_that_reached_nothing_is_given_back_to_its_own_day_only,
    a_window_is_written_shown_changed_and_its_mistakes_are_told_all_at_once,
);

/// A minute before midnight in Berlin; the day that begins then has 25 hours.
const BEFORE_MIDNIGHT: &str = "2026-10-24T21:59:00Z";

fn daily(limit: u64) -> String {
    format!(
        "[[limits]]\nname = \"daily\"\nroutes = [\"*\"]\nper = \"user\"\nunit = \"requests\"\nlimit = {limit}\n\
         window = \"day\"\ntime_zone = \"Europe/Berlin\"\n"
    )
}

/// The clock of the gateways and that of the database, which go together.
struct Time<'s> {
    clock: Clock,
    store: &'s TestStore,
}

impl<'s> Time<'s> {
    async fn from(store: &'s TestStore, time: &str) -> Self {
        let time: Timestamp = time.parse().unwrap();
        store.set_time(time).await;
        Self { clock: Clock::manual(time.as_second().try_into().unwrap()), store }
    }

    async fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.store.set_time(self.clock.now()).await;
    }
}

async fn started(time: &Time<'_>, setup: Setup) -> (TestGateway, Key) {
    let gateway = setup.clock(&time.clock).start(time.store).await;
    let key = gateway.api_key(&gateway.admin, "key").await;
    (gateway, key)
}

async fn get(gateway: &TestGateway, key: &Key, path: &str) -> Answer {
    gateway.get(path).header("x-api-key", &key.text).send().await
}

async fn admitted(gateway: &TestGateway, key: &Key, calls: usize) -> usize {
    let mut admitted = 0;
    for _ in 0..calls {
        admitted += usize::from(get(gateway, key, "/echo").await.status == 200);
    }
    admitted
}

async fn a_day_ends_at_midnight_of_its_zone_and_the_next_has_everything(store: &TestStore) {
    let time = Time::from(store, BEFORE_MIDNIGHT).await;
    let (gateway, key) = started(&time, Setup::default().lists(&daily(3))).await;
    for remaining in [2, 1, 0] {
        let answer = get(&gateway, &key, "/echo").await;
        assert_eq!(answer.expect(200).rate_limit("ratelimit-policy", "daily"), "q=3;w=86400");
        assert_eq!(answer.rate_limit("ratelimit", "daily"), format!("r={remaining};t=60"));
    }
    let refused = get(&gateway, &key, "/echo").await;
    let problem = refused.problem(429, "quota-exceeded");
    let standing = json!({
        "name": "daily", "limit": 3, "window_s": 86_400, "window": "day", "time_zone": "Europe/Berlin",
        "resets_at": "2026-10-24T22:00:00Z", "remaining": 0, "retry_after_s": 60,
    });
    assert_eq!(problem["policies"], json!([standing]));
    assert_eq!(refused.header("retry-after"), Some("60"));
    let words = "daily counts a calendar day of Europe/Berlin, and the next begins at 2026-10-24T22:00:00Z.";
    assert!(problem["detail"].as_str().unwrap().ends_with(words), "{problem}");
    let me = get(&gateway, &key, "/me").await.expect(200).json();
    let mine = json!({
        "name": "daily", "unit": "requests", "limit": 3, "window_s": 86_400, "window": "day",
        "time_zone": "Europe/Berlin", "resets_at": "2026-10-24T22:00:00Z", "remaining": 0, "reset_s": 60,
    });
    assert_eq!(me["limits"], json!([mine]));
    time.pass(59).await;
    get(&gateway, &key, "/echo").await.expect(429);
    time.pass(1).await;
    let answer = get(&gateway, &key, "/echo").await;
    assert_eq!(answer.expect(200).rate_limit("ratelimit-policy", "daily"), "q=3;w=90000");
    assert_eq!(answer.rate_limit("ratelimit", "daily"), "r=2;t=90000");
    assert_eq!(admitted(&gateway, &key, 9).await, 2);
    time.pass(24 * 3_600).await;
    assert_eq!(admitted(&gateway, &key, 9).await, 0, "the day has an hour more");
    time.pass(3_600).await;
    assert_eq!(admitted(&gateway, &key, 9).await, 3);
    gateway.finish().await;
}

async fn two_replicas_admit_what_one_would_and_turn_at_the_same_time(store: &TestStore) {
    let redis = std::env::var("TOLLGATE_TEST_REDIS").expect("TOLLGATE_TEST_REDIS is not set: scripts/test sets it");
    let time = Time::from(store, BEFORE_MIDNIGHT).await;
    let setup = || Setup::default().set("redis.url", &redis).lists(&daily(20));
    let ((one, key), (other, _)) = (started(&time, setup()).await, started(&time, setup()).await);
    // To the second before midnight, of a day that has a minute left, one that has 25 hours, and one that has 24.
    for left_s in [59, 25 * 3_600 - 1, 24 * 3_600 - 1] {
        let calls = (0..60).map(|i| get(if i % 3 == 0 { &one } else { &other }, &key, "/echo"));
        let statuses: Vec<u16> = join_all(calls).await.iter().map(|answer| answer.status).collect();
        assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
        let at_once = statuses.iter().filter(|status| **status == 200).count();
        // One of them may have a unit left that it asked for early.
        let rest = admitted(&one, &key, 3).await + admitted(&other, &key, 3).await;
        assert_eq!(at_once + rest, 20, "{statuses:?}");
        time.pass(left_s).await;
        assert_eq!(admitted(&one, &key, 3).await + admitted(&other, &key, 3).await, 0);
        time.pass(1).await;
    }
    TestGateway::finish_all([one, other]).await;
}

async fn a_start_finds_what_was_counted(store: &TestStore) {
    let time = Time::from(store, BEFORE_MIDNIGHT).await;
    let (gateway, key) = started(&time, Setup::default().lists(&daily(5))).await;
    assert_eq!(admitted(&gateway, &key, 3).await, 3);
    gateway.finish().await;
    let gateway = Setup::default().clock(&time.clock).start(store).await;
    assert_eq!(admitted(&gateway, &key, 9).await, 2);
    gateway.discard().await;
    time.pass(60).await;
    let gateway = Setup::default().clock(&time.clock).start(store).await;
    assert_eq!(admitted(&gateway, &key, 9).await, 5);
    gateway.discard().await;
}

async fn a_change_within_a_window_keeps_what_was_counted_in_it(store: &TestStore) {
    let time = Time::from(store, BEFORE_MIDNIGHT).await;
    let (gateway, key) = started(&time, Setup::default().lists(&daily(3))).await;
    let list = get(&gateway, &key, "/admin/limits").await.expect(200).json();
    let place = format!("/admin/limits/{}", list["items"][0]["id"].as_str().unwrap());
    let change = async |change: Value| {
        let request = gateway.request("PATCH", &place).header("x-api-key", &key.text).json(&change);
        request.send().await.expect(200);
    };
    assert_eq!(admitted(&gateway, &key, 9).await, 3);
    for (changes, more) in [
        (json!({ "limit": 5 }), 2),
        (json!({ "limit": 4 }), 0),
        (json!({ "window": "month", "limit": 6 }), 1),
        (json!({ "time_zone": "Asia/Tokyo" }), 0),
        (json!({ "window": null, "time_zone": null, "window_s": 86_400 }), 0),
        (json!({ "window": "week", "window_s": null, "limit": 8 }), 2),
    ] {
        change(changes.clone()).await;
        assert_eq!(admitted(&gateway, &key, 9).await, more, "{changes}");
    }
    // Shadow counts on, and refuses nothing.
    change(json!({ "mode": "shadow" })).await;
    assert_eq!(admitted(&gateway, &key, 4).await, 4);
    gateway.finish().await;
}

async fn a_clock_that_is_set_back_over_midnight_admits_nothing_twice(store: &TestStore) {
    let time = Time::from(store, BEFORE_MIDNIGHT).await;
    let (gateway, key) = started(&time, Setup::default().lists(&daily(3))).await;
    assert_eq!(admitted(&gateway, &key, 9).await, 3);
    time.pass(60).await;
    assert_eq!(admitted(&gateway, &key, 9).await, 3);
    gateway.finish().await;
    // The machine comes up with a clock that is half an hour behind, and goes over midnight once more.
    let late = Time::from(store, "2026-10-24T21:30:00Z").await;
    let gateway = Setup::default().clock(&late.clock).start(store).await;
    assert_eq!(admitted(&gateway, &key, 9).await, 0);
    late.pass(3_600).await;
    assert_eq!(admitted(&gateway, &key, 9).await, 0);
    late.pass(24 * 3_600 + 1_800).await;
    assert_eq!(admitted(&gateway, &key, 9).await, 3);
    gateway.discard().await;
}

async fn a_call_that_reached_nothing_is_given_back_to_its_own_day_only(store: &TestStore) {
    let time = Time::from(store, BEFORE_MIDNIGHT).await;
    let upstream = RawUpstream::start().await;
    let lists = RawUpstream::route_to(upstream.address)
        + "[[limits]]\nname = \"tokens\"\nroutes = [\"chat\"]\nper = \"user\"\nunit = \"tokens\"\nlimit = 400\n\
           window = \"day\"\ntime_zone = \"Europe/Berlin\"\n[[routes]]\nname = \"chat\"\npath = \"/chat\"\n\
           match = \"exact\"\nmethods = [\"POST\"]\nroles = [\"admin\"]\nupstream = \"raw\"\nmeter = \"openai-chat\"\n";
    let (gateway, key) = started(&time, Setup::default().lists(&lists)).await;
    let left = async || {
        let me = get(&gateway, &key, "/me").await.expect(200).json();
        me["limits"][0]["remaining"].as_u64().unwrap()
    };
    let body = json!({ "model": "demo", "max_tokens": 100, "messages": [{ "role": "user", "content": "hello" }] });
    let request = || gateway.post("/chat").header("x-api-key", &key.text).json(&body);
    let answer = |tokens: u64| {
        let usage = format!("{{\"prompt_tokens\":{tokens},\"completion_tokens\":1,\"total_tokens\":{}}}", tokens + 1);
        let text = format!(
            "{{\"id\":\"x\",\"object\":\"chat.completion\",\"model\":\"demo\",\"choices\":[{{\"index\":0,\"message\":\
             {{\"role\":\"assistant\",\"content\":\"x\"}},\"finish_reason\":\"stop\"}}],\"usage\":{usage}}}"
        );
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}", text.len())
    };
    // What the estimate had too much comes back on the same day.
    let nine = answer(9);
    let (first, _) = tokio::join!(request().send(), upstream.take(&nine));
    first.expect(200);
    eventually("what was estimated too high", async || (left().await == 390).then_some(())).await;
    // A call that ends on the next day leaves that day alone.
    let mut connection = gateway.connect().await;
    gateway.expect_record();
    let bytes = request().bytes();
    let (mut call, ()) = tokio::join!(upstream.take(""), connection.send(&bytes));
    assert!(left().await < 300);
    time.pass(60).await;
    // A store that is slow to say how the limit stands is not waited for.
    eventually("the next day", async || (left().await == 400).then_some(())).await;
    let (second, _) = tokio::join!(request().send(), upstream.take(&nine));
    second.expect(200);
    eventually("the first call of the day", async || (left().await == 390).then_some(())).await;
    tokio::io::AsyncWriteExt::write_all(&mut call, nine.as_bytes()).await.unwrap();
    assert_eq!(connection.head().await.status, 200);
    drop(connection);
    eventually("the end of the call of yesterday", async || {
        let records = gateway.records().await;
        records.iter().all(|record| record["outcome"].is_string()).then_some(())
    })
    .await;
    assert_eq!(left().await, 390);
    gateway.finish().await;
}

async fn a_window_is_written_shown_changed_and_its_mistakes_are_told_all_at_once(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let send = async |method: &str, place: &str, body: Value| {
        gateway.request(method, place).token(&gateway.admin).json(&body).send().await
    };
    let limit = |changes: Value| {
        let mut limit = json!({ "name": "new", "routes": ["*"], "per": "user", "unit": "requests", "limit": 10 });
        limit.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        limit
    };
    let pointers = |answer: &Answer| -> Vec<String> {
        let problem = answer.problem(400, "invalid-request");
        problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| fault["pointer"].as_str().unwrap().to_owned())
            .collect()
    };
    let made = send("POST", "/admin/limits", limit(json!({ "window": "week" }))).await;
    let (place, made) = (made.expect(201).header("location").unwrap().to_owned(), made.json());
    assert_eq!((&made["window"], &made["time_zone"], &made["window_s"]), (&json!("week"), &Value::Null, &Value::Null));
    let changed = send("PATCH", &place, json!({ "time_zone": "America/New_York" })).await.expect(200).json();
    assert_eq!((&changed["window"], &changed["time_zone"]), (&json!("week"), &json!("America/New_York")));
    for (changes, places) in [
        (json!({}), vec!["/window_s"]),
        (json!({ "window": "day", "window_s": 60 }), vec!["/window"]),
        (json!({ "window": "year" }), vec!["/window"]),
        (json!({ "window": "day", "burst": 10 }), vec!["/burst"]),
        (json!({ "window_s": 60, "time_zone": "UTC" }), vec!["/time_zone"]),
        (json!({ "unit": "concurrent", "window": "day" }), vec!["/window"]),
        (
            json!({ "window": "day", "window_s": 60, "time_zone": "Europe/Berln", "limit": 0, "name": "" }),
            vec!["/limit", "/name", "/time_zone", "/window"],
        ),
    ] {
        let mut told = pointers(&send("POST", "/admin/limits", limit(changes.clone())).await);
        told.sort();
        assert_eq!(told, places, "{changes}");
    }
    for (changes, places) in [
        (json!({ "window_s": 60, "window": "day" }), ["/window"]),
        (json!({ "window_s": 60, "time_zone": "UTC" }), ["/time_zone"]),
        (json!({ "burst": 5 }), ["/burst"]),
        (json!({ "window": null, "time_zone": null }), ["/window_s"]),
    ] {
        assert_eq!(pointers(&send("PATCH", &place, changes.clone()).await), places, "{changes}");
    }
    let slip = send("PATCH", &place, json!({ "time_zone": "Europe/Berln" })).await;
    let told = &slip.problem(400, "invalid-request")["errors"][0]["detail"];
    assert!(told.as_str().unwrap().ends_with("did you mean \"Europe/Berlin\"?"), "{told}");
    assert_eq!(gateway.get(&place).token(&gateway.admin).send().await.expect(200).json(), changed);
    // One kind of window takes the place of the other, with what belongs to it.
    let windows = |limit: &Value| ["window_s", "burst", "window", "time_zone"].map(|field| limit[field].clone());
    let refilling = send("PATCH", &place, json!({ "window_s": 60, "burst": 7 })).await.expect(200).json();
    assert_eq!(windows(&refilling), [json!(60), json!(7), Value::Null, Value::Null]);
    let monthly = send("PATCH", &place, json!({ "window": "month" })).await.expect(200).json();
    assert_eq!(windows(&monthly), [Value::Null, Value::Null, json!("month"), Value::Null]);
    gateway.finish().await;
}
