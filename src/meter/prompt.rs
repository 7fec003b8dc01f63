//! A look into the content of a prompt: whether its bytes bound its tokens.
//!
//! They do for text, whatever the vocabulary: each token stands for a byte at least. They do not for an image, a file, or
//! anything that is only named and kept elsewhere. What is not known to be text is taken for such.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::{
    Content,
    members::{Name, folded},
};

/// Members by which some services know an image or a file even where no type says so.
const REFERENCES: [&str; 10] = [
    "image_url",
    "image",
    "input_image",
    "video_url",
    "file",
    "file_id",
    "file_url",
    "file_data",
    "source",
    "container_id",
];

/// How long a cache entry lives that is written at the price of cache writes.
const PRICED_TTL: &str = "5m";

/// What was found in content.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// A part that may have more tokens than bytes.
    pub without_size: Option<String>,
    /// What no price speaks of.
    pub priceless: Option<String>,
}

/// Looks at every part of some content. The error is that of JSON that cannot be read, or is nested too deeply.
pub(super) fn look(json: &str, content: &'static Content) -> Result<Look, serde_json::Error> {
    let mut look = Look::default();
    let mut reader = serde_json::Deserializer::from_str(json);
    Part { content, look: &mut look }.deserialize(&mut reader)?;
    Ok(look)
}

struct Part<'l> {
    content: &'static Content,
    look: &'l mut Look,
}

impl Part<'_> {
    fn inner(&mut self) -> Part<'_> {
        Part { content: self.content, look: self.look }
    }

    fn member<'j, A: MapAccess<'j>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            _ if self.content.own.contains(&name) => map.next_value::<IgnoredAny>().map(drop),
            "type" => map.next_value::<&RawValue>().map(|kind| self.kind(kind)),
            "ttl" => map.next_value::<&RawValue>().map(|ttl| self.ttl(ttl)),
            _ if REFERENCES.contains(&name) => {
                if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                    self.look.without_size.get_or_insert_with(|| name.to_owned());
                }
                Ok(())
            }
            // Some services know such a part by its name where no type says so.
            _ if self.content.priceless.contains(&name) => {
                if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                    self.look.priceless.get_or_insert_with(|| name.to_owned());
                }
                Ok(())
            }
            _ => map.next_value_seed(self.inner()),
        }
    }

    fn kind(&mut self, kind: &RawValue) {
        let kind = word(kind);
        let is_one_of = |kinds: &[&str]| kind.as_deref().is_some_and(|kind| kinds.contains(&kind));
        if is_one_of(self.content.sized) {
            return;
        }
        let kind = kind.as_deref().unwrap_or("unknown");
        let kind: String = kind.chars().take(64).collect();
        if self.content.priceless.contains(&&*kind) {
            self.look.priceless.get_or_insert(kind);
        } else {
            self.look.without_size.get_or_insert(kind);
        }
    }

    fn ttl(&mut self, ttl: &RawValue) {
        if ttl.get() != "null" && word(ttl).is_none_or(|ttl| ttl != PRICED_TTL) {
            self.look.priceless.get_or_insert_with(|| format!("ttl other than {PRICED_TTL}"));
        }
    }
}

fn word(json: &RawValue) -> Option<String> {
    match serde_json::from_str(json.get()) {
        Ok(Value::String(word)) => Some(word),
        _ => None,
    }
}

impl<'j> DeserializeSeed<'j> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'j>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'j> Visitor<'j> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("content")
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

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'j>>(mut self, mut parts: A) -> Result<(), A::Error> {
        while parts.next_element_seed(self.inner())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'j>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            self.member(&folded(&name), &mut map)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: Content =
        Content { sized: &["text", "tool_use", "ephemeral"], priceless: &["audio"], own: &["input"] };

    fn found(json: &str) -> (Option<String>, Option<String>) {
        let Look { without_size, priceless } = look(json, &CONTENT).unwrap();
        (without_size, priceless)
    }

    #[test]
    fn text_is_bounded_by_its_bytes_however_it_is_nested() {
        for json in [
            r#""text""#,
            r#"[{"role":"user","content":"x","audio":null,"file":null}]"#,
            r#"[{"content":[{"type":"text","text":"a \"type\":\"image\" b","cache_control":{"type":"ephemeral","ttl":"5m"}}]}]"#,
            r#"[{"content":[{"type":"tool_use","input":{"type":"image","source":1}}]}]"#,
            "[[1,2],[3]]",
            "[1.5, true, null]",
        ] {
            assert_eq!(found(json), (None, None), "{json}");
        }
    }

    #[test]
    fn what_may_be_longer_than_it_looks_is_found_wherever_it_is() {
        for (json, what) in [
            (r#"[{"content":[{"type":"text"},{"type":"image_url"}]}]"#, "image_url"),
            (r#"[{"content":[{"type":"text","type":"document"}]}]"#, "document"),
            (r#"[{"content":[{"type":"tool_use","content":[{"type":"image"}]}]}]"#, "image"),
            (r#"[{"content":[{"t\u0079pe":"x"}]}]"#, "x"),
            (r#"[{"content":[{"type":"text","Type":"x"}]}]"#, "x"),
            (r#"[{"content":[{"image_url":{"url":"u"}}]}]"#, "image_url"),
            (r#"[{"content":[{"type":"text","ſource":"u"}]}]"#, "source"),
            (r#"[{"content":[{"type":7}]}]"#, "unknown"),
        ] {
            assert_eq!(found(json), (Some(what.to_owned()), None), "{json}");
        }
    }

    #[test]
    fn what_has_no_price_is_found() {
        for json in [r#"[{"type":"audio"}]"#, r#"[{"role":"assistant","audio":{"id":"a"}}]"#, r#"[{"Audio":"a"}]"#] {
            assert_eq!(found(json).1.as_deref(), Some("audio"), "{json}");
        }
        for ttl in ["\"1h\"", "3600", "{}"] {
            assert!(found(&format!(r#"[{{"cache_control":{{"ttl":{ttl}}}}}]"#)).1.is_some(), "{ttl}");
        }
    }

    #[test]
    fn content_that_is_nested_too_deeply_is_an_error() {
        assert!(look(&"[".repeat(100_000), &CONTENT).is_err());
        assert!(look(&format!("{}{}", "[".repeat(1_000), "]".repeat(1_000)), &CONTENT).is_err());
    }
}
