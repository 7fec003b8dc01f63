//! Why a gateway could not be asked, in words for whoever asks.

use std::{
    error::Error,
    io::{self, ErrorKind},
};

use rustls::CertificateError;

/// What an error of a connection, or one of its causes, means.
pub(super) fn words(error: &(dyn Error + 'static)) -> String {
    if let Some(why) = certificate(error) {
        return why.into();
    }
    if speaks_no_tls(error) {
        return "what answers there does not speak TLS, which https:// asks for; http:// asks without".into();
    }
    let causes = || causes(error);
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

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn Error + 'static)| below(*error))
}

/// The cause of an error. What an error of the operating system's kind wraps is not among its causes.
fn below<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// Why the certificate of who answers is not taken, if that is the error.
pub(super) fn certificate(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let found = causes(error).find_map(|error| error.downcast_ref::<rustls::Error>())?;
    let rustls::Error::InvalidCertificate(why) = found else { return None };
    Some(match why {
        CertificateError::UnknownIssuer => {
            "its certificate is from no authority that is known here: name the authority with --ca FILE"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, by the clock of this machine"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name than the one in the URL"
        }
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is that of an authority (CA:TRUE), which vouches for certificates and serves with none: make one \
             for the gateway, such as with openssl req -x509 and -addext basicConstraints=critical,CA:FALSE"
        }
        _ => "its certificate is not valid",
    })
}

/// Whether what came is no message of TLS: the port is one for HTTP alone.
fn speaks_no_tls(error: &(dyn Error + 'static)) -> bool {
    let found = causes(error).find_map(|error| error.downcast_ref::<rustls::Error>());
    matches!(found, Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)))
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
    fn a_port_without_tls_is_told_as_such() {
        let error = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let said = words(&Outer(io::Error::other(error)));
        assert!(said.contains("does not speak TLS"), "{said}");
    }

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
