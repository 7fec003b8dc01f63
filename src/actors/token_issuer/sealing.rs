//! What is sealed under the master key, each value for a purpose of its own, so that none can stand in for another.

use crate::{
    credentials::jwt::PublicKey,
    crypto::{self, CryptoError, MacKey, MasterKey},
    domain::algorithm::Algorithm,
    store::{Store, keys::SigningKeyRow, reseal::Sealed},
};

use super::ring_error::RingError;

/// What a value is sealed for.
pub fn purpose_of(value: &Sealed) -> String {
    match value {
        Sealed::SigningKey { kid } => format!("signing-key {kid}"),
        Sealed::Secret { name } => name.clone(),
        Sealed::Upstream { name } => format!("upstream {name}"),
    }
}

/// The MAC key of this name that all replicas share: sealed in the store, made there by the first that asks.
pub async fn shared_key(store: &Store, master: &MasterKey, name: &str) -> Result<MacKey, RingError> {
    let purpose = purpose_of(&Sealed::Secret { name: name.to_owned() });
    let fresh = master.seal(&purpose, &crypto::random::<{ crypto::KEY_BYTES }>()?)?;
    let sealed = store.secret_or_insert(name, fresh).await?;
    Ok(MacKey::new(&master.open(&purpose, &sealed)?))
}

/// When a new key is made, and from when on it signs.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) created_at: jiff::Timestamp,
    pub(super) activates_at: jiff::Timestamp,
}

/// A new key pair, its private half sealed.
pub(super) fn new_key(algorithm: Algorithm, master: &MasterKey, times: Times) -> Result<SigningKeyRow, RingError> {
    let (private_key, public_key) = match algorithm {
        Algorithm::EdDsa => crypto::new_ed25519()?,
        Algorithm::Es256 => crypto::new_p256()?,
        Algorithm::Hs256 => return Err(RingError::OperatorsSecret),
    };
    let kid = PublicKey::new(algorithm, &public_key)?.kid().to_owned();
    let purpose = purpose_of(&Sealed::SigningKey { kid: kid.clone() });
    let sealed_private_key = master.seal(&purpose, &private_key)?;
    let Times { created_at, activates_at } = times;
    Ok(SigningKeyRow { kid, algorithm, public_key, sealed_private_key, created_at, activates_at, retired_at: None })
}

/// The private half of a key of the ring.
pub(super) fn open_key(row: &SigningKeyRow, master: &MasterKey) -> Result<zeroize::Zeroizing<Vec<u8>>, CryptoError> {
    master.open(&purpose_of(&Sealed::SigningKey { kid: row.kid.clone() }), &row.sealed_private_key)
}
