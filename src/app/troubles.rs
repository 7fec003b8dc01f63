//! Looks for what operators are to be told of besides budgets: checkpoints that stand still, upstreams that are down, many
//! refusals, certificates about to end. Each is told once when it begins and once when it is over.

mod wave;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use self::wave::Wave;
use crate::{
    actors::{
        announcer::{Announcements, Notice},
        notary::Checkpoints,
    },
    clock::Clock,
    domain::ids::AlertId,
    snapshot::{Snapshot, condition::State, routing::Routing},
    telemetry::{Expiry, Metrics},
};

/// How often.
const LOOK: Duration = Duration::from_secs(5);

/// How long before its end a certificate is told.
const BEFORE_END: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Where to look, and who tells.
pub(super) struct Sources {
    pub clock: Clock,
    pub checkpoints: Checkpoints,
    pub routing: Snapshot<Routing>,
    pub metrics: Metrics,
    pub announcements: Announcements,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Checkpoints,
    Upstream(Arc<str>),
    Refusals,
    /// With the time at which it ends.
    Certificate(String, Timestamp),
}

/// The look-out of one gateway.
pub(super) struct LookOut {
    sources: Sources,
    under_way: BTreeSet<Trouble>,
    wave: Wave,
}

impl LookOut {
    /// A look-out that has seen nothing.
    pub fn new(sources: Sources) -> Self {
        Self { sources, under_way: BTreeSet::new(), wave: Wave::default() }
    }

    /// Looks until the process ends.
    pub fn start(mut self) {
        actix_web::rt::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                self.look();
            }
        });
    }

    fn look(&mut self) {
        let found = self.found();
        for trouble in found.difference(&self.under_way) {
            self.tell(trouble, false);
        }
        for trouble in self.under_way.difference(&found) {
            self.tell(trouble, true);
        }
        self.under_way = found;
    }

    fn found(&mut self) -> BTreeSet<Trouble> {
        let Sources { clock, checkpoints, routing, metrics, .. } = &self.sources;
        let (now, now_ms, routing) = (clock.now(), clock.monotonic_ms(), routing.read());
        let down = routing.conditions().filter(|(_, condition)| is_down(condition.state(now_ms)));
        let down = down.map(|(name, _)| Trouble::Upstream(Arc::clone(name)));
        let certificates = metrics.certificates();
        let ending = certificates.iter().filter(|expiry| expiry.at.duration_since(now) < BEFORE_END);
        let ending = ending.map(|Expiry { name, at }| Trouble::Certificate(name.clone(), *at));
        let still = checkpoints.stand_still().then_some(Trouble::Checkpoints);
        let wave = self.wave.look(metrics.ended()).then_some(Trouble::Refusals);
        down.chain(ending).chain(still).chain(wave).collect()
    }

    fn tell(&self, trouble: &Trouble, is_over: bool) {
        let Sources { clock, announcements, .. } = &self.sources;
        announcements.tell(Notice {
            id: AlertId(clock.new_id()),
            at: clock.now(),
            kind: trouble.kind(),
            is_over,
            text: trouble.sentence(is_over),
            details: trouble.details(),
        });
    }
}

/// Whether calls are kept away, or only one of them tries whether it is back.
const fn is_down(state: State) -> bool {
    matches!(state, State::Open | State::Trying | State::Ill)
}

impl Trouble {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Checkpoints => "checkpoints.standing_still",
            Self::Upstream(_) => "upstream.down",
            Self::Refusals => "refusals.wave",
            Self::Certificate(..) => "certificate.ending",
        }
    }

    fn sentence(&self, is_over: bool) -> String {
        match (self, is_over) {
            (Self::Checkpoints, false) => {
                "No checkpoint of the audit log can be signed: the log of this gateway says why.".into()
            }
            (Self::Checkpoints, true) => "Checkpoints of the audit log are signed again.".into(),
            (Self::Upstream(name), false) => {
                format!("The upstream \"{name}\" is down: its health check fails, or its breaker is open.")
            }
            (Self::Upstream(name), true) => format!("The upstream \"{name}\" is no longer down."),
            (Self::Refusals, false) => {
                "Half or more of the requests of the last minute were refused: GET /admin/traffic?group_by=reason says why."
                    .into()
            }
            (Self::Refusals, true) => "Few requests are refused again.".into(),
            (Self::Certificate(name, at), false) => format!("The certificate of \"{name}\" ends at {at}."),
            (Self::Certificate(name, at), true) => {
                format!("The certificate of \"{name}\" that ends at {at} is no longer in use.")
            }
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Checkpoints | Self::Refusals => json!({}),
            Self::Upstream(name) => json!({ "upstream": &**name }),
            Self::Certificate(name, at) => json!({ "certificate": name, "ends_at": at }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_is_a_sentence_with_its_name() {
        let at = Timestamp::UNIX_EPOCH;
        let certificate = Trouble::Certificate("gate.example".into(), at);
        for (trouble, begun, over) in [
            (Trouble::Upstream("openai".into()), "\"openai\" is down", "\"openai\" is no longer down"),
            (Trouble::Checkpoints, "No checkpoint", "signed again"),
            (Trouble::Refusals, "were refused", "Few requests"),
            (certificate.clone(), "\"gate.example\" ends at 1970-01-01T00:00:00Z", "no longer in use"),
        ] {
            assert!(trouble.sentence(false).contains(begun) && trouble.sentence(true).contains(over), "{trouble:?}");
        }
        assert_eq!(certificate.details()["certificate"], "gate.example");
    }

    #[test]
    fn an_upstream_is_down_until_a_call_has_shown_that_it_is_back() {
        let down = [State::Fit, State::Resting, State::Trying, State::Open, State::Ill].map(is_down);
        assert_eq!(down, [false, false, true, true, true]);
    }
}
