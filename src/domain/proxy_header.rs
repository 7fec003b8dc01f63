//! The header that a proxy puts before all else on a connection: the PROXY protocol, versions 1 and 2
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>). It says who the client is.
//!
//! [`read`] is given what has come so far and says how much more is certain to belong to the header, so that its reader
//! takes no byte of what follows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const V1: &[u8] = b"PROXY ";
/// The longest header of version 1, with its line end.
const MAX_V1_BYTES: usize = 107;
/// What stands before the addresses in version 2.
const V2_FIXED_BYTES: usize = 16;
/// The most addresses and additions (TLVs) of version 2 that are taken. What proxies add, certificates included, is well
/// below.
const MAX_V2_BYTES: usize = 16 * 1024;

/// What this side says of itself where it speaks to a listener that expects a header: a check, and no client.
pub const LOCAL: [u8; V2_FIXED_BYTES] = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// What is known of a header after some of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// At least this number of further bytes belongs to it.
    Needs(usize),
    Done(Source),
}

/// Who the header says is the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The proxy itself: a check of its own, or a client that it says nothing of. The peer of the connection counts.
    Peer,
    Client(SocketAddr),
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("no PROXY protocol header")]
    Missing,
    #[error("a PROXY protocol header of a version or command that is unknown")]
    Unknown,
    #[error("a PROXY protocol header that is too long")]
    TooLong,
    #[error("a PROXY protocol header that is not well-formed")]
    Malformed,
}

/// Reads the header at the beginning of a connection. `bytes` are those that were asked for so far, and no more.
pub fn read(bytes: &[u8]) -> Result<Progress, Broken> {
    let begins = |whole: &[u8]| bytes.iter().zip(whole).all(|(came, expected)| came == expected);
    if begins(&SIGNATURE) && (!bytes.is_empty() || !begins(V1)) {
        return read_v2(bytes);
    }
    match begins(V1) {
        // The shortest header of either version has more.
        true if bytes.is_empty() => Ok(Progress::Needs(V1.len())),
        true => read_v1(bytes),
        false => Err(Broken::Missing),
    }
}

fn read_v1(bytes: &[u8]) -> Result<Progress, Broken> {
    if bytes.len() > MAX_V1_BYTES {
        return Err(Broken::TooLong);
    }
    let Some(text) = bytes.strip_suffix(b"\r\n") else {
        if bytes.len() >= MAX_V1_BYTES || bytes.contains(&b'\n') {
            return Err(if bytes.contains(&b'\n') { Broken::Malformed } else { Broken::TooLong });
        }
        return Ok(Progress::Needs(if bytes.ends_with(b"\r") { 1 } else { 2 }));
    };
    // What may stand behind it is to be ignored, whatever it is.
    if text.split(|byte| *byte == b' ').nth(1) == Some(b"UNKNOWN") {
        return Ok(Progress::Done(Source::Peer));
    }
    let text = std::str::from_utf8(text).map_err(|_| Broken::Malformed)?;
    let mut words = text.split(' ').skip(1);
    match words.next() {
        Some("TCP4" | "TCP6") => {}
        _ => return Err(Broken::Unknown),
    }
    let is_v4 = text.starts_with("PROXY TCP4 ");
    let words: Vec<&str> = words.collect();
    let [source, destination, source_port, destination_port] = words.as_slice() else { return Err(Broken::Malformed) };
    let address = |text: &str| -> Result<IpAddr, Broken> {
        let address: Result<IpAddr, _> = text.parse();
        address.ok().filter(|address| address.is_ipv4() == is_v4).ok_or(Broken::Malformed)
    };
    let port = |text: &str| -> Result<u16, Broken> {
        let is_plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
        text.parse().ok().filter(|_| is_plain).ok_or(Broken::Malformed)
    };
    let (source, _) = (address(source)?, address(destination)?);
    let (source_port, _) = (port(source_port)?, port(destination_port)?);
    Ok(Progress::Done(Source::Client(SocketAddr::new(source.to_canonical(), source_port))))
}

