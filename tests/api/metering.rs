//! Calls to models: held at what they may take, settled at what they took, whatever way they end.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::support::{Answer, Connection, RawUpstream, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    a_chat_is_held_at_its_bound_and_settled_at_its_usage,
    a_message_is_held_and_settled_too,
    a_stream_is_settled_at_the_usage_that_nobody_asked_for,
    a_model_without_a_price_is_refused,
    a_request_that_cannot_be_metered_is_refused_and_holds_nothing,
    a_budget_of_a_model_counts_its_calls_alone,
    the_bound_that_a_refusal_names_fits,
    a_hold_is_in_the_store_before_the_upstream_is_asked,
    responses_and_embeddings_are_held_and_settled_too,
    a_request_is_bounded_and_otherwise_sent_as_it_is,
    an_answer_that_is_an_error_costs_nothing,
    an_answer_without_usage_is_estimated,
    usage_beyond_the_hold_is_a_forced_debit,
    a_whole_answer_that_is_cut_is_a_failure_and_billed_as_far_as_it_came,
    a_stream_that_is_cut_is_billed_as_far_as_it_came,
    a_client_that_resets_a_stream_pays_for_what_it_got,
    a_client_that_does_not_wait_for_a_whole_answer_pays_for_it,
    an_upstream_that_falls_silent_ends_the_call,
    a_call_is_billed_by_the_price_it_was_held_at_though_that_changes,
    another_model_that_answers_is_billed_at_its_own_price_if_that_is_lower,
    usage_is_grouped_by_the_model_that_was_asked,
);

/// A budget that sees every call.
pub(super) async fn watch(gateway: &TestGateway, changes: Value) -> String {
    let mut budget = json!({ "name": "all", "scope": "global", "limit_usd": "100", "period": "total" });
    budget.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let made = gateway.post("/admin/budgets").token(&gateway.admin).json(&budget).send().await;
    made.expect(201).json()["id"].as_str().unwrap().to_owned()
}

/// What a budget has spent, in pico-USD, once nothing is held any more.
pub(super) async fn spent(gateway: &TestGateway, budget: &str) -> u64 {
    let target = format!("/admin/budgets/{budget}");
    let found = eventually("the end of all holds", async || {
        let budget = gateway.get(&target).token(&gateway.admin).send().await.expect(200).json();
        (budget["held_usd"] == "0").then_some(budget)
    })
    .await;
    pico(found["spent_usd"].as_str().unwrap())
}

pub(super) fn pico(usd: &str) -> u64 {
    let money: tollgate::domain::money::Money = usd.parse().unwrap();
    u64::try_from(money.pusd()).unwrap()
}

pub(super) fn amount(answer: &Answer, header: &str) -> u64 {
    pico(answer.header(header).unwrap_or_else(|| panic!("no {header}: {answer:?}")))
}

pub(super) const HOLD: &str = "x-tollgate-hold-usd";
pub(super) const COST: &str = "x-tollgate-cost-usd";

/// Of `demo`, in pico-USD a token.
const INPUT: u64 = 1_000_000;
const OUTPUT: u64 = 2_000_000;
const MAX_OUTPUT_TOKENS: u64 = 4_096;

fn chat(changes: Value) -> Value {
    let mut chat = json!({ "model": "demo", "messages": [{ "role": "user", "content": "How long is it?" }] });
    chat.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    chat
}

pub(super) async fn ask(gateway: &TestGateway, path: &str, body: &Value) -> Answer {
    gateway.post(path).token(&gateway.admin).json(body).send().await
}

async fn record_with_cost(gateway: &TestGateway, request_id: &str) -> Value {
    eventually("the end of the record", async || {
        gateway.record(request_id).await.filter(|record| record["outcome"].is_string())
    })
    .await
}

fn price_of(input: u64, output: u64) -> u64 {
    input * INPUT + output * OUTPUT
}

