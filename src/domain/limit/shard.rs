//! The state of one keeper and its decisions, without the messages: every policy is checked, then all are charged or
//! none. `now` is a parameter.

mod borrowed;
#[cfg(test)]
mod borrowing_tests;
#[cfg(test)]
mod calendar_tests;
mod charge;
mod counted;
mod estimate;
mod forgetting;
mod idle_queue;
mod kept;
mod loan;
mod series;
mod setting;
mod subjects;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod told_tests;

use std::{collections::BTreeSet, sync::Arc};

use self::{
    borrowed::{Borrowed, Room},
    estimate::Left,
    series::Series,
};
pub use self::{
    charge::{BucketId, Charge, Charges, TooManySubjects},
    counted::{LONGEST_IN_REDIS, LONGEST_PATIENCE_NS},
    idle_queue::IdleQueue,
    loan::Loan,
    setting::Setting,
};
use super::{
    policy::{Mode, Policy, Unit},
    standing::Standing,
};
use crate::domain::lease::{Answer, HolderId};

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
    /// Which subjects can be forgotten, and when.
    idle: IdleQueue,
}

/// What all policies said of a call.
pub struct Decision {
    /// Of the policies that enforce and can be counted, in the order of the charges; after the charge if there was one.
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
    /// A shard that has counted nothing.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        Self { setting, tracked: 0, series: vec![], leases: 0, due: BTreeSet::new(), idle: IdleQueue::default() }
    }

    /// How many subjects are tracked, over all policies.
    pub const fn tracked(&self) -> usize {
        self.tracked
    }

    /// How policies that enforce stand, as far as this keeper knows; charges nothing.
    #[must_use]
    pub fn standings(&self, charges: &[Charge], now_ns: u64) -> Vec<Standing> {
        let enforced = charges.iter().filter(|charge| charge.policy.mode == Mode::Enforce);
        enforced.map(|charge| standing(&charge.policy, Room::Yes, self.left(charge, now_ns))).collect()
    }

    /// Checks every policy, and charges all of them or none. With `impatient` it decides by what is at hand.
    ///
    /// # Errors
    /// If a new subject would have to be tracked, there are too many, and none of them can be forgotten.
    pub fn take(&mut self, charges: &Charges, impatient: bool, now_ns: u64) -> Result<Taken, TooManySubjects> {
        let rooms = if let Some(rooms) = self.rooms(charges, impatient, now_ns) {
            rooms
        } else {
            self.arrange(charges, now_ns)?;
            self.rooms(charges, impatient, now_ns).ok_or(TooManySubjects)?
        };
        if rooms.iter().all(|room| *room == Room::Yes) {
            return self.admit(Arc::clone(charges), vec![], now_ns);
        }
        let asks = charges.iter().zip(&rooms).filter(|(_, room)| **room == Room::Ask);
        let wants: Vec<Want> = asks.map(|(charge, _)| Want { bucket: charge.bucket(), units: charge.units }).collect();
        // Also where another policy refuses: the refusal names all that do, and what is left of each.
        if wants.is_empty() { self.weigh(charges, &rooms, now_ns) } else { Ok(Taken::Wants(wants)) }
    }

    /// How each charge fares; `None` if something is to be arranged first.
    fn rooms(&self, charges: &[Charge], impatient: bool, now_ns: u64) -> Option<Vec<Room>> {
        let mut rooms = Vec::with_capacity(charges.len());
        for charge in charges {
            rooms.push(match self.series.get(index(charge.series)) {
                Some(series) => series.room(charge, impatient, &self.setting, now_ns)?,
                None => Series::default().room(charge, impatient, &self.setting, now_ns)?,
            });
        }
        Some(rooms)
    }

    /// Decides where not every policy has room.
    fn weigh(&mut self, charges: &Charges, rooms: &[Room], now_ns: u64) -> Result<Taken, TooManySubjects> {
        let (mut shadowed, mut unknown, mut refused) = (vec![], vec![], false);
        for (Charge { policy, .. }, room) in charges.iter().zip(rooms) {
            match (room, policy.mode) {
                (Room::Yes | Room::Ask, _) => {}
                (Room::No(_) | Room::Unknown, Mode::Shadow) => shadowed.push(Arc::clone(&policy.name)),
                (Room::No(_), Mode::Enforce) => refused = true,
                (Room::Unknown, Mode::Enforce) => unknown.push(Arc::clone(&policy.name)),
            }
        }
        let ruling = match () {
            () if refused => Ruling::Refused,
            () if !unknown.is_empty() => Ruling::Unknown(unknown),
            () => return self.admit(without(charges, &shadowed), shadowed, now_ns),
        };
        let counted = charges
            .iter()
            .zip(rooms)
            .filter(|(charge, room)| charge.policy.mode == Mode::Enforce && **room != Room::Unknown);
        let standing = |(charge, room): (&Charge, &Room)| standing(&charge.policy, *room, self.left(charge, now_ns));
        Ok(Taken::Decided(Decision { standings: counted.map(standing).collect(), shadowed, ruling }))
    }

    /// Takes what was found to fit, and returns what is left.
    fn admit(&mut self, charges: Charges, shadowed: Vec<Arc<str>>, now_ns: u64) -> Result<Taken, TooManySubjects> {
        self.make_room(&charges, now_ns)?;
        let mut standings = Vec::with_capacity(charges.len());
        for charge in charges.iter() {
            let left = self.charge(charge, now_ns);
            if charge.policy.mode == Mode::Enforce {
                standings.push(Standing { taken: charge.units, ..standing(&charge.policy, Room::Yes, left) });
            }
        }
        Ok(Taken::Decided(Decision { standings, shadowed, ruling: Ruling::Admitted(charges) }))
    }

    /// Frees, gives back or corrects what an admitted call was charged.
    pub fn end(&mut self, charges: &[Charge], ending: Ending, now_ns: u64) {
        let Ending { charged_ns, reached, tokens } = ending;
        for charge @ Charge { series, policy, subject, units } in charges {
            let Some(kept) = self.series.get_mut(index(*series)) else { continue };
            match (policy.unit, tokens) {
                (Unit::Concurrent, _) => kept.leave(*subject, *units),
                _ if !reached => kept.refund(*subject, *units, charged_ns, now_ns),
                (Unit::Tokens, Some(tokens)) => kept.correct(charge, tokens, charged_ns, now_ns),
                _ => continue,
            }
            let bucket = BucketId { series: *series, subject: *subject };
            self.schedule(bucket);
            self.note(bucket, now_ns);
        }
    }

    /// What to ask the lender for, so that a bucket has `need` units, of all that calls wait for; `need` zero asks how
    /// it stands. Nothing if an answer is awaited already.
    pub fn ask(&mut self, bucket: BucketId, need: u64, waiting: u64, now_ns: u64) -> Option<Loan> {
        self.series.get_mut(index(bucket.series))?.borrowed(bucket.subject)?.ask(need, waiting, bucket, now_ns)
    }

    /// How long a call waits at most for units of these buckets, or a viewer for how they stand.
    pub fn patience_ns(&mut self, buckets: impl IntoIterator<Item = BucketId>) -> u64 {
        let patience_ns = |bucket: BucketId| {
            let series = self.series.get_mut(index(bucket.series))?;
            Some(series.borrowed(bucket.subject)?.patience_ns())
        };
        buckets.into_iter().filter_map(patience_ns).max().unwrap_or(0)
    }

    /// What to ask for before it is needed, after a call was decided.
    pub fn ask_early(&mut self, charges: &[Charge], now_ns: u64) -> Vec<Loan> {
        let ask = |charge: &Charge| {
            let series = self.series.get_mut(index(charge.series))?;
            series.borrowed(charge.subject)?.ask_early(charge.bucket(), now_ns)
        };
        charges.iter().filter_map(ask).collect()
    }

    /// Takes in the answer to an ask in which `need` units were needed; `None`: no answer came.
    pub fn answered(&mut self, bucket: BucketId, need: u64, answer: Option<&Answer>, now_ns: u64) {
        let series = self.series.get_mut(index(bucket.series));
        if let Some(borrowed) = series.and_then(|series| series.borrowed(bucket.subject)) {
            borrowed.answered(answer, need, now_ns);
        }
        self.schedule(bucket);
        self.note(bucket, now_ns);
    }

    /// The reports that are due: units that are not used, refunds, slots still in use.
    pub fn report_due(&mut self, now_ns: u64) -> Vec<Loan> {
        let mut loans = vec![];
        while let Some((due_ns, bucket)) = self.due.first().copied().filter(|(due_ns, _)| *due_ns <= now_ns) {
            self.due.remove(&(due_ns, bucket));
            let series = self.series.get_mut(index(bucket.series));
            let Some(borrowed) = series.and_then(|series| series.borrowed(bucket.subject)) else { continue };
            borrowed.looked_at(due_ns);
            if borrowed.due_ns().is_some_and(|due_ns| due_ns <= now_ns) {
                loans.extend(borrowed.report(bucket, now_ns));
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
            let report = |(subject, borrowed): (_, &mut Borrowed)| {
                borrowed.give_back(BucketId { series: number, subject }, now_ns)
            };
            loans.extend(series.all_borrowed().filter_map(report));
        }
        loans
    }

    /// Of which of these only the lender knows how they stand: they are borrowed, and nothing was heard for that long.
    pub fn to_be_asked(&mut self, charges: &[Charge], max_age_ns: u64, now_ns: u64) -> Vec<BucketId> {
        // Where there is no room for a new subject, it stands as one that has used nothing.
        self.arrange(charges, now_ns).ok();
        let mut asked: Vec<BucketId> = charges.iter().map(Charge::bucket).collect();
        asked.retain(|bucket| {
            let borrowed = self.series.get_mut(index(bucket.series)).and_then(|series| series.borrowed(bucket.subject));
            borrowed.is_some_and(|borrowed| !borrowed.is_known(max_age_ns, now_ns) && !borrowed.pauses(now_ns))
        });
        asked
    }

    fn schedule(&mut self, bucket: BucketId) {
        let series = self.series.get_mut(index(bucket.series));
        let Some(borrowed) = series.and_then(|series| series.borrowed(bucket.subject)) else { return };
        if let Some(due_ns) = borrowed.due_ns().filter(|due_ns| borrowed.is_sooner(*due_ns)) {
            self.due.insert((due_ns, bucket));
        }
    }

    fn left(&self, charge: &Charge, now_ns: u64) -> Left {
        match self.series.get(index(charge.series)) {
            Some(series) => series.left(charge, &self.setting, now_ns),
            None => Series::default().left(charge, &self.setting, now_ns),
        }
    }

    fn charge(&mut self, charge: &Charge, now_ns: u64) -> Left {
        let Some(series) = self.series.get_mut(index(charge.series)) else { return Left::all(&charge.policy, now_ns) };
        let (left, is_new) = series.charge(charge, &self.setting, now_ns);
        if is_new {
            self.track(charge.bucket(), now_ns);
        }
        left
    }

    /// Keeps each subject in the way that its policy asks for now.
    fn arrange(&mut self, charges: &[Charge], now_ns: u64) -> Result<(), TooManySubjects> {
        self.make_room(charges, now_ns)?;
        for charge in charges {
            let borrows = !self.setting.keeps(&charge.policy);
            let Some(series) = self.series.get_mut(index(charge.series)) else { continue };
            if !borrows && !series.knows(charge.subject) {
                continue;
            }
            let id = HolderId(self.setting.holder.0.wrapping_add(self.leases));
            self.leases = self.leases.wrapping_add(1);
            if series.arrange(charge, id, &self.setting, now_ns) {
                self.track(charge.bucket(), now_ns);
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

/// What the headers of an answer and a 429 say of a policy.
fn standing(policy: &Arc<Policy>, room: Room, left: Left) -> Standing {
    let retry_after_ns = if let Room::No(wait_ns) = room { Some(wait_ns) } else { None };
    let Left { remaining, full_in_ns, window } = left;
    Standing { policy: Arc::clone(policy), remaining, full_in_ns, window, retry_after_ns, taken: 0 }
}
