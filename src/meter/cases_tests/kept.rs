//! Further cases of every class, thought of and not reported: they held, or what broke them is mended.

use super::{Case, JSON, answer, estimated, labelled, stream, whole};
use crate::{
    domain::route::Meter,
    meter::{Asked, Reading, Ways, cases_tests::m1, format},
};

/// C1, C2: counts.
pub(super) fn counts() -> Vec<Case> {
    use Meter::{AnthropicMessages, GeminiGenerate, OpenaiChat, OpenaiEmbeddings, OpenaiResponses, Rerank};
    vec![
        whole(
            "predictions that were refused are in the answer",
            OpenaiChat,
            r#"{"prompt_tokens":9,"completion_tokens":50,"total_tokens":59,"completion_tokens_details":{"accepted_prediction_tokens":10,"rejected_prediction_tokens":30,"reasoning_tokens":0,"audio_tokens":0}}"#,
            [9, 0, 0, 50],
            509_000_000,
        ),
        whole(
            "counts with a point and an exponent",
            OpenaiChat,
            r#"{"prompt_tokens":1e1,"completion_tokens":5.0,"total_tokens":1.5E+1}"#,
            [10, 0, 0, 5],
            60_000_000,
        ),
        whole(
            "counts that are null beside counts that are there",
            OpenaiChat,
            r#"{"prompt_tokens":9,"completion_tokens":8,"total_tokens":null,"prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":null}}"#,
            [9, 0, 0, 8],
            89_000_000,
        ),
        answer(
            r#"{"content":[{"type":"text","text":"a"}],"usage":{"input_tokens":5,"output_tokens":8,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":0}}}"#,
            whole(
                "cache writes by their time alone",
                AnthropicMessages,
                "",
                [105, 0, 100, 8],
                5_000_000 + 125_000_000 + 80_000_000,
            ),
        ),
        answer(
            r#"{"content":[{"type":"text","text":"a"}],"usage":{"input_tokens":5,"output_tokens":8,"cache_read_input_tokens":null,"cache_creation_input_tokens":null,"server_tool_use":null}}"#,
            whole("caches that are null", AnthropicMessages, "", [5, 0, 0, 8], 85_000_000),
        ),
        answer(
            r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9}}"#,
            whole("a prompt that was blocked", GeminiGenerate, "", [9, 0, 0, 0], 9_000_000),
        ),
        answer(
            r#"{"output":[{"type":"reasoning","summary":[]},{"type":"message","content":[{"type":"output_text","text":"a"}]}],"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":8,"output_tokens_details":{"reasoning_tokens":7},"total_tokens":17}}"#,
            whole("an answer that is cut at its bound", OpenaiResponses, "", [9, 4, 0, 8], 85_400_000),
        ),
        estimated(answer(
            "[[0.1,0.2],[0.3,0.4]]",
            whole("vectors without anything around them", OpenaiEmbeddings, "", [12, 0, 0, 0], 0),
        )),
        estimated(answer(
            r#"[{"index":0,"score":0.9}]"#,
            whole("scores without anything around them", Rerank, "", [1, 0, 0, 0], 0),
        )),
        answer(
            r#"{"rankings":[{"index":0,"logit":1.2}],"usage":{"prompt_tokens":50,"total_tokens":50}}"#,
            whole("a rerank of NVIDIA", Rerank, "", [50, 0, 0, 0], 50_000_000),
        ),
    ]
}

