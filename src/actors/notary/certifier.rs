//! Where checkpoints are made: one after the other, each following the last one in the store.
//!
//! It never signs two checkpoints that contradict each other: the store takes each number once, and where the file in
//! `data_dir` knows of more than the store does, the store has lost something and nothing is signed.

use std::{io, path::PathBuf, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{custody::Custodian, key::CheckpointKey, shipping::Shipping};
use crate::{
    clock::Clock,
    crypto,
    domain::audit::{
        Head,
        checkpoint::{Checkpoint, EVERY_ENTRIES, EVERY_S, Trail},
    },
    store::{Store, StoreError},
};

/// How many checkpoints the file is given at a time.
const AT_A_TIME: u32 = 1_000;

/// Why there is no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum NotCertified {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error(
        "the store does not go on from checkpoint {0}, which this gateway has signed: it was set back or changed, and nothing is signed that contradicts it. If it was restored from a backup, run `tollgate audit accept-restore --reason ...`"
    )]
    Contradiction(u64),
    #[error("a checkpoint in the store is unreadable")]
    Unreadable,
    #[error("the file of checkpoints: {0}")]
    File(#[from] io::Error),
    #[error("the notary does not answer")]
    NoAnswer,
}

/// What the notary of a chain works with.
#[derive(Clone)]
pub struct Blueprint {
    pub store: Store,
    /// Names this replica.
    pub chain: Arc<str>,
    pub clock: Clock,
    pub key: Arc<CheckpointKey>,
    /// The file of checkpoints.
    pub file: PathBuf,
    /// How many days entries are kept; 0: for ever.
    pub retention_days: u32,
}

impl Blueprint {
    /// Drops the entries of this chain that are older than they are kept; how many.
    pub(super) async fn tidy(&self) -> Result<usize, StoreError> {
        let kept = SignedDuration::from_hours(i64::from(self.retention_days).saturating_mul(24));
        let before = self.clock.now().saturating_sub(kept).unwrap_or(Timestamp::MIN);
        let (store, clock, key) = (self.store.clone(), self.clock.clone(), Arc::clone(&self.key));
        let custodian = Custodian { store, clock, key, by: None };
        custodian.drop_before(&self.chain, before).await
    }
}

/// What is signed, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// What is due by time or by number.
    Due,
    /// The head of the chain, whatever is due.
    Asked,
}

pub(super) struct Certifier {
    blueprint: Blueprint,
    shipping: Shipping,
    /// The last checkpoint in the store and when it was made; `None` if it must be read first.
    trail: Option<Trail>,
    /// The last one was made then by this process; the first is due at once, because it vouches for what a kill has left.
    made_at: Option<Timestamp>,
}

impl Certifier {
    pub(super) fn new(blueprint: Blueprint) -> Self {
        let shipping = Shipping::new(blueprint.file.clone(), blueprint.key.public().clone());
        Self { blueprint, shipping, trail: None, made_at: None }
    }

    /// Signs what the occasion asks for, and puts it in both places.
    pub(super) async fn attend(&mut self, occasion: Occasion) -> Result<(), NotCertified> {
        let attended = self.try_to_attend(occasion).await;
        if attended.is_err() {
            // Whether the last one reached the store is read there before the next.
            self.trail = None;
            self.shipping.forget();
        }
        attended
    }

    async fn try_to_attend(&mut self, occasion: Occasion) -> Result<(), NotCertified> {
        let mut trail = match self.trail {
            Some(trail) => trail,
            None => self.read_trail().await?,
        };
        let head = self.blueprint.store.audit_head(&self.blueprint.chain).await?.unwrap_or(Head::GENESIS);
        if !trail.admits(head) {
            return Err(NotCertified::Contradiction(trail.number));
        }
        while head.seq.saturating_sub(trail.head.seq) >= EVERY_ENTRIES {
            trail = self.certify(trail, self.head_at(trail.head.seq.saturating_add(EVERY_ENTRIES)).await?).await?;
        }
        if occasion == Occasion::Asked || self.is_due() {
            trail = self.certify(trail, head).await?;
            self.made_at = Some(self.blueprint.clock.now());
        }
        self.trail = Some(trail);
        Ok(())
    }

    fn is_due(&self) -> bool {
        let every = SignedDuration::from_secs(EVERY_S.cast_signed());
        let next = self.made_at.and_then(|made_at| made_at.checked_add(every).ok());
        next.is_none_or(|next| self.blueprint.clock.now() >= next)
    }

    async fn head_at(&self, seq: u64) -> Result<Head, NotCertified> {
        let link = self.blueprint.store.audit_link(&self.blueprint.chain, seq).await?;
        link.ok_or(NotCertified::Contradiction(seq))
    }

    async fn certify(&mut self, trail: Trail, head: Head) -> Result<Trail, NotCertified> {
        // Before the store has it: a checkpoint without a file shows then that the file was deleted.
        self.shipping.begin()?;
        let Blueprint { store, chain, clock, key, .. } = &self.blueprint;
        let statement = trail.next(chain, head, clock.now(), &key.public().kid);
        let checkpoint = statement.signed(|line| key.sign(line)).map_err(|_| NotCertified::Unreadable)?;
        store.append_checkpoint(checkpoint.clone()).await?;
        let trail = checkpoint.trail(crypto::sha256).ok_or(NotCertified::Unreadable)?;
        self.shipping.append(vec![checkpoint])?;
        Ok(trail)
    }

    /// The end of the trail in the store, with the file brought up to it.
    async fn read_trail(&mut self) -> Result<Trail, NotCertified> {
        let last = self.blueprint.store.last_checkpoint(&self.blueprint.chain).await?;
        let trail = last.as_ref().map_or(Some(Trail::START), |last| last.trail(crypto::sha256));
        let trail = trail.ok_or(NotCertified::Unreadable)?;
        self.catch_up(trail.number).await?;
        Ok(trail)
    }

    async fn catch_up(&mut self, number: u64) -> Result<(), NotCertified> {
        let Blueprint { store, chain, .. } = &self.blueprint;
        let shipped = self.shipping.last(chain)?.cloned();
        let mut shipped_number = shipped.as_ref().map_or(0, |last| last.number);
        match shipped {
            Some(shipped) => compare(store, &shipped).await?,
            None if number > 0 => tracing::warn!(
                "the file of checkpoints has none of this chain and is made again from the store; what the store has lost before does not show in it"
            ),
            None => {}
        }
        while shipped_number < number {
            let missing = store.checkpoints_after(chain, shipped_number, AT_A_TIME).await?;
            let Some(last) = missing.last() else {
                break;
            };
            shipped_number = last.number;
            self.shipping.append(missing)?;
        }
        Ok(())
    }
}

/// The store must have what the file has.
async fn compare(store: &Store, shipped: &Checkpoint) -> Result<(), NotCertified> {
    let stored = store.checkpoints_after(&shipped.chain, shipped.number.saturating_sub(1), 1).await?;
    let is_same = stored.first().is_some_and(|stored| stored.statement == shipped.statement);
    if is_same { Ok(()) } else { Err(NotCertified::Contradiction(shipped.number)) }
}
