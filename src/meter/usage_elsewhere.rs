//! Usage in places of its own: in each of several choices, and where only few services state it.

use super::{
    count_tables::{INVOCATION, WATSONX},
    counts::{Counts, Stated},
    format::Format,
    json::Node,
    path::{MAX_ITEMS, Path},
};

/// Where an answer has its choices.
const CHOICES: &str = "choices";

/// Places of usage that hold where no other has any: of an answer within another object, of Dify, of Groq for each model, of
/// Bedrock beside a model's own format, of watsonx beside each text.
const PLACES: [(Path, Option<&Counts>); 5] = [
    (Path::of("data/usage"), None),
    (Path::of("metadata/usage"), None),
    (Path::of("usage_breakdown/models/*/usage"), None),
    (Path::of("amazon-bedrock-invocationMetrics"), Some(&INVOCATION)),
    (Path::of("results/*"), Some(&WATSONX)),
];

/// The usage of each choice, by its index.
pub(super) fn of_choices(format: &Format, answer: &Node<'_>) -> Vec<(u64, Stated)> {
    if !format.written.roots.contains(&CHOICES) {
        return vec![];
    }
    let choices = answer.get(CHOICES).map(Node::items).unwrap_or_default().iter().take(MAX_ITEMS).zip(0_u64..);
    let used = choices.filter_map(|(choice, place)| {
        let usage = choice.get("usage").filter(|usage| usage.is_object())?;
        let index = choice.get("index").and_then(Node::whole).unwrap_or(place);
        Some((index, format.counts.read(usage).stated))
    });
    used.collect()
}

/// The usage in the first of these places that states any.
pub(super) fn aside(format: &Format, answer: &Node<'_>) -> Option<Stated> {
    format.output_bound?;
    let sum = |(path, counts): &(Path, Option<&Counts>)| {
        let counts = counts.unwrap_or(format.counts);
        let found = path.values(answer);
        let stated = found.iter().filter(|usage| usage.is_object()).map(|usage| counts.read(usage).stated);
        stated.reduce(Stated::plus).filter(|stated| !stated.says_nothing())
    };
    PLACES.iter().find_map(sum)
}
