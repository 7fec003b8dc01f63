//! The state of one series, by subject: a rate bucket, a count of calls under way, or what is borrowed of either.

use super::{
    Charge,
    borrowed::{Borrowed, Left, PLACE_RETRY_NS, Room},
    shard::Setting,
    subjects::Subjects,
};
use crate::domain::{
    lease::HolderId,
    limit::{Allowance, Home, Policy, Standing, Subject},
    quota::{Bucket, Rate},
};

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

/// A series counts rates or places, which its unit says for good; where a subject's are kept, its policy says.
#[derive(Default)]
pub(super) struct Series {
    rates: Subjects<Filled>,
    /// Calls under way.
    places: Subjects<u64>,
    borrowed: Subjects<Borrowed>,
}

impl Series {
    /// How a charge of `units` would fare, of which nothing is charged. With `impatient` no further units are asked for.
    pub(super) fn examine(
        &self,
        charge: &Charge,
        units: u64,
        impatient: bool,
        setting: &Setting,
        now_ns: u64,
    ) -> (Room, Left) {
        let (policy, subject) = (&charge.policy, charge.subject);
        if policy.home(setting.with_redis) != Home::Keeper {
            return self.examine_borrowed(charge, units, impatient, setting, now_ns);
        }
        match policy.allowance {
            Allowance::Rate(rate) => {
                let kept = self.rates.get(subject).map(|filled| filled.under(rate, now_ns));
                let reading = kept.unwrap_or_else(|| setting.unseen(rate)).read(rate, units, now_ns);
                let room = if reading.fits_in_ns == 0 { Room::Yes } else { Room::No(reading.fits_in_ns) };
                (room, Left { remaining: reading.remaining, full_in_ns: Some(reading.full_in_ns) })
            }
            Allowance::Places(places) => {
                let free = places.saturating_sub(self.places.get(subject).copied().unwrap_or(0));
                let room = if free < units { Room::No(PLACE_RETRY_NS) } else { Room::Yes };
                (room, Left { remaining: free, full_in_ns: None })
            }
        }
    }

    fn examine_borrowed(
        &self,
        charge: &Charge,
        units: u64,
        impatient: bool,
        setting: &Setting,
        now_ns: u64,
    ) -> (Room, Left) {
        let shares = setting.shares(charge.policy.per);
        self.borrowed.get(charge.subject).map_or_else(
            || (Room::Ask, Left::all(&charge.policy)),
            |borrowed| (borrowed.room(units, shares, impatient, now_ns), borrowed.left(now_ns)),
        )
    }

    /// Takes `units`. The caller has seen by [`Series::examine`] that they fit.
    pub(super) fn charge(&mut self, charge: &Charge, setting: &Setting, now_ns: u64) {
        let Charge { policy, subject, units, .. } = charge;
        if policy.home(setting.with_redis) != Home::Keeper {
            if let Some(borrowed) = self.borrowed.renewed(*subject) {
                borrowed.charge(*units, setting.shares(policy.per), now_ns);
            }
            return;
        }
        match policy.allowance {
            Allowance::Rate(rate) => {
                let filled = self.rates.charged(*subject, || Filled { bucket: setting.unseen(rate), rate });
                let mut bucket = filled.under(rate, now_ns);
                bucket.charge(rate, *units, now_ns);
                *filled = Filled { bucket, rate };
            }
            Allowance::Places(_) => {
                let under_way = self.places.charged(*subject, || 0);
                *under_way = under_way.saturating_add(*units);
            }
        }
    }

    /// Makes the state of a subject one of the kind that its policy asks for now, with what was used.
    pub(super) fn arrange(&mut self, charge: &Charge, id: HolderId, setting: &Setting, now_ns: u64) {
        let Charge { policy, subject, .. } = charge;
        if policy.home(setting.with_redis) == Home::Keeper {
            let bucket = self.borrowed.remove(*subject).and_then(|borrowed| borrowed.bucket());
            if let Some((bucket, rate)) = bucket {
                self.rates.charged(*subject, || Filled { bucket, rate });
            }
            return;
        }
        if self.borrowed.get_mut(*subject).is_some_and(|borrowed| borrowed.goes_by(policy, setting.with_redis, now_ns))
        {
            return;
        }
        let mut borrowed = Borrowed::new(policy, setting.with_redis, id);
        let before = self.borrowed.remove(*subject).filter(|before| before.home() != borrowed.home());
        let kept = self.rates.remove(*subject).map(|filled| (filled.bucket, filled.rate));
        if let Some((bucket, rate)) = kept.or_else(|| before.and_then(|before| before.bucket())) {
            borrowed = borrowed.after(bucket, rate, now_ns);
        }
        self.borrowed.charged(*subject, || borrowed);
    }

