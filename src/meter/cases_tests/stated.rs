//! Answers that state their usage.

use super::{Case, answer, estimated, stream, whole};
use crate::domain::route::Meter;

/// C1 and C2: counts above the table, thoughts within and beside the answer.
pub(super) fn thoughts() -> Vec<Case> {
    use Meter::OpenaiChat;
    vec![
        whole(
            "above the table",
            OpenaiChat,
            r#"{"prompt_tokens":390005,"completion_tokens":4000,"total_tokens":394005}"#,
            [390_005, 0, 0, 4_000],
            430_005_000_000,
        ),
        whole(
            "thoughts beside",
            OpenaiChat,
            r#"{"prompt_tokens":100,"completion_tokens":500,"total_tokens":800,"completion_tokens_details":{"reasoning_tokens":200}}"#,
            [100, 0, 0, 700],
            7_100_000_000,
        ),
        whole(
            "thoughts in the total alone",
            OpenaiChat,
            r#"{"prompt_tokens":20,"completion_tokens":424,"total_tokens":1016}"#,
            [20, 0, 0, 996],
            9_980_000_000,
        ),
        whole(
            "cut within its thoughts",
            OpenaiChat,
            r#"{"prompt_tokens":21,"completion_tokens":0,"total_tokens":81,"completion_tokens_details":{"reasoning_tokens":60}}"#,
            [21, 0, 0, 60],
            621_000_000,
        ),
        whole(
            "the same without a total",
            OpenaiChat,
            r#"{"prompt_tokens":21,"completion_tokens":0,"completion_tokens_details":{"reasoning_tokens":60}}"#,
            [21, 0, 0, 60],
            621_000_000,
        ),
        whole(
            "thoughts within",
            OpenaiChat,
            r#"{"prompt_tokens":10,"completion_tokens":50,"total_tokens":60,"completion_tokens_details":{"reasoning_tokens":40}}"#,
            [10, 0, 0, 50],
            510_000_000,
        ),
    ]
}

/// C2: what came from a cache or went into one.
pub(super) fn caches() -> Vec<Case> {
    use Meter::{OpenaiChat, OpenaiResponses};
    vec![
        whole(
            "cache writes of OpenAI",
            OpenaiChat,
            r#"{"prompt_tokens":18020,"completion_tokens":1,"total_tokens":18021,"prompt_tokens_details":{"cache_write_tokens":18011}}"#,
            [18_020, 0, 18_011, 1],
            9_000_000 + 22_513_750_000 + 10_000_000,
        ),
        whole(
            "the same in responses",
            OpenaiResponses,
            r#"{"input_tokens":18020,"output_tokens":1,"total_tokens":18021,"input_tokens_details":{"cache_write_tokens":18011}}"#,
            [18_020, 0, 18_011, 1],
            9_000_000 + 22_513_750_000 + 10_000_000,
        ),
        whole(
            "cache writes of gateways",
            OpenaiChat,
            r#"{"prompt_tokens":10032,"completion_tokens":1,"total_tokens":10033,"cache_creation_input_tokens":10017}"#,
            [10_032, 0, 10_017, 1],
            15_000_000 + 12_521_250_000 + 10_000_000,
        ),
        whole(
            "the same by another name",
            OpenaiChat,
            r#"{"prompt_tokens":10032,"completion_tokens":1,"prompt_tokens_details":{"cache_creation_tokens":10017}}"#,
            [10_032, 0, 10_017, 1],
            15_000_000 + 12_521_250_000 + 10_000_000,
        ),
        whole(
            "DeepSeek",
            OpenaiChat,
            r#"{"prompt_tokens":36100,"completion_tokens":1,"total_tokens":36101,"prompt_cache_hit_tokens":21600,"prompt_cache_miss_tokens":14500}"#,
            [36_100, 21_600, 0, 1],
            14_500_000_000 + 2_160_000_000 + 10_000_000,
        ),
        whole(
            "cached at the top",
            OpenaiChat,
            r#"{"prompt_tokens":100,"completion_tokens":1,"total_tokens":101,"cached_tokens":60}"#,
            [100, 60, 0, 1],
            40_000_000 + 6_000_000 + 10_000_000,
        ),
        whole(
            "a 0 under the other name",
            OpenaiChat,
            r#"{"prompt_tokens":100,"completion_tokens":1,"prompt_cache_hit_tokens":60,"prompt_tokens_details":{"cached_tokens":0}}"#,
            [100, 60, 0, 1],
            56_000_000,
        ),
    ]
}

