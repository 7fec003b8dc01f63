//! What a rate limit has left: GCRA buckets (the generic cell rate algorithm of ITU-T I.371), in exact integers.
//!
//! A bucket counts in the ticks of its [`Rate`]. In any span of length L at most `burst + limit × L / window` units are
//! admitted. That of a calendar's rate holds a [`Count`] instead, and admits at most `limit` in each window.

use super::{
    count::Count,
    rate::{Rate, Refill},
};
use crate::domain::calendar::Window;

/// What a bucket says of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Whole units that can be taken now.
    pub remaining: u64,
    /// Nanoseconds until the bucket is full.
    pub full_in_ns: u64,
    /// Nanoseconds until the charge asked about fits; zero if it fits now.
    pub fits_in_ns: u64,
}

/// One bucket: the scaled time at which it will be full again (the "theoretical arrival time" of GCRA), or a [`Count`]. All
/// calls are by one rate, or go by [`Bucket::rerated`] between. `now` is Unix time where the rate is a calendar's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// The high and the low half: a million buckets in a table need not each begin at a multiple of 16 bytes.
    halves: [u64; 2],
}

impl Bucket {
    /// A bucket that has everything: a subject never seen before.
    #[must_use]
    pub const fn full() -> Self {
        Self { halves: [0, 0] }
    }

    /// A bucket that has nothing at `now`: the safe guess when what was used is not known.
    #[must_use]
    pub fn spent(rate: Rate, now_ns: u64) -> Self {
        Self::full().after(rate, rate.burst(), now_ns)
    }

    /// A bucket of which `free` units are there, and which is full in `ns` nanoseconds.
    #[must_use]
    pub fn full_in(rate: Rate, free: u64, ns: u64, now_ns: u64) -> Self {
        let full_ns = now_ns.saturating_add(ns);
        match rate.refill() {
            Refill::Steady { .. } => Self::full_at(rate.ticks_at(full_ns)),
            Refill::Calendar(_) => Self::of(Count { until_ns: full_ns, used: rate.burst().saturating_sub(free) }),
        }
    }

    fn full_at(ticks: u128) -> Self {
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        Self { halves: [half(ticks >> 64), half(ticks)] }
    }

    fn ticks(self) -> u128 {
        let [high, low] = self.halves.map(u128::from);
        (high << 64) | low
    }

    const fn of(count: Count) -> Self {
        Self { halves: [count.until_ns, count.used] }
    }

    const fn count(self) -> Count {
        let [until_ns, used] = self.halves;
        Count { until_ns, used }
    }

    /// How a charge of `units` would fare at `now`. Charges nothing.
    #[must_use]
    pub fn read(self, rate: Rate, units: u64, now_ns: u64) -> Reading {
        Reading {
            remaining: self.remaining(rate, now_ns),
            full_in_ns: self.full_in_ns(rate, now_ns),
            fits_in_ns: self.fits_in_ns(rate, units, now_ns),
        }
    }

