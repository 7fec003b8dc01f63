//! `Expect: 100-continue` (RFC 9110 §10.1.1): a 100 comes when the body is first waited for, or not at all.

use super::support::{Authority, Home, Stage, Wire, request};

const EXPECTS: &str = "content-type: application/json\r\nexpect: 100-continue\r\n";

fn with_lines(method: &str, path: &str, token: &str, lines: &str) -> String {
    let head = request(method, path, token);
    format!("{}{lines}\r\n", head.strip_suffix("\r\n").unwrap())
}

/// The statuses of all that comes, up to the first final one.
fn statuses(wire: &mut Wire) -> Vec<u16> {
    let mut statuses = vec![];
    loop {
        let status = wire.message().status();
        statuses.push(status);
        if status >= 200 {
            return statuses;
        }
    }
}

#[test]
fn a_refusal_comes_at_once_and_alone() {
    let limit = "[[limits]]\nname = \"none\"\nroutes = [\"echo\"]\nper = \"user\"\nunit = \"requests\"\nlimit = 1\n\
                 window_s = 3000\n";
    let stage = Stage::with("", limit);
    let good = stage.token.as_str();
    stage.gateway.get("/echo", good);
    let length = "content-length: 1000\r\n";
    for (path, token, lines, status) in [
        ("/up", "nonsense", length, 401),
        ("/up", "nonsense", "transfer-encoding: chunked\r\n", 401),
        ("/admin/users", "nonsense", length, 401),
        ("/nowhere", good, length, 404),
        ("/up", good, "content-length: 99999999999\r\n", 413),
        ("/echo", good, length, 429),
        ("/up/../x", good, length, 400),
        ("/up", good, "content-length: 1000\r\nexpect: something\r\n", 417),
    ] {
        let mut wire = stage.gateway.connect();
        wire.say(with_lines("POST", path, token, &format!("{EXPECTS}{lines}")));
        assert_eq!(statuses(&mut wire), [status], "{path} {lines}");
        wire.drain();
    }
    let mut nobody = stage.gateway.connect();
    nobody.say(format!("POST /up HTTP/1.1\r\nhost: a\r\n{EXPECTS}{length}\r\n"));
    assert_eq!(statuses(&mut nobody), [401]);
}

#[test]
fn what_is_accepted_is_asked_for_when_it_is_waited_for() {
    let stage = Stage::new();
    for framing in ["content-length: 4\r\n", "transfer-encoding: chunked\r\n"] {
        let mut client = stage.gateway.connect();
        client.say(stage.request("POST", "/up", &format!("Expect: 100-CONTINUE\r\n{framing}"), ""));
        assert_eq!(client.head().status(), 100, "{framing}");
        client.say(if framing.contains("chunked") { "4\r\nbody\r\n0\r\n\r\n" } else { "body" });
        let mut exchange = stage.upstream.exchange();
        assert_eq!((exchange.request.text().as_str(), exchange.request.header("expect")), ("body", None));
        exchange.answer("ok");
        assert_eq!(client.message().text(), "ok");
        // The connection goes on, and the next request expects nothing.
        client.say(stage.get("/echo/x"));
        assert_eq!(statuses(&mut client), [200]);
        client.say(stage.request("POST", "/echo/x", "expect: 100-continue\r\ncontent-length: 2\r\n", ""));
        assert_eq!(client.head().status(), 100);
        client.say("{}");
        assert_eq!(client.message().json()["body"], "{}");
    }
}

#[test]
fn a_body_that_has_come_or_is_none_needs_no_100() {
    let stage = Stage::new();
    for (lines, body) in [
        ("content-length: 4\r\n", "body"),
        ("transfer-encoding: chunked\r\n", "4\r\nbody\r\n0\r\n\r\n"),
        ("content-length: 0\r\n", ""),
        ("", ""),
    ] {
        let mut client = stage.gateway.connect();
        client.say(stage.request("POST", "/echo/x", &format!("expect: 100-continue\r\n{lines}"), body));
        let all = statuses(&mut client);
        // Where the library has handed the body on only after the call had begun to wait, a 100 is right as well.
        assert!(all == [200] || (!body.is_empty() && all == [100, 200]), "{lines:?}: {all:?}");
        client.say(stage.get("/echo/y"));
        assert_eq!(statuses(&mut client), [200], "{lines:?}");
    }
}

#[test]
fn an_expectation_behind_a_long_answer_is_told_from_its_bytes() {
    let stage = Stage::new();
    let bait = "HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000);
    let (mut client, mut exchange) = stage
        .call(stage.get("/up") + &stage.request("POST", "/up", "expect: 100-continue\r\ncontent-length: 4\r\n", ""));
    exchange.answer(&bait);
    let first = client.message();
    assert!(first.complete && first.text() == bait);
    assert_eq!(client.head().status(), 100);
    client.say("body");
    let second = exchange.wire.message();
    assert_eq!(second.text(), "body");
    exchange.answer(&bait);
    assert_eq!(client.message().text(), bait);
}

#[test]
fn in_http_1_0_it_is_ignored_and_an_unknown_expectation_is_refused() {
    let stage = Stage::new();
    for expected in ["100-continue", "something"] {
        let mut old = stage.gateway.connect();
        let head = stage.request("POST", "/echo/x", &format!("expect: {expected}\r\ncontent-length: 4\r\n"), "body");
        old.say(head.replace("HTTP/1.1", "HTTP/1.0"));
        assert_eq!(statuses(&mut old), [200], "{expected}");
    }
    for expected in ["something", "100-continue, something", "200-ok", "\"100-continue\""] {
        let answer = stage.gateway.send(stage.request("GET", "/echo/x", &format!("expect: {expected}\r\n"), ""));
        answer.assert_problem(417, "expectation-failed");
    }
    for expected in ["", "100-continue, 100-Continue"] {
        let answer = stage.gateway.send(stage.request("GET", "/echo/x", &format!("expect: {expected}\r\n"), ""));
        assert_eq!(answer.status(), 200, "{expected}");
    }
}

#[test]
fn a_login_is_asked_for_over_tls_too() {
    let authority = Authority::new();
    let home = Home::new().config("[server]\ntls_cert_file = \"main.pem\"\ntls_key_file = \"main.key\"\n");
    authority.server(&["gateway.test"]).write(home.path(), "main");
    let gateway = home.start();
    let mut wire = Wire::over(authority.trusting().connect(gateway.address, "gateway.test").unwrap());
    wire.say(format!("POST /auth/login HTTP/1.1\r\nhost: a\r\n{EXPECTS}content-length: 2\r\n\r\n"));
    assert_eq!(wire.head().status(), 100);
    wire.say("{}");
    wire.message().assert_problem(400, "invalid-request");
}
