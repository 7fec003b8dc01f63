//! The store is stopped, paused, locked and full, for real and under load: calls go on, nothing hangs, nothing is lost.

use std::{collections::HashSet, fs, thread, time::Duration};

use serde_json::{Value, json};

use super::support::{
    Call, Entry, Gateway, Home, PASSWORD, PostgresServer, Target, Wire, check_chains, database, eventually, request,
    under_load,
};

/// Calls a second.
const RATE: u64 = 200;
/// How long the store is away.
const OUTAGE: Duration = Duration::from_secs(2);
/// The longest a call may take: the store's timeout of half a second, and the rest for a machine with more to do.
const LONGEST_US: u64 = 3_000_000;

const PAID: &str = r#"
[[routes]]
name = "paid"
path = "/paid"
match = "exact"
methods = ["GET"]
roles = ["admin"]
upstream = "builtin:echo"
meter = { fixed_usd = "0.002" }
"#;

/// As small as may be.
const SMALL_SPOOL: &str = "[audit]\nspool_max_bytes = 65536\n";

const FULL: [&str; 2] = [
    "CREATE FUNCTION is_full() RETURNS trigger LANGUAGE plpgsql AS \
     $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$",
    "CREATE TRIGGER is_full BEFORE INSERT ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION is_full()",
];

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let mut wire = Wire::connect(gateway.ops);
    wire.say("GET /metrics HTTP/1.1\r\nhost: ops.test\r\n\r\n");
    let text = wire.message().text();
    let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name}: {text}")).split(' ').nth(1).unwrap().parse().unwrap()
}

fn readiness(gateway: &Gateway) -> (u16, Value) {
    let answer = gateway.send("GET /readyz HTTP/1.1\r\nhost: gateway.test\r\n\r\n");
    (answer.status(), answer.json()["dependencies"].clone())
}

fn dependency(gateway: &Gateway, name: &str) -> String {
    readiness(gateway).1[name].as_str().unwrap().to_owned()
}

/// Calls while `trouble` makes the store fail and mends it again, and checks what became of the calls.
fn survives(server: &mut PostgresServer, what: &str, trouble: impl FnOnce(&mut PostgresServer, &Gateway)) {
    let home = server.home(PAID);
    let gateway = home.start();
    let token = gateway.admin();
    let targets = [Target::new(gateway.address, RATE * 1_000)];
    let (calls, _) = under_load(&targets, &token, |_| {
        thread::sleep(OUTAGE / 4);
        trouble(server, &gateway);
        eventually("the log is in the store again", || (dependency(&gateway, "audit") == "ok").then_some(()));
        thread::sleep(OUTAGE / 4);
    });
    eventually("nothing waits", || (metric(&gateway, "tollgate_audit_backlog") == 0).then_some(()));
    let longest = calls.iter().map(Call::latency).max().unwrap();
    let entries = Entry::all_on(server);
    let (_, chains) = check_chains(&entries);
    let echoes: Vec<_> = entries.iter().filter(|entry| entry.json.contains("\"route\":\"echo\"")).collect();
    let requests: HashSet<_> = echoes.iter().map(|entry| &entry.request_id).collect();
    println!("{what}: {} calls, the longest {} ms, {} records", calls.len(), longest / 1_000, requests.len());
    assert!(
        calls.iter().all(|call| call.status == 200),
        "{:?}",
        calls.iter().find(|call| call.status != 200).unwrap().body
    );
    assert!(longest < LONGEST_US, "a call took {longest} us");
    assert_eq!((requests.len(), echoes.len(), chains), (calls.len(), calls.len(), 1));
    gateway.terminate();
}

