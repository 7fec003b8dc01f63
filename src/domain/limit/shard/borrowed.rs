//! What a keeper has of one subject's bucket that lives elsewhere: a lease of it, and an estimate of the rest.
//!
//! Units that are held are used without asking. Where there are too few, the keeper asks the lender. After a denial it
//! refuses by itself for a moment. Where no answer comes, each policy says what happens (`on_error`): nothing is
//! admitted, or this keeper's share of the limit; what is used of that share is reported when answers come again.

use std::sync::Arc;

use super::{
    charge::BucketId,
    counted::Counted,
    estimate::{Estimate, Left},
    loan::Loan,
};
use crate::domain::{
    lease::{Answer, Ask, HolderId, holder::Lease},
    limit::{Allowance, Home, OnError, Policy, Subject, bucket::Bucket, rate::Rate},
};

/// How long nothing is asked after an ask was lost.
const PAUSE_NS: u64 = 250_000_000;
/// How soon refunds, corrections and free slots are reported, and again while no answer comes.
const NEWS_NS: u64 = 100_000_000;
const LOST_NEWS_NS: u64 = 1_000_000_000;
/// A denial is believed for at least so long, unless a quarter of the burst refills sooner, and for at most so long.
const MIN_DENIAL_NS: u64 = 10_000_000;
const MAX_DENIAL_NS: u64 = 100_000_000;
/// When a call that found no place may try again: nobody knows when one that is under way will end.
pub(super) const SLOT_RETRY_NS: u64 = 1_000_000_000;

/// How a charge fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Yes,
    /// No room yet: there will be in this many nanoseconds.
    No(u64),
    /// More units must be asked for.
    Ask,
    /// It cannot be known now, and the policy says that nothing is admitted then.
    Unknown,
}

#[derive(Debug, Clone, Copy)]
struct Denied {
    units: u64,
    /// Until when nothing is asked.
    until_ns: u64,
    /// When it is announced to fit.
    fits_ns: u64,
}

/// What a keeper has of one subject's bucket.
pub(super) struct Borrowed {
    policy: Arc<Policy>,
    counted: Counted,
    lease: Lease,
    /// Of a rate: the bucket as it was in the last answer, all that was held counted as used, and refilled since.
    estimate: Estimate,
    /// Slots that nobody held in the last answer.
    free_slots: u64,
    /// Slots that were taken of this keeper's share, until the account hears of them.
    own_slots: u64,
    denied: Option<Denied>,
    /// When it was last asked for; before that, when it was made.
    asked_ns: u64,
    /// No answer came to the last ask.
    lost: bool,
    /// When its next report is due; zero if none is.
    queued_ns: u64,
}

impl Borrowed {
    pub(super) fn new(policy: &Arc<Policy>, with_redis: bool, id: HolderId, now_ns: u64) -> Self {
        let counted = Counted::of(policy, with_redis);
        let free_slots = if let Allowance::Concurrent(limit) = policy.allowance { limit } else { 0 };
        Self {
            lease: Lease::new(id, counted.terms, counted.moment(policy.since_ns), counted.habits(policy)),
            policy: Arc::clone(policy),
            counted,
            estimate: Estimate::of(Bucket::full()),
            free_slots,
            own_slots: 0,
            denied: None,
            asked_ns: now_ns,
            lost: false,
            queued_ns: 0,
        }
    }

    /// For a subject whose bucket was kept elsewhere before: what was used of it is reported with the first ask.
    pub(super) fn after(mut self, bucket: Bucket, rate: Rate, now_ns: u64) -> Self {
        let used = rate.burst().saturating_sub(bucket.read(rate, 1, now_ns).remaining);
        self.lease.claim(used);
        self.estimate = Estimate::of(match self.policy.allowance {
            Allowance::Rate(new) if new != rate => bucket.rerated(rate, new, self.policy.since_ns.min(now_ns)),
            Allowance::Rate(_) | Allowance::Concurrent(_) => bucket,
        });
        self
    }

    /// Whether it goes by this version of a policy.
    pub(super) fn is_by(&self, policy: &Policy) -> bool {
        self.policy.version == policy.version && self.policy.id == policy.id
    }

