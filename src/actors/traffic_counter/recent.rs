//! Entries that were just stored, on their way from the `AuditWriter` to the counter, so that they are not read again.
//!
//! The way is bounded, and nobody waits on it: what finds no room the counter reads from the store.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::domain::{
    audit::{Draft, Stage},
    ids::RequestId,
    traffic::count::{Entry, without_decision},
};

/// The most entries on their way, and the most decisions that wait for their outcome.
const MOST: usize = 32_768;

/// An entry and its place in the chain.
type Placed = (u64, Entry);

/// The writer's end: it tells of what it has stored.
#[derive(Clone)]
pub struct Stored(Sender<Placed>);

impl Stored {
    /// Tells nobody.
    #[must_use]
    pub fn to_nobody() -> Self {
        Self(channel(1).0)
    }

    /// Tells of an entry that is stored, and its place; whether it found room, without which the entries of later places
    /// are of no use.
    pub fn tell(&self, seq: u64, entry: impl Into<Entry>) -> bool {
        self.0.try_reserve().is_ok_and(|room| {
            room.send((seq, entry.into()));
            true
        })
    }

    /// Tells of entries that are stored behind the place `after`, one behind the other.
    pub fn tell_all(&self, after: u64, drafts: &[Draft]) {
        let _ = (after.saturating_add(1)..).zip(drafts).all(|(seq, draft)| self.tell(seq, draft));
    }
}

/// The counter's end.
pub(super) struct Recent {
    told: Receiver<Placed>,
    /// The first that was not given yet, where that is known.
    next: Option<Placed>,
    /// Decisions that were counted, whose outcome was not.
    decided: BTreeMap<RequestId, Entry>,
}

/// The next entries, without a gap.
pub(super) struct Told {
    /// The place of the last.
    pub through: u64,
    pub entries: Vec<Entry>,
    /// The decisions of outcomes among the entries that came before them.
    pub earlier: BTreeMap<RequestId, Entry>,
    /// The requests of outcomes whose decision is not known here.
    pub missing: BTreeSet<RequestId>,
}

impl Recent {
    pub(super) fn new() -> (Self, Stored) {
        let (to, told) = channel(MOST);
        (Self { told, next: None, decided: BTreeMap::new() }, Stored(to))
    }

    /// The entries that come next behind the place `after`; `None` if that place is not the last before them. They are
    /// given once: who cannot count them reads them from the store.
    pub(super) fn behind(&mut self, after: u64) -> Option<Told> {
        let (mut through, mut entries) = (after, vec![]);
        while let Some((seq, entry)) = self.take() {
            if Some(seq) == through.checked_add(1) {
                through = seq;
                entries.push(entry);
            } else if seq > through {
                // Behind a gap, until that is counted.
                self.next = Some((seq, entry));
                break;
            }
        }
        if entries.is_empty() {
            return None;
        }
        let (mut earlier, mut missing) = (BTreeMap::new(), without_decision(&entries));
        missing.retain(|request| match self.decided.remove(request) {
            Some(decision) => earlier.insert(*request, decision).is_some(),
            None => true,
        });
        self.remember(&entries);
        Some(Told { through, entries, earlier, missing })
    }

    /// Whether there is anything to give.
    pub(super) fn has_more(&mut self) -> bool {
        self.next = self.take();
        self.next.is_some()
    }

    fn take(&mut self) -> Option<Placed> {
        self.next.take().or_else(|| self.told.try_recv().ok())
    }

    /// Keeps the decisions whose outcome is still to come.
    fn remember(&mut self, entries: &[Entry]) {
        for entry in entries {
            if entry.stage == Stage::Outcome {
                self.decided.remove(&entry.request_id);
            } else if entry.stage == Stage::Decision && self.decided.len() < MOST {
                self.decided.insert(entry.request_id, entry.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        audit::{Findings, Subject},
        ids::EntryId,
    };
    use uuid::Uuid;

    fn draft(request: u128, stage: Stage) -> Draft {
        let subject = (stage != Stage::Outcome).then(|| Subject { method: "GET".into(), ..Subject::default() });
        let (id, request_id) = (EntryId(Uuid::from_u128(request)), RequestId(Uuid::from_u128(request)));
        Draft { id, request_id, time: jiff::Timestamp::UNIX_EPOCH, stage, subject, findings: Findings::default() }
    }

    fn whole(requests: std::ops::Range<u128>) -> Vec<Draft> {
        requests.map(|request| draft(request, Stage::Whole)).collect()
    }

    #[test]
    fn entries_come_behind_what_was_counted_and_once() {
        let (mut recent, stored) = Recent::new();
        assert!(!recent.has_more() && recent.behind(0).is_none());
        stored.tell_all(0, &whole(0..5));
        assert!(recent.has_more());
        let told = recent.behind(2).unwrap();
        assert_eq!((told.through, told.entries.len()), (5, 3));
        assert!(recent.behind(2).is_none());
    }

    #[test]
    fn behind_a_gap_nothing_is_given_until_it_is_counted() {
        let (mut recent, stored) = Recent::new();
        stored.tell_all(0, &whole(0..2));
        stored.tell_all(7, &whole(7..9));
        assert_eq!(recent.behind(0).unwrap().through, 2);
        assert!(recent.behind(2).is_none());
        assert!(recent.behind(6).is_none());
        assert_eq!(recent.behind(7).unwrap().through, 9);
    }

    #[test]
    fn what_waits_behind_a_gap_is_bounded_however_often_it_is_asked_for() {
        let (mut recent, stored) = Recent::new();
        let most = u64::try_from(MOST).unwrap();
        for round in 0..3 {
            stored.tell_all(9 + round * most, &whole(0..u128::from(most)));
            assert!(recent.behind(0).is_none());
        }
        // One was looked at, so that there was room for one more.
        assert_eq!(recent.behind(9).unwrap().through, 10 + most);
    }

    #[test]
    fn what_finds_no_room_is_left_out_and_what_comes_later_is_behind_a_gap() {
        let (mut recent, stored) = Recent::new();
        let most = u64::try_from(MOST).unwrap();
        stored.tell_all(0, &whole(0..u128::from(most) + 10));
        let told = recent.behind(0).unwrap();
        assert_eq!((told.through, told.entries.len()), (most, MOST));
        stored.tell_all(most + 10, &whole(0..1));
        assert!(recent.behind(most).is_none());
        assert_eq!(recent.behind(most + 10).unwrap().entries.len(), 1);
        Stored::to_nobody().tell_all(0, &whole(0..3));
    }

    #[test]
    fn an_outcome_comes_with_its_decision_if_that_was_told() {
        let (mut recent, stored) = Recent::new();
        stored.tell_all(0, &[draft(1, Stage::Decision), draft(2, Stage::Decision), draft(2, Stage::Outcome)]);
        let told = recent.behind(0).unwrap();
        assert!(told.earlier.is_empty() && told.missing.is_empty());
        assert_eq!(recent.decided.len(), 1);
        stored.tell_all(3, &[draft(1, Stage::Outcome), draft(9, Stage::Outcome)]);
        let told = recent.behind(3).unwrap();
        assert_eq!(told.earlier.len(), 1);
        assert_eq!(told.missing, BTreeSet::from([RequestId(Uuid::from_u128(9))]));
        assert!(recent.decided.is_empty());
    }
}
