//! Why the gateway, or a command without a gateway, did not start.

use std::{convert::Infallible, io, net::SocketAddr};

use crate::{
    actors::{audit_writer::BuildError, handle::NoAnswer, notary::KeyError, token_issuer::RingError},
    config::ConfigError,
    credentials::passwords::HashingError,
    crypto::CryptoError,
    data_dir::DataDirError,
    domain::{password::WeakPassword, price::file::BadFile},
    http::{docs::DocsError, openapi::NoDocument},
    store::StoreError,
    telemetry::NoTracing,
};

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error("store: {0}")]
    Store(#[from] StoreError),
    #[error("prices: {0}")]
    Prices(#[from] BadFile),
    #[error("prices: {0}")]
    NoAnswer(#[from] NoAnswer),
    #[error(transparent)]
    Keys(#[from] RingError),
    #[error("{0}")]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    AuditKey(#[from] KeyError),
    #[error("passwords: {0}")]
    Passwords(#[from] HashingError),
    #[error("TOLLGATE_ADMIN_PASSWORD: {0}")]
    AdminPassword(#[from] WeakPassword),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error(transparent)]
    Tracing(#[from] NoTracing),
    #[error(transparent)]
    Document(#[from] NoDocument),
    #[error(transparent)]
    Docs(#[from] DocsError),
    #[error("{what} at {place}; nothing was made. Start the gateway once, or name the store with store.url")]
    NoStore { place: String, what: &'static str },
    #[error("the store is not up to date; run `tollgate migrate` first. It lacks: {0}")]
    Outdated(String),
    #[error("a gateway runs on this store; stop it first: {0}")]
    Running(String),
    #[error(
        "{key}: {address} cannot be listened at: {error}. Another program may listen there; {key} can be another one, in the file of --config or as {variable}"
    )]
    Bind { key: &'static str, variable: &'static str, address: SocketAddr, error: io::Error },
    #[error(transparent)]
    Audit(#[from] BuildError),
    #[error("a thread could not be started")]
    Thread,
}

impl From<Infallible> for StartError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl StartError {
    /// True where the configuration is at fault rather than the world.
    pub const fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::AdminPassword(_)
                | Self::Prices(_)
                | Self::NoStore { .. }
                | Self::Tracing(_)
                | Self::DataDir(
                    DataDirError::NoSharedKey
                        | DataDirError::Key { .. }
                        | DataDirError::KeyIsElsewhere(_)
                        | DataDirError::KeyIsOfAnother(_)
                )
                | Self::Store(StoreError::Invalid(_))
        )
    }
}
