//! What operators see: the log subscriber, the root span of a request, its trace, and the metrics registry.
//!
//! Called by the composition root, and by the pipeline once a request. It never sees a header, a body or a query.

mod access_log;
mod calls;
mod exemplars;
mod gauges;
mod listener;
mod log;
mod openmetrics;
mod trace;

use std::time::Duration;

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
};
use jiff::{SignedDuration, Timestamp};
use prometheus::{
    Encoder, Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector, proto::MetricFamily,
};
use tracing::{Span, field::Empty};
use tracing_actix_web::{RequestId as GivenId, RootSpanBuilder};
use uuid::Uuid;

use self::exemplars::Exemplars;
pub use self::{
    access_log::AccessLog,
    gauges::{ActorGauge, BudgetGauge, ExchangeCount, PoolGauge, Seen},
    listener::Expiry,
    log::{LogGuard, init_log},
    openmetrics::MEDIA_TYPE as OPENMETRICS,
    trace::{
        AttemptSpans, DatabaseCall, DatabaseSpans, NoTracing, Parents, Place, SpanCounts, Start, Step, TRACEPARENT,
        TRACESTATE, Target, Trace, Tracing, Upstream, named_trace,
    },
};
use crate::domain::{
    audit::{Decision, Draft},
    ids::RequestId,
    redaction::redact,
};

/// The span around one request. Its fields are the path, without what looks like a credential, and never the query.
pub struct RootSpan;

impl RootSpanBuilder for RootSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        tracing::info_span!(
            "request",
            request_id = %request_id(request),
            method = %request.method(),
            path = %redact(request.uri().path()),
            trace_id = Empty,
        )
    }

    fn on_request_end<B: MessageBody>(_: Span, _: &Result<ServiceResponse<B>, Error>) {}
}

/// The id that `tracing-actix-web` gave a request: a UUIDv7.
#[must_use]
pub fn request_id(request: &impl HttpMessage) -> RequestId {
    request.extensions().get::<GivenId>().map_or(RequestId(Uuid::nil()), |id| RequestId(**id))
}

/// The metrics of one gateway. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    calls: calls::Calls,
    reloads: IntCounterVec,
    log_lines_dropped: IntCounter,
    duration: Latency,
    gate: Latency,
    limit_refusals: IntCounterVec,
    shadow_refusals: IntCounterVec,
    gauges: gauges::Gauges,
    audit_backlog: IntGauge,
    checkpoints_stand_still: IntGauge,
    store_file_replaced: IntGauge,
    clock_ahead: Gauge,
    listener: listener::Listener,
    cache: IntCounterVec,
    spans: SpanCounts,
}

/// Buckets of a duration, in seconds: from 50 µs to 10 s.
const BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

const DROPPED: (&str, &str) =
    ("tollgate_log_lines_dropped_total", "Lines of the log that standard error did not take in time.");
const SPANS: (&str, &str) = ("tollgate_traces_exported_total", "Spans that the collector of traces has taken.");
const SPANS_DROPPED: (&str, &str) = (
    "tollgate_traces_dropped_total",
    "Spans that were dropped: too many were waiting, or the collector did not take them.",
);
const CLOCK_AHEAD: (&str, &str) = (
    "tollgate_clock_ahead_seconds",
    "By how much this machine's clock is ahead of the store's, as last measured; negative if it is behind.",
);
const STANDING: (&str, &str) =
    ("tollgate_audit_checkpoints_stand_still", "1 while no checkpoint of the audit log can be signed, else 0.");
const FILE_REPLACED: (&str, &str) = (
    "tollgate_store_file_replaced",
    "1 while another file, or none, lies where the SQLite store was opened, else 0; the store is not used then.",
);
const BACKLOG: (&str, &str) = ("tollgate_audit_backlog", "Audit entries accepted and not yet in the store.");

