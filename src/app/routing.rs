//! From the configured lists to the snapshot that calls are routed by; secrets are read here.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value};

use super::tls;
use crate::{
    config::{
        Config, ConfigError,
        routing::{Auto, BUILTIN_ECHO, BUILTIN_LLM, InFlightEntry, RouteEntry, UpstreamEntry},
        secret::without_line_end,
    },
    domain::{
        alias::Alias,
        route::{Route, RouteTable},
    },
    snapshot::{
        condition::Condition,
        routing::{Check, Routing, Written},
    },
    upstream::{Base, InFlight, Kind, Secret, Target},
};

/// Bounds of an upstream that is part of the binary: it never waits.
const BUILTIN_TIMEOUT: Duration = Duration::from_mins(1);
const BUILTIN_IN_FLIGHT: usize = 10_000;

/// Routes and upstreams of a configuration, with the upstreams' secrets from the environment or from files. Calls in
/// flight to an upstream of the `previous` routing go on counting.
pub fn routing(config: &Config, previous: &Routing) -> Result<Routing, ConfigError> {
    let routes: Vec<Route> = config.routes.iter().map(RouteEntry::to_route).collect();
    // Their mistakes were found with all others.
    let aliases: Vec<Alias> = config.models.iter().filter_map(|model| model.to_alias(&routes).ok()).collect();
    let table = RouteTable::new(routes);
    let mut targets = vec![builtin(BUILTIN_ECHO, Kind::Echo), builtin(BUILTIN_LLM, Kind::Llm)];
    for (i, upstream) in config.upstreams.iter().enumerate() {
        let target = target(upstream, previous)
            .map_err(|(field, reason)| config.blame(format!("upstreams[{i}].{field}"), reason))?;
        targets.push(Target { own_tls: tls::to_upstream(config, (i, upstream))?, ..target });
    }
    let dialects = config.upstreams.iter().map(|upstream| (upstream.name.clone(), upstream.dialect()));
    let conditions = config.upstreams.iter().map(|upstream| condition(upstream, previous));
    let checks = config.upstreams.iter().filter_map(check).collect();
    let routing = Routing::new(table, targets).with_dialects(dialects).with_conditions(conditions);
    Ok(routing.with_checks(checks).with_aliases(aliases).with_written(written(config)))
}

/// The lists as administrators see them.
fn written(config: &Config) -> Written {
    Written { upstreams: entries(&config.upstreams), routes: entries(&config.routes), models: entries(&config.models) }
}

fn entries(list: &[impl Serialize]) -> Vec<Map<String, Value>> {
    let fields = |entry| match serde_json::to_value(entry) {
        Ok(Value::Object(fields)) => Some(fields.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        _ => None,
    };
    list.iter().filter_map(fields).collect()
}

fn check(upstream: &UpstreamEntry) -> Option<Check> {
    let health = upstream.health.as_ref()?;
    let interval = Duration::from_secs(health.interval_s.into());
    Some(Check { upstream: upstream.name.as_str().into(), path: health.path.clone(), interval })
}

/// How fit an upstream is known to be, under the rules that are configured now. A breaker that nobody asked for keeps no
/// call away that has no other place to go.
fn condition(upstream: &UpstreamEntry, previous: &Routing) -> (Arc<str>, Condition) {
    let known = previous.condition(&upstream.name).cloned().unwrap_or_default();
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

fn target(upstream: &UpstreamEntry, previous: &Routing) -> Result<Target, (&'static str, String)> {
    let mut base = Base::parse(&upstream.url).map_err(|error| ("url", error.to_string()))?;
    if let Some(host) = upstream.own_host() {
        base = base.with_host(host.parse().map_err(|_| ("host", "cannot stand in a header".to_owned()))?);
    }
    let secret = secret(upstream)?
        .map(|text| Secret::new(&upstream.secret_header, &text).map_err(|error| ("secret_header", error.to_string())))
        .transpose()?;
    let in_flight = match upstream.max_in_flight {
        InFlightEntry::Fixed(max) => InFlight::new(usize::try_from(max).unwrap_or(usize::MAX)),
        InFlightEntry::Named(Auto::Auto) => InFlight::measured(),
    };
    Ok(Target {
        name: Arc::from(upstream.name.as_str()),
        kind: Kind::Http(base),
        secret,
        connect_timeout: Duration::from_secs(upstream.connect_timeout_s),
        timeout: Duration::from_secs(upstream.timeout_s),
        in_flight: match previous.target(&upstream.name) {
            Some(before) => before.in_flight.bounded_as(in_flight),
            None => in_flight,
        },
        own_tls: None,
    })
}

fn secret(upstream: &UpstreamEntry) -> Result<Option<String>, (&'static str, String)> {
    if let Some(name) = &upstream.secret_env {
        let value = std::env::var(name).ok().map(|value| without_line_end(&value).to_owned());
        return value
            .filter(|value| !value.is_empty())
            .map(Some)
            .ok_or(("secret_env", format!("the environment variable {name} is not set")));
    }
    let Some(path) = &upstream.secret_file else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(path);
    text.map(|text| Some(without_line_end(&text).to_owned()))
        .map_err(|error| ("secret_file", format!("{} cannot be read: {error}", path.display())))
}
