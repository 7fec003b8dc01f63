//! What the HTTP parser refuses is answered and recorded as everything else: a problem with a request id that is on record.

use super::support::{Message, Stage, request};

/// The one answer to these bytes, after which the gateway closes.
fn last_answer(stage: &Stage, bytes: &str) -> Message {
    let mut client = stage.gateway.connect();
    client.say(bytes);
    let answer = client.message();
    assert!(client.is_closed(), "something follows {} for {bytes:?}", answer.start);
    answer
}

fn assert_on_record(stage: &Stage, bytes: &str, answer: &Message) {
    let record = stage.record(&answer.request_id());
    assert_eq!(record["status"], answer.status(), "{bytes:?}: {record}");
    assert_eq!(record["decision"], "refused", "{bytes:?}: {record}");
    assert_eq!(record["outcome"], "complete", "{bytes:?}: {record}");
}

#[test]
fn a_head_that_the_parser_refuses_is_answered_with_a_problem_and_recorded() {
    let stage = Stage::new();
    let lines = |count: usize| "x: y\r\n".repeat(count);
    let head = |lines: &str| format!("GET /healthz HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
    let table = [
        ("nonsense\r\n\r\n".to_owned(), 400, "invalid-request"),
        ("GET / HTTP/3.0\r\nhost: a\r\n\r\n".to_owned(), 505, "version-not-supported"),
        ("GET /\r\n\r\n".to_owned(), 400, "invalid-request"),
        ("G\0T / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 400, "invalid-request"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, "invalid-host"),
        ("GET h ttp HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 400, "invalid-request"),
        (head("bad line\r\n"), 400, "invalid-request"),
        (head("a b: c\r\n"), 400, "invalid-request"),
        (head("host: b\r\n"), 400, "invalid-host"),
        (head("content-length: 1\r\ncontent-length: 2\r\n"), 400, "invalid-request"),
        (head("content-length: x\r\n"), 400, "invalid-request"),
        (head("transfer-encoding: gzip\r\n"), 400, "invalid-request"),
        (head("transfer-encoding: chunked\r\ncontent-length: 1\r\n"), 400, "invalid-request"),
        ("POST / HTTP/1.0\r\nhost: a\r\n\r\n".to_owned(), 411, "length-required"),
        // The HTTP library takes 96 lines, and gets all that it decides by.
        (head(&"connection: x\r\n".repeat(97)), 431, "head-too-large"),
        (head(&lines(20_000)), 431, "head-too-large"),
        (head(&format!("x: {}\r\n", "y".repeat(131_100))), 431, "head-too-large"),
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "y".repeat(131_100)), 414, "target-too-long"),
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "y".repeat(66_000)), 414, "target-too-long"),
    ];
    for (bytes, status, code) in table {
        let answer = last_answer(&stage, &bytes);
        answer.assert_problem(status, code);
        assert_on_record(&stage, &bytes.chars().take(60).collect::<String>(), &answer);
    }
}

#[test]
fn the_refusal_of_a_head_says_what_is_wrong_with_it() {
    let stage = Stage::new();
    for (bytes, part) in [
        ("GET /healthz\r\n\r\n", "the request line is not"),
        ("GET /a b HTTP/1.1\r\nhost: a\r\n\r\n", "the request line is not"),
        ("GET /a\tb HTTP/1.1\r\nhost: a\r\n\r\n", "a control character"),
        ("GET / HTTP/1.1\r\nhost: a\r\nbad line\r\n\r\n", "a header line is malformed (RFC 9112 §5)"),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", "the length of the body"),
        ("\u{16}\u{3}\u{1}\0\u{5}\u{1}\0\0\u{1}\u{3}\u{3}\r\n\r\n", "a TLS handshake came"),
    ] {
        let answer = last_answer(&stage, bytes);
        answer.assert_problem(400, "invalid-request");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(part), "{bytes:?}: {detail}");
    }
}

#[test]
fn what_a_refused_head_asked_for_is_on_record_and_decides_the_form_of_the_answer() {
    let stage = Stage::new();
    for (bytes, method, path) in [
        (
            "POST /v1/chat/completions?x HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
            "POST",
            "/v1/chat/completions",
        ),
        ("GET /v1/models HTTP/2.0\r\nhost: a\r\n\r\n", "GET", "/v1/models"),
        ("GET /up HTTP/1.1\r\nbad line\r\n\r\n", "GET", "/up"),
        ("nonsense\r\n\r\n", "", ""),
    ] {
        let answer = last_answer(&stage, bytes);
        assert_eq!(answer.json()["error"].is_object(), path.starts_with("/v1/"), "{bytes:?}");
        let record = stage.record(&answer.request_id());
        assert_eq!((&record["method"], &record["path"]), (&method.into(), &path.into()), "{bytes:?}: {record}");
        assert_eq!(record["response_bytes"], answer.body.len(), "{bytes:?}: {record}");
    }
}

