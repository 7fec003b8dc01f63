//! The host of a request: `Host` (RFC 9110 §7.2) and the authority of a target in absolute form (RFC 9112 §3.2.2).

use std::{borrow::Cow, net::Ipv6Addr};

/// A host and its port, where one is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'a> {
    name: &'a str,
    port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Reads `uri-host [ ":" port ]` (RFC 3986 §3.2). `None` for anything else, and for no host at all.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let (name, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            (address, port)
        } else {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            is_name(name).then_some((name, port))?
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        Some(Self { name, port })
    }

    /// Whether both are the same where no port means `default_port`.
    #[must_use]
    pub fn is(&self, other: &Self, default_port: u16) -> bool {
        let port = |host: &Self| host.port.unwrap_or(default_port);
        self.name.eq_ignore_ascii_case(other.name) && port(self) == port(other)
    }
}

/// A host and port without the zone of an IPv6 address. It means something only to the machine that wrote it, so clients and
/// proxies must not send it on (RFC 6874 §4); many clients do for addresses of their own link.
#[must_use]
pub fn without_zone(text: &str) -> Cow<'_, str> {
    let parts = || {
        let (address, rest) = text.strip_prefix('[')?.split_once('%')?;
        let (zone, port) = rest.split_once(']')?;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~%".contains(&b);
        (!zone.is_empty() && zone.bytes().all(is_plain)).then_some((address, port))
    };
    parts().map_or(Cow::Borrowed(text), |(address, port)| Cow::Owned(format!("[{address}]{port}")))
}

/// The port that a scheme has where none is stated; `None` of a scheme that is not served here.
#[must_use]
pub fn default_port(scheme: &str) -> Option<u16> {
    [("http", 80), ("https", 443)]
        .into_iter()
        .find_map(|(name, port)| scheme.eq_ignore_ascii_case(name).then_some(port))
}

/// A name or an IPv4 address (RFC 3986 §3.2.2, `reg-name`) that is not empty. Without commas and semicolons, which no name has:
/// in `X-Forwarded-Host` and `Forwarded` they would be two.
fn is_name(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+=".contains(&b);
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        let is_hex = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_hexdigit());
        let is_encoded = byte == b'%' && is_hex(bytes.next()) && is_hex(bytes.next());
        if !is_encoded && !is_plain(byte) {
            return false;
        }
    }
    !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for host in [
            "a",
            "gate.example",
            "gate.example:8080",
            "gate.example:",
            "192.0.2.1:80",
            "[::1]",
            "[2001:DB8::1]:443",
            "my_host",
            "a%20b",
        ] {
            assert!(Host::read(host).is_some(), "{host}");
        }
        for host in [
            "",
            ":80",
            "gate.example:8a",
            "gate.example:a",
            "gate.example:-1",
            "gate.example:+80",
            "gate.example:80 ",
            "gate.example:65536",
            "a:b:c",
            "a:80:80",
            "a b",
            "gate.example,evil.example",
            "gate.example;host=evil.example",
            "a/b",
            "a@b",
            "a\\b",
            "a#b",
            "a?b",
            "a<b",
            "a%2",
            "a%zz",
            "::1",
            "[::1",
            "[::1]80",
            "[gate.example]",
            "[]",
            "[::1]:8a",
            "ä",
        ] {
            assert_eq!(Host::read(host), None, "{host}");
        }
    }

    #[test]
    fn a_zone_is_taken_off_an_address_and_nothing_off_anything_else() {
        for (text, left) in [
            ("[fe80::1%eth0]", "[fe80::1]"),
            ("[fe80::1%25eth0]:8080", "[fe80::1]:8080"),
            ("[fe80::1%2]:80", "[fe80::1]:80"),
            ("[fe80::1%]:80", "[fe80::1%]:80"),
            ("[fe80::1%a/b]", "[fe80::1%a/b]"),
            ("[fe80::1%a b]", "[fe80::1%a b]"),
            ("[fe80::1%eth0", "[fe80::1%eth0"),
            ("[::1]", "[::1]"),
            ("a%20b", "a%20b"),
            ("gate.example:80", "gate.example:80"),
            ("", ""),
        ] {
            assert_eq!(without_zone(text), left, "{text}");
        }
        assert_eq!(Host::read("[fe80::1%eth0]"), None);
    }

    #[test]
    fn no_port_is_the_default_port() {
        let is = |one, other| Host::read(one).unwrap().is(&Host::read(other).unwrap(), 80);
        for other in ["gate.example", "GATE.example:80", "gate.example:"] {
            assert!(is("gate.example", other), "{other}");
        }
        for other in ["gate.example:443", "other.example", "gate.example.:80"] {
            assert!(!is("gate.example", other), "{other}");
        }
    }
}
