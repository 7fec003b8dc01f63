//! Answers from public reports of gateways that counted them wrong; each is named by its report.

use super::{Case, answer, stream, whole};
use crate::domain::route::Meter;

/// Whole answers.
pub(super) fn answers() -> Vec<Case> {
    use Meter::{BedrockConverse, GeminiGenerate, OpenaiChat};
    vec![
        whole(
            "BerriAI/litellm#11789: cached by two names, one of them 0",
            OpenaiChat,
            r#"{"total_tokens":2482,"prompt_tokens":2459,"completion_tokens":23,"prompt_tokens_details":{"audio_tokens":null,"cached_tokens":0},"cache_read_input_tokens":2455,"completion_tokens_details":{"reasoning_tokens":0},"cache_creation_input_tokens":0}"#,
            [2_459, 2_455, 0, 23],
            4_000_000 + 245_500_000 + 230_000_000,
        ),
        whole(
            "BerriAI/litellm#14849: the text of the prompt with what was cached in it",
            OpenaiChat,
            r#"{"total_tokens":264704,"prompt_tokens":262960,"completion_tokens":1744,"prompt_tokens_details":{"text_tokens":262960,"cached_tokens":257955},"completion_tokens_details":{"reasoning_tokens":0}}"#,
            [262_960, 257_955, 0, 1_744],
            5_005_000_000 + 25_795_500_000 + 17_440_000_000,
        ),
        whole(
            "BerriAI/litellm#10667: more thoughts than answer, and a total without them",
            OpenaiChat,
            r#"{"completion_tokens":774,"prompt_tokens":10761,"total_tokens":11535,"completion_tokens_details":{"reasoning_tokens":1175}}"#,
            [10_761, 0, 0, 1_949],
            10_761_000_000 + 19_490_000_000,
        ),
        whole(
            "langfuse/langfuse#10592: what was cached is in the prompt",
            OpenaiChat,
            r#"{"prompt_tokens":17903,"completion_tokens":1,"total_tokens":17904,"prompt_tokens_details":{"cached_tokens":17817},"cost":0.00095,"cost_details":{"upstream_inference_cost":0.00095}}"#,
            [17_903, 17_817, 0, 1],
            86_000_000 + 1_781_700_000 + 10_000_000,
        ),
        answer(
            r#"{"output":{"message":{"content":[{"text":"a"}]}},"usage":{"inputTokens":20,"outputTokens":8,"cacheReadInputTokens":5000,"cacheWriteInputTokens":0,"totalTokens":5028}}"#,
            whole(
                "langfuse/langfuse#13724: more cached than read",
                BedrockConverse,
                "",
                [5_020, 5_000, 0, 8],
                20_000_000 + 500_000_000 + 80_000_000,
            ),
        ),
        answer(
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":11125,"candidatesTokenCount":20,"thoughtsTokenCount":409,"cachedContentTokenCount":7441,"totalTokenCount":11554,"cacheTokensDetails":[{"modality":"TEXT","tokenCount":7441}],"promptTokensDetails":[{"modality":"TEXT","tokenCount":11125}]}}"#,
            whole(
                "danny-avila/LibreChat#12855: what was cached is in the prompt",
                GeminiGenerate,
                "",
                [11_125, 7_441, 0, 429],
                3_684_000_000 + 744_100_000 + 4_290_000_000,
            ),
        ),
        answer(
            r#"{"candidates":[],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":150,"thoughtsTokenCount":8000,"totalTokenCount":8160}}"#,
            whole(
                "jain-aanchal/ai-tally#376: thoughts beside the answer",
                GeminiGenerate,
                "",
                [10, 0, 0, 8_150],
                10_000_000 + 81_500_000_000,
            ),
        ),
    ]
}

/// Streams.
pub(super) fn streams() -> Vec<Case> {
    [streams_of_messages(), streams_of_responses(), streams_of_chat()].into_iter().flatten().collect()
}

