//! Answers that are too long to be kept: lines and frames, however many and however long.

use super::{
    Bound, Reading, Ways,
    frames::tests::frame,
    requests_tests::{asked_at, bound},
    test_price,
};
use crate::domain::route::Meter::{self, AnthropicMessages, BedrockConverse, OpenaiChat, OpenaiSpeech};

const FRAMES: &str = "application/vnd.amazon.eventstream";

/// Input, output, whether it is an estimate.
fn taken(bound: &Bound, label: Option<&str>, answer: &[u8], piece_bytes: usize) -> (u64, u64, bool) {
    let mut reading = Reading::new(bound.clone(), label, None);
    let passed: Vec<u8> =
        answer.chunks(piece_bytes).flat_map(|piece| reading.pass(piece.to_vec().into()).to_vec()).collect();
    assert!([passed, reading.rest().to_vec()].concat() == answer);
    let taken = reading.taken();
    (taken.usage.input_tokens, taken.usage.output_tokens, taken.estimated)
}

#[test]
fn lines_are_counted_however_many_there_are() {
    let bound = bound(OpenaiChat, r#""stream":true,"stream_options":{"include_usage":true},"max_tokens":900"#);
    let pad = "x".repeat(120);
    let ollama =
        |pad: &str| format!(r#"{{"message":{{"role":"assistant","content":" word"}},"done":false,"at":"{pad}"}}"#);
    let chat =
        r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" word"}}]}"#;
    let last = r#"{"message":{"role":"assistant","content":""},"done":true,"prompt_eval_count":100,"eval_count":20}"#;
    let of_chat = r#"{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":20}}"#;
    for (line, end, times) in [
        (ollama(&pad), last, 4_000),
        (ollama(""), last, 20_000),
        (r#"{"message":{"content":" a"}}"#.to_owned(), last, 9_000),
        (chat.to_owned(), of_chat, 9_000),
    ] {
        let answer = format!("{}{end}\n", format!("{line}\n").repeat(times));
        for size in [answer.len(), 70_001] {
            let taken = taken(&bound, Some("application/x-ndjson"), answer.as_bytes(), size);
            assert_eq!(taken, (100, 20, false), "{times} of {line}");
        }
    }
}

#[test]
fn a_line_that_is_too_long_to_be_kept_hides_no_usage_of_the_next() {
    let bound = bound(OpenaiChat, r#""stream":true,"max_tokens":900"#);
    let image = "iVBORw0K".repeat(80_000);
    let answer = format!(
        "{{\"message\":{{\"content\":\"a\"}}}}\n{{\"message\":{{\"images\":[\"{image}\"]}}}}\n{{\"done\":true,\"prompt_eval_count\":100,\"eval_count\":20}}\n"
    );
    for size in [answer.len(), 70_001] {
        assert_eq!(taken(&bound, None, answer.as_bytes(), size), (100, 20, false));
    }
}

#[test]
fn a_long_answer_in_another_dialect_counts_by_its_words_and_not_by_its_names_and_dates() {
    let bound = bound(OpenaiChat, r#""max_tokens":900"#);
    let word = r#"{"created_at":"2026-11-30T00:00:00.000000000Z","model":"llama","id":"chatcmpl-1","text":" word"}"#;
    let pad = " ".repeat(530 << 10);
    let answer = format!(r#"{{"generations":[{}]{pad}}}"#, vec![word; 50].join(","));
    let (_, output, is_estimated) = taken(&bound, None, answer.as_bytes(), 70_001);
    assert_eq!((output, is_estimated), (50, true));
}

#[test]
fn a_frame_is_counted_however_long_it_is_and_whatever_its_label() {
    let bound = bound(BedrockConverse, r#""messages":[]"#);
    let usage = frame(r#"{"usage":{"inputTokens":100,"outputTokens":20,"totalTokens":120}}"#);
    let text = |text: &str| frame(&format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}}}}"#));
    let image = frame(&format!(r#"{{"delta":{{"image":{{"source":{{"bytes":"{}"}}}}}}}}"#, "iVBORw0K".repeat(90_000)));
    for content in [text(" word"), text(&" word".repeat(120_000)), image] {
        let answer = [content, usage.clone()].concat();
        for (label, size) in [
            (Some(FRAMES), answer.len()),
            (Some(FRAMES), 70_001),
            (Some("application/octet-stream"), 7),
            (None, 70_001),
        ] {
            assert_eq!(taken(&bound, label, &answer, size), (100, 20, false), "{} {label:?}", answer.len());
        }
    }
}

#[test]
fn sound_in_json_is_delivered_and_a_server_without_a_word_has_none() {
    let coded = "UklGRgABAABXQVZF";
    let long = coded.repeat(45_000);
    for (text, is_free) in [
        (format!(r#"{{"audio_data":"{coded}"}}"#), false),
        (format!(r#"{{"audio_data":"{long}"}}"#), false),
        (format!(r#"{{"audio":"{coded}","format":"mp3"}}"#), false),
        (format!(r#"{{"audioContent":"{coded}"}}"#), false),
        (format!("data: {{\"type\":\"speech.audio.delta\",\"audio\":\"{coded}\"}}\n\n"), false),
        ("\0\u{1}\u{2}".into(), false),
        ("null".into(), true),
        (r#"{"detail":"no such voice"}"#.into(), true),
    ] {
        let label = if text.starts_with("data") { "text/event-stream" } else { "application/json" };
        let body = r#"{"model":"m","input":"Hello there"}"#;
        let asked = super::Asked::read(super::format(OpenaiSpeech).unwrap(), "/", body.into(), &|_| false).unwrap();
        let bound = asked.bound(&[&test_price::price(100_000, 1_000)], Ways::default()).unwrap();
        let mut reading = Reading::new(bound, Some(label), None);
        drop((reading.pass(text.clone().into()), reading.rest()));
        assert_eq!(reading.taken().failed, is_free, "{text:.60}");
    }
}

#[test]
fn an_alias_stands_in_the_answer_behind_comments_too() {
    let renamed = |meter: Meter, text: &str, piece_bytes: usize| {
        let asked = asked_at(meter, "/v1", r#""stream":true"#, false).unwrap();
        let ways = Ways { model: Some("true-m"), ..Ways::default() };
        let mut reading = Reading::new(asked.bound(&[&test_price::price(100_000, 1_000)], ways).unwrap(), None, None);
        let passed: Vec<u8> = text
            .as_bytes()
            .chunks(piece_bytes)
            .flat_map(|piece| reading.pass(piece.to_vec().into()).to_vec())
            .collect();
        String::from_utf8([passed, reading.rest().to_vec()].concat()).unwrap()
    };
    let text = ": keep-alive\n\n{\"model\":\"true-m\",\"choices\":[]}\n";
    for piece_bytes in [text.len(), 1] {
        for meter in [OpenaiChat, AnthropicMessages] {
            assert_eq!(renamed(meter, text, piece_bytes), text.replace("true-m", "m"), "{meter:?}");
        }
    }
}
