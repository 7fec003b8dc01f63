//! One record a request, on disk before the answer's first byte.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::support::{Answer, PASSWORD, RawUpstream, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    every_answer_is_on_record_when_it_is_seen,
    a_call_is_recorded_with_all_that_is_known_of_it,
    a_login_names_its_user_and_a_failed_one_too,
    a_streamed_answer_has_a_decision_and_an_outcome,
    a_client_that_resets_leaves_an_aborted_record_and_no_hold,
    an_upstream_that_cuts_its_answer_leaves_a_failed_record,
    a_short_answer_of_a_stated_length_leaves_one_entry,
    a_short_answer_that_is_cut_is_a_failure,
    a_short_answer_that_stalls_is_passed_on_as_it_comes,
    an_unreachable_upstream_is_a_failure_on_record,
    a_client_that_hangs_up_before_the_answer_is_on_record,
    a_body_that_breaks_while_its_decision_is_written_is_answered_as_it_is_recorded,
    a_trace_is_named_by_its_id,
);

/// The record, read from the store right after the answer.
async fn record_of(gateway: &TestGateway, answer: &Answer) -> Value {
    gateway.record(answer.request_id()).await.unwrap_or_else(|| panic!("not on record: {answer:?}"))
}

async fn every_answer_is_on_record_when_it_is_seen(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let by = |method: &str, path: &str, token: &str| gateway.request(method, path).token(token);
    for (request, status, decision, reason) in [
        (gateway.get("/healthz"), 200, "allowed", None),
        (gateway.get("/me"), 401, "refused", Some("missing-credential")),
        (by("GET", "/me", "x"), 401, "refused", Some("invalid-token: malformed-token")),
        (gateway.get("/me").header("x-api-key", &user.token), 401, "refused", Some("invalid-token: no-api-key")),
        (gateway.get("/me").header("authorization", "x"), 401, "refused", Some("invalid-token: unknown-scheme")),
        (by("GET", "/echo", &user.token), 200, "allowed", None),
        (by("POST", "/echo", &user.token).body("x"), 200, "allowed", None),
        (by("GET", "/admin/users", &user.token), 403, "refused", Some("forbidden: roles")),
        (by("GET", "/nothing", &user.token), 404, "refused", Some("not-found")),
        (by("PUT", "/me", &user.token), 405, "refused", Some("method-not-allowed")),
        (by("GET", "//", &user.token), 400, "refused", Some("unsafe-path")),
        (by("POST", "/admin/users", &gateway.admin).json_text("{"), 400, "refused", Some("invalid-request")),
        (by("POST", "/admin/users", &gateway.admin), 415, "refused", Some("unsupported-media-type")),
    ] {
        let answer = request.send().await;
        let record = record_of(&gateway, &answer).await;
        let found = (answer.status, &record["status"], &record["decision"], record.get("reason"));
        assert_eq!(found, (status, &json!(status), &json!(decision), reason.map(Value::from).as_ref()), "{record}");
        assert_eq!(record["outcome"], "complete", "{record}");
    }
    gateway.finish().await;
}

async fn a_call_is_recorded_with_all_that_is_known_of_it(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("caller", "user").await;
    let answer = gateway.post("/echo/a%20b?q=hidden").token(&user.token).body("twelve bytes").send().await;
    let record = record_of(&gateway, &answer).await;
    for (field, value) in [
        ("user_id", json!(user.id)),
        ("username", json!("caller")),
        ("role", json!("user")),
        ("method", json!("POST")),
        ("path", json!("/echo/a%20b")),
        ("route", json!("echo")),
        ("decision", json!("allowed")),
        ("status", json!(200)),
        ("upstream", json!("builtin:echo")),
        ("upstream_status", json!(200)),
        ("request_bytes", json!(12)),
        ("response_bytes", json!(answer.body.len())),
        ("peer", json!("127.0.0.1")),
        ("outcome", json!("complete")),
    ] {
        assert_eq!(record[field], value, "{field}: {record}");
    }
    assert_eq!(record["credential"]["kind"], "access_token");
    assert!(record["session_id"].is_string() && record["duration_us"].is_u64(), "{record}");
    gateway.finish().await;
}

