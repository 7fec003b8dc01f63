//! The subcommands, and how a mistake in the configuration is told.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;

use super::support::{Database, Home, PASSWORD, run, within};

/// How long a change in the store may go unnoticed.
const A_SECOND: Duration = Duration::from_secs(1);

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What is wrong with a refusal: its status, or something it does not name, or something it made.
fn fault_in_refusal(output: &Output, home: &Path, names: &[&str]) -> Option<String> {
    let error = text(&output.stderr);
    let missing = names.iter().find(|name| !error.contains(**name));
    let is_clean = output.stdout.is_empty() && !home.join("data").exists();
    if output.status.code() == Some(2) && missing.is_none() && is_clean {
        return None;
    }
    Some(format!("{names:?}: {}, nothing made: {is_clean}, said: {error}", output.status))
}

fn assert_refused(output: &Output, home: &Path, names: &[&str]) {
    assert_eq!(fault_in_refusal(output, home, names), None);
}

/// The gateway is not even started where the check found no fault.
fn fault_in_refusing_file(file: &str, names: [&str; 2]) -> Option<String> {
    let home = Home::new();
    home.write_config(file);
    let names = ["tollgate.toml", names[0], names[1]];
    let refusal = |arguments: &[&str]| fault_in_refusal(&home.run(arguments), home.path(), &names);
    refusal(&["check-config"]).or_else(|| refusal(&[]))
}

