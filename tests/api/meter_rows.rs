//! Every row of the table of inputs that gateways have got wrong, as a call through a running gateway: what it cost, the same
//! in the header, in `/me`, in the ledger's budget and in the audit record.

use std::{io::Write, ops::RangeInclusive};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{
    metering::{HOLD, Scene, amount, ask, pico, scene_of, watch, whole},
    support::{TestStore, eventually},
};

on_both_stores!(
    counts_are_read_under_every_name_and_in_every_place,
    counts_above_the_table_cost_what_they_say_and_hold_what_the_bytes_allow,
    without_a_stated_usage_only_text_counts,
    the_form_of_an_answer_is_what_its_bytes_show,
    what_ordinary_requests_have_is_served_at_its_price,
    a_success_without_an_answer_costs_nothing,
    a_coded_stream_is_decoded_where_it_must_be_changed,
);

/// USD a million tokens: 1 in, 10 out, 0.1 cached, 1.25 cache write, 2 for an hour; 1,000 out, 100,000 in.
async fn scene(store: &TestStore, meter: &str) -> Scene {
    let scene = scene_of(store, meter).await;
    let price = |model: &str, [input, output, cached, write]: [&str; 4], out: u64, most: u64| {
        json!({
            "model": model, "input_usd": input, "output_usd": output, "cached_input_usd": cached, "cache_write_usd": write,
            "max_output_tokens": out, "max_input_tokens": most,
        })
    };
    let items = [
        price("m1", ["1", "10", "0.1", "1.25"], 1_000, 100_000),
        price("small-embedding", ["0.02", "0", "0.02", "0.02"], 0, 8_191),
        price("sonnet", ["3", "15", "0.3", "3.75"], 64_000, 200_000),
        price("free", ["0", "0", "0", "0"], 1_000, 100_000),
        price("dear", ["10", "50", "1", "12.5"], 1_000, 100_000),
    ];
    let put =
        scene.gateway.request("PUT", "/admin/prices").token(&scene.gateway.admin).json(&json!({ "items": items }));
    put.send().await.expect(200);
    eventually("the prices are in force", async || {
        scene.gateway.running().office.accounting.prices.read().find("dear").map(drop)
    })
    .await;
    scene
}

async fn end(scene: Scene) {
    let budget = format!("/admin/budgets/{}", scene.budget);
    scene.gateway.request("DELETE", &budget).token(&scene.gateway.admin).send().await.expect(204);
    scene.gateway.discard().await;
}

fn events(events: &[&str]) -> String {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let events: String = events.iter().flat_map(|event| ["data: ", event, "\n\n"]).collect();
    format!("{head}{events}")
}

