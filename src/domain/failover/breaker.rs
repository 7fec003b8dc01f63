//! A breaker: an upstream that fails again and again is left alone for a while, then tried by one call.
//!
//! It opens when `failures` calls have failed within `within_ms` and no more than as many have succeeded between them: a rare
//! failure among many calls does not open it.

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// At least 1.
    pub failures: usize,
    pub within_ms: u64,
    pub open_ms: u64,
}

/// How long others are told to wait for a call that tries.
const TRIED_WITHIN_MS: u64 = 1_000;

/// How an upstream's breaker stands. It is never changed: each step gives the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breaker {
    /// With the last failures.
    Closed(Vec<Failure>),
    /// No call until then.
    Open { until_ms: u64 },
    /// One call is tried. If nothing is heard of it until then, another is; at once, where it is given up.
    Trying { until_ms: u64 },
}

/// A failed call, and how many succeeded after it and before the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    at_ms: u64,
    then_succeeded: usize,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed(vec![])
    }
}

impl Breaker {
    /// Whether a call may go.
    #[must_use]
    pub const fn is_fit(&self, now_ms: u64) -> bool {
        match self {
            Self::Closed(_) => true,
            Self::Open { until_ms } | Self::Trying { until_ms } => *until_ms <= now_ms,
        }
    }

    /// How long no call may go, from now on. What comes of one that tries is soon known: until then, a second at most.
    #[must_use]
    pub fn shut_for_ms(&self, now_ms: u64) -> u64 {
        match self {
            Self::Closed(_) => 0,
            Self::Open { until_ms } => until_ms.saturating_sub(now_ms),
            Self::Trying { until_ms } => until_ms.saturating_sub(now_ms).min(TRIED_WITHIN_MS),
        }
    }

    /// A call goes, where that changes something: the one that tries whether the upstream is back.
    #[must_use]
    pub const fn entered(&self, rules: Rules, now_ms: u64) -> Option<Self> {
        match self {
            Self::Closed(_) => None,
            Self::Open { .. } | Self::Trying { .. } if !self.is_fit(now_ms) => None,
            Self::Open { .. } | Self::Trying { .. } => {
                Some(Self::Trying { until_ms: now_ms.saturating_add(rules.open_ms) })
            }
        }
    }

    /// After a call that failed.
    #[must_use]
    pub fn failed(&self, rules: Rules, now_ms: u64) -> Self {
        let opened = Self::Open { until_ms: now_ms.saturating_add(rules.open_ms) };
        let before = match self {
            Self::Closed(before) => before,
            Self::Trying { .. } => return opened,
            // A call that began before it opened.
            Self::Open { .. } => return self.clone(),
        };
        let is_recent = |failure: &&Failure| failure.at_ms.saturating_add(rules.within_ms) > now_ms;
        let mut failures: Vec<Failure> = before.iter().filter(is_recent).copied().collect();
        let succeeded = failures.iter().map(|failure| failure.then_succeeded).fold(0, usize::saturating_add);
        failures.push(Failure { at_ms: now_ms, then_succeeded: 0 });
        let surplus = failures.len().saturating_sub(rules.failures);
        if failures.len() >= rules.failures && succeeded <= rules.failures {
            return opened;
        }
        Self::Closed(failures.split_off(surplus))
    }

    /// After a call that succeeded, where that changes something.
    #[must_use]
    pub fn succeeded(&self, rules: Rules, now_ms: u64) -> Option<Self> {
        match self {
            Self::Closed(failures) => {
                let mut failures = failures.clone();
                let last = failures.last_mut()?;
                if last.at_ms.saturating_add(rules.within_ms) <= now_ms {
                    return Some(Self::default());
                }
                last.then_succeeded = last.then_succeeded.saturating_add(1);
                Some(Self::Closed(failures))
            }
            Self::Trying { .. } => Some(Self::default()),
            Self::Open { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const RULES: Rules = Rules { failures: 3, within_ms: 100, open_ms: 50 };

    fn failed(times: &[u64]) -> Breaker {
        times.iter().fold(Breaker::default(), |breaker, at| breaker.failed(RULES, *at))
    }

    #[test]
    fn it_opens_after_so_many_failures_within_the_time() {
        assert!(failed(&[0, 10]).is_fit(10));
        assert_eq!(failed(&[0, 10, 20]), Breaker::Open { until_ms: 70 });
        // The first is too long ago.
        assert!(failed(&[0, 10, 100]).is_fit(100));
        assert!(!failed(&[0, 10, 100, 109]).is_fit(109));
    }

    #[test]
    fn rare_failures_among_many_calls_do_not_open_it() {
        let mut breaker = Breaker::default();
        for at in 0..90 {
            breaker =
                if at % 5 == 0 { breaker.failed(RULES, at) } else { breaker.succeeded(RULES, at).unwrap_or(breaker) };
            assert!(breaker.is_fit(at), "at {at}");
        }
    }

    #[test]
    fn one_call_tries_whether_the_upstream_is_back() {
        let open = failed(&[0, 1, 2]);
        assert!(!open.is_fit(51) && open.is_fit(52));
        assert_eq!(open.entered(RULES, 51), None);
        let trying = open.entered(RULES, 52).unwrap();
        assert!(!trying.is_fit(53), "only one");
        assert_eq!(trying.succeeded(RULES, 60), Some(Breaker::default()));
        assert_eq!(trying.failed(RULES, 60), Breaker::Open { until_ms: 110 });
        assert!(trying.is_fit(102), "one that is never heard of does not close it for ever");
    }

    #[test]
    fn it_says_how_long_no_call_may_go() {
        let rules = Rules { open_ms: 8_000, ..RULES };
        let open = [0, 1, 2].iter().fold(Breaker::default(), |breaker, at| breaker.failed(rules, *at));
        let trying = open.entered(rules, 8_002).unwrap();
        let told = [Breaker::default(), open.clone(), open, trying.clone(), trying];
        let waits = told.iter().zip([2, 2, 9_000, 8_002, 15_900]).map(|(breaker, at)| breaker.shut_for_ms(at));
        assert_eq!(waits.collect::<Vec<_>>(), [0, 8_000, 0, 1_000, 102]);
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Call,
        Fail,
        Succeed,
    }

    proptest! {
        #[test]
        fn it_never_stays_open_longer_than_its_time_and_lets_one_call_through(
            steps in vec((prop_oneof![Just(Step::Call), Just(Step::Fail), Just(Step::Succeed)], 0..40_u64), 0..60),
        ) {
            let (mut breaker, mut now) = (Breaker::default(), 0);
            for (step, passed) in steps {
                now += passed;
                let next = match step {
                    Step::Call => breaker.entered(RULES, now).inspect(|next| assert!(!next.is_fit(now))),
                    Step::Fail => Some(breaker.failed(RULES, now)),
                    Step::Succeed => breaker.succeeded(RULES, now),
                };
                breaker = next.unwrap_or(breaker);
                prop_assert!(breaker.is_fit(now + RULES.open_ms));
                if let Breaker::Closed(failures) = &breaker {
                    prop_assert!(failures.len() <= RULES.failures);
                }
            }
        }
    }
}
