//! The names that operators give to limits and budgets, and what schemas say of names.

use schemars::{
    JsonSchema,
    r#gen::SchemaGenerator,
    schema::{InstanceType, Metadata, Schema, SchemaObject, StringValidation},
};

use super::{path, refusal::Fault};

/// How a schema names this form of text.
pub const FORMAT: &str = "name";

/// What names of any characters match (ECMA-262): none of them a control character, one of them seen, and no dot segment, which
/// no URL can have for a name (RFC 3986 §5.2.4).
pub const ANY_CHARACTERS: &str = r"^(?!\.{1,2}$)[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";

const NO_ADDRESS: &str = "must not be \".\" or \"..\": no URL can have such a name";

/// What is wrong with a name that is given now: it needs an address as well.
#[must_use]
pub fn fault_of_new(name: &str) -> Option<String> {
    let has_address = path::can_name(name);
    fault(name).map(|fault| fault.detail).or((!has_address).then(|| NO_ADDRESS.to_owned()))
}

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
        let description = "1 to 64 characters of `A-Z a-z 0-9 . _ -`, but not `.` or `..`.";
        text(FORMAT, description, matching(r"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$"))
    }
}

/// Stands in schemas for the name of a model in a path.
pub struct ModelName;

impl JsonSchema for ModelName {
    fn schema_name() -> String {
        "ModelName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let description = "1 to 256 bytes without control characters. Slashes may stand as they are, or escaped.";
        let rules = StringValidation { min_length: Some(1), max_length: Some(256), ..matching(ANY_CHARACTERS) };
        text("model-name", description, rules)
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
#[must_use]
pub fn matching(pattern: &str) -> StringValidation {
    StringValidation { pattern: Some(pattern.into()), ..StringValidation::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_name_has_an_address_and_one_from_before_stays() {
        for name in [".", ".."] {
            assert_eq!(fault_of_new(name).as_deref(), Some(NO_ADDRESS), "{name}");
            assert_eq!(fault(name), None, "{name}");
        }
        for (name, is_one) in [("...", true), ("a.b", true), ("", false), ("a b", false), ("ä", false)] {
            assert_eq!(fault_of_new(name).is_none(), is_one, "{name}");
        }
    }
}
