//! An upstream that closes a kept connection at the moment when the next request goes out on it: a call that may be sent twice is
//! sent once more over a new one, also on a route with one target; any other fails.

use std::time::Duration;

use serde_json::json;
use socket2::SockRef;

use super::{
    failover::{PATIENT, Row, tried},
    support::{Exchange, Stage, Wire, request},
};

const ROUTE: &str = "[[routes]]\nname = \"any\"\npath = \"/any\"\nmatch = \"prefix\"\n\
                     methods = [\"GET\", \"HEAD\", \"POST\", \"PUT\", \"PATCH\", \"DELETE\", \"OPTIONS\", \"PROPFIND\", \"MKCOL\", \"LOCK\", \"PURGE\"]\nroles = [\"admin\"]\n\
                     upstream = \"raw\"\n[[routes]]\nname = \"model\"\npath = \"/model\"\nmatch = \"exact\"\nmethods = [\"POST\"]\n\
                     roles = [\"admin\"]\nupstream = \"raw\"\nmeter = \"openai-chat\"\n";

/// One worker, so that there is one kept connection, and a breaker that opens at the first failure.
fn stage() -> Stage {
    Stage::with("breaker = { failures = 1, open_s = 600 }", &format!("[server]\nworkers = 1\n{ROUTE}"))
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CHAT: &str = r#"{"model":"demo","max_tokens":10,"messages":[{"role":"user","content":"How long?"}]}"#;

#[derive(Debug, Clone, Copy)]
enum End {
    Closes,
    Resets,
}

impl End {
    fn happen(self, wire: Wire) {
        if matches!(self, Self::Resets) {
            SockRef::from(wire.stream()).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
}

/// A connection that has served a call.
fn kept(stage: &Stage) -> Wire {
    let (mut client, Exchange { mut wire, .. }) = stage.call(stage.get("/any"));
    wire.say(OK);
    assert_eq!(client.message().status(), 200);
    wire
}

fn with_body(stage: &Stage, method: &str, path: &str, body: &str) -> String {
    let lines = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    stage.request(method, path, if body.is_empty() { "" } else { &lines }, body)
}

#[test]
fn what_may_be_sent_twice_goes_out_again_over_a_new_connection() {
    let stage = stage();
    let mega = "x".repeat(1 << 20);
    for (method, path, body) in [
        ("GET", "/any", ""),
        ("HEAD", "/any", ""),
        ("OPTIONS", "/any", ""),
        ("DELETE", "/any", ""),
        ("DELETE", "/any", "{\"which\":1}"),
        ("PUT", "/any", ""),
        ("PUT", "/any", "{\"all\":1}"),
        ("PUT", "/any", &mega),
        ("PROPFIND", "/any", "{\"depth\":1}"),
        ("MKCOL", "/any", ""),
        ("POST", "/model", CHAT),
    ] {
        for end in [End::Closes, End::Resets] {
            let mut old = kept(&stage);
            let mut client = stage.gateway.connect();
            client.say(with_body(&stage, method, path, body));
            let first = old.message();
            assert_eq!((first.text().as_str() == body, first.start.split(' ').next()), (true, Some(method)));
            end.happen(old);
            let Exchange { mut wire, request } = stage.upstream.exchange();
            assert!(request.text() == body && request.start == first.start, "{method} {path} {end:?}");
            assert_eq!(request.headers, first.headers, "{method}");
            wire.say("HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            let answer = client.head();
            assert_eq!(answer.status(), 404, "{method} {path} {end:?}");
            let record = stage.record(&answer.request_id());
            assert_eq!(tried(&record), [("raw".into(), json!("stale")), ("raw".into(), json!(404))], "{record}");
            assert_eq!((&record["decision"], &record["upstream_status"]), (&json!("allowed"), &json!(404)));
        }
    }
}

#[test]
fn it_is_sent_no_third_time() {
    let stage = stage();
    let mut old = kept(&stage);
    let mut client = stage.gateway.connect();
    client.say(stage.get("/any"));
    old.message();
    drop(old);
    drop(stage.upstream.exchange());
    let answer = client.message();
    answer.assert_problem(502, "upstream-failed");
    let record = stage.record(&answer.request_id());
    assert_eq!(tried(&record), [("raw".into(), json!("stale")), ("raw".into(), json!("closed"))]);
    // The second did count.
    stage.gateway.send(stage.get("/any")).assert_problem(503, "temporary-reduced-capacity");
    assert!(stage.upstream.try_accept().is_none());
}

#[test]
fn what_may_not_be_sent_twice_fails() {
    for (method, body) in
        [("POST", "{\"pay\":1}"), ("POST", ""), ("PATCH", "{\"add\":1}"), ("LOCK", "{\"owner\":1}"), ("PURGE", "")]
    {
        for end in [End::Closes, End::Resets] {
            let stage = stage();
            let mut old = kept(&stage);
            let mut client = stage.gateway.connect();
            client.say(with_body(&stage, method, "/any", body));
            assert_eq!(old.message().text(), body);
            end.happen(old);
            client.message().assert_problem(502, "upstream-failed");
            assert!(stage.upstream.try_accept().is_none(), "{method} was sent twice");
        }
    }
}

#[test]
fn a_body_that_is_too_long_to_be_kept_is_sent_once() {
    let stage = stage();
    let mut old = kept(&stage);
    let mut client = stage.gateway.connect();
    let body = "x".repeat((1 << 20) + 1);
    client.say(with_body(&stage, "PUT", "/any", &body));
    assert_eq!(old.message().body.len(), body.len());
    drop(old);
    client.message().assert_problem(502, "upstream-failed");
    assert!(stage.upstream.try_accept().is_none());
}

#[test]
fn an_answer_that_has_begun_is_no_reason_to_ask_again() {
    for begun in ["H", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-le"] {
        let stage = stage();
        let mut old = kept(&stage);
        let mut client = stage.gateway.connect();
        client.say(stage.get("/any"));
        old.message();
        old.say(begun);
        drop(old);
        client.message().assert_problem(502, "upstream-failed");
        assert!(stage.upstream.try_accept().is_none(), "{begun:?}");
    }
}

#[test]
fn with_several_targets_the_same_one_is_asked_again_first() {
    let row = Row::start(PATIENT, "");
    let mut client = row.call("GET", "");
    let Exchange { mut wire, .. } = row.upstreams[0].exchange();
    wire.say(OK);
    assert_eq!(client.message().status(), 200);
    let mut client = row.call("GET", "");
    wire.message();
    drop(wire);
    row.answer(0, "503 Service Unavailable", "first");
    row.answer(1, "200 OK", "served");
    let answer = client.message();
    assert_eq!(answer.text(), "served");
    let expected = [("a".into(), json!("stale")), ("a".into(), json!(503)), ("b".into(), json!(200))];
    assert_eq!(tried(&row.record(&answer.request_id())), expected);
    row.assert_unasked(2);
}

#[test]
fn a_websocket_takes_a_connection_of_its_own() {
    let route = "[[routes]]\nname = \"ws\"\npath = \"/ws\"\nmatch = \"exact\"\nmethods = [\"GET\"]\nroles = [\"admin\"]\nupstream = \"raw\"\n\
                 websocket = true\n";
    let stage = Stage::with("", &format!("[server]\nworkers = 1\n{ROUTE}{route}"));
    let mut old = kept(&stage);
    let head = request("GET", "/ws", &stage.token);
    let (mut client, Exchange { mut wire, request }) = stage.call(format!(
        "{}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        head.strip_suffix("\r\n").unwrap()
    ));
    assert_eq!(request.header("upgrade"), Some("websocket"));
    wire.say("HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.message().status(), 403);
    let mut client = stage.gateway.connect();
    client.say(stage.get("/any"));
    old.message();
    old.say(OK);
    assert_eq!(client.message().status(), 200);
}
