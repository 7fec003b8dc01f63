//! Entries that have their place in the chain and are not known to be in the store: in the spool, and in memory where
//! the spool takes no more.
//!
//! While there are any, whatever comes after them goes behind them. So the order of the chain is kept, and an entry whose
//! commit was not answered is found in the store by its place and not written twice.

mod line;
mod recent;

use std::{path::Path, sync::Arc};

use self::{line::NoRow, recent::Recent};
use crate::{
    data_dir::spool::{Spool, SpoolError},
    domain::{
        audit::{Draft, Head},
        traffic::count::Entry,
    },
    store::audit::AuditRow,
};

pub(super) struct Outbox {
    spool: Spool,
    /// The last rows of the spool as they were put there, so that they are not read from it again.
    recent: Recent,
    /// Attempts that the store did not answer and the spool did not take: they may be in the store, so their places
    /// cannot be given to others. The callers who handed them over have been answered that they may not be on record.
    owed: Vec<Arc<AuditRow>>,
    /// The place of the last row that was removed.
    forgotten: u64,
}

/// The spool did not take the rows, so that nothing of them is in it, or did not give them back.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the route of an audit row could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Read(#[from] NoRow),
}

impl Outbox {
    pub(super) fn open(folder: &Path, max_bytes: u64) -> Result<Self, SpoolError> {
        Ok(Self { spool: Spool::open(folder, max_bytes)?, recent: Recent::default(), owed: vec![], forgotten: 0 })
    }

    /// The end of the chain, if it is in here.
    pub(super) fn head(&self) -> Result<Option<Head>, NotTaken> {
        if let Some(row) = self.owed.last() {
            return Ok(Some(head_of(row)));
        }
        let last = self.spool.last_record()?;
        Ok(last.map(|text| line::read(&text)).transpose()?.as_ref().map(head_of))
    }

    /// Puts the rows of these drafts on the disk, behind all others.
    pub(super) fn take(&mut self, rows: Vec<Arc<AuditRow>>, drafts: &[Draft]) -> Result<(), NotTaken> {
        self.put(&rows)?;
        self.recent.keep(rows.into_iter().zip(drafts));
        Ok(())
    }

    /// Whether it would take more rows.
    pub(super) fn check(&mut self) -> Result<(), NotTaken> {
        self.put(&[])?;
        Ok(self.spool.check()?)
    }

    /// Keeps rows that may be in the store: on the disk, or, with the error that kept them off it, in memory.
    pub(super) fn owe(&mut self, rows: Vec<Arc<AuditRow>>) -> Result<(), NotTaken> {
        self.put(&rows).inspect_err(|_| self.owed.extend(rows))
    }

    /// The first rows, about `at_most`; all if there are no more.
    pub(super) fn front(&self, at_most: u64) -> Result<Vec<Arc<AuditRow>>, NotTaken> {
        let Some(first) = self.spool.first() else {
            return Ok(self.owed.clone());
        };
        // A frame of the spool is forgotten as a whole: the store may have its first rows.
        let first = first.max(self.forgotten.saturating_add(1));
        if let Some(rows) = self.recent.from(first, at_most) {
            return Ok(rows);
        }
        let texts = self.spool.front(at_most)?;
        texts.iter().map(|text| Ok(Arc::new(line::read(text)?))).collect()
    }

    /// Removes the rows up to this place, which are in the store, and passes each that is in memory to `tell`, in order.
    pub(super) fn forget(&mut self, through: u64, mut tell: impl FnMut(u64, Entry)) {
        self.forgotten = self.forgotten.max(through);
        self.spool.forget(through);
        self.recent.forget(through, &mut tell);
        self.owed.retain(|row| row.seq > through);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries() == 0
    }

    pub(super) fn entries(&self) -> u64 {
        self.spool.records().saturating_add(u64::try_from(self.owed.len()).unwrap_or(u64::MAX))
    }

    /// The place of the first row.
    pub(super) fn first(&self) -> Option<u64> {
        self.spool.first().or_else(|| self.owed.first().map(|row| row.seq))
    }

    /// Puts what is owed into the spool, and these rows behind it.
    fn put(&mut self, rows: &[Arc<AuditRow>]) -> Result<(), NotTaken> {
        let owed = std::mem::take(&mut self.owed);
        if let Err(error) = self.spool(&owed) {
            self.owed = owed;
            return Err(error);
        }
        self.spool(rows)
    }

    fn spool(&mut self, rows: &[Arc<AuditRow>]) -> Result<(), NotTaken> {
        let Some(last) = rows.last() else {
            return Ok(());
        };
        let texts: Vec<String> = rows.iter().map(|row| line::write(row)).collect::<Result<_, _>>()?;
        Ok(self.spool.append(last.seq, &texts)?)
    }
}

fn head_of(row: &AuditRow) -> Head {
    Head { seq: row.seq, hash: row.hash }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tempfile::TempDir;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        audit::{Findings, Stage},
        ids::{EntryId, RequestId},
    };

    fn draft(number: u64) -> Draft {
        let id = Uuid::from_u128(number.into());
        let (id, request_id) = (EntryId(id), RequestId(id));
        let time = Timestamp::UNIX_EPOCH;
        Draft { id, request_id, time, stage: Stage::Whole, subject: None, findings: Findings::default() }
    }

    fn linked(head: Head, drafts: &[Draft]) -> Vec<Arc<AuditRow>> {
        let mut head = head;
        let link = |draft| {
            let link = head.link("c", draft, [[1; 16], [2; 16]], |_| [7; 32]).unwrap();
            head = link.head();
            Arc::new(AuditRow::new(draft, link))
        };
        drafts.iter().map(link).collect()
    }

    fn places(rows: &[Arc<AuditRow>]) -> Vec<u64> {
        rows.iter().map(|row| row.seq).collect()
    }

    #[test]
    fn of_a_frame_that_is_stored_in_part_the_rest_comes_from_memory_and_after_a_restart_all_of_it() {
        let folder = TempDir::new().unwrap();
        let open = || Outbox::open(&folder.path().join("spool"), 1 << 30).unwrap();
        let mut outbox = open();
        let drafts: Vec<Draft> = (1..=5).map(draft).collect();
        let rows = linked(Head::GENESIS, &drafts);
        outbox.take(rows[..3].to_vec(), &drafts[..3]).unwrap();
        outbox.take(rows[3..].to_vec(), &drafts[3..]).unwrap();
        let mut told = vec![];
        outbox.forget(2, |seq, _| told.push(seq));
        assert_eq!(told, [1, 2]);
        let front = outbox.front(100).unwrap();
        assert_eq!(places(&front), [3, 4, 5]);
        assert!(Arc::ptr_eq(&front[0], &rows[2]), "it was read from the disk");
        drop(outbox);
        let outbox = open();
        assert_eq!(outbox.front(100).unwrap(), rows, "the store knows which it has");
        assert_eq!(outbox.head().unwrap(), Some(head_of(&rows[4])));
    }
}
