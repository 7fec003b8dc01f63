//! The upstreams, routes and names for models, as administrators see and change them.
//!
//! What the configuration says is shown and is changed there. What is made here is kept in the store, and in force on every
//! replica within a second. What is shown is what this replica has, and it reads first what others have changed: who made
//! something sees it, whichever replica answers. A secret is never shown.

mod body;
mod change;
mod put;

use actix_web::web::{Data, Json};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::change::{
    change_model, change_route, change_upstream, create_model, create_route, create_upstream, delete_model,
    delete_route, delete_upstream,
};
pub use self::put::{put_model, put_route, put_upstream};
use super::{
    conditional::{Tagged, tag_of},
    extract::{Caller, PathName, QueryOf},
    office::{Administration, Operations},
    page::{Page, PageSize},
    problem::Problem,
};
use crate::{
    config::models::ModelEntry,
    domain::{entry::EntryKind, failover::breaker::Breaker, price::book::PriceBook, refusal::Refusal},
    snapshot::routing::{Made, Routing, WrittenEntry},
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The configuration, which is the only one that can change it.
    File,
    /// An administrator: it is kept in the store and changed here.
    Api,
}

/// An entry of one of the lists.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Configured {
    name: String,
    source: Source,
    /// Of what an administrator made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    updated_at: Option<Timestamp>,
    /// Whether an upstream that an administrator made is sent a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    has_secret: Option<bool>,
    /// Why this replica does not have it in force: it does not go together with the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_in_force: Option<String>,
    /// Of a name for models: the models of its targets that have no price now. These targets get no call.
    #[serde(skip_serializing_if = "Option::is_none")]
    unpriced: Option<Vec<String>>,
    /// All other fields, as in the configuration.
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// An upstream, and how it does on this replica.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ConfiguredUpstream {
    #[serde(flatten)]
    entry: Configured,
    /// Null where it is not in force.
    state: Option<UpstreamState>,
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

/// `GET /admin/upstreams`, by name.
pub async fn upstreams(
    operations: Data<Operations>,
    _: Caller,
    QueryOf(query): QueryOf<EntriesQuery>,
) -> Result<Json<UpstreamsPage>, Problem> {
    operations.see_changes().await;
    let routing = operations.routing.read();
    let entries = query.of(&routing.written().upstreams);
    let items = entries.into_iter().map(|entry| with_state(&operations, &routing, entry)).collect();
    let name = |upstream: &ConfiguredUpstream| upstream.entry.name.clone();
    Ok(Json(UpstreamsPage { page: Page::of(items, query.limit.0, name) }))
}

/// `GET /admin/upstreams/{name}`.
pub async fn upstream(
    operations: Data<Operations>,
    _: Caller,
    PathName(name): PathName<false>,
) -> Result<Tagged<ConfiguredUpstream>, Problem> {
    operations.see_changes().await;
    let routing = operations.routing.read();
    let Tagged { tag, object: entry } = named(&routing, EntryKind::Upstream, &name)?;
    Ok(Tagged { tag, object: with_state(&operations, &routing, entry) })
}

/// `GET /admin/routes`, by name.
pub async fn routes(
    operations: Data<Operations>,
    _: Caller,
    QueryOf(query): QueryOf<EntriesQuery>,
) -> Result<Json<ConfiguredPage>, Problem> {
    operations.see_changes().await;
    Ok(Json(query.page(&operations.routing.read().written().routes)))
}

/// `GET /admin/routes/{name}`.
pub async fn route(
    operations: Data<Operations>,
    _: Caller,
    PathName(name): PathName<false>,
) -> Result<Tagged<Configured>, Problem> {
    operations.see_changes().await;
    Ok(named(&operations.routing.read(), EntryKind::Route, &name)?)
}

/// `GET /admin/models`: the names for models, by name.
pub async fn models(
    operations: Data<Operations>,
    administration: Data<Administration>,
    _: Caller,
    QueryOf(query): QueryOf<EntriesQuery>,
) -> Result<Json<ConfiguredPage>, Problem> {
    operations.see_changes().await;
    let entries = query.of(&operations.routing.read().written().models);
    let prices = administration.accounting.prices.read();
    let entries = entries.into_iter().map(|entry| entry.held_against(&prices)).collect();
    Ok(Json(query.paged(entries)))
}

