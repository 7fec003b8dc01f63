//! `TrafficCounter`: owns how far the audit log is counted into the sums of traffic.
//!
//! It counts what is in the store, behind the answers and off their path: this replica's chain every second, and before
//! an answer about traffic every chain. The `AuditWriter` tells it which entries it has just stored ([`Stored`]). It reads
//! whatever else is not counted yet: what a kill took from memory, what came by the spool, a log from before it. Of two
//! replicas that count the same, the store takes one.

mod recent;

use std::{convert::Infallible, sync::Arc, time::Duration};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use tokio::sync::Mutex;

use self::recent::Recent;
use super::{
    handle::{Ask, Handle, Reply, Request},
    outage::Outage,
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
};
use crate::{
    domain::traffic::count,
    store::{Store, StoreError, traffic::Backlog},
    telemetry::Parents,
};

pub use self::recent::Stored;

/// How often the counter looks at its own chain.
const LOOK: Duration = Duration::from_secs(1);

/// How many entries one transaction counts.
const ENTRIES_AT_A_TIME: u32 = 2_000;

/// How often it begins again because another replica counted the same meanwhile.
const ATTEMPTS: u32 = 8;

/// The most questions in flight.
const QUESTIONS: usize = 256;

/// Counts all that is on record now.
pub struct CatchUp;

impl Request for CatchUp {
    type Answer = Result<(), StoreError>;
}

/// What the counter is built from.
#[derive(Clone)]
pub struct Blueprint {
    pub store: Store,
    /// The chain of this replica.
    pub chain: Arc<str>,
    /// What was told of it. Only the counter locks it, one count at a time.
    recent: Arc<Mutex<Recent>>,
}

/// The actor: counts one time after the other.
pub struct TrafficCounter {
    blueprint: Blueprint,
    asked: Vec<Reply<Result<(), StoreError>>>,
    is_counting: bool,
    outage: Outage,
    _lifeline: Lifeline,
}

impl Actor for TrafficCounter {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(LOOK, Self::count);
    }
}

impl Handler<Ask<CatchUp>> for TrafficCounter {
    type Result = ();

    fn handle(&mut self, Ask { reply, .. }: Ask<CatchUp>, context: &mut Self::Context) {
        self.asked.push(reply);
        self.count(context);
    }
}

impl TrafficCounter {
    fn count(&mut self, context: &mut Context<Self>) {
        if std::mem::replace(&mut self.is_counting, true) {
            return;
        }
        let (asked, blueprint) = (std::mem::take(&mut self.asked), self.blueprint.clone());
        let is_asked = !asked.is_empty();
        let counting = async move { if is_asked { blueprint.count_all().await } else { blueprint.count_own().await } };
        let counting = Parents::of_all(asked.iter().map(Reply::parents)).scope(counting);
        context.spawn(counting.into_actor(self).map(move |counted, counter, context| {
            counter.is_counting = false;
            match &counted {
                Ok(()) => counter.outage.over(),
                Err(error) => counter.outage.failed(error),
            }
            for reply in asked {
                reply.answer(counted.clone());
            }
            if !counter.asked.is_empty() {
                counter.count(context);
            }
        }));
    }
}

impl Blueprint {
    /// A counter of all chains in the store, and what tells it of the entries of this replica's.
    #[must_use]
    pub fn new(store: Store, chain: Arc<str>) -> (Self, Stored) {
        let (recent, stored) = Recent::new();
        (Self { store, chain, recent: Arc::new(Mutex::new(recent)) }, stored)
    }

    async fn count_own(&self) -> Result<(), StoreError> {
        self.count_chain(&self.chain).await
    }

    async fn count_all(&self) -> Result<(), StoreError> {
        for chain in self.store.audit_chains().await? {
            self.count_chain(&chain).await?;
        }
        Ok(())
    }

    /// Counts a chain to its end.
    async fn count_chain(&self, chain: &str) -> Result<(), StoreError> {
        let mut conflicts = 0;
        loop {
            match self.count_some(chain).await {
                Ok(true) => conflicts = 0,
                Ok(false) => return Ok(()),
                Err(error @ StoreError::Conflict(_)) if conflicts >= ATTEMPTS => return Err(error),
                Err(StoreError::Conflict(_)) => conflicts = conflicts.saturating_add(1),
                Err(error) => return Err(error),
            }
        }
    }

    /// Counts the next entries of a chain; false if there were none left behind them.
    async fn count_some(&self, chain: &str) -> Result<bool, StoreError> {
        let (backlog, is_all) = if let Some(backlog) = self.told(chain).await? {
            (backlog, false)
        } else {
            let backlog = self.store.traffic_backlog(chain, ENTRIES_AT_A_TIME).await?;
            let is_all = u32::try_from(backlog.entries.len()).is_ok_and(|entries| entries < ENTRIES_AT_A_TIME);
            (backlog, is_all)
        };
        if !backlog.entries.is_empty() {
            let sums = count::sums(&backlog.entries, &backlog.earlier);
            self.store.add_traffic(chain, (backlog.after, backlog.through), sums).await?;
        }
        Ok(!is_all)
    }

    /// The next entries of the chain of this replica, if the counter was told them.
    async fn told(&self, chain: &str) -> Result<Option<Backlog>, StoreError> {
        if *chain != *self.chain {
            return Ok(None);
        }
        let mut recent = self.recent.lock().await;
        if !recent.has_more() {
            return Ok(None);
        }
        let after = self.store.traffic_mark(chain).await?;
        let Some(mut told) = recent.behind(after) else { return Ok(None) };
        if !told.missing.is_empty() {
            told.earlier.append(&mut self.store.traffic_decisions(chain, told.missing).await?);
        }
        Ok(Some(Backlog { after, through: told.through, entries: told.entries, earlier: told.earlier }))
    }
}

/// The counter's handle.
#[derive(Clone)]
pub struct Traffic(Handle<TrafficCounter>);

impl Starts for Traffic {
    type Blueprint = Blueprint;
    type Error = Infallible;

    async fn start_here(&self, roster: &Roster, blueprint: Blueprint) -> Result<(), Infallible> {
        let build = move |lifeline| {
            let counter = TrafficCounter {
                blueprint: blueprint.clone(),
                asked: vec![],
                is_counting: false,
                outage: Outage::none("counting of traffic"),
                _lifeline: lifeline,
            };
            std::future::ready(Ok::<_, Infallible>(counter))
        };
        supervise(roster, self.0.clone(), build).await
    }
}

impl Traffic {
    /// A handle to a counter that does not run yet.
    #[must_use]
    pub fn new(deadline: Duration) -> Self {
        Self(Handle::new("traffic_counter", QUESTIONS, deadline))
    }

    /// Waits until all that is on record is counted; false if that takes longer than the deadline, or fails.
    pub async fn is_complete(&self) -> bool {
        matches!(self.0.ask(CatchUp).await, Ok(Ok(())))
    }
}
