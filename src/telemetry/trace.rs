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
mod resource;
mod settings;

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix_web::http::header::HeaderMap;
use opentelemetry::{
    Context, InstrumentationScope,
    trace::{Span as _, SpanBuilder, SpanKind, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};

pub use self::{
    attempts::AttemptSpans,
    attributes::{Start, Upstream},
    bad_variable::BadVariable,
    database::{DatabaseCall, DatabaseSpans, Parents, Place, Target},
    export::{NoExporter, SpanCounts},
};
use self::{
    attributes::Inference,
    database::{Here, Timeline},
    export::Worker,
};
use crate::{
    clock::Clock,
    domain::{
        audit::Draft,
        route::{Meter, Route},
    },
};

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
    tracer: SdkTracer,
    clock: Clock,
    worker: Worker,
}

impl Tracing {
    /// As the `OTEL_…` variables of the environment say.
    pub fn start(counts: SpanCounts, clock: Clock) -> Result<Self, NoTracing> {
        let Some(settings) = settings::Settings::of_environment()? else { return Ok(Self::default()) };
        let resource = resource::of_environment();
        let (feeder, worker) = export::start(settings, &resource, counts)?;
        let provider = SdkTracerProvider::builder().with_span_processor(feeder).with_resource(resource).build();
        let scope = InstrumentationScope::builder("tollgate").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self(Some(Arc::new(Live { tracer: provider.tracer_with_scope(scope), clock, worker }))))
    }

    /// Begins the trace of a request, or goes on with that of its caller.
    #[must_use]
    pub fn begin(&self, start: &Start<'_>, headers: &HeaderMap) -> Trace {
        let Some(live) = &self.0 else { return Trace::default() };
        let parent = context::parent(headers);
        let is_first = parent.is_none();
        let outside = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let since_epoch = Duration::from_nanos(u64::try_from(start.time.as_nanosecond()).unwrap_or(0));
        let began = SystemTime::UNIX_EPOCH.checked_add(since_epoch).unwrap_or(SystemTime::UNIX_EPOCH);
        let builder = SpanBuilder::from_name(start.method_name())
            .with_kind(SpanKind::Server)
            .with_start_time(began)
            .with_attributes(start.attributes());
        let server = live.tracer.build_with_context(builder, &outside);
        let inside = Context::new().with_remote_span_context(server.span_context().clone());
        let (tracer, clock) = (live.tracer.clone(), live.clock.clone());
        let timeline = Arc::new(Timeline { tracer, clock, began, started_ns: start.started_ns });
        let here = Rc::new(Here { timeline, step: RefCell::default() });
        Trace(Some(Box::new(Open {
            is_first,
            server,
            inside,
            here,
            step: None,
            attempts: AttemptSpans::default(),
            upstream_ended: None,
        })))
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
pub struct Trace(Option<Box<Open>>);

struct Open {
    /// Whether the request named no trace.
    is_first: bool,
    server: Span,
    /// What the steps are within.
    inside: Context,
    /// What calls to a store are within: the step.
    here: Rc<Here>,
    step: Option<Span>,
    /// The call to the upstream, whose last attempt may go on while the next steps begin.
    attempts: AttemptSpans,
    upstream_ended: Option<SystemTime>,
}

impl Trace {
    /// The id of the trace, as 32 hexadecimal digits.
    pub fn id(&self) -> Option<String> {
        self.0.as_ref().map(|open| context::trace_id(open.server.span_context().trace_id()))
    }

    /// The same of a trace that is exported.
    pub fn sampled_id(&self) -> Option<String> {
        if self.is_recording() { self.id() } else { None }
    }

    /// Whether the trace keeps what it is given, because it was sampled.
    pub fn is_recording(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.server.is_recording())
    }

    /// Where the request is served: calls to a store are within the step that it is in then.
    pub fn place(&self) -> Place {
        let open = self.0.as_ref().filter(|open| open.server.is_recording());
        open.map_or_else(|| Place::For(Parents::default()), |open| Place::Request(Rc::clone(&open.here)))
    }

    fn recording(&mut self) -> Option<&mut Open> {
        self.0.as_deref_mut().filter(|open| open.server.is_recording())
    }

    /// Says that a step begins, and that the one before has ended.
    pub fn enter(&mut self, step: Step, now_ns: u64) {
        let Some(open) = self.recording() else { return };
        let at = open.here.timeline.at(now_ns);
        open.leave(at);
        let Some(name) = step.name() else {
            open.here.step.replace(Some(open.server.span_context().clone()));
            return;
        };
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Internal).with_start_time(at);
        let span = open.here.timeline.tracer.build_with_context(builder, &open.inside);
        open.here.step.replace(Some(span.span_context().clone()));
        open.step = Some(span);
    }

    /// Names this trace to an upstream; an attempt that has a span names that. It has no header of another trace then.
    pub fn carry(&self, headers: &mut http::HeaderMap) {
        let Some(open) = &self.0 else { return };
        let named = open.server.span_context();
        if let Some(line) = context::traceparent(named.trace_id(), named.span_id(), named.is_sampled()) {
            headers.insert(context::TRACEPARENT, line);
        }
        if open.is_first {
            headers.remove(context::TRACESTATE);
        }
    }

    /// The spans of the attempts of a call that begins, to this model where it is to one; there are none where the trace is
    /// not sampled.
    pub fn attempts(&mut self, meter: Meter, model: Option<&str>) -> AttemptSpans {
        let Some(open) = self.recording() else { return AttemptSpans::default() };
        open.attempts = AttemptSpans::within(&open.here, &open.inside, Inference::of(meter, model));
        open.attempts.clone()
    }

    /// Says that the upstream has nothing more to say: the answer is here to its end, or there is none.
    pub fn upstream_ended(&mut self, now_ns: u64) {
        if let Some(open) = self.recording() {
            open.upstream_ended = Some(open.here.timeline.at(now_ns));
        }
    }

    /// Adds what came of the request, when all of it is known. `route`: that of a call that is forwarded.
    pub fn conclude(&mut self, draft: &Draft, route: Option<&Route>) {
        if let Some(open) = self.recording() {
            attributes::of_request(&mut open.server, draft, route);
            open.attempts.conclude(&draft.findings);
        }
    }

    /// Ends it.
    pub fn end(&mut self, now_ns: u64) {
        if let Some(open) = self.recording() {
            let at = open.here.timeline.at(now_ns);
            open.leave(at);
            open.here.step.take();
            open.attempts.end(open.upstream_ended.unwrap_or(at));
            open.server.end_with_timestamp(at);
        }
    }
}

impl Open {
    fn leave(&mut self, at: SystemTime) {
        if let Some(mut step) = self.step.take() {
            step.end_with_timestamp(at);
        }
    }
}
