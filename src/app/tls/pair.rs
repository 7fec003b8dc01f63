//! One certificate with its chain and its key.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::{
    Error, InconsistentKeys,
    crypto::aws_lc_rs::default_provider,
    pki_types::{PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::certificate::{self, Facts};
use crate::telemetry::Expiry;

/// A pair that can be used now.
pub(super) struct Pair {
    pub names: Vec<String>,
    pub certified: Arc<CertifiedKey>,
    subject: String,
    expires: Timestamp,
}

/// Which of the two files is at fault, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bad {
    Certificate(String),
    Key(String),
}

impl Pair {
    /// Reads a pair that must be good at `now`.
    pub fn read(certificates: &[u8], key: &[u8], now: Timestamp) -> Result<Self, Bad> {
        let chain = certificate::read_all(certificates).map_err(|reason| Bad::Certificate(reason.into()))?;
        let facts = chain.first().and_then(Facts::of);
        let facts = facts.ok_or_else(|| Bad::Certificate("its first certificate cannot be read (RFC 5280)".into()))?;
        if !facts.is_version_3 {
            return Err(Bad::Certificate(
                "is of an old version of X.509; one of version 3 is needed (RFC 5280 §4.1.2.1)".into(),
            ));
        }
        if facts.expires <= now {
            return Err(Bad::Certificate(format!("expired on {}", facts.expires)));
        }
        if facts.begins > now {
            return Err(Bad::Certificate(format!("is not valid before {}", facts.begins)));
        }
        let certified = CertifiedKey::from_der(chain, read_key(key)?, &default_provider());
        let certified = certified.map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                Bad::Key("is not the key of the first certificate in the certificate's file".into())
            }
            _ => Bad::Key("holds a key of a kind that cannot be used".into()),
        })?;
        Ok(Self { names: facts.names, certified: Arc::new(certified), subject: facts.subject, expires: facts.expires })
    }

    /// When it expires, under its first name.
    pub fn expiry(&self) -> Expiry {
        Expiry { name: self.names.first().unwrap_or(&self.subject).clone(), at: self.expires }
    }
}

/// What is wrong with the text of a key is never quoted.
fn read_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, Bad> {
    let is_encrypted = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| text.windows(mark.len()).any(|window| window == *mark));
    if is_encrypted {
        return Err(Bad::Key("is encrypted; a key that is not encrypted is needed".into()));
    }
    PrivateKeyDer::from_pem_slice(text)
        .map_err(|_| Bad::Key("has no private key in PEM (-----BEGIN PRIVATE KEY-----)".into()))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// As `openssl x509 -req -signkey` makes it without extensions.
    const VERSION_1: &str = "-----BEGIN CERTIFICATE-----
MIIBKTCBzwIUV/Is6VRLE0iE14Ftd2dPd2LHKbkwCgYIKoZIzj0EAwIwFjEUMBIG
A1UEAwwLb2xkLmV4YW1wbGUwIBcNMjYxMTI5MTYyODI2WhgPMjEyNjExMDUxNjI4
MjZaMBYxFDASBgNVBAMMC29sZC5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEYoAx6ep8jJDulNcg0GsAQ+zGRYnbXFZ3DF0lXhHAsWcUSaX1JUJLiSKQ
oEIYzE9IGR+uozc2iavEpdYNdhCL1jAKBggqhkjOPQQDAgNJADBGAiEAiZxdaUZw
F2cn9YqH0LObsoVIbdIbDUQHFR8UwllPQNwCIQDp2FNY4iGGSLvDdhDIjFkW3OeL
oSwJJNWvk8hJGDpdPA==
-----END CERTIFICATE-----
";

    fn made(from: i32, to: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["A.example".into(), "*.b.example".into()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn read(certificate: &str, key: &str) -> Result<Pair, Bad> {
        Pair::read(certificate.as_bytes(), key.as_bytes(), "2026-06-01T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_good_pair_has_its_names_and_its_end() {
        let (certificate, key) = made(2020, 2030);
        let pair = read(&certificate, &key).unwrap_or_else(|bad| panic!("{bad:?}"));
        assert_eq!(pair.names, ["a.example", "*.b.example"]);
        assert_eq!(
            (pair.expiry().name.as_str(), pair.expiry().at.to_string().as_str()),
            ("a.example", "2030-01-01T00:00:00Z")
        );
    }

    #[test]
    fn each_fault_names_its_file_and_the_reason() {
        let (good, key) = made(2020, 2030);
        let (other, other_key) = made(2020, 2030);
        let (expired, expired_key) = made(2020, 2026);
        let (early, early_key) = made(2027, 2030);
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let cut = good.get(..good.len() / 2).unwrap();
        for (certificate, key, is_certificate, reason) in [
            (good.as_str(), other_key.as_str(), false, "is not the key of"),
            (&format!("{other}{good}"), &key, false, "is not the key of"),
            (&expired, &expired_key, true, "expired on 2026-01-01"),
            (&early, &early_key, true, "not valid before 2027-01-01"),
            ("", &key, true, "no certificate in PEM"),
            (VERSION_1, &key, true, "one of version 3 is needed"),
            (&key, &key, true, "no certificate in PEM"),
            (cut, &key, true, "not well-formed PEM"),
            (&good, "", false, "no private key in PEM"),
            (&good, &good, false, "no private key in PEM"),
            (&good, encrypted, false, "is encrypted"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key, true, "cannot be read"),
        ] {
            let Err(bad) = read(certificate, key) else { panic!("{reason}: it was taken") };
            let (of_certificate, text) = match bad {
                Bad::Certificate(text) => (true, text),
                Bad::Key(text) => (false, text),
            };
            assert_eq!(of_certificate, is_certificate, "{text}");
            assert!(text.contains(reason), "{text} instead of {reason}");
        }
    }
}
