use super::*;
use crate::{
    domain::{money::Money, price::Rates, route::Meter},
    meter::format,
};

fn price(max_input_tokens: Option<u64>) -> Price {
    let base = Rates {
        input: 1,
        cached_input: 1,
        cache_write: 1,
        long_cache_write: 1,
        output: 1,
        reasoning: 1,
        audio_input: 1,
        audio_output: 1,
    };
    Price { base, tiers: vec![], per_call: Money::ZERO, max_output_tokens: 1_000, max_input_tokens }
}

fn asked(meter: Meter, body: &str) -> Result<Asked, Vec<String>> {
    let asked = Asked::read(format(meter).unwrap(), "/", Bytes::from(body.to_owned()), &|_| false);
    asked.map_err(|faults| faults.into_iter().map(|fault| fault.pointer).collect())
}

/// The prompt's bound, the answers', and the request that is sent.
fn bound(meter: Meter, body: &str) -> (u64, u64, String) {
    let bound = asked(meter, body).unwrap().bound(&[&price(None)], Ways::default()).unwrap();
    (bound.input_tokens, bound.output_tokens, String::from_utf8(bound.body.to_vec()).unwrap())
}

#[test]
fn answers_are_bounded_by_the_request_and_by_the_model() {
    use Meter::{AnthropicMessages, OpenaiChat, OpenaiEmbeddings, OpenaiResponses};
    for (meter, members, output, sent) in [
        (OpenaiChat, r#","max_tokens":7"#, 7, r#","max_tokens":7"#),
        (OpenaiChat, r#","max_tokens":7,"n":3"#, 21, r#","max_tokens":7,"n":3"#),
        (OpenaiChat, r#","max_tokens":7,"n":2,"best_of":4"#, 28, r#","max_tokens":7,"n":2,"best_of":4"#),
        (OpenaiChat, r#","max_tokens":7,"max_completion_tokens":9"#, 9, r#","max_tokens":7,"max_completion_tokens":9"#),
        (OpenaiChat, r#","max_tokens":null"#, 1_000, r#","max_tokens":null,"max_completion_tokens":1000"#),
        (
            OpenaiChat,
            r#","max_tokens":null,"max_completion_tokens":5"#,
            5,
            r#","max_tokens":null,"max_completion_tokens":5"#,
        ),
        (OpenaiChat, r#","max_tokens":2000,"n":2"#, 2_000, r#","max_tokens":1000,"n":2"#),
        (OpenaiChat, r#","prediction":{"content":"ab"}"#, 1_016, r#","prediction":{"content":"ab"}"#),
        (
            OpenaiChat,
            r#","prediction":{"type":"content","content":"ab"}"#,
            1_033,
            r#","prediction":{"type":"content","content":"ab"}"#,
        ),
        (OpenaiResponses, "", 1_000, r#","max_output_tokens":1000"#),
        (OpenaiResponses, r#","max_output_tokens":5,"stream":true"#, 5, r#","max_output_tokens":5,"stream":true"#),
        (OpenaiChat, r#","max_tokens":5,"service_tier" : "auto""#, 5, r#","max_tokens":5,"service_tier" : "default""#),
        (OpenaiChat, r#","max_tokens":5,"service_tier":"flex""#, 5, r#","max_tokens":5,"service_tier":"flex""#),
        (OpenaiResponses, r#","service_tier":"auto""#, 1_000, r#","service_tier":"default","max_output_tokens":1000"#),
        (
            AnthropicMessages,
            r#","max_tokens":5,"service_tier":"auto""#,
            5,
            r#","max_tokens":5,"service_tier":"standard_only""#,
        ),
        (OpenaiEmbeddings, r#","max_tokens":5"#, 0, r#","max_tokens":5"#),
        (AnthropicMessages, r#","max_tokens":5,"stream":true"#, 5, r#","max_tokens":5,"stream":true"#),
        (AnthropicMessages, "", 1_000, r#","max_tokens":1000"#),
    ] {
        let (_, found, body) = bound(meter, &format!(r#"{{"model":"m"{members}}}"#));
        assert_eq!((found, body), (output, format!(r#"{{"model":"m"{sent}}}"#)), "{members}");
    }
}

#[test]
fn usage_is_asked_for_where_a_stream_would_not_state_it() {
    for (members, sent, strips) in [
        (r#""stream":true"#, r#""stream":true,"stream_options":{"include_usage":true}"#, true),
        (r#""stream":true,"stream_options":null"#, r#""stream":true,"stream_options":{"include_usage":true}"#, true),
        (r#""stream":true,"stream_options":{ }"#, r#""stream":true,"stream_options":{ "include_usage":true}"#, true),
        (
            r#""stream":true,"stream_options":{"a":1}"#,
            r#""stream":true,"stream_options":{"a":1,"include_usage":true}"#,
            true,
        ),
        (
            r#""stream":true,"stream_options":{"include_usage": null }"#,
            r#""stream":true,"stream_options":{"include_usage": true }"#,
            true,
        ),
        (
            r#""stream":true,"stream_options":{"include_usage":true}"#,
            r#""stream":true,"stream_options":{"include_usage":true}"#,
            false,
        ),
        (r#""stream":false"#, r#""stream":false"#, false),
        (r#""stream":null,"stream_options":{}"#, r#""stream":null,"stream_options":{}"#, false),
    ] {
        let body = format!(r#"{{"model":"m","max_tokens":1,{members}}}"#);
        let bound = asked(Meter::OpenaiChat, &body).unwrap().bound(&[&price(None)], Ways::default()).unwrap();
        assert_eq!(bound.body, format!(r#"{{"model":"m","max_tokens":1,{sent}}}"#), "{members}");
        assert_eq!(bound.asks_for_usage, strips, "{members}");
    }
}

#[test]
fn a_prompt_is_bounded_by_its_bytes_and_by_no_table() {
    let text = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"Hello"}]}"#;
    let bytes = u64::try_from(text.len()).unwrap();
    assert_eq!(bound(Meter::OpenaiChat, text).0, bytes + FRAME_TOKENS);
    let with_tools = text.replace(r#""max_tokens""#, r#""tools":[{"type":"function","function":{}}],"max_tokens""#);
    let longer = u64::try_from(with_tools.len()).unwrap();
    assert_eq!(bound(Meter::OpenaiChat, &with_tools).0, longer + FRAME_TOKENS + TOOLS_TOKENS);
    let short = asked(Meter::OpenaiChat, text).unwrap().bound(&[&price(Some(50))], Ways::default()).unwrap();
    assert_eq!((short.input_tokens, short.estimated_input_tokens < 50), (bytes + FRAME_TOKENS, true));
}

#[test]
fn a_prompt_of_unknown_length_needs_a_model_of_known_length() {
    use Meter::{AnthropicMessages, OpenaiChat, OpenaiResponses};
    for (meter, members, pointer) in [
        (OpenaiChat, r#""messages":[{"content":[{"type":"image_url"}]}]"#, "/messages"),
        (OpenaiChat, r#""messages":[{"content":[{"type":"file"}]}]"#, "/messages"),
        (AnthropicMessages, r#""messages":[{"content":[{"type":"document"}]}]"#, "/messages"),
        (AnthropicMessages, r#""system":[{"type":"image"}]"#, "/system"),
        (OpenaiResponses, r#""input":[{"type":"item_reference","id":"x"}]"#, "/input"),
        (OpenaiResponses, r#""previous_response_id":"x""#, "/previous_response_id"),
        (OpenaiResponses, r#""conversation":"x""#, "/conversation"),
        (OpenaiResponses, r#""prompt":{"id":"x"}"#, "/prompt"),
    ] {
        let body = format!(r#"{{"model":"m",{members}}}"#);
        let fault = asked(meter, &body).unwrap().bound(&[&price(None)], Ways::default()).err().unwrap();
        assert_eq!(fault.pointer, pointer);
        assert_eq!(
            asked(meter, &body).unwrap().bound(&[&price(Some(7_777))], Ways::default()).unwrap().input_tokens,
            7_777,
            "{members}"
        );
    }
}

#[test]
fn what_no_price_speaks_of_is_refused_with_its_place() {
    use Meter::{AnthropicMessages, OpenaiChat, OpenaiResponses};
    for (meter, members, pointer) in [
        (OpenaiChat, r#""messages":[{"content":[{"type":"input_audio"}]}]"#, "/messages"),
        (OpenaiChat, r#""tools":[{"type":"web_search"}]"#, "/tools"),
        (OpenaiChat, r#""tools":[{"type":"function","type":"web_search"}]"#, "/tools"),
        (OpenaiChat, r#""tools":[{"type":"function","Type":"web_search"}]"#, "/tools"),
        (OpenaiChat, r#""tools":{}"#, "/tools"),
        (OpenaiChat, r#""audio":{}"#, "/audio"),
        (OpenaiResponses, r#""background":true"#, "/background"),
        (OpenaiResponses, r#""service_tier":"priority""#, "/service_tier"),
        (AnthropicMessages, r#""speed":"fast""#, "/speed"),
        (AnthropicMessages, r#""inference_geo":"us""#, "/inference_geo"),
        (AnthropicMessages, r#""mcp_servers":[{}]"#, "/mcp_servers"),
        (AnthropicMessages, r#""tools":[{"type":"web_search_20250305","name":"x"}]"#, "/tools"),
        (AnthropicMessages, r#""cache_control":{"type":"ephemeral","ttl":"12h"}"#, "/cache_control"),
        (AnthropicMessages, r#""tools":[{"name":"x","cache_control":{"ttl":"2h"}}]"#, "/tools"),
        (OpenaiResponses, r#""prompt_cache_options":{"ttl":"12h"}"#, "/prompt_cache_options"),
    ] {
        let faults = asked(meter, &format!(r#"{{"model":"m",{members}}}"#)).err().unwrap();
        assert_eq!(faults, [pointer], "{members}");
    }
    for (meter, members) in [
        (OpenaiResponses, r#""background":false,"service_tier":"flex","input":"text""#),
        (OpenaiChat, r#""modalities":["text"],"tools":[{"type":"custom","custom":{"format":{"type":"grammar"}}}]"#),
        (AnthropicMessages, r#""speed":null,"tools":[{"name":"x","input_schema":{"type":"object","ttl":{}}}]"#),
    ] {
        assert!(asked(meter, &format!(r#"{{"model":"m",{members}}}"#)).is_ok(), "{members}");
    }
}

#[test]
fn a_model_whose_price_has_no_bound_on_answers_gives_none() {
    let price = Price { max_output_tokens: 0, ..price(None) };
    let body = r#"{"model":"m","input":[[1,2],[3]]}"#;
    assert_eq!(
        asked(Meter::OpenaiChat, body).unwrap().bound(&[&price], Ways::default()).err().unwrap().pointer,
        "/model"
    );
    assert!(asked(Meter::OpenaiEmbeddings, body).unwrap().bound(&[&price], Ways::default()).is_ok());
}

#[test]
fn limits_take_about_the_tokens_of_the_prompt_and_the_bound_of_the_answers() {
    let of = |meter, body: &str| asked(meter, body).unwrap().estimated_tokens();
    let prompt = of(Meter::OpenaiEmbeddings, r#"{"model":"m","max_tokens":50,"n":2}"#);
    assert_eq!(prompt, 1, "there is no prompt");
    assert_eq!(of(Meter::OpenaiChat, r#"{"model":"m","max_tokens":50,"n":2}"#), 100);
    let unbounded = of(Meter::OpenaiChat, r#"{"model":"m"}"#);
    assert!((UNBOUNDED..UNBOUNDED + 20).contains(&unbounded), "{unbounded}");
}

const UNBOUNDED: u64 = 1_024;
