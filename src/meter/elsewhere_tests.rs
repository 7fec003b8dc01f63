//! Bounds, tiers and names of models that stand elsewhere in a request than in the members of its format.

use super::{
    Asked, Ways, format_at,
    requests_tests::{asked, asked_at, bound, sent},
};
use crate::domain::route::Meter::{
    self, AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiCompletions, OpenaiResponses,
};

#[test]
fn a_bound_under_another_name_counts_toward_the_hold() {
    for (meter, members, output) in [
        (OpenaiChat, r#""max_tokens":50,"n_predict":700"#, 700),
        (OpenaiChat, r#""max_tokens":50,"n_predict":-1"#, 1_000),
        (OpenaiChat, r#""max_tokens":50,"n_predict":null"#, 50),
        (OpenaiChat, r#""max_tokens":50,"n_predict":20"#, 50),
        (OpenaiChat, r#""max_tokens":50,"extra_body":{"max_tokens":700}"#, 700),
        (OpenaiChat, r#""max_tokens":50,"options":{"num_predict":9999999}"#, 1_000),
        (AnthropicMessages, r#""max_tokens":50,"fallbacks":[{"model":"m","max_tokens":700}]"#, 700),
        (OpenaiResponses, r#""max_output_tokens":50,"max_tokens":700"#, 700),
    ] {
        assert_eq!(bound(meter, members).output_tokens, output, "{members}");
    }
}

#[test]
fn words_of_the_service_are_no_models() {
    for (members, others) in [
        (r#""fallbacks":"default""#, 0),
        (r#""fallback_credit_token":"x""#, 0),
        (r#""fallbacks":[{"model":"m2"}]"#, 1),
        (r#""fallbacks":["m2"]"#, 1),
        (r#""fallback_model":"m2""#, 1),
    ] {
        let asked = asked(AnthropicMessages, &format!(r#""max_tokens":5,{members}"#));
        assert_eq!(asked.other_models().count(), others, "{members}");
    }
}

#[test]
fn a_tier_of_a_model_that_may_take_over_needs_a_price() {
    let bound = |members: &str| {
        asked(AnthropicMessages, members).bound(&[&super::test_price::price(1_000, 1_000)], Ways::default()).err()
    };
    assert_eq!(bound(r#""max_tokens":5,"fallbacks":[{"model":"m","speed":"standard"}]"#), None);
    let fault = bound(r#""max_tokens":5,"fallbacks":[{"model":"m","speed":"fast"}]"#).unwrap();
    assert_eq!(fault.pointer, "/fallbacks");
    assert!(fault.detail.contains("service_tiers for fast"), "{fault:?}");
}

#[test]
fn a_prompt_may_be_read_into_a_cache_and_nothing_be_written() {
    let bound = bound(AnthropicMessages, r#""max_tokens":0"#);
    assert_eq!((bound.output_tokens, &*sent(&bound)), (0, r#"{"model":"m","max_tokens":0}"#));
}

#[test]
fn counting_on_vertex_is_free_and_nothing_is_written_in() {
    let path = "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict";
    let asked = asked_at(AnthropicMessages, path, r#""messages":[]"#, false).unwrap();
    assert_eq!((asked.is_free(), asked.model()), (true, "m"));
}

#[test]
fn settings_that_are_null_are_replaced() {
    for (meter, path, members, expected) in [
        (
            GeminiGenerate,
            "/v1beta/models/m:generateContent",
            r#""generationConfig":null"#,
            r#"{"model":"m","generationConfig":{"maxOutputTokens":1000}}"#,
        ),
        (
            GeminiGenerate,
            "/v1beta/models/m:generateContent",
            r#""generationConfig":null,"generation_config":{}"#,
            r#"{"model":"m","generationConfig":null,"generation_config":{"maxOutputTokens":1000}}"#,
        ),
        (
            BedrockConverse,
            "/model/m/converse",
            r#""inferenceConfig":null"#,
            r#"{"model":"m","inferenceConfig":{"maxTokens":1000}}"#,
        ),
    ] {
        let asked = asked_at(meter, path, members, false).unwrap();
        let bound = asked.bound(&[&super::test_price::price(1_000_000, 1_000)], Ways::default()).unwrap();
        assert_eq!(sent(&bound), expected);
    }
}

#[test]
fn paths_say_what_serves() {
    let read = |meter: Meter, path: &str| {
        let format = format_at(meter, path).unwrap();
        let asked = Asked::read(format, path, r#"{"model":"m","max_tokens":5}"#.into(), &|_| false).unwrap();
        asked.bound(&[&super::test_price::price(1_000_000, 1_000)], Ways::default()).unwrap().naming
            == super::Naming::Path
    };
    assert!(read(OpenaiChat, "/openai/deployments/d/chat/completions"));
    assert!(read(AnthropicMessages, "/model/anthropic.claude-v1:0/invoke"));
    assert!(!read(OpenaiChat, "/v1/chat/completions"));
    assert!(!read(GeminiGenerate, "/v1beta/models/m:generateContent"));
}

#[test]
fn what_is_filled_in_is_as_long_as_the_model_can() {
    let bound = |path: &str| {
        let asked = asked_at(OpenaiCompletions, path, r#""prompt":"a""#, false).unwrap();
        asked.bound(&[&super::test_price::price(1_000_000, 1_000)], Ways::default()).unwrap().output_tokens
    };
    assert_eq!((bound("/v1/completions"), bound("/v1/fim/completions")), (16, 1_000));
}

#[test]
fn further_shapes_of_ordinary_requests_are_served() {
    for (meter, members) in [
        (OpenaiChat, r#""plugins":[{"id":"context-compression"}]"#),
        (OpenaiChat, r#""messages":[{"role":"assistant","content":[{"type":"reference","reference_ids":[1]}]}]"#),
        (GeminiGenerate, r#""tools":{"functionDeclarations":[{"name":"f"}]}"#),
    ] {
        drop(bound(meter, members));
    }
    for (members, least) in [
        (r#""input":[{"role":"user","content":[{"type":"input_text","text":"WORDS"}]}]"#, 400),
        (r#""prompt":"WORDS""#, 400),
        (r#""system":"WORDS""#, 400),
        (r#""documents":[{"title":"t","text":"WORDS"}]"#, 400),
        (r#""messages":[{"role":"user","content":"a","images":["iVBOR","iVBOR"]}]"#, 2_160),
    ] {
        let members = format!(r#""max_tokens":1,{}"#, members.replace("WORDS", &"word ".repeat(400)));
        let estimate = asked(OpenaiChat, &members).estimated_tokens();
        assert!((least..least + 20).contains(&estimate), "{estimate}: {members:.80}");
    }
}
