//! Plain values of members: what they must be, and what is wrong with them.

use std::borrow::Cow;

use super::json::Node;
use crate::domain::price::spec::is_model_name;

/// The model that a path names: `/models/NAME:generateContent`, `/model/NAME/converse`, `/deployments/NAME/chat`.
pub(super) fn model_in(path: &str) -> Option<String> {
    let is_before = |part: &&str| matches!(*part, "models" | "model" | "tunedModels" | "deployments");
    // A path that names two is read by each service in its own way.
    if path.split('/').filter(is_before).count() > 1 {
        return None;
    }
    let path = path.replace("%3A", ":").replace("%3a", ":");
    let named = path.split('/').skip_while(|part| !is_before(part)).nth(1)?;
    // A name of Bedrock has colons: `anthropic.claude-sonnet-4-5-20250929-v1:0`.
    let named = if path.contains("/model/") { named } else { named.split(':').next()? };
    is_model_name(named).then(|| named.to_owned())
}

/// The path of a call with another name in place of the model's. A colon in it stands as it is where only a slash ends the
/// name, and is coded elsewhere.
pub(super) fn with_model<'p>(path: &'p str, asked: &str, served: &str) -> Cow<'p, str> {
    let coded = |name: &str| name.replace(':', "%3A");
    for before in ["/model/", "/models/", "/tunedModels/", "/deployments/"] {
        for name in [asked.to_owned(), coded(asked)] {
            let Some((head, tail)) = path.split_once(&format!("{before}{name}")) else { continue };
            if tail.is_empty() || tail.starts_with(['/', ':', '?']) {
                let served = if before == "/model/" { served.to_owned() } else { coded(served) };
                return Cow::Owned(format!("{head}{before}{served}{tail}"));
            }
        }
    }
    Cow::Borrowed(path)
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
    let is_enabled = ["enable", "enabled"].iter().find_map(|name| value.get(name)).and_then(Node::bool);
    let is_off = mode.is_some_and(|mode| mode == "off") || is_enabled == Some(false);
    is_off || value.bool() == Some(false) || matches!(value.raw, b"[]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_another_model_and_is_the_same_otherwise() {
        for (path, expected) in [
            ("/v1beta/models/fast:generateContent?key=fast", "/v1beta/models/a%3Ab:generateContent?key=fast"),
            ("/model/fast/converse", "/model/a:b/converse"),
            ("/models/faster:generateContent", "/models/faster:generateContent"),
            ("/v1/chat", "/v1/chat"),
        ] {
            assert_eq!(with_model(path, "fast", "a:b"), expected);
        }
    }
}
