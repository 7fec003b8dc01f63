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
    domain::audit::{Draft, Head, Salt},
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
        context.spawn(batch.commit().into_actor(self).map(move |(head, answers), writer, context| {
            writer.committing = false;
            writer.head = head;
            for (reply, answer) in replies.into_iter().zip(answers) {
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

type Answers = Vec<Result<(), NotRecorded>>;

impl Batch {
    /// Commits all entries in one transaction. If one of them cannot stand beside what is there, each goes alone, so
    /// that it takes no other with it. Returns the new head, if it is known, and an answer for each entry.
    async fn commit(self) -> (Option<Head>, Answers) {
        match self.append(self.head, &self.drafts).await {
            Ok(head) => (Some(head), vec![Ok(()); self.drafts.len()]),
            Err(StoreError::Conflict(_)) if self.drafts.len() > 1 => self.one_by_one().await,
            Err(error) => {
                tracing::error!(%error, entries = self.drafts.len(), "audit entries were not committed");
                (None, vec![Err(NotRecorded); self.drafts.len()])
            }
        }
    }

    async fn one_by_one(self) -> (Option<Head>, Answers) {
        let (mut head, mut answers) = (None, vec![]);
        for draft in &self.drafts {
            let appended = self.append(head, std::slice::from_ref(draft)).await;
            if let Err(error) = &appended {
                tracing::error!(%error, request = %draft.request_id, "an audit entry was not committed");
            }
            answers.push(appended.as_ref().map(|_| ()).map_err(|_| NotRecorded));
            head = appended.ok();
        }
        (head, answers)
    }

    /// Links the entries behind the head and stores them; the new head.
    async fn append(&self, head: Option<Head>, drafts: &[Draft]) -> Result<Head, StoreError> {
        let mut head = match head {
            Some(head) => head,
            None => self.store.audit_head(&self.chain).await?.unwrap_or(Head::GENESIS),
        };
        let mut rows = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let link = head
                .link(&self.chain, draft, salts()?, crypto::sha256)
                .map_err(|error| StoreError::Corrupt(error.to_string()))?;
            head = link.head();
            rows.push(AuditRow::new(draft, link));
        }
        self.store.append_audit(&self.chain, rows).await?;
        Ok(head)
    }
}

/// Two salts of 16 random bytes.
pub(super) fn salts() -> Result<[Salt; 2], StoreError> {
    let random = || crypto::random().map_err(|error| StoreError::Other(error.to_string()));
    Ok([random()?, random()?])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            audit::{Findings, Stage},
            ids::{EntryId, RequestId},
        },
        store::{Settings, migrations},
    };
    use uuid::Uuid;

    const LONG: Duration = Duration::from_secs(30);

    async fn writer(folder: &tempfile::TempDir) -> (Audit, Store) {
        let url = format!("sqlite:{}", folder.path().join("a.db").display());
        migrations::run(&url).unwrap();
        let settings = Settings { url, pool_size: 2, acquire_timeout: LONG, statement_timeout: LONG };
        let store = Store::open(&settings).unwrap();
        let audit = Audit::new(1_000, LONG);
        audit.start_here(Blueprint { store: store.clone(), chain: "c".into(), max_batch: 64 }).await.unwrap();
        (audit, store)
    }

    fn draft(id: u128) -> Draft {
        Draft {
            id: EntryId(Uuid::from_u128(id)),
            request_id: RequestId(Uuid::from_u128(id)),
            time: jiff::Timestamp::UNIX_EPOCH,
            stage: Stage::Whole,
            subject: None,
            findings: Findings::default(),
        }
    }

    #[actix::test]
    async fn many_entries_at_once_are_one_chain_without_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let (audit, store) = writer(&folder).await;
        let appends = (1..=300).map(|id| audit.append(audit.place().unwrap(), draft(id)));
        let answers = futures_util::future::join_all(appends).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(store.audit_head("c").await.unwrap().unwrap().seq, 300);
    }

    #[actix::test]
    async fn an_entry_that_cannot_stand_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (audit, store) = writer(&folder).await;
        audit.append(audit.place().unwrap(), draft(7)).await.unwrap();
        let appends = [1, 7, 2, 7, 3].map(|id| audit.append(audit.place().unwrap(), draft(id)));
        let answers = futures_util::future::join_all(appends).await;
        let written: Vec<bool> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(written, [true, false, true, false, true]);
        assert_eq!(store.audit_head("c").await.unwrap().unwrap().seq, 4);
    }

    #[actix::test]
    async fn an_entry_that_nobody_waits_for_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (audit, store) = writer(&folder).await;
        audit.leave(audit.place().unwrap(), draft(1));
        while audit.handle().in_flight() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.audit_head("c").await.unwrap().unwrap().seq, 1);
    }
}
