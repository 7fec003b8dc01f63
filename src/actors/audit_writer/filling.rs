//! The way from the spool into the store, behind the answers: which entries go when, and who waits for that.

use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, SpawnHandle, WrapFuture};

use super::{AtStore, AuditWriter, Condition, FIRST_REST, LAST_REST, outbox::Outbox};
use crate::actors::handle::Reply;

/// How many entries one transaction takes, about, where the store was away.
pub(super) const AT_A_TIME: u64 = 2_000;

/// How many make a transaction that is worth its synchronisation, and not so long that others wait for it.
const WORTH_A_TRANSACTION: u64 = 256;

/// How long an entry in the spool waits for others.
const WAITS: Duration = Duration::from_millis(50);

/// When the store is filled next, and who waits for it.
#[derive(Default)]
pub(super) struct Filling {
    is_due: bool,
    /// Makes it due.
    later: Option<SpawnHandle>,
    asked: Vec<Reply<()>>,
    /// Those who wait until the store has the entries up to a place.
    waiting: Vec<(u64, Reply<()>)>,
}

impl Filling {
    pub(super) fn ask(&mut self, reply: Reply<()>) {
        self.asked.push(reply);
    }

    /// What was handed over before it was asked ends at this place.
    pub(super) fn note_asked(&mut self, through: u64) {
        self.waiting.extend(self.asked.drain(..).map(|reply| (through, reply)));
    }

    /// Answers those who waited for the entries up to this place.
    pub(super) fn answer_through(&mut self, through: u64) {
        for (_, reply) in self.waiting.extract_if(.., |(last, _)| *last <= through) {
            reply.answer(());
        }
    }
}

impl AuditWriter {
    /// Gives the store the first entries of the outbox, if that is worth a transaction or cannot wait; else later.
    pub(super) fn fill(&mut self, context: &mut Context<Self>) {
        let is_worth_it = self.filling.is_due || self.outbox.entries() >= WORTH_A_TRANSACTION;
        let cannot_wait = !self.filling.waiting.is_empty() || self.store_outage.is_on() || self.spool_outage.is_on();
        if self.commits_in_spool && !is_worth_it && !cannot_wait {
            self.fill_later(context);
            return;
        }
        self.filling.is_due = false;
        if let Some(later) = self.filling.later.take() {
            context.cancel_future(later);
        }
        self.replay(context);
    }

    fn fill_later(&mut self, context: &mut Context<Self>) {
        if self.filling.later.is_some() {
            return;
        }
        self.filling.later = Some(context.run_later(WAITS, |writer, context| {
            writer.filling.later = None;
            writer.filling.is_due = true;
            writer.turn(context);
        }));
    }

    fn replay(&mut self, context: &mut Context<Self>) {
        let most = if self.commits_in_spool && !self.store_outage.is_on() { WORTH_A_TRANSACTION } else { AT_A_TIME };
        let rows = match self.outbox.front(most) {
            Ok(rows) => rows,
            Err(error) => {
                self.leave_store_alone(&error, context);
                return;
            }
        };
        let (archive, through) = (self.archive.clone(), rows.last().map_or(0, |row| row.seq));
        self.store = AtStore::Writing;
        let replay = async move { archive.replay(rows).await };
        context.spawn(replay.into_actor(self).map(move |replayed, writer, context| {
            writer.store = AtStore::Nothing;
            match replayed {
                Ok(()) => writer.replayed(through),
                Err(error) => writer.leave_store_alone(&error, context),
            }
            writer.turn(context);
        }));
    }

    fn replayed(&mut self, through: u64) {
        let stored = self.stored.clone();
        let mut has_room = true;
        self.outbox.forget(through, |seq, entry| has_room = has_room && stored.tell(seq, entry));
        self.store_outage.over();
        self.rest = FIRST_REST;
        let is_storing = self.commits_in_spool || self.outbox.is_empty();
        self.gauge.set_condition(if is_storing { Condition::Storing } else { Condition::Spooling });
    }

    /// Looks whether the spool takes entries again, while the store takes them.
    pub(super) fn try_spool_later(context: &mut Context<Self>) {
        context.run_later(LAST_REST, |writer, context| {
            if !writer.spooled(Outbox::check) {
                Self::try_spool_later(context);
            }
        });
    }
}
