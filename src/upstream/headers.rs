//! The header rules of an intermediary (RFC 9110 §7.6), both ways.
//!
//! Called by the client for every call. Strips first and adds afterwards, so that nothing a client or an upstream names
//! in `Connection` can take away a header that the gateway sets. It never touches a header it has no rule for: cookies,
//! `traceparent`, `Accept-Encoding` and their like pass.

mod claims;
mod commands;
mod digests;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, net::IpAddr};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{
        AsHeaderName, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, SEC_WEBSOCKET_PROTOCOL, SET_COOKIE, TRANSFER_ENCODING,
        UPGRADE, USER_AGENT, VIA,
    },
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

pub use self::digests::remove_digests;
use super::{Identity, Original, OutgoingBody};
use crate::domain::{session, sign_in};

/// The header that authenticates the gateway to an upstream.
#[derive(Clone, PartialEq, Eq)]
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

/// Where SDKs of other providers put a key, which may be the gateway's: then it is not for the upstream.
const API_KEY_PREFIX: &str = "tg_";
const OTHER_CREDENTIALS: [HeaderName; 2] =
    [HeaderName::from_static("api-key"), HeaderName::from_static("x-goog-api-key")];

/// What a WebSocket's protocol begins with that has a key in it, as SDKs of providers for browsers write it.
pub const PROTOCOL_WITH_KEY: &str = "openai-insecure-api-key.";
/// `{"` in base64: so every JWT begins.
const TOKEN_PREFIX: &[u8] = b"eyJ";

/// What browsers keep for a whole origin, which towards a client is the gateway's and not the upstream's: where else it is served
/// (RFC 7838 §2), and where the failures of all requests to it are reported, with their URLs (Network Error Logging, which
/// CDNs switch on for what stands behind them).
const OF_ORIGIN: [&str; 3] = ["alt-svc", "nel", "report-to"];

/// The first two words of names which only the gateway gives, to upstreams and to clients. CGI-like upstreams read any sign
/// between words alike.
const OWN_WORDS: [&str; 2] = ["x", "tollgate"];

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_TOLLGATE_USER: HeaderName = HeaderName::from_static("x-tollgate-user");
const X_TOLLGATE_TEAM: HeaderName = HeaderName::from_static("x-tollgate-team");
const X_TOLLGATE_ROLE: HeaderName = HeaderName::from_static("x-tollgate-role");
const X_TOLLGATE_KEY: HeaderName = HeaderName::from_static("x-tollgate-key");
const X_TOLLGATE_REQUEST_ID: HeaderName = HeaderName::from_static("x-tollgate-request-id");

/// Where a resource is put (RFC 4918 §10.3).
pub const DESTINATION: &str = "destination";

/// Whether `Destination` means something in a call with this method.
#[must_use]
pub fn has_destination(method: &str) -> bool {
    matches!(method, "MOVE" | "COPY")
}

/// What is percent-encoded in the names of callers.
const UNPRINTABLE: &AsciiSet = &CONTROLS.add(b'%');

/// What gateways call themselves in `Via`.
pub const PSEUDONYM: &str = "tollgate";

/// Received in this version by a gateway of this name (RFC 9110 §7.6.3).
const fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(if matches!(version, Version::HTTP_10) { "1.0 tollgate" } else { "1.1 tollgate" })
}

/// Who calls where the gateway itself does (RFC 9110 §10.1.5): firewalls of web applications, AWS's with its core rules for one,
/// refuse requests that do not say.
pub(super) const fn own_agent() -> HeaderValue {
    HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
}

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
        headers.append(VIA, via(original.version));
        add_forwarded(headers, original);
        if let Some(identity) = &original.identity {
            add_identity(headers, identity, additions.request_id);
        }
    } else {
        headers.insert(USER_AGENT, own_agent());
    }
    if let Some(secret) = additions.secret {
        headers.insert(secret.name.clone(), secret.value.clone());
    }
}

