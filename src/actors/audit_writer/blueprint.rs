//! How the audit writer is built, and what an earlier process has left for it.

use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

use super::{
    AtStore, AuditWriter, FIRST_REST,
    archive::{Archive, IS_OFF},
    condition::Gauge,
    filling::{self, Filling},
    outbox::{NotTaken, Outbox},
};
use crate::{
    actors::{outage::Outage, supervisor::Lifeline, traffic_counter::Stored},
    data_dir::spool::SpoolError,
    domain::audit::{Draft, Head},
    store::{Store, StoreError},
};

/// What the writer is built from, again after each restart.
#[derive(Clone)]
pub struct Blueprint {
    pub store: Store,
    /// Names this replica; no other may write to it.
    pub chain: Arc<str>,
    pub max_batch: usize,
    /// The longest wait for the store.
    pub store_timeout: Duration,
    /// Whether an entry is committed in the spool, and the store filled behind that.
    pub commits_in_spool: bool,
    /// The folder of the spool, this writer's alone.
    pub spool: PathBuf,
    pub spool_max_bytes: u64,
    /// The way to the counter of traffic, which is told of each entry that was stored.
    pub stored: Stored,
}

/// Why the writer cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("audit spool: {0}")]
    Spool(#[from] SpoolError),
    #[error("audit spool: {0}")]
    Unreadable(String),
}

impl From<NotTaken> for BuildError {
    fn from(error: NotTaken) -> Self {
        match error {
            NotTaken::Spool(error) => Self::Spool(error),
            NotTaken::Json(_) | NotTaken::Read(_) => Self::Unreadable(error.to_string()),
        }
    }
}

impl Blueprint {
    /// Puts what an earlier process has spooled into the store; how many entries that were. To be called before a
    /// writer runs, and before anything is read off the log.
    pub async fn replay(&self) -> Result<u64, BuildError> {
        let (archive, mut outbox) = (self.archive(), self.outbox()?);
        let found = outbox.entries();
        while !outbox.is_empty() {
            let rows = outbox.front(filling::AT_A_TIME)?;
            let through = rows.last().map_or(u64::MAX, |row| row.seq);
            archive.replay(rows).await?;
            outbox.forget(through, |_, _| ());
        }
        Ok(found)
    }

    /// Appends entries while no writer runs.
    pub async fn append(&self, drafts: &[Draft]) -> Result<(), BuildError> {
        let archive = self.archive();
        let mut head = archive.head().await?.unwrap_or(Head::GENESIS);
        for batch in drafts.chunks(self.max_batch) {
            let attempt = archive.commit(head, batch).await;
            if let Some(error) = attempt.trouble {
                return Err(error.into());
            }
            head = attempt.head;
        }
        Ok(())
    }

    pub(super) async fn build(self, gauge: Gauge, lifeline: Lifeline) -> Result<AuditWriter, BuildError> {
        let (archive, outbox) = (self.archive(), self.outbox()?);
        // The entries in the spool are behind those in the store, unless they are in both.
        let head = match (archive.head().await, outbox.head()?) {
            (Ok(stored), spooled) => stored.into_iter().chain(spooled).max_by_key(|head| head.seq),
            (Err(_), Some(spooled)) => Some(spooled),
            (Err(error), None) => return Err(error.into()),
        };
        gauge.begin_anew();
        Ok(AuditWriter {
            commits_in_spool: self.commits_in_spool && !IS_OFF,
            filling: Filling::default(),
            archive,
            head: head.unwrap_or(Head::GENESIS),
            queue: VecDeque::new(),
            outbox,
            gauge,
            stored: self.stored,
            max_batch: self.max_batch,
            called: false,
            due: false,
            gathering: None,
            store: AtStore::Nothing,
            store_outage: Outage::none("audit entries into the store"),
            spool_outage: Outage::none("audit entries into the spool"),
            rest: FIRST_REST,
            _lifeline: lifeline,
        })
    }

    fn archive(&self) -> Archive {
        Archive::new(self.store.clone(), Arc::clone(&self.chain), self.store_timeout)
    }

    fn outbox(&self) -> Result<Outbox, SpoolError> {
        Outbox::open(&self.spool, self.spool_max_bytes)
    }
}
