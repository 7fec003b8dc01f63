//! LiteLLM's `model_prices_and_context_window.json`: one object, a field a model.
//!
//! Costs are read from the text of the file, never through a float. A model is taken only if all that it costs to use
//! it with text is understood; what else is dearer is said. Everything else is skipped with its reason.

mod costs;
mod extras;
mod fields;
mod mode;
mod model;
mod names;
mod ranges;

use std::collections::{BTreeSet, HashMap};

use self::fields::Fields;
use super::{
    BadFile, PriceFile,
    report::{Report, shortened},
};
use crate::domain::price::{PriceSpec, list::ListChange, spec::is_model_name};

/// Describes the fields, and is no model.
const SAMPLE: &str = "sample_spec";

/// In the place of all fields: the name of the model that this is another name of.
const ALIAS_OF: &str = "alias_of";

/// What a file may be.
const FORMS: &str = "It must be as LiteLLM's model_prices_and_context_window.json, which has a field for each model, or TOML as \
                     config/prices.toml";

/// The most names that lead to each other.
const MAX_ALIASES: usize = 4;

/// Why a model is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Skipped {
    #[error("not an object whose fields are all different")]
    NotAnObject,
    #[error("named more than once in the file")]
    Twice,
    #[error("its name is empty, too long or has control characters")]
    Name,
    #[error("another name of {0}, of which the file has nothing")]
    NoOther(String),
    #[error("its mode is not said")]
    NoMode,
    #[error("mode {0}: not billed by the tokens of an answer")]
    Mode(String),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("mode {0}: max_output_tokens is missing, and an answer that costs something cannot be held without it")]
    NoBound(String),
    #[error("{0} is no number")]
    NotANumber(String),
    #[error("{0} is negative")]
    Negative(String),
    #[error("{0} is finer than a pico-USD, by more than can be rounded")]
    TooFine(String),
    #[error("{0} is absurdly high")]
    TooHigh(String),
    #[error("costs nothing: if that is true, give it a price of 0 in a file of your own")]
    Free,
    #[error("has a cost that the gateway cannot bill: {0}")]
    NotUnderstood(String),
    #[error("not a price: {0}")]
    NoPrice(String),
}

pub(super) fn read(text: &str) -> Result<PriceFile, BadFile> {
    let models: Fields = serde_json::from_str(text)
        .map_err(|error| BadFile { place: format!("line {}", error.line()), reason: error.to_string() })?;
    let mut times = HashMap::<&str, usize>::new();
    models.iter().for_each(|(name, _)| *times.entry(name).or_default() += 1);
    let (mut report, mut specs) = (Report::default(), vec![]);
    let mut done = BTreeSet::new();
    for (name, text) in models.iter().filter(|(name, _)| *name != SAMPLE) {
        let twice = times.get(name).is_some_and(|&times| times > 1);
        if done.insert(name) {
            sort(name, if twice { Err(Skipped::Twice) } else { one(&models, name, text) }, &mut report, &mut specs);
        }
    }
    if specs.is_empty() {
        let reason = format!("has no price to take. {FORMS}\n{}", report.text(false));
        return Err(BadFile { place: "file".into(), reason });
    }
    let change = ListChange::new("models", &specs, &[])
        .map_err(|_| BadFile { place: "file".into(), reason: "has a price that was taken and is none".into() })?;
    Ok(PriceFile { change, date: None, report })
}

/// A model that is taken.
struct Taken {
    spec: PriceSpec,
    unbilled: BTreeSet<extras::Unbilled>,
    is_rounded: bool,
}

/// One model, or why not.
fn one(models: &Fields, name: &str, text: &str) -> Result<Taken, Skipped> {
    if !is_model_name(name) {
        return Err(Skipped::Name);
    }
    let fields = fields_of(models, text)?;
    let model::Read { price, unbilled, is_rounded } = model::read(&fields)?;
    let spec = PriceSpec::of(name, &price);
    match spec.price() {
        Ok(_) => Ok(Taken { spec, unbilled, is_rounded }),
        Err(faults) => {
            let first = faults.first().map(|fault| format!("{} {}", fault.pointer, fault.detail));
            Err(Skipped::NoPrice(first.unwrap_or_default()))
        }
    }
}

/// The fields of a model, or of the one that it is another name of.
fn fields_of<'a>(models: &Fields<'a>, text: &'a str) -> Result<Fields<'a>, Skipped> {
    let read = |text: &'a str| serde_json::from_str::<Fields<'a>>(text).map_err(|_| Skipped::NotAnObject);
    let mut fields = read(text)?;
    for _ in 0..MAX_ALIASES {
        let Some(other) = fields.string(ALIAS_OF).filter(|_| fields.text(mode::FIELD).is_none()) else {
            return Ok(fields);
        };
        let mut found = models.iter().filter(|(name, _)| *name == other).map(|(_, text)| text);
        fields = match (found.next(), found.next()) {
            (Some(text), None) => read(text)?,
            (Some(_), Some(_)) => return Err(Skipped::Twice),
            (None, _) => return Err(Skipped::NoOther(shortened(&other))),
        };
    }
    Err(Skipped::NoMode)
}

fn sort(name: &str, found: Result<Taken, Skipped>, report: &mut Report, specs: &mut Vec<PriceSpec>) {
    let shown = shortened(name);
    match found {
        Err(why) => report.skipped.entry(why.to_string()).or_default().push(shown),
        Ok(Taken { spec, unbilled, is_rounded }) => {
            report.rounded.extend(is_rounded.then(|| shown.clone()));
            for what in unbilled {
                report.in_part.entry(what.to_string()).or_default().push(shown.clone());
            }
            report.taken.push(shown);
            specs.push(spec);
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tiers_tests;
