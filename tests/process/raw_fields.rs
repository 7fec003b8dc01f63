//! Header fields with bytes that are not ASCII, and forms that are rare: each member of a list counts by itself.

use serde_json::json;

use super::support::{Message, PASSWORD, Stage, Wire};

/// Sends a head with these lines as they are, and a body.
fn sent(stage: &Stage, start: &str, lines: &[u8], body: &str) -> Message {
    stage.gateway.send(
        [format!("{start} HTTP/1.1\r\nhost: gateway.test\r\n").as_bytes(), lines, b"\r\n", body.as_bytes()].concat(),
    )
}

/// Signs in as the console does, and gives the cookie.
fn cookie(stage: &Stage) -> String {
    let body = json!({ "username": "admin", "password": PASSWORD, "cookie": true }).to_string();
    let lines = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let answer = sent(stage, "POST /auth/login", lines.as_bytes(), &body);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[test]
fn the_consoles_cookie_is_found_beside_any_other() {
    let stage = Stage::new();
    for other in [&b"theme=d\xfc"[..], "theme=dü".as_bytes(), b"a=\xff\xfe\x80", b"\xe9"] {
        for is_first in [true, false] {
            let own = cookie(&stage).into_bytes();
            let pairs = if is_first { [&own, other] } else { [other, &own] };
            let lines = [b"origin: http://gateway.test\r\ncookie: ", &*pairs.join(&b"; "[..]), b"\r\n"].concat();
            assert_eq!(sent(&stage, "POST /auth/refresh", &lines, "").status(), 200, "{other:?}");
        }
    }
}

#[test]
fn a_page_is_of_one_site() {
    let stage = Stage::new();
    let own = cookie(&stage);
    let lines = format!("cookie: {own}\r\nsec-fetch-site: same-origin\r\nsec-fetch-site: cross-site\r\n");
    sent(&stage, "POST /auth/refresh", lines.as_bytes(), "").assert_problem(400, "invalid-request");
    let lines = format!("cookie: {own}\r\nsec-fetch-site: same-origin\r\nsec-fetch-site: same-origin\r\n");
    assert_eq!(sent(&stage, "POST /auth/refresh", lines.as_bytes(), "").status(), 200);
}

#[test]
fn what_is_asked_for_counts_beside_what_cannot_be_read() {
    let stage = Stage::new();
    let token = format!("authorization: Bearer {}\r\n", stage.token);
    let csv = [token.as_bytes(), b"accept: text/csv, x/\xe9\r\n"].concat();
    let answer = sent(&stage, "GET /admin/audit?limit=1", &csv, "");
    assert!(answer.header("content-type").unwrap().starts_with("text/csv"), "{answer:?}");
    for coding in [&b"gzip, \xe9"[..], b"\xe9;q=1,gzip", b"\xff\r\naccept-encoding: gzip"] {
        let answer = sent(&stage, "GET /console/", &[b"accept-encoding: ", coding, b"\r\n"].concat(), "");
        assert_eq!((answer.status(), answer.header("content-encoding")), (200, Some("gzip")), "{coding:?}");
        let tag = answer.header("etag").unwrap();
        let lines =
            [b"accept-encoding: gzip\r\nif-none-match: \"\xe9\", W/".as_slice(), tag.as_bytes(), b"\r\n"].concat();
        assert_eq!(sent(&stage, "GET /console/", &lines, "").status(), 304);
    }
}

/// Whether a connection goes on after a call with this line.
fn goes_on(stage: &Stage, line: &[u8]) -> bool {
    let mut wire: Wire = stage.gateway.connect();
    wire.say([b"GET /healthz HTTP/1.1\r\nhost: gateway.test\r\n", line, b"\r\n"].concat());
    let answer = wire.message();
    assert_eq!(answer.status(), 200, "{line:?}");
    assert_eq!(answer.header("upgrade"), None);
    let says_close = answer.header("connection").is_some_and(|option| option.eq_ignore_ascii_case("close"));
    if says_close {
        assert!(wire.is_closed(), "{line:?}");
        return false;
    }
    wire.say(b"GET /healthz HTTP/1.1\r\nhost: gateway.test\r\n\r\n");
    assert_eq!(wire.message().status(), 200, "{line:?}");
    true
}

#[test]
fn a_connection_ends_where_the_client_says_so_and_not_elsewhere() {
    let stage = Stage::new();
    for (line, expected) in [
        (&b""[..], true),
        (b"connection: keep-alive\r\n", true),
        // The HTTP library takes it for an offer.
        (b"connection: upgrade\r\n", false),
        (b"connection: Upgrade, keep-alive\r\n", false),
        (b"connection: x-\xe9\r\n", true),
        (b"connection: close\r\n", false),
        (b"connection: close, \xe9\r\n", false),
        (b"connection: \xe9,Close\r\n", false),
        (b"connection: upgrade, close\r\n", false),
        (b"connection: \xe9\r\nconnection: close\r\n", false),
    ] {
        assert_eq!(goes_on(&stage, line), expected, "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn an_empty_field_is_no_credential() {
    let stage = Stage::new();
    let key = stage.gateway.json("POST", "/me/api-keys", &stage.token, &json!({ "name": "k" })).json();
    let lines = format!("authorization:\r\nx-api-key: {}\r\n", key["key"].as_str().unwrap());
    assert_eq!(sent(&stage, "GET /me", lines.as_bytes(), "").status(), 200);
    let lines = format!("x-api-key: \r\nauthorization: Bearer {}\r\n", stage.token);
    assert_eq!(sent(&stage, "GET /me", lines.as_bytes(), "").status(), 200);
    sent(&stage, "GET /me", b"authorization: \r\n", "").assert_problem(401, "missing-credential");
}
