//! When a refused call may come again: it is admitted then.

use proptest::prelude::*;

use super::borrowing_tests::{Bench, Fate, policy};
use crate::domain::limit::{Allowance, OnError, rate::Rate};

/// Whether a call that finds an empty bucket is admitted after the wait that its refusal names.
fn is_admitted_as_told(rate: Rate, units: u64) -> bool {
    let (mut bench, policy) = (Bench::new(1), policy(Allowance::Rate(rate), OnError::Deny));
    while bench.admits(0, &policy, 1, Fate::Answered) {}
    let refused = bench.decide(0, &policy, units, Fate::Answered);
    bench.wait(refused.standings[0].retry_after_ns.unwrap());
    bench.admits(0, &policy, units, Fate::Answered)
}

proptest! {
    #[test]
    fn a_call_that_waits_as_long_as_it_is_told_is_admitted(
        limit in 1u64..500, burst in 1u64..100, units in 1u64..5,
    ) {
        prop_assert!(is_admitted_as_told(Rate::new(limit, 1, burst).unwrap(), units.min(burst)));
    }
}

/// Also where that is longer than a lease, whose last units count as used at its end if nothing is heard of them.
#[test]
fn a_call_that_waits_longer_than_a_lease_is_admitted_as_it_was_told() {
    for (window_s, limits) in [(1, 1..=8), (60, 1..=40)] {
        for limit in limits {
            for (burst, units) in (1..=8).flat_map(|burst| (1..=burst.min(4)).map(move |units| (burst, units))) {
                let rate = Rate::new(limit, window_s, burst).unwrap();
                assert!(is_admitted_as_told(rate, units), "{limit} in {window_s} s, burst {burst}, {units} units");
            }
        }
    }
}
