//! How fit an upstream is: its breaker, its health, when it wants to be called again, and how many retries are left.
//!
//! One for each upstream and process, shared by all workers and kept over reloads. Everything in it is changed without a lock
//! by the pure rules of [`failover`](crate::domain::failover). A fit upstream costs a call a few reads.

mod outage;
mod resting;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use arc_swap::ArcSwap;

use self::{outage::Outage, resting::Resting};
use crate::domain::failover::{
    allowance,
    breaker::{Breaker, Rules},
};

/// How fit an upstream is.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    /// `None`: it has no breaker.
    rules: Option<Rules>,
    /// Whether no call goes while the breaker is open, though no other target is fit.
    is_strict: bool,
    marks: Arc<Marks>,
}

/// The number of failed health checks in a row that make an upstream unfit.
const BELIEVED_CHECKS: u64 = 2;

#[derive(Debug, Default)]
struct Marks {
    breaker: ArcSwap<Breaker>,
    /// Health checks that failed since one was good.
    bad_checks: AtomicU64,
    rests_until_ms: AtomicU64,
    /// The models that it asks not to be called for.
    models: Resting,
    saved: AtomicU64,
    few_until_ms: AtomicU64,
    /// Until when it is not told again that it refuses what it is sent.
    quiet_until_ms: AtomicU64,
    /// What was told of it stays told where it is changed.
    outage: Arc<Outage>,
}

/// For how long that is not told again.
const QUIET_MS: u64 = 60_000;

/// What lets a call through. Of the one that tries whether an upstream is back it is the place: dropped before anything was
/// said of that call, because its client has left or it was never sent, it gives the place back to the next.
#[must_use = "a pass that is dropped gives the place of a trial back"]
#[derive(Debug, Default)]
pub struct Pass {
    _trial: Option<Trial>,
}

#[derive(Debug)]
struct Trial {
    marks: Arc<Marks>,
    before: Arc<Breaker>,
    trying: Arc<Breaker>,
}

impl Drop for Trial {
    fn drop(&mut self) {
        // What was said of the call, or of another since, is in its place already and stays.
        let _now = self.marks.breaker.compare_and_swap(&self.trying, Arc::clone(&self.before));
    }
}

/// For operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Fit,
    /// It has asked not to be called for a while, for one of its models at least.
    Resting,
    /// One call tries whether it is back.
    Trying,
    Open,
    /// Its health check fails.
    Ill,
}

impl State {
    /// The number in the metrics.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Fit => 0,
            Self::Resting => 1,
            Self::Trying => 2,
            Self::Open => 3,
            Self::Ill => 4,
        }
    }
}

impl Condition {
    /// The same upstream under these rules.
    #[must_use]
    pub fn under(&self, rules: Option<Rules>, is_strict: bool) -> Self {
        Self { rules, is_strict, marks: Arc::clone(&self.marks) }
    }

    /// The same upstream where its calls lead elsewhere, or go with another secret: nothing is known of how fit it is there.
    #[must_use]
    pub fn elsewhere(&self) -> Self {
        let marks = Marks { outage: Arc::clone(&self.marks.outage), ..Marks::default() };
        Self { rules: self.rules, is_strict: self.is_strict, marks: Arc::new(marks) }
    }

    /// Whether a call may go there before others.
    #[must_use]
    pub fn is_fit(&self, now_ms: u64) -> bool {
        !self.is_ill() && self.marks.rests_until_ms.load(Relaxed) <= now_ms && self.lets_through(now_ms)
    }

    /// Whether a call may go there where no other is fit.
    #[must_use]
    pub fn may_be_asked(&self, now_ms: u64) -> bool {
        !self.is_strict || self.lets_through(now_ms)
    }

    /// How long its breaker keeps calls away, from now on.
    #[must_use]
    pub fn shut_for_ms(&self, now_ms: u64) -> u64 {
        if self.rules.is_none() { 0 } else { self.marks.breaker.load().shut_for_ms(now_ms) }
    }

    fn lets_through(&self, now_ms: u64) -> bool {
        self.rules.is_none() || self.marks.breaker.load().is_fit(now_ms)
    }

