//! Calls to the store and to Redis, as spans within the step of each request that waits for them.
//!
//! The task of a request is within its step ([`Place`]). A message to an actor carries the step that it was sent in, and the
//! actor's work for it is within that ([`Parents::scope`]). What an actor does for several messages at once is shown in each
//! of their traces. Where no trace is sampled there are no parents, and a call allocates nothing and reads no clock.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    future::Future,
    rc::Rc,
    slice,
    sync::Arc,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    KeyValue,
    trace::{SpanId, SpanKind, TraceId},
};

use super::{queue::Feeder, span::Span};
use crate::clock::Clock;

/// How many attributes the span of a call has at most: three, and the error.
const ATTRIBUTES: usize = 4;

tokio::task_local! {
    static PLACE: Place;
}

/// A call to the store or to Redis, in the names of the semantic conventions for databases. It never has a value of a
/// statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseCall {
    /// `db.system.name`.
    pub system: &'static str,
    /// `db.operation.name`: the command; `BATCH` where it is several.
    pub operation: &'static str,
    /// What it is about, if that is one thing.
    pub target: Option<Target>,
}

/// What a call to a database is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `db.collection.name`: the table, and of several the one that the call is made for.
    Table(&'static str),
    /// `db.stored_procedure.name`: a script that Redis runs.
    Script(&'static str),
}

impl DatabaseCall {
    fn name(&self) -> Cow<'static, str> {
        match self.target {
            Some(Target::Table(name) | Target::Script(name)) => format!("{} {name}", self.operation).into(),
            None => self.operation.into(),
        }
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(ATTRIBUTES);
        attributes.push(KeyValue::new("db.system.name", self.system));
        attributes.push(KeyValue::new("db.operation.name", self.operation));
        attributes.extend(self.target.map(|target| match target {
            Target::Table(name) => KeyValue::new("db.collection.name", name),
            Target::Script(name) => KeyValue::new("db.stored_procedure.name", name),
        }));
        attributes
    }
}

/// The trace of one request and its times, as its spans have them.
pub(super) struct Timeline {
    pub trace: TraceId,
    /// Where ended spans go.
    pub feeder: Arc<Feeder>,
    pub clock: Clock,
    /// When the request began, by the clock and on the monotonic clock.
    pub began: SystemTime,
    pub started_ns: u64,
}

impl Timeline {
    /// A time on the monotonic clock.
    pub fn at(&self, now_ns: u64) -> SystemTime {
        let elapsed = Duration::from_nanos(now_ns.saturating_sub(self.started_ns));
        self.began.checked_add(elapsed).unwrap_or(self.began)
    }

    /// This moment.
    pub fn now(&self) -> SystemTime {
        self.at(self.clock.monotonic_ns())
    }
}

/// The step that a sampled request is in at the moment, on its own thread.
pub struct Here {
    pub(super) timeline: Arc<Timeline>,
    /// The span of the request.
    pub(super) server: SpanId,
    pub(super) step: Cell<Option<SpanId>>,
    /// The spans of the request that have ended, which go into the queue together.
    pub(super) ended: RefCell<Vec<Span>>,
}

impl Here {
    /// Puts the spans that have ended into the queue.
    pub(super) fn send(&self) {
        let ended = self.ended.take();
        if !ended.is_empty() {
            self.timeline.feeder.put(self.timeline.trace, ended);
        }
    }
}

impl Drop for Here {
    /// What outlives its request may have ended spans after that.
    fn drop(&mut self) {
        self.send();
    }
}

/// The step of one sampled request.
#[derive(Clone)]
struct Parent {
    timeline: Arc<Timeline>,
    step: SpanId,
}

/// The steps of sampled requests that something is done for; most often none.
#[derive(Clone, Default)]
pub struct Parents(Steps);

/// Only several of them take memory.
#[derive(Clone, Default)]
enum Steps {
    #[default]
    None,
    One(Parent),
    Several(Arc<Vec<Parent>>),
}

impl Steps {
    fn as_slice(&self) -> &[Parent] {
        match self {
            Self::None => &[],
            Self::One(parent) => slice::from_ref(parent),
            Self::Several(parents) => parents,
        }
    }

    fn and(self, others: Self) -> Self {
        let (mut all, others) = match (self, others) {
            (steps, Self::None) | (Self::None, steps) => return steps,
            (Self::One(parent), others) => (Arc::new(vec![parent]), others),
            (Self::Several(parents), others) => (parents, others),
        };
        Arc::make_mut(&mut all).extend_from_slice(others.as_slice());
        Self::Several(all)
    }
}

impl Parents {
    fn at(here: &Here) -> Self {
        let one = |step| Steps::One(Parent { timeline: Arc::clone(&here.timeline), step });
        Self(here.step.get().map_or(Steps::None, one))
    }

    /// Those that what runs now is done for.
    #[must_use]
    pub fn current() -> Self {
        PLACE.try_with(Place::parents).unwrap_or_default()
    }