/// C2: other formats' names, and totals alone.
pub(super) fn names() -> Vec<Case> {
    use Meter::{OpenaiChat, OpenaiEmbeddings};
    vec![
        whole(
            "Anthropic's names in a chat",
            OpenaiChat,
            r#"{"input_tokens":9,"output_tokens":8}"#,
            [9, 0, 0, 8],
            89_000_000,
        ),
        whole(
            "cached beside a prompt of OpenAI",
            OpenaiChat,
            r#"{"prompt_tokens":5,"completion_tokens":1,"total_tokens":106,"cache_read_input_tokens":100}"#,
            [105, 100, 0, 1],
            5_000_000 + 10_000_000 + 10_000_000,
        ),
        whole(
            "counts with a decimal point",
            OpenaiChat,
            r#"{"prompt_tokens":512.0,"completion_tokens":8.0,"total_tokens":520.0}"#,
            [512, 0, 0, 8],
            592_000_000,
        ),
        whole("a total alone", OpenaiEmbeddings, r#"{"total_tokens":6}"#, [6, 0, 0, 0], 6_000_000),
        whole(
            "embeddings above the table",
            OpenaiEmbeddings,
            r#"{"prompt_tokens":100000,"total_tokens":100000}"#,
            [100_000, 0, 0, 0],
            100_000_000_000,
        ),
    ]
}

/// C2: Anthropic's counts, which stand beside each other.
pub(super) fn messages() -> Vec<Case> {
    use Meter::AnthropicMessages;
    vec![
        whole(
            "cached beside",
            AnthropicMessages,
            r#"{"input_tokens":5,"cache_read_input_tokens":390000,"output_tokens":100}"#,
            [390_005, 390_000, 0, 100],
            5_000_000 + 39_000_000_000 + 1_000_000_000,
        ),
        whole(
            "an hour in the cache",
            AnthropicMessages,
            r#"{"input_tokens":5,"cache_creation_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"output_tokens":1}"#,
            [305, 0, 300, 1],
            5_000_000 + 125_000_000 + 400_000_000 + 10_000_000,
        ),
        whole(
            "cache writes by their time alone",
            AnthropicMessages,
            r#"{"input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"output_tokens":1}"#,
            [305, 0, 300, 1],
            540_000_000,
        ),
        whole(
            "compaction",
            AnthropicMessages,
            r#"{"input_tokens":23000,"output_tokens":1000,"iterations":[{"type":"compaction","input_tokens":180000,"output_tokens":3500},{"type":"message","input_tokens":23000,"output_tokens":1000}]}"#,
            [203_000, 0, 0, 4_500],
            248_000_000_000,
        ),
    ]
}

/// C2: counts in other places of a stream.
pub(super) fn streams() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiChat, OpenaiResponses};
    vec![
        stream(
            "Moonshot",
            OpenaiChat,
            &[
                r#"{"choices":[{"delta":{"content":"a"}}]}"#,
                r#"{"choices":[{"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":9,"completion_tokens":8}}]}"#,
                "[DONE]",
            ],
            [9, 0, 0, 8],
            89_000_000,
        ),
        stream(
            "Groq",
            OpenaiChat,
            &[
                r#"{"choices":[{"delta":{"content":"a"}}]}"#,
                r#"{"choices":[],"x_groq":{"usage":{"prompt_tokens":9,"completion_tokens":8}}}"#,
            ],
            [9, 0, 0, 8],
            89_000_000,
        ),
        stream(
            "a 0 at the end takes nothing back",
            OpenaiChat,
            &[
                r#"{"choices":[{"delta":{"content":"a"}}]}"#,
                r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":8}}"#,
                r#"{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#,
            ],
            [9, 0, 0, 8],
            89_000_000,
        ),
        stream(
            "Anthropic",
            AnthropicMessages,
            &[
                r#"{"type":"message_start","message":{"model":"m1","usage":{"input_tokens":5,"cache_read_input_tokens":10,"output_tokens":1}}}"#,
                r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a b c"}}"#,
                r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":40}}"#,
            ],
            [15, 10, 0, 40],
            5_000_000 + 1_000_000 + 400_000_000,
        ),
        stream(
            "responses",
            OpenaiResponses,
            &[
                r#"{"type":"response.output_text.delta","delta":"a"}"#,
                r#"{"type":"response.completed","response":{"output":[],"usage":{"input_tokens":9,"output_tokens":8,"total_tokens":17}}}"#,
            ],
            [9, 0, 0, 8],
            89_000_000,
        ),
    ]
}

