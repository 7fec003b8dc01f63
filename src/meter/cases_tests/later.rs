//! Further answers from public reports of 2025 and 2026; each is named by its report.

use super::{Case, answer, stream, whole};
use crate::domain::route::Meter;

/// Whole answers in the formats of OpenAI and Anthropic.
pub(super) fn answers() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiChat, OpenaiEmbeddings, OpenaiImages};
    vec![
        whole(
            "ccusage/ccusage#1115: another model was asked, whose tokens are not its own",
            AnthropicMessages,
            r#"{"input_tokens":2,"output_tokens":491,"cache_read_input_tokens":226584,"cache_creation_input_tokens":7853,"iterations":[{"type":"message","input_tokens":1,"output_tokens":45,"cache_read_input_tokens":109696,"cache_creation_input_tokens":7192},{"type":"advisor_message","model":"claude-opus-4-7","input_tokens":159419,"output_tokens":7805},{"type":"message","input_tokens":1,"output_tokens":446,"cache_read_input_tokens":116888,"cache_creation_input_tokens":661}]}"#,
            [234_439, 226_584, 7_853, 491],
            2_000_000 + 22_658_400_000 + 9_816_250_000 + 4_910_000_000,
        ),
        whole(
            "langwatch/langwatch#7048: sound from a cache costs what the cache does",
            OpenaiChat,
            r#"{"prompt_tokens":1000,"completion_tokens":10,"prompt_tokens_details":{"text_tokens":200,"audio_tokens":800,"cached_tokens":700,"cached_tokens_details":{"text_tokens":100,"audio_tokens":600}}}"#,
            [1_000, 700, 0, 10],
            800_000_000 + 100_000_000 + 70_000_000 + 100_000_000,
        ),
        whole(
            "bgeneto/open-webui-cost-tracker#6: many more thoughts than answer",
            OpenaiChat,
            r#"{"prompt_tokens":108,"completion_tokens":3256,"total_tokens":3364,"reasoning_tokens":73248}"#,
            [108, 0, 0, 76_504],
            108_000_000 + 765_040_000_000,
        ),
        whole(
            "BerriAI/litellm#18541: zeros under other names beside the counts of an image",
            OpenaiImages,
            r#"{"completion_tokens":0,"prompt_tokens":0,"total_tokens":1079,"completion_tokens_details":null,"input_tokens":23,"input_tokens_details":{"image_tokens":0,"text_tokens":23},"output_tokens":1056,"output_tokens_details":null}"#,
            [23, 0, 0, 1_056],
            23_000_000 + 21_120_000_000,
        ),
        answer(
            r#"{"embeddings":[[0.1]],"meta":{"billed_units":{"input_tokens":10,"image_tokens":500,"images":1}}}"#,
            whole(
                "giselles-ai/giselle#1881: an embedded image beside the text",
                OpenaiEmbeddings,
                "",
                [510, 0, 0, 0],
                510_000_000,
            ),
        ),
        answer(
            r#"{"data":[{"embedding":[0.1]}],"usage":{"text_tokens":5,"image_pixels":2000000,"total_tokens":3577}}"#,
            whole(
                "voyage-ai/voyageai-python#12: pixels are in the total",
                OpenaiEmbeddings,
                "",
                [3_577, 0, 0, 0],
                3_577_000_000,
            ),
        ),
    ]
}

/// Whole answers of Gemini and Bedrock.
pub(super) fn of_clouds() -> Vec<Case> {
    use Meter::{BedrockConverse, GeminiGenerate};
    let gemini = |usage: &str, case: Case| {
        answer(
            format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"a"}}]}}}}],"usageMetadata":{usage}}}"#),
            case,
        )
    };
    vec![
        gemini(
            r#"{"promptTokenCount":151,"candidatesTokenCount":1089,"totalTokenCount":20689,"toolUsePromptTokenCount":18329,"thoughtsTokenCount":1120,"promptTokensDetails":[{"modality":"TEXT","tokenCount":151}],"toolUsePromptTokensDetails":[{"modality":"TEXT","tokenCount":18329}]}"#,
            whole(
                "QuantumNous/new-api#2935: what a tool read is no output",
                GeminiGenerate,
                "",
                [18_480, 0, 0, 2_209],
                18_480_000_000 + 22_090_000_000,
            ),
        ),
        gemini(
            r#"{"promptTokenCount":55021,"candidatesTokenCount":923,"totalTokenCount":56729,"thoughtsTokenCount":785}"#,
            whole(
                "Wei-Shaw/sub2api#554: thoughts are output",
                GeminiGenerate,
                "",
                [55_021, 0, 0, 1_708],
                55_021_000_000 + 17_080_000_000,
            ),
        ),
        gemini(
            r#"{"promptTokenCount":264,"candidatesTokenCount":1093,"thoughtsTokenCount":989,"totalTokenCount":1357}"#,
            whole(
                "simonw/llm-gemini#75: thoughts within the answer, by the total",
                GeminiGenerate,
                "",
                [264, 0, 0, 1_093],
                264_000_000 + 10_930_000_000,
            ),
        ),
        gemini(
            r#"{"promptTokenCount":1000,"candidatesTokenCount":10,"cachedContentTokenCount":700,"promptTokensDetails":[{"modality":"TEXT","tokenCount":200},{"modality":"AUDIO","tokenCount":800}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":600},{"modality":"TEXT","tokenCount":100}]}"#,
            whole(
                "langwatch/langwatch#7048 in Gemini's words",
                GeminiGenerate,
                "",
                [1_000, 700, 0, 10],
                800_000_000 + 100_000_000 + 70_000_000 + 100_000_000,
            ),
        ),
        answer(
            r#"{"output":{"message":{"content":[{"text":"a"}]}},"usage":{"cacheReadInputTokenCount":1490,"cacheReadInputTokens":1490,"cacheWriteInputTokenCount":0,"cacheWriteInputTokens":0,"inputTokens":4,"outputTokens":832,"totalTokens":2326}}"#,
            whole(
                "cline/cline#4683: one count under two names",
                BedrockConverse,
                "",
                [1_494, 1_490, 0, 832],
                4_000_000 + 149_000_000 + 8_320_000_000,
            ),
        ),
    ]
}

