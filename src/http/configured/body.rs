//! The bodies that make and change entries of the lists: the fields of an entry of the configuration.

use std::marker::PhantomData;

use schemars::{
    JsonSchema,
    r#gen::SchemaGenerator,
    schema::{ObjectValidation, Schema},
};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    config::{
        models::{self, ModelEntry},
        routing::{RouteEntry, UpstreamEntry},
        secret::Secret,
    },
    domain::{entry::EntryKind, name, refusal::Refusal},
};

/// A kind of entry that administrators may make.
pub(super) trait Listed: Serialize + DeserializeOwned + JsonSchema + 'static {
    const KIND: EntryKind;

    fn name(&self) -> &str;

    /// Whether an entry of the kind can have this name.
    fn can_have(name: &str) -> bool {
        name::fault(name).is_none()
    }

    /// The secret that was given.
    fn secret(&self) -> Option<&str> {
        None
    }

    /// Why it should have another name, beside the models that have a price.
    fn shadows(&self, _is_priced: &dyn Fn(&str) -> bool) -> Option<String> {
        None
    }
}

impl Listed for UpstreamEntry {
    const KIND: EntryKind = EntryKind::Upstream;

    fn name(&self) -> &str {
        &self.name
    }

    fn secret(&self) -> Option<&str> {
        self.secret.as_ref().map(Secret::text)
    }
}

impl Listed for RouteEntry {
    const KIND: EntryKind = EntryKind::Route;

    fn name(&self) -> &str {
        &self.name
    }
}

impl Listed for ModelEntry {
    const KIND: EntryKind = EntryKind::Model;

    fn name(&self) -> &str {
        &self.name
    }

    fn can_have(name: &str) -> bool {
        models::is_plain(name)
    }

    fn shadows(&self, is_priced: &dyn Fn(&str) -> bool) -> Option<String> {
        Self::shadows(self, is_priced)
    }
}

/// The entry as it is stored: all its fields that are not null, without the secret.
pub(super) fn document(entry: &impl Serialize) -> Result<String, Refusal> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(entry) else { return Err(Refusal::Internal) };
    fields.retain(|_, value| !value.is_null());
    serde_json::to_string(&fields).map_err(|_| Refusal::Internal)
}

/// The fields of an entry to change; the others stay. What is an object or a list is replaced as a whole. A name stays.
#[derive(Clone)]
pub struct PatchOf<T> {
    fields: Map<String, Value>,
    entry: PhantomData<T>,
}

const NAME: &str = "name";
pub(super) const SECRET: &str = "secret";

impl<T: DeserializeOwned> PatchOf<T> {
    /// The entry of a stored document with these fields in the place of its own.
    pub(super) fn applied_to(&self, document: &str) -> Result<T, Refusal> {
        let mut fields: Map<String, Value> = serde_json::from_str(document).map_err(|_| Refusal::Internal)?;
        fields.extend(self.fields.clone());
        // A secret of another form than text is none.
        serde_json::from_value(fields.into())
            .map_err(|_| Refusal::invalid("", "is not what is described for it at /docs"))
    }

    /// Whether there is to be another secret, or none.
    pub(super) fn gives_secret(&self) -> bool {
        self.fields.contains_key(SECRET)
    }
}

impl<'de, T> Deserialize<'de> for PatchOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { fields: Map::deserialize(deserializer)?, entry: PhantomData })
    }
}

/// The schema of an entry of which nothing must be there, and nothing stands in for what is not.
impl<T: JsonSchema> JsonSchema for PatchOf<T> {
    fn schema_name() -> String {
        format!("{}Patch", T::schema_name().trim_end_matches("Entry"))
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(schemas).into_object();
        schema.metadata().description =
            Some("The fields to change; the others stay. An object or a list is replaced as a whole.".into());
        let ObjectValidation { properties, required, .. } = schema.object();
        required.clear();
        properties.remove(NAME);
        for property in properties.values_mut() {
            if let Schema::Object(property) = property {
                property.metadata().default = None;
            }
        }
        schema.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let route = json!({ "name": "r", "path": "/r", "match": "exact", "methods": ["GET"], "roles": ["user"],
            "upstream": "u", "cache": { "ttl_s": 60, "per": "team" } });
        let changed = |patch: Value| {
            let patch: PatchOf<RouteEntry> = serde_json::from_value(patch).unwrap();
            patch.applied_to(&route.to_string()).map(|entry| document(&entry).unwrap())
        };
        let fields = |patch: Value| serde_json::from_str::<Value>(&changed(patch).unwrap()).unwrap();
        let after = fields(json!({ "path": "/s", "cache": null }));
        assert_eq!((&after["path"], &after["upstream"], after.get("cache")), (&json!("/s"), &json!("u"), None));
        let after = fields(json!({ "cache": { "ttl_s": 5 } }));
        assert_eq!(after["cache"], json!({ "ttl_s": 5, "per": "user", "posts": false }));
        assert!(changed(json!({ "weight": "x" })).is_err());
    }

    #[test]
    fn the_schema_of_a_change_asks_for_nothing() {
        let schema = serde_json::to_value(schemars::schema_for!(PatchOf<UpstreamEntry>)).unwrap();
        assert_eq!((schema.get("required"), schema["properties"].get("name")), (None, None));
        assert_eq!(schema["properties"]["timeout_s"].get("default"), None);
        assert_eq!(schema["properties"]["secret"]["writeOnly"], true);
        assert_eq!(schema["properties"].get("secret_file"), None);
    }
}