impl Metrics {
    /// Metrics at zero, in a registry of their own.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name, help, labels: &[&str]| add(&registry, IntCounterVec::new(Opts::new(name, help), labels));
        let seconds = |name, help| Latency::new(&registry, (name, help), "route");
        let build = Opts::new("tollgate_build_info", "1, with the version of this build.");
        add(&registry, IntGaugeVec::new(build, &["version"]))?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            calls: calls::Calls::new(&registry)?,
            reloads: counters(
                "tollgate_config_reloads_total",
                "Reloads of the configuration: `ok`, or `failed` and the one before stays.",
                &["result"],
            )?,
            log_lines_dropped: add(&registry, IntCounter::new(DROPPED.0, DROPPED.1))?,
            requests: counters(
                "tollgate_requests_total",
                "Requests that have ended.",
                &["route", "status", "decision"],
            )?,
            duration: seconds(
                "tollgate_request_duration_seconds",
                "From the request's head to the answer's last byte.",
            )?,
            gate: seconds("tollgate_gate_duration_seconds", "Of that, the time not spent waiting for the upstream.")?,
            limit_refusals: counters("tollgate_limit_refusals_total", "Calls a limit refused.", &["policy"])?,
            shadow_refusals: counters(
                "tollgate_limit_shadow_refusals_total",
                "Calls that a limit in shadow mode would have refused.",
                &["policy"],
            )?,
            gauges: gauges::Gauges::new(&registry)?,
            checkpoints_stand_still: add(&registry, IntGauge::new(STANDING.0, STANDING.1))?,
            store_file_replaced: add(&registry, IntGauge::new(FILE_REPLACED.0, FILE_REPLACED.1))?,
            audit_backlog: add(&registry, IntGauge::new(BACKLOG.0, BACKLOG.1))?,
            clock_ahead: add(&registry, Gauge::new(CLOCK_AHEAD.0, CLOCK_AHEAD.1))?,
            listener: listener::Listener::new(&registry)?,
            cache: counters(
                "tollgate_cache_total",
                "Requests on routes whose answers are kept, by how they were served; `refresh`: calls that nobody waited for.",
                &["route", "result"],
            )?,
            spans: SpanCounts {
                exported: add(&registry, IntCounter::new(SPANS.0, SPANS.1))?,
                dropped: add(&registry, IntCounter::new(SPANS_DROPPED.0, SPANS_DROPPED.1))?,
            },
            registry,
        })
    }

    /// Counts a request that has ended. `elapsed_ns` is all of its time, `waited_ns` what the upstream took of it.
    pub fn request(&self, draft: &Draft, elapsed_ns: u64, waited_ns: u64, sampled: Option<&Sampled>) {
        let route = draft.subject.as_ref().and_then(|subject| subject.route.as_deref()).unwrap_or("none");
        let status = draft.findings.status.unwrap_or(0);
        let decision = draft.findings.decision.map_or("aborted", Decision::as_str);
        let status = StatusCode::from_u16(status).ok();
        self.requests.with_label_values(&[route, status_text(status.as_ref()), decision]).inc();
        self.calls.count(&draft.findings, waited_ns, sampled);
        self.duration.observe(route, elapsed_ns, sampled);
        self.gate.observe(route, elapsed_ns.saturating_sub(waited_ns), sampled);
    }

    /// How many requests have ended since the process began.
    pub fn ended(&self) -> Ended {
        let (mut ended, refused) = (Ended::default(), Decision::Refused.as_str());
        for family in self.requests.collect() {
            for metric in family.get_metric() {
                // Counters are whole, and far below where a float is not.
                let count: u64 = format!("{:.0}", metric.get_counter().get_value()).parse().unwrap_or_default();
                ended.all = ended.all.saturating_add(count);
                if metric.get_label().iter().any(|label| label.name() == "decision" && label.value() == refused) {
                    ended.refused = ended.refused.saturating_add(count);
                }
            }
        }
        ended
    }

    /// Counts a request on a route whose answers are kept.
    pub fn cache(&self, route: &str, result: &str) {
        self.cache.with_label_values(&[route, result]).inc();
    }

    /// Where it is counted what becomes of spans.
    pub fn spans(&self) -> SpanCounts {
        self.spans.clone()
    }

    /// Counts a reload of the configuration.
    pub fn reload(&self, taken: bool) {
        self.reloads.with_label_values(&[if taken { "ok" } else { "failed" }]).inc();
    }

    /// Counts a call that a limit policy in shadow mode would have refused.
    pub fn shadow_refusal(&self, policy: &str) {
        self.shadow_refusals.with_label_values(&[policy]).inc();
    }

    /// Counts a call that a limit policy refused.
    pub fn limit_refusal(&self, policy: &str) {
        self.limit_refusals.with_label_values(&[policy]).inc();
    }

    /// Tells by how many microseconds this machine's clock is ahead of the store's.
    pub fn set_clock_ahead(&self, ahead_us: i64) {
        self.clock_ahead.set(SignedDuration::from_micros(ahead_us).as_secs_f64());
    }

    /// Tells how many entries the audit log has accepted that are not in the store.
    pub fn set_audit_backlog(&self, entries: u64) {
        self.audit_backlog.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// Whether checkpoints of the audit log cannot be signed.
    pub fn set_checkpoints_stand_still(&self, stand_still: bool) {
        self.checkpoints_stand_still.set(stand_still.into());
    }

    /// Whether another file, or none, lies where the store was opened.
    pub fn set_store_file_replaced(&self, replaced: bool) {
        self.store_file_replaced.set(replaced.into());
    }

    /// All metrics in the Prometheus text format, with what was just looked at.
    pub fn render(&self, seen: Seen<'_>) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = vec![];
        TextEncoder::new().encode(&self.gather(seen), &mut text)?;
        Ok(text)
    }

    /// The same in the text format of OpenMetrics, with the traces of calls at the histograms of how long they took.
    pub fn render_openmetrics(&self, seen: Seen<'_>) -> String {
        let latencies = [&self.duration, &self.gate, self.calls.duration()];
        openmetrics::encode(&self.gather(seen), |family| {
            latencies.into_iter().find(|latency| latency.name == family).map(|latency| &latency.exemplars)
        })
    }

    fn gather(&self, seen: Seen<'_>) -> Vec<MetricFamily> {
        self.gauges.show(seen);
        self.log_lines_dropped.inc_by(log::dropped_lines().saturating_sub(self.log_lines_dropped.get()));
        self.registry.gather()
    }
}

