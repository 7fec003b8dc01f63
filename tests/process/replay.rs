//! `tollgate replay`: from the store and from an export the same, and every mistake with its status.

use std::{fs, process::Output, time::Duration};

use serde_json::{Value, json};
use socket2::SockRef;
use tollgate::clock::Clock;

use super::support::{Database, Home, eventually};

const LISTS: &str = r#"
[[limits]]
name = "few"
routes = ["echo"]
per = "user"
unit = "requests"
limit = 3
window_s = 86400
"#;

const LIMIT: &str = r#"
name = "few"
routes = ["echo"]
per = "user"
unit = "requests"
limit = 3
window_s = 86400
"#;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn done(home: &Home, arguments: &[&str]) -> String {
    let output = home.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "no bar where standard error is no terminal");
    String::from_utf8(output.stdout).unwrap()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_store_and_an_export_say_the_same() {
    the_same(&Home::new().config(LISTS));
}

#[test]
fn a_postgresql_and_an_export_say_the_same() {
    let database = Database::create();
    the_same(&database.home().config(LISTS));
}

fn the_same(home: &Home) {
    let gateway = home.start();
    let admin = gateway.admin();
    let statuses: Vec<u16> = (0..5).map(|_| gateway.get("/echo", &admin).status()).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    let user = gateway.get("/me", &admin).json()["user"]["id"].clone();
    let asked = json!({ "from": "2020-01-01", "to": "2100-01-01", "limit": {
        "name": "few", "routes": ["echo"], "per": "user", "unit": "requests", "limit": 3, "window_s": 86400,
    } });
    let answered = gateway.json("POST", "/admin/replay", &admin, &asked).json();
    gateway.terminate();
    fs::write(home.path().join("limit.toml"), LIMIT).unwrap();
    let span = ["--from", "2020-01-01", "--to", "2100-01-01T00:00:00Z"];
    let replay = |more: &[&str]| done(home, &[&["replay", "--limit", "limit.toml"], &span[..], more].concat());
    let from_store = parsed(&replay(&["--json"]));
    assert_eq!(from_store, answered);
    assert_eq!(
        (&from_store["requests"], &from_store["refused"], &from_store["was_refused"]),
        (&json!(5), &json!(2), &json!(2))
    );
    assert_eq!((&from_store["subjects"][0]["subject"], &from_store["subjects"][0]["name"]), (&user, &json!("admin")));
    assert_eq!(parsed(&replay(&["--what-if", "--json"])), from_store, "nothing asked before it was made");
    done(home, &["audit", "export", "--output", "log.jsonl"]);
    let mut from_export = parsed(&replay(&["--json", "--export", "log.jsonl"]));
    assert_eq!(from_export["subjects"][0]["name"], Value::Null);
    from_export["subjects"][0]["name"] = "admin".into();
    assert_eq!(from_export, from_store);
    let table = replay(&[]);
    assert!(
        table.contains("5 requests: 3 admitted, 2 refused; 2 were refused then") && table.contains("admin"),
        "{table}"
    );
    for source in [&[][..], &["--export", "log.jsonl"]] {
        let found = parsed(&replay(&[&["--tightest", "0.3", "--json"], source].concat()));
        assert_eq!(found["tightest_limit"], 4);
    }
    fs::write(home.path().join("list.toml"), LISTS).unwrap();
    let listed = [&["replay", "--limit", "list.toml", "--tightest", "0.3", "--json"], &span[..]].concat();
    let found = parsed(&done(home, &listed));
    assert_eq!((&found["tightest_limit"], &found["candidates"][0]["refused"]), (&json!(4), &json!(2)));
    let several = format!("[[limits]]{LIMIT}[[limits]]{}", LIMIT.replace("= 3", "= 1"));
    fs::write(home.path().join("limit.toml"), several).unwrap();
    let refused = |found: &Value| [0, 1].map(|i| found["candidates"][i]["refused"].clone());
    assert_eq!(refused(&parsed(&replay(&["--json"]))), [2, 4]);
    assert_eq!(refused(&parsed(&replay(&["--json", "--export", "log.jsonl"]))), [2, 4]);
    fs::write(
        home.path().join("budget.toml"),
        "name = \"all\"\nscope = \"global\"\nlimit_usd = true\nperiod = \"day\"\n",
    )
    .unwrap();
    let bad = home.run(&["replay", "--budget", "budget.toml", "--from", "2020-01-01"]);
    assert_eq!(bad.status.code(), Some(2), "{}", said(&bad));
    fs::write(
        home.path().join("budget.toml"),
        "name = \"all\"\nscope = \"global\"\nlimit_usd = \"1\"\nperiod = \"day\"\n",
    )
    .unwrap();
    let budget = parsed(&done(home, &["replay", "--budget", "budget.toml", "--from", "2020-01-01", "--json"]));
    assert_eq!((&budget["requests"], &budget["spent_usd"]), (&json!(0), &json!("0")));
}

