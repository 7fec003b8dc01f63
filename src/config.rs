//! The configuration: three layers (built in, file, environment) read into typed sections and validated once.
//!
//! Called by the command line at start and on `SIGHUP`. It reads files and variables, and opens nothing else. Every
//! error names where the value came from, its key and what is wrong with it.

mod block;
mod layers;
pub mod routing;
pub mod secret;
pub mod sections;
pub mod tls;
pub mod trusted_issuers;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use zeroize::Zeroizing;

use self::{
    layers::Layers,
    routing::{RouteEntry, UpstreamEntry},
    secret::{HmacSecrets, Secret},
    sections::{Actors, Alerts, Audit, Auth, Cors, Docs, Edge, Ledger, Log, Ops, Prices, Quota, Redis, Server, Store},
};
use crate::domain::{algorithm::Algorithm, budget, limit::Spec};

/// The built-in layer, with every key.
pub const DEFAULT_TOML: &str = include_str!("../config/default.toml");

const BUILT_IN_STORE: &str = "sqlite:data/tollgate.db";

/// The keys that hold secrets: a configuration file is read by too many.
const SECRETS: [&str; 4] = ["store.password", "auth.hmac_secret", "auth.hmac_other_secret", "alerts.webhook_secret"];

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
    pub auth: Auth,
    pub cors: Cors,
    pub docs: Docs,
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
    pub limits: Vec<Spec>,
    #[serde(default)]
    pub budgets: Vec<budget::Spec>,
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
        config.origins = layers.origins();
        SECRETS.iter().try_for_each(|key| layers.keep_out_of_files(key))?;
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
        let fault = |reason: String| self.blame("store.password", reason);
        let (user, rest) = self.store.url.split_once('@').ok_or_else(|| fault("store.url names no user".into()))?;
        Ok(format!("{user}:{}@{rest}", sections::percent_encoded(&password)))
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
        secret.read(file).map_err(|error| self.blame(key, format!("cannot be read from its file: {error}")))
    }

    /// An error about a value that turned out to be of no use later than here.
    #[must_use]
    pub fn blame(&self, key: impl Into<String>, reason: impl Into<String>) -> ConfigError {
        let key = key.into();
        // Lists come from one layer as a whole.
        let mut known = key.split('[').next().unwrap_or_default();
        while let (None, Some((section, _))) = (self.origins.get(known), known.rsplit_once('.')) {
            known = section;
        }
        let origin = self.origins.get(known).cloned().unwrap_or_default();
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
        self.log.validate()?;
        self.server.validate()?;
        self.auth.validate()?;
        self.edge.validate()?;
        self.ledger.validate()?;
        self.audit.validate()?;
        self.bounds()?;
        routing::validate(&self.upstreams, &self.routes, &self.limits, &self.budgets)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let environment = environment.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        Config::load(Some(file.path()), environment)
    }

    #[test]
    fn the_built_in_configuration_is_valid() {
        let config = Config::built_in().unwrap();
        assert_eq!(config.server.port, 8080);
        assert_eq!(config.routes.len(), 5);
    }

    #[test]
    fn the_production_example_is_valid() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/production.toml");
        let config = Config::load(Some(&path), []).unwrap();
        assert_eq!(config.routes.len(), 1);
    }

    #[test]
    fn what_a_reload_does_not_take_is_named() {
        let before = Config::built_in().unwrap();
        let issuer = "[[auth.trusted_issuers]]\nissuer = \"https://idp.example\"\naudience = \"a\"\n";
        for (text, sections) in [
            ("", vec![]),
            ("[prices]\nfile = \"x.toml\"", vec![]),
            ("[cors]\nallowed_origins = [\"https://a.example\"]", vec!["cors"]),
            (issuer, vec!["auth"]),
            ("[server]\nport = 1\n[log]\nlevel = \"warn\"", vec!["server", "log"]),
        ] {
            assert_eq!(before.unreloadable(&load(text, &[]).unwrap()), sections, "{text}");
        }
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let config = load("[server]\nport = 1\nhost = \"::1\"\n", &[("TOLLGATE__SERVER__PORT", "2")]).unwrap();
        assert_eq!((config.server.port, config.server.host.to_string()), (2, "::1".into()));
        assert_eq!(config.server.body_timeout_s, 30);
    }

    #[test]
    fn a_variable_is_read_as_the_type_of_its_key() {
        let environment = [
            ("TOLLGATE__DATA_DIR", "12"),
            ("TOLLGATE__DOCS__PUBLIC", "false"),
            ("TOLLGATE__SERVER__TRUSTED_PROXIES", "[\"10.0.0.0/8\"]"),
        ];
        let config = load("", &environment).unwrap();
        assert_eq!(config.data_dir, PathBuf::from("12"));
        assert!(!config.docs.public);
        assert_eq!(config.server.trusted_proxies.len(), 1);
    }

    #[test]
    fn each_mistake_names_its_origin_its_key_and_the_reason() {
        for (text, key, reason) in [
            ("[server]\nprot = 1", "server.prot", "unknown field"),
            ("[server]\nport = \"x\"", "server.port", "invalid type"),
            ("[server]\nport = 70000", "server.port", "70000"),
            ("nonsense = 1", "nonsense", "unknown field"),
            ("[auth]\nalgorithm = \"none\"", "auth.algorithm", "unknown variant"),
            ("[auth]\naccess_ttl_s = 0", "auth.access_ttl_s", "must be"),
            ("[auth]\nthrottle_max_s = 0", "auth.throttle_max_s", "must be"),
            ("[auth]\nthrottle_account_failures = 0", "auth.throttle_account_failures", "must be"),
            ("[edge]\nburst = 0", "edge.burst", "must be"),
            ("[server]\nproxy_protocol = true", "server.proxy_protocol", "trusted_proxies"),
            ("[actors]\ndeadline_ms = 0", "actors.deadline_ms", "at least 1"),
            ("[[routes]]\nname = \"a\"", "routes[0]", "missing field"),
            (
                "[[limits]]\nname=\"a\"\nroutes=[\"nope\"]\nper=\"user\"\nunit=\"requests\"\nlimit=1\nwindow_s=1",
                "limits[0].routes",
                "nope",
            ),
            (
                "[[limits]]\nname=\"a\"\nroutes=[\"*\"]\nper=\"user\"\nunit=\"requests\"\nlimit=0\nwindow_s=1",
                "limits[0].limit",
                "from 1",
            ),
            (
                "[[limits]]\nname=\"a\"\nroutes=[\"*\"]\nper=\"planet\"\nunit=\"requests\"\nlimit=1\nwindow_s=1",
                "limits[0].per",
                "unknown variant",
            ),
            ("[store]\nurl = \"mysql://h/d\"", "store.url", "sqlite:"),
            ("[log]\nlevel = \"tollgate=loud\"", "log.level", "filter"),
            ("[[upstreams]]\nname=\"u\"\nurl=\"ftp://x\"", "upstreams[0].url", "http"),
            ("[[upstreams]]\nname=\"u\"\nurl=\"http://x/?q\"", "upstreams[0].url", "query"),
        ] {
            let error = load(text, &[]).unwrap_err();
            assert!(error.key.starts_with(key), "{text}: key {error}");
            assert!(error.reason.contains(reason), "{text}: reason {error}");
            assert!(error.origin.contains("tmp"), "{text}: origin {error}");
        }
    }

    #[test]
    fn limits_are_held_against_the_routes_and_each_other() {
        let limit = |changes: &str| {
            format!("[[limits]]\nname=\"a\"\nroutes=[\"*\"]\nper=\"user\"\nlimit=1\nwindow_s=1\n{changes}\n")
        };
        let (requests, tokens) = ("unit=\"requests\"", "unit=\"tokens\"");
        let one = "subject=\"01890a5d-ac96-774b-bcce-b302099a8057\"";
        assert_eq!(
            load(&[limit(requests), limit(&format!("{requests}\n{one}"))].concat(), &[]).unwrap().limits.len(),
            2
        );
        for (lists, key) in [
            ([limit(requests), limit(requests)].concat(), "limits[1].name"),
            ([limit(requests), limit(tokens)].concat(), "limits[1].unit"),
            (limit(&format!("{requests}\nsubject=\"x\"")), "limits[0].subject"),
            (limit(tokens).replace("\"*\"", "\"chat\",\"echo\""), "limits[0].routes[1]"),
            (limit(requests).replace("window_s=1\n", ""), "limits[0].window_s"),
        ] {
            assert_eq!(load(&lists, &[]).unwrap_err().key, key, "{lists}");
        }
    }

    #[test]
    fn a_value_that_is_of_no_use_later_is_blamed_on_the_layer_that_set_it() {
        let config = load(
            "[server]\nhost = \"::1\"\n[[routes]]\nname = \"a\"\npath = \"/a\"\nmatch = \"exact\"\n\
                           methods = [\"GET\"]\nroles = [\"user\"]\nupstream = \"builtin:echo\"",
            &[("TOLLGATE__SERVER__PORT", "2")],
        )
        .unwrap();
        for (key, origin) in [
            ("server.port", "environment variable TOLLGATE__SERVER__PORT"),
            ("server.host", "tmp"),
            ("server.workers", "built-in"),
            ("server.tls[0].cert_file", "environment variable TOLLGATE__SERVER__PORT"),
            ("routes[0].name", "tmp"),
        ] {
            let error = config.blame(key, "bad");
            assert!(error.origin.contains(origin) && error.key == key, "{error}");
        }
    }

    #[test]
    fn a_bad_variable_is_named_as_such() {
        let error = load("", &[("TOLLGATE__SERVER__PORT", "x")]).unwrap_err();
        assert_eq!(error.origin, "environment variable TOLLGATE__SERVER__PORT");
        let error = load("", &[("TOLLGATE__SERVER__PROT", "1")]).unwrap_err();
        assert_eq!(error.origin, "environment variable TOLLGATE__SERVER__PROT");
    }

    #[test]
    fn a_secret_in_a_file_of_everybody_is_refused() {
        for key in SECRETS {
            let (section, name) = key.split_once('.').unwrap();
            let error =
                load(&format!("[{section}]\n{name} = \"secret-secret-secret-secret-secret\""), &[]).unwrap_err();
            assert_eq!(error.key, key);
            assert!(error.reason.contains("environment") && !error.to_string().contains("secret-secret"), "{error}");
        }
        assert!(load("[store]\npassword = \"\"", &[]).is_ok());
        let number = load("[auth]\nhmac_secret = 987654321", &[]).unwrap_err();
        assert!(number.key == "auth.hmac_secret" && !number.to_string().contains("987654321"), "{number}");
    }

    #[test]
    fn hs256_needs_a_secret_of_32_bytes() {
        let secrets = |secret: &str, other: &str| {
            let environment = [
                ("TOLLGATE__AUTH__ALGORITHM", "HS256"),
                ("TOLLGATE__AUTH__HMAC_SECRET", secret),
                ("TOLLGATE__AUTH__HMAC_OTHER_SECRET", other),
            ];
            load("", &environment).unwrap().hmac_secrets().map_err(|error| error.key)
        };
        let (long, short) = ("x".repeat(32), "x".repeat(31));
        assert!(secrets(&long, "").unwrap().unwrap().other.is_none());
        assert!(secrets(&long, &long).unwrap().unwrap().other.is_some());
        assert_eq!(secrets("", "").unwrap_err(), "auth.hmac_secret");
        assert_eq!(secrets(&short, "").unwrap_err(), "auth.hmac_secret");
        assert_eq!(secrets(&long, &short).unwrap_err(), "auth.hmac_other_secret");
        assert!(load("", &[]).unwrap().hmac_secrets().unwrap().is_none());
    }

    #[test]
    fn a_missing_file_and_broken_toml_are_named() {
        let error = Config::load(Some(Path::new("/nonexistent/x.toml")), []).unwrap_err();
        assert!(error.origin.contains("x.toml") && error.reason.contains("read"), "{error}");
        let error = load("[server\n", &[]).unwrap_err();
        assert!(error.key.contains("line 1"), "{error}");
    }
}
