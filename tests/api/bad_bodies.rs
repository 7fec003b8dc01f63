//! Bodies that are not what was asked for: a 400, 413 or 415 that names the place, and nothing lost.

use serde_json::json;

use super::support::{Connection, PASSWORD, Setup, TestGateway, TestStore};

on_both_stores!(
    a_body_that_is_not_the_object_asked_for_names_its_place,
    a_body_that_is_not_declared_as_json_is_an_unsupported_media_type,
    a_body_over_its_bound_is_too_large,
    a_chunked_body_over_its_bound_is_too_large,
    a_chunked_body_is_read_like_any_other,
    a_body_that_nobody_reads_is_never_taken_for_a_request,
    a_chunk_that_is_malformed_ends_the_connection_and_is_on_record,
    everybody_is_served_as_before_after_bad_bodies,
);

async fn a_body_that_is_not_the_object_asked_for_names_its_place(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let deep = "[".repeat(10_000);
    let deep_inside = format!("{{\"username\": {}", "{\"a\":".repeat(10_000));
    for (body, pointer) in [
        ("", ""),
        ("{", ""),
        ("nonsense", ""),
        ("{\"username\": \"a\", \"password\": \"b\"} x", ""),
        ("{\"username\": \"a\", \"password\": \"b\"}{}", ""),
        ("{\"username\": \"a\",}", ""),
        ("{'username': 'a'}", ""),
        ("\u{feff}{}", "/password"),
        ("\u{feff}\u{feff}{}", ""),
        ("null", ""),
        ("[]", ""),
        ("[\"admin\", \"password\"]", ""),
        ("\"admin\"", ""),
        ("1e999", ""),
        ("{}", "/password"),
        ("{\"username\": \"a\"}", "/password"),
        ("{\"username\": null, \"password\": \"b\"}", "/username"),
        ("{\"username\": 1, \"password\": \"b\"}", "/username"),
        ("{\"username\": [\"a\"], \"password\": \"b\"}", "/username"),
        ("{\"username\": \"a\", \"password\": {\"b\": 1}}", "/password"),
        ("{\"username\": \"a\", \"password\": \"b\", \"role\": \"admin\"}", "/role"),
        ("{\"username\": \"a\", \"password\": \"b\", \"a/b~c\": 1}", "/a~1b~0c"),
        ("{\"username\": \"a\", \"username\": \"b\", \"password\": \"c\"}", "/username"),
        (&deep, ""),
        // It has no end.
        (&deep_inside, ""),
    ] {
        let answer = gateway.post("/auth/login").json_text(body).send().await;
        assert!(answer.status == 400, "{body:.60}: {answer:?}");
        answer.invalid(pointer);
    }
    let many: Vec<String> = (0..5_000).map(|i| format!("\"{i}\":1")).collect();
    let answer = gateway.post("/auth/login").json_text(format!("{{{}}}", many.join(","))).send().await;
    let problem = answer.problem(400, "invalid-request");
    let faults = problem["errors"].as_array().unwrap();
    let last = faults[100]["detail"].as_str().unwrap();
    assert!(faults.len() == 101 && last.starts_with("and 490") && last.ends_with(" more"), "{last}");
    let not_text = gateway.post("/auth/login").json_text(b"{\"username\": \"\xff\xfe\"}".as_slice()).send().await;
    not_text.problem(400, "invalid-request");
    gateway.finish().await;
}

