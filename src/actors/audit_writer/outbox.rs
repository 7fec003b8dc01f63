//! Entries that have their place in the chain and are not known to be in the store: in the spool, and in memory where
//! the spool takes no more.
//!
//! While there are any, whatever comes after them goes behind them. So the order of the chain is kept, and an entry whose
//! commit was not answered is found in the store by its place and not written twice.

use std::path::Path;

use crate::{
    data_dir::spool::{Spool, SpoolError},
    domain::audit::Head,
    store::audit::AuditRow,
};

pub(super) struct Outbox {
    spool: Spool,
    /// Attempts that the store did not answer and the spool did not take: they may be in the store, so their places
    /// cannot be given to others. The callers who handed them over have been answered that they may not be on record.
    owed: Vec<AuditRow>,
}

/// The spool did not take the rows; nothing of them is in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("an audit row could not be written as JSON or read from it: {0}")]
    Json(#[from] serde_json::Error),
}

impl Outbox {
    pub(super) fn open(folder: &Path, max_bytes: u64) -> Result<Self, SpoolError> {
        Ok(Self { spool: Spool::open(folder, max_bytes)?, owed: vec![] })
    }

    /// The end of the chain, if it is in here.
    pub(super) fn head(&self) -> Result<Option<Head>, NotTaken> {
        if let Some(row) = self.owed.last() {
            return Ok(Some(head_of(row)));
        }
        let last = self.spool.last_record()?;
        Ok(last.map(|text| serde_json::from_str(&text)).transpose()?.as_ref().map(head_of))
    }

    /// Puts the rows on the disk, behind all others.
    pub(super) fn take(&mut self, rows: &[AuditRow]) -> Result<(), NotTaken> {
        let owed = std::mem::take(&mut self.owed);
        if let Err(error) = self.spool(&owed) {
            self.owed = owed;
            return Err(error);
        }
        self.spool(rows)
    }

    /// Whether it would take more rows.
    pub(super) fn check(&mut self) -> Result<(), NotTaken> {
        self.take(&[])?;
        Ok(self.spool.check()?)
    }

    /// Keeps rows that may be in the store: on the disk, or, with the error that kept them off it, in memory.
    pub(super) fn owe(&mut self, rows: Vec<AuditRow>) -> Result<(), NotTaken> {
        self.take(&rows).inspect_err(|_| self.owed.extend(rows))
    }

    /// The first rows, about `at_most`; all if there are no more.
    pub(super) fn front(&self, at_most: u64) -> Result<Vec<AuditRow>, NotTaken> {
        if self.spool.is_empty() {
            return Ok(self.owed.clone());
        }
        let texts = self.spool.front(at_most)?;
        texts.iter().map(|text| Ok(serde_json::from_str(text)?)).collect()
    }

    /// Lets go of the rows up to this place: they are in the store.
    pub(super) fn forget(&mut self, through: u64) {
        self.spool.forget(through);
        self.owed.retain(|row| row.seq > through);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries() == 0
    }

    pub(super) fn entries(&self) -> u64 {
        self.spool.records().saturating_add(u64::try_from(self.owed.len()).unwrap_or(u64::MAX))
    }

    fn spool(&mut self, rows: &[AuditRow]) -> Result<(), NotTaken> {
        let Some(last) = rows.last() else {
            return Ok(());
        };
        let texts: Vec<String> = rows.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        Ok(self.spool.append(last.seq, &texts)?)
    }
}

fn head_of(row: &AuditRow) -> Head {
    Head { seq: row.seq, hash: row.hash }
}