    /// Whole units that can be taken at `now`.
    #[must_use]
    pub fn remaining(self, rate: Rate, now_ns: u64) -> u64 {
        if let Refill::Calendar(_) = rate.refill() {
            return rate.burst().saturating_sub(self.count().used(now_ns));
        }
        let free = rate.ticks_of(rate.burst()).saturating_sub(self.missing(rate, now_ns));
        let units = free.checked_div(rate.ticks_of(1)).unwrap_or(0);
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    /// Nanoseconds from `now` until it is full; of a calendar's, until the next window begins, whether it is full or not.
    #[must_use]
    pub fn full_in_ns(self, rate: Rate, now_ns: u64) -> u64 {
        match rate.refill() {
            Refill::Steady { .. } => rate.ns_of(self.missing(rate, now_ns)),
            Refill::Calendar(calendar) => self.count().until(calendar, now_ns).saturating_sub(now_ns),
        }
    }

    /// When it is full, on the clock of `now`.
    #[must_use]
    pub fn full_ns(self, rate: Rate) -> u64 {
        match rate.refill() {
            Refill::Steady { .. } => rate.ns_of(self.ticks()),
            Refill::Calendar(_) => self.count().until_ns,
        }
    }

    /// The window of the calendar that it counts at `now`; `None` where it refills little by little.
    #[must_use]
    pub fn window(self, rate: Rate, now_ns: u64) -> Option<Window> {
        let Refill::Calendar(calendar) = rate.refill() else { return None };
        Some(self.count().window(calendar, now_ns))
    }

    /// Nanoseconds from `now` until a charge of `units` fits; zero if it fits now.
    #[must_use]
    pub fn fits_in_ns(self, rate: Rate, units: u64, now_ns: u64) -> u64 {
        if let Refill::Calendar(_) = rate.refill() {
            let fits = units <= self.remaining(rate, now_ns);
            return if fits { 0 } else { self.full_in_ns(rate, now_ns).max(1) };
        }
        let needed = self.missing(rate, now_ns).saturating_add(rate.ticks_of(units));
        match needed.saturating_sub(rate.ticks_of(rate.burst())) {
            // The usual case, without a division.
            0 => 0,
            short => rate.ns_of(short),
        }
    }

    fn missing(self, rate: Rate, now_ns: u64) -> u128 {
        self.ticks().saturating_sub(rate.ticks_at(now_ns))
    }

    /// Takes `units` at `now`. The caller has seen by [`Bucket::read`] that they fit.
    pub fn charge(&mut self, rate: Rate, units: u64, now_ns: u64) {
        *self = self.after(rate, units, now_ns);
    }

    fn after(self, rate: Rate, units: u64, now_ns: u64) -> Self {
        match rate.refill() {
            Refill::Steady { .. } => {
                Self::full_at(self.ticks().max(rate.ticks_at(now_ns)).saturating_add(rate.ticks_of(units)))
            }
            Refill::Calendar(calendar) => Self::of(self.count().after(calendar, units, now_ns)),
        }
    }

    /// Gives back `units` that were charged at `charged_ns`, less all that can have refilled since: what has refilled
    /// may have been taken again, and is not given twice.
    pub fn refund(&mut self, rate: Rate, units: u64, charged_ns: u64, now_ns: u64) {
        if let Refill::Calendar(calendar) = rate.refill() {
            *self = Self::of(self.count().without(calendar, units, charged_ns));
            return;
        }
        let refilled = rate.ticks_at(now_ns).saturating_sub(rate.ticks_at(charged_ns));
        *self = Self::full_at(self.ticks().saturating_sub(rate.ticks_of(units).saturating_sub(refilled)));
    }

    /// The same bucket under another rate: what was used stays used, in units. Up to `since` it has refilled at the rate
    /// before, and refills at the new one from then on.
    #[must_use]
    pub fn rerated(self, from: Rate, to: Rate, since_ns: u64) -> Self {
        match (from.refill(), to.refill()) {
            (Refill::Steady { window_s: before }, Refill::Steady { window_s: after }) => {
                let missing = self.missing(from, since_ns);
                let scaled = missing.saturating_mul(u128::from(after)).div_ceil(u128::from(before));
                Self::full_at(to.ticks_at(since_ns).saturating_add(scaled))
            }
            (Refill::Calendar(before), Refill::Calendar(after)) if before == after => self,
            _ => Self::full().after(to, self.used(from, since_ns), since_ns),
        }
    }

    /// Units that are used at `now`, rounded up.
    fn used(self, rate: Rate, now_ns: u64) -> u64 {
        if let Refill::Calendar(_) = rate.refill() {
            return self.count().used(now_ns);
        }
        let units = self.missing(rate, now_ns).div_ceil(rate.ticks_of(1).max(1));
        u64::try_from(units).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::limit::rate::NS_PER_S;

    fn take(bucket: &mut Bucket, rate: Rate, units: u64, now_ns: u64) -> bool {
        let fits = bucket.read(rate, units, now_ns).fits_in_ns == 0;
        if fits {
            bucket.charge(rate, units, now_ns);
        }
        fits
    }

    #[test]
    fn a_burst_is_admitted_at_once_and_the_next_call_when_one_unit_is_back() {
        let rate = Rate::new(3, 1, 3).unwrap();
        let mut bucket = Bucket::full();
        assert!((0..3).all(|_| take(&mut bucket, rate, 1, 0)));
        let wait_ns = bucket.read(rate, 1, 0).fits_in_ns;
        assert_eq!(wait_ns, 333_333_334);
        assert!(!take(&mut bucket, rate, 1, wait_ns - 1));
        assert!(take(&mut bucket, rate, 1, wait_ns));
    }

    #[test]
    fn a_spent_bucket_admits_nothing_until_it_refills() {
        let rate = Rate::new(10, 1, 20).unwrap();
        let mut bucket = Bucket::spent(rate, 5);
        assert!(!take(&mut bucket, rate, 1, 5));
        assert!(take(&mut bucket, rate, 1, 5 + 100_000_000));
    }

    #[test]
    fn a_late_refund_gives_back_nothing_that_has_refilled() {
        let rate = Rate::new(20, 1, 20).unwrap();
        let (mut bucket, late_ns) = (Bucket::full(), 3 * NS_PER_S);
        assert!((0..20).all(|_| take(&mut bucket, rate, 1, 0)));
        assert!((0..20).all(|_| take(&mut bucket, rate, 1, late_ns)));
        (0..20).for_each(|_| bucket.refund(rate, 1, 0, late_ns));
        assert!(!take(&mut bucket, rate, 1, late_ns));
    }

    #[test]
    fn what_was_used_stays_used_under_another_rate() {
        let (day, minute) = (Rate::new(10, 86_400, 10).unwrap(), Rate::new(100, 60, 5).unwrap());
        let mut bucket = Bucket::full();
        assert!((0..4).all(|_| take(&mut bucket, day, 1, 7)));
        let faster = bucket.rerated(day, minute, 7);
        assert_eq!(faster.read(minute, 1, 7).remaining, 1);
        assert_eq!(faster.rerated(minute, day, 7).read(day, 1, 7).remaining, 6);
        assert_eq!(Bucket::full().rerated(day, minute, 7).read(minute, 1, 7).remaining, 5);
    }

    #[test]
    fn time_before_a_change_counts_at_the_old_rate_and_time_after_it_at_the_new_one() {
        let [fast, slow] = [10, 1].map(|limit| Rate::new(limit, 1, 100).unwrap());
        for (from, to, back) in [(fast, slow, 3 * 10 + 2), (slow, fast, 3 + 2 * 10)] {
            let mut bucket = Bucket::full();
            assert!(take(&mut bucket, from, 100, 0));
            // Changed after three seconds, and asked two seconds later.
            let bucket = bucket.rerated(from, to, 3 * NS_PER_S);
            assert_eq!(bucket.remaining(to, 5 * NS_PER_S), back);
        }
    }

    /// Any span from one admitted call to a later one: what was admitted in it is within `burst + rate × span`.
    fn never_over(rate: Rate, admitted: &[(u64, u64)]) -> bool {
        admitted.iter().enumerate().all(|(i, &(from, _))| {
            let mut units = 0u128;
            admitted[i..].iter().all(|&(at, n)| {
                units += u128::from(n);
                let Refill::Steady { window_s } = rate.refill() else { unreachable!() };
                let window_ns = u128::from(window_s) * u128::from(NS_PER_S);
                let refilled = u128::from(at - from) * u128::from(rate.limit());
                units * window_ns <= u128::from(rate.burst()) * window_ns + refilled
            })
        })
    }

    proptest! {
        #[test]
        fn no_span_admits_more_than_burst_and_rate(
            limit in 1u64..2_000, window_s in 1u64..4_000, burst in 1u64..50,
            calls in prop::collection::vec((0u64..3_000_000_000, 1u64..5), 1..120),
        ) {
            let rate = Rate::new(limit, window_s, burst).unwrap();
            let (mut bucket, mut now_ns, mut admitted) = (Bucket::full(), 0, vec![]);
            for (gap_ns, units) in calls {
                now_ns += gap_ns;
                if take(&mut bucket, rate, units, now_ns) {
                    admitted.push((now_ns, units));
                }
            }
            prop_assert!(never_over(rate, &admitted));
        }

        #[test]
        fn a_retry_at_the_announced_time_is_admitted_and_one_nanosecond_earlier_is_not(
            limit in 1u64..5_000, window_s in 1u64..5_000, burst in 1u64..20, units in 1u64..20, now_ns in 0u64..u64::MAX / 4,
        ) {
            prop_assume!(units <= burst);
            let rate = Rate::new(limit, window_s, burst).unwrap();
            let bucket = Bucket::spent(rate, now_ns);
            let wait_ns = bucket.read(rate, units, now_ns).fits_in_ns;
            prop_assert!(wait_ns > 0);
            prop_assert_eq!(bucket.read(rate, units, now_ns + wait_ns).fits_in_ns, 0);
            prop_assert!(bucket.read(rate, units, now_ns + wait_ns - 1).fits_in_ns > 0);
        }

        /// As if what is given back had never been taken: the log has only what stayed.
        #[test]
        fn no_span_admits_more_when_some_calls_are_given_back(
            limit in 1u64..2_000, window_s in 1u64..1_000, burst in 1u64..50,
            calls in prop::collection::vec((0u64..2_000_000_000, 1u64..5, prop::option::of(0usize..20)), 1..120),
        ) {
            let rate = Rate::new(limit, window_s, burst).unwrap();
            let (mut bucket, mut now_ns, mut admitted) = (Bucket::full(), 0, vec![]);
            for (gap_ns, units, given_back) in calls {
                now_ns += gap_ns;
                if take(&mut bucket, rate, units, now_ns) {
                    admitted.push((now_ns, units));
                }
                if let Some(i) = given_back.filter(|i| *i < admitted.len()) {
                    let (charged_ns, units) = admitted.remove(i);
                    bucket.refund(rate, units, charged_ns, now_ns);
                }
            }
            prop_assert!(never_over(rate, &admitted));
        }

        #[test]
        fn a_refund_never_makes_a_bucket_more_than_full(
            limit in 1u64..5_000, burst in 1u64..20, taken in 1u64..20, later_ns in 0u64..10_000_000_000,
        ) {
            let rate = Rate::new(limit, 1, burst).unwrap();
            let mut bucket = Bucket::full();
            bucket.charge(rate, taken, 1_000);
            bucket.refund(rate, taken, 1_000, 1_000 + later_ns / 2);
            prop_assert!(bucket.read(rate, 1, 1_000 + later_ns).remaining <= burst);
        }
    }
}
