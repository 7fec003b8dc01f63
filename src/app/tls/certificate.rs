//! What a certificate says (RFC 5280). Whether it is to be trusted is not asked here.

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_cert::{
    Certificate, Version,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// The longest subject that is kept, in characters.
const MAX_SUBJECT: usize = 512;

/// What a server's certificate says of itself.
pub(super) struct Facts {
    /// The names of hosts, in lower case; one may begin with `*.`.
    pub names: Vec<String>,
    pub subject: String,
    pub begins: Timestamp,
    pub expires: Timestamp,
    /// Whether it is of X.509 version 3, without which it says nothing of what it is for.
    pub is_version_3: bool,
}

impl Facts {
    /// `None` where it cannot be read.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let body = &certificate.tbs_certificate;
        let alternatives = body.get::<SubjectAltName>().ok()?.map(|(_, names)| names.0).unwrap_or_default();
        let names = alternatives.iter().filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
            _ => None,
        });
        let time = |time: x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
            Timestamp::from_second(seconds).ok()
        };
        Some(Self {
            names: names.collect(),
            subject: bounded(&body.subject),
            begins: time(body.validity.not_before)?,
            expires: time(body.validity.not_after)?,
            is_version_3: body.version == Version::V3,
        })
    }
}

/// The certificates of a PEM text; at least one.
pub(super) fn read_all(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let all = all.map_err(|_| "is not well-formed PEM")?;
    if all.is_empty() { Err("has no certificate in PEM (-----BEGIN CERTIFICATE-----)") } else { Ok(all) }
}

/// The subject of a client's certificate, as RFC 4514 writes it.
pub(in crate::app) fn subject_of(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    Some(bounded(&certificate.tbs_certificate.subject))
}

fn bounded(subject: &x509_cert::name::Name) -> String {
    subject.to_string().chars().filter(|c| !c.is_control()).take(MAX_SUBJECT).collect()
}
