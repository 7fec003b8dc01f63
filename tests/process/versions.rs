//! Answers follow from the version and the method of the request and from what the upstream's answer has, as RFC 9110 and
//! 9112 say for each.

use std::io::{ErrorKind, Read};

use super::support::{Exchange, Stage, Wire};

/// How an upstream delimits `body`.
const FRAMINGS: [&str; 4] = ["length", "chunks", "close", "nothing"];
const STATUSES: [u16; 4] = [200, 204, 206, 304];
const BODY: &str = "some bytes";

fn upstream_answer(framing: &str, method: &str, status: u16) -> String {
    let has_body = method != "HEAD" && !matches!(status, 204 | 304);
    let body = if has_body { BODY } else { "" };
    let (line, body) = match framing {
        "length" => (format!("content-length: {}\r\n", BODY.len()), body.to_owned()),
        "chunks" if has_body => {
            ("transfer-encoding: chunked\r\n".into(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))
        }
        "chunks" => ("transfer-encoding: chunked\r\n".into(), String::new()),
        "close" => ("connection: close\r\n".into(), body.to_owned()),
        _ => (String::new(), body.to_owned()),
    };
    // 204 has neither (RFC 9110 §8.6, RFC 9112 §6.1): an upstream that says so all the same is not to be believed.
    format!("HTTP/1.1 {status} Some\r\netag: \"1\"\r\n{line}\r\n{body}")
}

/// What is wrong with the answer, if something is.
fn fault(stage: &Stage, version: &str, method: &str, framing: &str, status: u16) -> Option<String> {
    let length = if method == "POST" { "content-length: 2\r\n" } else { "" };
    let content = if method == "POST" { "hi" } else { "" };
    let lines = format!("connection: keep-alive\r\n{length}");
    let request = stage.request(method, "/up", &lines, content).replace("HTTP/1.1", version);
    let (mut client, Exchange { mut wire, .. }) = stage.call(request);
    wire.say(upstream_answer(framing, method, status));
    drop(wire);
    let head = client.head();
    if head.status() == 502 && status == 204 && matches!(framing, "length" | "chunks") {
        return None;
    }
    let (length, coding) = (head.header("content-length"), head.header("transfer-encoding"));
    let has_body = method != "HEAD" && !matches!(status, 204 | 304);
    let says = |what: &str| Some(format!("{version} {method} {framing} {status}: {what}: {head:?}"));
    if head.status() != status {
        return says("another status");
    }
    if coding.is_some() && (version == "HTTP/1.0" || status == 204 || length.is_some()) {
        return says("a transfer coding where there may be none");
    }
    if length.is_some() && status == 204 {
        return says("a length where there may be none");
    }
    if length.is_some_and(|length| length != BODY.len().to_string()) {
        return says("another length than that of the body of a GET");
    }
    if framing == "length" && status != 204 && length.is_none() {
        return says("the length is lost");
    }
    let is_closed_after = |client: &mut Wire| {
        client.say(stage.get("/up"));
        client.is_closed()
    };
    if !has_body {
        // The next answer follows at once: no byte of a body is between.
        client.say(stage.request("GET", "/healthz", "connection: close\r\n", ""));
        let next = client.head();
        let is_last = version == "HTTP/1.0" && head.header("connection") != Some("keep-alive");
        return if next.start.is_empty() && is_last || next.start == "HTTP/1.1 200 OK" { None } else { says("a body") };
    }
    let body = match (coding, length) {
        (Some(_), _) => std::iter::from_fn(|| client.chunk()).flatten().collect::<Vec<u8>>(),
        (None, Some(length)) => client.bytes(length.parse().unwrap()),
        (None, None) if head.header("connection") == Some("keep-alive") => return says("a body without an end"),
        (None, None) => {
            let body = client.bytes(BODY.len());
            return if body == BODY.as_bytes() && is_closed_after(&mut client) { None } else { says("another body") };
        }
    };
    if body == BODY.as_bytes() { None } else { says("another body") }
}

#[test]
fn every_version_method_framing_and_status_gets_an_answer_that_it_can_read() {
    let stage = Stage::new();
    let mut faults = vec![];
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        for method in ["GET", "HEAD", "POST"] {
            for framing in FRAMINGS {
                faults.extend(STATUSES.iter().filter_map(|status| fault(&stage, version, method, framing, *status)));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// To HTTP/1.0 the end of the connection is the end of the body, unless it is a reset.
#[test]
fn an_answer_that_is_cut_is_no_whole_one_to_http_1_0() {
    let stage = Stage::new();
    for said in ["5\r\nhello\r\n", "5\r\nhello\r\nzz\r\n", "5\r\nhe"] {
        let (client, Exchange { mut wire, .. }) = stage.call(stage.get("/up").replace("HTTP/1.1", "HTTP/1.0"));
        wire.say(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{said}"));
        drop(wire);
        let ended = client.stream().read_to_end(&mut vec![]);
        assert_eq!(ended.map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset), "{said:?}");
    }
}

/// RFC 9112 §3.2.2: the authority of the target is the host; HTTP/1.0 may name it there alone.
#[test]
fn an_upstream_learns_the_host_that_a_target_in_absolute_form_names() {
    let stage = Stage::new();
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let credential = format!("authorization: Bearer {}\r\n", stage.token);
    for (line, host, told) in [
        ("GET http://gate.example/up HTTP/1.0", "", Some("gate.example")),
        ("GET http://gate.example:8080/up HTTP/1.0", "", Some("gate.example:8080")),
        ("GET http://gate.example/up HTTP/1.1", "host: gate.example\r\n", Some("gate.example")),
        ("GET /up HTTP/1.0", "host: gate.example\r\n", Some("gate.example")),
        ("GET /up HTTP/1.0", "", None),
    ] {
        let (got, answer) = stage.carry(format!("{line}\r\n{host}{credential}\r\n"), ok);
        assert_eq!((answer.status(), got.header("x-forwarded-host"), got.target()), (200, told, "/up"), "{line}");
    }
}

#[test]
fn an_offer_of_another_protocol_is_not_taken_and_not_passed_on() {
    let stage = Stage::new();
    for (connection, upgrade) in [
        ("Upgrade, HTTP2-Settings", Some("h2c")),
        ("Upgrade", Some("TLS/1.2")),
        ("keep-alive, Upgrade", Some("h2c, TLS/1.2")),
        ("Upgrade", None),
        ("keep-alive", Some("h2c")),
    ] {
        let upgrade = upgrade.map_or_else(String::new, |protocol| format!("upgrade: {protocol}\r\n"));
        let lines = format!("connection: {connection}\r\n{upgrade}http2-settings: AAMAAABkAAQAAP__\r\n");
        let (got, answer) =
            stage.carry(stage.request("GET", "/up", &lines, ""), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"), "{lines}");
        assert_eq!(
            (answer.header("upgrade"), got.header("upgrade"), got.header("http2-settings")),
            (None, None, None),
            "{lines}"
        );
        assert_ne!(answer.header("connection"), Some("upgrade"), "{lines}");
        let probe = stage.gateway.send(format!("GET /healthz HTTP/1.1\r\nhost: a\r\n{lines}\r\n"));
        assert_eq!(probe.status(), 200, "{lines}");
    }
    let lines = "connection: Upgrade\r\nupgrade: websocket\r\n";
    stage.gateway.send(stage.request("GET", "/up", lines, "")).assert_problem(400, "invalid-request");
}
