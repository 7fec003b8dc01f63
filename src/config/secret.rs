//! Secrets: from the environment or from a file that a key ending in `_file` names, never from the configuration itself.

use std::path::Path;

use schemars::{JsonSchema, r#gen::SchemaGenerator, schema::Schema};
use serde::{Deserialize, Deserializer, de::Error};
use zeroize::Zeroizing;

use crate::domain::redaction::redact;

/// The longest that an administrator may give.
const MAX_CHARACTERS: u32 = 8_192;

/// A secret as it was read. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde's own words would repeat what was given.
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("must be a string"))?;
        Ok(Self(Zeroizing::new(without_line_end(&text).to_owned())))
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> String {
        "Secret".into()
    }

    fn is_referenceable() -> bool {
        false
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let mut schema = String::json_schema(schemas).into_object();
        schema.string().min_length = Some(1);
        schema.string().max_length = Some(MAX_CHARACTERS);
        schema.metadata().write_only = true;
        schema.into()
    }
}

/// A secret without the end of line that `echo`, editors and mounted files add to it.
#[must_use]
pub fn without_line_end(text: &str) -> &str {
    text.trim_end_matches(['\n', '\r'])
}

/// What is said of an environment variable that should have a secret and is not set. What is no name of one may be the secret itself,
/// and is not repeated.
#[must_use]
pub fn not_set(variable: &str) -> String {
    let is_name = variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name && redact(variable) == variable {
        format!("the environment variable {variable} is not set")
    } else {
        "must be the name of the environment variable that has the secret, of A-Z a-z 0-9 _; the secret must not stand here".into()
    }
}

impl Secret {
    /// The text of it.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The secret, or what is in the file, if one is named; empty if there is neither.
    pub(super) fn read(&self, file: &Path) -> std::io::Result<Zeroizing<String>> {
        if file.as_os_str().is_empty() {
            return Ok(self.0.clone());
        }
        let text = Zeroizing::new(std::fs::read_to_string(file)?);
        Ok(Zeroizing::new(without_line_end(&text).to_owned()))
    }
}

/// The secrets of HS256.
#[derive(Debug, Clone)]
pub struct HmacSecrets {
    /// Signs and verifies.
    pub signing: Zeroizing<Vec<u8>>,
    /// Only verifies: the secret before, or the one to come, while replicas are restarted one after the other.
    pub other: Option<Zeroizing<Vec<u8>>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_place_of_a_variables_name_is_not_repeated() {
        for name in ["OPENAI_API_KEY", "key2"] {
            assert!(not_set(name).contains(name), "{name}");
        }
        for secret in ["sk-proj-0123456789abcdef", "gsk_0123456789abcdef01234567", "Bearer abc", "correct-horse"] {
            let told = not_set(secret);
            assert!(!told.contains(secret) && told.contains("the name of the environment variable"), "{told}");
        }
    }
}
