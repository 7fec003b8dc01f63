//! Messages that one model has refused and another one has answered, and searches that failed.

use super::tools_tests::taken;
use crate::domain::route::Meter::{AnthropicMessages, OpenaiChat, OpenaiResponses};

fn round(kind: &str, model: &str, output: u64) -> String {
    format!(r#"{{"type":"{kind}","model":"{model}","input_tokens":100,"output_tokens":{output}}}"#)
}

fn usage(output: u64, first: u64) -> String {
    let rounds = [round("message", "m1", first), round("fallback_message", "m2", output)].join(",");
    format!(r#"{{"input_tokens":100,"output_tokens":{output},"iterations":[{rounds}]}}"#)
}

/// What the whole answer and the stream both took.
fn messages(usage: &str, reason: &str) -> super::Taken {
    let block = r#"{"type":"fallback","from":{"model":"m1"},"to":{"model":"m2"}}"#;
    let text = if reason == "refusal" { "" } else { r#",{"type":"text","text":"word"}"# };
    let whole = format!(r#"{{"model":"m2","content":[{block}{text}],"stop_reason":"{reason}","usage":{usage}}}"#);
    let delta = if reason == "refusal" { "" } else { r#"{"type":"content_block_delta","delta":{"text":"word"}}"# };
    let events = [
        r#"{"type":"message_start","message":{"model":"m1","usage":{"input_tokens":100,"output_tokens":0}}}"#.into(),
        format!(r#"{{"type":"content_block_start","content_block":{block}}}"#),
        delta.to_owned(),
        format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}},"usage":{usage}}}"#),
    ];
    let events: String = events.iter().filter(|event| !event.is_empty()).flat_map(|e| ["data: ", e, "\n\n"]).collect();
    let whole = taken(AnthropicMessages, "", &whole);
    assert_eq!(taken(AnthropicMessages, "", &events), whole, "{usage}");
    whole
}

#[test]
fn each_round_is_billed_by_its_own_model_and_one_that_refused_before_a_word_is_free() {
    let free = messages(&usage(50, 0), "end_turn");
    assert_eq!((free.model.as_deref(), free.usage.input_tokens, free.usage.output_tokens), (Some("m2"), 100, 50));
    assert_eq!((free.of_others.len(), free.estimated, free.failed), (0, false, false));
    let both = messages(&usage(50, 20), "end_turn");
    assert_eq!((both.usage.input_tokens, both.usage.output_tokens), (100, 50));
    let of_others: Vec<_> =
        both.of_others.iter().map(|(model, usage)| (&**model, usage.input_tokens, usage.output_tokens)).collect();
    assert_eq!(of_others, [("m1", 100, 20)]);
}

#[test]
fn a_refusal_before_a_word_is_free() {
    assert!(messages(r#"{"input_tokens":412,"output_tokens":0}"#, "refusal").failed);
    let late = messages(&usage(0, 20), "refusal");
    assert!(!late.failed && late.usage == crate::domain::usage::Usage::default(), "{late:?}");
    assert_eq!(late.of_others.len(), 1, "what was written before was read");
    assert!(!messages(r#"{"input_tokens":412,"output_tokens":0}"#, "end_turn").failed);
}

#[test]
fn what_a_stream_states_at_its_begin_is_no_word_of_a_refusal() {
    let refused = |output: u64| {
        let begin =
            r#"{"type":"message_start","message":{"model":"m1","usage":{"input_tokens":100,"output_tokens":1}}}"#;
        let end = format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"refusal"}},"usage":{{"output_tokens":{output}}}}}"#
        );
        taken(AnthropicMessages, "", &format!("data: {begin}\n\ndata: {end}\n\n"))
    };
    assert!(refused(0).failed);
    assert_eq!((refused(7).failed, refused(7).usage.output_tokens), (false, 7));
}

#[test]
fn searches_that_are_stated_are_those_that_are_billed() {
    let messages = |stated: &str| {
        format!(
            r#"{{"content":[{{"type":"server_tool_use","name":"web_search"}},{{"type":"web_search_tool_result","content":{{"type":"web_search_tool_result_error"}}}},{{"type":"text","text":"a"}}],"usage":{{"input_tokens":9,"output_tokens":5{stated}}}}}"#
        )
    };
    let search = |action: &str| format!(r#"{{"type":"web_search_call","action":{{"type":"{action}"}}}}"#);
    let output = [search("search"), search("open_page"), search("find_in_page")].join(",");
    let responses =
        |stated: &str| format!(r#"{{"output":[{output}],"usage":{{"input_tokens":9,"output_tokens":5}}{stated}}}"#);
    let done =
        |action: &str| format!("data: {{\"type\":\"response.output_item.done\",\"item\":{}}}\n\n", search(action));
    let chat =
        |kind: &str| format!(r#"{{"choices":[{{"message":{{"content":"a","annotations":[{{"type":"{kind}"}}]}}}}]}}"#);
    for (meter, answer, calls) in [
        (AnthropicMessages, messages(""), 1),
        (AnthropicMessages, messages(r#","server_tool_use":{"web_search_requests":0}"#), 0),
        (AnthropicMessages, messages(r#","server_tool_use":{"web_search_requests":3}"#), 3),
        (OpenaiResponses, responses(""), 1),
        (OpenaiResponses, responses(r#","tool_usage":{"web_search":{"num_requests":2}}"#), 2),
        (OpenaiResponses, responses(r#","tool_usage":{"web_search":{"num_requests":0}}"#), 0),
        (OpenaiResponses, [done("search"), done("open_page"), done("search")].concat(), 2),
        (OpenaiChat, chat("url_citation"), 1),
        (OpenaiChat, chat("file"), 0),
    ] {
        let tools = taken(meter, "", &answer).tools;
        let sum: u64 = tools.iter().filter(|(tool, _)| tool == "web_search").map(|(_, calls)| *calls).sum();
        assert_eq!(sum, calls, "{answer}: {tools:?}");
    }
}
