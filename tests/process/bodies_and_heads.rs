//! Families of heads and bodies that readers have read in two ways: each is refused, with nothing of it forwarded, or arrives as the
//! one thing that it is.

use super::support::{Message, Stage, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What hides behind a doubtful head: a request of its own, if a reader lost its place.
fn hidden(stage: &Stage) -> String {
    stage.get("/up/hidden")
}

/// Everything that comes back until the gateway closes.
fn answers(stage: &Stage, bytes: &[u8]) -> Vec<Message> {
    let mut client: Wire = stage.gateway.connect();
    client.say(bytes);
    client.stream().shutdown(std::net::Shutdown::Write).ok();
    std::iter::from_fn(|| Some(client.message()).filter(|answer| !answer.start.is_empty())).collect()
}

/// Refused: with 400, and nothing else is answered than the same refusal; nothing reached the upstream.
fn fault_in_refusing(stage: &Stage, bytes: &[u8]) -> Option<String> {
    let answers = answers(stage, bytes);
    let statuses: Vec<u16> = answers.iter().map(Message::status).collect();
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
    if statuses.is_empty() || statuses.iter().any(|status| *status != 400) {
        return Some(format!("{statuses:?} for {shown:?}"));
    }
    stage.upstream.try_accept().map(|_| format!("the upstream was called for {shown:?}"))
}

fn assert_refused(stage: &Stage, cases: &[Vec<u8>]) {
    let faults: Vec<String> = cases.iter().filter_map(|bytes| fault_in_refusing(stage, bytes)).collect();
    println!("{} cases refused", cases.len());
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

fn post(stage: &Stage, lines: &[u8], body: &[u8]) -> Vec<u8> {
    let head = stage.get("/up").replace("GET", "POST");
    [head.strip_suffix("\r\n").unwrap().as_bytes(), lines, b"\r\n", body].concat()
}

/// Lines that say a length or a coding in a way that one reader takes and another does not.
const DOUBTFUL: [&[u8]; 43] = [
    b"content-length: +5\r\n",
    b"content-length: -5\r\n",
    b"content-length: 0x5\r\n",
    b"content-length: 5a\r\n",
    b"content-length: 5 5\r\n",
    b"content-length: 5,5\r\n",
    b"content-length: 5, 6\r\n",
    b"content-length: 5;\r\n",
    b"content-length: \"5\"\r\n",
    b"content-length: 5.0\r\n",
    b"content-length: 1e1\r\n",
    b"content-length: 1_0\r\n",
    b"content-length:\r\n",
    b"content-length: \r\n",
    b"content-length: five\r\n",
    b"content-length: 18446744073709551616\r\n",
    b"content-length: 99999999999999999999999999\r\n",
    b"content-length: \xd9\xa5\r\n",
    b"content-length: 5\0\r\n",
    b"content-length : 5\r\n",
    b"content-length\t: 5\r\n",
    b" content-length: 5\r\n",
    b"content-length: 5\r\n 6\r\n",
    b"content-length: 5\r\ncontent-length: 5\r\n",
    b"content-length: 5\r\ncontent-length: 6\r\n",
    b"content-length: 5\r\nx: y\r\nContent-Length: 0\r\n",
    b"transfer-encoding: xchunked\r\n",
    b"transfer-encoding: chunkedx\r\n",
    b"transfer-encoding: chunked, identity\r\n",
    b"transfer-encoding: chunked, chunked\r\n",
    b"transfer-encoding: chunked,\r\ntransfer-encoding: gzip\r\n",
    b"transfer-encoding: ,chunked, gzip\r\n",
    b"transfer-encoding: chunked;q=1\r\n",
    b"transfer-encoding: \"chunked\"\r\n",
    b"transfer-encoding: 'chunked'\r\n",
    b"transfer-encoding: chunked\0\r\n",
    b"transfer-encoding: \x0bchunked\r\n",
    b"transfer-encoding : chunked\r\n",
    b"transfer-encoding\t: chunked\r\n",
    b" transfer-encoding: chunked\r\n",
    b"transfer-encoding:\r\n chunked\r\n",
    b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
];

/// Every pair of a line that says a length and one that says a coding, in both orders, and every doubtful form of either.
#[test]
fn every_doubtful_length_or_coding_is_refused() {
    let stage = Stage::new();
    let lengths: [&[u8]; 5] = [
        b"content-length: 5\r\n",
        b"Content-Length:5\r\n",
        b"content-length: 0\r\n",
        b"CONTENT-LENGTH: 5 \r\n",
        b"content-length:\t5\r\n",
    ];
    let codings: [&[u8]; 6] = [
        b"transfer-encoding: chunked\r\n",
        b"Transfer-Encoding:chunked\r\n",
        b"transfer-encoding: CHUNKED\r\n",
        b"transfer-encoding: gzip, chunked\r\n",
        b"transfer-encoding: identity\r\n",
        b"transfer-encoding:\tchunked \r\n",
    ];
    let body = format!("0\r\n\r\n{}", hidden(&stage)).into_bytes();
    let mut cases: Vec<Vec<u8>> = DOUBTFUL.iter().map(|lines| post(&stage, lines, &body)).collect();
    for length in lengths {
        for coding in codings {
            cases.push(post(&stage, &[length, coding].concat(), &body));
            cases.push(post(&stage, &[coding, length].concat(), &body));
        }
    }
    // HTTP/1.0 has no transfer codings (RFC 9112 §6.1).
    cases.push(
        String::from_utf8(post(&stage, b"transfer-encoding: chunked\r\n", &body))
            .unwrap()
            .replace("HTTP/1.1", "HTTP/1.0")
            .into(),
    );
    assert_refused(&stage, &cases);
}

#[test]
fn a_bare_cr_or_lf_or_nul_anywhere_in_a_head_is_refused_or_is_a_line_end() {
    let stage = Stage::new();
    let whole = String::from_utf8(post(&stage, b"x-a: b\r\n", b"")).unwrap();
    let inside = [
        "x-a: b\rc",
        "x-a: b\0c",
        "x-a: \rb",
        "x-a\r: b",
        "x-a\0: b",
        "x\0-a: b",
        "x-a: b\x0bc\0",
        "x-a: b\r\r",
        "x-a\n: b",
    ];
    let mut cases: Vec<Vec<u8>> = inside.iter().map(|line| whole.replace("x-a: b", line).into()).collect();
    for start in
        ["GET\r/up HTTP/1.1", "GET /up\rHTTP/1.1", "GET /u\0p HTTP/1.1", "G\rET /up HTTP/1.1", "GET /up HTTP/1.1\rx: y"]
    {
        cases.push(whole.replace("POST /up HTTP/1.1", start).into());
    }
    assert_refused(&stage, &cases);
}

#[test]
fn a_request_line_that_is_none_is_refused() {
    let stage = Stage::new();
    let rest = "\r\nhost: gateway.test\r\n\r\n";
    let lines = [
        "GET",
        "GET ",
        "GET /up",
        "GET  /up HTTP/1.1",
        "GET /up  HTTP/1.1",
        " GET /up HTTP/1.1",
        "GET\t/up HTTP/1.1",
        "GET /up HTTP/1.1 x",
        "GET /up HTTP/1",
        "GET /up HTTP/2",
        "GET /up HTTP/0.9",
        "GET /up http/1.1",
        "GET /up HTTP/11",
        "GET /up HTTP /1.1",
        "GET /up FTP/1.1",
        "GET /up HTTP/1.1HTTP/1.1",
        "/up HTTP/1.1",
        "GET /up\u{a0}HTTP/1.1",
        "G(T /up HTTP/1.1",
        "G\"T /up HTTP/1.1",
        "GET up HTTP/1.1",
        "GET ?x HTTP/1.1",
        "GET * HTTP/1.1",
        "GET #x HTTP/1.1",
        "GET /up#x HTTP/1.1",
        "GET \\up HTTP/1.1",
        "GET http:// HTTP/1.1",
        "GET http:///up HTTP/1.1",
        "GET //gateway.test/up HTTP/1.1",
        "GET http://other.test/up HTTP/1.1",
        "GET ftp://gateway.test/up HTTP/1.1",
        "CONNECT gateway.test:80 HTTP/1.1",
        "GET http://u@gateway.test/up HTTP/1.1",
    ];
    let cases: Vec<Vec<u8>> = lines.iter().map(|line| format!("{line}{rest}").into_bytes()).collect();
    let faults: Vec<String> = cases
        .iter()
        .filter_map(|bytes| {
            let statuses: Vec<u16> = answers(&stage, bytes).iter().map(Message::status).collect();
            let is_refused = matches!(statuses.as_slice(), [400 | 401 | 405 | 505]);
            (!is_refused).then(|| format!("{statuses:?} for {:?}", String::from_utf8_lossy(bytes)))
        })
        .collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), cases.len(), faults.join("\n"));
    assert!(stage.upstream.try_accept().is_none());
}

