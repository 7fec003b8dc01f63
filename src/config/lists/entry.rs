//! The rules about one upstream and one route.

use crate::{
    config::{
        meter::MeterEntry,
        mistakes::{Mistakes, field},
        routing::{BUILTIN_ECHO, BUILTIN_LLM, InFlightEntry, OutputBoundEntry, RouteEntry, UpstreamEntry},
        targets::check_judgement,
    },
    domain::{
        allowed::Allowed,
        caching::Sharing,
        money::Money,
        path,
        principal::Role,
        route::{Meter, reserved},
        token::is_token,
    },
};

/// Names stand in headers (RFC 9651 strings), metrics and URLs.
pub(super) fn name_mistakes(names: &[&str], index: usize) -> Mistakes {
    let mut mistakes = Mistakes::default();
    let Some(name) = names.get(index) else { return mistakes };
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let fits = (1..=64).contains(&name.len());
    mistakes.rule(plain && fits, "name", "must be 1 to 64 characters of A-Z a-z 0-9 . _ -");
    let is_twice = names.iter().take(index).any(|other| other == name);
    mistakes.rule(!is_twice, "name", format!("\"{name}\" is used twice"));
    mistakes
}

const NO_AUTO: &str = "must be max_completion_tokens, max_tokens or none; docs/money.md says why not auto";

const NO_SECRET: &str = "must not stand in a configuration; use secret_env or secret_file";

pub(super) fn upstream_mistakes(upstream: &UpstreamEntry) -> Mistakes {
    let mut mistakes = url_mistakes(&upstream.url);
    mistakes.rule(upstream.secret.is_none(), "secret", NO_SECRET);
    let is_header = upstream.secret_header.parse::<http::HeaderName>().is_ok();
    mistakes.rule(is_header, "secret_header", "is not a header name");
    let both = upstream.secret_env.is_some() && upstream.secret_file.is_some();
    mistakes.rule(!both, "secret_file", "give secret_env or secret_file, not both");
    mistakes.rule(upstream.output_bound != OutputBoundEntry::Auto, "output_bound", NO_AUTO);
    mistakes.rule((1..=300).contains(&upstream.connect_timeout_s), "connect_timeout_s", "must be from 1 to 300");
    mistakes.rule((1..=86_400).contains(&upstream.timeout_s), "timeout_s", "must be from 1 to 86400");
    let has_room = upstream.max_in_flight != InFlightEntry::Fixed(0);
    mistakes.rule(has_room, "max_in_flight", "must be at least 1, or \"auto\"");
    mistakes.add(upstream.check_peer());
    mistakes.add(check_judgement(upstream.breaker.as_ref(), upstream.health.as_ref()));
    mistakes
}

fn url_mistakes(url: &str) -> Mistakes {
    let mut mistakes = Mistakes::default();
    let uri: http::Uri = match url.parse() {
        Ok(uri) => uri,
        Err(error) => {
            mistakes.note("url", format!("is not a URL: {error}"));
            return mistakes;
        }
    };
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let is_absolute = known && uri.host().is_some_and(|host| !host.is_empty());
    mistakes.rule(is_absolute, "url", "must be an absolute http:// or https:// URL");
    let port = uri.authority().is_none_or(|authority| has_port(authority.as_str()));
    mistakes.rule(port, "url", "its port must be from 1 to 65535");
    mistakes.rule(uri.query().is_none(), "url", "must not have a query");
    mistakes.rule(!url.contains('@'), "url", "must not hold a user or a password; use secret_env");
    mistakes.rule(uri.path() == "/" || path::check(uri.path()).is_ok(), "url", "its path is not plain");
    mistakes
}

