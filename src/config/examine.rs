//! Every mistake of a configuration at once: each that is found is mended in memory, and the next is looked for.
//!
//! Called by `check-config`, and by a start that was refused. What is mended is never used for anything else.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use toml::{Table, Value};

use super::{
    Config, ConfigError, SECRETS, URLS,
    key::{self, Step},
    layers::Layers,
};

/// The most mistakes that are reported.
const MAX_MISTAKES: usize = 200;

/// What an examination has found.
pub struct Examined {
    /// The configuration, with what was wrong in it replaced; nothing if too much was wrong.
    pub config: Option<Config>,
    pub mistakes: Vec<ConfigError>,
    layers: Option<Layers>,
}

impl Examined {
    /// Reads the layers as a start does, and finds all that is wrong in them. `further` are the checks that need more than
    /// the configuration; each tells the first mistake it finds.
    pub fn of(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        further: impl Fn(&Config) -> Vec<ConfigError>,
    ) -> Self {
        match Layers::read(file, environment) {
            Err(error) => Self { config: None, mistakes: vec![error], layers: None },
            Ok(layers) => {
                let secrets = layers.secrets_in_files(&SECRETS, &URLS);
                let mut search = Search { mistakes: secrets, ..Search::new(&layers) };
                let config = search.all(further);
                let mut mistakes = search.mistakes;
                // As they stand in the file; what stands in none comes last.
                mistakes.sort_by_key(|mistake| mistake.line().unwrap_or(u64::MAX));
                Self { config, mistakes, layers: Some(layers) }
            }
        }
    }

    /// All three layers, merged, with where each key comes from.
    pub fn layers(&self) -> Option<(&Table, BTreeMap<String, String>)> {
        self.layers.as_ref().map(|layers| (layers.merged(), layers.origins()))
    }
}

struct Search<'l> {
    layers: &'l Layers,
    origins: BTreeMap<String, String>,
    table: Table,
    mistakes: Vec<ConfigError>,
    /// The places that the entries of a list had before others were taken out.
    places: BTreeMap<String, Vec<usize>>,
    /// What was mended before, by its key in the file.
    mended: HashSet<String>,
    /// The names of entries that were taken out: that others name them is no further mistake.
    gone: HashSet<String>,
}

impl<'l> Search<'l> {
    fn new(layers: &'l Layers) -> Self {
        Self {
            layers,
            origins: layers.origins(),
            table: layers.merged().clone(),
            mistakes: vec![],
            places: BTreeMap::new(),
            mended: HashSet::new(),
            gone: HashSet::new(),
        }
    }

    fn all(&mut self, further: impl Fn(&Config) -> Vec<ConfigError>) -> Option<Config> {
        while self.mistakes.len() < MAX_MISTAKES {
            let mut is_mended = false;
            match self.read() {
                Err(error) => is_mended = self.take(error),
                Ok(config) => {
                    for error in further(&config) {
                        is_mended |= self.take(error);
                    }
                    if !is_mended {
                        return Some(config);
                    }
                }
            }
            if !is_mended {
                return None;
            }
        }
        None
    }

    fn read(&self) -> Result<Config, ConfigError> {
        let mut config: Config = self.layers.typed(&self.table)?;
        config.origins = self.origins.clone();
        config.validate().map_err(|fault| self.layers.blame(fault))?;
        Ok(config)
    }

    /// Notes a mistake, and mends it; true if there may be more behind it.
    fn take(&mut self, error: ConfigError) -> bool {
        let mut steps = key::steps(&error.key);
        let mut original = key::of(&self.original(&steps));
        // What is missing in an entry can be put there.
        let absent = missing(&error.reason).filter(|_| matches!(steps.last(), Some(Step::Index(_))));
        let absent = absent.map(|field| Step::Name(field.to_owned()));
        let meant = meant(&error.reason).map(str::to_owned);
        let names = |value: &Value| value.as_str().is_some_and(|name| self.gone.contains(name));
        let was_cause = causes_of(&original).iter().any(|cause| self.mended.contains(cause));
        let follows = key::find(&self.table, &steps).is_some_and(names) || self.mended.contains(&original) || was_cause;
        let known = |other: &&ConfigError| other.key == original && other.reason == error.reason;
        if !follows && self.mistakes.iter().find(known).is_none() {
            let origin = if original == error.key { error.origin } else { self.layers.origin(&original) };
            self.mistakes.push(ConfigError { origin, key: original.clone(), reason: error.reason });
        }
        if let Some(absent) = absent {
            steps.push(absent);
            original = key::of(&self.original(&steps));
        }
        self.rename(&steps, meant.as_deref()) || self.mend(&steps, original)
    }

