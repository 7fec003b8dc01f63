//! Keys: what signs, what verifies, and what of it is published (RFC 7517).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey, crypto as jws};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Claims, TYPE};
use crate::{crypto, domain::algorithm::Algorithm};

/// A private key and its name.
pub struct SigningKey {
    algorithm: Algorithm,
    kid: String,
    key: EncodingKey,
    /// The first part of every token that this key signs.
    encoded_header: String,
}

/// What a key's signatures are verified with.
#[derive(Clone)]
pub struct PublicKey {
    pub(super) algorithm: Algorithm,
    pub(super) kid: String,
    key: DecodingKey,
    jwk: Option<Jwk>,
}

/// A public key as JWKS publishes it (RFC 7517; RFC 8037 §2 for Ed25519, RFC 7518 §6.2 for P-256). It has no member that
/// could hold a private part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Jwk {
    pub kty: String,
    pub crv: String,
    pub x: String,
    /// The second coordinate of a point on P-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    pub kid: String,
    pub alg: String,
    #[serde(rename = "use")]
    pub usage: String,
}

/// A token could not be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access token could not be signed")]
pub struct SigningError;

/// Bytes that are no key of their algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a key of {0}")]
pub struct NotAKey(pub Algorithm);

/// First byte of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;
const COORDINATE_BYTES: usize = 32;

impl SigningKey {
    /// `private_key` is PKCS #8, or the secret itself of HS256.
    #[must_use]
    pub fn new(algorithm: Algorithm, kid: &str, private_key: &[u8]) -> Self {
        let key = match algorithm {
            Algorithm::EdDsa => EncodingKey::from_ed_der(private_key),
            Algorithm::Es256 => EncodingKey::from_ec_der(private_key),
            Algorithm::Hs256 => EncodingKey::from_secret(private_key),
        };
        let encoded_header = URL_SAFE_NO_PAD.encode(canonical_header(algorithm, kid));
        Self { algorithm, kid: kid.to_owned(), key, encoded_header }
    }

    /// The `kid` of its tokens: the RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The compact JWS (RFC 7515 §7.1) of these claims.
    pub fn sign(&self, claims: &Claims) -> Result<String, SigningError> {
        let claims = serde_json::to_vec(claims).map_err(|_| SigningError)?;
        self.sign_encoded(&self.encoded_header, &claims)
    }

    pub(super) fn sign_encoded(&self, encoded_header: &str, claims: &[u8]) -> Result<String, SigningError> {
        let message = format!("{encoded_header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = jws::sign(message.as_bytes(), &self.key, jws_name(self.algorithm)).map_err(|_| SigningError)?;
        Ok(format!("{message}.{signature}"))
    }
}

/// A point on a curve, as a JWK has it (RFC 7518 §6.2, RFC 8037 §2).
struct Point {
    kty: &'static str,
    crv: &'static str,
    x: String,
    y: Option<String>,
}

impl PublicKey {
    /// `public_key` is the 32 bytes of Ed25519, an uncompressed point on P-256, or the secret itself of HS256, which is
    /// never published.
    pub fn new(algorithm: Algorithm, public_key: &[u8]) -> Result<Self, NotAKey> {
        let refused = |_| NotAKey(algorithm);
        match algorithm {
            Algorithm::EdDsa => {
                let x = URL_SAFE_NO_PAD.encode(public_key);
                let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
                let key = DecodingKey::from_ed_components(&x).map_err(refused)?;
                Ok(Self::published(algorithm, key, &canonical, Point { kty: "OKP", crv: "Ed25519", x, y: None }))
            }
            Algorithm::Es256 => {
                let (x, y) = coordinates(public_key).ok_or(NotAKey(algorithm))?;
                let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
                let key = DecodingKey::from_ec_components(&x, &y).map_err(refused)?;
                Ok(Self::published(algorithm, key, &canonical, Point { kty: "EC", crv: "P-256", x, y: Some(y) }))
            }
            Algorithm::Hs256 => {
                let canonical = format!(r#"{{"k":"{}","kty":"oct"}}"#, URL_SAFE_NO_PAD.encode(public_key));
                let key = DecodingKey::from_secret(public_key);
                Ok(Self { algorithm, kid: thumbprint(&canonical), key, jwk: None })
            }
        }
    }

    fn published(algorithm: Algorithm, key: DecodingKey, canonical: &str, point: Point) -> Self {
        let Point { kty, crv, x, y } = point;
        let kid = thumbprint(canonical);
        let alg = algorithm.to_string();
        let jwk = Jwk { kty: kty.into(), crv: crv.into(), x, y, kid: kid.clone(), alg, usage: "sig".into() };
        Self { algorithm, kid, key, jwk: Some(jwk) }
    }

    /// The RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half (RFC 7517); `None` for a shared secret.
    pub const fn jwk(&self) -> Option<&Jwk> {
        self.jwk.as_ref()
    }

    pub(super) fn canonical_header(&self) -> Vec<u8> {
        canonical_header(self.algorithm, &self.kid).into_bytes()
    }

    pub(super) fn has_signed(&self, message: &str, encoded_signature: &str) -> bool {
        jws::verify(encoded_signature, message.as_bytes(), &self.key, jws_name(self.algorithm)).unwrap_or(false)
    }
}

/// The one header of a key's tokens. Neither name needs an escape.
fn canonical_header(algorithm: Algorithm, kid: &str) -> String {
    format!(r#"{{"typ":"{TYPE}","alg":"{algorithm}","kid":"{kid}"}}"#)
}

fn thumbprint(canonical: &str) -> String {
    URL_SAFE_NO_PAD.encode(crypto::sha256(&[canonical.as_bytes()]))
}

fn coordinates(point: &[u8]) -> Option<(String, String)> {
    let (&form, coordinates) = point.split_first()?;
    let (x, y) = coordinates.split_at_checked(COORDINATE_BYTES)?;
    let fits = form == UNCOMPRESSED && y.len() == COORDINATE_BYTES;
    fits.then(|| (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y)))
}

const fn jws_name(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
    }
}