/// While the store is away: what is told of it, and what needs it.
fn look_around(gateway: &Gateway, token: &str) {
    eventually("entries are spooled", || (dependency(gateway, "audit") == "spooling").then_some(()));
    let status = eventually("the store is missed", || {
        let (status, dependencies) = readiness(gateway);
        (dependencies["store"] == "unavailable").then_some(status)
    });
    assert_eq!(status, 200);
    assert!(metric(gateway, "tollgate_audit_backlog") > 0);
    let paid = gateway.get("/paid", token);
    assert_eq!(paid.status(), 503, "{}", paid.text());
    assert!(paid.text().contains("ledger-unavailable"), "{}", paid.text());
    // The refusal is told what is left all the same.
    assert!(paid.header("ratelimit").is_some_and(|limits| limits.starts_with("\"per-user\";r=")));
}

#[test]
fn calls_go_on_while_the_store_is_stopped() {
    survives(&mut PostgresServer::start(), "stopped", |server, gateway| {
        let token = gateway.admin();
        server.stop();
        look_around(gateway, &token);
        thread::sleep(OUTAGE);
        server.start_again();
    });
}

#[test]
fn a_credential_that_the_store_could_not_be_asked_about_is_not_called_wrong() {
    let mut server = PostgresServer::start();
    let homes = [server.home(""), server.home("")];
    let (a, b) = (homes[0].start(), homes[1].start());
    let admin = a.admin();
    assert_eq!(b.get("/echo", &admin).status(), 200);
    // What is made meanwhile B has not heard of.
    b.signal("STOP");
    let made = a.json("POST", "/me/api-keys", &admin, &json!({ "name": "k" }));
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let user = json!({ "username": "ada", "password": PASSWORD, "role": "user", "status": "active" });
    assert_eq!(a.json("POST", "/admin/users", &admin, &user).status(), 201);
    let token = a.login("ada", PASSWORD);
    server.stop();
    b.signal("CONT");
    for credential in [&key, &token] {
        assert_eq!(b.get("/echo", credential).status(), 503);
    }
    assert_eq!(b.get("/echo", &admin).status(), 200);
    b.get("/echo", &format!("{}x", key.split_at(key.len() - 1).0)).assert_problem(401, "invalid-token");
    server.start_again();
    for credential in [&key, &token] {
        eventually("the store is asked", || (b.get("/echo", credential).status() == 200).then_some(()));
    }
}

#[test]
fn cut_off_from_the_store_for_too_long_no_credential_is_accepted_until_it_is_back() {
    let mut server = PostgresServer::start();
    let home = server.home("[auth]\nmax_staleness_s = 1\n");
    let gateway = home.start();
    let token = gateway.admin();
    assert_eq!((gateway.get("/echo", &token).status(), dependency(&gateway, "identity")), (200, "ok".into()));
    server.stop();
    eventually("the token is refused", || (gateway.get("/echo", &token).status() == 503).then_some(()));
    let (status, dependencies) = readiness(&gateway);
    assert_eq!((status, &dependencies["identity"]), (503, &json!("unavailable")));
    server.start_again();
    eventually("the token is accepted", || (gateway.get("/echo", &token).status() == 200).then_some(()));
    assert_eq!(dependency(&gateway, "identity"), "ok");
}

#[test]
fn calls_go_on_while_the_store_is_paused() {
    survives(&mut PostgresServer::start(), "paused", |server, gateway| {
        let token = gateway.admin();
        server.signal_all("STOP");
        look_around(gateway, &token);
        thread::sleep(OUTAGE);
        server.signal_all("CONT");
    });
}

#[test]
fn calls_go_on_while_the_log_is_locked() {
    survives(&mut PostgresServer::start(), "locked", |server, gateway| {
        let lock = database::hold(&server.url(), "LOCK TABLE audit_entries IN ACCESS EXCLUSIVE MODE");
        eventually("entries are spooled", || (dependency(gateway, "audit") == "spooling").then_some(()));
        thread::sleep(OUTAGE);
        drop(lock);
    });
}

#[test]
fn calls_go_on_while_the_store_is_full() {
    survives(&mut PostgresServer::start(), "full", |server, gateway| {
        for statement in FULL {
            server.query(statement);
        }
        eventually("entries are spooled", || (dependency(gateway, "audit") == "spooling").then_some(()));
        thread::sleep(OUTAGE);
        server.query("DROP TRIGGER is_full ON audit_entries");
    });
}

