//! `AuditWriter`: owns the head of this replica's chain and the entries not yet on disk.
//!
//! Called by `pipeline::audit` through [`Audit`]. It commits in groups: all entries that arrive during one commit are the
//! next, and each is answered when it is on disk. A request takes its place here before anything else happens to it, so
//! that its end always finds room.
//!
//! Where the store is a file beside it, an entry is committed in the spool: an append and one synchronisation a group, on
//! this thread. The store is filled behind the answers, in larger groups (`filling`). Where the store is a server, which may
//! outlive this machine, an entry is committed there. When it does not answer in time, entries get their places in the
//! chain all the same and go into the spool, which counts as disk. From then on the store is tried in the background, the
//! spooled entries first, and what arrives meanwhile does not wait for that.
//!
//! When neither takes an entry, a caller that waits for it gets an error and no request is let in any more. Outcomes, and
//! entries that nobody waits for, stay in memory until there is room again: what they record has been done.

mod archive;
mod audit;
mod blueprint;
mod condition;
mod filling;
mod outbox;

use std::{collections::VecDeque, fmt::Display, time::Duration};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, SpawnHandle, WrapFuture};

use self::{
    archive::{Archive, Attempt, Fate},
    condition::Gauge,
    filling::Filling,
    outbox::{NotTaken, Outbox},
};
use super::{
    handle::{Ask, Reply, Request},
    outage::Outage,
    supervisor::Lifeline,
    traffic_counter::Stored,
};
use crate::{
    domain::{
        audit::{Draft, Head, Stage},
        recording::Durability,
    },
    telemetry::Parents,
};

pub(super) use self::archive::salts;
pub use self::{
    audit::{Audit, Slot},
    blueprint::{Blueprint, BuildError},
    condition::Condition,
};

/// Puts an entry on record.
pub struct Append {
    pub draft: Draft,
    pub durability: Durability,
}

/// An entry is not known to be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    #[error("the audit log did not take the entry")]
    Refused,
    /// It has its place, or may get it later.
    #[error("it is not known whether the audit log has the entry")]
    Unknown,
}

impl Request for Append {
    type Answer = Result<(), NotRecorded>;
}

/// Answers when what was handed over before is in the store, as far as the store takes it.
pub struct Settle;

impl Request for Settle {
    type Answer = ();
}

/// An entry in the queue, and the way to answer; none for one that was kept although its caller was answered.
type QueuedEntry = (Draft, Option<Waiter>);
type Waiter = Reply<Result<(), NotRecorded>>;

/// How long the store is left alone after it failed; doubled up to the last.
const FIRST_REST: Duration = Duration::from_millis(100);
const LAST_REST: Duration = Duration::from_secs(2);

/// How long buffered entries are gathered at most, so that they are few transactions.
const GATHERED_FOR: Duration = Duration::from_millis(100);

/// What is going on at the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtStore {
    Nothing,
    /// It writes for this actor.
    Writing,
    /// It failed, and is left alone for a while.
    Resting,
}

/// The actor: owns the head of this replica's chain, the entries that are not committed yet, and the spool.
pub struct AuditWriter {
    archive: Archive,
    /// The last link given out.
    head: Head,
    queue: VecDeque<QueuedEntry>,
    outbox: Outbox,
    /// Whether entries are committed in the spool.
    commits_in_spool: bool,
    filling: Filling,
    gauge: Gauge,
    stored: Stored,
    max_batch: usize,
    /// A turn is due as soon as the mailbox is read.
    called: bool,
    /// What is queued is to be committed, not only gathered.
    due: bool,
    /// Makes it due when the first of the queue has been gathered for long enough.
    gathering: Option<SpawnHandle>,
    store: AtStore,
    /// Without one the store did its last work, so that it is worth a short wait.
    store_outage: Outage,
    spool_outage: Outage,
    rest: Duration,
    _lifeline: Lifeline,
}

impl Actor for AuditWriter {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.call(context);
    }
}