    /// Gives what stands under a mistyped key to the key that was meant, if nothing stands there.
    fn rename(&mut self, steps: &[Step], meant: Option<&str>) -> bool {
        let (Some(meant), Some((Step::Name(_), around))) = (meant, steps.split_last()) else { return false };
        let right = [around, &[Step::Name(meant.to_owned())]].concat();
        let Some(value) = key::find(&self.table, steps).cloned() else { return false };
        key::find(&self.table, &right).is_none()
            && key::put(&mut self.table, &right, Some(value))
            && key::put(&mut self.table, steps, None)
    }

    /// The steps with the places that entries have in the file.
    fn original(&self, steps: &[Step]) -> Vec<Step> {
        let mut original = steps.to_vec();
        if let Some(at) = steps.iter().position(|step| matches!(step, Step::Index(_)))
            && let (Some(Step::Index(index)), Some(list)) = (original.get_mut(at), steps.get(..at))
            && let Some(place) = self.places.get(&key::of(list)).and_then(|places| places.get(*index))
        {
            *index = *place;
        }
        original
    }

    /// Replaces what is wrong by what is surely right, at best only the value itself.
    fn mend(&mut self, steps: &[Step], original: String) -> bool {
        let is_new = self.mended.insert(original);
        let Some(at) = steps.iter().position(|step| matches!(step, Step::Index(_))) else {
            return (is_new && self.reset(steps)) || self.reset_around(steps);
        };
        let (list, Some(Step::Index(index))) = (steps.get(..at).unwrap_or_default(), steps.get(at)) else {
            return false;
        };
        let (entry, field) = (steps.get(..=at).unwrap_or_default(), steps.get(at.saturating_add(1)));
        // Of a value with fields of its own only the one that is wrong goes, where it may be left out.
        let is_within = steps.len() > at.saturating_add(2);
        let may_go = matches!(steps.last(), Some(Step::Name(name)) if is_within && is_optional(name));
        if is_new && may_go && key::put(&mut self.table, steps, None) {
            return true;
        }
        if let (true, Some(Step::Name(field))) = (is_new, field) {
            if let Some(cause) = cause(field) {
                let of_cause = [entry, &[Step::Name(cause.to_owned())]].concat();
                if key::put(&mut self.table, &of_cause, None) {
                    return true;
                }
            }
            let field_steps = steps.get(..at.saturating_add(2)).unwrap_or_default();
            // Beside an upstream no targets are needed.
            let upstream = [entry, &[Step::Name("upstream".to_owned())]].concat();
            let is_spare = field == "targets" && key::find(&self.table, &upstream).is_some();
            let neutral = neutral(&key::of(list), field, self.mended.len()).filter(|_| !is_spare);
            if (neutral.is_some() || key::find(&self.table, field_steps).is_some())
                && key::put(&mut self.table, field_steps, neutral)
            {
                return true;
            }
        }
        self.take_out(list, *index)
    }

    /// Puts what is surely right in the place of a value; false if it is there already.
    fn reset(&mut self, steps: &[Step]) -> bool {
        let right = alone(&key::of(steps)).or_else(|| key::find(self.layers.built_in(), steps).cloned());
        let present = key::find(&self.table, steps).cloned();
        present != right && key::put(&mut self.table, steps, right)
    }

    /// Takes away why a value that is right by itself is wrong: another key of its section, or else all of the section.
    fn reset_around(&mut self, steps: &[Step]) -> bool {
        let Some((Step::Name(field), section)) = steps.split_last() else { return false };
        if let Some(cause) = cause(field) {
            let of_cause = [section, &[Step::Name(cause.to_owned())]].concat();
            if self.reset(&of_cause) {
                return true;
            }
        }
        (1..=section.len()).rev().any(|length| self.reset(section.get(..length).unwrap_or_default()))
    }

