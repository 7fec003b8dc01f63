//! The state of one keeper and its decisions, without the messages: every policy is checked, then all are charged or
//! none. `now` is a parameter.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Charge, TooManySubjects,
    borrowed::{Borrowed, Left, Room},
    series::{Series, standing},
};
use crate::{
    actors::quota_lender::{BucketId, Loan},
    domain::{
        lease::{Answer, HolderId},
        limit::{Home, Mode, Per, Standing, Unit},
        quota::{Bucket, Rate},
    },
};

/// Where a shard stands: what it may hold, and who else draws from what it borrows.
#[derive(Debug, Clone)]
pub struct Setting {
    /// How many subjects it tracks at most.
    pub max_subjects: usize,
    /// When a shard before this one was lost: what its buckets held is not known and taken as spent.
    pub inherited_ns: Option<u64>,
    pub with_redis: bool,
    /// How many keepers this process has.
    pub keepers: u64,
    /// How many replicas were last counted.
    pub replicas: Arc<AtomicU64>,
    /// The first of the names under which it borrows; nobody else uses this one and those after it.
    pub holder: HolderId,
}

impl Setting {
    /// A shard that borrows nothing from other replicas and tracks at most so many subjects.
    #[must_use]
    pub fn alone(max_subjects: usize) -> Self {
        let replicas = Arc::new(AtomicU64::new(1));
        Self { max_subjects, inherited_ns: None, with_redis: false, keepers: 1, replicas, holder: HolderId(0) }
    }

    /// How many keepers share a policy of this kind while none of them can ask.
    pub(super) fn shares(&self, per: Per) -> u64 {
        let keepers = if let Per::User | Per::Key = per { 1 } else { self.keepers.max(1) };
        self.replicas.load(Ordering::Relaxed).max(1).saturating_mul(keepers)
    }

    /// A bucket that this keeper has nothing of.
    pub(super) fn unseen(&self, rate: Rate) -> Bucket {
        self.inherited_ns.map_or(Bucket::full(), |died_ns| Bucket::spent(rate, died_ns))
    }
}

/// The buckets and the calls under way of the subjects of one keeper.
pub struct Shard {
    setting: Setting,
    tracked: usize,
    /// By number.
    series: Vec<Series>,
    /// How many leases there have been.
    leases: u128,
    /// When something borrowed is to be looked at.
    due: BTreeSet<(u64, BucketId)>,
}

/// What all policies said of a call.
pub struct Decision {
    /// Of the policies that enforce, in the order of the charges; after the charge if there was one.
    pub standings: Vec<Standing>,
    /// The policies in shadow that had no room.
    pub shadowed: Vec<Arc<str>>,
    pub ruling: Ruling,
}

/// What follows for the call.
pub enum Ruling {
    /// It was charged this: the policies that enforce, and those in shadow that had room.
    Admitted(Arc<[Charge]>),
    Refused,
    /// These policies cannot be counted now, and let nothing through meanwhile.
    Unknown(Vec<Arc<str>>),
}

/// What came of a call.
pub enum Taken {
    Decided(Decision),
    /// Nothing was charged: units of these are to be asked for first.
    Wants(Vec<Want>),
}

/// Units of a bucket that a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    pub bucket: BucketId,
    pub units: u64,
}

/// How an admitted call ended.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// When it was charged, on the clock that `now` is read from.
    pub charged_ns: u64,
    /// Whether anything may have reached the upstream. If not, rates get back what the call took.
    pub reached: bool,
    /// How many tokens the call took, if its answer said so.
    pub tokens: Option<u64>,
}

impl Shard {
    #[must_use]
    pub const fn new(setting: Setting) -> Self {
        Self { setting, tracked: 0, series: vec![], leases: 0, due: BTreeSet::new() }
    }

    /// How many subjects are tracked, over all policies.
    #[must_use]
    pub const fn tracked(&self) -> usize {
        self.tracked
    }

    /// How policies that enforce stand, as far as this keeper knows; charges nothing.
    #[must_use]
    pub fn standings(&self, charges: &[Charge], now_ns: u64) -> Vec<Standing> {
        let enforced = charges.iter().filter(|charge| charge.policy.mode == Mode::Enforce);
        let standing = |charge: &Charge| {
            let (_, left) = self.examine(charge, 0, false, now_ns);
            standing(&charge.policy, Room::Yes, &left)
        };
        enforced.map(standing).collect()
    }

