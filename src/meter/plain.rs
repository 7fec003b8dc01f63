//! Plain values of members: what they must be, and what is wrong with them.

use super::json::Node;
use crate::domain::price::spec::is_model_name;

/// The model that a path names: `/models/NAME:generateContent`, `/model/NAME/converse`.
pub(super) fn model_in(path: &str) -> Option<String> {
    let mut parts = path.split('/').skip_while(|part| !matches!(*part, "models" | "model" | "tunedModels")).skip(1);
    let named = parts.next()?.split(':').next()?;
    // A name of Bedrock has colons: `anthropic.claude-sonnet-4-5-20250929-v1:0`.
    let named = if path.contains("/model/") { path.split("/model/").nth(1)?.split('/').next()? } else { named };
    let model = named.replace("%3A", ":").replace("%3a", ":");
    is_model_name(&model).then_some(model)
}

/// A plain number from 1.
pub(super) fn whole(value: &Node<'_>, max: u64) -> Result<u64, String> {
    let number = value.whole().filter(|_| !value.raw.contains(&b'.'));
    number.filter(|number| (1..=max).contains(number)).ok_or_else(|| format!("must be a whole number from 1 to {max}"))
}

pub(super) fn model(value: &Node<'_>) -> Result<String, String> {
    let model = value.string().filter(|model| is_model_name(model));
    model.ok_or_else(|| "must be a text of 1 to 256 bytes without control characters".into())
}

pub(super) fn one_of(word: &str, words: &[&str]) -> Result<(), String> {
    let known = words.contains(&word);
    if known { Ok(()) } else { Err(format!("must be {}: nothing else has a price here", words.join(" or "))) }
}

/// The texts of a list that has nothing else.
pub(super) fn texts(list: &Node<'_>) -> Result<Vec<String>, String> {
    let texts: Option<Vec<String>> = list.items().iter().map(Node::string).collect();
    texts.filter(|_| list.is_list()).ok_or_else(|| "must be a list of texts".into())
}

/// Whether the settings of a tool switch it off, or are an empty list of servers.
pub(super) fn is_off(value: &Node<'_>) -> bool {
    let mode = value.get("mode").and_then(Node::string);
    mode.is_some_and(|mode| mode == "off") || value.bool() == Some(false) || matches!(value.raw, b"[]")
}
