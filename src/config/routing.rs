//! The lists: upstreams, routes and limits, as they are written and as the domain knows them.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Display,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

pub use super::targets::{Auto, BUILTIN_ECHO, BUILTIN_LLM, InFlightEntry};
use super::{
    Fault,
    meter::MeterEntry,
    models::{self, ModelEntry},
    targets::{BreakerEntry, HealthEntry, Places, RetryEntry, TargetEntry, check_judgement},
};
use crate::domain::{
    allowed::{Allowed, every_name},
    budget::{self, Budget},
    caching::{Caching, Sharing},
    ids::{BudgetId, LimitId},
    importance::Importance,
    limit::{Policy, Spec},
    money::Money,
    path,
    principal::Role,
    recording::{Bodies, Durability},
    refusal,
    route::{BoundName, Dialect, Meter, Metering, Only, PathMatch, Route, reserved},
};

/// An `[[upstreams]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamEntry {
    pub name: String,
    pub url: String,
    pub secret_env: Option<String>,
    pub secret_file: Option<PathBuf>,
    #[serde(default = "authorization")]
    pub secret_header: String,
    #[serde(default = "five")]
    pub connect_timeout_s: u64,
    #[serde(default = "six_hundred")]
    pub timeout_s: u64,
    #[serde(default)]
    pub max_in_flight: InFlightEntry,
    #[serde(default = "yes")]
    pub stream_usage: bool,
    #[serde(default)]
    pub output_bound: OutputBoundEntry,
    pub breaker: Option<BreakerEntry>,
    pub health: Option<HealthEntry>,
    /// The authorities that its certificate is held against, in place of the machine's. Empty: the machine's.
    #[serde(default)]
    pub ca_file: PathBuf,
    #[serde(default)]
    pub client_cert_file: PathBuf,
    #[serde(default)]
    pub client_key_file: PathBuf,
    /// What it is called by, in place of the host of its URL. Empty: that host.
    #[serde(default)]
    pub host: String,
}

/// What is written where a chat request has no output bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputBoundEntry {
    #[default]
    MaxCompletionTokens,
    MaxTokens,
    None,
    /// Refused: see [`validate_upstream`].
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MatchEntry {
    Exact,
    Prefix,
}

/// A `[[routes]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteEntry {
    pub name: String,
    pub path: String,
    #[serde(rename = "match")]
    pub matching: MatchEntry,
    pub methods: Vec<String>,
    #[serde(default)]
    pub teams: Vec<String>,
    #[serde(default)]
    pub users: Vec<String>,
    pub roles: Vec<Role>,
    pub upstream: Option<String>,
    pub targets: Option<Vec<TargetEntry>>,
    pub retry: Option<RetryEntry>,
    #[serde(default)]
    pub strip_prefix: bool,
    #[serde(default = "one")]
    pub weight: u64,
    #[serde(default)]
    pub meter: MeterEntry,
    pub audit: Option<Durability>,
    pub bodies: Option<Bodies>,
    pub cache: Option<CacheEntry>,
    pub default_max_tokens: Option<u64>,
    #[serde(default)]
    pub tools: BTreeMap<String, Money>,
    #[serde(default)]
    pub importance: Importance,
    #[serde(default = "every_name")]
    pub models: Vec<String>,
    #[serde(default)]
    pub websocket: bool,
    #[serde(default)]
    pub identity: bool,
}

/// How answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CacheEntry {
    pub ttl_s: u32,
    #[serde(default)]
    pub per: Sharing,
    #[serde(default)]
    pub posts: bool,
}

/// A year: no answer is kept for longer.
const MAX_TTL_S: u32 = 31_536_000;

