//! Answers in another dialect than their route's: broken off, beside an error, short, failed.

use super::{Case, JSON, SSE, answer, asking, estimated, labelled, stream, whole};
use crate::domain::route::Meter;

/// Forty words of a chat, and what comes behind them.
fn words(name: &'static str, label: Option<&'static str>, text: String, tokens: u64) -> Case {
    let case = answer(text, stream(name, Meter::OpenaiChat, &[], [12, 0, 0, tokens], 0));
    estimated(labelled(label, case))
}

/// H4: words stay delivered whatever comes behind them: an error, a word of a proxy, a word of the route's own dialect.
pub(super) fn broken_off() -> Vec<Case> {
    let lines = r#"{"model":"m1","created_at":"2026-11-30T00:00:00Z","message":{"content":" word"},"done":false}"#;
    let ndjson = |rest: &str| format!("{}{rest}", format!("{lines}\n").repeat(40));
    let events = |event: &str, rest: &str| format!("{}{rest}", format!("data: {event}\n\n").repeat(40));
    let cohere = r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":" word"}}}}"#;
    let cloudflare = r#"{"response":" word","p":"abc"}"#;
    let anthropic = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}"#;
    let gemini = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":" word"}]}}]}"#;
    let responses = r#"{"type":"response.output_text.delta","item_id":"x","delta":" word"}"#;
    let error = "data: {\"error\":{\"message\":\"no\"}}\n\n";
    let named = "event: error\ndata: {\"message\":\"no\"}\n\n";
    let own = "data: {\"choices\":[{\"delta\":{\"content\":\" word\"}}]}\n\n";
    let json_lines = Some("application/x-ndjson");
    vec![
        words("H4: Ollama, and an error", json_lines, ndjson("{\"error\":\"unexpected EOF\"}\n"), 40),
        words("H4: Ollama, and a word of a proxy", json_lines, ndjson("upstream reset\n"), 44),
        words("H4: Ollama, and a word of a proxy among its own", json_lines, ndjson(&format!("word\n{lines}")), 42),
        words("H4: Cohere, and an error", SSE, events(cohere, error), 40),
        words("H4: Cohere, and an error by its name", SSE, events(cohere, named), 40),
        words("H4: Cohere, and a word of a proxy", SSE, events(cohere, "upstream reset\n\n"), 44),
        words("H4: Cohere, cut in a name", SSE, events(cohere, "even"), 41),
        words(
            "H4: Workers AI, and errors",
            SSE,
            events(cloudflare, "data: {\"errors\":[{\"message\":\"no\"}]}\n\n"),
            40,
        ),
        words("H4: Workers AI, and broken JSON", SSE, events(cloudflare, "data: {\"response\": oops\n\n"), 45),
        words("H4: Workers AI, and a word of a chat", SSE, events(cloudflare, own), 41),
        words("H4: Anthropic, and an error", SSE, events(anthropic, "data: {\"type\":\"error\",\"error\":{}}\n\n"), 40),
        words("H4: Gemini, and an error", SSE, events(gemini, error), 40),
        words(
            "H4: Responses, and an error",
            SSE,
            events(responses, "data: {\"type\":\"error\",\"message\":\"no\"}\n\n"),
            40,
        ),
    ]
}

