//! Answers that are little but what was asked for: transcripts, vectors and images as a text, and usage in odd places.

use super::{Case, JSON, SSE, answer, asking, estimated, labelled, stream, whole};
use crate::domain::route::Meter;

/// H1: a transcript as a text may begin with anything.
pub(super) fn transcripts() -> Vec<Case> {
    let of = |label, text: &str, tokens| {
        let case = whole("H1: a transcript", Meter::OpenaiTranscriptions, "", [1, 0, 0, tokens], 0);
        estimated(labelled(label, answer(text, case)))
    };
    let text = Some("text/plain; charset=utf-8");
    let texts = [
        ("ideas worth spreading\n", 7),
        ("identity\n", 2),
        ("data is what we talk about\n", 7),
        ("data\n", 1),
        ("event\n", 2),
        ("retry it\n", 3),
        (": yes\n", 2),
        ("\u{feff}ideas\n", 3),
        ("[Music]\n", 4),
        (" [BLANK_AUDIO]\n", 7),
        ("[Applause] [Music]\n", 8),
        ("[]\n", 1),
        ("{}\n", 1),
        ("[DONE]\n", 3),
    ];
    let mut cases: Vec<Case> =
        [text, JSON, None].into_iter().flat_map(|label| texts.map(|(said, tokens)| of(label, said, tokens))).collect();
    cases.extend([
        of(JSON, r#"{"words":[{"word":"hello","start":0,"end":1}]}"#, 2),
        of(JSON, r#"{"segments":[{"id":0,"text":"hello"}],"language":"en"}"#, 2),
        asking(r#","stream":true"#, of(text, "ideas\n", 2)),
        asking(r#","stream":true"#, of(text, "data: {\"delta\":\" word\"}\n\n", 1)),
        of(SSE, "data: {\"delta\":\" word\"}\n\n", 1),
    ]);
    cases
}

/// H6: vectors, images and counts that were delivered without a list or an object.
pub(super) fn data() -> Vec<Case> {
    use Meter::{OpenaiEmbeddings, OpenaiImages, Rerank};
    let of = |name, meter, text: &str| {
        let (input, output) = match meter {
            OpenaiImages => (1, 1_000),
            OpenaiEmbeddings => (12, 0),
            _ => (1, 0),
        };
        estimated(answer(text, whole(name, meter, "", [input, 0, 0, output], 0)))
    };
    let partial = r#"{"type":"image_generation.partial_image","b64_json":"iVBORw0KGgoAAAA","partial_image_index":0}"#;
    let done = r#"{"type":"image_generation.completed","b64_json":"iVBORw0KGgoAAAA"}"#;
    vec![
        of("H6: a vector in base64", OpenaiEmbeddings, r#"{"embedding":"AACAPwAAgD8="}"#),
        of("H6: an image", OpenaiImages, r#"{"image":"iVBORw0KGgoAAAA","finish_reason":"SUCCESS"}"#),
        of("H6: an image by the name of its coding", OpenaiImages, r#"{"b64_json":"iVBORw0KGgoAAAA"}"#),
        of("H6: the address of an image", OpenaiImages, r#"{"url":"https://a.example/x.png"}"#),
        asking(
            r#","stream":true"#,
            labelled(SSE, of("H6: a stream of images", OpenaiImages, &format!("data: {partial}\n\ndata: {done}\n\n"))),
        ),
        labelled(
            Some("image/svg+xml"),
            of("H6: a drawing", OpenaiImages, r#"<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>"#),
        ),
        labelled(None, of("H6: a drawing by itself", OpenaiImages, "<!-- x -->\n<svg></svg>")),
        of(
            "H6: a rank of nothing that is stated as a call",
            Rerank,
            r#"{"results":[],"meta":{"billed_units":{"search_units":1}}}"#,
        ),
    ]
}

/// Usage that is stated in odd places.
pub(super) fn usage() -> Vec<Case> {
    let usage = r#""usage":{"prompt_tokens":100,"completion_tokens":20}"#;
    let chat = |name, text: String| answer(text, whole(name, Meter::OpenaiChat, "", [100, 0, 0, 20], 300_000_000));
    let within = |name, other: &str| {
        let choice = r#""choices":[{"message":{"content":"a"}}]"#;
        chat(name, format!(r#"{{"code":0,"data":{{{choice},{usage}}},"usage":{other}}}"#))
    };
    let choice = |output: u64| {
        format!(
            r#"{{"index":0,"message":{{"content":"a"}},"usage":{{"prompt_tokens":100,"completion_tokens":{output}}}}}"#
        )
    };
    let same = stream("one index for each choice", Meter::OpenaiChat, &[], [100, 0, 0, 33], 430_000_000);
    let bare = format!(": ping\n\n: ping\n\n{{\"choices\":[{{\"message\":{{\"content\":\"a\"}}}}],\n\n{usage}}}\n");
    vec![
        within("an empty usage beside the true one", "{}"),
        within("a usage of zeros beside the true one", r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#),
        labelled(JSON, asking(r#","n":2"#, answer(format!(r#"{{"choices":[{},{}]}}"#, choice(13), choice(20)), same))),
        asking(r#","stream":true"#, labelled(SSE, chat("comments, and JSON with a blank line in it", bare))),
    ]
}
