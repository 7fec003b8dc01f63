//! A password in a body: wiped from memory when it is dropped, and never printed.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use zeroize::Zeroizing;

/// A password that a caller sent.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct Password(#[schemars(with = "String")] pub Zeroizing<String>);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde's own words would repeat what was given.
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("must be a string"))?;
        Ok(Self(Zeroizing::new(text)))
    }
}

impl Serialize for Password {
    /// Only to distinguish requests; the result is as secret as the password.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