    /// All of several.
    #[must_use]
    pub fn of_all(groups: impl IntoIterator<Item = Self>) -> Self {
        Self(groups.into_iter().fold(Steps::None, |all, group| all.and(group.0)))
    }

    /// Runs a future for them.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        PLACE.scope(Place::For(self), work)
    }

    /// Does something at once for them.
    pub fn scope_now<T>(self, work: impl FnOnce() -> T) -> T {
        PLACE.sync_scope(Place::For(self), work)
    }

    /// A call begins for them.
    pub fn call(&self, call: &DatabaseCall) -> DatabaseSpans {
        let begin = |parent: &Parent| {
            let mut span = Span::within(parent.step, SpanKind::Client, call.name(), parent.timeline.now());
            span.attributes = call.attributes();
            (Arc::clone(&parent.timeline), span)
        };
        DatabaseSpans(self.0.as_slice().iter().map(begin).collect())
    }
}

/// The spans of one call, one a trace. They end when they are dropped.
#[must_use = "a call that is dropped has no end of its own"]
pub struct DatabaseSpans(Vec<(Arc<Timeline>, Span)>);

impl DatabaseSpans {
    /// The call has ended, and if it failed, in this way.
    pub fn end(mut self, error: Option<&'static str>) {
        if let Some(error) = error {
            for (_, span) in &mut self.0 {
                span.fail(error);
            }
        }
    }
}

impl Drop for DatabaseSpans {
    fn drop(&mut self) {
        for (timeline, span) in self.0.drain(..) {
            let span = span.ended(timeline.now());
            timeline.feeder.put(timeline.trace, vec![span]);
        }
    }
}

/// For whom a task works.
#[derive(Clone)]
pub enum Place {
    /// For one request, in the step that it is in at the moment.
    Request(Rc<Here>),
    /// For those whose messages an actor has.
    For(Parents),
}

impl Place {
    fn parents(&self) -> Parents {
        match self {
            Self::Request(here) => Parents::at(here),
            Self::For(parents) => parents.clone(),
        }
    }

    /// Runs a future there. It is moved once: an `async fn` would keep room for it twice.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        PLACE.scope(self, work)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Status;

    use super::*;
    use crate::telemetry::trace::queue::queue;

    #[test]
    fn a_call_is_named_by_its_command_and_what_it_is_about() {
        for (target, name, attribute) in [
            (Some(Target::Table("users")), "SELECT users", Some("db.collection.name")),
            (Some(Target::Script("leases")), "SELECT leases", Some("db.stored_procedure.name")),
            (None, "SELECT", None),
        ] {
            let call = DatabaseCall { system: "sqlite", operation: "SELECT", target };
            assert_eq!(call.name(), name);
            let names: Vec<_> = call.attributes().iter().map(|attribute| attribute.key.to_string()).collect();
            assert_eq!(names[..2], ["db.system.name", "db.operation.name"]);
            assert_eq!(names.get(2).map(String::as_str), attribute);
        }
    }

    #[test]
    fn a_call_for_nobody_has_no_span_and_no_memory() {
        let call = DatabaseCall { system: "sqlite", operation: "SELECT", target: None };
        assert_eq!(Parents::current().call(&call).0.capacity(), 0);
        assert!(matches!(Parents::of_all([Parents::default(), Parents::default()]).0, Steps::None));
    }

    #[test]
    fn what_is_done_for_several_requests_at_once_is_shown_in_each_of_their_traces() {
        let dropped = prometheus::IntCounter::new("dropped", "spans").unwrap();
        let (feeder, mut waiting) = queue(9, 9, dropped);
        let feeder = Arc::new(feeder);
        let of = |id: u64| {
            let (trace, feeder, clock) = (TraceId::from(u128::from(id)), Arc::clone(&feeder), Clock::manual(id));
            let timeline = Arc::new(Timeline { trace, feeder, clock, began: SystemTime::UNIX_EPOCH, started_ns: 0 });
            let step = Cell::new(Some(SpanId::from(id)));
            Parents::at(&Here { timeline, server: SpanId::INVALID, step, ended: RefCell::default() })
        };
        let several = Parents::of_all([of(1), Parents::default(), of(2)]);
        let all = Parents::of_all([Parents::default(), several.clone(), of(3)]);
        let call = DatabaseCall { system: "sqlite", operation: "INSERT", target: None };
        all.call(&call).end(Some("unavailable"));
        drop(several.call(&call));
        let told = waiting.batch(9).unwrap_or_default().into_iter();
        let told: Vec<_> = told
            .map(|span| (span.span_context.trace_id(), span.parent_span_id, span.status != Status::Unset))
            .collect();
        let one = |id: u64, is_failed| (TraceId::from(u128::from(id)), SpanId::from(id), is_failed);
        assert_eq!(told, [one(1, true), one(2, true), one(3, true), one(1, false), one(2, false)]);
    }
}