    /// Checks every policy, and charges all of them or none. With `impatient` it decides by what is at hand.
    ///
    /// # Errors
    /// If a new subject would have to be tracked, there are too many, and none that was looked at is idle.
    pub fn take(&mut self, charges: &Arc<[Charge]>, impatient: bool, now_ns: u64) -> Result<Taken, TooManySubjects> {
        self.arrange(charges, now_ns)?;
        let (mut standings, mut shadowed) = (Vec::with_capacity(charges.len()), vec![]);
        let (mut wants, mut unknown, mut refused) = (vec![], vec![], false);
        for charge in charges.iter() {
            let (room, left) = self.examine(charge, charge.units, impatient, now_ns);
            let enforces = charge.policy.mode == Mode::Enforce;
            match room {
                Room::Ask => wants.push(Want { bucket: charge.bucket(), units: charge.units }),
                Room::Unknown if enforces => unknown.push(Arc::clone(&charge.policy.name)),
                Room::No(_) if enforces => refused = true,
                Room::No(_) | Room::Unknown => shadowed.push(Arc::clone(&charge.policy.name)),
                Room::Yes => {}
            }
            if enforces {
                standings.push(standing(&charge.policy, room, &left));
            }
        }
        if refused {
            return Ok(Taken::Decided(Decision { standings, shadowed, ruling: Ruling::Refused }));
        }
        if !unknown.is_empty() {
            return Ok(Taken::Decided(Decision { standings, shadowed, ruling: Ruling::Unknown(unknown) }));
        }
        if !wants.is_empty() {
            return Ok(Taken::Wants(wants));
        }
        let admitted = without(charges, &shadowed);
        self.make_room(&admitted, now_ns)?;
        for charge in admitted.iter() {
            self.charge(charge, now_ns);
        }
        // Read again, so that the answer tells what is left after this call.
        let standings = self.standings(&admitted, now_ns);
        Ok(Taken::Decided(Decision { standings, shadowed, ruling: Ruling::Admitted(admitted) }))
    }

    /// Frees, gives back or corrects what an admitted call was charged.
    pub fn end(&mut self, charges: &[Charge], ending: Ending, now_ns: u64) {
        let Ending { charged_ns, reached, tokens } = ending;
        for Charge { series, policy, subject, units } in charges {
            let Some(kept) = self.series.get_mut(index(*series)) else { continue };
            match (policy.unit, tokens) {
                (Unit::Concurrent, _) => kept.leave(*subject, *units),
                _ if !reached => kept.refund(*subject, *units, charged_ns, now_ns),
                (Unit::Tokens, Some(tokens)) => kept.correct(*subject, *units, tokens, charged_ns, now_ns),
                _ => continue,
            }
            self.schedule(BucketId { series: *series, subject: *subject });
        }
    }

    /// What to ask the lender for, so that a bucket has `need` units, of all that calls wait for; `need` zero asks how
    /// it stands. Nothing if an answer is awaited already.
    pub fn ask(&mut self, bucket: BucketId, need: u64, waiting: u64, now_ns: u64) -> Option<Loan> {
        self.series.get_mut(index(bucket.series))?.borrowed(bucket.subject)?.ask(need, waiting, bucket, now_ns)
    }

    /// What to ask for before it is needed, after a call was decided.
    pub fn ask_early(&mut self, charges: &[Charge], now_ns: u64) -> Vec<Loan> {
        let ask = |charge: &Charge| {
            let series = self.series.get_mut(index(charge.series))?;
            series.borrowed(charge.subject)?.ask_early(charge.bucket(), now_ns)
        };
        charges.iter().filter_map(ask).collect()
    }

    /// Reads what came of an ask in which so many units were needed; `None`: no answer.
    pub fn answered(&mut self, bucket: BucketId, need: u64, answer: Option<&Answer>, now_ns: u64) {
        let series = self.series.get_mut(index(bucket.series));
        if let Some(borrowed) = series.and_then(|series| series.borrowed(bucket.subject)) {
            borrowed.answered(answer, need, now_ns);
        }
        self.schedule(bucket);
    }

    /// What is due to be told: units that are not used, refunds, places still in use.
    pub fn tell_due(&mut self, now_ns: u64) -> Vec<Loan> {
        let mut loans = vec![];
        while let Some((due_ns, bucket)) = self.due.first().copied().filter(|(due_ns, _)| *due_ns <= now_ns) {
            self.due.remove(&(due_ns, bucket));
            let series = self.series.get_mut(index(bucket.series));
            let Some(borrowed) = series.and_then(|series| series.borrowed(bucket.subject)) else { continue };
            borrowed.looked_at(due_ns);
            if borrowed.due_ns().is_some_and(|due_ns| due_ns <= now_ns) {
                loans.extend(borrowed.tell(bucket, now_ns));
            } else {
                self.schedule(bucket);
            }
        }
        loans
    }

