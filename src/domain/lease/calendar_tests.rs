//! Single cases of an account that counts the windows of a calendar. A moment is a microsecond of Unix time.

use super::{
    Ask, HolderId, Kind, LeaseAccount, Past, Terms,
    cases_tests::ask_by,
    holder::{Habits, Lease},
};
use crate::domain::calendar::{Calendar, Every};

const DAY: u64 = 86_400_000_000;
/// A midnight of UTC, and a Thursday.
const MIDNIGHT: u64 = 21_000 * DAY;
const LEASE: u64 = 5_000_000;

fn ten(every: Every, version: i64) -> Terms {
    Terms { kind: Kind::Calendar { limit: 10, calendar: Calendar::utc(every) }, version }
}

fn a_day() -> Terms {
    ten(Every::Day, 1)
}

fn ask(holder: u128, seq: u64, need: u64, terms: Terms) -> Ask {
    Ask { lease: LEASE, ..ask_by(terms, holder, seq, need) }
}

/// What is granted of one unit that is needed.
fn granted(account: &mut LeaseAccount, holder: u128, seq: u64, now: u64) -> u64 {
    account.exchange(&ask(holder, seq, 1, a_day()), now).unwrap().granted
}

#[test]
fn all_is_back_when_the_window_turns_and_nothing_before() {
    let mut account = LeaseAccount::full(a_day(), MIDNIGHT + 7);
    assert_eq!(account.exchange(&ask(1, 1, 10, a_day()), MIDNIGHT + 7).unwrap().granted, 10);
    let late = account.exchange(&ask(1, 2, 1, a_day()), MIDNIGHT + DAY - 1).unwrap();
    assert_eq!((late.granted, late.full_in, late.fits_in, late.window), (0, 1, Some(1), MIDNIGHT));
    let next = account.exchange(&ask(1, 3, 1, a_day()), MIDNIGHT + DAY).unwrap();
    assert_eq!((next.granted, next.free, next.window), (1, 9, MIDNIGHT + DAY));
    assert_eq!(account.exchange(&ask(1, 4, 11, a_day()), MIDNIGHT + DAY).unwrap().fits_in, None);
}

#[test]
fn a_clock_that_goes_back_over_the_end_of_a_window_begins_none_twice() {
    let mut account = LeaseAccount::full(a_day(), MIDNIGHT - 1);
    let mut seq = 0;
    let mut admitted = |account: &mut LeaseAccount, now| {
        let tries = (0..30).map(|_| {
            seq += 1;
            granted(account, seq, 1, now)
        });
        tries.sum::<u64>()
    };
    assert_eq!(admitted(&mut account, MIDNIGHT - 1), 10);
    assert_eq!(admitted(&mut account, MIDNIGHT), 10);
    // Back by an hour, again and again, and over midnight once more.
    let now = [MIDNIGHT - DAY / 24, MIDNIGHT - 1, MIDNIGHT, MIDNIGHT - 2, MIDNIGHT + DAY - 1];
    assert_eq!(now.map(|now| admitted(&mut account, now)), [0; 5]);
    assert_eq!(admitted(&mut account, MIDNIGHT + DAY), 10);
    assert_eq!(account.idle_at(), MIDNIGHT + 3 * DAY);
}

#[test]
fn what_is_held_when_the_window_turns_is_of_the_window_before() {
    let mut account = LeaseAccount::full(a_day(), MIDNIGHT - 10);
    account.exchange(&ask(1, 1, 8, a_day()), MIDNIGHT - 10).unwrap();
    // It reports, after midnight, that two of them were used, and would keep the others.
    let answer = account.exchange(&Ask { keep: 6, ..ask(1, 2, 0, a_day()) }, MIDNIGHT + 3).unwrap();
    assert_eq!((answer.kept, answer.free), (0, 10));
    let mut account = LeaseAccount::full(a_day(), MIDNIGHT - 10);
    account.exchange(&ask(1, 1, 8, a_day()), MIDNIGHT - 10).unwrap();
    // It was killed, and another asks.
    assert_eq!(account.exchange(&ask(2, 1, 10, a_day()), MIDNIGHT + 3).unwrap().granted, 10);
}

