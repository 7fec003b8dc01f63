//! The first start and the next, and what stops a start.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
    thread,
};

use super::support::{Database, Gateway, Home, MASTER_KEY, PASSWORD, run};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The two commands of the banner, exactly as printed.
fn commands_of(banner: &str) -> String {
    banner.split_inclusive('\n').skip_while(|line| !line.starts_with("    TOKEN=")).collect()
}

fn run_by_sh(script: &str, home: &Home) -> String {
    let mut sh = Command::new("sh");
    sh.args(["-c", script]).env("TOLLGATE_ADMIN_PASSWORD", PASSWORD).current_dir(home.path());
    let output = run(sh);
    assert!(output.status.success(), "{}", error_of(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_first_start_makes_a_private_data_dir_with_a_master_key_and_a_store() {
    let home = Home::bare();
    let _gateway = home.start();
    assert_eq!(mode(&home.path().join("data")), 0o700);
    assert_eq!(mode(&home.path().join("data/master.key")), 0o600);
    assert!(home.database().is_file());
}

#[test]
fn the_banners_two_commands_work_as_printed() {
    let home = Home::bare();
    let gateway = home.start();
    let banner = gateway.output();
    assert!(banner.contains(&format!("http://{}", gateway.address)), "{banner}");
    assert!(banner.contains("user:     admin") && banner.contains("password: "), "{banner}");
    let answer = run_by_sh(&commands_of(&banner), &home);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("\"path\":\"/echo/hello\""), "{answer}");
}

#[test]
fn the_banner_of_a_chosen_password_hides_it_and_works_as_printed_too() {
    let home = Home::bare().env("TOLLGATE_ADMIN_PASSWORD", PASSWORD);
    let gateway = home.start();
    assert!(!gateway.output().contains(PASSWORD) && !gateway.log().contains(PASSWORD));
    let answer = run_by_sh(&commands_of(&gateway.output()), &home);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

/// With a file whose routes lead elsewhere.
#[test]
fn the_banner_names_a_call_that_works_whatever_the_routes_are() {
    let route = |path: &str, matching: &str| {
        format!(
            "[[routes]]\nname = \"a\"\npath = \"{path}\"\nmatch = \"{matching}\"\nmethods = [\"GET\"]\nroles = [\"admin\"]\n\
             upstream = \"builtin:echo\"\n"
        )
    };
    for (config, path) in [
        ("routes = []\n".to_owned(), "/me"),
        (route("/here", "exact"), "/here"),
        (route("/below", "prefix"), "/below/hello"),
        (route("/here", "exact").replace("[\"admin\"]", "[\"user\"]"), "/me"),
    ] {
        let home = Home::bare();
        home.write_config(&config);
        let mut command = home.command(&[]);
        command.arg("--config").arg(home.config_file());
        let gateway = home.spawn_in(command).serving();
        let banner = gateway.output();
        assert!(banner.contains(&format!("{path} -H")), "{banner}");
        let answer = run_by_sh(&commands_of(&banner), &home);
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
}

#[test]
fn no_new_master_key_is_made_for_a_store_that_was_made_with_another() {
    let home = Home::new();
    assert!(home.start().terminate().success());
    let key = home.path().join("data/master.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    for arguments in [&[][..], &["check-config"]] {
        let output = home.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
        assert!(error_of(&output).contains("there is no master.key"), "{}", error_of(&output));
        assert!(!key.exists());
    }
    fs::write(&key, kept).unwrap();
    assert_eq!(home.start().try_login("admin", PASSWORD).status(), 200);
}

#[test]
fn a_made_up_password_is_in_no_log() {
    let home = Home::bare();
    let gateway = home.start();
    let banner = gateway.output();
    let password = banner.split("password: ").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(password.len() >= 15, "{banner}");
    run_by_sh(&commands_of(&banner), &home);
    assert!(!gateway.log().contains(password));
}

#[test]
fn a_second_start_prints_no_password_and_changes_nothing() {
    let home = Home::bare();
    let first = home.start();
    let banner = first.output();
    let key = fs::read(home.path().join("data/master.key")).unwrap();
    let token = run_by_sh(&format!("{}\necho; echo $TOKEN", commands_of(&banner)), &home);
    let token = token.lines().last().unwrap().to_owned();
    assert!(first.terminate().success());

    let second = home.start();
    assert!(!second.output().contains("password"), "{}", second.output());
    assert_eq!(fs::read(home.path().join("data/master.key")).unwrap(), key);
    assert_eq!(second.get("/echo", &token).status(), 200, "a token of before is still good");
    assert_eq!(second.get("/admin/users", &token).json()["items"].as_array().unwrap().len(), 1);
}

#[test]
fn a_password_in_the_environment_of_a_later_start_changes_nothing() {
    let home = Home::new();
    assert!(home.start().terminate().success());
    let home = home.env("TOLLGATE_ADMIN_PASSWORD", "another password altogether");
    let second = home.start();
    assert_eq!(second.try_login("admin", "another password altogether").status(), 401);
    assert_eq!(second.try_login("admin", PASSWORD).status(), 200);
}

#[test]
fn a_second_gateway_on_the_same_data_dir_is_refused() {
    let home = Home::new();
    let first = home.start();
    let second = home.run(&[]);
    assert_eq!(second.status.code(), Some(1));
    assert!(error_of(&second).contains("data") && error_of(&second).contains("another gateway is using it"));
    assert!(second.stdout.is_empty());
    assert_eq!(first.try_login("admin", PASSWORD).status(), 200);
}

#[test]
fn a_gateway_starts_after_one_that_was_killed() {
    let home = Home::new();
    home.start().kill();
    assert_eq!(home.start().try_login("admin", PASSWORD).status(), 200);
}

#[test]
fn a_port_in_use_is_named_and_is_no_mistake_of_the_configuration() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Home::new().env("TOLLGATE__SERVER__PORT", &port).run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", error_of(&output));
    assert!(error_of(&output).contains(&port));
}

/// The made-up password in a banner.
fn password_in(banner: &str) -> String {
    let after = banner.split("password: ").nth(1).unwrap_or_else(|| panic!("no password: {banner}"));
    after.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_first_start_that_finds_a_port_taken_loses_no_password() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for name in ["TOLLGATE__SERVER__PORT", "TOLLGATE__OPS__PORT"] {
        let home = Home::bare();
        let mut command = home.command(&[]);
        command.env(name, &port);
        let output = run(command);
        assert_eq!(output.status.code(), Some(1), "{}", error_of(&output));
        assert!(output.stdout.is_empty(), "{name}");
        let key = if name.contains("OPS") { "ops.port" } else { "server.port" };
        assert!(
            error_of(&output).contains(&format!("{key}: ")) && error_of(&output).contains(name),
            "{}",
            error_of(&output)
        );
        assert!(!home.path().join("data/master.key").exists() && !home.database().exists(), "{name}");
        let gateway = home.start();
        assert_eq!(gateway.try_login("admin", &password_in(&gateway.output())).status(), 200, "{name}");
    }
}

/// Starts of a shell whose standard output nobody sees: full, closed, the null device, and a pipe whose reader is gone.
const UNSEEN: [&str; 4] = [
    "exec \"$0\" > /dev/full",
    "exec \"$0\" >&-",
    "exec \"$0\" > /dev/null",
    "mkfifo pipe; : < pipe & exec > pipe; wait; exec \"$0\"",
];

#[test]
fn a_password_that_nobody_has_seen_is_told_of_at_once_and_by_the_next_start() {
    const MEND: &str = "tollgate admin reset-password admin";
    for script in UNSEEN {
        let home = Home::bare();
        let mut shell = Command::new("sh");
        shell.args(["-c", script, env!("CARGO_BIN_EXE_tollgate")]).current_dir(home.path());
        let unseen = home.spawn_in(shell).serving();
        let log = unseen.log();
        assert!(log.contains("could not be printed") && log.contains(MEND), "{script}: {log}");
        unseen.kill();

        let second = home.start();
        assert!(second.output().contains(MEND) && second.log().contains(MEND), "{script}: {}", second.output());
        assert!(!second.output().contains("password: "));
        let reset = home.run(&["admin", "reset-password", "admin"]);
        let password = password_in(&String::from_utf8_lossy(&reset.stdout));
        assert_eq!(second.try_login("admin", &password).status(), 200);
        second.terminate();
        assert!(!home.start().output().contains(MEND), "{script}: a new password ends the warning");
    }
}

#[test]
fn a_new_password_that_nobody_would_see_is_not_made() {
    let home = Home::new();
    let gateway = home.start();
    let mut shell = Command::new("sh");
    let script = "exec \"$0\" admin reset-password admin --config tollgate.toml >&-";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_tollgate")]).current_dir(home.path());
    let output = run(shell);
    assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
    assert!(error_of(&output).contains("nothing was changed"), "{}", error_of(&output));
    assert_eq!(gateway.try_login("admin", PASSWORD).status(), 200);
}

#[test]
fn a_shown_password_is_not_warned_of() {
    let home = Home::bare();
    home.start().kill();
    let second = home.start();
    assert!(!second.output().contains("reset-password") && !second.log().contains("reset-password"));
}

#[test]
fn the_first_calls_after_a_start_are_served() {
    let home = Home::new();
    let token = home.start().admin();
    for _ in 0..5 {
        let gateway = home.start();
        thread::scope(|scope| {
            let call = || gateway.get("/echo", &token).status();
            let calls: Vec<_> = (0..16).map(|_| scope.spawn(call)).collect();
            let statuses: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
            assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        });
    }
}

#[test]
fn a_weak_first_password_stops_the_start() {
    let output = Home::bare().env("TOLLGATE_ADMIN_PASSWORD", "short").run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(error_of(&output).contains("TOLLGATE_ADMIN_PASSWORD"), "{}", error_of(&output));
}

const ONE_LIMIT: &str = "[[limits]]\nname = \"once\"\nroutes = [\"*\"]\nper = \"user\"\nunit = \"requests\"\n\
                         limit = 1000000\nwindow_s = 1\n";

/// The names of the limits that the store has.
fn limit_names(gateway: &Gateway) -> Vec<String> {
    let limits = gateway.get("/admin/limits", &gateway.admin()).json();
    limits["items"].as_array().unwrap().iter().map(|limit| limit["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_first_start_refused_for_its_password_makes_nothing() {
    let home = Home::bare().env("TOLLGATE_ADMIN_PASSWORD", "short").config(ONE_LIMIT);
    assert_eq!(home.run(&[]).status.code(), Some(2));
    assert!(!home.path().join("data").exists());
}

#[test]
fn a_first_start_refused_for_a_budget_keeps_no_limit_of_its_configuration() {
    let budget = "[[budgets]]\nname = \"own\"\nscope = \"user\"\nlimit_usd = \"1\"\nperiod = \"day\"\n\
                  subject = \"01890a5d-ac96-774b-bcce-b302099a8057\"\n";
    let home = Home::new().config(&format!("{ONE_LIMIT}{budget}"));
    let output = home.run(&[]);
    assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
    assert!(error_of(&output).contains("budgets[0].subject"), "{}", error_of(&output));
    home.rewrite_config("");
    let gateway = home.start();
    assert_eq!(limit_names(&gateway), ["per-user"]);
}

#[test]
fn postgresql_without_a_master_key_stops_the_start() {
    let database = Database::create();
    let home = Home::new().env("TOLLGATE__STORE__URL", &database.url());
    for key in ["", "c2hvcnQ=", "not base64"] {
        let mut command = home.command(&[]);
        command.env("TOLLGATE_MASTER_KEY", key);
        let output = run(command);
        assert_eq!(output.status.code(), Some(2), "{key:?}: {}", error_of(&output));
        assert!(error_of(&output).contains("TOLLGATE_MASTER_KEY"), "{key:?}: {}", error_of(&output));
        assert!(key.is_empty() || !error_of(&output).contains(key), "{}", error_of(&output));
        assert!(output.stdout.is_empty());
    }
    let _gateway = home.env("TOLLGATE_MASTER_KEY", MASTER_KEY).start();
}

#[test]
fn another_master_key_than_the_one_of_before_stops_the_start() {
    let home = Home::new();
    assert!(home.start().terminate().success());
    let home = home.env("TOLLGATE_MASTER_KEY", MASTER_KEY);
    for arguments in [&[][..], &["check-config"]] {
        let output = home.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
        assert!(error_of(&output).contains("is another one than"), "{}", error_of(&output));
    }
}

#[test]
fn a_limit_for_somebody_who_is_not_there_stops_the_first_start_and_says_where() {
    let limit = "[[limits]]\nname = \"own\"\nroutes = [\"*\"]\nper = \"user\"\nunit = \"requests\"\nlimit = 1\nwindow_s = 1\n\
                 subject = \"01890a5d-ac96-774b-bcce-b302099a8057\"\n";
    let output = Home::new().config(limit).run(&[]);
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("limits[1].subject"), "{error}");
}

#[test]
fn a_data_dir_that_takes_no_new_file_stops_no_start() {
    let home = Home::new();
    home.start().terminate();
    // What only saves the next start time cannot be written, as on a full disk.
    fs::create_dir(home.path().join("data/audit-closed.new")).unwrap();
    let gateway = home.start();
    assert_eq!(gateway.get("/me", &gateway.admin()).status(), 200);
}
