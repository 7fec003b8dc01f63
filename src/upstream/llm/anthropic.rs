//! The model in the format of Anthropic messages: <https://docs.anthropic.com/en/api/messages>.

use std::iter;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    Call, Refusal, event_stream, json as whole,
    model::{self, NAME, Reply},
    prompt::{Message, Prompt},
};
use crate::upstream::Answer;

#[derive(Deserialize)]
struct Request<'a> {
    model: String,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    max_tokens: u64,
    #[serde(borrow)]
    system: Option<&'a RawValue>,
    stream: Option<bool>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}

struct Completion {
    id: String,
    input_tokens: u64,
    reply: Reply,
}

pub(super) fn complete(call: &Call) -> Result<Answer, Refusal> {
    let request: Request<'_> = serde_json::from_slice(&call.body)?;
    if request.model != NAME {
        return Err(Refusal::UnknownModel(request.model));
    }
    if request.max_tokens == 0 {
        return Err(Refusal::invalid("max_tokens: must be greater than or equal to 1", "max_tokens"));
    }
    let prompt = request.prompt()?;
    let completion = Completion {
        id: format!("msg_{}", call.id),
        input_tokens: prompt.tokens,
        reply: model::reply(&prompt.last_user_text, request.max_tokens),
    };
    if request.stream == Some(true) {
        return Ok(event_stream(completion.into_events()));
    }
    Ok(whole(StatusCode::OK, &completion.to_json()))
}

pub(super) fn refusal(refusal: &Refusal, id: &str) -> Value {
    let kind = match refusal {
        Refusal::UnknownPath | Refusal::UnknownModel(_) => "not_found_error",
        Refusal::TooLarge => "request_too_large",
        Refusal::WrongMethod | Refusal::PromptTooLong(_) | Refusal::Invalid { .. } => "invalid_request_error",
    };
    let error = json!({"type": kind, "message": refusal.to_string()});
    json!({"type": "error", "error": error, "request_id": format!("req_{id}")})
}

impl Request<'_> {
    fn prompt(&self) -> Result<Prompt, Refusal> {
        if self.messages.is_empty() {
            return Err(Refusal::invalid("messages: at least one message is required", "messages"));
        }
        let mut prompt = Prompt::default();
        if let Some(system) = self.system {
            prompt.add_system(system)?;
        }
        for message in &self.messages {
            if !["user", "assistant"].contains(&message.role.as_str()) {
                return Err(Refusal::invalid(format!("messages: unexpected role '{}'", message.role), "messages"));
            }
            prompt.add_message(message)?;
        }
        if let Some(tools) = self.tools {
            prompt.add_json(tools);
        }
        prompt.within_context()
    }
}

impl Completion {
    fn to_json(&self) -> Value {
        let content = json!([{"type": "text", "text": self.reply.text, "citations": null}]);
        self.message(&content, Some(stop_reason(&self.reply)), self.reply.tokens)
    }

    fn message(&self, content: &Value, stop_reason: Option<&str>, output_tokens: u64) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": NAME,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": null,
            "usage": self.usage(output_tokens),
        })
    }

    fn usage(&self, output_tokens: u64) -> Value {
        json!({
            "input_tokens": self.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
            "service_tier": "standard",
        })
    }

    /// The message without content, its one block opened, one token an event, then the end with the cumulative usage.
    fn into_events(self) -> impl Iterator<Item = String> + Send + 'static {
        let started = json!({"type": "message_start", "message": self.message(&json!([]), None, 1)});
        let opened = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
        let delta = json!({"stop_reason": stop_reason(&self.reply), "stop_sequence": null});
        let usage = json!({"output_tokens": self.reply.tokens});
        let head = [
            event("message_start", &started),
            event("content_block_start", &opened),
            event("ping", &json!({"type": "ping"})),
        ];
        let tail = iter::once_with(|| event("content_block_stop", &json!({"type": "content_block_stop", "index": 0})));
        let tail = tail.chain([
            event("message_delta", &json!({"type": "message_delta", "delta": delta, "usage": usage})),
            event("message_stop", &json!({"type": "message_stop"})),
        ]);
        head.into_iter().chain(self.reply.into_typing().map(|token| typed(&token))).chain(tail)
    }
}

