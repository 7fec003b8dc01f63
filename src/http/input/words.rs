//! What a schema says, in words for people who run the gateway.

use std::ops::RangeInclusive;

use schemars::{
    Map,
    schema::{ArrayValidation, InstanceType, Schema, SchemaObject, SingleOrVec},
};
use serde_json::Value;

use super::forms;

/// About a text with half of a surrogate pair.
pub(super) const NO_CHARACTER: &str = "has an escape that stands for no character";

/// How far a name may be from one that is known to be taken for a slip of the keyboard.
const MAX_SLIPS: usize = 2;

/// The type that a schema asks for; `None` where it asks for none.
pub(super) fn type_of(schema: &SchemaObject) -> Option<InstanceType> {
    match &schema.instance_type {
        Some(SingleOrVec::Single(one)) => Some(**one),
        // What has a choice of texts is text: an enum whose variants have descriptions.
        _ if !choices(schema).is_empty() => Some(InstanceType::String),
        _ => None,
    }
}

/// The schemas of which a value must fit one; `None` where there is no such choice.
pub(super) fn alternatives(schema: &SchemaObject) -> Option<Vec<SchemaObject>> {
    let alternatives = schema.subschemas.as_ref()?.any_of.as_ref()?;
    Some(alternatives.iter().map(|alternative| alternative.clone().into_object()).collect())
}

pub(super) fn is_nullable(schema: &SchemaObject) -> bool {
    schema.extensions.get("nullable") == Some(&Value::Bool(true))
}

/// What a value of another type than the schema's must be.
pub(super) fn expected(schema: &SchemaObject) -> String {
    match type_of(schema) {
        Some(InstanceType::Integer) => whole_number(&bounds_of(schema)),
        Some(InstanceType::Number) => number(schema),
        Some(InstanceType::Boolean) => "must be true or false".into(),
        Some(InstanceType::Array) => "must be a list".into(),
        Some(InstanceType::Object) => "must be an object".into(),
        _ if !choices(schema).is_empty() => one_of(&choices(schema)),
        None if alternatives(schema).is_some() => {
            let each = alternatives(schema).unwrap_or_default();
            let each: Vec<String> = each.iter().map(expected).collect();
            let each = each.iter().map(|words| words.trim_start_matches("must be ")).collect::<Vec<_>>();
            format!("must be {}", each.join("; or "))
        }
        _ => forms::fault("", schema).unwrap_or_else(|| "must be text".into()),
    }
}

/// What may be given in the place of a field.
pub(super) fn instead(name: &str) -> &'static str {
    if name == "window" { "; or give window_s, in seconds, in its place" } else { "" }
}

fn one_of(choices: &[&str]) -> String {
    format!("must be one of {}", choices.join(", "))
}

fn whole_number(bounds: &RangeInclusive<i128>) -> String {
    match (*bounds.start(), *bounds.end()) {
        (i128::MIN, i128::MAX) => "must be a whole number".into(),
        (least, most) if most >= i128::from(i64::MAX) => format!("must be a whole number, {least} or more"),
        (least, most) => format!("must be a whole number from {least} to {most}"),
    }
}

fn number(schema: &SchemaObject) -> String {
    let bounds = schema.number.as_deref();
    match bounds.map(|bounds| (bounds.minimum.or(bounds.exclusive_minimum), bounds.maximum)) {
        Some((Some(least), Some(most))) => format!("must be a number from {least} to {most}"),
        Some((Some(least), None)) => format!("must be a number, {least} or more"),
        _ => "must be a number".into(),
    }
}