async fn a_login_names_its_user_and_a_failed_one_too(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let id = gateway.create("user", "user").await["id"].clone();
    for (password, decision) in [(PASSWORD, "allowed"), ("not the password", "refused")] {
        let answer = gateway.try_login("user", password).await;
        let record = record_of(&gateway, &answer).await;
        assert_eq!((&record["user_id"], &record["username"]), (&id, &json!("user")), "{record}");
        assert_eq!((&record["decision"], &record["route"]), (&json!(decision), &json!("/auth/login")));
    }
    let unknown = gateway.try_login("nobody-here", PASSWORD).await;
    assert_eq!(record_of(&gateway, &unknown).await.get("user_id"), None);
    gateway.finish().await;
}

async fn a_streamed_answer_has_a_decision_and_an_outcome(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let question = json!([{ "role": "user", "content": "Hello" }]);
    let body = json!({ "model": "demo", "stream": true, "max_tokens": 20, "messages": question });
    let request = gateway.post("/v1/chat/completions").token(&gateway.admin).json(&body);
    gateway.expect_record();
    let mut connection = gateway.connect().await;
    connection.send(&request.bytes()).await;
    let head = connection.head().await;
    assert!(head.expect(200).header("content-type").unwrap().starts_with("text/event-stream"));
    let decided = record_of(&gateway, &head).await;
    assert_eq!((&decided["decision"], &decided["route"]), (&json!("allowed"), &json!("chat")));
    let mut length = 0;
    while let chunk @ [_, ..] = connection.chunk().await.as_slice() {
        length += chunk.len();
    }
    let record = whole_record(&gateway, &head).await;
    assert_eq!((&record["outcome"], &record["response_bytes"]), (&json!("complete"), &json!(length)), "{record}");
    gateway.finish().await;
}

/// The record once it has its outcome: the end of a stream is written after the client has seen it.
async fn whole_record(gateway: &TestGateway, answer: &Answer) -> Value {
    eventually("the outcome", async || {
        let record = record_of(gateway, answer).await;
        record["outcome"].is_string().then_some(record)
    })
    .await
}

const ENDLESS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";

/// A gateway with a metered route to an upstream of this test.
async fn metered(store: &TestStore, upstream: &RawUpstream) -> TestGateway {
    let priced = "meter = { fixed_usd = \"0.002\" }\n";
    let lists = format!("{}{priced}", RawUpstream::route_to(upstream.address).trim_end_matches(' '));
    Setup::default().more_lists(&lists).start(store).await
}

async fn a_client_that_resets_leaves_an_aborted_record_and_no_hold(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let gateway = metered(store, &upstream).await;
    gateway.expect_record();
    let mut connection = gateway.connect().await;
    connection.send(&gateway.get("/up").token(&gateway.admin).bytes()).await;
    let _open = upstream.take(ENDLESS).await;
    let head = connection.head().await;
    assert_eq!(connection.chunk().await, b"hello");
    connection.reset();
    let record = whole_record(&gateway, &head).await;
    assert_eq!((&record["outcome"], &record["decision"]), (&json!("aborted"), &json!("allowed")), "{record}");
    assert_eq!((&record["status"], &record["response_bytes"]), (&json!(200), &json!(5)), "{record}");
    gateway.finish().await;
}

async fn an_upstream_that_cuts_its_answer_leaves_a_failed_record(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let gateway = metered(store, &upstream).await;
    gateway.expect_record();
    let mut connection = gateway.connect().await;
    connection.send(&gateway.get("/up").token(&gateway.admin).bytes()).await;
    drop(upstream.take(ENDLESS).await);
    let head = connection.head().await;
    let rest = connection.rest().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "a cut answer was passed on as complete");
    let record = whole_record(&gateway, &head).await;
    assert_eq!((&record["outcome"], &record["decision"]), (&json!("aborted"), &json!("failed")), "{record}");
    assert_eq!(record["reason"], "upstream-failed");
    gateway.finish().await;
}

/// An answer of `stated` bytes, of which `sent` are there.
fn stated(stated: usize, sent: usize) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {stated}\r\n\r\n{}", "x".repeat(sent))
}

/// A gateway with a route that costs nothing to an upstream of this test.
async fn unmetered(store: &TestStore, upstream: &RawUpstream) -> TestGateway {
    Setup::default().more_lists(&RawUpstream::route_to(upstream.address)).start(store).await
}

async fn a_short_answer_of_a_stated_length_leaves_one_entry(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let gateway = unmetered(store, &upstream).await;
    for (length, stage) in [(0, "whole"), (1_024, "whole"), (65_536, "whole"), (65_537, "outcome")] {
        gateway.expect_record();
        let mut connection = gateway.connect().await;
        connection.send(&gateway.get("/up").token(&gateway.admin).bytes()).await;
        let served = upstream.take(&stated(length, length)).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.body.len()), (200, length));
        drop((served, connection));
        let record = whole_record(&gateway, &answer).await;
        assert_eq!((&record["stage"], &record["response_bytes"]), (&json!(stage), &json!(length)), "{record}");
    }
    gateway.finish().await;
}

