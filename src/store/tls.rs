//! Opens connections to PostgreSQL, encrypted by rustls where the address asks for it.
//!
//! The server's certificate is always verified, against the roots of the machine; `SSL_CERT_FILE` names others.

use std::{sync::Arc, time::Duration};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use tokio_postgres::{
    Config, NoTls, Socket,
    config::SslMode,
    tls::{MakeTlsConnect, TlsConnect},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{StoreError, error::with_causes};

/// How long a connection may be silent at most before the network is asked whether the server is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// How connections to one server are opened.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    /// Fills in what the address leaves open. `Invalid` if encryption is asked for and this machine trusts no one.
    pub(super) fn new(mut config: Config, timeout: Duration) -> Result<Self, StoreError> {
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(timeout);
        }
        if config.get_application_name().is_none() {
            config.application_name("tollgate");
        }
        config.keepalives_idle(config.get_keepalives_idle().min(KEEPALIVE_IDLE));
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(MakeRustlsConnect::new(client_config()?)),
        };
        Ok(Self { config, tls })
    }

    pub(super) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        match &self.tls {
            None => open(&self.config, NoTls).await,
            Some(tls) => open(&self.config, tls.clone()).await,
        }
    }
}

async fn open<T>(config: &Config, tls: T) -> ConnectionResult<AsyncPgConnection>
where
    T: MakeTlsConnect<Socket, Stream: Send, TlsConnect: Send> + Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    T::Stream: 'static,
{
    let (client, connection) = config.connect(tls).await.map_err(|error| {
        // Its own text leaves out the cause: refused, unknown host, wrong password.
        ConnectionError::BadConnection(with_causes(&error))
    })?;
    AsyncPgConnection::try_from_client_and_connection(client, connection).await
}

fn client_config() -> Result<ClientConfig, StoreError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(StoreError::Invalid("no root certificates on this machine to verify PostgreSQL's against".into()));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let versions = builder.with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| StoreError::Other(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
