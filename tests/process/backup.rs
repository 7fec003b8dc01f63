//! Backup and restore, and how the audit log goes on verifiable behind the gap that a restore leaves.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
    thread,
    time::Duration,
};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

use super::support::{Database, Gateway, Home, PASSWORD, Wire, eventually, run};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn done(home: &Home, arguments: &[&str]) -> String {
    let output = home.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

fn refused(home: &Home, arguments: &[&str], code: i32, words: &str) {
    let output = home.run(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
    assert!(said(&output).contains(words), "{arguments:?}: {}", said(&output));
}

fn checkpoints_in_readyz(gateway: &Gateway) -> String {
    let answer = gateway.send("GET /readyz HTTP/1.1\r\nhost: gateway.test\r\n\r\n");
    assert_eq!(answer.status(), 200, "calls are served all the same: {}", answer.text());
    answer.json()["dependencies"]["checkpoints"].as_str().unwrap().to_owned()
}

fn metric(gateway: &Gateway) -> String {
    let mut wire = Wire::connect(gateway.ops);
    wire.say("GET /metrics HTTP/1.1\r\nhost: ops.test\r\n\r\n");
    let metrics = wire.message().text();
    let line = metrics.lines().find(|line| line.starts_with("tollgate_audit_checkpoints_stand_still "));
    line.unwrap_or_default().rsplit(' ').next().unwrap_or_default().to_owned()
}

/// A home whose store was backed up while a gateway used it, and set back to that after more was recorded.
fn set_back() -> Home {
    let home = Home::new();
    let gateway = home.start();
    let token = gateway.admin();
    gateway.get("/echo/before", &token);
    let told = done(&home, &["backup", "copy.db"]);
    assert!(told.contains("copy.db") && told.contains("master"), "{told}");
    gateway.get("/echo/after", &token);
    assert!(gateway.terminate().success());
    // The last start and stop have each left a checkpoint in data_dir that the copy does not have.
    assert!(home.start().terminate().success());
    done(&home, &["restore", "copy.db", "--yes", "--reason", "a disk broke"]);
    home
}

#[test]
fn a_backup_is_a_store_for_its_owner_only_and_never_takes_the_place_of_a_file() {
    let home = Home::new();
    let gateway = home.start();
    done(&home, &["backup", "copy.db"]);
    let copy = home.path().join("copy.db");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    refused(&home, &["backup", "copy.db"], 2, "copy.db");
    drop(gateway);
    let other = Home::new().env("TOLLGATE__STORE__URL", &format!("sqlite://{}", copy.display()));
    fs::create_dir(other.path().join("data")).unwrap();
    fs::copy(home.path().join("data/master.key"), other.path().join("data/master.key")).unwrap();
    assert!(done(&other, &["ledger", "check"]).contains("the ledger is right"));
    assert_eq!(other.start().try_login("admin", PASSWORD).status(), 200);
}

#[test]
fn a_backup_needs_a_store_and_a_restore_needs_a_backup_and_a_standstill() {
    let home = Home::new();
    refused(&home, &["backup", "copy.db"], 2, "data/tollgate.db");
    assert!(!home.path().join("copy.db").exists() && !home.path().join("data").exists());
    let gateway = home.start();
    done(&home, &["backup", "copy.db"]);
    refused(&home, &["restore", "copy.db", "--yes"], 1, "a gateway runs on this store");
    assert_eq!(gateway.get("/me", &gateway.admin()).status(), 200);
    drop(gateway);
    refused(&home, &["restore", "copy.db"], 2, "--yes");
    assert!(done(&home, &["restore", "copy.db", "--dry-run"]).contains("nothing was changed"));
    refused(&home, &["restore", "nowhere.db", "--yes"], 2, "nowhere.db");
    fs::write(home.path().join("text.db"), "no database").unwrap();
    refused(&home, &["restore", "text.db", "--yes"], 2, "text.db: it is no store of Tollgate, nor any file of SQLite");
}

#[test]
fn a_backup_into_a_folder_that_is_not_there_says_so() {
    let home = Home::new();
    drop(home.start());
    refused(&home, &["backup", "nowhere/copy.db"], 2, "nowhere/copy.db: the folder for the copy is not there");
}

#[test]
fn a_copy_has_its_name_only_when_it_is_whole() {
    let home = Home::new();
    assert!(home.start().terminate().success());
    let (copy, part) = (home.path().join("copy.db"), home.path().join("copy.db.part"));
    let mut shell = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 128; exec \"$0\" backup copy.db --config tollgate.toml";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_tollgate")]).current_dir(home.path());
    let full = run(shell);
    assert_eq!(full.status.code(), Some(1), "{}", said(&full));
    assert!(said(&full).contains("the copy could not be made"), "{}", said(&full));
    assert!(!copy.exists() && !part.exists());
    fs::write(&part, "what an end in the middle has left").unwrap();
    done(&home, &["backup", "copy.db"]);
    assert!(copy.exists() && !part.exists());
    assert!(done(&home, &["restore", "copy.db", "--dry-run"]).contains("nothing was changed"));
}

#[test]
fn a_restore_where_nothing_was_keeps_nothing_and_asks_for_the_master_key() {
    let home = Home::new();
    let gateway = home.start();
    done(&home, &["backup", "copy.db"]);
    assert!(gateway.terminate().success());
    let other = Home::new();
    let copy = home.path().join("copy.db");
    let told = done(&other, &["restore", copy.to_str().unwrap(), "--yes"]);
    assert!(!told.contains("kept") && told.contains("Put the master.key"), "{told}");
    fs::copy(home.path().join("data/master.key"), other.path().join("data/master.key")).unwrap();
    assert_eq!(other.start().try_login("admin", PASSWORD).status(), 200);
}

#[test]
fn a_copy_made_under_another_master_key_is_refused_before_anything_is_replaced() {
    let home = Home::new();
    let gateway = home.start();
    done(&home, &["backup", "copy.db"]);
    assert!(gateway.terminate().success());
    let other = Home::new();
    let gateway = other.start();
    let token = gateway.admin();
    assert!(gateway.terminate().success());
    let copy = home.path().join("copy.db");
    let copy = copy.to_str().unwrap();
    refused(&other, &["restore", copy, "--yes"], 2, "another master key");
    refused(&other, &["restore", copy, "--dry-run"], 2, "another master key");
    let kept = fs::read_dir(other.path().join("data")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!kept.into_iter().any(|name| name.to_str().unwrap().contains(".before-")));
    assert_eq!(other.start().get("/me", &token).status(), 200, "the store is as it was");
    fs::copy(home.path().join("data/master.key"), other.path().join("data/master.key")).unwrap();
    assert!(done(&other, &["restore", copy, "--yes"]).contains("is restored from"));
}

#[test]
fn a_copy_of_a_newer_program_is_told_of_by_a_restore_and_by_a_start() {
    let home = Home::new();
    assert!(home.start().terminate().success());
    done(&home, &["backup", "copy.db"]);
    assert!(!done(&home, &["restore", "copy.db", "--dry-run"]).contains("newer program"));
    let mut copy = SqliteConnection::establish(home.path().join("copy.db").to_str().unwrap()).unwrap();
    copy.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')").unwrap();
    drop(copy);
    for way in ["--dry-run", "--yes"] {
        let told = done(&home, &["restore", "copy.db", way]);
        assert!(told.contains("newer program") && told.contains("migrations 20991231000001"), "{told}");
    }
    let gateway = home.start();
    eventually("the warning", || gateway.log().contains("a newer program has used the store").then_some(()));
}

#[test]
fn with_postgresql_both_say_what_to_run() {
    let database = Database::create();
    let home = database.home();
    refused(&home, &["backup", "copy.db"], 2, "pg_dump");
    refused(&home, &["restore", "copy.db"], 2, "pg_restore");
    assert!(!home.path().join("copy.db").exists());
}

#[test]
fn what_was_there_before_a_restore_is_kept() {
    let home = set_back();
    let kept = fs::read_dir(home.path().join("data")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(kept.into_iter().any(|name| name.to_str().unwrap().starts_with("tollgate.db.before-")));
    let acts = fs::read_to_string(home.path().join("data/acts.jsonl")).unwrap();
    assert!(acts.contains("a disk broke"), "{acts}");
}

#[test]
fn a_store_that_was_set_back_is_told_of_until_it_is_accepted_and_verifiable_from_then_on() {
    let home = set_back();
    refused(&home, &["audit", "verify"], 1, "checkpoint");
    let gateway = home.start();
    assert_eq!((checkpoints_in_readyz(&gateway).as_str(), metric(&gateway).as_str()), ("standing still", "1"));
    assert!(
        gateway.log().contains("stand still") && gateway.log().contains("audit accept-restore"),
        "{}",
        gateway.log()
    );
    refused(&home, &["audit", "accept-restore"], 2, "--reason");
    refused(&home, &["audit", "accept-restore", "--reason", "  "], 2, "--reason");

    let told = done(&home, &["audit", "accept-restore", "--reason", "the disk broke on Sunday"]);
    assert!(told.contains("are lost"), "{told}");
    eventually("checkpoints go on", || (checkpoints_in_readyz(&gateway) == "ok").then_some(()));
    assert_eq!(metric(&gateway), "0");
    gateway.get("/echo/later", &gateway.admin());
    assert!(gateway.terminate().success());
    let verified = done(&home, &["audit", "verify"]);
    assert!(verified.contains("sound: ") && verified.contains("as is on record"), "{verified}");
    let custody = done(&home, &["audit", "export"]);
    assert!(custody.contains("the disk broke on Sunday"), "the gap is on record");
    let again = done(&home, &["audit", "accept-restore", "--reason", "once more"]);
    assert!(again.contains("no further loss"), "{again}");
}

#[test]
fn an_accepted_gap_covers_no_later_loss() {
    let home = set_back();
    done(&home, &["audit", "accept-restore", "--reason", "the disk broke"]);
    thread::sleep(Duration::from_millis(2));
    assert!(home.start().terminate().success());
    assert!(home.start().terminate().success());
    done(&home, &["audit", "verify"]);
    done(&home, &["restore", "copy.db", "--yes"]);
    refused(&home, &["audit", "verify"], 1, "checkpoint");
}