/// Sound, its seconds, images, by the format's own places; at the prices of `m1`, whose sound costs 4 in and 40 out, and
/// whose images cost 2 in and 20 out.
pub(super) fn media() -> Vec<Case> {
    use Meter::{GeminiGenerate, OpenaiChat, OpenaiImages, OpenaiSpeech, OpenaiTranscriptions};
    vec![
        whole(
            "sound in a chat",
            OpenaiChat,
            r#"{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"audio_tokens":80,"cached_tokens":10},"completion_tokens_details":{"audio_tokens":40,"reasoning_tokens":5}}"#,
            [100, 10, 0, 50],
            10_000_000 + 320_000_000 + 1_000_000 + 5 * 10_000_000 + 40 * 40_000_000 + 5 * 10_000_000,
        ),
        answer(
            r#"{"candidates":[],"usageMetadata":{"promptTokenCount":300,"candidatesTokenCount":1300,"totalTokenCount":1600,"promptTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"AUDIO","tokenCount":30},{"modality":"IMAGE","tokenCount":258},{"modality":"VIDEO","tokenCount":2}],"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}}"#,
            whole(
                "Gemini's modalities",
                GeminiGenerate,
                "",
                [300, 0, 0, 1_300],
                12_000_000 + 120_000_000 + 516_000_000 + 100_000_000 + 25_800_000_000,
            ),
        ),
        whole(
            "images in and out",
            OpenaiImages,
            r#"{"input_tokens":50,"output_tokens":700,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens_details":{"image_tokens":690,"text_tokens":10}}"#,
            [50, 0, 0, 700],
            10_000_000 + 80_000_000 + 100_000_000 + 13_800_000_000,
        ),
        answer(
            r#"{"text":"Hello","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":5,"total_tokens":19}}"#,
            whole("a transcript", OpenaiTranscriptions, "", [14, 0, 0, 5], 4_000_000 + 40_000_000 + 50_000_000),
        ),
        stream(
            "a transcript as a stream",
            OpenaiTranscriptions,
            &[
                r#"{"type":"transcript.text.delta","delta":"Hello"}"#,
                r#"{"type":"transcript.text.done","text":"Hello","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":14},"output_tokens":5}}"#,
            ],
            [14, 0, 0, 5],
            56_000_000 + 50_000_000,
        ),
        estimated(answer(
            r#"{"text":"Hello you","usage":{"type":"duration","seconds":8.2}}"#,
            whole("seconds of a model that bills its answers", OpenaiTranscriptions, "", [9, 0, 0, 3], 0),
        )),
        stream(
            "speech as a stream",
            OpenaiSpeech,
            &[
                r#"{"type":"speech.audio.delta","audio":"QUJD"}"#,
                r#"{"type":"speech.audio.done","usage":{"input_tokens":14,"output_tokens":101,"total_tokens":115}}"#,
            ],
            [14, 0, 0, 101],
            14_000_000 + 101 * 40_000_000,
        ),
    ]
}

/// More formats on the same table.
pub(super) fn formats() -> Vec<Case> {
    use Meter::{BedrockConverse, GeminiGenerate, OpenaiCompletions, OpenaiImages, Rerank};
    vec![
        answer(
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":20,"candidatesTokenCount":424,"thoughtsTokenCount":572,"cachedContentTokenCount":10,"totalTokenCount":1016},"modelVersion":"m1"}"#,
            whole("Gemini", GeminiGenerate, "", [20, 10, 0, 996], 10_000_000 + 1_000_000 + 9_960_000_000),
        ),
        answer(
            r#"[{"candidates":[],"usageMetadata":{"promptTokenCount":20,"totalTokenCount":20}},{"candidates":[],"usageMetadata":{"promptTokenCount":20,"candidatesTokenCount":4,"toolUsePromptTokenCount":7,"totalTokenCount":31}}]"#,
            whole("Gemini's stream as a list", GeminiGenerate, "", [27, 0, 0, 4], 67_000_000),
        ),
        stream(
            "Gemini's stream",
            GeminiGenerate,
            &[
                r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":20,"candidatesTokenCount":1,"totalTokenCount":21}}"#,
                r#"{"candidates":[],"usageMetadata":{"promptTokenCount":20,"candidatesTokenCount":4,"totalTokenCount":24}}"#,
            ],
            [20, 0, 0, 4],
            60_000_000,
        ),
        answer(
            r#"{"output":{"message":{"content":[{"text":"a"}]}},"usage":{"inputTokens":5,"outputTokens":8,"cacheReadInputTokens":10,"cacheWriteInputTokens":4,"totalTokens":27}}"#,
            whole("Bedrock", BedrockConverse, "", [19, 10, 4, 8], 5_000_000 + 1_000_000 + 5_000_000 + 80_000_000),
        ),
        answer(
            r#"{"candidates":[],"usageMetadata":{"promptTokenCount":20,"candidatesTokenCount":424,"thoughtsTokenCount":300,"totalTokenCount":444}}"#,
            whole("Gemini's thoughts within, as the total has it", GeminiGenerate, "", [20, 0, 0, 424], 4_260_000_000),
        ),
        whole("rerank", Rerank, r#"{"total_tokens":70}"#, [70, 0, 0, 0], 70_000_000),
        whole(
            "completions",
            OpenaiCompletions,
            r#"{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17}"#,
            [9, 0, 0, 8],
            89_000_000,
        ),
        whole(
            "images",
            OpenaiImages,
            r#"{"input_tokens":50,"output_tokens":700,"total_tokens":750}"#,
            [50, 0, 0, 700],
            14_050_000_000,
        ),
    ]
}
