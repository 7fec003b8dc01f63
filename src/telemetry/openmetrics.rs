//! The metrics in the text format of OpenMetrics 1.0, which has what the older one of Prometheus has not: exemplars.

use std::borrow::Cow;

use prometheus::proto::{Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::exemplars::{Exemplar, Exemplars};

/// How the text is declared.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text of all families; `exemplars` gives those of a family's histograms.
pub(super) fn encode<'a>(families: &[MetricFamily], exemplars: impl Fn(&str) -> Option<&'a Exemplars>) -> String {
    let mut text = String::new();
    for family in families {
        append(&mut text, family, exemplars(family.name()));
    }
    text.push_str("# EOF\n");
    text
}

fn append(text: &mut String, family: &MetricFamily, exemplars: Option<&Exemplars>) {
    let name = family.name();
    // The name of a counter is that of its samples without their ending.
    let (kind, base) = match family.get_field_type() {
        MetricType::COUNTER => ("counter", name.strip_suffix("_total").unwrap_or(name)),
        MetricType::HISTOGRAM => ("histogram", name),
        MetricType::GAUGE => ("gauge", name),
        MetricType::SUMMARY | MetricType::UNTYPED => ("unknown", name),
    };
    line(text, &format!("# TYPE {base} {kind}"));
    line(text, &format!("# HELP {base} {}", escaped(family.help())));
    for metric in family.get_metric() {
        let labels = metric.get_label();
        match family.get_field_type() {
            MetricType::COUNTER => {
                let value = number(metric.get_counter().get_value());
                line(text, &format!("{base}_total{} {value}", shown(labels, None)));
            }
            MetricType::HISTOGRAM => histogram(text, base, metric, exemplars),
            _ => line(text, &format!("{base}{} {}", shown(labels, None), number(metric.get_gauge().get_value()))),
        }
    }
}

fn histogram(text: &mut String, name: &str, metric: &Metric, exemplars: Option<&Exemplars>) {
    let (labels, histogram): (_, &Histogram) = (metric.get_label(), metric.get_histogram());
    let of_buckets = labels.first().and_then(|label| exemplars?.of(label.value()));
    let exemplar = |bucket: usize| of_buckets.as_ref()?.get(bucket)?.load_full();
    let mut buckets = histogram.get_bucket().to_vec();
    // That of all is left out by the library.
    if buckets.last().is_none_or(|last| last.upper_bound().is_finite()) {
        let mut all = prometheus::proto::Bucket::default();
        all.set_upper_bound(f64::INFINITY);
        all.set_cumulative_count(histogram.get_sample_count());
        buckets.push(all);
    }
    for (index, bucket) in buckets.iter().enumerate() {
        let labels = shown(labels, Some(&number(bucket.upper_bound())));
        let sample = format!("{name}_bucket{labels} {}", bucket.cumulative_count());
        match exemplar(index) {
            None => line(text, &sample),
            Some(exemplar) => {
                let Exemplar { trace_id, value, at } = &*exemplar;
                let at = at.as_millisecond();
                let (seconds, milliseconds) = (at.div_euclid(1_000), at.rem_euclid(1_000));
                let value = number(*value);
                line(text, &format!("{sample} # {{trace_id=\"{trace_id}\"}} {value} {seconds}.{milliseconds:03}"));
            }
        }
    }
    line(text, &format!("{name}_count{} {}", shown(labels, None), histogram.get_sample_count()));
    line(text, &format!("{name}_sum{} {}", shown(labels, None), number(histogram.get_sample_sum())));
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// The labels of a sample in their braces; nothing where there are none.
fn shown(labels: &[LabelPair], le: Option<&str>) -> String {
    let pairs = labels.iter().map(|label| (label.name(), label.value())).chain(le.map(|le| ("le", le)));
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains(['\\', '"', '\n']) {
        text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
    } else {
        text.into()
    }
}

/// A number as the format writes it, so that every bound of a bucket has one text: with a point, and an exponent of two
/// digits.
fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    let text = format!("{value:?}");
    match text.split_once("e-") {
        Some((digits, exponent)) => format!("{digits}e-{exponent:0>2}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use prometheus::{CounterVec, HistogramOpts, HistogramVec, IntGauge, Opts, Registry};

    use super::*;
    use crate::telemetry::BUCKETS;

    #[test]
    fn a_number_has_one_text() {
        for (value, text) in [
            (0.000_05, "5e-05"),
            (0.000_1, "0.0001"),
            (1.0, "1.0"),
            (10.0, "10.0"),
            (f64::INFINITY, "+Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn every_sample_stands_under_its_family_and_an_exemplar_at_the_bucket_that_its_value_is_in() {
        let registry = Registry::new();
        let calls = CounterVec::new(Opts::new("calls_total", "Calls, \"all\"."), &["route"]).unwrap();
        calls.with_label_values(&["a\"b\\"]).inc_by(3.0);
        let open = IntGauge::new("open", "Open.").unwrap();
        let options = HistogramOpts::new("took_seconds", "Took.").buckets(BUCKETS.to_vec());
        let took = HistogramVec::new(options, &["route"]).unwrap();
        took.with_label_values(&["a"]).observe(0.3);
        took.with_label_values(&["b"]).observe(99.0);
        let exemplars = Exemplars::default();
        exemplars.keep("a", "4bf92f3577b34da6a3ce929d0e0e4736", 0.3, Timestamp::from_millisecond(1_500).unwrap());
        exemplars.keep("b", "00f067aa0ba902b700f067aa0ba902b7", 99.0, Timestamp::from_millisecond(2_005).unwrap());
        registry.register(Box::new(calls)).unwrap();
        registry.register(Box::new(open)).unwrap();
        registry.register(Box::new(took)).unwrap();
        let text = encode(&registry.gather(), |family| (family == "took_seconds").then_some(&exemplars));
        let begin = "# TYPE calls counter\n# HELP calls Calls, \\\"all\\\".\ncalls_total{route=\"a\\\"b\\\\\"} 3.0\n\
                     # TYPE open gauge\n# HELP open Open.\nopen 0.0\n# TYPE took_seconds histogram\n";
        assert!(text.starts_with(begin), "{text}");
        for line in [
            "took_seconds_bucket{route=\"a\",le=\"5e-05\"} 0",
            "took_seconds_bucket{route=\"a\",le=\"0.25\"} 0",
            "took_seconds_bucket{route=\"a\",le=\"0.5\"} 1 # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"} 0.3 1.500",
            "took_seconds_bucket{route=\"a\",le=\"+Inf\"} 1",
            "took_seconds_bucket{route=\"b\",le=\"+Inf\"} 1 # {trace_id=\"00f067aa0ba902b700f067aa0ba902b7\"} 99.0 2.005",
            "took_seconds_count{route=\"b\"} 1",
            "took_seconds_sum{route=\"b\"} 99.0",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} in {text}");
        }
        assert_eq!(text.matches(" # {").count(), 2);
        assert!(text.ends_with("\n# EOF\n"));
    }
}
