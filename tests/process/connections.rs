//! No connection lasts for ever: every state that a client can stop in, and every way to stop there. The bounds are short
//! here; a test waits for the end of the connection, however long that takes within the patience of all tests.

use std::{
    io::Write,
    net::Shutdown,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::support::{Gateway, Home, PATIENCE, Stage, Wire, eventually, now, request};

/// Bounds that are over soon. A stop waits for ever, so that what holds it up fails the test.
const SHORT: &str = "[server]\nhead_timeout_s = 1\nkeep_alive_s = 2\nbody_timeout_s = 1\nbody_min_bytes_per_s = 1000\n\
                     unread_body_ms = 500\nunread_body_bytes = 100000\nwrite_timeout_s = 2\nshutdown_timeout_s = 3600\n";

/// How a client goes on after what it has sent.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// It sends nothing more.
    Waits,
    /// It sends this again and again, faster than any pause that is bounded.
    Trickles(&'static str),
    /// It sends this as fast as it is taken.
    Floods(&'static str),
    /// It closes its half.
    HalfCloses,
}

use Then::{Floods, HalfCloses, Trickles, Waits};

/// A state: what is sent, how it goes on, and what is answered before the gateway closes.
type State = (&'static str, String, Then, &'static [u16]);

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: gateway.test\r\n\r\n")
}

fn post(path: &str, lines: &str, token: &str) -> String {
    let head = request("POST", path, token);
    format!("{}content-type: application/json\r\n{lines}\r\n\r\n", head.strip_suffix("\r\n").unwrap())
}

const CHUNKED: &str = "transfer-encoding: chunked";
const LONG: &str = "content-length: 5000000";

/// States that anybody can bring about.
fn heads() -> Vec<State> {
    let half = || "GET /heal".to_owned();
    vec![
        ("nothing", String::new(), Waits, &[]),
        ("empty lines", "\r\n".into(), Trickles("\r\n"), &[408]),
        ("half a request line", half(), Waits, &[408]),
        ("half a request line, trickled", half(), Trickles("x"), &[408]),
        ("half a header", "GET /healthz HTTP/1.1\r\nhost: a\r\nx: ".into(), Waits, &[408]),
        ("headers without an end", "GET /healthz HTTP/1.1\r\n".into(), Trickles("x: y\r\n"), &[408]),
        ("a head without its empty line", "GET /healthz HTTP/1.1\r\nhost: a\r\n".into(), Waits, &[408]),
        ("half a request line, half closed", half(), HalfCloses, &[]),
        ("answered, then nothing", get("/healthz"), Waits, &[200]),
        ("answered, then half closed", get("/healthz"), HalfCloses, &[200]),
        ("answered, then half a request line", get("/healthz") + "GET /heal", Waits, &[200, 408]),
        ("answered, then a trickle", get("/healthz"), Trickles("x"), &[200, 408]),
        (
            "answered twice, then half a header",
            get("/healthz").repeat(2) + "GET / HTTP/1.1\r\nx",
            Waits,
            &[200, 200, 408],
        ),
        ("refused, then nothing", get("/no"), Waits, &[401]),
        ("refused, then a trickle", get("/no"), Trickles("x"), &[401, 408]),
        ("no head at all", "nonsense\r\n\r\n".into(), Waits, &[400]),
        ("no head at all, trickled on", "nonsense\r\n\r\n".into(), Trickles("x"), &[400]),
        ("no head at all, flooded on", "nonsense\r\n\r\n".into(), Floods("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), &[400]),
        ("HTTP/1.0", "GET /healthz HTTP/1.0\r\nhost: a\r\n\r\n".into(), Waits, &[200]),
        ("HTTP/1.0, kept", "GET /healthz HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n".into(), Waits, &[200]),
        (
            "closed by request",
            "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".into(),
            Trickles("x"),
            &[200],
        ),
    ]
}

/// States within a body, with a credential and without.
fn bodies(token: &str) -> Vec<State> {
    let body = |path: &str, lines: &str| post(path, lines, token);
    let chunk = "1\r\nx\r\n";
    vec![
        ("refused: no chunk ever", body("/no", CHUNKED).replace(token, "x"), Waits, &[401]),
        ("refused: chunks trickle", body("/no", CHUNKED).replace(token, "x"), Trickles(chunk), &[401]),
        ("refused: chunks flood", body("/no", CHUNKED).replace(token, "x"), Floods(chunk), &[401]),
        ("refused: no body ever", body("/no", LONG).replace(token, "x"), Waits, &[401]),
        ("refused: the body trickles", body("/no", LONG).replace(token, "x"), Trickles("x"), &[401]),
        ("refused: the body floods", body("/no", LONG).replace(token, "x"), Floods("xxxxxxxxxxxxxxxx"), &[401]),
        ("refused: half closed", body("/no", LONG).replace(token, "x"), HalfCloses, &[401]),
        ("not found: no chunk ever", body("/no", CHUNKED), Waits, &[404]),
        ("GET with a body that does not come", body("/healthz", LONG).replace("POST", "GET"), Waits, &[200]),
        ("GET with chunks that do not come", body("/healthz", CHUNKED).replace("POST", "GET"), Waits, &[200]),
        ("login: no chunk ever", body("/auth/login", CHUNKED), Waits, &[408]),
        ("login: no body ever", body("/auth/login", "content-length: 100"), Waits, &[408]),
        ("login: the body trickles", body("/auth/login", "content-length: 60000"), Trickles("{"), &[408]),
        ("login: half closed", body("/auth/login", "content-length: 100"), HalfCloses, &[400]),
        ("echo: no chunk ever", body("/echo", CHUNKED), Waits, &[408]),
        ("echo: half a chunk", body("/echo", CHUNKED) + "5\r\nhel", Waits, &[408]),
        ("echo: chunks trickle", body("/echo", CHUNKED), Trickles(chunk), &[408]),
        ("echo: a chunk size without end", body("/echo", CHUNKED), Trickles("0"), &[408]),
        ("echo: a chunk extension without end", body("/echo", CHUNKED) + "1;", Trickles("x"), &[408]),
        ("echo: the body trickles", body("/echo", LONG), Trickles("x"), &[408]),
        ("upstream: no chunk ever", body("/up", CHUNKED), Waits, &[408]),
        ("upstream: the body stops", body("/up", LONG) + "some", Waits, &[408]),
        ("upstream: the body trickles", body("/up", LONG), Trickles("x"), &[408]),
        ("expected: no body ever", body("/echo", &format!("expect: 100-continue\r\n{LONG}")), Waits, &[100, 408]),
    ]
}

/// Goes on as the state says until the gateway has closed, and gives the answers up to then.
fn answers(gateway: &Gateway, sent: &str, then: Then) -> Result<Vec<u16>, String> {
    let mut wire = gateway.connect();
    wire.say(sent);
    let writer = wire.stream().try_clone().unwrap();
    writer.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let begun = now();
    let going_on = thread::spawn(move || go_on(&writer, then, begun));
    let mut answers = vec![];
    loop {
        let answer = wire.message();
        if answer.start.is_empty() {
            break;
        }
        if answer.status() >= 400 && answer.header("x-request-id").is_none() {
            return Err(format!("a bare {}", answer.status()));
        }
        answers.push(answer.status());
    }
    wire.stream().shutdown(Shutdown::Both).ok();
    going_on.join().unwrap();
    Ok(answers)
}

fn go_on(mut writer: &std::net::TcpStream, then: Then, begun: Instant) {
    let (bytes, pause) = match then {
        Waits => return,
        HalfCloses => return writer.shutdown(Shutdown::Write).unwrap(),
        Trickles(bytes) => (bytes, Duration::from_millis(20)),
        Floods(bytes) => (bytes, Duration::ZERO),
    };
    while begun.elapsed() < PATIENCE {
        match writer.write_all(bytes.as_bytes()) {
            Ok(()) => thread::sleep(pause),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_closed) => return,
        }
    }
}

/// All states at once, each on a connection of its own.
fn faults(gateway: &Gateway, states: &[State]) -> Vec<String> {
    thread::scope(|scope| {
        let running: Vec<_> = states
            .iter()
            .map(|(name, sent, then, expected)| {
                scope.spawn(move || match answers(gateway, sent, *then) {
                    Ok(statuses) if statuses == *expected => None,
                    other => Some(format!("{name}: {other:?} instead of {expected:?}")),
                })
            })
            .collect();
        running.into_iter().filter_map(|state| state.join().unwrap_or_else(|_| Some("a panic".into()))).collect()
    })
}

#[test]
fn a_connection_ends_in_whatever_head_it_stops() {
    let gateway = Home::forwarding_to(([127, 0, 0, 1], 1).into(), "", SHORT).start();
    let faults = faults(&gateway, &heads());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_connection_ends_in_whatever_body_it_stops() {
    let stage = Stage::with("", SHORT);
    let faults = faults(&stage.gateway, &bodies(&stage.token));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Waits until the gateway has reset a connection that nothing is read from.
fn await_reset(wire: &Wire) {
    eventually("the connection is reset", || wire.stream().take_error().unwrap());
}

#[test]
fn a_client_that_takes_no_answers_is_cut_off() {
    let stage = Stage::with("", SHORT);
    let mut docs = stage.gateway.connect();
    docs.say(get("/docs").repeat(20));
    let (download, mut exchange) = stage.call(stage.get("/up"));
    exchange.wire.stream().set_write_timeout(Some(PATIENCE)).unwrap();
    exchange.wire.say("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
    while exchange.wire.try_say(vec![b'x'; 65_536]) {}
    await_reset(&docs);
    await_reset(&download);
    let metrics = ended(&stage.gateway);
    assert!(metrics.contains("reason=\"unread-answer\"} 2"), "{metrics}");
}

fn ended(gateway: &Gateway) -> String {
    let mut ops = Wire::connect(gateway.ops);
    ops.say("GET /metrics HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n");
    ops.message().text().lines().filter(|line| line.starts_with("tollgate_connections")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_client_that_takes_its_answer_too_slowly_is_cut_off_though_it_never_pauses() {
    let stage = Stage::with("", "[server]\nwrite_timeout_s = 2\nwrite_min_bytes_per_s = 100000000\n");
    let (mut client, mut exchange) = stage.call(stage.get("/up"));
    exchange.wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = [b"100000\r\n".to_vec(), vec![b'x'; 1 << 20], b"\r\n".to_vec()].concat();
    let flood = thread::spawn(move || while exchange.wire.try_say(&chunk) {});
    let begun = now();
    // It takes something at every turn, and the upstream never ends.
    while client.count(256 * 1024) >= 256 * 1024 {
        assert!(begun.elapsed() < PATIENCE, "it was never cut off");
        thread::sleep(Duration::from_millis(20));
    }
    flood.join().unwrap();
    let metrics = ended(&stage.gateway);
    assert!(metrics.contains("reason=\"unread-answer\"} 1"), "{metrics}");
}

#[test]
fn downloads_that_nobody_takes_give_their_places_back() {
    let stage = Stage::with("max_in_flight = 2", SHORT);
    let mut unread = vec![];
    for _ in 0..2 {
        let (client, mut exchange) = stage.call(stage.get("/up"));
        exchange.wire.say("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
        unread.push((client, thread::spawn(move || while exchange.wire.try_say(vec![b'x'; 65_536]) {})));
    }
    stage.gateway.send(stage.get("/up")).assert_problem(503, "temporary-reduced-capacity");
    for (client, upstream) in unread {
        await_reset(&client);
        upstream.join().unwrap();
    }
    let (mut client, mut exchange) = stage.call(stage.get("/up"));
    exchange.answer("room");
    assert_eq!(client.message().text(), "room");
}

#[test]
fn an_answer_under_way_ends_when_its_caller_is_revoked() {
    let stage = Stage::with("", "[server]\nwrite_timeout_s = 3600\n");
    let user = json!({"username": "ann", "password": "a password for ann in this test", "role": "user"});
    let made = stage.gateway.json("POST", "/admin/users", &stage.token, &user).json();
    let token = stage.gateway.login("ann", "a password for ann in this test");
    let read = stage.call(request("GET", "/up/read", &token));
    let unread = stage.call(request("GET", "/up/unread", &token));
    let (mut reader, mut upstream) = read;
    upstream.wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n");
    assert_eq!(reader.head().status(), 200);
    assert_eq!(reader.chunk(), Some(b"one".to_vec()));
    let (silent, mut flooding) = unread;
    flooding.wire.say("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
    let flood = thread::spawn(move || while flooding.wire.try_say(vec![b'x'; 65_536]) {});
    let path = format!("/admin/users/{}", made["id"].as_str().unwrap());
    assert_eq!(stage.gateway.json("PATCH", &path, &stage.token, &json!({"status": "disabled"})).status(), 200);
    assert_eq!(reader.chunk(), None, "the stream is cut");
    assert!(upstream.wire.is_closed());
    await_reset(&silent);
    flood.join().unwrap();
}

#[test]
fn a_connection_of_the_operators_ends_after_its_answer() {
    let gateway = Home::new().start();
    let get = "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";
    let unread = "POST /metrics HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\n";
    for (bytes, status) in [(get.repeat(3), 200), (unread.to_owned(), 405)] {
        let mut ops = Wire::connect(gateway.ops);
        ops.say(&bytes);
        let answer = ops.message();
        assert_eq!(answer.status(), status, "{bytes:?}");
        assert_eq!(answer.all("allow"), if status == 405 { vec!["GET, HEAD"] } else { vec![] }, "{bytes:?}");
        // What was pipelined may be answered too, and then it ends.
        ops.drain();
    }
}

#[test]
fn a_head_within_its_bound_may_come_slowly() {
    let stage = Stage::with("", "[server]\nmax_header_bytes = 4096\n");
    let bare = stage.get("/echo");
    // The fields with their ends.
    let counted = bare.len() - bare.find("\r\n").unwrap() - 4;
    for (bytes, status) in [(4_096, 200), (4_097, 431)] {
        let line = format!("x: {}\r\n", "y".repeat(bytes - counted - "x: \r\n".len()));
        let head = stage.request("GET", "/echo", &line, "");
        let mut client = stage.gateway.connect();
        let (begin, end) = head.split_at(head.len() - 1);
        client.say(begin);
        thread::sleep(Duration::from_millis(400));
        client.try_say(end);
        assert_eq!(client.message().status(), status, "{bytes}");
    }
}

#[test]
fn the_operators_port_answers_head_as_a_get_without_its_body() {
    let gateway = Home::new().start();
    let mut ops = Wire::connect(gateway.ops);
    ops.say("HEAD /metrics HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = ops.head();
    assert_eq!(answer.status(), 200);
    assert!(answer.header("content-type").is_some_and(|media| media.starts_with("text/plain")), "{answer:?}");
    assert!(ops.is_closed(), "a body follows");
}

#[test]
fn no_connection_holds_up_a_stop() {
    let bounds = "[server]\nshutdown_timeout_s = 3600\nhead_timeout_s = 3600\nkeep_alive_s = 3600\nwrite_timeout_s = 3600\n\
                  body_timeout_s = 3600\n";
    let stage = Stage::with("", bounds);
    let states = heads().into_iter().chain(bodies(&stage.token)).filter(|(.., then, _)| matches!(then, Waits));
    let mut open: Vec<Wire> = states
        .map(|(_, sent, ..)| {
            let mut wire = stage.gateway.connect();
            wire.say(sent);
            wire
        })
        .collect();
    let mut docs = stage.gateway.connect();
    docs.say(get("/docs").repeat(20));
    open.push(docs);
    let Stage { gateway, .. } = stage;
    assert!(gateway.terminate().success());
}

#[test]
fn an_address_cannot_have_all_connections() {
    let home = Home::new().config("[server]\nmax_connections_per_address = 3\n");
    let gateway = home.start();
    let mut kept: Vec<Wire> = vec![];
    for _ in 0..3 {
        let mut wire = gateway.connect();
        wire.say(get("/healthz"));
        assert_eq!(wire.message().status(), 200);
        kept.push(wire);
    }
    assert!(gateway.connect().is_closed(), "a fourth one is not taken");
    drop(kept.pop());
    eventually("its place is free again", || {
        let mut wire = gateway.connect();
        (wire.try_say(get("/healthz")) && !wire.is_closed()).then_some(())
    });
    let metrics = ended(&gateway);
    assert!(metrics.contains("reason=\"address\""), "{metrics}");
}

#[test]
fn a_trusted_proxy_may_have_all_connections() {
    let text = "[server]\nmax_connections_per_address = 1\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let gateway = Home::new().config(text).start();
    let wires: Vec<Wire> = (0..4).map(|_| gateway.connect()).collect();
    for mut wire in wires {
        wire.say(get("/healthz"));
        assert_eq!(wire.message().status(), 200);
    }
}