/// C4, C6, C8, C10: streams.
pub(super) fn streams() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiChat, OpenaiResponses};
    let word = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":8}}"#;
    let lines = |name, answer: String| Case { answer, ..stream(name, OpenaiChat, &[], [9, 0, 0, 8], 89_000_000) };
    let begun = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
    vec![
        lines("JSON texts line by line", format!("{word}\n{usage}\n")),
        labelled(Some("application/x-ndjson"), lines("the same by their label", format!("{word}\n{word}\n{usage}\n"))),
        lines("no blank behind the colon", format!("data:{word}\n\ndata:{usage}\n\ndata:[DONE]\n\n")),
        lines("CR alone", format!("data: {word}\r\rdata: {usage}\r\rdata: [DONE]\r\r")),
        lines(
            "a time to retry first",
            format!("retry: 3000\nid: 1\n\ndata: {word}\n\nid: 2\nevent: x\ndata: {usage}\n\n"),
        ),
        lines(
            "a usage over lines of data",
            format!(
                "data: {word}\n\ndata: {{\"choices\":[],\ndata: \"usage\":{{\"prompt_tokens\":9,\ndata: \"completion_tokens\":8}}}}\n\n"
            ),
        ),
        lines(
            "two usages, of which the last holds",
            format!("data: {word}\n\ndata: {}\n\ndata: {usage}\n\n", usage.replace('8', "3")),
        ),
        lines("no blank line behind the last event", format!("data: {word}\n\ndata: {usage}\n")),
        Case {
            counts: [0; 4],
            cost: 0,
            ..stream(
                "an error behind a role",
                OpenaiChat,
                &[begun, r#"{"error":{"message":"no","code":502}}"#],
                [0; 4],
                0,
            )
        },
        stream(
            "pings and an error",
            AnthropicMessages,
            &[r#"{"type":"ping"}"#, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#],
            [0; 4],
            0,
        ),
        stream(
            "a failure of a response behind its begin",
            OpenaiResponses,
            &[
                r#"{"type":"response.created","response":{"id":"r","status":"in_progress","output":[]}}"#,
                r#"{"type":"error","code":"server_error","message":"no"}"#,
            ],
            [0; 4],
            0,
        ),
    ]
}

/// C3: what counts as text.
pub(super) fn texts() -> Vec<Case> {
    use Meter::{AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat};
    let of = |name, meter, event: &str, input: u64, output: u64| {
        estimated(stream(name, meter, &[event; 8], [input, 0, 0, output], 0))
    };
    vec![
        of(
            "thoughts in parts, as Mistral has them",
            OpenaiChat,
            r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":" word"}]}]}}]}"#,
            12,
            8,
        ),
        of(
            "images beside a text",
            OpenaiChat,
            r#"{"choices":[{"delta":{"content":" word","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAABBBBCCCC"}}]}}]}"#,
            12,
            // As much as is held.
            1_000,
        ),
        of(
            "what a tool is called with",
            AnthropicMessages,
            r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":" word"}}"#,
            12,
            8,
        ),
        of(
            "a summary that shortens the conversation",
            AnthropicMessages,
            r#"{"type":"content_block_delta","delta":{"type":"compaction_delta","content":" word"}}"#,
            12,
            8,
        ),
        of(
            "thoughts of Gemini",
            GeminiGenerate,
            r#"{"candidates":[{"content":{"parts":[{"text":" word","thought":true,"thoughtSignature":"AAAABBBBCCCC"}]}}]}"#,
            1,
            8,
        ),
        of(
            "thoughts of Bedrock",
            BedrockConverse,
            r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":" word"}},"p":"abcdefghijklmnop"}"#,
            12,
            8,
        ),
        of(
            "a text with an escape in its name",
            OpenaiChat,
            r#"{"choices":[{"delta":{"c\u006fntent":" word"}}]}"#,
            12,
            8,
        ),
    ]
}

/// C3: JSON that breaks off counts by what is text in it.
pub(super) fn cut() -> Vec<Case> {
    use Meter::{GeminiGenerate, OpenaiChat};
    let of = |name, meter, text: &str, counts| Case {
        label: JSON,
        ..estimated(answer(text, whole(name, meter, "", counts, 0)))
    };
    let item =
        r#"{"candidates":[{"content":{"parts":[{"text":" word"}],"role":"model"},"index":0}],"modelVersion":"m1"}"#;
    vec![
        of(
            "in a text",
            OpenaiChat,
            r#"{"id":"chatcmpl-1","choices":[{"index":0,"message":{"content":"word word wor"#,
            [12, 0, 0, 3],
        ),
        of("behind a text", OpenaiChat, r#"{"choices":[{"index":0,"message":{"content":"word word"}"#, [12, 0, 0, 2]),
        of(
            "in a count",
            OpenaiChat,
            r#"{"choices":[{"message":{"content":"word"}}],"usage":{"prompt_tokens":9,"completion_tokens":8"#,
            [9, 0, 0, 1],
        ),
        of("in an escape", OpenaiChat, r#"{"choices":[{"message":{"content":"word word\u00"#, [12, 0, 0, 4]),
        of(
            "in a list of answers",
            GeminiGenerate,
            &format!("[{item},{item},{item},{{\"candidates\":[{{\"content\":{{\"par"),
            [1, 0, 0, 3],
        ),
        answer(
            r#"{"choices":[{"message":{"content":""}}],"usage":{"prompt_tokens":9,"completion_tokens":8},"x""#,
            whole("behind the usage", OpenaiChat, "", [9, 0, 0, 8], 89_000_000),
        ),
    ]
}

#[test]
fn usage_is_waited_for_behind_whatever_ends_a_part_until_the_answer_goes_on() {
    use Meter::{AnthropicMessages, GeminiGenerate, OpenaiResponses};
    let said = r#"{"type":"response.output_text.delta","delta":"a"}"#;
    let done = r#"{"type":"response.output_item.done","item":{"type":"message","content":[{"text":"a"}]}}"#;
    let usage = r#"{"type":"response.completed","response":{"usage":{"input_tokens":9,"output_tokens":8}}}"#;
    let candidate = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#;
    let counts = r#"{"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":8}}"#;
    let block = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#;
    let stop = r#"{"type":"content_block_stop","index":0}"#;
    for (meter, events, waits) in [
        (OpenaiResponses, vec![said], false),
        (OpenaiResponses, vec![said, done], true),
        (OpenaiResponses, vec![said, done, said], false),
        (OpenaiResponses, vec![said, done, usage], false),
        (GeminiGenerate, vec![candidate], true),
        (GeminiGenerate, vec![candidate, counts], false),
        (AnthropicMessages, vec![block, stop], true),
        (AnthropicMessages, vec![block, stop, block], false),
    ] {
        let case = stream("", meter, &events, [0; 4], 0);
        let asked =
            Asked::read(format(meter).unwrap(), "/models/m1:x", r#"{"model":"m1","stream":true}"#.into(), &|_| false);
        let bound = asked.unwrap().bound(&[&m1()], Ways::default()).unwrap();
        let mut reading = Reading::new(bound, case.label, None);
        drop(reading.pass(case.answer.into()));
        assert_eq!(reading.awaits_usage(), waits, "{events:?}");
    }
}
