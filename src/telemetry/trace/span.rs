//! A span while it is recorded: plain values, which the exporting thread turns into what the exporter takes.

use std::{borrow::Cow, time::SystemTime};

use opentelemetry::{
    InstrumentationScope, KeyValue, Value,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};

/// A span of a sampled trace.
pub(super) struct Span {
    pub id: SpanId,
    pub parent: SpanId,
    /// Whether the parent is a span of another program.
    pub is_parent_remote: bool,
    pub kind: SpanKind,
    pub name: Cow<'static, str>,
    pub start: SystemTime,
    pub end: SystemTime,
    pub attributes: Vec<KeyValue>,
    pub is_failed: bool,
}

impl Span {
    /// A span begins within another one of this program.
    pub fn within(parent: SpanId, kind: SpanKind, name: Cow<'static, str>, start: SystemTime) -> Self {
        let id = RandomIdGenerator::default().new_span_id();
        Self {
            id,
            parent,
            is_parent_remote: false,
            kind,
            name,
            start,
            end: start,
            attributes: vec![],
            is_failed: false,
        }
    }

    /// What the span is about failed, in this way.
    pub fn fail(&mut self, error_type: impl Into<Value>) {
        self.attributes.push(KeyValue::new("error.type", error_type));
        self.is_failed = true;
    }

    /// The span, which has ended then.
    pub fn ended(self, end: SystemTime) -> Self {
        Self { end, ..self }
    }

    /// The span as the exporter takes it.
    pub fn exported(self, trace: TraceId, scope: &InstrumentationScope) -> SpanData {
        SpanData {
            span_context: SpanContext::new(trace, self.id, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: self.parent,
            parent_span_is_remote: self.is_parent_remote,
            span_kind: self.kind,
            name: self.name,
            start_time: self.start,
            end_time: self.end,
            attributes: self.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if self.is_failed { Status::error("") } else { Status::Unset },
            instrumentation_scope: scope.clone(),
        }
    }
}
