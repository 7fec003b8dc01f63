//! Usage in places of its own: in each of several choices, and where only few services state it.

use std::collections::BTreeSet;

use super::{
    count::Count,
    count_tables::{INVOCATION, NATIVE, OF_RESULTS},
    counts::{Counts, Stated},
    format::Format,
    json::Node,
    path::{MAX_ITEMS, Path},
};

/// Where an answer has its choices.
const CHOICES: &str = "choices";

/// Places of usage that hold where no other has any: of an answer within another object, of Dify, of Groq for each model, of
/// Bedrock beside a model's own format, of watsonx beside each text, of Bedrock's own models beside the answer.
const PLACES: [(Path, Option<&Counts>); 6] = [
    (Path::of("data/usage"), None),
    (Path::of("metadata/usage"), None),
    (Path::of("usage_breakdown/models/*/usage"), None),
    (Path::of("amazon-bedrock-invocationMetrics"), Some(&INVOCATION)),
    (Path::of("results/*"), Some(&OF_RESULTS)),
    (Path::of("."), Some(&NATIVE)),
];

/// Header fields by which Bedrock states the counts of a whole answer of `invoke`
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html>), and servers of Hugging Face those of
/// answers of their own formats, which have no usage: TEI of vectors and scores, TGI of texts.
const INPUT_HEADERS: [&str; 3] = ["x-amzn-bedrock-input-token-count", "x-compute-tokens", "x-prompt-tokens"];
const OUTPUT_HEADERS: [&str; 2] = ["x-amzn-bedrock-output-token-count", "x-generated-tokens"];
const CACHED_HEADERS: [&str; 1] = ["x-amzn-bedrock-cache-read-input-token-count"];
const CACHE_WRITE_HEADERS: [&str; 1] = ["x-amzn-bedrock-cache-write-input-token-count"];

/// The usage in the header fields of an answer.
pub(super) fn of_headers<'h>(header: impl Fn(&'static str) -> Option<&'h str>) -> Stated {
    let stated = |name: &'static str| header(name).and_then(|value| value.trim().parse::<u64>().ok());
    let count = |names: &[&'static str]| names.iter().copied().find_map(stated).map_or(Count::Absent, Count::Plain);
    Stated {
        input: count(&INPUT_HEADERS),
        output: count(&OUTPUT_HEADERS),
        cached: count(&CACHED_HEADERS),
        cache_write: count(&CACHE_WRITE_HEADERS),
        ..Stated::default()
    }
}

/// The usage of each choice, by its index.
pub(super) fn of_choices(format: &Format, answer: &Node<'_>) -> Vec<(u64, Stated)> {
    if !format.written.roots.contains(&CHOICES) {
        return vec![];
    }
    let choices = || answer.get(CHOICES).map(Node::items).unwrap_or_default().iter().take(MAX_ITEMS);
    let index = |choice: &Node<'_>| choice.get("index").and_then(Node::whole);
    // Some services write 0 for each.
    let are_told = choices().filter_map(index).collect::<BTreeSet<_>>().len() == choices().count();
    let used = choices().zip(0_u64..).filter_map(|(choice, place)| {
        let usage = choice.get("usage").filter(|usage| usage.is_object())?;
        let index = index(choice).filter(|_| are_told).unwrap_or(place);
        Some((index, format.counts.read(usage).stated))
    });
    used.collect()
}

/// The usage in these places, of which the first that states a count holds.
pub(super) fn aside(format: &Format, answer: &Node<'_>) -> Option<Stated> {
    let sum = |(path, counts): &(Path, Option<&Counts>)| {
        let counts = counts.unwrap_or(format.counts);
        let found = path.values(answer);
        let stated = found.iter().filter(|usage| usage.is_object()).map(|usage| counts.read(usage).stated);
        stated.reduce(Stated::plus).filter(|stated| !stated.says_nothing())
    };
    PLACES.iter().filter_map(sum).reduce(Stated::or)
}
