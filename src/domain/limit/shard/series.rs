//! The subjects of one series: name, kind of subject and unit of its policies stay the same for good.
//!
//! Where the units of a subject are kept, its policy says: with this keeper, or elsewhere, and borrowed from there.

use super::{
    borrowed::{Borrowed, Room, SLOT_RETRY_NS},
    charge::Charge,
    estimate::Left,
    kept::{Kept, Moment, Rates, State, room_in},
    setting::Setting,
    subjects::Subjects,
};
use crate::domain::{
    lease::HolderId,
    limit::{Allowance, Subject},
};

#[derive(Default)]
pub(super) struct Series {
    subjects: Subjects<Kept>,
    rates: Rates,
}

impl Series {
    /// How a charge would fare, of which nothing is charged. With `impatient` no further units are asked for. `None`: what
    /// is kept of the subject is not as its policy asks for; see [`Series::arrange`].
    pub(super) fn room(&self, charge: &Charge, impatient: bool, setting: &Setting, now_ns: u64) -> Option<Room> {
        let is_own = setting.keeps(&charge.policy);
        match self.subjects.get(charge.subject).map(|kept| &kept.state) {
            Some(State::Borrowed(borrowed)) if is_own || !borrowed.is_by(&charge.policy) => None,
            Some(state) if is_own || matches!(state, State::Borrowed(_)) => {
                Some(state.room(charge, impatient, &Moment { setting, rates: &self.rates, now_ns }))
            }
            None if is_own => Some(unseen_room(charge, setting, now_ns)),
            Some(_) | None => None,
        }
    }

    /// What is left to the subject of a charge, as far as this keeper knows.
    pub(super) fn left(&self, charge: &Charge, setting: &Setting, now_ns: u64) -> Left {
        let Charge { policy, subject, .. } = charge;
        match (self.subjects.get(*subject), policy.allowance) {
            (Some(kept), _) => kept.state.left(policy, setting, &self.rates, now_ns),
            (None, Allowance::Rate(rate)) if setting.keeps(policy) => Left::of(setting.unseen(rate), rate, now_ns),
            (None, _) => Left::all(policy, now_ns),
        }
    }

    /// Takes the units of a charge, for which [`Series::room`] has seen room. Returns what is left, and whether the
    /// subject is new.
    pub(super) fn charge(&mut self, charge: &Charge, setting: &Setting, now_ns: u64) -> (Left, bool) {
        if let Some(kept) = self.subjects.get_mut(charge.subject) {
            return (kept.state.charge(charge, setting, &mut self.rates, now_ns), false);
        }
        let mut state = State::unseen(&charge.policy, setting, &mut self.rates);
        let left = state.charge(charge, setting, &mut self.rates, now_ns);
        self.subjects.insert(charge.subject, Kept::new(state));
        (left, true)
    }

    /// Makes what is kept of a subject what its policy asks for now, with what was used. Returns whether the subject is new.
    pub(super) fn arrange(&mut self, charge: &Charge, id: HolderId, setting: &Setting, now_ns: u64) -> bool {
        let Charge { policy, subject, .. } = charge;
        if setting.keeps(policy) {
            self.come_home(*subject);
            return false;
        }
        if let Some(State::Borrowed(borrowed)) = self.state(*subject)
            && borrowed.goes_by(policy, setting.with_redis, now_ns)
        {
            return false;
        }
        let mut borrowed = Borrowed::new(policy, setting.with_redis, id, now_ns);
        let used = match self.subjects.get(*subject).map(|kept| &kept.state) {
            Some(State::Borrowed(before)) if before.home() != borrowed.home() => before.bucket(),
            Some(State::Rate(bucket, number)) => self.rates.get(*number).map(|rate| (*bucket, rate)),
            _ => None,
        };
        if let Some((bucket, rate)) = used {
            borrowed = borrowed.after(bucket, rate, now_ns);
        }
        self.keep(*subject, State::Borrowed(Box::new(borrowed)))
    }

    /// What was borrowed of a bucket is from now on with this keeper.
    fn come_home(&mut self, subject: Subject) {
        let Some(State::Borrowed(borrowed)) = self.state(subject) else { return };
        if let Some((bucket, rate)) = borrowed.bucket() {
            let number = self.rates.number(rate);
            self.keep(subject, State::Rate(bucket, number));
        }
    }

    fn keep(&mut self, subject: Subject, state: State) -> bool {
        if let Some(kept) = self.subjects.get_mut(subject) {
            kept.state = state;
            return false;
        }
        self.subjects.insert(subject, Kept::new(state));
        true
    }

