//! `AuditWriter`: owns the head of this replica's chain and the entries not yet committed.
//!
//! Called by `pipeline::audit` through [`Audit`]. It commits in groups: all entries that arrive during one transaction
//! are the next transaction, and each is answered when it is on disk. A request takes its place here before anything
//! else happens to it, so that its end always finds room.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use super::{
    handle::{Ask, Handle, NoAnswer, Permit, Reply, Request},
    supervisor::{Lifeline, supervise},
};
use crate::{
    crypto,
    domain::audit::{Draft, Head},
    store::{Store, StoreError, audit::AuditRow},
};

/// Puts an entry on record.
pub struct Append(pub Draft);

/// An entry is not known to be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit log could not be written")]
pub struct NotRecorded;

impl Request for Append {
    type Answer = Result<(), NotRecorded>;
}

type Waiting = (Draft, Reply<Result<(), NotRecorded>>);

pub struct AuditWriter {
    store: Store,
    chain: Arc<str>,
    /// `None` after a commit that failed: whether it reached the disk is read from the store before the next one.
    head: Option<Head>,
    queue: VecDeque<Waiting>,
    committing: bool,
    max_batch: usize,
    _lifeline: Lifeline,
}

impl Actor for AuditWriter {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(0);
    }
}

impl Handler<Ask<Append>> for AuditWriter {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Append>, context: &mut Self::Context) {
        self.queue.push_back((request.0, reply));
        self.commit(context);
    }
}

impl AuditWriter {
    /// Commits what is queued, one batch at a time.
    fn commit(&mut self, context: &mut Context<Self>) {
        if self.committing || self.queue.is_empty() {
            return;
        }
        self.committing = true;
        let size = self.queue.len().min(self.max_batch);
        let (drafts, replies): (Vec<_>, Vec<_>) = self.queue.drain(..size).unzip();
        let batch = Batch { store: self.store.clone(), chain: Arc::clone(&self.chain), head: self.head.take(), drafts };
        context.spawn(batch.commit().into_actor(self).map(move |committed, writer, context| {
            writer.committing = false;
            let answer = committed.as_ref().map(|_| ()).map_err(|_| NotRecorded);
            if let Err(error) = &committed {
                tracing::error!(%error, entries = replies.len(), "audit entries were not committed");
            }
            writer.head = committed.ok();
            for reply in replies {
                reply.answer(answer);
            }
            writer.commit(context);
        }));
    }
}

/// Entries on their way to disk.
struct Batch {
    store: Store,
    chain: Arc<str>,
    head: Option<Head>,
    drafts: Vec<Draft>,
}

impl Batch {
    /// Links the entries behind the head and stores them; the new head.
    async fn commit(self) -> Result<Head, StoreError> {
        let mut head = match self.head {
            Some(head) => head,
            None => self.store.audit_head(&self.chain).await?.unwrap_or(Head::GENESIS),
        };
        let mut rows = Vec::with_capacity(self.drafts.len());
        for draft in self.drafts {
            let link = head
                .link(&self.chain, &draft, |previous, entry| crypto::sha256(&[previous, entry]))
                .map_err(|error| StoreError::Corrupt(error.to_string()))?;
            head = link.head();
            rows.push(AuditRow::new(&draft, link));
        }
        self.store.append_audit(&self.chain, rows).await?;
        Ok(head)
    }
}

/// What the writer is built from, again after each restart.
#[derive(Clone)]
pub struct Blueprint {
    pub store: Store,
    /// Names this replica; no other may write to it.
    pub chain: Arc<str>,
    pub max_batch: usize,
}

/// The writer's handle.
#[derive(Clone)]
pub struct Audit(Handle<AuditWriter>);

/// A request's place in the queue, taken before the request is looked at.
pub struct Place {
    permit: Permit,
}

impl Audit {
    #[must_use]
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        Self(Handle::new("audit_writer", max_in_flight, deadline))
    }

    /// Starts the writer on this arbiter and keeps it running.
    pub async fn start_here(&self, blueprint: Blueprint) -> Result<(), StoreError> {
        let build = move |lifeline| {
            let Blueprint { store, chain, max_batch } = blueprint.clone();
            async move {
                let head = Some(store.audit_head(&chain).await?.unwrap_or(Head::GENESIS));
                let queue = VecDeque::new();
                Ok(AuditWriter { store, chain, head, queue, committing: false, max_batch, _lifeline: lifeline })
            }
        };
        supervise(self.0.clone(), build).await
    }

    /// Takes a place for one entry.
    pub fn place(&self) -> Result<Place, NoAnswer> {
        if !self.0.is_running() {
            return Err(NoAnswer::Dead);
        }
        self.0.permit().map(|permit| Place { permit })
    }

    /// Returns when the entry is on disk.
    pub async fn append(&self, place: Place, draft: Draft) -> Result<(), NotRecorded> {
        let answer = self.0.hand_over(Append(draft), place.permit).map_err(|_| NotRecorded)?;
        self.0.wait(answer).await.map_err(|_| NotRecorded)?
    }

    /// Hands the entry over; it is written whether or not anybody waits.
    pub fn leave(&self, place: Place, draft: Draft) {
        let request = draft.request_id;
        if let Err(error) = self.0.hand_over(Append(draft), place.permit) {
            tracing::error!(%error, %request, "an audit entry was not handed over");
        }
    }

    #[must_use]
    pub const fn handle(&self) -> &Handle<AuditWriter> {
        &self.0
    }
}
