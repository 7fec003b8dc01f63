//! Several upstreams for one route, and what an upstream is judged by: as they are written, and as the domain knows them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mistakes::Mistakes;
use crate::domain::{
    failover::{Aim, Retry, breaker::Rules},
    path,
};

/// The upstreams that are part of the binary.
pub const BUILTIN_ECHO: &str = "builtin:echo";
/// An offline model, `demo`, in the formats of OpenAI and Anthropic.
pub const BUILTIN_LLM: &str = "builtin:llm";

/// Where the calls of a route go, as its entry says.
#[derive(Debug, Clone, Copy)]
pub struct Places<'e> {
    pub upstream: Option<&'e str>,
    pub targets: Option<&'e [TargetEntry]>,
    pub retry: Option<&'e RetryEntry>,
}

/// One of the `targets` of a route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetEntry {
    pub upstream: String,
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub weight: u32,
    /// The lowest is asked first.
    #[serde(default)]
    #[schemars(range(max = 1_000))]
    pub priority: u32,
}

/// `retry` of a route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryEntry {
    /// Further ones, over all targets.
    #[schemars(range(max = 16))]
    pub attempts: u32,
    #[schemars(range(min = 1, max = 3_600))]
    pub within_s: u32,
    #[schemars(length(max = 200))]
    pub statuses: Vec<u16>,
}

/// `max_in_flight` of an upstream: a number, or found by measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = "must be a number from 1, or \"auto\"")]
pub enum InFlightEntry {
    Fixed(#[schemars(range(min = 1))] u32),
    Named(Auto),
}

/// The word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    Auto,
}

impl Default for InFlightEntry {
    fn default() -> Self {
        Self::Fixed(1_000)
    }
}

/// `breaker` of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerEntry {
    /// 0: none.
    #[schemars(range(max = 1_000))]
    pub failures: u32,
    #[schemars(range(min = 1, max = 3_600))]
    pub within_s: u32,
    #[schemars(range(min = 1, max = 3_600))]
    pub open_s: u32,
}

/// `health` of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthEntry {
    /// A path without a query.
    #[schemars(length(max = 2_048))]
    pub path: String,
    #[serde(default = "five")]
    #[schemars(range(min = 1, max = 3_600))]
    pub interval_s: u32,
}

const fn one() -> u32 {
    1
}
const fn five() -> u32 {
    5
}

impl Default for RetryEntry {
    fn default() -> Self {
        let Retry { attempts, statuses, .. } = Retry::default();
        Self { attempts, within_s: 30, statuses }
    }
}

impl Default for BreakerEntry {
    fn default() -> Self {
        Self { failures: 5, within_s: 10, open_s: 5 }
    }
}

impl BreakerEntry {
    /// As the domain knows it; `failures = 0` is none.
    pub fn rules(&self) -> Option<Rules> {
        let failures = usize::try_from(self.failures).ok().filter(|failures| *failures > 0)?;
        Some(Rules { failures, within_ms: in_ms(self.within_s), open_ms: in_ms(self.open_s) })
    }
}

fn in_ms(seconds: u32) -> u64 {
    u64::from(seconds).saturating_mul(1_000)
}

impl Places<'_> {
    /// As the domain knows them.
    pub fn aims(&self) -> Vec<Aim> {
        match self.upstream {
            Some(upstream) => vec![Aim::only(upstream.into())],
            None => self.listed().iter().map(aim).collect(),
        }
    }

    /// When a call is tried again.
    pub fn retries(&self) -> Retry {
        let RetryEntry { attempts, within_s, statuses } = self.retry.cloned().unwrap_or_default();
        Retry { attempts, within_ms: in_ms(within_s), statuses }
    }

    fn listed(&self) -> &[TargetEntry] {
        self.targets.unwrap_or_default()
    }

    /// Checks them against the names of all upstreams. Calls to a model may have several targets though their route has one.
    pub(super) fn check(&self, known: &[&str], is_to_model: bool) -> Mistakes {
        let mut mistakes = Mistakes::default();
        match (self.upstream, self.targets) {
            (Some(_), Some(_)) => mistakes.note("targets", "give upstream or targets, not both"),
            (None, None) => mistakes.note("upstream", "is missing: name an upstream, or several as targets"),
            (Some(upstream), None) => {
                check_known(&mut mistakes, "upstream", upstream, known);
                // Another attempt at the only upstream there is would go where the first one failed.
                let reason = "is for routes with targets, of which another can be tried";
                mistakes.rule(self.retry.is_none() || is_to_model, "retry", reason);
            }
            (None, Some(_)) => mistakes.add(check_aims(&self.aims(), known)),
        }
        let Some(retry) = self.retry else { return mistakes };
        mistakes.rule(retry.attempts <= 16, "retry.attempts", "must be at most 16");
        mistakes.rule((1..=3_600).contains(&retry.within_s), "retry.within_s", "must be from 1 to 3600");
        let wrong = retry.statuses.iter().find(|status| !(400..=599).contains(*status));
        let reason = format!("{} is no status of an error", wrong.unwrap_or(&0));
        mistakes.rule(wrong.is_none(), "retry.statuses", reason);
        mistakes
    }
}

fn aim(target: &TargetEntry) -> Aim {
    Aim { weight: target.weight, priority: target.priority, ..Aim::only(target.upstream.as_str().into()) }
}

/// More targets than this are a mistake.
const MAX_TARGETS: usize = 32;