async fn a_body_that_is_not_declared_as_json_is_an_unsupported_media_type(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let body = json!({ "username": "admin", "password": PASSWORD }).to_string();
    let answer = gateway.post("/auth/login").body(&*body).send().await;
    answer.problem(415, "unsupported-media-type");
    assert_eq!((answer.header("accept"), answer.header("accept-patch")), (Some("application/json"), None));
    let patch = |media: &str| {
        let request = gateway.request("PATCH", "/admin/teams/by-name/none").token(&gateway.admin);
        request.header("content-type", media).body("{\"models\":[\"*\"]}")
    };
    let answer = patch("text/plain").send().await;
    answer.problem(415, "unsupported-media-type");
    assert_eq!(answer.header("accept-patch"), Some("application/merge-patch+json, application/json"));
    // RFC 7396 §4: what a PATCH here is.
    patch("application/merge-patch+json; charset=utf-8").send().await.problem(404, "not-found");
    let other =
        gateway.post("/auth/login").header("content-type", "application/merge-patch+json").body(&*body).send().await;
    other.problem(415, "unsupported-media-type");
    for media_type in ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonp", "json", "*/*"] {
        let answer = gateway.post("/auth/login").header("content-type", media_type).body(&*body).send().await;
        answer.problem(415, "unsupported-media-type");
    }
    let twice = gateway.post("/auth/login").header("content-type", "text/plain").json_text(&*body);
    // A field that stands once (RFC 9110 §8.3) has no two values.
    twice.send().await.problem(400, "invalid-request");
    for media_type in ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"] {
        let answer = gateway.post("/auth/login").header("content-type", media_type).body(&*body).send().await;
        answer.problem(401, "invalid-credentials");
    }
    gateway.finish().await;
}

fn small(bytes: u64) -> Setup {
    Setup::default().set("server.max_body_bytes", bytes)
}

async fn a_body_over_its_bound_is_too_large(store: &TestStore) {
    let gateway = small(200_000).start(store).await;
    let login = |bytes: usize| gateway.post("/auth/login").json_text("x".repeat(bytes));
    login(65_536).send().await.invalid("");
    login(65_537).send().await.problem(413, "body-too-large");
    let echo = |bytes: usize| gateway.post("/echo").token(&gateway.admin).body("x".repeat(bytes));
    let fits = echo(200_000).send().await;
    assert_eq!(fits.expect(200).json()["body_bytes"], 200_000);
    echo(200_001).send().await.problem(413, "body-too-large");
    echo(3_000_000).send().await.problem(413, "body-too-large");
    let bytes = String::from_utf8(echo(0).bytes()).unwrap();
    for length in ["200001", "18446744073709551615"] {
        let announced = bytes.replace("content-length: 0", &format!("content-length: {length}"));
        gateway.raw(announced).await.problem(413, "body-too-large");
    }
    gateway.finish().await;
}

/// The request with its body in pieces.
fn chunked(gateway: &TestGateway, token: &str, path: &str, pieces: &[&str]) -> Vec<u8> {
    let head = gateway.post(path).token(token).header("transfer-encoding", "chunked");
    let head = head.header("content-type", "application/json").bytes();
    let body: Vec<String> = pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len())).collect();
    [head.as_slice(), body.concat().as_bytes(), b"0\r\n\r\n"].concat()
}

async fn a_chunked_body_over_its_bound_is_too_large(store: &TestStore) {
    let gateway = small(100_000).start(store).await;
    let piece = "x".repeat(10_000);
    let (fits, over) = (vec![piece.as_str(); 10], vec![piece.as_str(); 11]);
    let answer = gateway.raw(chunked(&gateway, &gateway.admin, "/echo", &fits)).await;
    assert_eq!(answer.expect(200).json()["body_bytes"], 100_000);
    gateway.raw(chunked(&gateway, &gateway.admin, "/echo", &over)).await.problem(413, "body-too-large");
    gateway.raw(chunked(&gateway, "", "/auth/login", &over)).await.problem(413, "body-too-large");
    gateway.finish().await;
}

async fn a_chunked_body_is_read_like_any_other(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let pieces = ["{\"username\":", "\"admin\"", ",\"password\":\"", "x\"", "}"];
    gateway.raw(chunked(&gateway, "", "/auth/login", &pieces)).await.problem(401, "invalid-credentials");
    let echoed = gateway.raw(chunked(&gateway, &gateway.admin, "/echo", &pieces)).await;
    assert_eq!(echoed.expect(200).json()["body"], pieces.concat());
    gateway.finish().await;
}

/// What hides in a body: a request that would be served if the gateway lost its place.
const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n";

async fn a_body_that_nobody_reads_is_never_taken_for_a_request(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let token = gateway.admin.clone();
    let body = SMUGGLED.repeat(3_000);
    let refused = [
        gateway.post("/nothing").body(&*body),
        gateway.post("/nothing").token(&token).body(&*body),
        gateway.request("DELETE", "/me").token(&token).body(&*body),
        gateway.get("/healthz").body(&*body),
        gateway.post("/auth/login").json_text(&*body),
        gateway.post("/auth/login").body(&*body),
    ];
    for request in refused {
        gateway.expect_record();
        let mut connection: Connection = gateway.connect().await;
        let answer = connection.exchange(&request.bytes()).await;
        assert!(answer.status < 500, "{answer:?}");
        let rest = connection.rest().await;
        assert!(rest.is_empty(), "an answer to a body: {}", String::from_utf8_lossy(&rest));
    }
    gateway.finish().await;
}

/// actix gives up the connection, and the request with it, before the gateway can answer.
async fn a_chunk_that_is_malformed_ends_the_connection_and_is_on_record(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for body in ["zz\r\nab\r\n0\r\n\r\n", "2\r\nabc\r\n0\r\n\r\n", "-1\r\n\r\n", "ffffffffffffffffff\r\n"] {
        for (path, token) in [("/auth/login", ""), ("/echo", gateway.admin.as_str())] {
            let head = gateway.post(path).token(token).header("transfer-encoding", "chunked");
            let request =
                [head.header("content-type", "application/json").bytes().as_slice(), body.as_bytes()].concat();
            gateway.expect_record();
            let mut connection = gateway.connect().await;
            connection.send(&request).await;
            let rest = connection.rest().await;
            assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&rest));
        }
    }
    gateway.get("/healthz").send().await.expect(200);
    gateway.finish().await;
}

async fn everybody_is_served_as_before_after_bad_bodies(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for body in ["{", "[[[[", "\0\0\0"] {
        for path in ["/auth/login", "/auth/refresh", "/admin/users"] {
            let answer = gateway.post(path).token(&gateway.admin).json_text(body).send().await;
            answer.problem(400, "invalid-request");
        }
    }
    gateway.login("admin", super::support::ADMIN_PASSWORD).await;
    gateway.get("/readyz").send().await.expect(200);
    gateway.finish().await;
}
