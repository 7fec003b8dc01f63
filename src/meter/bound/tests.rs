use bytes::Bytes;

use super::*;
use crate::{
    domain::{
        money::Money,
        price::{Rates, ServiceTier},
        route::Meter,
    },
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
        audio_input: None,
        audio_output: None,
        image_input: 1,
        image_output: 1,
    };
    Price {
        base,
        tiers: vec![],
        service_tiers: vec![],
        per_call: Money::ZERO,
        max_output_tokens: 1_000,
        max_input_tokens,
    }
}

fn asked(meter: Meter, body: &str) -> Result<Asked, Vec<String>> {
    let asked = Asked::read(format(meter).unwrap(), "/", Bytes::from(body.to_owned()), &|_| false);
    asked.map_err(|faults| faults.into_iter().map(|fault| fault.pointer).collect())
}

/// The prompt's bound, the answers', and the request that is sent.
fn bound(meter: Meter, body: &str) -> (u64, u64, String) {
    let bound = asked(meter, body).unwrap().bound(&[&price(None)], Ways::default()).unwrap();
    (bound.input_tokens, bound.output_tokens, String::from_utf8(bound.letter.body().to_vec()).unwrap())
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
        (OpenaiChat, r#","max_tokens":5,"service_tier" : "auto""#, 5, r#","max_tokens":5,"service_tier" : "auto""#),
        (OpenaiChat, r#","max_tokens":5,"service_tier":"flex""#, 5, r#","max_tokens":5,"service_tier":"flex""#),
        (OpenaiResponses, r#","service_tier":"auto""#, 1_000, r#","service_tier":"auto","max_output_tokens":1000"#),
        (AnthropicMessages, r#","max_tokens":5,"service_tier":"auto""#, 5, r#","max_tokens":5,"service_tier":"auto""#),
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
        assert_eq!(bound.letter.body(), format!(r#"{{"model":"m","max_tokens":1,{sent}}}"#), "{members}");
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
        (OpenaiChat, r#""modalities":["video"]"#, "/modalities"),
        (OpenaiChat, r#""tools":[{"type":"web_search"}]"#, "/tools"),
        (OpenaiChat, r#""tools":[{"type":"function","type":"web_search"}]"#, "/tools"),
        (OpenaiChat, r#""tools":[{"type":"function","Type":"web_search"}]"#, "/tools"),
        (OpenaiChat, r#""tools":{}"#, "/tools"),
        (OpenaiResponses, r#""background":true"#, "/background"),
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

/// Members of a request, where they stand, what a price must have for them, and what a token of the prompt and one of the
/// answer is held at.
fn that_need_a_rate() -> Vec<(Meter, &'static str, &'static str, &'static str, i64, u64)> {
    use Meter::{AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses};
    vec![
        (
            OpenaiChat,
            r#""messages":[{"content":[{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}]}]"#,
            "/messages",
            "audio_input_usd",
            11,
            12,
        ),
        (
            OpenaiChat,
            r#""messages":[{"role":"assistant","audio":{"id":"audio_1"}}]"#,
            "/messages",
            "audio_input_usd",
            11,
            12,
        ),
        (
            OpenaiChat,
            r#""service_tier":"default","modalities":["text","audio"]"#,
            "/modalities",
            "audio_output_usd",
            7,
            8,
        ),
        (OpenaiChat, r#""service_tier":"default","audio":{"voice":"x"}"#, "/audio", "audio_output_usd", 7, 9),
        (OpenaiResponses, r#""service_tier":"priority""#, "/service_tier", "service_tiers for priority", 11, 12),
        (
            AnthropicMessages,
            r#""service_tier":"standard_only","speed":"fast""#,
            "/speed",
            "service_tiers for fast",
            11,
            12,
        ),
        (
            GeminiGenerate,
            r#""contents":[{"parts":[{"inlineData":{"mimeType":"audio/ogg","data":"AA"}}]}]"#,
            "/contents",
            "audio_input_usd",
            7,
            9,
        ),
        (
            GeminiGenerate,
            r#""generationConfig":{"responseModalities":["IMAGE","TEXT"]}"#,
            "/responseModalities",
            "image_output_usd",
            1,
            9,
        ),
        (
            BedrockConverse,
            r#""messages":[{"content":[{"audio":{"format":"mp3","source":{"bytes":"AA"}}}]}]"#,
            "/messages",
            "audio_input_usd",
            7,
            9,
        ),
    ]
}

#[test]
fn sound_images_and_service_tiers_need_a_rate_and_are_held_at_it() {
    use Meter::{AnthropicMessages, OpenaiChat};
    let plain = price(Some(50));
    let base = Rates { audio_input: Some(7), audio_output: Some(8), image_output: 9, ..plain.base };
    let dear = Rates { input: 11, cached_input: 11, cache_write: 11, output: 12, reasoning: 12, ..plain.base };
    let tier = |name: &str| ServiceTier { name: name.into(), base: dear, tiers: vec![] };
    let rated = Price { base, service_tiers: vec![tier("priority"), tier("fast")], ..plain.clone() };
    for (meter, members, pointer, field, input, output) in that_need_a_rate() {
        let ask = || {
            Asked::read(format(meter).unwrap(), "/models/m", format!(r#"{{"model":"m",{members}}}"#).into(), &|_| false)
                .unwrap()
        };
        let fault = ask().bound(&[&plain], Ways::default()).err().unwrap();
        assert!(fault.pointer == pointer && fault.detail.contains(field), "{members}: {fault:?}");
        assert!(ask().bound(&[&rated, &plain], Ways::default()).is_err(), "every model that may serve needs it");
        let bound = ask().bound(&[&rated], Ways::default()).unwrap();
        let most = Most { input_tokens: 1_000, output_tokens: 0, ..bound.most() };
        assert_eq!(rated.bound(&most).unwrap().pusd(), input * 1_000, "{members}");
        assert_eq!(rated.dearest_output(&bound.most()), output, "{members}");
    }
    let hold = |meter, members: &str| {
        let bound = asked(meter, &format!(r#"{{"model":"m"{members}}}"#)).unwrap().bound(&[&rated], Ways::default());
        rated.dearest_output(&bound.unwrap().most())
    };
    // Where no tier is named a provider may choose priority, and never the fast mode.
    assert_eq!((hold(OpenaiChat, ""), hold(OpenaiChat, r#","service_tier":"default","modalities":["text"]"#)), (12, 1));
    assert_eq!(hold(OpenaiChat, r#","service_tier":"default""#), 9, "it may draw");
    assert_eq!(hold(OpenaiChat, r#","service_tier":"auto""#), 12, "it leaves the choice to the provider as well");
    let fast = Price { service_tiers: vec![tier("fast")], ..plain };
    let bound = asked(AnthropicMessages, r#"{"model":"m"}"#).unwrap().bound(&[&fast], Ways::default()).unwrap();
    assert_eq!(fast.dearest_output(&bound.most()), 1);
}

#[test]
fn a_form_is_bounded_by_its_fields_its_images_and_the_bytes_of_its_sound() {
    let form = |fields: &[(&str, &str)], file: &str, content: &str| {
        let field = |(name, value): &(&str, &str)| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let fields: String = fields.iter().map(field).collect();
        format!(
            "{fields}--b\r\nContent-Disposition: form-data; name=\"{file}\"; filename=\"f\"\r\n\r\n{content}\r\n--b--\r\n"
        )
    };
    let read = |meter, body: &str| Asked::read_form(format(meter).unwrap(), "/", Bytes::from(body.to_owned()), "b");
    let sound = form(&[("model", "w"), ("stream", "true")], "file", &"x".repeat(8_000));
    let asked = read(Meter::OpenaiTranscriptions, &sound).unwrap();
    assert_eq!((asked.model(), asked.is_stream), ("w", true));
    let by_seconds = Price { max_output_tokens: 0, ..price(None) };
    let bound = asked.bound(&[&by_seconds], Ways::default()).unwrap();
    assert_eq!((bound.letter.body().as_ref(), bound.output_tokens), (sound.as_bytes(), 0));
    let seconds = 8_000 / 500;
    assert_eq!(bound.input_tokens, u64::try_from(sound.len()).unwrap() - 8_000 + seconds + FRAME_TOKENS);
    assert_eq!(bound.estimated_input_tokens, 1);
    let images = form(&[("model", "i"), ("prompt", "draw"), ("n", "3")], "image[]", &"x".repeat(90_000));
    let bound = read(Meter::OpenaiImages, &images).unwrap().bound(&[&price(None)], Ways::default()).unwrap();
    assert_eq!((bound.letter.body().as_ref(), bound.output_tokens), (images.as_bytes(), 3_000));
    assert!((40_000..41_000).contains(&bound.input_tokens), "{}", bound.input_tokens);
    let named =
        r#"{"model":"i","prompt":"draw","images":[{"image_url":"https://a.example"},{"file_id":"x"}],"mask":"data:"}"#;
    let bound = Asked::read(format(Meter::OpenaiImages).unwrap(), "/", named.into(), &|_| false).unwrap();
    assert!(bound.bound(&[&price(None)], Ways::default()).unwrap().input_tokens > 120_000);
    for (fields, pointer) in [
        (vec![("prompt", "x")], "/model"),
        (vec![("model", "i"), ("model", "i")], "/model"),
        (vec![("model", "i"), ("n", "0")], "/n"),
        (vec![("model", "i"), ("stream", "maybe")], "/stream"),
        (vec![("Model", "i")], ""),
    ] {
        let faults = read(Meter::OpenaiImages, &form(&fields, "image", "x")).err().unwrap();
        assert_eq!(faults[0].pointer, pointer, "{fields:?}");
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
