//! The model in the format of OpenAI chat completions: <https://platform.openai.com/docs/api-reference/chat>.

use std::iter;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    Call, Refusal, event_stream, json as whole,
    model::{self, MAX_OUTPUT_TOKENS, NAME, Reply},
    prompt::{Message, Prompt},
};
use crate::upstream::Answer;

/// The provider's own bound on `n`.
const MAX_CHOICES: u64 = 128;

const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];

#[derive(Deserialize)]
struct Request<'a> {
    model: String,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    n: Option<u64>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// What every object of one answer has in common.
struct Completion {
    id: String,
    created: i64,
    prompt_tokens: u64,
    choices: u64,
    reply: Reply,
}

pub(super) fn complete(call: &Call) -> Result<Answer, Refusal> {
    let request: Request<'_> = serde_json::from_slice(&call.body)?;
    if request.model != NAME {
        return Err(Refusal::UnknownModel(request.model));
    }
    let prompt = request.prompt()?;
    let completion = Completion {
        id: format!("chatcmpl-{}", call.id),
        created: call.unix_time_s,
        prompt_tokens: prompt.tokens,
        choices: request.choices()?,
        reply: model::reply(&prompt.last_user_text, request.max_tokens()?),
    };
    if request.stream == Some(true) {
        let with_usage = request.stream_options.is_some_and(|options| options.include_usage == Some(true));
        return Ok(event_stream(completion.into_events(with_usage)));
    }
    Ok(whole(StatusCode::OK, &completion.to_json()))
}

pub(super) fn refusal(refusal: &Refusal) -> Value {
    let (code, param) = match refusal {
        Refusal::UnknownPath => (Some("unknown_url"), None),
        Refusal::WrongMethod => (Some("method_not_supported"), None),
        Refusal::TooLarge => (Some("request_too_large"), None),
        Refusal::UnknownModel(_) => (Some("model_not_found"), Some("model")),
        Refusal::PromptTooLong(_) => (Some("context_length_exceeded"), Some("messages")),
        Refusal::Invalid { param, .. } => (None, *param),
    };
    let message = refusal.to_string();
    json!({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}})
}

impl Request<'_> {
    fn prompt(&self) -> Result<Prompt, Refusal> {
        if self.messages.is_empty() {
            return Err(Refusal::invalid("There must be at least one message.", "messages"));
        }
        let mut prompt = Prompt::default();
        for message in &self.messages {
            if !ROLES.contains(&message.role.as_str()) {
                return Err(Refusal::invalid(format!("There is no role '{}'.", message.role), "messages"));
            }
            prompt.add_message(message)?;
        }
        if let Some(tools) = self.tools {
            prompt.add_json(tools);
        }
        prompt.within_context()
    }

    fn choices(&self) -> Result<u64, Refusal> {
        match self.n.unwrap_or(1) {
            n @ 1..=MAX_CHOICES => Ok(n),
            _ => Err(Refusal::invalid(format!("'n' must be between 1 and {MAX_CHOICES}."), "n")),
        }
    }

    /// The smaller of the two, if both are given: neither bound is ever exceeded.
    fn max_tokens(&self) -> Result<u64, Refusal> {
        let given = self.max_tokens.into_iter().chain(self.max_completion_tokens).min();
        match given.unwrap_or(MAX_OUTPUT_TOKENS) {
            0 => Err(Refusal::invalid("The maximum of tokens must be at least 1.", "max_tokens")),
            max_tokens => Ok(max_tokens),
        }
    }
}

impl Completion {
    fn to_json(&self) -> Value {
        let choice = |index| {
            json!({
                "index": index,
                "message": {"role": "assistant", "content": self.reply.text, "refusal": null, "annotations": []},
                "logprobs": null,
                "finish_reason": finish_reason(&self.reply),
            })
        };
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": NAME,
            "choices": (0..self.choices).map(choice).collect::<Vec<_>>(),
            "usage": self.usage(),
            "system_fingerprint": "fp_tollgate_demo",
        })
    }

    fn usage(&self) -> Value {
        let completion_tokens = self.reply.tokens.saturating_mul(self.choices);
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens.saturating_add(completion_tokens),
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        })
    }

    /// The role of each choice, then one token an event, then each choice's end; then the usage, if it was asked for.
    fn into_events(self, with_usage: bool) -> impl Iterator<Item = String> + Send + 'static {
        let (choices, usage, reason) = (self.choices, self.usage(), finish_reason(&self.reply));
        let opened = (0..choices)
            .map(|index| choice(index, &json!({"role": "assistant", "content": "", "refusal": null}), None));
        let typed = self.reply.into_typing();
        let typed =
            typed.flat_map(move |token| (0..choices).map(move |index| choice(index, &json!({"content": token}), None)));
        let closed = (0..choices).map(move |index| choice(index, &json!({}), Some(reason)));
        let chunks = opened.chain(typed).chain(closed).map(|choice| (json!([choice]), Value::Null));
        let chunks = chunks.chain(with_usage.then(|| (json!([]), usage)));
        let events = chunks.map(move |(choices, usage)| {
            let mut chunk = chunk(&self.id, self.created, &choices);
            // With `include_usage` every chunk has the field, without it none has.
            if let (true, Value::Object(fields)) = (with_usage, &mut chunk) {
                fields.insert("usage".to_owned(), usage);
            }
            format!("data: {chunk}\n\n")
        });
        events.chain(iter::once("data: [DONE]\n\n".to_owned()))
    }
}

