//! From the lists to the snapshot that calls are routed by; secrets are read here.
//!
//! A configuration is read into [`FileLists`]: its upstreams with their secrets and TLS, so that no later change of something else
//! can fail because a file has gone. [`plan`] puts what administrators have made to them.

mod plan;

use std::{collections::HashSet, sync::Arc, time::Duration};

pub(super) use self::plan::Planned;
use super::tls;
use crate::{
    config::{
        Config, ConfigError,
        lists::Lists,
        routing::{Auto, BUILTIN_ECHO, BUILTIN_LLM, InFlightEntry, UpstreamEntry},
        secret::{not_set, without_line_end},
    },
    domain::{
        alias::Alias,
        route::{Route, RouteTable},
    },
    snapshot::{
        condition::Condition,
        routing::{Check, Routing},
    },
    upstream::{Base, InFlight, Kind, Secret, Target},
};

/// Bounds of an upstream that is part of the binary: it never waits.
const BUILTIN_TIMEOUT: Duration = Duration::from_mins(1);
const BUILTIN_IN_FLIGHT: usize = 10_000;

/// The lists of a configuration, and its upstreams with their secrets from the environment or from files.
pub struct FileLists {
    lists: Lists,
    targets: Vec<Target>,
}

impl FileLists {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// A secret or a file of TLS cannot be read or used.
    pub fn read(config: &Config) -> Result<Self, ConfigError> {
        let mut targets = vec![];
        for (i, upstream) in config.upstreams.iter().enumerate() {
            let blame = |(field, reason): (&str, String)| config.blame(format!("upstreams[{i}].{field}"), reason);
            let target = target(upstream, secret(upstream).map_err(blame)?.as_deref()).map_err(blame)?;
            targets.push(Target { own_tls: tls::to_upstream(config, (i, upstream))?, ..target });
        }
        Ok(Self { lists: Lists::of(config), targets })
    }
}

/// The routing of lists that were checked, to their upstreams. Calls in flight to an upstream of the `previous` routing go on
/// counting.
fn routing(lists: &Lists, targets: Vec<Target>, previous: &Routing) -> Routing {
    let routes: Vec<Route> = lists.to_routes();
    // Their mistakes were found with all others.
    let aliases: Vec<Alias> = lists.models.iter().filter_map(|model| model.to_alias(&routes).ok()).collect();
    let built_in = [builtin(BUILTIN_ECHO, Kind::Echo), builtin(BUILTIN_LLM, Kind::Llm)];
    let going_on = |target: Target| match previous.target(&target.name) {
        Some(before) => Target { in_flight: before.in_flight.bounded_as(target.in_flight.clone()), ..target },
        None => target,
    };
    let is_moved = |target: &&Target| previous.target(&target.name).is_some_and(|before| !before.leads_as(target));
    let moved: HashSet<Arc<str>> = targets.iter().filter(is_moved).map(|target| Arc::clone(&target.name)).collect();
    let targets = built_in.into_iter().chain(targets.into_iter().map(going_on));
    let dialects = lists.upstreams.iter().map(|upstream| (upstream.name.clone(), upstream.dialect()));
    let conditions = lists.upstreams.iter().map(|upstream| {
        let known = previous.condition(&upstream.name).cloned().unwrap_or_default();
        let is_moved = moved.contains(upstream.name.as_str());
        condition(upstream, &if is_moved { known.elsewhere() } else { known })
    });
    let checks = lists.upstreams.iter().filter_map(check).collect();
    let routing = Routing::new(RouteTable::new(routes), targets).with_dialects(dialects).with_conditions(conditions);
    routing.with_checks(checks).with_aliases(aliases)
}

fn check(upstream: &UpstreamEntry) -> Option<Check> {
    let health = upstream.health.as_ref()?;
    let interval = Duration::from_secs(health.interval_s.into());
    Some(Check { upstream: upstream.name.as_str().into(), path: health.path.clone(), interval })
}

/// How fit an upstream is known to be, under the rules that are configured now. A breaker that nobody asked for keeps no
/// call away that has no other place to go.
fn condition(upstream: &UpstreamEntry, known: &Condition) -> (Arc<str>, Condition) {
    let rules = upstream.breaker.unwrap_or_default().rules();
    if upstream.health.is_none() {
        known.health(true);
    }
    (upstream.name.as_str().into(), known.under(rules, upstream.breaker.is_some()))
}

fn builtin(name: &str, kind: Kind) -> Target {
    Target {
        name: name.into(),
        kind,
        secret: None,
        connect_timeout: BUILTIN_TIMEOUT,
        timeout: BUILTIN_TIMEOUT,
        in_flight: InFlight::new(BUILTIN_IN_FLIGHT),
        own_tls: None,
    }
}

/// An upstream that is sent this secret; with TLS as to all others.
fn target(upstream: &UpstreamEntry, secret: Option<&str>) -> Result<Target, (&'static str, String)> {
    let mut base = Base::parse(&upstream.url).map_err(|error| ("url", error.to_string()))?;
    if let Some(host) = upstream.own_host() {
        base = base.with_host(host.parse().map_err(|_| ("host", "cannot stand in a header".to_owned()))?);
    }
    let secret = secret
        .map(|text| Secret::new(&upstream.secret_header, text).map_err(|error| ("secret_header", error.to_string())))
        .transpose()?;
    Ok(Target {
        name: Arc::from(upstream.name.as_str()),
        kind: Kind::Http(base),
        secret,
        connect_timeout: Duration::from_secs(upstream.connect_timeout_s),
        timeout: Duration::from_secs(upstream.timeout_s),
        in_flight: match upstream.max_in_flight {
            InFlightEntry::Fixed(max) => InFlight::new(usize::try_from(max).unwrap_or(usize::MAX)),
            InFlightEntry::Named(Auto::Auto) => InFlight::measured(),
        },
        own_tls: None,
    })
}

fn secret(upstream: &UpstreamEntry) -> Result<Option<String>, (&'static str, String)> {
    if let Some(name) = &upstream.secret_env {
        let value = std::env::var(name).ok().map(|value| without_line_end(&value).to_owned());
        return value.filter(|value| !value.is_empty()).map(Some).ok_or_else(|| ("secret_env", not_set(name)));
    }
    let Some(path) = &upstream.secret_file else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(path);
    text.map(|text| Some(without_line_end(&text).to_owned()))
        .map_err(|error| ("secret_file", format!("{} cannot be read: {error}", path.display())))
}