fn asked(changes: Value) -> Value {
    let mut body = json!({ "model": "m1", "messages": [{ "role": "user", "content": "How long is it?" }] });
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

const MICRO: u64 = 1_000_000;

/// Makes the call, and finds its cost in every book.
async fn costs(scene: &Scene, body: &Value, answer: &str, expected: RangeInclusive<u64>) {
    let (before, used_before) = (scene.spent().await, used(scene).await);
    let got = scene.call(body, answer).await;
    assert!((200..300).contains(&got.status), "{got:?}");
    let cost = scene.spent().await - before;
    assert!(expected.contains(&cost), "{cost}, not {expected:?}: {body} {answer}");
    let record = eventually("the end of the record", async || {
        scene.gateway.record(got.request_id()).await.filter(|record| record["outcome"] == "complete")
    })
    .await;
    assert_eq!(pico(record["cost_usd"].as_str().unwrap()), cost, "{record}");
    let me = scene.gateway.get("/me").token(&scene.gateway.admin).send().await.expect(200).json();
    assert_eq!(pico(me["budgets"][0]["spent_usd"].as_str().unwrap()), before + cost, "{me}");
    assert_eq!(used(scene).await, used_before + cost);
}

/// What the caller has used, by `/me/usage`: of all scenes on the store.
async fn used(scene: &Scene) -> u64 {
    let usage = scene.gateway.get("/me/usage").token(&scene.gateway.admin).send().await.expect(200).json();
    usage["items"][0]["cost_usd"].as_str().map_or(0, pico)
}

async fn exactly(scene: &Scene, body: &Value, answer: &str, micro: u64) {
    costs(scene, body, answer, micro * MICRO..=micro * MICRO).await;
}

async fn counts_are_read_under_every_name_and_in_every_place(store: &TestStore) {
    let chat = |usage: &str| {
        whole("200 OK", &format!(r#"{{"model":"m1","choices":[{{"message":{{"content":"a"}}}}],"usage":{usage}}}"#))
    };
    let scene = scene(store, "openai-chat").await;
    for (usage, cost) in [
        (
            r#"{"prompt_tokens":100,"completion_tokens":500,"total_tokens":800,"completion_tokens_details":{"reasoning_tokens":200}}"#,
            7_100,
        ),
        (r#"{"prompt_tokens":20,"completion_tokens":424,"total_tokens":1016}"#, 9_980),
        (
            r#"{"prompt_tokens":21,"completion_tokens":0,"total_tokens":81,"completion_tokens_details":{"reasoning_tokens":60}}"#,
            621,
        ),
        (r#"{"prompt_tokens":36100,"completion_tokens":1,"prompt_cache_hit_tokens":21600}"#, 16_670),
        (r#"{"prompt_tokens":200,"completion_tokens":1,"cached_tokens":100}"#, 120),
        (r#"{"input_tokens":9,"output_tokens":8}"#, 89),
        (r#"{"prompt_tokens":512.0,"completion_tokens":8.0}"#, 592),
        (r#"{"prompt_tokens":1e1,"completion_tokens":5.0e0}"#, 60),
    ] {
        exactly(&scene, &asked(json!({})), &chat(usage), cost).await;
    }
    // 0.75 at the plain price and the rest at that of a cache write, in hundredths of a token.
    for (usage, pusd) in [
        (
            r#"{"prompt_tokens":18021,"completion_tokens":1,"prompt_tokens_details":{"cache_write_tokens":18011}}"#,
            18_011 * 1_250_000 + 20 * MICRO,
        ),
        (
            r#"{"prompt_tokens":10032,"completion_tokens":1,"cache_creation_input_tokens":10017}"#,
            10_017 * 1_250_000 + 25 * MICRO,
        ),
        (
            r#"{"prompt_tokens":10032,"completion_tokens":1,"cache_creation_tokens":10017}"#,
            10_017 * 1_250_000 + 25 * MICRO,
        ),
    ] {
        costs(&scene, &asked(json!({})), &chat(usage), pusd..=pusd).await;
    }
    // Moonshot: in the choice of the last chunk.
    let last = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17}}]}"#;
    let word = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    exactly(&scene, &asked(json!({ "stream": true })), &events(&[word, last, "[DONE]"]), 89).await;
    end(scene).await;

    let scene = self::scene(store, "openai-responses").await;
    let usage = r#"{"input_tokens":18021,"output_tokens":1,"input_tokens_details":{"cache_write_tokens":18011}}"#;
    let pusd = 18_011 * 1_250_000 + 20 * MICRO;
    let answer =
        whole("200 OK", &format!(r#"{{"model":"m1","output":[{{"type":"message","content":[]}}],"usage":{usage}}}"#));
    costs(&scene, &json!({ "model": "m1", "input": "x" }), &answer, pusd..=pusd).await;
    end(scene).await;

    let scene = self::scene(store, "openai-embeddings").await;
    let answer = whole("200 OK", r#"{"data":[{"embedding":[0.1]}],"usage":{"total_tokens":6}}"#);
    exactly(&scene, &json!({ "model": "m1", "input": "How long is a piece of string?" }), &answer, 6).await;
    end(scene).await;

    let scene = self::scene(store, "anthropic-messages").await;
    let usage = r#"{"input_tokens":23000,"output_tokens":1000,"iterations":[{"type":"compaction","input_tokens":180000,"output_tokens":3500},{"type":"message","input_tokens":23000,"output_tokens":1000}]}"#;
    let answer =
        whole("200 OK", &format!(r#"{{"model":"m1","content":[{{"type":"text","text":"a"}}],"usage":{usage}}}"#));
    let compacts = json!({ "compaction": { "enabled": true }, "max_tokens": 1_000 });
    exactly(&scene, &asked(compacts), &answer, 248_000).await;
    end(scene).await;
}

async fn counts_above_the_table_cost_what_they_say_and_hold_what_the_bytes_allow(store: &TestStore) {
    let scene = scene(store, "openai-embeddings").await;
    let inputs = vec!["word ".repeat(1_000); 100];
    let body = json!({ "model": "small-embedding", "input": inputs });
    let answer =
        whole("200 OK", r#"{"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":100000,"total_tokens":100000}}"#);
    exactly(&scene, &body, &answer, 2_000).await;
    let small = watch(&scene.gateway, json!({ "name": "small", "limit_usd": "0.0005" })).await;
    for _ in 0..5 {
        let refused = ask(&scene.gateway, "/up", &body).await;
        refused.problem(402, "budget-exhausted");
    }
    assert_eq!(scene.spent().await, 2_000 * MICRO, "five calls of a true 0.002 spend nothing of 0.0005");
    scene
        .gateway
        .request("DELETE", &format!("/admin/budgets/{small}"))
        .token(&scene.gateway.admin)
        .send()
        .await
        .expect(204);
    end(scene).await;

    let scene = self::scene(store, "anthropic-messages").await;
    let usage = r#"{"input_tokens":5,"cache_read_input_tokens":390000,"output_tokens":100}"#;
    let answer =
        whole("200 OK", &format!(r#"{{"model":"sonnet","content":[{{"type":"text","text":"a"}}],"usage":{usage}}}"#));
    exactly(&scene, &asked(json!({ "model": "sonnet", "max_tokens": 1_000 })), &answer, 118_515).await;
    end(scene).await;
}

async fn without_a_stated_usage_only_text_counts(store: &TestStore) {
    let scene = scene(store, "openai-chat").await;
    let filtered = r#"{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}},"delta":{"content":" word"},"index":0}]}"#;
    let stream = asked(json!({ "stream": true, "max_tokens": 900 }));
    // 40 words, and a prompt of some tokens.
    costs(&scene, &stream, &events(&[filtered; 40]), 400 * MICRO + 1..=450 * MICRO).await;
    let word = r#"{"choices":[{"delta":{"content":"word"},"index":0}]}"#;
    let image = format!("data:image/png;base64,{}", "A".repeat(300_000));
    let seen = json!({ "stream": true, "max_tokens": 900, "messages": [{ "role": "user", "content": [
        { "type": "text", "text": "What is it?" }, { "type": "image_url", "image_url": { "url": image } }] }] });
    costs(&scene, &asked(seen), &events(&[word]), 1_000 * MICRO..=1_250 * MICRO).await;
    let chinese = r"\u4f60\u597d\u5417".repeat(480);
    let text = format!(
        r#"{{"model":"m1","stream":true,"max_tokens":900,"messages":[{{"role":"user","content":"{chinese}"}}]}}"#
    );
    let before = scene.spent().await;
    let post = scene.gateway.post("/up").token(&scene.gateway.admin).json_text(text.as_str());
    let serve = async { drop(scene.upstream.serve(&events(&[word])).await) };
    tokio::join!(serve, post.send()).1.expect(200);
    let cost = scene.spent().await - before;
    assert!((1_440 * MICRO..=1_500 * MICRO).contains(&cost), "{cost}");
    end(scene).await;

    let scene = self::scene(store, "anthropic-messages").await;
    let cited = format!(
        r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"citations_delta","citation":{{"cited_text":"{}"}}}}}}"#,
        "word ".repeat(500)
    );
    let said = format!(
        r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{}"}}}}"#,
        "word ".repeat(30)
    );
    let start = r#"{"type":"message_start","message":{"model":"m1","usage":{"input_tokens":9,"output_tokens":1}}}"#;
    exactly(&scene, &stream, &events(&[start, &cited, &said]), 309).await;
    end(scene).await;
}

async fn the_form_of_an_answer_is_what_its_bytes_show(store: &TestStore) {
    let scene = scene(store, "openai-chat").await;
    let stream = asked(json!({ "stream": true, "max_tokens": 900 }));
    let answer =
        r#"{"model":"m1","choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":100}}"#;
    let labelled =
        |text: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{text}");
    exactly(&scene, &stream, &labelled(answer), 1_009).await;
    exactly(&scene, &stream, &labelled(&format!("{answer}\n\ndata: [DONE]\n\n")), 1_009).await;
    let word = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}"#;
    let as_text = events(&[word, usage, "[DONE]"]).replace("content-type: text/event-stream\r\n", "");
    exactly(&scene, &stream, &as_text, 39).await;
    // A byte order mark before the first event, and one event of 1,600 KiB in lines of 8 bytes.
    exactly(&scene, &stream, &labelled(&format!("\u{feff}data: {usage}\n\n")), 39).await;
    let long = "data: 1\n".repeat(200 << 10);
    let got = scene.call(&stream, &labelled(&format!("{long}\ndata: {usage}\n\n"))).await;
    assert_eq!(got.expect(200).text().len(), long.len() + 1);
    end(scene).await;

    let scene = self::scene(store, "anthropic-messages").await;
    let start = r#"{"type":"message_start","message":{"model":"m1","usage":{"input_tokens":9,"output_tokens":1}}}"#;
    let delta = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":8}}"#;
    let said = format!("\u{feff}event: message_start\ndata: {start}\n\nevent: message_delta\ndata: {delta}\n\n");
    exactly(&scene, &stream, &labelled(&said), 89).await;
    end(scene).await;
}

async fn what_ordinary_requests_have_is_served_at_its_price(store: &TestStore) {
    let used = |model: &str| {
        whole(
            "200 OK",
            &format!(
                r#"{{"model":"{model}","output":[{{"type":"message"}}],"choices":[{{"message":{{"content":"a"}}}}],"content":[{{"type":"text"}}],"usage":{{"input_tokens":9,"output_tokens":8}}}}"#
            ),
        )
    };
    let function = json!({ "type": "function", "name": "f", "parameters": {} });
    let scene = scene(store, "openai-responses").await;
    for (members, holds) in [
        (json!({ "tools": [{ "type": "namespace", "name": "n", "tools": [function] }] }), 12_000),
        (json!({ "input": [{ "type": "additional_tools", "tools": [function] }] }), 12_000),
        (json!({ "prompt_cache_breakpoint": { "ttl": "30m" } }), 12_000),
    ] {
        let mut body = json!({ "model": "m1", "input": "x", "max_output_tokens": 1_000 });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let got = scene.call(&body, &used("m1")).await;
        assert!(amount(got.expect(200), HOLD) < holds * MICRO, "{body}: {got:?}");
    }
    for refused in [
        json!({ "model": "m1", "input": [{ "type": "additional_tools", "tools": [{ "type": "web_search" }] }] }),
        json!({ "model": "m1", "input": "x", "prompt_cache_options": { "ttl": "12h" } }),
    ] {
        assert_eq!(ask(&scene.gateway, "/up", &refused).await.status, 400, "{refused}");
    }
    end(scene).await;

    let scene = self::scene(store, "openai-chat").await;
    let part = json!([{ "type": "text", "text": "x", "cache_control": { "type": "ephemeral" } }]);
    let cached = asked(json!({ "max_tokens": 1_000, "messages": [{ "role": "user", "content": part }] }));
    let got = scene.call(&cached, &used("m1")).await;
    assert!(amount(got.expect(200), HOLD) < 11_000 * MICRO, "{got:?}");
    let fallback = asked(json!({ "max_tokens": 1_000, "fallbacks": [{ "model": "dear" }] }));
    let got = scene.call(&fallback, &used("dear")).await;
    assert!(amount(got.expect(200), HOLD) > 50_000 * MICRO, "{got:?}");
    exactly(&scene, &asked(json!({ "model": "dear" })), &used("m1"), 89).await;
    // Another success than 200, and a model that costs nothing with one in its place that does.
    exactly(&scene, &asked(json!({})), &used("m1").replacen("200 OK", "202 Accepted", 1), 89).await;
    let free = asked(json!({ "model": "free", "max_tokens": 1_000, "fallbacks": ["dear"] }));
    exactly(&scene, &free, &used("dear"), 490).await;
    exactly(&scene, &free, &used("free"), 0).await;
    end(scene).await;

    let scene = self::scene(store, "anthropic-messages").await;
    for members in [
        json!({ "context_management": { "edits": [{ "type": "clear_tool_uses_20250919" }] } }),
        json!({ "cache_control": { "type": "ephemeral", "ttl": "1h" } }),
        json!({ "tools": [{ "type": "bash_20250124", "name": "bash" }, { "type": "text_editor_20250728", "name": "e" }] }),
    ] {
        let mut body = asked(json!({ "max_tokens": 1_000 }));
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let got = scene.call(&body, &used("m1")).await;
        assert!(amount(got.expect(200), HOLD) < 12_000 * MICRO, "{body}: {got:?}");
    }
    end(scene).await;
}

async fn a_success_without_an_answer_costs_nothing(store: &TestStore) {
    let scene = scene(store, "openai-chat").await;
    let stream = asked(json!({ "stream": true }));
    for (body, answer) in [
        (&asked(json!({})), whole("200 OK", r#"{"error":{"code":502,"message":"x"}}"#)),
        (&asked(json!({})), whole("200 OK", r#"{"choices":null,"error":"x","usage":null}"#)),
        (&stream, events(&[r#"{"error":{"message":"x"}}"#])),
        (&stream, events(&[])),
    ] {
        let got = scene.call(body, &answer).await;
        got.expect(200);
        assert_eq!(scene.spent().await, 0, "{answer}");
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for rest in ["transfer-encoding: chunked\r\n\r\n", "content-length: 9\r\n\r\n"] {
        let got = scene.call(&asked(json!({})), &format!("{head}{rest}")).await;
        assert_eq!((got.status, scene.spent().await), (502, 0), "{rest}");
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 900\r\n\r\n";
    let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    for begun in ["", ": ping\n\n", role] {
        let client = scene.begin(&stream).await;
        drop(scene.upstream.serve(&format!("{head}{begun}")).await);
        assert_eq!(scene.spent().await, 0, "{begun}");
        drop(client);
    }
    scene.gateway.finish().await;
}

async fn a_coded_stream_is_decoded_where_it_must_be_changed(store: &TestStore) {
    let scene = scene(store, "openai-chat").await;
    let word = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":8}}\n\n";
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(format!("{word}{usage}").as_bytes()).unwrap();
    let coded = encoder.finish().unwrap();
    for (options, is_decoded) in [(json!(null), true), (json!({ "include_usage": true }), false)] {
        let serve = async {
            let (mut stream, request) = scene.upstream.serve("").await;
            assert!(request.contains("accept-encoding: identity\r\n"), "{request}");
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n";
            let length = format!("content-length: {}\r\n\r\n", coded.len());
            stream.write_all(&[head.as_bytes(), length.as_bytes(), &coded].concat()).await.unwrap();
        };
        let body = asked(json!({ "stream": true, "stream_options": options }));
        let ((), got) = tokio::join!(serve, ask(&scene.gateway, "/up", &body));
        got.expect(200);
        if is_decoded {
            assert_eq!((got.header("content-encoding"), got.text()), (None, word));
        } else {
            assert_eq!((got.header("content-encoding"), &got.body[..]), (Some("gzip"), &coded[..]));
        }
    }
    assert_eq!(scene.spent().await, 2 * 89 * MICRO);
    scene.gateway.finish().await;
}
