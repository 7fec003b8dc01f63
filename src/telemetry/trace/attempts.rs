//! Calls to upstreams as spans: one an attempt, and the request of each attempt names its own span to the upstream.
//!
//! Shared on one thread by what makes the attempts and by the trace, which ends the span of the last one with its answer. Where
//! the trace is not sampled there are no spans, and an attempt allocates nothing for them.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::SystemTime,
};

use opentelemetry::trace::SpanKind;

use super::{
    attributes::{self, Inference, Upstream},
    context,
    database::Here,
    span::Span,
};
use crate::domain::audit::{Decision, Findings};

/// The spans of the attempts of one call. Clones share them.
#[derive(Clone, Default)]
pub struct AttemptSpans(Option<Rc<Calling>>);

struct Calling {
    here: Rc<Here>,
    inference: Inference,
    /// How many were begun.
    begun: Cell<i64>,
    /// The last attempt, whose answer may go on while the next steps begin.
    last: RefCell<Option<Attempt>>,
}

struct Attempt {
    span: Span,
    told: Option<Told>,
}

/// What came of an attempt is known.
struct Told {
    at: SystemTime,
    is_failure: bool,
}

impl AttemptSpans {
    pub(super) fn within(here: &Rc<Here>, inference: Inference) -> Self {
        let here = Rc::clone(here);
        Self(Some(Rc::new(Calling { here, inference, begun: Cell::default(), last: RefCell::default() })))
    }

    /// Whether there are spans.
    pub const fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// An attempt begins, and the one before has ended. Its request names its span (W3C Trace Context §3.2).
    pub fn begin(&self, upstream: &Upstream<'_>, headers: &mut http::HeaderMap) {
        let Some(calling) = &self.0 else { return };
        let Calling { here, inference, begun, .. } = &**calling;
        let now = here.timeline.now();
        calling.end(|told| told.map_or(now, |told| told.at));
        let resent = begun.replace(begun.get().saturating_add(1));
        let (name, attributes) = upstream.described(inference, resent);
        let span = Span { attributes, ..Span::within(here.server, SpanKind::Client, name, now) };
        if let Some(line) = context::traceparent(here.timeline.trace, span.id, true) {
            headers.insert(context::TRACEPARENT, line);
        }
        here.step.set(Some(span.id));
        calling.last.replace(Some(Attempt { span, told: None }));
    }

    /// The last attempt has a head with this status, or has failed with this error, in a word.
    pub fn told(&self, ended: Result<u16, &'static str>) {
        let Some(calling) = &self.0 else { return };
        let at = calling.here.timeline.now();
        if let Some(Attempt { span, told }) = &mut *calling.last.borrow_mut() {
            *told = Some(Told { at, is_failure: attributes::of_attempt(span, ended) });
        }
    }

    /// Adds what came of the call to the span of the last attempt, when all of it is known.
    pub(super) fn conclude(&self, findings: &Findings) {
        let Some(calling) = &self.0 else { return };
        if let Some(Attempt { span, told }) = &mut *calling.last.borrow_mut() {
            attributes::of_answer(span, findings);
            let failed_later = |told: &Told| !told.is_failure && findings.decision == Some(Decision::Failed);
            if told.as_ref().is_none_or(failed_later) {
                attributes::of_failure(span, findings);
            }
        }
    }

    /// Ends the span of the last attempt.
    pub(super) fn end(&self, at: SystemTime) {
        if let Some(calling) = &self.0 {
            calling.end(|_| at);
        }
    }
}

impl Calling {
    /// The last attempt has ended, if there is one that has not.
    fn end(&self, at: impl FnOnce(Option<Told>) -> SystemTime) {
        if let Some(Attempt { span, told }) = self.last.take() {
            self.here.ended.borrow_mut().push(span.ended(at(told)));
        }
    }
}

impl Drop for Calling {
    /// A call that outlives its request may have begun another attempt.
    fn drop(&mut self) {
        self.end(|_| self.here.timeline.now());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use opentelemetry::trace::{SpanId, TraceId};
    use opentelemetry_sdk::trace::SpanData;

    use super::*;
    use crate::{
        clock::Clock,
        domain::route::Meter,
        telemetry::trace::{database::Timeline, queue::queue},
    };

    #[test]
    fn an_attempt_that_begins_after_the_end_of_its_request_is_sent_too() {
        let dropped = prometheus::IntCounter::new("dropped", "spans").unwrap();
        let (feeder, mut waiting) = queue(9, 9, dropped);
        let (trace, feeder, clock) = (TraceId::from(1), Arc::new(feeder), Clock::manual(1));
        let timeline = Arc::new(Timeline { trace, feeder, clock, began: SystemTime::UNIX_EPOCH, started_ns: 0 });
        let server = SpanId::from(2);
        let here = Rc::new(Here { timeline, server, step: Cell::default(), ended: RefCell::default() });
        let spans = AttemptSpans::within(&here, Inference::of(Meter::None, None));
        let begin = || {
            let mut headers = http::HeaderMap::new();
            let upstream = Upstream { name: &"far".into(), method: "GET", uri: None, path: "/" };
            spans.begin(&upstream, &mut headers);
            headers.get(context::TRACEPARENT).cloned()
        };
        let first = begin();
        spans.end(SystemTime::UNIX_EPOCH);
        here.send();
        let second = begin();
        drop((spans, here));
        let sent = waiting.batch(9).unwrap_or_default();
        let of = |span: &SpanData| {
            let context = &span.span_context;
            context::traceparent(context.trace_id(), context.span_id(), true)
        };
        assert_eq!(sent.iter().map(of).collect::<Vec<_>>(), [first, second]);
        assert!(sent.iter().all(|span| span.parent_span_id == server && span.span_kind == SpanKind::Client));
    }
}