impl RouteEntry {
    fn places(&self) -> Places<'_> {
        Places { upstream: self.upstream.as_deref(), targets: self.targets.as_deref(), retry: self.retry.as_ref() }
    }

    fn is_to_model(&self) -> bool {
        matches!(self.meter, MeterEntry::Named(name) if name != Meter::None)
    }

    /// A list with a mistake was refused before.
    fn models(&self) -> Allowed {
        Allowed::read(MODELS, &self.models).unwrap_or_default()
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

/// Checks the lists, each entry by itself and all against each other.
pub(super) fn validate(
    (upstreams, routes, models): (&[UpstreamEntry], &[RouteEntry], &[ModelEntry]),
    limits: &[Spec],
    budgets: &[budget::Spec],
) -> Result<(), Fault> {
    unique("upstreams", upstreams.iter().map(|u| u.name.as_str()))?;
    unique("routes", routes.iter().map(|r| r.name.as_str()))?;
    for (i, upstream) in upstreams.iter().enumerate() {
        at("upstreams", i, validate_upstream(upstream))?;
        at("upstreams", i, upstream.check_peer())?;
        at("upstreams", i, check_judgement(upstream.breaker.as_ref(), upstream.health.as_ref()))?;
    }
    let known: Vec<&str> = upstreams.iter().map(|u| u.name.as_str()).chain([BUILTIN_ECHO, BUILTIN_LLM]).collect();
    for (i, route) in routes.iter().enumerate() {
        at("routes", i, route.places().check(&known, route.is_to_model()))?;
        at("routes", i, validate_route(route))?;
        Allowed::read(MODELS, &route.models).map_err(|faults| fault_in("routes", i, &faults))?;
        at("routes", i, validate_overlap(route, routes.get(..i).unwrap_or_default()))?;
    }
    let routes: Vec<Route> = routes.iter().map(RouteEntry::to_route).collect();
    models::validate(models, &routes, &known)?;
    validate_limits(limits, &routes)?;
    validate_budgets(budgets)
}

type Checked = Result<(), (&'static str, String)>;

fn at(list: &str, index: usize, checked: Result<(), (impl Display, String)>) -> Result<(), Fault> {
    checked.map_err(|(field, reason)| Fault::new(format!("{list}[{index}].{field}"), reason))
}

fn rule(holds: bool, field: &'static str, reason: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err((field, reason.into())) }
}

/// Names stand in headers (RFC 9651 strings), metrics and URLs.
fn unique<'n>(list: &str, names: impl Iterator<Item = &'n str>) -> Result<(), Fault> {
    let mut seen = HashSet::new();
    for (i, name) in names.enumerate() {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let fits = (1..=64).contains(&name.len());
        at(list, i, rule(plain && fits, "name", "must be 1 to 64 characters of A-Z a-z 0-9 . _ -"))?;
        at(list, i, rule(seen.insert(name), "name", format!("\"{name}\" is used twice")))?;
    }
    Ok(())
}

const NO_AUTO: &str = "must be max_completion_tokens, max_tokens or none; docs/money.md says why not auto";

fn validate_upstream(upstream: &UpstreamEntry) -> Checked {
    let uri: http::Uri = upstream.url.parse().map_err(|e| ("url", format!("is not a URL: {e}")))?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    rule(known && uri.host().is_some_and(|h| !h.is_empty()), "url", "must be an absolute http:// or https:// URL")?;
    let port = uri.authority().is_none_or(|authority| has_port(authority.as_str()));
    rule(port, "url", "its port must be from 1 to 65535")?;
    rule(uri.query().is_none(), "url", "must not have a query")?;
    rule(!upstream.url.contains('@'), "url", "must not hold a user or a password; use secret_env")?;
    rule(uri.path() == "/" || path::check(uri.path()).is_ok(), "url", "its path is not plain")?;
    rule(upstream.secret_header.parse::<http::HeaderName>().is_ok(), "secret_header", "is not a header name")?;
    let both = upstream.secret_env.is_some() && upstream.secret_file.is_some();
    rule(!both, "secret_file", "give secret_env or secret_file, not both")?;
    // What an upstream refuses it says in words that clients have a part in.
    rule(upstream.output_bound != OutputBoundEntry::Auto, "output_bound", NO_AUTO)?;
    rule((1..=300).contains(&upstream.connect_timeout_s), "connect_timeout_s", "must be from 1 to 300")?;
    rule((1..=86_400).contains(&upstream.timeout_s), "timeout_s", "must be from 1 to 86400")?;
    rule(upstream.max_in_flight != InFlightEntry::Fixed(0), "max_in_flight", "must be at least 1, or \"auto\"")
}

/// Whether what follows the host is nothing, or a port that can be connected to. `http` reads a port that is none as absent.
fn has_port(authority: &str) -> bool {
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    after_host.split_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Where the models of a route stand.
const MODELS: &str = "/models";

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

fn validate_route(route: &RouteEntry) -> Checked {
    let pattern = route.path.contains(['*', '{', '}']);
    rule(!pattern, "path", "is no pattern: write the beginning of the path and match = \"prefix\"")?;
    path::check(&route.path).map_err(|e| ("path", e.to_string()))?;
    let reserved = reserved(&route.path);
    rule(reserved.is_none(), "path", format!("/{} belongs to the gateway itself", reserved.unwrap_or_default()))?;
    rule(!route.methods.is_empty(), "methods", "must name at least one method")?;
    if let Some(unknown) = route.methods.iter().find(|m| !METHODS.contains(&m.as_str())) {
        return Err(("methods", format!("{unknown:?} is not one of {}", METHODS.join(", "))));
    }
    rule(!route.roles.is_empty(), "roles", "must name at least one role")?;
    rule(!route.roles.contains(&Role::Auditor), "roles", "must not have auditor, who calls no route")?;
    let builtin = route.places().aims().iter().any(|aim| [BUILTIN_ECHO, BUILTIN_LLM].contains(&&*aim.upstream));
    validate_cache(route)?;
    let bound = route.default_max_tokens.is_none_or(|tokens| (1..=100_000_000).contains(&tokens));
    rule(bound, "default_max_tokens", "must be from 1 to 100000000")?;
    let paid = route.tools.values().all(|price| *price >= Money::ZERO);
    rule(paid, "tools", "must have prices a call in USD, none of them negative")?;
    let metered = route.meter != MeterEntry::Named(Meter::None);
    let serves_models = route.meter.to_meter().bills_tokens() || route.models().is_all();
    rule(serves_models, "models", "is for routes to models: with a meter that reads requests")?;
    rule(!(route.websocket && metered), "websocket", "must be false on a metered route")?;
    rule(!(route.websocket && builtin), "websocket", "must be false where the upstream is built in")?;
    let has_get = route.methods.iter().any(|method| method == "GET");
    rule(!route.websocket || has_get, "methods", "must have GET, with which a WebSocket begins")?;
    rule((1..=1_000_000).contains(&route.weight), "weight", "must be from 1 to 1000000")
}

fn validate_cache(route: &RouteEntry) -> Checked {
    let Some(cache) = &route.cache else { return Ok(()) };
    rule(cache.ttl_s <= MAX_TTL_S, "cache.ttl_s", format!("must be at most {MAX_TTL_S}"))?;
    let to_model = route.is_to_model();
    let takes_post = route.methods.iter().any(|method| method == "POST");
    let fits = !cache.posts || (to_model && takes_post);
    rule(fits, "cache.posts", "is for routes to models: with POST among methods, and a meter that reads requests")?;
    let of_one = !route.identity || matches!(cache.per, Sharing::User | Sharing::Key);
    rule(of_one, "cache.per", "must be user or key where identity = true: the upstream answers each caller by name")
}

/// Two routes for one path and method would make the order of the file decide.
fn validate_overlap(route: &RouteEntry, earlier: &[RouteEntry]) -> Checked {
    let same_place = |other: &&RouteEntry| other.path == route.path && other.matching == route.matching;
    let same_method = |other: &&RouteEntry| other.methods.iter().any(|m| route.methods.contains(m));
    for other in earlier.iter().filter(same_place).filter(same_method) {
        let is_alike =
            route.meter.to_meter().bills_tokens() && other.meter == route.meter && other.tools == route.tools;
        let help =
            "only routes to models with one meter and the same tools may share them, each with models of its own";
        rule(is_alike, "path", format!("route \"{}\" has the same path and method: {help}", other.name))?;
        if let Some(model) = route.models().in_common(&other.models()) {
            let reason =
                format!("route \"{}\" has the same path and method and serves \"{model}\" too: {help}", other.name);
            return Err((if route.models().is_all() { "path" } else { "models" }, reason));
        }
    }
    Ok(())
}

/// Each limit by itself, on the routes, and against the limits before it.
fn validate_limits(limits: &[Spec], routes: &[Route]) -> Result<(), Fault> {
    let known: Vec<&Route> = routes.iter().collect();
    let mut policies: Vec<Policy> = vec![];
    for (i, limit) in limits.iter().enumerate() {
        let blame = |faults: &[refusal::Fault]| fault_in("limits", i, faults);
        let policy = limit.check(LimitId(uuid::Uuid::nil()), &known).map_err(|faults| blame(&faults))?;
        if let Some(misfit) = policies.iter().find_map(|other| policy.misfit(other)) {
            return Err(blame(&[misfit.fault()]));
        }
        policies.push(policy);
    }
    Ok(())
}

/// Each budget by itself, and against the budgets before it.
fn validate_budgets(specs: &[budget::Spec]) -> Result<(), Fault> {
    let mut budgets: Vec<Budget> = vec![];
    for (i, spec) in specs.iter().enumerate() {
        let blame = |faults: &[refusal::Fault]| fault_in("budgets", i, faults);
        let budget = spec.budget(BudgetId(uuid::Uuid::nil())).map_err(|faults| blame(&faults))?;
        if let Some(misfit) = budgets.iter().find_map(|other| budget.misfit(other)) {
            return Err(blame(&[misfit.fault()]));
        }
        budgets.push(budget);
    }
    Ok(())
}

/// The first of the faults of an entry of a list, with its key: `/routes/1` of the third limit is `limits[2].routes[1]`.
#[must_use]
pub fn fault_in(list: &str, index: usize, faults: &[refusal::Fault]) -> Fault {
    let (pointer, reason) = faults.first().map_or(("", ""), |fault| (&fault.pointer, &fault.detail));
    let steps = pointer.split('/').skip(1).map(|step| match step.parse::<usize>() {
        Ok(item) => format!("[{item}]"),
        Err(_) => format!(".{step}"),
    });
    Fault::new(format!("{list}[{index}]{}", steps.collect::<String>()), reason)
}