async fn a_chat_is_held_at_its_bound_and_settled_at_its_usage(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let budget = watch(&gateway, json!({})).await;
    let body = chat(json!({ "max_tokens": 20, "n": 2 }));
    let answer = ask(&gateway, "/v1/chat/completions", &body).await;
    let usage = answer.expect(200).json()["usage"].clone();
    let (input, output) = (usage["prompt_tokens"].as_u64().unwrap(), usage["completion_tokens"].as_u64().unwrap());
    let bytes = u64::try_from(body.to_string().len()).unwrap();
    assert_eq!(amount(&answer, COST), price_of(input, output));
    assert_eq!(amount(&answer, HOLD), price_of(bytes + 100, 40));
    let record = record_with_cost(&gateway, answer.request_id()).await;
    assert_eq!((&record["model"], &record["input_tokens"]), (&json!("demo"), &json!(input)), "{record}");
    assert_eq!((&record["output_tokens"], &record["cost_usd"]), (&json!(output), &json!(answer.header(COST))));
    assert_eq!(spent(&gateway, &budget).await, price_of(input, output));
    let usage = gateway.get("/me/usage?group_by=model").token(&gateway.admin).send().await.expect(200).json();
    let item = &usage["items"][0];
    assert_eq!(
        (&item["model"], &item["input_tokens"], &item["output_tokens"]),
        (&json!("demo"), &json!(input), &json!(output))
    );
    gateway.finish().await;
}

async fn a_message_is_held_and_settled_too(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let budget = watch(&gateway, json!({})).await;
    let answer = ask(&gateway, "/v1/messages", &chat(json!({ "max_tokens": 9 }))).await;
    let usage = answer.expect(200).json()["usage"].clone();
    let cost = price_of(usage["input_tokens"].as_u64().unwrap(), usage["output_tokens"].as_u64().unwrap());
    assert_eq!(amount(&answer, COST), cost);
    let stream = ask(&gateway, "/v1/messages", &chat(json!({ "max_tokens": 9, "stream": true }))).await;
    assert!(stream.expect(200).text().contains("message_stop"));
    assert_eq!(spent(&gateway, &budget).await, 2 * cost);
    gateway.finish().await;
}

async fn a_stream_is_settled_at_the_usage_that_nobody_asked_for(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let budget = watch(&gateway, json!({})).await;
    let whole = ask(&gateway, "/v1/chat/completions", &chat(json!({ "max_tokens": 20 }))).await;
    let cost = amount(&whole, COST);
    for (options, shows) in [(json!(null), false), (json!({ "include_usage": true }), true)] {
        let body = chat(json!({ "max_tokens": 20, "stream": true, "stream_options": options }));
        let answer = ask(&gateway, "/v1/chat/completions", &body).await;
        let text = answer.expect(200).text().to_owned();
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
        assert_eq!(text.contains("\"completion_tokens\":20"), shows, "{text}");
        assert_eq!((amount(&answer, HOLD) > cost, answer.header(COST)), (true, None));
        let record = record_with_cost(&gateway, answer.request_id()).await;
        assert_eq!((&record["output_tokens"], &record["outcome"]), (&json!(20), &json!("complete")));
    }
    assert_eq!(spent(&gateway, &budget).await, 3 * cost);
    gateway.finish().await;
}

async fn a_model_without_a_price_is_refused(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let answer = ask(&gateway, "/v1/chat/completions", &chat(json!({ "model": "nobody-knows" }))).await;
    let problem = answer.problem(403, "unpriced-model");
    assert!(problem["detail"].as_str().unwrap().contains("nobody-knows"), "{problem}");
    assert_eq!(problem["error"]["code"], "unpriced-model");
    assert_eq!(answer.header(HOLD), None);
    let record = gateway.record(answer.request_id()).await.unwrap();
    assert_eq!((&record["reason"], &record["model"]), (&json!("unpriced-model"), &json!("nobody-knows")), "{record}");
    gateway.finish().await;
}

