//! The writer's handle: how an entry is handed over, and how long is waited for it.

use std::time::Duration;

use super::{Append, AuditWriter, Blueprint, BuildError, Condition, NotRecorded, Settle, condition::Gauge};
use crate::{
    actors::{
        handle::{Handle, NoAnswer, Permit},
        roster::Roster,
        supervisor::{Starts, supervise},
    },
    domain::{audit::Draft, recording::Durability},
};

/// The writer's handle.
#[derive(Clone)]
pub struct Audit {
    handle: Handle<AuditWriter>,
    gauge: Gauge,
    /// The most entries on their way to the disk that no caller waits for.
    max_unwaited: u64,
}

/// A request's slot in the writer's queue, taken before the request is looked at. Dropped, it is free again.
#[must_use = "a slot that is dropped at once keeps no room for the entry"]
pub struct Slot {
    permit: Permit,
}

impl Starts for Audit {
    type Blueprint = Blueprint;
    type Error = BuildError;

    /// Starts the writer on this arbiter and keeps it running.
    async fn start_here(&self, roster: &Roster, blueprint: Blueprint) -> Result<(), BuildError> {
        let gauge = self.gauge.clone();
        let build = move |lifeline| blueprint.clone().build(gauge.clone(), lifeline);
        supervise(roster, self.handle.clone(), build).await
    }
}

impl Audit {
    /// A handle to a writer that does not run yet: at most `max_in_flight` slots, and `max_unwaited` buffered entries
    /// before a caller waits.
    pub fn new(max_in_flight: usize, max_unwaited: u64, deadline: Duration) -> Self {
        let handle = Handle::new("audit_writer", max_in_flight, deadline);
        Self { handle, gauge: Gauge::default(), max_unwaited }
    }

    /// Takes a slot for one entry.
    pub fn slot(&self) -> Result<Slot, NoAnswer> {
        if !self.handle.is_running() {
            return Err(NoAnswer::Dead);
        }
        if self.gauge.condition() == Condition::Refusing {
            return Err(NoAnswer::Full);
        }
        self.handle.permit().map(|permit| Slot { permit })
    }

    /// Returns when the entry is on disk.
    pub async fn append(&self, slot: Slot, draft: Draft) -> Result<(), NotRecorded> {
        self.gauge.handed_over();
        let append = Append { draft, durability: Durability::Committed };
        let answer = self.handle.hand_over(append, slot.permit).map_err(|_| {
            self.gauge.taken(1);
            NotRecorded::Refused
        })?;
        self.handle.wait(answer).await.map_err(|_| NotRecorded::Unknown)?
    }

    /// Hands the entry over; it is written whether or not anybody waits, and with `Buffered` not at once.
    pub fn leave(&self, slot: Slot, draft: Draft, durability: Durability) {
        let request = draft.request_id;
        self.gauge.handed_over();
        if let Err(error) = self.handle.hand_over(Append { draft, durability }, slot.permit) {
            self.gauge.taken(1);
            tracing::error!(%error, %request, "an audit entry was not handed over");
        }
    }

    /// Returns when the entry is as good as on disk: with `Buffered` at once, unless too much is under way already.
    pub async fn write(&self, slot: Slot, draft: Draft, durability: Durability) -> Result<(), NotRecorded> {
        if durability == Durability::Buffered && self.gauge.queued() < self.max_unwaited {
            self.leave(slot, draft, durability);
            return Ok(());
        }
        self.append(slot, draft).await
    }

    /// Returns when what was handed over before is in the store, where readers find it; or when the store does not take it, or
    /// it is not known in time.
    pub async fn settle(&self) {
        let _ = self.handle.ask(Settle).await;
    }

    /// Where entries go.
    pub fn condition(&self) -> Condition {
        self.gauge.condition()
    }

    /// Entries accepted and not yet in the store.
    pub fn backlog(&self) -> u64 {
        self.gauge.backlog()
    }

    /// The typed handle under this one.
    pub const fn handle(&self) -> &Handle<AuditWriter> {
        &self.handle
    }
}
