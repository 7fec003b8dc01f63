//! How the record of one request is written: one entry, or a decision and an outcome.

use std::{fmt::Display, rc::Rc, sync::Arc};

use super::known::Known;
use crate::{
    actors::audit_writer::{Audit, NotRecorded, Slot},
    clock::Clock,
    domain::{
        audit::{Draft, Outcome, Stage},
        ids::EntryId,
        recording::Durability,
        refusal::{Refusal, Unavailable},
    },
    pipeline::{call::Call, gate::Gate, outages::Subject},
    snapshot::{Snapshot, routing::Routing},
    telemetry::{AccessLog, Metrics, Sampled, Step, Trace},
};

/// The record of one request in the making. Dropped before its end, it says `aborted`.
#[must_use = "a record that is dropped says that the request was aborted"]
pub struct Record {
    /// What will be written. Boxed: a record is handed on by value from step to step, and this is most of it.
    pub known: Box<Known>,
    /// Its trace, which ends with it.
    pub trace: Trace,
    audit: Audit,
    /// Knows the secrets that are cut from bodies.
    routing: Snapshot<Routing>,
    clock: Clock,
    metrics: Rc<Metrics>,
    access_log: AccessLog,
    /// For the one entry, or for the outcome; `None` when it is used.
    slot: Option<Slot>,
    /// Whether the decision has been handed over: then the last entry is an outcome.
    decided: bool,
    started_ns: u64,
    /// When the client left, where the record waits for what the call cost.
    left_ns: Option<u64>,
}

impl Record {
    /// Takes a slot in the log. Without one the request is not served: what is done must be on record.
    pub fn open(gate: &Gate, call: &Call, trace: Trace) -> Result<Self, Refusal> {
        let slot = gate.audit.slot().map_err(|_| Refusal::Unavailable(Unavailable::Audit))?;
        Ok(Self::of(gate, call, trace, Some(slot)))
    }

    /// A record that knows no more than the head of the request. Without a slot it leaves no entry.
    pub fn of(gate: &Gate, call: &Call, trace: Trace, slot: Option<Slot>) -> Self {
        Self {
            known: Box::new(Known::of(call, EntryId(gate.clock.new_id()), gate.recording)),
            trace,
            audit: gate.audit.clone(),
            routing: gate.routing.clone(),
            clock: gate.clock.clone(),
            metrics: Rc::clone(&gate.metrics),
            access_log: gate.access_log,
            slot,
            decided: false,
            started_ns: call.started_ns,
            left_ns: None,
        }
    }

    /// Records "allowed" before the call can change anything. From here on the record has two entries.
    pub async fn decide(&mut self, durability: Durability) -> Result<(), Refusal> {
        self.known.allowed();
        self.write_decision(durability).await
    }

    /// Whether the decision has been handed over.
    pub(super) const fn is_decided(&self) -> bool {
        self.decided
    }

    /// Records the decision, if that is not done.
    pub(super) async fn decide_at_least(&mut self) -> Result<(), Refusal> {
        if self.decided { Ok(()) } else { self.write_decision(self.known.durability()).await }
    }

    async fn write_decision(&mut self, durability: Durability) -> Result<(), Refusal> {
        let slot = self.audit.slot().map_err(|_| Refusal::Unavailable(Unavailable::Audit))?;
        let decision = Draft { stage: Stage::Decision, ..self.known.draft().clone() };
        // Said before the wait: if the request is dropped during it, the entry goes to disk all the same.
        self.decided = true;
        let written = self.audit.write(slot, decision, durability).await;
        written.map_err(|error| {
            if error == NotRecorded::Refused {
                // The record begins again as one entry of its own.
                self.decided = false;
                self.known.begin_again(EntryId(self.clock.new_id()));
            }
            Refusal::Unavailable(Unavailable::Audit)
        })
    }

    /// Writes the last entry, and returns when it is as good as on disk.
    pub(super) async fn finish(&mut self, outcome: Outcome) -> Result<(), Refusal> {
        let entry = self.last_entry(outcome);
        let Some(slot) = self.slot.take() else {
            return Ok(());
        };
        let writing = self.audit.write(slot, entry, self.known.durability());
        let written = self.trace.place().scope(writing).await;
        self.end_trace();
        written.map_err(|_| Refusal::Unavailable(Unavailable::Audit))
    }

    /// Says that a step begins.
    pub fn enter(&mut self, step: Step) {
        if self.trace.is_recording() {
            self.trace.enter(step, self.clock.monotonic_ns());
        }
    }

    fn end_trace(&mut self) {
        if self.trace.is_recording() {
            self.trace.end(self.clock.monotonic_ns());
        }
    }

    /// The answer broke off although the client was there. An upstream's is told as its other failures are.
    pub(super) fn cut(&mut self, error: &dyn Display) {
        self.known.cut();
        let routing = self.routing.read();
        let upstream = self.known.called();
        let called = upstream.and_then(|name| routing.upstream(name));
        let (Some((target, condition)), Some(route)) = (called, self.known.route()) else {
            tracing::warn!(%error, "an answer was cut");
            return;
        };
        if let Some(failures) = condition.cut(self.clock.monotonic_ms()) {
            let subject = Subject { request: self.known.draft().request_id, route: Arc::clone(&route.name) };
            subject.tell_failure(target, self.known.attempts_made(), error, failures);
        }
    }

    /// Hands the last entry over, if that is not done; nobody waits for it.
    pub(super) fn leave(&mut self, outcome: Outcome) {
        if self.slot.is_some() {
            let entry = self.last_entry(outcome);
            if let Some(slot) = self.slot.take() {
                self.audit.leave(slot, entry, self.known.durability());
            }
            self.end_trace();
        }
    }

    /// The client has left: the last entry says what the call cost, if that is about to be known. It keeps its slot until
    /// then.
    pub(super) fn leave_when_paid(mut self) {
        let cost = self.known.cost_note();
        if cost.is_awaited() && self.slot.is_some() {
            self.left_ns = Some(self.clock.monotonic_ns());
            cost.then(move || drop(self));
        }
    }

    fn last_entry(&mut self, outcome: Outcome) -> Draft {
        let ended_ns = self.left_ns.unwrap_or_else(|| self.clock.monotonic_ns());
        let elapsed_ns = ended_ns.saturating_sub(self.started_ns);
        self.known.end(outcome, elapsed_ns / 1_000, self.routing.read().secrets());
        let sampled = self.trace.sampled_id().map(|trace_id| Sampled { trace_id, at: self.clock.now() });
        self.metrics.request(self.known.draft(), elapsed_ns, self.known.waited_ns(), sampled.as_ref());
        self.enter(Step::Audit);
        self.trace.conclude(self.known.draft(), self.known.route().map(AsRef::as_ref));
        let principal = self.known.principal().map(AsRef::as_ref);
        self.access_log.request(self.known.draft(), principal, self.clock.now());
        let Draft { id, request_id, time, stage, .. } = *self.known.draft();
        let (subject, findings) = self.known.take();
        if self.decided {
            let (id, time) = (EntryId(self.clock.new_id()), self.clock.now());
            return Draft { id, request_id, time, stage: Stage::Outcome, subject: None, findings };
        }
        Draft { id, request_id, time, stage, subject, findings }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.leave(Outcome::Aborted);
    }
}
