//! The keys without a running gateway: rotating the one that signs, and changing the one that seals.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{
    Secrets, StartError,
    audit::recorder,
    foundation::read_master_key,
    offline::{Standstill, existing_store},
};
use crate::{
    actors::{
        notary::Deed,
        token_issuer::{Keys, RingError, purpose_of},
    },
    config::Config,
    crypto::MasterKey,
    data_dir,
    domain::audit::act::Author,
    store::{
        keys::{Rotated, SigningKeyRow},
        reseal::{Resealed, SealAnew},
    },
};

/// The longest time of one statement.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Rotates the signing key in the store, and puts that on record; gateways that run read it within a second. Gives the key
/// that takes over.
pub async fn rotate_signing_key(config: &Config, secrets: &Secrets, by: Author) -> Result<SigningKeyRow, StartError> {
    let recorder = recorder(config, secrets, by).await?;
    let master = read_master_key(config, secrets)?;
    let change = json!({ "before": null, "after": { "signing_key": "a new one" } });
    recorder.note(Deed { command: "keys rotate", about: None, change }).await?;
    let keys = Keys {
        store: recorder.store,
        clock: recorder.clock,
        auth: config.auth.clone(),
        master: Arc::new(master),
        hmac: config.hmac_secrets()?,
    };
    match keys.rotate(None).await? {
        Rotated::New(key) => Ok(key),
        _ => Err(RingError::Busy.into()),
    }
}

/// Seals everything in the store with the key `new` (base64) instead of the present one, and returns the number of
/// values. While a gateway runs on the store, here or elsewhere, it refuses.
///
/// A kill leaves either key in force, never a mixture: the new key lies in `master.key.new` before the store changes and
/// becomes `master.key` after it, and a second run finishes what the first began.
pub async fn change_master_key(config: &Config, secrets: &Secrets, new: &str) -> Result<usize, StartError> {
    let store = existing_store(config, STATEMENT_TIMEOUT)?;
    // A gateway that went on would seal its next key with the old master key.
    let still = Standstill::of(config).await?;
    let old = read_master_key(config, secrets)?;
    let next = data_dir::parse_master_key("TOLLGATE_NEW_MASTER_KEY", new)?;
    let replacement = if secrets.master_key.is_none() { Some(still.data_dir().prepare_master_key(new)?) } else { None };
    let count = match store.seal_anew(seal_with(old, next)).await? {
        Resealed::Done(count) => count,
        Resealed::DoesNotOpen(_) => return Err(RingError::Crypto(crate::crypto::CryptoError::Unseal).into()),
    };
    replacement.map(data_dir::Replacement::put_in_place).transpose()?;
    Ok(count)
}

/// What is sealed with the new key already stays as it is, so that a second run does no harm.
fn seal_with(old: MasterKey, new: MasterKey) -> SealAnew {
    Arc::new(move |value, sealed| {
        let purpose = purpose_of(value);
        if new.open(&purpose, sealed).is_ok() {
            return Some(sealed.to_vec());
        }
        new.seal(&purpose, &old.open(&purpose, sealed).ok()?).ok()
    })
}
