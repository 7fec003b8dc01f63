//! Commands without a gateway: they never make a store, and what destroys is shown, asked about, refused beside a gateway
//! and put on record.

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use super::support::{Database, Gateway, Home, MASTER_KEY, eventually, request, run};

/// Every command that needs a store that is there.
const NEED_A_STORE: [&[&str]; 13] = [
    &["admin", "create-user", "ann"],
    &["admin", "reset-password", "admin"],
    &["audit", "verify"],
    &["audit", "export"],
    &["audit", "keys"],
    &["audit", "retain", "--days", "1", "--yes"],
    &["audit", "erase", "--user", "ann", "--dry-run"],
    &["audit", "retain", "--days", "1", "--dry-run"],
    &["ledger", "check"],
    &["keys", "rotate"],
    &["keys", "change-master-key"],
    &["prices", "import", "prices.toml"],
    &["migrate", "--revert-all", "--yes"],
];

const PRICES: &str = "[[prices]]\nmodel = \"a\"\ninput_usd = \"1\"\noutput_usd = \"1\"\nmax_output_tokens = 10\n";

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What is wrong where every command is to miss its store.
fn faults_without_a_store(home: &Home, place: &str) -> Vec<String> {
    fs::write(home.path().join("prices.toml"), PRICES).unwrap();
    let fault = |arguments: &&[&str]| {
        let output = home.run(arguments);
        let told = output.status.code() == Some(2) && said(&output).contains(place) && output.stdout.is_empty();
        (!told).then(|| format!("{arguments:?}: {}: {}", output.status, said(&output)))
    };
    NEED_A_STORE.iter().filter_map(fault).collect()
}

#[test]
fn a_command_that_misses_its_store_says_where_it_looked_and_makes_none() {
    let home = Home::new().env("TOLLGATE_NEW_MASTER_KEY", MASTER_KEY);
    let place = home.path().join("data/tollgate.db");
    assert_eq!(faults_without_a_store(&home, place.to_str().unwrap()), Vec::<String>::new());
    assert!(!home.path().join("data").exists(), "nothing was made");
    assert!(home.run(&["migrate", "--pending"]).status.success());
    assert!(!home.path().join("data").exists(), "not to see what is pending either");
}

#[test]
fn a_command_that_finds_an_empty_file_takes_it_for_no_store() {
    let home = Home::new().env("TOLLGATE_NEW_MASTER_KEY", MASTER_KEY);
    fs::create_dir(home.path().join("data")).unwrap();
    fs::write(home.database(), "").unwrap();
    let output = home.run(&["ledger", "check"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert_eq!(fs::metadata(home.database()).unwrap().len(), 0);
}

#[test]
fn a_command_that_misses_its_postgresql_says_where_it_looked_without_the_password() {
    let database = Database::create();
    let gone = format!("{}-gone", database.url());
    for url in [database.url(), gone] {
        let home = database.home().env("TOLLGATE__STORE__URL", &url).env("TOLLGATE_NEW_MASTER_KEY", MASTER_KEY);
        let name = url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
        let mut faults = faults_without_a_store(&home, &name);
        // Of an empty database there is nothing to revert.
        faults.retain(|fault| !fault.contains("revert-all"));
        assert_eq!(faults, Vec::<String>::new());
        assert!(!home.path().join("data/master.key").exists());
    }
}

fn migrations_are_not_reverted_beside_a_gateway(home: &Home) {
    let gateway = home.start();
    let token = gateway.admin();
    for arguments in [["migrate", "--revert-all", "--yes"].as_slice(), &["migrate", "--revert-all", "--dry-run"]] {
        let output = home.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("a gateway runs on this store"), "{}", said(&output));
    }
    assert_eq!(gateway.get("/admin/users", &token).status(), 200);
    assert!(gateway.terminate().success());
    let unasked = home.run(&["migrate", "--revert-all"]);
    assert_eq!(unasked.status.code(), Some(2), "{}", said(&unasked));
    assert!(said(&unasked).contains("--yes"));
    let shown = home.run(&["migrate", "--revert-all", "--dry-run"]);
    assert!(shown.status.success() && said(&shown).contains("would revert: "), "{}", said(&shown));
    let gateway = home.start();
    assert_eq!(gateway.get("/admin/users", &token).status(), 200, "nothing was reverted");
}

#[test]
fn migrations_are_not_reverted_beside_a_gateway_on_sqlite() {
    migrations_are_not_reverted_beside_a_gateway(&Home::new());
}

#[test]
fn migrations_are_not_reverted_beside_a_gateway_on_postgresql() {
    migrations_are_not_reverted_beside_a_gateway(&Database::create().home());
}

#[test]
fn migrations_are_not_reverted_beside_a_gateway_with_another_data_dir() {
    let home = Home::new().env("TOLLGATE__STORE__URL", "sqlite:shared.db").env("TOLLGATE__DATA_DIR", "one");
    let gateway = home.start();
    let mut command = home.command(&["migrate", "--revert-all", "--yes"]);
    command.env("TOLLGATE__DATA_DIR", "two");
    let output = run(command);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(gateway.get("/admin/users", &gateway.admin()).status(), 200);
}

/// Its next signing key would be sealed with the old one.
#[test]
fn the_master_key_is_not_changed_beside_a_gateway_on_another_machine() {
    let database = Database::create();
    for home in [database.home(), Home::new().env("TOLLGATE__STORE__URL", "sqlite:shared.db")] {
        let home = home.env("TOLLGATE_NEW_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh4=");
        let gateway = home.start();
        let mut command = home.command(&["keys", "change-master-key"]);
        command.env("TOLLGATE__DATA_DIR", "two");
        let output = run(command);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("a gateway runs on this store"), "{}", said(&output));
        assert!(gateway.terminate().success());
        assert!(home.start().terminate().success(), "the key is the one of before");
    }
}

