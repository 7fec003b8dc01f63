//! The last rows that went into the spool, kept in memory until they are in the store.
//!
//! Bounded: where there are too many, because the store is away, they are let go of and come from the spool.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    domain::{audit::Draft, traffic::count::Entry},
    store::audit::AuditRow,
};

/// The most bytes of rows that are kept.
const MOST_BYTES: usize = 16 << 20;

/// About what a row takes besides its texts.
const ROW_BYTES: usize = 1 << 10;

/// Rows without a gap, up to the last of the spool.
#[derive(Default)]
pub(super) struct Recent {
    rows: VecDeque<(Arc<AuditRow>, Entry)>,
    bytes: usize,
}

impl Recent {
    /// Keeps rows behind all others.
    pub(super) fn keep<'d>(&mut self, rows: impl Iterator<Item = (Arc<AuditRow>, &'d Draft)>) {
        for (row, draft) in rows {
            let follows = self.rows.back().is_none_or(|(last, _)| last.seq.checked_add(1) == Some(row.seq));
            if self.bytes > MOST_BYTES || !follows {
                *self = Self::default();
            }
            self.bytes = self.bytes.saturating_add(bytes(&row));
            self.rows.push_back((row, draft.into()));
        }
    }

    /// At most `at_most` rows, the first of them at the place `first`; `None` if the row of that place is not in memory.
    pub(super) fn from(&self, first: u64, at_most: u64) -> Option<Vec<Arc<AuditRow>>> {
        self.rows.front().filter(|(row, _)| row.seq == first)?;
        let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
        Some(self.rows.iter().take(at_most).map(|(row, _)| Arc::clone(row)).collect())
    }

    /// Removes the rows up to this place, and passes each to `tell`.
    pub(super) fn forget(&mut self, through: u64, tell: &mut impl FnMut(u64, Entry)) {
        while let Some((row, entry)) = self.rows.pop_front_if(|(row, _)| row.seq <= through) {
            self.bytes = self.bytes.saturating_sub(bytes(&row));
            tell(row.seq, entry);
        }
    }
}

fn bytes(row: &AuditRow) -> usize {
    let parts = [row.personal.as_ref(), row.change.as_ref()].into_iter().flatten();
    parts.map(String::len).fold(ROW_BYTES.saturating_add(row.entry.len()), usize::saturating_add)
}
