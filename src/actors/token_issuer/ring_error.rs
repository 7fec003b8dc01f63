//! Why the ring of signing keys cannot be had, or not changed.

use crate::{credentials::jwt::NotAKey, crypto::CryptoError, store::StoreError};

/// The keys cannot be had, or not changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RingError {
    #[error("the signing keys could not be read: {0}")]
    Store(#[from] StoreError),
    #[error(
        "the signing keys could not be opened: {0}; is TOLLGATE_MASTER_KEY (or data_dir/master.key) the one they were made with?"
    )]
    Crypto(#[from] CryptoError),
    #[error("a signing key in the store is damaged: {0}")]
    Damaged(#[from] NotAKey),
    #[error("the store has no signing key yet; the first start of a gateway makes one")]
    Empty,
    #[error("tokens are signed with HS256 and a secret of the operator's: change auth.hmac_secret instead")]
    OperatorsSecret,
    #[error("the ring of signing keys was changed by others again and again; try again")]
    Busy,
}
