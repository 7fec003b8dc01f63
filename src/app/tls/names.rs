//! Which certificate a client gets: that of the name it asks for (SNI, RFC 6066 §3), with a key it can verify.

use std::sync::Arc;

use rustls::{
    SignatureScheme,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::pair::Pair;

/// The certificates, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Names(Vec<(Vec<String>, Arc<CertifiedKey>)>);

/// How a name of a certificate fits the one that is asked for; better comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exact,
    Wildcard,
    None,
}

impl Names {
    /// Pairs in the order of the configuration.
    pub fn new(pairs: Vec<Pair>) -> Self {
        Self(pairs.into_iter().map(|pair| (pair.names, pair.certified)).collect())
    }

    /// The first of those whose names fit best, among those whose key can sign in one of `schemes`. Where there is none, the
    /// first of all, with which the handshake fails in the usual way.
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let usable = self.0.iter().filter(|(_, certified)| certified.key.choose_scheme(schemes).is_some());
        let best = usable.min_by_key(|(names, _)| {
            let fits = names.iter().map(|own| name.map_or(Fit::None, |asked| fit(own, asked)));
            fits.min().unwrap_or(Fit::None)
        });
        best.or(self.0.first()).map(|(_, certified)| Arc::clone(certified))
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}

/// A star is one label (RFC 6125 §6.4.3).
fn fit(own: &str, asked: &str) -> Fit {
    let asked = asked.strip_suffix('.').unwrap_or(asked).to_ascii_lowercase();
    if own == asked {
        return Fit::Exact;
    }
    let domain = |name: &str| name.split_once('.').map(|(_, domain)| domain.to_owned());
    let is_covered = own.starts_with("*.") && domain(own) == domain(&asked) && !asked.starts_with('.');
    if is_covered { Fit::Wildcard } else { Fit::None }
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};

    use super::*;

    fn pair(names: &[&str], algorithm: &'static rcgen::SignatureAlgorithm) -> Pair {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap().pem();
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        Pair::read(certificate.as_bytes(), key.serialize_pem().as_bytes(), now).unwrap_or_else(|bad| panic!("{bad:?}"))
    }

    #[test]
    fn the_certificate_is_that_of_the_name_and_of_a_key_that_the_client_can_verify() {
        let p256 = &PKCS_ECDSA_P256_SHA256;
        let names = Names::new(vec![
            pair(&["first.example"], p256),
            pair(&["*.wild.example", "wild.example"], p256),
            pair(&["exact.wild.example"], p256),
            pair(&["first.example"], &PKCS_ED25519),
        ]);
        let (ecdsa, ed25519) = (SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519);
        for (asked, schemes, expected) in [
            (Some("first.example"), vec![ecdsa], Some(0)),
            (Some("FIRST.example."), vec![ecdsa, ed25519], Some(0)),
            (Some("first.example"), vec![ed25519], Some(3)),
            (Some("a.wild.example"), vec![ecdsa], Some(1)),
            (Some("wild.example"), vec![ecdsa], Some(1)),
            (Some("exact.wild.example"), vec![ecdsa], Some(2)),
            (Some("a.b.wild.example"), vec![ecdsa], Some(0)),
            (Some(".wild.example"), vec![ecdsa], Some(0)),
            (Some("unknown.example"), vec![ecdsa], Some(0)),
            (None, vec![ecdsa], Some(0)),
            (None, vec![ed25519], Some(3)),
            (Some("exact.wild.example"), vec![SignatureScheme::RSA_PKCS1_SHA256], Some(0)),
        ] {
            let chosen = names.choose(asked, &schemes);
            let place = chosen.map(|key| names.0.iter().position(|(_, own)| Arc::ptr_eq(own, &key)).unwrap());
            assert_eq!(place, expected, "{asked:?} {schemes:?}");
        }
    }
}