#[test]
fn a_holder_uses_nothing_of_a_window_that_is_over() {
    let mut lease = Lease::new(HolderId(1), a_day(), 0, Habits { lease: LEASE, margin: LEASE / 5, most: 4 });
    let mut account = LeaseAccount::full(a_day(), MIDNIGHT - 100);
    let asked = lease.ask(4, 4, 1_000);
    lease.answered(&account.exchange(&asked, MIDNIGHT - 100).unwrap(), 1_000);
    assert_eq!((lease.held(1_000), lease.held(1_079), lease.held(1_080)), (4, 4, 0));
}

#[test]
fn what_did_not_happen_goes_back_to_its_own_window_only() {
    let mut lease = Lease::new(HolderId(1), a_day(), 0, Habits { lease: LEASE, margin: 0, most: 10 });
    let mut account = LeaseAccount::full(a_day(), MIDNIGHT - 100);
    let mut talk = |lease: &mut Lease, need, now: u64| {
        let local = now + DAY - MIDNIGHT;
        let asked = if need > 0 { lease.ask(need, need, local) } else { lease.inquire(local) };
        let answer = account.exchange(&asked, now).unwrap();
        lease.answered(&answer, local);
        answer
    };
    talk(&mut lease, 4, MIDNIGHT - 100);
    assert!(lease.take(4, DAY - 90));
    // One of them is given back before midnight, and heard of after it: nothing comes of it.
    lease.refund(1, DAY - 90);
    assert_eq!(talk(&mut lease, 6, MIDNIGHT + 5).free, 4);
    assert!(lease.take(6, DAY + 6));
    // Two of the first four end now, and two of the last six.
    lease.refund(2, DAY - 90);
    lease.refund(2, DAY + 6);
    assert_eq!(talk(&mut lease, 0, MIDNIGHT + 7).free, 6);
}

#[test]
fn what_was_used_without_a_grant_counts_in_its_own_window() {
    let mut account = LeaseAccount::full(a_day(), MIDNIGHT + 50);
    let forced = vec![Past { units: 3, ago: 51 }, Past { units: 2, ago: 50 }];
    assert_eq!(account.exchange(&Ask { forced, ..ask(1, 1, 0, a_day()) }, MIDNIGHT + 50).unwrap().free, 8);
}

#[test]
fn other_terms_find_what_was_used_in_the_window_so_far() {
    let used = |terms| {
        let mut account = LeaseAccount::full(terms, MIDNIGHT + 50);
        account
            .exchange(&Ask { forced: vec![Past { units: 4, ago: 0 }], ..ask(1, 1, 0, terms) }, MIDNIGHT + 50)
            .unwrap();
        account
    };
    let twenty = Terms { kind: Kind::Calendar { limit: 20, calendar: Calendar::utc(Every::Day) }, version: 2 };
    let steady = |version| Terms { kind: Kind::Rate { limit: 1, window: DAY, burst: 10 }, version };
    for (before, after, free, window) in [
        (a_day(), twenty, 16, MIDNIGHT),
        (a_day(), ten(Every::Week, 2), 6, MIDNIGHT - 3 * DAY),
        (a_day(), steady(2), 6, 0),
        (steady(1), ten(Every::Day, 2), 6, MIDNIGHT),
    ] {
        let answer = used(before).exchange(&ask(2, 1, 0, after), MIDNIGHT + 60).unwrap();
        assert_eq!((answer.free, answer.window), (free, window), "{before:?} {after:?}");
    }
}

#[test]
fn a_lease_from_before_there_was_a_calendar_counts_in_the_window_in_which_it_ends() {
    let steady = Terms { kind: Kind::Rate { limit: 10, window: DAY, burst: 10 }, version: 1 };
    let mut account = LeaseAccount::full(steady, MIDNIGHT - 100);
    account.exchange(&ask(1, 1, 4, steady), MIDNIGHT - 100).unwrap();
    account.exchange(&ask(2, 1, 0, ten(Every::Day, 2)), MIDNIGHT - 50).unwrap();
    // The first knows of no midnight, and may use all four of them after it.
    assert_eq!(account.exchange(&ask(2, 2, 0, ten(Every::Day, 2)), MIDNIGHT + 1).unwrap().free, 6);
    assert_eq!(account.exchange(&ask(2, 3, 0, ten(Every::Day, 2)), MIDNIGHT + LEASE).unwrap().free, 6);
}
