//! Access tokens (RFC 9068): their claims, signing and strict verification. The only file that names jsonwebtoken.
//!
//! A token is accepted only in the one shape that this gateway issues: three parts of canonical base64url, a header of
//! exactly `alg`, `typ` and `kid`, the algorithm that belongs to the key, and every claim present with its own type
//! (RFC 8725 §3). Times are compared with a `now` that the caller gives.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::{
    crypto,
    domain::{
        ids::{SessionId, TokenId, UserId},
        principal::Role,
        refusal::TokenFault,
    },
};

/// The `typ` of an access token (RFC 9068 §2.1).
const TYPE: &str = "at+jwt";
/// The longest token looked at, in bytes; ours have about 500.
const MAX_TOKEN_BYTES: usize = 4_096;
/// How far the clocks of two replicas may be apart, in seconds.
const CLOCK_SKEW_S: i64 = 5;

/// The claims of an access token. Times are seconds since the Unix epoch (RFC 7519 §2, `NumericDate`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: UserId,
    pub jti: TokenId,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    pub role: Role,
    pub sid: SessionId,
}

/// The header that we write and the only one that we read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictHeader {
    alg: String,
    typ: String,
    kid: String,
}

/// A private key and its name.
pub struct SigningKey {
    kid: String,
    key: EncodingKey,
}

/// The public half of a signing key, as JWKS publishes it (RFC 7517, RFC 8037 §2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Jwk {
    pub kty: String,
    pub crv: String,
    pub x: String,
    pub kid: String,
    pub alg: String,
    #[serde(rename = "use")]
    pub usage: String,
}

/// Signing or a key's bytes did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access token could not be signed")]
pub struct SigningError;

impl Jwk {
    /// The JWK of an Ed25519 public key; its `kid` is the RFC 7638 thumbprint.
    #[must_use]
    pub fn ed25519(public_key: &[u8]) -> Self {
        let x = URL_SAFE_NO_PAD.encode(public_key);
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(crypto::sha256(&[canonical.as_bytes()]));
        Self { kty: "OKP".into(), crv: "Ed25519".into(), x, kid, alg: "EdDSA".into(), usage: "sig".into() }
    }
}

impl SigningKey {
    /// `private_key` is PKCS #8.
    #[must_use]
    pub fn ed25519(private_key: &[u8], jwk: &Jwk) -> Self {
        Self { kid: jwk.kid.clone(), key: EncodingKey::from_ed_der(private_key) }
    }

    pub fn sign(&self, claims: &Claims) -> Result<String, SigningError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.into());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_| SigningError)
    }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    Faulty(TokenFault),
    Expired,
}

impl From<TokenFault> for Rejection {
    fn from(fault: TokenFault) -> Self {
        Self::Faulty(fault)
    }
}

/// What is needed to verify a token: an immutable snapshot.
pub struct Verifier {
    keys: HashMap<String, DecodingKey>,
    jwks: Arc<[Jwk]>,
    issuer: String,
    audience: String,
    validation: Validation,
}

impl Verifier {
    /// A verifier for the given public keys. One whose bytes are no key verifies nothing.
    #[must_use]
    pub fn new(issuer: &str, audience: &str, jwks: Vec<Jwk>) -> Self {
        let key = |jwk: &Jwk| Some((jwk.kid.clone(), DecodingKey::from_ed_components(&jwk.x).ok()?));
        let mut validation = Validation::new(Algorithm::EdDSA);
        // All claims are typed and compared below, with our own clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Self {
            keys: jwks.iter().filter_map(key).collect(),
            jwks: jwks.into(),
            issuer: issuer.into(),
            audience: audience.into(),
            validation,
        }
    }

    /// The public keys, for `/.well-known/jwks.json`.
    #[must_use]
    pub fn jwks(&self) -> Arc<[Jwk]> {
        Arc::clone(&self.jwks)
    }

    /// Verifies the form, the signature and the claims of a token. Whether it was revoked is not looked at here.
    pub fn verify(&self, token: &str, now_s: i64) -> Result<Claims, Rejection> {
        let header = read_header(token)?;
        if header.typ != TYPE {
            return Err(TokenFault::WrongType.into());
        }
        let key = self.keys.get(&header.kid).ok_or(TokenFault::UnknownKey)?;
        if header.alg != "EdDSA" {
            return Err(TokenFault::WrongAlgorithm.into());
        }
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation).map_err(|e| fault_of(&e))?.claims;
        self.check(&claims, now_s)?;
        Ok(claims)
    }

    fn check(&self, claims: &Claims, now_s: i64) -> Result<(), Rejection> {
        if claims.iss != self.issuer || claims.aud != self.audience {
            return Err(TokenFault::WrongClaims.into());
        }
        let latest = now_s.saturating_add(CLOCK_SKEW_S);
        if claims.nbf > latest || claims.iat > latest {
            return Err(TokenFault::NotYetValid.into());
        }
        if claims.exp <= now_s {
            return Err(Rejection::Expired);
        }
        Ok(())
    }
}

