//! `kill -9` under load: what a client has seen answered is on record, and the chain holds.
//!
//! In `cargo test` there are a few kills; with `TOLLGATE_CAMPAIGN_SECONDS` set, as `scripts/durability` does, there are a
//! hundred on SQLite and thirty on PostgreSQL.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::support::{Database, Entry, Gateway, Home, PostgresServer, Stage, check_chains, eventually, now, request};

/// How often a gateway is killed, in the short form and in the long one.
fn kills(few: usize, many: usize) -> usize {
    if std::env::var_os("TOLLGATE_CAMPAIGN_SECONDS").is_some() { many } else { few }
}

const CLIENTS: usize = 8;
/// Answers seen before the kill, by all clients together.
const ANSWERS: usize = 300;

/// An answer that was seen: the id of its request, and when.
type Seen = (String, Instant);

/// Calls until the connection dies, and gives the answers that came whole.
fn call_until_cut(gateway: &Gateway, token: &str, seen: &AtomicUsize) -> Vec<Seen> {
    let mut ids = vec![];
    let mut wire = gateway.connect();
    let get = request("GET", "/echo/load", token);
    let head = request("POST", "/echo/load", token);
    let post = format!("{}content-length: 4\r\n\r\nbody", head.strip_suffix("\r\n").unwrap());
    for call in [get, post].iter().cycle() {
        if !wire.try_say(call) {
            break;
        }
        let answer = wire.message();
        if !answer.complete {
            // Its head may have been seen nevertheless.
            ids.extend(answer.header("x-request-id").map(|id| (id.to_owned(), now())));
            break;
        }
        ids.push((answer.request_id(), now()));
        seen.fetch_add(usize::from(answer.status() == 200), Ordering::Relaxed);
    }
    ids
}

/// Kills a gateway that is under load, and gives the ids of all answers that were seen.
fn kill_under_load(gateway: Gateway, token: &str) -> Vec<String> {
    let (seen, _) = kill_after(gateway, token, |answers| answers >= ANSWERS);
    seen.into_iter().map(|(id, _)| id).collect()
}

/// Kills a gateway when so many answers were seen that it is enough. Gives the answers, and the time just before the kill.
fn kill_after(gateway: Gateway, token: &str, is_enough: impl Fn(usize) -> bool) -> (Vec<Seen>, Instant) {
    let seen = AtomicUsize::new(0);
    let killed = thread::scope(|scope| {
        let call = || call_until_cut(&gateway, token, &seen);
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(call)).collect();
        eventually("enough was answered", || is_enough(seen.load(Ordering::Relaxed)).then_some(()));
        let killed_at = now();
        gateway.signal("KILL");
        (clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>(), killed_at)
    });
    gateway.kill();
    killed
}

/// What is buffered is on disk within this time.
const BUFFERED: Duration = Duration::from_secs(1);

fn loses_at_most_the_last_second(home: &Home, kills: usize, entries: impl Fn() -> Vec<Entry>) {
    let mut gateway = home.start();
    let token = gateway.admin();
    for _ in 0..kills {
        let began = now();
        let (seen, killed_at) =
            kill_after(gateway, &token, |answers| answers >= ANSWERS && began.elapsed() > 2 * BUFFERED);
        // What waited in the spool is put into the store by the next start.
        gateway = home.start();
        let entries = entries();
        let (on_record, _) = check_chains(&entries);
        let old: Vec<_> = seen.iter().filter(|(_, at)| *at + BUFFERED <= killed_at).collect();
        let missing: Vec<_> = old.iter().filter(|(id, _)| !on_record.contains(id.as_str())).collect();
        let lost = seen.iter().filter(|(id, _)| !on_record.contains(id.as_str())).count();
        println!(
            "{} answers, {} of them older than a second; {lost} of the last second are lost",
            seen.len(),
            old.len()
        );
        assert!(missing.is_empty(), "{} of {} have no record: {missing:?}", missing.len(), old.len());
        assert!(!old.is_empty());
    }
    gateway.kill();
}

fn buffered(home: Home) -> Home {
    home.env("TOLLGATE__AUDIT__DURABILITY", "buffered")
}

#[test]
fn a_kill_loses_nothing_buffered_that_was_answered_a_second_ago_on_sqlite() {
    let home = buffered(Home::new());
    loses_at_most_the_last_second(&home, kills(3, 30), || Entry::all_in_file(&home.database()));
}

#[test]
fn a_kill_loses_nothing_buffered_that_was_answered_a_second_ago_on_postgresql() {
    let database = Database::create();
    loses_at_most_the_last_second(&buffered(database.home()), kills(2, 10), || Entry::all_in(&database));
}

fn survives_kills(home: &Home, kills: usize, entries: impl Fn() -> Vec<Entry>) {
    let mut token = String::new();
    for round in 0..kills {
        let gateway = home.start();
        if round == 0 {
            token = gateway.admin();
        }
        let ids = kill_under_load(gateway, &token);
        assert!(ids.len() >= ANSWERS);
        // What a store that was late has left in the spool comes into the log with the next start.
        let gateway = home.start();
        let entries = entries();
        let (on_record, chains) = check_chains(&entries);
        assert_eq!(chains, 1);
        let missing: Vec<_> = ids.iter().filter(|id| !on_record.contains(id.as_str())).collect();
        assert!(missing.is_empty(), "{} of {} answers have no record: {missing:?}", missing.len(), ids.len());
        for id in ids.iter().rev().take(10) {
            let record = gateway.record(&token, id);
            assert_eq!(record["path"], "/echo/load", "{record}");
        }
        gateway.kill();
    }
    let distinct: HashSet<_> = entries().into_iter().map(|entry| (entry.chain, entry.seq)).collect();
    assert_eq!(distinct.len(), entries().len());
}