    pub(super) fn borrowed(&mut self, subject: Subject) -> Option<&mut Borrowed> {
        self.borrowed.get_mut(subject)
    }

    /// All that is borrowed.
    pub(super) fn all_borrowed(&mut self) -> impl Iterator<Item = (Subject, &mut Borrowed)> {
        self.borrowed.iter_mut()
    }

    /// Gives back what a call took that never reached its upstream.
    pub(super) fn refund(&mut self, subject: Subject, units: u64, charged_ns: u64, now_ns: u64) {
        if let Some(borrowed) = self.borrowed.get_mut(subject) {
            borrowed.refund(units, charged_ns, now_ns);
        } else if let Some(Filled { bucket, rate }) = self.rates.get_mut(subject) {
            bucket.refund(*rate, units, charged_ns, now_ns);
        }
    }

    /// Makes what was charged for an estimate what the call took. More than there was is owed: nothing is admitted until
    /// it has refilled.
    pub(super) fn correct(&mut self, subject: Subject, charged: u64, took: u64, charged_ns: u64, now_ns: u64) {
        let Some(more) = took.checked_sub(charged) else {
            return self.refund(subject, charged.saturating_sub(took), charged_ns, now_ns);
        };
        if let Some(borrowed) = self.borrowed.get_mut(subject) {
            borrowed.charge_more(more, now_ns);
        } else if let Some(Filled { bucket, rate }) = self.rates.get_mut(subject) {
            bucket.charge(*rate, more, now_ns);
        }
    }

    /// Frees the places of a call that has ended.
    pub(super) fn leave(&mut self, subject: Subject, units: u64) {
        if let Some(borrowed) = self.borrowed.get_mut(subject) {
            borrowed.leave(units);
        } else if let Some(under_way) = self.places.get_mut(subject) {
            *under_way = under_way.saturating_sub(units);
        }
    }

    /// Whether something is kept of a subject.
    pub(super) fn knows(&self, subject: Subject) -> bool {
        self.rates.get(subject).is_some() || self.places.get(subject).is_some() || self.is_borrowed(subject)
    }

    /// Whether what is kept of a subject is borrowed.
    pub(super) fn is_borrowed(&self, subject: Subject) -> bool {
        self.borrowed.get(subject).is_some()
    }

    /// Forgets up to two subjects that have all they may have; returns how many.
    pub(super) fn forget_oldest(&mut self, now_ns: u64) -> usize {
        let rates = self.rates.forget_oldest(|filled| filled.bucket.is_full(filled.rate, now_ns));
        let places = self.places.forget_oldest(|under_way| *under_way == 0);
        rates.saturating_add(places).saturating_add(self.borrowed.forget_oldest(|borrowed| borrowed.is_idle(now_ns)))
    }

    /// Forgets one such subject among the oldest, and tells whether there was one.
    pub(super) fn forget_one(&mut self, now_ns: u64) -> bool {
        self.rates.forget_one(|filled| filled.bucket.is_full(filled.rate, now_ns))
            || self.places.forget_one(|under_way| *under_way == 0)
            || self.borrowed.forget_one(|borrowed| borrowed.is_idle(now_ns))
    }
}

/// What a call and a 429 are told of a policy.
pub(super) fn standing(policy: &Policy, room: Room, left: &Left) -> Standing {
    Standing {
        policy: policy.name.clone(),
        unit: policy.unit,
        limit: policy.limit(),
        window_s: policy.window_s(),
        remaining: left.remaining,
        reset_s: left.full_in_ns.map(|ns| ns.div_ceil(NS_PER_S)),
        retry_after_ns: if let Room::No(wait_ns) = room { Some(wait_ns) } else { None },
    }
}