#[test]
fn a_subject_is_written_by_its_name_where_the_store_is_asked() {
    let home = Home::new();
    let gateway = home.start();
    let admin = gateway.admin();
    for _ in 0..5 {
        assert_eq!(gateway.get("/echo", &admin).status(), 200);
    }
    let id = gateway.get("/me", &admin).json()["user"]["id"].as_str().unwrap().to_owned();
    gateway.terminate();
    done(&home, &["audit", "export", "--output", "log.jsonl"]);
    let of = |subject: &str| {
        fs::write(home.path().join("limit.toml"), format!("{LIMIT}subject = \"{subject}\"\n")).unwrap();
    };
    let ask = |more: &[&str]| {
        home.run(&[&["replay", "--limit", "limit.toml", "--from", "2020-01-01", "--json"], more].concat())
    };
    for (subject, further) in [("admin", &[][..]), (&id, &[]), (&id, &["--export", "log.jsonl"])] {
        of(subject);
        let output = ask(further);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
        assert_eq!((&found["requests"], &found["refused"]), (&json!(5), &json!(2)), "{subject}");
    }
    for (subject, further, words) in [
        ("nobody", &[][..], "limit.toml: subject: there is no user with this name or id"),
        ("admin", &["--export", "log.jsonl"], "limit.toml: subject: must be an id where an export is replayed"),
    ] {
        of(subject);
        let output = ask(further);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
    }
}

#[test]
fn a_mistake_is_told_with_its_place_and_status() {
    let home = Home::new();
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    write("limit.toml", LIMIT);
    write("bad.toml", &LIMIT.replace("window_s = 86400", "window_s = 0\nburst = 0"));
    write("unknown.toml", &format!("{LIMIT}speed = 1\n"));
    write("none.toml", "limits = []\n");
    write("two.toml", &format!("{LISTS}{LISTS}"));
    write("zone.toml", &LIMIT.replace("window_s = 86400", "window = \"day\"\ntime_zone = \"Europe/Berln\""));
    write("log.jsonl", "nonsense\n");
    for (arguments, status, words) in [
        (&["--limit", "limit.toml"][..], 2, &["--from"][..]),
        (&["--from", "2020-01-01"], 2, &["--limit"]),
        (&["--from", "soon", "--limit", "limit.toml"], 2, &["soon"]),
        (&["--from", "2020-01-02", "--to", "2020-01-01", "--limit", "limit.toml"], 2, &["--from"]),
        (&["--from", "2020-01-01", "--limit", "missing.toml"], 2, &["missing.toml"]),
        (&["--from", "2020-01-01", "--limit", "bad.toml"], 2, &["bad.toml: window_s", "bad.toml: burst"]),
        (&["--from", "2020-01-01", "--limit", "unknown.toml"], 2, &["unknown.toml", "speed"]),
        (&["--from", "2020-01-01", "--limit", "none.toml"], 2, &["none.toml", "1 to 10"]),
        (&["--from", "2020-01-01", "--limit", "limit.toml", "--budget", "limit.toml"], 2, &["--budget"]),
        (&["--from", "2020-01-01", "--limit", "limit.toml", "--tightest", "2"], 2, &["--tightest"]),
        (&["--from", "2020-01-01", "--limit", "two.toml", "--tightest", "0.1"], 2, &["--tightest", "one limit"]),
        (
            &["--from", "2020-01-01", "--limit", "zone.toml"],
            2,
            &["zone.toml: time_zone", "did you mean \"Europe/Berlin\"?"],
        ),
        (&["--from", "2020-01-01", "--limit", "limit.toml", "--export", "missing"], 2, &["missing"]),
        (&["--from", "2020-01-01", "--limit", "limit.toml", "--export", "log.jsonl"], 1, &["log.jsonl: line 1"]),
        // There is no store, and none is made.
        (&["--from", "2020-01-01", "--limit", "limit.toml"], 2, &["no store", "tollgate.db"]),
    ] {
        let output = home.run(&[&["replay"], arguments].concat());
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", said(&output));
        for word in words {
            assert!(said(&output).contains(word), "{arguments:?} does not say {word}: {}", said(&output));
        }
        assert!(!home.path().join("data").exists(), "{arguments:?}");
    }
}