fn typed(token: &str) -> String {
    let delta = json!({"type": "text_delta", "text": token});
    event("content_block_delta", &json!({"type": "content_block_delta", "index": 0, "delta": delta}))
}

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn stop_reason(reply: &Reply) -> &'static str {
    if reply.is_complete { "end_turn" } else { "max_tokens" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::llm::tests::{posted, streamed};

    const PATH: &str = "/v1/messages";

    fn request(more: &Value) -> Value {
        let mut request =
            json!({"model": "demo", "max_tokens": 999, "messages": [{"role": "user", "content": "Hello"}]});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    }

    fn events(more: &Value) -> Vec<Value> {
        streamed(PATH, &request(more)).iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }

    #[test]
    fn a_message_has_the_shape_of_the_provider_and_true_usage() {
        let (status, message) = posted(PATH, &request(&json!({})));
        assert_eq!(status, StatusCode::OK);
        assert_eq!((&message["id"], &message["type"]), (&json!("msg_0190abcd"), &json!("message")));
        assert_eq!((&message["stop_reason"], &message["stop_sequence"]), (&json!("end_turn"), &Value::Null));
        let text = message["content"][0]["text"].as_str().unwrap();
        assert_eq!(message["usage"]["output_tokens"], model::count(text));
        assert_eq!(message["usage"]["input_tokens"], 6);
    }

    #[test]
    fn the_system_prompt_and_the_tools_count_as_input() {
        let input = |more: &Value| posted(PATH, &request(more)).1["usage"]["input_tokens"].as_u64().unwrap();
        assert_eq!(input(&json!({"system": "Be kind"})), 9);
        assert_eq!(input(&json!({"system": [{"type": "text", "text": "Be kind"}]})), 9);
        assert_eq!(input(&json!({"tools": [{"name": "x"}]})), 6 + model::count(r#"[{"name":"x"}]"#));
    }

    #[test]
    fn a_limit_on_tokens_cuts_the_reply_and_is_named_as_the_reason() {
        let (_, message) = posted(PATH, &request(&json!({"max_tokens": 5})));
        assert_eq!(message["stop_reason"], "max_tokens");
        assert_eq!(message["usage"]["output_tokens"], 5);
    }

    #[test]
    fn a_stream_has_the_events_of_the_provider_in_their_order() {
        let mut kinds: Vec<_> =
            events(&json!({"stream": true})).iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
        kinds.dedup();
        assert_eq!(
            kinds,
            [
                "message_start",
                "content_block_start",
                "ping",
                "content_block_delta",
                "content_block_stop",
                "message_delta",
                "message_stop"
            ]
        );
    }

    #[test]
    fn a_stream_types_the_same_text_and_ends_with_the_same_usage() {
        let (_, message) = posted(PATH, &request(&json!({"max_tokens": 20})));
        let events = events(&json!({"max_tokens": 20, "stream": true}));
        let typed: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
        assert_eq!(typed, message["content"][0]["text"]);
        let start = &events[0]["message"];
        assert_eq!((&start["usage"]["input_tokens"], &start["usage"]["output_tokens"]), (&json!(6), &json!(1)));
        assert_eq!(start["content"], json!([]));
        let delta = &events[events.len() - 2];
        assert_eq!(delta["usage"]["output_tokens"], message["usage"]["output_tokens"]);
        assert_eq!(delta["delta"]["stop_reason"], "max_tokens");
    }

    #[test]
    fn a_refusal_has_the_shape_of_the_provider() {
        let (status, body) = posted(PATH, &request(&json!({"model": "claude-x"})));
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("not_found_error")));
        for wrong in [json!({"max_tokens": 0}), json!({"max_tokens": -1}), json!({"max_tokens": null})] {
            let (status, body) = posted(PATH, &request(&wrong));
            assert_eq!((status, &body["error"]["type"]), (StatusCode::BAD_REQUEST, &json!("invalid_request_error")));
        }
    }
}