/// How many requests have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ended {
    pub all: u64,
    /// Of them, those that the gateway refused.
    pub refused: u64,
}

/// A call whose trace was sampled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// When the call ended.
    pub at: Timestamp,
}

/// How long something took, by one label, and for each bucket a call that it can be seen at.
#[derive(Clone)]
struct Latency {
    name: &'static str,
    histogram: HistogramVec,
    exemplars: Exemplars,
}

impl Latency {
    fn new(
        registry: &Registry,
        (name, help): (&'static str, &str),
        label: &'static str,
    ) -> Result<Self, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
        let histogram = add(registry, HistogramVec::new(options, &[label]))?;
        Ok(Self { name, histogram, exemplars: Exemplars::default() })
    }

    fn observe(&self, label: &str, elapsed_ns: u64, sampled: Option<&Sampled>) {
        let value = seconds(elapsed_ns);
        self.histogram.with_label_values(&[label]).observe(value);
        if let Some(Sampled { trace_id, at }) = sampled {
            self.exemplars.keep(label, trace_id, value, *at);
        }
    }
}

fn add<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: Result<C, prometheus::Error>,
) -> Result<C, prometheus::Error> {
    let collector = collector?;
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn seconds(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64()
}

/// The three digits of a status; `000` where there was no answer.
fn status_text(status: Option<&StatusCode>) -> &str {
    status.map_or("000", StatusCode::as_str)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn text(metrics: &Metrics) -> String {
        let (none, alerts) = ((vec![], vec![], vec![]), BTreeMap::new());
        let (actors, exchanges, pools) = none;
        let seen = Seen { actors, exchanges, pools, budgets: vec![], upstreams: vec![], alerts: &alerts };
        String::from_utf8(metrics.render(seen).unwrap()).unwrap()
    }

    #[test]
    fn a_status_is_three_digits() {
        let text = |status| status_text(StatusCode::from_u16(status).ok().as_ref()).to_owned();
        assert_eq!(text(200), "200");
        assert_eq!(text(0), "000");
        assert_eq!(text(429), "429");
    }

    #[test]
    fn requests_that_have_ended_are_counted_with_those_refused() {
        let metrics = Metrics::new().unwrap();
        assert_eq!(metrics.ended(), Ended::default());
        for (route, status, decision, count) in
            [("a", "200", "allowed", 3), ("a", "429", "refused", 2), ("none", "404", "refused", 1)]
        {
            metrics.requests.with_label_values(&[route, status, decision]).inc_by(count);
        }
        assert_eq!(metrics.ended(), Ended { all: 6, refused: 3 });
    }

    #[test]
    fn the_version_and_the_reloads_are_in_the_metrics() {
        let metrics = Metrics::new().unwrap();
        metrics.reload(true);
        metrics.reload(false);
        metrics.set_audit_backlog(7);
        let text = text(&metrics);
        for line in [
            concat!("tollgate_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "tollgate_config_reloads_total{result=\"ok\"} 1",
            "tollgate_config_reloads_total{result=\"failed\"} 1",
            "tollgate_audit_backlog 7",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
