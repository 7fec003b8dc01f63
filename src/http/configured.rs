//! The upstreams, routes and models of the configuration, as administrators see them.
//!
//! They are changed in the file and by `SIGHUP`; what is shown is what is in force on this replica. A secret is never part of
//! an entry: it stands in the environment or in a file, whose name is shown.

use actix_web::web::{Data, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    extract::{Caller, PathName, QueryOf},
    office::Operations,
    page::{Page, PageSize},
    problem::Problem,
};
use crate::{
    domain::{failover::breaker::Breaker, refusal::Refusal},
    snapshot::routing::Routing,
};

/// Which page of the entries, by name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntriesQuery {
    #[serde(default)]
    limit: PageSize,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only what has exactly this name.
    name: Option<String>,
}

/// Who says that there is such an entry.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The configuration, which is the only one that can change it.
    File,
}

/// An entry of the configuration.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Configured {
    name: String,
    source: Source,
    /// All other fields, as in the configuration.
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// An upstream, and how it does on this replica.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ConfiguredUpstream {
    #[serde(flatten)]
    entry: Configured,
    state: UpstreamState,
}

/// How an upstream does.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UpstreamState {
    /// `ok`, also where there is no health check, or `failing`.
    health: &'static str,
    /// `closed`, `open` or `half-open`; null where the upstream has none.
    breaker: Option<&'static str>,
    /// Calls that wait for it or read its answer.
    in_flight: usize,
    /// The most there may be.
    limit: usize,
    latency_ms: Latency,
}

/// How long calls waited for the head of an answer since the start of the process: in milliseconds, rounded up to the
/// buckets of `tollgate_upstream_duration_seconds`; null before the first call.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Latency {
    p50: Option<f64>,
    p99: Option<f64>,
}

/// A page of entries.
#[derive(Serialize, JsonSchema)]
pub struct ConfiguredPage {
    #[serde(flatten)]
    page: Page<Configured>,
}

/// A page of upstreams.
#[derive(Serialize, JsonSchema)]
pub struct UpstreamsPage {
    #[serde(flatten)]
    page: Page<ConfiguredUpstream>,
}

/// `GET /admin/upstreams`: those of the configuration, by name.
pub async fn upstreams(
    operations: Data<Operations>,
    _: Caller,
    QueryOf(query): QueryOf<EntriesQuery>,
) -> Result<Json<UpstreamsPage>, Problem> {
    let routing = operations.routing.read();
    let entries = query.of(&routing.written().upstreams);
    let items = entries.into_iter().filter_map(|entry| with_state(&operations, &routing, entry)).collect();
    let name = |upstream: &ConfiguredUpstream| upstream.entry.name.clone();
    Ok(Json(UpstreamsPage { page: Page::of(items, query.limit.0, name) }))
}

/// `GET /admin/upstreams/{name}`.
pub async fn upstream(
    operations: Data<Operations>,
    _: Caller,
    PathName(name): PathName,
) -> Result<Json<ConfiguredUpstream>, Problem> {
    let routing = operations.routing.read();
    let entry = named(&routing.written().upstreams, &name)?;
    Ok(Json(with_state(&operations, &routing, entry).ok_or(Refusal::NotFound)?))
}

/// `GET /admin/routes`: those of the configuration, by name.
pub async fn routes(
    operations: Data<Operations>,
    _: Caller,
    QueryOf(query): QueryOf<EntriesQuery>,
) -> Result<Json<ConfiguredPage>, Problem> {
    Ok(Json(query.page(&operations.routing.read().written().routes)))
}

/// `GET /admin/routes/{name}`.
pub async fn route(
    operations: Data<Operations>,
    _: Caller,
    PathName(name): PathName,
) -> Result<Json<Configured>, Problem> {
    Ok(Json(named(&operations.routing.read().written().routes, &name)?))
}

/// `GET /admin/models`: the names for models of the configuration, by name.
pub async fn models(
    operations: Data<Operations>,
    _: Caller,
    QueryOf(query): QueryOf<EntriesQuery>,
) -> Result<Json<ConfiguredPage>, Problem> {
    Ok(Json(query.page(&operations.routing.read().written().models)))
}

/// `GET /admin/models/{name}`.
pub async fn model(
    operations: Data<Operations>,
    _: Caller,
    PathName(name): PathName,
) -> Result<Json<Configured>, Problem> {
    Ok(Json(named(&operations.routing.read().written().models, &name)?))
}

impl EntriesQuery {
    /// The entries of the page, in the order of their names, and one more if there is one.
    fn of(&self, entries: &[Map<String, Value>]) -> Vec<Configured> {
        let is_meant = |entry: &Configured| {
            self.name.as_ref().is_none_or(|name| *name == entry.name)
                && self.cursor.as_ref().is_none_or(|cursor| entry.name > *cursor)
        };
        let mut meant: Vec<_> = entries.iter().filter_map(Configured::of).filter(is_meant).collect();
        meant.sort_by(|one, other| one.name.cmp(&other.name));
        meant.truncate(usize::try_from(self.limit.0).unwrap_or(usize::MAX).saturating_add(1));
        meant
    }

    fn page(&self, entries: &[Map<String, Value>]) -> ConfiguredPage {
        ConfiguredPage { page: Page::of(self.of(entries), self.limit.0, |entry: &Configured| entry.name.clone()) }
    }
}

impl Configured {
    fn of(entry: &Map<String, Value>) -> Option<Self> {
        let mut fields = entry.clone();
        let Some(Value::String(name)) = fields.remove("name") else { return None };
        Some(Self { name, source: Source::File, fields })
    }
}

fn named(entries: &[Map<String, Value>], name: &str) -> Result<Configured, Refusal> {
    let is_named = |entry: &&Map<String, Value>| entry.get("name").and_then(Value::as_str) == Some(name);
    entries.iter().find(is_named).and_then(Configured::of).ok_or(Refusal::NotFound)
}

fn with_state(operations: &Operations, routing: &Routing, entry: Configured) -> Option<ConfiguredUpstream> {
    let state = state(operations, routing, &entry.name)?;
    Some(ConfiguredUpstream { entry, state })
}

/// How the upstream of this name does.
pub(super) fn state(operations: &Operations, routing: &Routing, name: &str) -> Option<UpstreamState> {
    let (target, condition) = (routing.target(name)?, routing.condition(name)?);
    let breaker = condition.breaker().map(|breaker| match breaker {
        Breaker::Closed(_) => "closed",
        Breaker::Open { until_ms } if until_ms > operations.clock.monotonic_ms() => "open",
        Breaker::Open { .. } | Breaker::Trying { .. } => "half-open",
    });
    Some(UpstreamState {
        health: if condition.is_healthy() { "ok" } else { "failing" },
        breaker,
        in_flight: target.in_flight.count(),
        limit: target.in_flight.limit(),
        latency_ms: Latency {
            p50: operations.metrics.upstream_latency_ms(name, 50),
            p99: operations.metrics.upstream_latency_ms(name, 99),
        },
    })
}
