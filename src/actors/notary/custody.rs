//! Acts on the log itself: dropping what is old, and erasing what is personal; and what commands change in the store. Each is
//! put on record in the chain of custody and vouched for at once, and only then done.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;

use super::CheckpointKey;
use crate::{
    actors::audit_writer::salts,
    clock::Clock,
    crypto,
    domain::{
        audit::{
            Decision, Draft, Findings, Head, Outcome, Stage, Unwritable,
            act::{Act, Author, CUSTODY},
            checkpoint::Trail,
        },
        ids::{EntryId, RequestId, UserId},
    },
    store::{Store, StoreError, audit::AuditRow},
};

/// How often an act is tried again because another was put on record meanwhile.
const TRIES: usize = 8;

/// What a command changes, as its entry says it.
pub struct Deed {
    /// The command, by the words it is called with.
    pub command: &'static str,
    /// The user whose data stands in `change`, which is erased with the rest of the user.
    pub about: Option<UserId>,
    /// `before` and `after`, without secrets.
    pub change: Value,
}

/// Who acts on the log.
#[derive(Clone)]
pub struct Custodian {
    pub store: Store,
    pub clock: Clock,
    pub key: Arc<CheckpointKey>,
    /// On whose behalf; nobody's where the gateway does it by its configuration.
    pub by: Option<Author>,
}

impl Custodian {
    /// The first and the last entry that [`drop_before`](Self::drop_before) would drop of a chain.
    pub async fn droppable(&self, chain: &str, before: Timestamp) -> Result<Option<(u64, u64)>, StoreError> {
        let recorded = self.store.dropped_through(chain).await?;
        let through = self.store.vouched_before(chain, before).await?.unwrap_or_default().max(recorded);
        let span = self.store.audit_span(chain, None, None).await?.filter(|_| chain != CUSTODY);
        Ok(span.map(|(first, last)| (first, last.min(through))).filter(|(first, last)| first <= last))
    }

    /// Drops the beginning of a chain that a checkpoint from before this time vouches for; how many entries that were.
    /// Also finishes what was put on record and not done.
    pub async fn drop_before(&self, chain: &str, before: Timestamp) -> Result<usize, StoreError> {
        let recorded = self.store.dropped_through(chain).await?;
        let through = self.store.vouched_before(chain, before).await?.unwrap_or_default().max(recorded);
        if chain == CUSTODY || through == 0 {
            return Ok(0);
        }
        if through > recorded {
            self.record(Act::Drop { chain: chain.to_owned(), through, by: self.by.clone() }).await?;
        }
        let mut dropped: usize = 0;
        loop {
            match self.store.drop_entries(chain, through).await? {
                0 => return Ok(dropped),
                some => dropped = dropped.saturating_add(some),
            }
        }
    }

    /// Erases every personal part of a user that is in the log now; how many parts that were.
    pub async fn erase(&self, user_id: UserId) -> Result<usize, StoreError> {
        let mut through = BTreeMap::new();
        for chain in self.store.audit_chains().await? {
            if let Some(head) = self.store.audit_head(&chain).await? {
                through.insert(chain, head.seq);
            }
        }
        self.record(Act::Erase { user_id, through: through.clone(), by: self.by.clone() }).await?;
        let mut erased: usize = 0;
        for (chain, through) in through {
            loop {
                match self.store.erase_parts(user_id, &chain, through).await? {
                    0 => break,
                    some => erased = erased.saturating_add(some),
                }
            }
        }
        Ok(erased)
    }

    /// Puts on record what a command is about to change.
    pub async fn note(&self, deed: Deed) -> Result<(), StoreError> {
        let act = Act::Command { command: deed.command.to_owned(), by: self.by.clone() };
        let findings = Findings { about: deed.about, change: Some(deed.change), ..Findings::default() };
        self.record_with(act, findings).await
    }

    pub(super) async fn record(&self, act: Act) -> Result<(), StoreError> {
        self.record_with(act, Findings::default()).await
    }

    async fn record_with(&self, act: Act, findings: Findings) -> Result<(), StoreError> {
        let mut tries = TRIES;
        loop {
            match self.try_to_record(&act, &findings).await {
                Err(StoreError::Conflict(_)) if tries > 0 => tries = tries.saturating_sub(1),
                recorded => return recorded,
            }
        }
    }

    async fn try_to_record(&self, act: &Act, findings: &Findings) -> Result<(), StoreError> {
        let head = self.store.audit_head(CUSTODY).await?.unwrap_or(Head::GENESIS);
        let last = self.store.last_checkpoint(CUSTODY).await?;
        let trail = last.as_ref().map_or(Some(Trail::START), |last| last.trail(crypto::sha256));
        let trail = trail.ok_or_else(|| StoreError::Corrupt("audit_checkpoints.statement".into()))?;
        let draft = self.draft(act, findings);
        let unwritable = |error: Unwritable| StoreError::Corrupt(error.to_string());
        let link = head.link(CUSTODY, &draft, salts()?, crypto::sha256).map_err(unwritable)?;
        let statement = trail.next(CUSTODY, link.head(), self.clock.now(), &self.key.public().kid);
        let checkpoint = statement.signed(|line| self.key.sign(line)).map_err(unwritable)?;
        self.store.keep_custody(act.clone(), AuditRow::new(&draft, link), checkpoint).await
    }

    fn draft(&self, act: &Act, findings: &Findings) -> Draft {
        Draft {
            id: EntryId(self.clock.new_id()),
            request_id: RequestId(self.clock.new_id()),
            time: self.clock.now(),
            stage: Stage::Whole,
            subject: None,
            findings: Findings {
                decision: Some(Decision::Allowed),
                reason: Some(act.name().into()),
                act: Some(act.clone()),
                outcome: Some(Outcome::Complete),
                ..findings.clone()
            },
        }
    }
}
