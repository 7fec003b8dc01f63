//! The configuration: three layers (built in, file, environment) read into typed sections and validated once.
//!
//! Called by the command line at start and on `SIGHUP`. It reads files and variables, and opens nothing else. Every
//! error names where the value came from, its key and what is wrong with it.

mod block;
mod changes;
mod doubled_paths;
mod examine;
pub mod key;
mod layers;
pub mod lines;
pub mod lists;
pub mod log;
pub mod login;
mod meter;
mod methods;
mod mistakes;
pub mod models;
pub mod named_file;
mod origin;
pub mod peer;
pub mod redis;
pub mod routing;
pub mod secret;
pub mod sections;
mod targets;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod trusted_issuers;
pub mod url_password;
mod variables;
mod words;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use zeroize::Zeroizing;

pub use self::{examine::Examined, methods::mistyped_methods, variables::unknown_variables, words::nearest};
use self::{
    layers::{Layers, origin_in},
    log::Log,
    models::ModelEntry,
    redis::Redis,
    routing::{RouteEntry, UpstreamEntry},
    secret::{HmacSecrets, Secret},
    sections::{
        Actors, Alerts, Audit, Auth, Cache, Console, Cors, Docs, Edge, Ledger, Ops, Prices, Quota, Server, Store,
    },
};
use crate::domain::{algorithm::Algorithm, budget, limit::Spec};

/// The built-in layer, with every key.
pub const DEFAULT_TOML: &str = include_str!("../config/default.toml");

/// The origin of what nobody has set.
const BUILT_IN: &str = "built-in configuration";

const BUILT_IN_STORE: &str = "sqlite:data/tollgate.db";

/// The keys that hold secrets: a configuration file is read by too many.
const SECRETS: [&str; 5] =
    ["store.password", "redis.password", "auth.hmac_secret", "auth.hmac_other_secret", "alerts.webhook_secret"];
/// The URLs that may hold a password, each with the key at which it belongs.
const URLS: [(&str, &str); 2] = [("store.url", "store.password"), ("redis.url", "redis.password")];

/// A key of each entry of `[[upstreams]]` that must not stand there, and is not shown if it does.
const UPSTREAM_SECRET: &str = "upstreams.secret";

/// Whether the value of a key is never shown.
#[must_use]
pub fn is_secret(key: &str) -> bool {
    SECRETS.contains(&key) || key == UPSTREAM_SECRET
}

/// The shortest secret of HS256: as long as its hash (RFC 7518 §3.2).
const MIN_HMAC_SECRET_BYTES: usize = 32;

/// Everything that can be configured; see `config/default.toml` for what each key means.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub data_dir: PathBuf,
    pub server: Server,
    pub ops: Ops,
    pub store: Store,
    pub redis: Redis,
    pub cache: Cache,
    pub auth: Auth,
    pub cors: Cors,
    pub docs: Docs,
    pub console: Console,
    pub edge: Edge,
    pub quota: Quota,
    pub ledger: Ledger,
    pub alerts: Alerts,
    pub prices: Prices,
    pub audit: Audit,
    pub actors: Actors,
    pub log: Log,
    #[serde(default)]
    pub upstreams: Vec<UpstreamEntry>,
    pub routes: Vec<RouteEntry>,
    #[serde(default)]
    pub models: Vec<ModelEntry>,
    #[serde(default)]
    pub limits: Vec<Spec>,
    #[serde(default)]
    pub budgets: Vec<budget::Spec>,
    /// The file that was read, if there was one: its whole path.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// The layer that last set each key, or something in each section.
    #[serde(skip)]
    origins: BTreeMap<String, String>,
}

/// A value that cannot be used: where it came from, its key, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {key}: {reason}")]
pub struct ConfigError {
    /// The file, the environment variable, or "built-in configuration".
    pub origin: String,
    pub key: String,
    pub reason: String,
}

impl ConfigError {
    /// The file in which the value stands and its line there, if it stands in one.
    #[must_use]
    pub fn place(&self) -> Option<(&str, u64)> {
        let (file, line) = self.origin.rsplit_once(':')?;
        Some((file, line.parse().ok()?))
    }

    fn line(&self) -> Option<u64> {
        self.place().map(|(_, line)| line)
    }
}

/// A rule about values that a section broke; the layers add where the value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub key: String,
    pub reason: String,
}

impl Fault {
    /// A fault of the value at `key`, a path with dots.
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }
}

