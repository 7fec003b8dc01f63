//! The state of one series: a rate bucket for each subject, or how many calls each has under way.

use super::subjects::Subjects;
use crate::domain::{
    limit::{Allowance, Policy, Standing, Subject},
    quota::{Bucket, Rate},
};

/// When a call that found no place may try again: nobody knows when one that is under way will end.
const PLACE_RETRY_NS: u64 = 1_000_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// A bucket, and the rate it was last charged under.
#[derive(Clone, Copy)]
struct Filled {
    bucket: Bucket,
    rate: Rate,
}

impl Filled {
    fn under(self, rate: Rate, now_ns: u64) -> Bucket {
        if self.rate == rate { self.bucket } else { self.bucket.rerated(self.rate, rate, now_ns) }
    }
}

/// A series counts either; which, its unit says for good.
#[derive(Default)]
pub(super) struct Series {
    rates: Subjects<Filled>,
    /// Calls under way.
    places: Subjects<u64>,
}

impl Series {
    /// How a charge of `units` would fare, of which nothing is charged. A bucket that is not kept is as `unseen` says.
    pub(super) fn standing(
        &self,
        policy: &Policy,
        subject: Subject,
        units: u64,
        unseen: impl Fn(Rate) -> Bucket,
        now_ns: u64,
    ) -> Standing {
        let (remaining, reset_s, wait_ns) = match policy.allowance {
            Allowance::Rate(rate) => {
                let kept = self.rates.get(subject).map(|filled| filled.under(rate, now_ns));
                let reading = kept.unwrap_or_else(|| unseen(rate)).read(rate, units, now_ns);
                (reading.remaining, Some(reading.full_in_ns.div_ceil(NS_PER_S)), reading.fits_in_ns)
            }
            Allowance::Places(places) => {
                let free = places.saturating_sub(self.places.get(subject).copied().unwrap_or(0));
                (free, None, if free < units { PLACE_RETRY_NS } else { 0 })
            }
        };
        Standing {
            policy: policy.name.clone(),
            unit: policy.unit,
            limit: policy.limit(),
            window_s: policy.window_s(),
            remaining,
            reset_s,
            retry_after_ns: (wait_ns > 0).then_some(wait_ns),
        }
    }

    /// Takes `units`. The caller has seen by [`Series::standing`] that they fit.
    pub(super) fn charge(
        &mut self,
        policy: &Policy,
        subject: Subject,
        units: u64,
        unseen: impl Fn(Rate) -> Bucket,
        now_ns: u64,
    ) {
        match policy.allowance {
            Allowance::Rate(rate) => {
                let filled = self.rates.charged(subject, || Filled { bucket: unseen(rate), rate });
                let mut bucket = filled.under(rate, now_ns);
                bucket.charge(rate, units, now_ns);
                *filled = Filled { bucket, rate };
            }
            Allowance::Places(_) => {
                let under_way = self.places.charged(subject, || 0);
                *under_way = under_way.saturating_add(units);
            }
        }
    }

    /// Gives back what a call took that never reached its upstream.
    pub(super) fn refund(&mut self, subject: Subject, units: u64, charged_ns: u64, now_ns: u64) {
        if let Some(Filled { bucket, rate }) = self.rates.get_mut(subject) {
            bucket.refund(*rate, units, charged_ns, now_ns);
        }
    }

    /// Makes what was charged for an estimate what the call took. More than there was is owed: nothing is admitted until
    /// it has refilled.
    pub(super) fn correct(&mut self, subject: Subject, charged: u64, took: u64, charged_ns: u64, now_ns: u64) {
        if let Some(more) = took.checked_sub(charged) {
            if let Some(Filled { bucket, rate }) = self.rates.get_mut(subject) {
                bucket.charge(*rate, more, now_ns);
            }
        } else {
            self.refund(subject, charged.saturating_sub(took), charged_ns, now_ns);
        }
    }

    /// Frees the places of a call that has ended.
    pub(super) fn leave(&mut self, subject: Subject, units: u64) {
        if let Some(under_way) = self.places.get_mut(subject) {
            *under_way = under_way.saturating_sub(units);
        }
    }

    /// Whether something is kept of a subject.
    pub(super) fn knows(&self, policy: &Policy, subject: Subject) -> bool {
        match policy.allowance {
            Allowance::Rate(_) => self.rates.get(subject).is_some(),
            Allowance::Places(_) => self.places.get(subject).is_some(),
        }
    }

    /// Forgets up to two subjects that have all they may have; returns how many.
    pub(super) fn forget_oldest(&mut self, now_ns: u64) -> usize {
        let rates = self.rates.forget_oldest(|filled| filled.bucket.is_full(filled.rate, now_ns));
        rates.saturating_add(self.places.forget_oldest(|under_way| *under_way == 0))
    }

    /// Forgets one such subject among the oldest, and tells whether there was one.
    pub(super) fn forget_one(&mut self, now_ns: u64) -> bool {
        self.rates.forget_one(|filled| filled.bucket.is_full(filled.rate, now_ns))
            || self.places.forget_one(|under_way| *under_way == 0)
    }
}
