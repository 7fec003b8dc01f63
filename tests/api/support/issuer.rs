//! An outside issuer: its keys, the tokens it signs, and the address where it publishes what a test wants it to.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
        RsaPublicKeyComponents,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

type Sign = dyn Fn(&[u8]) -> Vec<u8>;

/// A key of an outside issuer.
pub struct OutsideKey {
    sign: Box<Sign>,
    pub alg: &'static str,
    pub jwk: Value,
    /// The public key as others write it down.
    pub der: Vec<u8>,
}

impl OutsideKey {
    pub fn ed25519(kid: &str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let jwk =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(pair.public_key()), "kid": kid, "use": "sig" });
        let sign = Box::new(move |message: &[u8]| pair.sign(message).as_ref().to_vec());
        Self { sign, alg: "EdDSA", jwk, der: vec![] }
    }

    pub fn p256(kid: &str) -> Self {
        Self::elliptic(kid, &ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", "ES256")
    }

    pub fn p384(kid: &str) -> Self {
        Self::elliptic(kid, &ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", "ES384")
    }

    pub fn p521(kid: &str) -> Self {
        Self::elliptic(kid, &ECDSA_P521_SHA512_FIXED_SIGNING, "P-521", "ES512")
    }

    fn elliptic(kid: &str, with: &'static EcdsaSigningAlgorithm, crv: &str, alg: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(with).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        let (x, y) = point[1..].split_at(point.len() / 2);
        let jwk = json!({ "kty": "EC", "crv": crv, "x": BASE64.encode(x), "y": BASE64.encode(y), "kid": kid });
        let sign = move |message: &[u8]| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        Self { sign: Box::new(sign), alg, jwk, der: vec![] }
    }

    pub fn rs256(kid: &str) -> Self {
        Self::rsa(kid, &RSA_PKCS1_SHA256, "RS256")
    }

    pub fn ps256(kid: &str) -> Self {
        let mut key = Self::rsa(kid, &RSA_PSS_SHA256, "PS256");
        key.jwk["alg"] = json!("PS256");
        key
    }

    fn rsa(kid: &str, with: &'static dyn RsaEncoding, alg: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let jwk = json!({ "kty": "RSA", "n": BASE64.encode(&public.n), "e": BASE64.encode(&public.e), "kid": kid });
        let der = AsDer::<PublicKeyX509Der>::as_der(pair.public_key()).unwrap().as_ref().to_vec();
        let sign = move |message: &[u8]| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(with, &SystemRandom::new(), message, &mut signature).unwrap();
            signature
        };
        Self { sign: Box::new(sign), alg, jwk, der }
    }

    /// A token with the usual header.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&self.header(), claims)
    }

    pub fn header(&self) -> Value {
        json!({ "alg": self.alg, "typ": "at+jwt", "kid": self.jwk["kid"], "x5t": "made-up" })
    }

    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        signed(header, claims, |message| (self.sign)(message))
    }
}

/// A token with any signature.
pub fn signed(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", BASE64.encode(signature))
}

/// What is done with a connection.
#[derive(Clone)]
enum Behaviour {
    Answer(Vec<u8>),
    /// Answers with the keys, and where a client asks for it with the discovery document.
    Discovery {
        document: String,
        keys: Vec<u8>,
    },
    /// Takes the request and says nothing.
    Hang,
}

/// An issuer that publishes its keys. Counts every connection.
pub struct OutsideIssuer {
    pub address: SocketAddr,
    behaviour: watch::Sender<Behaviour>,
    connections: Arc<AtomicUsize>,
    last_head: watch::Sender<String>,
}

impl OutsideIssuer {
    pub async fn start(keys: &[&OutsideKey]) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), keys).await
    }

    pub async fn start_at(address: SocketAddr, keys: &[&OutsideKey]) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (behaviour, seen) = watch::channel(Behaviour::Hang);
        let connections = Arc::new(AtomicUsize::new(0));
        let last_head = watch::Sender::new(String::new());
        actix_web::rt::spawn(serve(listener, seen, Arc::clone(&connections), last_head.clone()));
        let issuer = Self { address, behaviour, connections, last_head };
        issuer.publish(keys);
        issuer
    }

    /// The name of the issuer at this address.
    pub fn name_of(address: SocketAddr) -> String {
        format!("http://{address}/")
    }

    pub fn name(&self) -> String {
        Self::name_of(self.address)
    }

    pub fn publish(&self, keys: &[&OutsideKey]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.jwk).collect();
        self.answer("200 OK", "application/json", json!({ "keys": keys }).to_string().as_bytes());
    }

    /// From now on it also has a discovery document, which says that it is `issuer` and where the keys are.
    pub fn publish_discovery(&self, issuer: &str) {
        let Behaviour::Answer(keys) = self.behaviour.borrow().clone() else { panic!("no keys are published") };
        let document = json!({ "issuer": issuer, "jwks_uri": format!("{}keys", self.name()) }).to_string();
        self.behaviour.send_replace(Behaviour::Discovery { document, keys });
    }

    /// The head of the last request.
    pub fn last_head(&self) -> String {
        self.last_head.borrow().clone()
    }

    pub fn answer(&self, status: &str, content_type: &str, body: &[u8]) {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n");
        self.behaviour.send_replace(Behaviour::Answer([head.as_bytes(), body].concat()));
    }

    /// From now on it takes requests and answers none.
    pub fn hang(&self) {
        self.behaviour.send_replace(Behaviour::Hang);
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// TOML that trusts the issuer at this address, with a claim for roles.
    pub fn trusted_at(address: SocketAddr) -> String {
        let name = Self::name_of(address);
        format!(
            r#"
            [[auth.trusted_issuers]]
            issuer = "{name}"
            jwks_url = "{name}keys?version=1"
            audience = "tollgate"
            role_claim = "role"
            "#
        )
    }

    pub fn trusted(&self) -> String {
        Self::trusted_at(self.address)
    }

    /// The claims of a good token, made now.
    pub fn claims(&self, subject: &str, now_s: i64) -> Value {
        json!({ "iss": self.name(), "aud": ["else", "tollgate"], "sub": subject, "iat": now_s, "exp": now_s + 600 })
    }
}

async fn serve(
    listener: TcpListener,
    behaviour: watch::Receiver<Behaviour>,
    connections: Arc<AtomicUsize>,
    last_head: watch::Sender<String>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        let behaviour = behaviour.borrow().clone();
        actix_web::rt::spawn(serve_one(stream, behaviour, last_head.clone()));
    }
}

/// That the gateway hangs up early, as on a body that is too long, is what some tests want.
async fn serve_one(mut stream: TcpStream, behaviour: Behaviour, last_head: watch::Sender<String>) {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    last_head.send_replace(head.clone());
    match behaviour {
        Behaviour::Discovery { document, .. } if head.contains("/.well-known/openid-configuration ") => {
            let length = document.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
            drop(stream.write_all(format!("{head}{document}").as_bytes()).await);
        }
        Behaviour::Discovery { keys: bytes, .. } | Behaviour::Answer(bytes) => drop(stream.write_all(&bytes).await),
        // Until the gateway hangs up.
        Behaviour::Hang => drop(stream.read_u8().await),
    }
}
