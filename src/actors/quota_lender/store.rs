//! Accounts in the store: what is asked during one transaction goes into the next.

use std::{future::Future, sync::Arc};

use super::tally::{Fate, Tally};
use crate::{
    actors::handle::Reply,
    clock::Clock,
    domain::{lease::Answer, limit::shard::Loan},
    store::{Store, StoreError, quota_accounts::Exchanged},
    telemetry::Parents,
};

/// A transaction that takes longer than this is late: until it ends there are no answers.
const LATE_NS: u64 = 250_000_000;
/// The most asks in one transaction.
const MAX_BATCH: usize = 512;

/// Takes the answer to an ask.
type LoanReply = Reply<Option<Answer>>;

/// What became of a batch.
type Batch = Result<Vec<Exchanged>, StoreError>;

/// The way to the store.
pub(super) struct StoreVault {
    store: Store,
    clock: Clock,
    queue: Vec<(Loan, LoanReply)>,
    /// When the transaction that is under way began.
    since_ns: Option<u64>,
    /// The last transaction failed.
    away: bool,
    tally: Arc<Tally>,
}

impl StoreVault {
    pub(super) const fn new(store: Store, clock: Clock, tally: Arc<Tally>) -> Self {
        Self { store, clock, queue: vec![], since_ns: None, away: false, tally }
    }

    /// True while the transaction under way takes too long.
    pub(super) fn is_late(&self) -> bool {
        self.since_ns.is_some_and(|since_ns| self.clock.monotonic_ns().saturating_sub(since_ns) > LATE_NS)
    }

    pub(super) fn queue(&mut self, loan: Loan, reply: LoanReply) {
        self.queue.push((loan, reply));
    }

    /// Begins a transaction with what is queued; none while one is under way.
    pub(super) fn begin(&mut self) -> Option<(Vec<LoanReply>, impl Future<Output = Batch> + use<>)> {
        if self.since_ns.is_some() || self.queue.is_empty() {
            return None;
        }
        self.since_ns = Some(self.clock.monotonic_ns());
        let batch = self.queue.drain(..self.queue.len().min(MAX_BATCH));
        let (loans, replies): (Vec<_>, Vec<LoanReply>) = batch.unzip();
        let asks = loans.into_iter().map(|loan| (loan.name, loan.ask)).collect();
        let (store, now) = (self.store.clone(), self.clock.now());
        let parents = Parents::of_all(replies.iter().map(Reply::parents));
        Some((replies, parents.scope(async move { store.exchange_quotas(asks, now).await })))
    }

    /// The transaction has ended.
    pub(super) fn end(&mut self, replies: Vec<LoanReply>, answers: Batch) {
        self.since_ns = None;
        let mut answers = self.heard(answers).into_iter();
        for reply in replies {
            let answer = answers.next();
            self.tally.store.add(match &answer {
                Some(Ok(Some(_))) => Fate::Answered,
                Some(Ok(None)) => Fate::Stale,
                Some(Err(_)) | None => Fate::Failed,
            });
            reply.answer(answer.and_then(|answer| {
                let readable = answer.inspect_err(|error| tracing::error!(%error, "a limit cannot be counted"));
                readable.ok().flatten()
            }));
        }
    }

    /// The answers, none where the store is away: said when it goes and when it is back.
    fn heard(&mut self, answers: Batch) -> Vec<Exchanged> {
        let was_away = std::mem::replace(&mut self.away, answers.is_err());
        match &answers {
            Err(error) if !was_away => {
                tracing::warn!(%error, "the store is away: limits of an hour and more go by their on_error");
            }
            Ok(_) if was_away => tracing::info!("the store is back: limits of an hour and more are shared again"),
            _ => {}
        }
        answers.unwrap_or_default()
    }

    /// Forgets accounts that are as good as new.
    pub(super) fn purge(&self) -> impl Future<Output = ()> + use<> {
        let (store, now) = (self.store.clone(), self.clock.now());
        async move {
            if let Err(error) = store.purge_quota_accounts(now).await {
                tracing::warn!(%error, "old accounts of limits were not forgotten");
            }
        }
    }
}
