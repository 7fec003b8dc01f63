//! The keys that an outside issuer publishes (RFC 7517 §5), as far as they can be used here.
//!
//! A key that cannot be is passed over, and the others of its set are not (RFC 7517 §5): of another kind, for another
//! use, private, or made by a library whose RSA keys can be factored (ROCA).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto as jws};
use serde_json::{Map, Value};

use super::OutsideToken;
use crate::{credentials::jwt::compact::Compact, crypto, domain::refusal::TokenFault};

/// How many keys of a set are looked at, and how long the name of one may be, in bytes.
const MAX_KEYS: usize = 100;
const MAX_KID_BYTES: usize = 256;

/// The size of an RSA modulus, in bits (RFC 7518 §3.3), and the longest exponent, in bytes.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;
const MAX_EXPONENT_BYTES: usize = 4;

/// The two names of one algorithm (RFC 8037 §3.1, RFC 9864 §2.2).
const ED_DSA: &str = "EdDSA";
const ED25519: &str = "Ed25519";

/// The primes by which ROCA's moduli are recognised: 65537 does not generate every remainder of any of them.
const ROCA_PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// Members that only a private or a symmetric key has (RFC 7518 §6). Whoever publishes one has published a secret.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The most keys that are tried for one token: a token without `kid` may be of any of them.
const MAX_TRIED: usize = 16;

/// An issuer's keys.
#[derive(Default)]
pub struct KeySet {
    keys: Vec<OutsideKey>,
}

/// How signatures by an algorithm are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// By the library of tokens.
    Library(Algorithm),
    /// By ECDSA on P-521, which that library does not have.
    P521,
}

use Check::Library;

