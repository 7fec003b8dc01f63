//! `tollgate check-config`: everything that `serve` would refuse to start with, all of it at once; nothing is made.

mod printed;
mod surroundings;
mod unpriced;

use std::{io::Write, path::Path};

use clap::Args;
use serde_json::{Value, json};

use super::{Failure, environment, print, secrets};
use crate::{
    app::{FileLists, check_redis, client_secret, configured_prices, tls, unusable_authorities, webhook},
    clock::Clock,
    config::{Config, ConfigError, Examined, mistyped_methods, unknown_variables},
    store::migrations,
};

#[derive(Args)]
pub(super) struct CheckConfig {
    /// Print the configuration as all layers make it, with where each key comes from and without secrets.
    #[arg(long)]
    print: bool,
    /// Print what was found, or with --print the configuration, as JSON.
    #[arg(long)]
    json: bool,
}

impl CheckConfig {
    pub(super) fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let mut examined = Examined::of(file, environment(), further);
        let mut warnings = vec![];
        if let Some(config) = &examined.config {
            warnings.extend(config.doubled_paths());
            let found = surroundings::of(config, &secrets());
            // What was wrong before was looked at with another value in its place.
            let known: Vec<String> = examined.mistakes.iter().map(|mistake| mistake.key.clone()).collect();
            examined.mistakes.extend(found.mistakes.into_iter().filter(|found| !known.contains(&found.key)));
            warnings.extend(found.notes);
            warnings.extend(unpriced::warnings(config));
            warnings.extend(unknown_variables(config, environment()));
            warnings.extend(mistyped_methods(config));
        }
        let printed = if self.print { printed::of(&examined, self.json) } else { None };
        if self.json {
            print(&format!("{:#}\n", report(&examined.mistakes, &warnings, printed)));
        } else {
            tell(&examined.mistakes, &warnings);
            let valid = examined.mistakes.is_empty().then(|| "The configuration is valid.\n".to_owned());
            let text = printed.as_ref().and_then(Value::as_str).map(str::to_owned);
            print(&text.or(valid).unwrap_or_default());
        }
        if examined.mistakes.is_empty() { Ok(()) } else { Err(Failure::ToldConfiguration) }
    }
}

/// Prints every mistake of a configuration that a start was refused for.
pub(super) fn refused(file: Option<&Path>, error: ConfigError) -> Failure {
    let examined = Examined::of(file, environment(), |_| vec![]);
    if examined.mistakes.len() < 2 {
        return error.into();
    }
    tell(&examined.mistakes, &[]);
    Failure::ToldConfiguration
}

/// Every mistake of a configuration that a reload was refused for, a line each.
pub(super) fn mistakes(file: Option<&Path>, refused: &Failure) -> Vec<String> {
    let found = Examined::of(file, environment(), further).mistakes;
    if found.is_empty() { vec![refused.to_string()] } else { found.iter().map(ToString::to_string).collect() }
}

/// What the sections alone do not show.
fn further(config: &Config) -> Vec<ConfigError> {
    let store = config.store_url().and_then(|url| {
        migrations::shown(&url).map(drop).map_err(|error| config.blame("store.url", error.to_string()))
    });
    let checks = [
        store,
        check_redis(config),
        config.hmac_secrets().map(drop),
        FileLists::read(config).map(drop),
        configured_prices(config).map(drop),
        webhook(config).map(drop),
        client_secret(config).map(drop),
        tls(config, &Clock::system()).map(drop),
    ];
    checks.into_iter().filter_map(Result::err).chain(unusable_authorities(config)).collect()
}

/// One line each on standard error.
fn tell(mistakes: &[ConfigError], warnings: &[String]) {
    let mut text: String = warnings.iter().flat_map(|warning| ["warning: ", warning, "\n"]).collect();
    for mistake in mistakes {
        text.push_str(&mistake.to_string());
        text.push('\n');
    }
    if mistakes.len() > 1 {
        text.extend([mistakes.len().to_string().as_str(), " mistakes in the configuration\n"]);
    }
    // Nothing is left to do if standard error is closed.
    drop(std::io::stderr().write_all(text.as_bytes()));
}

fn report(mistakes: &[ConfigError], warnings: &[String], printed: Option<Value>) -> Value {
    let mistakes_json: Vec<Value> = mistakes.iter().map(mistake).collect();
    let mut report = json!({ "valid": mistakes.is_empty(), "mistakes": mistakes_json, "warnings": warnings });
    if let (Some(report), Some(printed)) = (report.as_object_mut(), printed) {
        report.insert("configuration".into(), printed);
    }
    report
}

fn mistake(mistake: &ConfigError) -> Value {
    let (file, line) = mistake.place().unzip();
    let ConfigError { origin, key, reason } = mistake;
    json!({ "origin": origin, "file": file, "line": line, "key": key, "reason": reason })
}
