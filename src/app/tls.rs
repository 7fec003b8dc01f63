//! The TLS of the listener: its certificates and keys, read from their files, and read again.
//!
//! [`Tls::load`] is called at the start, by `check-config`, on `SIGHUP` and by the watch on the files. What is loaded is
//! whole and checked before it takes the place of what is in use, so a handshake always finds one good set.

mod certificate;
mod files;
mod names;
mod own_client;
mod pair;
mod upstream;
mod watch;

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs::{Ticketer, default_provider},
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};

pub use self::own_client::tls_to_own_gateway;
pub(super) use self::{
    certificate::subject_of,
    upstream::{to_named, to_upstream},
    watch::Watch,
};
use self::{
    files::{Files, Sources},
    names::Names,
    pair::Pair,
};
use super::StartError;
use crate::{
    clock::Clock,
    config::{Config, ConfigError, named_file::NamedFile},
    snapshot::Snapshot,
    telemetry::{Expiry, Metrics},
};

/// What a connection may speak inside of TLS (RFC 7301). HTTP/2 is not served.
const PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// Why files of TLS cannot be used: the key that names the file, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    key: String,
    reason: String,
}

impl Fault {
    fn new(file: &NamedFile, reason: impl std::fmt::Display) -> Self {
        Self { key: file.key.clone(), reason: format!("{}: {reason}", file.path.display()) }
    }
}

impl Fault {
    fn of_pair(bad: pair::Bad, (certificate, key): (&NamedFile, &NamedFile)) -> Self {
        match bad {
            pair::Bad::Certificate(reason) => Self::new(certificate, reason),
            pair::Bad::Key(reason) => Self::new(key, reason),
        }
    }
}

/// What was read and found good.
struct Loaded {
    config: Arc<ServerConfig>,
    sources: Sources,
    /// Of the contents of all files.
    digest: [u8; 32],
    expiries: Vec<Expiry>,
}

/// The TLS of a listener, as it was last loaded. Clones share it.
#[derive(Clone)]
pub(super) struct Tls(Snapshot<Loaded>);

/// A set of files that is good and not yet in use.
pub struct Renewal(Loaded);

/// Reads the files of TLS that the configuration names. `None` where it names none.
pub fn tls(config: &Config, clock: &Clock) -> Result<Option<Renewal>, ConfigError> {
    let sources = Sources::of(&config.server);
    if sources.is_empty() {
        return Ok(None);
    }
    let loaded = sources.read().and_then(|files| Loaded::of(sources, &files, clock.now()));
    loaded.map(|loaded| Some(Renewal(loaded))).map_err(|fault| config.blame(fault.key, fault.reason))
}

impl Tls {
    /// `None` where the configuration names no certificate.
    pub fn load(config: &Config, clock: &Clock) -> Result<Option<Self>, StartError> {
        Ok(tls(config, clock)?.map(|Renewal(loaded)| Self(Snapshot::new(loaded))))
    }

    /// What the next handshake is made with.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read().config)
    }

    /// Takes other files from here on. Connections that are open go on with theirs.
    pub fn renew(&self, Renewal(loaded): Renewal, metrics: &Metrics) {
        let is_same = {
            let used = self.0.read();
            used.digest == loaded.digest && used.sources == loaded.sources
        };
        if is_same {
            // What is in use can resume the sessions it began.
            return;
        }
        metrics.set_certificates(&loaded.expiries);
        self.0.publish(loaded);
    }
}

impl Loaded {
    fn of(sources: Sources, files: &Files, now: Timestamp) -> Result<Self, Fault> {
        let mut pairs = vec![];
        for ([certificate, key], [certificates, secret]) in sources.pairs.iter().zip(&files.pairs) {
            let pair = Pair::read(certificates, secret, now);
            pairs.push(pair.map_err(|bad| Fault::of_pair(bad, (certificate, key)))?);
        }
        let verifier =
            client_verifier(sources.client_ca.as_ref(), files.client_ca.as_ref().map(|text| text.as_slice()))?;
        let expiries = pairs.iter().map(Pair::expiry).collect();
        let config = server_config(Names::new(pairs), verifier);
        let config = config.map_err(|error| Fault { key: "server.tls_cert_file".into(), reason: error.to_string() })?;
        Ok(Self { config: Arc::new(config), sources, digest: files.digest(), expiries })
    }
}

fn server_config(names: Names, verifier: Arc<dyn ClientCertVerifier>) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_protocol_versions(&[&TLS13, &TLS12])?.with_client_cert_verifier(verifier);
    let mut config = builder.with_cert_resolver(Arc::new(names));
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    // A session is resumed by a ticket, so that it costs no memory here. Its keys are new with each set of files: who
    // was vouched for by authorities that have changed is asked anew.
    config.ticketer = Ticketer::new()?;
    Ok(config)
}

/// Asks for a certificate of one of these authorities, and goes on without one.
fn client_verifier(file: Option<&NamedFile>, text: Option<&[u8]>) -> Result<Arc<dyn ClientCertVerifier>, Fault> {
    let (Some(file), Some(text)) = (file, text) else { return Ok(Arc::new(NoClientAuth)) };
    let roots = authorities(file, text)?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
    let verifier = builder.allow_unauthenticated().build();
    verifier.map_err(|error| Fault::new(file, error))
}

/// The authorities in a file, for a client of the command line.
///
/// # Errors
/// What is wrong with the file, with its path.
pub fn authorities_in(path: &Path) -> Result<RootCertStore, String> {
    let file = NamedFile { key: String::new(), path: path.to_owned() };
    let text = files::read(&file).map_err(|fault| fault.reason)?;
    authorities(&file, &text).map_err(|fault| fault.reason)
}

/// The authorities in a file that the configuration names.
pub(super) fn authorities_named(config: &Config, file: &NamedFile) -> Result<RootCertStore, ConfigError> {
    let read = files::read(file).and_then(|text| authorities(file, &text));
    read.map_err(|fault| config.blame(fault.key, fault.reason))
}

/// The authorities in the text of a file.
fn authorities(file: &NamedFile, text: &[u8]) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificate::read_all(text).map_err(|reason| Fault::new(file, reason))? {
        roots.add(certificate).map_err(|error| Fault::new(file, format!("has a certificate of no use: {error}")))?;
    }
    Ok(roots)
}
