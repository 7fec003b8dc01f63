//! The state of one keeper and its decisions, without the messages: every policy is checked, then all are charged or
//! none. `now` is a parameter.

use std::sync::Arc;

use super::{Charge, TooManySubjects, series::Series};
use crate::domain::{
    limit::{Mode, Standing, Unit},
    quota::{Bucket, Rate},
};

/// The buckets and the calls under way of the subjects of one keeper.
pub struct Shard {
    max_subjects: usize,
    tracked: usize,
    /// By number. A subject that is not in its series is as [`unseen`] says.
    series: Vec<Series>,
    /// When a shard before this one was lost: what its buckets held is not known and taken as spent.
    inherited_ns: Option<u64>,
}

/// What all policies said of a call.
pub struct Decision {
    /// Of the policies that enforce, in the order of the charges; after the charge if there was one.
    pub standings: Vec<Standing>,
    /// The policies in shadow that had no room.
    pub shadowed: Vec<Arc<str>>,
    /// Present if the call is admitted: the charges of policies that enforce, and of those in shadow that had room.
    pub charged: Option<Arc<[Charge]>>,
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
    /// An empty shard that tracks at most so many subjects. If one before it was lost, `inherited_ns` says when.
    #[must_use]
    pub const fn new(max_subjects: usize, inherited_ns: Option<u64>) -> Self {
        Self { max_subjects, tracked: 0, series: vec![], inherited_ns }
    }

    /// How many subjects are tracked, over all policies.
    #[must_use]
    pub const fn tracked(&self) -> usize {
        self.tracked
    }

    /// How policies that enforce stand; charges nothing.
    #[must_use]
    pub fn standings(&self, charges: &[Charge], now_ns: u64) -> Vec<Standing> {
        let enforced = charges.iter().filter(|charge| charge.policy.mode == Mode::Enforce);
        enforced.map(|charge| self.standing(charge, 0, now_ns)).collect()
    }

    /// Checks every policy, and charges all of them or none.
    ///
    /// # Errors
    /// If a new subject would have to be tracked, there are too many, and none that was looked at is idle.
    pub fn take(&mut self, charges: &Arc<[Charge]>, now_ns: u64) -> Result<Decision, TooManySubjects> {
        let (mut standings, mut shadowed) = (Vec::with_capacity(charges.len()), vec![]);
        for charge in charges.iter() {
            let standing = self.standing(charge, charge.units, now_ns);
            match charge.policy.mode {
                Mode::Enforce => standings.push(standing),
                Mode::Shadow if standing.retry_after_ns.is_some() => shadowed.push(standing.policy),
                Mode::Shadow => {}
            }
        }
        if standings.iter().any(|standing| standing.retry_after_ns.is_some()) {
            return Ok(Decision { standings, shadowed, charged: None });
        }
        let admitted = without(charges, &shadowed);
        self.make_room(&admitted, now_ns)?;
        for charge in admitted.iter() {
            self.charge(charge, now_ns);
        }
        // Read again, so that the answer tells what is left after this call.
        Ok(Decision { standings: self.standings(&admitted, now_ns), shadowed, charged: Some(admitted) })
    }

    /// Frees, gives back or corrects what an admitted call was charged.
    pub fn end(&mut self, charges: &[Charge], ending: Ending, now_ns: u64) {
        let Ending { charged_ns, reached, tokens } = ending;
        for Charge { series, policy, subject, units } in charges {
            let Some(series) = self.series.get_mut(index(*series)) else { continue };
            match (policy.unit, tokens) {
                (Unit::Concurrent, _) => series.leave(*subject, *units),
                _ if !reached => series.refund(*subject, *units, charged_ns, now_ns),
                (Unit::Tokens, Some(tokens)) => series.correct(*subject, *units, tokens, charged_ns, now_ns),
                _ => {}
            }
        }
    }

    fn standing(&self, charge: &Charge, units: u64, now_ns: u64) -> Standing {
        let unseen = |rate| unseen(self.inherited_ns, rate);
        match self.series.get(index(charge.series)) {
            Some(series) => series.standing(&charge.policy, charge.subject, units, unseen, now_ns),
            None => Series::default().standing(&charge.policy, charge.subject, units, unseen, now_ns),
        }
    }

    fn charge(&mut self, charge: &Charge, now_ns: u64) {
        let inherited_ns = self.inherited_ns;
        let Some(series) = self.series.get_mut(index(charge.series)) else { return };
        let is_new = !series.knows(&charge.policy, charge.subject);
        series.charge(&charge.policy, charge.subject, charge.units, |rate| unseen(inherited_ns, rate), now_ns);
        self.tracked = self.tracked.saturating_add(usize::from(is_new));
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
            if !series.knows(&charge.policy, charge.subject) {
                new = new.saturating_add(1);
                self.tracked = self.tracked.saturating_sub(series.forget_oldest(now_ns));
            }
        }
        let mut search = self.series.iter_mut();
        while self.tracked.saturating_add(new) > self.max_subjects {
            let series = search.next().ok_or(TooManySubjects)?;
            while self.tracked.saturating_add(new) > self.max_subjects && series.forget_one(now_ns) {
                self.tracked = self.tracked.saturating_sub(1);
            }
        }
        Ok(())
    }
}

fn index(series: u32) -> usize {
    usize::try_from(series).unwrap_or(usize::MAX)
}

fn unseen(inherited_ns: Option<u64>, rate: Rate) -> Bucket {
    inherited_ns.map_or(Bucket::full(), |died_ns| Bucket::spent(rate, died_ns))
}

/// The charges without those of the policies in shadow that have no room.
fn without(charges: &Arc<[Charge]>, shadowed: &[Arc<str>]) -> Arc<[Charge]> {
    if shadowed.is_empty() {
        return Arc::clone(charges);
    }
    let kept = |charge: &&Charge| charge.policy.mode == Mode::Enforce || !shadowed.contains(&charge.policy.name);
    charges.iter().filter(kept).cloned().collect()
}
