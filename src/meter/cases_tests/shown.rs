//! Images and sound in answers that end before their usage, or state it behind them; and whose usage is read behind a client that
//! has left.

use super::{Case, JSON, estimated, m1, stream, whole};
use crate::{
    domain::route::Meter,
    meter::{Asked, Reading, Ways, format_at},
};

const IMAGE: &str = r#"{"inlineData":{"mimeType":"image/png","data":"iVBORw0K"}}"#;
const OPENROUTER: &str = r#""images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0K"}}]"#;

fn gemini(part: &str, members: &str) -> String {
    format!(r#"{{"candidates":[{{"content":{{"parts":[{part}]}}}}]{members}}}"#)
}

fn chat(place: &str, members: &str) -> String {
    format!(r#"{{"choices":[{{"{place}":{{{members}}}}}]}}"#)
}

fn preview() -> String {
    r#"{"type":"image_generation.partial_image","b64_json":"iVBORw0K"}"#.into()
}

/// Sound that is not compressed: one token.
fn sound(member: &str) -> String {
    format!(r#""{member}":"{}""#, "A".repeat(2_560))
}

/// The image of a model that may write 1,000 tokens is held as these.
pub(super) fn without_usage() -> Vec<Case> {
    use Meter::{GeminiGenerate, OpenaiChat, OpenaiImages, OpenaiResponses};
    let cut = |name, meter, events: &[String], input, output| {
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        estimated(stream(name, meter, &events, [input, 0, 0, output], 0))
    };
    let read = r#","usageMetadata":{"promptTokenCount":10,"totalTokenCount":10}"#;
    let spoken = gemini(&format!(r#"{{"inlineData":{{"mimeType":"audio/L16;rate=24000",{}}}}}"#, sound("data")), "");
    let failed = r#"{"error":{"message":"no"}}"#.to_owned();
    vec![
        cut("an image of Gemini", GeminiGenerate, &[gemini(IMAGE, "")], 1, 1_000),
        cut("an image of Gemini behind what was read", GeminiGenerate, &[gemini(IMAGE, read)], 10, 1_000),
        cut("an image of Gemini, and an error", GeminiGenerate, &[gemini(IMAGE, read), failed], 10, 1_000),
        cut("sound of Gemini", GeminiGenerate, &[spoken.clone(), spoken], 1, 2),
        cut("an image of OpenRouter", OpenaiChat, &[chat("delta", OPENROUTER)], 12, 1_000),
        Case {
            answer: chat("message", OPENROUTER),
            label: JSON,
            ..estimated(whole("a whole answer that is an image", OpenaiChat, "", [12, 0, 0, 1_000], 0))
        },
        cut(
            "sound of a chat, and what it says",
            OpenaiChat,
            &[chat("delta", &format!(r#""audio":{{{},"transcript":" word"}}"#, sound("data")))],
            12,
            2,
        ),
        cut("sound alone", OpenaiChat, &[chat("delta", &format!(r#""audio":{{{}}}"#, sound("data")))], 12, 1),
        cut(
            "sound of a response",
            OpenaiResponses,
            &[format!(r#"{{"type":"response.output_audio.delta",{}}}"#, sound("delta"))],
            12,
            1,
        ),
        cut("three previews of one image", OpenaiImages, &[preview(), preview(), preview()], 1, 1_000),
    ]
}

pub(super) fn with_usage() -> Vec<Case> {
    use Meter::{GeminiGenerate, OpenaiChat, OpenaiImages};
    let drawn = r#","usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":1290,"totalTokenCount":1300,"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}"#;
    let done = r#"{"type":"image_generation.completed","b64_json":"iVBORw0K","usage":{"input_tokens":50,"output_tokens":650,"total_tokens":700}}"#;
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":1300,"completion_tokens_details":{"image_tokens":1290}}}"#;
    vec![
        stream(
            "an image of Gemini, and its usage",
            GeminiGenerate,
            &[&gemini(IMAGE, ""), &gemini(r#"{"text":""}"#, drawn)],
            [10, 0, 0, 1_290],
            25_810_000_000,
        ),
        stream("previews, and the usage", OpenaiImages, &[&preview(), done], [50, 0, 0, 650], 13_050_000_000),
        stream(
            "an image of OpenRouter, and its usage",
            OpenaiChat,
            &[&chat("delta", OPENROUTER), usage],
            [10, 0, 0, 1_300],
            10_000_000 + 100_000_000 + 25_800_000_000,
        ),
    ]
}

fn reading(meter: Meter, members: &str, events: &[&str]) -> Reading {
    let path = "/v1beta/models/m1:streamGenerateContent";
    let body = format!(r#"{{"model":"m1","stream":true{members}}}"#);
    let asked = Asked::read(format_at(meter, path).unwrap(), path, body.into(), &|_| false).unwrap();
    let bound = asked.bound(&[&m1()], Ways::default()).unwrap();
    let mut reading = Reading::new(bound, Some("text/event-stream"), None);
    let events: String = events.iter().flat_map(|event| ["data: ", event, "\n\n"]).collect();
    drop(reading.pass(events.into()));
    reading
}

#[test]
fn what_is_shown_is_billed_as_what_it_is() {
    let reading = reading(Meter::GeminiGenerate, "", &[&gemini(IMAGE, "")]);
    assert_eq!(reading.taken().extras.image_output_tokens, 1_000);
    let long = format!(r#"{{"inlineData":{{"mimeType":"image/png","data":"{}"}}}}"#, "iVBO".repeat(150_000));
    let taken = self::reading(Meter::GeminiGenerate, "", &[&gemini(&long, "")]).taken();
    assert_eq!((taken.extras.image_output_tokens, taken.estimated), (1_000, true), "too long to be kept");
    let speaks = r#","generationConfig":{"responseModalities":["AUDIO"]}"#;
    let taken = self::reading(Meter::GeminiGenerate, speaks, &[&gemini(&long, "")]).taken();
    assert_eq!((taken.extras.audio_output_tokens, taken.extras.image_output_tokens), (234, 0), "sound too long");
}

#[test]
fn usage_is_read_behind_a_client_where_nothing_else_says_what_was_taken() {
    use Meter::{AnthropicMessages, GeminiGenerate, OpenaiChat, OpenaiResponses};
    let said = r#"{"type":"response.output_text.delta","delta":"a"}"#;
    let done = r#"{"type":"response.completed","response":{"usage":{"input_tokens":9,"output_tokens":8}}}"#;
    let begun = r#"{"type":"message_start","message":{"usage":{"input_tokens":900,"output_tokens":1}}}"#;
    let block = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#;
    let file = r#","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}]"#;
    let before = r#","previous_response_id":"r""#;
    let drawn = gemini(IMAGE, r#","usageMetadata":{"promptTokenCount":10,"totalTokenCount":10}"#);
    let word = chat("delta", r#""content":"a""#);
    for (meter, members, events, needs) in [
        (OpenaiResponses, before, vec![said], true),
        (OpenaiResponses, before, vec![], true),
        (OpenaiResponses, before, vec![said, done], false),
        (OpenaiResponses, "", vec![said], false),
        (AnthropicMessages, file, vec![block], true),
        (AnthropicMessages, file, vec![begun, block], false),
        (GeminiGenerate, "", vec![&*drawn], true),
        (OpenaiChat, "", vec![&*word], false),
    ] {
        assert_eq!(reading(meter, members, &events).needs_usage(), needs, "{members} {events:?}");
    }
}

#[test]
fn a_client_that_left_pays_a_part_of_the_hold_for_a_prompt_that_nobody_has_stated() {
    let said = r#"{"type":"response.output_text.delta","delta":"a"}"#;
    let read = |leaves: bool, ends: bool| {
        let mut reading = reading(Meter::OpenaiResponses, r#","previous_response_id":"r""#, &[said]);
        if leaves {
            reading.leave();
        }
        if ends {
            drop(reading.rest());
        }
        reading.taken().usage.input_tokens
    };
    assert_eq!(read(true, false), 25_000, "of 100,000");
    assert_eq!([read(false, false), read(true, true)], [1, 1], "its upstream states none");
}