/// `GET /admin/models/{model}`.
pub async fn model(
    operations: Data<Operations>,
    administration: Data<Administration>,
    _: Caller,
    PathName(name): PathName<true>,
) -> Result<Tagged<Configured>, Problem> {
    operations.see_changes().await;
    let Tagged { tag, object: entry } = named(&operations.routing.read(), EntryKind::Model, &name)?;
    Ok(Tagged { tag, object: entry.held_against(&administration.accounting.prices.read()) })
}

impl EntriesQuery {
    /// The entries of the page, in the order of their names, and one more if there is one.
    fn of(&self, entries: &[WrittenEntry]) -> Vec<Configured> {
        let is_meant = |entry: &&WrittenEntry| {
            self.name.as_ref().is_none_or(|name| *name == entry.name)
                && self.cursor.as_ref().is_none_or(|cursor| entry.name > *cursor)
        };
        let mut meant: Vec<_> = entries.iter().filter(is_meant).collect();
        meant.sort_by(|one, other| one.name.cmp(&other.name));
        meant.truncate(usize::try_from(self.limit.0).unwrap_or(usize::MAX).saturating_add(1));
        meant.into_iter().map(Configured::from).collect()
    }

    fn page(&self, entries: &[WrittenEntry]) -> ConfiguredPage {
        self.paged(self.of(entries))
    }

    fn paged(&self, entries: Vec<Configured>) -> ConfiguredPage {
        ConfiguredPage { page: Page::of(entries, self.limit.0, |entry: &Configured| entry.name.clone()) }
    }
}

impl From<&WrittenEntry> for Configured {
    fn from(entry: &WrittenEntry) -> Self {
        let WrittenEntry { name, fields, made } = entry.clone();
        let Some(Made { created_at, updated_at, has_secret, unfit }) = made else {
            let [created_at, updated_at] = [None; 2];
            let source = Source::File;
            let (has_secret, not_in_force, unpriced) = (None, None, None);
            return Self { name, source, created_at, updated_at, has_secret, not_in_force, unpriced, fields };
        };
        Self {
            name,
            source: Source::Api,
            created_at: Some(created_at),
            updated_at: Some(updated_at),
            has_secret,
            not_in_force: unfit,
            unpriced: None,
            fields,
        }
    }
}

impl Configured {
    /// A name for models, with what its targets lack.
    fn held_against(self, prices: &PriceBook) -> Self {
        let entry = ModelEntry::shown(&self.name, &self.fields);
        let unpriced = entry.iter().flat_map(|entry| entry.unpriced(|model| prices.find(model).is_some()));
        let unpriced: Vec<String> = unpriced.map(|(_, model)| model.to_owned()).collect();
        Self { unpriced: (!unpriced.is_empty()).then_some(unpriced), ..self }
    }

    /// With the version of what an administrator made: the time of its last change.
    fn tagged(self) -> Tagged<Self> {
        Tagged { tag: self.updated_at.map(|time| tag_of(time.as_microsecond())), object: self }
    }
}

fn named(routing: &Routing, kind: EntryKind, name: &str) -> Result<Tagged<Configured>, Refusal> {
    // Of two with one name the first is in force.
    let found = routing.written().list(kind).iter().find(|entry| entry.name == name).map(Configured::from);
    found.map(Configured::tagged).ok_or_else(|| missing(kind, name))
}

fn missing(kind: EntryKind, name: &str) -> Refusal {
    Refusal::NoSuchName { noun: kind.as_str(), name: name.to_owned(), hint: None }
}

fn with_state(operations: &Operations, routing: &Routing, entry: Configured) -> ConfiguredUpstream {
    let in_force = entry.not_in_force.is_none();
    ConfiguredUpstream { state: in_force.then(|| state(operations, routing, &entry.name)).flatten(), entry }
}

/// How the upstream of this name does.
pub(super) fn state(operations: &Operations, routing: &Routing, name: &str) -> Option<UpstreamState> {
    let (target, condition) = routing.upstream(name)?;
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