/// M7 and M13: words beside an error in one statement, and one text under two names.
pub(super) fn beside() -> Vec<Case> {
    use Meter::OpenaiChat;
    let chat = |name, text: String, tokens| {
        estimated(labelled(JSON, answer(text, whole(name, OpenaiChat, "", [12, 0, 0, tokens], 0))))
    };
    let chunks = |name, chunk: &str| estimated(stream(name, OpenaiChat, &[chunk; 8], [12, 0, 0, 8], 0));
    let text = ["word"; 40].join(" ");
    vec![
        chat(
            "M7: an error in the choice",
            r#"{"choices":[{"message":{"content":"word word"},"finish_reason":"error","error":{"code":502}}]}"#.into(),
            2,
        ),
        chat(
            "M7: an error beside a message of Ollama",
            format!(r#"{{"message":{{"role":"assistant","content":"{text}"}},"error":"late"}}"#),
            40,
        ),
        chunks(
            "M7: an error that is none in each chunk",
            r#"{"choices":[{"delta":{"content":" word"}}],"error":{"code":0,"message":"success"}}"#,
        ),
        chunks("M13: content and text", r#"{"choices":[{"delta":{"type":"text","content":" word","text":" word"}}]}"#),
    ]
}

/// M8: what is no word of a failure is an answer.
pub(super) fn short() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiChat};
    let text = ["word"; 10].join(" ");
    let answers = [
        format!(r#"{{"generation":"{text}"}}"#),
        format!(r#"{{"generations":[{{"text":"{text}"}}]}}"#),
        format!(r#"{{"completions":[{{"data":{{"text":"{text}"}},"finishReason":{{"reason":"endoftext"}}}}]}}"#),
        format!(r#"{{"model_name":"m","model_version":"1","text_output":"{text}"}}"#),
        format!(r#"{{"predictions":["{text}"]}}"#),
        format!(r#"{{"event":"message","conversation_id":"x","answer":"{text}"}}"#),
        format!(
            r#"{{"header":{{"code":0,"message":"Success"}},"payload":{{"choices":{{"text":[{{"content":"{text}"}}]}}}}}}"#
        ),
        format!(r#"{{"messages":[{{"role":"assistant","content":"{text}"}}]}}"#),
        format!(r#"{{"output_text":"{text}"}}"#),
        format!(r#"{{"translations":[{{"text":"{text}"}}]}}"#),
    ];
    let of = |meter| {
        move |text: &String| estimated(answer(text.clone(), whole("M8: a short answer", meter, "", [12, 0, 0, 10], 0)))
    };
    let is_begun = |name, text: &str| {
        asking(r#","stream":true"#, Case { counts: [0; 4], ..labelled(JSON, words(name, JSON, text.into(), 0)) })
    };
    let mut cases: Vec<Case> = answers.iter().map(of(OpenaiChat)).collect();
    cases.extend(answers.iter().map(of(AnthropicMessages)));
    cases.extend([
        is_begun(
            "M8: Ollama has loaded a model",
            r#"{"model":"m1","created_at":"2026-11-30","done":true,"done_reason":"load"}"#,
        ),
        is_begun("M8: a job that is queued", r#"{"id":"x","status":"queued","urls":{"get":"https://a.example/x"}}"#),
        is_begun("M8: a trace", r#"{"exception":"RuntimeError","traceback":"File x line 1"}"#),
        is_begun("M8: a status of a function", r#"{"statusCode":502,"body":"no model is here"}"#),
    ]);
    cases
}

/// M9: failures under names of answers.
pub(super) fn failed() -> Vec<Case> {
    use Meter::{AnthropicMessages, GeminiGenerate, OpenaiChat, OpenaiEmbeddings, OpenaiImages, OpenaiSpeech, Rerank};
    let failures = [
        r#"{"success":false,"data":{"message":"no such model"}}"#,
        r#"{"success":false,"data":["no such model"]}"#,
        r#"{"code":1001,"message":"no","data":{"code":1001,"message":"no such model"}}"#,
        r#"{"output":{"code":"x","message":"no such model"},"request_id":"x-y-z-and-more-of-it"}"#,
        "null",
    ];
    let meters = [OpenaiChat, AnthropicMessages, GeminiGenerate, OpenaiEmbeddings, OpenaiImages, Rerank, OpenaiSpeech];
    let of = |meter| {
        move |text: &str| labelled(JSON, answer(text, whole("M9: a failure in an answer", meter, "", [0; 4], 0)))
    };
    meters.into_iter().flat_map(|meter| failures.map(of(meter))).collect()
}

/// M10: a page for people in place of events, whose first bytes might begin a drawing.
pub(super) fn pages() -> Vec<Case> {
    let long = format!("<!-- {} -->\ndata: a word\n\n<html>no such model</html>", "-".repeat(260));
    let pages = [&*long, "<!-- x -->\n<html>Bad gateway</html>", "<?xml version=\"1.0\"?>\n\n<html>Bad gateway</html>"];
    let meters = [Meter::OpenaiTranscriptions, Meter::OpenaiSpeech, Meter::OpenaiChat, Meter::OpenaiImages];
    let of = |meter| {
        move |text: &str| labelled(SSE, answer(text, whole("M10: a page in place of events", meter, "", [0; 4], 0)))
    };
    meters.into_iter().flat_map(|meter| pages.map(of(meter))).collect()
}