/// An algorithm's name, and how its signatures are checked.
type Named = (&'static str, Check);

const EDDSA: &[Named] = &[(ED_DSA, Library(Algorithm::EdDSA)), (ED25519, Library(Algorithm::EdDSA))];
const ES256: &[Named] = &[("ES256", Library(Algorithm::ES256))];
const ES384: &[Named] = &[("ES384", Library(Algorithm::ES384))];
const ES512: &[Named] = &[("ES512", Check::P521)];

/// What an RSA key can be used with (RFC 7518 §3.3, §3.5).
const RSA: &[Named] = &[
    ("RS256", Library(Algorithm::RS256)),
    ("RS384", Library(Algorithm::RS384)),
    ("RS512", Library(Algorithm::RS512)),
    ("PS256", Library(Algorithm::PS256)),
    ("PS384", Library(Algorithm::PS384)),
    ("PS512", Library(Algorithm::PS512)),
];

/// The bytes of a coordinate on P-521 (RFC 7518 §6.2.1.2), and what an uncompressed point begins with (SEC 1 §2.3.3).
const P521_BYTES: usize = 66;
const UNCOMPRESSED: u8 = 4;

/// A key and the algorithms that it is used with: the one that it names, or those that its kind has.
pub(super) struct OutsideKey {
    /// Its `kid`, if it has one (RFC 7517 §4.5).
    kid: Option<String>,
    algorithms: &'static [Named],
    key: PublicKey,
}

/// What signatures are checked with.
enum PublicKey {
    Library(DecodingKey),
    /// An uncompressed point on P-521.
    Point(Vec<u8>),
}

/// A document that is no JWK Set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the document is not a JWK Set")]
pub struct NotAKeySet;

impl KeySet {
    /// Reads a JWK Set. Of two keys with one name and one algorithm, the first that can be used counts.
    pub fn read(json: &[u8]) -> Result<Self, NotAKeySet> {
        let document: Map<String, Value> = serde_json::from_slice(json).map_err(|_| NotAKeySet)?;
        let jwks = document.get("keys").and_then(Value::as_array).ok_or(NotAKeySet)?;
        let mut keys: Vec<OutsideKey> = vec![];
        for key in jwks.iter().take(MAX_KEYS).filter_map(|jwk| usable(jwk.as_object()?)) {
            let is_same = |other: &OutsideKey| other.kid == key.kid && other.algorithms == key.algorithms;
            let doubled = key.kid.is_some() && keys.iter().any(is_same);
            if !doubled {
                keys.push(key);
            }
        }
        Ok(Self { keys })
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key that could be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Checks that one of the keys that the token can mean has signed it.
    pub(super) fn check(&self, token: &OutsideToken) -> Result<(), TokenFault> {
        self.check_signature(token.kid.as_deref(), &token.alg, &token.compact)
    }

    pub(super) fn check_signature(
        &self,
        kid: Option<&str>,
        alg: &str,
        compact: &Compact<'_>,
    ) -> Result<(), TokenFault> {
        let mut meant = self.meant(kid).peekable();
        meant.peek().ok_or(TokenFault::UnknownKey)?;
        let mut fitting = meant.filter(|key| key.is_for(alg)).take(MAX_TRIED).peekable();
        fitting.peek().ok_or(TokenFault::WrongAlgorithm)?;
        let (message, signature) = (compact.message.as_bytes(), compact.encoded_signature);
        if fitting.any(|key| key.has_signed(alg, message, signature)) { Ok(()) } else { Err(TokenFault::BadSignature) }
    }

    /// The keys of this name; where none has it, those without a name. Without a name, all keys.
    fn meant<'k>(&'k self, kid: Option<&'k str>) -> impl Iterator<Item = &'k OutsideKey> {
        let is_known = kid.is_some() && self.keys.iter().any(|key| key.kid.as_deref() == kid);
        let wanted = if is_known { kid } else { None };
        self.keys.iter().filter(move |key| kid.is_none() || key.kid.as_deref() == wanted)
    }

    #[cfg(test)]
    pub(super) fn find(&self, kid: &str) -> Option<&OutsideKey> {
        self.keys.iter().find(|key| key.kid.as_deref() == Some(kid))
    }
}

impl OutsideKey {
    #[cfg(test)]
    pub(super) fn algorithm_names(&self) -> Vec<&'static str> {
        self.algorithms.iter().map(|(name, _)| *name).collect()
    }

    /// Whether the algorithm that a token names is one of this key's.
    pub(super) fn is_for(&self, alg: &str) -> bool {
        self.check(alg).is_some()
    }

    fn check(&self, alg: &str) -> Option<Check> {
        self.algorithms.iter().find(|(name, _)| *name == alg).map(|(_, check)| *check)
    }

    pub(super) fn has_signed(&self, alg: &str, message: &[u8], encoded_signature: &str) -> bool {
        match (self.check(alg), &self.key) {
            (Some(Library(algorithm)), PublicKey::Library(key)) => {
                jws::verify(encoded_signature, message, key, algorithm).unwrap_or(false)
            }
            (Some(Check::P521), PublicKey::Point(point)) => {
                let signature = URL_SAFE_NO_PAD.decode(encoded_signature);
                signature.is_ok_and(|signature| crypto::is_signed_with_p521(point, message, &signature))
            }
            _ => false,
        }
    }
}

/// A key, if it can verify signatures here.
fn usable(jwk: &Map<String, Value>) -> Option<OutsideKey> {
    let is_name = |kid: &&str| (1..=MAX_KID_BYTES).contains(&kid.len());
    let kid = match jwk.get("kid") {
        None => None,
        Some(kid) => Some(kid.as_str().filter(is_name)?.to_owned()),
    };
    if PRIVATE.iter().any(|name| jwk.contains_key(*name)) || !is_for_verifying(jwk) {
        return None;
    }
    let key = match (text(jwk, "kty")?, text(jwk, "crv")) {
        ("OKP", Some("Ed25519")) => ed25519(jwk),
        ("EC", Some("P-256")) => elliptic(jwk, ES256, 32),
        ("EC", Some("P-384")) => elliptic(jwk, ES384, 48),
        ("EC", Some("P-521")) => p521(jwk),
        ("RSA", _) => rsa(jwk),
        _ => None,
    };
    Some(OutsideKey { kid, ..key? })
}

/// `use` and `key_ops` (RFC 7517 §4.2, §4.3): absent, or as a verifying key has them.
fn is_for_verifying(jwk: &Map<String, Value>) -> bool {
    let usage = jwk.get("use").is_none_or(|usage| usage == "sig");
    let verifies = |operations: &Value| operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"));
    usage && jwk.get("key_ops").is_none_or(verifies)
}

fn ed25519(jwk: &Map<String, Value>) -> Option<OutsideKey> {
    let x = sized(jwk, "x", 32)?;
    let key = DecodingKey::from_ed_components(x).ok()?;
    named(jwk, EDDSA)?;
    // `Ed25519` is the newer name of what `EdDSA` is with such a key (RFC 9864 §2.2).
    Some(OutsideKey { kid: None, algorithms: EDDSA, key: PublicKey::Library(key) })
}

fn elliptic(jwk: &Map<String, Value>, algorithms: &'static [Named], bytes: usize) -> Option<OutsideKey> {
    let (x, y) = (sized(jwk, "x", bytes)?, sized(jwk, "y", bytes)?);
    let key = DecodingKey::from_ec_components(x, y).ok()?;
    Some(OutsideKey { kid: None, algorithms: named(jwk, algorithms)?, key: PublicKey::Library(key) })
}

fn p521(jwk: &Map<String, Value>) -> Option<OutsideKey> {
    let coordinate = |name| decoded(jwk, name).filter(|coordinate| coordinate.len() == P521_BYTES);
    let point = [vec![UNCOMPRESSED], coordinate("x")?, coordinate("y")?].concat();
    Some(OutsideKey { kid: None, algorithms: named(jwk, ES512)?, key: PublicKey::Point(point) })
}

fn rsa(jwk: &Map<String, Value>) -> Option<OutsideKey> {
    let algorithms = named(jwk, RSA)?;
    let (modulus, exponent) = (integer(jwk, "n")?, integer(jwk, "e")?);
    if is_roca_weak(&modulus) {
        return None;
    }
    let fits = RSA_BITS.contains(&bits(&modulus)) && (1..=MAX_EXPONENT_BYTES).contains(&exponent.len());
    let key = || DecodingKey::from_rsa_raw_components(&modulus, &exponent);
    fits.then(|| OutsideKey { kid: None, algorithms, key: PublicKey::Library(key()) })
}

/// Whether a modulus has the fingerprint of CVE-2017-15361 (ROCA): modulo each of these primes it is a power of 65537.
/// A sound modulus has it by chance less than once in 10⁸.
fn is_roca_weak(modulus: &[u8]) -> bool {
    let remainder = |prime: u32| modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
    let powers = |prime: u32| std::iter::successors(Some(1), move |power| Some(power * (65_537 % prime) % prime));
    let is_power =
        |prime: u32| powers(prime).take(usize::try_from(prime).unwrap_or(0)).any(|power| power == remainder(prime));
    ROCA_PRIMES.iter().all(|prime| is_power(*prime))
}

/// Of these algorithms the one that the key names; all of them where it names none (RFC 7517 §4.4), as many issuers' do.
fn named(jwk: &Map<String, Value>, algorithms: &'static [Named]) -> Option<&'static [Named]> {
    let Some(alg) = jwk.get("alg") else { return Some(algorithms) };
    let at = algorithms.iter().position(|(name, _)| alg == name)?;
    algorithms.get(at..=at)
}

/// A member in base64url. Padding, which RFC 7515 §2 leaves out and some write, is none of it.
fn encoded<'j>(jwk: &'j Map<String, Value>, name: &str) -> Option<&'j str> {
    text(jwk, name).map(|text| text.trim_end_matches('='))
}

