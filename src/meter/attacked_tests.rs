//! Requests that an attack on the meters has found refused, or held too low: schemas and labels, bounds, names in paths, sound
//! and images that nobody has asked for.

use super::{
    Asked, Reading, Ways, format_at,
    requests_tests::{asked, asked_at, bound, sent},
    test_price,
};
use crate::domain::{
    price::PriceSpec,
    route::Meter::{self, AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses},
};

const SCHEMA: &str = r#"{"type":"object","$defs":{"Models":{"type":"string"},"FallbackPlan":{"properties":{"x":{"type":"string"}}}},
    "default":{"models":["x"],"tools":[{"type":"hammer"}]},"properties":{"fallback":{"type":"string"}}}"#;

fn read(meter: Meter, path: &str, body: &str) -> Result<Asked, Vec<crate::domain::refusal::Fault>> {
    Asked::read(format_at(meter, path).unwrap(), path, body.to_owned().into(), &|_| false)
}

#[test]
fn schemas_examples_and_labels_are_no_settings() {
    for (meter, members) in [
        (OpenaiChat, r#""guided_json":SCHEMA"#),
        (OpenaiChat, r#""structured_outputs":{"json":SCHEMA}"#),
        (OpenaiChat, r#""json_schema":SCHEMA"#),
        (OpenaiChat, r#""form":SCHEMA"#),
        (OpenaiChat, r#""tools":[{"type":"function","function":{"name":"f","response":SCHEMA}}]"#),
        (OpenaiChat, r#""tools":[{"type":null,"function":{"name":"f"}}]"#),
        (OpenaiChat, r#""semantic_cache":{"ttl":300},"trace":{"models":"x"}"#),
        (OpenaiChat, r#""litellm_metadata":{"models":["x"],"fallbacks":["y"]}"#),
        (OpenaiResponses, r#""client_metadata":{"fallback_model":"x"}"#),
        (OpenaiResponses, r#""input":[{"type":"mcp_list_tools","tools":[{"name":"f","input_schema":SCHEMA}]}]"#),
        (AnthropicMessages, r#""max_tokens":5,"output_format":{"type":"json_schema","schema":SCHEMA}"#),
        (AnthropicMessages, r#""max_tokens":5,"tools":[{"name":"f","output_schema":SCHEMA}]"#),
        (AnthropicMessages, r#""max_tokens":5,"tools":[{"type":null,"name":"f"}]"#),
        (
            AnthropicMessages,
            r#""max_tokens":5,"tools":[{"name":"f","input_examples":[{"models":["x"],"tools":[{"type":"hammer"}]}]}]"#,
        ),
        (GeminiGenerate, r#""tools":[{"functionDeclarations":[{"name":"f","responseJsonSchema":SCHEMA}]}]"#),
        (GeminiGenerate, r#""labels":{"models":"a","fallback":"b"}"#),
        (BedrockConverse, r#""additionalModelRequestFields":{"output_config":{"format":{"schema":SCHEMA}}}"#),
        (BedrockConverse, r#""requestMetadata":{"models":"a","model_fallback":"b"}"#),
    ] {
        let asked = asked(meter, &members.replace("SCHEMA", SCHEMA));
        assert_eq!(asked.other_models().count(), 0, "{members}");
    }
}

#[test]
fn a_list_of_models_is_one_whatever_stands_beside_it() {
    for members in [
        r#""models":["dear"],"$schema":"x""#,
        r#""extra_body":{"$schema":"x","properties":{},"models":["dear"]}"#,
        r#""providerOptions":{"gateway":{"$defs":{},"models":["dear"]}}"#,
        r#""fallbacks":[{"model":"dear","properties":{}}]"#,
    ] {
        let asked = asked(OpenaiChat, members);
        assert_eq!(asked.other_models().collect::<Vec<_>>(), ["dear"], "{members}");
    }
    let members = r#""fallbacks":[{"model":"m","$schema":"x","tools":[{"type":"web_search"}]}]"#;
    assert!(asked_at(OpenaiChat, "/v1", members, false).is_err());
}

#[test]
fn a_bound_beyond_any_model_is_taken_for_the_models() {
    for (meter, members, expected) in [
        (OpenaiChat, r#""max_tokens":2147483647"#, r#""max_tokens":1000"#),
        (AnthropicMessages, r#""max_tokens":9223372036854775807"#, r#""max_tokens":1000"#),
        (GeminiGenerate, r#""generationConfig":{"maxOutputTokens":999999999}"#, r#"{"maxOutputTokens":1000}"#),
    ] {
        let bound = bound(meter, members);
        assert_eq!((bound.output_tokens, sent(&bound).contains(expected)), (1_000, true), "{members}");
    }
}

#[test]
fn an_arn_may_have_its_slash_as_it_is() {
    let name = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.m-v1:0";
    for (meter, path, model) in [
        (BedrockConverse, format!("/model/{name}/converse"), "us.anthropic.m-v1:0"),
        (BedrockConverse, format!("/model/{name}/converse-stream"), "us.anthropic.m-v1:0"),
        (AnthropicMessages, format!("/x/model/{name}/invoke"), "us.anthropic.m-v1:0"),
        (BedrockConverse, "/model/arn:aws:bedrock:r::foundation-model/a.m/converse".into(), "a.m"),
        (
            BedrockConverse,
            "/model/arn:aws:bedrock:r:1:application-inference-profile/ab/converse".into(),
            "arn:aws:bedrock:r:1:application-inference-profile/ab",
        ),
        (
            BedrockConverse,
            "/model/arn:aws:bedrock:r:1:inference-profile/cheap/dear/converse".into(),
            "arn:aws:bedrock:r:1:inference-profile/cheap/dear",
        ),
    ] {
        let asked = read(meter, &path, r#"{"max_tokens":5,"messages":[]}"#).unwrap();
        assert_eq!(asked.model(), model, "{path}");
        let sent = asked.renamed(Some("n:0"));
        let action = path.rsplit('/').next().unwrap();
        assert!(sent.path(&format!("{path}?x")).ends_with(&format!("/model/n:0/{action}?x")), "{path}");
    }
}

#[test]
fn images_and_sound_that_may_come_unasked_are_held_at_their_rate() {
    let spec = PriceSpec {
        model: "m".into(),
        input_usd: "1".into(),
        output_usd: "10".into(),
        audio_input_usd: Some("3".into()),
        image_output_usd: Some("120".into()),
        max_output_tokens: 1_000,
        max_input_tokens: Some(100_000),
        ..PriceSpec::default()
    };
    let price = spec.price().unwrap();
    let file =
        |kind: &str| format!(r#""contents":[{{"parts":[{{"fileData":{{"mimeType":"{kind}","fileUri":"x"}}}}]}}]"#);
    for (meter, members, input, output) in [
        (OpenaiChat, String::new(), 1, 120),
        (OpenaiChat, r#","modalities":["text"]"#.into(), 1, 10),
        (GeminiGenerate, String::new(), 1, 120),
        (GeminiGenerate, r#","generationConfig":{"responseModalities":["TEXT"]}"#.into(), 1, 10),
        (GeminiGenerate, format!(",{}", file("audio/mp3")), 3, 120),
        (GeminiGenerate, format!(",{}", file("video/mp4")), 3, 120),
        (GeminiGenerate, format!(",{}", file("application/pdf")), 1, 120),
    ] {
        let asked = asked(meter, &format!(r#""x":1{members}"#));
        let bound = asked.bound(&[&price], Ways::default()).unwrap();
        let hold = price.bound(&bound.most()).unwrap().pusd();
        let expected = bound.input_tokens * input + bound.output_tokens * output;
        assert_eq!(hold, i64::try_from(expected).unwrap() * 1_000_000, "{meter:?} {members}");
    }
    let refused = asked(GeminiGenerate, &file("audio/mp3")).bound(&[&test_price::price(1_000, 1_000)], Ways::default());
    assert!(refused.err().unwrap().detail.contains("audio_input_usd"));
}

#[test]
fn a_request_of_code_assist_is_read_within_its_wrapper() {
    let path = "/v1internal:streamGenerateContent";
    let body = r#"{"model":"m","project":"p","request":{"contents":[{"parts":[{"text":"hi"}]}]}}"#;
    let asked = read(GeminiGenerate, path, body).unwrap();
    assert!(asked.is_stream() && asked.models().eq(["m"]));
    let bound =
        asked.bound(&[&test_price::price(100_000, 1_000)], Ways { model: Some("n"), ..Ways::default() }).unwrap();
    let expected = r#"{"model":"n","project":"p","request":{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":1000}}}"#;
    assert_eq!((bound.output_tokens, sent(&bound)), (1_000, expected.to_owned()));
    for (body, expected) in [
        (r#"{"model":"m","request":{"tools":[{"googleSearch":{}}]}}"#, "google_search"),
        (r#"{"model":"m","request":{},"request":{}}"#, "twice"),
        (r#"{"model":"m","models":["d"],"Model":"d","request":{}}"#, "write it as model"),
        (r#"{"request":{}}"#, "must be there"),
    ] {
        let faults = read(GeminiGenerate, path, body).err().unwrap();
        assert!(faults.iter().any(|fault| fault.detail.contains(expected)), "{body}: {faults:?}");
    }
}

#[test]
fn calls_of_the_map_are_counted_once_a_prompt() {
    let asked = asked_at(GeminiGenerate, "/v1beta/models/m:generateContent", r#""tools":[{"googleMaps":{}}]"#, true);
    let bound = asked.unwrap().bound(&[&test_price::price(100_000, 1_000)], Ways::default()).unwrap();
    for text in ["a".to_owned(), "a".repeat(600_000)] {
        let chunk = r#"{"maps":{"uri":"u"}},{"web":{"uri":"u"}},{"maps":{"uri":"v"}}"#;
        let answer = format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}},"groundingMetadata":{{"groundingChunks":[{chunk}]}}}}]}}"#
        );
        let mut reading = Reading::new(bound.clone(), Some("application/json"), None);
        drop((reading.pass(answer.into()), reading.rest()));
        assert_eq!(reading.taken().tools, [("google_maps".to_owned(), 1)]);
    }
}

#[test]
fn an_event_that_is_too_long_to_be_kept_may_have_many_lines() {
    let bound = bound(OpenaiChat, r#""stream":true"#);
    let lines = "data: \n".repeat(90_000);
    let answer = format!(
        "data: {{\"choices\":[],\n{lines}data: \"usage\":{{\"prompt_tokens\":100,\"completion_tokens\":20}}}}\n\n"
    );
    for size in [answer.len(), 7_001] {
        let mut reading = Reading::new(bound.clone(), Some("text/event-stream"), None);
        for piece in answer.as_bytes().chunks(size) {
            drop(reading.pass(piece.to_vec().into()));
        }
        drop(reading.rest());
        let taken = reading.taken();
        assert_eq!((taken.usage.input_tokens, taken.usage.output_tokens, taken.estimated), (100, 20, false));
    }
}

#[test]
fn subtitles_are_billed_by_their_last_second() {
    let spec = PriceSpec { model: "m".into(), input_usd: "100".into(), output_usd: "0".into(), ..PriceSpec::default() };
    let price = spec.price().unwrap();
    let asked = read(Meter::OpenaiTranscriptions, "/v1/audio/transcriptions", r#"{"model":"m"}"#).unwrap();
    let bound = asked.bound(&[&price], Ways::default()).unwrap();
    for (text, seconds) in [
        ("1\n00:00:00,000 --> 00:00:04,000\nhello\n\n2\n00:00:04,000 --> 00:01:28,500\nworld\n\n", 89),
        ("WEBVTT\n\n00:00.000 --> 01:28.000\nhello\n\n", 88),
    ] {
        let mut reading = Reading::new(bound.clone(), Some("text/plain"), None);
        drop((reading.pass(text.into()), reading.rest()));
        let taken = reading.taken();
        assert_eq!((taken.usage.input_tokens, taken.failed), (seconds, false), "{text}");
    }
}
