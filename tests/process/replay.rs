//! `tollgate replay`: from the store and from an export the same, and every mistake with its status.

use std::{fs, process::Output};

use serde_json::{Value, json};

use super::support::Home;

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
    let home = Home::new().config(LISTS);
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
    let replay = |more: &[&str]| done(&home, &[&["replay", "--limit", "limit.toml"], &span[..], more].concat());
    let from_store = parsed(&replay(&["--json"]));
    assert_eq!(from_store, answered);
    assert_eq!(
        (&from_store["requests"], &from_store["refused"], &from_store["was_refused"]),
        (&json!(5), &json!(2), &json!(2))
    );
    assert_eq!((&from_store["subjects"][0]["subject"], &from_store["subjects"][0]["name"]), (&user, &json!("admin")));
    done(&home, &["audit", "export", "--output", "log.jsonl"]);
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
    let found = parsed(&done(&home, &listed));
    assert_eq!((&found["tightest_limit"], &found["candidates"][0]["refused"]), (&json!(4), &json!(2)));
    let several = format!("[[limits]]{LIMIT}[[limits]]{}", LIMIT.replace("= 3", "= 1"));
    fs::write(home.path().join("limit.toml"), several).unwrap();
    let refused = |found: &Value| [0, 1].map(|i| found["candidates"][i]["refused"].clone());
    assert_eq!(refused(&parsed(&replay(&["--json"]))), [2, 4]);
    assert_eq!(refused(&parsed(&replay(&["--json", "--export", "log.jsonl"]))), [2, 4]);
    fs::write(home.path().join("budget.toml"), "name = \"all\"\nscope = \"global\"\nlimit_usd = 1\nperiod = \"day\"\n")
        .unwrap();
    let bad = home.run(&["replay", "--budget", "budget.toml", "--from", "2020-01-01"]);
    assert_eq!(bad.status.code(), Some(2), "{}", said(&bad));
    fs::write(
        home.path().join("budget.toml"),
        "name = \"all\"\nscope = \"global\"\nlimit_usd = \"1\"\nperiod = \"day\"\n",
    )
    .unwrap();
    let budget = parsed(&done(&home, &["replay", "--budget", "budget.toml", "--from", "2020-01-01", "--json"]));
    assert_eq!((&budget["requests"], &budget["spent_usd"]), (&json!(0), &json!("0")));
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
