//! Heads that are not what they should be: refused with a problem, never a 5xx, and never hanging.

use serde_json::{Value, json};
use tollgate::http::routes;

use super::support::{Setup, TestGateway, TestStore};

on_both_stores!(
    a_host_must_be_there_once_and_be_a_host,
    headers_over_the_bound_are_refused,
    a_head_that_is_too_long_already_is_refused_before_it_ends,
    a_length_that_is_not_plain_is_refused,
    a_path_that_could_be_read_in_two_ways_is_refused,
    methods_that_are_not_known_are_refused,
    a_method_that_a_route_names_is_served_and_no_other,
    a_target_of_another_form_is_refused,
    protocols_are_not_switched,
    what_the_parser_refuses_by_itself_is_a_problem_too,
    a_fragment_never_reaches_a_decision_or_an_upstream,
    odd_requests_leave_the_connection_in_step,
    a_change_with_a_parameter_that_nobody_reads_is_refused,
    a_change_on_a_condition_that_does_not_hold_is_not_made,
);

/// A request of these header lines, with an administrator's credential.
fn with_lines(gateway: &TestGateway, request_line: &str, lines: &[&str]) -> String {
    let first = [format!("{request_line} HTTP/1.1"), format!("Authorization: Bearer {}", gateway.admin)];
    let all: Vec<&str> = first.iter().map(String::as_str).chain(lines.iter().copied()).collect();
    all.join("\r\n") + "\r\n\r\n"
}

async fn a_host_must_be_there_once_and_be_a_host(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for line in ["Host:", "Host: a b", "Host: a/b", "Host: user@a", "Host: a:b:c", "Host: http://a"] {
        for path in ["/me", "/echo", "/nothing", "/healthz"] {
            let answer = gateway.raw(with_lines(&gateway, &format!("GET {path}"), &[line])).await;
            // Probes of balancers that know no name have an empty one (RFC 9112 §3.2).
            if (line, path) == ("Host:", "/healthz") {
                answer.expect(200);
            } else {
                answer.problem(400, "invalid-host");
            }
        }
    }
    let old = with_lines(&gateway, "GET /me", &[]).replace("HTTP/1.1", "HTTP/1.0");
    // RFC 9112 §3.2 asks HTTP/1.1 alone for a Host.
    gateway.raw(old).await.expect(200);
    for good in ["Host: a", "Host: a:80", "Host: [::1]:8080", "Host: 127.0.0.1"] {
        gateway.raw(with_lines(&gateway, "GET /echo", &[good])).await.expect(200);
    }
    gateway.finish().await;
}

async fn headers_over_the_bound_are_refused(store: &TestStore) {
    let gateway = Setup::default().set("server.max_header_bytes", 4_096).start(store).await;
    let request = |name: &str, bytes: usize| gateway.get("/echo").token(&gateway.admin).header(name, "x".repeat(bytes));
    request("x-fits", 3_000).send().await.expect(200);
    for answer in [request("x-long", 5_000).send().await, request(&"n".repeat(5_000), 1).send().await] {
        answer.problem(431, "head-too-large");
    }
    let mut many = gateway.get("/echo").token(&gateway.admin);
    for i in 0..80 {
        many = many.header(&format!("x-{i}"), "x".repeat(50));
    }
    many.send().await.problem(431, "head-too-large");
    gateway.finish().await;
}

/// As soon as it is known, and not when the time for a head is over.
async fn a_head_that_is_too_long_already_is_refused_before_it_ends(store: &TestStore) {
    let gateway =
        Setup::default().set("server.max_header_bytes", 4_096).set("server.head_timeout_s", 60).start(store).await;
    for (begin, status, code) in [
        (format!("GET /echo HTTP/1.1\r\nhost: a\r\nx: {}", "y".repeat(5_000)), 431, "head-too-large"),
        (format!("GET /echo HTTP/1.1\r\n{}", "x: yyyyyyyy\r\n".repeat(500)), 431, "head-too-large"),
        (format!("GET /echo?{}", "y".repeat(5_000)), 414, "target-too-long"),
    ] {
        gateway.raw(begin).await.problem(status, code);
    }
    gateway.finish().await;
}

async fn a_length_that_is_not_plain_is_refused(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for path in ["/echo", "/auth/login"] {
        for (length, is_refused) in [("99999999999999999999", true), ("0x2", true), ("1_0", true), ("010", false)] {
            let lines = ["Host: a", "Content-Type: application/json", &format!("Content-Length: {length}")];
            let request = with_lines(&gateway, &format!("POST {path}"), &lines) + "{\"0\": \"1\"}";
            let answer = gateway.raw(request).await;
            // With zeros before it a number is the same number (RFC 9110 §8.6).
            let status = if is_refused || path != "/echo" { 400 } else { 200 };
            assert_eq!(answer.status, status, "{path} {length}: {answer:?}");
        }
    }
    gateway.finish().await;
}

