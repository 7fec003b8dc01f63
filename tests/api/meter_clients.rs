//! What ordinary clients send, through a running gateway: served, sent on as it is but for what is documented, and billed by
//! the usage that the answer states.

use serde_json::{Value, json};

use super::{
    metering::{COST, Scene, amount, scene_of, whole},
    support::{TestStore, eventually},
};

on_both_stores!(what_ordinary_clients_send_is_served_sent_on_and_billed);

/// The name of each, its meter and path, what it sends, and how its provider answers: whole or as events.
const CLIENTS: [(&str, &str, &str, &str, &str); 9] = [
    ("Codex", "openai-responses", "/v1/responses", include_str!("../fixtures/clients/codex.json"), RESPONSE_EVENTS),
    (
        "Claude Code",
        "anthropic-messages",
        "/v1/messages?beta=true",
        include_str!("../fixtures/clients/claude-code.json"),
        MESSAGE_EVENTS,
    ),
    ("Cursor", "openai-chat", "/v1/chat/completions", include_str!("../fixtures/clients/cursor.json"), CHAT_EVENTS),
    ("aider", "openai-chat", "/v1/chat/completions", include_str!("../fixtures/clients/aider.json"), CHAT_EVENTS),
    (
        "OpenAI Agents SDK",
        "openai-responses",
        "/v1/responses",
        include_str!("../fixtures/clients/openai-agents.json"),
        RESPONSE_EVENTS,
    ),
    ("LangChain", "openai-chat", "/v1/chat/completions", include_str!("../fixtures/clients/langchain.json"), CHAT),
    (
        "Vercel AI SDK",
        "openai-responses",
        "/v1/responses",
        include_str!("../fixtures/clients/vercel-ai.json"),
        RESPONSE_EVENTS,
    ),
    (
        "Vercel AI SDK for Anthropic",
        "anthropic-messages",
        "/v1/messages",
        include_str!("../fixtures/clients/vercel-ai-messages.json"),
        MESSAGE_EVENTS,
    ),
    (
        "Gemini CLI",
        "gemini-generate",
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        include_str!("../fixtures/clients/gemini-cli.json"),
        GEMINI_EVENTS,
    ),
];

/// Each says 100 read, of which 60 from a cache, and 20 written.
const CHAT: &str = r#"{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Done"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"prompt_tokens_details":{"cached_tokens":60}}}"#;
const CHAT_EVENTS: &str = "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Done\"}}]}\n\n\
    data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
    data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20,\"total_tokens\":120,\"prompt_tokens_details\":{\"cached_tokens\":60}}}\n\n\
    data: [DONE]\n\n";
const RESPONSE_EVENTS: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"m\",\"usage\":null,\"output\":[]}}\n\n\
    event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Done\"}\n\n\
    event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"model\":\"m\",\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"Done\"}]}],\"usage\":{\"input_tokens\":100,\"input_tokens_details\":{\"cached_tokens\":60},\"output_tokens\":20,\"output_tokens_details\":{\"reasoning_tokens\":5},\"total_tokens\":120}}}\n\n";
const MESSAGE_EVENTS: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":40,\"cache_read_input_tokens\":60,\"cache_creation_input_tokens\":0,\"output_tokens\":1}}}\n\n\
    event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Done\"}}\n\n\
    event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":20}}\n\n\
    event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const GEMINI_EVENTS: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Done\"}]}}],\"modelVersion\":\"m\"}\r\n\r\n\
    data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"STOP\"}],\"modelVersion\":\"m\",\"usageMetadata\":{\"promptTokenCount\":100,\"cachedContentTokenCount\":60,\"candidatesTokenCount\":15,\"thoughtsTokenCount\":5,\"totalTokenCount\":120}}\r\n\r\n";

/// 40 at 1, 60 at 0.1 and 20 at 10 USD a million.
const COST_PUSD: u64 = 246_000_000;

/// What may be written into a request.
const WRITTEN: [&str; 4] = ["max_completion_tokens", "max_output_tokens", "max_tokens", "stream_options"];

async fn price(scene: &Scene) {
    let price = json!({
        "model": "m", "input_usd": "1", "output_usd": "10", "cached_input_usd": "0.1", "cache_write_usd": "1.25",
        "max_output_tokens": 64_000, "max_input_tokens": 1_000_000,
    });
    let put =
        scene.gateway.request("PUT", "/admin/prices").token(&scene.gateway.admin).json(&json!({ "items": [price] }));
    put.send().await.expect(200);
    eventually("the price is in force", async || {
        scene.gateway.running().office.accounting.prices.read().find("m").map(drop)
    })
    .await;
}

/// A request without what may be written into it.
fn bare(body: &str) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap();
    for name in WRITTEN {
        body.as_object_mut().unwrap().remove(name);
    }
    body
}

async fn what_ordinary_clients_send_is_served_sent_on_and_billed(store: &TestStore) {
    for meter in ["openai-chat", "openai-responses", "anthropic-messages", "gemini-generate"] {
        let scene = scene_of(store, meter).await;
        price(&scene).await;
        let mut expected = 0;
        for (name, _, path, body, answer) in CLIENTS.iter().filter(|client| client.1 == meter) {
            let sent = serde_json::from_str::<Value>(body).unwrap().to_string();
            let is_stream = answer.starts_with("data:") || answer.starts_with("event:");
            let stream = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            let reply = if is_stream { format!("{stream}{answer}") } else { whole("200 OK", answer) };
            let post = scene.gateway.post(&format!("/up{path}")).token(&scene.gateway.admin).json_text(sent.as_str());
            let serve = async { scene.upstream.serve(&reply).await.1 };
            let (request, got) = tokio::join!(serve, post.send());
            got.expect(200);
            let (_, received) = request.split_once("\r\n\r\n").unwrap();
            assert_eq!(bare(received), bare(&sent), "{name}");
            let asks = sent.contains("include_usage");
            let shown = if *answer == CHAT_EVENTS && !asks { without_usage(answer) } else { (*answer).to_owned() };
            assert_eq!(got.text(), shown, "{name}");
            if !is_stream {
                assert_eq!(amount(&got, COST), COST_PUSD, "{name}");
            }
            expected += COST_PUSD;
            assert_eq!(scene.spent().await, expected, "{name}");
            let record = eventually("the end of the record", async || {
                scene.gateway.record(got.request_id()).await.filter(|record| record["outcome"] == "complete")
            })
            .await;
            assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(100), &json!(20)), "{name}");
            assert_eq!((&record["cost_usd"], &record["model"]), (&json!("0.000246"), &json!("m")), "{name}");
        }
        scene
            .gateway
            .request("DELETE", &format!("/admin/budgets/{}", scene.budget))
            .token(&scene.gateway.admin)
            .send()
            .await
            .expect(204);
        scene.gateway.discard().await;
    }
}

/// The events of a chat without the one that nobody asked for.
fn without_usage(events: &str) -> String {
    events.split_inclusive("\n\n").filter(|event| !event.contains("\"usage\"")).collect()
}