    /// Goes by a policy of another version. False if that is counted otherwise, and needs another lease.
    pub(super) fn goes_by(&mut self, policy: &Arc<Policy>, with_redis: bool, now_ns: u64) -> bool {
        if self.is_by(policy) {
            return true;
        }
        let counted = Counted::of(policy, with_redis);
        if (counted.home, counted.moment_us) != (self.counted.home, self.counted.moment_us) {
            return false;
        }
        if let (Allowance::Rate(from), Allowance::Rate(to)) = (self.policy.allowance, policy.allowance)
            && from != to
        {
            self.estimate.rerate(from, to, policy.since_ns.min(now_ns));
        }
        self.lease.adopt(counted.terms, counted.moment(policy.since_ns));
        (self.policy, self.counted, self.denied) = (Arc::clone(policy), counted, None);
        true
    }

    /// Where the account lives.
    pub(super) const fn home(&self) -> Home {
        self.counted.home
    }

    /// How long a call waits for units, and how long an answer may take before it counts as lost.
    pub(super) const fn patience_ns(&self) -> u64 {
        self.counted.patience_ns()
    }

    /// The bucket of a rate as far as it is known, with all that is held counted as used.
    pub(super) fn bucket(&self) -> Option<(Bucket, Rate)> {
        if let Allowance::Rate(rate) = self.policy.allowance { Some((self.estimate.bucket(), rate)) } else { None }
    }

    fn moment(&self, now_ns: u64) -> u64 {
        self.counted.moment(now_ns)
    }

    /// How a charge of `units` fares. `shares`: how many keepers share the limit while no answer comes. With `impatient`
    /// an ask under way counts as lost.
    pub(super) fn room(&self, units: u64, shares: u64, impatient: bool, now_ns: u64) -> Room {
        if self.lease.held(self.moment(now_ns)) >= units {
            return Room::Yes;
        }
        if let Some(denied) = self.denied.filter(|denied| units >= denied.units && now_ns < denied.until_ns) {
            let announced_ns = denied.fits_ns.saturating_sub(now_ns).max(1);
            return Room::No(announced_ns.max(self.announced_ns(units, now_ns)));
        }
        let late = now_ns.saturating_sub(self.asked_ns) >= self.patience_ns();
        let no_answer = self.lost || (self.lease.is_asking() && (impatient || late));
        match self.policy.on_error {
            _ if !no_answer && impatient => Room::No(self.announced_ns(units, now_ns)),
            _ if !no_answer => Room::Ask,
            OnError::Deny => Room::Unknown,
            OnError::AllowLocalShare => self.room_in_share(units, shares, now_ns),
        }
    }

    /// A unit of one share counts as `shares` units. At least one fits into a full bucket.
    fn room_in_share(&self, units: u64, shares: u64, now_ns: u64) -> Room {
        match self.policy.allowance {
            Allowance::Rate(rate) => {
                let wait_ns = self.estimate.fits_in_ns(rate.roomy(shares), units.saturating_mul(shares), now_ns);
                if wait_ns == 0 { Room::Yes } else { Room::No(wait_ns) }
            }
            Allowance::Concurrent(limit) => {
                let share = limit.checked_div(shares).unwrap_or(limit).max(1);
                let taken = self.lease.in_use().saturating_add(self.own_slots).saturating_add(units);
                if taken <= share { Room::Yes } else { Room::No(SLOT_RETRY_NS) }
            }
        }
    }

    /// Takes units that [`Borrowed::room`] has seen to be there.
    pub(super) fn charge(&mut self, units: u64, shares: u64, now_ns: u64) {
        if self.lease.take(units, self.moment(now_ns)) {
            return;
        }
        match self.policy.allowance {
            Allowance::Rate(rate) => {
                self.lease.force(units, self.moment(now_ns));
                self.estimate.charge(rate.roomy(shares), units.saturating_mul(shares), now_ns);
            }
            Allowance::Concurrent(_) => self.own_slots = self.own_slots.saturating_add(units),
        }
    }

    /// What is left to everybody who draws from it; while no answer comes, what is left of this keeper's share.
    pub(super) fn left(&self, shares: u64, now_ns: u64) -> Left {
        let held = self.lease.held(self.moment(now_ns));
        let shares = if self.lost { shares.max(1) } else { 1 };
        match self.policy.allowance {
            Allowance::Rate(rate) => {
                let left = self.estimate.left(rate, now_ns);
                let free = left.remaining.checked_div(shares).unwrap_or(0);
                Left { remaining: free.saturating_add(held).min(rate.burst()), ..left }
            }
            Allowance::Concurrent(limit) => {
                let taken = self.lease.in_use().saturating_add(self.own_slots);
                let free = self.free_slots.checked_div(shares).unwrap_or(0).saturating_add(held);
                Left::slots(free.min(limit.saturating_sub(taken)))
            }
        }
    }

