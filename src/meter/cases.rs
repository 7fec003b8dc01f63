//! The table of cases: what is asked, what is answered, what that took and what it costs, to the pico-USD.

use bytes::Bytes;

use super::{Asked, Reading, Taken, Ways, format};
use crate::domain::{
    price::{Most, Price, PriceSpec},
    route::Meter,
};

/// One call.
struct Case {
    name: &'static str,
    meter: Meter,
    /// Members of the request besides the model.
    asked: String,
    answer: String,
    label: Option<&'static str>,
    /// Input, cached, cache writes, output.
    counts: [u64; 4],
    /// Pico-USD at the prices of `m1`; of an estimate it is not looked at.
    cost: i64,
    estimated: bool,
}

/// USD a million tokens: 1 in, 10 out, 100_000 cached, 1_250_000 cache write; 1,000 out, 100,000 in.
fn m1() -> Price {
    let spec = PriceSpec {
        model: "m1".into(),
        input_usd: "1".into(),
        output_usd: "10".into(),
        cached_input_usd: Some("0.1".into()),
        cache_write_usd: Some("1.25".into()),
        max_output_tokens: 1_000,
        max_input_tokens: Some(100_000),
        ..PriceSpec::default()
    };
    spec.price().unwrap()
}

const SSE: Option<&str> = Some("text/event-stream");
const JSON: Option<&str> = Some("application/json");

fn whole(name: &'static str, meter: Meter, usage: &str, counts: [u64; 4], cost: i64) -> Case {
    let answer = format!(r#"{{"id":"x","model":"m1","choices":[{{"message":{{"content":""}}}}],"usage":{usage}}}"#);
    Case { name, meter, asked: String::new(), answer, label: JSON, counts, cost, estimated: false }
}

fn stream(name: &'static str, meter: Meter, events: &[&str], counts: [u64; 4], cost: i64) -> Case {
    let answer = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    Case { name, meter, asked: r#","stream":true"#.into(), answer, label: SSE, counts, cost, estimated: false }
}

fn estimated(case: Case) -> Case {
    Case { estimated: true, ..case }
}

fn labelled(label: Option<&'static str>, case: Case) -> Case {
    Case { label, ..case }
}

fn asking(asked: &str, case: Case) -> Case {
    Case { asked: asked.to_owned(), ..case }
}

/// C1 and C2: counts above the table, under other names, in other places.
fn counts() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiChat, OpenaiEmbeddings, OpenaiResponses};
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
            "compaction",
            AnthropicMessages,
            r#"{"input_tokens":23000,"output_tokens":1000,"iterations":[{"type":"compaction","input_tokens":180000,"output_tokens":3500},{"type":"message","input_tokens":23000,"output_tokens":1000}]}"#,
            [203_000, 0, 0, 4_500],
            248_000_000_000,
        ),
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

/// More formats on the same table.
fn formats() -> Vec<Case> {
    use Meter::{BedrockConverse, GeminiGenerate, OpenaiCompletions, OpenaiImages, Rerank};
    let answer = |answer: &str, case: Case| Case { answer: answer.to_owned(), ..case };
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
            r#"{"input_tokens":50,"output_tokens":700,"total_tokens":750,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}"#,
            [50, 0, 0, 700],
            7_050_000_000,
        ),
    ]
}

