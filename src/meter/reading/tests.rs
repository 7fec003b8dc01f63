//! Answers of every format, whole and in events, cut anywhere, true and lying.

use proptest::prelude::*;

use super::*;
use crate::{
    domain::{
        money::Money,
        price::{Most, Price, Rates},
        route::Meter,
        usage::{Extras, Usage},
    },
    meter::{Asked, Ways, events::MAX_BYTES, format},
};

const SSE: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";

fn price() -> Price {
    let base = Rates {
        input: 3,
        cached_input: 1,
        cache_write: 4,
        long_cache_write: 6,
        output: 5,
        reasoning: 6,
        audio_input: None,
        audio_output: None,
        image_input: 3,
        image_output: 5,
    };
    let (service_tiers, per_call) = (vec![], Money::ZERO);
    Price { base, tiers: vec![], service_tiers, per_call, max_output_tokens: 1_000, max_input_tokens: Some(2_000) }
}

fn bound(meter: Meter, members: &str) -> Bound {
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"Hello there"}}]{members}}}"#);
    asked(meter, body.into()).unwrap().bound(&[&price()], Ways::default()).unwrap()
}

fn asked(meter: Meter, body: Bytes) -> Option<Asked> {
    Asked::read(format(meter).unwrap(), "/", body, &|_| false).ok()
}

/// What the client gets and what was taken, with the answer in these pieces.
fn read(bound: Bound, content_type: &str, pieces: &[&[u8]]) -> (Vec<u8>, Taken) {
    let mut reading = Reading::new(bound, Some(content_type), None);
    let mut passed: Vec<u8> = vec![];
    for piece in pieces {
        passed.extend_from_slice(&reading.pass(Bytes::copy_from_slice(piece)));
    }
    passed.extend_from_slice(&reading.rest());
    (passed, reading.taken())
}

/// The same in one piece, byte by byte, and cut in two at every byte.
fn read_any(make: impl Fn() -> Bound, content_type: &str, text: &str) -> (String, Taken) {
    let text = text.as_bytes();
    let (passed, taken) = read(make(), content_type, &[text]);
    assert_eq!(read(make(), content_type, &text.chunks(1).collect::<Vec<_>>()), (passed.clone(), taken.clone()));
    for at in 0..=text.len() {
        let (head, tail) = text.split_at(at);
        assert_eq!(read(make(), content_type, &[head, tail]), (passed.clone(), taken.clone()), "cut at {at}");
    }
    (String::from_utf8(passed).unwrap(), taken)
}

fn usage(input: u64, cached: u64, written: u64, output: u64, reasoning: u64) -> Usage {
    Usage {
        input_tokens: input,
        cached_tokens: cached,
        cache_write_tokens: written,
        output_tokens: output,
        reasoning_tokens: reasoning,
    }
}

#[test]
fn whole_answers_of_every_format_state_their_usage() {
    use Meter::{AnthropicMessages, OpenaiChat, OpenaiEmbeddings, OpenaiResponses};
    for (meter, stated, expected) in [
        (
            OpenaiChat,
            r#"{"prompt_tokens":30,"completion_tokens":40,"prompt_tokens_details":{"cached_tokens":10},
                "completion_tokens_details":{"reasoning_tokens":15}}"#,
            usage(30, 10, 0, 40, 15),
        ),
        (
            OpenaiResponses,
            r#"{"input_tokens":30,"output_tokens":40,"input_tokens_details":{"cached_tokens":10},
                "output_tokens_details":{"reasoning_tokens":15}}"#,
            usage(30, 10, 0, 40, 15),
        ),
        (OpenaiEmbeddings, r#"{"prompt_tokens":30,"total_tokens":30}"#, usage(30, 0, 0, 0, 0)),
        (
            AnthropicMessages,
            r#"{"input_tokens":3,"output_tokens":4,"cache_read_input_tokens":5,"cache_creation_input_tokens":6}"#,
            usage(14, 5, 6, 4, 0),
        ),
    ] {
        let answer = format!(r#"{{"id":"x","model":"m-2","content":[],"usage":{stated}}}"#);
        let (passed, taken) = read_any(|| bound(meter, ""), JSON, &answer);
        assert_eq!(passed, answer);
        assert_eq!((taken.usage, taken.estimated, taken.model.as_deref()), (expected, false, Some("m-2")), "{meter:?}");
    }
}

