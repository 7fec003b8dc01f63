use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const S: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * S;

fn throttle(account_failures: u32, address_failures: u32, max_counters: usize) -> Throttle {
    let max_wait = Duration::from_mins(15);
    Throttle::new(Rules { account_failures, address_failures, max_wait, max_counters })
}

fn visitor(account: u128, host: u8) -> Visitor {
    Visitor { account: AccountDigest(account), network: Network::of([192, 0, 2, host].into()) }
}

/// A try that runs at once; `None` if it may not.
fn attempt(throttle: &mut Throttle, visitor: Visitor, right: bool, now_ns: u64) -> Option<()> {
    let admission = throttle.admit(visitor, now_ns).ok()?;
    throttle.report(admission, right, now_ns);
    Some(())
}

fn fail(throttle: &mut Throttle, visitor: Visitor, times: u32) {
    for _ in 0..times {
        attempt(throttle, visitor, false, 0).unwrap();
    }
}

#[test]
fn the_first_failures_are_free_and_each_further_one_doubles_the_wait() {
    let (mut throttle, owner, mut now_ns) = (throttle(5, 1_000, 100), visitor(1, 1), 0);
    fail(&mut throttle, owner, 5);
    for wait_s in [1_u64, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        let throttled = throttle.check(owner, now_ns).unwrap_err();
        let expected = Throttled { policy: ACCOUNT_POLICY, limit: 5, window_s: 3_600, retry_after_ns: wait_s * S };
        assert_eq!(throttled, expected);
        now_ns += throttled.retry_after_ns - 1;
        assert!(attempt(&mut throttle, owner, false, now_ns).is_none());
        now_ns += 1;
        attempt(&mut throttle, owner, false, now_ns).unwrap();
    }
}

#[test]
fn when_the_wait_is_over_one_try_alone_is_admitted_however_many_come() {
    let (mut throttle, owner) = (throttle(2, 1_000, 100), visitor(1, 1));
    fail(&mut throttle, owner, 2);
    let admitted: Vec<_> = (0..50).filter_map(|_| throttle.admit(owner, S).ok()).collect();
    assert_eq!(admitted.len(), 1);
    // It was charged before it ran: that it is reported wrong adds nothing.
    throttle.report(admitted[0], false, S);
    assert_eq!(throttle.check(owner, S).unwrap_err().retry_after_ns, 2 * S);
}

#[test]
fn tries_side_by_side_are_free_until_the_threshold_is_known_to_be_met() {
    let (mut throttle, owner) = (throttle(5, 1_000, 100), visitor(1, 1));
    let admitted: Vec<_> = (0..50).map(|_| throttle.admit(owner, 0).unwrap()).collect();
    for admission in &admitted {
        throttle.report(*admission, true, 0);
    }
    assert!(throttle.is_empty());
    // Had they been wrong, all of them would count.
    for admission in &admitted[..7] {
        throttle.report(*admission, false, 0);
    }
    assert_eq!(throttle.check(owner, 0).unwrap_err().retry_after_ns, 4 * S);
}

#[test]
fn a_success_forgets_the_account_but_not_what_the_network_did() {
    let mut throttle = throttle(3, 4, 100);
    fail(&mut throttle, visitor(1, 1), 2);
    attempt(&mut throttle, visitor(1, 1), true, 0).unwrap();
    fail(&mut throttle, visitor(1, 1), 2);
    let throttled = throttle.check(visitor(2, 1), 0).unwrap_err();
    assert_eq!((throttled.policy, throttled.limit, throttled.retry_after_ns), (ADDRESS_POLICY, 4, S));
}

#[test]
fn a_success_takes_back_its_own_charge_and_no_other() {
    let mut throttle = throttle(100, 2, 100);
    fail(&mut throttle, visitor(1, 1), 2);
    for _ in 0..10 {
        attempt(&mut throttle, visitor(2, 1), true, S).unwrap();
    }
    attempt(&mut throttle, visitor(1, 1), false, S).unwrap();
    assert_eq!(throttle.check(visitor(2, 1), S).unwrap_err().retry_after_ns, 2 * S);
}

#[test]
fn an_attack_from_one_network_holds_nobody_back_elsewhere() {
    let mut throttle = throttle(5, 50, 100);
    fail(&mut throttle, visitor(1, 1), 5);
    assert!(throttle.check(visitor(1, 1), 0).is_err());
    assert!(throttle.check(visitor(1, 2), 0).is_ok());
    assert!(throttle.check(visitor(2, 1), 0).is_ok());
}

#[test]
fn what_both_policies_refuse_is_named_by_the_one_that_takes_longer() {
    let mut throttle = throttle(1, 3, 100);
    fail(&mut throttle, visitor(1, 1), 1);
    fail(&mut throttle, visitor(2, 1), 1);
    fail(&mut throttle, visitor(3, 1), 1);
    attempt(&mut throttle, visitor(4, 1), false, S).unwrap();
    // The network waits 2 s, the accounts 1 s or, where there is none, nothing.
    assert_eq!(throttle.check(visitor(4, 1), S).unwrap_err().policy, ADDRESS_POLICY);
    assert_eq!(throttle.check(visitor(1, 1), S).unwrap_err().retry_after_ns, 2 * S);
}

#[test]
fn a_counter_that_was_quiet_for_an_hour_is_forgotten() {
    let (mut throttle, owner) = (throttle(3, 1_000, 100), visitor(1, 1));
    fail(&mut throttle, owner, 3);
    attempt(&mut throttle, owner, false, 100 * S).unwrap();
    fail_at(&mut throttle, visitor(2, 2), 100 * S + HOUR);
    assert!(!throttle.accounts.contains(&owner), "the next failure clears it away");
    for _ in 0..2 {
        fail_at(&mut throttle, owner, 100 * S + HOUR);
    }
    assert!(throttle.check(owner, 100 * S + HOUR).is_ok());
}