    /// Gives back everything that is not used.
    pub fn give_all_back(&mut self, now_ns: u64) -> Vec<Loan> {
        let mut loans = vec![];
        for (number, series) in (0..).zip(&mut self.series) {
            let tell = |(subject, borrowed): (_, &mut Borrowed)| {
                borrowed.give_back(BucketId { series: number, subject }, now_ns)
            };
            loans.extend(series.all_borrowed().filter_map(tell));
        }
        loans
    }

    /// Which of these are borrowed, so that only the lender knows how they stand.
    pub fn borrowed(&mut self, charges: &[Charge], now_ns: u64) -> Vec<BucketId> {
        // Where there is no room for a new subject, it stands as one that has used nothing.
        self.arrange(charges, now_ns).ok();
        let borrowed = |charge: &&Charge| {
            self.series.get(index(charge.series)).is_some_and(|series| series.is_borrowed(charge.subject))
        };
        charges.iter().filter(borrowed).map(Charge::bucket).collect()
    }

    fn schedule(&mut self, bucket: BucketId) {
        let series = self.series.get_mut(index(bucket.series));
        let Some(borrowed) = series.and_then(|series| series.borrowed(bucket.subject)) else { return };
        if let Some(due_ns) = borrowed.due_ns().filter(|due_ns| borrowed.is_sooner(*due_ns)) {
            self.due.insert((due_ns, bucket));
        }
    }

    fn examine(&self, charge: &Charge, units: u64, impatient: bool, now_ns: u64) -> (Room, Left) {
        match self.series.get(index(charge.series)) {
            Some(series) => series.examine(charge, units, impatient, &self.setting, now_ns),
            None => Series::default().examine(charge, units, impatient, &self.setting, now_ns),
        }
    }

    fn charge(&mut self, charge: &Charge, now_ns: u64) {
        let Some(series) = self.series.get_mut(index(charge.series)) else { return };
        let is_new = !series.knows(charge.subject);
        series.charge(charge, &self.setting, now_ns);
        self.tracked = self.tracked.saturating_add(usize::from(is_new));
    }

    /// Keeps each subject in the way that its policy asks for now. Most calls have nothing to arrange.
    fn arrange(&mut self, charges: &[Charge], now_ns: u64) -> Result<(), TooManySubjects> {
        let borrows = |charge: &Charge| charge.policy.home(self.setting.with_redis) != Home::Keeper;
        if charges.iter().any(borrows) {
            self.make_room(charges, now_ns)?;
        }
        for charge in charges {
            let borrows = charge.policy.home(self.setting.with_redis) != Home::Keeper;
            let Some(series) = self.series.get_mut(index(charge.series)) else { continue };
            if !borrows && !series.is_borrowed(charge.subject) {
                continue;
            }
            let is_new = !series.knows(charge.subject);
            let id = HolderId(self.setting.holder.0.wrapping_add(self.leases));
            series.arrange(charge, id, &self.setting, now_ns);
            self.leases = self.leases.wrapping_add(1);
            self.tracked = self.tracked.saturating_add(usize::from(is_new));
        }
        Ok(())
    }

    /// Forgets a few subjects that have all they may have, and more of them where there are too many. One that is in use
    /// is never forgotten: that would give back what was taken.
    fn make_room(&mut self, charges: &[Charge], now_ns: u64) -> Result<(), TooManySubjects> {
        let mut new = 0_usize;
        for charge in charges {
            if self.series.len() <= index(charge.series) {
                self.series.resize_with(index(charge.series).saturating_add(1), Series::default);
            }
            let Some(series) = self.series.get_mut(index(charge.series)) else { continue };
            if !series.knows(charge.subject) {
                new = new.saturating_add(1);
                self.tracked = self.tracked.saturating_sub(series.forget_oldest(now_ns));
            }
        }
        let mut search = self.series.iter_mut();
        while self.tracked.saturating_add(new) > self.setting.max_subjects {
            let series = search.next().ok_or(TooManySubjects)?;
            while self.tracked.saturating_add(new) > self.setting.max_subjects && series.forget_one(now_ns) {
                self.tracked = self.tracked.saturating_sub(1);
            }
        }
        Ok(())
    }
}

fn index(series: u32) -> usize {
    usize::try_from(series).unwrap_or(usize::MAX)
}

/// The charges without those of the policies in shadow that have no room.
fn without(charges: &Arc<[Charge]>, shadowed: &[Arc<str>]) -> Arc<[Charge]> {
    if shadowed.is_empty() {
        return Arc::clone(charges);
    }
    let kept = |charge: &&Charge| charge.policy.mode == Mode::Enforce || !shadowed.contains(&charge.policy.name);
    charges.iter().filter(kept).cloned().collect()
}