    /// Takes an entry out of a list.
    fn take_out(&mut self, list: &[Step], index: usize) -> bool {
        let Some(Value::Array(mut entries)) = key::find(&self.table, list).cloned() else {
            return false;
        };
        if index >= entries.len() {
            return false;
        }
        let places = self.places.entry(key::of(list)).or_insert_with(|| (0..entries.len()).collect());
        places.remove(index);
        let entry = entries.remove(index);
        if let Some(name) = entry.get("name").and_then(Value::as_str) {
            self.gone.insert(name.to_owned());
        }
        key::put(&mut self.table, list, Some(Value::Array(entries)))
    }
}

/// The name of what is missing in an entry, if a mistake is that.
fn missing(reason: &str) -> Option<&str> {
    reason.strip_prefix("the key \"")?.strip_suffix("\" is missing")
}

/// The key that was meant by an unknown one, if a mistake is that.
fn meant(reason: &str) -> Option<&str> {
    reason.strip_prefix("unknown key \"")?.split_once("\"; did you mean \"")?.1.strip_suffix("\"?")
}

/// The keys whose mistakes make this one seem to be wrong: a secret is missing where it, or its file, is of no use.
fn causes_of(key: &str) -> Vec<String> {
    let causes: &[&str] = match key {
        "auth.login.client_secret_env" => &["auth.login.client_secret_file"],
        "alerts.webhook_url" => &["alerts.webhook_secret", "alerts.webhook_secret_file"],
        secret => return vec![format!("{secret}_file")],
    };
    causes.iter().map(|cause| (*cause).to_owned()).collect()
}

/// The key of the same section that makes another one be missed, or be too much.
fn cause(field: &str) -> Option<&'static str> {
    match field {
        "teams" => Some("team_claim"),
        "tls_key_file" => Some("tls_cert_file"),
        "tls_cert_file" => Some("tls_key_file"),
        "max_entry_bytes" => Some("max_bytes"),
        _ => None,
    }
}

/// Whether a field of a value within an entry, such as `retry` or one of `targets`, may be left out.
fn is_optional(field: &str) -> bool {
    matches!(field, "weight" | "priority" | "attempts" | "within_s" | "statuses" | "failures" | "open_s" | "interval_s")
}

/// A value that a key surely may have where the built-in one would make others of its section useless.
fn alone(key: &str) -> Option<Value> {
    let text = match key {
        "auth.login.issuer" => "https://mended.invalid",
        "auth.login.client_id" | "auth.login.client_secret_env" => "mended",
        _ => return None,
    };
    Some(Value::String(text.to_owned()))
}

/// A value that a required field of an entry surely may have.
fn neutral(list: &str, field: &str, number: usize) -> Option<Value> {
    let text = |text: &str| Some(Value::String(text.to_owned()));
    let texts = |item: &str| Some(Value::Array(vec![Value::String(item.to_owned())]));
    let target = |fields: &[(&str, &str)]| {
        let fields = fields.iter().map(|(name, text)| ((*name).to_owned(), Value::String((*text).to_owned())));
        Some(Value::Array(vec![Value::Table(fields.collect())]))
    };
    match (list, field) {
        (_, "name") => text(&format!("mended-{number}")),
        ("routes", "path") => text(&format!("/mended-{number}")),
        ("routes", "match") => text("exact"),
        ("routes", "methods") => texts("GET"),
        ("routes", "roles") => texts("admin"),
        ("routes", "upstream") => text("builtin:echo"),
        ("routes", "targets") => target(&[("upstream", "builtin:echo")]),
        ("models", "targets") => target(&[("upstream", "builtin:llm"), ("model", "demo")]),
        ("upstreams", "url") => text("http://mended.invalid"),
        ("limits", "routes") => texts("*"),
        ("limits" | "budgets", "per" | "scope") => text("global"),
        ("limits", "unit") => text("requests"),
        ("limits", "window") => text("day"),
        ("limits", "limit" | "window_s") => Some(Value::Integer(1)),
        ("auth.trusted_issuers", "issuer") => text(&format!("https://mended-{number}.invalid")),
        ("auth.trusted_issuers", "audience") => text("mended"),
        ("budgets", "limit_usd") => text("1"),
        ("budgets", "period") => text("total"),
        _ => None,
    }
}