/// Checks the targets of a route, or of a name for models.
pub(super) fn check_aims(aims: &[Aim], known: &[&str]) -> Mistakes {
    let mut mistakes = Mistakes::default();
    mistakes.rule(!aims.is_empty(), "targets", "must have at least one target: { upstream = \"name\" }");
    mistakes.rule(aims.len() <= MAX_TARGETS, "targets", format!("must be at most {MAX_TARGETS}"));
    for (i, aim) in aims.iter().enumerate().take(MAX_TARGETS) {
        let upstream = format!("targets[{i}].upstream");
        check_known(&mut mistakes, &upstream, &aim.upstream, known);
        let is_twice = aims.iter().take(i).any(|other| other.upstream == aim.upstream && other.model == aim.model);
        let twice = format!("\"{}\" is a target already; give one of them more weight instead", aim.upstream);
        mistakes.rule(!is_twice, upstream, twice);
        let in_bounds = (1..=1_000_000).contains(&aim.weight);
        let reason = "must be from 1 to 1000000; leave a target out that is to get no calls";
        mistakes.rule(in_bounds, format!("targets[{i}].weight"), reason);
        let reason = "must be at most 1000; 0 is asked first";
        mistakes.rule(aim.priority <= 1_000, format!("targets[{i}].priority"), reason);
    }
    mistakes
}

fn check_known(mistakes: &mut Mistakes, field: &str, name: &str, known: &[&str]) {
    let reason = || format!("\"{name}\" is not the name of an upstream; there are {}", known.join(", "));
    if !known.contains(&name) {
        mistakes.note(field, reason());
    }
}

/// Checks what an upstream is judged by.
pub(super) fn check_judgement(breaker: Option<&BreakerEntry>, health: Option<&HealthEntry>) -> Mistakes {
    let mut mistakes = Mistakes::default();
    if let Some(breaker) = breaker {
        mistakes.rule(breaker.failures <= 1_000, "breaker.failures", "must be at most 1000; 0 is no breaker");
        mistakes.rule((1..=3_600).contains(&breaker.within_s), "breaker.within_s", "must be from 1 to 3600");
        mistakes.rule((1..=3_600).contains(&breaker.open_s), "breaker.open_s", "must be from 1 to 3600");
    }
    let Some(health) = health else { return mistakes };
    let is_plain = !health.path.contains(['?', '#']) && path::check(&health.path).is_ok();
    mistakes.rule(is_plain, "health.path", "must be a path that begins with / and has no query");
    mistakes.rule((1..=3_600).contains(&health.interval_s), "health.interval_s", "must be from 1 to 3600");
    mistakes
}

#[cfg(test)]
mod tests {
    use crate::config::tests::load;

    const ROUTE: &str = "[[routes]]\nname=\"r\"\npath=\"/r\"\nmatch=\"exact\"\nmethods=[\"GET\"]\nroles=[\"user\"]\n";

    #[test]
    fn a_mistake_in_targets_names_its_key_and_what_to_do() {
        for (lines, key, reason) in [
            ("", "routes[0].upstream", "is missing"),
            ("upstream=\"u\"\ntargets=[{upstream=\"v\"}]", "routes[0].targets", "not both"),
            ("upstream=\"nope\"", "routes[0].upstream", "there are u, v, w, builtin:echo"),
            ("upstream=\"u\"\nretry={attempts=2}", "routes[0].retry", "routes with targets"),
            ("targets=[]", "routes[0].targets", "at least one"),
            ("targets=[{upstream=\"u\"},{upstream=\"nope\"}]", "routes[0].targets[1].upstream", "there are u, v"),
            ("targets=[{upstream=\"u\"},{upstream=\"u\"}]", "routes[0].targets[1].upstream", "more weight"),
            ("targets=[{upstream=\"u\",weight=0}]", "routes[0].targets[0].weight", "leave a target out"),
            ("targets=[{upstream=\"u\",priority=1001}]", "routes[0].targets[0].priority", "at most"),
            ("targets=[{upstream=\"u\",wieght=1}]", "routes[0].targets", "unknown key"),
            ("targets=[{upstream=\"u\"}]\nretry={attempts=99}", "routes[0].retry.attempts", "at most 16"),
            ("targets=[{upstream=\"u\"}]\nretry={within_s=0}", "routes[0].retry.within_s", "from 1"),
            ("targets=[{upstream=\"u\"}]\nretry={statuses=[200]}", "routes[0].retry.statuses", "200"),
        ] {
            let upstreams = ["u", "v"].map(|name| format!("[[upstreams]]\nname=\"{name}\"\nurl=\"http://x\"\n"));
            let other = "[[upstreams]]\nname=\"w\"\nurl=\"http://x\"\noutput_bound=\"max_tokens\"\n";
            let error = load(&format!("{}{other}{ROUTE}{lines}", upstreams.concat()), &[]).unwrap_err();
            assert!(error.key.starts_with(key) && error.reason.contains(reason), "{lines}: {error}");
        }
    }

    #[test]
    fn a_mistake_in_what_an_upstream_is_judged_by_names_its_key() {
        for (line, key) in [
            ("max_in_flight=0", "max_in_flight"),
            ("max_in_flight=\"many\"", "max_in_flight"),
            ("breaker={failures=1001}", "breaker.failures"),
            ("breaker={within_s=0}", "breaker.within_s"),
            ("breaker={open_s=0}", "breaker.open_s"),
            ("health={path=\"x\"}", "health.path"),
            ("health={path=\"/x?y\"}", "health.path"),
            ("health={path=\"/x\",interval_s=0}", "health.interval_s"),
        ] {
            let error = load(&format!("[[upstreams]]\nname=\"u\"\nurl=\"http://x\"\n{line}"), &[]).unwrap_err();
            assert_eq!(error.key, format!("upstreams[0].{key}"), "{line}: {error}");
        }
    }
}
