//! The typed sections and the rules about their single values.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use serde::Deserialize;

use super::{
    Fault,
    block::Block,
    login::Login,
    origin::Origin,
    secret::Secret,
    trusted_issuers::{self, TrustedIssuer},
};
use crate::domain::{
    algorithm::Algorithm,
    recording::{Bodies, Durability, Recording},
    throttle::Rules,
};

/// Counters of failed logins, of each of the two kinds: at most some 20 MB.
const MAX_THROTTLE_COUNTERS: usize = 100_000;

/// `[server]`: where clients call, and the bounds of their connections.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub host: IpAddr,
    pub port: u16,
    pub workers: u16,
    pub trusted_proxies: Vec<Block>,
    pub max_connections: u32,
    pub max_header_bytes: u32,
    pub max_body_bytes: u64,
    pub max_buffered_bytes: u64,
    pub body_timeout_s: u64,
    pub body_min_bytes_per_s: u64,
    pub head_timeout_s: u64,
    pub write_timeout_s: u64,
    pub unread_body_ms: u64,
    pub unread_body_bytes: u64,
    pub max_connections_per_address: u32,
    pub keep_alive_s: u64,
    pub drain_delay_ms: u64,
    pub shutdown_timeout_s: u64,
    pub tls_cert_file: PathBuf,
    pub tls_key_file: PathBuf,
    pub tls_client_ca_file: PathBuf,
    /// Of further names.
    #[serde(default)]
    pub tls: Vec<TlsPair>,
    pub tls_handshake_timeout_s: u64,
    pub tls_max_handshakes: u32,
    pub hsts_max_age_s: u32,
    pub proxy_protocol: bool,
    pub write_min_bytes_per_s: u64,
    pub websocket_idle_s: u64,
}

/// A further certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsPair {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

/// `[ops]`: where `/metrics` is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ops {
    pub host: IpAddr,
    pub port: u16,
}

/// `[store]`: the database.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    pub url: String,
    pub password: Secret,
    pub password_file: PathBuf,
    pub pool_size: u32,
    pub acquire_timeout_ms: u64,
    pub statement_timeout_ms: u64,
}

/// `[cache]`: the bounds of what is kept of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    pub max_bytes: u64,
    pub max_entry_bytes: u64,
}

/// `[auth]`: tokens, sessions, passwords and outside issuers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    pub issuer: String,
    pub audience: String,
    pub algorithm: Algorithm,
    /// Of HS256 alone.
    pub hmac_secret: Secret,
    pub hmac_secret_file: PathBuf,
    pub hmac_other_secret: Secret,
    pub hmac_other_secret_file: PathBuf,
    pub access_ttl_s: u32,
    pub refresh_ttl_s: u32,
    pub refresh_grace_s: u32,
    /// How long credentials are accepted without the store having been read; 0: without bound.
    pub max_staleness_s: u32,
    pub key_lead_s: u32,
    pub key_rotation_s: u32,
    pub token_cache_entries: u32,
    pub hash_concurrency: u16,
    pub hash_queue: u16,
    pub throttle_account_failures: u32,
    pub throttle_address_failures: u32,
    pub throttle_max_s: u32,
    #[serde(default)]
    pub trusted_issuers: Vec<TrustedIssuer>,
    pub login: Login,
}

/// `[cors]`: pages of other origins that may call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    pub allowed_origins: Vec<Origin>,
}

/// `[docs]`: who may read the OpenAPI page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Docs {
    pub public: bool,
}

/// `[console]`: the pages under `/console/`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    pub enabled: bool,
}

/// `[edge]`: the rate of one address before authentication.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    pub requests_per_s: u64,
    pub burst: u32,
}

/// `[quota]`: how limits are kept and shared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    pub max_subjects: u32,
}

impl Quota {
    /// The most subjects of policies that a keeper tracks.
    pub fn max_subjects(&self) -> usize {
        usize::try_from(self.max_subjects).unwrap_or(usize::MAX)
    }
}

