//! Opens connections to PostgreSQL, encrypted by rustls where the address asks for it.
//!
//! The server's certificate is always verified, against the roots of the machine; `SSL_CERT_FILE` names others. Limits are
//! given with the options that a connection begins with, and nothing is set afterwards, so that a pooler that lends sessions
//! (`PgBouncer` in transaction mode) finds nothing to lose.

use std::{pin::pin, sync::Arc, time::Duration};

use diesel::{ConnectionError, ConnectionResult, connection::CacheSize};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::future::{Either, select};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use tokio_postgres::{
    Client, Config, NoTls, SimpleQueryMessage, Socket,
    config::SslMode,
    error::SqlState,
    tls::{MakeTlsConnect, TlsConnect},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{StoreError, address::by_host, error::with_causes};

/// How long a connection may be silent at most before the network is asked whether the server is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// How the error of a connection begins for which the server has no room.
const NO_ROOM: &str = "the server takes no more connections";

/// How poolers say that they have no room, in place of the server's code: `PgBouncer`, and Supavisor by the mode that it is in.
const FULL: [&str; 3] = ["no more connections allowed", "Max client connections reached", "max clients reached"];

/// How the error of a connection begins whose options are refused by a pooler.
const NO_OPTIONS: &str = "the options of a session are refused";

/// A setting that marks a session as that of its connection, and the query that asks for it. A pooler that lends sessions,
/// such as `PgBouncer`, refuses the options with which a connection begins, or drops them.
const MARK: &str = "tollgate.session";
const OWN: &str = "own";
const WHOSE_SESSION: &str = "SELECT current_setting('tollgate.session', true)";

/// Whose the session of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// The connection's: what is set or prepared stays until its end.
    Own,
    /// A pooler lends one for each transaction: nothing stays, and no statement is kept prepared.
    Lent,
}

/// The limits of a session, in milliseconds: the server ends a statement that takes too long, and a transaction that was
/// left open.
pub(super) fn session_limits(statement_timeout: Duration) -> [(&'static str, u128); 2] {
    let statement_ms = statement_timeout.as_millis().max(1);
    [("statement_timeout", statement_ms), ("idle_in_transaction_session_timeout", statement_ms.saturating_mul(2))]
}

/// How connections are opened, to one server, or to that of several which takes writes.
#[derive(Clone)]
pub(super) struct Connector {
    /// One for each host.
    hosts: Vec<Config>,
    /// How long one of them may take to open a connection.
    patience: Duration,
    /// The options that set the limits of a session.
    limits: Option<String>,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    /// Fills in what the address leaves open. `Invalid` if encryption is asked for and this machine trusts no one.
    pub(super) fn new(mut config: Config, timeout: Duration) -> Result<Self, StoreError> {
        // Hosts are tried one after another: one that is gone must leave time for those behind it.
        let shared_out = u32::try_from(config.get_hosts().len()).ok().and_then(|hosts| timeout.checked_div(hosts));
        let patience = config.get_connect_timeout().copied().or(shared_out).unwrap_or(timeout);
        config.connect_timeout(patience);
        if config.get_application_name().is_none() {
            config.application_name("tollgate");
        }
        config.keepalives_idle(config.get_keepalives_idle().min(KEEPALIVE_IDLE));
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(MakeRustlsConnect::new(client_config()?)),
        };
        Ok(Self { hosts: by_host(&config), patience, limits: None, tls })
    }

    /// The same, with these limits kept by the session of each connection.
    pub(super) fn with_limits(mut self, statement_timeout: Duration) -> Self {
        let limits = session_limits(statement_timeout).map(|(name, value)| format!("-c {name}={value}"));
        let given = self.hosts.first().and_then(Config::get_options).unwrap_or_default();
        let options =
            format!("{given} {} -c {MARK}={OWN} -c default_transaction_isolation=read\\ committed", limits.join(" "));
        self.limits = Some(options.trim_start().to_owned());
        self
    }

    /// Opens a connection to the first host that serves, and says whether it has a session of its own. A server that takes a connection
    /// and says nothing, as one does that hangs, is passed over in time as well.
    pub(super) async fn connect(&self) -> ConnectionResult<(AsyncPgConnection, Session)> {
        let mut refused = None;
        for host in &self.hosts {
            let error = match tokio::time::timeout(self.patience, self.connect_to(host)).await {
                Ok(Ok(opened)) => return Ok(opened),
                Ok(Err(error)) => error,
                Err(_) => ConnectionError::BadConnection(format!("no answer within {} ms", self.patience.as_millis())),
            };
            // That one has no room for now says more than that the next one takes no writes.
            refused = match refused {
                Some(full) if is_no_room(&full) => Some(full),
                _ => Some(error),
            };
        }
        Err(refused.unwrap_or_else(|| ConnectionError::BadConnection("no host is named".into())))
    }

    async fn connect_to(&self, host: &Config) -> ConnectionResult<(AsyncPgConnection, Session)> {
        let Some(limits) = &self.limits else { return self.open(host).await };
        let mut limited = host.clone();
        limited.options(limits.as_str());
        match self.open(&limited).await {
            Err(ConnectionError::BadConnection(text)) if text.starts_with(NO_OPTIONS) => self.open(host).await,
            opened => opened,
        }
    }

    async fn open(&self, config: &Config) -> ConnectionResult<(AsyncPgConnection, Session)> {
        match &self.tls {
            None => open(config, NoTls).await,
            Some(tls) => open(config, tls.clone()).await,
        }
    }
}

