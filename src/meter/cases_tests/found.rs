//! Answers in shapes of other services that were once counted wrong.

use super::{Case, JSON, answer, estimated, stream, whole};
use crate::domain::route::Meter;

/// C2: what stands beside the prompt and what within it.
pub(super) fn counts() -> Vec<Case> {
    use Meter::{BedrockConverse, OpenaiChat, OpenaiEmbeddings, OpenaiImages, OpenaiTranscriptions};
    vec![
        whole(
            "read from a cache within the prompt, written to it beside",
            OpenaiChat,
            r#"{"prompt_tokens":1010,"completion_tokens":10,"total_tokens":1220,"prompt_tokens_details":{"cached_tokens":1000},"cache_creation_input_tokens":200}"#,
            [1_210, 1_000, 200, 10],
            460_000_000,
        ),
        whole(
            "the same with a total that leaves the writes out",
            OpenaiChat,
            r#"{"prompt_tokens":1010,"completion_tokens":10,"total_tokens":1020,"prompt_tokens_details":{"cached_tokens":1000},"cache_creation_input_tokens":200}"#,
            [1_210, 1_000, 200, 10],
            460_000_000,
        ),
        whole(
            "cache and thoughts beside",
            OpenaiChat,
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":260,"prompt_tokens_details":{"cached_tokens":80},"completion_tokens_details":{"reasoning_tokens":30}}"#,
            [180, 80, 0, 80],
            908_000_000,
        ),
        answer(
            r#"{"output":{"message":{"content":[{"text":"a"}]}},"usage":{"inputTokens":5,"outputTokens":1,"totalTokens":306,"cacheWriteInputTokens":300,"cacheDetails":[{"inputTokens":100,"ttl":"5m"},{"inputTokens":200,"ttl":"1h"}]}}"#,
            whole("Bedrock's cache by its time", BedrockConverse, "", [305, 0, 300, 1], 540_000_000),
        ),
        estimated(whole("a total alone", OpenaiChat, r#"{"total_tokens":500}"#, [12, 0, 0, 488], 0)),
        whole(
            "a 0 beside a total",
            OpenaiEmbeddings,
            r#"{"prompt_tokens":0,"total_tokens":6}"#,
            [6, 0, 0, 0],
            6_000_000,
        ),
        whole(
            "images are written, though nobody says so",
            OpenaiImages,
            r#"{"input_tokens":50,"output_tokens":650,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}"#,
            [50, 0, 0, 650],
            10_000_000 + 80_000_000 + 13_000_000_000,
        ),
        answer(
            r#"{"text":"a","usage":{"prompt_audio_seconds":203,"prompt_tokens":4,"total_tokens":3264,"completion_tokens":635}}"#,
            whole("sound in the total alone", OpenaiTranscriptions, "", [2_629, 0, 0, 635], 8_979_000_000),
        ),
        estimated(answer(
            r#"{"task":"transcribe","duration":8.47,"text":"a"}"#,
            whole("the length of a sound beside its text", OpenaiTranscriptions, "", [9, 0, 0, 1], 0),
        )),
        whole(
            "an absurd total",
            OpenaiChat,
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":999999999}"#,
            [10, 0, 0, 5],
            60_000_000,
        ),
        whole(
            "absurd thoughts and an absurd cache",
            OpenaiChat,
            r#"{"prompt_tokens":10,"completion_tokens":5,"reasoning_tokens":99999999,"cache_read_input_tokens":99999999,"cached_tokens":"7"}"#,
            [10, 0, 0, 5],
            60_000_000,
        ),
    ]
}

/// C2: streams whose later counts replace or complete the earlier ones.
pub(super) fn streams() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiChat};
    let messages = |name, start: &str, end: &str, counts, cost| {
        let start = format!(r#"{{"type":"message_start","message":{{"usage":{start}}}}}"#);
        let end = format!(r#"{{"type":"message_delta","usage":{end}}}"#);
        stream(name, AnthropicMessages, &[&start, &end], counts, cost)
    };
    vec![
        messages(
            "a cache that only the end tells of",
            r#"{"input_tokens":3602,"output_tokens":0}"#,
            r#"{"cache_read_input_tokens":3604,"cache_creation_input_tokens":0,"output_tokens":878}"#,
            [3_604, 3_604, 0, 878],
            360_400_000 + 8_780_000_000,
        ),
        messages(
            "the same with a prompt of 0",
            r#"{"input_tokens":16111}"#,
            r#"{"input_tokens":0,"cache_read_input_tokens":16111,"output_tokens":1}"#,
            [16_111, 16_111, 0, 1],
            1_611_100_000 + 10_000_000,
        ),
        messages(
            "an end with the sum of both",
            r#"{"input_tokens":10,"cache_read_input_tokens":10000}"#,
            r#"{"input_tokens":10010,"cache_read_input_tokens":10000,"output_tokens":1}"#,
            [10_010, 10_000, 0, 1],
            10_000_000 + 1_000_000_000 + 10_000_000,
        ),
        messages(
            "another time of the same cache writes",
            r#"{"input_tokens":5,"cache_creation_input_tokens":4631,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":4631}}"#,
            r#"{"cache_creation_input_tokens":4631,"cache_creation":{"ephemeral_5m_input_tokens":4631,"ephemeral_1h_input_tokens":0},"output_tokens":1}"#,
            [4_636, 0, 4_631, 1],
            5_000_000 + 5_788_750_000 + 10_000_000,
        ),
        stream(
            "a stream of messages on a chat route",
            OpenaiChat,
            &[
                r#"{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}"#,
                r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":8}}"#,
            ],
            [9, 0, 0, 8],
            89_000_000,
        ),
    ]
}

/// C3: one text that is said more than once, and text that the model did not write.
pub(super) fn texts() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiChat};
    let of = |name, meter, events: Vec<String>, output: u64| {
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        estimated(stream(name, meter, &events, [12, 0, 0, output], 0))
    };
    let word = r#"{"choices":[{"index":0,"delta":{"content":" word"}}]}"#;
    let so_far = |words: usize| {
        let all = " word".repeat(words);
        format!(r#"{{"choices":[{{"index":0,"delta":{{"content":" word"}},"message":{{"content":"{all}"}}}}]}}"#)
    };
    let all = format!(r#"{{"choices":[{{"message":{{"content":"{}"}}}}]}}"#, " word".repeat(9));
    let both = r#"{"choices":[{"index":0,"text":" word","delta":{"content":" word"}}]}"#;
    let found = format!(
        r#"{{"type":"content_block_start","content_block":{{"type":"mcp_tool_result","content":[{{"type":"text","text":"{}"}}]}}}}"#,
        " word".repeat(50)
    );
    let said = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":" word"}}"#;
    vec![
        of("a text as it is and as a delta", OpenaiChat, vec![both.to_owned(); 9], 9),
        of("all so far beside each delta", OpenaiChat, (1..10).map(so_far).collect(), 9),
        of("all again at the end", OpenaiChat, [vec![word.to_owned(); 9], vec![all.clone()]].concat(), 9),
        of("all in the only event", OpenaiChat, vec![all], 9),
        of("what a tool has found", AnthropicMessages, [vec![found], vec![said.to_owned(); 9]].concat(), 9),
    ]
}

/// C8: nothing was delivered, whatever the answer calls it.
pub(super) fn nothing() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiChat};
    let free = |name, answer: &str| Case {
        answer: answer.to_owned(),
        label: JSON,
        ..whole(name, OpenaiChat, "{}", [0; 4], 0)
    };
    let streamed =
        |name, meter, answer: &str| Case { answer: answer.to_owned(), ..stream(name, meter, &[], [0; 4], 0) };
    vec![
        free(
            "an error in a choice",
            r#"{"choices":[{"finish_reason":"error","message":{"content":""},"error":{"code":502}}],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#,
        ),
        free(
            "a status of MiniMax",
            r#"{"choices":null,"usage":{"total_tokens":0},"base_resp":{"status_code":1004,"status_msg":"login fail"}}"#,
        ),
        free("a code and a message", r#"{"code":20012,"message":"no","data":null}"#),
        free("a code in text", r#"{"code":"InvalidParameter","message":"no","request_id":"x"}"#),
        free("a code of Qianfan", r#"{"error_code":336003,"error_msg":"no"}"#),
        free("a status in text", r#"{"status":"449","msg":"rate limit","body":null}"#),
        free("a detail", r#"{"detail":"no"}"#),
        free("no success", r#"{"success":false,"result":null}"#),
        free("an exception", r#"{"__type":"ThrottlingException","message":"no"}"#),
        free("an empty object", "{}"),
        free("null", "null"),
        free("no choices", r#"{"id":"x","choices":[]}"#),
        streamed(
            "an error in a choice as the first event",
            OpenaiChat,
            "data: {\"choices\":[{\"delta\":{},\"error\":{\"code\":502}}]}\n\n",
        ),
        streamed("an error in words", OpenaiChat, "event: error\ndata: upstream timed out\n\n"),
        streamed("nothing but pings", AnthropicMessages, "event: ping\ndata: {\"type\":\"ping\"}\n\n"),
    ]
}
