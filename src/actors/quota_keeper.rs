//! `QuotaKeeper`: owns the rate buckets and the counts of calls under way of the subjects of its shard, in memory.
//!
//! One runs on each worker thread and keeps what belongs to one user: a user's shard is a hash of the id. What many
//! users share has a keeper of its own on a thread of its own, [`Quotas::take`] asks it last. One message to a keeper
//! checks every policy it is asked about, then charges all of them or none. Called by `pipeline::limit` through
//! [`Quotas`]. It never waits and never touches a store.

mod quotas;
mod series;
pub mod shard;
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
    shard::{Decision, Shard},
    ticket::{End, Receipt},
};
use super::{
    handle::{Ask, Handle, Permit, Request},
    supervisor::Lifeline,
};
use crate::{
    clock::Clock,
    domain::limit::{Policy, Standing, Subject},
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
    /// See [`Decision`].
    pub standings: Vec<Standing>,
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
    shard: Shard,
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
            self.shard.end(&request.receipt.charges, request.ending(), self.clock.monotonic_ns());
        }
        reply.answer(());
    }
}

impl Handler<Ask<Look>> for QuotaKeeper {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Look>, _: &mut Self::Context) {
        reply.answer(self.shard.standings(&request.charges, self.clock.monotonic_ns()));
    }
}

impl QuotaKeeper {
    fn take(&mut self, charges: &Arc<[Charge]>, permit: Permit) -> Result<Verdict, TooManySubjects> {
        let charged_ns = self.clock.monotonic_ns();
        let Decision { standings, shadowed, charged } = self.shard.take(charges, charged_ns)?;
        let ticket = charged.map(|charges| {
            let receipt = Receipt { charges, incarnation: self.incarnation, charged_ns };
            Ticket::new(self.own.clone(), permit, receipt)
        });
        Ok(Verdict { standings, shadowed, ticket })
    }
}
