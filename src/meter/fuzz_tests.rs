//! Requests and answers made at random from the words of all formats: nothing panics, no byte is lost, a stream is billed
//! alike wherever it is cut, and what is sent is JSON. `scripts/fuzz` runs these for many cases.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Asked, Format, Reading, Taken, Ways, format, json, test_price};
use crate::domain::{price::Price, route::Meter};

static NAMES: [&str; 40] = [
    "usage",
    "choices",
    "delta",
    "message",
    "content",
    "text",
    "type",
    "model",
    "error",
    "response",
    "output",
    "input",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "prompt_tokens_details",
    "completion_tokens_details",
    "reasoning_tokens",
    "cache_read_input_tokens",
    "iterations",
    "usageMetadata",
    "promptTokenCount",
    "thoughtsTokenCount",
    "messages",
    "tools",
    "max_tokens",
    "stream",
    "stream_options",
    "include_usage",
    "n",
    "models",
    "fallbacks",
    "cache_control",
    "ttl",
    "source",
    "image_url",
    "context_management",
];

static VALUES: [&str; 22] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "7",
    "-3",
    "512.0",
    "1e3",
    "99999999999999999999",
    "\"\"",
    "\"word\"",
    "\"1h\"",
    "\"web_search\"",
    "\"function\"",
    "\"text\"",
    "\"image_url\"",
    "\"\\ud83d\"",
    "\"\\u4f60\"",
    "[1,2,3]",
    "[]",
    "{}",
];

fn value() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(&VALUES[..]).prop_map(str::to_owned);
    leaf.prop_recursive(5, 48, 5, |inner| {
        let member =
            (prop::sample::select(&NAMES[..]), inner.clone()).prop_map(|(name, value)| format!("{name:?}:{value}"));
        prop_oneof![
            prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
        ]
    })
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => value().prop_map(|value| format!("data: {value}\n\n").into_bytes()),
        1 => value().prop_map(String::into_bytes),
        1 => Just(b"data: [DONE]\r\n\r\n".to_vec()),
        1 => Just(b": ping\n".to_vec()),
        1 => Just(b"\xef\xbb\xbf".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn price() -> Price {
    test_price::price(100_000, 1_000)
}

fn read(format: &'static Format, label: Option<&str>, pieces: &[&[u8]]) -> (Vec<u8>, Taken) {
    let asked = Asked::read(format, "/models/m", Bytes::from_static(br#"{"model":"m","stream":true}"#), &|_| false);
    let mut reading = Reading::new(asked.unwrap().bound(&[&price()], Ways::default()).unwrap(), label, None);
    let mut passed = vec![];
    for piece in pieces {
        passed.extend_from_slice(&reading.pass(Bytes::copy_from_slice(piece)));
    }
    passed.extend_from_slice(&reading.rest());
    (passed, reading.taken())
}

proptest! {
    #[test]
    fn a_stream_is_read_alike_wherever_it_is_cut(
        stream in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        label in prop::sample::select(vec![None, Some("text/event-stream"), Some("application/json")]),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).chain([0, stream.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        for meter in Meter::OF_MODELS {
            let format = format(meter).unwrap();
            let whole = read(format, label, &[&stream]);
            let cut = read(format, label, &pieces);
            prop_assert_eq!(&cut, &whole);
            let strips = matches!(meter, Meter::OpenaiChat | Meter::OpenaiCompletions);
            prop_assert!(strips || cut.0 == stream, "bytes of {:?}", meter);
            let usage = whole.1.usage;
            prop_assert!(usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens);
            prop_assert!(usage.reasoning_tokens <= usage.output_tokens);
        }
    }

    #[test]
    fn a_request_that_is_taken_is_sent_as_json_and_has_a_hold(members in prop::collection::vec(
        (prop::sample::select(&NAMES[..]), value()), 0..6,
    )) {
        let members: Vec<String> = members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        let body = format!("{{{}}}", members.join(","));
        for meter in Meter::OF_MODELS {
            let asked = Asked::read(format(meter).unwrap(), "/models/m", body.clone().into(), &|_| true);
            let Ok(asked) = asked else { continue };
            prop_assert!(asked.estimated_tokens() >= 1);
            if let Ok(bound) = asked.bound(&[&price()], Ways::default()) {
                prop_assert!(json::read(&bound.letter.body()).is_ok(), "{meter:?}");
                let body = bound.letter.body();
                let text = std::str::from_utf8(&body).unwrap();
                prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok(), "{}", text);
            }
        }
    }

    #[test]
    fn no_bytes_are_a_panic(body in any::<Vec<u8>>()) {
        for meter in Meter::OF_MODELS {
            drop(Asked::read(format(meter).unwrap(), "/", body.clone().into(), &|_| true));
            drop(read(format(meter).unwrap(), None, &[&body]));
        }
    }
}
