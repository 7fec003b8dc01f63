//! The files that the environment names for TLS to a collector.

use std::fs;

use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::bad_variable::BadVariable;

/// The names of one variable: of traces alone, and of all that is exported.
pub(super) type Names = [&'static str; 2];

const AUTHORITIES: Names = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
const CLIENT_CERTIFICATE: Names =
    ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"];
const CLIENT_KEY: Names = ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"];

/// Whom a collector's certificate is held against, and what is shown to it. Both are PEM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Certificates {
    /// Of the authorities that are trusted; those of the machine where there are none.
    authorities: Option<Vec<u8>>,
    /// A certificate with those that lead to it, and its key.
    identity: Option<[Vec<u8>; 2]>,
}

impl Certificates {
    /// Reads the files that the variables name.
    ///
    /// # Errors
    /// A file that cannot be read or holds nothing of use, with its variable; a certificate without its key.
    pub fn read(get: &impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        let authorities = file(get, AUTHORITIES)?
            .map(|(name, pem)| roots(&pem).map(|_| pem).map_err(|reason| BadVariable { name, reason }));
        let identity = match (file(get, CLIENT_CERTIFICATE)?, file(get, CLIENT_KEY)?) {
            (None, None) => None,
            (Some((name, _)), None) => return Err(lonely(name, CLIENT_KEY)),
            (None, Some((name, _))) => return Err(lonely(name, CLIENT_CERTIFICATE)),
            (Some((certificate_name, certificate)), Some((key_name, key))) => {
                chain(&certificate).map_err(|reason| BadVariable { name: certificate_name, reason })?;
                private_key(&key).map_err(|reason| BadVariable { name: key_name, reason })?;
                Some([certificate, key])
            }
        };
        Ok(Self { authorities: authorities.transpose()?, identity })
    }

    /// For a client of HTTP.
    pub fn roots(&self) -> Option<RootCertStore> {
        self.authorities.as_deref().and_then(|pem| roots(pem).ok())
    }

    /// For a client of HTTP.
    pub fn identity(&self) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let [certificate, key] = self.identity.as_ref()?;
        chain(certificate).ok().zip(private_key(key).ok())
    }

    /// For a client of gRPC.
    pub fn grpc(&self) -> ClientTlsConfig {
        let config = match &self.authorities {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_enabled_roots(),
        };
        match &self.identity {
            Some([certificate, key]) => config.identity(Identity::from_pem(certificate, key)),
            None => config,
        }
    }
}

/// The text of the file that a variable names, and which of its names did.
fn file(get: &impl Fn(&str) -> Option<String>, names: Names) -> Result<Option<(&'static str, Vec<u8>)>, BadVariable> {
    let Some((name, path)) = names.into_iter().find_map(|name| Some((name, get(name)?))) else { return Ok(None) };
    let unread = |error| BadVariable { name, reason: format!("{path} cannot be read: {error}") };
    fs::read(&path).map(|text| Some((name, text))).map_err(unread)
}

fn lonely(name: &'static str, [_, other]: Names) -> BadVariable {
    BadVariable { name, reason: format!("is of no use without {other}") }
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(chain) if chain.is_empty() => Err("the file has no certificate in PEM".into()),
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("the file is no PEM: {error}")),
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(pem)? {
        roots.add(certificate).map_err(|error| format!("the file has a certificate of no use: {error}"))?;
    }
    Ok(roots)
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| format!("the file has no private key in PEM: {error}"))
}
