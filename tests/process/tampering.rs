//! The audit log against whoever owns the database: every kind of tampering is found and named by `tollgate audit verify`,
//! and what is erased or dropped as it should be leaves a log that is sound.

use std::{fs, process::Output};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use tollgate::clock::Clock;

use super::support::{Database, Entry, Gateway, Home, request};

/// Those of SQLite.
const TRIGGERS: [&str; 6] = [
    "entries_refuse_update",
    "entries_refuse_delete",
    "entries_refuse_personal",
    "entries_refuse_change",
    "checkpoints_refuse_update",
    "checkpoints_refuse_delete",
];

/// Who owns the database: runs SQL on it, and reads the log.
struct Owner<'a> {
    home: &'a Home,
    database: Option<&'a Database>,
}

impl Owner<'_> {
    fn sql(&self, sql: &str) {
        if let Some(database) = self.database {
            database.execute(sql);
        } else {
            let mut connection = SqliteConnection::establish(self.home.database().to_str().unwrap()).unwrap();
            connection.batch_execute(sql).unwrap();
        }
    }

    fn entries(&self) -> Vec<Entry> {
        match self.database {
            None => Entry::all_in_file(&self.home.database()),
            Some(database) => Entry::all_in(database),
        }
    }

    /// As an owner can, and nobody else.
    fn drop_triggers(&self) {
        if self.database.is_some() {
            self.sql(
                "ALTER TABLE audit_entries DISABLE TRIGGER ALL; ALTER TABLE audit_checkpoints DISABLE TRIGGER ALL;",
            );
        } else {
            for name in TRIGGERS {
                self.sql(&format!("DROP TRIGGER audit_{name}"));
            }
        }
        self.sql("CREATE TABLE spare_entries AS SELECT * FROM audit_entries");
        self.sql("CREATE TABLE spare_checkpoints AS SELECT * FROM audit_checkpoints");
    }

    /// Everything as it was.
    fn restore(&self) {
        self.sql("DELETE FROM audit_entries; DELETE FROM audit_checkpoints;");
        self.sql("INSERT INTO audit_entries SELECT * FROM spare_entries");
        self.sql("INSERT INTO audit_checkpoints SELECT * FROM spare_checkpoints");
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn assert_sound(home: &Home, arguments: &[&str]) -> String {
    let output = home.run(&[&["audit", "verify"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("sound:"), "{}", text(&output));
    text(&output)
}

#[track_caller]
fn assert_found(home: &Home, arguments: &[&str], words: &[&str]) {
    let output = home.run(&[&["audit", "verify"], arguments].concat());
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {told}");
    assert!(words.iter().all(|word| told.contains(word)), "{words:?}: {told}");
}

fn calls(gateway: &Gateway, token: &str) {
    for n in 0..8 {
        assert_eq!(gateway.get(&format!("/echo/of-eve-{n}"), token).status(), 200);
        let post = request("POST", "/echo/of-eve", token);
        let post = format!("{}content-length: 4\r\n\r\nbody", post.strip_suffix("\r\n").unwrap());
        assert_eq!(gateway.send(post).status(), 200);
    }
}

/// A log of two lives of a gateway, with calls of a user called eve.
fn written(home: &Home) {
    for life in 0..2 {
        let gateway = home.start();
        let admin = gateway.admin();
        if life == 0 {
            let eve = serde_json::json!({ "username": "eve-the-name", "password": "a password for the tests", "role": "user" });
            assert_eq!(gateway.json("POST", "/admin/users", &admin, &eve).status(), 201);
        }
        let token = gateway.login("eve-the-name", "a password for the tests");
        calls(&gateway, &token);
        assert!(gateway.terminate().success());
    }
}

/// What an owner may do, and what the verifier says of it. N is a record of eve's, NEXT the one behind it.
const TAMPERINGS: [(&str, [&str; 2]); 16] = [
    (
        "UPDATE audit_entries SET entry = replace(entry, '\"status\":200', '\"status\":201') WHERE seq = {N}",
        ["record {N}", "changed"],
    ),
    ("UPDATE audit_entries SET status = 201 WHERE seq = {N}", ["record {N}", "column status"]),
    ("UPDATE audit_entries SET user_id = NULL WHERE seq = {N}", ["record {N}", "column user_id"]),
    ("UPDATE audit_entries SET time = time + 1 WHERE seq = {N}", ["record {N}", "column time"]),
    (
        "UPDATE audit_entries SET personal = replace(personal, 'eve', 'ann') WHERE seq = {N}",
        ["record {N}", "personal part is not"],
    ),
    ("UPDATE audit_entries SET personal = NULL WHERE seq = {N}", ["record {N}", "no erasure"]),
    ("DELETE FROM audit_entries WHERE seq = {N}", ["record {N}", "missing"]),
    ("DELETE FROM audit_entries WHERE seq < {N}", ["record 1:", "missing"]),
    ("DELETE FROM audit_entries WHERE seq > 20", ["record 21", "cut off"]),
    (
        "DELETE FROM audit_entries WHERE seq > 20; DELETE FROM audit_checkpoints WHERE seq > 20",
        ["checkpoint", "shipped"],
    ),
    (
        "UPDATE audit_entries SET seq = -1 WHERE seq = {N}; UPDATE audit_entries SET seq = {N} WHERE seq = {NEXT}; \
         UPDATE audit_entries SET seq = {NEXT} WHERE seq = -1",
        ["record {N}", "moved here"],
    ),
    (
        "INSERT INTO audit_entries SELECT chain, (SELECT max(seq) + 1 FROM audit_entries), '01890a5d-ac96-774b-bcce-b302099a8057', \
         request_id, stage, time, user_id, route, decision, status, prev_hash, hash, entry, about, personal, change \
         FROM audit_entries WHERE seq = {N}",
        ["record", "moved here"],
    ),
    ("DELETE FROM audit_checkpoints WHERE number = 2", ["checkpoint 2", "missing"]),
    ("DELETE FROM audit_checkpoints", ["no checkpoint vouches", "chain"]),
    (
        "UPDATE audit_checkpoints SET signature = (SELECT signature FROM spare_checkpoints WHERE number = 1) WHERE number = 2",
        ["checkpoint 2", "signature"],
    ),
    ("UPDATE audit_checkpoints SET seq = seq - 1 WHERE number = 2", ["checkpoint 2", "column seq"]),
];

fn every_kind_of_tampering_is_found(owner: &Owner<'_>) {
    let home = owner.home;
    written(home);
    let told = assert_sound(home, &[]);
    assert!(told.contains("0 records since the last"), "{told}");
    owner.drop_triggers();
    let is_whole =
        |entry: &&Entry| entry.json.contains("\"stage\":\"whole\"") && entry.json.contains("\"route\":\"echo\"");
    let n = owner.entries().iter().find(is_whole).unwrap().seq;
    for (sql, words) in TAMPERINGS {
        let filled = |text: &str| text.replace("{N}", &n.to_string()).replace("{NEXT}", &(n + 1).to_string());
        owner.sql(&filled(sql));
        assert_found(home, &[], &words.map(filled).each_ref().map(String::as_str));
        owner.restore();
    }
    assert_sound(home, &[]);
    assert_found(home, &["--max-age", "0"], &["newest checkpoint is"]);
}

#[test]
fn every_kind_of_tampering_with_sqlite_is_found() {
    let home = Home::new();
    every_kind_of_tampering_is_found(&Owner { home: &home, database: None });
}

#[test]
fn every_kind_of_tampering_with_postgresql_is_found() {
    let database = Database::create();
    let home = database.home();
    every_kind_of_tampering_is_found(&Owner { home: &home, database: Some(&database) });
}

/// What was done, how, and what is said of it; without a file where nothing comes back.
type FileTampering = (&'static str, fn(&str) -> Option<String>, &'static str);

/// What is done to the file of checkpoints in `data_dir`, and what is said of it. A gateway makes one at its start and one
/// at its end, so that after two lives there are four.
const FILE_TAMPERINGS: [FileTampering; 6] = [
    ("emptied", |_| Some(String::new()), "checkpoints 1 to 4 are missing in it (from the first on)"),
    ("deleted", |_| None, "checkpoints 1 to 4 are missing in it (from the first on)"),
    ("its end cut off", |text| Some(without_lines(text, 3..5)), "checkpoints 3 to 4 are missing in it (signed after"),
    ("its last line cut off", |text| Some(without_lines(text, 4..5)), "checkpoint 4 is missing in it"),
    ("a line removed", |text| Some(without_lines(text, 2..3)), "checkpoint 2 is missing in it"),
    (
        "a statement altered",
        |text| Some(text.replacen("\"number\":2,\"seq\":", "\"number\":2,\"seq\":9", 1)),
        "jsonl:3: chain",
    ),
];

fn without_lines(text: &str, gone: std::ops::Range<usize>) -> String {
    text.lines().enumerate().filter(|(at, _)| !gone.contains(at)).map(|(_, line)| line.to_owned() + "\n").collect()
}

#[test]
fn a_file_of_checkpoints_that_was_emptied_shortened_or_altered_is_found() {
    let home = Home::new();
    written(&home);
    assert_sound(&home, &[]);
    let file = home.path().join("data/audit-checkpoints.jsonl");
    let whole = fs::read_to_string(&file).unwrap();
    assert_eq!(whole.lines().count(), 5, "{whole}");
    let copy = home.path().join("copy.jsonl");
    for (done, how, words) in FILE_TAMPERINGS {
        match how(&whole) {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        assert_found(
            &home,
            &[],
            &["the file of checkpoints is not sound", words, "--checkpoints", "The log itself agrees"],
        );
        fs::write(&file, &whole).unwrap();
        assert_sound(&home, &[]);
        // A copy may end anywhere, and that one is there is known of who gives it.
        if let Some(text) = how(&whole).filter(|_| !done.starts_with("its")) {
            fs::write(&copy, text).unwrap();
            assert_found(
                &home,
                &["--checkpoints", copy.to_str().unwrap()],
                &["the file of checkpoints is not sound", "copy.jsonl"],
            );
        }
    }
}

#[test]
fn a_file_of_checkpoints_that_is_newer_than_an_export_is_no_false_alarm() {
    let home = Home::new();
    written(&home);
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (export, keys, checkpoints) = (path("export.jsonl"), path("keys.jsonl"), path("data/audit-checkpoints.jsonl"));
    done(&home, &["export", "--output", &export]);
    fs::write(&keys, done(&home, &["keys"])).unwrap();
    let made_at = Clock::system().now().to_string();
    let with = ["--export", &export, "--keys", &keys, "--checkpoints", &checkpoints];
    let told = assert_sound(&home, &with);
    assert!(!told.contains("beyond"), "{told}");
    let forged = home.run(&["audit", "verify", "--export", &export, "--keys", &export]);
    assert_eq!(forged.status.code(), Some(2), "an export brings the keys of whoever made it");
    written_on(&home);
    for more in [&[][..], &["--made-at", &made_at]] {
        let told = assert_sound(&home, &[&with, more].concat());
        assert!(told.contains("2 shipped checkpoints") && told.contains("beyond the end of this export"), "{told}");
    }
    let now = Clock::system().now().to_string();
    assert_found(&home, &[&with[..], &["--made-at", &now]].concat(), &["checkpoint 5", "gone here"]);
}

#[test]
fn what_was_cut_off_shows_from_a_later_record_on() {
    let home = Home::new();
    let owner = Owner { home: &home, database: None };
    written(&home);
    let told = assert_sound(&home, &["--from", "10"]);
    assert!(told.contains("only records from 10 on") && told.contains("of the log from record 10 on"), "{told}");
    owner.drop_triggers();
    owner.sql("DELETE FROM audit_entries WHERE seq > 20; DELETE FROM audit_checkpoints WHERE seq > 20");
    for from in ["10", "21", "30"] {
        assert_found(&home, &["--from", from], &["checkpoint", "shipped", "gone here"]);
    }
    owner.restore();
    owner.sql("DELETE FROM audit_entries WHERE seq BETWEEN 10 AND 14 AND chain <> 'custody'");
    assert_found(&home, &["--from", "10"], &["record 10", "missing (up to record 14)"]);
    owner.sql(
        "DELETE FROM audit_entries WHERE chain <> 'custody'; DELETE FROM audit_checkpoints WHERE chain <> 'custody'",
    );
    assert_found(&home, &["--from", "5"], &["checkpoint", "gone here"]);
    owner.restore();
    assert_sound(&home, &["--from", "10"]);
}

#[test]
fn an_excerpt_is_held_against_shipped_checkpoints_within_its_bounds() {
    let home = Home::new();
    written(&home);
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (keys, checkpoints) = (path("keys.jsonl"), path("data/audit-checkpoints.jsonl"));
    fs::write(&keys, done(&home, &["keys"])).unwrap();
    let to = Clock::system().now().to_string();
    written_on(&home);
    let (ends, begins, forged) = (path("ends.jsonl"), path("begins.jsonl"), path("forged.jsonl"));
    done(&home, &["export", "--to", &to, "--output", &ends]);
    done(&home, &["export", "--from", &to, "--output", &begins]);
    let now = Clock::system().now().to_string();
    let with = ["--keys", &keys, "--checkpoints", &checkpoints, "--made-at", &now];
    for (export, span) in [(&ends, format!("up to {to}")), (&begins, format!("from {to}"))] {
        let told = assert_sound(&home, &[&["--export", export][..], &with].concat());
        assert!(told.contains("this is an excerpt") && told.contains(&span) && !told.contains("beyond"), "{told}");
    }
    let unbounded = fs::read_to_string(&begins).unwrap().replacen(&format!(",\"bounds\":{{\"from\":\"{to}\"}}"), "", 1);
    fs::write(&forged, unbounded).unwrap();
    assert_found(&home, &[&["--export", &forged][..], &with].concat(), &["not of which span"]);
    let open = fs::read_to_string(&ends).unwrap().replacen("\"to\":", "\"from\":", 1);
    fs::write(&forged, open.replacen(&to, "1970-01-01T00:00:00Z", 1)).unwrap();
    assert_found(&home, &[&["--export", &forged][..], &with].concat(), &["checkpoint", "gone here"]);
}

fn done(home: &Home, arguments: &[&str]) -> String {
    let output = home.run(&[&["audit"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

fn a_person_is_erased_and_old_records_are_dropped(owner: &Owner<'_>) {
    let home = owner.home;
    written(home);
    assert!(everything(owner).contains("eve-the-name") && everything(owner).contains("of-eve"));
    let entries = owner.entries().len();
    done(home, &["erase", "--user", "eve-the-name", "--yes"]);
    assert!(!everything(owner).contains("eve-the-name") && !everything(owner).contains("of-eve"));
    assert!(everything(owner).contains("\"username\":\"admin\""), "the parts of others stay");
    assert!(owner.entries().len() > entries, "nothing else is gone, and the erasure is on record");
    assert_sound(home, &[]);
    verified_elsewhere(home);

    let last = places(owner).into_iter().max().unwrap();
    let told = done(home, &["retain", "--all", "--yes"]);
    assert!(told.contains("dropped"), "{told}");
    assert!(places(owner).is_empty());
    assert_sound(home, &[]);
    written_on(home);
    assert_eq!(places(owner).into_iter().min(), Some(last + 1), "the chain goes on where it was");
    let told = assert_sound(home, &[]);
    let goes_on = |line: &str| line.contains(" 6 checkpoints, 0 records since") && !line.contains("chain custody");
    assert!(told.lines().any(goes_on), "{told}");
    verified_elsewhere(home);
}

/// The places in the gateway's own chain that have entries.
fn places(owner: &Owner<'_>) -> Vec<i64> {
    owner.entries().iter().filter(|entry| entry.chain != "custody").map(|entry| entry.seq).collect()
}

fn written_on(home: &Home) {
    let gateway = home.start();
    let token = gateway.admin();
    calls(&gateway, &token);
    assert!(gateway.terminate().success());
}

fn everything(owner: &Owner<'_>) -> String {
    let home = owner.home;
    let file = home.path().join("everything.jsonl");
    drop(fs::remove_file(&file));
    done(home, &["export", "--output", file.to_str().unwrap()]);
    fs::read_to_string(file).unwrap()
}

/// An export is sound where there is nothing but the export and the keys.
fn verified_elsewhere(home: &Home) {
    let elsewhere = Home::bare();
    let path = |name: &str| elsewhere.path().join(name).to_str().unwrap().to_owned();
    let (export, keys) = (path("export.jsonl"), path("keys.jsonl"));
    done(home, &["export", "--output", &export]);
    fs::write(&keys, done(home, &["keys"])).unwrap();
    assert_sound(&elsewhere, &["--export", &export, "--keys", &keys]);
    assert!(assert_sound(&elsewhere, &["--export", &export]).contains("WARNING"));
    assert!(!elsewhere.path().join("data").exists());
    let events = done(home, &["export", "--format", "ocsf"]);
    assert!(events.lines().all(|event| event.contains("\"class_uid\":6003")), "{events}");
}

#[test]
fn a_person_is_erased_and_old_records_are_dropped_on_sqlite() {
    let home = Home::new();
    a_person_is_erased_and_old_records_are_dropped(&Owner { home: &home, database: None });
}

#[test]
fn a_person_is_erased_and_old_records_are_dropped_on_postgresql() {
    let database = Database::create();
    let home = database.home();
    a_person_is_erased_and_old_records_are_dropped(&Owner { home: &home, database: Some(&database) });
}
