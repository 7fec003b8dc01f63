//! The bounded queue between those who end spans and the thread that exports them.
//!
//! The spans of a trace are put into it together. What it holds is counted in spans, and what finds no room is dropped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    vec,
};

use opentelemetry::{InstrumentationScope, trace::TraceId};
use opentelemetry_sdk::trace::SpanData;
use prometheus::IntCounter;
use tokio::sync::{
    Notify,
    mpsc::{self, UnboundedReceiver, UnboundedSender},
};

use super::span::Span;

/// Spans of one trace.
struct Group {
    trace: TraceId,
    spans: vec::IntoIter<Span>,
}

/// What both ends share.
#[derive(Default)]
pub(super) struct Level {
    /// How many spans wait.
    waiting: AtomicUsize,
    /// Notified when a whole batch waits.
    pub wake: Notify,
}

impl Level {
    /// How many spans wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// The end of the queue that spans are put into.
pub(super) struct Feeder {
    groups: UnboundedSender<Group>,
    level: Arc<Level>,
    max_batch: usize,
    max_queue: usize,
    dropped: IntCounter,
}

/// The end of the queue that spans are taken from.
pub(super) struct Waiting {
    groups: UnboundedReceiver<Group>,
    /// The group that the last batch ended in.
    group: Option<Group>,
    level: Arc<Level>,
    scope: InstrumentationScope,
}

/// A queue for `max_queue` spans, whose reader is woken when `max_batch` of them wait. Those that are dropped are counted.
pub(super) fn queue(max_queue: usize, max_batch: usize, dropped: IntCounter) -> (Feeder, Waiting) {
    let (sender, groups) = mpsc::unbounded_channel();
    let level = Arc::<Level>::default();
    let scope = InstrumentationScope::builder("tollgate").with_version(env!("CARGO_PKG_VERSION")).build();
    let waiting = Waiting { groups, group: None, level: Arc::clone(&level), scope };
    (Feeder { groups: sender, level, max_batch, max_queue, dropped }, waiting)
}

impl Feeder {
    /// Puts ended spans of a trace into the queue, as many as there is room for.
    pub fn put(&self, trace: TraceId, mut spans: Vec<Span>) {
        let ended = spans.len();
        let more = |waiting: usize| Some(waiting.saturating_add(ended).min(self.max_queue));
        let waiting = &self.level.waiting;
        let before = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).unwrap_or(self.max_queue);
        spans.truncate(self.max_queue.saturating_sub(before));
        let taken = spans.len();
        let is_sent = taken > 0 && self.groups.send(Group { trace, spans: spans.into_iter() }).is_ok();
        let lost = ended.saturating_sub(if is_sent { taken } else { 0 });
        if lost > 0 {
            self.dropped.inc_by(u64::try_from(lost).unwrap_or(u64::MAX));
        }
        // Whoever waits for a whole batch is woken once, not for every trace.
        if before.saturating_add(taken) >= self.max_batch {
            self.level.wake.notify_one();
        }
    }
}

impl Waiting {
    /// What both ends share.
    pub const fn level(&self) -> &Arc<Level> {
        &self.level
    }

    /// Whether nobody can put spans into the queue any more.
    pub fn is_closed(&self) -> bool {
        self.groups.is_closed()
    }

    /// The spans that wait, at most as many; nothing where none does.
    pub fn batch(&mut self, max: usize) -> Option<Vec<SpanData>> {
        let mut batch = Vec::with_capacity(self.level.waiting().min(max));
        while batch.len() < max
            && let Some(span) = self.next_span()
        {
            batch.push(span);
        }
        self.level.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
        (!batch.is_empty()).then_some(batch)
    }

    fn next_span(&mut self) -> Option<SpanData> {
        loop {
            if let Some(Group { trace, spans }) = &mut self.group
                && let Some(span) = spans.next()
            {
                return Some(span.exported(*trace, &self.scope));
            }
            self.group = Some(self.groups.try_recv().ok()?);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use opentelemetry::trace::{SpanId, SpanKind};

    use super::*;

    fn spans(names: &[&'static str]) -> Vec<Span> {
        let begin = |name: &&'static str| {
            Span::within(SpanId::from(1), SpanKind::Internal, (*name).into(), SystemTime::UNIX_EPOCH)
        };
        names.iter().map(begin).collect()
    }

    /// The trace and the name of each span of a batch.
    fn told(batch: Option<Vec<SpanData>>) -> Vec<(TraceId, String)> {
        let name = |span: SpanData| (span.span_context.trace_id(), span.name.into_owned());
        batch.unwrap_or_default().into_iter().map(name).collect()
    }

    #[test]
    fn spans_wait_up_to_the_bound_and_the_others_are_dropped_and_counted() {
        let dropped = IntCounter::new("dropped", "spans").unwrap();
        let (feeder, mut waiting) = queue(4, 2, dropped.clone());
        let (one, other) = (TraceId::from(1), TraceId::from(2));
        feeder.put(one, spans(&["a", "b", "c"]));
        assert_eq!((waiting.level().waiting(), dropped.get()), (3, 0));
        feeder.put(other, spans(&["d", "e", "f"]));
        assert_eq!((waiting.level().waiting(), dropped.get()), (4, 2), "there was room for one");
        feeder.put(other, spans(&["g"]));
        assert_eq!((waiting.level().waiting(), dropped.get()), (4, 3));
        assert_eq!(told(waiting.batch(2)), [(one, "a".into()), (one, "b".into())]);
        assert_eq!(waiting.level().waiting(), 2);
        feeder.put(other, spans(&["h"]));
        let rest = [(one, "c".into()), (other, "d".into()), (other, "h".into())];
        assert_eq!(told(waiting.batch(9)), rest);
        assert_eq!((waiting.level().waiting(), dropped.get()), (0, 3));
        assert!(waiting.batch(9).is_none());
    }

    #[test]
    fn what_is_put_into_a_queue_that_nobody_reads_is_dropped_and_counted() {
        let dropped = IntCounter::new("dropped", "spans").unwrap();
        let (feeder, waiting) = queue(4, 2, dropped.clone());
        drop(waiting);
        feeder.put(TraceId::from(1), spans(&["a", "b", "c"]));
        assert_eq!(dropped.get(), 3);
    }
}