async fn a_path_that_could_be_read_in_two_ways_is_refused(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let paths = "// /echo//x /echo/../admin/users /echo/./x /.. /..;/x /echo/..;a=b/x /%61dmin/users /echo/..%2fadmin \
        /echo%2f..%2fadmin /echo/%2e%2e/admin /echo/%2E%2E%5Cadmin /%252e%252e/admin /echo/%00 /echo/%0d%0aX:y /echo/% \
        /echo/%2 /echo/%zz /echo/a\\b /echo/{x} /echo/\" /echo/%6a";
    for path in paths.split_whitespace() {
        for method in ["GET", "POST", "DELETE"] {
            let answer = gateway.request(method, path).token(&gateway.admin).send().await;
            answer.problem(400, "unsafe-path");
        }
    }
    for path in ["/echo/", "/echo/a%20b", "/echo/%C3%A4", "/echo/a;b=c", "/echo/~x", "/echo/a:b@c!$&'()*+,="] {
        let echoed = gateway.get(path).token(&gateway.admin).send().await;
        assert_eq!(echoed.expect(200).json()["path"], path);
    }
    gateway.finish().await;
}

async fn a_change_on_a_condition_that_does_not_hold_is_not_made(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let ada = gateway.user("ada", "user").await;
    let key =
        gateway.request("POST", "/me/api-keys").token(&gateway.admin).json(&json!({ "name": "first" })).send().await;
    let rotate = format!("/me/api-keys/{}/rotate", key.expect(201).json()["id"].as_str().unwrap());
    let price = json!({ "model": "x", "input_usd": "1", "output_usd": "1", "max_output_tokens": 5 });
    // The condition `*` that holds where a GET shows something, and where it does not.
    let (there, not_there) = ("if-match", "if-none-match");
    for (method, path, body, holds, status) in [
        ("PUT", "/admin/prices", json!({ "items": [price] }), there, 200),
        ("POST", "/admin/teams", json!({ "name": "new" }), there, 201),
        ("POST", "/me/api-keys", json!({ "name": "second" }), there, 201),
        ("POST", rotate.as_str(), json!({ "overlap_s": 60 }), not_there, 201),
        ("POST", "/admin/signing-keys/rotate", Value::Null, not_there, 201),
        ("DELETE", "/admin/cache", Value::Null, not_there, 204),
        ("DELETE", &format!("/admin/users/{}/sessions", ada.id), Value::Null, there, 204),
    ] {
        let with = async |name: &str, value: &str| {
            let request = gateway.request(method, path).token(&gateway.admin).header(name, value);
            if body.is_null() { request.send().await } else { request.json(&body).send().await }
        };
        with("if-match", "\"9\"").await.problem(412, "precondition-failed");
        with("if-match", "17").await.invalid("header:if-match");
        let fails = if holds == there { not_there } else { there };
        with(fails, "*").await.problem(412, "precondition-failed");
        let made = with(holds, "*").await;
        assert_eq!(made.status, status, "{method} {path}: {}", made.text());
    }
    gateway.finish().await;
}

async fn methods_that_are_not_known_are_refused(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for method in ["TRACE", "get", "Get", "post", "delete", "PROPFIND", "PRI", "X", "M-SEARCH"] {
        for path in ["/me", "/echo", "/admin/users", "/healthz"] {
            gateway.request(method, path).send().await.problem(401, "missing-credential");
            let answer = gateway.request(method, path).token(&gateway.admin).send().await;
            answer.problem(405, "method-not-allowed");
            assert!(answer.header("allow").is_some_and(|allow| allow.contains("GET")), "{method} {path}");
        }
    }
    gateway.finish().await;
}

async fn a_method_that_a_route_names_is_served_and_no_other(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let route = |methods: &[&str]| {
        let route = json!({ "path": "/dav", "match": "prefix", "methods": methods, "roles": ["admin"], "upstream": "builtin:echo" });
        gateway.request("PUT", "/admin/routes/dav").token(&gateway.admin).json(&route).send()
    };
    route(&["PROPFIND", "QUERY"]).await.expect(201);
    for method in ["PROPFIND", "QUERY"] {
        let echoed = gateway.request(method, "/dav/a").token(&gateway.admin).body("<x/>").send().await;
        assert_eq!(echoed.expect(200).json()["method"], method);
    }
    for method in ["REPORT", "propfind", "GET", "TRACE"] {
        let answer = gateway.request(method, "/dav/a").token(&gateway.admin).send().await;
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some("PROPFIND, QUERY"), "{method}");
    }
    for never in ["TRACE", "CONNECT", "get", "A B"] {
        route(&["GET", never]).await.invalid("/methods");
    }
    gateway.finish().await;
}