async fn open<T>(config: &Config, tls: T) -> ConnectionResult<(AsyncPgConnection, Session)>
where
    T: MakeTlsConnect<Socket, Stream: Send, TlsConnect: Send> + Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    T::Stream: 'static,
{
    let (client, mut connection) = config.connect(tls).await.map_err(bad)?;
    let found = ask(&client, &mut connection, WHOSE_SESSION).await?;
    if found.iter().any(is_own) {
        return Ok((AsyncPgConnection::try_from_client_and_connection(client, connection).await?, Session::Own));
    }
    // What diesel sets up is prepared by name: it meets one server, and leaves nothing there.
    ask(&client, &mut connection, "BEGIN").await?;
    let mut opened = AsyncPgConnection::try_from_client_and_connection(client, connection).await?;
    opened.set_prepared_statement_cache_size(CacheSize::Disabled);
    opened.batch_execute("COMMIT").await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok((opened, Session::Lent))
}

/// Whether a server has no room for a connection.
pub(super) fn is_no_room(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::BadConnection(text) if text.starts_with(NO_ROOM))
}

/// Asks something on a new connection, which nothing else moves yet.
async fn ask(
    client: &Client,
    connection: &mut (impl Future<Output = Result<(), tokio_postgres::Error>> + Unpin),
    sql: &str,
) -> ConnectionResult<Vec<SimpleQueryMessage>> {
    let asked = pin!(client.simple_query(sql));
    match select(asked, connection).await {
        Either::Left((found, _)) => found.map_err(bad),
        Either::Right((closed, _)) => {
            closed.map_err(bad)?;
            Err(ConnectionError::BadConnection("the server closed the connection".into()))
        }
    }
}

fn is_own(message: &SimpleQueryMessage) -> bool {
    match message {
        SimpleQueryMessage::Row(row) => row.get(0) == Some(OWN),
        _ => false,
    }
}

/// The text of an error of PostgreSQL begins with what the pool must know. Its own leaves out the cause: refused, unknown
/// host, wrong password.
fn bad(error: tokio_postgres::Error) -> ConnectionError {
    let text = with_causes(&error);
    let refusal = error.as_db_error();
    let says = |words: &str| refusal.is_some_and(|refusal| refusal.message().contains(words));
    let is_full = error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) || FULL.into_iter().any(says);
    // In the words of `PgBouncer`, and in those of RDS Proxy.
    let has_no_options = says("startup parameter") || says("command-line options");
    let prefix = match () {
        () if is_full => format!("{NO_ROOM}: "),
        () if has_no_options => format!("{NO_OPTIONS}: "),
        () => String::new(),
    };
    ConnectionError::BadConnection(format!("{prefix}{text}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_gone_leaves_time_for_those_behind_it() {
        for (url, timeout_s) in [
            ("postgres://u@localhost/d", 6),
            ("postgres://u@localhost,127.0.0.1/d", 3),
            ("postgres://u@localhost,127.0.0.1,[::1]/d", 2),
            ("postgres://u@localhost,127.0.0.1/d?connect_timeout=5", 5),
        ] {
            let mut config: Config = url.parse().unwrap();
            config.ssl_mode(SslMode::Disable);
            let connector = Connector::new(config, Duration::from_secs(6)).unwrap();
            let timeout = Duration::from_secs(timeout_s);
            assert_eq!(connector.patience, timeout, "{url}");
            assert!(connector.hosts.iter().all(|host| host.get_connect_timeout() == Some(&timeout)), "{url}");
        }
    }
}
