//! Is this API key good, and whose is it? Answered from snapshots on this thread.
//!
//! A key that this replica has not heard of may have been made a moment ago on another one, so the store is read before
//! it is refused. Only for keys that the mint made, though: an id that somebody made up has no right secret, and is
//! refused without a question, so that a flood of them costs the store nothing.

use std::sync::Arc;

use jiff::Timestamp;

use super::{NOT_ASKED, staleness::Staleness};
use crate::{
    actors::registrar::Users,
    credentials::api_key::{ApiKey, Mint},
    crypto,
    domain::{
        api_key::OldSecret,
        barrier::Barrier,
        ids::ApiKeyId,
        principal::{Account, Credential, CredentialKind, KeyBounds, Principal, UserStatus},
        refusal::{Refusal, Revocation, TokenFault},
    },
    snapshot::{
        Snapshot,
        api_keys::{ApiKeys, KeyStanding, Used},
        directory::Directory,
    },
};

/// What API keys are checked against. Clones share everything.
#[derive(Clone)]
pub struct KeyCheck {
    pub mint: Arc<Mint>,
    pub api_keys: Snapshot<ApiKeys>,
    pub directory: Snapshot<Directory>,
    pub users: Users,
    pub staleness: Staleness,
}

impl KeyCheck {
    /// Whether the key of this id is known and may still be used, with the secret of this hash.
    #[must_use]
    pub fn is_live(&self, id: &str, secret_hash: &[u8; 32], now: Timestamp) -> bool {
        let id = uuid::Uuid::try_parse(id).ok().map(ApiKeyId);
        let keys = self.api_keys.read();
        let standing = id.and_then(|id| keys.find(id));
        let is_good = |key: &KeyStanding| !key.is_revoked && key.expires_at.is_none_or(|at| at > now);
        standing.is_some_and(|key| is_good(key) && has_secret(key, secret_hash, now))
    }

    /// Whether the key of this id is known and for this route.
    #[must_use]
    pub fn is_for(&self, id: &str, route: &str) -> bool {
        let id = uuid::Uuid::try_parse(id).ok().map(ApiKeyId);
        let keys = self.api_keys.read();
        id.and_then(|id| keys.find(id)).is_some_and(|key| key.bounds.routes.allows(route))
    }

    /// The user whose key this is, as they are now.
    pub async fn principal(&self, key: &ApiKey, now: Timestamp) -> Result<Principal, Refusal> {
        let (account, standing) = self.owner(key, now).await?;
        let (team, bounds) = (self.directory.read().team_of(&account), standing.bounds);
        // What each of key and user may that the other may not is nothing that the key may.
        let role = bounds.role_of(account.role).ok_or(Refusal::Forbidden(Barrier::Key))?;
        let (credential, secret_hash) = (credential(key.id), Some(key.secret_hash()));
        Ok(Principal { account, team, bounds: Some(bounds), role, session: None, credential, secret_hash })
    }

    /// The active user whose key this is, and what is known of the key.
    pub async fn owner(&self, key: &ApiKey, now: Timestamp) -> Result<(Arc<Account>, KeyStanding), Refusal> {
        let standing = self.standing(key, now).await?;
        self.note_use(key.id, &standing.used, now);
        let account = match self.directory.read().find(standing.user).cloned() {
            Some(account) => Some(account),
            // The key was read later than the users were.
            None => self.look_again(&standing).await?,
        };
        let account = account.ok_or(Refusal::RevokedToken(Revocation::UserDeleted))?;
        if account.status != UserStatus::Active {
            return Err(Refusal::RevokedToken(Revocation::UserDisabled));
        }
        Ok((account, standing))
    }

    fn note_use(&self, id: ApiKeyId, used: &Used, now: Timestamp) {
        if let Some(minute) = used.first_of_minute(now) {
            self.users.note_use(id, minute);
        }
    }

    async fn look_again(&self, standing: &KeyStanding) -> Result<Option<Arc<Account>>, Refusal> {
        let asked = self.users.catch_up().await;
        match self.directory.read().find(standing.user).cloned() {
            None if asked.is_err() => Err(NOT_ASKED),
            account => Ok(account),
        }
    }