#[test]
fn a_migration_that_makes_a_new_store_says_where() {
    let home = Home::new();
    let made = home.run(&["migrate"]);
    assert!(made.status.success(), "{}", said(&made));
    let place = format!("there was no store at {}", home.database().display());
    assert!(String::from_utf8_lossy(&made.stderr).contains(&place), "{}", said(&made));
    assert_eq!(home.run(&["migrate"]).stderr, b"", "it is there now");
}

#[test]
fn who_reverted_the_migrations_and_why_stays_on_record() {
    let home = Home::new();
    assert!(home.start().terminate().success());
    let output = home.run(&["migrate", "--revert-all", "--yes", "--reason", "the end of the trial"]);
    assert!(output.status.success(), "{}", said(&output));
    let record = fs::read_to_string(home.path().join("data/acts.jsonl")).unwrap();
    let record: Value = serde_json::from_str(record.trim()).unwrap();
    assert_eq!(
        (&record["act"], &record["by"]["reason"]),
        (&"migrate revert-all".into(), &"the end of the trial".into())
    );
    assert!(!record["by"]["os_user"].as_str().unwrap().is_empty() && record["time"].is_string());
}

/// The lines of the chain of custody in an export.
fn custody(home: &Home) -> Vec<String> {
    let output = home.run(&["audit", "export"]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| line.contains("os_user")).map(str::to_owned).collect()
}