#[test]
fn nothing_answered_is_lost_by_kills_on_sqlite() {
    let home = Home::new();
    survives_kills(&home, kills(5, 100), || Entry::all_in_file(&home.database()));
}

#[test]
fn nothing_answered_is_lost_by_kills_on_postgresql() {
    let database = Database::create();
    survives_kills(&database.home(), kills(2, 30), || Entry::all_in(&database));
}

#[test]
fn nothing_answered_is_lost_by_kills_while_the_store_is_away() {
    let mut server = PostgresServer::start();
    let home = server.home("");
    let mut gateway = home.start();
    let token = gateway.admin();
    for _ in 0..kills(2, 10) {
        server.stop();
        let ids = kill_under_load(gateway, &token);
        server.start_again();
        gateway = home.start();
        let entries = Entry::all_on(&server);
        let (on_record, chains) = check_chains(&entries);
        assert_eq!(chains, 1);
        assert!(ids.iter().all(|id| on_record.contains(id.as_str())));
        let open = open_decisions(&entries);
        assert!(open.is_empty(), "a start left decisions open: {open:?}");
    }
    gateway.kill();
}

/// Where the store is a file, the last of it is in the spool, which a command reads too: no start is needed first.
#[test]
fn after_a_kill_the_command_line_knows_all_that_was_answered_and_calls_it_whole() {
    let home = Home::new();
    let mut token = String::new();
    for round in 0..kills(3, 30) {
        let gateway = home.start();
        if round == 0 {
            token = gateway.admin();
        }
        let ids = kill_under_load(gateway, &token);
        for command in [["audit", "export"], ["audit", "verify"]] {
            let output = home.run(&command);
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
            if command[1] == "export" {
                let lines = String::from_utf8(output.stdout).unwrap();
                let missing: Vec<_> = ids.iter().filter(|id| !lines.contains(id.as_str())).collect();
                assert!(missing.is_empty(), "{} of {} are not in the export: {missing:?}", missing.len(), ids.len());
            }
        }
    }
}

/// A command beside a gateway that serves finds what was answered just before.
#[test]
fn beside_a_running_gateway_the_command_line_knows_what_was_just_answered() {
    let home = Home::new();
    let gateway = home.start();
    let token = gateway.admin();
    for _ in 0..10 {
        let mut wire = gateway.connect();
        wire.say(request("GET", "/echo/load", &token));
        let id = wire.message().request_id();
        let output = home.run(&["audit", "export"]);
        let lines = String::from_utf8(output.stdout).unwrap();
        assert!(lines.contains(&id), "{id} is not in the export");
    }
    gateway.kill();
}

/// The requests that have a decision and no outcome.
fn open_decisions(entries: &[Entry]) -> Vec<&str> {
    let at = |stage: &str| -> HashSet<&str> {
        let stage = format!("\"stage\":\"{stage}\"");
        entries.iter().filter(|entry| entry.json.contains(&stage)).map(|entry| entry.request_id.as_str()).collect()
    };
    at("decision").difference(&at("outcome")).copied().collect()
}

#[test]
fn what_an_upstream_was_asked_to_change_is_on_record_before_it_is_asked() {
    let stage = Stage::new();
    let (_client, exchange) = stage.call(stage.request("POST", "/up/pay", "content-length: 4\r\n", "body"));
    let id = exchange.request.header("x-request-id").unwrap().to_owned();
    let home = stage.kill();
    // The command takes what the spool has into the store.
    let export = String::from_utf8(home.run(&["audit", "export"]).stdout).unwrap();
    assert!(export.contains(&id), "{export}");
    let entries = Entry::all_in_file(&home.database());
    assert!(check_chains(&entries).0.contains(id.as_str()));
    let gateway = home.start();
    let token = gateway.admin();
    let page = gateway.get(&format!("/admin/audit?request_id={id}"), &token).json();
    let record = &page["items"][0];
    assert_eq!((&record["decision"], &record["path"]), (&"allowed".into(), &"/up/pay".into()), "{page}");
    assert_eq!(record["outcome"], "unknown", "nobody knows how it ended: {page}");
}

#[test]
fn a_download_cut_by_a_kill_is_on_record_with_an_unknown_outcome() {
    let stage = Stage::new();
    let (mut client, mut exchange) = stage.call(stage.get("/up/long"));
    exchange.wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n");
    let head = client.head();
    assert_eq!(client.chunk().unwrap(), b"part");
    let home = stage.kill();
    assert_eq!(client.chunk(), None);
    let gateway = home.start();
    let token = gateway.admin();
    let page = gateway.get(&format!("/admin/audit?request_id={}", head.request_id()), &token).json();
    assert_eq!(page["items"][0]["outcome"], "unknown", "{page}");
}
