//! Tools that the provider ran, counted by what the answer shows.

use super::{coded_tests::price, *};
use crate::{
    domain::route::Meter,
    meter::{Asked, Ways, format, frames::tests::frame},
};

const PATH: &str = "/v1beta/models/m:generateContent";

fn reading(meter: Meter, members: &str) -> Reading {
    let asked = Asked::read(format(meter).unwrap(), PATH, format!(r#"{{"model":"m"{members}}}"#).into(), &|_| true);
    Reading::new(asked.unwrap().bound(&[&price()], Ways::default()).unwrap(), None, None)
}

pub(super) fn taken(meter: Meter, members: &str, answer: &str) -> Taken {
    let mut reading = reading(meter, members);
    drop(reading.pass(Bytes::copy_from_slice(answer.as_bytes())));
    drop(reading.rest());
    reading.taken()
}

/// An answer with these items, and so many tokens of the images that were drawn for it.
fn drawn(output: &str, tokens: u64) -> String {
    format!(
        r#"{{"output":[{output}],"usage":{{"input_tokens":9,"output_tokens":8}},"tool_usage":{{"image_gen":{{"input_tokens":50,"output_tokens":{tokens}}},"web_search":{{"num_requests":0}}}}}}"#
    )
}

#[test]
fn a_tool_without_tokens_of_its_own_was_not_called() {
    let tools = taken(Meter::OpenaiResponses, "", &drawn("", 0)).tools;
    assert!(tools.iter().all(|(tool, calls)| tool != "image_generation" || *calls == 0), "{tools:?}");
}

#[test]
fn calls_are_counted_by_usage_items_and_blocks() {
    use Meter::{AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses};
    let block = |kind: &str, name: &str| {
        format!(r#"data: {{"type":"content_block_start","content_block":{{"type":"{kind}","name":"{name}"}}}}"#)
            + "\n\n"
    };
    let picture = format!(
        r#"{{"output":[{{"type":"image_generation_call","result":"{}"}}],"usage":{{"input_tokens":9,"output_tokens":8}}}}"#,
        "iVBORw0K".repeat(200_000)
    );
    for (meter, answer, tool, calls) in [
        (GeminiGenerate, r#"{"candidates":[{"groundingMetadata":{"webSearchQueries":["a","b"]}}]}"#.into(), "google_search", 2),
        (
            GeminiGenerate,
            r#"{"candidates":[{"groundingMetadata":{"webSearchQueries":["a",""," ","b","a"],"imageSearchQueries":["a"]}}]}"#.into(),
            "google_search",
            3,
        ),
        (OpenaiChat, r#"{"choices":[],"web_search":[{"title":"t","link":"u"},{"title":"t"}]}"#.into(), "web_search", 1),
        (OpenaiChat, r#"{"choices":[],"search_results":[{"url":"u"}]}"#.into(), "web_search", 1),
        (
            OpenaiChat,
            r#"{"choices":[],"search_results":[{"url":"u"}],"usage":{"completion_tokens":1,"num_search_queries":3}}"#.into(),
            "web_search",
            3,
        ),
        (OpenaiChat, r#"{"choices":[],"usage":{"plugins":{"search":{"count":2}}}}"#.into(), "web_search", 2),
        (OpenaiChat, r#"{"choices":[],"usage":{"connectors":{"web_search":2},"connector_tokens":0}}"#.into(), "web_search", 2),
        (OpenaiChat, r#"{"choices":[],"usage":{"prompt_tokens_details":{"web_search_requests":2,"audio_tokens":null}}}"#.into(), "web_search", 2),
        (
            BedrockConverse,
            r#"{"output":{},"usage":{"inputTokens":9,"outputTokens":8,"serverToolUsage":{"webSearchRequests":2}}}"#.into(),
            "web_search",
            2,
        ),
        (
            GeminiGenerate,
            r#"{"candidates":[{"content":{"parts":[{"executableCode":{"code":"1"}},{"text":"a"}]}}]}"#.into(),
            "code_execution",
            1,
        ),
        (OpenaiChat, r#"{"choices":[{"message":{"content":"a","annotations":[{"type":"url_citation"},{}]}}]}"#.into(), "web_search", 1),
        (
            OpenaiChat,
            r#"{"choices":[],"usage":{"server_side_tool_usage_details":{"code_interpreter_calls":2,"x_search_calls":0}}}"#.into(),
            "code_interpreter",
            2,
        ),
        (OpenaiResponses, r#"{"output":[{"type":"web_search_call"},{"type":"web_search_call"}]}"#.into(), "web_search", 2),
        (OpenaiResponses, r#"{"output":[],"usage":{"input_tokens":9,"output_tokens":8,"tool_calls_details":{"search_web":{"invocation":2}}}}"#.into(), "web_search", 2),
        (OpenaiResponses, picture, "image_generation", 1),
        (OpenaiResponses, drawn("", 1_056), "image_generation", 1),
        (OpenaiResponses, format!("data: {{\"type\":\"response.completed\",\"response\":{}}}\n\n", drawn("", 1_056)), "image_generation", 1),
        (OpenaiResponses, drawn(r#"{"type":"image_generation_call"},{"type":"image_generation_call"}"#, 2_112), "image_generation", 2),
        (
            AnthropicMessages,
            r#"{"content":[{"type":"server_tool_use","name":"bash_code_execution"},{"type":"mcp_tool_use","name":"x"}]}"#.into(),
            "code_execution",
            1,
        ),
        (
            AnthropicMessages,
            [block("server_tool_use", "code_execution"), block("server_tool_use", "text_editor_code_execution")].concat(),
            "code_execution",
            2,
        ),
        (AnthropicMessages, [block("mcp_tool_use", "a"), block("text", "")].concat(), "mcp", 1),
    ] {
        let tools = taken(meter, r#","stream":true"#, &answer).tools;
        assert!(tools.contains(&(tool.to_owned(), calls)), "{meter:?}: {tools:?} for {answer:.200}");
    }
}

#[test]
fn calls_are_counted_where_services_list_what_they_have_run() {
    let executed = |output: &str| {
        let tool = |kind: &str| format!(r#"{{"index":0,"type":"{kind}","arguments":"{{}}","output":"{output}"}}"#);
        let all = [tool("search"), tool("python"), tool("search")].join(",");
        format!(r#"{{"choices":[{{"message":{{"content":"a","executed_tools":[{all}]}}}}]}}"#)
    };
    for (answer, tool) in [
        (executed(""), "web_search"),
        (executed(&"x".repeat(1 << 20)), "web_search"),
        (r#"{"choices":[],"usage":{"connectors":{"code_interpreter":2}}}"#.into(), "code_interpreter"),
    ] {
        let tools = taken(Meter::OpenaiChat, "", &answer).tools;
        assert_eq!(tools, [(tool.to_owned(), 2)], "{answer:.200}");
    }
    let grounded = r#"{"candidates":[{"groundingMetadata":{"retrievalQueries":["a","b"]}}]}"#;
    assert_eq!(taken(Meter::GeminiGenerate, "", grounded).tools, [("retrieval".to_owned(), 1)]);
}

#[test]
fn calls_are_counted_under_the_name_that_the_request_has_for_the_tool() {
    use Meter::{BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses};
    let search = r#","tools":[{"type":"openrouter:web_search"}]"#;
    let usage = r#"{"choices":[],"usage":{"server_tool_use":{"web_search_requests":2}}}"#;
    let items = |kind: &str| format!(r#"{{"output":[{{"type":"{kind}","status":"completed"}},{{"type":"{kind}"}}]}}"#);
    let done = r#"{"type":"response.output_item.done","item":{"type":"openrouter:web_search"}}"#;
    for (meter, members, answer, tool) in [
        (OpenaiChat, search, usage.to_owned(), "openrouter:web_search"),
        (
            OpenaiChat,
            r#","tools":[{"type":"openrouter:web_search"},{"type":"web_search"}]"#,
            usage.into(),
            "web_search",
        ),
        (OpenaiResponses, search, items("openrouter:web_search"), "openrouter:web_search"),
        (OpenaiResponses, search, items("web_search_call"), "openrouter:web_search"),
        (OpenaiResponses, search, format!("data: {done}\n\n").repeat(2), "openrouter:web_search"),
        (
            OpenaiResponses,
            r#","tools":[{"type":"openrouter:image_generation"}]"#,
            items("openrouter:image_generation"),
            "openrouter:image_generation",
        ),
        (
            GeminiGenerate,
            r#","tools":[{"enterpriseWebSearch":{}}]"#,
            r#"{"candidates":[{"groundingMetadata":{"webSearchQueries":["a","b"]}}]}"#.into(),
            "enterprise_web_search",
        ),
        (
            BedrockConverse,
            r#","toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}}]}"#,
            r#"{"output":{},"usage":{"inputTokens":9,"outputTokens":8,"serverToolUsage":{"webSearchRequests":2}}}"#
                .into(),
            "nova_grounding",
        ),
    ] {
        let tools = taken(meter, members, &answer).tools;
        assert_eq!(tools, [(tool.to_owned(), 2)], "{meter:?}: {members} {answer}");
    }
}

#[test]
fn calls_of_tools_that_the_client_runs_are_none_of_the_provider() {
    let answer = r#"{"output":[{"type":"shell_call"},{"type":"function_call"},{"type":"computer_call"}]}"#;
    for (members, calls) in [
        (r#","tools":[{"type":"shell"},{"type":"computer"}]"#, vec![]),
        (r#","tools":[{"type":"shell","environment":{"type":"container_auto"}}]"#, vec![("shell".to_owned(), 1)]),
    ] {
        assert_eq!(taken(Meter::OpenaiResponses, members, answer).tools, calls, "{members}");
    }
}

#[test]
fn calls_that_no_answer_can_have_are_not_believed() {
    let answer = |calls: &str| {
        format!(r#"{{"choices":[],"usage":{{"prompt_tokens":9,"completion_tokens":8,"num_search_queries":{calls}}}}}"#)
    };
    let asked = r#","web_search_options":{}"#;
    for (members, calls, believed, estimated) in
        [(asked, "3", 3, false), (asked, "99999999", 10, true), ("", "99999999", 0, true), ("", "3", 3, false)]
    {
        let taken = taken(Meter::OpenaiChat, members, &answer(calls));
        assert_eq!(
            (taken.tools, taken.estimated),
            (vec![("web_search".into(), believed)], estimated),
            "{members} {calls}"
        );
    }
}

#[test]
fn long_answers_are_read_to_their_last_text() {
    let long = "x".repeat(2 << 20);
    let list = format!(
        r#"[{{"candidates":[{{"content":{{"parts":[{{"inlineData":{{"data":"{long}"}}}}]}}}}]}},{{"candidates":[],"usageMetadata":{{"promptTokenCount":326,"candidatesTokenCount":2000}}}}]"#
    );
    let usage = taken(Meter::GeminiGenerate, "", &list).usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (326, 2_000));
    let lines = format!(
        "{{\"choices\":[{{\"delta\":{{\"content\":\"{long}\"}}}}]}}\n{{\"choices\":[],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":8}}}}\n"
    );
    let usage = taken(Meter::OpenaiChat, "", &lines).usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (9, 8));
}

#[test]
fn usage_is_found_beside_what_is_too_deep() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (start, end) in [("", ""), ("data: ", "\n\n")] {
        let answer = format!(r#"{start}{{"x":{deep},"usage":{{"prompt_tokens":9,"completion_tokens":80}}}}{end}"#);
        let usage = taken(Meter::OpenaiChat, r#","stream":true"#, &answer).usage;
        assert_eq!((usage.input_tokens, usage.output_tokens), (9, 80), "{answer:.60}");
    }
}

#[test]
fn frames_of_bedrock_are_read() {
    let bound = |members: &str| {
        let body = format!(r#"{{"messages":[]{members}}}"#);
        let asked =
            Asked::read(format(Meter::BedrockConverse).unwrap(), "/model/m/converse-stream", body.into(), &|_| false);
        asked.unwrap().bound(&[&price()], Ways::default()).unwrap()
    };
    let word = frame(r#"{"contentBlockIndex":0,"delta":{"text":" word"},"p":"abcdefghijklmnop"}"#);
    let end =
        frame(r#"{"metrics":{"latencyMs":1},"p":"a","usage":{"inputTokens":25,"outputTokens":41,"totalTokens":66}}"#);
    for (ends, expected) in [(true, (25, 41, false)), (false, (1, 40, true))] {
        let mut frames = word.repeat(40);
        frames.extend(if ends { end.clone() } else { vec![] });
        for size in [1, 7, 100_000] {
            let mut reading = Reading::new(bound(""), Some("application/vnd.amazon.eventstream"), None);
            assert!(!reading.alters() && !reading.is_whole());
            let passed: Vec<u8> =
                frames.chunks(size).flat_map(|piece| reading.pass(Bytes::copy_from_slice(piece))).collect();
            assert_eq!((passed, reading.rest()), (frames.clone(), Bytes::new()));
            let Taken { usage, estimated, .. } = reading.taken();
            assert_eq!((usage.input_tokens, usage.output_tokens, estimated), expected);
        }
    }
}

#[test]
fn events_within_frames_of_bedrock_are_read() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let path = "/model/m/invoke-with-response-stream";
    let body = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[]}"#;
    let asked = Asked::read(format(Meter::AnthropicMessages).unwrap(), path, body.into(), &|_| false).unwrap();
    let bound = asked.bound(&[&price()], Ways::default()).unwrap();
    let mut reading = Reading::new(bound, Some("application/vnd.amazon.eventstream"), None);
    assert!(!reading.is_whole());
    for event in [
        r#"{"type":"message_start","message":{"model":"m","usage":{"input_tokens":25,"output_tokens":1}}}"#,
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"word"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":8}}"#,
    ] {
        drop(reading.pass(frame(&format!(r#"{{"bytes":"{}","p":"abc"}}"#, STANDARD.encode(event))).into()));
    }
    drop(reading.rest());
    let Taken { usage, estimated, .. } = reading.taken();
    assert_eq!((usage.input_tokens, usage.output_tokens, estimated), (25, 8, false));
}

#[test]
fn sound_is_sound_whatever_it_begins_with() {
    for sound in [&b":"[..], b"data", b"id", b"event: x\n\n"] {
        let mut reading = reading(Meter::OpenaiSpeech, r#","input":"Hello""#);
        assert_eq!(reading.pass(Bytes::from_static(sound)), sound);
        assert_eq!(reading.rest(), "");
        assert!(!reading.taken().failed, "{sound:?}");
    }
}

#[test]
fn what_is_asked_as_a_stream_is_not_kept_until_its_end() {
    assert!(reading(Meter::OpenaiChat, "").is_whole());
    assert!(!reading(Meter::OpenaiChat, r#","stream":true"#).is_whole());
}