/// The whole numbers that a schema allows: its bounds within those of its format.
pub(super) fn bounds_of(schema: &SchemaObject) -> RangeInclusive<i128> {
    let (least, most) = match schema.format.as_deref() {
        Some("uint8") => (0, i128::from(u8::MAX)),
        Some("uint16") => (0, i128::from(u16::MAX)),
        Some("uint32") => (0, i128::from(u32::MAX)),
        Some("uint" | "uint64") => (0, i128::from(u64::MAX)),
        Some("int32") => (i128::from(i32::MIN), i128::from(i32::MAX)),
        Some("int64") => (i128::from(i64::MIN), i128::from(i64::MAX)),
        _ => (i128::MIN, i128::MAX),
    };
    let rules = schema.number.as_deref();
    let stated = |bound: Option<f64>| bound.and_then(|bound| format!("{bound:.0}").parse::<i128>().ok());
    let minimum = stated(rules.and_then(|rules| rules.minimum)).unwrap_or(least);
    let maximum = stated(rules.and_then(|rules| rules.maximum)).unwrap_or(most);
    minimum.max(least)..=maximum.min(most)
}

pub(super) fn is_within(number: f64, schema: &SchemaObject) -> bool {
    let Some(rules) = schema.number.as_deref() else { return true };
    rules.minimum.is_none_or(|least| number >= least)
        && rules.maximum.is_none_or(|most| number <= most)
        && rules.exclusive_minimum.is_none_or(|least| number > least)
        && rules.exclusive_maximum.is_none_or(|most| number < most)
}

/// What is wrong with a text: its choice, its form, or its length.
pub(super) fn fault_of_text(text: &str, schema: &SchemaObject) -> Option<String> {
    let choices = choices(schema);
    if !choices.is_empty() {
        return (!choices.contains(&text)).then(|| one_of(&choices));
    }
    forms::fault(text, schema).or_else(|| {
        let rules = schema.string.as_deref()?;
        let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        outside(length, rules.min_length, rules.max_length, "characters")
    })
}

/// What is wrong with the number of entries of a list.
pub(super) fn wrong_length(entries: usize, rules: &ArrayValidation) -> Option<String> {
    outside(u32::try_from(entries).unwrap_or(u32::MAX), rules.min_items, rules.max_items, "entries")
}

fn outside(length: u32, least: Option<u32>, most: Option<u32>, what: &str) -> Option<String> {
    let fits = least.is_none_or(|least| length >= least) && most.is_none_or(|most| length <= most);
    (!fits).then(|| match (least, most) {
        (Some(least), Some(most)) => format!("must have {least} to {most} {what}"),
        (Some(least), None) => format!("must have {least} {what} or more"),
        (None, most) => format!("must have at most {} {what}", most.unwrap_or_default()),
    })
}

/// What is said of a field that is not known: which one is like it, or takes it for a value.
pub(super) fn unknown(name: &str, what: &str, properties: &Map<String, Schema>) -> String {
    let takes = |schema: &Schema| choices(&schema.clone().into_object()).contains(&name);
    if let Some((field, _)) = properties.iter().find(|(_, schema)| takes(schema)) {
        return format!("is no {what} here; did you mean \"{field}\": \"{name}\"?");
    }
    let known: Vec<&str> = properties.keys().map(String::as_str).collect();
    let slips = |other: &&&str| strsim::osa_distance(name, other);
    let nearest =
        known.iter().filter(|other| slips(other) <= MAX_SLIPS && slips(other) < other.len()).min_by_key(slips);
    // `team` for `team_id`, `window` for `window_s`.
    let goes_on = |other: &&&str| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
    match nearest.or_else(|| known.iter().find(goes_on)) {
        Some(nearest) => format!("is no {what} here; did you mean \"{nearest}\"?"),
        None if known.is_empty() => format!("is no {what} here; there are none"),
        None => format!("is no {what} here; there are {}", known.join(", ")),
    }
}

/// Whether a text is one of a few.
pub(super) fn is_choice(schema: &SchemaObject) -> bool {
    !choices(schema).is_empty()
}

/// The texts that an enum allows, whether or not its variants have descriptions.
fn choices(schema: &SchemaObject) -> Vec<&str> {
    let own = schema.enum_values.iter().flatten();
    let variants = schema.subschemas.iter().flat_map(|subschemas| subschemas.one_of.iter().flatten());
    let of_variants = variants.filter_map(|variant| match variant {
        Schema::Object(object) => Some(object.enum_values.iter().flatten()),
        Schema::Bool(_) => None,
    });
    own.chain(of_variants.flatten()).filter_map(Value::as_str).collect()
}
