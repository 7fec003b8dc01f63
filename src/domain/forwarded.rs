//! What trusted proxies say of the client before them: the chain of addresses in `X-Forwarded-For` and `Forwarded`
//! (RFC 7239), in the forms in which balancers write them.
//!
//! Both are lists to which each proxy appends at the right. So they are read from the right: what a client made up stands
//! left of what a trusted proxy wrote, and cannot change how that is read. That is also why commas and semicolons divide
//! even within quotation marks: no address has one, and a mark that a client left open would swallow what follows it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The client that a chain of proxies leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    pub address: IpAddr,
    /// The index, from the left, of the element of the list that names it; `None` where it is the peer itself.
    pub element: Option<usize>,
}

/// Whether an address is in one of the blocks.
#[must_use]
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|block| block.contains(&address))
}

/// The rightmost address of the chain that is not a trusted proxy. Where a proxy names no address (`unknown`, `_name`),
/// what stands left of that could be made up, and the client is the proxy that said so.
#[must_use]
pub fn client<'a>(
    peer: IpAddr,
    chain: impl DoubleEndedIterator<Item = &'a str> + ExactSizeIterator,
    trusted: &[IpNet],
) -> Client {
    let mut known = Client { address: peer, element: None };
    for (element, node) in chain.enumerate().rev() {
        // RFC 9110 §5.6.1: an empty element is none.
        if node.trim().is_empty() {
            continue;
        }
        let Some(address) = address(node) else { break };
        known = Client { address, element: Some(element) };
        if !is_trusted(address, trusted) {
            break;
        }
    }
    known
}

/// The address that a node of a chain names, in its canonical form: with or without port, quotation marks, brackets and
/// zone, IPv4 also as mapped into IPv6.
#[must_use]
pub fn address(node: &str) -> Option<IpAddr> {
    let node = unquoted(node);
    if let Ok(address) = node.parse::<Ipv6Addr>() {
        return Some(IpAddr::V6(address).to_canonical());
    }
    let (host, port) = match node.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None if node.matches(':').count() == 1 => node.split_at_checked(node.find(':')?)?,
        None => (node, ""),
    };
    let is_port = port.strip_prefix(':').is_none_or(|port| !port.is_empty()) && is_port(port);
    let host = host.split_once('%').map_or(host, |(address, _zone)| address);
    let v4 = || host.parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    let v6 = || host.parse::<Ipv6Addr>().ok().map(|address| IpAddr::V6(address).to_canonical());
    v4().or_else(v6).filter(|_| is_port)
}

/// Nothing, or a colon and the digits or the obfuscated name of a port (RFC 7239 §6.3).
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    let name = port.strip_prefix('_').unwrap_or(port);
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// One element of `Forwarded`: what one proxy says of the hop before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hop<'a> {
    /// The node; empty where the proxy does not say.
    pub node: &'a str,
    pub host: Option<&'a str>,
    pub proto: Option<&'a str>,
}

/// The elements of `Forwarded`, from the left.
#[must_use]
pub fn hops(list: &str) -> Vec<Hop<'_>> {
    list.split(',').map(hop).collect()
}

fn hop(element: &str) -> Hop<'_> {
    let mut hop = Hop::default();
    for (name, value) in element.split(';').filter_map(|pair| pair.split_once('=')) {
        let (name, value) = (name.trim(), unquoted(value));
        if name.eq_ignore_ascii_case("for") {
            hop.node = value;
        } else if name.eq_ignore_ascii_case("host") {
            hop.host = Some(value);
        } else if name.eq_ignore_ascii_case("proto") {
            hop.proto = Some(value);
        }
    }
    // Not an empty element, which would be none: the proxy knows of a hop and does not name it.
    if hop.node.is_empty() && !element.trim().is_empty() {
        hop.node = "unknown";
    }
    hop
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches('"').trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_in_which_balancers_write_an_address_is_read() {
        for (node, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            (" 192.0.2.1 ", Some("192.0.2.1")),
            ("192.0.2.1:47011", Some("192.0.2.1")),
            ("\"192.0.2.1:47011\"", Some("192.0.2.1")),
            ("192.0.2.1:_port", Some("192.0.2.1")),
            ("[192.0.2.1]", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("2001:DB8::A", Some("2001:db8::a")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("\"[2001:db8::1]:443\"", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("[::FFFF:192.0.2.1]:80", Some("192.0.2.1")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("[fe80::1%25eth0]:80", Some("fe80::1")),
            ("unknown", None),
            ("_hidden", None),
            ("\"_hidden:_port\"", None),
            ("", None),
            ("192.0.2", None),
            ("192.0.2.1.5", None),
            ("0300.0.2.1", None),
            ("192.0.2.1:80:90", None),
            ("192.0.2.1:", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]x", None),
            ("localhost", None),
        ] {
            assert_eq!(address(node), expected.map(|text| text.parse().unwrap()), "{node}");
        }
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_not_trusted() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8:ff::/48".parse().unwrap()];
        for (chain, expected, element) in [
            ("", "10.0.0.1", None),
            ("192.0.2.1", "192.0.2.1", Some(0)),
            ("6.6.6.6, 192.0.2.1", "192.0.2.1", Some(1)),
            ("192.0.2.1, 10.0.0.9", "192.0.2.1", Some(0)),
            ("192.0.2.1,10.0.0.9:80,[2001:db8:ff::2]:443", "192.0.2.1", Some(0)),
            ("192.0.2.1, , ,", "192.0.2.1", Some(0)),
            ("10.0.0.7, 10.0.0.9", "10.0.0.7", Some(0)),
            ("192.0.2.1, unknown", "10.0.0.1", None),
            ("192.0.2.1, unknown, 10.0.0.9", "10.0.0.9", Some(2)),
            ("\u{fffd}\u{fffd}, 192.0.2.1", "192.0.2.1", Some(1)),
            ("::ffff:192.0.2.1, ::ffff:10.0.0.9", "192.0.2.1", Some(0)),
        ] {
            let nodes: Vec<&str> = chain.split(',').collect();
            let found = client("10.0.0.1".parse().unwrap(), nodes.into_iter(), &trusted);
            assert_eq!(found, Client { address: expected.parse().unwrap(), element }, "{chain}");
        }
    }

    #[test]
    fn the_elements_of_forwarded_are_read_one_by_one() {
        let hop = |node, host, proto| Hop { node, host, proto };
        for (list, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", vec![hop("192.0.2.60", None, Some("http"))]),
            ("For=\"[2001:db8:cafe::17]:4711\"", vec![hop("[2001:db8:cafe::17]:4711", None, None)]),
            (
                "for=192.0.2.43, FOR=198.51.100.17",
                vec![hop("192.0.2.43", None, None), hop("198.51.100.17", None, None)],
            ),
            ("host=\"a.example:8443\" ; PROTO = HTTPS", vec![hop("unknown", Some("a.example:8443"), Some("HTTPS"))]),
            ("for=\"6.6.6.6, for=192.0.2.1", vec![hop("6.6.6.6", None, None), hop("192.0.2.1", None, None)]),
            ("nonsense", vec![hop("unknown", None, None)]),
        ] {
            assert_eq!(hops(list), expected, "{list}");
        }
    }
}
