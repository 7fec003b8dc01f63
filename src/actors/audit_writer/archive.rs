//! Entries on their way into the store.

use std::{future::Future, sync::Arc, time::Duration};

use crate::{
    crypto::{self, CryptoError},
    domain::audit::{Draft, Head, Salt},
    store::{Store, StoreError, audit::AuditRow},
};

/// Whether this is a build that records nothing, which `scripts/audit` compares with. No configuration makes one.
pub(super) const IS_OFF: bool = cfg!(audit_off);

/// The store as the writer sees it: one chain of it, and never waited for longer than the timeout.
#[derive(Clone)]
pub(super) struct Archive {
    pub store: Store,
    /// Names this replica; no other may write to it.
    pub chain: Arc<str>,
    pub timeout: Duration,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Stored,
    /// It conflicts with a stored entry.
    Impossible,
    /// The store did not say. It has its place in the chain, and must keep it.
    Unsettled,
}

/// What became of a batch.
pub(super) struct Attempt {
    /// The end of the chain: of the last entry that is stored or unsettled.
    pub head: Head,
    /// One an entry.
    pub fates: Vec<Fate>,
    /// The unsettled entries, in their places.
    pub unsettled: Vec<Arc<AuditRow>>,
    /// Why there are any.
    pub trouble: Option<StoreError>,
}

impl Attempt {
    fn stored(head: Head, entries: usize) -> Self {
        Self { head, fates: vec![Fate::Stored; entries], unsettled: vec![], trouble: None }
    }

    /// Whether every entry is stored, one behind the other from the one before on.
    pub fn is_whole_behind(&self, before: Head) -> bool {
        let entries = u64::try_from(self.fates.len()).unwrap_or(u64::MAX);
        self.fates.iter().all(|fate| *fate == Fate::Stored) && before.seq.checked_add(entries) == Some(self.head.seq)
    }

    fn refuse(&mut self, draft: &Draft, error: &StoreError) {
        tracing::error!(%error, request = %draft.request_id, "an audit entry cannot be written");
        self.fates.push(Fate::Impossible);
    }
}

impl Archive {
    pub(super) fn new(store: Store, chain: Arc<str>, timeout: Duration) -> Self {
        if IS_OFF {
            tracing::error!("this is a build for measuring: NOTHING IS RECORDED");
        }
        Self { store, chain, timeout }
    }

    /// Puts the entries behind `head`, all in one transaction. If one of them conflicts with a stored entry, each
    /// goes alone, so that it takes no other with it.
    pub(super) async fn commit(&self, head: Head, drafts: &[Draft]) -> Attempt {
        if IS_OFF {
            return Attempt::stored(head, drafts.len());
        }
        let Ok((rows, end)) = self.link(head, drafts) else {
            return self.one_by_one(head, drafts).await;
        };
        match self.append(rows.clone()).await {
            Ok(()) => Attempt::stored(end, drafts.len()),
            Err(StoreError::Conflict(_)) => self.one_by_one(head, drafts).await,
            Err(error) => {
                let fates = vec![Fate::Unsettled; drafts.len()];
                Attempt { head: end, fates, unsettled: rows, trouble: Some(error) }
            }
        }
    }

    /// Appends what is not in the store yet of rows that have their places already. Doing it twice does no harm.
    pub(super) async fn replay(&self, mut rows: Vec<Arc<AuditRow>>) -> Result<(), StoreError> {
        let stored = self.head().await?.map_or(0, |head| head.seq);
        rows.retain(|row| row.seq > stored);
        self.append(rows).await
    }

    /// The last link that is stored.
    pub(super) async fn head(&self) -> Result<Option<Head>, StoreError> {
        self.in_time(self.store.audit_head(&self.chain)).await
    }

    /// The rows that put `drafts` behind `head`, and the head after them. Never the same twice: each has its own salts.
    pub(super) fn link(&self, mut head: Head, drafts: &[Draft]) -> Result<(Vec<Arc<AuditRow>>, Head), StoreError> {
        let mut rows = Vec::with_capacity(drafts.len());
        for (draft, salts) in drafts.iter().zip(salts_of_each(drafts.len())?) {
            let link = head
                .link(&self.chain, draft, salts, crypto::sha256)
                .map_err(|error| StoreError::Corrupt(error.to_string()))?;
            head = link.head();
            rows.push(Arc::new(AuditRow::new(draft, link)));
        }
        Ok((rows, head))
    }

    async fn one_by_one(&self, head: Head, drafts: &[Draft]) -> Attempt {
        let mut attempt = Attempt::stored(self.head().await.ok().flatten().unwrap_or(head), 0);
        for (index, draft) in drafts.iter().enumerate() {
            let (mut rows, end) = match self.link(attempt.head, std::slice::from_ref(draft)) {
                Ok(linked) => linked,
                Err(error) => {
                    attempt.refuse(draft, &error);
                    continue;
                }
            };
            match self.append(rows.clone()).await {
                Ok(()) => {
                    attempt.head = end;
                    attempt.fates.push(Fate::Stored);
                }
                Err(error @ StoreError::Conflict(_)) => attempt.refuse(draft, &error),
                Err(error) => {
                    let rest = drafts.get(index.saturating_add(1)..).unwrap_or_default();
                    attempt.fates.push(Fate::Unsettled);
                    attempt.head = end;
                    if let Ok((mut later, end)) = self.link(end, rest) {
                        rows.append(&mut later);
                        attempt.fates.resize(drafts.len(), Fate::Unsettled);
                        attempt.head = end;
                    }
                    attempt.fates.resize(drafts.len(), Fate::Impossible);
                    return Attempt { unsettled: rows, trouble: Some(error), ..attempt };
                }
            }
        }
        attempt
    }

    async fn append(&self, rows: Vec<Arc<AuditRow>>) -> Result<(), StoreError> {
        self.in_time(self.store.append_audit(&self.chain, rows)).await
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let late = |_| Err(StoreError::Unavailable(format!("no answer within {} ms", self.timeout.as_millis())));
        tokio::time::timeout(self.timeout, work).await.unwrap_or_else(late)
    }
}

/// Two salts of 16 random bytes.
pub(in crate::actors) fn salts() -> Result<[Salt; 2], StoreError> {
    let salt = || crypto::random().map_err(undrawn);
    Ok([salt()?, salt()?])
}

/// Two salts for each of so many entries, drawn at once: most of what a draw costs is the same for any number of bytes.
fn salts_of_each(entries: usize) -> Result<Vec<[Salt; 2]>, StoreError> {
    let drawn = crypto::random_bytes(entries.saturating_mul(size_of::<[Salt; 2]>())).map_err(undrawn)?;
    let (salts, _) = drawn.as_chunks::<16>();
    let (pairs, _) = salts.as_chunks::<2>();
    Ok(pairs.to_vec())
}

fn undrawn(error: CryptoError) -> StoreError {
    StoreError::Other(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_entry_has_its_own_salts() {
        let drawn = salts_of_each(5).unwrap();
        assert_eq!(drawn.len(), 5);
        let different: HashSet<Salt> = drawn.into_iter().chain([salts().unwrap()]).flatten().collect();
        assert_eq!(different.len(), 12);
        assert!(salts_of_each(0).unwrap().is_empty());
    }
}