    /// Gives back what a call took that never reached its upstream.
    pub(super) fn refund(&mut self, units: u64, charged_ns: u64, now_ns: u64) {
        if let Allowance::Rate(rate) = self.policy.allowance {
            self.lease.refund(units, self.moment(charged_ns));
            self.estimate.refund(rate, units, charged_ns, now_ns);
        }
    }

    /// A call took more than it was charged.
    pub(super) fn charge_more(&mut self, units: u64, now_ns: u64) {
        if let Allowance::Rate(rate) = self.policy.allowance {
            self.lease.force(units, self.moment(now_ns));
            self.estimate.charge(rate, units, now_ns);
        }
    }

    /// Frees the slots of a call that has ended.
    pub(super) fn leave(&mut self, units: u64) {
        let own = if units < self.own_slots { units } else { self.own_slots };
        self.own_slots = self.own_slots.saturating_sub(own);
        self.lease.release(units.saturating_sub(own));
    }

    /// Asks for `need` units, or how the account stands if none are needed; not while an ask is under way, nor soon
    /// after one was lost.
    pub(super) fn ask(&mut self, need: u64, waiting: u64, bucket: BucketId, now_ns: u64) -> Option<Loan> {
        if self.lease.is_asking() || self.pauses(now_ns) {
            return None;
        }
        let moment = self.moment(now_ns);
        let ask = if need > 0 { self.lease.ask(need, waiting, moment) } else { self.lease.inquire(moment) };
        Some(self.loan(ask, bucket, now_ns))
    }

    /// Whether nothing is asked because an ask was lost a moment ago.
    pub(super) const fn pauses(&self, now_ns: u64) -> bool {
        self.lost && now_ns.saturating_sub(self.asked_ns) < PAUSE_NS
    }

    /// Whether an ask of the last `max_age_ns` was answered.
    pub(super) const fn is_known(&self, max_age_ns: u64, now_ns: u64) -> bool {
        let is_answered = self.lease.has_heard() && !self.lease.is_asking() && !self.lost;
        is_answered && now_ns.saturating_sub(self.asked_ns) < max_age_ns
    }

    /// Asks for the next chunk if there will soon be need of it; and whether there are answers again.
    pub(super) fn ask_early(&mut self, bucket: BucketId, now_ns: u64) -> Option<Loan> {
        if self.lost {
            return self.ask(0, 0, bucket, now_ns);
        }
        if !self.lease.is_low() || self.denied.is_some() || self.lease.is_asking() {
            return None;
        }
        let ask = self.lease.ask(0, 0, self.moment(now_ns));
        Some(self.loan(ask, bucket, now_ns))
    }

    /// Reports what is due: units that will not be used, refunds, corrections, slots that are still in use, and uses that callers
    /// wait for.
    pub(super) fn report(&mut self, bucket: BucketId, now_ns: u64) -> Option<Loan> {
        if !self.lease.has_news() {
            return self.give_back(bucket, now_ns);
        }
        let ask = self.lease.renew(self.moment(now_ns))?;
        Some(self.loan(ask, bucket, now_ns))
    }

    /// Gives back all that is not used.
    pub(super) fn give_back(&mut self, bucket: BucketId, now_ns: u64) -> Option<Loan> {
        let ask = self.has_news().then(|| self.lease.give_back(self.moment(now_ns))).flatten()?;
        Some(self.loan(ask, bucket, now_ns))
    }

    /// Whether the account should hear of something before the lease ends. Where nothing was left, that includes when the last
    /// units were used: the time in a refusal is that of their refill.
    const fn has_news(&self) -> bool {
        self.lease.has_news() || (self.denied.is_some() && self.lease.has_uses())
    }

    fn loan(&mut self, ask: Ask, bucket: BucketId, now_ns: u64) -> Loan {
        self.asked_ns = now_ns;
        let name = account_name(&self.policy, bucket.subject);
        Loan { bucket, name, home: self.counted.home, ask, moment_us: self.counted.moment_us }
    }

