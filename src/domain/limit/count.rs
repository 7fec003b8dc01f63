//! What was used of a calendar window: a plain count, which ends with its window.

use jiff::Timestamp;

use crate::domain::calendar::{Calendar, Window};

/// The units that were used of one window. Times are nanoseconds of Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    /// When the window ends, and the count with it; zero where nothing was ever counted.
    pub until_ns: u64,
    /// May be more than the limit: what a call took beyond its estimate is counted too.
    pub used: u64,
}

impl Count {
    /// Units that are used at `now`. Where the clock was set back over the end of a window, the later one goes on: no window
    /// begins twice.
    pub(super) const fn used(self, now_ns: u64) -> u64 {
        if now_ns < self.until_ns { self.used } else { 0 }
    }

    /// When the window ends that is counted at `now`.
    pub(super) fn until(self, calendar: Calendar, now_ns: u64) -> u64 {
        if now_ns < self.until_ns { self.until_ns } else { end_ns(calendar.at(time(now_ns))) }
    }

    /// The window that is counted at `now`.
    pub(super) fn window(self, calendar: Calendar, now_ns: u64) -> Window {
        let moment_ns = if now_ns < self.until_ns { self.until_ns.saturating_sub(1) } else { now_ns };
        calendar.at(time(moment_ns))
    }

    /// The count with `units` more at `now`.
    pub(super) fn after(self, calendar: Calendar, units: u64, now_ns: u64) -> Self {
        Self { until_ns: self.until(calendar, now_ns), used: self.used(now_ns).saturating_add(units) }
    }

    /// The count without `units` that were charged at `charged_ns`; one that was charged in an earlier window is not in it.
    pub(super) fn without(self, calendar: Calendar, units: u64, charged_ns: u64) -> Self {
        let is_counted = end_ns(calendar.at(time(charged_ns))) >= self.until_ns;
        Self { used: if is_counted { self.used.saturating_sub(units) } else { self.used }, ..self }
    }
}

fn time(ns: u64) -> Timestamp {
    Timestamp::from_nanosecond(ns.into()).unwrap_or(Timestamp::MAX)
}

fn end_ns(window: Window) -> u64 {
    window.until.and_then(|until| u64::try_from(until.as_nanosecond()).ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        calendar::{Every, Zone},
        limit::{bucket::Bucket, rate::Rate},
    };

    /// Half an hour before the day and the month turn in Berlin.
    const BEGIN_NS: u64 = 1_793_485_800_000_000_000;

    const ZONES: &[&str] =
        &["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Havana", "Pacific/Apia", "America/St_Johns"];

    fn calendar() -> impl Strategy<Value = Calendar> {
        let every = prop_oneof![Just(Every::Day), Just(Every::Week), Just(Every::Month)];
        let zone = prop::sample::select(ZONES).prop_map(|name| name.parse::<Zone>().unwrap());
        (every, zone).prop_map(|(every, zone)| Calendar { every, zone })
    }

    proptest! {
        /// Against a plain table of what was admitted in each window, with a clock that is set forth and back.
        #[test]
        fn a_window_admits_its_limit_and_never_more(
            calendar in calendar(), limit in 1_u64..12,
            calls in prop::collection::vec((-3_000_i64..40_000, 1_u64..4, prop::option::of(0_usize..20)), 1..120),
        ) {
            let rate = Rate::calendar(limit, calendar).unwrap();
            let (mut bucket, mut now_ns, mut counted_ns) = (Bucket::full(), BEGIN_NS, 0);
            let (mut used, mut taken) = (BTreeMap::<Timestamp, u64>::new(), vec![]);
            for (step_s, units, given_back) in calls {
                now_ns = now_ns.saturating_add_signed(step_s * 1_000_000_000);
                // A window in which something was counted is not left for an earlier one.
                let window = calendar.at(time(now_ns.max(counted_ns)));
                let before = used.get(&window.since).copied().unwrap_or(0);
                let reading = bucket.read(rate, units, now_ns);
                prop_assert_eq!(reading.remaining, limit - before);
                prop_assert_eq!(bucket.window(rate, now_ns), Some(window));
                prop_assert_eq!(now_ns + reading.full_in_ns, end_ns(window));
                prop_assert_eq!(reading.fits_in_ns == 0, before + units <= limit, "nothing is refused while there is room");
                if reading.fits_in_ns == 0 {
                    bucket.charge(rate, units, now_ns);
                    *used.entry(window.since).or_default() += units;
                    counted_ns = counted_ns.max(now_ns);
                    taken.push((counted_ns, window.since, units));
                } else if units <= limit {
                    let then_ns = now_ns + reading.fits_in_ns;
                    prop_assert_eq!(bucket.fits_in_ns(rate, units, then_ns), 0);
                    prop_assert!(bucket.fits_in_ns(rate, units, then_ns - 1) > 0);
                }
                if let Some(i) = given_back.filter(|i| *i < taken.len()) {
                    let (charged_ns, since, units) = taken.remove(i);
                    bucket.refund(rate, units, charged_ns, now_ns);
                    *used.get_mut(&since).unwrap() -= units;
                }
                prop_assert!(used.values().all(|used| *used <= limit), "{used:?}");
            }
        }

        #[test]
        fn what_was_used_in_a_window_stays_used_under_another_limit_or_window(
            from in calendar(), to in calendar(), used in 0_u64..9, limits in (9_u64..20, 1_u64..20),
        ) {
            let [from, to] = [Rate::calendar(limits.0, from).unwrap(), Rate::calendar(limits.1, to).unwrap()];
            let steady = Rate::new(100, 7_200, 9).unwrap();
            let mut bucket = Bucket::full();
            bucket.charge(from, used, BEGIN_NS);
            let left = limits.1.saturating_sub(used);
            prop_assert_eq!(bucket.rerated(from, to, BEGIN_NS).remaining(to, BEGIN_NS), left);
            let steadily = bucket.rerated(from, steady, BEGIN_NS);
            prop_assert_eq!(steadily.remaining(steady, BEGIN_NS), 9 - used);
            prop_assert_eq!(steadily.rerated(steady, to, BEGIN_NS).remaining(to, BEGIN_NS), left);
        }
    }
}