/// Streams of chats.
pub(super) fn streams() -> Vec<Case> {
    use Meter::OpenaiChat;
    let word = r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":null}"#;
    let zeros = r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#;
    vec![
        stream(
            "BerriAI/litellm#36168: usage beside a choice of nothing",
            OpenaiChat,
            &[
                word,
                r#"{"choices":[{"index":0,"delta":{}}],"usage":{"completion_tokens":2,"prompt_tokens":16111,"total_tokens":16113,"completion_tokens_details":{"reasoning_tokens":0},"prompt_tokens_details":{"cached_tokens":15872}}}"#,
                "[DONE]",
            ],
            [16_111, 15_872, 0, 2],
            239_000_000 + 1_587_200_000 + 20_000_000,
        ),
        stream(
            "router-for-me/CLIProxyAPI#3077: zeros until the last chunk",
            OpenaiChat,
            &[
                zeros,
                zeros,
                r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":30,"completion_tokens":5,"total_tokens":35}}"#,
                "[DONE]",
            ],
            [30, 0, 0, 5],
            30_000_000 + 50_000_000,
        ),
        stream(
            "router-for-me/CLIProxyAPI#3221: null until the last chunk, and names of another format",
            OpenaiChat,
            &[word, r#"{"choices":[],"usage":{"input_tokens":30,"output_tokens":5,"total_tokens":35}}"#, "[DONE]"],
            [30, 0, 0, 5],
            30_000_000 + 50_000_000,
        ),
    ]
}

/// Streams of messages and responses.
pub(super) fn other_streams() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiResponses};
    let said = r#"{"type":"response.output_text.delta","delta":"a"}"#;
    vec![
        stream(
            "maximhq/bifrost#3451: what went into a cache is counted once",
            AnthropicMessages,
            &[
                r#"{"type":"message_start","message":{"usage":{"input_tokens":6,"cache_creation_input_tokens":159217,"cache_read_input_tokens":0,"output_tokens":1}}}"#,
                r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#,
                r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":6,"cache_creation_input_tokens":159217,"cache_read_input_tokens":0,"output_tokens":2745}}"#,
            ],
            [159_223, 0, 159_217, 2_745],
            6_000_000 + 199_021_250_000 + 27_450_000_000,
        ),
        stream(
            "vercel/ai#17326: zeros at the start, all at the end",
            AnthropicMessages,
            &[
                r#"{"type":"message_start","message":{"usage":{"input_tokens":0,"output_tokens":0}}}"#,
                r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#,
                r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":100,"output_tokens":20}}"#,
            ],
            [100, 0, 0, 20],
            100_000_000 + 200_000_000,
        ),
        stream(
            "envoyproxy/ai-gateway#2184: an answer that is cut at its bound states its usage",
            OpenaiResponses,
            &[
                said,
                r#"{"type":"response.incomplete","response":{"status":"incomplete","usage":{"input_tokens":5,"output_tokens":3,"total_tokens":8}}}"#,
            ],
            [5, 0, 0, 3],
            5_000_000 + 30_000_000,
        ),
        stream(
            "vm0-ai/vm0#14592: an answer that fails at its end too",
            OpenaiResponses,
            &[
                said,
                r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error"},"usage":{"input_tokens":9,"output_tokens":4}}}"#,
            ],
            [9, 0, 0, 4],
            9_000_000 + 40_000_000,
        ),
        stream(
            "envoyproxy/ai-gateway#2184: one that fails before it begins costs nothing",
            OpenaiResponses,
            &[
                r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"invalid_api_key"},"usage":null,"output":[]}}"#,
            ],
            [0; 4],
            0,
        ),
    ]
}
