//! What a prompt costs and what it asks, in either provider's message format.
//!
//! Both formats call it with the JSON of each message. A message counts its text, [`MESSAGE_TOKENS`] for its frame and
//! [`IMAGE_TOKENS`] an image; any other part counts its JSON as text. So but for images, the bytes of a request bound its
//! prompt tokens from above.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Refusal, model};

/// Tokens that every message costs besides its text.
pub const MESSAGE_TOKENS: u64 = 4;

/// Tokens of an image, whatever its size.
pub const IMAGE_TOKENS: u64 = 85;

/// The longest prompt.
pub const MAX_CONTEXT_TOKENS: u64 = 1_000_000;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    pub tokens: u64,
    /// The text of the last message whose role is `user`.
    pub last_user_text: String,
}

/// One message of a conversation; both providers have these fields.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    pub role: String,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    text: Option<std::borrow::Cow<'a, str>>,
}

/// The text and the cost of one message's content.
#[derive(Default)]
struct Content {
    text: String,
    tokens: u64,
}

impl Prompt {
    /// Counts a message: its text, its tool calls, and what each message costs.
    pub fn add_message(&mut self, message: &Message<'_>) -> Result<(), Refusal> {
        let content = message.content.map_or_else(|| Ok(Content::default()), Content::read)?;
        let calls = message.tool_calls.map_or(0, |calls| model::count(calls.get()));
        self.add(MESSAGE_TOKENS);
        self.add(content.tokens);
        self.add(calls);
        if message.role == "user" {
            self.last_user_text = content.text;
        }
        Ok(())
    }

    /// A system prompt that stands outside the messages.
    pub fn add_system(&mut self, content: &RawValue) -> Result<(), Refusal> {
        self.add(Content::read(content)?.tokens);
        Ok(())
    }

    /// Tools and the like: their JSON, counted as text.
    pub fn add_json(&mut self, json: &RawValue) {
        self.add(model::count(json.get()));
    }

    /// The prompt, unless it has more tokens than the model takes.
    pub fn within_context(self) -> Result<Self, Refusal> {
        if self.tokens > MAX_CONTEXT_TOKENS { Err(Refusal::PromptTooLong(self.tokens)) } else { Ok(self) }
    }

    fn add(&mut self, tokens: u64) {
        self.tokens = self.tokens.saturating_add(tokens);
    }
}

impl Content {
    /// A string, or an array of parts.
    fn read(content: &RawValue) -> Result<Self, Refusal> {
        if content.get().starts_with('[') {
            return Self::of_parts(&serde_json::from_str::<Vec<&RawValue>>(content.get())?);
        }
        let text: String = serde_json::from_str(content.get())?;
        Ok(Self { tokens: model::count(&text), text })
    }

    fn of_parts(parts: &[&RawValue]) -> Result<Self, Refusal> {
        let mut content = Self::default();
        for json in parts {
            let part: Part<'_> = serde_json::from_str(json.get())?;
            let tokens = match (part.kind.as_str(), &part.text) {
                ("text", Some(text)) => model::count(text),
                ("text", None) => return Err(Refusal::invalid("A text part has no text.", "messages")),
                ("image_url" | "image", _) => IMAGE_TOKENS,
                _ => model::count(json.get()),
            };
            content.tokens = content.tokens.saturating_add(tokens);
            content.text.push_str(part.text.as_deref().unwrap_or_default());
        }
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn prompt(messages: &Value) -> Result<Prompt, Refusal> {
        let text = messages.to_string();
        let mut prompt = Prompt::default();
        for message in serde_json::from_str::<Vec<Message<'_>>>(&text)? {
            prompt.add_message(&message)?;
        }
        Ok(prompt)
    }

    fn tokens(messages: &Value) -> u64 {
        prompt(messages).unwrap().tokens
    }

    #[test]
    fn a_message_costs_its_text_and_its_frame() {
        assert_eq!(tokens(&json!([{"role": "user", "content": "Hello you"}])), 4 + MESSAGE_TOKENS);
        assert_eq!(tokens(&json!([{"role": "user", "content": ""}, {"role": "assistant", "content": null}])), 8);
    }

    #[test]
    fn parts_cost_their_text_and_images_a_constant() {
        let parts = json!([{"type": "text", "text": "Hello"}, {"type": "image_url", "image_url": {"url": "data:x"}}]);
        assert_eq!(tokens(&json!([{"role": "user", "content": parts}])), 2 + IMAGE_TOKENS + MESSAGE_TOKENS);
    }

    #[test]
    fn any_other_part_costs_its_json() {
        let part = json!({"type": "tool_result", "content": "42"});
        let expected = model::count(&part.to_string()) + MESSAGE_TOKENS;
        assert_eq!(tokens(&json!([{"role": "user", "content": [part]}])), expected);
    }

    #[test]
    fn the_last_message_of_the_user_is_what_is_asked() {
        let prompt = prompt(&json!([
            {"role": "user", "content": "first"},
            {"role": "user", "content": [{"type": "text", "text": "se"}, {"type": "text", "text": "cond"}]},
            {"role": "assistant", "content": "ok"},
        ]));
        assert_eq!(prompt.unwrap().last_user_text, "second");
    }

    #[test]
    fn content_of_another_shape_is_refused() {
        for content in [json!(1), json!({}), json!([1]), json!([{"text": "x"}]), json!([{"type": "text"}])] {
            assert!(prompt(&json!([{"role": "user", "content": content}])).is_err(), "{content}");
        }
    }

    #[test]
    fn a_prompt_over_the_context_is_refused() {
        let prompt = Prompt { tokens: MAX_CONTEXT_TOKENS + 1, last_user_text: String::new() };
        assert_eq!(prompt.within_context(), Err(Refusal::PromptTooLong(MAX_CONTEXT_TOKENS + 1)));
    }
}
