//! Counts under the names of other services, in other places of an answer, and in its head.

use super::{Case, JSON, SSE, answer, asking, labelled, m1, stream, whole};
use crate::{
    domain::route::Meter,
    meter::{Asked, Reading, Ways, format},
};

pub(super) fn of_cohere() -> Vec<Case> {
    use Meter::OpenaiChat;
    let chat = |name, text: &str| answer(text, whole(name, OpenaiChat, "", [5, 0, 0, 418], 4_185_000_000));
    let billed =
        r#"{"billed_units":{"input_tokens":5,"output_tokens":418},"tokens":{"input_tokens":71,"output_tokens":418}"#;
    vec![
        chat("the first version", &format!(r#"{{"text":"a","meta":{billed}}}}}"#)),
        labelled(
            Some("application/stream+json"),
            asking(
                r#","stream":true"#,
                chat(
                    "a stream of the first version",
                    &format!(
                        "{{\"event_type\":\"text-generation\",\"text\":\" word\"}}\n{{\"event_type\":\"stream-end\",\"response\":{{\"text\":\" word\",\"meta\":{billed}}}}}}}\n"
                    ),
                ),
            ),
        ),
        chat(
            "what came from a cache is not in what is billed",
            &format!(r#"{{"message":{{"content":[{{"text":"a"}}]}},"usage":{billed},"cached_tokens":64}}}}"#),
        ),
    ]
}

pub(super) fn of_bedrock() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiChat};
    let native = |name, text: &str| answer(text, whole(name, AnthropicMessages, "", [30, 0, 0, 60], 630_000_000));
    vec![
        native(
            "Llama",
            r#"{"generation":"a","prompt_token_count":30,"generation_token_count":60,"stop_reason":"stop"}"#,
        ),
        native("Titan", r#"{"inputTextTokenCount":30,"results":[{"tokenCount":60,"outputText":"a"}]}"#),
        native(
            "Nova",
            r#"{"output":{"message":{"content":[{"text":"a"}]}},"usage":{"inputTokens":30,"outputTokens":60,"totalTokens":90}}"#,
        ),
        stream(
            "a stream of Llama",
            AnthropicMessages,
            &[
                r#"{"generation":" a","prompt_token_count":30,"generation_token_count":1}"#,
                r#"{"generation":" b","prompt_token_count":null,"generation_token_count":60}"#,
            ],
            [30, 0, 0, 60],
            630_000_000,
        ),
        labelled(
            SSE,
            answer(
                "data: {\"outputText\":\"a\",\"inputTextTokenCount\":30,\"totalOutputTextTokenCount\":60}\n\n",
                whole("a stream of Titan", AnthropicMessages, "", [30, 0, 0, 60], 630_000_000),
            ),
        ),
        labelled(
            JSON,
            answer(
                r#"{"results":[{"generated_text":"a","generated_token_count":60,"input_token_count":30}]}"#,
                whole("watsonx as before", OpenaiChat, "", [30, 0, 0, 60], 630_000_000),
            ),
        ),
    ]
}

pub(super) fn of_google() -> Vec<Case> {
    let drawn = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":1}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":1300,"totalTokenCount":1310,"candidatesTokensDetails":[{"modality":2,"tokenCount":1290},{"modality":1,"tokenCount":10}]}}"#;
    vec![answer(drawn, whole("a modality as a number", Meter::GeminiGenerate, "", [10, 0, 0, 1_300], 25_910_000_000))]
}

fn reading(meter: Meter) -> Reading {
    let asked = Asked::read(format(meter).unwrap(), "/v1", r#"{"model":"m1"}"#.into(), &|_| false).unwrap();
    Reading::new(asked.bound(&[&m1()], Ways::default()).unwrap(), JSON, None)
}

#[test]
fn counts_in_the_head_of_an_answer_hold_where_it_states_none() {
    let header = |name: &str| match name {
        "x-amzn-bedrock-input-token-count" => Some("30"),
        "x-amzn-bedrock-output-token-count" => Some("60"),
        "x-amzn-bedrock-cache-read-input-token-count" => Some("7"),
        _ => None,
    };
    for (answer, counts) in [
        (r#"{"outputs":[{"text":"a"}]}"#, (37, 7, 60, false)),
        (r#"{"content":[{"text":"a"}],"usage":{"input_tokens":9,"output_tokens":8}}"#, (9, 0, 8, false)),
    ] {
        let mut reading = reading(Meter::AnthropicMessages).with_headers(header);
        drop((reading.pass(answer.into()), reading.rest()));
        let taken = reading.taken();
        let usage = taken.usage;
        assert_eq!((usage.input_tokens, usage.cached_tokens, usage.output_tokens, taken.estimated), counts, "{answer}");
    }
    let broken = |name: &str| name.ends_with("input-token-count").then_some("x");
    let mut reading = reading(Meter::AnthropicMessages).with_headers(broken);
    drop((reading.pass(r#"{"content":[{"text":"a"}]}"#.into()), reading.rest()));
    assert!(reading.taken().estimated);
}

#[test]
fn counts_in_the_head_are_those_of_servers_whose_answers_have_none() {
    let header = |name: &str| match name {
        "x-compute-tokens" | "x-prompt-tokens" => Some("30"),
        "x-generated-tokens" => Some("60"),
        _ => None,
    };
    for (meter, answer, counts) in [
        (Meter::OpenaiEmbeddings, "[[0.1,0.2]]", (30, 0, false)),
        (Meter::Rerank, r#"[{"index":0,"score":0.9}]"#, (30, 0, false)),
        (Meter::OpenaiChat, r#"{"generated_text":"word word"}"#, (30, 60, false)),
        (Meter::OpenaiEmbeddings, r#"{"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":9}}"#, (9, 0, false)),
    ] {
        let mut reading = reading(meter).with_headers(header);
        drop((reading.pass(answer.into()), reading.rest()));
        let taken = reading.taken();
        let found = (taken.usage.input_tokens, taken.usage.output_tokens, taken.estimated);
        assert_eq!((found, taken.failed), (counts, false), "{answer}");
    }
}

#[test]
fn the_tier_that_served_is_told_from_the_one_that_was_asked_for() {
    for (members, tier) in [
        (r#""service_tier":"auto","service_tier_used":"flex""#, "flex"),
        (r#""service_tier":"priority","service_tier_used":"default""#, "default"),
        (r#""service_tier":"priority","service_tier_used":null"#, "priority"),
    ] {
        let mut reading = reading(Meter::OpenaiChat);
        drop(reading.pass(format!(r#"{{"choices":[{{"message":{{"content":"a"}}}}],{members}}}"#).into()));
        assert_eq!(reading.taken().tier.as_deref(), Some(tier), "{members}");
    }
}

#[test]
fn the_tier_that_served_is_found_where_vertex_states_it_in_a_chat() {
    let mut reading = reading(Meter::OpenaiChat);
    let usage = r#"{"prompt_tokens":9,"completion_tokens":8,"extra_properties":{"google":{"traffic_type":"ON_DEMAND_PRIORITY"}}}"#;
    drop(reading.pass(format!(r#"{{"choices":[{{"message":{{"content":"a"}}}}],"usage":{usage}}}"#).into()));
    assert_eq!(reading.taken().tier.as_deref(), Some("priority"));
}