#[test]
fn streams_of_every_format_state_their_usage() {
    use Meter::{AnthropicMessages, OpenaiChat, OpenaiResponses};
    let chat = "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\r\n\r\n\
                data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\r\n\r\ndata: [DONE]\r\n\r\n";
    let responses = "event: response.created\ndata: {\"response\":{\"model\":\"m\",\"usage\":null}}\n\n\
                     data: {\"delta\":\"a\"}\n\n\
                     data: {\"response\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}}\n\n";
    let messages = "event: message_start\n\
                    data: {\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":2,\"output_tokens\":1,\
                    \"cache_read_input_tokens\":1}}}\n\n\
                    data: {\"delta\":{\"text\":\"\\\"usage\\\": 5\"}}\n\n\
                    data: {\"usage\":{\"output_tokens\":2}}\n\ndata: {\"usage\":{\"output_tokens\":4}}\n\n";
    for (meter, text, cached) in
        [(OpenaiChat, chat, 0), (OpenaiResponses, responses, 0), (AnthropicMessages, messages, 1)]
    {
        let (passed, taken) = read_any(|| bound(meter, ""), SSE, text);
        assert_eq!(passed, text);
        let expected = (usage(3, cached, 0, 4, 0), false, Some("m"));
        assert_eq!((taken.usage, taken.estimated, taken.model.as_deref()), expected, "{meter:?}");
    }
}