fn fail_at(throttle: &mut Throttle, visitor: Visitor, now_ns: u64) {
    attempt(throttle, visitor, false, now_ns).unwrap();
}

#[test]
fn above_the_bound_the_oldest_that_holds_nobody_back_goes_first() {
    let mut throttle = throttle(2, 1_000_000, 3);
    fail_at(&mut throttle, visitor(1, 1), 1);
    fail_at(&mut throttle, visitor(1, 1), 1);
    for (account, now_ns) in [(2, 2), (3, 3), (4, 4), (5, 5)] {
        fail_at(&mut throttle, visitor(account, 1), now_ns);
    }
    let kept = |account| throttle.accounts.contains(&visitor(account, 1));
    assert_eq!([1, 2, 3, 4, 5].map(kept), [true, false, false, true, true]);
    assert!(throttle.check(visitor(1, 1), 5).is_err());
}

#[test]
fn however_many_names_are_made_up_the_memory_is_bounded() {
    let mut throttle = throttle(5, 1_000_000, 100);
    for account in 0..10_000 {
        fail_at(&mut throttle, visitor(account, u8::try_from(account % 200).unwrap()), u64::try_from(account).unwrap());
    }
    assert_eq!((throttle.accounts.len(), throttle.addresses.len()), (100, 100));
}

/// The rule over again, from nothing but the list of failures that count.
#[derive(Default)]
struct Plain {
    accounts: HashMap<Visitor, Vec<u64>>,
    addresses: HashMap<Network, Vec<u64>>,
}

const FREE: [u32; 2] = [3, 6];

impl Plain {
    /// The failures since the last hour without one, and until when they make wait.
    fn until(times: &[u64], free: u32, now_ns: u64) -> (u32, u64) {
        let mut run: Vec<u64> = vec![];
        for at in times.iter().copied().chain([now_ns]) {
            if run.last().is_some_and(|last| at - last >= HOUR) {
                run.clear();
            }
            run.push(at);
        }
        run.pop();
        let count = u32::try_from(run.len()).unwrap();
        let wait_s = if count < free { 0 } else { 900.min(1_u64 << (count - free).min(20)) };
        (count, run.last().map_or(0, |last| last + wait_s * S))
    }

    fn wait_ns(&self, visitor: Visitor, now_ns: u64) -> u64 {
        let none = vec![];
        let account = self.accounts.get(&visitor).unwrap_or(&none);
        let address = self.addresses.get(&visitor.network).unwrap_or(&none);
        let until = Self::until(account, FREE[0], now_ns).1.max(Self::until(address, FREE[1], now_ns).1);
        until.saturating_sub(now_ns)
    }

    fn attempt(&mut self, visitor: Visitor, right: bool, now_ns: u64) {
        if right {
            self.accounts.remove(&visitor);
        } else {
            self.accounts.entry(visitor).or_default().push(now_ns);
            self.addresses.entry(visitor.network).or_default().push(now_ns);
        }
    }
}

proptest! {
    #[test]
    fn every_verdict_is_that_of_the_plain_rule(
        tries in prop::collection::vec((0u128..3, 0u8..2, prop::bool::weighted(0.15), 0u64..7, 0u64..4), 1..200),
    ) {
        let (mut throttle, mut plain, mut now_ns) = (throttle(FREE[0], FREE[1], 1_000), Plain::default(), 0);
        for (account, host, right, scale, gap) in tries {
            now_ns += [0, 1, S / 2, S, 30 * S, 1_000 * S, HOUR][usize::try_from(scale).unwrap()] * gap;
            let visitor = visitor(account, host);
            let wait_ns = plain.wait_ns(visitor, now_ns);
            match throttle.admit(visitor, now_ns) {
                Ok(admission) => {
                    prop_assert_eq!(wait_ns, 0);
                    throttle.report(admission, right, now_ns);
                    plain.attempt(visitor, right, now_ns);
                }
                Err(throttled) => prop_assert_eq!(throttled.retry_after_ns, wait_ns),
            }
        }
    }

    #[test]
    fn a_try_at_the_announced_time_is_admitted_and_a_nanosecond_earlier_is_not(failures in 3u32..40) {
        let (mut throttle, owner, mut now_ns) = (throttle(3, 5, 100), visitor(1, 1), 0);
        for _ in 0..failures {
            now_ns += throttle.check(owner, now_ns).map_or_else(|throttled| throttled.retry_after_ns, |()| 0);
            fail_at(&mut throttle, owner, now_ns);
        }
        let wait_ns = throttle.check(owner, now_ns).unwrap_err().retry_after_ns;
        prop_assert!(throttle.check(owner, now_ns + wait_ns - 1).is_err());
        prop_assert!(throttle.check(owner, now_ns + wait_ns).is_ok());
    }

    #[test]
    fn tries_that_overlap_never_leave_the_two_orders_of_counters_apart(
        steps in prop::collection::vec((0u128..6, 0u8..4, any::<bool>(), 0usize..4, 0u64..2_000), 1..300),
    ) {
        let (mut throttle, mut open, mut now_ns) = (throttle(2, 3, 4), vec![], 0);
        for (account, host, right, hold, gap_s) in steps {
            now_ns += gap_s * S;
            open.extend(throttle.admit(visitor(account, host), now_ns).ok());
            while open.len() > hold {
                throttle.report(open.remove(0), right, now_ns);
            }
            prop_assert!(throttle.accounts.is_consistent() && throttle.addresses.is_consistent());
            prop_assert!(throttle.accounts.len() <= 4 && throttle.addresses.len() <= 4);
        }
    }
}
