//! Which subjects a shard forgets: those that have all they may have, the longest full first, and no others.

use super::{
    Shard,
    charge::{BucketId, Charge, TooManySubjects},
    index,
};

/// For how long a subject that has everything is remembered all the same, while there is room: it may call again.
const LINGER_NS: u64 = 10_000_000_000;
/// How many are looked at with each new subject, and how many more from time to time.
const LOOKS: usize = 2;
const MORE_LOOKS: usize = 512;
/// Notes that do not hold any more are struck out when there are this many more than twice the subjects.
const SPARE_NOTES: usize = 1_024;

impl Shard {
    /// Makes room for what is new in a call. One that is in use is never forgotten: that would give back what was taken.
    ///
    /// # Errors
    /// If there is no room, and none can be forgotten.
    pub(super) fn make_room(&mut self, charges: &[Charge], now_ns: u64) -> Result<(), TooManySubjects> {
        for charge in charges {
            if self.series.len() <= index(charge.series) {
                self.series.resize_with(index(charge.series).saturating_add(1), Default::default);
            }
        }
        if self.tracked.saturating_add(charges.len()) <= self.setting.max_subjects {
            return Ok(());
        }
        let is_new =
            |charge: &&Charge| self.series.get(index(charge.series)).is_none_or(|series| !series.knows(charge.subject));
        let new = charges.iter().filter(is_new).count();
        while self.tracked.saturating_add(new) > self.setting.max_subjects {
            self.forget_next(now_ns).ok_or(TooManySubjects)?;
        }
        Ok(())
    }

    /// A subject is tracked that was not before.
    pub(super) fn track(&mut self, bucket: BucketId, now_ns: u64) {
        self.tracked = self.tracked.saturating_add(1);
        self.note(bucket, now_ns);
        self.forget_some(LOOKS, now_ns);
    }

    /// Forgets some of those that have had everything for a while. Called from time to time.
    pub fn tidy(&mut self, now_ns: u64) {
        self.forget_some(MORE_LOOKS, now_ns);
    }

    fn forget_some(&mut self, looks: usize, now_ns: u64) {
        let by_ns = now_ns.saturating_sub(LINGER_NS);
        let _looked = (0..looks).map_while(|_| self.forget_next(by_ns)).count();
    }

    /// Looks at the next that may have everything by then, and forgets it if it has. `None` if there is no such one.
    fn forget_next(&mut self, by_ns: u64) -> Option<bool> {
        let (due_ns, bucket) = self.idle.next(by_ns)?;
        let series = self.series.get_mut(index(bucket.series));
        let is_gone = series.is_some_and(|series| series.forget(bucket.subject, due_ns, by_ns));
        if is_gone {
            self.tracked = self.tracked.saturating_sub(1);
        } else {
            self.note(bucket, by_ns);
        }
        Some(is_gone)
    }

    /// Notes when a subject can be forgotten, where that is known.
    pub(super) fn note(&mut self, bucket: BucketId, now_ns: u64) {
        let series = self.series.get_mut(index(bucket.series));
        let Some(due_ns) = series.and_then(|series| series.note(bucket.subject, now_ns)) else { return };
        self.idle.note(due_ns, bucket);
        if self.idle.len() > self.tracked.saturating_mul(2).saturating_add(SPARE_NOTES) {
            let series = &self.series;
            self.idle.retain(|due_ns, bucket| {
                series.get(index(bucket.series)).is_some_and(|series| series.is_noted(bucket.subject, due_ns))
            });
        }
    }
}