    /// What a key may do that a token was exchanged for, by which it is used. Without the key there is no such token any more.
    pub async fn bounds(&self, id: ApiKeyId, now: Timestamp) -> Result<Arc<KeyBounds>, Refusal> {
        let of_key = |key: &KeyStanding| (Arc::clone(&key.bounds), key.used.clone(), key.is_revoked);
        let find = || self.api_keys.read().find(id).map(of_key);
        let mut known = find();
        if known.is_none() {
            // The token may have been made a moment ago on another replica.
            let asked = self.users.catch_up().await;
            known = find();
            if known.is_none() && asked.is_err() {
                return Err(NOT_ASKED);
            }
        }
        match known {
            Some((bounds, used, false)) => {
                self.note_use(id, &used, now);
                Ok(bounds)
            }
            _ => Err(Refusal::RevokedToken(Revocation::ApiKey)),
        }
    }

    /// What is known of a live key whose secret is right, whatever has become of its user.
    pub async fn standing(&self, key: &ApiKey, now: Timestamp) -> Result<KeyStanding, Refusal> {
        if !self.staleness.is_within_bound() {
            return Err(NOT_ASKED);
        }
        let mut known = self.api_keys.read().find(key.id).cloned();
        let next = known.as_ref().map_or(0, |known| known.generation.saturating_add(1));
        let hash = key.secret_hash();
        let lacks = |known: &Option<KeyStanding>| known.as_ref().is_none_or(|known| !has_secret(known, &hash, now));
        if lacks(&known) && self.mint.made(key, next) {
            let asked = self.users.catch_up().await;
            known = self.api_keys.read().find(key.id).cloned();
            if lacks(&known) && asked.is_err() {
                return Err(NOT_ASKED);
            }
        }
        judge(known.ok_or(Refusal::InvalidToken(TokenFault::UnknownApiKey))?, &hash, now)
    }
}

/// Whether the secret of this SHA-256 is the key's, or the one before while that is good.
fn has_secret(standing: &KeyStanding, hash: &[u8; 32], now: Timestamp) -> bool {
    let is_old = |old: &OldSecret| now < old.until && crypto::is_equal(&old.secret_hash, hash);
    crypto::is_equal(&standing.secret_hash, hash) || standing.old.as_ref().is_some_and(is_old)
}

/// The secret comes first: what became of a key is nobody's business without it.
fn judge(standing: KeyStanding, hash: &[u8; 32], now: Timestamp) -> Result<KeyStanding, Refusal> {
    if !has_secret(&standing, hash, now) {
        return Err(Refusal::InvalidToken(TokenFault::WrongApiKeySecret));
    }
    if standing.is_revoked {
        return Err(Refusal::RevokedToken(Revocation::ApiKey));
    }
    if standing.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(Refusal::ExpiredApiKey);
    }
    Ok(standing)
}

/// How a key is named where its secret must not be.
pub fn credential(id: ApiKeyId) -> Credential {
    Credential { kind: CredentialKind::ApiKey, id: id.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::MacKey, domain::ids::UserId};
    use uuid::Uuid;

    #[test]
    fn nothing_is_told_of_a_key_without_its_secret() {
        let mint = Mint::new(MacKey::new(&[1; 32]));
        let id = ApiKeyId(Uuid::from_u128(1));
        let hash = ApiKey::read(&mint.text_of(id, 0)).unwrap().secret_hash();
        let at = |s| Timestamp::from_second(s).unwrap();
        let live = KeyStanding {
            user: UserId(Uuid::from_u128(2)),
            secret_hash: hash,
            expires_at: Some(at(100)),
            is_revoked: false,
            bounds: Arc::default(),
            generation: 0,
            old: None,
            used: Used::default(),
        };
        let old = OldSecret { secret_hash: hash, until: at(50) };
        let rotated = KeyStanding { secret_hash: [1; 32], old: Some(old), ..live.clone() };
        assert_eq!(judge(rotated.clone(), &hash, at(49)), Ok(rotated.clone()));
        assert_eq!(judge(rotated, &hash, at(50)), Err(Refusal::InvalidToken(TokenFault::WrongApiKeySecret)));
        let revoked = KeyStanding { is_revoked: true, ..live.clone() };
        assert_eq!(judge(live.clone(), &hash, at(99)), Ok(live.clone()));
        assert_eq!(judge(live, &hash, at(100)), Err(Refusal::ExpiredApiKey));
        assert_eq!(judge(revoked.clone(), &hash, at(100)), Err(Refusal::RevokedToken(Revocation::ApiKey)));
        let wrong = Err(Refusal::InvalidToken(TokenFault::WrongApiKeySecret));
        assert_eq!(judge(KeyStanding { secret_hash: [0; 32], ..revoked }, &hash, at(100)), wrong);
    }
}