/// `[ledger]`: how holds are booked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    pub silence_s: u32,
}

/// `[alerts]`: the webhook for alerts of budgets and of what goes wrong.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    pub webhook_url: String,
    pub webhook_secret: Secret,
    pub webhook_secret_file: PathBuf,
}

impl std::fmt::Debug for Alerts {
    /// Without the URL, which may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alerts").finish_non_exhaustive()
    }
}

/// `[prices]`: the file of prices that is imported at the start.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Empty: none.
    pub file: PathBuf,
}

/// `[audit]`: how records are written and kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    pub durability: Durability,
    pub bodies: Bodies,
    pub body_max_bytes: u32,
    pub retention_days: u32,
    pub max_batch: u32,
    pub max_in_flight: u32,
    pub store_timeout_ms: u64,
    pub spool_max_bytes: u64,
}

/// `[actors]`: the bounds of the messages to actors.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actors {
    pub max_in_flight: u32,
    pub deadline_ms: u64,
}

impl std::fmt::Debug for Store {
    /// Without the password, and without the URL, which may hold one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("pool_size", &self.pool_size).finish_non_exhaustive()
    }
}

impl Store {
    pub(super) fn validate(&self) -> Result<(), Fault> {
        let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| self.url.starts_with(scheme));
        if known { Ok(()) } else { Err(Fault::new("store.url", "must begin with sqlite: or postgres://")) }
    }
}

impl Server {
    pub(super) fn validate(&self) -> Result<(), Fault> {
        // The HTTP parser itself stops reading a head at 128 KiB.
        in_range("server.max_header_bytes", self.max_header_bytes.into(), 1_024, 98_304)?;
        in_range("server.max_body_bytes", self.max_body_bytes, 1_024, 1 << 40)?;
        in_range("server.max_buffered_bytes", self.max_buffered_bytes, 1_024, 1 << 40)?;
        in_range("server.max_connections", self.max_connections.into(), 1, 1_000_000)?;
        in_range("server.body_timeout_s", self.body_timeout_s, 1, 86_400)?;
        in_range("server.body_min_bytes_per_s", self.body_min_bytes_per_s, 0, 1 << 30)?;
        in_range("server.write_min_bytes_per_s", self.write_min_bytes_per_s, 0, 1 << 30)?;
        in_range("server.websocket_idle_s", self.websocket_idle_s, 1, 86_400)?;
        in_range("server.head_timeout_s", self.head_timeout_s, 1, 3_600)?;
        in_range("server.write_timeout_s", self.write_timeout_s, 1, 86_400)?;
        in_range("server.unread_body_ms", self.unread_body_ms, 1, 60_000)?;
        in_range("server.unread_body_bytes", self.unread_body_bytes, 0, 1 << 40)?;
        in_range("server.max_connections_per_address", self.max_connections_per_address.into(), 0, 1_000_000)?;
        in_range("server.keep_alive_s", self.keep_alive_s, 1, 86_400)?;
        in_range("server.shutdown_timeout_s", self.shutdown_timeout_s, 1, 3_600)?;
        in_range("server.drain_delay_ms", self.drain_delay_ms, 0, 600_000)?;
        in_range("server.tls_handshake_timeout_s", self.tls_handshake_timeout_s, 1, 3_600)?;
        in_range("server.tls_max_handshakes", self.tls_max_handshakes.into(), 1, 1_000_000)?;
        self.validate_tls()?;
        if self.proxy_protocol && self.trusted_proxies.is_empty() {
            return Err(Fault::new("server.proxy_protocol", "is of no use while trusted_proxies names nobody"));
        }
        in_range("server.workers", self.workers.into(), 0, 1_024)
    }
}

/// A token's verifier knows no longer lifetime.
const MAX_ACCESS_TTL_S: u64 = 86_400;

