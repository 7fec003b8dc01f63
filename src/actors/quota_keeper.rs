//! `QuotaKeeper`: owns the rate buckets and the counts of calls under way of the subjects of its shard.
//!
//! One runs on each worker thread, and a user's shard is a hash of the id. What belongs to one user alone is in its
//! memory; of what many users, replicas or lives of the process share it holds leases ([`super::quota_lender`]). So one
//! message checks every policy that applies to a call, then charges all of them or none. Called by `pipeline::limit`
//! through [`Quotas`]. It touches no store; a call for which units must be asked first waits outside the actor, for
//! a moment that its buckets bound.

mod quotas;
#[cfg(test)]
mod tests;
mod ticket;
mod wait_list;

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, SpawnHandle, WrapFuture};

pub use self::{
    quotas::{Blueprint, NAME, Quotas},
    ticket::{GivenBack, Ticket},
};
use self::{
    ticket::{End, Receipt},
    wait_list::{Call, Viewer, WaitList},
};
use super::{
    handle::{Ask, Handle, Permit, Request},
    quota_lender::Lender,
    supervisor::Lifeline,
};
use crate::{
    clock::Clock,
    domain::{
        lease::Answer,
        limit::{
            Standing,
            shard::{BucketId, Charges, Decision, Loan, Ruling, Shard, Taken, TooManySubjects, Want},
        },
    },
};

/// Timers are no finer than this.
const SHORTEST_ALARM: Duration = Duration::from_millis(1);
/// How often the keeper looks whether something borrowed is to be returned, and something to be forgotten.
const TELL: Duration = Duration::from_millis(50);

/// A charge against every policy of a call.
pub struct Take {
    pub charges: Charges,
    /// For the message at the end of the call.
    pub permit: Permit,
}

/// What all policies said. Nothing was charged unless every one that enforces had room.
pub struct Verdict {
    /// See [`Decision`].
    pub standings: Vec<Standing>,
    pub shadowed: Vec<Arc<str>>,
    pub outcome: Outcome,
    /// When it was decided, on the monotonic clock.
    pub decided_ns: u64,
}

/// What follows for the call.
pub enum Outcome {
    Admitted(Ticket),
    Refused,
    /// See [`Ruling::Unknown`].
    Unknown(Vec<Arc<str>>),
}

impl Request for Take {
    type Answer = Result<Verdict, TooManySubjects>;
}

/// How policies stand; charges nothing.
pub struct Look {
    pub charges: Charges,
    /// What was heard so recently is not asked again.
    pub max_age_ns: u64,
}

impl Request for Look {
    type Answer = Vec<Standing>;
}

/// Owns the buckets and the calls under way of the users of one shard, the leases of the buckets that these share with others,
/// and the calls that wait for units.
pub struct QuotaKeeper {
    clock: Clock,
    /// How tickets find back.
    own: Handle<Self>,
    incarnation: u64,
    shard: Shard,
    lender: Lender,
    waiting: WaitList,
    /// When the timer goes off that ends waits, and which one it is.
    alarm: Option<(u64, SpawnHandle)>,
    _lifeline: Lifeline,
}

impl Actor for QuotaKeeper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(TELL, |keeper, context| {
            let now_ns = keeper.clock.monotonic_ns();
            for loan in keeper.shard.report_due(now_ns) {
                keeper.send(loan, 0, context);
            }
            keeper.shard.tidy(now_ns);
        });
    }
}

/// A worker that stops returns what it has not used. One that panics no longer knows.
impl Drop for QuotaKeeper {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for loan in self.shard.give_all_back(self.clock.monotonic_ns()) {
            // Where the lender is gone as well, the leases end by themselves.
            drop(self.lender.lend(loan));
        }
    }
}

impl Handler<Ask<Take>> for QuotaKeeper {
    type Result = ();