    /// A call goes there, with a pass that is kept until it is known what came of it. None: another one has just become the
    /// one that tries whether it is back.
    pub fn enter(&self, now_ms: u64) -> Option<Pass> {
        let Some(rules) = self.rules else { return Some(Pass::default()) };
        let before = self.marks.breaker.load();
        let Some(next) = before.entered(rules, now_ms) else { return before.is_fit(now_ms).then(Pass::default) };
        let trying = Arc::new(next);
        let swapped = self.marks.breaker.compare_and_swap(&*before, Arc::clone(&trying));
        let trial = || Trial { marks: Arc::clone(&self.marks), before: Arc::clone(&before), trying };
        Arc::ptr_eq(&swapped, &before).then(|| Pass { _trial: Some(trial()) })
    }

    /// A call failed there. How many did since it has served, where the log is to be told: of the first, and once in ten seconds.
    #[must_use]
    pub fn failed(&self, now_ms: u64) -> Option<u64> {
        if let Some(rules) = self.rules {
            self.marks.breaker.rcu(|breaker| breaker.failed(rules, now_ms));
        }
        self.cut(now_ms)
    }

    /// An answer from there broke off, of which the breaker knows nothing. As [`Self::failed`].
    #[must_use]
    pub fn cut(&self, now_ms: u64) -> Option<u64> {
        self.marks.outage.failed(now_ms)
    }

    /// A call succeeded there. How many had failed before, where the log is to be told that this is over.
    #[must_use]
    pub fn succeeded(&self, now_ms: u64) -> Option<u64> {
        if let Some(rules) = self.rules
            && self.marks.breaker.load().succeeded(rules, now_ms).is_some()
        {
            self.marks
                .breaker
                .rcu(|breaker| breaker.succeeded(rules, now_ms).map_or_else(|| Arc::clone(breaker), Arc::new));
        }
        self.marks.outage.served(now_ms)
    }

    /// It asks not to be called before then.
    pub fn rest(&self, until_ms: u64) {
        self.marks.rests_until_ms.fetch_max(until_ms, Relaxed);
    }

    /// It was called too often for this model, and asks not to be called for it within `for_ms`, or does not say how long.
    pub fn rest_model(&self, model: &str, for_ms: Option<u64>, now_ms: u64) {
        self.marks.models.add(model, for_ms, now_ms);
    }

    /// Whether it has asked not to be called for this model.
    #[must_use]
    pub fn rests_for(&self, model: &str, now_ms: u64) -> bool {
        self.marks.models.has(model, now_ms)
    }

    /// It has refused a call as one that may not be made (401, 403). Whether that is to be told: once a minute.
    #[must_use]
    pub fn refuses(&self, now_ms: u64) -> bool {
        let until_ms = now_ms.saturating_add(QUIET_MS);
        let is_over = |until: u64| (until <= now_ms).then_some(until_ms);
        self.marks.quiet_until_ms.fetch_update(Relaxed, Relaxed, is_over).is_ok()
    }

    /// What a health check says. One that fails may be lost; two in a row are believed.
    pub fn health(&self, is_good: bool) {
        if is_good {
            self.marks.bad_checks.store(0, Relaxed);
        } else {
            self.marks.bad_checks.fetch_add(1, Relaxed);
        }
    }

    fn is_ill(&self) -> bool {
        self.marks.bad_checks.load(Relaxed) >= BELIEVED_CHECKS
    }

    /// Whether one more of the calls that failed there may be tried again elsewhere.
    #[must_use]
    pub fn may_retry(&self, now_ms: u64) -> bool {
        let Marks { saved, few_until_ms, .. } = &*self.marks;
        few_until_ms.fetch_update(Relaxed, Relaxed, |until| allowance::few_taken(until, now_ms)).is_ok()
            || saved.fetch_update(Relaxed, Relaxed, allowance::spent).is_ok()
    }

    /// A call goes there, so that a fifth of a retry is saved up.
    pub fn earn(&self) {
        // At its most it stays as it is.
        let _before = self.marks.saved.fetch_update(Relaxed, Relaxed, allowance::earned);
    }

