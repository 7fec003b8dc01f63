//! What is kept of one subject of a series, and the rates by number, so that a million buckets need not hold theirs.

use std::collections::HashMap;

use super::{
    borrowed::{Borrowed, Room, SLOT_RETRY_NS},
    charge::Charge,
    estimate::Left,
    setting::Setting,
};
use crate::domain::limit::{Allowance, Policy, bucket::Bucket, rate::Rate};

pub(super) struct Kept {
    pub state: State,
    /// For when it is noted that it can be forgotten; zero if it is not.
    pub due_ns: u64,
}

pub(super) enum State {
    /// A bucket, and the number of the rate it was last charged under.
    Rate(Bucket, u32),
    /// How many calls are under way.
    UnderWay(u64),
    Borrowed(Box<Borrowed>),
}

/// What a state is looked at with.
pub(super) struct Moment<'a> {
    pub setting: &'a Setting,
    pub rates: &'a Rates,
    pub now_ns: u64,
}

impl Kept {
    pub(super) const fn new(state: State) -> Self {
        Self { state, due_ns: 0 }
    }

    /// From when on forgetting it changes nothing; `None` while something is to be given back or reported.
    pub(super) fn idle_ns(&self, rates: &Rates, now_ns: u64) -> Option<u64> {
        match &self.state {
            State::Rate(bucket, number) => Some(bucket.full_ns(rates.get(*number)?)),
            State::UnderWay(under_way) => (*under_way == 0).then_some(now_ns),
            State::Borrowed(borrowed) => borrowed.idle_ns(),
        }
    }
}

impl State {
    /// Where this keeper has the units of a subject and has seen none taken.
    pub(super) fn unseen(policy: &Policy, setting: &Setting, rates: &mut Rates) -> Self {
        match policy.allowance {
            Allowance::Rate(rate) => Self::Rate(setting.unseen(rate), rates.number(rate)),
            Allowance::Concurrent(_) => Self::UnderWay(0),
        }
    }

    /// The answer to a charge, which takes nothing. If `impatient`, no further units are borrowed for it.
    pub(super) fn room(&self, charge: &Charge, impatient: bool, at: &Moment<'_>) -> Room {
        let Charge { policy, units, .. } = charge;
        let Moment { setting, rates, now_ns } = *at;
        match (self, policy.allowance) {
            (Self::Borrowed(borrowed), _) => borrowed.room(*units, setting.shares(policy.per), impatient, now_ns),
            (_, Allowance::Rate(rate)) => room_in(self.bucket(policy, rate, rates, now_ns), rate, *units, now_ns),
            (_, Allowance::Concurrent(slots)) if self.free(slots) < *units => Room::No(SLOT_RETRY_NS),
            (_, Allowance::Concurrent(_)) => Room::Yes,
        }
    }

    /// Takes the units of a charge, for which there is room, and returns what is left.
    pub(super) fn charge(&mut self, charge: &Charge, setting: &Setting, rates: &mut Rates, now_ns: u64) -> Left {
        let Charge { policy, units, .. } = charge;
        match (&mut *self, policy.allowance) {
            (Self::Borrowed(borrowed), _) => borrowed.charge(*units, setting.shares(policy.per), now_ns),
            (Self::UnderWay(under_way), _) => *under_way = under_way.saturating_add(*units),
            (Self::Rate(_, number), Allowance::Rate(rate)) => {
                let number = if rates.get(*number) == Some(rate) { *number } else { rates.number(rate) };
                let mut bucket = self.bucket(policy, rate, rates, now_ns);
                bucket.charge(rate, *units, now_ns);
                *self = Self::Rate(bucket, number);
            }
            // A series counts rates or slots for good.
            (Self::Rate(..), Allowance::Concurrent(_)) => {}
        }
        self.left(policy, setting, rates, now_ns)
    }

    /// What is left, as far as this keeper knows.
    pub(super) fn left(&self, policy: &Policy, setting: &Setting, rates: &Rates, now_ns: u64) -> Left {
        match (self, policy.allowance) {
            (Self::Borrowed(borrowed), _) => borrowed.left(setting.shares(policy.per), now_ns),
            (_, Allowance::Rate(rate)) => Left::of(self.bucket(policy, rate, rates, now_ns), rate, now_ns),
            (_, Allowance::Concurrent(slots)) => Left::slots(self.free(slots)),
        }
    }

    /// The bucket under the rate of a policy, which has held for it since the policy says.
    fn bucket(&self, policy: &Policy, rate: Rate, rates: &Rates, now_ns: u64) -> Bucket {
        let Self::Rate(bucket, number) = *self else { return Bucket::full() };
        match rates.get(number) {
            Some(before) if before != rate => bucket.rerated(before, rate, policy.since_ns.min(now_ns)),
            _ => bucket,
        }
    }

    const fn free(&self, slots: u64) -> u64 {
        if let Self::UnderWay(under_way) = self { slots.saturating_sub(*under_way) } else { slots }
    }
}

pub(super) fn room_in(bucket: Bucket, rate: Rate, units: u64, now_ns: u64) -> Room {
    let wait_ns = bucket.fits_in_ns(rate, units, now_ns);
    if wait_ns == 0 { Room::Yes } else { Room::No(wait_ns) }
}

/// The rates that buckets of a series were charged under.
#[derive(Default)]
pub(super) struct Rates {
    by_number: Vec<Rate>,
    numbers: HashMap<Rate, u32>,
}

impl Rates {
    pub(super) fn get(&self, number: u32) -> Option<Rate> {
        self.by_number.get(usize::try_from(number).ok()?).copied()
    }

    pub(super) fn number(&mut self, rate: Rate) -> u32 {
        let next = u32::try_from(self.by_number.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(rate).or_insert(next);
        if number == next {
            self.by_number.push(rate);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limit::Subject;

    #[test]
    fn a_subject_takes_48_bytes() {
        assert_eq!(size_of::<Option<(Subject, Kept)>>(), 48);
    }

    #[test]
    fn a_rate_keeps_its_number() {
        let (mut rates, rate) = (Rates::default(), |limit| Rate::new(limit, 1, 1).unwrap());
        assert_eq!([1, 2, 1, 3].map(|limit| rates.number(rate(limit))), [0, 1, 0, 2]);
        assert_eq!((rates.get(1), rates.get(3)), (Some(rate(2)), None));
    }
}
