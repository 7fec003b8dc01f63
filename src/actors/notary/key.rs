//! The key that signs checkpoints: one for all replicas, sealed in the store under the master key, and used for nothing
//! else.

use crate::{
    actors::token_issuer::purpose_of,
    crypto::{self, CryptoError, Ed25519Key, MasterKey},
    domain::{audit::lines::PublicKey, hex},
    store::{Store, StoreError, reseal::Sealed},
};

/// The name of the sealed key.
const NAME: &str = "audit-checkpoints";

/// How much of the digest of a public key is its name.
const KID_BYTES: usize = 8;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("store: {0}")]
    Store(#[from] StoreError),
    #[error(
        "the key of the audit log could not be opened: {0}; is TOLLGATE_MASTER_KEY (or data_dir/master.key) the one it was made with?"
    )]
    Crypto(#[from] CryptoError),
}

/// The key with its name.
pub struct CheckpointKey {
    key: Ed25519Key,
    public: PublicKey,
}

impl CheckpointKey {
    /// The key in the store; made there by the first that asks.
    pub async fn open(store: &Store, master: &MasterKey) -> Result<Self, KeyError> {
        let (private_key, _) = crypto::new_ed25519()?;
        let sealed = store.secret_or_insert(NAME, master.seal(&purpose(), &private_key)?).await?;
        Self::unsealed(master, &sealed)
    }

    /// The key in the store, if there is one.
    pub async fn read(store: &Store, master: &MasterKey) -> Result<Option<Self>, KeyError> {
        let sealed = store.secret(NAME).await?;
        sealed.map(|sealed| Self::unsealed(master, &sealed)).transpose()
    }

    /// Whether there is one: a gateway has used the store.
    pub async fn is_in(store: &Store) -> Result<bool, StoreError> {
        Ok(store.secret(NAME).await?.is_some())
    }

    fn unsealed(master: &MasterKey, sealed: &[u8]) -> Result<Self, KeyError> {
        let key = Ed25519Key::from_pkcs8(&master.open(&purpose(), sealed)?)?;
        let public = named(&key.public_key());
        Ok(Self { key, public })
    }

    /// The Ed25519 signature (RFC 8032) of `message`, 64 bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message)
    }

    /// What others verify with.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }
}

fn purpose() -> String {
    purpose_of(&Sealed::Secret { name: NAME.into() })
}

/// A public key under its name.
fn named(public_key: &[u8]) -> PublicKey {
    let digest = crypto::sha256(&[public_key]);
    let kid = hex::encode(digest.get(..KID_BYTES).unwrap_or(&digest));
    PublicKey { kid, public_key: hex::encode(public_key) }
}
