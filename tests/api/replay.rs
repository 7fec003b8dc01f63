//! `/admin/replay`: what was in force says what it did, to the call; and what was not, what it would have done.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tollgate::clock::Clock;

use super::support::{Connection, Key, RawUpstream, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    every_policy_in_force_is_replayed_to_the_call,
    a_rate_that_refills_meanwhile_is_replayed_to_the_call,
    concurrent_calls_are_replayed_to_the_call,
    a_call_that_reached_nothing_takes_nothing_in_a_replay,
    what_came_before_counts_for_how_a_limit_stood,
    what_is_made_in_the_middle_of_its_period_is_replayed_to_the_call,
    a_limit_of_one_subject_stands_in_for_the_general_one,
    candidates_are_compared_and_the_tightest_is_found,
);

/// A route to the echo or, with a meter, to what is metered.
fn route(name: &str, more: &str) -> String {
    format!(
        "[[routes]]\nname = \"{name}\"\npath = \"/{name}\"\nmatch = \"exact\"\nmethods = [\"GET\", \"POST\"]\n\
         roles = [\"admin\", \"user\"]\nupstream = \"builtin:echo\"\n{more}\n"
    )
}

fn limit(name: &str, per: &str, unit: &str, rate: &str) -> String {
    format!("[[limits]]\nname = \"{name}\"\nroutes = [\"{name}\"]\nper = \"{per}\"\nunit = \"{unit}\"\n{rate}\n")
}

fn budget(name: &str, scope: &str, models: &str, limit_usd: &str, period: &str) -> String {
    format!(
        "[[budgets]]\nname = \"{name}\"\nscope = \"{scope}\"\nmodels = [\"{models}\"]\nlimit_usd = \"{limit_usd}\"\n\
         period = \"{period}\"\n"
    )
}

const CHAT: &str = "[[routes]]\nname = \"chat\"\npath = \"/chat\"\nmatch = \"exact\"\nmethods = [\"POST\"]\n\
                    roles = [\"admin\", \"user\"]\nupstream = \"builtin:llm\"\nmeter = \"openai-chat\"\n";

/// Numbers that look random, and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one_of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[usize::try_from(self.roll(u64::try_from(all.len()).unwrap())).unwrap()]
    }
}

async fn all_over(gateway: &TestGateway) -> Vec<Value> {
    eventually("the end of all records", async || {
        let records = gateway.records().await;
        records.iter().all(|record| record["outcome"].is_string()).then_some(records)
    })
    .await
}

async fn replay(gateway: &TestGateway, what: &Value) -> Value {
    let mut body = json!({ "from": "2020-01-01", "to": "2100-01-01" });
    body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    gateway.post("/admin/replay").token(&gateway.admin).json(&body).send().await.expect(200).json()
}

/// What is in force, as it would be written.
async fn in_force(gateway: &TestGateway, list: &str, fields: &[&str]) -> Vec<Value> {
    let list = gateway.get(&format!("/admin/{list}?limit=100")).token(&gateway.admin).send().await.expect(200).json();
    let written = |item: &Value| {
        let fields = fields.iter().filter(|field| !item[**field].is_null());
        fields.map(|field| ((*field).to_owned(), item[*field].clone())).collect()
    };
    list["items"].as_array().unwrap().iter().map(written).collect()
}

const LIMIT: [&str; 11] =
    ["name", "routes", "per", "subject", "unit", "limit", "window_s", "window", "time_zone", "burst", "mode"];
const BUDGET: [&str; 7] = ["name", "scope", "subject", "models", "limit_usd", "period", "mode"];