#[test]
fn a_mistake_in_the_configuration_stops_the_start_with_file_key_and_reason() {
    let mistakes = [
        ("[server]\nprot = 1", ["server.prot", "unknown"]),
        ("[server]\nworkers = 70000", ["server.workers", "70000"]),
        ("[server]\nkeep_alive_s = \"long\"", ["server.keep_alive_s", "string"]),
        ("[server]\nmax_body_bytes = 1", ["server.max_body_bytes", "must be from"]),
        ("[server\nport = 1", ["line 1", "]"]),
        ("[sever]\nport = 1", ["sever", "unknown"]),
        ("[edge]\nburst = 0", ["edge.burst", "must be"]),
        ("[log]\nlevel = \"tollgate=loud\"", ["log.level", "is no level"]),
        ("[store]\nurl = \"mysql://h/d\"", ["store.url", "must begin with"]),
        ("[[upstreams]]\nname = \"a\"\nurl = \"h\"", ["upstreams[0].url", "http"]),
        (
            "[[upstreams]]\nname = \"a\"\nurl = \"http://h\"\nsecret_env = \"NO_SUCH_SECRET\"",
            ["upstreams[0].secret_env", "NO_SUCH_SECRET"],
        ),
        (
            "[[upstreams]]\nname = \"a\"\nurl = \"http://h\"\nsecret_file = \"/no/such\"",
            ["upstreams[0].secret_file", "/no/such"],
        ),
    ];
    let faults: Vec<_> = mistakes.into_iter().filter_map(|(file, names)| fault_in_refusing_file(file, names)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_configuration_file_that_is_missing_stops_the_start() {
    let home = Home::bare();
    let output = home.run(&["--config", "nowhere.toml"]);
    assert_refused(&output, home.path(), &["nowhere.toml", "cannot be read"]);
}

#[test]
fn a_bad_variable_stops_the_start_and_is_named() {
    for (name, value) in [
        ("TOLLGATE__SERVER__PORT", "eighty"),
        ("TOLLGATE__SERVER__PROT", "1"),
        ("TOLLGATE__SEVER__PORT", "1"),
        ("TOLLGATE__EDGE__BURST", "-1"),
        ("TOLLGATE__DOCS__PUBLIC", "perhaps"),
    ] {
        let home = Home::bare().env(name, value);
        assert_refused(&home.run(&[]), home.path(), &[name]);
    }
}

#[test]
fn an_unknown_argument_is_refused() {
    let home = Home::bare();
    for arguments in [["--prot"].as_slice(), &["sever"], &["migrate", "--all"], &["admin", "create-user"]] {
        let output = home.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!home.path().join("data").exists());
    }
}

#[test]
fn check_config_says_what_is_valid_and_opens_nothing() {
    let home = Home::new();
    let output = home.run(&["check-config"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("valid"));
    assert!(!home.path().join("data").exists());
}

#[test]
fn openapi_prints_the_document_that_is_served() {
    let home = Home::new();
    let gateway = home.start();
    let printed: Value = serde_json::from_slice(&home.run(&["openapi"]).stdout).unwrap();
    let served = gateway.send("GET /openapi.json HTTP/1.1\r\nhost: gateway.test\r\n\r\n").json();
    assert_eq!(printed, served);
    assert!(printed["paths"]["/auth/login"].is_object());
}

/// The word before each name that `migrate` printed, and how many there were.
fn migrate(home: &Home, arguments: &[&str]) -> (String, usize) {
    let output = home.run(&[&["migrate"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let verb = printed.split(':').next().unwrap().to_owned();
    assert!(printed.lines().all(|line| line.starts_with(&verb)), "{printed}");
    (verb, printed.lines().filter(|line| !line.ends_with(": nothing")).count())
}

fn migrations_go_up_and_down(home: &Home) {
    let (verb, all) = migrate(home, &["--pending"]);
    assert!(verb == "pending" && all > 0);
    assert_eq!(migrate(home, &[]), ("applied".into(), all));
    assert_eq!(migrate(home, &[]), ("applied".into(), 0));
    assert_eq!(migrate(home, &["--pending"]), ("pending".into(), 0));
    assert_eq!(migrate(home, &["--revert-all", "--yes"]), ("reverted".into(), all));
    assert_eq!(migrate(home, &["--revert-all", "--yes"]), ("reverted".into(), 0));
    assert_eq!(migrate(home, &["--pending"]), ("pending".into(), all));
    assert_eq!(migrate(home, &[]), ("applied".into(), all));
    assert_eq!(home.start().try_login("admin", PASSWORD).status(), 200);
}

#[test]
fn migrate_brings_sqlite_up_and_down() {
    migrations_go_up_and_down(&Home::new());
}

#[test]
fn migrate_brings_postgresql_up_and_down() {
    migrations_go_up_and_down(&Database::create().home());
}

fn with_password(home: &Home, arguments: &[&str], password: &str) -> Output {
    let mut command = home.command(arguments);
    command.env("TOLLGATE_PASSWORD", password);
    run(command)
}

fn users_are_managed_beside_a_running_gateway(home: &Home) {
    let gateway = home.start();
    let admin = |arguments: &[&str], password: &str| {
        let output = with_password(home, arguments, password);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        assert!(!text(&output.stdout).contains(password));
    };
    let logs_in = |password: &str| {
        within(A_SECOND, "the user can log in", || {
            let answer = gateway.try_login("ada", password);
            (answer.status() == 200).then(|| answer.json()["access_token"].as_str().unwrap().to_owned())
        })
    };
    admin(&["admin", "create-user", "ada", "--role", "auditor"], "the first long password");
    let token = logs_in("the first long password");
    assert_eq!(gateway.get("/me", &token).json()["role"], "auditor");

    admin(&["admin", "reset-password", "ada"], "the second long password");
    within(A_SECOND, "the old session is dead", || (gateway.get("/me", &token).status() == 401).then_some(()));
    assert_eq!(gateway.try_login("ada", "the first long password").status(), 401);
    assert_eq!(gateway.get("/me", &logs_in("the second long password")).status(), 200);
}

#[test]
fn users_are_managed_beside_a_gateway_on_sqlite() {
    users_are_managed_beside_a_running_gateway(&Home::new());
}

#[test]
fn users_are_managed_beside_a_gateway_on_postgresql() {
    users_are_managed_beside_a_running_gateway(&Database::create().home());
}

#[test]
fn a_made_up_password_is_printed_once_and_works() {
    let home = Home::new();
    migrate(&home, &[]);
    let output = home.run(&["admin", "create-user", "ada"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let password = printed.split("password: ").nth(1).unwrap().trim();
    assert_eq!(home.start().try_login("ada", password).status(), 200);
}

#[test]
fn a_user_that_exists_is_not_created_and_one_that_does_not_is_not_reset() {
    let home = Home::new();
    migrate(&home, &[]);
    assert!(home.run(&["admin", "create-user", "ada"]).status.success());
    assert!(home.run(&["admin", "create-user", "root", "--role", "admin"]).status.success());
    let missing = "no user bob; administrators are root\n";
    for (arguments, names) in [(["create-user", "ada"], "already"), (["reset-password", "bob"], missing)] {
        let output = home.run(&[&["admin"], arguments.as_slice()].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(names), "{}", text(&output.stderr));
    }
    let weak = with_password(&home, &["admin", "create-user", "eve"], "short");
    assert_eq!(weak.status.code(), Some(2));
    assert!(fs::exists(home.database()).unwrap());
}

#[test]
fn output_that_cannot_be_written_is_a_failure_and_a_reader_that_has_gone_is_none() {
    let home = Home::new();
    let of_shell = |script: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, env!("CARGO_BIN_EXE_tollgate")]).current_dir(home.path());
        run(shell)
    };
    let gateway = home.start();
    gateway.admin();
    assert!(gateway.terminate().success());
    for command in ["openapi", "audit tail", "audit export"] {
        let full = of_shell(&format!("exec \"$0\" {command} > /dev/full"));
        assert_eq!(full.status.code(), Some(1), "a disk that is full: {command}");
        assert!(!full.stderr.is_empty(), "{command}");
    }
    let unread = of_shell("mkfifo pipe; : < pipe & exec > pipe; wait; exec \"$0\" openapi");
    assert_eq!((unread.status.code(), text(&unread.stderr)), (Some(0), String::new()));
}
