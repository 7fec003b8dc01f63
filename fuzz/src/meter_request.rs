//! A request to a model is refused, or sent so that it cannot take more than is held: what is sent is JSON, and says the same
//! as the client's but for what is written into it; more text takes no less; no tool of the provider passes unseen.

use bytes::Bytes;
use serde_json::{Value, value::RawValue};
use tollgate::{
    domain::{price::Price, route::Meter},
    meter::{Asked, Bound, Format, Ways, format},
};

use super::{
    choice,
    metering::{meter, price},
};

/// Tokens for a byte: those of one image by its name alone.
const TOKENS_A_BYTE: usize = 1_080;

/// What the model is called where it is sent to.
const SERVED: &str = "m:2";

const PATH: &str = "/v1beta/models/m:generateContent";

/// `data` is the format, how it is asked, and the body, or the content of a prompt.
pub fn run(data: &[u8]) {
    let (kind, rest) = choice(data);
    let (ways, body) = choice(rest);
    let meter = meter(kind);
    let Some(format) = format(meter) else { return };
    if ways & 1 == 1 && format.about.takes_forms() {
        return form(format, body);
    }
    if ways & 2 == 2 {
        return prompts(meter, format, body);
    }
    whole(format, body, ways & 4 == 4);
}

fn read(format: &'static Format, body: &[u8], allows: bool) -> Option<Asked> {
    Asked::read(format, PATH, Bytes::copy_from_slice(body), &|_| allows).ok()
}

/// Bounded by two models, of which the other one is dearer.
fn bound(asked: &Asked) -> Option<(Bound, Price)> {
    let (cheap, dear) = (price("1"), price("5"));
    let bound = asked.bound(&[&cheap, &dear], Ways::default()).ok()?;
    let hold = |price: &Price| price.bound(&bound.most()).expect("a hold that can be counted");
    assert!(hold(&cheap) <= hold(&dear));
    Some((bound, dear))
}

fn whole(format: &'static Format, body: &[u8], allows: bool) {
    let Some(asked) = read(format, body, allows) else {
        let bounds = read(format, body, true).filter(|_| !allows).and_then(|asked| bound(&asked));
        assert!(bounds.is_none_or(|(bound, _)| !bound.tools.is_empty()), "refused for a tool that it has not");
        return;
    };
    let tokens = asked.estimated_tokens();
    assert!(tokens >= 1);
    let Some((bound, _)) = bound(&asked) else { return };
    let sent = json(&bound.letter.body());
    let given: Value = json(body);
    assert!(allows || !has_tool(format, &sent), "a tool of the provider passes unseen: {sent}");
    let renamed = Ways { model: Some(SERVED), default_max_tokens: Some(7), ..Ways::default() };
    let other = asked.bound(&[&price("1")], renamed).unwrap_or_else(|_| panic!("it was bounded before"));
    // Where the default leaves no room for the thoughts, none is written, and they come on top.
    let thoughts = given["thinking"]["budget_tokens"].as_u64().unwrap_or_default();
    assert!(other.output_tokens <= bound.output_tokens.saturating_add(thoughts));
    let sent = json(&other.letter.body());
    let is_known = format.members.iter().any(|(name, _)| *name == "model");
    let named = given.get("model").filter(|name| is_known && !name.is_null());
    assert!(named.is_none() || sent["model"] == SERVED, "{sent}");
    for (name, value) in given.as_object().expect("an object") {
        let is_written = format.members.iter().any(|(known, _)| known == name);
        assert!(is_written || sent.get(name) == Some(value), "{name} of {given} in {sent}");
    }
}

/// What is read must be JSON to others too. Some refuse half a pair of surrogates, and numbers that no float holds; then
/// nothing more is compared.
fn json(body: &[u8]) -> Value {
    let text = std::str::from_utf8(body).expect("UTF-8");
    // A parser may ignore a byte order mark (RFC 8259 §8.1).
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    assert!(serde_json::from_str::<&RawValue>(text).is_ok(), "{text}");
    serde_json::from_str(text).unwrap_or_else(|_| Value::Object(serde_json::Map::new()))
}

/// Whether a list of tools has one that the provider runs, beside the prompt or in an item of it.
fn has_tool(format: &Format, request: &Value) -> bool {
    let is_search = |tool: &Value| tool["type"].as_str().is_some_and(|kind| kind.starts_with("web_search_2"));
    let in_list = |list: &Value| list.as_array().is_some_and(|tools| tools.iter().any(is_search));
    let prompts =
        ["input", "messages"].into_iter().filter(|name| format.members.iter().any(|(known, _)| known == name));
    let mut items = prompts.filter_map(|name| request[name].as_array()).flatten();
    in_list(&request["tools"]) || items.any(|item| in_list(&item["tools"]))
}

/// The content of a prompt, alone, with more text behind it, and twice.
fn prompts(meter: Meter, format: &'static Format, content: &[u8]) {
    let Ok(content) = std::str::from_utf8(content) else { return };
    if content.trim_ascii().is_empty() || serde_json::from_str::<&RawValue>(&format!("[{content}]")).is_err() {
        return;
    }
    let (name, parts) = match meter {
        Meter::OpenaiResponses | Meter::OpenaiEmbeddings => ("input", "content"),
        Meter::OpenaiCompletions | Meter::OpenaiImages => ("prompt", "content"),
        Meter::GeminiGenerate => ("contents", "parts"),
        Meter::Rerank => ("documents", "content"),
        Meter::OpenaiSpeech => ("instructions", "content"),
        _ => ("messages", "content"),
    };
    let look = |items: &str| {
        let body = format!(r#"{{"model":"m","max_tokens":1,"{name}":[{{"role":"user","{parts}":[{items}]}}]}}"#);
        let asked = read(format, body.as_bytes(), true)?;
        let (bound, dear) = bound(&asked)?;
        let hold = dear.bound(&bound.most()).expect("a hold that can be counted").pusd();
        let takes = (asked.estimated_tokens(), bound.input_tokens, hold);
        assert!(takes.0 <= u64::try_from(body.len() * TOKENS_A_BYTE).unwrap_or(u64::MAX), "{body}");
        Some(takes)
    };
    let Some(once) = look(content) else { return };
    let more = look(&format!(r#"{content},{{"type":"text","text":"a few words more"}}"#)).expect("text is no fault");
    let twice = look(&format!("{content},{content}")).expect("twice is no fault");
    for (more, what) in [(more, "more text"), (twice, "the same twice")] {
        assert!(more.0 >= once.0 && more.1 >= once.1 && more.2 >= once.2, "{what} takes less: {once:?}, {more:?}");
    }
}

/// Between the boundaries `b`.
fn form(format: &'static Format, body: &[u8]) {
    let Ok(asked) = Asked::read_form(format, "/", Bytes::copy_from_slice(body), "b") else { return };
    let Some((bound, _)) = bound(&asked) else { return };
    assert!(bound.letter.body() == body, "a form is sent as it came");
    let renamed = asked.bound(&[&price("1")], Ways { model: Some(SERVED), ..Ways::default() });
    let sent = renamed.unwrap_or_else(|_| panic!("it was bounded before")).letter.body();
    let again = Asked::read_form(format, "/", sent, "b").unwrap_or_else(|_| panic!("a form is one still"));
    assert_eq!(again.model(), SERVED);
}
