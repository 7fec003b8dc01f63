//! Where MOVE and COPY put what they are called at: `Destination` (RFC 4918 §10.3), a second path in a request, by which an upstream
//! acts as by the first. So it has to lead where the call itself may go, and is forwarded as the path of the call is.

use actix_web::http::header::HeaderMap;

use super::{call::Call, destination, urls::Destination, visit::Visit};
use crate::{
    domain::{
        host::{self, Host},
        path,
        refusal::Refusal,
        route::Route,
    },
    upstream::headers::{DESTINATION, has_destination},
};

/// Refuses a call that would put something elsewhere than at its own route. RFC 4918 §9.8.5 has 502 for another server; that is
/// what upstreams that fail are told by here, and a client can do something about this.
pub fn check(visit: &Visit<'_>, headers: &HeaderMap, at: &Destination) -> Result<(), Refusal> {
    let Visit { gate, call, .. } = visit;
    let Destination::Route(route) = at else { return Ok(()) };
    let Some(named) = named(call, headers)? else { return Ok(()) };
    let there = Call { path: path_of(named).to_owned(), ..call.clone() };
    match destination::find(gate.find, &gate.routing.read(), &there) {
        Ok(Destination::Route(other)) if other.path == route.path && other.matching == route.matching => Ok(()),
        _ => Err(refused(format!("must be a path of the route that is called, which is at {}", route.path))),
    }
}

/// What the upstream gets, of a call that [`check`] lets pass: the path and the query there, to which it has its own beginning.
pub fn forwarded(call: &Call, headers: &HeaderMap, route: &Route) -> Result<Option<http::HeaderValue>, Refusal> {
    let Some(named) = named(call, headers)? else { return Ok(None) };
    let (path, query) = named.split_at(path_of(named).len());
    let value = http::HeaderValue::try_from(format!("{}{query}", route.forwarded_path(path)));
    value.map(Some).map_err(|_| refused("cannot be forwarded"))
}

/// Where a call that [`check`] lets pass puts something: a path, perhaps with a query, as the call's own is.
pub fn put_at<'h>(call: &Call, headers: &'h HeaderMap) -> Option<&'h str> {
    named(call, headers).ok().flatten()
}

/// The path and the query that a call names besides its own; nothing where none is named.
fn named<'h>(call: &Call, headers: &'h HeaderMap) -> Result<Option<&'h str>, Refusal> {
    if !has_destination(&call.method) {
        return Ok(None);
    }
    let mut values = headers.get_all(DESTINATION);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refused("stands once (RFC 4918 §10.3)"));
    }
    let text = value.to_str().map_err(|_| refused("must be a URL: percent-encode what is no ASCII (RFC 3986 §2.1)"))?;
    let named = if text.starts_with('/') { Some(text) } else { of_this_host(call, text) };
    let named = named.ok_or_else(|| refused("must be a path, or a URL of the host that is called"))?;
    path::check(path_of(named)).map_err(|error| refused(error.to_string()))?;
    if named.contains('#') { Err(refused("has a fragment, which is never sent")) } else { Ok(Some(named)) }
}

/// The path and the query of an absolute URL, if it is of the host that was called. Which scheme it has is no matter: a proxy in
/// front that ends TLS may not say that it does.
fn of_this_host<'u>(call: &Call, url: &'u str) -> Option<&'u str> {
    let (scheme, rest) = url.split_once("://")?;
    let default_port = host::default_port(scheme)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#'])?);
    let own = Host::read(call.front.host.as_deref()?)?;
    Host::read(authority)?.is(&own, default_port).then_some(path)
}

fn path_of(named: &str) -> &str {
    named.split('?').next().unwrap_or_default()
}

fn refused(why: impl Into<String>) -> Refusal {
    Refusal::invalid(format!("header:{DESTINATION}"), why)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::{clock::Clock, domain::ids::RequestId, pipeline::peers::Peers};

    fn read(method: &str, host: &str, lines: &[&str]) -> Result<Option<String>, ()> {
        let mut request = TestRequest::with_uri("/dav/a").insert_header(("host", host));
        for line in lines {
            request = request.append_header((DESTINATION, *line));
        }
        let request = request.method(method.parse().unwrap()).to_http_request();
        let call = Call::of(&request, RequestId(uuid::Uuid::nil()), &Clock::manual(1), &Peers::default());
        named(&call, request.headers()).map(|named| named.map(str::to_owned)).map_err(|_| ())
    }

    #[test]
    fn a_destination_is_a_path_or_a_url_of_the_host_that_is_called() {
        for (host, line, path) in [
            ("gate.test", "/dav/b", "/dav/b"),
            ("gate.test", "/dav/b?x=1", "/dav/b?x=1"),
            ("gate.test", "http://gate.test/dav/b%20c", "/dav/b%20c"),
            ("gate.test", "https://GATE.test/dav/b", "/dav/b"),
            ("gate.test", "https://gate.test:443/dav/b", "/dav/b"),
            ("gate.test:8080", "http://gate.test:8080/dav/b", "/dav/b"),
            ("[::1]:8080", "http://[::1]:8080/dav/", "/dav/"),
        ] {
            for method in ["MOVE", "COPY"] {
                assert_eq!(read(method, host, &[line]), Ok(Some(path.to_owned())), "{method} {line}");
            }
            assert_eq!(read("PUT", host, &[line]), Ok(None), "{line}");
        }
        for line in [
            "",
            "b",
            "../b",
            "//gate.test/dav/b",
            "//other.test/dav/b",
            "http://other.test/dav/b",
            "http://gate.test:81/dav/b",
            "http://user@gate.test/dav/b",
            "http://gate.test",
            "http://gate.test?x",
            "ftp://gate.test/dav/b",
            "/dav/../admin",
            "/dav/%2e%2e/admin",
            "/dav//b",
            "/dav/b#c",
            "/dav/b?x#c",
            "/dav/b c",
        ] {
            assert_eq!(read("MOVE", "gate.test", &[line]), Err(()), "{line:?}");
        }
        assert_eq!(read("MOVE", "gate.test", &[]), Ok(None));
        assert_eq!(read("MOVE", "gate.test", &["/dav/b", "/dav/b"]), Err(()));
    }
}
