//! The ring: which keys there are, which of them signs at a given moment, and which verify.
//!
//! A new key is published first and signs from its activation on; that moment retires the key before it, which goes on
//! verifying until its last token has expired. So the ring says by itself what happens when, on every replica alike.

use std::sync::Arc;

use jiff::Timestamp;

use super::{ring_error::RingError, sealing::open_key};
use crate::{
    config::secret::HmacSecrets,
    credentials::jwt::{Claims, PublicKey, RingKey, SigningError, SigningKey},
    crypto::MasterKey,
    domain::algorithm::Algorithm,
    store::{
        keys::{SigningKeyRow, StoredRing},
        revisions::Seen,
    },
};

/// Everything that signs and verifies access tokens.
pub(in crate::actors) struct Ring {
    pub(super) seen: Seen,
    keys: Vec<Key>,
    hmac: Option<Hmac>,
}

struct Key {
    row: SigningKeyRow,
    public: PublicKey,
    /// Absent where the key is retired or does not open.
    signing: Option<Arc<SigningKey>>,
}

struct Hmac {
    signing: SigningKey,
    public: Vec<PublicKey>,
}

impl Ring {
    /// Opens what may still sign. A key that does not open is logged once, and only verifies; those opened by `previous`
    /// are not opened again.
    pub(super) fn open(
        stored: StoredRing,
        master: &MasterKey,
        hmac: Option<&HmacSecrets>,
        previous: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, RingError> {
        let open = |row: SigningKeyRow| {
            let public = PublicKey::new(row.algorithm, &row.public_key)?;
            let signing = signing_key(&row, master, previous, now);
            Ok::<_, RingError>(Key { row, public, signing })
        };
        let keys = stored.keys.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { seen: stored.seen, keys, hmac: hmac.map(Hmac::new).transpose()? })
    }

    /// Signs with the key whose turn it is.
    pub(super) fn sign(&self, claims: &Claims, now: Timestamp) -> Result<String, SigningError> {
        match &self.hmac {
            Some(hmac) => hmac.signing.sign(claims),
            None => self.signer(now).ok_or(SigningError)?.sign(claims),
        }
    }

    /// Whether there is something to sign with.
    pub(super) fn can_sign(&self, now: Timestamp) -> bool {
        self.hmac.is_some() || self.signer(now).is_some()
    }

    /// The key that was activated last. Where none is yet, because the clock of the replica that made the first one is
    /// ahead of ours, it is the first to come; so it is where the ring was read after a key had retired that was active at
    /// `now`, which is a commit ago.
    fn signer(&self, now: Timestamp) -> Option<&SigningKey> {
        let is_usable = |key: &&Key| key.signing.is_some() && key.row.retired_at.is_none_or(|retired| retired > now);
        let usable = || self.keys.iter().filter(is_usable);
        let active = usable().filter(|key| key.row.activates_at <= now).max_by_key(|key| key.row.activates_at);
        active.or_else(|| usable().min_by_key(|key| key.row.activates_at))?.signing.as_deref()
    }

    /// The newest key of the store's ring.
    pub(super) fn newest(&self) -> Option<&SigningKeyRow> {
        self.newest_key().map(|key| &key.row)
    }

    /// Whether the newest key opened with our master key, so that another may be added.
    pub(super) fn newest_opens(&self) -> bool {
        self.newest_key().is_some_and(|key| key.signing.is_some())
    }

    fn newest_key(&self) -> Option<&Key> {
        self.keys.iter().max_by_key(|key| key.row.activates_at)
    }

    /// What verifies.
    pub(super) fn verifying(&self) -> Vec<RingKey> {
        let seconds = |time: Timestamp| time.as_second();
        let kept = self.keys.iter().map(|key| (key.public.clone(), key.row.retired_at.map(seconds)));
        let hmac = self.hmac.iter().flat_map(|hmac| hmac.public.iter().map(|key| (key.clone(), None)));
        kept.chain(hmac).map(|(key, retired_at_s)| RingKey { key, retired_at_s }).collect()
    }
}

impl Hmac {
    fn new(secrets: &HmacSecrets) -> Result<Self, RingError> {
        let public = |secret: &[u8]| PublicKey::new(Algorithm::Hs256, secret);
        let first = public(&secrets.signing)?;
        let signing = SigningKey::new(Algorithm::Hs256, first.kid(), &secrets.signing);
        let other = secrets.other.as_ref().map(|secret| public(secret)).transpose()?;
        Ok(Self { signing, public: [Some(first), other].into_iter().flatten().collect() })
    }
}

fn signing_key(
    row: &SigningKeyRow,
    master: &MasterKey,
    previous: Option<&Ring>,
    now: Timestamp,
) -> Option<Arc<SigningKey>> {
    if row.retired_at.is_some_and(|retired| retired <= now) {
        return None;
    }
    let known = previous.and_then(|ring| ring.keys.iter().find(|key| key.row.kid == row.kid));
    if let Some(known) = known {
        return known.signing.clone();
    }
    match open_key(row, master) {
        Ok(private_key) => Some(Arc::new(SigningKey::new(row.algorithm, &row.kid, &private_key))),
        Err(error) => {
            tracing::error!(kid = row.kid, %error, "a signing key does not open with this master key");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{actors::token_issuer::sealing::purpose_of, crypto, store::reseal::Sealed};

    const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn row(master: &MasterKey, kid: &str, activates_s: i64, retired_s: Option<i64>) -> SigningKeyRow {
        let (private_key, public_key) = crypto::new_ed25519().unwrap();
        let purpose = purpose_of(&Sealed::SigningKey { kid: kid.into() });
        SigningKeyRow {
            kid: kid.into(),
            algorithm: Algorithm::EdDsa,
            public_key,
            sealed_private_key: master.seal(&purpose, &private_key).unwrap(),
            created_at: at(0),
            activates_at: at(activates_s),
            retired_at: retired_s.map(at),
        }
    }

    #[test]
    fn a_ring_that_is_read_after_a_key_has_retired_signs_for_who_asked_before() {
        let master = MasterKey::from_base64(MASTER_KEY).unwrap();
        let keys = vec![row(&master, "old", 1, Some(10)), row(&master, "new", 10, None)];
        let ring = Ring::open(StoredRing { seen: Seen::default(), keys }, &master, None, None, at(11)).unwrap();
        assert!(ring.can_sign(at(9)) && ring.can_sign(at(11)));
    }
}
