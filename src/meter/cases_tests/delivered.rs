//! Answers by what they deliver: their text, their form, errors.

use super::{Case, JSON, asking, estimated, labelled, stream, whole};
use crate::domain::route::Meter;

/// C3: texts that count, and what is none.
pub(super) fn texts() -> Vec<Case> {
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

/// Counts that are none, of which each by itself is left out: what was delivered counts in its place.
pub(super) fn no_counts() -> Vec<Case> {
    use Meter::OpenaiChat;
    let answer = |usage: &str| {
        format!(r#"{{"model":"m1","choices":[{{"message":{{"content":"word word"}}}}],"usage":{usage}}}"#)
    };
    let of = |name, usage: &str, counts: [u64; 4]| {
        let case = whole(name, OpenaiChat, "", counts, 0);
        estimated(Case { answer: answer(usage), ..case })
    };
    let deep = format!(r#"{{"prompt_tokens":{}1{},"completion_tokens":8}}"#, "[".repeat(60), "]".repeat(60));
    vec![
        of("negative", r#"{"prompt_tokens":-9,"completion_tokens":8}"#, [12, 0, 0, 8]),
        of("negative output", r#"{"prompt_tokens":9,"completion_tokens":-8}"#, [9, 0, 0, 2]),
        of("beyond any number", r#"{"prompt_tokens":99999999999999999999999,"completion_tokens":8}"#, [12, 0, 0, 8]),
        of("beyond what is sane", r#"{"prompt_tokens":9,"completion_tokens":18446744073709551615}"#, [9, 0, 0, 2]),
        of("a fraction with an exponent", r#"{"prompt_tokens":9.5e0,"completion_tokens":8}"#, [12, 0, 0, 8]),
        of("a fraction", r#"{"prompt_tokens":9.5,"completion_tokens":8}"#, [12, 0, 0, 8]),
        of("a text", r#"{"prompt_tokens":"9","completion_tokens":8}"#, [12, 0, 0, 8]),
        of("true", r#"{"prompt_tokens":true,"completion_tokens":8}"#, [12, 0, 0, 8]),
        of("a list", &deep, [12, 0, 0, 8]),
        of("nothing of the prompt", r#"{"prompt_tokens":0,"completion_tokens":8}"#, [12, 0, 0, 8]),
        of("a list in place of usage", r"[1,2]", [12, 0, 0, 2]),
        Case {
            answer: answer(r#"{"prompt_tokens":1,"prompt_tokens":9,"completion_tokens":8}"#),
            ..whole("said twice, of which parsers take the last", OpenaiChat, "", [9, 0, 0, 8], 89_000_000)
        },
        Case {
            answer: answer(r#"{"prompt_tokens":9,"completion_tokens":8,"cached_tokens":-1}"#),
            ..whole("cached that is negative", OpenaiChat, "", [9, 0, 0, 8], 89_000_000)
        },
        Case {
            answer: answer(r#"{"prompt_tokens":9,"completion_tokens":8,"total_tokens":-17}"#),
            ..whole("a total that is negative", OpenaiChat, "", [9, 0, 0, 8], 89_000_000)
        },
    ]
}

/// C4, C8, C10: the form of an answer, an error in a 200, a byte order mark.
pub(super) fn forms() -> Vec<Case> {
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
        free(Case {
            answer: "event: error\ndata: {\"message\":\"no\"}\n\n".into(),
            ..sound("an error by the name of its event")
        }),
        free(Case { answer: r#"{"object":"error","message":"no"}"#.into(), label: JSON, ..sound("an error of vLLM") }),
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