impl Handler<Ask<Append>> for AuditWriter {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Append>, context: &mut Self::Context) {
        self.queue.push_back((request.draft, Some(reply)));
        self.due |= request.durability == Durability::Committed || self.queue.len() >= self.max_batch;
        if self.due {
            self.call(context);
        } else {
            self.gather(context);
        }
    }
}

impl Handler<Ask<Settle>> for AuditWriter {
    type Result = ();

    fn handle(&mut self, Ask { reply, .. }: Ask<Settle>, context: &mut Self::Context) {
        if !self.commits_in_spool {
            return reply.answer(());
        }
        // Without anything queued, the next entry that nobody waits for is gathered as before.
        self.due |= !self.queue.is_empty();
        self.filling.ask(reply);
        self.call(context);
    }
}

impl AuditWriter {
    /// Takes a turn when all messages that are here have been read, so that they are one group.
    fn call(&mut self, context: &mut Context<Self>) {
        if std::mem::replace(&mut self.called, true) {
            return;
        }
        context.spawn(std::future::ready(()).into_actor(self).map(|(), writer, context| {
            writer.called = false;
            writer.turn(context);
        }));
    }

    /// Takes a turn when what is queued now has been gathered for long enough.
    fn gather(&mut self, context: &mut Context<Self>) {
        if self.gathering.is_some() {
            return;
        }
        self.gathering = Some(context.run_later(GATHERED_FOR, |writer, context| {
            writer.gathering = None;
            writer.due = true;
            writer.turn(context);
        }));
    }

    /// Does whatever can be done now.
    fn turn(&mut self, context: &mut Context<Self>) {
        if self.spools() {
            self.spool_queue(context);
        }
        self.filling.note_asked(self.head.seq);
        if self.store == AtStore::Nothing {
            if !self.outbox.is_empty() {
                self.fill(context);
            } else if self.due && !self.queue.is_empty() {
                self.commit(context);
            }
        }
        let is_away = self.store == AtStore::Resting;
        let first = self.outbox.first().filter(|_| !is_away);
        self.filling.answer_through(first.map_or(u64::MAX, |first| first.saturating_sub(1)));
        self.gauge.set_spooled(self.outbox.entries());
    }

    /// Whether what is queued goes into the spool now, and not into the store.
    fn spools(&self) -> bool {
        if self.commits_in_spool {
            // Of a batch that the store is asked to take no place is known yet to go on from. A spool that fails is left alone
            // as long as the store works.
            let is_committing = self.store == AtStore::Writing && self.outbox.is_empty();
            return self.due && !is_committing && (!self.spool_outage.is_on() || self.store_outage.is_on());
        }
        // When the outbox will be empty in a moment, what is queued waits for that, and goes into the store.
        !self.outbox.is_empty() && (self.store_outage.is_on() || self.outbox.entries() > filling::AT_A_TIME)
    }

    /// Commits what is queued, one batch at a time.
    fn commit(&mut self, context: &mut Context<Self>) {
        let (drafts, replies) = self.next_batch();
        let (archive, head) = (self.archive.clone(), self.head);
        self.store = AtStore::Writing;
        let parents = Parents::of_all(replies.iter().flatten().map(Reply::parents));
        let commit = parents.scope(async move { (archive.commit(head, &drafts).await, drafts) });
        context.spawn(commit.into_actor(self).map(move |(attempt, drafts), writer, context| {
            writer.store = AtStore::Nothing;
            if attempt.is_whole_behind(head) {
                writer.stored.tell_all(head.seq, &drafts);
            }
            writer.answer(replies, attempt, context);
            writer.turn(context);
        }));
    }

    fn next_batch(&mut self) -> (Vec<Draft>, Vec<Option<Waiter>>) {
        let size = self.queue.len().min(self.max_batch);
        self.due = self.queue.len() > size;
        self.queue.drain(..size).unzip()
    }