fn streams_of_messages() -> Vec<Case> {
    use Meter::AnthropicMessages;
    vec![
        stream(
            "maximhq/bifrost#3451: cache writes are no plain input too",
            AnthropicMessages,
            &[
                r#"{"type":"message_start","message":{"usage":{"input_tokens":6,"cache_creation_input_tokens":159217,"cache_read_input_tokens":0,"output_tokens":1}}}"#,
                r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":6,"cache_creation_input_tokens":159217,"cache_read_input_tokens":0,"output_tokens":2745}}"#,
            ],
            [159_223, 0, 159_217, 2_745],
            6_000_000 + 199_021_250_000 + 27_450_000_000,
        ),
        stream(
            "modelbus/one-api-pro#13: the end repeats what the start said",
            AnthropicMessages,
            &[
                r#"{"type":"message_start","message":{"usage":{"input_tokens":27,"cache_read_input_tokens":10,"output_tokens":2}}}"#,
                r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#,
                r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":27,"cache_creation_input_tokens":0,"cache_read_input_tokens":10,"output_tokens":47}}"#,
            ],
            [37, 10, 0, 47],
            27_000_000 + 1_000_000 + 470_000_000,
        ),
        stream(
            "envoyproxy/ai-gateway#2290: only the end says what was read",
            AnthropicMessages,
            &[
                r#"{"type":"message_start","message":{"usage":{"input_tokens":0,"output_tokens":0}}}"#,
                r#"{"type":"message_delta","usage":{"input_tokens":4522,"cache_creation_input_tokens":4511,"output_tokens":5}}"#,
            ],
            [9_033, 0, 4_511, 5],
            4_522_000_000 + 5_638_750_000 + 50_000_000,
        ),
        stream(
            "Wei-Shaw/sub2api#2332: the end says only what was written",
            AnthropicMessages,
            &[
                r#"{"type":"message_start","message":{"usage":{"input_tokens":90,"output_tokens":1}}}"#,
                r#"{"type":"message_delta","usage":{"output_tokens":12}}"#,
                r#"{"type":"message_stop"}"#,
            ],
            [90, 0, 0, 12],
            90_000_000 + 120_000_000,
        ),
    ]
}

fn streams_of_responses() -> Vec<Case> {
    use Meter::OpenaiResponses;
    vec![
        stream(
            "QuantumNous/new-api#7241: an answer that is incomplete",
            OpenaiResponses,
            &[
                r#"{"type":"response.created","response":{"status":"in_progress","output":[],"usage":null}}"#,
                r#"{"type":"response.output_text.delta","delta":"a"}"#,
                r#"{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[],"usage":{"input_tokens":64,"output_tokens":1500,"output_tokens_details":{"reasoning_tokens":1490},"total_tokens":1564}}}"#,
            ],
            [64, 0, 0, 1_500],
            64_000_000 + 15_000_000_000,
        ),
        stream(
            "envoyproxy/ai-gateway#2184: an answer that failed after it was begun",
            OpenaiResponses,
            &[
                r#"{"type":"response.output_text.delta","delta":"a"}"#,
                r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error"},"output":[],"usage":{"input_tokens":9,"output_tokens":8,"total_tokens":17}}}"#,
            ],
            [9, 0, 0, 8],
            89_000_000,
        ),
        stream(
            "rainway-ai-gateway/ai-gateway-api#195: usage within the response",
            OpenaiResponses,
            &[
                r#"{"type":"response.completed","response":{"output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}],"usage":{"input_tokens":493,"input_tokens_details":{"cached_tokens":400},"output_tokens":4,"total_tokens":497}}}"#,
            ],
            [493, 400, 0, 4],
            93_000_000 + 40_000_000 + 40_000_000,
        ),
    ]
}

fn streams_of_chat() -> Vec<Case> {
    use Meter::OpenaiChat;
    vec![
        stream(
            "BerriAI/litellm#20760: usage behind the finish reason, in a chunk with a choice",
            OpenaiChat,
            &[
                r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#,
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop"}]}"#,
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17,"cost":0.01}}"#,
                "[DONE]",
            ],
            [9, 0, 0, 8],
            89_000_000,
        ),
        stream(
            "ogx-ai/ogx#5122: usage in each chunk, which must not add up",
            OpenaiChat,
            &[
                r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}"#,
                r#"{"choices":[{"delta":{"content":"b"}}],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}"#,
                r#"{"choices":[{"delta":{"content":"c"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17}}"#,
            ],
            [9, 0, 0, 8],
            89_000_000,
        ),
        stream(
            "Kong/kong#14535: comments before the events, usage at the end",
            OpenaiChat,
            &[
                ": OPENROUTER PROCESSING",
                r#"{"choices":[{"delta":{"content":"a"}}]}"#,
                r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17}}"#,
                "[DONE]",
            ],
            [9, 0, 0, 8],
            89_000_000,
        )
        .with_comment(),
    ]
}

impl Case {
    /// Its first event is a comment.
    fn with_comment(self) -> Self {
        let answer = self.answer.replacen("data: :", ":", 1);
        Self { answer, ..self }
    }
}
