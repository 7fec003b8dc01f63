//! What a client sees, and what is on record, when an upstream or the client itself does not play its part.

use std::net::Shutdown;

use super::support::{Exchange, Home, Stage, Upstream, eventually};

#[test]
fn an_upstream_that_closes_early_is_a_502() {
    let stage = Stage::new();
    for (method, said) in [("GET", ""), ("POST", ""), ("GET", "HTTP/1.1 200 OK\r\ncontent-le")] {
        let line = if method == "POST" { "content-length: 4\r\n" } else { "" };
        let body = if method == "POST" { "body" } else { "" };
        let (_, answer) = stage.carry(stage.request(method, "/up", line, body), said);
        answer.assert_problem(502, "upstream-failed");
        assert!(!answer.text().contains(&stage.upstream.address().port().to_string()), "{}", answer.text());
        let record = stage.record(&answer.request_id());
        assert_eq!((&record["decision"], &record["status"]), (&"failed".into(), &502.into()), "{record}");
    }
    assert!(stage.upstream.try_accept().is_none(), "nothing is sent twice");
}

#[test]
fn an_upstream_that_is_not_there_is_a_502() {
    let gone = Upstream::start();
    let home = Home::forwarding_to(gone.address(), "", "");
    drop(gone);
    let gateway = home.start();
    let token = gateway.admin();
    let answer = gateway.get("/up", &token);
    answer.assert_problem(502, "upstream-failed");
    let record = gateway.record(&token, &answer.request_id());
    assert_eq!((&record["decision"], &record["upstream"]), (&"failed".into(), &"raw".into()), "{record}");
}

#[test]
fn an_answer_that_is_not_http_is_a_502() {
    let stage = Stage::new();
    for said in [
        "nonsense\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\nx-large: {}\r\n\r\n", "x".repeat(200_000)),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-flood: 1\r\n".repeat(5_000)),
    ] {
        let (mut client, Exchange { mut wire, .. }) = stage.call(stage.get("/up"));
        // The gateway may close before it has taken everything.
        let _taken = wire.try_say(said);
        client.message().assert_problem(502, "upstream-failed");
    }
}

#[test]
fn an_upstream_that_does_not_begin_to_answer_is_a_504() {
    let stage = Stage::with("timeout_s = 1", "");
    let (mut client, mut exchange) = stage.call(stage.get("/up"));
    let answer = client.message();
    answer.assert_problem(504, "upstream-timeout");
    assert!(exchange.wire.is_closed());
    assert_eq!(stage.record(&answer.request_id())["status"], 504);
}

#[test]
fn an_upstream_that_falls_silent_within_its_answer_cuts_it() {
    let stage = Stage::with("timeout_s = 1", "");
    let (mut client, mut exchange) = stage.call(stage.get("/up"));
    exchange.wire.say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    let answer = client.message();
    assert_eq!((answer.status(), answer.complete, answer.text().as_str()), (200, false, "half"));
    assert_eq!(stage.record(&answer.request_id())["outcome"], "aborted");
}

