//! What providers and gateways really answer, and what clients really ask: counted, billed and passed as it is right.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{
    metering::{COST, HOLD, Scene, amount, ask, pico, scene_of, scene_with, watch, whole},
    support::{TestStore, eventually},
};

on_both_stores!(
    answers_of_all_dialects_are_billed_to_the_pico_usd,
    streams_of_all_dialects_are_billed_and_stripped_of_usage_that_nobody_asked_for,
    an_error_in_a_success_costs_nothing,
    an_upstream_gets_no_member_that_it_does_not_know,
    a_bound_that_is_written_fits_into_the_context,
    a_hold_is_that_of_the_dearest_model_and_the_bill_that_of_the_one_that_served,
    a_refusal_for_want_of_money_names_the_bound_that_would_fit,
    a_reset_behind_the_finish_reason_waits_for_the_usage,
    a_reset_at_the_first_word_waits_for_the_usage_of_a_prompt_that_is_kept_elsewhere,
    a_tool_that_the_provider_runs_is_paid_by_the_call_where_the_route_allows_it,
    a_service_tier_is_held_and_billed_at_its_own_price,
    a_form_with_a_sound_is_metered_and_passes_as_it_is,
    speech_streams_and_is_billed_by_its_characters,
);

/// USD a million tokens: 1 in, 10 out, 0.1 cached, 1.25 cache write; 1,000 out, 100,000 in. `m-8k`: 8,192 in and out.
async fn set_prices(scene: &Scene) {
    let price = |model: &str, output: &str, out: u64, most: u64| {
        json!({
            "model": model, "input_usd": "1", "output_usd": output, "cached_input_usd": "0.1", "cache_write_usd": "1.25",
            "max_output_tokens": out, "max_input_tokens": most,
        })
    };
    let items = [
        price("m1", "10", 1_000, 100_000),
        price("m-8k", "10", 8_192, 8_192),
        price("dear", "100", 1_000, 100_000),
        price("m1-2025-05-05", "20", 1_000, 100_000),
    ];
    let put =
        scene.gateway.request("PUT", "/admin/prices").token(&scene.gateway.admin).json(&json!({ "items": items }));
    put.send().await.expect(200);
    eventually("the prices are in force", async || {
        scene.gateway.running().office.accounting.prices.read().find("dear").map(drop)
    })
    .await;
}

async fn priced_scene(store: &TestStore, meter: &str) -> Scene {
    let scene = scene_of(store, meter).await;
    set_prices(&scene).await;
    scene
}

/// Ends a scene, so that the next one can begin on the same store.
async fn end(scene: Scene) {
    let budget = format!("/admin/budgets/{}", scene.budget);
    scene.gateway.request("DELETE", &budget).token(&scene.gateway.admin).send().await.expect(204);
    scene.gateway.discard().await;
}

