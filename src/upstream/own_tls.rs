//! TLS to an upstream that is not called like all others: with authorities, a certificate or a name of its own.

use std::{fmt, sync::Arc};

use hyper_rustls::ConfigBuilderExt;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::ServerName,
    sign::{CertifiedKey, SingleCertAndKey},
};

/// How handshakes with one upstream are made.
#[derive(Clone)]
pub struct OwnTls {
    pub(super) config: Arc<ClientConfig>,
    /// What its certificate is held against; `None`: the host of its URL.
    pub(super) name: Option<ServerName<'static>>,
    /// Of all this: with another one, connections are new.
    pub(super) digest: [u8; 32],
}

/// Why none can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTls {
    #[error("is no name that a certificate can have")]
    Name,
    #[error("this machine has no trust anchors; name those of the upstream here")]
    Anchors,
}

impl OwnTls {
    /// Holds the upstream's certificate against `roots`, or those of the machine, and `name`, and shows `identity` where it asks
    /// for one. `digest` is that of all these.
    pub fn new(
        roots: Option<RootCertStore>,
        identity: Option<Arc<CertifiedKey>>,
        name: Option<&str>,
        digest: [u8; 32],
    ) -> Result<Self, NoTls> {
        let builder = ClientConfig::builder();
        let builder = match roots {
            Some(roots) => builder.with_root_certificates(roots),
            None => builder.with_native_roots().map_err(|_| NoTls::Anchors)?,
        };
        let config = match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))),
            None => builder.with_no_client_auth(),
        };
        let name = name.map(|name| ServerName::try_from(name.to_owned())).transpose().map_err(|_| NoTls::Name)?;
        Ok(Self { config: Arc::new(config), name, digest })
    }
}

impl fmt::Debug for OwnTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnTls").field("name", &self.name).finish_non_exhaustive()
    }
}