    /// Whether its health checks say that it is well; true where there are none.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.is_ill()
    }

    /// How its breaker stands; nothing where it has none.
    #[must_use]
    pub fn breaker(&self) -> Option<Breaker> {
        self.rules.map(|_| (**self.marks.breaker.load()).clone())
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self, now_ms: u64) -> State {
        let breaker = self.marks.breaker.load();
        match &**breaker {
            _ if self.is_ill() => State::Ill,
            Breaker::Open { until_ms } if self.rules.is_some() && *until_ms > now_ms => State::Open,
            Breaker::Open { .. } | Breaker::Trying { .. } if self.rules.is_some() => State::Trying,
            _ if self.marks.rests_until_ms.load(Relaxed) > now_ms => State::Resting,
            _ if self.marks.models.is_any(now_ms) => State::Resting,
            _ => State::Fit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_an_upstream_refuses_is_told_once_a_minute() {
        let condition = Condition::default();
        let told = [0, 1, 59_999, 60_000, 60_001, 120_000].map(|now_ms| condition.refuses(now_ms));
        assert_eq!(told, [true, false, false, true, false, true]);
    }

    const RULES: Rules = Rules { failures: 2, within_ms: 100, open_ms: 50 };

    fn open(is_strict: bool) -> Condition {
        let condition = Condition::default().under(Some(RULES), is_strict);
        let _ = condition.failed(1);
        assert_eq!(condition.state(1), State::Fit);
        let _ = condition.failed(2);
        assert_eq!(condition.state(2), State::Open);
        condition
    }

    #[test]
    fn of_many_calls_one_tries_whether_an_upstream_is_back() {
        let condition = open(false);
        assert!(!condition.is_fit(51) && condition.is_fit(52));
        let trial = condition.enter(52).unwrap();
        assert!(condition.enter(52).is_none() && !condition.is_fit(52));
        assert_eq!(condition.state(52), State::Trying);
        let _ = condition.succeeded(53);
        drop(trial);
        assert!(condition.is_fit(53));
        let passes = (condition.enter(53), condition.enter(53));
        assert!(passes.0.is_some() && passes.1.is_some());
    }

    #[test]
    fn a_trial_of_which_nothing_is_heard_gives_its_place_back() {
        let condition = open(true);
        let trial = condition.enter(52).unwrap();
        assert!(!condition.may_be_asked(53));
        drop(trial);
        assert!(condition.may_be_asked(53));
        let trial = condition.enter(53).unwrap();
        let _ = condition.failed(54);
        drop(trial);
        assert_eq!((condition.state(54), condition.is_fit(103), condition.is_fit(104)), (State::Open, false, true));
    }

    #[test]
    fn a_trial_that_has_taken_too_long_gives_back_no_other_trials_place() {
        let condition = open(true);
        let late = condition.enter(52).unwrap();
        let trial = condition.enter(102).unwrap();
        drop(late);
        assert!(!condition.may_be_asked(103));
        drop(trial);
        assert!(condition.may_be_asked(103));
    }

    #[test]
    fn only_a_breaker_that_was_asked_for_refuses_calls_that_have_no_other_place() {
        assert!(open(false).may_be_asked(3));
        assert!(!open(true).may_be_asked(3));
        assert!(open(true).may_be_asked(60));
    }

    #[test]
    fn a_rest_and_bad_health_pass_and_a_reload_forgets_neither() {
        let condition = Condition::default();
        condition.rest(10);
        condition.rest(5);
        assert_eq!((condition.is_fit(9), condition.is_fit(10)), (false, true));
        condition.health(false);
        assert!(condition.is_fit(10), "one may be lost");
        condition.health(false);
        let after = condition.under(Some(RULES), true);
        assert_eq!((after.is_fit(10), after.state(10)), (false, State::Ill));
        after.health(true);
        assert!(condition.is_fit(10));
    }

    #[test]
    fn of_an_upstream_that_leads_elsewhere_nothing_is_known() {
        let before = open(true);
        before.rest(1_000);
        before.rest_model("a", Some(1_000), 2);
        (0..2).for_each(|_| before.health(false));
        let after = before.elsewhere();
        assert_eq!((after.state(2), after.is_fit(2), before.state(2)), (State::Fit, true, State::Ill));
        // A call that began before tells of the place before.
        let _ = before.failed(3);
        assert!(after.is_fit(3));
        assert_eq!(after.succeeded(4), Some(3), "that it had failed was told, and so is that it serves again");
    }

    #[test]
    fn a_model_that_rests_leaves_its_upstream_fit_for_others() {
        let condition = Condition::default();
        condition.rest_model("a", Some(10), 0);
        assert_eq!(
            [("a", 9), ("b", 9), ("a", 10)].map(|(model, at)| condition.rests_for(model, at)),
            [true, false, false]
        );
        assert_eq!((condition.is_fit(9), condition.state(9), condition.state(10)), (true, State::Resting, State::Fit));
    }
}
