//! The header rules of an intermediary (RFC 9110 §7.6), both ways.
//!
//! Called by the client for every call. Strips first and adds afterwards, so that nothing a client or an upstream names
//! in `Connection` can take away a header that the gateway sets. It never touches a header it has no rule for: cookies,
//! `traceparent`, `Accept-Encoding` and their like pass.

use std::fmt;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{ALT_SVC, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, VIA},
};

use super::{Original, OutgoingBody};

/// The header that authenticates the gateway to an upstream.
#[derive(Clone)]
pub struct Secret {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

impl Secret {
    /// The value as text, to be cut from what is put on record; `None` where it is none.
    pub fn text(&self) -> Option<&str> {
        self.value.to_str().ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).finish_non_exhaustive()
    }
}

/// About one connection only (RFC 9110 §7.6.1), besides those that `Connection` names.
const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// For the gateway; an upstream gets its own secret instead.
const CREDENTIALS: [&str; 2] = ["authorization", "x-api-key"];

/// Set by the gateway, or claims about the client that only the gateway may make. `expect` is here because the gateway
/// has answered it already (RFC 9110 §10.1.1).
const GATEWAY: [&str; 6] = ["content-length", "expect", "forwarded", "host", "x-real-ip", "x-request-id"];

/// Would make an upstream act on another path or method than the one that was authorised.
const OVERRIDES: [&str; 5] =
    ["x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Names that only the gateway gives, to upstreams and to clients.
const OWN_PREFIX: &str = "x-tollgate-";

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Received over HTTP/1.1 by a gateway of this name (RFC 9110 §7.6.3).
const VIA_TOLLGATE: HeaderValue = HeaderValue::from_static("1.1 tollgate");

/// What the gateway adds to a request.
pub struct Additions<'a> {
    pub host: HeaderValue,
    /// `None` where nobody's call is carried on.
    pub original: Option<&'a Original>,
    pub request_id: &'a str,
    pub secret: Option<&'a Secret>,
}

/// Turns a client's headers into those the upstream gets.
pub fn make_fit_for_upstream(headers: &mut HeaderMap, additions: Additions<'_>) {
    keep_forwarded(headers, additions.secret);
    headers.insert(HOST, additions.host);
    if let Ok(id) = HeaderValue::from_str(additions.request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
    if let Some(original) = additions.original {
        headers.append(VIA, VIA_TOLLGATE);
        add_forwarded(headers, original);
    }
    if let Some(secret) = additions.secret {
        headers.insert(secret.name.clone(), secret.value.clone());
    }
}

/// Leaves of a client's headers those that an upstream with this secret gets.
pub fn keep_forwarded(headers: &mut HeaderMap, secret: Option<&Secret>) {
    strip_hop_by_hop(headers);
    remove_where(headers, |name| is_kept_from_upstream(name, secret));
}

/// States how the body is delimited (RFC 9112 §6), by what will really be sent and not by what the client claimed.
pub(super) fn frame_request(headers: &mut HeaderMap, method: &Method, body: &OutgoingBody) {
    match body.length() {
        None => headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
        // RFC 9110 §8.6: no length of nothing for a method that does not expect content.
        Some(0) if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) => None,
        Some(length) => headers.insert(CONTENT_LENGTH, HeaderValue::from(length)),
    };
}

/// Turns an upstream's headers into those the client gets. The caller adds its own `X-Request-Id`.
pub fn make_fit_for_client(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    headers.remove(X_REQUEST_ID);
    // It names other ports of the upstream's origin; towards a client the origin is the gateway (RFC 7838 §2).
    headers.remove(ALT_SVC);
    remove_where(headers, |name| name.replace('_', "-").starts_with(OWN_PREFIX));
    headers.append(VIA, VIA_TOLLGATE);
}

/// Whether a header is the gateway's own business, so that nothing configured may set it.
pub(super) fn is_set_by_the_gateway(name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
        || GATEWAY.contains(&name)
        || name.starts_with("x-forwarded-")
        || name.starts_with(OWN_PREFIX)
}

