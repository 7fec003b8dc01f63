//! Answers that an attack on the meters has found wrong: delivered and free, failed and billed, counts under other names.

use super::{Case, JSON, SSE, answer, asking, estimated, labelled, stream, whole};
use crate::domain::route::Meter;

/// A1 to A3: vectors, scores and transcripts that were delivered without a usage.
pub(super) fn delivered() -> Vec<Case> {
    use Meter::{OpenaiEmbeddings, OpenaiImages, OpenaiTranscriptions, Rerank};
    let of = |name, meter, text: &str, counts| estimated(answer(text, whole(name, meter, "", counts, 0)));
    let said = |name, text: &str| labelled(Some("text/plain"), of(name, OpenaiTranscriptions, text, [1, 0, 0, 0]));
    let text = |case: Case, tokens: u64| Case { counts: [1, 0, 0, tokens], ..case };
    vec![
        of("A1: one vector", OpenaiEmbeddings, r#"{"embedding":[0.1,0.2]}"#, [12, 0, 0, 0]),
        of("A1: a vector of Gemini", OpenaiEmbeddings, r#"{"embedding":{"values":[0.1,0.2]}}"#, [12, 0, 0, 0]),
        of("A1: vectors", OpenaiEmbeddings, r#"{"vectors":[[0.1,0.2]]}"#, [12, 0, 0, 0]),
        of("A2: rankings", Rerank, r#"{"rankings":[{"index":0,"logit":5.4}]}"#, [1, 0, 0, 0]),
        of("A2: scores", Rerank, r#"{"scores":[0.9,0.1]}"#, [1, 0, 0, 0]),
        of("A2: records", Rerank, r#"{"records":[{"id":"1","score":0.98}]}"#, [1, 0, 0, 0]),
        of("A2: images", OpenaiImages, r#"{"images":[{"url":"u"}],"seed":1}"#, [1, 0, 0, 1_000]),
        text(said("A3: a number", "42\n"), 1),
        text(said("A3: a word in quotes", "\"Hello.\"\n"), 4),
        text(said("A3: null", "null\n"), 1),
        said("A3: a silence", "\n"),
    ]
}

/// B1 to B3: pages and errors in a success.
pub(super) fn failed() -> Vec<Case> {
    use Meter::{
        AnthropicMessages, GeminiGenerate, OpenaiChat, OpenaiEmbeddings, OpenaiImages, OpenaiSpeech,
        OpenaiTranscriptions, Rerank,
    };
    let free = |name, meter, label, text: &str| labelled(label, answer(text, whole(name, meter, "", [0; 4], 0)));
    let long = "Bad gateway and words. ".repeat(180);
    let begins = [
        "\u{feff}<!doctype html>",
        "<!-- x --><html>",
        "<?xml version='1.0'?><html>",
        "<head><title>x</title></head>",
        "<body>",
        "<h1>502</h1>",
        "<center>",
        "<\0h\0t\0m\0l\0>\0",
    ];
    let mut cases: Vec<Case> =
        begins.map(|begin| free("B1: a page", OpenaiChat, JSON, &format!("{begin}{long}"))).into();
    let page = "<!-- x --><html>502</html>";
    let meters =
        [AnthropicMessages, GeminiGenerate, OpenaiEmbeddings, OpenaiImages, OpenaiSpeech, OpenaiTranscriptions, Rerank];
    cases.extend(meters.map(|meter| free("B1: a page of any format", meter, Some("text/plain"), page)));
    let error = r#"{"error":{"message":"no"}}"#;
    let words = "no model is here for this key, and many further words say why, and whom to ask, and what else to do";
    cases.extend([
        asking(
            r#","stream":true"#,
            free("B1: a page in a stream", OpenaiChat, SSE, &format!("<!-- x -->\nwords\n{long}")),
        ),
        free("B1: words with the label of a page", OpenaiChat, Some("Text/HTML; charset=utf-8"), &long),
        free("B2: blanks before an error", OpenaiChat, JSON, &format!("{}{error}", "\n".repeat(5_000))),
        free("B3: capitals", OpenaiChat, JSON, &format!(r#"{{"Message":"{words}"}}"#)),
        free(
            "B3: Volcengine",
            OpenaiChat,
            JSON,
            &format!(r#"{{"ResponseMetadata":{{"Error":{{"Message":"{words}"}}}}}}"#),
        ),
        free("B3: Apigee", OpenaiChat, JSON, &format!(r#"{{"fault":{{"faultstring":"{words}"}}}}"#)),
        free(
            "B3: vectors that are none",
            OpenaiEmbeddings,
            JSON,
            r#"{"data":[],"meta":{"version":1},"messages":["no"]}"#,
        ),
    ]);
    cases
}

/// C1 to C6, C8: counts under other names, in the usage.
pub(super) fn names() -> Vec<Case> {
    use Meter::{GeminiGenerate, OpenaiChat, OpenaiCompletions, OpenaiResponses};
    let chat = |name, usage: &str, counts, cost| whole(name, OpenaiChat, usage, counts, cost);
    let choice = |index: u64, text: &str, output: u64| {
        let total = 100 + output;
        format!(
            r#"{{"index":{index},{text},"finish_reason":"stop","usage":{{"prompt_tokens":100,"completion_tokens":{output},"total_tokens":{total}}}}}"#
        )
    };
    let both = |text: &str| format!(r#"{{"choices":[{},{}]}}"#, choice(0, text, 13), choice(1, text, 20));
    let one = |index, output| format!(r#"{{"choices":[{}]}}"#, choice(index, r#""delta":{}"#, output));
    vec![
        chat(
            "C1: read from a cache and written into one, of bifrost",
            r#"{"prompt_tokens":1000,"completion_tokens":10,"total_tokens":1010,"prompt_tokens_details":{"cached_read_tokens":700,"cached_write_tokens":200}}"#,
            [1_000, 700, 200, 10],
            100_000_000 + 70_000_000 + 250_000_000 + 100_000_000,
        ),
        chat(
            "C2: written into a cache beside what is cached",
            r#"{"prompt_tokens":1000,"completion_tokens":10,"total_tokens":1010,"prompt_tokens_details":{"cached_tokens":100,"cached_write_tokens":800}}"#,
            [1_000, 100, 800, 10],
            1_210_000_000,
        ),
        answer(
            r#"{"output":[{"content":[{"text":"a"}]}],"usage":{"input_tokens":1000,"output_tokens":10,"total_tokens":1010,"input_tokens_details":{"cached_tokens":100,"cached_creation_tokens":800}}}"#,
            whole("C3: creation in the details", OpenaiResponses, "", [1_000, 100, 800, 10], 1_210_000_000),
        ),
        answer(
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":260,"candidatesTokenCount":1,"promptTokenDetails":[{"modality":"IMAGE","tokenCount":258}]}}"#,
            whole("C4: one name for details", GeminiGenerate, "", [260, 0, 0, 1], 2_000_000 + 516_000_000 + 10_000_000),
        ),
        answer(
            both(r#""message":{"content":"a"}"#),
            asking(r#","n":2"#, whole("C5: in each choice", OpenaiChat, "", [100, 0, 0, 33], 430_000_000)),
        ),
        answer(
            both(r#""text":"a""#),
            asking(r#","n":2"#, whole("C5: the legacy format", OpenaiCompletions, "", [100, 0, 0, 33], 430_000_000)),
        ),
        asking(
            r#","stream":true,"n":2"#,
            stream("C5: in a stream", OpenaiChat, &[&one(0, 13), &one(1, 20)], [100, 0, 0, 33], 430_000_000),
        ),
        chat(
            "C6: few thoughts beside the answer, of Perplexity",
            r#"{"prompt_tokens":33,"completion_tokens":700,"total_tokens":733,"citation_tokens":2000,"reasoning_tokens":100}"#,
            [2_033, 0, 0, 800],
            2_033_000_000 + 8_000_000_000,
        ),
        chat(
            "C8: the AI SDK's names",
            r#"{"inputTokens":100,"outputTokens":20,"totalTokens":120,"cachedInputTokens":40,"reasoningTokens":5}"#,
            [100, 40, 0, 20],
            60_000_000 + 4_000_000 + 200_000_000,
        ),
    ]
}

/// C7, C9 to C14, E5: counts and texts in other places.
pub(super) fn places() -> Vec<Case> {
    use Meter::{AnthropicMessages, GeminiGenerate, OpenaiChat};
    let chat = |name, text: &str| answer(text, whole(name, OpenaiChat, "", [100, 0, 0, 20], 300_000_000));
    let detail = r#"{"choices":[{"delta":{"reasoning_details":[{"type":"reasoning.summary","summary":" word"}]}}]}"#;
    let usage = r#""usage":{"prompt_tokens":100,"completion_tokens":20}"#;
    let lines = format!("data: {{\"choices\":[],\ndata: {usage}}}\n\n");
    vec![
        chat(
            "C7: for each model, of Groq",
            r#"{"choices":[{"message":{"content":"a"}}],"usage_breakdown":{"models":[{"usage":{"prompt_tokens":60,"completion_tokens":15}},{"usage":{"prompt_tokens":40,"completion_tokens":5}}]}}"#,
        ),
        stream(
            "C9: Bedrock's beside the last event",
            AnthropicMessages,
            &[
                r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":" word"}}"#,
                r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":30,"outputTokenCount":60}}"#,
            ],
            [30, 0, 0, 60],
            630_000_000,
        ),
        chat("C10: data", &format!(r#"{{"code":0,"data":{{"choices":[{{"message":{{"content":"a"}}}}],{usage}}}}}"#)),
        chat("C10: metadata", &format!(r#"{{"answer":"word word","metadata":{{{usage}}}}}"#)),
        chat(
            "C10: watsonx",
            r#"{"results":[{"generated_text":"a","generated_token_count":20,"input_token_count":100}]}"#,
        ),
        asking(r#","stream":true,"stream_options":{"include_usage":true}"#, labelled(SSE, chat("C11: lines", &lines))),
        chat("C12: a comment before a whole answer", &format!(": ping\n\n{{\"choices\":[],{usage}}}")),
        estimated(stream("C14: a summary of thoughts", OpenaiChat, &[detail; 9], [12, 0, 0, 9], 0)),
        answer(
            r#"{"response":{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":20,"thoughtsTokenCount":5,"totalTokenCount":35}},"traceId":"t"}"#,
            whole("E5: Code Assist", GeminiGenerate, "", [10, 0, 0, 25], 260_000_000),
        ),
        estimated(answer(
            r#"{"response":{"candidates":[{"content":{"parts":[{"text":" word word"}]}}]}}"#,
            whole("E5: the same without usage", GeminiGenerate, "", [1, 0, 0, 2], 0),
        )),
    ]
}
