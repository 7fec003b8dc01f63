//! The names that operators give to limits and budgets.

use schemars::{
    JsonSchema,
    r#gen::SchemaGenerator,
    schema::{InstanceType, Metadata, Schema, SchemaObject, StringValidation},
};

use super::refusal::Fault;

/// How a schema names this form of text.
pub const FORMAT: &str = "name";

/// The fault of a name, at `/name`. Names stand in headers (RFC 9651 strings), metrics and URLs.
#[must_use]
pub fn fault(name: &str) -> Option<Fault> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let fits = plain && (1..=64).contains(&name.len());
    (!fits).then(|| Fault::new("/name", "must be 1 to 64 characters of A-Z a-z 0-9 . _ -"))
}

/// Stands in schemas for a name.
pub struct Name;

impl JsonSchema for Name {
    fn schema_name() -> String {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text(FORMAT, "1 to 64 characters of `A-Z a-z 0-9 . _ -`.", matching(r"^[A-Za-z0-9._-]{1,64}$"))
    }
}

/// The schema of a text of the form `format`.
pub(super) fn text(format: &str, description: &str, rules: StringValidation) -> Schema {
    let metadata = Metadata { description: Some(description.into()), ..Metadata::default() };
    let schema = SchemaObject {
        instance_type: Some(InstanceType::String.into()),
        format: Some(format.into()),
        string: Some(Box::new(rules)),
        metadata: Some(Box::new(metadata)),
        ..SchemaObject::default()
    };
    schema.into()
}

/// What a client may check of a text: that it matches (ECMA-262).
pub(super) fn matching(pattern: &str) -> StringValidation {
    StringValidation { pattern: Some(pattern.into()), ..StringValidation::default() }
}
