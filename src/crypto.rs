//! Cryptography: sealing under the master key, digests, and randomness. The only file that names aws-lc-rs.
//!
//! Called by the command line (master key), the actors (sealing, chain hashes, refresh tokens) and `jwt`. It never
//! stores anything, and no key has a `Debug` that shows it.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    constant_time, digest, hmac, rand,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
        UnparsedPublicKey,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// Length of the master key and of every other symmetric key here, in bytes.
pub const KEY_BYTES: usize = 32;

/// What can go wrong; never says anything about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    #[error("the master key must be {KEY_BYTES} bytes in base64")]
    MasterKey,
    #[error("sealed data does not open: it was sealed under another master key, or altered")]
    Unseal,
    #[error("the cryptographic library refused an operation")]
    Library,
}

/// The key that seals signing keys and secrets at rest (AES-256-GCM).
pub struct MasterKey(RandomizedNonceKey);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey")
    }
}

impl MasterKey {
    /// Reads the key from base64, as `TOLLGATE_MASTER_KEY` holds it.
    pub fn from_base64(text: &str) -> Result<Self, CryptoError> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| CryptoError::MasterKey)?);
        if bytes.len() != KEY_BYTES {
            return Err(CryptoError::MasterKey);
        }
        RandomizedNonceKey::new(&AES_256_GCM, &bytes).map(Self).map_err(|_| CryptoError::MasterKey)
    }

    /// Seals `plain` for one `purpose`; what was sealed for another purpose does not open.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut sealed)
            .map_err(|_| CryptoError::Library)?;
        Ok([nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// Opens what [`MasterKey::seal`] made for the same purpose.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(CryptoError::Unseal)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CryptoError::Unseal)?;
        let mut plain = Zeroizing::new(rest.to_vec());
        let length = self
            .0
            .open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut plain)
            .map_err(|_| CryptoError::Unseal)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }
}

/// A new random key, in base64, fit for [`MasterKey::from_base64`].
pub fn new_master_key() -> Result<Zeroizing<String>, CryptoError> {
    let bytes: Zeroizing<[u8; KEY_BYTES]> = Zeroizing::new(random()?);
    Ok(Zeroizing::new(STANDARD.encode(*bytes)))
}

/// Random bytes from the operating system's generator.
pub fn random<const N: usize>() -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| CryptoError::Library)?;
    Ok(bytes)
}

/// So many random bytes from the operating system's generator, drawn at once.
pub fn random_bytes(count: usize) -> Result<Vec<u8>, CryptoError> {
    let mut bytes = vec![0; count];
    rand::fill(&mut bytes).map_err(|_| CryptoError::Library)?;
    Ok(bytes)
}

/// SHA-256 over the parts, one after the other.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    to_array(context.finish().as_ref())
}

/// SHA-384, 48 bytes.
#[must_use]
pub fn sha384(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA384, bytes).as_ref().to_vec()
}

/// SHA-512, 64 bytes.
#[must_use]
pub fn sha512(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA512, bytes).as_ref().to_vec()
}

/// SHA-1 over the parts, where a standard has it and nothing depends on its strength: the handshake of WebSocket.
#[must_use]
pub fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    for part in parts {
        context.update(part);
    }
    to_array(context.finish().as_ref())
}

/// SHA-256 over what comes piece by piece.
pub struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256 {
    /// Adds bytes to the message.
    pub fn add(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all bytes that were added.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        to_array(self.0.finish().as_ref())
    }
}

/// Whether two secrets, or digests of secrets, are equal. Takes as long for any two of one length.
#[must_use]
pub fn is_equal(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// SHA-256 and its HMAC give 32 bytes, so all of them are copied.
fn to_array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    out
}

/// A key for HMAC-SHA-256 (RFC 2104).
pub struct MacKey(hmac::Key);