    /// Reads what came of an ask; `None`: no answer.
    pub(super) fn answered(&mut self, answer: Option<&Answer>, need: u64, now_ns: u64) {
        self.lost = answer.is_none();
        let Some(answer) = answer else { return self.lease.lost() };
        self.lease.answered(answer, self.moment(now_ns));
        if self.own_slots > 0 {
            self.lease.occupy(std::mem::take(&mut self.own_slots), self.moment(now_ns));
        }
        match self.policy.allowance {
            Allowance::Rate(rate) => {
                let account_ns = (answer.window > 0).then(|| self.ns(answer.at));
                self.estimate.heard(rate, [answer.free, self.ns(answer.full_in)], account_ns, now_ns);
            }
            Allowance::Concurrent(_) => self.free_slots = answer.free,
        }
        if answer.granted > 0 || need > 0 {
            self.denied = (answer.free == 0 || answer.granted == 0).then(|| self.denied(answer, need, now_ns));
        }
    }

    /// Nothing is left, or not as much as was needed.
    fn denied(&self, answer: &Answer, need: u64, now_ns: u64) -> Denied {
        let units = if answer.granted == 0 { need } else { 1 };
        let fits_in = answer.fits_in.filter(|_| answer.granted == 0);
        let fits_in = fits_in.map(|moments| self.ns(moments).saturating_add(self.between_clocks_ns()));
        let fits_in_ns = fits_in.unwrap_or_else(|| self.announced_ns(units, now_ns));
        let believed_ns = fits_in_ns.clamp(self.shortest_denial_ns(now_ns), MAX_DENIAL_NS);
        Denied {
            units,
            until_ns: now_ns.saturating_add(believed_ns),
            fits_ns: now_ns.saturating_add(fits_in_ns.max(believed_ns)),
        }
    }

    /// The account's clock and this one may stand at the two ends of a moment. The end of a calendar window is no matter of
    /// that: it is known to the moment, and read no earlier than the account was asked.
    fn between_clocks_ns(&self) -> u64 {
        if self.policy.calendar().is_some() { 0 } else { self.ns(1) }
    }

    const fn ns(&self, moments: u64) -> u64 {
        moments.saturating_mul(self.counted.moment_us).saturating_mul(1_000)
    }

    /// Nanoseconds until `units` may be there, as estimated without an answer.
    fn announced_ns(&self, units: u64, now_ns: u64) -> u64 {
        match self.policy.allowance {
            Allowance::Rate(rate) => {
                self.estimate.fits_in_ns(rate, units, now_ns).saturating_add(self.between_clocks_ns())
            }
            // Nobody knows when a call that is under way will end.
            Allowance::Concurrent(_) => SLOT_RETRY_NS,
        }
    }

    fn shortest_denial_ns(&self, now_ns: u64) -> u64 {
        match self.policy.allowance {
            Allowance::Rate(rate) => self.estimate.quarter_in_ns(rate, now_ns).min(MIN_DENIAL_NS),
            Allowance::Concurrent(_) => MIN_DENIAL_NS,
        }
    }

    /// When the next report is due.
    pub(super) fn due_ns(&self) -> Option<u64> {
        let pause_ns = match () {
            () if !self.has_news() || self.lease.is_asking() => return None,
            () if self.lost => LOST_NEWS_NS,
            () if self.lease.is_urgent() => NEWS_NS,
            () => self.counted.lease_us(&self.policy).saturating_mul(600),
        };
        Some(self.asked_ns.saturating_add(pause_ns))
    }

    /// Whether it is to be looked at by then, where it was not before; it is remembered that it will be.
    pub(super) const fn is_sooner(&mut self, due_ns: u64) -> bool {
        let sooner = self.queued_ns == 0 || due_ns < self.queued_ns;
        if sooner {
            self.queued_ns = due_ns;
        }
        sooner
    }

    /// It is looked at, as was said for that time.
    pub(super) const fn looked_at(&mut self, due_ns: u64) {
        if self.queued_ns == due_ns {
            self.queued_ns = 0;
        }
    }

    /// From when on all that is known of it is known to its account: when it holds nothing, has nothing to report, and
    /// its last lease is over. How much is left then is learnt again with the next ask.
    pub(super) fn idle_ns(&self) -> Option<u64> {
        let lease_ns = self.counted.lease_us(&self.policy).saturating_mul(1_000);
        (self.own_slots == 0 && self.lease.is_idle()).then(|| self.asked_ns.saturating_add(lease_ns))
    }
}

/// What the account is called wherever it lives; the same on every replica, and under every version of the policy.
fn account_name(policy: &Policy, subject: Subject) -> Arc<str> {
    format!("{}/{}/{}/{subject}", policy.unit.as_str(), policy.per.as_str(), policy.name).into()
}
