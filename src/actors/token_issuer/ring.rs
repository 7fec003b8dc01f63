//! The key ring: read from the store and opened with the master key; made there if there is none.

use jiff::Timestamp;

use super::refresh_token::RefreshToken;
use crate::{
    crypto::{self, CryptoError, MacKey, MasterKey},
    domain::ids::SessionId,
    jwt::{Claims, Jwk, SigningError, SigningKey},
    store::{Store, StoreError, keys::SigningKeyRow},
};

const ALGORITHM: &str = "EdDSA";
const REFRESH_SECRET: &str = "refresh-tokens";

/// The keys cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RingError {
    #[error("the signing keys could not be read: {0}")]
    Store(#[from] StoreError),
    #[error(
        "the signing keys could not be opened: {0}; is TOLLGATE_MASTER_KEY (or data_dir/master.key) the one they were made with?"
    )]
    Crypto(#[from] CryptoError),
    #[error("the store has no signing key that is in use")]
    Empty,
}

/// Everything that makes tokens.
pub(super) struct Ring {
    signing: SigningKey,
    refresh: MacKey,
    /// Every public key whose tokens may still be about.
    pub(super) jwks: Vec<Jwk>,
}

impl Ring {
    /// Reads the ring. Two replicas that start at once on an empty store end with one ring: the store keeps the first.
    pub(super) async fn load(store: &Store, master: &MasterKey, now: Timestamp) -> Result<Self, RingError> {
        let mut rows = store.signing_keys().await?;
        if rows.is_empty() {
            rows = store.insert_first_signing_key(new_key(master, now)?).await?;
        }
        let newest = rows.iter().filter(|row| row.retired_at.is_none()).max_by_key(|row| row.created_at);
        let newest = newest.ok_or(RingError::Empty)?;
        let private_key = master.open(&purpose_of(&newest.kid), &newest.sealed_private_key)?;
        let signing = SigningKey::ed25519(&private_key, &Jwk::ed25519(&newest.public_key));
        let jwks = rows.iter().map(|row| Jwk::ed25519(&row.public_key)).collect();
        Ok(Self { signing, refresh: shared_key(store, master, REFRESH_SECRET).await?, jwks })
    }

    pub(super) fn sign(&self, claims: &Claims) -> Result<String, SigningError> {
        self.signing.sign(claims)
    }

    pub(super) fn write_refresh_token(&self, session: SessionId, generation: i64) -> String {
        RefreshToken { session, generation }.write(&self.refresh)
    }

    pub(super) fn read_refresh_token(&self, text: &str) -> Option<RefreshToken> {
        RefreshToken::read(text, &self.refresh)
    }
}

/// A sealed key is bound to its name, so that rows cannot be swapped.
fn purpose_of(kid: &str) -> String {
    format!("signing-key {kid}")
}

fn new_key(master: &MasterKey, now: Timestamp) -> Result<SigningKeyRow, CryptoError> {
    let (private_key, public_key) = crypto::new_ed25519()?;
    let kid = Jwk::ed25519(&public_key).kid;
    let sealed_private_key = master.seal(&purpose_of(&kid), &private_key)?;
    Ok(SigningKeyRow {
        kid,
        algorithm: ALGORITHM.into(),
        public_key,
        sealed_private_key,
        created_at: now,
        retired_at: None,
    })
}

/// The MAC key of this name that all replicas share: sealed in the store, made there by the first that asks.
pub async fn shared_key(store: &Store, master: &MasterKey, name: &str) -> Result<MacKey, RingError> {
    let fresh = master.seal(name, &crypto::random::<{ crypto::KEY_BYTES }>()?)?;
    let sealed = store.secret_or_insert(name, fresh).await?;
    Ok(MacKey::new(&master.open(name, &sealed)?))
}