async fn a_target_of_another_form_is_refused(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for (request_line, code) in [
        ("GET *", "unsafe-path"),
        ("OPTIONS *x", "unsafe-path"),
        ("GET http://evil.example.com/me", "invalid-host"),
        ("GET http://evil.example.com/echo", "invalid-host"),
        ("GET http://gateway.test@evil.example.com/me", "invalid-host"),
        ("GET https://gateway.test:444/me", "invalid-host"),
    ] {
        let answer = gateway.raw(with_lines(&gateway, request_line, &["Host: gateway.test"])).await;
        answer.problem(400, code);
    }
    // RFC 9112 §3.2.2: a server must accept the absolute form, and its host is the one that counts.
    gateway.raw(with_lines(&gateway, "GET http://gateway.test/echo", &["Host: gateway.test"])).await.expect(200);
    for line in ["CONNECT evil.example.com:443", "CONNECT gateway.test:80", "CONNECT /echo"] {
        let answer = gateway.raw(with_lines(&gateway, line, &["Host: gateway.test"])).await;
        assert!((400..500).contains(&answer.status), "{line}: {answer:?}");
    }
    gateway.finish().await;
}

async fn protocols_are_not_switched(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for (protocol, is_served) in [("websocket", false), ("h2c", true), ("TLS/1.2", true), ("", true)] {
        let request = gateway.get("/echo").header("connection", "Upgrade").header("upgrade", protocol);
        request.clone().send().await.problem(401, "missing-credential");
        let answer = request.token(&gateway.admin).send().await;
        if is_served {
            // An offer that is not taken (RFC 9110 §7.8).
            answer.expect(200);
        } else {
            answer.invalid("header:upgrade");
        }
    }
    gateway.finish().await;
}

/// The HTTP library answers these by itself; the connection layer puts the problem and the record in the place of that.
async fn what_the_parser_refuses_by_itself_is_a_problem_too(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for request in [
        "nonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /echo/` HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /echo/< HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /echo/\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /auth/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
    ] {
        gateway.raw(request).await.problem(400, "invalid-request");
    }
    for lines in ["", "Host: a\r\nHost: b\r\n", "Host: a\r\nhost: a\r\n", "Host : a\r\n", " Host: a\r\n"] {
        gateway.raw(format!("GET /healthz HTTP/1.1\r\n{lines}\r\n")).await.problem(400, "invalid-host");
    }
    let long = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    gateway.raw(long).await.problem(431, "head-too-large");
    gateway.get("/healthz").send().await.expect(200);
    gateway.finish().await;
}

/// The HTTP library would drop a fragment in silence.
async fn a_fragment_never_reaches_a_decision_or_an_upstream(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for path in ["/echo/a#/../admin", "/echo/a?x=1#y", "/healthz#x", "/echo/#"] {
        gateway.get(path).token(&gateway.admin).send().await.invalid("path");
    }
    gateway.get("/nothing#/healthz").send().await.problem(401, "missing-credential");
    gateway.finish().await;
}

async fn odd_requests_leave_the_connection_in_step(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let mut connection = gateway.connect().await;
    for (method, path, status) in
        [("TRACE", "/me", 405), ("GET", "//", 400), ("POST", "/nothing", 404), ("GET", "/me", 200), ("PUT", "/me", 405)]
    {
        gateway.expect_record();
        connection.send(&gateway.request(method, path).token(&gateway.admin).bytes()).await;
        assert_eq!(connection.answer().await.status, status, "{method} {path}");
    }
    gateway.finish().await;
}

async fn a_change_with_a_parameter_that_nobody_reads_is_refused(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let changes = routes::TABLE.iter().filter(|(method, url)| *method != "GET" && !routes::may_have_query(method, url));
    let others = [("DELETE", "/admin/limits/by-name/{name}"), ("DELETE", "/admin/budgets/by-name/{name}")];
    let others = others.into_iter().chain([("DELETE", "/admin/cache")]);
    for (method, template) in changes.map(|(method, url)| (*method, url.template)).chain(others) {
        let path = template.replace("{id}", "01a22c2f-c7f5-74cc-8e5b-a1e1f1724370").replace(['{', '}'], "");
        let answer = gateway.request(method, &format!("{path}?dry_run=1")).token(&gateway.admin).send().await;
        assert!(answer.invalid("?dry_run")["detail"].is_string(), "{method} {template}");
    }
    // An empty query has no parameter, and RFC 6749 §3.2 has others ignored.
    gateway
        .request("DELETE", "/me/api-keys/01a22c2f-c7f5-74cc-8e5b-a1e1f1724370?")
        .token(&gateway.admin)
        .send()
        .await
        .expect(404);
    gateway.post("/oauth/token?dry_run=1").body("grant_type=password").send().await.expect(415);
    gateway.finish().await;
}
