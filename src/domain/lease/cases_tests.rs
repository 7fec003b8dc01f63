//! Single cases of an account and of a lease.

use super::{
    Ask, HolderId, Kind, LeaseAccount, Past, Terms,
    holder::{Habits, Lease},
};

fn ten_a_hundred(version: i64) -> Terms {
    Terms { kind: Kind::Rate { limit: 10, window: 100, burst: 10 }, version }
}

/// A message that asks for `need` units by these terms, on a lease of fifty moments.
pub(super) fn ask_by(terms: Terms, holder: u128, seq: u64, need: u64) -> Ask {
    Ask {
        holder: HolderId(holder),
        terms,
        terms_ago: 0,
        seq,
        keep: 0,
        back: 0,
        used_ago: 0,
        forced: vec![],
        at_least: 0,
        refunds: vec![],
        window: 0,
        sent: None,
        need,
        waiting: need,
        want: need,
        lease: 50,
    }
}

fn ask(holder: u128, seq: u64, need: u64) -> Ask {
    ask_by(ten_a_hundred(1), holder, seq, need)
}

#[test]
fn a_message_that_comes_twice_changes_nothing() {
    let mut account = LeaseAccount::full(ten_a_hundred(1), 0);
    account.exchange(&ask(1, 1, 3), 0).unwrap();
    let before = account.clone();
    assert!(account.exchange(&ask(1, 1, 3), 10).is_err());
    assert_eq!(account, before);
}

fn at_once(units: u64) -> Vec<Past> {
    vec![Past { units, ago: 0 }]
}

#[test]
fn a_forced_charge_goes_beyond_the_burst_and_is_worked_off() {
    let mut account = LeaseAccount::full(ten_a_hundred(1), 0);
    let answer = account.exchange(&Ask { forced: at_once(15), ..ask(1, 1, 1) }, 0).unwrap();
    assert_eq!((answer.granted, answer.free, answer.fits_in), (0, 0, Some(60)));
    assert_eq!(account.exchange(&ask(1, 2, 1), 59).unwrap().granted, 0);
    assert_eq!(account.exchange(&ask(1, 3, 1), 60).unwrap().granted, 1);
}

#[test]
fn newer_terms_find_the_same_units_used_and_older_ones_are_served_by_them() {
    let mut account = LeaseAccount::full(ten_a_hundred(1), 0);
    account.exchange(&Ask { forced: at_once(4), ..ask(1, 1, 0) }, 0).unwrap();
    let newer = Terms { kind: Kind::Rate { limit: 5, window: 300, burst: 5 }, version: 2 };
    assert_eq!(account.exchange(&Ask { terms: newer, ..ask(2, 1, 0) }, 0).unwrap().free, 1);
    assert_eq!(account.exchange(&ask(1, 2, 0), 0).unwrap().free, 1);
    assert_eq!(account.terms, newer);
}

#[test]
fn newer_terms_hold_from_when_they_came_into_force_and_not_from_when_they_are_heard_of() {
    let ten_a_thousand = Terms { kind: Kind::Rate { limit: 10, window: 1_000, burst: 10 }, version: 2 };
    for (terms_ago, free) in [(0, 6), (20, 4), (60, 0), (600, 0)] {
        let mut account = LeaseAccount::full(ten_a_hundred(1), 100);
        account.exchange(&Ask { forced: at_once(10), ..ask(1, 1, 0) }, 100).unwrap();
        let heard = Ask { terms: ten_a_thousand, terms_ago, ..ask(2, 1, 0) };
        assert_eq!(account.exchange(&heard, 160).unwrap().free, free, "{terms_ago}");
    }
}

#[test]
fn a_refund_that_was_under_way_for_long_gives_back_nothing_that_has_refilled() {
    let mut account = LeaseAccount::full(ten_a_hundred(1), 0);
    let refunds = vec![Past { units: 4, ago: 0 }];
    account.exchange(&Ask { forced: at_once(10), ..ask(1, 1, 0) }, 0).unwrap();
    account.exchange(&Ask { forced: at_once(4), ..ask(2, 1, 0) }, 40).unwrap();
    let late = Ask { refunds, sent: Some(0), ..ask(1, 2, 0) };
    assert_eq!(account.exchange(&late, 40).unwrap().free, 0);
}

#[test]
fn a_place_whose_holder_was_killed_is_free_when_its_lease_ends() {
    let terms = Terms { kind: Kind::Concurrent { limit: 2 }, version: 1 };
    let mut account = LeaseAccount::full(terms, 0);
    let ask = |holder, seq| Ask { terms, ..ask(holder, seq, 2) };
    assert_eq!(account.exchange(&ask(1, 1), 0).unwrap().granted, 2);
    assert_eq!(account.exchange(&ask(2, 1), 10).unwrap().fits_in, Some(40));
    assert_eq!(account.exchange(&ask(2, 2), 50).unwrap().granted, 2);
}

#[test]
fn chunks_are_shared_while_there_is_plenty_and_units_run_out_one_by_one() {
    let mut account = LeaseAccount::full(ten_a_hundred(1), 0);
    let want = |holder, seq| Ask { want: 10, ..ask(holder, seq, 1) };
    let granted: Vec<_> = (1..=4).map(|holder| account.exchange(&want(holder, 1), 0).unwrap().granted).collect();
    assert_eq!(granted, [5, 1, 1, 1]);
}

#[test]
fn a_chunk_grows_while_it_is_used_up_and_shrinks_when_it_is_not() {
    let habits = Habits { lease: 50, margin: 5, most: 4 };
    let mut lease = Lease::new(HolderId(1), ten_a_hundred(1), 0, habits);
    let mut account = LeaseAccount::full(ten_a_hundred(1), 0);
    let wants: Vec<_> = [0, 0, 0, 100, 200]
        .map(|now| {
            let ask = lease.ask(1, 1, now);
            lease.answered(&account.exchange(&ask, now).unwrap(), now);
            ask.want
        })
        .into();
    assert_eq!(wants, [1, 4, 4, 2, 1]);
}

#[test]
fn a_lease_counts_from_before_the_ask_was_sent() {
    let mut lease = Lease::new(HolderId(1), ten_a_hundred(1), 0, Habits { lease: 50, margin: 5, most: 4 });
    let asked = lease.ask(2, 2, 100);
    let answer = LeaseAccount::full(ten_a_hundred(1), 110).exchange(&asked, 110).unwrap();
    lease.answered(&answer, 130);
    assert!(lease.take(1, 144));
    assert!(!lease.take(1, 145));
}

#[test]
fn a_refund_that_comes_again_when_its_lease_is_forgotten_is_not_heard() {
    let mut account = LeaseAccount::full(ten_a_hundred(1), 0);
    account.exchange(&Ask { forced: at_once(10), ..ask(1, 1, 0) }, 0).unwrap();
    let again = Ask { refunds: vec![Past { units: 9, ago: 0 }], sent: Some(0), ..ask(1, 2, 0) };
    assert_eq!(account.exchange(&again, 50).unwrap().free, 5);
}
