//! The metrics of the public listener: its connections and its certificates.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use prometheus::{GaugeVec, IntCounterVec, IntGauge, Opts, Registry};

use super::{Metrics, add};

const CONNECTIONS: (&str, &str) = ("tollgate_connections", "Open client connections.");
const ENDED: (&str, &str) = (
    "tollgate_connections_ended_total",
    "Client connections that the gateway ended at one of their bounds, or did not take.",
);
const EXPIRES: (&str, &str) = (
    "tollgate_tls_certificate_expires_seconds",
    "When the certificate of this name expires, in seconds since the Unix epoch; of several the first.",
);

/// When a certificate expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// The certificate's first name.
    pub name: String,
    pub at: Timestamp,
}

/// A part of [`Metrics`].
#[derive(Clone)]
pub(super) struct Listener {
    connections: IntGauge,
    ended: IntCounterVec,
    expires: GaugeVec,
    certificates: Arc<ArcSwap<Vec<Expiry>>>,
}

impl Listener {
    /// Metrics that are part of this registry.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            connections: add(registry, IntGauge::new(CONNECTIONS.0, CONNECTIONS.1))?,
            ended: add(registry, IntCounterVec::new(Opts::new(ENDED.0, ENDED.1), &["reason"]))?,
            expires: add(registry, GaugeVec::new(Opts::new(EXPIRES.0, EXPIRES.1), &["certificate"]))?,
            certificates: Arc::default(),
        })
    }
}

impl Metrics {
    /// Adds to the open client connections.
    pub fn connections(&self, change: i64) {
        self.listener.connections.add(change);
    }

    /// Counts a client connection that the gateway ended, or did not take.
    pub fn connection_ended(&self, reason: &str) {
        self.listener.ended.with_label_values(&[reason]).inc();
    }

    /// When the certificates in use expire.
    pub fn certificates(&self) -> Arc<Vec<Expiry>> {
        self.listener.certificates.load_full()
    }

    /// Tells when the certificates in use expire.
    pub fn set_certificates(&self, expiries: &[Expiry]) {
        let mut first: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for Expiry { name, at } in expiries {
            first.entry(name).and_modify(|first| *first = (*first).min(*at)).or_insert(*at);
        }
        self.listener.certificates.store(Arc::new(expiries.to_vec()));
        self.listener.expires.reset();
        for (name, at) in first {
            self.listener
                .expires
                .with_label_values(&[name])
                .set(at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64());
        }
    }
}