#[test]
fn chunks_with_extensions_and_trailers_arrive_as_the_one_body_that_they_are() {
    let stage = Stage::new();
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "5;a\r\nhello\r\n0\r\n\r\n",
        "5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n",
        "5;a=\"0\"\r\nhello\r\n0\r\n\r\n",
        "00005\r\nhello\r\n000\r\n\r\n",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
        "5\r\nhello\r\n0\r\ncontent-length: 99\r\ntransfer-encoding: x\r\nhost: evil\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\t;a\r\nhello\r\n0\r\n\r\n",
    ] {
        let bytes = stage.request("POST", "/up", "transfer-encoding: chunked\r\n", body);
        let (mut client, mut exchange) = stage.call(bytes);
        assert!(exchange.request.complete && exchange.request.text() == "hello", "{body:?}: {:?}", exchange.request);
        for name in ["x-sum", "content-length"] {
            assert_eq!(exchange.request.header(name), None, "{body:?}");
        }
        exchange.wire.say(OK);
        let answer = client.message();
        assert_eq!(answer.status(), 200, "{body:?}");
        let record = stage.record(&answer.request_id());
        assert_eq!(record["request_bytes"], 5, "{body:?}: {record}");
        // The connection is behind the body.
        client.say(stage.get("/echo/next"));
        assert_eq!(client.message().json()["path"], "/echo/next", "{body:?}");
    }
}

