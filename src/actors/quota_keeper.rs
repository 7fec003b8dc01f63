//! `QuotaKeeper`: owns the rate buckets and the counts of calls under way of the subjects of its shard, in memory.
//!
//! One runs on each worker thread and keeps what belongs to one user: a user's shard is a hash of the id. What many
//! users share has a keeper of its own on a thread of its own, [`Quotas::take`] asks it last. One message to a keeper
//! checks every policy it is asked about, then charges all of them or none. Called by `pipeline::limit` through
//! [`Quotas`]. It never waits and never touches a store.

mod quotas;
mod series;
mod subjects;
#[cfg(test)]
mod tests;
mod ticket;

use std::sync::Arc;

use actix::{Actor, Context, Handler};

pub use self::{
    quotas::{Charges, Quotas},
    ticket::Ticket,
};
use self::{
    series::Series,
    ticket::{End, Receipt},
};
use super::{
    handle::{Ask, Handle, Permit, Request},
    supervisor::Lifeline,
};
use crate::{
    clock::Clock,
    domain::{
        limit::{Mode, Policy, Standing, Subject, Unit},
        quota::{Bucket, Rate},
    },
};

/// What a call would take from one policy.
#[derive(Debug, Clone)]
pub struct Charge {
    /// Of the policy's group; see [`crate::snapshot::policies::Group::series`].
    pub series: u32,
    pub policy: Arc<Policy>,
    pub subject: Subject,
    /// At least 1.
    pub units: u64,
}

/// A charge against every policy of a call that one keeper owns.
pub struct Take {
    pub charges: Arc<[Charge]>,
    /// For the message at the end of the call.
    pub permit: Permit,
}

/// What all policies said. Nothing was charged unless every one that enforces had room.
pub struct Verdict {
    /// Of the policies that enforce, in the order of the charges; after the charge if there was one.
    pub standings: Vec<Standing>,
    /// The policies in shadow that had no room.
    pub shadowed: Vec<Arc<str>>,
    /// Present if the call is admitted.
    pub ticket: Option<Ticket>,
}

/// The shard tracks as many subjects as it may, and none that it looked at is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManySubjects;

impl Request for Take {
    type Answer = Result<Verdict, TooManySubjects>;
}

/// How policies stand; charges nothing.
pub struct Look {
    pub charges: Arc<[Charge]>,
}

impl Request for Look {
    type Answer = Vec<Standing>;
}

pub struct QuotaKeeper {
    clock: Clock,
    /// How tickets find back.
    own: Handle<Self>,
    incarnation: u64,
    max_subjects: usize,
    tracked: usize,
    /// By number. A subject that is not in its series is as [`QuotaKeeper::unseen`] says.
    series: Vec<Series>,
    /// When a keeper before this one died: what its buckets held is not known and taken as spent.
    inherited_ns: Option<u64>,
    _lifeline: Lifeline,
}

impl Actor for QuotaKeeper {
    type Context = Context<Self>;
}

impl Handler<Ask<Take>> for QuotaKeeper {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Take>, _: &mut Self::Context) {
        reply.answer(self.take(&request.charges, request.permit));
    }
}

impl Handler<Ask<End>> for QuotaKeeper {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<End>, _: &mut Self::Context) {
        if request.receipt.incarnation == self.incarnation {
            self.end(&request);
        }
        reply.answer(());
    }
}

impl Handler<Ask<Look>> for QuotaKeeper {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Look>, _: &mut Self::Context) {
        let now_ns = self.clock.monotonic_ns();
        let enforced = request.charges.iter().filter(|charge| charge.policy.mode == Mode::Enforce);
        reply.answer(enforced.map(|charge| self.standing(charge, 0, now_ns)).collect());
    }
}

impl QuotaKeeper {
    fn take(&mut self, charges: &Arc<[Charge]>, permit: Permit) -> Result<Verdict, TooManySubjects> {
        let now_ns = self.clock.monotonic_ns();
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
            return Ok(Verdict { standings, shadowed, ticket: None });
        }
        let charges = without(charges, &shadowed);
        self.make_room(&charges, now_ns)?;
        charges.iter().for_each(|charge| self.charge(charge, now_ns));
        // Read again, so that the answer tells what is left after this call.
        let enforced = charges.iter().filter(|charge| charge.policy.mode == Mode::Enforce);
        let standings = enforced.map(|charge| self.standing(charge, 0, now_ns)).collect();
        let receipt = Receipt { charges, incarnation: self.incarnation, charged_ns: now_ns };
        Ok(Verdict { standings, shadowed, ticket: Some(Ticket::new(self.own.clone(), permit, receipt)) })
    }

    fn end(&mut self, end: &End) {
        let now_ns = self.clock.monotonic_ns();
        let Receipt { charges, charged_ns, .. } = &end.receipt;
        for charge in charges.iter() {
            let Some(series) = self.series.get_mut(index(charge)) else { continue };
            match (charge.policy.unit, end.tokens) {
                (Unit::Concurrent, _) => series.leave(charge.subject, charge.units),
                _ if !end.reached => series.refund(charge.subject, charge.units, *charged_ns, now_ns),
                (Unit::Tokens, Some(tokens)) => {
                    series.correct(charge.subject, charge.units, tokens, *charged_ns, now_ns);
                }
                _ => {}
            }
        }
    }

    fn standing(&self, charge: &Charge, units: u64, now_ns: u64) -> Standing {
        let unseen = |rate| unseen(self.inherited_ns, rate);
        match self.series.get(index(charge)) {
            Some(series) => series.standing(&charge.policy, charge.subject, units, unseen, now_ns),
            None => Series::default().standing(&charge.policy, charge.subject, units, unseen, now_ns),
        }
    }

    fn charge(&mut self, charge: &Charge, now_ns: u64) {
        let inherited_ns = self.inherited_ns;
        let Some(series) = self.series.get_mut(index(charge)) else { return };
        let is_new = !series.knows(&charge.policy, charge.subject);
        series.charge(&charge.policy, charge.subject, charge.units, |rate| unseen(inherited_ns, rate), now_ns);
        self.tracked = self.tracked.saturating_add(usize::from(is_new));
    }

    /// Forgets a few subjects that have all they may have, and more of them where there are too many. One that is in use
    /// is never forgotten: that would give back what was taken.
    fn make_room(&mut self, charges: &[Charge], now_ns: u64) -> Result<(), TooManySubjects> {
        let mut new = 0_usize;
        for charge in charges {
            if self.series.len() <= index(charge) {
                self.series.resize_with(index(charge).saturating_add(1), Series::default);
            }
            let Some(series) = self.series.get_mut(index(charge)) else { continue };
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

fn index(charge: &Charge) -> usize {
    usize::try_from(charge.series).unwrap_or(usize::MAX)
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
