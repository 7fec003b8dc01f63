//! Sessions whose access tokens are dead before they expire. Owned and published by the `TokenIssuer`.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::domain::ids::SessionId;

/// Revoked sessions and when they were. One is forgotten when its last access token has expired by itself.
#[derive(Debug, Clone, Default)]
pub struct Revocations {
    sessions: HashMap<SessionId, Timestamp>,
}

impl Revocations {
    /// Whether the session is revoked.
    pub fn contains(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// These and `more`, without those that were revoked before `horizon`.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = (SessionId, Timestamp)>, horizon: Timestamp) -> Self {
        let known = self.sessions.iter().map(|(id, at)| (*id, *at));
        Self { sessions: known.chain(more).filter(|(_, at)| *at >= horizon).collect() }
    }

    /// The number of revoked sessions that are kept.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether no session is revoked.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_revocation_is_forgotten_only_past_the_horizon() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let session = |n| SessionId(Uuid::from_u128(n));
        let first = Revocations::default().with([(session(1), at(100))], at(0));
        let second = first.with([(session(2), at(200))], at(100));
        assert!(second.contains(session(1)) && second.contains(session(2)));
        let third = second.with([], at(101));
        assert!(!third.contains(session(1)) && third.contains(session(2)));
    }
}