fn read_v2(bytes: &[u8]) -> Result<Progress, Broken> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<V2_FIXED_BYTES>() else {
        if let Some(version) = bytes.get(SIGNATURE.len()) {
            check_command(*version)?;
        }
        return Ok(Progress::Needs(V2_FIXED_BYTES.saturating_sub(bytes.len())));
    };
    let [.., command, family, high, low] = *fixed;
    check_command(command)?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_V2_BYTES {
        return Err(Broken::TooLong);
    }
    if rest.len() < length {
        return Ok(Progress::Needs(length.saturating_sub(rest.len())));
    }
    if matches!(command & 0x0f, 0) {
        return Ok(Progress::Done(Source::Peer));
    }
    source_v2(family, rest).map(Progress::Done)
}

/// Version 2; a check of the proxy's own (0), or a client's connection (1).
const fn check_command(byte: u8) -> Result<(), Broken> {
    if matches!(byte, 0x20 | 0x21) { Ok(()) } else { Err(Broken::Unknown) }
}

/// Only what comes over a stream of IPv4 or IPv6 has an address that a client can have; sockets of this machine and what
/// is unspecified have none.
fn source_v2(family: u8, rest: &[u8]) -> Result<Source, Broken> {
    let port = |at: usize| {
        let bytes: Option<[u8; 2]> = rest.get(at..at.saturating_add(2)).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u16::from_be_bytes).ok_or(Broken::Malformed)
    };
    match family {
        0x11 => {
            let (address, _) = rest.split_first_chunk::<4>().ok_or(Broken::Malformed)?;
            // Two addresses, then two ports.
            let ports = (port(8)?, port(10)?);
            Ok(Source::Client(SocketAddr::new(Ipv4Addr::from(*address).into(), ports.0)))
        }
        0x21 => {
            let (address, _) = rest.split_first_chunk::<16>().ok_or(Broken::Malformed)?;
            let ports = (port(32)?, port(34)?);
            Ok(Source::Client(SocketAddr::new(IpAddr::from(Ipv6Addr::from(*address)).to_canonical(), ports.0)))
        }
        // UNSPEC, and sockets of this machine.
        0x00 => Ok(Source::Peer),
        0x31 if rest.len() >= 216 => Ok(Source::Peer),
        0x31 => Err(Broken::Malformed),
        _ => Err(Broken::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads as a connection does: exactly what is asked for, and how many bytes that were.
    fn taken(mut bytes: &[u8]) -> Result<(Option<Source>, usize), Broken> {
        let (mut came, mut total) = (vec![], 0);
        loop {
            let needs = match read(&came)? {
                Progress::Done(source) => return Ok((Some(source), total)),
                Progress::Needs(needs) => needs,
            };
            assert!(needs > 0);
            if needs > bytes.len() {
                return Ok((None, total));
            }
            let (more, rest) = bytes.split_at(needs);
            came.extend_from_slice(more);
            (bytes, total) = (rest, total + needs);
        }
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, body].concat()
    }

    fn v4_body() -> Vec<u8> {
        [&[192, 0, 2, 1][..], &[10, 0, 0, 1], &4711_u16.to_be_bytes(), &443_u16.to_be_bytes()].concat()
    }

    fn v6_body() -> Vec<u8> {
        let address: Ipv6Addr = "2001:db8::1".parse().unwrap();
        [&address.octets()[..], &[0; 16], &4711_u16.to_be_bytes(), &443_u16.to_be_bytes()].concat()
    }

    fn client(text: &str) -> Source {
        Source::Client(text.parse().unwrap())
    }

    fn good() -> Vec<(Vec<u8>, Source)> {
        let tlv = [0x04, 0, 3, 1, 2, 3];
        let unknown = format!("PROXY UNKNOWN {}\r\n", "f".repeat(91));
        vec![
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n".to_vec(), client("192.0.2.1:4711")),
            (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_vec(), client("255.255.255.255:65535")),
            (b"PROXY TCP6 2001:db8::1 ::1 0 443\r\n".to_vec(), client("[2001:db8::1]:0")),
            (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n".to_vec(), client("192.0.2.1:1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Source::Peer),
            (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n".to_vec(), Source::Peer),
            (b"PROXY UNKNOWN \xff\xfe\0 x\r\n".to_vec(), Source::Peer),
            (unknown.into_bytes(), Source::Peer),
            (v2(0x21, 0x11, &v4_body()), client("192.0.2.1:4711")),
            (v2(0x21, 0x11, &[v4_body(), tlv.to_vec()].concat()), client("192.0.2.1:4711")),
            (v2(0x21, 0x21, &v6_body()), client("[2001:db8::1]:4711")),
            (v2(0x21, 0x21, &[v6_body(), vec![0x04; MAX_V2_BYTES - 36]].concat()), client("[2001:db8::1]:4711")),
            (v2(0x20, 0x00, &[]), Source::Peer),
            (LOCAL.to_vec(), Source::Peer),
            (v2(0x20, 0x11, &v4_body()), Source::Peer),
            (v2(0x20, 0xff, &[7; 300]), Source::Peer),
            (v2(0x21, 0x00, &[]), Source::Peer),
            (v2(0x21, 0x00, &tlv), Source::Peer),
            (v2(0x21, 0x31, &[b'/'; 216]), Source::Peer),
        ]
    }

    #[test]
    fn a_header_says_who_the_client_is_and_takes_no_byte_of_what_follows() {
        for (header, source) in good() {
            for rest in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"\r\n", b"\0\0"] {
                let bytes = [&header, rest].concat();
                assert_eq!(taken(&bytes), Ok((Some(source), header.len())), "{header:?}");
            }
        }
    }

    #[test]
    fn a_header_that_is_cut_at_any_byte_is_waited_for() {
        for (header, _) in good() {
            for cut in 0..header.len() {
                let (source, total) =
                    taken(&header[..cut]).unwrap_or_else(|error| panic!("{header:?} at {cut}: {error}"));
                assert!(source.is_none() && total <= cut, "{header:?} at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_told_apart() {
        let long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(92));
        for (bytes, broken) in [
            (&b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..], Broken::Missing),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", Broken::Missing),
            (b"proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n", Broken::Missing),
            (b"PROXY\tTCP4 1.1.1.1 1.1.1.1 1 1\r\n", Broken::Missing),
            (b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\0", Broken::Missing),
            (long.as_bytes(), Broken::TooLong),
            (b"PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n", Broken::Unknown),
            (b"PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n", Broken::Unknown),
            (b"PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n", Broken::Unknown),
            (b"PROXY \r\n", Broken::Unknown),
            (b"PROXY TCP4\r\n", Broken::Malformed),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n\n", Broken::Malformed),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n", Broken::Malformed),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n", Broken::Malformed),
            (b"PROXY TCP4 1.1.1.1  1.1.1.1 1 1\r\n", Broken::Malformed),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n", Broken::Malformed),
            (b"PROXY TCP4 ::1 ::1 1 1\r\n", Broken::Malformed),
            (b"PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n", Broken::Malformed),
            (b"PROXY TCP4 1.1.1.256 1.1.1.1 1 1\r\n", Broken::Malformed),
            (b"PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n", Broken::Malformed),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n", Broken::Malformed),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n", Broken::Malformed),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n", Broken::Malformed),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 -1 1\r\n", Broken::Malformed),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 \r\n", Broken::Malformed),
            (b"PROXY TCP4 1.1.1.\xff 1.1.1.1 1 1\r\n", Broken::Malformed),
            (&v2(0x11, 0x11, &v4_body()), Broken::Unknown),
            (&v2(0x31, 0x11, &v4_body()), Broken::Unknown),
            (&v2(0x22, 0x11, &v4_body()), Broken::Unknown),
            (&v2(0x21, 0x12, &v4_body()), Broken::Unknown),
            (&v2(0x21, 0x41, &v4_body()), Broken::Unknown),
            (&v2(0x21, 0x11, &v4_body()[..11]), Broken::Malformed),
            (&v2(0x21, 0x21, &v6_body()[..35]), Broken::Malformed),
            (&v2(0x21, 0x31, &[0; 215]), Broken::Malformed),
            (&v2(0x21, 0x11, &[]), Broken::Malformed),
            (&v2(0x21, 0x11, &vec![0; MAX_V2_BYTES + 1]), Broken::TooLong),
            (&v2(0x20, 0x00, &vec![0; 65_535]), Broken::TooLong),
        ] {
            assert_eq!(taken(bytes), Err(broken), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_take_more_than_its_bound(bytes in proptest::collection::vec(any::<u8>(), 0..300), version in 0..3) {
            let begin = [&b""[..], V1, &SIGNATURE][usize::try_from(version).unwrap()];
            let bytes = [begin, &bytes].concat();
            if let Ok((_, total)) = taken(&bytes) {
                prop_assert!(total <= bytes.len());
            }
        }
    }
}
