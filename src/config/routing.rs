//! Upstreams and routes, as they are written and as the domain knows them. Administrators write them the same way: what their
//! bodies may have, and within which bounds, stands in the schemas of the entries.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::targets::{Auto, BUILTIN_ECHO, BUILTIN_LLM, InFlightEntry};
use super::{
    meter::MeterEntry,
    secret::Secret,
    targets::{BreakerEntry, HealthEntry, Places, RetryEntry, TargetEntry},
};
use crate::domain::{
    allowed::{Allowed, every_name},
    caching::{Caching, Sharing},
    importance::Importance,
    money::Money,
    name::Name,
    principal::Role,
    recording::{Bodies, Durability},
    route::{BoundName, Dialect, Meter, Metering, Only, PathMatch, Route},
};

/// An `[[upstreams]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamEntry {
    #[schemars(with = "Name")]
    pub name: String,
    /// An absolute `http://` or `https://` URL, without a query.
    #[schemars(length(max = 2_048))]
    pub url: String,
    /// What it is sent as a credential. It is never shown.
    #[serde(default, skip_serializing)]
    pub secret: Option<Secret>,
    #[schemars(skip)]
    pub secret_env: Option<String>,
    #[schemars(skip)]
    pub secret_file: Option<PathBuf>,
    /// In `authorization` the secret stands behind `Bearer`, unless it names its scheme itself.
    #[serde(default = "authorization")]
    #[schemars(length(max = 256))]
    pub secret_header: String,
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 300))]
    pub connect_timeout_s: u64,
    /// The longest silence.
    #[serde(default = "six_hundred")]
    #[schemars(range(min = 1, max = 86_400))]
    pub timeout_s: u64,
    #[serde(default)]
    pub max_in_flight: InFlightEntry,
    /// Whether `stream_options` may be written into requests.
    #[serde(default = "yes")]
    pub stream_usage: bool,
    #[serde(default)]
    pub output_bound: OutputBoundEntry,
    pub breaker: Option<BreakerEntry>,
    pub health: Option<HealthEntry>,
    /// The authorities that its certificate is held against, in place of the machine's. Empty: the machine's.
    #[serde(default)]
    #[schemars(skip)]
    pub ca_file: PathBuf,
    #[serde(default)]
    #[schemars(skip)]
    pub client_cert_file: PathBuf,
    #[serde(default)]
    #[schemars(skip)]
    pub client_key_file: PathBuf,
    /// What it is called by, in place of the host of its URL. Empty: that host.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub host: String,
}

/// What is written where a chat request has no output bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputBoundEntry {
    #[default]
    MaxCompletionTokens,
    MaxTokens,
    None,
    /// Refused: what an upstream refuses it says in words that clients have a part in.
    #[schemars(skip)]
    Auto,
}

impl UpstreamEntry {
    /// What the gateway may write into requests to it.
    pub const fn dialect(&self) -> Dialect {
        let output_bound = match self.output_bound {
            OutputBoundEntry::MaxCompletionTokens => BoundName::MaxCompletionTokens,
            OutputBoundEntry::MaxTokens => BoundName::MaxTokens,
            OutputBoundEntry::None | OutputBoundEntry::Auto => BoundName::Unwritten,
        };
        Dialect { stream_usage: self.stream_usage, output_bound }
    }
}

fn authorization() -> String {
    "authorization".into()
}
const fn five() -> u64 {
    5
}
const fn six_hundred() -> u64 {
    600
}
const fn yes() -> bool {
    true
}
const fn one() -> u64 {
    1
}

/// `match` of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MatchEntry {
    Exact,
    Prefix,
}

/// A `[[routes]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteEntry {
    #[schemars(with = "Name")]
    pub name: String,
    /// Not one of the gateway's own.
    #[schemars(length(max = 2_048))]
    pub path: String,
    #[serde(rename = "match")]
    pub matching: MatchEntry,
    /// Also others than those of RFC 9110, such as `PROPFIND` or `QUERY`; never `CONNECT` and `TRACE`.
    #[schemars(length(min = 1, max = 32))]
    pub methods: Vec<String>,
    /// Only their members may call it. Empty: whoever has one of the roles.
    #[serde(default)]
    #[schemars(length(max = 1_000))]
    pub teams: Vec<String>,
    /// Only these may call it. Empty: whoever has one of the roles.
    #[serde(default)]
    #[schemars(length(max = 1_000))]
    pub users: Vec<String>,
    #[schemars(length(min = 1, max = 4))]
    pub roles: Vec<Role>,
    /// Or `targets`, one of the two.
    pub upstream: Option<String>,
    #[schemars(length(min = 1, max = 32))]
    pub targets: Option<Vec<TargetEntry>>,
    pub retry: Option<RetryEntry>,
    #[serde(default)]
    pub strip_prefix: bool,
    /// What a call takes of limits on requests.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub weight: u64,
    #[serde(default)]
    pub meter: MeterEntry,
    pub audit: Option<Durability>,
    pub bodies: Option<Bodies>,
    pub cache: Option<CacheEntry>,
    #[schemars(range(min = 1, max = 100_000_000))]
    pub default_max_tokens: Option<u64>,
    /// The price of a call of each tool that the provider runs and requests may have.
    #[serde(default)]
    pub tools: BTreeMap<String, Money>,
    #[serde(default)]
    pub importance: Importance,
    /// `["*"]`, or names of models as requests have them; `gpt-*` is each that begins so.
    #[serde(default = "every_name")]
    #[schemars(length(min = 1, max = 1_000))]
    pub models: Vec<String>,
    #[serde(default)]
    pub websocket: bool,
    /// Whether its upstream gets the caller's name, team, role and key.
    #[serde(default)]
    pub identity: bool,
}

/// How answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheEntry {
    #[schemars(range(max = 31_536_000))]
    pub ttl_s: u32,
    #[serde(default)]
    pub per: Sharing,
    #[serde(default)]
    pub posts: bool,
}

impl RouteEntry {
    /// Where its calls go.
    pub(super) fn places(&self) -> Places<'_> {
        Places { upstream: self.upstream.as_deref(), targets: self.targets.as_deref(), retry: self.retry.as_ref() }
    }

    /// Whether its calls are to a model.
    pub(super) fn is_to_model(&self) -> bool {
        matches!(self.meter, MeterEntry::Named(name) if name != Meter::None)
    }

    /// A list with a mistake was refused before.
    pub(super) fn models(&self) -> Allowed {
        Allowed::read("/models", &self.models).unwrap_or_default()
    }

    /// The route as the rules of `domain` know it.
    pub fn to_route(&self) -> Route {
        Route {
            name: self.name.as_str().into(),
            path: self.path.clone(),
            matching: match self.matching {
                MatchEntry::Exact => PathMatch::Exact,
                MatchEntry::Prefix => PathMatch::Prefix,
            },
            methods: self.methods.clone(),
            only: Only { teams: self.teams.clone(), users: self.users.clone() },
            roles: self.roles.clone(),
            aims: self.places().aims().into(),
            retry: self.places().retries().into(),
            strip_prefix: self.strip_prefix,
            weight: self.weight,
            durability: self.audit,
            bodies: self.bodies,
            meter: self.meter.to_meter(),
            metering: Metering {
                default_max_tokens: self.default_max_tokens,
                tools: self.tools.iter().map(|(name, price)| (name.clone(), *price)).collect(),
            },
            models: self.models(),
            importance: self.importance,
            websocket: self.websocket,
            identity: self.identity,
            caching: self.cache.map(|CacheEntry { ttl_s, per, posts }| Caching { ttl_s, per, posts }),
        }
    }
}
