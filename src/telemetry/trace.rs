//! The trace of a request (OpenTelemetry): a span for the request, one for each step of the pipeline within it.
//!
//! Begun and ended by the pipeline. Where the environment names no collector there is none, and a request does no work for
//! it; of a trace that is not sampled there are the ids, and nothing else. What is in a span is what is in the audit record:
//! no query, no header, no body, no credential.

mod attempts;
mod attributes;
mod bad_variable;
mod certificates;
mod context;
mod database;
mod export;
mod headers;
mod queue;
mod resource;
mod sampling;
mod settings;
mod span;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix_web::http::header::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, TraceId};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};

pub use self::{
    attempts::AttemptSpans,
    attributes::{Start, Upstream},
    bad_variable::BadVariable,
    context::{TRACEPARENT, TRACESTATE},
    database::{DatabaseCall, DatabaseSpans, Parents, Place, Target},
    export::{NoExporter, SpanCounts},
};
use self::{
    attributes::Inference,
    database::{Here, Timeline},
    export::Worker,
    queue::Feeder,
    sampling::Sampling,
    span::Span,
};
use crate::{
    clock::Clock,
    domain::{
        audit::Draft,
        route::{Meter, Route},
    },
};

/// How many spans a request mostly has at most: its own, its steps and an attempt.
const SPANS: usize = 8;

/// Why there are no traces although the environment asks for them.
#[derive(Debug, thiserror::Error)]
pub enum NoTracing {
    #[error(transparent)]
    Variable(#[from] BadVariable),
    #[error("traces: {0}")]
    Exporter(#[from] NoExporter),
}

/// Makes the traces of a gateway; nothing where they go nowhere. Clones share it.
#[derive(Clone, Default)]
pub struct Tracing(Option<Arc<Live>>);

struct Live {
    feeder: Arc<Feeder>,
    sampling: Sampling,
    clock: Clock,
    worker: Worker,
}

impl Tracing {
    /// As the `OTEL_…` variables of the environment say.
    pub fn start(counts: SpanCounts, clock: Clock) -> Result<Self, NoTracing> {
        let Some(settings) = settings::Settings::of_environment()? else { return Ok(Self::default()) };
        let sampling = settings.sampling;
        let (feeder, worker) = export::start(settings, &resource::of_environment(), counts)?;
        Ok(Self(Some(Arc::new(Live { feeder: Arc::new(feeder), sampling, clock, worker }))))
    }

    /// Begins the trace of a request, or goes on with that of its caller.
    #[must_use]
    pub fn begin(&self, start: &Start<'_>, headers: &HeaderMap) -> Trace {
        let Some(live) = &self.0 else { return Trace::default() };
        let ids = RandomIdGenerator::default();
        let parent = context::parent(headers);
        let trace = parent.as_ref().map_or_else(|| ids.new_trace_id(), SpanContext::trace_id);
        let server = ids.new_span_id();
        let is_sampled = live.sampling.takes(trace, parent.as_ref());
        let is_first = parent.is_none();
        let recording = is_sampled.then(|| Box::new(Recording::begin(live, (trace, server), parent.as_ref(), start)));
        Trace(Some(Open { is_first, trace, server, is_sampled, recording }))
    }

    /// Sends the spans that are left, in a bounded time.
    pub async fn stop(&self) {
        if let Some(live) = &self.0 {
            live.worker.stop().await;
        }
    }
}

/// The trace id that a head names, as 32 hexadecimal digits.
#[must_use]
pub fn named_trace(headers: &HeaderMap) -> Option<String> {
    Some(context::trace_id(context::parent(headers)?.trace_id()))
}

/// A step of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Authenticate,
    Limit,
    Cache,
    Reserve,
    /// What a URL of the gateway's own does.
    Handle,
    /// The call to the upstream, of which each attempt has a span.
    Forward,
    Settle,
    Audit,
}

impl Step {
    /// The name of its span, where it has one of its own.
    const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Authenticate => "authenticate",
            Self::Limit => "limit",
            Self::Cache => "cache",
            Self::Reserve => "reserve",
            Self::Handle => "handle",
            Self::Forward => return None,
            Self::Settle => "settle",
            Self::Audit => "audit",
        })
    }
}

/// The trace of one request; nothing where traces are off.
#[derive(Default)]
pub struct Trace(Option<Open>);

/// The ids that are passed on, and the spans of a trace that is sampled.
struct Open {
    /// Whether the request named no trace.
    is_first: bool,
    trace: TraceId,
    /// The span of the request.
    server: SpanId,
    is_sampled: bool,
    recording: Option<Box<Recording>>,
}

/// The spans of a sampled request until its end.
struct Recording {
    server: Option<Span>,
    /// What calls to a store are within: the step.
    here: Rc<Here>,
    step: Option<Span>,
    /// The call to the upstream, whose last attempt may go on while the next steps begin.
    attempts: AttemptSpans,
    upstream_ended: Option<SystemTime>,
    ended: Option<SystemTime>,
}