#[test]
fn an_answer_that_is_cut_is_cut_for_the_client_too() {
    let stage = Stage::new();
    for (framing, part) in [
        ("transfer-encoding: chunked", "4\r\nhalf\r\n"),
        ("transfer-encoding: chunked", "8\r\nhalf"),
        ("content-length: 8", "half"),
    ] {
        let answer = stage.answered(&format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{part}"));
        assert_eq!((answer.status(), answer.complete), (200, false), "{framing}: a clean end");
        assert_eq!(answer.text(), "half");
        let record = stage.record(&answer.request_id());
        assert_eq!((&record["outcome"], &record["response_bytes"]), (&"aborted".into(), &4.into()), "{record}");
        assert_eq!(record["upstream_status"], 200);
    }
}

#[test]
fn answers_that_are_cut_are_told_once_for_their_upstream() {
    let stage = Stage::new();
    let ids = [(); 2].map(|()| {
        let answer = stage.answered("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        assert!(!answer.complete);
        answer.request_id()
    });
    eventually("the second is in the access log", || stage.gateway.log().contains(&ids[1]).then_some(()));
    let log = stage.gateway.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("an upstream fails")).collect();
    let [line] = told[..] else { panic!("one line: {log}") };
    for words in ["upstream=raw", "attempt=1", "route=up", "failures=1", &ids[0]] {
        assert!(line.contains(words), "{words}: {line}");
    }
    assert!(!log.contains("an answer was cut"), "{log}");
}

#[test]
fn a_client_that_hangs_up_within_its_upload_takes_the_upstreams_connection_with_it() {
    let stage = Stage::new();
    for lines in ["content-length: 100\r\n", "transfer-encoding: chunked\r\n"] {
        let mut client = stage.gateway.connect();
        let part = if lines.starts_with('c') { "half" } else { "4\r\nhalf\r\n" };
        client.say(stage.request("POST", "/up", lines, part));
        let mut upstream = stage.upstream.accept();
        let head = upstream.head();
        drop(client);
        upstream.drain();
        let record = stage.record(head.header("x-request-id").unwrap());
        assert_eq!(record["outcome"], "aborted", "{lines}: {record}");
    }
}

#[test]
fn a_client_that_hangs_up_within_its_download_takes_the_upstreams_connection_with_it() {
    let stage = Stage::new();
    let (mut client, mut exchange) = stage.call(stage.get("/up"));
    exchange.wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n");
    let head = client.head();
    assert_eq!(client.chunk().unwrap(), b"part");
    drop(client);
    eventually("the upstream's connection is dropped", || (!exchange.wire.try_say("4\r\nmore\r\n")).then_some(()));
    let record = stage.record(&head.request_id());
    assert_eq!((&record["outcome"], &record["status"]), (&"aborted".into(), &200.into()), "{record}");
}

#[test]
fn a_client_that_hangs_up_before_the_answer_takes_the_upstreams_connection_with_it() {
    let stage = Stage::new();
    let (client, mut exchange) = stage.call([stage.get("/echo"), stage.get("/up")].concat());
    // An answer that was not read makes the close a reset; a mere end would be that of a client that still listens.
    eventually("the first answer comes", || client.has_something().then_some(()));
    drop(client);
    assert!(exchange.wire.is_closed());
    let record = stage.record(exchange.request.header("x-request-id").unwrap());
    assert_eq!((&record["decision"], &record["outcome"]), (&"allowed".into(), &"aborted".into()), "{record}");
}

#[test]
fn a_client_that_only_closes_its_side_still_gets_the_answer() {
    let stage = Stage::new();
    let (mut client, mut exchange) = stage.call(stage.get("/up"));
    client.stream().shutdown(Shutdown::Write).unwrap();
    exchange.answer("late");
    assert_eq!(client.message().text(), "late");
}

#[test]
fn an_upload_that_stalls_is_a_408_and_cuts_the_upstream() {
    let stage = Stage::with("", "[server]\nbody_timeout_s = 1\n");
    let mut client = stage.gateway.connect();
    client.say(stage.request("POST", "/up", "content-length: 100\r\n", "half"));
    let mut upstream = stage.upstream.accept();
    assert!(!upstream.message().complete);
    client.message().assert_problem(408, "request-timeout");
}

#[test]
fn an_answer_before_the_upload_is_over_reaches_the_client() {
    let stage = Stage::new();
    let mut client = stage.gateway.connect();
    client.say(stage.request("POST", "/up", "content-length: 1000000\r\n", "the beginning"));
    let mut upstream = stage.upstream.accept();
    upstream.head();
    upstream.say("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
    let answer = client.message();
    assert_eq!((answer.status(), answer.text().as_str()), (403, "no"));
}

#[test]
fn a_call_above_max_in_flight_is_a_503_and_a_place_is_free_after_one_ends() {
    let stage = Stage::with("max_in_flight = 2", "[server]\nworkers = 1\n");
    let (mut first, mut exchange) = stage.call(stage.get("/up/1"));
    let (_second, _held) = stage.call(stage.get("/up/2"));
    stage.gateway.get("/up/3", &stage.token).assert_problem(503, "temporary-reduced-capacity");
    exchange.answer("one");
    assert_eq!(first.message().text(), "one");
    // One worker, so that the call takes the connection that is free.
    first.say(stage.get("/up/4"));
    assert_eq!(exchange.wire.message().target(), "/up/4");
    exchange.answer("four");
    assert_eq!(first.message().text(), "four");
}

#[test]
fn an_answer_that_is_broken_from_its_first_chunk_is_a_502_or_is_cut() {
    let stage = Stage::new();
    for chunk in ["zz\r\n", "-1\r\nx\r\n", "\r\n", "fffffffffffffffff\r\n", "1\r\nxy\r\n"] {
        let answer = stage.answered(&format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}"));
        // Whether the chunk comes with the head is the network's choice; a bare close is nobody's.
        match answer.status() {
            502 => answer.assert_problem(502, "upstream-failed"),
            status => assert_eq!((status, answer.complete), (200, false), "{chunk:?}"),
        }
        let record = stage.record(&answer.request_id());
        assert_eq!(
            (&record["status"], &record["decision"]),
            (&answer.status().into(), &"failed".into()),
            "{chunk:?} {record}"
        );
    }
}