/// C3: texts that count, and what is none.
fn texts() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiChat, OpenaiResponses};
    let chat = |delta: &str| format!(r#"{{"choices":[{{"index":0,{delta}}}]}}"#);
    let filtered =
        chat(r#""content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"delta":{"content":" word"}"#);
    let reasoning = chat(
        r#""delta":{"reasoning":" word","reasoning_content":" word","reasoning_details":[{"type":"reasoning.text","text":" word","signature":"abcdefgh"}]}"#,
    );
    let logged = chat(
        r#""delta":{"content":" word"},"logprobs":{"content":[{"token":" word","bytes":[32],"top_logprobs":[]}]}"#,
    );
    let signed = chat(
        r#""delta":{"content":"","extra_content":{"google":{"thought_signature":"aaaaaaaaaaaaaaaa"}},"tool_calls":[{"id":"call_1","function":{"name":"word","arguments":""}}]}"#,
    );
    let half = r#"{"choices":[{"delta":{"content":"word \ud83d"}}]}"#;
    let words = |event: &str, times: usize| vec![event.to_owned(); times];
    let of = |name, meter, events: Vec<String>, output: u64| {
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        estimated(stream(name, meter, &events, [12, 0, 0, output], 0))
    };
    vec![
        of("filters are no text", OpenaiChat, words(&filtered, 8), 8),
        of("thoughts under three names", OpenaiChat, words(&reasoning, 8), 8),
        of("log probabilities", OpenaiChat, words(&logged, 8), 8),
        of("signatures and ids", OpenaiChat, words(&signed, 8), 8),
        of("half a pair of surrogates", OpenaiChat, words(half, 4), 8),
        of("citations", AnthropicMessages, [words(r#"{"type":"content_block_delta","delta":{"type":"citations_delta","citation":{"cited_text":"many many words in here"}}}"#, 5), words(r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":" word"}}"#, 6)].concat(), 6),
        of("audio", OpenaiResponses, [words(r#"{"type":"response.output_audio.delta","delta":"QUJDREVGR0g="}"#, 5), words(r#"{"type":"response.output_audio_transcript.delta","delta":" word"}"#, 3)].concat(), 3),
        of("an end that says all again", OpenaiResponses, [words(r#"{"type":"response.output_text.delta","delta":" word"}"#, 3), words(r#"{"type":"response.output_item.done","item":{"type":"message","content":[{"text":" word word word"}]}}"#, 1)].concat(), 3),
    ]
}

/// C4, C8, C10: the form of an answer, an error in a 200, a byte order mark.
fn forms() -> Vec<Case> {
    use Meter::{AnthropicMessages, OpenaiChat};
    let events = [
        r#"{"choices":[{"delta":{"content":"a"}}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":8}}"#,
        "[DONE]",
    ];
    let sound = |name| stream(name, OpenaiChat, &events, [9, 0, 0, 8], 89_000_000);
    let json =
        r#"{"model":"m1","choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":100}}"#;
    let of_json =
        |name, answer: String| Case { answer, ..stream(name, OpenaiChat, &[], [9, 0, 0, 100], 1_009_000_000) };
    let free = |case: Case| Case { counts: [0; 4], cost: 0, ..case };
    let marked = stream(
        "",
        AnthropicMessages,
        &[
            r#"{"type":"message_start","message":{"usage":{"input_tokens":5,"output_tokens":1}}}"#,
            r#"{"type":"message_delta","usage":{"output_tokens":8}}"#,
        ],
        [5, 0, 0, 8],
        85_000_000,
    );
    vec![
        labelled(Some("text/plain"), sound("events as plain text")),
        labelled(JSON, sound("events as JSON")),
        labelled(None, sound("events without a label")),
        of_json("JSON as events", json.into()),
        of_json("JSON with an end of events", format!("{json}\n\ndata: [DONE]\n\n")),
        labelled(JSON, of_json("JSON though events were asked for", json.into())),
        Case { answer: format!("\u{feff}{}", marked.answer), name: "a byte order mark before events", ..marked },
        Case { answer: format!("\u{feff}{json}"), name: "a byte order mark before JSON", ..of_json("", String::new()) },
        free(Case { answer: r#"{"error":{"code":502,"message":"no"}}"#.into(), ..sound("an error as JSON") }),
        free(Case {
            answer: r#"{"choices":null,"error":"no"}"#.into(),
            label: JSON,
            ..sound("an error and no choices")
        }),
        free(stream(
            "an error as the first event",
            OpenaiChat,
            &[r#"{"error":{"code":502,"message":"no"}}"#, "[DONE]"],
            [0; 4],
            0,
        )),
        free(stream(
            "an error of Anthropic",
            AnthropicMessages,
            &[r#"{"type":"error","error":{"type":"overloaded_error"}}"#],
            [0; 4],
            0,
        )),
        free(Case { answer: String::new(), ..sound("an empty stream") }),
        free(Case { answer: ": ping\n\ndata: [DONE]\n\n".into(), ..sound("a stream of nothing") }),
        estimated(stream(
            "an error behind a word",
            OpenaiChat,
            &[r#"{"choices":[{"delta":{"content":"word"}}]}"#, r#"{"error":{"code":502}}"#],
            [12, 0, 0, 1],
            0,
        )),
        asking(
            r#","max_tokens":5"#,
            whole("no error", OpenaiChat, r#"{"prompt_tokens":9,"completion_tokens":5}"#, [9, 0, 0, 5], 59_000_000),
        ),
    ]
}

fn cases() -> Vec<Case> {
    [counts(), formats(), texts(), forms()].into_iter().flatten().collect()
}

fn read(case: &Case, pieces: &[&[u8]]) -> (Vec<u8>, Taken) {
    let prompt = if case.meter == Meter::OpenaiResponses { "input" } else { "messages" };
    let body = format!(
        r#"{{"model":"m1","{prompt}":[{{"role":"user","content":"How long is it, and why?"}}]{}}}"#,
        case.asked
    );
    let path = "/v1beta/models/m1:generateContent";
    let asked = Asked::read(format(case.meter).unwrap(), path, body.into(), &|_| false).unwrap();
    let bound = asked.bound(&[&m1()], Ways::default()).unwrap();
    let mut reading = Reading::new(bound, case.label, None);
    let mut passed = vec![];
    for piece in pieces {
        passed.extend_from_slice(&reading.pass(Bytes::copy_from_slice(piece)));
    }
    passed.extend_from_slice(&reading.rest());
    (passed, reading.taken())
}

#[test]
fn every_case_of_the_table_is_counted_and_billed_right_wherever_it_is_cut() {
    let cases = cases();
    assert!(cases.len() > 50, "{}", cases.len());
    for case in &cases {
        let answer = case.answer.as_bytes();
        let (passed, taken) = read(case, &[answer]);
        let usage = taken.usage;
        if taken.failed {
            assert_eq!(case.counts, [0; 4], "{}: {taken:?}", case.name);
        } else {
            let counts = [usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens];
            assert_eq!((counts, taken.estimated), (case.counts, case.estimated), "{}", case.name);
            let cost = m1().cost(&usage, &taken.extras).unwrap().pusd();
            assert!(case.estimated || cost == case.cost, "{}: {cost} for {}", case.name, case.cost);
        }
        for at in 0..=answer.len() {
            let (head, tail) = answer.split_at(at);
            assert_eq!(read(case, &[head, tail]), (passed.clone(), taken.clone()), "{} cut at {at}", case.name);
        }
        assert_eq!(read(case, &answer.chunks(1).collect::<Vec<_>>()), (passed, taken), "{}", case.name);
    }
}

#[test]
fn a_hold_covers_the_hour_in_the_cache_and_no_more_where_none_is_asked_for() {
    let hold = |members: &str| {
        let body = format!(r#"{{"model":"m1","max_tokens":10,"system":[{{"type":"text","text":"x"{members}}}]}}"#);
        let asked = Asked::read(format(Meter::AnthropicMessages).unwrap(), "/", body.into(), &|_| false).unwrap();
        let bound = asked.bound(&[&m1()], Ways::default()).unwrap();
        let most = Most { input_tokens: 1_000, output_tokens: 0, has_long_cache: bound.has_long_cache };
        m1().bound(&most).unwrap().pusd()
    };
    assert_eq!(hold(r#","cache_control":{"type":"ephemeral"}"#), 1_250_000_000);
    assert_eq!(hold(r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#), 2_000_000_000);
}
