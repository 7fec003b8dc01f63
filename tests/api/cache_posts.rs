//! Answers of models that are kept: by the bytes of the request, free for whoever asks again.

use serde_json::{Value, json};

use super::{
    cache::status,
    metering::{COST, HOLD, spent, watch},
    support::{Answer, Origin, Setup, TestGateway, TestStore, whole},
};

on_both_stores!(
    the_same_request_to_a_model_is_answered_from_the_cache_and_free,
    a_stream_of_a_model_is_never_kept,
    an_answer_of_a_model_that_is_no_success_is_not_kept,
    an_answer_by_another_name_of_the_model_is_kept_as_it_went_to_the_client,
);

const BUILT_IN: &str = r#"
    [[routes]]
    name = "chat"
    path = "/v1/chat/completions"
    match = "exact"
    methods = ["POST"]
    roles = ["admin", "user"]
    upstream = "builtin:llm"
    meter = "openai-chat"
    cache = { ttl_s = 60, per = "user", posts = true }
"#;

fn chat(changes: Value) -> Value {
    let mut chat = json!({ "model": "demo", "messages": [{ "role": "user", "content": "How long is it?" }] });
    chat.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    chat
}

async fn ask(gateway: &TestGateway, token: &str, body: &Value) -> Answer {
    gateway.post("/v1/chat/completions").token(token).json(body).send().await
}

async fn the_same_request_to_a_model_is_answered_from_the_cache_and_free(store: &TestStore) {
    let gateway = Setup::default().more_lists(BUILT_IN).start(store).await;
    let budget = watch(&gateway, json!({})).await;
    let admin = gateway.admin.clone();
    let first = ask(&gateway, &admin, &chat(json!({}))).await;
    assert_eq!(status(&first), "tollgate; fwd=miss; stored");
    let cost = spent(&gateway, &budget).await;
    assert!(cost > 0);
    let second = ask(&gateway, &admin, &chat(json!({}))).await;
    assert!(status(&second).starts_with("tollgate; hit; ttl="), "{second:?}");
    assert_eq!(second.text(), first.text());
    assert_eq!((second.header(COST), second.header(HOLD)), (Some("0"), Some("0")));
    assert_eq!(spent(&gateway, &budget).await, cost);
    let record = gateway.record(second.request_id()).await.unwrap();
    assert_eq!(
        (&record["cost_usd"], &record["model"], &record["upstream"]),
        (&json!("0"), &json!("demo"), &json!(null))
    );
    let usage = gateway.get("/admin/usage?group_by=model").token(&admin).send().await.expect(200).json();
    assert_eq!((&usage["items"][0]["model"], &usage["items"][0]["requests"]), (&json!("demo"), &json!(2)), "{usage}");
    // Every byte counts, and so does who asks.
    for body in [chat(json!({ "temperature": 0 })), chat(json!({ "max_tokens": 5 }))] {
        assert_eq!(status(&ask(&gateway, &admin, &body).await), "tollgate; fwd=miss; stored", "{body}");
    }
    let user = gateway.user("ada", "user").await;
    assert_eq!(status(&ask(&gateway, &user.token, &chat(json!({}))).await), "tollgate; fwd=miss; stored");
    // A budget without room refuses what costs something, and nothing else.
    let patch = json!({ "limit_usd": "0.000000000001" });
    gateway.request("PATCH", &format!("/admin/budgets/{budget}")).token(&admin).json(&patch).send().await.expect(200);
    assert!(status(&ask(&gateway, &admin, &chat(json!({}))).await).starts_with("tollgate; hit"));
    ask(&gateway, &admin, &chat(json!({ "seed": 1 }))).await.problem(402, "budget-exhausted");
    gateway.finish().await;
}

async fn a_stream_of_a_model_is_never_kept(store: &TestStore) {
    let gateway = Setup::default().more_lists(BUILT_IN).start(store).await;
    let admin = gateway.admin.clone();
    for _ in 0..2 {
        let answer = ask(&gateway, &admin, &chat(json!({ "stream": true }))).await;
        assert_eq!((answer.status, status(&answer)), (200, "tollgate; fwd=bypass"));
        assert!(answer.text().ends_with("data: [DONE]\n\n"));
    }
    gateway.finish().await;
}

async fn an_answer_of_a_model_that_is_no_success_is_not_kept(store: &TestStore) {
    let origin = Origin::start().await;
    let lists = BUILT_IN.replace("builtin:llm", "raw");
    let upstream = format!("[[upstreams]]\nname = \"raw\"\nurl = \"http://{}\"\n", origin.address);
    let gateway = Setup::default().more_lists(&format!("{upstream}{lists}")).start(store).await;
    let admin = gateway.admin.clone();
    let usage = r#"{"usage":{"prompt_tokens":1,"completion_tokens":1},"choices":[]}"#;
    let json = ("content-type", "application/json");
    for (number, (answer, expected)) in [
        (whole("429 Too Many Requests", &[json], "{}"), 429),
        (whole("500 Internal Server Error", &[json, ("cache-control", "max-age=60")], "{}"), 500),
        (whole("200 OK", &[("content-type", "text/event-stream")], "data: [DONE]\n\n"), 200),
        (whole("200 OK", &[json, ("cache-control", "no-store")], usage), 200),
        (whole("200 OK", &[json], r#"{"error":{"message":"the quota of the tenant is used up"}}"#), 200),
        (whole("200 OK", &[json], "{}"), 200),
        (whole("200 OK", &[("content-type", "text/html")], "<html>maintenance</html>"), 200),
        ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{".into(), 502),
    ]
    .into_iter()
    .enumerate()
    {
        let body = chat(json!({ "seed": number }));
        origin.answers(answer);
        assert_eq!(ask(&gateway, &admin, &body).await.status, expected, "{number}");
        origin.answers(whole("200 OK", &[json], usage));
        let second = ask(&gateway, &admin, &body).await;
        assert_eq!((second.status, status(&second)), (200, "tollgate; fwd=miss; stored"), "{number}");
    }
    gateway.finish().await;
}

async fn an_answer_by_another_name_of_the_model_is_kept_as_it_went_to_the_client(store: &TestStore) {
    let origin = Origin::start().await;
    let upstream = format!("[[upstreams]]\nname = \"raw\"\nurl = \"http://{}\"\n", origin.address);
    let model = "[[models]]\nname = \"another-name\"\ntargets = [{ upstream = \"raw\", model = \"demo\" }]\n";
    let gateway = Setup::default().more_lists(&format!("{upstream}{model}{BUILT_IN}")).start(store).await;
    let admin = gateway.admin.clone();
    let body = chat(json!({ "model": "another-name" }));
    let usage = r#"{"model":"demo","usage":{"prompt_tokens":1,"completion_tokens":1},"choices":[]}"#;
    origin.answers(whole("200 OK", &[("content-type", "application/json"), ("content-md5", "AA==")], usage));
    let first = ask(&gateway, &admin, &body).await;
    assert_eq!((first.status, status(&first)), (200, "tollgate; fwd=miss; stored"), "{first:?}");
    assert_eq!((first.json()["model"].as_str(), first.header("content-md5")), (Some("another-name"), None));
    let second = ask(&gateway, &admin, &body).await;
    assert!(status(&second).starts_with("tollgate; hit; ttl="), "{second:?}");
    assert_eq!((second.text(), origin.count()), (first.text(), 1));
    gateway.finish().await;
}
