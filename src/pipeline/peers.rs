//! The network around the gateway: the proxies before it and the browsers that call it.

use std::net::IpAddr;

use actix_web::{
    HttpRequest,
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
        uri::Authority,
    },
};
use ipnet::IpNet;

use super::connection::{Connection, Transport};
use crate::{
    answer::headers::{Browser, Cors},
    domain::{
        forwarded,
        host::{Host, without_zone},
    },
};

/// The scheme and the host of the URL that a client called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// `https` where a trusted proxy says so; where none says anything, over TLS.
    pub scheme: &'static str,
    /// As a trusted proxy says, or `Host` as it came, but for a zone.
    pub host: Option<String>,
}

impl Front {
    /// As `proxied` says, where a trusted proxy stands in front; else what the request itself says.
    pub(super) fn of(request: &HttpRequest, proxied: Option<&Proxied>) -> Self {
        // Of a target in absolute form the authority is the host (RFC 9112 §3.2.2); HTTP/1.0 may name it there alone.
        let target = || request.uri().authority().map(Authority::as_str).filter(|host| Host::read(host).is_some());
        let host = || match request.headers().get(header::HOST) {
            Some(host) => host.to_str().ok().map(|host| without_zone(host).into_owned()),
            None => target().map(str::to_owned),
        };
        let over_tls = || request.conn_data::<Connection>().is_some_and(|own| own.transport().is_tls());
        let is_https = proxied.and_then(|proxied| proxied.is_https).unwrap_or_else(over_tls);
        Self {
            scheme: if is_https { "https" } else { "http" },
            host: proxied.and_then(|proxied| proxied.host.clone()).or_else(host),
        }
    }
}

/// What a trusted proxy says of the client.
pub(super) struct Proxied {
    pub client: IpAddr,
    pub chain: Option<String>,
    /// `None` where it says nothing of the scheme.
    is_https: Option<bool>,
    host: Option<String>,
}

/// The configuration of the network around the gateway.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    /// The proxies whose `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host` and `Forwarded` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The origins whose pages browsers may call from.
    pub allowed_origins: Vec<String>,
    /// `Strict-Transport-Security` of answers over TLS (RFC 6797).
    pub hsts: Option<HeaderValue>,
}

impl Peers {
    /// The scheme and the host of the URL that the client of `request` called.
    pub fn front_of(&self, request: &HttpRequest) -> Front {
        Front::of(request, self.proxied(request).as_ref())
    }

    /// `None` where the peer is no trusted proxy. Who the client is decides what is read: `Forwarded` only where no
    /// `X-Forwarded-For` stands, because a proxy that writes that passes on whatever `Forwarded` its client made up; and the other
    /// way round, what a client adds to `Forwarded` changes nothing.
    pub(super) fn proxied(&self, request: &HttpRequest) -> Option<Proxied> {
        let peer = request.peer_addr()?.ip().to_canonical();
        if !forwarded::is_trusted(peer, &self.trusted_proxies) {
            return None;
        }
        let list = |name| list(request.headers(), name);
        let (chain, proto, host) = (list("x-forwarded-for"), list("x-forwarded-proto"), list("x-forwarded-host"));
        if let (None, Some(forwarded)) = (&chain, list("forwarded")) {
            return Some(self.by_forwarded(peer, &forwarded));
        }
        if chain.is_none() && proto.is_none() && host.is_none() {
            return None;
        }
        let nodes = elements(chain.as_deref());
        let client = forwarded::client(peer, nodes.iter().copied(), &self.trusted_proxies);
        // What stands right of the element that names the client was said by the proxies that are believed.
        let place = client.element.map(|element| (element, nodes.len()));
        let (protos, hosts) = (elements(proto.as_deref()), elements(host.as_deref()));
        let is_https = match beside(place, &protos) {
            Some(proto) => Some(is_https(proto)),
            None => protos.last().map(|_| protos.iter().any(|proto| is_https(proto))),
        };
        let host = beside(place, &hosts).or(hosts.last().copied()).filter(|host| Host::read(host).is_some());
        let chain = (!nodes.is_empty()).then(|| nodes.join(", "));
        Some(Proxied { client: client.address, is_https, host: host.map(str::to_owned), chain })
    }