#[test]
fn no_name_of_the_gateway_passes_from_a_client_in_any_spelling() {
    let stage = Stage::new();
    let names = [
        "X-Tollgate-User",
        "x-tollgate-role",
        "X-TOLLGATE-TEAM",
        "X_Tollgate_User",
        "x-tollgate_key",
        "X_TOLLGATE-Request-Id",
        "X-Tollgate-Anything",
        "X-Forwarded-User_Name",
        "X_Forwarded_For",
        "X-Real_IP",
        "Forwarded",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "Content_Length",
        "Transfer_Encoding",
        "Host_",
    ];
    for name in names {
        let (mut client, mut exchange) = stage.call(stage.request("GET", "/up", &format!("{name}: forged\r\n"), ""));
        let forged: Vec<_> = exchange.request.headers.iter().filter(|(_, value)| value.contains("forged")).collect();
        assert!(forged.is_empty(), "{name}: {forged:?}");
        exchange.wire.say(OK);
        let answer = client.message();
        assert_eq!(answer.status(), 200, "{name}");
    }
    for (line, gone) in
        [("connection: x-mine\r\nx-mine: 1\r\n", "x-mine"), ("connection: close, X-Mine\r\nX-mine: 1\r\n", "x-mine")]
    {
        let (_, mut exchange) = stage.call(stage.request("GET", "/up", line, ""));
        assert_eq!(exchange.request.header(gone), None, "{line:?}");
        exchange.wire.say(OK);
    }
}
