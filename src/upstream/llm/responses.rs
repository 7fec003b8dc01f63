//! The model in the format of OpenAI responses: <https://platform.openai.com/docs/api-reference/responses>. It keeps nothing,
//! so that `previous_response_id` is refused.

use std::iter;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Call, Refusal, event_stream, json as whole,
    model::{self, MAX_OUTPUT_TOKENS, NAME, Reply},
    prompt::{MAX_CONTEXT_TOKENS, MESSAGE_TOKENS},
};
use crate::upstream::Answer;

#[derive(Deserialize)]
struct Request {
    model: String,
    #[serde(default)]
    input: Value,
    instructions: Option<String>,
    max_output_tokens: Option<u64>,
    stream: Option<bool>,
    tools: Option<Value>,
    previous_response_id: Option<String>,
}

struct Response {
    id: String,
    item: String,
    created_at: i64,
    input_tokens: u64,
    reply: Reply,
}

pub(super) fn complete(call: &Call) -> Result<Answer, Refusal> {
    let request: Request = serde_json::from_slice(&call.body)?;
    if request.model != NAME {
        return Err(Refusal::UnknownModel(request.model));
    }
    if request.previous_response_id.is_some() {
        return Err(Refusal::invalid("No response is kept here.", "previous_response_id"));
    }
    let (input_tokens, text) = request.prompt()?;
    let max_tokens = request.max_output_tokens.unwrap_or(MAX_OUTPUT_TOKENS);
    if max_tokens == 0 {
        return Err(Refusal::invalid("The maximum of tokens must be at least 1.", "max_output_tokens"));
    }
    let response = Response {
        id: format!("resp_{}", call.id),
        item: format!("msg_{}", call.id),
        created_at: call.unix_time_s,
        input_tokens,
        reply: model::reply(&text, max_tokens),
    };
    if request.stream == Some(true) {
        return Ok(event_stream(response.into_events()));
    }
    Ok(whole(StatusCode::OK, &response.to_json(true)))
}

impl Request {
    /// The tokens of the prompt, and the text of the last message of the user.
    fn prompt(&self) -> Result<(u64, String), Refusal> {
        let others = [self.instructions.as_deref().map(model::count), self.tools.as_ref().map(count)];
        let others = others.into_iter().flatten().fold(0, u64::saturating_add);
        let (tokens, text) = match &self.input {
            Value::String(text) => (model::count(text).saturating_add(MESSAGE_TOKENS), text.clone()),
            Value::Array(items) if !items.is_empty() => {
                let tokens = items.iter().map(tokens_of).fold(0, u64::saturating_add);
                let last = items.iter().rev().find(|item| item["role"] == "user");
                (tokens, last.map(text_of).unwrap_or_default())
            }
            _ => return Err(Refusal::invalid("The input must be a text or a list of items.", "input")),
        };
        let tokens = tokens.saturating_add(others);
        if tokens > MAX_CONTEXT_TOKENS { Err(Refusal::PromptTooLong(tokens)) } else { Ok((tokens, text)) }
    }
}

fn count(json: &Value) -> u64 {
    model::count(&json.to_string())
}

/// A message counts its text and its frame; any other item its JSON.
fn tokens_of(item: &Value) -> u64 {
    let tokens = if item["role"].is_string() { model::count(&text_of(item)) } else { count(item) };
    tokens.saturating_add(MESSAGE_TOKENS)
}

fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