/// Calls until one is refused because nothing can be recorded; the ids of the answers before.
fn call_until_refused(gateway: &Gateway, token: &str) -> Vec<String> {
    let (mut wire, mut ids) = (gateway.connect(), vec![]);
    loop {
        wire.say(request("GET", "/echo", token));
        let answer = wire.message();
        if answer.status() != 200 {
            assert!(answer.text().contains("audit-unavailable"), "{}", answer.text());
            return ids;
        }
        ids.push(answer.request_id());
    }
}

#[test]
fn when_the_spool_is_full_too_calls_are_refused_and_readiness_says_why_until_the_store_is_back() {
    let server = PostgresServer::start();
    let home = server.home(SMALL_SPOOL);
    let gateway = home.start();
    let token = gateway.admin();
    server.signal_all("STOP");
    let mut ids = call_until_refused(&gateway, &token);
    assert!(ids.len() > 10);
    let (status, dependencies) = readiness(&gateway);
    assert_eq!((status, &dependencies["audit"]), (503, &"unavailable".into()), "{dependencies}");
    server.signal_all("CONT");
    eventually("it is ready again", || (readiness(&gateway).0 == 200).then_some(()));
    ids.push(gateway.get("/echo", &token).request_id());
    eventually("nothing waits", || (metric(&gateway, "tollgate_audit_backlog") == 0).then_some(()));
    let entries = Entry::all_on(&server);
    let (on_record, _) = check_chains(&entries);
    assert!(ids.iter().all(|id| on_record.contains(id.as_str())));
}

/// The spool lies on the same disk.
#[test]
fn when_the_disk_of_sqlite_is_full_calls_are_refused_until_there_is_room_and_nothing_answered_is_lost() {
    let home = Home::new();
    let gateway = home.start_with_bounds();
    let token = gateway.admin();
    let size = |name: &str| fs::metadata(home.path().join("data").join(name)).map_or(0, |file| file.len());
    gateway.bound_files(Some(size("tollgate.db").max(size("tollgate.db-wal"))));
    let mut ids = call_until_refused(&gateway, &token);
    let (status, dependencies) = readiness(&gateway);
    assert_eq!((status, &dependencies["audit"]), (503, &"unavailable".into()), "{dependencies}");
    gateway.bound_files(None);
    eventually("it is ready again", || (readiness(&gateway).0 == 200).then_some(()));
    ids.push(gateway.get("/echo", &token).request_id());
    eventually("nothing waits", || (metric(&gateway, "tollgate_audit_backlog") == 0).then_some(()));
    let entries = Entry::all_in_file(&home.database());
    let (on_record, _) = check_chains(&entries);
    println!("{} answers until the disk was full", ids.len());
    assert!(ids.iter().all(|id| on_record.contains(id.as_str())));
    gateway.terminate();
}

#[test]
fn what_a_kill_leaves_in_the_spool_is_on_record_before_the_next_gateway_serves() {
    let mut server = PostgresServer::start();
    let home = server.home("");
    let gateway = home.start();
    let token = gateway.admin();
    server.stop();
    let ids: Vec<_> = (0..20).map(|_| gateway.get("/echo", &token).request_id()).collect();
    gateway.kill();
    let refused = home.run(&[]);
    assert!(!refused.status.success(), "a gateway started without its store");
    // What a kill in the middle of an append leaves behind.
    let spool = home.path().join("data/audit-spool");
    let mut files: Vec<_> = fs::read_dir(spool).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let torn = [fs::read(files.last().unwrap()).unwrap(), b"\x40\0\0\0torn".to_vec()].concat();
    fs::write(files.last().unwrap(), torn).unwrap();
    server.start_again();
    let gateway = home.start();
    let entries = Entry::all_on(&server);
    let (on_record, chains) = check_chains(&entries);
    assert_eq!(chains, 1);
    assert!(ids.iter().all(|id| on_record.contains(id.as_str())));
    gateway.kill();
}
