//! The three layers as TOML, merged, with the memory of which value came from where.

use std::{collections::BTreeMap, path::Path};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{
    BUILT_IN, ConfigError, DEFAULT_TOML, Fault, key, lines, url_password,
    words::{no_toml, plain},
};

const PREFIX: &str = "TOLLGATE__";

struct Layer {
    origin: String,
    is_file: bool,
    table: Table,
    /// Of a file: where its keys stand.
    lines: BTreeMap<String, usize>,
}

/// The layers, the strongest last.
pub(super) struct Layers {
    layers: Vec<Layer>,
    merged: Table,
}

impl Layers {
    pub(super) fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut layers = vec![parse(BUILT_IN, DEFAULT_TOML)?];
        if let Some(path) = file {
            layers.push(Layer { is_file: true, ..read_file(path)? });
        }
        let mut merged = Table::new();
        for layer in &layers {
            merge(&mut merged, &layer.table);
        }
        for layer in read_environment(environment, &merged) {
            merge(&mut merged, &layer.table);
            layers.push(layer);
        }
        Ok(Self { layers, merged })
    }

    pub(super) fn deserialize<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.typed(&self.merged)
    }

    /// Reads these values, which the layers have made.
    pub(super) fn typed<T: DeserializeOwned>(&self, table: &Table) -> Result<T, ConfigError> {
        serde_path_to_error::deserialize(Value::Table(table.clone())).map_err(|error| {
            let key = error.path().to_string();
            let reason = plain(&key, &error.inner().to_string());
            self.blame(Fault { key, reason })
        })
    }

    /// All three, merged.
    pub(super) const fn merged(&self) -> &Table {
        &self.merged
    }

    /// The built-in layer.
    pub(super) fn built_in(&self) -> &Table {
        self.layers.first().map_or(&self.merged, |layer| &layer.table)
    }

    /// Each key, section and entry of a list, with the strongest layer that sets it or something in it; of a file with the
    /// line.
    pub(super) fn origins(&self) -> BTreeMap<String, String> {
        let mut origins = BTreeMap::new();
        for layer in &self.layers {
            note(&layer.table, "", layer, &mut origins);
        }
        origins
    }

    /// Where a key, or what it stands in, was set.
    pub(super) fn origin(&self, key: &str) -> String {
        origin_in(&self.origins(), key)
    }

    /// The secrets that stand in a file, `secrets` being their keys, and the passwords within URLs, of which each has its key
    /// and that of the password.
    pub(super) fn secrets_in_files(&self, secrets: &[&str], urls: &[(&str, &str)]) -> Vec<ConfigError> {
        let alone = secrets.iter().filter_map(|key| self.in_file(key, key, |text| !text.is_empty()));
        let within = urls.iter().filter_map(|(url, password)| self.in_file(url, password, url_password::is_in));
        alone.chain(within).collect()
    }

    /// A value of a file that holds a secret, which belongs at `key` and not in any file that holds more than it.
    fn in_file(&self, at: &str, key: &str, holds: fn(&str) -> bool) -> Option<ConfigError> {
        let path = segments(at);
        let holds = |layer: &&Layer| find(&layer.table, &path).and_then(Value::as_str).is_some_and(holds);
        let layer = self.layers.iter().filter(|layer| layer.is_file).find(holds)?;
        let variable = format!("TOLLGATE__{}", key.replace('.', "__").to_uppercase());
        let reason = format!("secrets come from the environment ({variable}), or from the file that {key}_file names");
        Some(ConfigError { origin: layer.origin_of(at), key: at.into(), reason })
    }

    /// Adds to a fault the layer that set the value.
    pub(super) fn blame(&self, fault: Fault) -> ConfigError {
        ConfigError { origin: self.origin(&fault.key), key: fault.key, reason: fault.reason }
    }
}

impl Layer {
    fn origin_of(&self, key: &str) -> String {
        self.lines.get(key).map_or_else(|| self.origin.clone(), |line| format!("{}:{line}", self.origin))
    }
}

/// Where a key, or what it stands in, was set: `file:line`, a variable, or the built-in layer.
pub(super) fn origin_in(origins: &BTreeMap<String, String>, key: &str) -> String {
    key::outwards(key).find_map(|key| origins.get(&key).cloned()).unwrap_or_else(|| "configuration".into())
}

fn note(table: &Table, section: &str, layer: &Layer, origins: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        note_value(value, key, layer, origins);
    }
}

fn note_value(value: &Value, key: String, layer: &Layer, origins: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(inner) => note(inner, &key, layer, origins),
        Value::Array(items) => {
            // Lists come from one layer as a whole.
            let of_list = format!("{key}[");
            origins.retain(|known, _| !known.starts_with(&of_list));
            for (index, item) in items.iter().enumerate() {
                note_value(item, format!("{key}[{index}]"), layer, origins);
            }
        }
        _ => {}
    }
    let origin = layer.origin_of(&key);
    origins.insert(key, origin);
}

fn read_file(path: &Path) -> Result<Layer, ConfigError> {
    let origin = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Layer { lines: lines::of(&text), ..parse(&origin, &text)? }),
        Err(error) => Err(ConfigError { origin, key: "(file)".into(), reason: format!("cannot be read: {error}") }),
    }
}

fn parse(origin: &str, text: &str) -> Result<Layer, ConfigError> {
    let table = text.parse::<Table>().map_err(|error| {
        let span = error.span().unwrap_or_default();
        let (before, after) = text.split_at_checked(span.start).unwrap_or_default();
        let there = text.get(span).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let origin = format!("{origin}:{line}");
        ConfigError { origin, key: format!("line {line}"), reason: no_toml(error.message(), before, there, after) }
    })?;
    Ok(Layer { origin: origin.into(), is_file: false, table, lines: BTreeMap::new() })
}

/// One layer a variable, so that a fault names the variable.
fn read_environment(environment: impl IntoIterator<Item = (String, String)>, known: &Table) -> Vec<Layer> {
    let mut variables: Vec<_> = environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    variables.sort();
    let layer = |(name, text): (String, String)| {
        let path: Vec<String> = name.trim_start_matches(PREFIX).split("__").map(str::to_lowercase).collect();
        let table = nest(&path, typed(&text, find(known, &path)));
        Layer { origin: format!("environment variable {name}"), is_file: false, table, lines: BTreeMap::new() }
    };
    variables.into_iter().map(layer).collect()
}

/// Text as a TOML value; where the key holds a string already, the text is that string as it stands.
fn typed(text: &str, known: Option<&Value>) -> Value {
    let string = || Value::String(text.to_owned());
    match known {
        Some(Value::String(_)) => string(),
        _ => format!("value = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("value")).unwrap_or_else(string),
    }
}

fn nest(path: &[String], value: Value) -> Table {
    let Some((last, parents)) = path.split_last() else {
        return Table::new();
    };
    let leaf = Table::from_iter([(last.clone(), value)]);
    parents.iter().rev().fold(leaf, |inner, key| Table::from_iter([(key.clone(), Value::Table(inner))]))
}

fn find<'t>(table: &'t Table, path: &[String]) -> Option<&'t Value> {
    let (last, parents) = path.split_last()?;
    let mut table = table;
    for key in parents {
        table = table.get(key)?.as_table()?;
    }
    table.get(last)
}

fn merge(into: &mut Table, from: &Table) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

/// `limits[0].routes` as its plain keys, up to the first list: lists come from one layer as a whole.
fn segments(key: &str) -> Vec<String> {
    let plain = key.split('[').next().unwrap_or(key);
    plain.split('.').map(str::to_owned).filter(|segment| !segment.is_empty()).collect()
}
