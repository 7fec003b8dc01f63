//! Signs what the gateway itself would never sign, with the gateway's own key: the strongest attacker there is.

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use tollgate::{crypto::MasterKey, domain::algorithm::Algorithm, store::keys::SigningKeyRow};

use super::{TestGateway, setup::MASTER_KEY};

/// The secret of gateways that sign by HS256.
pub const HMAC_SECRET: &str = "a-secret-for-the-tests-of-32-bytes-or-more";

enum Key {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Hmac(Box<hmac::Key>),
}

/// A signing key in the wrong hands.
pub struct Forge {
    pub algorithm: Algorithm,
    pub kid: String,
    key: Key,
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// One of the three parts of a token, decoded.
pub fn part(token: &str, index: usize) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()
}

impl Forge {
    /// The key that signed `token`.
    pub async fn of(gateway: &TestGateway, token: &str) -> Self {
        let header: Value = serde_json::from_slice(&part(token, 0)).unwrap();
        let algorithm: Algorithm = header["alg"].as_str().unwrap().parse().unwrap();
        let kid = header["kid"].as_str().unwrap().to_owned();
        let ring = gateway.running().office.accounting.store.signing_ring().await.unwrap().keys;
        let key = match algorithm {
            Algorithm::Hs256 => Key::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, HMAC_SECRET.as_bytes()))),
            _ => open(ring.iter().find(|key| key.kid == kid).unwrap()),
        };
        Self { algorithm, kid, key }
    }

    /// Signs a header and claims, whatever they say.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        format!("{message}.{}", encode(self.signature(&message)))
    }

    pub fn signature(&self, message: &str) -> Vec<u8> {
        match &self.key {
            Key::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
            Key::Ec(pair) => pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec(),
            Key::Hmac(key) => hmac::sign(key, message.as_bytes()).as_ref().to_vec(),
        }
    }

    /// What the whole world knows of the key; of an HMAC nothing, so something else.
    pub fn public_key(&self) -> Vec<u8> {
        match &self.key {
            Key::Ed(pair) => pair.public_key().as_ref().to_vec(),
            Key::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Key::Hmac(_) => vec![0; 32],
        }
    }

    /// The header as the gateway writes it.
    pub fn header(&self) -> String {
        format!(r#"{{"typ":"at+jwt","alg":"{}","kid":"{}"}}"#, self.algorithm, self.kid)
    }
}

fn open(row: &SigningKeyRow) -> Key {
    let master = MasterKey::from_base64(MASTER_KEY).unwrap();
    let private = master.open(&format!("signing-key {}", row.kid), &row.sealed_private_key).unwrap();
    match row.algorithm {
        Algorithm::Es256 => Key::Ec(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &private).unwrap()),
        _ => Key::Ed(Ed25519KeyPair::from_pkcs8(&private).unwrap()),
    }
}