    /// As `Forwarded` says (RFC 7239). Of the scheme and the host the client's own element decides, or the next one to its
    /// right that states them.
    fn by_forwarded(&self, peer: IpAddr, list: &str) -> Proxied {
        let hops = forwarded::hops(list);
        let nodes: Vec<&str> = hops.iter().map(|hop| hop.node).collect();
        let chain = elements(Some(&nodes.join(","))).join(", ");
        let client = forwarded::client(peer, nodes.into_iter(), &self.trusted_proxies);
        let from = client.element.unwrap_or(hops.len().saturating_sub(1));
        let believed = || hops.iter().skip(from);
        Proxied {
            client: client.address,
            chain: Some(chain).filter(|chain| !chain.is_empty()),
            is_https: believed().find_map(|hop| hop.proto).map(is_https),
            host: believed().find_map(|hop| hop.host).filter(|host| Host::read(host).is_some()).map(str::to_owned),
        }
    }

    /// What the answer to a request of this origin, where it is an allowed one, says to a browser.
    pub fn browser<'a>(&'a self, allowed_origin: Option<&'a str>, transport: &Transport) -> Browser<'a> {
        let cors = match allowed_origin {
            _ if self.allowed_origins.is_empty() => Cors::Off,
            Some(origin) => Cors::Allowed(origin),
            None => Cors::NotAllowed,
        };
        Browser { cors, hsts: self.hsts.as_ref().filter(|_| transport.is_tls()) }
    }

    /// The origin of a browser's page, if its pages may call.
    pub(super) fn allowed_origin<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        origin(headers).filter(|origin| self.allows(origin))
    }

    /// Whether pages of this origin may call.
    pub(super) fn allows(&self, origin: &str) -> bool {
        self.allowed_origins.iter().any(|allowed| allowed == origin)
    }

    /// A preflight is one only where some origin is allowed (Fetch standard, "CORS-preflight request").
    pub(super) fn is_preflight(&self, request: &HttpRequest) -> bool {
        if self.allowed_origins.is_empty() || request.method() != Method::OPTIONS {
            return false;
        }
        let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD);
        let asks = asked.and_then(|value| value.to_str().ok()).is_some_and(|text| text.parse::<Method>().is_ok());
        asks && origin(request.headers()).is_some()
    }
}

fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN)?.to_str().ok()
}

/// Several lines of a header are one list (RFC 9110 §5.3), and a list without elements is none (§5.6.1). A byte that is
/// neither printable ASCII nor a tab, which is white space (§5.6.3), is a question mark, so that one that a client made up
/// hides nothing that a proxy wrote.
fn list(headers: &HeaderMap, name: &str) -> Option<String> {
    let printable = |byte: &u8| if matches!(byte, b'\t' | b' '..=b'~') { char::from(*byte) } else { '?' };
    let lines = headers.get_all(name).map(|value| value.as_bytes().iter().map(printable).collect::<String>());
    let lines: Vec<String> = lines.filter(|line| line.split(',').any(|element| !element.trim().is_empty())).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// The elements of a list that are not empty (RFC 9110 §5.6.1).
fn elements(list: Option<&str>) -> Vec<&str> {
    list.unwrap_or_default().split(',').map(str::trim).filter(|element| !element.is_empty()).collect()
}

/// The element of a list that was written with the one that names the client: where both lists have as many elements, that at
/// the same place. Otherwise not every proxy has added to both. Then the last host is that of the nearest proxy, left of which a
/// client may have made up others; and of the schemes, where a proxy that ends TLS may stand before one that does not, one that is
/// `https` says that the client used it.
fn beside<'l>(place: Option<(usize, usize)>, list: &[&'l str]) -> Option<&'l str> {
    let (element, of) = place?;
    list.get(element).copied().filter(|_| list.len() == of)
}

fn is_https(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
}
