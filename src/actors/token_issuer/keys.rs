//! Reading the ring, publishing what verifies, and rotating.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{
    ring::Ring,
    ring_error::RingError,
    sealing::{Times, new_key},
    sessions::later,
};
use crate::{
    clock::Clock,
    config::{secret::HmacSecrets, sections::Auth},
    credentials::jwt::{MAX_LIFETIME_S, Verifier},
    crypto::{CryptoError, MasterKey},
    domain::algorithm::Algorithm,
    snapshot::Snapshot,
    store::{
        Store, StoreError,
        keys::{OtherNewest, Remember, Rotated, Rotation, StoredRing},
    },
};

/// How often a rotation is tried again because the ring changed meanwhile.
const TRIES: usize = 4;

/// What the ring is read and made with.
#[derive(Clone)]
pub struct Keys {
    pub store: Store,
    pub clock: Clock,
    pub auth: Auth,
    pub master: Arc<MasterKey>,
    /// Of HS256 alone.
    pub hmac: Option<HmacSecrets>,
}

impl Keys {
    /// The ring at start: made if there is none, and rotated to the configured algorithm if its newest key has another.
    /// Replicas that start at once on an empty store end with one ring: the store keeps the first.
    pub(super) async fn load(&self) -> Result<Ring, RingError> {
        let now = self.clock.store_now();
        if self.auth.algorithm == Algorithm::Hs256 {
            // The ring stays as it is: replicas that are not restarted yet sign with it.
            return self.open(self.store.signing_ring().await?, None);
        }
        let mut stored = self.store.signing_ring().await?;
        if !stored.keys.iter().any(|key| key.retired_at.is_none()) {
            let first = new_key(self.auth.algorithm, &self.master, Times { created_at: now, activates_at: now })?;
            stored = self.store.insert_first_signing_key(first).await?;
        }
        let ring = self.open(stored, None)?;
        if !ring.can_sign(now) {
            return Err(CryptoError::Unseal.into());
        }
        if ring.newest().is_none_or(|newest| newest.algorithm == self.auth.algorithm) {
            return Ok(ring);
        }
        self.rotate(None).await?;
        self.open(self.store.signing_ring().await?, Some(&ring))
    }

    /// The ring, if it has changed since `known` was read.
    pub(super) async fn read_after(&self, known: &Ring) -> Result<Option<Ring>, RingError> {
        let Some(news) = self.store.keys_news(known.seen).await? else { return Ok(None) };
        if news.went_back {
            tracing::warn!("the store went back: the ring of signing keys is read anew");
        }
        self.open(self.store.signing_ring().await?, Some(known)).map(Some)
    }

    fn open(&self, stored: StoredRing, previous: Option<&Ring>) -> Result<Ring, RingError> {
        Ring::open(stored, &self.master, self.hmac.as_ref(), previous, self.clock.store_now())
    }

    /// A verifier of everything in the ring.
    pub(super) fn verifier(&self, ring: &Ring) -> Verifier {
        Verifier::new(&self.auth.issuer, &self.auth.audience, self.auth.access_ttl_s, ring.verifying())
    }

    /// Adds a key that signs after the lead. The answer is the key that takes over: another replica's, if that was first.
    ///
    /// # Errors
    /// `OperatorsSecret` under HS256, `Crypto` if the ring was sealed under another master key meanwhile.
    pub async fn rotate(&self, remember: Option<Remember>) -> Result<Rotated, RingError> {
        for _ in 0..TRIES {
            let now = self.clock.store_now();
            let times = Times { created_at: now, activates_at: later(now, self.auth.key_lead_s) };
            let new = new_key(self.auth.algorithm, &self.master, times)?;
            let ring = self.open(self.store.signing_ring().await?, None)?;
            let newest_sealed = ring.newest().ok_or(RingError::Empty)?.sealed_private_key.clone();
            if !ring.newest_opens() {
                return Err(CryptoError::Unseal.into());
            }
            let rotation = Rotation { new, newest_sealed, now, remember: remember.clone() };
            match self.store.rotate_signing_key(rotation).await? {
                Rotated::Refused(OtherNewest) => {}
                rotated => return Ok(rotated),
            }
        }
        Err(RingError::Busy)
    }

    /// Whether the newest key is as old as a key may grow.
    pub(super) fn rotation_is_due(&self, ring: &Ring) -> bool {
        let limit_s = self.auth.key_rotation_s;
        let due = |created_at: Timestamp| later(created_at, limit_s) <= self.clock.store_now();
        let scheduled = limit_s > 0 && self.auth.algorithm != Algorithm::Hs256;
        scheduled && ring.newest().is_some_and(|newest| due(newest.created_at))
    }

    /// Deletes keys of which no token can be left, whatever lifetime was configured.
    pub(super) async fn purge(&self) -> Result<usize, StoreError> {
        let kept = SignedDuration::from_secs(i64::from(MAX_LIFETIME_S).saturating_mul(2));
        self.store.purge_signing_keys(self.clock.store_now().saturating_sub(kept).unwrap_or(Timestamp::MIN)).await
    }
}

/// Publishes a ring: what verifies first, so that no token is about that does not.
pub(super) fn publish(keys: &Keys, ring: Ring, rings: &Snapshot<Ring>, verifier: &Snapshot<Verifier>) {
    verifier.publish(keys.verifier(&ring));
    rings.publish(ring);
}