#[test]
fn what_is_no_whole_export_is_refused_and_a_route_that_is_none_is_told() {
    let home = Home::new();
    let gateway = home.start();
    let admin = gateway.admin();
    assert_eq!(gateway.get("/echo", &admin).status(), 200);
    gateway.terminate();
    done(&home, &["audit", "export", "--output", "log.jsonl"]);
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    let whole = fs::read_to_string(home.path().join("log.jsonl")).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    write("cut.jsonl", &lines[..lines.len() - 1].concat());
    write("headless.jsonl", &lines[1..].concat());
    write("twice.jsonl", &format!("{whole}{whole}"));
    write("empty.jsonl", "");
    write("limit.toml", LIMIT);
    write("gone.toml", &LIMIT.replace("\"echo\"", "\"gone\""));
    let ask =
        |limit: &str, more: &[&str]| home.run(&[&["replay", "--limit", limit, "--from", "2020-01-01"], more].concat());
    let twice = format!("twice.jsonl: line {} ", lines.len() + 1);
    for (limit, more, status, words) in [
        ("limit.toml", &["--export", "log.jsonl"][..], 0, "1 requests: 1 admitted"),
        ("limit.toml", &["--export", "cut.jsonl"], 1, "cut.jsonl: the export ends before its end"),
        ("limit.toml", &["--export", "headless.jsonl"], 1, "headless.jsonl: line 1 "),
        ("limit.toml", &["--export", "twice.jsonl"], 1, &*twice),
        ("limit.toml", &["--export", "empty.jsonl"], 1, "empty.jsonl: is empty"),
        (
            "gone.toml",
            &["--export", "log.jsonl"],
            0,
            "warning: limit few: no record of the export is of its routes: gone",
        ),
        ("gone.toml", &[], 2, "gone.toml: routes.0: \"gone\" is not the name of a route"),
    ] {
        let output = ask(limit, more);
        assert_eq!(output.status.code(), Some(status), "{more:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
    }
}

/// A request for a replay from a day on, and of so much before as counts for it.
fn asking(admin: &str, from: &str, window_s: u32) -> String {
    let body = json!({ "from": from, "to": "2026-01-03", "limit": {
        "name": "few", "routes": ["echo"], "per": "user", "unit": "requests", "limit": 3, "window_s": window_s,
    } });
    let body = body.to_string();
    format!(
        "POST /admin/replay HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {admin}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_replay_ends_it_and_harms_nobody() {
    let database = Database::create();
    let gateway = database.home().start();
    let admin = gateway.admin();
    database.execute(
        "INSERT INTO audit_entries (chain, seq, id, request_id, stage, time, user_id, route, decision, status, prev_hash, hash, entry)
         SELECT 'many', n, id, id, 'whole', micros, NULL, 'echo', 'allowed', 200, decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex'),
                format('{\"chain\":\"many\",\"seq\":%s,\"id\":\"%s\",\"request_id\":\"%s\",\"time\":\"%s\",\"stage\":\"whole\",\"user_id\":\"01a22c30-e00f-7664-a1cf-1db36a5382bb\",\"method\":\"GET\",\"route\":\"echo\",\"decision\":\"allowed\",\"status\":200,\"limited_at\":\"%s\"}',
                       n, id, id, stamp, stamp)
         FROM (SELECT n, format('019b76da-a800-7000-8000-%s', lpad(to_hex(n), 12, '0')) AS id, 1767225600000000 + n * 1000 AS micros,
                      to_char(to_timestamp(1767225600 + n / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS stamp
               FROM generate_series(1, 80000) AS n) AS numbers",
    );
    let clock = Clock::system();
    let began_ms = clock.monotonic_ms();
    let whole = gateway.send(asking(&admin, "2026-01-01", 86_400));
    assert_eq!((whole.status(), &whole.json()["requests"]), (200, &json!(80_000)), "{whole:?}");
    let takes_ms = clock.monotonic_ms() - began_ms;
    let enter = || {
        let mut wire = gateway.connect();
        // When it is dropped it is reset: one that closed its side alone would still wait for the answer.
        SockRef::from(wire.stream()).set_linger(Some(Duration::ZERO)).unwrap();
        wire.say(asking(&admin, "2026-01-01", 86_400));
        wire
    };
    // Two at a time; nothing of that day is in the time of the third.
    let third = || gateway.send(asking(&admin, "2026-01-02", 1)).status();
    let replays = [enter(), enter()];
    eventually("both places are taken", || (third() == 503).then_some(()));
    assert_eq!(gateway.get("/echo", &admin).status(), 200, "calls go on meanwhile");
    drop(replays);
    let left_ms = clock.monotonic_ms();
    eventually("a place is free again", || (third() == 200).then_some(()));
    let freed_ms = clock.monotonic_ms() - left_ms;
    assert!(
        freed_ms < takes_ms / 2 || freed_ms < 500,
        "a replay takes {takes_ms} ms, a place was free after {freed_ms} ms"
    );
    assert_eq!(gateway.get("/echo", &admin).status(), 200);
    let again = gateway.send(asking(&admin, "2026-01-01", 86_400));
    assert_eq!(again.json()["refused"], whole.json()["refused"], "nothing is left of those that were ended");
}
