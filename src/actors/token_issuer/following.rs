//! What the issuer reads from the store at each poll, and how it is published.

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;

use super::{TokenIssuer, keys, ring::Ring, ring_error::RingError, sessions::Revoked, skew};
use crate::{
    actors::catch_up::{CatchUp, Follower},
    clock::Clock,
    store::{Store, StoreError},
};

impl Follower for TokenIssuer {
    const NAME: &'static str = "token_issuer";
    /// The sessions that were revoked, if any; and the ring if it has changed.
    type Reading = (Result<Option<Revoked>, StoreError>, Result<Option<Ring>, RingError>);

    fn store(&self) -> &Store {
        &self.keys.store
    }

    fn clock(&self) -> &Clock {
        &self.keys.clock
    }

    fn catch_up(&mut self) -> &mut CatchUp {
        &mut self.catch_up
    }

    fn read(&self) -> LocalBoxFuture<'static, Self::Reading> {
        let (sessions, seen) = (Arc::clone(&self.sessions), self.seen);
        let (keys, ring) = (Arc::clone(&self.keys), Arc::clone(&self.ring.read()));
        Box::pin(async move {
            // If it fails, so do the readings, and they are what counts.
            drop(skew::measure(&keys.store, &keys.clock).await);
            (sessions.revoked_since(seen).await, keys.read_after(&ring).await)
        })
    }

    fn publish(&mut self, (revoked, ring): Self::Reading) -> Result<(), StoreError> {
        // A store that is away is said once, with the revocations.
        if revoked.is_ok() || ring.is_ok() {
            self.take_ring(ring);
        }
        self.take_revoked(revoked?);
        Ok(())
    }
}

impl TokenIssuer {
    fn take_ring(&self, ring: Result<Option<Ring>, RingError>) {
        match ring {
            Ok(None) => {}
            Ok(Some(ring)) => keys::publish(&self.keys, ring, &self.ring, &self.verifier),
            Err(error) => tracing::warn!(%error, "the ring of signing keys will be read at the next poll"),
        }
    }

    /// Publishes revocations besides those that are known. Where the store went back they stay: a session that was ended
    /// does not live again because the store forgot its end.
    pub(super) fn take_revoked(&mut self, revoked: Option<Revoked>) {
        let horizon = self.sessions.horizon();
        let more = revoked.iter().flat_map(|revoked| &revoked.sessions).map(|(session, at, _)| (*session, *at));
        self.revocations.publish(self.revocations.read().with(more, horizon));
        if let Some(Revoked { news, .. }) = revoked {
            if news.went_back {
                tracing::warn!(revision = news.seen.revision, "the store went back: revoked sessions are read anew");
            }
            self.seen = news.seen;
        }
    }
}
