//! Secrets: from the environment or from a file that a key ending in `_file` names, never from the configuration itself.

use std::path::Path;

use serde::{Deserialize, Deserializer, de::Error};
use zeroize::Zeroizing;

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

/// A secret without the end of line that `echo`, editors and mounted files add to it.
#[must_use]
pub fn without_line_end(text: &str) -> &str {
    text.trim_end_matches(['\n', '\r'])
}

impl Secret {
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
