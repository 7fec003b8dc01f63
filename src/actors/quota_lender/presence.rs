//! How many replicas live, by what they say in the store: for the shares of a limit while Redis cannot count them.
//!
//! Each replica counts up its row in `replicas` while it lives. A row that was read for the first time may be that of a
//! replica that is gone, so it counts until it has stood still for as long as a replica may be silent: too many replicas
//! make shares too small, too few make them too large.

use std::collections::BTreeMap;

/// What was read of the rows of other replicas.
#[derive(Debug, Default)]
pub(super) struct Presence(BTreeMap<String, Row>);

#[derive(Debug, Clone, Copy)]
struct Row {
    beats: i64,
    /// When it was first read, or last seen to have been counted up.
    since_ns: u64,
    /// It was seen to be counted up, or to be new.
    lives: bool,
}

/// Other replicas than this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Others {
    /// Those that were seen to live.
    pub living: u64,
    /// Those that may live.
    pub possible: u64,
}

impl Presence {
    /// Takes in the rows of the other replicas, as they are at `now_ns`. A row that stood still for `silence_ns` counts no
    /// more.
    pub(super) fn read(&mut self, rows: Vec<(String, i64)>, silence_ns: u64, now_ns: u64) -> Others {
        let is_first = self.0.is_empty();
        let before = std::mem::take(&mut self.0);
        let row = |(name, beats): (String, i64)| {
            let row = match before.get(&name) {
                Some(row) if row.beats == beats => *row,
                Some(_) => Row { beats, since_ns: now_ns, lives: true },
                None => Row { beats, since_ns: now_ns, lives: !is_first },
            };
            (name, row)
        };
        self.0 = rows.into_iter().map(row).collect();
        let present = |row: &&Row| now_ns.saturating_sub(row.since_ns) < silence_ns;
        let count = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
        Others {
            living: count(self.0.values().filter(present).filter(|row| row.lives).count()),
            possible: count(self.0.values().filter(present).count()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_counts_until_it_has_stood_still_for_as_long_as_a_replica_may_be_silent() {
        let mut presence = Presence::default();
        let mut read = |now_ns, beats: &[i64]| {
            let rows = beats.iter().enumerate().map(|(i, beats)| (i.to_string(), *beats)).collect();
            let Others { living, possible } = presence.read(rows, 10, now_ns);
            [living, possible]
        };
        assert_eq!(read(0, &[]), [0, 0]);
        assert_eq!(read(0, &[5, 7]), [0, 2]);
        assert_eq!(read(9, &[5, 8]), [1, 2]);
        assert_eq!(read(10, &[5, 8]), [1, 1]);
        assert_eq!(read(12, &[5, 8, 1]), [2, 2]);
        assert_eq!(read(19, &[6, 8, 1]), [2, 2]);
        assert_eq!(read(22, &[6, 8]), [1, 1]);
        assert_eq!(read(29, &[6, 8]), [0, 0]);
    }
}
