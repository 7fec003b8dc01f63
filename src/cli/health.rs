//! `tollgate health`: asks the gateway that this configuration starts whether it is ready, as a container's health check does.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use rustls::StreamOwned;

use super::{Failure, load, print};
use crate::{app::tls_to_own_gateway, data_dir, domain::proxy_header::LOCAL};

/// The longest wait for each of the connection, the request and the answer: less than a health check's usual timeout.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most of an answer that is read, in bytes; its first line is all that counts.
const MAX_ANSWER_BYTES: u64 = 4_096;

pub(super) fn run(file: Option<&Path>) -> Result<(), Failure> {
    let config = load(file)?;
    let port = match config.server.port {
        // The system has chosen one.
        0 => data_dir::running(&config.data_dir).and_then(|running| running.address.parse::<SocketAddr>().ok()),
        port => Some(SocketAddr::new(config.server.host, port)),
    };
    let port = port.map_or(config.server.port, |address| address.port());
    let address = SocketAddr::new(reachable(config.server.host), port);
    let is_tls = !config.server.tls_pairs().is_empty();
    let first: &[u8] = if config.server.proxy_protocol { &LOCAL } else { &[] };
    let answer = ask(address, first, is_tls).map_err(|error| Failure::Failed(format!("{address}: {error}")))?;
    match answer.split_whitespace().nth(1) {
        Some("200") => {
            print("ready\n");
            Ok(())
        }
        _ => Err(Failure::Failed(format!("{address}: {}", answer.lines().next().unwrap_or("no answer")))),
    }
}

/// Where a gateway that listens at `host` is reached from its own machine.
pub(super) fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    }
}

/// `first` is what the listener expects before all else.
fn ask(address: SocketAddr, first: &[u8], is_tls: bool) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(first)?;
    if is_tls {
        let tls = tls_to_own_gateway().map_err(io::Error::other)?;
        return ask_over(StreamOwned::new(tls, stream), address);
    }
    ask_over(stream, address)
}

fn ask_over(mut stream: impl Read + Write, address: SocketAddr) -> io::Result<String> {
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    stream.flush()?;
    let mut answer = vec![];
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_listens_everywhere_is_asked_on_this_machine() {
        for (host, asked) in [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.7", "10.0.0.7"), ("::1", "::1")] {
            assert_eq!(reachable(host.parse().unwrap()), asked.parse::<IpAddr>().unwrap());
        }
    }
}
