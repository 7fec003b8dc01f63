//! Answers that clients read though they are no plain JSON of their format: words that are no values, depth, crowds, and answers in
//! another dialect than their route's.

use super::{Case, JSON, answer, asking, estimated, m1, read, stream, whole};
use crate::{
    domain::route::Meter,
    meter::{Asked, Reading, Ways, format},
};

fn chat(members: &str, counts: [u64; 4], cost: i64) -> Case {
    let text = r#"{"choices":[{"message":{"content":"word"}}],"#;
    answer(format!("{text}{members}}}"), whole("", Meter::OpenaiChat, "", counts, cost))
}

const U: &str = r#""usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}"#;

/// C6, C9: what a strict reader refuses loses no count.
pub(super) fn loose() -> Vec<Case> {
    let deep = |depth: usize, open: &str, close: &str| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let named = |name, case: Case| Case { name, ..case };
    let right = |members: String| chat(&members, [10, 0, 0, 5], 60_000_000);
    let word = r#"{"choices":[{"delta":{"content":" word"}}]}"#;
    let events = |name, usage: &str| {
        asking(
            r#","stream":true"#,
            stream(name, Meter::OpenaiChat, &[word, word, usage, "[DONE]"], [9, 0, 0, 40], 409_000_000),
        )
    };
    vec![
        named("lists that are deep before the usage", right(format!(r#""x":{},{U}"#, deep(200, "[", "]")))),
        named(
            "objects that are deep before the usage",
            right(format!(r#""x":{},{U}"#, deep(150, r#"{"a":"#, "}").replace(":}", ":1}"))),
        ),
        named("depth in the usage", right(U.replace("{\"p", &format!(r#"{{"x":{},"p"#, deep(200, "[", "]"))))),
        named("words that are no values", right(format!(r#""a":NaN,"b":[-Infinity,NaN],"c":None,"d":01,"e":.5,{U}"#))),
        named("a cost that is no number", right(U.replace("{\"p", r#"{"cost":NaN,"p"#))),
        named("a line feed in a text", right(format!("\"a\":\"x\ny\",\"b\":\"\\x \\u12\",{U}"))),
        events(
            "a usage with a word in it is read and taken out",
            r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":40,"total_tokens":49,"cost":NaN}}"#,
        ),
        events(
            "a usage beside what is deep",
            &format!(
                r#"{{"choices":[],"x":{},"usage":{{"prompt_tokens":9,"completion_tokens":40}}}}"#,
                deep(200, "[", "]")
            ),
        ),
        estimated(stream(
            "a text beside a word",
            Meter::OpenaiChat,
            &[r#"{"choices":[{"delta":{"content":"word word"},"logprobs":NaN}]}"#],
            [12, 0, 0, 2],
            0,
        )),
        estimated(answer(
            r#"{"choices":[]} word word"#,
            whole("words behind JSON with nothing in it", Meter::OpenaiChat, "", [0; 4], 0),
        )),
    ]
}

/// C2: counts in the words of other services.
pub(super) fn words() -> Vec<Case> {
    use Meter::{GeminiGenerate, OpenaiChat};
    let ollama = r#"{"model":"m1","message":{"role":"assistant","content":"word"},"done":true,"prompt_eval_count":9,"eval_count":8}"#;
    let gemini = |name, usage: &str, counts, cost| {
        let text = r#"{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"finish_reason":"STOP"}],"usage_metadata":"#;
        answer(format!("{text}{usage}}}"), whole(name, GeminiGenerate, "", counts, cost))
    };
    vec![
        answer(ollama, whole("Ollama's counts", OpenaiChat, "", [9, 0, 0, 8], 89_000_000)),
        stream(
            "llama.cpp's timings",
            OpenaiChat,
            &[
                r#"{"choices":[{"delta":{"content":"a"}}]}"#,
                r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"timings":{"cache_n":4,"prompt_n":5,"predicted_n":8}}"#,
            ],
            [9, 4, 0, 8],
            85_400_000,
        ),
        stream(
            "timings, and usage behind them",
            OpenaiChat,
            &[
                r#"{"choices":[{"delta":{"content":"a"}}],"timings":{"prompt_n":1,"predicted_n":1}}"#,
                r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":8}}"#,
            ],
            [9, 0, 0, 8],
            89_000_000,
        ),
        gemini(
            "Gemini's names in its Python SDK",
            r#"{"prompt_token_count":10,"candidates_token_count":5,"thoughts_token_count":3,"cached_content_token_count":4,"total_token_count":18}"#,
            [10, 4, 0, 8],
            86_400_000,
        ),
        gemini(
            "what a tool read, in these names",
            r#"{"prompt_token_count":10,"tool_use_prompt_token_count":7,"candidates_token_count":5}"#,
            [17, 0, 0, 5],
            67_000_000,
        ),
    ]
}

/// C4: an answer in another dialect counts by its text.
pub(super) fn others() -> Vec<Case> {
    use Meter::{AnthropicMessages, GeminiGenerate, OpenaiChat};
    let text = ["word"; 40].join(" ");
    let of = |name, meter, text: String| estimated(answer(text, whole(name, meter, "", [12, 0, 0, 40], 0)));
    let token = r#"{"token":{"text":" word","id":7,"special":false}}"#;
    vec![
        of("a reply", OpenaiChat, format!(r#"{{"reply":"{text}"}}"#)),
        of("a JSON text", OpenaiChat, format!(r#""{text}""#)),
        of("a list of texts", OpenaiChat, format!(r#"["{text}"]"#)),
        of("TGI's text", OpenaiChat, format!(r#"[{{"generated_text":"{text}"}}]"#)),
        of(
            "Anthropic's message",
            OpenaiChat,
            format!(r#"{{"type":"message","role":"assistant","content":[{{"type":"text","text":"{text}"}}]}}"#),
        ),
        of(
            "Gemini's candidates",
            OpenaiChat,
            format!(r#"{{"candidates":[{{"content":{{"role":"model","parts":[{{"text":"{text}"}}]}}}}]}}"#),
        ),
        of(
            "Ollama's message",
            OpenaiChat,
            format!(r#"{{"model":"m1","message":{{"role":"assistant","content":"{text}"}}}}"#),
        ),
        of(
            "Cloudflare's response",
            OpenaiChat,
            format!(r#"{{"success":true,"errors":[],"messages":[],"result":{{"response":"{text}"}}}}"#),
        ),
        of(
            "a choice on a route of messages",
            AnthropicMessages,
            format!(r#"{{"choices":[{{"message":{{"role":"assistant","content":"{text}"}}}}]}}"#),
        ),
        of(
            "a choice on a route of Gemini",
            GeminiGenerate,
            format!(r#"{{"choices":[{{"message":{{"content":"{text}"}}}}]}}"#),
        ),
        of("a few words where answers are", OpenaiChat, r#"{"content":[{"type":"text","text":"word word"}]}"#.into()),
        estimated(stream("TGI's events", OpenaiChat, &[token; 40], [12, 0, 0, 40], 0)),
    ]
    .into_iter()
    .map(|case| match case.name {
        "a few words where answers are" => Case { counts: [12, 0, 0, 2], ..case },
        // Its prompt is in another dialect too.
        "a choice on a route of Gemini" => Case { counts: [1, 0, 0, 40], ..case },
        _ => case,
    })
    .collect()
}

/// C8: an answer in name only costs nothing, whoever breaks it off.
pub(super) fn empty() -> Vec<Case> {
    use Meter::{GeminiGenerate, OpenaiChat, OpenaiResponses};
    let free = |name, meter, text: &str| Case { label: JSON, ..answer(text, whole(name, meter, "", [0; 4], 0)) };
    vec![
        free("a choice that is null", OpenaiChat, r#"{"choices":[null]}"#),
        free("a choice of nothing", OpenaiChat, r#"{"choices":[{}]}"#),
        free("a message that is null", OpenaiChat, r#"{"choices":[{"index":0,"message":null,"finish_reason":null}]}"#),
        free(
            "what a filter left of an answer",
            OpenaiChat,
            r#"{"choices":[{"message":{"role":"assistant","content":null},"finish_reason":"content_filter"}]}"#,
        ),
        free(
            "what a filter left, in Gemini's words",
            GeminiGenerate,
            r#"{"candidates":[{"finishReason":"SAFETY","index":0,"safetyRatings":[{"category":"HARM","probability":"HIGH"}]}]}"#,
        ),
        stream(
            "a role, and an error as the reason",
            OpenaiChat,
            &[
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
                r#"{"choices":[{"index":0,"delta":{},"finish_reason":"error"}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#,
            ],
            [0; 4],
            0,
        ),
        stream(
            "a response that is only begun",
            OpenaiResponses,
            &[
                r#"{"type":"response.created","response":{"id":"r","instructions":"You are a poet of many long words","output":[]}}"#,
            ],
            [0; 4],
            0,
        ),
        free(
            "an error in words of its own",
            OpenaiChat,
            r#"{"ok":false,"info":"The model is overloaded, please try again later"}"#,
        ),
        whole(
            "a filtered answer whose usage is stated",
            OpenaiChat,
            r#"{"prompt_tokens":9,"completion_tokens":0,"total_tokens":9}"#,
            [9, 0, 0, 0],
            9_000_000,
        ),
    ]
}

#[test]
fn a_crowd_loses_no_count() {
    let crowd = |members: usize| (0..members).map(|at| format!(r#""m{at}":{at},"#)).collect::<Vec<_>>().concat();
    let rounds = |rounds: usize| vec![r#"{"input_tokens":0,"output_tokens":0}"#; rounds].join(",");
    for (case, counts) in [
        (chat(&format!("{}{U}", crowd(20_000)), [0; 4], 0), (10, 5)),
        (chat(&format!(r#"{U},{}"x":1"#, crowd(20_000)), [0; 4], 0), (10, 5)),
        (chat(&U.replace("{\"p", &format!("{{{}\"p", crowd(20_000))), [0; 4], 0), (10, 5)),
        (chat(&U.replace("15}", &format!(r#"15,"iterations":[{}]}}"#, rounds(5_000))), [0; 4], 0), (10, 5)),
        // Too long to be read as a whole.
        (chat(&U.replace("15}", &format!(r#"15,"iterations":[{}]}}"#, rounds(20_000))), [0; 4], 0), (10, 5)),
        (chat(&format!("{}{U}", crowd(90_000)), [0; 4], 0), (10, 5)),
        (chat(&format!(r#"{U},{}"x":1"#, crowd(90_000)), [0; 4], 0), (10, 5)),
    ] {
        let usage = read(&case, &[case.answer.as_bytes()]).1;
        assert_eq!((usage.usage.input_tokens, usage.usage.output_tokens, usage.estimated), (counts.0, counts.1, false));
    }
}

#[test]
fn the_cache_of_a_model_of_openai_is_in_its_input_on_bedrock_too() {
    let usage = r#""usage":{"inputTokens":12401,"cacheReadInputTokens":8367,"cacheWriteInputTokens":4032,"outputTokens":5,"totalTokens":24805}"#;
    let whole = format!(r#"{{"output":{{"message":{{"content":[{{"text":"a"}}]}}}},{usage}}}"#);
    for (model, alias, input) in [
        ("openai.gpt-5.6-v1:0", None, 12_401),
        ("us.openai.gpt-oss-120b-1:0", None, 12_401),
        ("fast", Some("global.openai.gpt-5.6-v1:0"), 12_401),
        ("anthropic.claude-sonnet-4-5-v1:0", None, 24_800),
    ] {
        let path = format!("/model/{model}/converse");
        let asked =
            Asked::read(format(Meter::BedrockConverse).unwrap(), &path, r#"{"messages":[]}"#.into(), &|_| false);
        let bound = asked.unwrap().bound(&[&m1()], Ways { model: alias, ..Ways::default() }).unwrap();
        let mut reading = Reading::new(bound, JSON, None);
        drop(reading.pass(whole.clone().into()));
        drop(reading.rest());
        let taken = reading.taken();
        assert_eq!(
            (taken.usage.input_tokens, taken.usage.cached_tokens, taken.estimated),
            (input, 8_367, false),
            "{model}"
        );
    }
}

#[test]
fn what_the_upstream_cuts_before_anything_came_costs_nothing() {
    let begun = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
    for (events, is_free) in
        [(vec![], true), (vec![begun], true), (vec![begun, r#"{"choices":[{"delta":{"content":"a"}}]}"#], false)]
    {
        let case = stream("", Meter::OpenaiChat, &events, [0; 4], 0);
        let asked = Asked::read(format(case.meter).unwrap(), "/", r#"{"model":"m1","stream":true}"#.into(), &|_| false);
        let bound = asked.unwrap().bound(&[&m1()], Ways::default()).unwrap();
        let reading = |is_cut: bool| {
            let mut reading = Reading::new(bound.clone(), case.label, None);
            drop(reading.pass(case.answer.clone().into()));
            if is_cut {
                reading.cut();
            }
            reading.taken()
        };
        assert_eq!(reading(true).failed, is_free, "{events:?}");
        assert!(!reading(false).failed, "a client that leaves pays for what was asked: {events:?}");
    }
}
