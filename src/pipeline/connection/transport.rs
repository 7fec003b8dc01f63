//! What is known of a connection before its first request.

use std::sync::Arc;

/// How a client's bytes come here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    Plain,
    Tls {
        /// The subject of the certificate that the client showed, as RFC 4514 writes it.
        client_certificate: Option<Arc<str>>,
    },
}

impl Transport {
    /// Whether the gateway itself speaks TLS with the client.
    pub const fn is_tls(&self) -> bool {
        matches!(self, Self::Tls { .. })
    }

    /// The subject of the certificate that the client showed.
    pub fn client_certificate(&self) -> Option<&str> {
        match self {
            Self::Tls { client_certificate } => client_certificate.as_deref(),
            Self::Plain => None,
        }
    }
}
