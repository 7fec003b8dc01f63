//! Blocks of addresses, as operators write them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Deserializer, de::Error};

/// The bits before the IPv4 address in an IPv4-mapped one (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// A block of addresses in CIDR notation, or one address, which is a block of one. A block of IPv4-mapped addresses is the
/// block of the IPv4 addresses, because peers are compared as these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block(pub IpNet);

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        read(&text).map(Self).ok_or_else(|| {
            D::Error::custom(format!("{text:?} is no address and no block of addresses, such as \"10.0.0.0/8\""))
        })
    }
}

fn read(text: &str) -> Option<IpNet> {
    let block = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()?;
    Some(unmapped(block).unwrap_or(block))
}

fn unmapped(block: IpNet) -> Option<IpNet> {
    let IpNet::V6(mapped) = block else { return None };
    let (address, bits) = (mapped.addr().to_ipv4_mapped()?, mapped.prefix_len().checked_sub(MAPPED_BITS)?);
    Ipv4Net::new(address, bits).ok().map(IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_read_in_every_form_that_operators_write() {
        for (text, block) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("127.0.0.1", Some("127.0.0.1/32")),
            ("::1", Some("::1/128")),
            ("fd00::/8", Some("fd00::/8")),
            ("::ffff:127.0.0.0/104", Some("127.0.0.0/8")),
            ("::ffff:127.0.0.1", Some("127.0.0.1/32")),
            ("::ffff:0:0/96", Some("0.0.0.0/0")),
            // It holds more than mapped addresses.
            ("::ffff:0:0/95", Some("::ffff:0:0/95")),
            ("::/0", Some("::/0")),
            ("10.0.0.0/33", None),
            ("localhost", None),
            ("", None),
        ] {
            assert_eq!(read(text), block.map(|block| block.parse().unwrap()), "{text}");
        }
    }
}
