//! Bytes to JSON whose parts are still the text that was sent: numbers keep their digits, and members come in their order.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::domain::refusal::Fault;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The text of a body, without a byte order mark (RFC 8259 §8.1 lets a parser ignore one).
pub(super) fn text_of(bytes: &[u8]) -> Result<&str, Fault> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    std::str::from_utf8(bytes)
        .map_err(|error| Fault::new("", format!("must be UTF-8; the byte at {} is not", error.valid_up_to())))
}

/// The one value that a text is.
pub(super) fn document(text: &str) -> Result<&RawValue, Fault> {
    if text.trim_ascii().is_empty() {
        return Err(Fault::new("", "is empty, and must be a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| {
        let what = if error.is_eof() { "ends too early" } else { "is not JSON" };
        Fault::new("", format!("{what}: line {}, column {}", error.line(), error.column()))
    })
}

/// A query as the text of a JSON object, whose members are all text and may come twice.
pub(super) fn object_of(query: &str) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let member =
        |(name, value): (std::borrow::Cow<str>, std::borrow::Cow<str>)| format!("{}:{}", quoted(&name), quoted(&value));
    let members: Vec<String> = form_urlencoded::parse(query.as_bytes()).map(member).collect();
    format!("{{{}}}", members.join(","))
}

/// The kinds of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    List,
    Object,
}

impl Kind {
    pub(super) fn of(value: &RawValue) -> Self {
        match value.get().as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::List,
            Some(b'"') => Self::Text,
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Boolean,
            _ => Self::Number,
        }
    }
}

/// The members of an object, all of them, in their order.
pub(super) struct Members<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = vec![];
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