fn text<'j>(jwk: &'j Map<String, Value>, name: &str) -> Option<&'j str> {
    jwk.get(name)?.as_str()
}

fn decoded(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(encoded(jwk, name)?).ok()
}

/// The member `name` as it stands, if it is base64url of exactly `bytes` bytes.
fn sized<'j>(jwk: &'j Map<String, Value>, name: &str, bytes: usize) -> Option<&'j str> {
    (decoded(jwk, name)?.len() == bytes).then(|| encoded(jwk, name))?
}

/// A number in big-endian bytes, without the zeros that some write before it.
fn integer(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    Some(decoded(jwk, name)?.into_iter().skip_while(|byte| *byte == 0).collect())
}

/// The length of a number that begins with a byte other than zero.
fn bits(number: &[u8]) -> usize {
    let leading = number.first().map_or(0, |byte| usize::try_from(byte.leading_zeros()).unwrap_or(0));
    (number.len() * 8).saturating_sub(leading)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A modulus with ROCA's fingerprint, and one of the same length without.
    const WEAK: &str = "v5MKJZgon81ZpUp7sf7gj1cSQkJQUcHM0X-ayuAfUFfKAhNekrHT8o7eDXrDuuqeE97vhqsQMdD2RuH0Cgl8l2v0bGl9LK-C7urL\
        4ibodVVXkPguwdP8_yo69NRrChjogw4HvB45jxASvUrO-uy9OJvkvPxJtkoIcubMOrq87SBX7gXN4AkCx36_8gaGc0chTN0gVZMN\
        bq8U9HM_Pn0b-8ei6iCy8UyULgUxmstcdCc_mOJ3TL2HrVyQqVh0A-Qw7Ganh5XnYdF3Ma8QUGvy78b4dxhtdrB-iB7RYq4usVR_\
        FQUkNLm13553abEPQgW0kHpw0yeHR1JELJ6S4mQ4Iw";
    const SOUND: &str = "_IkbSmpQ30201mo6R0aaTYzbMF_dLhYJbjaqsNG8UtkjDZd-4iVxWUcgdx-MqBgRZtIodnL98gIqlvsaFKD5538bEDzfFYKw6rR3\
        0mQVR5xl3J9QP2Ovg70FYeYhHHDPSZUjmcSq6sE33Hb7DxejAH5iqgod-f14nGU5OCsFN-Za_7IpdjGpkvDOWDUFxq8HWNVWPass\
        0x7jFRKIYsM6T7d061JI20CvchWDcNJpqaWuZY8z_juJC5P0SLOlqjyBT0Jty7OU-za7LUIPD4gICxCj1rKqBeEasnFZRXlegilF\
        Gr2B8dae1hf16DfXCCD-EZpy0XTJ32rMARzdlHQDGw";

    #[test]
    fn an_rsa_key_with_the_fingerprint_of_roca_is_passed_over() {
        let set = |n: &str| {
            let jwk = serde_json::json!({ "kty": "RSA", "kid": "a", "n": n, "e": "AQAB" });
            KeySet::read(serde_json::json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap().len()
        };
        assert_eq!((set(SOUND), set(WEAK)), (1, 0));
        assert_eq!((set(&format!("{SOUND}==")), set(&format!("{SOUND}=x"))), (1, 0));
    }
}
