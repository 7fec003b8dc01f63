//! Header fields that stand once and are repeated, from clients and from upstreams.

use super::support::Stage;

fn twice(name: &str, one: &str, other: &str) -> String {
    format!("{name}: {one}\r\n{name}: {other}\r\n")
}

#[test]
fn what_stands_once_and_has_two_values_is_refused_and_reaches_nobody() {
    let stage = Stage::new();
    for (name, one, other) in [
        ("Content-Type", "application/json", "text/plain"),
        ("content-type", "", "text/plain"),
        ("Idempotency-Key", "a", "b"),
        ("Range", "bytes=0-1", "bytes=2-3"),
        ("If-Range", "\"a\"", "\"b\""),
        ("Origin", "https://a.example", "https://b.example"),
        ("Referer", "https://a.example/", "https://b.example/"),
        ("User-Agent", "a", "b"),
        ("Date", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 02 Jan 1970 00:00:00 GMT"),
        ("Last-Event-ID", "1", "2"),
        ("X-HTTP-Method-Override", "GET", "DELETE"),
    ] {
        let answer = stage.gateway.send(stage.request("GET", "/up", &twice(name, one, other), ""));
        answer.assert_problem(400, "invalid-request");
        assert_eq!(answer.json()["errors"][0]["pointer"], format!("header:{}", name.to_lowercase()));
        let swapped = twice(&name.to_uppercase(), other, one);
        stage.gateway.send(stage.request("GET", "/me", &swapped, "")).assert_problem(400, "invalid-request");
    }
    for (lines, code) in [
        (format!("authorization: Bearer {}x\r\n", stage.token), "ambiguous-credentials"),
        ("x-api-key: tg_other\r\n".into(), "ambiguous-credentials"),
        ("host: other.test\r\n".into(), "invalid-host"),
        ("content-length: 1\r\ncontent-length: 2\r\n".into(), "invalid-request"),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n".into(), "invalid-request"),
    ] {
        stage.gateway.send(stage.request("POST", "/up", &lines, "")).assert_problem(400, code);
    }
    assert!(stage.upstream.try_accept().is_none(), "something reached the upstream");
}

#[test]
fn the_same_value_twice_is_forwarded_once_and_lists_pass_as_they_are() {
    let stage = Stage::new();
    let lines = [
        twice("content-type", "text/plain", "text/plain"),
        twice("user-agent", "a", "a"),
        twice("if-match", "\"a\"", "\"b\""),
        twice("accept", "text/plain", "text/html"),
        twice("x-anything", "a", "a"),
        twice("x-tollgate-user", "a", "b"),
        twice("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-x"),
        "tracestate: a=b\r\n".into(),
    ];
    let (mut client, mut exchange) = stage.call(stage.request("GET", "/up", &lines.concat(), ""));
    let got = &exchange.request;
    assert_eq!(got.all("content-type"), ["text/plain"]);
    assert_eq!(got.all("user-agent"), ["a"]);
    assert_eq!(got.all("if-match"), ["\"a\"", "\"b\""]);
    assert_eq!(got.all("accept"), ["text/plain", "text/html"]);
    assert_eq!(got.all("x-anything"), ["a", "a"]);
    assert!(got.all("x-tollgate-user").is_empty());
    exchange.answer("ok");
    let answer = client.message();
    assert_eq!(answer.status(), 200);
    assert_eq!(stage.record(&answer.request_id())["trace_id"], serde_json::Value::Null);
}

#[test]
fn an_upstream_that_states_its_length_in_two_ways_is_a_502_and_its_connection_is_not_used_again() {
    let stage = Stage::new();
    for lines in [
        "content-length: 2\r\ncontent-length: 3\r\n",
        "content-length: 2, 3\r\n",
        "content-length: 2\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 2\r\n",
        "content-length: +2\r\n",
        "content-length: -2\r\n",
        "content-length: 2x\r\n",
        "content-length: \r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: xchunked\r\n",
    ] {
        let (mut client, mut exchange) = stage.call(stage.get("/up"));
        exchange.wire.say(format!("HTTP/1.1 200 OK\r\n{lines}\r\nok"));
        let answer = client.message();
        assert_eq!(answer.status(), 502, "{lines:?}: {}", answer.text());
        answer.assert_problem(502, "upstream-failed");
        assert!(exchange.wire.is_closed(), "{lines:?}");
        assert_eq!(stage.record(&answer.request_id())["decision"], "failed", "{lines:?}");
    }
    // The same length twice is one.
    for lines in ["content-length: 2\r\ncontent-length: 2\r\n", "content-length: 2\r\n"] {
        let (mut client, mut exchange) = stage.call(stage.get("/up"));
        exchange.wire.say(format!("HTTP/1.1 200 OK\r\n{lines}\r\nok"));
        let answer = client.message();
        assert_eq!((answer.status(), answer.all("content-length")), (200, vec!["2"]), "{lines:?}");
    }
}
