//! `?group_by=`: some of a list of words, with commas between them. It is read as a text, and described as a list.

use std::marker::PhantomData;

use apistos_models::{
    paths::{Parameter, ParameterDefinition, ParameterStyle},
    reference_or::ReferenceOr,
};
use schemars::{
    JsonSchema,
    r#gen::SchemaGenerator,
    schema::{ArrayValidation, InstanceType, Schema, SchemaObject, SingleOrVec},
};
use serde_json::Value;

use crate::domain::dimensions::Worded;

/// Where the schema of a text says which words it may have.
const WORDS: &str = "x-words";

/// Stands in schemas for a text that has some of the words of `D`, each once, with commas between them.
pub struct SomeOf<D>(PhantomData<D>);

impl<D: Worded> JsonSchema for SomeOf<D> {
    fn schema_name() -> String {
        "SomeOf".into()
    }

    fn is_referenceable() -> bool {
        false
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<Value> = D::WORDS.iter().map(|(word, _)| Value::from(*word)).collect();
        let mut schema = SchemaObject { instance_type: Some(InstanceType::String.into()), ..SchemaObject::default() };
        schema.extensions.insert(WORDS.into(), words.into());
        schema.into()
    }
}

/// A parameter as it is, or as a list where its text is one: without `explode` the values stand in one, with commas between
/// them (OpenAPI 3.0.3, "Style Values").
pub(super) fn listed(parameter: Parameter, schema: &SchemaObject) -> Parameter {
    let Some(Value::Array(words)) = schema.extensions.get(WORDS) else { return parameter };
    let word = SchemaObject {
        instance_type: Some(InstanceType::String.into()),
        enum_values: Some(words.clone()),
        ..SchemaObject::default()
    };
    let list = ArrayValidation {
        items: Some(SingleOrVec::Single(Box::new(word.into()))),
        unique_items: Some(true),
        ..ArrayValidation::default()
    };
    let schema = SchemaObject {
        instance_type: Some(InstanceType::Array.into()),
        array: Some(Box::new(list)),
        ..SchemaObject::default()
    };
    Parameter {
        style: Some(ParameterStyle::Form),
        explode: Some(false),
        definition: Some(ParameterDefinition::Schema(Box::new(ReferenceOr::Object(schema.into())))),
        ..parameter
    }
}
