//! What comes back from an upstream that does its part.

use super::support::{Home, Stage, Upstream, with_upstream};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn headers_about_the_hop_are_dropped_on_the_way_back_and_all_others_kept() {
    let stage = Stage::new();
    let answer = stage.answered(
        "HTTP/1.1 203 Whatever\r\nconnection: x-private\r\nx-private: 1\r\nkeep-alive: timeout=5\r\n\
         proxy-authenticate: Basic\r\nx-request-id: theirs\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\
         content-type: text/x-test\r\netag: \"e\"\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nok",
    );
    assert_eq!(answer.status(), 203);
    for name in ["x-private", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.all("content-type"), ["text/x-test"]);
    assert_eq!((answer.all("etag"), answer.all("content-encoding")), (vec!["\"e\""], vec!["gzip"]));
    assert!(!answer.all("x-request-id").contains(&"theirs"));
    assert_eq!(answer.all("x-request-id").len(), 1);
}

#[test]
fn answers_without_a_body_keep_their_head() {
    let stage = Stage::new();
    let (mut client, mut exchange) = stage.call(stage.request("HEAD", "/up", "", ""));
    exchange.wire.say("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status(), head.all("content-length")), (200, vec!["1234"]));
    // The connection is at the next answer already.
    client.say(stage.get("/echo/next"));
    assert_eq!(client.message().json()["path"], "/echo/next");
    drop(exchange);

    let answer = stage.answered("HTTP/1.1 204 No Content\r\netag: \"e\"\r\n\r\n");
    assert_eq!((answer.status(), answer.header("etag"), answer.body.len()), (204, Some("\"e\""), 0));
    let answer = stage.answered("HTTP/1.1 304 Not Modified\r\netag: \"e\"\r\ncontent-length: 99\r\n\r\n");
    assert_eq!((answer.status(), answer.header("etag"), answer.body.len()), (304, Some("\"e\""), 0));
}

/// RFC 9110 §9.1 and §9.3.2.
#[test]
fn head_is_served_where_a_route_has_get() {
    let upstream = Upstream::start();
    let config = with_upstream(upstream.address(), "", "").replace(
        "[\"GET\", \"HEAD\", \"POST\", \"PUT\", \"PATCH\", \"DELETE\"]\nroles = [\"admin\", \"user\", \"readonly\"]\nupstream = \"raw\"",
        "[\"GET\"]\nroles = [\"admin\"]\nupstream = \"raw\"",
    );
    let stage = Stage::of(upstream, Home::new().config(&config));
    let (mut client, mut exchange) = stage.call(stage.request("HEAD", "/up/x", "", ""));
    assert_eq!(exchange.request.start, "HEAD /up/x HTTP/1.1");
    exchange.wire.say("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\netag: \"e\"\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status(), head.header("content-length"), head.header("etag")), (200, Some("1234"), Some("\"e\"")));
    let other = stage.gateway.send(stage.request("DELETE", "/up/x", "", ""));
    other.assert_problem(405, "method-not-allowed");
    assert_eq!(other.header("allow"), Some("GET, HEAD"));
}

#[test]
fn a_redirect_is_the_clients_to_follow() {
    let stage = Stage::new();
    for status in [301, 302, 303, 307, 308] {
        let answer = stage.answered(&format!(
            "HTTP/1.1 {status} Moved\r\nlocation: http://127.0.0.1:1/x\r\ncontent-length: 0\r\n\r\n"
        ));
        assert_eq!((answer.status(), answer.header("location")), (status, Some("http://127.0.0.1:1/x")));
    }
}

#[test]
fn errors_of_an_upstream_pass_as_they_are() {
    let stage = Stage::new();
    for status in [400, 401, 404, 418, 429, 500, 503, 599] {
        let answer = stage.answered(&format!("HTTP/1.1 {status} X\r\ncontent-length: 5\r\n\r\ntheir"));
        assert_eq!((answer.status(), answer.text().as_str()), (status, "their"));
        let record = stage.record(&answer.request_id());
        assert_eq!((&record["decision"], &record["upstream_status"]), (&"allowed".into(), &status.into()), "{record}");
    }
}

#[test]
fn interim_answers_are_passed_over() {
    let stage = Stage::new();
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let answer = stage.answered(&format!("{interim}{OK}"));
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    assert_eq!(answer.header("link"), None);
}

#[test]
fn a_body_that_ends_with_the_connection_is_whole() {
    let stage = Stage::new();
    let answer = stage.answered("HTTP/1.1 200 OK\r\n\r\nuntil the close");
    assert!(answer.complete && answer.text() == "until the close");
    assert_eq!(stage.record(&answer.request_id())["outcome"], "complete");
}

#[test]
fn what_an_upstream_says_besides_its_content_is_its_own() {
    let stage = Stage::new();
    // So long a phrase is not passed on.
    let long = "x".repeat(200);
    for (start, passed) in [
        (&*format!("404 {long}"), "404 Not Found"),
        (&*format!("599 {long}"), "599"),
        ("425 Too Early", "425 Too Early"),
        ("404 Gibt es nicht", "404 Gibt es nicht"),
        ("200 Alles gut; sehr gut", "200 Alles gut; sehr gut"),
        ("200 OK", "200 OK"),
        ("200", "200"),
        ("299", "299"),
        ("404 not found", "404 not found"),
    ] {
        let answer = stage.answered(&format!("HTTP/1.1 {start}\r\ncontent-length: 2\r\n\r\nok"));
        assert_eq!(answer.start.trim_start_matches("HTTP/1.1 ").trim_end(), passed.trim_end(), "{start}");
        // A browser may have to guess what this is.
        assert_eq!(answer.all("x-content-type-options"), [""; 0], "{start}");
    }
    let theirs = stage.answered("HTTP/1.1 200 OK\r\nx-content-type-options: none\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(theirs.all("x-content-type-options"), ["none"]);
    for path in ["/echo", "/healthz", "/me", "/nowhere", "/console/", "/console/main.js"] {
        assert_eq!(stage.gateway.get(path, &stage.token).all("x-content-type-options"), ["nosniff"], "{path}");
    }
    let refused = stage.gateway.send("GET /up HTTP/1.1\r\nbad line\r\n\r\n");
    assert_eq!(refused.all("x-content-type-options"), ["nosniff"]);
}