fn is_kept_from_upstream(name: &str, secret: Option<&Secret>) -> bool {
    // CGI-like upstreams read `X_Forwarded_For` and `X-Forwarded-For` as the same header (RFC 3875 §4.1.18), so a name
    // with an underscore could pose as any other.
    name.contains('_')
        || is_set_by_the_gateway(name)
        || CREDENTIALS.contains(&name)
        || OVERRIDES.contains(&name)
        || secret.is_some_and(|secret| secret.name == *name)
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let options =
        headers.get_all(CONNECTION).into_iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok()).collect()
}

fn remove_where(headers: &mut HeaderMap, is_unwanted: impl Fn(&str) -> bool) {
    let unwanted: Vec<HeaderName> = headers.keys().filter(|name| is_unwanted(name.as_str())).cloned().collect();
    for name in unwanted {
        headers.remove(name);
    }
}

fn add_forwarded(headers: &mut HeaderMap, original: &Original) {
    let address = original.client_address.to_canonical().to_string();
    let chain = original.forwarded_for.as_ref().map(|chain| format!("{chain}, {address}"));
    let forwarded_for = chain.and_then(|chain| HeaderValue::try_from(chain).ok());
    if let Some(value) = forwarded_for.or_else(|| HeaderValue::try_from(address).ok()) {
        headers.insert(X_FORWARDED_FOR, value);
    }
    if let Some(host) = &original.host {
        headers.insert(X_FORWARDED_HOST, host.clone());
    }
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(original.scheme));
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use bytes::Bytes;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn original() -> Original {
        Original {
            host: Some(HeaderValue::from_static("gateway.example")),
            client_address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
            scheme: "https",
            forwarded_for: None,
        }
    }

    fn forwarded_with(lines: &[(&'static str, &str)], original: &Original, secret: Option<&Secret>) -> HeaderMap {
        let mut headers = headers(lines);
        let host = HeaderValue::from_static("upstream.example");
        make_fit_for_upstream(&mut headers, Additions { host, original: Some(original), request_id: "id-1", secret });
        headers
    }

    fn forwarded(lines: &[(&'static str, &str)]) -> HeaderMap {
        forwarded_with(lines, &original(), None)
    }

    #[test]
    fn a_header_that_is_not_for_the_upstream_is_dropped() {
        for name in [
            "connection",
            "keep-alive",
            "proxy-connection",
            "proxy-authenticate",
            "proxy-authorization",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "expect",
            "content-length",
            "authorization",
            "x-api-key",
            "forwarded",
            "x-forwarded-port",
            "x-forwarded-prefix",
            "x-real-ip",
            "x-original-url",
            "x-http-method-override",
        ] {
            assert!(!forwarded(&[(name, "client")]).contains_key(name), "{name}");
        }
    }

    #[test]
    fn an_end_to_end_header_passes_with_all_its_values() {
        for name in
            ["cookie", "traceparent", "tracestate", "accept-encoding", "anthropic-version", "content-type", "range"]
        {
            let values: Vec<_> = forwarded(&[(name, "a"), (name, "b")]).get_all(name).iter().cloned().collect();
            assert_eq!(values, ["a", "b"], "{name}");
        }
    }

    #[test]
    fn a_hop_by_hop_header_named_by_connection_is_dropped() {
        let sent = forwarded(&[("connection", "close, X-Private ,,x-other"), ("x-private", "1"), ("x-other", "2")]);
        assert!(!sent.contains_key("x-private") && !sent.contains_key("x-other"));
    }

    #[test]
    fn connection_cannot_take_away_what_the_gateway_adds() {
        let names = "authorization, host, content-length, via, x-forwarded-for, x-request-id";
        let secret = Secret::new("authorization", "upstream").unwrap();
        let mut sent = forwarded_with(&[("connection", names)], &original(), Some(&secret));
        frame_request(&mut sent, &Method::POST, &OutgoingBody::Whole(Bytes::from_static(b"abc")));
        for (name, value) in [
            ("authorization", "Bearer upstream"),
            ("host", "upstream.example"),
            ("content-length", "3"),
            ("via", "1.1 tollgate"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-request-id", "id-1"),
        ] {
            assert_eq!(sent.get(name).unwrap(), value, "{name}");
        }
    }

    #[test]
    fn a_name_with_underscores_cannot_pose_as_another() {
        for name in ["x_forwarded_for", "x_api_key", "x_free", "content_length", "x-tollgate_user", "_", "a_"] {
            assert!(!forwarded(&[(name, "spoof")]).contains_key(name), "{name}");
        }
    }

    #[test]
    fn the_gateways_own_names_never_come_from_a_client() {
        for name in ["x-tollgate-user", "x-tollgate-role", "x-tollgate-request-id", "x-tollgate-anything"] {
            assert!(!forwarded(&[(name, "spoof")]).contains_key(name), "{name}");
        }
    }

    #[test]
    fn what_the_client_claims_about_itself_is_replaced() {
        let sent = forwarded(&[
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-proto", "http"),
            ("x-request-id", "mine"),
        ]);
        for (name, value) in [
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "gateway.example"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "id-1"),
        ] {
            assert_eq!(sent.get_all(name).iter().collect::<Vec<_>>(), [value], "{name}");
        }
    }

    #[test]
    fn a_trusted_chain_is_continued_and_an_unusable_one_is_not() {
        let with = |chain: &str| Original { forwarded_for: Some(chain.to_owned()), ..original() };
        assert_eq!(forwarded_with(&[], &with("198.51.100.1"), None)["x-forwarded-for"], "198.51.100.1, 192.0.2.7");
        assert_eq!(forwarded_with(&[], &with("a\nb"), None)["x-forwarded-for"], "192.0.2.7");
    }

    #[test]
    fn the_secret_replaces_whatever_the_client_sent_in_its_header() {
        let secret = Secret::new("api-key", "upstream").unwrap();
        let sent = forwarded_with(&[("api-key", "a"), ("api-key", "b"), ("api_key", "c")], &original(), Some(&secret));
        assert_eq!(sent.get_all("api-key").iter().collect::<Vec<_>>(), ["upstream"]);
        assert!(!sent.contains_key("api_key"));
    }

    #[test]
    fn the_framing_follows_the_body_that_is_sent() {
        let framing = |method, body: &OutgoingBody| {
            let mut headers = HeaderMap::new();
            frame_request(&mut headers, &method, body);
            let line = headers.iter().next().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
            line.unwrap_or_default()
        };
        let streamed = |length| OutgoingBody::channel(length).1;
        assert_eq!(framing(Method::GET, &OutgoingBody::Empty), "");
        assert_eq!(framing(Method::POST, &OutgoingBody::Empty), "content-length: 0");
        assert_eq!(framing(Method::DELETE, &OutgoingBody::Whole(Bytes::from_static(b"x"))), "content-length: 1");
        assert_eq!(framing(Method::PUT, &streamed(Some(9))), "content-length: 9");
        assert_eq!(framing(Method::GET, &streamed(None)), "transfer-encoding: chunked");
    }

    #[test]
    fn an_answer_loses_what_is_about_the_hop_and_keeps_the_rest() {
        let mut answer = headers(&[
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("proxy-authenticate", "Basic"),
            ("trailer", "x-sum"),
            ("upgrade", "h2c"),
            ("alt-svc", "h3=\":443\""),
            ("x-request-id", "theirs"),
            ("x-tollgate-cost-usd", "0"),
            ("server", "nginx"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("ratelimit", "\"q\";r=1"),
            ("via", "1.1 cdn"),
        ]);
        make_fit_for_client(&mut answer);
        let mut left: Vec<_> =
            answer.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
        left.sort();
        assert_eq!(
            left,
            [
                "ratelimit=\"q\";r=1",
                "server=nginx",
                "set-cookie=a=1",
                "set-cookie=b=2",
                "via=1.1 cdn",
                "via=1.1 tollgate"
            ]
        );
    }
}