/// Leaves of a client's headers those that an upstream with this secret gets.
pub fn keep_forwarded(headers: &mut HeaderMap, secret: Option<&Secret>) {
    remove_named_by_connection(headers);
    let secret = secret.map(|secret| with_dashes(secret.name.as_str()));
    remove_where(headers, |name| is_kept_from_upstream(name, secret.as_deref()));
    for name in OTHER_CREDENTIALS {
        if headers.get_all(&name).iter().any(|value| value.as_bytes().starts_with(API_KEY_PREFIX.as_bytes())) {
            headers.remove(name);
        }
    }
    remove_cookie_of_console(headers);
    remove_own_keys_of_protocols(headers);
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

/// Turns an upstream's headers, received in this version, into those the client gets. The caller adds its own `X-Request-Id`.
pub fn make_fit_for_client(headers: &mut HeaderMap, status: StatusCode, version: Version) {
    // What the upstream asks the client to come back with (RFC 9110 §15.5.22); elsewhere it is about the hop alone.
    let asked: Vec<HeaderValue> = headers.get_all(UPGRADE).iter().cloned().collect();
    remove_named_by_connection(headers);
    remove_where(headers, is_kept_from_client);
    if status == StatusCode::UPGRADE_REQUIRED {
        for protocol in asked {
            headers.append(UPGRADE, protocol);
        }
    }
    remove_own_cookie(headers);
    headers.append(VIA, via(version));
}

/// Whether a header is the gateway's own business, so that nothing configured may set it.
pub(super) fn is_set_by_the_gateway(name: &str) -> bool {
    is_set_there(&with_dashes(name))
}

/// The same of a name in which every sign between words is a dash.
fn is_set_there(name: &str) -> bool {
    HOP_BY_HOP.contains(&name) || GATEWAY.contains(&name) || name.starts_with("x-forwarded-") || is_own(name)
}

/// Upstreams share the gateway's origin towards browsers: none of them may sign a page of the console in.
fn remove_own_cookie(headers: &mut HeaderMap) {
    let is_own = |line: &HeaderValue| is_of_console(line.as_bytes());
    if headers.get_all(SET_COOKIE).iter().any(is_own) {
        let others: Vec<HeaderValue> =
            headers.get_all(SET_COOKIE).iter().filter(|line| !is_own(line)).cloned().collect();
        headers.remove(SET_COOKIE);
        for line in others {
            headers.append(SET_COOKIE, line);
        }
    }
}

/// Whether a cookie, with what follows its name, is one of the console's: its session, or a sign-in that is under way. Browsers send
/// a cookie without a name as its value alone (RFC 6265bis §5.7), so its value is looked at like a name, and what has no `=` too.
fn is_of_console(cookie: &[u8]) -> bool {
    let pair = cookie.split(|byte| *byte == b';').next().unwrap_or_default();
    let named = pair.trim_ascii().strip_prefix(b"=").unwrap_or(pair);
    let name = named.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
    let is_sign_in = || std::str::from_utf8(name).is_ok_and(sign_in::is_cookie_name);
    name.eq_ignore_ascii_case(session::COOKIE.as_bytes()) || is_sign_in()
}

/// The cookies of the console are for the gateway alone; all other cookies pass as they are.
fn remove_cookie_of_console(headers: &mut HeaderMap) {
    let pairs =
        |line: &HeaderValue| line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let lines: Vec<Vec<Vec<u8>>> = headers.get_all(COOKIE).iter().map(pairs).collect();
    if !lines.iter().flatten().any(|pair| is_of_console(pair)) {
        return;
    }
    headers.remove(COOKIE);
    for line in lines {
        let others: Vec<&[u8]> = line.iter().map(Vec::as_slice).filter(|pair| !is_of_console(pair)).collect();
        let line = others.join(&b';');
        if let Ok(value) = HeaderValue::from_bytes(line.trim_ascii())
            && !value.is_empty()
        {
            headers.append(COOKIE, value);
        }
    }
}

/// Where a browser's WebSocket, which can set no header, has its key (`openai-insecure-api-key.<key>`). If that may be the
/// gateway's own, a key or a token, it goes no further; all other protocols that are offered pass.
fn remove_own_keys_of_protocols(headers: &mut HeaderMap) {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return;
    }
    let split = |line: &HeaderValue| line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::to_vec).collect();
    let lines: Vec<Vec<Vec<u8>>> = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().map(split).collect();
    if !lines.iter().flatten().any(|protocol| is_own_key(protocol)) {
        return;
    }
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    for line in lines {
        let others: Vec<&[u8]> = line.iter().map(Vec::as_slice).filter(|protocol| !is_own_key(protocol)).collect();
        if let Ok(value) = HeaderValue::from_bytes(others.join(&b',').trim_ascii())
            && !value.is_empty()
        {
            headers.append(SEC_WEBSOCKET_PROTOCOL, value);
        }
    }
}

