//! Why a gateway could not be asked, in words for whoever asks.

use std::{
    error::Error,
    io::{self, ErrorKind},
};

/// What an error of a connection, or one of its causes, means.
pub(super) fn words(error: &(dyn Error + 'static)) -> String {
    let causes = || std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    let kind = causes().find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind);
    match kind {
        Some(ErrorKind::ConnectionRefused) => "nothing listens there".into(),
        Some(ErrorKind::TimedOut | ErrorKind::WouldBlock) => "no answer in time".into(),
        Some(
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof,
        ) => "the connection was closed without an answer".into(),
        Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable) => {
            "the address cannot be reached from this machine".into()
        }
        // With its causes, but without the number of the operating system.
        _ => causes().map(|error| without_number(&error.to_string())).collect::<Vec<_>>().join(": "),
    }
}

fn without_number(text: &str) -> String {
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("client error (Connect)")]
    struct Outer(#[source] io::Error);

    #[test]
    fn an_error_of_a_connection_is_said_in_words() {
        for (number, said) in [
            (rustix::io::Errno::CONNREFUSED, "nothing listens there"),
            (rustix::io::Errno::AGAIN, "no answer in time"),
            (rustix::io::Errno::TIMEDOUT, "no answer in time"),
            (rustix::io::Errno::CONNRESET, "the connection was closed without an answer"),
            (rustix::io::Errno::NETUNREACH, "the address cannot be reached from this machine"),
            (rustix::io::Errno::ACCESS, "Permission denied"),
        ] {
            let error = io::Error::from_raw_os_error(number.raw_os_error());
            assert_eq!(words(&error), said);
            let outer = words(&Outer(io::Error::from_raw_os_error(number.raw_os_error())));
            assert!(outer == said || outer == format!("client error (Connect): {said}"), "{outer}");
        }
    }
}
