//! What a caller sends, read by the schema of its type: the schema in the OpenAPI document is the one that decides.
//!
//! Bodies in JSON and queries go through one check ([`check`]). It finds all faults at once, each with its place and in
//! the gateway's own words, never in those of a library and never with the value that was sent. Where the schema asks for
//! a whole number, an amount or a time, other ways of writing the same are accepted: `512` and `"512"`, `12.50` and
//! `"12.50"`, `2026-11-01` for midnight (UTC) of that day. What passes is written down in one form and then
//! deserialised. Rules between fields, and those that need the store, are the handlers'.

mod check;
mod forms;
mod reading;
mod stand_in;
mod words;

use schemars::{
    JsonSchema,
    r#gen::{SchemaGenerator, SchemaSettings},
    schema::{InstanceType, Schema, SchemaObject},
};
use serde::{Deserialize, de::DeserializeOwned};

use self::check::{Check, Part};
use crate::domain::refusal::{Fault, Refusal};

/// Stands in schemas for a time that a caller sends: of RFC 3339, or a day, which is its first moment (UTC).
pub struct Moment;

impl JsonSchema for Moment {
    fn schema_name() -> String {
        "Moment".into()
    }

    fn is_referenceable() -> bool {
        false
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let format = Some("date-time".into());
        SchemaObject { instance_type: Some(InstanceType::String.into()), format, ..SchemaObject::default() }.into()
    }
}

/// Reads a JSON object, in UTF-8 with or without a byte order mark.
pub fn body<T: DeserializeOwned + JsonSchema>(bytes: &[u8]) -> Result<T, Refusal> {
    let text = reading::text_of(bytes).map_err(|fault| Refusal::InvalidRequest(vec![fault]))?;
    read(text, Part::Body)
}

/// A body whose fields were looked at one by one, for rules between them to be asked.
pub struct Draft<T> {
    /// Without the faulty fields; with something else in the place of those that must be there.
    value: Option<T>,
    faults: Vec<Fault>,
}

/// Reads a JSON object as [`body`] does, and gives it with its faults.
///
/// # Errors
/// It is no JSON object at all.
pub fn draft<T: DeserializeOwned + JsonSchema>(bytes: &[u8]) -> Result<Draft<T>, Refusal> {
    let refused = |fault| Refusal::InvalidRequest(vec![fault]);
    let value = reading::document(reading::text_of(bytes).map_err(refused)?).map_err(refused)?;
    match Check::new(Part::Body).run(value, &schema_of::<T>()) {
        Ok(checked) => Ok(Draft { value: Some(typed(&checked, Part::Body)?), faults: vec![] }),
        Err(faulty) => {
            let value = faulty.rest.and_then(|rest| typed(&rest, Part::Body).ok());
            Ok(Draft { value, faults: faulty.faults })
        }
    }
}

impl<T> Draft<T> {
    /// Whether any field has a fault of its own.
    pub const fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// The value, for what the store says of it.
    pub const fn value_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut()
    }

    /// Adds faults that the store has shown.
    pub fn add(&mut self, faults: Vec<Fault>) {
        self.faults.extend(faults);
    }

    /// Whether a field has a fault of its own, so that nothing can be said by what it says.
    pub fn is_faulty(&self, pointer: &str) -> bool {
        self.faults.iter().any(|fault| fault.pointer == pointer)
    }

    /// The value, if it has no fault; else its faults and those that `own` finds between its fields. What `own` says of a
    /// field that is faulty already is not told.
    ///
    /// # Errors
    /// All faults.
    pub fn checked(self, own: impl FnOnce(&T) -> Vec<Fault>) -> Result<T, Vec<Fault>> {
        let mut faults = self.faults;
        let known: Vec<String> = faults.iter().map(|fault| fault.pointer.clone()).collect();
        let is_below = |one: &str, other: &str| {
            one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        // Two ways to say one thing: that the one is missing follows from what is wrong with the other.
        let are_twins = |one: &str, other: &str| other.ends_with("/window") && one.strip_suffix("_s") == Some(other);
        let is_known = |fault: &Fault| {
            let at = &fault.pointer;
            known.iter().any(|known| is_below(at, known) || is_below(known, at) || are_twins(at, known))
        };
        let found = self.value.as_ref().map(own).unwrap_or_default();
        faults.extend(found.into_iter().filter(|fault| !is_known(fault)));
        match self.value {
            Some(value) if faults.is_empty() => Ok(value),
            _ => Err(faults),
        }
    }
}

/// Reads the query of a URL (`application/x-www-form-urlencoded`).
pub fn query<T: DeserializeOwned + JsonSchema>(query: &str) -> Result<T, Refusal> {
    read(&reading::object_of(query), Part::Query)
}

