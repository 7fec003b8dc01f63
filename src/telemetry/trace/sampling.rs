//! Which traces are exported (OpenTelemetry, Trace SDK: `TraceIdRatioBased` and `ParentBased`).

use opentelemetry::trace::{SpanContext, SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};

use super::bad_variable::BadVariable;

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";

/// What decides about a trace; its spans are exported together, or none of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampling {
    /// Whether the decision of a caller who names a trace stands.
    pub heeds_parent: bool,
    /// The part of all other traces that is sampled, from 0 to 1.
    pub ratio: f64,
}

impl Sampling {
    /// As the variables say that `get` looks up.
    pub fn read(get: &impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        let sampler = get(SAMPLER).unwrap_or_else(|| "parentbased_always_on".into());
        let (heeds_parent, root) = sampler.strip_prefix("parentbased_").map_or((false, &*sampler), |root| (true, root));
        let ratio = match root {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => ratio(get(SAMPLER_ARG).as_deref())?,
            _ => return Err(BadVariable { name: SAMPLER, reason: format!("{sampler} is no sampler of this build") }),
        };
        Ok(Self { heeds_parent, ratio })
    }

    /// Whether a trace is sampled. `parent`: the span of another program that it goes on from.
    pub fn takes(self, trace: TraceId, parent: Option<&SpanContext>) -> bool {
        if let Some(parent) = parent.filter(|_| self.heeds_parent) {
            return parent.is_sampled();
        }
        let sampler = Sampler::TraceIdRatioBased(self.ratio);
        let result = sampler.should_sample(None, trace, "", &SpanKind::Server, &[], &[]);
        matches!(result.decision, SamplingDecision::RecordAndSample)
    }
}

fn ratio(text: Option<&str>) -> Result<f64, BadVariable> {
    match text.map(str::parse::<f64>) {
        None => Ok(1.0),
        Some(Ok(ratio)) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        Some(_) => Err(BadVariable { name: SAMPLER_ARG, reason: "must be a number from 0 to 1".into() }),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceFlags, TraceState};

    use super::*;

    #[test]
    fn the_decision_of_the_caller_stands_where_the_sampler_heeds_it() {
        let trace = TraceId::from(u128::MAX / 4);
        let parent = |flags| SpanContext::new(trace, SpanId::from(1), flags, true, TraceState::NONE);
        let (sampled, unsampled) = (parent(TraceFlags::SAMPLED), parent(TraceFlags::NOT_SAMPLED));
        for (sampler, ratio, of_none, of_sampled, of_unsampled) in [
            (None, None, true, true, false),
            (Some("parentbased_always_on"), None, true, true, false),
            (Some("parentbased_always_off"), None, false, true, false),
            (Some("parentbased_traceidratio"), None, true, true, false),
            (Some("parentbased_traceidratio"), Some("0"), false, true, false),
            (Some("always_on"), Some("0"), true, true, true),
            (Some("always_off"), None, false, false, false),
            (Some("traceidratio"), Some("1"), true, true, true),
            (Some("traceidratio"), Some("0"), false, false, false),
        ] {
            let get = |name: &str| {
                let value = if name == SAMPLER { sampler } else { ratio };
                value.map(str::to_owned)
            };
            let sampling = Sampling::read(&get).unwrap();
            let told = [None, Some(&sampled), Some(&unsampled)].map(|parent| sampling.takes(trace, parent));
            assert_eq!(told, [of_none, of_sampled, of_unsampled], "{sampler:?} {ratio:?}");
        }
    }

    #[test]
    fn a_ratio_takes_its_part_of_the_traces() {
        let sampling = Sampling { heeds_parent: true, ratio: 0.25 };
        let ids = (0..1_000_u64).map(|id| TraceId::from(u128::from((u64::MAX / 1_000) * id)));
        let taken = ids.filter(|id| sampling.takes(*id, None)).count();
        assert!((249..=251).contains(&taken), "{taken}");
    }
}
