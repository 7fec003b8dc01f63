//! How a test's gateway is configured.

use std::{collections::BTreeMap, fmt::Display};

use tollgate::{
    app::{Gateway, Secrets},
    clock::Clock,
    config::Config,
};

use super::{ADMIN_PASSWORD, TestGateway, TestStore};

/// Limits that no test reaches by accident.
const WIDE_LIMITS: &str = r#"
    [[limits]]
    name = "per-user"
    routes = ["*"]
    per = "user"
    unit = "requests"
    limit = 1000000
    window_s = 1
"#;

/// The same for every gateway, so that two of them share what the first sealed.
pub const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A configuration: the built-in one, on a store and ports of its own, with an edge limit that no test reaches.
pub struct Setup {
    values: BTreeMap<String, String>,
    lists: String,
    clock: Clock,
}

impl Default for Setup {
    fn default() -> Self {
        let setup = Self { values: BTreeMap::new(), lists: WIDE_LIMITS.into(), clock: Clock::system() };
        setup
            .set("server.port", 0)
            .set("server.workers", 2)
            .set("server.drain_delay_ms", 0)
            .set("ops.port", 0)
            .set("store.pool_size", 4)
            // A machine that builds something else meanwhile is slow, not broken.
            .set("store.acquire_timeout_ms", 20_000)
            .set("store.statement_timeout_ms", 20_000)
            .set("actors.deadline_ms", 20_000)
            .set("edge.requests_per_s", 1_000_000)
            .set("edge.burst", 1_000_000)
    }
}

impl Setup {
    /// Sets one key, such as `edge.burst`.
    pub fn set(mut self, key: &str, value: impl Display) -> Self {
        let variable = format!("TOLLGATE__{}", key.to_uppercase().replace('.', "__"));
        self.values.insert(variable, value.to_string());
        self
    }

    /// Upstreams, routes and limits in TOML, in place of the wide limits.
    pub fn lists(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.lists);
        self
    }

    /// Adds upstreams and routes in TOML to the wide limits. Routes replace the built-in ones.
    pub fn more_lists(mut self, toml: &str) -> Self {
        self.lists.push_str(toml);
        self
    }

    pub fn clock(mut self, clock: &Clock) -> Self {
        self.clock = clock.clone();
        self
    }

    /// Starts a gateway and logs its administrator in.
    pub async fn start(self, store: &TestStore) -> TestGateway {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tollgate.toml");
        std::fs::write(&file, &self.lists).unwrap();
        let data_dir = directory.path().join("data").display().to_string();
        let configured = self.set("data_dir", data_dir).set("store.url", &store.url);
        let config = Config::load(Some(&file), configured.values).unwrap();
        let gateway = Box::pin(Gateway::start(config, secrets(), configured.clock)).await;
        TestGateway::new(gateway.unwrap_or_else(|error| panic!("the gateway did not start: {error}")), directory).await
    }
}

fn secrets() -> Secrets {
    Secrets { master_key: Some(MASTER_KEY.into()), admin_password: Some(ADMIN_PASSWORD.into()) }
}
