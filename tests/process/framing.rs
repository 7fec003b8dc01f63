//! Requests whose length two readers could read in two ways, and several requests on one connection.

use super::support::{Stage, Wire, chunked, has_come};

/// Sends bytes that must not be understood. Says what is wrong unless every answer is a 400 and the connection then closed.
fn fault_in_refusing(stage: &Stage, bytes: &str) -> Option<String> {
    let mut client: Wire = stage.gateway.connect();
    client.say(bytes);
    let mut answer = client.message();
    let mut is_closed = false;
    // What was pipelined behind the doubtful head may be answered too, but only with the same refusal.
    while answer.status() == 400 && !is_closed {
        let more = has_come(|| client.has_something() || stage.upstream.try_accept().is_some());
        is_closed = more && client.is_closed();
        if !is_closed {
            answer = client.message();
        }
    }
    (answer.status() != 400 || !is_closed).then(|| format!("{} for {bytes:?}, closed: {is_closed}", answer.status()))
}

fn assert_refused(stage: &Stage, requests: impl IntoIterator<Item = String>) {
    let faults: Vec<_> = requests.into_iter().filter_map(|bytes| fault_in_refusing(stage, &bytes)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(stage.upstream.try_accept().is_none(), "something reached the upstream");
}

#[test]
fn a_request_with_two_lengths_is_refused_and_nothing_is_smuggled() {
    let stage = Stage::new();
    let inner = stage.get("/up/smuggled");
    let ambiguous = [
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "0\r\n\r\n"),
        ("content-length: 5\r\ncontent-length: 6\r\n", "12345"),
        ("content-length: 5\r\ncontent-length: 5\r\n", "12345"),
        ("content-length: 5, 5\r\n", "12345"),
        ("content-length: +5\r\n", "12345"),
        ("content-length: 0x5\r\n", "12345"),
        ("content-length: -1\r\n", ""),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: identity\r\n", "12345"),
        ("transfer-encoding: xchunked\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("transfer-encoding : chunked\r\n", "0\r\n\r\n"),
        ("content-length: 5\r\ntransfer_encoding: chunked\r\ncontent-length: 0\r\n", "12345"),
    ];
    let requests = ambiguous.map(|(lines, body)| stage.request("POST", "/up", lines, &format!("{body}{inner}")));
    assert_refused(&stage, requests);
}

#[test]
fn a_length_with_leading_zeros_is_that_length_and_is_sent_on_without_them() {
    let stage = Stage::new();
    for (length, body) in [("05", "12345"), ("0000000005", "12345"), ("00", "")] {
        let mut client = stage.gateway.connect();
        client.say(stage.request("POST", "/up", &format!("content-length: {length}\r\n"), body));
        let mut exchange = stage.upstream.exchange();
        assert_eq!(exchange.request.all("content-length"), [body.len().to_string()], "{length}");
        assert_eq!(exchange.request.text(), body);
        exchange.answer("ok");
        assert_eq!(client.message().text(), "ok");
        client.say(stage.get("/echo/next"));
        assert_eq!(client.message().json()["path"], "/echo/next");
    }
}

#[test]
fn a_head_that_is_not_http_is_refused() {
    let stage = Stage::new();
    let requests = [
        "nonsense\r\n\r\n".to_owned(),
        "GET /up\r\n\r\n".to_owned(),
        stage.request("GET", "/up", "bad header\r\n", ""),
        stage.request("GET", "/up", "x: a\r\n folded\r\n", ""),
        stage.request("GET", "/up", "x: a\0b\r\n", ""),
        stage.request("G ET", "/up", "", ""),
    ];
    assert_refused(&stage, requests);
}

#[test]
fn a_broken_chunk_is_never_forwarded_as_a_whole_body() {
    let stage = Stage::new();
    for body in ["zz\r\nx\r\n0\r\n\r\n", "5\r\nhello", "-1\r\nx\r\n0\r\n\r\n", "fffffffffffffffff\r\nx\r\n"] {
        let mut client = stage.gateway.connect();
        client.say(stage.request("POST", "/up", "transfer-encoding: chunked\r\n", body));
        client.stream().shutdown(std::net::Shutdown::Write).unwrap();
        client.drain();
        if let Some(mut wire) = stage.upstream.try_accept() {
            assert!(!wire.message().complete, "{body:?} arrived as a whole");
        }
    }
}

#[test]
fn a_trailer_section_that_others_would_end_elsewhere_is_refused_and_nothing_is_smuggled() {
    let stage = Stage::with("", "[server]\nmax_header_bytes = 4096\n");
    let inner = stage.get("/up/smuggled");
    let (long, many) = (format!("x: {}\r\n", "y".repeat(5_000)), "x: y\r\n".repeat(1_000));
    for path in ["/echo/x", "/auth/login", "/nowhere"] {
        let trailers =
            ["GET /up HTTP/1.1\r\n", " x: y\r\n", ": y\r\n", "x y: z\r\n", "x: y\0\r\n", "x: y\n", "\n", &long, &many];
        for trailer in trailers {
            let mut client = stage.gateway.connect();
            let body = format!("2\r\n{{}}\r\n0\r\n{trailer}\r\n{inner}");
            let lines = "transfer-encoding: chunked\r\ncontent-type: application/json\r\n";
            client.say(stage.request("POST", path, lines, &body));
            let answer = client.message();
            let is_refused = answer.status() == if path == "/nowhere" { 404 } else { 400 };
            assert!(is_refused, "{path} {} for {trailer:.30}", answer.status());
            assert!(client.is_closed(), "{path} {trailer:.30}");
        }
    }
    assert!(stage.upstream.try_accept().is_none(), "something reached the upstream");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let stage = Stage::with("", "[server]\nworkers = 1\n");
    let mut client = stage.gateway.connect();
    let post = stage.request("POST", "/echo/2", "transfer-encoding: chunked\r\n", &chunked("two"));
    client.say([stage.get("/up/1"), post, stage.get("/up/3"), stage.get("/echo/4")].concat());

    let mut exchange = stage.upstream.exchange();
    assert_eq!(exchange.request.target(), "/up/1");
    assert!(!client.has_something(), "nothing overtakes the first");
    exchange.answer("one");
    assert_eq!(client.message().text(), "one");
    let second = client.message().json();
    assert_eq!((&second["path"], &second["body"]), (&"/echo/2".into(), &"two".into()));
    assert_eq!(exchange.wire.message().target(), "/up/3");
    exchange.answer("three");
    assert_eq!(client.message().text(), "three");
    assert_eq!(client.message().json()["path"], "/echo/4");
}

#[test]
fn a_method_that_may_begin_with_a_body_nobody_announced_ends_the_connection() {
    let stage = Stage::new();
    for (method, is_last) in [("bodyGET", true), ("1POST", true), ("PROPFIND", false), ("OPTIONS", false)] {
        let mut client = stage.gateway.connect();
        client.say(stage.get("/echo/first"));
        assert_eq!(client.message().status(), 200);
        client.say(stage.request(method, "/up", "", ""));
        let answer = client.message();
        answer.assert_problem(405, "method-not-allowed");
        assert_eq!(answer.all("connection"), if is_last { vec!["close"] } else { vec![] }, "{method}");
        if is_last {
            assert!(client.is_closed(), "{method}");
        } else {
            client.say(stage.get("/echo/after"));
            assert_eq!(client.message().json()["path"], "/echo/after", "{method}");
        }
    }
}

#[test]
fn the_body_of_a_refused_request_is_not_read_as_the_next_request() {
    let stage = Stage::new();
    let mut client = stage.gateway.connect();
    let smuggled = stage.get("/up/smuggled");
    let line = format!("content-length: {}\r\n", smuggled.len());
    client.say(stage.request("POST", "/nowhere", &line, &smuggled));
    client.say(stage.get("/echo/after"));
    client.message().assert_problem(404, "not-found");
    // Either the connection goes on behind the body, or it is closed; the body is no request.
    if !client.is_closed() {
        assert_eq!(client.message().json()["path"], "/echo/after");
    }
    assert!(stage.upstream.try_accept().is_none());
}

#[test]
fn a_body_that_is_larger_than_allowed_is_refused_and_cut() {
    let stage = Stage::with("", "[server]\nmax_body_bytes = 100000\n");
    let answer = stage.gateway.send(stage.request("POST", "/up", "content-length: 100001\r\n", ""));
    answer.assert_problem(413, "body-too-large");
    assert!(stage.upstream.try_accept().is_none());

    let mut client = stage.gateway.connect();
    let body = chunked(&"x".repeat(100_001));
    client.say(stage.request("POST", "/up", "transfer-encoding: chunked\r\n", &body));
    let mut upstream = stage.upstream.accept();
    let request = upstream.message();
    assert!(!request.complete && request.body.len() <= 100_000, "{} bytes arrived", request.body.len());
    client.message().assert_problem(413, "body-too-large");
}