impl Response {
    fn status(&self) -> &'static str {
        if self.reply.is_complete { "completed" } else { "incomplete" }
    }

    fn part(&self, is_done: bool) -> Value {
        let text = if is_done { self.reply.text.as_str() } else { "" };
        json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
    }

    fn item(&self, is_done: bool) -> Value {
        let (status, content) =
            if is_done { (self.status(), json!([self.part(true)])) } else { ("in_progress", json!([])) };
        json!({"id": self.item, "type": "message", "role": "assistant", "status": status, "content": content})
    }

    fn to_json(&self, is_done: bool) -> Value {
        let usage = json!({
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": self.reply.tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.input_tokens.saturating_add(self.reply.tokens),
        });
        let cut = json!({"reason": "max_output_tokens"});
        json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "model": NAME,
            "status": if is_done { self.status() } else { "in_progress" },
            "error": null,
            "incomplete_details": if is_done && !self.reply.is_complete { cut } else { Value::Null },
            "instructions": null,
            "metadata": {},
            "output": if is_done { json!([self.item(true)]) } else { json!([]) },
            "parallel_tool_calls": true,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": if is_done { usage } else { Value::Null },
        })
    }

    /// The events of a response with one message, a token a delta.
    fn into_events(self) -> impl Iterator<Item = String> + Send + 'static {
        let place = json!({"item_id": self.item, "output_index": 0, "content_index": 0});
        let at = move |kind: &str, more: Value| {
            let mut event = place.clone();
            if let (Value::Object(event), Value::Object(more)) = (&mut event, more) {
                event.insert("type".into(), kind.into());
                event.extend(more);
            }
            event
        };
        let opened = [
            json!({"type": "response.created", "response": self.to_json(false)}),
            json!({"type": "response.in_progress", "response": self.to_json(false)}),
            json!({"type": "response.output_item.added", "output_index": 0, "item": self.item(false)}),
            at("response.content_part.added", json!({"part": self.part(false)})),
        ];
        let end = if self.reply.is_complete { "response.completed" } else { "response.incomplete" };
        let closed = [
            at("response.output_text.done", json!({"text": self.reply.text, "logprobs": []})),
            at("response.content_part.done", json!({"part": self.part(true)})),
            json!({"type": "response.output_item.done", "output_index": 0, "item": self.item(true)}),
            json!({"type": end, "response": self.to_json(true)}),
        ];
        let typed = self.reply.into_typing();
        let typed = typed.map(move |token| at("response.output_text.delta", json!({"delta": token, "logprobs": []})));
        let events = iter::empty().chain(opened).chain(typed).chain(closed);
        events.zip(0_u64..).map(|(mut event, number)| {
            if let Value::Object(members) = &mut event {
                members.insert("sequence_number".into(), number.into());
            }
            let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
            format!("event: {kind}\ndata: {event}\n\n")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{posted, streamed},
        *,
    };

    #[test]
    fn a_response_has_its_text_and_its_true_usage() {
        let asked = json!({"model": "demo", "input": "Hello you", "instructions": "Be kind"});
        let (status, answer) = posted("/v1/responses", &asked);
        assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("completed")));
        assert!(answer["output"][0]["content"][0]["text"].as_str().unwrap().starts_with("You said: Hello you."));
        assert_eq!(answer["usage"]["input_tokens"], 4 + 4 + 3);
        let (_, cut) = posted("/v1/responses", &json!({"model": "demo", "input": "Hello", "max_output_tokens": 2}));
        assert_eq!((&cut["status"], &cut["usage"]["output_tokens"]), (&json!("incomplete"), &json!(2)));
    }

    #[test]
    fn a_stream_says_the_same_in_pieces() {
        let asked = json!({"model": "demo", "stream": true,
            "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}]});
        let events: Vec<Value> =
            streamed("/v1/responses", &asked).iter().map(|data| serde_json::from_str(data).unwrap()).collect();
        let typed: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
        let last = events.last().unwrap();
        assert_eq!(last["response"]["output"][0]["content"][0]["text"], typed);
        assert!(events.iter().zip(0_u64..).all(|(event, number)| event["sequence_number"] == number));
    }

    #[test]
    fn what_is_no_input_is_refused() {
        for asked in [json!({"model": "demo"}), json!({"model": "demo", "input": "x", "previous_response_id": "r"})] {
            assert_eq!(posted("/v1/responses", &asked).0, StatusCode::BAD_REQUEST, "{asked}");
        }
    }
}
