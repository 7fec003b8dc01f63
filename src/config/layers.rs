//! The three layers as TOML, merged, with the memory of which value came from where.

use std::{collections::BTreeMap, path::Path};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{ConfigError, DEFAULT_TOML, Fault};

const PREFIX: &str = "TOLLGATE__";

struct Layer {
    origin: String,
    is_file: bool,
    table: Table,
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
        let mut layers = vec![parse("built-in configuration", DEFAULT_TOML)?];
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
        serde_path_to_error::deserialize(Value::Table(self.merged.clone())).map_err(|error| {
            let key = error.path().to_string();
            let reason = error.inner().to_string().trim().to_owned();
            self.blame(Fault { key, reason })
        })
    }

    /// Each key and each section, with the strongest layer that sets it or something in it.
    pub(super) fn origins(&self) -> BTreeMap<String, String> {
        let mut origins = BTreeMap::new();
        for layer in &self.layers {
            note(&layer.table, "", &layer.origin, &mut origins);
        }
        origins
    }

    /// Refuses a secret that stands in a file.
    pub(super) fn keep_out_of_files(&self, key: &str) -> Result<(), ConfigError> {
        let path = segments(key);
        let holds = |layer: &&Layer| find(&layer.table, &path).and_then(Value::as_str).is_some_and(|s| !s.is_empty());
        match self.layers.iter().filter(|layer| layer.is_file).find(holds) {
            None => Ok(()),
            Some(layer) => {
                let reason = format!("secrets come from the environment, or from the file that {key}_file names");
                Err(ConfigError { origin: layer.origin.clone(), key: key.into(), reason })
            }
        }
    }

    /// Adds to a fault the layer that set the value.
    pub(super) fn blame(&self, fault: Fault) -> ConfigError {
        let path = segments(&fault.key);
        let setter = self.layers.iter().rev().find(|layer| sets(&layer.table, &path));
        let origin = setter.map_or_else(|| "configuration".to_owned(), |layer| layer.origin.clone());
        ConfigError { origin, key: fault.key, reason: fault.reason }
    }
}

fn note(table: &Table, section: &str, origin: &str, origins: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        if let Value::Table(inner) = value {
            note(inner, &key, origin, origins);
        }
        origins.insert(key, origin.to_owned());
    }
}

fn read_file(path: &Path) -> Result<Layer, ConfigError> {
    let origin = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&origin, &text),
        Err(error) => Err(ConfigError { origin, key: "(file)".into(), reason: format!("cannot be read: {error}") }),
    }
}

fn parse(origin: &str, text: &str) -> Result<Layer, ConfigError> {
    let table = text.parse::<Table>().map_err(|error| {
        let line =
            error.span().and_then(|span| text.get(..span.start)).map_or(1, |before| before.matches('\n').count() + 1);
        ConfigError { origin: origin.into(), key: format!("line {line}"), reason: error.message().to_owned() }
    })?;
    Ok(Layer { origin: origin.into(), is_file: false, table })
}

/// One layer a variable, so that a fault names the variable.
fn read_environment(environment: impl IntoIterator<Item = (String, String)>, known: &Table) -> Vec<Layer> {
    let mut variables: Vec<_> = environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    variables.sort();
    let layer = |(name, text): (String, String)| {
        let path: Vec<String> = name.trim_start_matches(PREFIX).split("__").map(str::to_lowercase).collect();
        let table = nest(&path, typed(&text, find(known, &path)));
        Layer { origin: format!("environment variable {name}"), is_file: false, table }
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

/// True if this layer set the value at `path`, or, for a key that is missing, another key of the same table.
fn sets(table: &Table, path: &[String]) -> bool {
    find(table, path).is_some()
}