#[test]
fn a_page_of_an_allowed_origin_may_read_why_its_head_was_refused() {
    const ORIGIN: &str = "https://page.test";
    let stage = Stage::with("", &format!("[cors]\nallowed_origins = [\"{ORIGIN}\"]\n"));
    for (lines, allowed) in [
        ("origin: https://page.test\r\nbad line\r\n", Some(ORIGIN)),
        ("bad line\r\nOrigin:https://page.test\r\n", Some(ORIGIN)),
        ("origin: https://other.test\r\nbad line\r\n", None),
        ("origin: *\r\nbad line\r\n", None),
        ("origin: null\r\nbad line\r\n", None),
        ("origin: https://page.test\r\norigin: https://page.test\r\nbad line\r\n", None),
        ("bad line\r\n", None),
        (&format!("{}origin: https://page.test\r\n", "x: y\r\n".repeat(20_000)), Some(ORIGIN)),
    ] {
        let answer = last_answer(&stage, &format!("GET /up HTTP/1.1\r\nhost: a\r\n{lines}\r\n"));
        assert!(matches!(answer.status(), 400 | 431), "{}", answer.start);
        assert_eq!(answer.header("access-control-allow-origin"), allowed, "{lines:.60?}");
        assert_eq!(answer.header("access-control-expose-headers").is_some(), allowed.is_some(), "{lines:.60?}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(answer.header("vary"), Some("Origin"), "{lines:.60?}");
    }
    // The origin of an earlier request on the connection is not that of the head that is refused.
    let mut client = stage.gateway.connect();
    client.say("GET /healthz HTTP/1.1\r\nhost: a\r\norigin: https://page.test\r\n\r\n");
    assert_eq!(client.message().header("access-control-allow-origin"), Some(ORIGIN));
    client.say("GET /healthz HTTP/1.1\r\nhost: a\r\nbad line\r\n\r\n");
    assert_eq!(client.message().header("access-control-allow-origin"), None);
}

#[test]
fn a_request_line_has_its_own_bound_and_its_own_answer() {
    let stage = Stage::new();
    let get = |bytes: usize| stage.request("GET", &format!("/echo?{}", "y".repeat(bytes)), "", "");
    assert_eq!(stage.gateway.send(get(32_000)).status(), 200);
    for bytes in [32_768, 40_000, 65_000] {
        let answer = stage.gateway.send(get(bytes));
        answer.assert_problem(414, "target-too-long");
        assert_eq!(stage.record(&answer.request_id())["status"], 414);
    }
}

#[test]
fn a_head_up_to_the_bounds_is_served() {
    let stage = Stage::with("", "[server]\nmax_header_bytes = 98304\n");
    for count in [78, 79, 94, 95, 97, 1_000, 12_000] {
        let lines = (0..count).map(|number| format!("{:x}:\r\n", number % 0xfff)).collect::<Vec<_>>().concat();
        let answer = stage.gateway.send(stage.request("GET", "/echo", &lines, ""));
        assert_eq!(answer.status(), 200, "{count} lines");
        let headers = answer.json()["headers"].as_object().unwrap().len();
        assert!(headers >= count.min(0xfff), "{count} lines: {headers} arrived");
    }
    let long = stage.request("GET", "/echo", &format!("x: {}\r\n", "y".repeat(90_000)), "");
    assert_eq!(stage.gateway.send(long).status(), 200, "90,000 bytes");
    let longer = stage.request("GET", "/echo", &format!("x: {}\r\n", "y".repeat(98_304)), "");
    stage.gateway.send(longer).assert_problem(431, "head-too-large");
}

/// What stands behind many lines counts as much as what stands before them.
#[test]
fn the_last_lines_of_a_long_head_are_read_like_the_first() {
    let stage = Stage::new();
    let many = (0..150).map(|number| format!("x-{number}: {number}\r\n")).collect::<Vec<_>>().concat();
    let send = |lines: &str| stage.gateway.send(stage.request("POST", "/echo", &format!("{many}{lines}"), "hello"));
    for (lines, status, code) in [
        ("authorization: Bearer other\r\n", 400, "ambiguous-credentials"),
        ("x-api-key: tg_other\r\n", 400, "ambiguous-credentials"),
        ("host: other.test\r\n", 400, "invalid-host"),
        ("content-length: 5\r\ncontent-length: 5\r\n", 400, "invalid-request"),
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n", 400, "invalid-request"),
        ("transfer-encoding: gzip\r\n", 400, "invalid-request"),
        ("content-length : 5\r\n", 400, "invalid-request"),
        ("bad line\r\n", 400, "invalid-request"),
        ("x: y\r\n folded\r\n", 400, "invalid-request"),
        ("x: a\0b\r\n", 400, "invalid-request"),
        ("content-type: a/b\r\ncontent-type: c/d\r\n", 400, "invalid-request"),
        ("expect: something\r\n", 417, "expectation-failed"),
    ] {
        send(lines).assert_problem(status, code);
    }
    for lines in ["content-length: 5\r\n", "Content-Length:5\r\nx-tollgate-user: me\r\nX_Tollgate_Role: admin\r\n"] {
        let echoed = send(lines).json();
        assert_eq!((&echoed["body"], &echoed["headers"]["x-149"]), (&"hello".into(), &"149".into()), "{lines:?}");
        assert!(!echoed["headers"].to_string().contains("tollgate-user"), "{echoed}");
    }
    // On a connection that is kept, no line is of the next request.
    let mut client = stage.gateway.connect();
    client.say(stage.request("GET", "/echo", &many, "") + &stage.get("/echo/next"));
    assert_eq!(client.message().json()["headers"]["x-149"], "149");
    let next = client.message().json();
    assert!(next["path"] == "/echo/next" && next["headers"]["x-149"].is_null(), "{next}");
    client.say(stage.request("GET", "/echo", &format!("{many}connection: close\r\n"), ""));
    assert_eq!(client.message().status(), 200);
    assert!(client.is_closed());
}

#[test]
fn what_is_pipelined_before_a_bad_head_is_answered_first() {
    let stage = Stage::new();
    for first in ["/echo/one", "/healthz", "/nowhere"] {
        let mut client = stage.gateway.connect();
        client.say(stage.get(first) + "nonsense\r\n\r\n");
        let answer = client.message();
        assert!(matches!(answer.status(), 200 | 404) && answer.complete, "{answer:?}");
        client.message().assert_problem(400, "invalid-request");
        assert!(client.is_closed());
    }
}

#[test]
fn an_answer_that_ends_like_a_refusal_of_the_parser_passes_as_it_is() {
    let stage = Stage::new();
    let body = "so HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
    for lines in ["", "connection: close\r\n"] {
        let (mut client, mut exchange) = stage.call(stage.request("GET", "/up", lines, ""));
        exchange.answer(body);
        assert_eq!(client.message().text(), body);
        if lines.is_empty() {
            client.say(stage.get("/echo/next"));
            assert_eq!(client.message().json()["path"], "/echo/next");
        }
    }
}

/// Bodies in chunks that are not well-formed (RFC 9112 §7.1), each of which the parser refuses.
const BROKEN: [&str; 19] = [
    "zz\r\nx\r\n0\r\n\r\n",
    "-1\r\nx\r\n0\r\n\r\n",
    "+1\r\nx\r\n0\r\n\r\n",
    "0x1\r\nx\r\n0\r\n\r\n",
    " 1\r\nx\r\n0\r\n\r\n",
    "\r\n1\r\nx\r\n0\r\n\r\n",
    "1\nx\r\n0\r\n\r\n",
    "1\r\nxy\r\n0\r\n\r\n",
    "1\r\nx\n0\r\n\r\n",
    "1\r\nx0\r\n\r\n",
    "1\r\nx\r0\r\n\r\n",
    "1_0\r\nx\r\n0\r\n\r\n",
    "fffffffffffffffff\r\nx\r\n",
    "10000000000000000\r\nx\r\n",
    ";a=b\r\nx\r\n0\r\n\r\n",
    "1;a=\nb\r\nx\r\n0\r\n\r\n",
    "1,1\r\nx\r\n0\r\n\r\n",
    "5\r\nhello\r\nzz\r\n",
    "0\r\n\rx\r\n",
];

#[test]
fn a_broken_chunk_is_answered_with_the_400_that_is_recorded() {
    let stage = Stage::new();
    for body in BROKEN {
        for path in ["/echo", "/up", "/auth/login"] {
            let lines = "transfer-encoding: chunked\r\ncontent-type: application/json\r\n";
            let bytes = stage.request("POST", path, lines, body);
            let answer = last_answer(&stage, &bytes);
            answer.assert_problem(400, "invalid-request");
            assert_on_record(&stage, body, &answer);
            if let Some(mut wire) = stage.upstream.try_accept() {
                assert!(!wire.message().complete, "{body:?} arrived as a whole");
            }
        }
    }
}

#[test]
fn a_broken_chunk_behind_a_refusal_brings_no_second_answer() {
    let stage = Stage::new();
    for body in BROKEN {
        let bytes = request("POST", "/echo", "x").replace("\r\n\r\n", "\r\ntransfer-encoding: chunked\r\n\r\n") + body;
        last_answer(&stage, &bytes).assert_problem(401, "invalid-token");
    }
}
