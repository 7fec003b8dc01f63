//! The fields of a PATCH: given or not (RFC 7396). Null is a value like any other, of the fields that can be null.
//!
//! A field that cannot be null is a `Patch<T>`, one that can is a `Patch<Option<T>>`; both in a struct with
//! `#[serde(default)]`. The schema is that of the value: nullable only where null means something, and without a default,
//! because a field that is not given is not changed.

use schemars::{JsonSchema, r#gen::SchemaGenerator, schema::Schema};
use serde::{Deserialize, Deserializer};

/// A field of a PATCH.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    #[default]
    Absent,
    Value(T),
}

impl<T> Patch<T> {
    /// The value after the change of one that was `before`.
    pub fn over(self, before: T) -> T {
        match self {
            Self::Absent => before,
            Self::Value(value) => value,
        }
    }

    /// What is to be changed, to look at.
    pub const fn as_given(&self) -> Option<&T> {
        match self {
            Self::Absent => None,
            Self::Value(value) => Some(value),
        }
    }

    /// What is to be changed.
    pub fn given(self) -> Option<T> {
        match self {
            Self::Absent => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::Value)
    }
}

impl<T: JsonSchema> JsonSchema for Patch<T> {
    fn is_referenceable() -> bool {
        T::is_referenceable()
    }

    fn schema_name() -> String {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Fields {
        name: Patch<String>,
        team: Patch<Option<u32>>,
    }

    #[test]
    fn null_is_a_value_where_it_means_something_and_a_fault_where_it_does_not() {
        let read = |body| serde_json::from_value::<Fields>(body).ok();
        let fields = |name, team| Some(Fields { name, team });
        assert_eq!(read(json!({})), fields(Patch::Absent, Patch::Absent));
        assert_eq!(read(json!({ "team": null })), fields(Patch::Absent, Patch::Value(None)));
        assert_eq!(read(json!({ "name": "x", "team": 1 })), fields(Patch::Value("x".into()), Patch::Value(Some(1))));
        assert_eq!(read(json!({ "name": null })), None);
    }

    #[test]
    fn the_schema_of_a_field_is_that_of_its_value_without_a_default() {
        let schema = serde_json::to_value(schemars::schema_for!(Fields)).unwrap();
        assert_eq!(schema["properties"]["name"], json!({ "type": "string" }));
        assert_eq!(schema["properties"]["team"].get("default"), None);
        assert_eq!(schema.get("required"), None);
    }

    #[test]
    fn what_is_not_given_stays() {
        assert_eq!(Patch::Absent.over(1), 1);
        assert_eq!(Patch::Value(2).over(1), 2);
        assert_eq!(Patch::Value(None).over(Some(1)), None);
    }
}
