//! What is written in the place of a faulty value that must be there, so that rules between fields can be asked about the other ones.

use schemars::schema::{InstanceType, SchemaObject};

use super::words;

/// A value that the schema allows, as JSON. None where it has no value that says nothing: what a field of a few choices is
/// decides what others must be.
pub(super) fn of(schema: &SchemaObject) -> Option<String> {
    if words::is_nullable(schema) {
        return Some("null".into());
    }
    match words::type_of(schema)? {
        InstanceType::Integer => {
            let bounds = words::bounds_of(schema);
            Some(1.max(*bounds.start()).min(*bounds.end()).to_string())
        }
        InstanceType::Array => Some("[]".into()),
        InstanceType::String => {
            let texts = ["a", "1", "00000000-0000-0000-0000-000000000000", "2000-01-01T00:00:00Z"];
            let fitting = texts.iter().find(|text| words::fault_of_text(text, schema).is_none());
            fitting.filter(|_| !words::is_choice(schema)).map(|text| format!("\"{text}\""))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;

    use crate::{
        domain::{money::Money, name::Name, refusal::Fault},
        http::input,
    };

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Blue,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[schemars(with = "Name")]
        name: String,
        #[schemars(range(min = 5))]
        count: u64,
        price: Option<Money>,
        colour: Colour,
        lengths: Vec<u64>,
    }

    /// `count` must be as long as the list, and red things have no price.
    fn own(sample: &Sample) -> Vec<Fault> {
        let length = u64::try_from(sample.lengths.len()).unwrap() == sample.count;
        let count = (!length).then(|| Fault::new("/count", "is not the length"));
        let is_priced = matches!(sample.colour, Colour::Red) && sample.price.is_some();
        let last = sample.lengths.last().is_some_and(|last| *last == 0);
        let price = is_priced.then(|| Fault::new("/price", "is not for red"));
        let name = (sample.name == "x").then(|| Fault::new("/name", "is taken"));
        count.into_iter().chain(price).chain(name).chain(last.then(|| Fault::new("/lengths/0", "is zero"))).collect()
    }

    #[test]
    fn faults_of_fields_and_faults_between_them_are_told_at_once() {
        for (text, pointers) in [
            (r#"{"name":"x","count":5,"colour":"red","price":"1","lengths":[]}"#, vec!["/count", "/price", "/name"]),
            // The list is faulty: nothing is said of what is not in it; the others are judged.
            (
                r#"{"name":"x","count":5,"colour":"red","price":"1","lengths":7}"#,
                vec!["/lengths", "/count", "/price", "/name"],
            ),
            (
                r#"{"name":"","count":6,"colour":"red","price":"1","lengths":[0]}"#,
                vec!["/name", "/count", "/price", "/lengths/0"],
            ),
            (
                r#"{"name":"x","colour":"red","price":"b","lengths":["y"]}"#,
                vec!["/price", "/lengths/0", "/count", "/name"],
            ),
            // What is red, nobody knows.
            (r#"{"name":"x","count":4,"colour":"green","price":"1","lengths":[]}"#, vec!["/count", "/colour"]),
            (
                r#"{"name":"x","count":6,"colour":"red","lengths":[0],"size":1}"#,
                vec!["/size", "/count", "/name", "/lengths/0"],
            ),
        ] {
            let draft = input::draft::<Sample>(text.as_bytes()).unwrap();
            let Err(faults) = draft.checked(own) else { panic!("{text} was taken") };
            let found: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{text}");
        }
        let good = input::draft::<Sample>(br#"{"name":"y","count":5,"colour":"blue","lengths":[1,1,1,1,1]}"#).unwrap();
        assert!(good.checked(own).is_ok());
    }
}