async fn a_request_that_cannot_be_metered_is_refused_and_holds_nothing(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let budget = watch(&gateway, json!({})).await;
    let post = |body: &str| gateway.post("/v1/chat/completions").token(&gateway.admin).json_text(body);
    let with = |more: &str| format!(r#"{{"model":"demo","messages":[]{more}}}"#);
    for (body, pointer) in [
        (String::new(), ""),
        ("{".into(), ""),
        ("[]".into(), ""),
        ("null".into(), ""),
        (r#"{"messages":[]}"#.into(), "/model"),
        (r#"{"model":7}"#.into(), "/model"),
        (r#"{"model":""}"#.into(), "/model"),
        (with(r#","max_tokens":-2"#), "/max_tokens"),
        (with(r#","max_tokens":0"#), "/max_tokens"),
        (with(r#","max_tokens":1.5"#), "/max_tokens"),
        (with(r#","max_tokens":"9""#), "/max_tokens"),
        (with(r#","max_tokens":99999999999999999999999"#), "/max_tokens"),
        (with(r#","max_tokens":1,"max_tokens":2"#), "/max_tokens"),
        (with(r#","Max_Tokens":2"#), "/Max_Tokens"),
        (with(r#","n":0"#), "/n"),
        (with(r#","n":129"#), "/n"),
        (with(r#","stream":"yes""#), "/stream"),
        (with(r#","stream":true,"stream_options":7"#), "/stream_options"),
        (with(r#","stream":true,"stream_options":{"include_usage":1}"#), "/stream_options/include_usage"),
        (with(r#","tools":[{"type":"web_search"}]"#), "/tools"),
        (with(r#","service_tier":"priority""#), "/service_tier"),
        (with(r#","modalities":["text","audio"]"#), "/modalities"),
        (with(r#","web_search_options":{}"#), "/web_search_options"),
        (r#"{"model":"demo","messages":[{"content":[{"type":"image_url"}]}]}"#.into(), "/messages"),
    ] {
        let answer = post(&body).send().await;
        assert_eq!(answer.status, 400, "{body}");
        answer.invalid(pointer);
    }
    let body = chat(json!({})).to_string();
    let typed = |kind: &str| gateway.post("/v1/chat/completions").token(&gateway.admin).header("content-type", kind);
    typed("text/html").body(body.clone()).send().await.problem(415, "unsupported-media-type");
    typed("text/plain; charset=utf-16").body(body.clone()).send().await.problem(415, "unsupported-media-type");
    typed("application/json; charset=utf-7").body(body.clone()).send().await.problem(415, "unsupported-media-type");
    let coded = post(&body).header("content-encoding", "gzip").send().await;
    coded.problem(415, "unsupported-media-type");
    assert_eq!(coded.header("accept-encoding"), Some("identity"));
    // As `curl -d` labels it, or nobody does: read if it is JSON, as servers of models do.
    let form = "application/x-www-form-urlencoded";
    typed(form).body("model=demo&prompt=x").send().await.problem(415, "unsupported-media-type");
    assert_eq!(spent(&gateway, &budget).await, 0);
    typed(form).body(format!(" {body}")).send().await.expect(200);
    for kind in ["text/plain;charset=UTF-8", "text/json", "application/vnd.api+json"] {
        typed(kind).body(body.clone()).send().await.expect(200);
    }
    gateway.post("/v1/chat/completions").token(&gateway.admin).body(body.clone()).send().await.expect(200);
    typed("application/json").header("content-encoding", "").body(body.clone()).send().await.expect(200);
    assert_ne!(spent(&gateway, &budget).await, 0);
    gateway.finish().await;
}

async fn a_budget_of_a_model_counts_its_calls_alone(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let demo = watch(&gateway, json!({ "name": "demo", "models": ["demo"], "limit_usd": "0.001" })).await;
    watch(&gateway, json!({ "name": "other", "models": ["gpt"], "limit_usd": "0" })).await;
    let refused = ask(&gateway, "/v1/chat/completions", &chat(json!({}))).await;
    let short = refused.problem(402, "budget-exhausted")["budgets"].clone();
    assert_eq!((short.as_array().unwrap().len(), &short[0]["name"]), (1, &json!("demo")));
    assert!(pico(short[0]["needed_usd"].as_str().unwrap()) >= MAX_OUTPUT_TOKENS * OUTPUT);
    let answer = ask(&gateway, "/v1/chat/completions", &chat(json!({ "max_tokens": 5 }))).await;
    assert_eq!(spent(&gateway, &demo).await, amount(answer.expect(200), COST));
    gateway.finish().await;
}

async fn the_bound_that_a_refusal_names_fits(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for (path, member, changes) in [
        ("/v1/chat/completions", "max_completion_tokens", json!({})),
        ("/v1/chat/completions", "max_tokens", json!({ "max_tokens": null, "n": 3 })),
        ("/v1/chat/completions", "max_tokens", json!({ "max_tokens": 3_000 })),
        ("/v1/messages", "max_tokens", json!({})),
        ("/v1/responses", "max_output_tokens", json!({ "input": "How long is it?" })),
    ] {
        let budget = watch(&gateway, json!({ "limit_usd": "0.005" })).await;
        let refused = ask(&gateway, path, &chat(changes.clone())).await;
        let detail = refused.problem(402, "budget-exhausted")["detail"].as_str().unwrap().to_owned();
        let named = detail.split("at most ").nth(1).and_then(|rest| rest.split(' ').next());
        let named: u64 = named.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{detail}"));
        let mut body = chat(changes);
        body[member] = json!(named + 200);
        ask(&gateway, path, &body).await.problem(402, "budget-exhausted");
        body[member] = json!(named);
        let hold = amount(ask(&gateway, path, &body).await.expect(200), HOLD);
        assert!(hold <= 5_000_000_000 && named > 500, "{path} {member} {named}: {hold}");
        gateway.request("DELETE", &format!("/admin/budgets/{budget}")).token(&gateway.admin).send().await.expect(204);
    }
    gateway.finish().await;
}

/// A gateway before a bare socket, and a budget that sees every call.
pub(super) struct Scene {
    pub gateway: TestGateway,
    pub upstream: RawUpstream,
    pub budget: String,
}

async fn scene(store: &TestStore) -> Scene {
    scene_of(store, "openai-chat").await
}

pub(super) async fn scene_of(store: &TestStore, meter: &str) -> Scene {
    scene_with(store, meter, "", "").await
}

/// With further keys of the upstream and of the route.
pub(super) async fn scene_with(store: &TestStore, meter: &str, of_upstream: &str, of_route: &str) -> Scene {
    let upstream = RawUpstream::start().await;
    let lists = RawUpstream::route_to(upstream.address).replace("[[routes]]", &format!("{of_upstream}\n[[routes]]"));
    let metered = format!("{}meter = \"{meter}\"\n{of_route}\n", lists.trim_end_matches(' '));
    let gateway = Setup::default().more_lists(&metered).start(store).await;
    let budget = watch(&gateway, json!({ "name": meter })).await;
    Scene { gateway, upstream, budget }
}

impl Scene {
    /// One call, and the upstream's answer to it.
    pub(super) async fn call(&self, body: &Value, answer: &str) -> Answer {
        // The upstream closes behind its answer, which may be one that ends with the connection.
        let serve = async { drop(self.upstream.serve(answer).await) };
        tokio::join!(serve, ask(&self.gateway, "/up", body)).1
    }

    /// A call whose answer is not awaited.
    pub(super) async fn begin(&self, body: &Value) -> Connection {
        self.gateway.expect_record();
        let mut client = self.gateway.connect().await;
        client.send(&self.gateway.post("/up").token(&self.gateway.admin).json(body).bytes()).await;
        client
    }

    pub(super) async fn spent(&self) -> u64 {
        spent(&self.gateway, &self.budget).await
    }
}

pub(super) fn whole(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn stated(input: &str, output: &str) -> String {
    let usage = format!(r#""usage":{{"prompt_tokens":{input},"completion_tokens":{output}}}"#);
    whole("200 OK", &format!(r#"{{"model":"demo","choices":[{{"message":{{"content":"four"}}}}],{usage}}}"#))
}

async fn a_hold_is_in_the_store_before_the_upstream_is_asked(store: &TestStore) {
    let scene = scene(store).await;
    let mut client = scene.begin(&chat(json!({ "max_tokens": 10 }))).await;
    let (mut served, request) = scene.upstream.serve("").await;
    let office = &scene.gateway.running().office;
    let open = office.accounting.store.open_holds(&office.audit_log.chain).await.unwrap();
    let ids: Vec<String> = open.iter().map(ToString::to_string).collect();
    assert!(ids.len() == 1 && request.contains(&format!("x-request-id: {}\r\n", ids[0])), "{ids:?}");
    served.write_all(stated("9", "8").as_bytes()).await.unwrap();
    client.answer().await.expect(200);
    assert_eq!(scene.spent().await, price_of(9, 8));
    scene.gateway.finish().await;
}

async fn responses_and_embeddings_are_held_and_settled_too(store: &TestStore) {
    for (meter, usage, cost) in [
        ("openai-responses", r#"{"input_tokens":9,"output_tokens":8,"total_tokens":17}"#, price_of(9, 8)),
        ("openai-embeddings", r#"{"prompt_tokens":9,"total_tokens":9}"#, price_of(9, 0)),
    ] {
        let scene = scene_of(store, meter).await;
        let answer = whole("200 OK", &format!(r#"{{"model":"demo","usage":{usage}}}"#));
        let answer = scene.call(&json!({ "model": "demo", "input": "How long is it?" }), &answer).await;
        assert_eq!(amount(answer.expect(200), COST), cost, "{meter}");
        assert!(amount(&answer, HOLD) > cost);
        scene.gateway.discard().await;
    }
}

async fn a_request_is_bounded_and_otherwise_sent_as_it_is(store: &TestStore) {
    let scene = scene(store).await;
    for (sent, received) in [
        (r#" {"model":"demo", "max_tokens" : 7,"x":1.0e1} "#, r#" {"model":"demo", "max_tokens" : 7,"x":1.0e1} "#),
        (r#"{"model":"demo","x":"\u00e9"}"#, r#"{"model":"demo","x":"\u00e9","max_completion_tokens":4096}"#),
        (r#"{"max_completion_tokens":null,"model":"demo"}"#, r#"{"max_completion_tokens":4096,"model":"demo"}"#),
        (r#"{"model":"demo","max_tokens":5000}"#, r#"{"model":"demo","max_tokens":4096}"#),
        (
            r#"{"model":"demo","max_tokens":7,"stream":true}"#,
            r#"{"model":"demo","max_tokens":7,"stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"model":"demo","max_tokens":7,"stream":true,"stream_options":{"include_usage" :false,"y":2}}"#,
            r#"{"model":"demo","max_tokens":7,"stream":true,"stream_options":{"include_usage" :true,"y":2}}"#,
        ),
    ] {
        let post = scene.gateway.post("/up").token(&scene.gateway.admin).header("accept-encoding", "gzip");
        let answer = stated("1", "1");
        let ((_served, request), _) = tokio::join!(scene.upstream.serve(&answer), post.json_text(sent).send());
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, received);
        assert!(head.contains("accept-encoding: identity\r\n") && !head.contains("gzip"), "{head}");
    }
    scene.gateway.finish().await;
}

async fn an_answer_that_is_an_error_costs_nothing(store: &TestStore) {
    let scene = scene(store).await;
    for status in ["500 Internal Server Error", "429 Too Many Requests", "400 Bad Request", "302 Found"] {
        let usage = r#"{"usage":{"prompt_tokens":5,"completion_tokens":5}}"#;
        let answer = scene.call(&chat(json!({})), &whole(status, usage)).await;
        assert_eq!((answer.text(), answer.header(COST)), (usage, Some("0")), "{status}");
    }
    assert_eq!(scene.spent().await, 0);
    scene.gateway.finish().await;
}

async fn an_answer_without_usage_is_estimated(store: &TestStore) {
    let scene = scene(store).await;
    let mut expected = 0;
    let body = chat(json!({ "max_tokens": 10 }));
    for (input, output) in [("null", "null"), ("-3", "-4"), ("1.5", "2.5"), ("\"7\"", "\"8\""), ("1e30", "1e30")] {
        let answer = scene.call(&body, &stated(input, output)).await;
        let cost = amount(answer.expect(200), COST);
        // "four" is one token; the prompt has about a token for four of its letters.
        assert!((price_of(5, 1)..price_of(40, 1)).contains(&cost), "{input}: {cost}");
        expected += cost;
    }
    // What can be believed is.
    let answer = scene.call(&body, &stated("3", "99999999999")).await;
    assert_eq!(amount(&answer, COST), price_of(3, 1));
    expected += price_of(3, 1);
    let answer = scene.call(&body, &whole("200 OK", r#"{"choices":[{"message":{"content":"four"#)).await;
    expected += amount(&answer, COST);
    assert_eq!(scene.spent().await, expected);
    let target = "/me/usage";
    let usage = scene.gateway.get(target).token(&scene.gateway.admin).send().await.expect(200).json();
    assert_eq!(usage["items"][0]["requests"], 7, "{usage}");
    scene.gateway.finish().await;
}

async fn usage_beyond_the_hold_is_a_forced_debit(store: &TestStore) {
    let scene = scene(store).await;
    let answer = scene.call(&chat(json!({ "max_tokens": 10 })), &stated("9", "4000")).await;
    assert_eq!(amount(answer.expect(200), COST), price_of(9, 4_000));
    assert!(amount(&answer, HOLD) < price_of(9, 4_000));
    assert_eq!(scene.spent().await, price_of(9, 4_000));
    scene.gateway.finish().await;
}

async fn a_whole_answer_that_is_cut_is_a_failure_and_billed_as_far_as_it_came(store: &TestStore) {
    let scene = scene(store).await;
    let cut =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"choices\":[\"some text\"";
    let mut client = scene.begin(&chat(json!({ "max_tokens": 10 }))).await;
    drop(scene.upstream.serve(cut).await);
    client.answer().await.problem(502, "upstream-failed");
    let spent = scene.spent().await;
    assert!((price_of(5, 3)..=price_of(40, 10)).contains(&spent), "{spent}");
    scene.gateway.finish().await;
}

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// A chunk of a stream with a word of four letters in it.
fn word() -> String {
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word\"}}],\"usage\":null}\n\n";
    format!("{:x}\r\n{event}\r\n", event.len())
}

async fn a_stream_that_is_cut_is_billed_as_far_as_it_came(store: &TestStore) {
    let scene = scene(store).await;
    let body = chat(json!({ "max_tokens": 10, "stream": true }));
    let mut client = scene.begin(&body).await;
    let (served, _) = scene.upstream.serve(&format!("{STREAM}{}{}", word(), word())).await;
    client.head().await.expect(200);
    client.chunk().await;
    drop(served);
    drop(client.rest().await);
    let spent = scene.spent().await;
    assert!((price_of(5, 2)..price_of(60, 2)).contains(&spent), "{spent}");
    scene.gateway.finish().await;
}

async fn a_client_that_resets_a_stream_pays_for_what_it_got(store: &TestStore) {
    let scene = scene(store).await;
    let body = chat(json!({ "max_tokens": 10, "stream": true }));
    let mut client = scene.begin(&body).await;
    let (mut served, _) = scene.upstream.serve(&format!("{STREAM}{}", word())).await;
    client.head().await.expect(200);
    client.chunk().await;
    client.reset();
    let spent = scene.spent().await;
    assert!((price_of(5, 1)..price_of(60, 1)).contains(&spent), "{spent}");
    // The upstream is stopped.
    assert_eq!(tokio::io::AsyncReadExt::read(&mut served, &mut [0; 8]).await.unwrap_or(0), 0);
    scene.gateway.finish().await;
}

async fn a_client_that_does_not_wait_for_a_whole_answer_pays_for_it(store: &TestStore) {
    let scene = scene(store).await;
    let client = scene.begin(&chat(json!({ "max_tokens": 10 }))).await;
    let (mut served, _) = scene.upstream.serve("").await;
    client.reset();
    let held = async || {
        let budget = scene.gateway.get(&format!("/admin/budgets/{}", scene.budget)).token(&scene.gateway.admin).send();
        budget.await.expect(200).json()["held_usd"] != "0"
    };
    scene.gateway.without_clients().await;
    assert!(held().await, "the call goes on");
    served.write_all(stated("9", "8").as_bytes()).await.unwrap();
    assert_eq!(scene.spent().await, price_of(9, 8));
    let record = eventually("the record of the client that is gone", async || {
        let records = scene.gateway.records().await;
        records.into_iter().find(|record| record["outcome"] == "aborted")
    })
    .await;
    assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(9), &json!(8)), "{record}");
    scene.gateway.finish().await;
}

async fn an_upstream_that_falls_silent_ends_the_call(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let lists = RawUpstream::route_to(upstream.address).replace("[[routes]]", "timeout_s = 1\n[[routes]]");
    let metered = format!("{}meter = \"openai-chat\"\n", lists.trim_end_matches(' '));
    let gateway = Setup::default().more_lists(&metered).start(store).await;
    let budget = watch(&gateway, json!({})).await;
    let scene = Scene { gateway, upstream, budget };
    let body = chat(json!({}));
    let (_served, answer) = tokio::join!(scene.upstream.serve(""), ask(&scene.gateway, "/up", &body));
    answer.problem(504, "upstream-timeout");
    assert_eq!(scene.spent().await, 0, "nothing was delivered");
    let mut client = scene.begin(&chat(json!({ "stream": true, "max_tokens": 10 }))).await;
    let _served = scene.upstream.serve(&format!("{STREAM}{}", word())).await;
    client.head().await.expect(200);
    drop(client.rest().await);
    let spent = scene.spent().await;
    assert!((price_of(5, 1)..price_of(60, 1)).contains(&spent), "{spent}");
    scene.gateway.finish().await;
}

/// Sets the price of a model, in USD a million tokens, and waits until calls are billed by it.
async fn set_price(gateway: &TestGateway, model: &str, input_usd: u64, output_usd: u64) {
    let price = json!({
        "model": model, "input_usd": input_usd.to_string(), "output_usd": output_usd.to_string(),
        "max_output_tokens": MAX_OUTPUT_TOKENS,
    });
    let put = gateway.request("PUT", "/admin/prices").token(&gateway.admin).json(&json!({ "items": [price] }));
    put.send().await.expect(200);
    eventually("the price is in force", async || {
        let book = gateway.running().office.accounting.prices.read();
        book.find(model).filter(|priced| priced.price.base.input == input_usd * 1_000_000).map(drop)
    })
    .await;
}

async fn a_call_is_billed_by_the_price_it_was_held_at_though_that_changes(store: &TestStore) {
    let scene = scene(store).await;
    let mut client = scene.begin(&chat(json!({ "max_tokens": 10 }))).await;
    let (mut served, _) = scene.upstream.serve("").await;
    set_price(&scene.gateway, "demo", 1_000, 2_000).await;
    served.write_all(stated("9", "8").as_bytes()).await.unwrap();
    assert_eq!(amount(client.answer().await.expect(200), COST), price_of(9, 8));
    assert_eq!(scene.spent().await, price_of(9, 8));
    scene.gateway.finish().await;
}

async fn another_model_that_answers_is_billed_at_its_own_price_if_that_is_lower(store: &TestStore) {
    let scene = scene(store).await;
    set_price(&scene.gateway, "dear", 1_000, 2_000).await;
    set_price(&scene.gateway, "cheap", 0, 1).await;
    let body = chat(json!({ "max_tokens": 10 }));
    // Of a name alone only what is no dearer is believed: for more nothing was held.
    for (model, cost) in [("dear", price_of(9, 8)), ("cheap", 8 * 1_000_000), ("unknown", price_of(9, 8))] {
        let usage = r#""usage":{"prompt_tokens":9,"completion_tokens":8}"#;
        let answer = whole("200 OK", &format!(r#"{{"model":"{model}",{usage}}}"#));
        assert_eq!(amount(scene.call(&body, &answer).await.expect(200), COST), cost, "{model}");
    }
    assert_eq!(scene.spent().await, 2 * price_of(9, 8) + 8 * 1_000_000);
    scene.gateway.finish().await;
}

async fn usage_is_grouped_by_the_model_that_was_asked(store: &TestStore) {
    let scene = scene(store).await;
    set_price(&scene.gateway, "other", 2, 4).await;
    for (model, calls) in [("demo", 2), ("other", 1)] {
        for _ in 0..calls {
            scene.call(&chat(json!({ "model": model, "max_tokens": 10 })), &stated("9", "8")).await.expect(200);
        }
    }
    let target = "/admin/usage?group_by=model";
    let usage = scene.gateway.get(target).token(&scene.gateway.admin).send().await.expect(200).json();
    let items = usage["items"].as_array().unwrap();
    let of = |model: &str| items.iter().find(|item| item["model"] == model).unwrap_or_else(|| panic!("{usage}"));
    // All answers name the model "demo", so its price holds.
    for (model, requests) in [("demo", 2_u64), ("other", 1)] {
        let item = of(model);
        assert_eq!((&item["requests"], &item["input_tokens"]), (&json!(requests), &json!(9 * requests)), "{usage}");
        assert_eq!(pico(item["cost_usd"].as_str().unwrap()), requests * price_of(9, 8), "{usage}");
    }
    assert_eq!(items.len(), 2, "{usage}");
    scene.gateway.finish().await;
}
