//! Prices from files: `tollgate prices import` beside a running gateway, and the configured file on `SIGHUP`.

use std::{fs, process::Output, time::Duration};

use serde_json::{Value, json};

use super::support::{Database, Gateway, Home, eventually, within};

/// How long a change in the store may go unnoticed.
const A_SECOND: Duration = Duration::from_secs(1);

/// A model that can be priced, one that cannot, and one that can in part.
const LITELLM: &str = r#"{
    "sample_spec": { "mode": "one of: chat, embedding" },
    "openai/new": {
        "mode": "chat", "max_output_tokens": 1000,
        "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07, "input_cost_per_video_token": 1e-06
    },
    "painter": { "mode": "video_generation", "output_cost_per_image": 0.04 },
    "free": { "mode": "chat", "max_output_tokens": 1000, "input_cost_per_token": 0, "output_cost_per_token": 0 }
}"#;

fn own(model: &str, input_usd: &str) -> String {
    format!("[[prices]]\nmodel = {model:?}\ninput_usd = {input_usd:?}\noutput_usd = \"1\"\nmax_output_tokens = 10\n")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn import(home: &Home, content: &str, options: &[&str]) -> Output {
    fs::write(home.path().join("prices.file"), content).unwrap();
    home.run(&[&["prices", "import", "prices.file"], options].concat())
}

/// What an import said that did its work.
fn imported(home: &Home, content: &str, options: &[&str]) -> String {
    let output = import(home, content, options);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The page of one model.
fn price(gateway: &Gateway, token: &str, model: &str) -> Value {
    gateway.get(&format!("/admin/prices?model={model}"), token).json()
}

fn an_import_holds_within_a_second(home: &Home) {
    let gateway = home.start();
    let token = gateway.admin();
    let said = imported(home, LITELLM, &[]);
    for line in ["taken: 1\n", "skipped: 2\n", "mode video_generation", "costs nothing", "video, or sound"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(said.ends_with("version 2 of the price list: 1 added, 0 changed\n") && !said.contains("painter"), "{said}");
    let page = within(A_SECOND, "the new version", || {
        Some(price(&gateway, &token, "openai/new")).filter(|page| page["version"] == 2)
    });
    let expected =
        json!([{ "model": "openai/new", "input_usd": "0.15", "output_usd": "0.6", "max_output_tokens": 1000 }]);
    assert_eq!((&page["items"], &page["source"]), (&expected, &json!("file prices.file")));
    assert_eq!(price(&gateway, &token, "demo")["items"][0]["input_usd"], "1");

    let again = imported(home, LITELLM, &["--verbose"]);
    assert!(
        again.ends_with("version 2 of the price list: 0 added, 0 changed\n") && again.contains("painter"),
        "{again}"
    );
    let changed = imported(home, &own("demo", "7"), &[]);
    assert!(changed.ends_with("version 3 of the price list: 0 added, 1 changed\n"), "{changed}");
    within(A_SECOND, "the changed price", || {
        Some(price(&gateway, &token, "demo")).filter(|page| page["items"][0]["input_usd"] == "7")
    });
}

#[test]
fn an_import_holds_within_a_second_on_sqlite() {
    an_import_holds_within_a_second(&Home::new());
}

#[test]
fn an_import_holds_within_a_second_on_postgresql() {
    an_import_holds_within_a_second(&Database::create().home());
}

#[test]
fn a_dry_run_opens_nothing_and_reports_all() {
    let home = Home::new();
    let said = imported(&home, LITELLM, &["--dry-run", "--verbose"]);
    assert!(said.contains("openai/new") && said.ends_with("nothing was changed\n"), "{said}");
    assert!(!home.path().join("data").exists());
}

#[test]
fn an_import_before_the_first_start_keeps_the_built_in_prices() {
    let home = Home::new();
    assert!(home.run(&["migrate"]).status.success());
    imported(&home, LITELLM, &[]);
    let gateway = home.start();
    let token = gateway.admin();
    for model in ["openai/new", "demo"] {
        assert_eq!(price(&gateway, &token, model)["items"].as_array().unwrap().len(), 1, "{model}");
    }
}

#[test]
fn a_file_that_cannot_be_taken_is_refused_with_place_and_reason() {
    let home = Home::new();
    for (content, names) in [
        ("", ["line 1", "prices"]),
        ("{", ["line 1", "EOF"]),
        ("{\"a\": {\"mode\": \"chat\", \"input_cost_per_token\": NaN}}", ["line 1", "expected"]),
        ("{\"a\": {\"mode\": \"moderation\"}}", ["no price to take", "mode moderation"]),
        (&own("a", "-1"), ["prices[0].input_usd", "decimal number"]),
        (&own("a", "1").repeat(2), ["prices[1].model", "already"]),
        (&format!("[server]\nport = 1\n{}", own("a", "1")), ["line 1", "unknown field"]),
    ] {
        let output = import(&home, content, &[]);
        assert_eq!(output.status.code(), Some(2), "{content}");
        let said = text(&output.stderr);
        assert!(said.contains("prices.file: ") && names.iter().all(|name| said.contains(name)), "{names:?}: {said}");
        assert!(!home.path().join("data").exists());
    }
    let missing = home.run(&["prices", "import", "nowhere.json"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("nowhere.json: file: cannot be read"), "{}", text(&missing.stderr));
    assert_eq!(home.run(&["prices", "import"]).status.code(), Some(2));
}

#[test]
fn a_configured_file_is_read_again_on_sighup_and_a_bad_one_changes_nothing() {
    let home = Home::new().config("[prices]\nfile = \"mine.toml\"\n");
    let write = |content: &str| fs::write(home.path().join("mine.toml"), content).unwrap();
    write(&own("mine", "5"));
    let gateway = home.start();
    let token = gateway.admin();
    let now = || {
        let page = price(&gateway, &token, "mine");
        (page["version"].as_i64().unwrap(), page["items"][0]["input_usd"].as_str().unwrap().to_owned())
    };
    assert_eq!(now(), (2, "5".into()));
    write(&own("mine", "6"));
    gateway.signal("HUP");
    eventually("the new price", || (now() == (3, "6".into())).then_some(()));

    write(&own("mine", "-6"));
    gateway.signal("HUP");
    let reason = "prices.file: mine.toml: prices[0].input_usd: must be a decimal number";
    eventually("the reason is logged", || {
        let log = gateway.log();
        (log.contains(reason) && log.contains("the running one stays")).then_some(())
    });
    assert_eq!(now(), (3, "6".into()));
    for arguments in [["check-config"].as_slice(), &[]] {
        let output = home.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(reason), "{}", text(&output.stderr));
    }
    write(&own("mine", "6"));
    assert_eq!(home.run(&["check-config"]).status.code(), Some(0));
}
