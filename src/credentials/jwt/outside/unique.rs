//! A JSON object in which no name is given twice, at any depth: two readers could take two of its values (RFC 8259 §4).

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

#[derive(Debug)]
pub(super) struct UniqueObject(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match UniqueValue::deserialize(deserializer)? {
            UniqueValue(Value::Object(members)) => Ok(Self(members)),
            UniqueValue(_) => Err(D::Error::custom("is no object")),
        }
    }
}

/// Any value whose objects name nothing twice. How deep it may go, the parser bounds.
struct UniqueValue(Value);

impl<'de> Deserialize<'de> for UniqueValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Members).map(Self)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value without duplicate names")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = vec![];
        while let Some(UniqueValue(value)) = access.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, UniqueValue(value))) = access.next_entry::<String, UniqueValue>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a name is given twice"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> bool {
        serde_json::from_str::<UniqueObject>(text).is_ok()
    }

    #[test]
    fn a_name_that_is_given_twice_is_refused_in_whatever_spelling() {
        assert!(reads(r#"{"a":1,"b":{"a":1},"A":2}"#) && reads("{}"));
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"a":1,"b":2,"a":null}"#, "[]", "1", "", "{}{}"] {
            assert!(!reads(text), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_given_twice_further_down_is_refused_too() {
        for text in [r#"{"a":{"b":1,"b":2}}"#, r#"{"a":[{"b":{"c":1,"c":1}}]}"#] {
            assert!(!reads(text), "{text}");
        }
    }

    #[test]
    fn every_kind_of_value_is_kept_as_it_is() {
        let text = r#"{"a":[null,true,-1,18446744073709551615,1.5,"x"],"b":{"c":{}}}"#;
        let UniqueObject(members) = serde_json::from_str(text).unwrap();
        assert_eq!(Value::Object(members), serde_json::from_str::<Value>(text).unwrap());
    }
}