    /// Answers a batch that the store has had; what is unsettled is on disk if the spool takes it.
    fn answer(&mut self, replies: Vec<Option<Waiter>>, attempt: Attempt, context: &mut Context<Self>) {
        self.head = attempt.head;
        let unsettled = match attempt.trouble {
            None => {
                self.store_outage.over();
                self.gauge.set_condition(Condition::Storing);
                Ok(())
            }
            Some(error) => {
                self.leave_store_alone(&error, context);
                let is_on_disk = self.spooled(|outbox| outbox.owe(attempt.unsettled));
                if is_on_disk { Ok(()) } else { Err(NotRecorded::Unknown) }
            }
        };
        self.gauge.taken(count(replies.len()));
        for (reply, fate) in replies.into_iter().zip(attempt.fates) {
            let answer = match fate {
                Fate::Stored => Ok(()),
                Fate::Impossible => Err(NotRecorded::Refused),
                Fate::Unsettled => unsettled,
            };
            if let Some(reply) = reply {
                reply.answer(answer);
            }
        }
    }

    /// Puts what is queued behind the outbox; what it does not take and somebody waits for is refused, unless the store is
    /// there to take it.
    fn spool_queue(&mut self, context: &mut Context<Self>) {
        while !self.queue.is_empty() {
            let (drafts, replies) = self.next_batch();
            let linked = self.archive.link(self.head, &drafts);
            let Ok((rows, end)) = linked else {
                self.refuse(drafts, replies);
                return;
            };
            if !self.spooled(|outbox| outbox.take(rows, &drafts)) {
                if self.commits_in_spool && !self.store_outage.is_on() {
                    Self::try_spool_later(context);
                    drafts.into_iter().zip(replies).rev().for_each(|entry| self.queue.push_front(entry));
                    self.due = true;
                } else {
                    self.refuse(drafts, replies);
                }
                return;
            }
            self.head = end;
            self.gauge.taken(count(replies.len()));
            replies.into_iter().flatten().for_each(|reply| reply.answer(Ok(())));
        }
    }

    /// Puts something into the outbox; whether that works is how the log is doing.
    fn spooled(&mut self, put: impl FnOnce(&mut Outbox) -> Result<(), NotTaken>) -> bool {
        let put = put(&mut self.outbox);
        self.gauge.set_condition(match &put {
            _ if self.commits_in_spool && !self.store_outage.is_on() => Condition::Storing,
            Ok(()) => Condition::Spooling,
            Err(_) => Condition::Refusing,
        });
        match put {
            Ok(()) => self.spool_outage.over(),
            Err(error) => self.spool_outage.failed(&error),
        }
        !self.spool_outage.is_on()
    }

    /// Answers every caller that waits, and keeps at the front of the queue what must be on record later: entries that nobody
    /// waits for, and outcomes, because the call is done. They are as many as calls were let in before, at most.
    fn refuse(&mut self, drafts: Vec<Draft>, replies: Vec<Option<Waiter>>) {
        let batch = drafts.into_iter().zip(replies);
        for (draft, reply) in batch.chain(std::mem::take(&mut self.queue)).collect::<Vec<_>>() {
            match reply {
                Some(reply) if !reply.is_waited_for() => self.queue.push_back((draft, Some(reply))),
                Some(reply) if draft.stage == Stage::Outcome => {
                    self.queue.push_back((draft, None));
                    reply.answer(Err(NotRecorded::Unknown));
                }
                Some(reply) => {
                    self.gauge.taken(1);
                    reply.answer(Err(NotRecorded::Refused));
                }
                None => self.queue.push_back((draft, None)),
            }
        }
        self.due = !self.queue.is_empty();
    }

    fn leave_store_alone(&mut self, error: &dyn Display, context: &mut Context<Self>) {
        self.store_outage.failed(error);
        self.store = AtStore::Resting;
        context.run_later(self.rest, |writer, context| {
            writer.store = AtStore::Nothing;
            if writer.gauge.condition() == Condition::Refusing {
                // Nobody is let in, so nobody else would find out.
                writer.spooled(Outbox::check);
            }
            writer.turn(context);
        });
        self.rest = LAST_REST.min(self.rest.saturating_mul(2));
    }
}

fn count(entries: usize) -> u64 {
    u64::try_from(entries).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
