//! The headers that every answer carries: of a handler, of an upstream, of a refusal.

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap,
    HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, VARY,
};

use super::rate_limit;
use crate::domain::{ids::RequestId, limit::Standing};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Says that the content is what its type says. It is for the gateway's own answers: an upstream's may rely on being guessed.
pub const NO_SNIFFING: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));

/// The headers that a page of an allowed origin may read.
const EXPOSED: [&str; 12] = [
    "x-request-id",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "x-tollgate-cost-usd",
    "x-tollgate-hold-usd",
    "cache-status",
    // Of what administrators change, where it is, and where a list goes on.
    "etag",
    "location",
    "link",
    // What a refusal asks for (RFC 9110 §10.2.1, §11.6.1).
    "allow",
    "www-authenticate",
];

/// What an answer says to a browser (Fetch standard, "CORS protocol").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cors<'a> {
    /// No origin is configured: what an upstream says of CORS passes.
    Off,
    /// The request has no origin, or one that is not allowed.
    NotAllowed,
    /// The request's origin, which is allowed.
    Allowed(&'a str),
}

/// What an answer says to a browser, besides its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Browser<'a> {
    pub cors: Cors<'a>,
    /// That this host is to be called over TLS alone (RFC 6797). It stands instead of what an upstream says of its own.
    pub hsts: Option<&'a HeaderValue>,
}

/// Adds the id of the request, how its limits stand where policies were asked, and what a browser may do with the answer.
pub fn add(headers: &mut HeaderMap, id: RequestId, standings: &[Standing], browser: Browser<'_>) {
    if let Ok(id) = HeaderValue::try_from(id.text()) {
        headers.insert(X_REQUEST_ID, id);
    }
    rate_limit::add_headers(headers, standings);
    if let Some(hsts) = browser.hsts {
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    add_cors(headers, browser.cors);
}

/// Where origins are configured, they alone decide who may read: what an upstream allows is taken out, and so are
/// credentials of the browser's own, which the gateway never reads. What an upstream exposes and varies by is kept.
fn add_cors(headers: &mut HeaderMap, cors: Cors<'_>) {
    if cors == Cors::Off {
        return;
    }
    headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
    headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
    join(headers, &VARY, &["Origin"]);
    let Cors::Allowed(origin) = cors else {
        headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
        return;
    };
    if let Ok(origin) = HeaderValue::from_str(origin) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    join(headers, &ACCESS_CONTROL_EXPOSE_HEADERS, &EXPOSED);
}

/// Joins `names` with the list that is there (RFC 9110 §5.3), each name once, whatever its case. A list of `*` has all.
fn join(headers: &mut HeaderMap, field: &HeaderName, names: &[&str]) {
    let lines: Vec<String> =
        headers.get_all(field).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
    let there = lines.iter().flat_map(|line| line.split(',')).map(str::trim).filter(|name| !name.is_empty());
    let mut list: Vec<&str> = vec![];
    for name in there.chain(names.iter().copied()) {
        if !list.iter().any(|listed| listed.eq_ignore_ascii_case(name)) {
            list.push(name);
        }
    }
    let all = *field == VARY && list.contains(&"*");
    let value = if all { Ok(HeaderValue::from_static("*")) } else { HeaderValue::from_str(&list.join(", ")) };
    if let Ok(value) = value {
        headers.insert(field.clone(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://app.example";
    const OURS: &str = "x-request-id, retry-after, ratelimit, ratelimit-policy, x-tollgate-cost-usd, x-tollgate-hold-usd, \
                        cache-status, etag, location, link, allow, www-authenticate";

    fn added(upstream: &[(&'static str, &'static str)], cors: Cors<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in upstream {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        add(&mut headers, RequestId(uuid::Uuid::nil()), &[], Browser { cors, hsts: None });
        headers
    }

    fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
        headers.get_all(name).map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn lists_are_joined_with_those_of_the_upstream() {
        for (name, upstream, cors, expected) in [
            ("vary", vec![], Cors::Allowed(ORIGIN), vec!["Origin".to_owned()]),
            ("vary", vec![], Cors::NotAllowed, vec!["Origin".into()]),
            ("vary", vec!["Accept-Encoding"], Cors::Off, vec!["Accept-Encoding".into()]),
            ("vary", vec!["Accept-Encoding"], Cors::Allowed(ORIGIN), vec!["Accept-Encoding, Origin".into()]),
            (
                "vary",
                vec!["Accept-Encoding", "Accept"],
                Cors::NotAllowed,
                vec!["Accept-Encoding, Accept, Origin".into()],
            ),
            ("vary", vec!["origin , Accept"], Cors::Allowed(ORIGIN), vec!["origin, Accept".into()]),
            ("vary", vec!["*"], Cors::Allowed(ORIGIN), vec!["*".into()]),
            ("access-control-expose-headers", vec!["X-Total"], Cors::Off, vec!["X-Total".into()]),
            ("access-control-expose-headers", vec!["X-Total"], Cors::NotAllowed, vec![]),
            ("access-control-expose-headers", vec!["X-Total"], Cors::Allowed(ORIGIN), vec![format!("X-Total, {OURS}")]),
            ("access-control-expose-headers", vec![], Cors::Allowed(ORIGIN), vec![OURS.into()]),
        ] {
            let lines: Vec<_> = upstream.iter().map(|value| (name, *value)).collect();
            assert_eq!(values(&added(&lines, cors), name), expected, "{name} {upstream:?} {cors:?}");
        }
    }

    #[test]
    fn the_configured_origins_alone_decide_who_may_read() {
        let (allow, credentials) = ("access-control-allow-origin", "access-control-allow-credentials");
        for (upstream, cors, expected) in [
            ("*", Cors::Off, Some("*")),
            ("*", Cors::NotAllowed, None),
            ("https://evil.example", Cors::NotAllowed, None),
            ("*", Cors::Allowed(ORIGIN), Some(ORIGIN)),
        ] {
            let headers = added(&[(allow, upstream), (credentials, "true")], cors);
            assert_eq!(values(&headers, allow), expected.into_iter().collect::<Vec<_>>(), "{upstream} {cors:?}");
            assert_eq!(headers.contains_key(credentials), cors == Cors::Off, "{upstream} {cors:?}");
        }
    }
}
