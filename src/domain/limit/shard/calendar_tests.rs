//! Keepers that borrow from the count of a calendar window.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{
    borrowing_tests::{Bench, Fate, fates, policy},
    *,
};
use crate::domain::{
    calendar::{Calendar, Every},
    limit::{Allowance, OnError, Subject, rate::Rate},
};

const MS: u64 = 1_000_000;

/// A calendar, and a time at most half a minute before its window turns; not to the millisecond, so that no call comes at the
/// very end of one.
fn turning() -> impl Strategy<Value = (Calendar, u64)> {
    let every = prop_oneof![Just(Every::Day), Just(Every::Week), Just(Every::Month)];
    let zone = prop::sample::select(&["UTC", "Europe/Berlin", "America/Havana", "Asia/Kathmandu", "Pacific/Apia"][..]);
    (every, zone, 0i64..25_000, 0u64..30_000).prop_map(|(every, zone, day, before_ms)| {
        let calendar = Calendar { every, zone: zone.parse().unwrap() };
        let until = calendar.at(Timestamp::from_second(day * 86_400).unwrap()).until.unwrap();
        (calendar, u64::try_from(until.as_nanosecond()).unwrap() - before_ms * MS - MS / 2)
    })
}

fn time(ns: u64) -> Timestamp {
    Timestamp::from_nanosecond(ns.into()).unwrap()
}

proptest! {
    #[test]
    fn no_window_admits_more_than_its_limit_whatever_becomes_of_the_messages(
        (calendar, begin_ns) in turning(), limit in 1u64..60,
        calls in prop::collection::vec((0usize..3, 0u64..900, 1u64..4, fates(), prop::option::of(0usize..30)), 1..150),
    ) {
        let allowance = Allowance::Rate(Rate::calendar(limit, calendar).unwrap());
        let policy = policy(allowance, OnError::Deny);
        let mut bench = Bench::new(3);
        bench.now_ns = begin_ns;
        let mut admitted = vec![];
        for (keeper, gap_ms, units, fate, given_back) in calls {
            bench.now_ns += gap_ms * MS;
            if bench.admits(keeper, &policy, units, fate) {
                admitted.push((keeper, bench.now_ns, units));
            }
            // A call that reached nothing, of this window or of the one before.
            if let Some(i) = given_back.filter(|i| *i < admitted.len()) {
                let (keeper, charged_ns, units) = admitted.remove(i);
                let charge = Charge { series: 0, policy: Arc::clone(&policy), subject: Subject::EVERYBODY, units };
                let ending = Ending { charged_ns, reached: false, tokens: None };
                bench.shards[keeper].end(&[charge], ending, bench.now_ns);
            }
            let mut sums = BTreeMap::<Timestamp, u64>::new();
            for (_, at_ns, units) in &admitted {
                *sums.entry(calendar.at(time(*at_ns)).since).or_default() += units;
            }
            prop_assert!(sums.values().all(|sum| *sum <= limit), "{sums:?}");
        }
    }

    #[test]
    fn a_keeper_alone_refuses_nothing_while_there_is_room_and_says_when_there_will_be(
        (calendar, begin_ns) in turning(), limit in 1u64..60,
        calls in prop::collection::vec((0u64..900, 1u64..4), 1..150),
    ) {
        let policy = policy(Allowance::Rate(Rate::calendar(limit, calendar).unwrap()), OnError::Deny);
        let mut bench = Bench::new(1);
        bench.now_ns = begin_ns;
        let mut used = BTreeMap::<Timestamp, u64>::new();
        for (gap_ms, units) in calls {
            bench.now_ns += gap_ms * MS;
            let window = calendar.at(time(bench.now_ns));
            let used = used.entry(window.since).or_default();
            let decision = bench.decide(0, &policy, units, Fate::Answered);
            let is_admitted = matches!(decision.ruling, Ruling::Admitted(_));
            prop_assert_eq!(is_admitted, *used + units <= limit);
            *used += if is_admitted { units } else { 0 };
            let standing = &decision.standings[0];
            prop_assert_eq!((standing.remaining, standing.window), (limit - *used, Some(window)));
            let full_in_ns = u64::try_from(window.until.unwrap().as_nanosecond()).unwrap() - bench.now_ns;
            prop_assert!(standing.full_in_ns.unwrap().abs_diff(full_in_ns) <= 1_000);
            if units <= limit && !is_admitted {
                prop_assert!(standing.retry_after_ns.unwrap().abs_diff(full_in_ns) <= 2_000);
            }
        }
    }
}

#[test]
fn a_share_is_counted_by_the_calendar_too() {
    let policy =
        policy(Allowance::Rate(Rate::calendar(10, Calendar::utc(Every::Day)).unwrap()), OnError::AllowLocalShare);
    let mut bench = Bench::new(2);
    bench.now_ns = 21_000 * 86_400_000 * MS - 1_000 * MS;
    let admitted = |bench: &mut Bench| (0..20).filter(|_| bench.admits(0, &policy, 1, Fate::NeverHeard)).count();
    assert_eq!([admitted(&mut bench), admitted(&mut bench)], [5, 0]);
    bench.now_ns += 999 * MS;
    assert_eq!(admitted(&mut bench), 0);
    bench.now_ns += MS;
    assert_eq!([admitted(&mut bench), admitted(&mut bench)], [5, 0]);
}
