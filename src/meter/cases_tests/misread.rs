//! Answers whose counts were once read wrongly: other places, words behind the usage, failures in words.

use super::{Case, JSON, answer, asking, estimated, labelled, stream, whole};
use crate::domain::route::Meter;

/// C2: counts in other places, of chats.
pub(super) fn counts() -> Vec<Case> {
    use Meter::OpenaiChat;
    let chat = |name, usage: &str, counts, cost| whole(name, OpenaiChat, usage, counts, cost);
    vec![
        chat(
            "what searches have read, beside the prompt",
            r#"{"prompt_tokens":33,"completion_tokens":7163,"total_tokens":7196,"citation_tokens":20016,"reasoning_tokens":73997}"#,
            [20_049, 0, 0, 81_160],
            20_049_000_000 + 811_600_000_000,
        ),
        chat(
            "cached in camel case",
            r#"{"promptTokens":100,"completionTokens":5,"totalTokens":105,"promptTokensDetails":{"cachedTokens":60}}"#,
            [100, 60, 0, 5],
            40_000_000 + 6_000_000 + 50_000_000,
        ),
        chat(
            "cached input at the top",
            r#"{"input_tokens":100,"cached_input_tokens":60,"output_tokens":5}"#,
            [100, 60, 0, 5],
            40_000_000 + 6_000_000 + 50_000_000,
        ),
        chat(
            "LangChain's details",
            r#"{"input_tokens":100,"output_tokens":50,"total_tokens":150,"input_token_details":{"cache_read":60,"cache_creation":10},"output_token_details":{"reasoning":40}}"#,
            [100, 60, 10, 50],
            30_000_000 + 6_000_000 + 12_500_000 + 500_000_000,
        ),
        chat(
            "a sound that only the total has",
            r#"{"prompt_audio_seconds":203,"prompt_tokens":4,"total_tokens":3264,"completion_tokens":635}"#,
            [2_629, 0, 0, 635],
            2_629_000_000 + 6_350_000_000,
        ),
        chat(
            "no sound",
            r#"{"prompt_audio_seconds":{},"prompt_tokens":4,"total_tokens":15,"completion_tokens":5}"#,
            [4, 0, 0, 11],
            4_000_000 + 110_000_000,
        ),
        answer(
            r#"{"choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":100,"completion_tokens":5},"timings":{"cache_n":90,"prompt_n":10,"predicted_n":5}}"#,
            chat("a cache that llama.cpp tells beside", "", [100, 90, 0, 5], 10_000_000 + 9_000_000 + 50_000_000),
        ),
    ]
}

