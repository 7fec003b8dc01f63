//! Caches under the names of further gateways and SDKs, and such that are told again otherwise; each is named by its report.

use super::{Case, stream, whole};
use crate::domain::route::Meter;

/// Fresh tokens, cached ones, cache writes for five minutes and for an hour, and written ones, in pico-USD at the prices of `m1`.
const fn cost([fresh, cached, short, long, written]: [i64; 5]) -> i64 {
    fresh * 1_000_000 + cached * 100_000 + short * 1_250_000 + long * 2_000_000 + written * 10_000_000
}

pub(super) fn names() -> Vec<Case> {
    use Meter::{OpenaiChat, OpenaiResponses};
    vec![
        whole(
            "TanStack/ai#1300: reads and writes in camel case",
            OpenaiChat,
            r#"{"promptTokens":100,"completionTokens":10,"totalTokens":110,"promptTokensDetails":{"cachedTokens":60,"cacheWriteTokens":30}}"#,
            [100, 60, 30, 10],
            cost([10, 60, 30, 0, 10]),
        ),
        whole(
            "getsentry/sentry-javascript#21488: details of the AI SDK's sixth version",
            OpenaiChat,
            r#"{"inputTokens":100,"inputTokenDetails":{"noCacheTokens":10,"cacheReadTokens":60,"cacheWriteTokens":30},"outputTokens":10,"outputTokenDetails":{"textTokens":4,"reasoningTokens":6},"totalTokens":110}"#,
            [100, 60, 30, 10],
            cost([10, 60, 30, 0, 10]),
        ),
        whole(
            "jher7/tokenyst-copilot#16: an hour in the cache, in Copilot's words",
            OpenaiChat,
            r#"{"prompt_tokens":57768,"completion_tokens":669,"total_tokens":58437,"prompt_tokens_details":{"cached_tokens":57029,"cache_creation_input_tokens":738,"anthropic_cache_creation":{"ephemeral_1h_input_tokens":738,"ephemeral_5m_input_tokens":0}}}"#,
            [57_768, 57_029, 738, 669],
            cost([1, 57_029, 0, 738, 669]),
        ),
        whole(
            "langchain-ai/langchain-aws#1216: writes by their times alone",
            OpenaiChat,
            r#"{"input_tokens":100,"output_tokens":10,"total_tokens":110,"input_token_details":{"cache_read":60,"cache_creation":0,"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":10}}"#,
            [100, 60, 30, 10],
            cost([10, 60, 20, 10, 10]),
        ),
        stream(
            "Anthropic's names within the details of a response",
            OpenaiResponses,
            &[
                r#"{"type":"response.output_text.delta","delta":"a"}"#,
                r#"{"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":0,"cache_read_input_tokens":60,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_1h_input_tokens":30}},"output_tokens":10,"total_tokens":110}}}"#,
            ],
            [100, 60, 30, 10],
            cost([10, 60, 0, 30, 10]),
        ),
    ]
}

pub(super) fn providers() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiChat, OpenaiResponses};
    vec![
        whole(
            "kolega-ai/kolega-code#473: nothing of a prompt but what the cache had, in Moonshot's words",
            AnthropicMessages,
            r#"{"input_tokens":-1,"cache_read_input_tokens":33,"output_tokens":5}"#,
            [33, 33, 0, 5],
            cost([0, 33, 0, 0, 5]),
        ),
        stream(
            "kolega-ai/kolega-code#473 as a stream",
            AnthropicMessages,
            &[
                r#"{"type":"message_start","message":{"usage":{"input_tokens":-1,"cache_read_input_tokens":33,"output_tokens":0}}}"#,
                r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#,
                r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":-1,"cache_read_input_tokens":33,"output_tokens":5}}"#,
            ],
            [33, 33, 0, 5],
            cost([0, 33, 0, 0, 5]),
        ),
        whole(
            "Perplexity's agents",
            OpenaiResponses,
            r#"{"input_tokens":1000,"input_tokens_details":{"cache_creation_input_tokens":0,"cache_read_input_tokens":700},"output_tokens":10,"total_tokens":1010}"#,
            [1_000, 700, 0, 10],
            cost([300, 700, 0, 0, 10]),
        ),
        whole(
            "xAI's older name",
            OpenaiChat,
            r#"{"prompt_tokens":100,"cached_prompt_text_tokens":60,"completion_tokens":10,"total_tokens":110}"#,
            [100, 60, 0, 10],
            cost([40, 60, 0, 0, 10]),
        ),
    ]
}

pub(super) fn streams() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiChat};
    let word = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#;
    let chunk = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    vec![
        stream(
            "BerriAI/litellm#40736: what was told as written into a cache came from one",
            AnthropicMessages,
            &[
                r#"{"type":"message_start","message":{"usage":{"input_tokens":2,"cache_creation_input_tokens":58352,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":58352,"ephemeral_1h_input_tokens":0},"output_tokens":1}}}"#,
                word,
                r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":58352,"output_tokens":408}}"#,
            ],
            [58_354, 58_352, 0, 408],
            cost([2, 58_352, 0, 0, 408]),
        ),
        stream(
            "the same of an OpenAI stream, the other way",
            OpenaiChat,
            &[
                r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":100,"completion_tokens":1,"total_tokens":101,"prompt_tokens_details":{"cached_tokens":90,"cache_write_tokens":0}}}"#,
                chunk,
                r#"{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":90}}}"#,
                "[DONE]",
            ],
            [100, 0, 90, 10],
            cost([10, 0, 90, 0, 10]),
        ),
        stream(
            "an end that tells of less leaves what was told",
            AnthropicMessages,
            &[
                r#"{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":60,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":30},"output_tokens":1}}}"#,
                word,
                r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":10,"cache_creation_input_tokens":0,"cache_read_input_tokens":60,"output_tokens":10}}"#,
            ],
            [100, 60, 30, 10],
            cost([10, 60, 0, 30, 10]),
        ),
    ]
}