impl MacKey {
    /// A key of HMAC-SHA-256 (RFC 2104).
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The MAC of `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        to_array(hmac::sign(&self.0, message).as_ref())
    }

    /// Compares in constant time.
    #[must_use]
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }
}

/// A private key as PKCS #8, and its public half.
pub type KeyPairBytes = (Zeroizing<Vec<u8>>, Vec<u8>);

/// A new Ed25519 key pair (RFC 8032); the public key has 32 bytes.
pub fn new_ed25519() -> Result<KeyPairBytes, CryptoError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| CryptoError::Library)?;
    let document = pair.to_pkcs8v1().map_err(|_| CryptoError::Library)?;
    Ok((Zeroizing::new(document.as_ref().to_vec()), pair.public_key().as_ref().to_vec()))
}

/// A new key pair on P-256 (FIPS 186-5); the public key is an uncompressed point of 65 bytes.
pub fn new_p256() -> Result<KeyPairBytes, CryptoError> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| CryptoError::Library)?;
    let document = pair.to_pkcs8v1().map_err(|_| CryptoError::Library)?;
    Ok((Zeroizing::new(document.as_ref().to_vec()), pair.public_key().as_ref().to_vec()))
}

/// A key that signs with Ed25519 (RFC 8032).
pub struct Ed25519Key(Ed25519KeyPair);

impl Ed25519Key {
    /// Reads what [`new_ed25519`] made.
    pub fn from_pkcs8(private_key: &[u8]) -> Result<Self, CryptoError> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(private_key).map(Self).map_err(|_| CryptoError::Library)
    }

    /// 64 bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }

    /// 32 bytes.
    pub fn public_key(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }
}

/// Whether the holder of an Ed25519 key signed this message.
#[must_use]
pub fn is_signed_with_ed25519(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature).is_ok()
}

/// Whether the holder of a key on P-521 signed this message by ECDSA with SHA-512 (RFC 7518 §3.4). The key is an uncompressed point,
/// the signature r and s side by side.
#[must_use]
pub fn is_signed_with_p521(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, public_key).verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> MasterKey {
        MasterKey::from_base64(&new_master_key().unwrap()).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_only_for_its_purpose_and_under_its_key() {
        let (ours, other) = (key(), key());
        let sealed = ours.seal("signing-key", b"secret").unwrap();
        assert_eq!(ours.open("signing-key", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(ours.open("refresh", &sealed).unwrap_err(), CryptoError::Unseal);
        assert_eq!(other.open("signing-key", &sealed).unwrap_err(), CryptoError::Unseal);
    }

    #[test]
    fn an_altered_or_cut_seal_does_not_open() {
        let ours = key();
        let sealed = ours.seal("p", b"secret").unwrap();
        for i in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[i] ^= 1;
            assert!(ours.open("p", &altered).is_err(), "byte {i}");
            assert!(ours.open("p", &sealed[..i]).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn a_master_key_of_another_length_is_refused() {
        for text in ["", "AAAA", "not base64!", &STANDARD.encode([0; 31]), &STANDARD.encode([0; 33])] {
            assert_eq!(MasterKey::from_base64(text).unwrap_err(), CryptoError::MasterKey, "{text}");
        }
    }

    #[test]
    fn equal_bytes_are_equal_and_others_are_not() {
        assert!(is_equal(&[1, 2], &[1, 2]) && is_equal(&[], &[]));
        assert!(!is_equal(&[1, 2], &[1, 3]) && !is_equal(&[1, 2], &[1]));
    }

    #[test]
    fn a_signature_is_of_one_message_by_one_key() {
        let [ours, other] = [(); 2].map(|()| Ed25519Key::from_pkcs8(&new_ed25519().unwrap().0).unwrap());
        let signature = ours.sign(b"message");
        assert!(is_signed_with_ed25519(&ours.public_key(), b"message", &signature));
        assert!(!is_signed_with_ed25519(&ours.public_key(), b"another", &signature));
        assert!(!is_signed_with_ed25519(&other.public_key(), b"message", &signature));
        assert!(!is_signed_with_ed25519(&ours.public_key(), b"message", &signature[1..]));
        assert!(!is_signed_with_ed25519(b"no key", b"message", &signature));
    }

    #[test]
    fn sha256_is_the_standard_one() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(sha256(&[b"a", b"bc"]), sha256(&[b"abc"]));
        assert_eq!(STANDARD.encode(sha256(&[b"a", b"bc"])), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }
}
