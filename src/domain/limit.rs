//! Limit policies as an operator writes them.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quota::Rate;

/// Whose calls share one bucket of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    User,
}

/// What a policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    Requests,
}

/// A limit: at most `burst` at once and `rate` over time, for each subject of its kind, on the routes it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub name: Arc<str>,
    pub routes: RouteSet,
    pub per: Per,
    pub unit: Unit,
    pub rate: Rate,
}

/// The routes a policy speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteSet {
    All,
    Named(Vec<String>),
}

impl RouteSet {
    #[must_use]
    pub fn contains(&self, route: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name == route),
        }
    }
}

/// How one policy stood when a call was decided; the numbers of `RateLimit` and of a 429.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub policy: Arc<str>,
    pub limit: u64,
    pub window_s: u64,
    /// Whole units that are left now.
    pub remaining: u64,
    /// Whole seconds, rounded up, until the bucket is full again.
    pub reset_s: u64,
    /// Nanoseconds until this call would be admitted; `None` if this policy has room for it now.
    pub retry_after_ns: Option<u64>,
}

impl Standing {
    /// Whole seconds, rounded up, until this call would be admitted.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_ns.map(|ns| ns.div_ceil(1_000_000_000))
    }
}
