//! Commands without a gateway: they never make a store, and what destroys is shown, asked about, refused beside a gateway
//! and put on record.

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use super::support::{Database, Gateway, Home, MASTER_KEY, run};

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
    is_done_only_when_asked_for_and_by_name(&["audit", "retain", "--days", "0"]);
}

#[test]
fn the_audit_log_is_erased_from_only_when_it_is_asked_for_and_by_name() {
    is_done_only_when_asked_for_and_by_name(&["audit", "erase", "--user", "admin"]);
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
    let no = on_a_terminal(&home, "audit retain --days 0", "no\n");
    assert_eq!(no.status.code(), Some(1), "{}", said(&no));
    assert!(said(&no).contains("would drop") && said(&no).contains("nothing was changed"), "{}", said(&no));
    assert_eq!(custody(&home), Vec::<String>::new());
    let yes = on_a_terminal(&home, "audit retain --days 0", "yes\n");
    assert!(yes.status.success() && said(&yes).contains("dropped"), "{}", said(&yes));
    assert_eq!(custody(&home).len(), 1);
}