impl Trace {
    /// The id of the trace, as 32 hexadecimal digits.
    pub fn id(&self) -> Option<String> {
        self.0.as_ref().map(|open| context::trace_id(open.trace))
    }

    /// The same of a trace that is exported.
    pub fn sampled_id(&self) -> Option<String> {
        if self.is_recording() { self.id() } else { None }
    }

    /// Whether the trace keeps what it is given, because it was sampled.
    pub fn is_recording(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.recording.is_some())
    }

    /// Where the request is served: calls to a store are within the step that it is in then.
    pub fn place(&self) -> Place {
        let recording = self.0.as_ref().and_then(|open| open.recording.as_ref());
        recording.map_or_else(|| Place::For(Parents::default()), |recording| Place::Request(Rc::clone(&recording.here)))
    }

    fn recording(&mut self) -> Option<&mut Recording> {
        self.0.as_mut()?.recording.as_deref_mut()
    }

    /// Says that a step begins, and that the one before has ended.
    pub fn enter(&mut self, step: Step, now_ns: u64) {
        let Some(recording) = self.recording() else { return };
        let at = recording.here.timeline.at(now_ns);
        recording.leave(at);
        let here = &recording.here;
        recording.step = step.name().map(|name| Span::within(here.server, SpanKind::Internal, name.into(), at));
        here.step.set(Some(recording.step.as_ref().map_or(here.server, |span| span.id)));
    }

    /// Names this trace to an upstream; an attempt that has a span names that. It has no header of another trace then.
    pub fn carry(&self, headers: &mut http::HeaderMap) {
        let Some(open) = &self.0 else { return };
        if let Some(line) = context::traceparent(open.trace, open.server, open.is_sampled) {
            headers.insert(context::TRACEPARENT, line);
        }
        if open.is_first {
            headers.remove(context::TRACESTATE);
        }
    }

    /// The spans of the attempts of a call that begins, to this model where it is to one; there are none where the trace is
    /// not sampled.
    pub fn attempts(&mut self, meter: Meter, model: Option<&str>) -> AttemptSpans {
        let Some(recording) = self.recording() else { return AttemptSpans::default() };
        recording.attempts = AttemptSpans::within(&recording.here, Inference::of(meter, model));
        recording.attempts.clone()
    }

    /// Says that the upstream has nothing more to say: the answer is here to its end, or there is none.
    pub fn upstream_ended(&mut self, now_ns: u64) {
        if let Some(recording) = self.recording() {
            recording.upstream_ended = Some(recording.here.timeline.at(now_ns));
        }
    }

    /// Adds what came of the request, when all of it is known. `route`: that of a call that is forwarded.
    pub fn conclude(&mut self, draft: &Draft, route: Option<&Route>) {
        if let Some(Recording { server, attempts, .. }) = self.recording() {
            if let Some(server) = server {
                attributes::of_request(server, draft, route);
            }
            attempts.conclude(&draft.findings);
        }
    }

    /// Ends it.
    pub fn end(&mut self, now_ns: u64) {
        let recording = self.0.as_mut().and_then(|open| open.recording.take());
        if let Some(mut recording) = recording {
            recording.ended = Some(recording.here.timeline.at(now_ns));
        }
    }
}

impl Recording {
    fn begin(live: &Live, (trace, server): (TraceId, SpanId), parent: Option<&SpanContext>, start: &Start<'_>) -> Self {
        let since_epoch = Duration::from_nanos(u64::try_from(start.time.as_nanosecond()).unwrap_or(0));
        let began = SystemTime::UNIX_EPOCH.checked_add(since_epoch).unwrap_or(SystemTime::UNIX_EPOCH);
        let span = Span {
            id: server,
            parent: parent.map_or(SpanId::INVALID, SpanContext::span_id),
            is_parent_remote: parent.is_some(),
            kind: SpanKind::Server,
            name: start.method_name().into(),
            start: began,
            end: began,
            attributes: start.attributes(),
            is_failed: false,
        };
        let (feeder, clock) = (Arc::clone(&live.feeder), live.clock.clone());
        let timeline = Arc::new(Timeline { trace, feeder, clock, began, started_ns: start.started_ns });
        let (step, ended) = (Cell::default(), RefCell::new(Vec::with_capacity(SPANS)));
        Self {
            server: Some(span),
            here: Rc::new(Here { timeline, server, step, ended }),
            step: None,
            attempts: AttemptSpans::default(),
            upstream_ended: None,
            ended: None,
        }
    }

    fn leave(&mut self, at: SystemTime) {
        if let Some(step) = self.step.take() {
            self.here.ended.borrow_mut().push(step.ended(at));
        }
    }
}

impl Drop for Recording {
    /// All spans have ended, at the latest now, and go into the queue together.
    fn drop(&mut self) {
        let at = self.ended.unwrap_or_else(|| self.here.timeline.now());
        self.leave(at);
        self.here.step.set(None);
        self.attempts.end(self.upstream_ended.unwrap_or(at));
        if let Some(server) = self.server.take() {
            self.here.ended.borrow_mut().push(server.ended(at));
        }
        self.here.send();
    }
}
