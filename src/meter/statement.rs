//! What an answer, or one event of it, says of its usage, and about how much text it brings.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::{Format, members::Name, text};

/// A number as it was stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Count {
    #[default]
    Absent,
    Plain(u64),
    /// It is there and no count: negative, a fraction, a text.
    Absurd,
}

/// The counts of a usage, by the names of no format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stated {
    pub input: Count,
    pub cached: Count,
    pub cache_write: Count,
    pub output: Count,
    pub reasoning: Count,
}

/// What one JSON text of an answer says.
#[derive(Debug, Default)]
pub(super) struct Statement {
    pub stated: Stated,
    /// Whether it is the usage of all that was written, and no first word of what was read.
    pub is_final: bool,
    /// Whether it has usage and nothing else to tell: the chunk that OpenAI adds to a stream if asked to.
    pub is_usage_alone: bool,
    /// The model that answers, as it calls itself.
    pub model: Option<String>,
    /// About the tokens of the text in it.
    pub written_tokens: u64,
    /// About those of all that was written until now, where it is said again.
    pub repeated_tokens: u64,
}

impl Count {
    /// The count at a JSON pointer.
    pub fn at(usage: &Value, pointer: &str) -> Self {
        match usage.pointer(pointer) {
            None | Some(Value::Null) => Self::Absent,
            Some(value) => value.as_u64().map_or(Self::Absurd, Self::Plain),
        }
    }

    const fn or(self, earlier: Self) -> Self {
        if matches!(self, Self::Absent) { earlier } else { self }
    }
}

impl Stated {
    /// These counts, and the earlier ones of those that are not among them.
    #[must_use]
    pub const fn or(self, earlier: Self) -> Self {
        Self {
            input: self.input.or(earlier.input),
            cached: self.cached.or(earlier.cached),
            cache_write: self.cache_write.or(earlier.cache_write),
            output: self.output.or(earlier.output),
            reasoning: self.reasoning.or(earlier.reasoning),
        }
    }
}

/// The members of all formats' answers that are looked into.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'j> {
    #[serde(borrow)]
    model: Option<&'j RawValue>,
    #[serde(borrow)]
    usage: Option<&'j RawValue>,
    /// Of the first event of an Anthropic stream.
    #[serde(borrow)]
    message: Option<&'j RawValue>,
    /// Of some events of a stream of OpenAI responses.
    #[serde(borrow)]
    response: Option<&'j RawValue>,
    #[serde(borrow)]
    choices: Option<&'j RawValue>,
    #[serde(borrow)]
    delta: Option<&'j RawValue>,
    #[serde(borrow)]
    content: Option<&'j RawValue>,
    #[serde(borrow)]
    content_block: Option<&'j RawValue>,
    #[serde(borrow)]
    output: Option<&'j RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner<'j> {
    #[serde(borrow)]
    model: Option<&'j RawValue>,
    #[serde(borrow)]
    usage: Option<&'j RawValue>,
    #[serde(borrow)]
    output: Option<&'j RawValue>,
}

impl<'j> Inner<'j> {
    /// Nothing where it is no object: other services have texts of these names.
    fn of(json: Option<&'j RawValue>) -> Self {
        json.and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default()
    }
}

/// Reads one JSON text; nothing where it is none, or no object of a known kind.
pub(super) fn read(format: &dyn Format, json: &[u8]) -> Option<Statement> {
    let body: Body<'_> = serde_json::from_slice(json).ok()?;
    let (message, response) = (Inner::of(body.message), Inner::of(body.response));
    let first = usage(format, message.usage);
    let last = usage(format, body.usage).or_else(|| usage(format, response.usage));
    let models = [body.model, message.model, response.model];
    let is_empty = body.choices.is_some_and(|list| list.get().bytes().all(|b| b"[] \t\r\n".contains(&b)));
    Some(Statement {
        is_usage_alone: is_empty && body.usage.is_some_and(|usage| usage.get().starts_with('{')),
        is_final: last.is_some_and(|last| format.output_bound().is_none() || last.output != Count::Absent),
        stated: last.unwrap_or_default().or(first.unwrap_or_default()),
        model: models.into_iter().flatten().find_map(|model| serde_json::from_str(model.get()).ok()),
        written_tokens: format.written().iter().filter_map(|name| body.member(name)).map(written).sum(),
        repeated_tokens: response.output.map_or(0, written),
    })
}

impl<'j> Body<'j> {
    fn member(&self, name: &str) -> Option<&'j RawValue> {
        match name {
            "choices" => self.choices,
            "delta" => self.delta,
            "content" => self.content,
            "content_block" => self.content_block,
            "output" => self.output,
            _ => None,
        }
    }
}

fn usage(format: &dyn Format, json: Option<&RawValue>) -> Option<Stated> {
    let usage: Value = serde_json::from_str(json?.get()).ok()?;
    usage.is_object().then(|| format.stated(&usage))
}

/// Members that name or frame what is written; the model has not written them.
const FRAME: [&str; 18] = [
    "annotations",
    "call_id",
    "citations",
    "encrypted_content",
    "finish_reason",
    "id",
    "index",
    "item_id",
    "logprobs",
    "object",
    "role",
    "signature",
    "status",
    "stop_reason",
    "stop_sequence",
    "tool_call_id",
    "type",
    "usage",
];

/// About how many tokens the texts of a JSON value have.
fn written(json: &RawValue) -> u64 {
    let mut tokens = 0;
    let mut reader = serde_json::Deserializer::from_str(json.get());
    match Written(&mut tokens).deserialize(&mut reader) {
        Ok(()) => tokens,
        // Half a pair of surrogates, for one: what passed as a text is counted as it passed.
        Err(_) => text::tokens(json.get().as_bytes()),
    }
}

struct Written<'t>(&'t mut u64);

impl<'j> DeserializeSeed<'j> for Written<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'j>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'j> Visitor<'j> for Written<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer")
    }

    fn visit_str<E>(self, written: &str) -> Result<(), E> {
        *self.0 = self.0.saturating_add(text::tokens(written.as_bytes()));
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'j>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Written(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            let name: Cow<'_, str> = name;
            if FRAME.contains(&&*name) {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Written(self.0))?;
            }
        }
        Ok(())
    }
}
