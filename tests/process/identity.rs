//! Tokens, keys and sessions over kills, restarts and two replicas on one PostgreSQL.

use std::{
    collections::HashSet,
    process::Command,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::support::{Database, Gateway, Home, MASTER_KEY, Message, PASSWORD, PATIENCE, eventually, within};

const ROTATIONS: usize = 10;
const KILLS: u64 = 12;
const A_SECOND: Duration = Duration::from_secs(1);
const OTHER_MASTER_KEY: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
const REDIS: &str = "TOLLGATE_TEST_REDIS";

fn kid(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

fn text_of(answer: &Message, field: &str) -> String {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()[field].as_str().unwrap().to_owned()
}

fn refresh_bytes(token: &str) -> String {
    let body = json!({ "refresh_token": token }).to_string();
    let length = body.len();
    format!(
        "POST /auth/refresh HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

fn published(gateway: &Gateway) -> usize {
    let jwks = gateway.send("GET /.well-known/jwks.json HTTP/1.1\r\nhost: gateway.test\r\n\r\n").json();
    jwks["keys"].as_array().unwrap().len()
}

/// Ten rotations while callers use their tokens on either replica and refresh them on the other: not one 401.
#[test]
fn ten_rotations_under_load_refuse_nobody() {
    let database = Database::create();
    let homes = [0, 1].map(|_| database.home().env("TOLLGATE__AUTH__KEY_LEAD_S", "1"));
    let replicas = homes.each_ref().map(Home::start);
    let (calls, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (told, signed_by) = mpsc::channel();
    let call = |n: usize, told: mpsc::Sender<String>| {
        let login = replicas[n % 2].try_login("admin", PASSWORD);
        let (mut token, mut refresh) = (text_of(&login, "access_token"), text_of(&login, "refresh_token"));
        while !done.load(Ordering::Relaxed) {
            drop(told.send(kid(&token)));
            for replica in &replicas {
                let answer = replica.get("/echo", &token);
                assert_eq!(answer.status(), 200, "{}", answer.text());
                calls.fetch_add(1, Ordering::Relaxed);
            }
            let next = replicas[(n + 1) % 2].send(refresh_bytes(&refresh));
            (token, refresh) = (text_of(&next, "access_token"), text_of(&next, "refresh_token"));
        }
    };
    let admin = replicas[0].admin();
    thread::scope(|scope| {
        for n in 0..4 {
            let (call, told) = (&call, told.clone());
            scope.spawn(move || call(n, told));
        }
        let mut seen = HashSet::new();
        for rotation in 0..ROTATIONS {
            let answer = replicas[rotation % 2].json("POST", "/admin/signing-keys/rotate", &admin, &json!({}));
            assert_eq!(answer.status(), 201, "{}", answer.text());
            while seen.len() < rotation + 2 {
                seen.insert(signed_by.recv_timeout(PATIENCE).expect("tokens of the new key"));
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{ROTATIONS} rotations, {} calls, no 401", calls.load(Ordering::Relaxed));
}

#[test]
fn a_key_rotated_by_command_is_read_by_every_replica() {
    let database = Database::create();
    let homes = [database.home(), database.home()];
    let replicas = homes.each_ref().map(Home::start);
    let old = replicas[0].admin();
    let output = homes[0].run(&["keys", "rotate"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    let new = told.split(' ').next().unwrap();
    for replica in &replicas {
        eventually("the new key is published", || (published(replica) == 2).then_some(()));
    }
    for (replica, other) in [(&replicas[0], &replicas[1]), (&replicas[1], &replicas[0])] {
        let token = eventually("the new key signs", || Some(replica.admin()).filter(|token| kid(token) == new));
        assert_eq!(other.get("/echo", &token).status(), 200);
        assert_eq!(other.get("/echo", &old).status(), 200);
    }
}

/// The client cannot know whether its refresh was done; asking again with the same token must always help.
#[test]
fn a_refresh_cut_by_a_kill_can_be_asked_for_again() {
    let home = Home::new().env("TOLLGATE__AUTH__REFRESH_GRACE_S", "120");
    let mut gateway = home.start();
    let mut refresh = text_of(&gateway.try_login("admin", PASSWORD), "refresh_token");
    for round in 0..KILLS {
        let mut wire = gateway.connect();
        wire.say(refresh_bytes(&refresh));
        thread::sleep(Duration::from_micros(round * 500));
        gateway.kill();
        gateway = home.start();
        let again = gateway.send(refresh_bytes(&refresh));
        assert_eq!(gateway.get("/echo", &text_of(&again, "access_token")).status(), 200);
        refresh = text_of(&again, "refresh_token");
    }
}

/// Revocations live in the store: neither a restart nor an empty Redis forgets one.
#[test]
fn a_revocation_outlives_a_restart_and_an_empty_redis() {
    let server = std::env::var(REDIS).unwrap_or_else(|_| panic!("{REDIS} is not set; scripts/test sets it"));
    // A database of this test's own, which it may flush.
    let redis = format!("{server}/9");
    let database = Database::create();
    let homes = [0, 1].map(|_| database.home().env("TOLLGATE__REDIS__URL", &redis));
    let [one, two] = homes.each_ref().map(Home::start);
    let login = one.try_login("admin", PASSWORD);
    let (token, refresh) = (text_of(&login, "access_token"), text_of(&login, "refresh_token"));
    assert_eq!(two.get("/echo", &token).status(), 200);
    assert_eq!(one.json("POST", "/auth/logout", &token, &json!({})).status(), 204);
    let refused = |gateway: &Gateway| Some(gateway.get("/echo", &token)).filter(|answer| answer.status() == 401);
    within(A_SECOND, "the other replica refuses", || refused(&two)).assert_problem(401, "revoked-token");
    let flushed = Command::new("redis-cli").args(["-u", &redis, "FLUSHDB"]).output().unwrap();
    assert!(flushed.status.success());
    for gateway in [&one, &two] {
        gateway.get("/echo", &token).assert_problem(401, "revoked-token");
    }
    one.kill();
    let again = homes[0].start();
    again.get("/echo", &token).assert_problem(401, "revoked-token");
    again.send(refresh_bytes(&refresh)).assert_problem(401, "invalid-token");
}

#[test]
fn the_master_key_in_a_file_is_changed_while_the_gateway_is_down() {
    let home = Home::new().env("TOLLGATE_NEW_MASTER_KEY", OTHER_MASTER_KEY);
    let gateway = home.start();
    let login = gateway.try_login("admin", PASSWORD);
    let (token, refresh) = (text_of(&login, "access_token"), text_of(&login, "refresh_token"));
    let in_use = home.run(&["keys", "change-master-key"]);
    assert_eq!(in_use.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&in_use.stderr).contains("another gateway is using it"));
    assert!(gateway.terminate().success());
    // A second run, as after a kill of the first, does no harm.
    for _ in 0..2 {
        let output = home.run(&["keys", "change-master-key"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("sealed with the new master key"));
    }
    assert_eq!(std::fs::read_to_string(home.path().join("data/master.key")).unwrap(), OTHER_MASTER_KEY);
    let gateway = home.start();
    assert_eq!(gateway.get("/echo", &token).status(), 200);
    text_of(&gateway.send(refresh_bytes(&refresh)), "access_token");
}

/// The state that a kill between the store's commit and the file's rename leaves: the new key is nowhere but in the file
/// beside, which a run with yet another key must not write over.
#[test]
fn a_change_of_the_master_key_that_was_cut_short_loses_no_key() {
    let home = Home::new().env("TOLLGATE_NEW_MASTER_KEY", OTHER_MASTER_KEY);
    let gateway = home.start();
    let token = gateway.admin();
    assert!(gateway.terminate().success());
    let (file, beside) = (home.path().join("data/master.key"), home.path().join("data/master.key.new"));
    let before = std::fs::read(&file).unwrap();
    assert!(home.run(&["keys", "change-master-key"]).status.success());
    std::fs::rename(&file, &beside).unwrap();
    std::fs::write(&file, before).unwrap();
    let home = home.env("TOLLGATE_NEW_MASTER_KEY", MASTER_KEY);
    let output = home.run(&["keys", "change-master-key"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && said.contains("master.key.new") && !said.contains(OTHER_MASTER_KEY),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(&beside).unwrap(), OTHER_MASTER_KEY);
    let home = home.env("TOLLGATE_NEW_MASTER_KEY", OTHER_MASTER_KEY);
    assert!(home.run(&["keys", "change-master-key"]).status.success());
    assert_eq!(home.start().get("/echo", &token).status(), 200);
}

#[test]
fn the_master_key_of_a_shared_store_is_changed_by_command() {
    let database = Database::create();
    let home = database.home().env("TOLLGATE_NEW_MASTER_KEY", OTHER_MASTER_KEY);
    let gateway = home.start();
    let token = gateway.admin();
    assert!(gateway.terminate().success());
    let output = home.run(&["keys", "change-master-key"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!home.path().join("data/master.key").exists());
    let stale = home.run(&[]);
    assert_eq!(stale.status.code(), Some(1));
    let said = String::from_utf8_lossy(&stale.stderr).into_owned();
    assert!(said.contains("TOLLGATE_MASTER_KEY") && !said.contains(MASTER_KEY), "{said}");
    let home = home.env("TOLLGATE_MASTER_KEY", OTHER_MASTER_KEY);
    assert_eq!(home.start().get("/echo", &token).status(), 200);
}

#[test]
fn a_wrong_new_master_key_changes_nothing() {
    let home = Home::new();
    let gateway = home.start();
    let token = gateway.admin();
    assert!(gateway.terminate().success());
    let unset = home.run(&["keys", "change-master-key"]);
    assert_eq!(unset.status.code(), Some(2));
    let home = home.env("TOLLGATE_NEW_MASTER_KEY", "short");
    let short = home.run(&["keys", "change-master-key"]);
    assert_eq!(short.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&short.stderr).contains("TOLLGATE_NEW_MASTER_KEY"));
    assert_eq!(home.start().get("/echo", &token).status(), 200);
}

#[test]
fn a_short_secret_of_hs256_stops_the_start() {
    for (secret, said) in [("", "is not set"), ("31-bytes-are-one-too-few-for-it", "31 bytes")] {
        let home = Home::new().env("TOLLGATE__AUTH__ALGORITHM", "HS256").env("TOLLGATE__AUTH__HMAC_SECRET", secret);
        for arguments in [&["check-config"][..], &[]] {
            let output = home.run(arguments);
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{error}");
            assert!(error.contains("auth.hmac_secret") && error.contains(said), "{error}");
            assert!(secret.is_empty() || !error.contains(secret), "{error}");
        }
        assert!(!home.path().join("data").exists());
    }
}