/// Whether one of the words of a protocol begins like an API key of the gateway, or like a token.
fn is_own_key(protocol: &[u8]) -> bool {
    let is_key = |word: &[u8]| word.starts_with(API_KEY_PREFIX.as_bytes());
    let key = protocol.trim_ascii().strip_prefix(PROTOCOL_WITH_KEY.as_bytes());
    key.is_some_and(|key| key.starts_with(TOKEN_PREFIX))
        || protocol.trim_ascii().split(|byte| *byte == b'.').any(is_key)
}

fn is_own(name: &str) -> bool {
    let [first, second] = OWN_WORDS;
    // Most names have another first letter, and are not split.
    let Some(rest) = name.strip_prefix(first) else { return false };
    let mut words = rest.split(|c: char| !c.is_ascii_alphanumeric());
    words.next() == Some("") && words.next() == Some(second)
}

/// A name with dashes for all other signs, as CGI-like upstreams read it: to lighttpd `X.Forwarded.For` and `X-Forwarded-For` are the
/// same variable.
fn with_dashes(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return name.into();
    }
    name.replace(|c: char| !c.is_ascii_alphanumeric(), "-").into()
}

/// Whether a client's header of this name is none of the upstream's, whose secret is in the header `secret`.
fn is_kept_from_upstream(name: &str, secret: Option<&str>) -> bool {
    // CGI-like upstreams read `X_Forwarded_For` and `X-Forwarded-For` as the same header (RFC 3875 §4.1.18), so a name
    // with an underscore could pose as any other.
    if name.contains('_') {
        return true;
    }
    let name = &*with_dashes(name);
    is_set_there(name) || CREDENTIALS.contains(&name) || claims::is_claim(name) || secret == Some(name)
}

/// Whether an upstream's header of this name is none of the client's.
fn is_kept_from_client(name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
        || OF_ORIGIN.contains(&name)
        || name == X_REQUEST_ID
        || is_own(name)
        || commands::is_command(name)
}

fn remove_named_by_connection(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
}

/// The members of a list in any number of lines (RFC 9110 §5.3 and §5.6.1), without blanks around; empty ones too.
pub fn members(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    members(headers, CONNECTION).filter_map(|option| HeaderName::from_bytes(option).ok()).collect()
}

fn remove_where(headers: &mut HeaderMap, is_unwanted: impl Fn(&str) -> bool) {
    let unwanted: Vec<HeaderName> = headers.keys().filter(|name| is_unwanted(name.as_str())).cloned().collect();
    for name in unwanted {
        headers.remove(name);
    }
}

fn add_forwarded(headers: &mut HeaderMap, original: &Original) {
    let address = text_of(original.client_address.to_canonical());
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

/// The usual text of an address. Every call has one, and the library's formatter takes its time for four small numbers.
fn text_of(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return address.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for octet in address.octets() {
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(itoa::Buffer::new().format(octet));
    }
    text
}

/// Names the caller. Other characters than printable ASCII, and `%`, are percent-encoded UTF-8 (RFC 3986 §2.1).
fn add_identity(headers: &mut HeaderMap, identity: &Identity, request_id: &str) {
    let values = [
        (X_TOLLGATE_USER, Some(&*identity.username)),
        (X_TOLLGATE_TEAM, identity.team.as_deref()),
        (X_TOLLGATE_ROLE, Some(identity.role)),
        (X_TOLLGATE_KEY, identity.key.as_deref()),
        (X_TOLLGATE_REQUEST_ID, Some(request_id)),
    ];
    for (name, value) in values {
        let value = value.map(|text| utf8_percent_encode(text, UNPRINTABLE).to_string());
        if let Some(value) = value.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, value);
        }
    }
}