impl Auth {
    pub(super) fn validate(&self, has_console: bool) -> Result<(), Fault> {
        in_range("auth.access_ttl_s", self.access_ttl_s.into(), 1, MAX_ACCESS_TTL_S)?;
        in_range("auth.refresh_ttl_s", self.refresh_ttl_s.into(), self.access_ttl_s.into(), 31_536_000)?;
        in_range("auth.throttle_account_failures", self.throttle_account_failures.into(), 1, 1_000_000)?;
        in_range("auth.throttle_address_failures", self.throttle_address_failures.into(), 1, 1_000_000)?;
        in_range("auth.throttle_max_s", self.throttle_max_s.into(), 1, 86_400)?;
        in_range("auth.refresh_grace_s", self.refresh_grace_s.into(), 0, 300)?;
        // Other replicas read the ring every 400 ms.
        in_range("auth.key_lead_s", self.key_lead_s.into(), 1, 86_400)?;
        if self.key_rotation_s > 0 {
            in_range("auth.key_rotation_s", self.key_rotation_s.into(), self.key_lead_s.into(), u32::MAX.into())?;
        }
        in_range("auth.token_cache_entries", self.token_cache_entries.into(), 1, 10_000_000)?;
        not_empty("auth.issuer", &self.issuer)?;
        not_empty("auth.audience", &self.audience)?;
        trusted_issuers::validate(&self.trusted_issuers, &self.issuer)?;
        self.login.validate(has_console)
    }

    /// How failed logins are throttled.
    pub fn throttle(&self) -> Rules {
        Rules {
            account_failures: self.throttle_account_failures,
            address_failures: self.throttle_address_failures,
            max_wait: Duration::from_secs(self.throttle_max_s.into()),
            max_counters: MAX_THROTTLE_COUNTERS,
        }
    }
}

/// The number of answers of the largest size that have room at once.
const LEAST_ENTRIES: u64 = 8;

impl Cache {
    pub(super) fn validate(self) -> Result<(), Fault> {
        in_range("cache.max_bytes", self.max_bytes, 1 << 16, 1 << 40)?;
        in_range("cache.max_entry_bytes", self.max_entry_bytes, 1, self.max_bytes / LEAST_ENTRIES)
    }
}

impl Ledger {
    pub(super) fn validate(&self) -> Result<(), Fault> {
        in_range("ledger.silence_s", self.silence_s.into(), 1, 86_400)
    }
}

/// With the time that the spool takes, an entry is on disk within a second.
const MAX_STORE_TIMEOUT_MS: u64 = 800;

impl Audit {
    pub(super) fn validate(&self) -> Result<(), Fault> {
        in_range("audit.body_max_bytes", self.body_max_bytes.into(), 1, 1 << 20)?;
        in_range("audit.max_batch", self.max_batch.into(), 1, 100_000)?;
        in_range("audit.store_timeout_ms", self.store_timeout_ms, 10, MAX_STORE_TIMEOUT_MS)?;
        in_range("audit.spool_max_bytes", self.spool_max_bytes, 1 << 16, 1 << 40)
    }

    /// How calls are put on record where their route does not say.
    pub fn recording(&self) -> Recording {
        let max_body_bytes = usize::try_from(self.body_max_bytes).unwrap_or(usize::MAX);
        Recording { durability: self.durability, bodies: self.bodies, max_body_bytes }
    }
}

impl Edge {
    pub(super) fn validate(&self) -> Result<(), Fault> {
        in_range("edge.requests_per_s", self.requests_per_s, 1, 1_000_000_000)?;
        in_range("edge.burst", self.burst.into(), 1, u32::MAX.into())
    }
}

fn in_range(key: &str, value: u64, least: u64, most: u64) -> Result<(), Fault> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(Fault::new(key, format!("must be from {least} to {most}, not {value}")))
    }
}

fn not_empty(key: &str, value: &str) -> Result<(), Fault> {
    if value.is_empty() { Err(Fault::new(key, "must not be empty")) } else { Ok(()) }
}