/// The same of other formats.
pub(super) fn other_counts() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiEmbeddings, Rerank};
    let messages = |name, usage: &str, counts, cost| whole(name, AnthropicMessages, usage, counts, cost);
    let rerank = |name, text: &str| {
        let text = format!(r#"{{"results":[{{"index":0,"relevance_score":0.9}}],{text}}}"#);
        answer(&text, whole(name, Rerank, "", [123, 0, 0, 0], 123_000_000))
    };
    vec![
        messages(
            "cached within, by the total",
            r#"{"input_tokens":1000,"cache_read_input_tokens":900,"output_tokens":10,"total_tokens":1010}"#,
            [1_000, 900, 0, 10],
            100_000_000 + 90_000_000 + 100_000_000,
        ),
        messages(
            "cached beside, by the total",
            r#"{"input_tokens":100,"cache_read_input_tokens":900,"output_tokens":10,"total_tokens":1010}"#,
            [1_000, 900, 0, 10],
            100_000_000 + 90_000_000 + 100_000_000,
        ),
        messages(
            "cached beside, more than a total can have",
            r#"{"input_tokens":100,"cache_read_input_tokens":900,"output_tokens":10,"total_tokens":110}"#,
            [1_000, 900, 0, 10],
            100_000_000 + 90_000_000 + 100_000_000,
        ),
        messages(
            "OpenAI's details are within",
            r#"{"prompt_tokens":1000,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":900}}"#,
            [1_000, 900, 0, 10],
            100_000_000 + 90_000_000 + 100_000_000,
        ),
        messages(
            "the same with a total",
            r#"{"input_tokens":1000,"output_tokens":10,"total_tokens":1010,"input_tokens_details":{"cached_tokens":900}}"#,
            [1_000, 900, 0, 10],
            100_000_000 + 90_000_000 + 100_000_000,
        ),
        answer(
            r#"{"embeddings":[[0.1]],"prompt_eval_count":8}"#,
            whole("Ollama's count of an embedding", OpenaiEmbeddings, "", [8, 0, 0, 0], 8_000_000),
        ),
        answer(
            r#"{"embedding":[0.1],"inputTextTokenCount":8}"#,
            whole("Titan's count of an embedding", OpenaiEmbeddings, "", [8, 0, 0, 0], 8_000_000),
        ),
        rerank("tokens at the top", r#""tokens":{"input_tokens":123,"output_tokens":0}"#),
        rerank("a total at the top", r#""total_tokens":123,"total_bytes":500"#),
        rerank("watsonx's count", r#""input_token_count":123"#),
        rerank("counts of the meta", r#""meta":{"tokens":{"input_tokens":123}}"#),
    ]
}

/// C4: behind the usage of all that was written stands what is no part of it.
pub(super) fn behind() -> Vec<Case> {
    let text = " word".repeat(30);
    let text = format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#);
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}"#;
    let behind = |(name, rest): (&'static str, &str)| {
        let case = stream(name, Meter::OpenaiChat, &[&text, usage], [10, 0, 0, 5], 60_000_000);
        let asked = r#","stream":true,"stream_options":{"include_usage":true}"#;
        asking(asked, Case { answer: format!("{}{rest}", case.answer), ..case })
    };
    [
        ("a bare end", "[DONE]\n\n"),
        ("an end in a word", "data: done\n\n"),
        ("an end with a name", "event: close\ndata: stream closed\n\n"),
        ("a comment of a page", "<!-- ok -->\n\n"),
        ("a NUL", "\0\0"),
        ("a line of a proxy", "upstream connect error\n\n"),
        ("a line that is not finished", "da"),
        ("a letter", "e"),
        ("a name that is not finished", "event: messa"),
        ("a JSON that is cut", "data: {\"choices\":[\n\n"),
    ]
    .map(behind)
    .into()
}

/// C8: a failure in words costs nothing where the answer was to be JSON.
pub(super) fn failures() -> Vec<Case> {
    use Meter::{GeminiGenerate, OpenaiChat, OpenaiEmbeddings, OpenaiImages, OpenaiSpeech, Rerank};
    let page = "<!DOCTYPE html><html><title>Just a moment...</title>Checking your browser</html>";
    let html = Some("text/html");
    let free = |name, meter, label, text: &str| labelled(label, answer(text, whole(name, meter, "", [0; 4], 0)));
    let mut cases: Vec<Case> = [OpenaiChat, GeminiGenerate, OpenaiEmbeddings, OpenaiImages, Rerank, OpenaiSpeech]
        .map(|meter| free("a page", meter, html, page))
        .into();
    let line = "upstream connect error or disconnect/reset before headers";
    cases.extend([
        free("a line of a proxy", OpenaiChat, Some("text/plain"), line),
        free("a line under the label of JSON", OpenaiChat, JSON, line),
        free("a failure as the only event", OpenaiChat, super::SSE, "data: [ERROR] upstream overloaded\n\n"),
        free("the same and an end", OpenaiChat, super::SSE, "data: upstream error: no request\n\ndata: [DONE]\n\n"),
        free("images that all failed", OpenaiImages, JSON, r#"{"data":[{"error":{"code":"x"}}]}"#),
        estimated(labelled(
            JSON,
            answer(
                r#"{"choices":[{"message":{"content":"cut off"#,
                whole("an answer that was cut", OpenaiChat, "", [12, 0, 0, 2], 0),
            ),
        )),
    ]);
    cases
}

/// C3: text of streams that are cut.
pub(super) fn cut() -> Vec<Case> {
    use Meter::{OpenaiChat, OpenaiCompletions, OpenaiResponses};
    let of = |name, meter, input, events: Vec<String>, output: u64| {
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        estimated(stream(name, meter, &events, [input, 0, 0, output], 0))
    };
    let words = " word".repeat(40);
    let word = r#"{"choices":[{"index":0,"delta":{"content":" word"}}]}"#;
    let call = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"get_weather_in_city","arguments":" word"}}]}}]}"#;
    let item = format!(
        r#"{{"type":"response.output_item.done","item":{{"type":"message","content":[{{"type":"output_text","text":"{words}"}}]}}}}"#
    );
    let delta = r#"{"type":"response.output_text.delta","delta":" word"}"#;
    let so_far = |words: usize| {
        format!(
            r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"{}"}}}}]}}"#,
            " word".repeat(words)
        )
    };
    vec![
        of("chat on the path of completions", OpenaiCompletions, 1, vec![word.to_owned(); 9], 9),
        of("a tool named in every chunk", OpenaiChat, 12, vec![call.to_owned(); 9], 9),
        of("all so far in every chunk", OpenaiChat, 12, (1..10).map(so_far).collect(), 9),
        of("an item without its parts", OpenaiResponses, 12, vec![item.clone()], 40),
        of("two of them", OpenaiResponses, 12, vec![item.clone(); 2], 80),
        of("an item behind its parts", OpenaiResponses, 12, [vec![delta.to_owned(); 40], vec![item]].concat(), 40),
    ]
}