/// Refuses every parameter of a query.
pub fn no_query(text: &str) -> Result<(), Refusal> {
    /// What has none.
    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    query(text).map(|Nothing {}| ())
}

fn read<T: DeserializeOwned + JsonSchema>(text: &str, part: Part) -> Result<T, Refusal> {
    let value = reading::document(text).map_err(|fault| Refusal::InvalidRequest(vec![fault]))?;
    let checked = Check::new(part).run(value, &schema_of::<T>());
    let checked = checked.map_err(|faulty| Refusal::InvalidRequest(faulty.faults))?;
    typed(&checked, part)
}

fn typed<T: DeserializeOwned>(checked: &str, part: Part) -> Result<T, Refusal> {
    let mut deserializer = serde_json::Deserializer::from_str(checked);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // A type is stricter than its schema. What serde says may repeat a secret, so it is not even logged.
        let at = part.pointer_of(error.path());
        Refusal::InvalidRequest(vec![Fault::new(at, "is not what is described for it at /docs")])
    })
}

/// The schema of `T` with every other schema that it names put in its part.
fn schema_of<T: JsonSchema>() -> SchemaObject {
    let settings = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ids::TeamId, money::Money};

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        /// With words of its own.
        Blue,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[schemars(length(min = 1, max = 4))]
        name: String,
        #[schemars(range(min = 1, max = 65_535))]
        port: u64,
        price: Option<Money>,
        team: Option<TeamId>,
        #[serde(default)]
        tags: Vec<String>,
        colour: Option<Colour>,
        on: Option<bool>,
    }

    fn faults(text: impl AsRef<[u8]>) -> Vec<(String, String)> {
        match body::<Sample>(text.as_ref()) {
            Ok(sample) => panic!("was read: {sample:?}"),
            Err(Refusal::InvalidRequest(faults)) => {
                faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Member {
        team_id: Option<TeamId>,
        limit_usd: Option<Money>,
    }

    #[test]
    fn the_beginning_of_a_name_is_taken_for_the_name() {
        let read = body::<Member>(br#"{"team": "a", "limit": 1}"#);
        let Err(Refusal::InvalidRequest(faults)) = read else { panic!("{read:?}") };
        let mut details: Vec<&str> = faults.iter().map(|fault| fault.detail.as_str()).collect();
        details.sort_unstable();
        let meant = ["limit_usd", "team_id"].map(|field| format!("is no field here; did you mean \"{field}\"?"));
        assert_eq!(details, meant);
    }

    #[test]
    fn a_fault_is_named_in_the_gateways_words_at_its_place() {
        for (text, pointer, detail) in [
            ("", "", "is empty, and must be a JSON object"),
            ("[]", "", "must be a JSON object"),
            ("null", "", "must be a JSON object"),
            (r#"{"name": "a""#, "", "ends too early: line 1, column 12"),
            (r#"{"name": "a",}"#, "", "is not JSON: line 1, column 14"),
            (r#"{"name": "a", "port": 1} x"#, "", "is not JSON: line 1, column 26"),
            (r#"{"port": 1}"#, "/name", "is missing"),
            (r#"{"name": "a", "port": null}"#, "/port", "must be a whole number from 1 to 65535"),
            (r#"{"name": "a", "port": 0}"#, "/port", "must be a whole number from 1 to 65535"),
            (r#"{"name": "a", "port": "0x10"}"#, "/port", "must be a whole number from 1 to 65535"),
            (r#"{"name": "a", "port": "1.5"}"#, "/port", "must be a whole number from 1 to 65535"),
            (r#"{"name": "a", "port": "1."}"#, "/port", "must be a whole number from 1 to 65535"),
            (r#"{"name": "a", "port": "+1.0"}"#, "/port", "must be a whole number from 1 to 65535"),
            (r#"{"name": "a", "port": 1.5}"#, "/port", "must be a whole number from 1 to 65535"),
            (r#"{"name": "a", "port": 99999999999999999999}"#, "/port", "must be a whole number from 1 to 65535"),
            (r#"{"name": 1, "port": 1}"#, "/name", "must be text"),
            (r#"{"name": "", "port": 1}"#, "/name", "must have 1 to 4 characters"),
            (r#"{"name": "äöüäö", "port": 1}"#, "/name", "must have 1 to 4 characters"),
            (r#"{"name": "\ud800", "port": 1}"#, "/name", "has an escape that stands for no character"),
            (r#"{"name": "a", "port": 1, "tags": "x"}"#, "/tags", "must be a list"),
            (r#"{"name": "a", "port": 1, "tags": ["x", 1]}"#, "/tags/1", "must be text"),
            (r#"{"name": "a", "port": 1, "colour": "green"}"#, "/colour", "must be one of red, blue"),
            (r#"{"name": "a", "port": 1, "on": "yes"}"#, "/on", "must be true or false"),
            (r#"{"name": "a", "port": 1, "prot": 1}"#, "/prot", "is no field here; did you mean \"port\"?"),
            (r#"{"name": "a", "port": 1, "red": 1}"#, "/red", "is no field here; did you mean \"colour\": \"red\"?"),
            (r#"{"name": "a", "port": 1, "name": "b"}"#, "/name", "stands here more than once"),
            (r#"{"name": "a", "port": 1, "a/b~c": 1}"#, "/a~1b~0c", ""),
        ] {
            let found = faults(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(found[0].0, pointer, "{text}");
            assert!(detail.is_empty() || found[0].1 == detail, "{text}: {found:?}");
        }
        assert_eq!(faults(b"{\"name\": \"\xff\"}")[0].1, "must be UTF-8; the byte at 10 is not");
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let found = faults(r#"{"name": 1, "port": "x", "price": "dear", "team": "1", "tags": [null], "nme": 1}"#);
        let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/name", "/port", "/price", "/team", "/tags/0", "/nme"]);
    }

    #[test]
    fn no_fault_repeats_what_was_sent() {
        for text in [
            r#"{"name": ["s3cret"], "port": "s3cret", "price": "s3cret", "team": "s3cret", "colour": "s3cret"}"#,
            r#""s3cret""#,
            r#"{"name": s3cret}"#,
        ] {
            assert!(!format!("{:?}", faults(text)).contains("s3cret"));
        }
    }

    #[test]
    fn counts_and_amounts_are_the_same_as_text_and_as_numbers() {
        for (port, price) in [
            ("512", "12.50"),
            ("\"512\"", "\"12.50\""),
            ("512.0", "1.25e1"),
            ("5.12e2", "12.500000000000"),
            ("\"512.0\"", "\"12.5\""),
            ("\"5.12e2\"", "12.5"),
        ] {
            let sample: Sample =
                body(format!(r#"{{"name": "a", "port": {port}, "price": {price}}}"#).as_bytes()).unwrap();
            assert_eq!((sample.port, sample.price), (512, Some("12.5".parse().unwrap())), "{port} {price}");
        }
        // Exact where a float is not.
        let sample: Sample = body(br#"{"name": "a", "port": 1, "price": 9007199.254740993}"#).unwrap();
        assert_eq!(sample.price.unwrap().to_string(), "9007199.254740993");
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(untagged)]
    enum Either {
        Count(#[schemars(range(min = 1))] u32),
        Colour(Colour),
        Sample { x: u8 },
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Choice {
        either: Option<Either>,
    }

    #[test]
    fn what_may_be_one_of_several_is_held_against_each() {
        let read = |text: &str| body::<Choice>(text.as_bytes());
        for (text, either) in [
            (r#"{"either": "7"}"#, Some(Either::Count(7))),
            (r#"{"either": "blue"}"#, Some(Either::Colour(Colour::Blue))),
            (r#"{"either": {"x": "1"}}"#, Some(Either::Sample { x: 1 })),
            (r#"{"either": null}"#, None),
        ] {
            assert_eq!(read(text).ok(), Some(Choice { either }), "{text}");
        }
        let must = "must be a whole number from 1 to 4294967295; or one of red, blue; or an object";
        for (text, pointer, detail) in [
            (r#"{"either": 0}"#, "/either", must),
            (r#"{"either": "green"}"#, "/either", must),
            (r#"{"either": []}"#, "/either", must),
            (r#"{"either": {"x": 256}}"#, "/either/x", "must be a whole number from 0 to 255"),
        ] {
            let Err(Refusal::InvalidRequest(faults)) = read(text) else { panic!("{text}") };
            assert_eq!(faults, [Fault::new(pointer, detail)], "{text}");
        }
    }

    #[test]
    fn one_byte_order_mark_is_accepted() {
        let text = "\u{feff}{\"name\": \"a\", \"port\": 1}";
        assert_eq!(body::<Sample>(text.as_bytes()).unwrap().port, 1);
        assert_eq!(faults(format!("\u{feff}{text}"))[0].0, "");
    }

    #[test]
    fn a_query_is_read_by_the_same_rules() {
        let sample: Sample = query("name=a&port=80&on=true&price=0.1").unwrap();
        assert_eq!((sample.port, sample.on), (80, Some(true)));
        let Err(Refusal::InvalidRequest(faults)) = query::<Sample>("name=a&name=b&port=&colur=red") else { panic!() };
        let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.detail.as_str())).collect();
        assert_eq!(
            found,
            [
                ("?name", "stands here more than once"),
                ("?port", "must be a whole number from 1 to 65535"),
                ("?colur", "is no parameter here; did you mean \"colour\"?"),
            ]
        );
    }
}
