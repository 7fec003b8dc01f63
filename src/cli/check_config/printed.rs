//! The configuration as all layers make it, for people as TOML with the origin of each key, or as JSON.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use toml::{Table, Value};

use crate::config::{Examined, is_secret, url_password};

const MASK: &str = "***";

/// The text of a configuration, or its JSON.
pub(super) fn of(examined: &Examined, as_json: bool) -> Option<Json> {
    let (merged, origins) = examined.layers()?;
    let mut table = merged.clone();
    mask("", &mut table);
    if as_json {
        return Some(json!({ "values": table, "origins": origins }));
    }
    let mut text = String::new();
    section("", &table, &origins, &mut text);
    Some(Json::String(text))
}

/// Keys that hold a value first, then the sections.
fn section(name: &str, table: &Table, origins: &BTreeMap<String, String>, text: &mut String) {
    let key_of = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    let origin = |key: &str| origins.get(key).map_or("", String::as_str);
    let plain = |value: &Value| !value.is_table() && !is_list_of_tables(value);
    for (key, value) in table.iter().filter(|(_, value)| plain(value)) {
        text.extend([key, " = ", &inline(value), "  # ", origin(&key_of(key)), "\n"]);
    }
    for (key, value) in table.iter().filter(|(_, value)| !plain(value)) {
        let path = key_of(key);
        if let Value::Table(inner) = value {
            text.extend(["\n[", &path, "]\n"]);
            section(&path, inner, origins, text);
        }
        for (index, entry) in value.as_array().into_iter().flatten().enumerate() {
            let place = format!("{path}[{index}]");
            let origin = origins.get(&place).map_or_else(|| origin(&path), String::as_str);
            text.extend(["\n[[", &path, "]]  # ", origin, "\n"]);
            for (key, value) in entry.as_table().into_iter().flatten() {
                text.extend([key, " = ", &inline(value), "\n"]);
            }
        }
    }
}

fn is_list_of_tables(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(Value::is_table))
}

fn inline(value: &Value) -> String {
    match value {
        Value::Table(table) => {
            let fields: Vec<String> = table.iter().map(|(key, value)| format!("{key} = {}", inline(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// Hides secrets, the passwords in URLs, and the path of the webhook, which is a secret with some services.
fn mask(section: &str, table: &mut Table) {
    for (name, value) in table.iter_mut() {
        let key = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        match value {
            Value::Table(inner) => mask(&key, inner),
            Value::Array(entries) => {
                entries.iter_mut().filter_map(Value::as_table_mut).for_each(|entry| mask(&key, entry));
            }
            Value::String(text) if text.is_empty() => {}
            Value::String(text) if is_secret(&key) => *text = MASK.into(),
            Value::String(text) if key == "alerts.webhook_url" => *text = without_path(text),
            Value::String(text) => *text = url_password::masked(text, MASK),
            _ => {}
        }
    }
}

fn without_path(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return MASK.into() };
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}/{MASK}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_webhook_is_hidden() {
        assert_eq!(without_path("https://hooks.example/services/T/B/secret"), "https://hooks.example/***");
    }
}
