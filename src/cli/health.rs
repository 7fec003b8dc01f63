//! `tollgate health`: asks the gateway that this configuration starts whether it is ready, as a container's health check does.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use rustls::StreamOwned;
use serde_json::Value;

use super::{Failure, load, print, unreachable};
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
    let tried = format!("{}://{address}/readyz", if is_tls { "https" } else { "http" });
    let answer = ask(address, first, is_tls).map_err(|error| {
        let what = unreachable::words(&error);
        Failure::Failed(format!(
            "not ready: {tried}: {what}. Start the gateway with `tollgate serve`; if it runs elsewhere, give its configuration as --config FILE"
        ))
    })?;
    match (answer.starts_with("HTTP/"), answer.split_whitespace().nth(1)) {
        (true, Some("200")) => {
            print("ready\n");
            Ok(())
        }
        (true, Some(status)) => {
            Err(Failure::Failed(format!("not ready: {tried} answers {status}{}", missing(&answer))))
        }
        _ => Err(Failure::Failed(format!("not ready: what answers at {tried} is no gateway"))),
    }
}

/// What the gateway lacks, as the body of its answer says.
fn missing(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let dependencies = body.get("dependencies").and_then(Value::as_object).into_iter().flatten();
    let lacking = dependencies.filter_map(|(name, state)| Some((name, state.as_str().filter(|state| *state != "ok")?)));
    let told: Vec<_> = lacking.map(|(name, state)| format!("{name}: {state}")).collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) }
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
