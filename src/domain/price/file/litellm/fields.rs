//! The fields of a JSON object as text, in the order of the file, and numbers read from that text exactly.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{super::report::shortened, Skipped};
use crate::domain::money::{InvalidAmount, nearly_whole, whole};

/// Decimal places of a USD that are whole pico-USD.
const PLACES: u32 = 12;

/// An object. A field may come twice, which is reported when it is looked up by name.
pub(super) struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.get()))
    }

    pub(super) fn are_all_different(&self) -> bool {
        let mut seen = HashSet::new();
        self.0.iter().all(|(name, _)| seen.insert(name))
    }

    /// The text of a field that is there and not null.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(field, value)| *field == name && *value != "null").map(|(_, value)| value)
    }

    /// A field of text.
    pub(super) fn string(&self, name: &str) -> Option<String> {
        self.text(name).and_then(|text| serde_json::from_str(text).ok())
    }

    /// A cost in pico-USD, rounded where it is all but a whole number of them.
    pub(super) fn cost_pusd(&self, name: &str) -> Result<Option<u64>, Skipped> {
        self.text(name).map(|text| number(name, text, PLACES)).transpose()
    }

    /// A number of tokens; 0 says as little as nothing.
    pub(super) fn tokens(&self, name: &str) -> Result<Option<u64>, Skipped> {
        let tokens = self.text(name).map(|text| number(name, text, 0)).transpose()?;
        Ok(tokens.filter(|tokens| *tokens > 0))
    }
}

/// A cost in pico-USD.
pub(super) fn pusd(text: &str) -> Result<u64, InvalidAmount> {
    nearly_whole(text, PLACES)
}

/// Whether a cost is not the one that it is taken as, but rounded to that.
pub(super) fn is_rounded(text: &str) -> bool {
    pusd(text).is_ok() && whole(text, PLACES).is_err()
}

fn number(name: &str, text: &str, places: u32) -> Result<u64, Skipped> {
    let name = shortened(name);
    if let Some(magnitude) = text.strip_prefix('-') {
        return if whole(magnitude, places) == Ok(0) { Ok(0) } else { Err(Skipped::Negative(name)) };
    }
    let read = if places == PLACES { pusd(text) } else { whole(text, places) };
    read.map_err(|error| match error {
        InvalidAmount::TooFine(PLACES) => Skipped::TooFine(name),
        InvalidAmount::TooFine(_) | InvalidAmount::Malformed => Skipped::NotANumber(name),
        InvalidAmount::TooLarge => Skipped::TooHigh(name),
    })
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = vec![];
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object).map(Self)
    }
}
