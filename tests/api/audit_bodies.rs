//! What the audit log keeps of bodies: nothing, their hash, or their text without credentials.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tollgate::domain::hex;

use super::support::{Answer, PASSWORD, RawUpstream, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    a_route_keeps_of_bodies_what_it_says,
    a_streamed_body_is_hashed_whole_and_kept_up_to_the_cap,
    no_credential_in_a_body_is_kept,
    bytes_that_no_store_takes_as_text_lose_no_record,
    bodies_of_the_gateways_own_urls_are_never_kept,
    a_refused_call_keeps_what_it_was_answered,
);

const ROUTES: &str = r#"
    [[routes]]
    name = "none"
    path = "/none"
    match = "prefix"
    methods = ["GET", "POST"]
    roles = ["admin"]
    upstream = "builtin:echo"
    bodies = "none"
    [[routes]]
    name = "hash"
    path = "/hash"
    match = "prefix"
    methods = ["GET", "POST"]
    roles = ["admin"]
    upstream = "builtin:echo"
    bodies = "hash"
    [[routes]]
    name = "echo"
    path = "/echo"
    match = "prefix"
    methods = ["GET", "POST"]
    roles = ["admin"]
    upstream = "builtin:echo"
"#;

async fn start(store: &TestStore) -> TestGateway {
    Setup::default().set("audit.bodies", "full").more_lists(ROUTES).start(store).await
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes).as_ref())
}

/// The record as administrators see it.
async fn shown(gateway: &TestGateway, answer: &Answer) -> Value {
    let target = format!("/admin/audit?request_id={}", answer.request_id());
    let mut page = gateway.get(&target).token(&gateway.admin).send().await.expect(200).json();
    page["items"][0].take()
}

async fn a_route_keeps_of_bodies_what_it_says(store: &TestStore) {
    let gateway = start(store).await;
    let (said, hash) = ("what was said", sha256(b"what was said"));
    for (path, kept) in [
        ("/none", Value::Null),
        ("/hash", json!({ "sha256": hash })),
        ("/echo", json!({ "sha256": hash, "text": said })),
    ] {
        let answer = gateway.post(path).token(&gateway.admin).body(said).send().await;
        let record = shown(&gateway, answer.expect(200)).await;
        assert_eq!(record["request_body"], kept, "{path}: {record}");
        let of_answer = if kept.is_null() { Value::Null } else { json!(sha256(&answer.body)) };
        assert_eq!(record["response_body"]["sha256"], of_answer, "{path}: {record}");
    }
    let empty = gateway.get("/echo").token(&gateway.admin).send().await;
    assert_eq!(shown(&gateway, &empty).await["request_body"], Value::Null);
    gateway.finish().await;
}

async fn a_streamed_body_is_hashed_whole_and_kept_up_to_the_cap(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let setup = Setup::default().set("audit.bodies", "full").set("audit.body_max_bytes", 12);
    let gateway = setup.more_lists(&RawUpstream::route_to(upstream.address)).start(store).await;
    let answered = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\none tw\r\n8\r\no three \r\n0\r\n\r\n";
    let request = gateway.post("/up").token(&gateway.admin).body("four five six seven");
    let (answer, _upstream) = tokio::join!(request.send(), upstream.serve(answered));
    assert_eq!(answer.text(), "one two three ");
    let record = eventually("the outcome", async || {
        let record = shown(&gateway, &answer).await;
        (record["outcome"] == "complete").then_some(record)
    })
    .await;
    for (body, text, whole) in
        [("request_body", "four five ", "four five six seven"), ("response_body", "one two ", "one two three ")]
    {
        let kept = json!({ "sha256": sha256(whole.as_bytes()), "text": text, "truncated": true });
        assert_eq!(record[body], kept, "{record}");
    }
    gateway.finish().await;
}

async fn no_credential_in_a_body_is_kept(store: &TestStore) {
    let gateway = start(store).await;
    let request = || gateway.post("/echo").token(&gateway.admin);
    let spoken = json!({ "arguments": "{\"p\\u0061ssword\": \"canary 1\"}", "max_tokens": 7 });
    for request in [
        request().json(&json!({ "a": { "client_secret": ["canary", 2] }, "say": "Bearer X3-canary" })),
        request().json(&spoken),
        request().json_text("{\"password\": \"canary that does not end"),
        request().form("user=ann&password=canary&n=1"),
        request().body("my key is tg_0198_canary-of-a-key"),
        request().header("cookie", "session=canary"),
    ] {
        let record = shown(&gateway, request.send().await.expect(200)).await;
        assert!(record["response_body"]["text"].is_string(), "{record}");
    }
    for entry in gateway.entries().await {
        assert!(!entry.contains("canary"), "{entry}");
    }
    gateway.finish().await;
}

async fn bytes_that_no_store_takes_as_text_lose_no_record(store: &TestStore) {
    let gateway = start(store).await;
    for (bytes, text) in [
        (b"\0".as_slice(), None),
        (b"t\0g\0", None),
        (b"\xff\xfe", None),
        (br#"{"a": "\ud800\u0000"}"#, Some(r#"{"a": "\ud800\u0000"}"#)),
        ("\u{1}\u{7f}\u{fffe}\u{10ffff}\n\r\"\\".as_bytes(), Some("\u{1}\u{7f}\u{fffe}\u{10ffff}\n\r\"\\")),
    ] {
        let answer = gateway.post("/echo").token(&gateway.admin).body(bytes).send().await;
        let kept = shown(&gateway, answer.expect(200)).await["request_body"].take();
        assert_eq!((&kept["sha256"], kept["text"].as_str()), (&json!(sha256(bytes)), text));
    }
    gateway.finish().await;
}

async fn bodies_of_the_gateways_own_urls_are_never_kept(store: &TestStore) {
    let gateway = start(store).await;
    let user = gateway.user("user", "admin").await;
    let change = json!({ "current_password": PASSWORD, "new_password": "canary-of-the-next-password" });
    let changed = gateway.post("/me/password").token(&user.token).json(&change).send().await;
    assert_eq!(changed.status, 204, "{changed:?}");
    for record in gateway.records().await {
        assert!(record.get("request_body").is_none() && record.get("response_body").is_none(), "{record}");
    }
    gateway.finish().await;
}

async fn a_refused_call_keeps_what_it_was_answered(store: &TestStore) {
    let gateway = Setup::default()
        .set("audit.bodies", "full")
        .more_lists(&RawUpstream::route_to(RawUpstream::nowhere().await))
        .start(store)
        .await;
    let answer = gateway.post("/up").token(&gateway.admin).body("said").send().await;
    answer.problem(502, "upstream-failed");
    let record = shown(&gateway, &answer).await;
    assert_eq!(record["response_body"], json!({ "sha256": sha256(&answer.body), "text": answer.text() }), "{record}");
    gateway.finish().await;
}