    fn handle(&mut self, Ask { request: Take { charges, permit }, reply }: Ask<Take>, context: &mut Self::Context) {
        let since_ns = self.clock.monotonic_ns();
        let parents = reply.parents();
        let wants = self.decide(Call { charges, permit, reply, since_ns, position: None }, false, context);
        parents.scope_now(|| self.ask(wants, context));
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

    fn handle(&mut self, Ask { request, reply }: Ask<Look>, context: &mut Self::Context) {
        let Look { charges, max_age_ns } = request;
        let now_ns = self.clock.monotonic_ns();
        let asked = self.shard.to_be_asked(&charges, max_age_ns, now_ns);
        if asked.is_empty() {
            return reply.answer(self.shard.standings(&charges, now_ns));
        }
        let patience_ns = self.shard.patience_ns(asked.iter().copied());
        let parents = reply.parents();
        self.waiting.look(Viewer { charges, reply, asked: asked.clone() }, now_ns.saturating_add(patience_ns));
        let wants = asked.into_iter().map(|bucket| Want { bucket, units: 0 }).collect();
        parents.scope_now(|| self.ask(wants, context));
    }
}

impl QuotaKeeper {
    /// Decides on a call, or lets it wait for the units that it wants. One that is `impatient` waits no longer.
    fn decide(&mut self, call: Call, impatient: bool, context: &mut Context<Self>) -> Vec<Want> {
        let charged_ns = self.clock.monotonic_ns();
        match self.shard.take(&call.charges, impatient, charged_ns) {
            Err(error) => call.reply.answer(Err(error)),
            Ok(Taken::Decided(decision)) => {
                for loan in self.shard.ask_early(&call.charges, charged_ns) {
                    self.send(loan, 0, context);
                }
                call.reply.answer(Ok(self.verdict(decision, call.permit, charged_ns)));
            }
            Ok(Taken::Wants(wants)) => {
                let patience_ns = self.shard.patience_ns(wants.iter().map(|want| want.bucket));
                self.waiting.wait(call, patience_ns);
                return wants;
            }
        }
        vec![]
    }

    fn verdict(&self, decision: Decision, permit: Permit, charged_ns: u64) -> Verdict {
        let Decision { standings, shadowed, ruling } = decision;
        let outcome = match ruling {
            Ruling::Refused => Outcome::Refused,
            Ruling::Unknown(names) => Outcome::Unknown(names),
            Ruling::Admitted(charges) => {
                let receipt = Receipt { charges, incarnation: self.incarnation, charged_ns };
                Outcome::Admitted(Ticket::new(self.own.clone(), permit, receipt))
            }
        };
        Verdict { standings, shadowed, outcome, decided_ns: charged_ns }
    }

    /// Decides, by what is at hand, on those who have waited for long enough. Called when the first of them has.
    fn end_waits(&mut self, context: &mut Context<Self>) {
        self.alarm = None;
        let overdue = self.waiting.overdue(self.clock.monotonic_ns());
        for call in overdue.calls {
            // It is impatient, and wants nothing more.
            drop(self.decide(call, true, context));
        }
        for viewer in overdue.viewers {
            self.show(viewer);
        }
        self.set_alarm(context);
    }

    /// Sees to it that nobody waits for too long.
    fn set_alarm(&mut self, context: &mut Context<Self>) {
        let Some(until_ns) = self.waiting.first_until_ns() else { return };
        match self.alarm {
            Some((at_ns, _)) if at_ns <= until_ns => return,
            Some((_, timer)) => {
                context.cancel_future(timer);
            }
            None => {}
        }
        let left = Duration::from_nanos(until_ns.saturating_sub(self.clock.monotonic_ns()));
        self.alarm = Some((until_ns, context.run_later(left.max(SHORTEST_ALARM), Self::end_waits)));
    }

    /// Asks for what calls want that wait by now.
    fn ask(&mut self, wants: Vec<Want>, context: &mut Context<Self>) {
        let now_ns = self.clock.monotonic_ns();
        for Want { bucket, units } in wants {
            let waiting = if units == 0 { 0 } else { self.waiting.units(bucket) };
            if let Some(loan) = self.shard.ask(bucket, units, waiting, now_ns) {
                self.send(loan, units, context);
            }
        }
        self.set_alarm(context);
    }

    /// Hands an ask to the lender. Its answer is taken in when it comes.
    fn send(&mut self, loan: Loan, need: u64, context: &mut Context<Self>) {
        let (bucket, answer) = (loan.bucket, self.lender.lend(loan));
        let answer = async move {
            match answer {
                Ok(answer) => answer.await.ok().flatten(),
                Err(_) => None,
            }
        };
        context.spawn(answer.into_actor(self).map(move |answer, keeper, context| {
            keeper.answered(bucket, need, answer.as_ref(), context);
        }));
    }

    fn answered(&mut self, bucket: BucketId, need: u64, answer: Option<&Answer>, context: &mut Context<Self>) {
        self.shard.answered(bucket, need, answer, self.clock.monotonic_ns());
        let calls = self.waiting.calls_for(bucket);
        let wants = calls.into_iter().flat_map(|call| self.decide(call, false, context)).collect();
        self.ask(wants, context);
        for viewer in self.waiting.viewers_of(bucket) {
            self.show(viewer);
        }
    }

    fn show(&self, viewer: Viewer) {
        viewer.reply.answer(self.shard.standings(&viewer.charges, self.clock.monotonic_ns()));
    }
}
