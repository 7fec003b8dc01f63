//! What a client made up, at the left of a chain of proxies, never changes whom the gateway takes for the client; and what is
//! read is one of the addresses that stand there.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use tollgate::domain::{
    forwarded::{Client, address, client, hops, is_trusted},
    host::Host,
};

/// Left of every chain: each of them would be someone else.
const MADE_UP: [&str; 4] = ["6.6.6.6", "unknown", "\"", "for=\"[6::6]"];

/// `data` is the value of `X-Forwarded-For` or of `Forwarded`, lossily read as text.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let trusted: Vec<IpNet> =
        ["10.0.0.0/8", "2001:db8:ff::/48"].iter().filter_map(|block| block.parse().ok()).collect();
    let nodes: Vec<&str> = text.split(',').collect();
    check(peer, &nodes, &trusted);
    let elements = hops(&text);
    assert_eq!(elements.len(), nodes.len(), "an element is lost");
    let named: Vec<&str> = elements.iter().map(|hop| hop.node).collect();
    check(peer, &named, &trusted);
    for hop in &elements {
        let parts = [Some(hop.node).filter(|node| *node != "unknown"), hop.host, hop.proto];
        assert!(parts.into_iter().flatten().all(|part| text.contains(part)), "a part is made up: {hop:?}");
    }
    for node in nodes {
        round_trip(node);
        host(node.trim());
    }
}

fn check(peer: IpAddr, nodes: &[&str], trusted: &[IpNet]) {
    let found = client(peer, nodes.iter().copied(), trusted);
    let Client { address: who, element } = found;
    match element {
        None => assert_eq!(who, peer),
        Some(at) => {
            assert_eq!(nodes.get(at).and_then(|node| address(node)), Some(who), "{nodes:?}");
            let right = nodes.iter().skip(at + 1).filter_map(|node| address(node));
            assert!(
                right.into_iter().all(|address| is_trusted(address, trusted)),
                "an untrusted address is passed over"
            );
        }
    }
    assert_eq!(who, who.to_canonical());
    let is_settled =
        !is_trusted(who, trusted) || nodes.iter().any(|node| !node.trim().is_empty() && address(node).is_none());
    if is_settled {
        for word in MADE_UP {
            let chain: Vec<&str> = [word].into_iter().chain(nodes.iter().copied()).collect();
            assert_eq!(client(peer, chain.into_iter(), trusted).address, who, "{word} left of {nodes:?} counts");
        }
    }
}

/// An address is read alike in every form in which it can be written.
fn round_trip(node: &str) {
    let Some(read) = address(node) else { return };
    let bare = match read {
        IpAddr::V4(_) => read.to_string(),
        IpAddr::V6(_) => format!("[{read}]"),
    };
    for form in [read.to_string(), bare.clone(), format!("{bare}:443"), format!("\"{bare}:443\""), format!(" {bare} ")]
    {
        assert_eq!(address(&form), Some(read), "{form}");
    }
}

/// A host is itself, and is what it was read from.
fn host(text: &str) {
    if let Some(host) = Host::read(text) {
        assert!(host.is(&host, 80) && host.is(&host, 443));
        assert!(
            !text.bytes().any(|byte| matches!(byte, 0..=b' ' | b'/' | b'\\' | b'@' | b'#' | b'?' | 0x7f..)),
            "{text:?}"
        );
    }
}
