//! What an answer states of how it was served: tokens that tools have brought, an error behind its begin, and counts under the
//! names of Google's interactions.

use super::{Case, answer, estimated, stream, whole};
use crate::domain::route::Meter;

/// Tokens that tools of the provider have brought are read, and the calls of these are counted.
pub(super) fn by_tools() -> Vec<Case> {
    use Meter::OpenaiChat;
    let usage = |tokens: &str| {
        format!(
            r#"{{"object":"conversation.response","outputs":[{{"type":"message.output","content":[{{"type":"text","text":"a"}}]}}],"usage":{tokens}}}"#
        )
    };
    vec![
        answer(
            usage(
                r#"{"prompt_tokens":188,"completion_tokens":55,"total_tokens":7355,"connector_tokens":7112,"connectors":{"web_search":2}}"#,
            ),
            whole(
                "what Mistral's connectors have brought is no output",
                OpenaiChat,
                "",
                [7_300, 0, 0, 55],
                7_300_000_000 + 550_000_000,
            ),
        ),
        answer(
            usage(
                r#"{"prompt_tokens":188,"completion_tokens":55,"total_tokens":243,"connector_tokens":null,"connectors":null}"#,
            ),
            whole("no connectors", OpenaiChat, "", [188, 0, 0, 55], 188_000_000 + 550_000_000),
        ),
    ]
}

/// C8: an error before a word costs nothing, though the begin of the stream has stated the prompt, or a gateway has said what
/// its guards found in it.
pub(super) fn failed() -> Vec<Case> {
    use Meter::{AnthropicMessages, GeminiGenerate, OpenaiChat, OpenaiEmbeddings};
    let guards = format!(
        r#"{{"hook_results":{{"before_request_hooks":[{{"verdict":true,"id":"g","checks":[{{"data":{{"explanation":"{}"}}}}]}}]}}}}"#,
        "word ".repeat(40)
    );
    let said = r#"{"choices":[{"index":0,"delta":{"content":" word"}}]}"#;
    let no = r#"{"error":{"message":"no"}}"#;
    let begin = r#"{"type":"message_start","message":{"model":"m1","content":[],"usage":{"input_tokens":100,"cache_read_input_tokens":900,"output_tokens":1}}}"#;
    let block = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let word = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":" word"}}"#;
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":7}}"#;
    vec![
        stream("an error behind the begin", AnthropicMessages, &[begin, error], [0; 4], 0),
        stream("an error behind an empty block", AnthropicMessages, &[begin, block, error], [0; 4], 0),
        stream("an error behind what guards say", OpenaiChat, &[&guards, no], [0; 4], 0),
        stream(
            "an error behind the prompt of Gemini",
            GeminiGenerate,
            &[
                r#"{"candidates":[{"content":{"parts":[]}}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9}}"#,
                no,
            ],
            [0; 4],
            0,
        ),
        answer(
            r#"{"error":{"message":"no"},"usage":{"prompt_tokens":9,"completion_tokens":0,"total_tokens":9}}"#,
            whole("an error beside its prompt", OpenaiChat, "", [0; 4], 0),
        ),
        answer(
            r#"{"data":[{"embedding":[0.1]}],"errors":["no"],"usage":{"prompt_tokens":9}}"#,
            whole("an error beside vectors", OpenaiEmbeddings, "", [9, 0, 0, 0], 9_000_000),
        ),
        estimated(stream("what guards say is no answer", OpenaiChat, &[&guards, said, said], [12, 0, 0, 2], 0)),
        estimated(stream(
            "an error behind words",
            AnthropicMessages,
            &[begin, block, word, word, error],
            [1_000, 900, 0, 2],
            0,
        )),
        stream(
            "an error behind the usage of all that was written",
            AnthropicMessages,
            &[begin, end, error],
            [1_000, 900, 0, 7],
            100_000_000 + 90_000_000 + 70_000_000,
        ),
    ]
}

/// Counts of Google's interactions, which are much like responses.
pub(super) fn interactions() -> Vec<Case> {
    use Meter::OpenaiResponses;
    let usage = r#""usage":{"total_input_tokens":1000,"total_cached_tokens":400,"total_output_tokens":20,"total_thought_tokens":30,"total_tool_use_tokens":50,"total_tokens":1100}"#;
    let steps = r#""steps":[{"type":"thought","signature":"x"},{"type":"model_output","content":[{"type":"text","text":"a"}]}]"#;
    let cost = 650_000_000 + 40_000_000 + 500_000_000;
    vec![
        answer(
            format!(r#"{{"id":"i","model":"m1","status":"completed",{steps},{usage}}}"#),
            whole("an interaction", OpenaiResponses, "", [1_050, 400, 0, 50], cost),
        ),
        stream(
            "an interaction as a stream",
            OpenaiResponses,
            &[
                r#"{"event_type":"interaction.created","interaction":{"id":"i","model":"m1","status":"in_progress"}}"#,
                r#"{"event_type":"step.delta","index":0,"delta":{"type":"text","text":"a"}}"#,
                &format!(r#"{{"event_type":"interaction.completed","interaction":{{"id":"i","model":"m1",{usage}}}}}"#),
            ],
            [1_050, 400, 0, 50],
            cost,
        ),
        answer(
            r#"{"id":"i","usage":{"total_input_tokens":9,"total_output_tokens":779,"total_thought_tokens":912,"total_tokens":1700}}"#,
            whole("thoughts beside the output", OpenaiResponses, "", [9, 0, 0, 1_691], 9_000_000 + 16_910_000_000),
        ),
    ]
}