fn read_header(token: &str) -> Result<StrictHeader, TokenFault> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenFault::Malformed);
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        return Err(TokenFault::Malformed);
    };
    if claims.is_empty() || signature.is_empty() {
        return Err(TokenFault::Malformed);
    }
    let json = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenFault::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| match serde_json::from_slice(&json) {
        Ok(serde_json::Value::Object(_)) => TokenFault::UnsupportedHeader,
        _ => TokenFault::Malformed,
    })
}

fn fault_of(error: &jsonwebtoken::errors::Error) -> TokenFault {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => TokenFault::BadSignature,
        ErrorKind::Json(_) | ErrorKind::MissingRequiredClaim(_) => TokenFault::WrongClaims,
        ErrorKind::InvalidAlgorithm => TokenFault::WrongAlgorithm,
        _ => TokenFault::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    struct Fixture {
        signing: SigningKey,
        verifier: Verifier,
    }

    fn fixture() -> Fixture {
        let (private, public) = crypto::new_ed25519().unwrap();
        let jwk = Jwk::ed25519(&public);
        Fixture { signing: SigningKey::ed25519(&private, &jwk), verifier: Verifier::new("i", "a", vec![jwk]) }
    }

    fn claims() -> Claims {
        let id = Uuid::from_u128(7);
        Claims {
            iss: "i".into(),
            aud: "a".into(),
            sub: UserId(id),
            jti: TokenId(id),
            iat: 1_000,
            nbf: 1_000,
            exp: 1_900,
            role: Role::User,
            sid: SessionId(id),
        }
    }

    fn sign_value(fixture: &Fixture, claims: &serde_json::Value) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.into());
        header.kid = Some(fixture.signing.kid.clone());
        jsonwebtoken::encode(&header, claims, &fixture.signing.key).unwrap()
    }

    #[test]
    fn a_token_verifies_until_the_second_it_expires() {
        let f = fixture();
        let token = f.signing.sign(&claims()).unwrap();
        assert_eq!(f.verifier.verify(&token, 1_000), Ok(claims()));
        assert_eq!(f.verifier.verify(&token, 1_899), Ok(claims()));
        assert_eq!(f.verifier.verify(&token, 1_900), Err(Rejection::Expired));
        assert_eq!(f.verifier.verify(&token, 994), Err(TokenFault::NotYetValid.into()));
    }

    #[test]
    fn a_token_of_another_ring_or_audience_is_refused() {
        let (ours, theirs) = (fixture(), fixture());
        let token = theirs.signing.sign(&claims()).unwrap();
        assert_eq!(ours.verifier.verify(&token, 1_000), Err(TokenFault::UnknownKey.into()));
        for (field, value) in [("iss", "x"), ("aud", "x")] {
            let mut other = serde_json::to_value(claims()).unwrap();
            other[field] = value.into();
            assert_eq!(ours.verifier.verify(&sign_value(&ours, &other), 1_000), Err(TokenFault::WrongClaims.into()));
        }
    }

    #[test]
    fn every_claim_must_be_there_with_its_own_type() {
        let f = fixture();
        for field in ["iss", "aud", "sub", "jti", "iat", "nbf", "exp", "role", "sid"] {
            let whole = serde_json::to_value(claims()).unwrap();
            let mut missing = whole.clone();
            missing.as_object_mut().unwrap().remove(field);
            let mut other_type = whole.clone();
            other_type[field] = serde_json::json!(["x"]);
            for value in [missing, other_type] {
                let token = sign_value(&f, &value);
                assert_eq!(f.verifier.verify(&token, 1_000), Err(TokenFault::WrongClaims.into()), "{value}");
            }
        }
    }

    #[test]
    fn altered_and_misshapen_tokens_are_refused() {
        let f = fixture();
        let token = f.signing.sign(&claims()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let (head, body) = (parts[0], parts[1]);
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt","kid":"k"}"#);
        let flipped = token.replace(parts[2], &parts[2].chars().rev().collect::<String>());
        for bad in [
            String::new(),
            "a.b.c".into(),
            format!("{head}.{body}"),
            format!("{head}.{body}."),
            format!("{token}.x"),
            format!("{token}="),
            format!(" {token}"),
            format!("{none}.{body}."),
            format!("{none}.{body}.{}", parts[2]),
            flipped,
            "x".repeat(MAX_TOKEN_BYTES + 1),
        ] {
            assert!(matches!(f.verifier.verify(&bad, 1_000), Err(Rejection::Faulty(_))), "{bad}");
        }
    }

    #[test]
    fn a_header_with_anything_more_is_refused() {
        let f = fixture();
        let kid = &f.signing.kid;
        let token = f.signing.sign(&claims()).unwrap();
        let rest = token.split_once('.').unwrap().1;
        for header in [
            format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}","crit":["b64"]}}"#),
            format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}","jwk":{{}}}}"#),
            format!(r#"{{"alg":"EdDSA","alg":"none","typ":"at+jwt","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#),
            r#"{"alg":"EdDSA","typ":"at+jwt"}"#.into(),
            r#"{"alg":"EdDSA","typ":"at+jwt","kid":1}"#.into(),
            "[]".into(),
        ] {
            let bad = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(&header));
            assert!(matches!(f.verifier.verify(&bad, 1_000), Err(Rejection::Faulty(_))), "{header}");
        }
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        // RFC 8037, appendix A.3.
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(Jwk::ed25519(&x).kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
