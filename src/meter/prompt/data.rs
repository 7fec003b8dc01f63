//! Members of a request that are no settings of it, whatever their names remind of: schemas of JSON, examples of calls,
//! labels of the caller.

use super::super::json::{Kind, Node};

/// Names of members with a schema or an example in them, and of labels, besides those of [`is_data`].
const NAMES: [&str; 12] = [
    "$defs",
    "definitions",
    "dependentschemas",
    "guided_json",
    "input_examples",
    "labels",
    "patternproperties",
    "properties",
    "response",
    "semantic_cache",
    "structured_outputs",
    "trace",
];

/// Members by which an object shows that it is a schema of JSON.
const SIGNS: [&str; 3] = ["$defs", "$schema", "properties"];

/// Members of a schema with values that it describes.
const VALUES: [&str; 5] = ["const", "default", "enum", "example", "examples"];

/// Whether a member of this folded name is a schema, an example or a label: no provider takes a model, a tool or a bound
/// from it.
pub(super) fn is_data(name: &str) -> bool {
    name.contains("schema") || name.ends_with("metadata") || NAMES.contains(&name)
}

/// Whether a list has texts and nothing else.
pub(super) fn is_names(value: &Node<'_>) -> bool {
    let items = value.items();
    !items.is_empty() && items.iter().all(|item| matches!(item.kind, Kind::Text))
}

/// Whether an object is a schema.
pub(super) fn is_schema(object: &Node<'_>) -> bool {
    SIGNS.iter().any(|sign| object.get(sign).is_some())
}

/// Whether a member of this folded name holds values that its schema describes.
pub(super) fn is_described(name: &str) -> bool {
    VALUES.contains(&name)
}

/// How many numbers a list has, beside its `items`, which are all else that it has: tokens.
pub(super) fn numbers(list: &[u8], items: &[Node<'_>]) -> u64 {
    let begin = list.as_ptr().addr();
    let (mut numbers, mut at) = (0, 0);
    for item in items {
        let start = item.raw.as_ptr().addr().saturating_sub(begin);
        numbers = in_gap(list.get(at..start)).saturating_add(numbers);
        at = start.saturating_add(item.raw.len());
    }
    in_gap(list.get(at..)).saturating_add(numbers)
}

/// How many numbers stand between two items.
fn in_gap(gap: Option<&[u8]>) -> u64 {
    let parts = gap.unwrap_or_default().split(|byte| *byte == b',');
    let numbers = parts.filter(|part| part.iter().any(u8::is_ascii_digit)).count();
    u64::try_from(numbers).unwrap_or(u64::MAX)
}