fn chunk(id: &str, created: i64, choices: &Value) -> Value {
    json!({
        "id": id,
        "object": "chat.completion.chunk",
        "created": created,
        "model": NAME,
        "system_fingerprint": "fp_tollgate_demo",
        "choices": choices,
    })
}

fn choice(index: u64, delta: &Value, finish_reason: Option<&str>) -> Value {
    json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason})
}

fn finish_reason(reply: &Reply) -> &'static str {
    if reply.is_complete { "stop" } else { "length" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::llm::tests::{posted, streamed};

    const PATH: &str = "/v1/chat/completions";

    fn request(more: &Value) -> Value {
        let mut request = json!({"model": "demo", "messages": [{"role": "user", "content": "Hello"}]});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    }

    fn chunks(more: &Value) -> Vec<Value> {
        let mut events = streamed(PATH, &request(more));
        assert_eq!(events.pop().unwrap(), "[DONE]");
        events.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }

    #[test]
    fn a_completion_has_the_shape_of_the_provider_and_usage_that_adds_up() {
        let (status, completion) = posted(PATH, &request(&json!({})));
        assert_eq!(status, StatusCode::OK);
        assert_eq!(completion["id"], "chatcmpl-0190abcd");
        assert_eq!(completion["object"], "chat.completion");
        assert_eq!(completion["created"], 1_700_000_000);
        let choice = &completion["choices"][0];
        assert_eq!((&choice["finish_reason"], &choice["message"]["role"]), (&json!("stop"), &json!("assistant")));
        let usage = &completion["usage"];
        assert_eq!(usage["completion_tokens"], model::count(choice["message"]["content"].as_str().unwrap()));
        assert_eq!(usage["prompt_tokens"], 6);
        assert_eq!(usage["total_tokens"].as_u64().unwrap(), 6 + usage["completion_tokens"].as_u64().unwrap());
    }

    #[test]
    fn a_limit_on_tokens_cuts_the_reply_and_is_named_as_the_reason() {
        for limits in [
            json!({"max_tokens": 5}),
            json!({"max_completion_tokens": 5}),
            json!({"max_tokens": 5, "max_completion_tokens": 9}),
        ] {
            let (_, completion) = posted(PATH, &request(&limits));
            assert_eq!(completion["choices"][0]["finish_reason"], "length");
            assert_eq!(completion["usage"]["completion_tokens"], 5);
        }
    }

    #[test]
    fn every_choice_is_billed() {
        let (_, completion) = posted(PATH, &request(&json!({"n": 3, "max_tokens": 5})));
        assert_eq!(completion["choices"].as_array().unwrap().len(), 3);
        assert_eq!(completion["choices"][2]["index"], 2);
        assert_eq!(completion["usage"]["completion_tokens"], 15);
    }

    #[test]
    fn a_stream_types_the_same_text_and_says_nothing_of_usage_unasked() {
        let (_, completion) = posted(PATH, &request(&json!({})));
        let chunks = chunks(&json!({"stream": true}));
        let typed: String =
            chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(typed, completion["choices"][0]["message"]["content"]);
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
        assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk.get("usage").is_none()));
    }

    #[test]
    fn a_stream_asked_for_usage_ends_with_it_and_has_null_before() {
        let options = json!({"stream": true, "n": 2, "max_tokens": 4, "stream_options": {"include_usage": true}});
        let mut chunks = chunks(&options);
        let last = chunks.pop().unwrap();
        assert_eq!(last["choices"], json!([]));
        assert_eq!(last["usage"]["completion_tokens"], 8);
        assert_eq!(last["usage"]["total_tokens"], 14);
        assert!(chunks.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));
        let ends = chunks.iter().filter(|chunk| chunk["choices"][0]["finish_reason"] == "length");
        assert_eq!(ends.map(|chunk| chunk["choices"][0]["index"].clone()).collect::<Vec<_>>(), [json!(0), json!(1)]);
    }

    #[test]
    fn a_refusal_has_the_shape_of_the_provider() {
        let mut unknown = request(&json!({}));
        unknown["model"] = json!("gpt-x");
        let (status, body) = posted(PATH, &unknown);
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(body["error"]["type"], "invalid_request_error");
        assert_eq!((&body["error"]["code"], &body["error"]["param"]), (&json!("model_not_found"), &json!("model")));
    }

    #[test]
    fn a_parameter_out_of_range_is_a_bad_request() {
        for wrong in [
            json!({"n": 0}),
            json!({"n": 129}),
            json!({"n": -1}),
            json!({"max_tokens": 0}),
            json!({"max_tokens": "9"}),
            json!({"messages": [{"role": "robot", "content": "x"}]}),
        ] {
            assert_eq!(posted(PATH, &request(&wrong)).0, StatusCode::BAD_REQUEST, "{wrong}");
        }
    }
}
