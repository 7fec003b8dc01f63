//! The metrics of calls to upstreams: how they ended, how long they took, and what models took and cost.
//!
//! The label `model` has names with a price only: any other name is a text of the client's, and is not kept.

use prometheus::{CounterVec, IntCounterVec, Opts, Registry, core::Metric, proto::Bucket};

use super::{Latency, Metrics, Sampled, add};
use crate::domain::audit::{Attempt, Findings};

const REQUESTS: (&str, &str) = (
    "tollgate_upstream_requests_total",
    "Calls that were sent to an upstream, by the class of its status, or `failed` where none came.",
);
const DURATION: (&str, &str) =
    ("tollgate_upstream_duration_seconds", "How long calls waited for their upstream, to the head of its answer.");
const TOKENS: (&str, &str) = ("tollgate_tokens_total", "Tokens of settled calls: `input` or `output`.");
const COST: (&str, &str) = ("tollgate_cost_usd_total", "What settled calls cost, in USD.");

/// A part of [`Metrics`](super::Metrics).
#[derive(Clone)]
pub(super) struct Calls {
    requests: IntCounterVec,
    duration: Latency,
    tokens: IntCounterVec,
    cost: CounterVec,
}

impl Calls {
    /// Metrics that are part of this registry.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            requests: add(registry, IntCounterVec::new(Opts::new(REQUESTS.0, REQUESTS.1), &["upstream", "result"]))?,
            duration: Latency::new(registry, DURATION, "upstream")?,
            tokens: add(registry, IntCounterVec::new(Opts::new(TOKENS.0, TOKENS.1), &["model", "kind"]))?,
            cost: add(registry, CounterVec::new(Opts::new(COST.0, COST.1), &["model"]))?,
        })
    }

    /// Counts a request that has ended, if it was sent to an upstream: each attempt at its own, or the only one, which waited
    /// for `waited_ns`.
    pub fn count(&self, findings: &Findings, waited_ns: u64, sampled: Option<&Sampled>) {
        let Some(upstream) = findings.upstream.as_deref() else { return };
        let attempts = findings.attempts.as_deref().unwrap_or_default();
        if attempts.is_empty() {
            self.attempted(upstream, findings.upstream_status, waited_ns, sampled);
        }
        for Attempt { upstream, status, duration_us, .. } in attempts {
            self.attempted(upstream, *status, duration_us.saturating_mul(1_000), sampled);
        }
        let Some(model) = findings.model.as_deref() else { return };
        for (kind, tokens) in [("input", findings.input_tokens), ("output", findings.output_tokens)] {
            self.tokens.with_label_values(&[model, kind]).inc_by(tokens.unwrap_or(0));
        }
        // A metric is a float, whatever is lost by it; a refund is no cost.
        let cost = findings.cost_usd.and_then(|cost| cost.to_string().parse().ok()).unwrap_or(0.0);
        self.cost.with_label_values(&[model]).inc_by(f64::max(cost, 0.0));
    }

    fn attempted(&self, upstream: &str, status: Option<u16>, waited_ns: u64, sampled: Option<&Sampled>) {
        self.requests.with_label_values(&[upstream, result(status)]).inc();
        self.duration.observe(upstream, waited_ns, sampled);
    }

    /// How long calls waited.
    pub const fn duration(&self) -> &Latency {
        &self.duration
    }
}

impl Metrics {
    /// The most milliseconds that this many percent of the calls to an upstream waited for the head of its answer, rounded up
    /// to the buckets of the metric; nothing before its first call.
    #[must_use]
    pub fn upstream_latency_ms(&self, upstream: &str, percent: u64) -> Option<f64> {
        let metric = self.calls.duration.histogram.with_label_values(&[upstream]).metric();
        let histogram = metric.get_histogram();
        let calls = histogram.get_sample_count();
        let rank = calls.saturating_mul(percent).div_ceil(100).max(1);
        let reached = |bucket: &&Bucket| bucket.cumulative_count() >= rank;
        let bucket = histogram.get_bucket().iter().find(reached).or(histogram.get_bucket().last());
        bucket.filter(|_| calls > 0).map(|bucket| bucket.upper_bound() * 1_000.0)
    }
}

/// What came of a call to an upstream: the class of the status that it answered with, if it did.
const fn result(status: Option<u16>) -> &'static str {
    match status {
        Some(100..200) => "1xx",
        Some(200..300) => "2xx",
        Some(300..400) => "3xx",
        Some(400..500) => "4xx",
        Some(_) => "5xx",
        None => "failed",
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder, TextEncoder};

    use super::*;
    use crate::domain::money::Money;

    #[test]
    fn a_call_to_an_upstream_is_counted_by_the_class_of_its_status() {
        for (status, expected) in [(Some(204), "2xx"), (Some(429), "4xx"), (Some(599), "5xx"), (None, "failed")] {
            assert_eq!(result(status), expected);
        }
    }

    #[test]
    fn each_attempt_is_counted_at_its_own_upstream() {
        let registry = Registry::new();
        let calls = Calls::new(&registry).unwrap();
        let attempt = |upstream: &str, status, duration_us| Attempt {
            upstream: upstream.into(),
            status,
            error: None,
            duration_us,
        };
        let findings = Findings {
            upstream: Some("b".into()),
            upstream_status: Some(200),
            attempts: Some(vec![attempt("a", None, 3_000_000), attempt("b", Some(200), 1_000)]),
            ..Findings::default()
        };
        calls.count(&findings, 3_001_000_000, None);
        let sum = |upstream: &str| {
            calls.duration.histogram.with_label_values(&[upstream]).metric().get_histogram().get_sample_sum()
        };
        assert_eq!(format!("{} {}", sum("a"), sum("b")), "3 0.001");
        let counted = |labels: &[&str; 2]| calls.requests.with_label_values(labels).get();
        assert_eq!((counted(&["a", "failed"]), counted(&["b", "2xx"])), (1, 1));
    }

    #[test]
    fn the_tokens_and_the_cost_of_a_model_are_added_up() {
        let registry = Registry::new();
        let calls = Calls::new(&registry).unwrap();
        let findings = Findings {
            upstream: Some("openai".into()),
            upstream_status: Some(200),
            model: Some("gpt".into()),
            input_tokens: Some(7),
            output_tokens: Some(3),
            cost_usd: Some(Money::from_pusd(250_000_000_000)),
            ..Findings::default()
        };
        calls.count(&findings, 2_000_000, None);
        calls.count(&findings, 2_000_000, None);
        // Neither a call of the gateway's own nor one without a model adds a label.
        calls.count(&Findings { upstream: None, ..findings.clone() }, 0, None);
        calls.count(&Findings { model: None, ..findings }, 0, None);
        let mut text = vec![];
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for line in [
            "tollgate_upstream_requests_total{result=\"2xx\",upstream=\"openai\"} 3",
            "tollgate_upstream_duration_seconds_count{upstream=\"openai\"} 3",
            "tollgate_tokens_total{kind=\"input\",model=\"gpt\"} 14",
            "tollgate_tokens_total{kind=\"output\",model=\"gpt\"} 6",
            "tollgate_cost_usd_total{model=\"gpt\"} 0.5",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