fn verified(home: &Home) -> String {
    let output = home.run(&["audit", "verify"]);
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

fn some_records(gateway: &Gateway) {
    let token = gateway.admin();
    assert_eq!(gateway.get("/me", &token).status(), 200);
}

fn is_done_only_when_asked_for_and_by_name(arguments: &[&str]) {
    let home = Home::new();
    let gateway = home.start();
    some_records(&gateway);
    assert!(gateway.terminate().success());
    let before = verified(&home);
    let unasked = home.run(arguments);
    assert_eq!(unasked.status.code(), Some(2), "{}", said(&unasked));
    assert!(said(&unasked).contains("--yes"), "{}", said(&unasked));
    let shown = home.run(&[arguments, &["--dry-run"]].concat());
    assert!(shown.status.success() && said(&shown).contains("would "), "{}", said(&shown));
    assert_eq!((custody(&home), verified(&home)), (vec![], before), "nothing was changed");
    let done = home.run(&[arguments, &["--yes", "--reason", "it was asked for"]].concat());
    assert!(done.status.success(), "{}", said(&done));
    let lines = custody(&home);
    assert!(lines.len() == 1 && lines[0].contains("it was asked for"), "{lines:?}");
    verified(&home);
}

#[test]
fn the_audit_log_is_cut_only_when_it_is_asked_for_and_by_name() {
    is_done_only_when_asked_for_and_by_name(&["audit", "retain", "--all"]);
}

#[test]
fn the_audit_log_is_erased_from_only_when_it_is_asked_for_and_by_name() {
    is_done_only_when_asked_for_and_by_name(&["audit", "erase", "--user", "admin"]);
}

#[test]
fn no_number_of_days_drops_the_whole_log() {
    let home = Home::new();
    for (arguments, told) in [
        (["--days", "0"].as_slice(), "--all"),
        (&["--days", "-1"], "days"),
        (&["--days", "1", "--all"], "cannot be used with"),
        (&[], "--days"),
    ] {
        let refused = home.run(&[&["audit", "retain", "--yes"], arguments].concat());
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", said(&refused));
        assert!(said(&refused).contains(told), "{arguments:?}: {}", said(&refused));
    }
}

/// Runs a command on a terminal of its own and types an answer.
fn on_a_terminal(home: &Home, arguments: &str, answer: &str) -> Output {
    let mut script = home.command(&[]);
    let line = format!("{} {arguments} --config {}", env!("CARGO_BIN_EXE_tollgate"), home.config_file().display());
    let environment: Vec<_> =
        script.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(home.path()).env_clear();
    script.envs(environment.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn on_a_terminal_what_destroys_asks_first() {
    let home = Home::new();
    let gateway = home.start();
    some_records(&gateway);
    assert!(gateway.terminate().success());
    let no = on_a_terminal(&home, "audit retain --all", "no\n");
    assert_eq!(no.status.code(), Some(1), "{}", said(&no));
    assert!(said(&no).contains("would drop") && said(&no).contains("nothing was changed"), "{}", said(&no));
    assert_eq!(custody(&home), Vec::<String>::new());
    let yes = on_a_terminal(&home, "audit retain --all", "yes\n");
    assert!(yes.status.success() && said(&yes).contains("dropped"), "{}", said(&yes));
    assert_eq!(custody(&home).len(), 1);
}

/// The acts in the chain of custody, and what each changed.
fn acts(gateway: &Gateway, reason: &str) -> Vec<Value> {
    let found = gateway.get(&format!("/admin/audit?reason={reason}"), &gateway.admin()).json();
    found["items"].as_array().unwrap_or_else(|| panic!("{found}")).clone()
}

#[test]
fn what_commands_and_reloads_change_is_on_record_with_who_did_it() {
    let home = Home::new();
    fs::write(home.path().join("prices.toml"), PRICES).unwrap();
    let gateway = home.start();
    for arguments in [
        ["admin", "create-user", "ann", "--reason", "she has come"].as_slice(),
        &["admin", "reset-password", "ann", "--reason", "she forgot it"],
        &["prices", "import", "prices.toml", "--reason", "a new year"],
        &["keys", "rotate", "--reason", "it was time"],
    ] {
        let done = home.run(arguments);
        assert!(done.status.success(), "{arguments:?}: {}", said(&done));
    }
    assert_eq!(home.run(&["admin", "create-user", "ann"]).status.code(), Some(1), "she is there");
    for reason in ["", " ", "two\nlines"] {
        assert_eq!(home.run(&["keys", "rotate", "--reason", reason]).status.code(), Some(2), "{reason:?}");
    }
    let lines = custody(&home);
    for reason in ["she has come", "she forgot it", "a new year", "it was time"] {
        assert!(lines.iter().any(|line| line.contains(reason)), "{reason}: {lines:?}");
    }
    assert_eq!(lines.len(), 4, "what was refused is not on record");
    let created = acts(&gateway, "admin%20create-user");
    assert_eq!(created[0]["change"]["after"]["username"], "ann", "{created:?}");
    assert_eq!(created[0]["about_name"], "ann", "{created:?}");
    assert_eq!(created[0]["by"]["reason"], "she has come", "{created:?}");
    let os_user = created[0]["by"]["os_user"].as_str().unwrap();
    assert!(!os_user.is_empty() && created[0]["act"]["command"]["command"] == "admin create-user", "{created:?}");
    let detail = format!("/admin/audit/{}", created[0]["id"].as_str().unwrap());
    assert_eq!(gateway.get(&detail, &gateway.admin()).json()["by"], created[0]["by"]);
    let called = gateway.get("/admin/audit?route=/admin/audit&limit=1", &gateway.admin()).json();
    assert_eq!((&called["items"][0]["by"], &called["items"][0]["act"]), (&Value::Null, &Value::Null), "{called}");
    let asked = request("GET", "/admin/audit?reason=prices%20import", &gateway.admin());
    let csv = gateway.send(asked.replace("\r\n\r\n", "\r\naccept: text/csv\r\n\r\n")).text();
    assert!(csv.lines().next().unwrap().contains(",act,by,") && csv.contains("\"\"a new year\"\""), "{csv}");
    let events = home.run(&["audit", "export", "--format", "ocsf"]);
    let events = String::from_utf8(events.stdout).unwrap();
    let event = events.lines().find(|event| event.contains("it was time")).unwrap();
    assert!(event.contains(&format!("\"name\":\"{os_user}\"")), "{event}");

    home.rewrite_config(
        "[[routes]]\nname = \"extra\"\npath = \"/extra\"\nmatch = \"exact\"\nmethods = [\"GET\"]\nroles = [\"admin\"]\n\
         upstream = \"builtin:echo\"\n",
    );
    gateway.signal("HUP");
    eventually("the reload is on record", || {
        let told = acts(&gateway, "reload").iter().map(Value::to_string).collect::<String>();
        told.contains("route extra: new").then_some(())
    });
    verified(&home);
}

#[test]
fn what_others_did_about_a_person_is_erased_with_the_name_in_the_path() {
    let home = Home::new();
    let gateway = home.start();
    let admin = gateway.admin();
    let ann = gateway.json("POST", "/admin/users", &admin, &json!({ "username": "ann-marie", "role": "user" })).json();
    let place = "/admin/users/by-name/ann-marie";
    assert_eq!(gateway.json("PATCH", place, &admin, &json!({ "role": "readonly" })).status(), 200);
    assert_eq!(gateway.get(place, &admin).status(), 200);
    gateway.get("/admin/users/by-name/nobodys-name", &admin).assert_problem(404, "not-found");
    let listed = || gateway.get("/admin/audit?limit=200", &admin).text();
    assert!(listed().contains(place) && !listed().contains("nobodys-name"), "{}", listed());
    let erased = home.run(&["audit", "erase", "--user", ann["id"].as_str().unwrap(), "--yes"]);
    assert!(erased.status.success(), "{}", said(&erased));
    assert!(!listed().contains("ann-marie"), "{}", listed());
    assert!(listed().contains("/admin/users/by-name/{username}"), "where it was stays");
    verified(&home);
}