    fn state(&mut self, subject: Subject) -> Option<&mut State> {
        self.subjects.get_mut(subject).map(|kept| &mut kept.state)
    }

    pub(super) fn borrowed(&mut self, subject: Subject) -> Option<&mut Borrowed> {
        if let Some(State::Borrowed(borrowed)) = self.state(subject) { Some(borrowed) } else { None }
    }

    /// All that is borrowed.
    pub(super) fn all_borrowed(&mut self) -> impl Iterator<Item = (Subject, &mut Borrowed)> {
        self.subjects.iter_mut().filter_map(|(subject, kept)| match &mut kept.state {
            State::Borrowed(borrowed) => Some((subject, &mut **borrowed)),
            State::Rate(..) | State::UnderWay(_) => None,
        })
    }

    /// Gives back what a call took that never reached its upstream.
    pub(super) fn refund(&mut self, subject: Subject, units: u64, charged_ns: u64, now_ns: u64) {
        match self.subjects.get_mut(subject).map(|kept| &mut kept.state) {
            Some(State::Borrowed(borrowed)) => borrowed.refund(units, charged_ns, now_ns),
            Some(State::Rate(bucket, number)) => {
                if let Some(rate) = self.rates.get(*number) {
                    bucket.refund(rate, units, charged_ns, now_ns);
                }
            }
            Some(State::UnderWay(_)) | None => {}
        }
    }

    /// Makes what was charged for an estimate what the call took. More than there was is owed: nothing is admitted until
    /// it has refilled.
    pub(super) fn correct(&mut self, charge: &Charge, took: u64, charged_ns: u64, now_ns: u64) {
        let Charge { subject, units, .. } = *charge;
        let Some(more) = took.checked_sub(units) else {
            return self.refund(subject, units.saturating_sub(took), charged_ns, now_ns);
        };
        match self.subjects.get_mut(subject).map(|kept| &mut kept.state) {
            Some(State::Borrowed(borrowed)) => borrowed.charge_more(more, now_ns),
            Some(State::Rate(bucket, number)) => {
                if let Some(rate) = self.rates.get(*number) {
                    bucket.charge(rate, more, now_ns);
                }
            }
            Some(State::UnderWay(_)) | None => {}
        }
    }

    /// Frees the slots of a call that has ended.
    pub(super) fn leave(&mut self, subject: Subject, units: u64) {
        match self.state(subject) {
            Some(State::Borrowed(borrowed)) => borrowed.leave(units),
            Some(State::UnderWay(under_way)) => *under_way = under_way.saturating_sub(units),
            Some(State::Rate(..)) | None => {}
        }
    }

    /// Whether something is kept of a subject.
    pub(super) fn knows(&self, subject: Subject) -> bool {
        self.subjects.get(subject).is_some()
    }

    /// When a subject can be forgotten, if that is not noted yet, or noted for later.
    pub(super) fn note(&mut self, subject: Subject, now_ns: u64) -> Option<u64> {
        let kept = self.subjects.get_mut(subject)?;
        let due_ns = kept.idle_ns(&self.rates, now_ns)?.max(1);
        let is_news = kept.due_ns == 0 || due_ns < kept.due_ns;
        is_news.then(|| kept.due_ns = due_ns)?;
        Some(due_ns)
    }

    /// Whether it is still noted for then when a subject can be forgotten.
    pub(super) fn is_noted(&self, subject: Subject, due_ns: u64) -> bool {
        self.subjects.get(subject).is_some_and(|kept| kept.due_ns == due_ns)
    }

    /// Forgets a subject that was noted for `due_ns`, if that changes nothing. If not, it is noted no more.
    pub(super) fn forget(&mut self, subject: Subject, due_ns: u64, now_ns: u64) -> bool {
        let Some(kept) = self.subjects.get_mut(subject).filter(|kept| kept.due_ns == due_ns) else { return false };
        kept.due_ns = 0;
        let is_idle = kept.idle_ns(&self.rates, now_ns).is_some_and(|idle_ns| idle_ns <= now_ns);
        is_idle && self.subjects.remove(subject).is_some()
    }
}

/// The answer to a charge of a subject that this keeper has seen no charge of.
fn unseen_room(charge: &Charge, setting: &Setting, now_ns: u64) -> Room {
    match charge.policy.allowance {
        Allowance::Rate(rate) => room_in(setting.unseen(rate), rate, charge.units, now_ns),
        Allowance::Concurrent(slots) if slots < charge.units => Room::No(SLOT_RETRY_NS),
        Allowance::Concurrent(_) => Room::Yes,
    }
}