/// Whether what follows the host is nothing, or a port that can be connected to. `http` reads a port that is none as absent.
fn has_port(authority: &str) -> bool {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let after_host = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    after_host.split_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// The methods of RFC 9110 §9.3 and of RFC 5789 that a route can take.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// No gateway forwards these: one opens a tunnel, the other shows a request with its credentials (RFC 9110 §9.3.6 and §9.3.8).
const NEVER: [&str; 2] = ["CONNECT", "TRACE"];
/// The longest name of a method, in bytes.
const MAX_METHOD_BYTES: usize = 32;

/// What is wrong with a method that is to be taken. Its name is a token and heeds case (RFC 9110 §9.1).
fn method_mistake(method: &str) -> Option<String> {
    if method == "*" {
        return Some("\"*\" stands for no method: name each one that the route takes".to_owned());
    }
    let known = METHODS.into_iter().chain(NEVER).find(|known| known.eq_ignore_ascii_case(method));
    match known {
        Some(never) if NEVER.contains(&never) => Some(format!("must not have {never}, which no gateway forwards")),
        Some(known) if known != method => Some(format!("{method:?} must be written {known}")),
        None if method.len() > MAX_METHOD_BYTES || !is_token(method) => {
            Some(format!("{method:?} is no method: 1 to {MAX_METHOD_BYTES} characters of a token (RFC 9110 §9.1)"))
        }
        _ => None,
    }
}

/// A route by itself, against the names of all upstreams, and against the routes before it.
pub(super) fn route_mistakes(route: &RouteEntry, earlier: &[RouteEntry], known: &[&str]) -> Mistakes {
    let mut mistakes = route.places().check(known, route.is_to_model());
    let pattern = route.path.contains(['*', '{', '}']);
    let reason = "is no pattern: write the beginning of the path and match = \"prefix\"";
    mistakes.rule(!pattern, "path", reason);
    let path = path::check(&route.path);
    mistakes.rule(path.is_ok(), "path", path.map_err(|error| error.to_string()).err().unwrap_or_default());
    let reserved = reserved(&route.path);
    let reason = format!("/{} belongs to the gateway itself", reserved.unwrap_or_default());
    mistakes.rule(reserved.is_none(), "path", reason);
    mistakes.rule(!route.methods.is_empty(), "methods", "must name at least one method");
    if let Some(mistake) = route.methods.iter().find_map(|method| method_mistake(method)) {
        mistakes.note("methods", mistake);
    }
    mistakes.rule(!route.roles.is_empty(), "roles", "must name at least one role");
    let auditor = route.roles.contains(&Role::Auditor);
    mistakes.rule(!auditor, "roles", "must not have auditor, who calls no route");
    cache_mistakes(route, &mut mistakes);
    model_mistakes(route, &mut mistakes);
    websocket_mistakes(route, &mut mistakes);
    mistakes.rule((1..=1_000_000).contains(&route.weight), "weight", "must be from 1 to 1000000");
    for fault in Allowed::read("/models", &route.models).err().unwrap_or_default() {
        mistakes.note(field(&fault.pointer), fault.detail);
    }
    overlap_mistakes(route, earlier, &mut mistakes);
    mistakes
}

/// A year: no answer is kept for longer.
const MAX_TTL_S: u32 = 31_536_000;

fn cache_mistakes(route: &RouteEntry, mistakes: &mut Mistakes) {
    let Some(cache) = &route.cache else { return };
    mistakes.rule(cache.ttl_s <= MAX_TTL_S, "cache.ttl_s", format!("must be at most {MAX_TTL_S}"));
    let to_model = route.is_to_model();
    let takes_post = route.methods.iter().any(|method| method == "POST");
    let fits = !cache.posts || (to_model && takes_post);
    let reason = "is for routes to models: with POST among methods, and a meter that reads requests";
    mistakes.rule(fits, "cache.posts", reason);
    let of_one = !route.identity || matches!(cache.per, Sharing::User | Sharing::Key);
    let reason = "must be user or key where identity = true: the upstream answers each caller by name";
    mistakes.rule(of_one, "cache.per", reason);
}

fn model_mistakes(route: &RouteEntry, mistakes: &mut Mistakes) {
    let bound = route.default_max_tokens.is_none_or(|tokens| (1..=100_000_000).contains(&tokens));
    mistakes.rule(bound, "default_max_tokens", "must be from 1 to 100000000");
    let paid = route.tools.values().all(|price| *price >= Money::ZERO);
    mistakes.rule(paid, "tools", "must have prices a call in USD, none of them negative");
    let serves_models = route.meter.to_meter().bills_tokens() || route.models().is_all();
    mistakes.rule(serves_models, "models", "is for routes to models: with a meter that reads requests");
}

fn websocket_mistakes(route: &RouteEntry, mistakes: &mut Mistakes) {
    if !route.websocket {
        return;
    }
    let metered = route.meter != MeterEntry::Named(Meter::None);
    mistakes.rule(!metered, "websocket", "must be false on a metered route");
    let builtin = route.places().aims().iter().any(|aim| [BUILTIN_ECHO, BUILTIN_LLM].contains(&&*aim.upstream));
    mistakes.rule(!builtin, "websocket", "must be false where the upstream is built in");
    let has_get = route.methods.iter().any(|method| method == "GET");
    mistakes.rule(has_get, "methods", "must have GET, with which a WebSocket begins");
}

/// Two routes for one path and method would make the order of the file decide.
fn overlap_mistakes(route: &RouteEntry, earlier: &[RouteEntry], mistakes: &mut Mistakes) {
    let same_place = |other: &&RouteEntry| other.path == route.path && other.matching == route.matching;
    let same_method = |other: &&RouteEntry| other.methods.iter().any(|method| route.methods.contains(method));
    for other in earlier.iter().filter(same_place).filter(same_method) {
        let is_alike =
            route.meter.to_meter().bills_tokens() && other.meter == route.meter && other.tools == route.tools;
        let help =
            "only routes to models with one meter and the same tools may share them, each with models of its own";
        mistakes.rule(is_alike, "path", format!("route \"{}\" has the same path and method: {help}", other.name));
        if let Some(model) = route.models().in_common(&other.models()) {
            let reason =
                format!("route \"{}\" has the same path and method and serves \"{model}\" too: {help}", other.name);
            mistakes.note(if route.models().is_all() { "path" } else { "models" }, reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_method_can_be_named_but_those_that_no_gateway_forwards() {
        for good in ["GET", "OPTIONS", "PROPFIND", "QUERY", "M-SEARCH", "VERSION-CONTROL", "x", &"X".repeat(32)] {
            assert_eq!(method_mistake(good), None, "{good}");
        }
        for (bad, told) in [
            ("TRACE", "must not have TRACE, which no gateway forwards"),
            ("connect", "must not have CONNECT, which no gateway forwards"),
            ("*", "\"*\" stands for no method: name each one that the route takes"),
            ("get", "\"get\" must be written GET"),
            ("", "\"\" is no method: 1 to 32 characters of a token (RFC 9110 §9.1)"),
            ("A B", "\"A B\" is no method: 1 to 32 characters of a token (RFC 9110 §9.1)"),
            ("GÉT", "\"GÉT\" is no method: 1 to 32 characters of a token (RFC 9110 §9.1)"),
        ] {
            assert_eq!(method_mistake(bad).as_deref(), Some(told));
        }
        assert!(method_mistake(&"X".repeat(33)).is_some());
    }
}