async fn a_short_answer_that_is_cut_is_a_failure(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let gateway = unmetered(store, &upstream).await;
    gateway.expect_record();
    let mut connection = gateway.connect().await;
    connection.send(&gateway.get("/up").token(&gateway.admin).bytes()).await;
    drop(upstream.take(&stated(100, 10)).await);
    let head = connection.head().await;
    head.expect(200);
    assert_eq!(connection.rest().await, b"x".repeat(10));
    let record = whole_record(&gateway, &head).await;
    assert_eq!((&record["decision"], &record["outcome"]), (&json!("failed"), &json!("aborted")), "{record}");
    gateway.finish().await;
}

async fn a_short_answer_that_stalls_is_passed_on_as_it_comes(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let gateway = unmetered(store, &upstream).await;
    gateway.expect_record();
    let mut connection = gateway.connect().await;
    let call = gateway.get("/up").token(&gateway.admin).header("connection", "close");
    connection.send(&call.bytes()).await;
    let mut served = upstream.take(&stated(8, 4)).await;
    let head = connection.head().await;
    head.expect(200);
    served.write_all(b"rest").await.unwrap();
    assert_eq!(connection.rest().await, b"xxxxrest");
    let record = whole_record(&gateway, &head).await;
    assert_eq!((&record["stage"], &record["outcome"]), (&json!("outcome"), &json!("complete")), "{record}");
    gateway.finish().await;
}

async fn an_unreachable_upstream_is_a_failure_on_record(store: &TestStore) {
    let lists = RawUpstream::route_to(RawUpstream::nowhere().await);
    let gateway = Setup::default().more_lists(&lists).start(store).await;
    for method in ["GET", "POST"] {
        let answer = gateway.request(method, "/up").token(&gateway.admin).send().await;
        answer.problem(502, "upstream-failed");
        let record = record_of(&gateway, &answer).await;
        assert_eq!((&record["decision"], &record["reason"]), (&json!("failed"), &json!("upstream-failed")), "{record}");
        assert_eq!((&record["status"], &record["upstream"]), (&json!(502), &json!("raw")), "{record}");
        assert_eq!(record.get("upstream_status"), None);
    }
    gateway.finish().await;
}

async fn a_client_that_hangs_up_before_the_answer_is_on_record(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let gateway = metered(store, &upstream).await;
    gateway.expect_record();
    let mut connection = gateway.connect().await;
    connection.send(&gateway.post("/up?patience=none").token(&gateway.admin).bytes()).await;
    let open = upstream.take("").await;
    connection.reset();
    gateway.without_clients().await;
    // A call that is billed goes on, and its record waits for what comes of it.
    drop(open);
    let record = eventually("the record", async || {
        gateway.records().await.into_iter().find(|record| record["path"] == "/up" && record["outcome"].is_string())
    })
    .await;
    assert_eq!((&record["outcome"], &record["decision"]), (&json!("aborted"), &json!("allowed")), "{record}");
    gateway.finish().await;
}

async fn a_body_that_breaks_while_its_decision_is_written_is_answered_as_it_is_recorded(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    // The chunk comes with the head and is malformed; the first pause of the request is the commit of its decision.
    let head = gateway.post("/echo").token(&gateway.admin).header("transfer-encoding", "chunked").bytes();
    let dying = [head.as_slice(), b"zz\r\n"].concat();
    let pairs = (0..100).map(async |_| {
        gateway.expect_record();
        let mut connection = gateway.connect().await;
        connection.send(&dying).await;
        gateway.get("/healthz").send().await.expect(200);
        connection.rest().await
    });
    for answer in futures_util::future::join_all(pairs).await {
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
    }
    for record in gateway.records().await.iter().filter(|record| record["path"] == "/echo") {
        assert_eq!((&record["outcome"], &record["status"]), (&json!("complete"), &json!(400)), "{record}");
    }
    gateway.finish().await;
}

async fn a_trace_is_named_by_its_id(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let answer = gateway.get("/healthz").header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01")).send().await;
    assert_eq!(record_of(&gateway, &answer).await["trace_id"], trace);
    gateway.finish().await;
}