impl Config {
    /// Reads all three layers. `environment` is the process's variables.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let layers = Layers::read(file, environment)?;
        let mut config: Self = layers.deserialize()?;
        config.file = file.map(|file| std::path::absolute(file).unwrap_or_else(|_| file.to_owned()));
        config.origins = layers.origins();
        if let Some(found) = layers.secrets_in_files(&SECRETS, &URLS).into_iter().next() {
            return Err(found);
        }
        config.validate().map_err(|fault| layers.blame(fault))?;
        Ok(config)
    }

    /// The built-in configuration alone.
    pub fn built_in() -> Result<Self, ConfigError> {
        Self::load(None, [])
    }

    /// The store's URL: the built-in one is below `data_dir`, and a password given apart is put in its place.
    pub fn store_url(&self) -> Result<String, ConfigError> {
        if self.store.url == BUILT_IN_STORE {
            return Ok(format!("sqlite:{}", self.data_dir.join("tollgate.db").display()));
        }
        let password = self.secret("store.password", &self.store.password, &self.store.password_file)?;
        if password.is_empty() {
            return Ok(self.store.url.clone());
        }
        let url = url_password::with(&self.store.url, &password, true);
        url.ok_or_else(|| self.blame("store.password", "store.url names no user"))
    }

    /// The URL of Redis, with the password that is given apart; empty: there is none.
    pub fn redis_url(&self) -> Result<String, ConfigError> {
        let password = self.secret("redis.password", &self.redis.password, &self.redis.password_file)?;
        if password.is_empty() || self.redis.url.is_empty() {
            return Ok(self.redis.url.clone());
        }
        let url = url_password::with(&self.redis.url, &password, false);
        url.ok_or_else(|| self.blame("redis.url", "must be redis://host:port/database"))
    }

    /// The secrets that access tokens are signed with, where the algorithm is HS256.
    pub fn hmac_secrets(&self) -> Result<Option<HmacSecrets>, ConfigError> {
        if self.auth.algorithm != Algorithm::Hs256 {
            return Ok(None);
        }
        let (key, auth) = ("auth.hmac_secret", &self.auth);
        let signing = self.hmac_secret(key, &auth.hmac_secret, &auth.hmac_secret_file)?;
        let signing = signing.ok_or_else(|| self.blame(key, "is not set; HS256 needs it, from the environment"))?;
        let other =
            self.hmac_secret("auth.hmac_other_secret", &auth.hmac_other_secret, &auth.hmac_other_secret_file)?;
        Ok(Some(HmacSecrets { signing, other }))
    }

    /// What calls of the webhook are signed with.
    pub fn webhook_secret(&self) -> Result<Zeroizing<String>, ConfigError> {
        let alerts = &self.alerts;
        self.secret("alerts.webhook_secret", &alerts.webhook_secret, &alerts.webhook_secret_file)
    }

    fn hmac_secret(&self, key: &str, secret: &Secret, file: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, ConfigError> {
        let text = self.secret(key, secret, file)?;
        match text.len() {
            0 => Ok(None),
            MIN_HMAC_SECRET_BYTES.. => Ok(Some(Zeroizing::new(text.as_bytes().to_vec()))),
            few => Err(self.blame(key, format!("has {few} bytes; HS256 needs {MIN_HMAC_SECRET_BYTES} or more"))),
        }
    }

    fn secret(&self, key: &str, secret: &Secret, file: &Path) -> Result<Zeroizing<String>, ConfigError> {
        secret.read(file).map_err(|error| {
            let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
            let from =
                if file.is_relative() { "; a path that is not absolute counts from the present folder" } else { "" };
            self.blame(format!("{key}_file"), format!("{} cannot be read: {error}{from}", path.display()))
        })
    }

    /// Whether nobody has set a key: its value is the built-in one.
    #[must_use]
    pub fn is_built_in(&self, key: &str) -> bool {
        self.origins.get(key).is_none_or(|origin| origin == BUILT_IN)
    }

    /// An error about a value that turned out to be of no use later than here.
    #[must_use]
    pub fn blame(&self, key: impl Into<String>, reason: impl Into<String>) -> ConfigError {
        let key = key.into();
        let origin = origin_in(&self.origins, &key);
        ConfigError { origin, key, reason: reason.into() }
    }

    /// The sections in which `next` differs and which are read at the start only.
    #[must_use]
    pub fn unreloadable(&self, next: &Self) -> Vec<&'static str> {
        let sections = [
            ("data_dir", self.data_dir == next.data_dir),
            ("server", self.server.is_same_but_for_tls(&next.server)),
            ("ops", self.ops == next.ops),
            ("store", self.store == next.store),
            ("redis", self.redis == next.redis),
            ("cache", self.cache == next.cache),
            ("auth", self.auth == next.auth),
            ("cors", self.cors == next.cors),
            ("docs", self.docs == next.docs),
            ("edge", self.edge == next.edge),
            ("quota", self.quota == next.quota),
            ("ledger", self.ledger == next.ledger),
            ("alerts", self.alerts == next.alerts),
            ("audit", self.audit == next.audit),
            ("actors", self.actors == next.actors),
            ("log", self.log == next.log),
        ];
        sections.into_iter().filter(|(_, same)| !same).map(|(section, _)| section).collect()
    }

    fn validate(&self) -> Result<(), Fault> {
        self.store.validate()?;
        self.redis.validate()?;
        self.log.validate()?;
        self.server.validate()?;
        self.auth.validate(self.console.enabled)?;
        self.edge.validate()?;
        self.cache.validate()?;
        self.ledger.validate()?;
        self.audit.validate()?;
        self.bounds()?;
        lists::validate(self)
    }

    /// Bounds of zero would stop everything; it is a mistake, not a wish.
    fn bounds(&self) -> Result<(), Fault> {
        let bounds = [
            ("store.pool_size", u64::from(self.store.pool_size)),
            ("store.acquire_timeout_ms", self.store.acquire_timeout_ms),
            ("store.statement_timeout_ms", self.store.statement_timeout_ms),
            ("quota.max_subjects", u64::from(self.quota.max_subjects)),
            ("audit.max_in_flight", u64::from(self.audit.max_in_flight)),
            ("actors.max_in_flight", u64::from(self.actors.max_in_flight)),
            ("actors.deadline_ms", self.actors.deadline_ms),
        ];
        match bounds.iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => Err(Fault::new(*key, "must be at least 1")),
            None => Ok(()),
        }
    }
}