fn asked(changes: Value) -> Value {
    let mut body = json!({ "model": "m1", "messages": [{ "role": "user", "content": "How long is it?" }] });
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

const MICRO: u64 = 1_000_000;

async fn answers_of_all_dialects_are_billed_to_the_pico_usd(store: &TestStore) {
    for (meter, usage, cost) in [
        (
            "openai-chat",
            r#"{"prompt_tokens":100,"completion_tokens":500,"total_tokens":800,"completion_tokens_details":{"reasoning_tokens":200}}"#,
            7_100 * MICRO,
        ),
        (
            "openai-chat",
            r#"{"prompt_tokens":36100,"completion_tokens":1,"prompt_cache_hit_tokens":21600}"#,
            16_670 * MICRO,
        ),
        (
            "openai-chat",
            r#"{"prompt_tokens":10032,"completion_tokens":1,"cache_creation_input_tokens":10017}"#,
            12_546_250_000,
        ),
        ("openai-responses", r#"{"input_tokens":390005,"output_tokens":4000}"#, 430_005 * MICRO),
        ("openai-embeddings", r#"{"total_tokens":6}"#, 6 * MICRO),
        (
            "anthropic-messages",
            r#"{"input_tokens":5,"cache_read_input_tokens":390000,"output_tokens":100}"#,
            40_005 * MICRO,
        ),
        ("rerank", r#"{"total_tokens":70}"#, 70 * MICRO),
    ] {
        let scene = priced_scene(store, meter).await;
        let answer = whole(
            "200 OK",
            &format!(r#"{{"model":"m1","choices":[{{"message":{{"content":"a"}}}}],"usage":{usage}}}"#),
        );
        let answer = scene.call(&asked(json!({ "input": "x", "max_tokens": 5 })), &answer).await;
        assert_eq!(amount(answer.expect(200), COST), cost, "{meter} {usage}");
        assert_eq!(scene.spent().await, cost, "{meter} {usage}");
        end(scene).await;
    }
}

async fn streams_of_all_dialects_are_billed_and_stripped_of_usage_that_nobody_asked_for(store: &TestStore) {
    let scene = priced_scene(store, "openai-chat").await;
    let word = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    let done = "data: [DONE]\n\n";
    let usage = r#""usage":{"prompt_tokens":9,"completion_tokens":8}"#;
    let mut expected = 0;
    for (label, extra, shown) in [
        ("text/event-stream", format!("data: {{\"choices\":[],{usage}}}\n\n"), String::new()),
        ("text/plain", format!("data: {{\"choices\":[],{usage}}}\n\n"), String::new()),
        ("application/json", format!("data: {{\"id\":\"c\",\"model\":\"m1\",{usage}}}\n\n"), String::new()),
        ("text/event-stream", format!("data: {{\"choices\":null,{usage}}}\n\n"), String::new()),
        // llama.cpp: clients take the first choice of each chunk.
        (
            "text/event-stream",
            format!("data: {{\"choices\":[],{usage},\"timings\":{{\"prompt_ms\":30.9}}}}\n\n"),
            String::new(),
        ),
        (
            "text/event-stream",
            format!("data: {{\"choices\":[],\"citations\":[\"u\"],{usage}}}\n\n"),
            "data: {\"choices\":[],\"citations\":[\"u\"]}\n\n".into(),
        ),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {label}\r\nconnection: close\r\n\r\n");
        let answer = scene.call(&asked(json!({ "stream": true })), &format!("{head}{word}{extra}{done}")).await;
        assert_eq!(answer.expect(200).text(), format!("{word}{shown}{done}"), "{label} {extra}");
        expected += 89 * MICRO;
        assert_eq!(scene.spent().await, expected, "{label} {extra}");
    }
    scene.gateway.finish().await;
}

async fn an_error_in_a_success_costs_nothing(store: &TestStore) {
    let scene = priced_scene(store, "openai-chat").await;
    for (label, body) in [
        ("application/json", r#"{"error":{"code":502,"message":"no"}}"#),
        ("application/json", r#"{"choices":null,"error":"no"}"#),
        ("text/event-stream", "data: {\"error\":{\"code\":502}}\n\ndata: [DONE]\n\n"),
        ("text/event-stream", ""),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-type: {label}\r\nconnection: close\r\n\r\n{body}");
        let answer = scene.call(&asked(json!({ "stream": label == "text/event-stream" })), &answer).await;
        assert_eq!(answer.expect(200).text(), body);
        assert_eq!(scene.spent().await, 0, "{body}");
    }
    scene.gateway.finish().await;
}

async fn an_upstream_gets_no_member_that_it_does_not_know(store: &TestStore) {
    for (of_upstream, of_route, sent) in [
        (
            "stream_usage = false\noutput_bound = \"max_tokens\"",
            "",
            r#"{"model":"m1","stream":true,"max_tokens":1000}"#,
        ),
        ("stream_usage = false\noutput_bound = \"none\"", "", r#"{"model":"m1","stream":true}"#),
        (
            "",
            "default_max_tokens = 77",
            r#"{"model":"m1","stream":true,"max_completion_tokens":77,"stream_options":{"include_usage":true}}"#,
        ),
    ] {
        let scene = scene_with(store, "openai-chat", of_upstream, of_route).await;
        set_prices(&scene).await;
        let post = scene.gateway.post("/up").token(&scene.gateway.admin).json_text(r#"{"model":"m1","stream":true}"#);
        let answer = whole("200 OK", r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":8}}"#);
        let ((served, request), answer) = tokio::join!(scene.upstream.serve(&answer), post.send());
        drop(served);
        assert_eq!(request.split_once("\r\n\r\n").unwrap().1, sent, "{of_upstream}");
        answer.expect(200);
        assert_eq!(scene.spent().await, 89 * MICRO);
        end(scene).await;
    }
}

async fn a_bound_that_is_written_fits_into_the_context(store: &TestStore) {
    let scene = priced_scene(store, "openai-chat").await;
    for (words, is_written) in [(520, true), (6_000, false)] {
        let body = json!({ "model": "m-8k", "messages": [{ "role": "user", "content": "long ".repeat(words) }] });
        let answer = whole("200 OK", r#"{"usage":{"prompt_tokens":9,"completion_tokens":8}}"#);
        let ((served, request), answer) =
            tokio::join!(scene.upstream.serve(&answer), ask(&scene.gateway, "/up", &body));
        drop(served);
        answer.expect(200);
        let sent: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        let written = sent["max_completion_tokens"].as_u64();
        assert_eq!(written.is_some(), is_written, "{written:?}");
        assert!(written.is_none_or(|bound| bound >= 4_096 && bound + 520 <= 8_192), "{written:?}");
    }
    scene.gateway.finish().await;
}

async fn a_hold_is_that_of_the_dearest_model_and_the_bill_that_of_the_one_that_served(store: &TestStore) {
    let scene = priced_scene(store, "openai-chat").await;
    let usage = r#""usage":{"prompt_tokens":9,"completion_tokens":8}"#;
    for (asked_for, others, served, cost) in [
        ("m1", json!({ "fallbacks": [{ "model": "dear" }] }), "dear", 809),
        ("m1", json!({ "models": ["dear"] }), "m1", 89),
        ("dear", json!({}), "m1", 89),
        ("m1", json!({}), "m1-2026-01-31", 89),
        // A dearer one that was not held for is only a word.
        ("m1", json!({}), "m1-2025-05-05", 89),
        ("m1", json!({}), "dear", 89),
        ("m1", json!({ "fallbacks": [{ "model": "m1-2025-05-05" }] }), "m1-2025-05-05", 169),
        ("m1", json!({}), "unknown", 89),
    ] {
        let mut body = asked(json!({ "model": asked_for, "max_tokens": 100 }));
        body.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        let answer = scene.call(&body, &whole("200 OK", &format!(r#"{{"model":"{served}",{usage}}}"#))).await;
        assert_eq!(amount(answer.expect(200), COST), cost * MICRO, "{body}");
        let is_dear = body.to_string().contains("dear");
        assert_eq!(amount(&answer, HOLD) > 10_000 * MICRO, is_dear, "{body}: {answer:?}");
    }
    for unpriced in [json!({ "fallbacks": ["nobody-knows"] }), json!({ "model": "m1-2026-01-31" })] {
        ask(&scene.gateway, "/up", &asked(unpriced)).await.problem(403, "unpriced-model");
    }
    scene.gateway.finish().await;
}

async fn a_refusal_for_want_of_money_names_the_bound_that_would_fit(store: &TestStore) {
    let scene = priced_scene(store, "openai-chat").await;
    watch(&scene.gateway, json!({ "name": "small", "limit_usd": "0.005" })).await;
    let refused = ask(&scene.gateway, "/up", &asked(json!({}))).await;
    let detail = refused.problem(402, "budget-exhausted")["detail"].as_str().unwrap().to_owned();
    let fits: u64 = detail.split("at most ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((400..500).contains(&fits), "{detail}");
    let answer = whole("200 OK", r#"{"usage":{"prompt_tokens":9,"completion_tokens":8}}"#);
    scene.call(&asked(json!({ "max_completion_tokens": fits })), &answer).await.expect(200);
    scene.gateway.finish().await;
}

async fn a_reset_behind_the_finish_reason_waits_for_the_usage(store: &TestStore) {
    let scene = priced_scene(store, "openai-chat").await;
    let mut client = scene.begin(&asked(json!({ "stream": true }))).await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let finish = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    let (mut served, _) = scene.upstream.serve(&format!("{head}{finish}")).await;
    client.head().await.expect(200);
    client.chunk().await;
    client.reset();
    served
        .write_all(b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":700}}\n\n")
        .await
        .unwrap();
    assert_eq!(scene.spent().await, 7_009 * MICRO);
    // The record says what the ledger does.
    let record = eventually("the record of the client that is gone", async || {
        let records = scene.gateway.records().await;
        records.into_iter().find(|record| record["outcome"] == "aborted")
    })
    .await;
    assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(9), &json!(700)), "{record}");
    assert_eq!(record["cost_usd"], json!("0.007009"), "{record}");
    scene.gateway.finish().await;
}

async fn a_reset_at_the_first_word_waits_for_the_usage_of_a_prompt_that_is_kept_elsewhere(store: &TestStore) {
    let scene = priced_scene(store, "openai-responses").await;
    let body = json!({ "model": "m1", "input": "a", "stream": true, "previous_response_id": "r" });
    let mut client = scene.begin(&body).await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let word = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n";
    let (mut served, _) = scene.upstream.serve(&format!("{head}{word}")).await;
    client.head().await.expect(200);
    client.chunk().await;
    client.reset();
    let usage = r#"{"input_tokens":90000,"output_tokens":3}"#;
    let end = format!("{word}data: {{\"type\":\"response.completed\",\"response\":{{\"usage\":{usage}}}}}\n\n");
    served.write_all(end.as_bytes()).await.unwrap();
    assert_eq!(scene.spent().await, 90_030 * MICRO);
    scene.gateway.finish().await;
}

async fn a_tool_that_the_provider_runs_is_paid_by_the_call_where_the_route_allows_it(store: &TestStore) {
    let scene = scene_with(store, "anthropic-messages", "", "tools = { web_search = \"0.01\" }").await;
    set_prices(&scene).await;
    let body = asked(json!({
        "max_tokens": 10, "tools": [{ "type": "web_search_20250305", "name": "web_search", "max_uses": 3 }],
    }));
    let usage = r#"{"usage":{"input_tokens":9,"output_tokens":8,"server_tool_use":{"web_search_requests":2}}}"#;
    let answer = scene.call(&body, &whole("200 OK", usage)).await;
    assert_eq!(amount(answer.expect(200), COST), 20_089 * MICRO);
    assert!(amount(&answer, HOLD) >= pico("0.13"), "three calls and the longest prompt: {answer:?}");
    let other = asked(json!({ "max_tokens": 10, "tools": [{ "type": "code_execution_20250825", "name": "x" }] }));
    let refused = ask(&scene.gateway, "/up", &other).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("tools = { code_execution"), "{refused:?}");
    scene.gateway.finish().await;
}

/// As `m1`, with the price of a tier that costs twice as much, and of sound; and two models that are billed by the second and
/// by the character.
async fn set_media_prices(scene: &Scene) {
    let items = json!([
        {
            "model": "m1", "input_usd": "1", "output_usd": "10", "audio_input_usd": "4", "max_output_tokens": 1_000,
            "service_tiers": [{ "service_tier": "priority", "input_usd": "2", "output_usd": "20" }],
        },
        { "model": "whisper", "input_usd": "100", "output_usd": "0", "max_output_tokens": 0 },
        { "model": "tts", "input_usd": "15", "output_usd": "0", "max_output_tokens": 0 },
    ]);
    let put =
        scene.gateway.request("PUT", "/admin/prices").token(&scene.gateway.admin).json(&json!({ "items": items }));
    put.send().await.expect(200);
    eventually("the prices are in force", async || {
        scene.gateway.running().office.accounting.prices.read().find("tts").map(drop)
    })
    .await;
}

async fn a_service_tier_is_held_and_billed_at_its_own_price(store: &TestStore) {
    let scene = scene_of(store, "openai-chat").await;
    set_media_prices(&scene).await;
    for (asked_for, served, cost, twice) in [
        (json!("priority"), json!("priority"), 178, true),
        (json!("priority"), json!("default"), 89, true),
        (json!("priority"), json!(null), 178, true),
        (json!(null), json!("priority"), 178, true),
        (json!("default"), json!("default"), 89, false),
    ] {
        let usage =
            json!({ "model": "m1", "service_tier": served, "usage": { "prompt_tokens": 9, "completion_tokens": 8 } });
        let body = asked(json!({ "service_tier": asked_for, "max_tokens": 100 }));
        let bytes = u64::try_from(body.to_string().len()).unwrap();
        let answer = scene.call(&body, &whole("200 OK", &usage.to_string())).await;
        assert_eq!(amount(answer.expect(200), COST), cost * MICRO, "{asked_for} {served}");
        let hold = (bytes + 100 + 1_000) * MICRO * if twice { 2 } else { 1 };
        assert_eq!(amount(&answer, HOLD), hold, "{asked_for} {served}");
    }
    let unpriced = ask(&scene.gateway, "/up", &asked(json!({ "service_tier": "ultrafast" }))).await;
    let detail = unpriced.problem(400, "invalid-request")["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("service_tiers for ultrafast") && detail.contains("/admin/prices"), "{detail}");
    scene.gateway.finish().await;
}

async fn a_form_with_a_sound_is_metered_and_passes_as_it_is(store: &TestStore) {
    let scene = scene_of(store, "openai-transcriptions").await;
    set_media_prices(&scene).await;
    let form = |model: &str| {
        let field = |name: &str, value: &str| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let file = field("file\"; filename=\"a.wav", &"RIFF".repeat(500));
        format!("{}{file}--x--\r\n", field("model", model))
    };
    let post = |body: &str| {
        let post = scene.gateway.post("/up").token(&scene.gateway.admin);
        post.header("content-type", "multipart/form-data; boundary=x").body(body)
    };
    let mut spent = 0;
    for (model, usage, cost) in [
        ("whisper", r#"{"type":"duration","seconds":8.2}"#, 900),
        (
            "m1",
            r#"{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":10},"output_tokens":5}"#,
            94,
        ),
    ] {
        let body = form(model);
        let answer = whole("200 OK", &format!(r#"{{"text":"Hello","usage":{usage}}}"#));
        let ((served, request), answer) = tokio::join!(scene.upstream.serve(&answer), post(&body).send());
        drop(served);
        assert_eq!(request.split_once("\r\n\r\n").unwrap().1, body);
        assert_eq!(amount(answer.expect(200), COST), cost * MICRO, "{model}");
        spent += cost * MICRO;
        assert_eq!(scene.spent().await, spent);
    }
    post(&form("unknown")).send().await.problem(403, "unpriced-model");
    post(&form("m1").replace("\"model\"", "\"Model\"")).send().await.problem(400, "invalid-request");
    let coded = post(&form("m1")).header("content-encoding", "gzip").send().await;
    coded.problem(415, "unsupported-media-type");
    scene.gateway.finish().await;
}

async fn speech_streams_and_is_billed_by_its_characters(store: &TestStore) {
    let scene = scene_of(store, "openai-speech").await;
    set_media_prices(&scene).await;
    let body = json!({ "model": "tts", "input": "Größe", "voice": "alloy" });
    let sound = "ID3 and so on";
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: {}\r\n\r\n{sound}", sound.len());
    let answer = scene.call(&body, &answer).await;
    assert_eq!((answer.expect(200).text(), amount(&answer, COST)), (sound, 75 * MICRO));
    assert_eq!(scene.spent().await, 5 * 15 * MICRO);
    let done = r#"{"type":"speech.audio.done","usage":{"input_tokens":7,"output_tokens":0,"total_tokens":7}}"#;
    let events =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: {done}\n\n");
    scene.call(&body, &events).await.expect(200);
    assert_eq!(scene.spent().await, (5 + 7) * 15 * MICRO);
    scene.gateway.finish().await;
}