/// How often this policy refused each user, as the records say.
fn refused_by(records: &[Value], code: &str, name: &str) -> BTreeMap<String, u64> {
    let mut refused = BTreeMap::new();
    for record in records {
        let names = record["reason"].as_str().and_then(|reason| reason.strip_prefix(&format!("{code}: ")));
        if names.is_some_and(|names| names.split(", ").any(|other| other == name)) {
            *refused.entry(record["user_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    refused
}

/// Replays all that is in force, and compares it with the log; returns how often each has refused.
async fn compare(gateway: &TestGateway) -> BTreeMap<String, u64> {
    let records = all_over(gateway).await;
    let mut all = BTreeMap::new();
    for (what, list, fields, code) in
        [("limit", "limits", &LIMIT[..], "quota-exceeded"), ("budget", "budgets", &BUDGET[..], "budget-exhausted")]
    {
        for rule in in_force(gateway, list, fields).await {
            let answer = replay(gateway, &json!({ what: rule })).await;
            let by_log = refused_by(&records, code, rule["name"].as_str().unwrap());
            let total = by_log.values().sum::<u64>();
            assert_eq!(answer["not_counted"], json!([]), "{rule}");
            assert_eq!(
                (&answer["refused"], &answer["was_refused"]),
                (&json!(total), &json!(total)),
                "{rule}: {answer}"
            );
            let sum = answer["series"].as_array().unwrap().iter().map(|step| step["refused"].as_u64().unwrap());
            assert_eq!(sum.sum::<u64>(), total, "{answer}");
            assert_eq!(answer["requests"], answer["admitted"].as_u64().unwrap() + total, "{answer}");
            if rule["per"] == "user" || rule["scope"] == "user" {
                let subjects = answer["subjects"].as_array().unwrap().iter();
                let refused = subjects.filter(|subject| subject["refused"] != 0).map(|subject| {
                    assert!(subject["name"].is_string() && subject["first_refused_at"].is_string(), "{subject}");
                    (subject["subject"].as_str().unwrap().to_owned(), subject["refused"].as_u64().unwrap())
                });
                assert_eq!(refused.collect::<BTreeMap<_, _>>(), by_log, "{rule}");
            }
            all.insert(rule["name"].as_str().unwrap().to_owned(), total);
        }
    }
    all
}

/// Three users, one of them in a team and with two keys.
async fn keys(gateway: &TestGateway) -> Vec<Key> {
    let team = gateway.post("/admin/teams").token(&gateway.admin).json(&json!({ "name": "crew" })).send().await;
    let mut keys = vec![];
    for name in ["ann", "bob", "cid"] {
        let user = gateway.user(name, "user").await;
        keys.push(gateway.api_key(&user.token, "one").await);
        if name == "ann" {
            keys.push(gateway.api_key(&user.token, "two").await);
            let team = team.expect(201).json()["id"].clone();
            gateway.patch(&user.id, &json!({ "team_id": team })).await.expect(200);
        }
    }
    keys
}

async fn every_policy_in_force_is_replayed_to_the_call(store: &TestStore) {
    // It is midnight in Los Angeles five seconds later, which is about half of the calls.
    let clock = Clock::manual(1_800_000_000 - 5);
    store.set_time(clock.now()).await;
    let seed = u64::try_from(Clock::system().new_id().as_u128() & u128::from(u64::MAX)).unwrap();
    // What is shared refills so slowly that it does not matter when a lease of it was taken.
    let slowly = "limit = 1\nwindow_s = 1000\nburst = 5";
    let lists = [
        route("user", ""),
        limit("user", "user", "requests", "limit = 1\nwindow_s = 2\nburst = 1"),
        route("key", ""),
        limit("key", "key", "requests", "limit = 1\nwindow_s = 3"),
        route("heavy", "weight = 3"),
        limit("heavy", "user", "requests", "limit = 3\nwindow_s = 3\nburst = 4"),
        route("global", ""),
        limit("global", "global", "requests", slowly),
        route("team", ""),
        limit("team", "team", "requests", slowly),
        route("address", ""),
        limit("address", "address", "requests", slowly),
        route("daily", ""),
        limit("daily", "user", "requests", "limit = 2\nwindow_s = 86400"),
        route("calendar", ""),
        limit("calendar", "user", "requests", "limit = 3\nwindow = \"day\"\ntime_zone = \"America/Los_Angeles\""),
        route("both", ""),
        limit("both", "user", "requests", "limit = 1\nwindow_s = 2"),
        limit("both", "key", "requests", "limit = 1\nwindow_s = 1").replace("\"both\"\nroutes", "\"other\"\nroutes"),
        route("paid", "meter = { fixed_usd = \"0.25\" }"),
        budget("each", "user", "*", "1.25", "day"),
        budget("all", "global", "*", "2.5", "month"),
        budget("model", "global", "demo", "0.0008", "total"),
        CHAT.to_owned(),
        limit("chat", "user", "tokens", "limit = 100\nwindow_s = 4\nburst = 160"),
    ];
    let setup = Setup::default().set("server.workers", 1).set("server.trusted_proxies", "[\"127.0.0.0/8\"]");
    let gateway = setup.lists(&lists.concat()).clock(&clock).start(store).await;
    let (mut dice, keys) = (Dice(seed), keys(&gateway).await);
    let paths =
        ["user", "key", "heavy", "global", "team", "address", "daily", "calendar", "both", "paid", "chat", "nowhere"];
    for _ in 0..260 {
        clock.advance(Duration::from_millis([0, 0, 10, 50, 130][usize::try_from(dice.roll(5)).unwrap()]));
        store.set_time(clock.now()).await;
        let (path, key) = (dice.one_of(&paths), dice.one_of(&keys));
        let request = gateway.post(&format!("/{path}")).header("x-api-key", &key.text);
        let request = request.header("x-forwarded-for", format!("203.0.113.{}", dice.roll(2)));
        let text = "word ".repeat(usize::try_from(dice.roll(40)).unwrap());
        let body = json!({
            "model": "demo", "max_tokens": 1 + dice.roll(60), "messages": [{ "role": "user", "content": text }],
        });
        if *path == "chat" {
            request.json(&body).send().await
        } else {
            request.send().await
        };
    }
    let refused = compare(&gateway).await;
    println!("seed {seed}: {refused:?}");
    assert!(refused.values().filter(|refused| **refused > 0).count() > 7, "seed {seed}: {refused:?}");
    gateway.finish().await;
}

async fn a_rate_that_refills_meanwhile_is_replayed_to_the_call(store: &TestStore) {
    let lists = [route("user", ""), limit("user", "user", "requests", "limit = 10\nwindow_s = 1\nburst = 1")];
    // By the clock of the machine: what is on record is when the keeper decided, and not only when the request began.
    let gateway = Setup::default().lists(&lists.concat()).start(store).await;
    let keys = keys(&gateway).await;
    let mut connections = vec![];
    for key in &keys {
        connections.push((gateway.connect().await, gateway.get("/user").header("x-api-key", &key.text).bytes()));
    }
    for _ in 0..60 {
        let sent = connections.iter_mut().map(|(connection, bytes)| connection.exchange(bytes));
        futures_util::future::join_all(sent).await;
        for _ in &connections {
            gateway.expect_record();
        }
    }
    let refused = compare(&gateway).await;
    assert!(refused["user"] > 0 && refused["user"] < 240, "{refused:?}");
    gateway.finish().await;
}

async fn concurrent_calls_are_replayed_to_the_call(store: &TestStore) {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n";
    let (clock, upstream) = (Clock::manual(1_800_000_000), RawUpstream::start().await);
    let lists = RawUpstream::route_to(upstream.address)
        + "[[limits]]\nname = \"places\"\nroutes = [\"*\"]\nper = \"user\"\nunit = \"concurrent\"\nlimit = 2\n";
    let gateway = Setup::default().lists(&lists).clock(&clock).start(store).await;
    let mut under_way: Vec<(Connection, TcpStream)> = vec![];
    for is_opened in [true, true, false, false, true, false] {
        clock.advance(Duration::from_millis(10));
        if is_opened && under_way.len() == 2 {
            // The first ends, and its place is free.
            let (mut connection, mut call) = under_way.remove(0);
            call.write_all(b"0\r\n\r\n").await.unwrap();
            assert_eq!(connection.chunk().await, b"");
            eventually("a free place", async || {
                let me = gateway.get("/me").token(&gateway.admin).send().await.json();
                (me["limits"][0]["remaining"] == 1).then_some(())
            })
            .await;
            clock.advance(Duration::from_millis(10));
        }
        let mut connection = gateway.connect().await;
        let bytes = gateway.get("/up").token(&gateway.admin).bytes();
        gateway.expect_record();
        if is_opened {
            let (call, ()) = tokio::join!(upstream.take(ANSWER), connection.send(&bytes));
            assert_eq!(connection.head().await.status, 200);
            assert_eq!(connection.chunk().await, b"x");
            under_way.push((connection, call));
        } else {
            connection.exchange(&bytes).await.problem(429, "quota-exceeded");
        }
    }
    clock.advance(Duration::from_millis(10));
    for (mut connection, mut call) in under_way {
        call.write_all(b"0\r\n\r\n").await.unwrap();
        assert_eq!(connection.chunk().await, b"");
    }
    assert_eq!(compare(&gateway).await, BTreeMap::from([("places".to_owned(), 3)]));
    let places = |places: u64| {
        json!({ "limit": {
        "name": "places", "routes": ["up"], "per": "user", "unit": "concurrent", "limit": places,
    } })
    };
    assert_eq!(replay(&gateway, &places(1)).await["refused"], 4);
    assert_eq!(replay(&gateway, &places(3)).await["was_refused"], 3);
    gateway.finish().await;
}

async fn a_call_that_reached_nothing_takes_nothing_in_a_replay(store: &TestStore) {
    let lists = RawUpstream::route_to(RawUpstream::nowhere().await) + &route("echo", "");
    let gateway = Setup::default().lists(&lists).clock(&Clock::manual(1_800_000_000)).start(store).await;
    for (path, status) in [("up", 502), ("up", 502), ("up", 502), ("echo", 200), ("up", 502), ("echo", 200)] {
        let answer = gateway.get(&format!("/{path}")).token(&gateway.admin).send().await;
        assert_eq!(answer.status, status);
    }
    // Nothing was limited, and it is on record all the same what would have come back.
    let of = |routes: Value| {
        json!({ "limit": {
        "name": "new", "routes": routes, "per": "user", "unit": "requests", "limit": 1, "window_s": 1000,
    } })
    };
    let answer = replay(&gateway, &of(json!(["*"]))).await;
    assert_eq!((&answer["requests"], &answer["refused"]), (&json!(6), &json!(2)), "{answer}");
    assert_eq!(answer["was_refused"], 0);
    assert_eq!(replay(&gateway, &of(json!(["up"]))).await["refused"], 0);
    gateway.finish().await;
}

async fn what_came_before_counts_for_how_a_limit_stood(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().clock(&clock).start(store).await;
    for minute in 0..4 {
        for _ in 0..2 {
            gateway.get("/echo").token(&gateway.admin).send().await.expect(200);
        }
        if minute < 3 {
            clock.advance(Duration::from_mins(1));
        }
    }
    let asked = |from: &str, window_s: u64| {
        json!({ "from": from, "to": "2027-01-15T09:00:00Z", "limit": {
        "name": "new", "routes": ["echo"], "per": "user", "unit": "requests", "limit": 4, "window_s": window_s,
    } })
    };
    let whole = replay(&gateway, &asked("2027-01-15T08:00:00Z", 3_600)).await;
    assert_eq!((&whole["requests"], &whole["refused"]), (&json!(8), &json!(4)), "{whole}");
    assert_eq!(whole["subjects"][0]["first_refused_at"], "2027-01-15T08:02:00Z");
    let late = replay(&gateway, &asked("2027-01-15T08:03:00Z", 3_600)).await;
    assert_eq!((&late["requests"], &late["refused"]), (&json!(2), &json!(2)), "{late}");
    assert_eq!(late["series"], json!([{ "time": "2027-01-15T08:03:00Z", "requests": 2, "refused": 2 }]));
    gateway.finish().await;
}

async fn what_is_made_in_the_middle_of_its_period_is_replayed_to_the_call(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    store.set_time(clock.now()).await;
    let lists = [route("daily", ""), route("paid", "meter = { fixed_usd = \"0.25\" }")].concat();
    let gateway = Setup::default().set("server.workers", 1).lists(&lists).clock(&clock).start(store).await;
    let ann = gateway.user("ann", "user").await;
    let call = async |times: u32| {
        for _ in 0..times {
            for path in ["/daily", "/paid"] {
                gateway.get(path).token(&ann.token).send().await;
                clock.advance(Duration::from_millis(10));
                store.set_time(clock.now()).await;
            }
        }
    };
    call(4).await;
    let limit = json!({
        "name": "daily", "routes": ["daily"], "per": "user", "unit": "requests", "limit": 3, "window": "day",
    });
    let budget = json!({ "name": "paid", "scope": "user", "limit_usd": "1", "period": "month" });
    for (path, rule) in [("/admin/limits", &limit), ("/admin/budgets", &budget)] {
        gateway.post(path).token(&gateway.admin).json(rule).send().await.expect(201);
    }
    clock.advance(Duration::from_millis(10));
    call(6).await;
    let refused = compare(&gateway).await;
    assert!(refused["daily"] > 0 && refused["paid"] > 0, "{refused:?}");
    for (kind, rule, room) in [("limit", &limit, 3), ("budget", &budget, 4)] {
        let as_it_was = replay(&gateway, &json!({ kind: rule })).await;
        assert_eq!((&as_it_was["requests"], &as_it_was["not_yet_made"]["requests"]), (&json!(6), &json!(4)));
        assert!(as_it_was["not_yet_made"]["in_force_since"].is_string(), "{as_it_was}");
        let what_if = replay(&gateway, &json!({ kind: rule, "what_if": true })).await;
        assert_eq!((&what_if["requests"], &what_if["admitted"]), (&json!(10), &json!(room)), "{what_if}");
        // In a time in which it was not there yet it is a question like any other.
        let before = json!({ kind: rule, "from": "2027-01-15T08:00:00Z", "to": "2027-01-15T08:00:00.075Z" });
        let before = replay(&gateway, &before).await;
        assert_eq!((&before["requests"], &before["admitted"]), (&json!(4), &json!(room)), "{before}");
        assert!(what_if["not_yet_made"].is_null() && before["not_yet_made"].is_null(), "{before}");
    }
    gateway.finish().await;
}

async fn a_limit_of_one_subject_stands_in_for_the_general_one(store: &TestStore) {
    let lists = [route("user", ""), limit("user", "user", "requests", "limit = 1\nwindow_s = 1000\nburst = 3")];
    let gateway = Setup::default().lists(&lists.concat()).clock(&Clock::manual(1_800_000_000)).start(store).await;
    let (rich, poor) = (gateway.user("rich", "user").await, gateway.user("poor", "user").await);
    let own = json!({
        "name": "user", "routes": ["user"], "per": "user", "subject": rich.id, "unit": "requests", "limit": 1,
        "window_s": 1000, "burst": 5,
    });
    gateway.post("/admin/limits").token(&gateway.admin).json(&own).send().await.expect(201);
    for user in [&rich, &poor] {
        for _ in 0..7 {
            gateway.get("/user").token(&user.token).send().await;
        }
    }
    let general = in_force(&gateway, "limits", &LIMIT).await.into_iter().find(|limit| limit["subject"].is_null());
    let of_general = replay(&gateway, &json!({ "limit": general })).await;
    assert_eq!((&of_general["requests"], &of_general["refused"]), (&json!(7), &json!(4)), "{of_general}");
    assert_eq!(of_general["subjects"][0]["name"], "poor");
    let of_own = replay(&gateway, &json!({ "limit": own })).await;
    assert_eq!((&of_own["requests"], &of_own["refused"]), (&json!(7), &json!(2)), "{of_own}");
    gateway.finish().await;
}

async fn candidates_are_compared_and_the_tightest_is_found(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().clock(&clock).start(store).await;
    for calls in [1, 5, 2, 9, 3] {
        for _ in 0..calls {
            gateway.get("/echo").token(&gateway.admin).send().await.expect(200);
        }
        clock.advance(Duration::from_mins(2));
    }
    let limit = |limit: u64| {
        json!({
            "name": "new", "routes": ["echo"], "per": "user", "unit": "requests", "limit": limit, "window_s": 60,
        })
    };
    let several: Vec<Value> = (1..=10).map(|n| json!({ "limit": limit(n) })).collect();
    let compared = replay(&gateway, &json!({ "candidates": several })).await;
    assert_eq!(compared.get("refused"), None);
    let refused: Vec<u64> =
        compared["candidates"].as_array().unwrap().iter().map(|one| one["refused"].as_u64().unwrap()).collect();
    assert_eq!(refused, [15, 11, 8, 6, 4, 3, 2, 1, 0, 0]);
    // Of twenty calls fewer than two, one and none.
    for (below, tightest) in [(0.1, 8), (0.06, 8), (0.05, 9), (0.000_001, 9), (1.0, 1)] {
        let ask = json!({ "limit": limit(3), "tightest": { "below": below } });
        let answer = replay(&gateway, &ask).await;
        assert_eq!((&answer["refused"], &answer["tightest_limit"]), (&json!(8), &json!(tightest)), "{below}");
    }
    let mut fixed = limit(3);
    fixed["burst"] = json!(4);
    let answer = replay(&gateway, &json!({ "limit": fixed, "tightest": { "below": 0.1 } })).await;
    assert_eq!(answer["tightest_limit"], Value::Null, "{answer}");
    gateway.finish().await;
}
