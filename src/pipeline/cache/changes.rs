//! Changes make obsolete what is kept (RFC 9111 §4.4): an answer to an unsafe method that is no error forgets every answer
//! at its URL, at those of the same origin that it names, and where MOVE and COPY put something (RFC 4918 §9.8 and §9.9).

use actix_web::HttpRequest;
use http::{HeaderMap, header};
use url::Url;

use crate::{
    cache::{Cache, Moment, Name, key},
    clock::Clock,
    domain::path,
    pipeline::{move_to, visit::Visit},
    upstream::Answer,
};

/// A call that may change something.
pub(super) struct Changes {
    cache: Cache,
    clock: Clock,
    host: String,
    path: String,
    query: Option<String>,
    /// Where something is put besides.
    put_at: Option<Target>,
}

/// `None` where the call changes nothing, or nothing is kept at all.
pub(super) fn of(visit: &Visit<'_>, request: &HttpRequest) -> Option<Changes> {
    if !visit.call.may_change() || !visit.gate.routing.read().table.keeps_any() {
        return None;
    }
    let call = &visit.call;
    Some(Changes {
        cache: visit.gate.cache.clone(),
        clock: visit.gate.clock.clone(),
        host: call.front.host.clone().unwrap_or_default(),
        path: call.path.clone(),
        query: call.query.clone(),
        put_at: move_to::put_at(call, request.headers()).map(parted),
    })
}

impl Changes {
    /// The upstream has answered.
    pub(super) async fn made(self, answer: &Answer) {
        if !(answer.status.is_success() || answer.status.is_redirection()) {
            return;
        }
        let own = key::url(&self.path, self.query.as_deref());
        let named = named(&answer.headers, &self.host, &self.path);
        let others = named.iter().chain(&self.put_at).map(|(path, query)| key::url(path, query.as_deref()));
        for url in std::iter::once(own).chain(others) {
            let new_name = Name::new(self.clock.new_id());
            let moment = Moment { now_ms: self.clock.store_now().as_millisecond(), new_name, ttl_s: 0 };
            self.cache.forget_url(&url, moment).await;
        }
    }
}

/// In place of the host of a request that names none, as HTTP/1.0 allows.
const NO_HOST: &str = "host.invalid";

/// A path, and a query.
type Target = (String, Option<String>);

fn parted(path_and_query: &str) -> Target {
    let (path, query) = path_and_query.split_once('?').unzip();
    (path.unwrap_or(path_and_query).to_owned(), query.map(str::to_owned))
}

/// What of the gateway an answer names.
fn named(headers: &HeaderMap, host: &str, path: &str) -> Vec<Target> {
    let values = [header::LOCATION, header::CONTENT_LOCATION].into_iter().filter_map(|name| headers.get(name));
    values.filter_map(|value| target(value.to_str().ok()?, host, path)).collect()
}

/// The URL of the gateway that a reference names in an answer to a call of this path (RFC 3986 §5.2); `None` of one that is of another
/// origin, or that no request could have. The query stays as it is written: a request for it has the same bytes.
fn target(reference: &str, host: &str, path: &str) -> Option<Target> {
    let reference = reference.split('#').next().unwrap_or_default();
    let (place, query) = reference.split_once('?').map_or((reference, None), |(place, query)| (place, Some(query)));
    if reference.is_empty() {
        // The URL of the call itself.
        return None;
    }
    let host = if host.is_empty() { NO_HOST } else { host };
    let found = Url::parse(&format!("http://{host}{path}")).ok()?.join(place).ok()?;
    // Which of the two schemes it has is no matter: a proxy in front that ends TLS may not say that it does.
    let own = Url::parse(&format!("{}://{host}", found.scheme())).ok()?;
    let is_own = matches!(found.scheme(), "http" | "https") && found.origin() == own.origin();
    let is_plain = path::check(found.path()).is_ok();
    (is_own && is_plain).then(|| (found.path().to_owned(), query.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_and_those_to_other_origins_name_nothing() {
        for (reference, expected) in [
            // RFC 3986 §5.2.2, against http://gateway:1/a/b/c.
            ("/x/y", Some("/x/y")),
            ("/x?q=1#f", Some("/x?q=1")),
            ("/x?", Some("/x?")),
            ("d", Some("/a/b/d")),
            ("./d", Some("/a/b/d")),
            ("d/", Some("/a/b/d/")),
            (".", Some("/a/b/")),
            ("..", Some("/a/")),
            ("../d", Some("/a/d")),
            ("../../d", Some("/d")),
            ("../../../../d", Some("/d")),
            ("d/../e", Some("/a/b/e")),
            ("/x/./y/../z", Some("/x/z")),
            ("/x/%2e%2e/z", Some("/z")),
            ("d?q=../e", Some("/a/b/d?q=../e")),
            ("d#../e", Some("/a/b/d")),
            ("?q=1", Some("/a/b/c?q=1")),
            ("?q='1'|2", Some("/a/b/c?q='1'|2")),
            ("?q=http://other/x", Some("/a/b/c?q=http://other/x")),
            ("d:e", None),
            ("./d:e", Some("/a/b/d:e")),
            ("", None),
            ("#f", None),
            // The gateway's own origin, as its client called it.
            ("http://gateway:1/x", Some("/x")),
            ("https://GATEWAY:1/x?q", Some("/x?q")),
            ("http://gateway:1", Some("/")),
            ("http://gateway:1?q", Some("/?q")),
            ("http://gateway:1/x/../y", Some("/y")),
            ("//gateway:1/x", Some("/x")),
            ("//gateway:1", Some("/")),
            // Others, the upstream's among them.
            ("http://gateway/x", None),
            ("http://gateway:2/x", None),
            ("http://gateway:1.other/x", None),
            ("http://gateway:1@other/x", None),
            ("http://upstream:8080/x", None),
            ("//upstream:8080/x", None),
            ("//other", None),
            ("ftp://gateway:1/x", None),
            ("urn:gateway:1", None),
            ("mailto:a@gateway", None),
            // No request has such a path.
            ("/x//y", None),
            ("/x%2Fy", None),
        ] {
            let found = target(reference, "gateway:1", "/a/b/c");
            let found = found.map(|(path, query)| query.map_or(path.clone(), |query| format!("{path}?{query}")));
            assert_eq!(found.as_deref(), expected, "{reference:?}");
        }
    }

    #[test]
    fn a_port_that_is_not_stated_is_that_of_the_scheme() {
        for (host, reference, is_own) in [
            ("gateway", "http://gateway:80/x", true),
            ("gateway", "https://gateway/x", true),
            ("gateway", "https://gateway:443/x", true),
            ("gateway:443", "https://gateway/x", true),
            ("gateway:80", "http://gateway/x", true),
            ("gateway", "http://gateway:443/x", false),
            ("gateway:8080", "http://gateway/x", false),
            ("[::1]:8080", "http://[0:0::1]:8080/x", true),
            ("[::1]:8080", "http://[::2]:8080/x", false),
        ] {
            assert_eq!(target(reference, host, "/a").is_some(), is_own, "{host} {reference}");
        }
        assert_eq!(target("http://gateway/x", "", "/a"), None);
        assert_eq!(target("x", "", "/a"), Some(("/x".into(), None)));
    }
}