#[test]
fn the_chunk_that_nobody_asked_for_is_stripped_and_nothing_else() {
    for end in ["\n", "\r\n", "\r"] {
        let line = |text: &str| format!("{text}{end}{end}");
        let extra = line("data: {\"choices\": [ ],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}");
        let first = [
            line(": a comment"),
            line("data: {\"choices\":[],\"prompt_filter_results\":[]}"),
            line("data: {\"choices\":[],\"usage\":null}"),
            line("data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1}}"),
            line("data: {\"choices\":[{\"delta\":{\"content\":\"\\\"choices\\\":[],\\\"usage\\\":{}\"}}]}"),
        ]
        .concat();
        let last = line("data: [DONE]");
        let stream = [&*first, &extra, &last].concat();
        let (passed, taken) = read_any(|| bound(Meter::OpenaiChat, r#","stream":true"#), SSE, &stream);
        assert_eq!(passed, [first, last].concat());
        assert_eq!((taken.usage, taken.estimated), (usage(3, 0, 0, 4, 0), false));
        let asked = r#","stream":true,"stream_options":{"include_usage":true}"#;
        assert_eq!(read_any(|| bound(Meter::OpenaiChat, asked), SSE, &stream).0, stream);
    }
}

#[test]
fn texts_where_other_formats_have_objects_hide_no_usage() {
    for other in [r#""fine""#, "7", "[]", "null", r#"{"usage":"much"}"#] {
        let answer = format!(
            r#"{{"message":{other},"response":{other},"choices":[],"usage":{{"prompt_tokens":3,"completion_tokens":4}}}}"#
        );
        let (_, taken) = read(bound(Meter::OpenaiChat, ""), JSON, &[answer.as_bytes()]);
        assert_eq!((taken.usage, taken.estimated), (usage(3, 0, 0, 4, 0), false), "{other}");
    }
}

#[test]
fn what_is_no_plain_count_is_estimated_by_what_was_delivered() {
    for count in ["0", "null", "-1", "1.5", "\"7\"", "1.5e0", "99999999999999999999999", "true", "[]", "99999999999"] {
        let answer = format!(
            r#"{{"choices":[{{"role":"x","message":{{"content":"four fivex"}}}}],"usage":{{"prompt_tokens":{count},"completion_tokens":{count}}}}}"#
        );
        let (_, taken) = read(bound(Meter::OpenaiChat, ""), JSON, &[answer.as_bytes()]);
        assert_eq!((taken.usage.output_tokens, taken.estimated), (3, true), "{count}");
        assert_eq!(taken.usage.input_tokens, bound(Meter::OpenaiChat, "").estimated_input_tokens, "{count}");
    }
    for missing in [r#"{"choices":[{"message":{"content":"four"}}]}"#, r#"{"usage":7,"choices":["four"]}"#] {
        let (_, taken) = read(bound(Meter::OpenaiChat, ""), JSON, &[missing.as_bytes()]);
        assert_eq!((taken.usage.output_tokens, taken.estimated), (1, true), "{missing}");
    }
}

#[test]
fn a_stream_without_its_end_is_estimated_and_no_less_than_was_stated() {
    let started = "data: {\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n";
    let word = "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"word\"}}\n\n";
    let stream = [started, word, word, word].concat();
    let (_, taken) = read_any(|| bound(Meter::AnthropicMessages, ""), SSE, &stream);
    assert_eq!((taken.usage, taken.estimated), (usage(9, 0, 0, 3, 0), true));
    let lied = format!("{started}{word}data: {{\"usage\":{{\"output_tokens\":-5}}}}\n\n");
    let (_, taken) = read_any(|| bound(Meter::AnthropicMessages, ""), SSE, &lied);
    assert_eq!((taken.usage.output_tokens, taken.estimated), (1, true));
}

#[test]
fn a_last_usage_that_counts_no_output_ends_nothing() {
    let started = "data: {\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n";
    let word = "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"word\"}}\n\n";
    for last in ["{}", r#"{"output_tokens":null}"#, r#"{"input_tokens":9}"#, r#"{"cache_read_input_tokens":0}"#] {
        let stream = format!("{started}{word}{word}{word}data: {{\"delta\":{{}},\"usage\":{last}}}\n\n");
        let (_, taken) = read_any(|| bound(Meter::AnthropicMessages, ""), SSE, &stream);
        assert_eq!((taken.usage, taken.estimated), (usage(9, 0, 0, 3, 0), true), "{last}");
    }
}

#[test]
fn text_in_an_event_that_cannot_be_read_is_counted_as_it_passed() {
    let words = "word ".repeat(40);
    for event in [
        format!(r#"{{"type":"response.output_text.delta","delta":"\ud83d {words}"}}"#),
        format!(r#"{{"type":"response.output_text.delta","delta":"{words}","logprob":NaN}}"#),
        format!(r#"{{"type":"response.output_text.delta","delta":"q","delta":"{words}"}}"#),
        format!(r#"{{"type":"response.completed","response":{{"output":[{{"content":[{{"text":"{words}"}}]}}]}}}}"#),
    ] {
        let stream = format!("data: {event}\n\ndata: [DONE]\n\n");
        let (_, taken) = read_any(|| bound(Meter::OpenaiResponses, ""), SSE, &stream);
        assert!((40..90).contains(&taken.usage.output_tokens) && taken.estimated, "{event}: {taken:?}");
    }
    let broken = [&b"data: {\"delta\":\"\xff"[..], words.as_bytes(), b"\"}\n\n"].concat();
    let (_, taken) = read(bound(Meter::OpenaiResponses, ""), SSE, &[&broken]);
    assert!((40..90).contains(&taken.usage.output_tokens) && taken.estimated, "{taken:?}");
}

#[test]
fn what_is_said_again_at_the_end_is_counted_once() {
    let word = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"word\"}\n\n";
    let end = "data: {\"response\":{\"output\":[{\"content\":[{\"text\":\"wordwordword\"}]}]}}\n\n";
    let (_, taken) = read_any(|| bound(Meter::OpenaiResponses, ""), SSE, &[word, word, word, end].concat());
    assert_eq!((taken.usage.output_tokens, taken.estimated), (3, true));
}

#[test]
fn usage_that_is_stated_before_the_last_word_is_not_the_end() {
    let usage_of_one = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}\n\n";
    let word = "data: {\"choices\":[{\"delta\":{\"content\":\"word\"}}]}\n\n";
    let asked = r#","stream":true,"stream_options":{"include_usage":true}"#;
    let taken = |events: &[&str]| read_any(|| bound(Meter::OpenaiChat, asked), SSE, &events.concat()).1;
    let early = taken(&[usage_of_one, word, word, word, "data: [DONE]\n\n"]);
    assert_eq!((early.usage, early.estimated), (usage(9, 0, 0, 3, 0), true));
    let last = taken(&[word, usage_of_one, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"]);
    assert_eq!((last.usage, last.estimated), (usage(9, 0, 0, 1, 0), false));
}

#[test]
fn a_stream_is_one_in_whatever_case_it_is_called_so() {
    for (kind, is_stream) in [
        ("text/event-stream", true),
        (" Text/Event-Stream ;charset=utf-8", true),
        ("text/event-streams", false),
        ("application/json", false),
    ] {
        let reading = Reading::new(bound(Meter::OpenaiChat, ""), Some(kind), None);
        assert_eq!(!reading.is_whole(), is_stream, "{kind}");
    }
}

#[test]
fn a_coded_answer_passes_and_is_estimated() {
    let mut reading = Reading::new(bound(Meter::OpenaiChat, r#","max_tokens":5"#), Some(JSON), Some("br"));
    assert_eq!(reading.pass(Bytes::from_static(b"\x1f\x8b")), &b"\x1f\x8b"[..]);
    let taken = reading.taken();
    assert_eq!((taken.usage.output_tokens, taken.estimated), (2, true));
}

#[test]
fn a_compressed_answer_passes_as_it_is_and_is_counted() {
    let answer =
        r#"{"model":"m","choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, answer.as_bytes()).unwrap();
    let coded = gzip.finish().unwrap();
    for at in 0..=coded.len() {
        let mut reading = Reading::new(bound(Meter::OpenaiChat, ""), Some(JSON), Some("gzip"));
        let (head, tail) = coded.split_at(at);
        let passed = [reading.pass(head.to_vec().into()), reading.pass(tail.to_vec().into()), reading.rest()].concat();
        assert_eq!(passed, coded);
        let taken = reading.taken();
        assert_eq!((taken.usage, taken.estimated), (usage(3, 0, 0, 4, 0), false), "cut at {at}");
    }
}

#[test]
fn a_whole_answer_that_is_too_long_to_be_kept_is_read_for_its_usage() {
    let mut reading = Reading::new(bound(Meter::OpenaiChat, ""), Some(JSON), None);
    drop(reading.pass(Bytes::from_static(br#"{"choices":[{"message":{"content":""#)));
    for _ in 0..9 {
        assert_eq!(reading.pass(Bytes::from(vec![b'x'; MAX_BYTES])).len(), MAX_BYTES);
    }
    drop(reading.pass(Bytes::from_static(br#""}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#)));
    let taken = reading.taken();
    assert_eq!((taken.usage, taken.estimated), (usage(3, 0, 0, 4, 0), false));
}

#[test]
fn a_long_event_of_short_lines_takes_linear_work() {
    let mut stream = "data: {\n".to_owned();
    stream.push_str(&"data: \n".repeat(70_000));
    stream.push_str("data: \"usage\":{\"input_tokens\":3,\"output_tokens\":4}}\n\n");
    let (passed, taken) = read(bound(Meter::AnthropicMessages, ""), SSE, &[stream.as_bytes()]);
    assert_eq!((passed.len(), taken.usage), (stream.len(), usage(3, 0, 0, 4, 0)));
    let long =
        format!("data: {{\"x\":\"{}\",\"usage\":{{\"input_tokens\":3,\"output_tokens\":4}}}}\n\n", "x".repeat(2 << 20));
    let pieces: Vec<&[u8]> = long.as_bytes().chunks(1 << 16).collect();
    let (_, taken) = read(bound(Meter::AnthropicMessages, ""), SSE, &pieces);
    assert_eq!((taken.usage, taken.estimated), (usage(3, 0, 0, 4, 0), false));
}

#[test]
fn an_answer_too_long_to_be_kept_passes_and_is_estimated() {
    let mut reading = Reading::new(bound(Meter::OpenaiChat, r#","max_tokens":5"#), Some(JSON), None);
    let piece = Bytes::from(vec![b'x'; MAX_BYTES]);
    assert_eq!(reading.pass(piece.clone()).len(), piece.len());
    assert_eq!(reading.pass(piece.clone()).len(), piece.len());
    let taken = reading.taken();
    assert_eq!((taken.usage.output_tokens, taken.estimated), (5, true));
}

#[test]
fn vectors_of_any_length_hide_no_usage() {
    let mut reading = Reading::new(bound(Meter::OpenaiEmbeddings, r#","input":"Hello there""#), Some(JSON), None);
    let vector = Bytes::from("0.0123456789,".repeat(100_000));
    drop(reading.pass(Bytes::from_static(br#"{"object":"list","data":[{"object":"embedding","embedding":["#)));
    for _ in 0..5 {
        assert_eq!(reading.pass(vector.clone()), vector);
    }
    drop(reading.pass(Bytes::from_static(br#"1]}],"model":"m","usage":{"prompt_tokens":30,"total_tokens":30}}"#)));
    let taken = reading.taken();
    assert_eq!((taken.usage, taken.estimated, taken.model.as_deref()), (usage(30, 0, 0, 0, 0), false, Some("m")));
}

fn count() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..3_000_u64).prop_map(|count| count.to_string()),
        any::<i64>().prop_map(|count| count.to_string()),
        Just("null".into()),
        Just("\"1\"".into()),
        Just("0.5".into()),
    ]
}

proptest! {
    /// Whatever an upstream says, a call within its bounds costs no more than its hold, and none costs more than the model
    /// can take.
    #[test]
    fn no_usage_within_the_bounds_costs_more_than_the_hold(
        counts in proptest::collection::vec(count(), 4),
        max_tokens in 1..2_000_u64,
        text in "[ a-z0-9é]{0,40}",
    ) {
        let members = format!(r#","max_tokens":{max_tokens}"#);
        let limits = bound(Meter::AnthropicMessages, &members);
        let (input, output) = (limits.input_tokens, limits.output_tokens);
        let (most_input, most_output) = (limits.sane_input_tokens, limits.sane_output_tokens);
        let answer = format!(
            r#"{{"content":[{{"text":"{text}"}}],"usage":{{"input_tokens":{},"output_tokens":{},
                "cache_read_input_tokens":{},"cache_creation_input_tokens":{}}}}}"#,
            counts[0], counts[1], counts[2], counts[3]
        );
        let (_, Taken { usage, .. }) = read(limits, JSON, &[answer.as_bytes()]);
        prop_assert!(usage.input_tokens <= most_input && usage.output_tokens <= most_output);
        prop_assert!(usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens);
        if usage.input_tokens <= input && usage.output_tokens <= output {
            let most = Most { input_tokens: input, output_tokens: output, ..Most::default() };
            prop_assert!(price().cost(&usage, &Extras::default(), None).unwrap() <= price().bound(&most).unwrap());
        }
    }

    #[test]
    fn no_answer_is_a_panic_and_every_byte_passes(
        pieces in proptest::collection::vec(any::<Vec<u8>>(), 0..6),
        is_stream in any::<bool>(),
    ) {
        let members = r#","stream":true"#;
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let (passed, _) = read(bound(Meter::OpenaiChat, members), if is_stream { SSE } else { JSON }, &pieces);
        prop_assert_eq!(passed, pieces.concat());
    }

    #[test]
    fn no_request_is_a_panic(body in any::<Vec<u8>>(), json in "[\\[\\]{}:,\"a-z0-9 ]{0,60}") {
        for body in [Bytes::from(body), Bytes::from(json)] {
            for meter in [Meter::OpenaiChat, Meter::OpenaiResponses, Meter::OpenaiEmbeddings, Meter::AnthropicMessages] {
                drop(asked(meter, body.clone()).map(|asked| asked.bound(&[&price()], Ways::default())));
            }
        }
    }
}
