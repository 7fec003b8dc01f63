//! PUT of something by its name: the body, which need not say the name again, and the answer, which says whether it was made.

use std::marker::PhantomData;

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    http::header::{ETag, EntityTag, LOCATION},
};
use jiff::Timestamp;
use schemars::{JsonSchema, r#gen::SchemaGenerator, schema::Schema};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    administered::{Exposed, Placed},
    conditional::VERSION,
    openapi::operation::{Answer, Draft},
    problem::{
        self,
        documented::{RefusalKind, Success},
    },
};
use crate::domain::refusal::Fault;

/// A body that makes something, and has its name in a field.
pub trait Nameable: DeserializeOwned + JsonSchema + 'static {
    /// The field with the name.
    const NAME: &'static str = "name";

    /// All that is wrong with the body by itself, besides what its schema says.
    fn own_faults(&self, _now: Timestamp) -> Vec<Fault> {
        vec![]
    }
}

/// What something of a name is to be, as a whole: a field that is not given has its default. The name stands in the path; in
/// the body it may stand too. It has no `Debug`: it may hold a secret.
pub struct PutOf<T> {
    fields: Map<String, Value>,
    body: PhantomData<T>,
}

impl<T: Nameable> PutOf<T> {
    /// The body with the name of the path.
    ///
    /// # Errors
    /// It has another name.
    pub(super) fn named(&self, name: &str) -> Result<T, Vec<Fault>> {
        let mut fields = self.fields.clone();
        match fields.insert(T::NAME.into(), name.into()) {
            Some(other) if other != *name => {
                let detail = format!("is not the name in the path, \"{name}\"; leave it out, or rename by PATCH");
                Err(vec![Fault::new(format!("/{}", T::NAME), detail)])
            }
            _ => serde_json::from_value(fields.into())
                .map_err(|_| vec![Fault::new("", "is not what is described for it at /docs")]),
        }
    }

    /// All that is wrong with the body by `own`. What is wrong with a name that it does not say is wrong in the path.
    pub(super) fn faults(&self, name: &str, own: impl FnOnce(&T) -> Vec<Fault>) -> Vec<Fault> {
        let mut faults = self.named(name).map_or_else(|faults| faults, |body| own(&body));
        if !self.gives(T::NAME) {
            for fault in faults.iter_mut().filter(|fault| fault.pointer.strip_prefix('/') == Some(T::NAME)) {
                fault.pointer = "path".into();
            }
        }
        faults
    }

    /// Puts another value in the place of a field.
    pub(super) fn set(&mut self, field: &str, value: Value) {
        self.fields.insert(field.to_owned(), value);
    }

    /// Whether a field was given.
    pub(super) fn gives(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }
}

impl<'de, T> Deserialize<'de> for PutOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { fields: Map::deserialize(deserializer)?, body: PhantomData })
    }
}

/// The schema of the body that makes one, without the need to say the name.
impl<T: Nameable> JsonSchema for PutOf<T> {
    fn schema_name() -> String {
        let name = T::schema_name();
        let stem = name.strip_suffix("Create").or_else(|| name.strip_suffix("Entry")).unwrap_or(&name);
        format!("{stem}Put")
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(schemas).into_object();
        schema.metadata().description =
            Some("What it is to be, as a whole: a field that is not given has its default.".into());
        schema.object().required.remove(T::NAME);
        schema.into()
    }
}

/// What came of a PUT: 201 and where it is, or 200.
pub struct Put<T> {
    location: Option<String>,
    tag: EntityTag,
    object: T,
}

impl<T> Put<T> {
    /// The answer with a row as `object` shows it; `location` is where it is found by what never changes.
    pub(super) fn of<N: Exposed>(placed: &Placed<N>, location: String, object: T) -> Self {
        let location = matches!(placed, Placed::Made(_)).then_some(location);
        Self { location, tag: placed.row().tag(), object }
    }
}

impl<T: Serialize> Responder for Put<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = if self.location.is_some() { problem::created() } else { problem::ok() };
        response.insert_header(ETag(self.tag));
        if let Some(location) = self.location {
            response.insert_header((LOCATION, location));
        }
        response.json(self.object)
    }
}

impl<T: JsonSchema> Answer for Put<T> {
    fn describe(draft: &mut Draft<'_>) {
        for success in [Success::Created, Success::Ok] {
            draft.answers::<T>(success);
            draft.has_header(success, "ETag", VERSION);
        }
        draft.has_header(Success::Created, "Location", "Where it is found, also by another name.");
        draft.refuses(&[RefusalKind::Conflict]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct ThingCreate {
        name: String,
        #[serde(default)]
        size: u32,
    }

    impl Nameable for ThingCreate {}

    fn named(body: Value, name: &str) -> Result<ThingCreate, Vec<String>> {
        let put: PutOf<ThingCreate> = serde_json::from_value(body).unwrap();
        put.named(name).map_err(|faults| faults.into_iter().map(|fault| fault.pointer).collect())
    }

    #[test]
    fn the_name_is_that_of_the_path() {
        let thing = |name: &str, size| Ok(ThingCreate { name: name.into(), size });
        assert_eq!(named(json!({ "size": 3 }), "a"), thing("a", 3));
        assert_eq!(named(json!({ "name": "a" }), "a"), thing("a", 0));
        assert_eq!(named(json!({ "name": "b" }), "a"), Err(vec!["/name".into()]));
    }

    #[test]
    fn what_is_wrong_with_the_name_is_told_where_it_stands() {
        for (body, pointer) in [(json!({}), "path"), (json!({ "name": "a" }), "/name")] {
            let put: PutOf<ThingCreate> = serde_json::from_value(body).unwrap();
            let faults = put.faults("a", |_| vec![Fault::new("/name", "is bad")]);
            assert_eq!(faults[0].pointer, pointer);
        }
    }

    #[test]
    fn the_schema_does_not_ask_for_the_name() {
        let schema = serde_json::to_value(schemars::schema_for!(PutOf<ThingCreate>)).unwrap();
        assert_eq!((schema.get("required"), &schema["title"]), (None, &json!("ThingPut")));
        assert!(schema["properties"]["name"].is_object());
    }
}
