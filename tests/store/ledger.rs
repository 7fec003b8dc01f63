//! The ledger: exact, whoever books at once, however often the same end is booked, and whatever is killed between.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use jiff::Timestamp;
use tollgate::{
    domain::{
        budget::Alert,
        ids::{AlertId, BudgetId, RequestId, UserId},
        ledger::{Balance, Booked, BudgetAccount, Claim, End, Movement, Order, Purpose, Settlement},
        limit::{Mode, Subject},
        money::Money,
        usage::Usage,
    },
    store::{
        Store,
        ledger::{AlertRow, Unreported},
    },
};
use uuid::Uuid;

use crate::support::{Database, on_both};

on_both!(
    a_hold_is_settled_once_and_what_is_left_is_given_back,
    what_is_billed_beyond_a_hold_is_booked_as_forced,
    a_call_is_held_in_every_budget_or_in_none,
    what_a_batch_gives_back_can_be_held_by_the_same_batch,
    a_hold_that_is_asked_for_and_ends_in_one_batch_is_not_left_open,
    replicas_that_book_at_once_never_overspend_and_never_refuse_what_is_there,
    replicas_that_touch_the_same_budgets_in_other_orders_do_not_wait_for_each_other_for_ever,
    a_request_that_is_booked_twice_takes_nothing_with_it,
    no_entry_can_be_changed_or_deleted,
    a_batch_of_thousands_is_booked,
    a_budget_in_shadow_counts_and_refuses_nothing,
    what_nobody_knows_the_cost_of_is_captured_at_its_hold,
    a_call_that_was_captured_for_lost_and_comes_back_is_amended_to_its_cost_once,
    a_call_that_was_captured_for_lost_and_was_never_forwarded_is_refunded_whole,
    the_orphans_of_a_replica_are_its_own_until_they_come_back,
    a_call_that_was_released_for_lost_and_comes_back_is_billed_whole,
    an_alert_is_kept_once_for_each_account_and_fraction_until_it_is_told,
    balances_of_one_budget_and_period_are_added_up_and_no_others,
    a_replica_that_says_that_it_lives_is_seen_to,
);

fn account(number: u128) -> BudgetAccount {
    BudgetAccount {
        budget: BudgetId(Uuid::from_u128(number)),
        subject: Subject::EVERYBODY,
        since: Timestamp::UNIX_EPOCH,
    }
}

fn money(pusd: i64) -> Money {
    Money::from_pusd(pusd)
}

fn request(number: u128) -> RequestId {
    RequestId(Uuid::from_u128(number))
}

fn purpose() -> Purpose {
    let user = UserId(Uuid::from_u128(7));
    let (route, model) = ("chat".to_owned(), Some("demo".to_owned()));
    Purpose { user, team: None, key: None, route, model, price_version: Some(3) }
}

fn reserve(number: u128, amount: i64, claims: &[(u128, i64)]) -> Order {
    let claim =
        |(budget, limit): &(u128, i64)| Claim { account: account(*budget), limit: money(*limit), mode: Mode::Enforce };
    let claims = claims.iter().map(claim).collect();
    Order::Reserve { request: request(number), amount: money(amount), claims, purpose: purpose() }
}

fn settle(number: u128, cost: i64) -> Order {
    let usage = Usage { input_tokens: 5, output_tokens: 2, ..Usage::default() };
    Order::End {
        request: request(number),
        end: End::Settle { cost: money(cost), usage, estimated: false, served: None },
    }
}

fn release(number: u128) -> Order {
    Order::End { request: request(number), end: End::Release }
}

/// Watches for nothing.
fn nobody(_: &Movement) -> Vec<Alert> {
    vec![]
}

async fn book(db: &Database, orders: Vec<Order>) -> Vec<Booked> {
    db.store.book("here", orders, nobody, db.clock.now()).await.unwrap().0
}

async fn balance(store: &Store, budget: u128) -> (i64, i64) {
    let balances = store.balances(BTreeSet::from([account(budget)])).await.unwrap();
    let Balance { spent, held } = balances.get(&account(budget)).copied().unwrap_or_default();
    (spent.pusd(), held.pusd())
}

fn entries(db: &Database) -> Vec<String> {
    db.texts(
        "SELECT CAST(kind || '=' || amount_pusd || ' ' || output_tokens AS TEXT) AS text FROM ledger_entries ORDER BY request_id, kind",
    )
}

async fn a_hold_is_settled_once_and_what_is_left_is_given_back(db: Database) {
    assert_eq!(book(&db, vec![reserve(1, 60, &[(1, 100)])]).await, [Booked::Held(vec![])]);
    assert_eq!(balance(&db.store, 1).await, (0, 60));
    assert_eq!(db.store.open_holds("here").await.unwrap(), [request(1)]);
    assert_eq!(db.store.open_holds("elsewhere").await.unwrap(), []);
    let ended = Booked::Ended(Settlement { settled: money(25), forced: money(0) });
    assert_eq!(book(&db, vec![settle(1, 25)]).await, [ended]);
    assert_eq!(balance(&db.store, 1).await, (25, 0));
    // Again, by another replica and otherwise, and of a call that never was.
    for again in [settle(1, 25), settle(1, 99), release(1), settle(2, 1)] {
        let (booked, moved) = db.replica().book("elsewhere", vec![again], nobody, db.clock.now()).await.unwrap();
        assert_eq!((booked, moved), (vec![Booked::EndedBefore], vec![]));
    }
    assert_eq!(balance(&db.store, 1).await, (25, 0));
    assert_eq!(entries(&db), ["hold=60 0", "settle=25 2"]);
    assert_eq!(db.store.open_holds("here").await.unwrap(), []);
}

async fn what_is_billed_beyond_a_hold_is_booked_as_forced(db: Database) {
    book(&db, vec![reserve(1, 60, &[(1, 100)])]).await;
    let ended = Booked::Ended(Settlement { settled: money(60), forced: money(70) });
    assert_eq!(book(&db, vec![settle(1, 130)]).await, [ended]);
    assert_eq!(balance(&db.store, 1).await, (130, 0));
    assert_eq!(entries(&db), ["forced=70 0", "hold=60 0", "settle=60 2"]);
    let short = book(&db, vec![reserve(2, 1, &[(1, 100)])]).await;
    assert!(matches!(&short[..], [Booked::Short(shortages)] if shortages[0].balance.spent == money(130)), "{short:?}");
}

async fn a_call_is_held_in_every_budget_or_in_none(db: Database) {
    book(&db, vec![reserve(1, 50, &[(1, 100), (2, 60)])]).await;
    let short = book(&db, vec![reserve(2, 20, &[(1, 100), (2, 60), (3, 10)])]).await;
    let [Booked::Short(shortages)] = &short[..] else { panic!("{short:?}") };
    assert_eq!(shortages.iter().map(|short| short.account).collect::<Vec<_>>(), [account(2), account(3)]);
    for (budget, held) in [(1, 50), (2, 50), (3, 0)] {
        assert_eq!(balance(&db.store, budget).await, (0, held));
    }
    assert_eq!(entries(&db), ["hold=50 0"]);
}

async fn what_a_batch_gives_back_can_be_held_by_the_same_batch(db: Database) {
    book(&db, vec![reserve(1, 100, &[(1, 100)])]).await;
    // The end stands behind the order that needs it.
    let booked = book(&db, vec![reserve(2, 90, &[(1, 100)]), settle(1, 10)]).await;
    assert_eq!(booked, [Booked::Held(vec![]), Booked::Ended(Settlement { settled: money(10), forced: money(0) })]);
    assert_eq!(balance(&db.store, 1).await, (10, 90));
}

async fn a_hold_that_is_asked_for_and_ends_in_one_batch_is_not_left_open(db: Database) {
    let booked = book(&db, vec![reserve(1, 10, &[(1, 100)]), release(1), release(1)]).await;
    let ended = Booked::Ended(Settlement { settled: money(0), forced: money(0) });
    assert_eq!(booked, [Booked::Held(vec![]), ended, Booked::EndedBefore]);
    assert_eq!(balance(&db.store, 1).await, (0, 0));
    assert_eq!(db.store.open_holds("here").await.unwrap(), []);
    assert_eq!(entries(&db), ["hold=10 0", "release=0 0"]);
}

/// Each of four replicas asks for 100 calls at once, and the budget is enough for 100 of the 400 in all.
async fn replicas_that_book_at_once_never_overspend_and_never_refuse_what_is_there(db: Database) {
    let replicas: Vec<Store> = (0..4).map(|_| db.replica()).collect();
    let calls = (0..400_u128).map(|number| {
        let (store, now) = (&replicas[usize::try_from(number % 4).unwrap()], db.clock.now());
        async move {
            let order = reserve(number, 7, &[(1, 700)]);
            let held = store.book("here", vec![order], nobody, now).await.unwrap().0 == [Booked::Held(vec![])];
            if held {
                store.book("here", vec![settle(number, 7)], nobody, now).await.unwrap();
            }
            held
        }
    });
    let passed = join_all(calls).await.into_iter().filter(|held| *held).count();
    assert_eq!(passed, 100);
    assert_eq!(balance(&db.store, 1).await, (700, 0));
    assert_eq!(db.store.open_holds("here").await.unwrap(), []);
}

async fn replicas_that_touch_the_same_budgets_in_other_orders_do_not_wait_for_each_other_for_ever(db: Database) {
    let replicas: Vec<Store> = (0..4).map(|_| db.replica()).collect();
    let calls = (0..80_u128).map(|number| {
        let (store, now) = (&replicas[usize::try_from(number % 4).unwrap()], db.clock.now());
        let budgets = [number % 3, (number + 1) % 3, (number + 2) % 3].map(|budget| (budget, 1_000));
        async move { store.book("here", vec![reserve(number, 1, &budgets)], nobody, now).await.unwrap() }
    });
    assert!(join_all(calls).await.iter().all(|(booked, _)| *booked == [Booked::Held(vec![])]));
    for budget in 0..3 {
        assert_eq!(balance(&db.store, budget).await, (0, 80));
    }
}

async fn a_request_that_is_booked_twice_takes_nothing_with_it(db: Database) {
    book(&db, vec![reserve(1, 10, &[(1, 100)])]).await;
    let orders = vec![reserve(2, 10, &[(1, 100)]), reserve(1, 10, &[(1, 100)])];
    db.store.book("here", orders, nobody, db.clock.now()).await.unwrap_err();
    assert_eq!(balance(&db.store, 1).await, (0, 10));
    assert_eq!(entries(&db), ["hold=10 0"]);
}

async fn no_entry_can_be_changed_or_deleted(db: Database) {
    book(&db, vec![reserve(1, 10, &[(1, 100)])]).await;
    for sql in ["UPDATE ledger_entries SET amount_pusd = 0", "DELETE FROM ledger_entries"] {
        let refused = db.execute(sql).unwrap_err();
        assert!(refused.contains("append-only"), "{refused}");
    }
    assert_eq!(entries(&db), ["hold=10 0"]);
}

async fn a_batch_of_thousands_is_booked(db: Database) {
    let all = 6_000;
    let orders = (0..all).map(|number| reserve(number, 1, &[(number % 50, 1_000)])).collect();
    assert!(book(&db, orders).await.iter().all(|booked| *booked == Booked::Held(vec![])));
    let ends = (0..all).map(|number| settle(number, 2)).collect();
    book(&db, ends).await;
    assert_eq!(balance(&db.store, 0).await, (240, 0));
    assert_eq!(db.store.open_holds("here").await.unwrap(), []);
}

async fn a_budget_in_shadow_counts_and_refuses_nothing(db: Database) {
    let shadow = |number, amount| match reserve(number, amount, &[(1, 100)]) {
        Order::Reserve { request, amount, mut claims, purpose } => {
            claims[0].mode = Mode::Shadow;
            Order::Reserve { request, amount, claims, purpose }
        }
        end @ Order::End { .. } => end,
    };
    assert_eq!(book(&db, vec![shadow(1, 90)]).await, [Booked::Held(vec![])]);
    let held = book(&db, vec![shadow(2, 90)]).await;
    assert!(matches!(&held[..], [Booked::Held(short)] if short[0].balance.held == money(90)), "{held:?}");
    assert_eq!(balance(&db.store, 1).await, (0, 180));
}

async fn what_nobody_knows_the_cost_of_is_captured_at_its_hold(db: Database) {
    book(&db, vec![reserve(1, 40, &[(1, 100)])]).await;
    book(&db, vec![Order::End { request: request(1), end: End::Capture }]).await;
    assert_eq!(balance(&db.store, 1).await, (40, 0));
    assert_eq!(entries(&db), ["hold=40 0", "settle=40 0"]);
}

fn end(number: u128, end: End) -> Order {
    Order::End { request: request(number), end }
}

/// Ends holds of `here` in the name of another replica.
async fn end_elsewhere(db: &Database, orders: Vec<Order>) {
    db.replica().book("elsewhere", orders, nobody, db.clock.now()).await.unwrap();
}

async fn a_call_that_was_captured_for_lost_and_comes_back_is_amended_to_its_cost_once(db: Database) {
    book(&db, vec![reserve(1, 40, &[(1, 100)]), reserve(2, 40, &[(1, 100)])]).await;
    end_elsewhere(&db, vec![end(1, End::Capture), end(2, End::Capture)]).await;
    assert_eq!(balance(&db.store, 1).await, (80, 0));
    // One cost less than was taken, one more.
    let more = Booked::Ended(Settlement { settled: money(0), forced: money(15) });
    assert_eq!(book(&db, vec![settle(1, 30), settle(2, 55)]).await, [Booked::Refunded(money(10)), more]);
    assert_eq!(book(&db, vec![settle(1, 90), settle(2, 90)]).await, [Booked::EndedBefore, Booked::EndedBefore]);
    assert_eq!(balance(&db.store, 1).await, (85, 0));
    assert_eq!(entries(&db), ["hold=40 0", "refund=10 2", "settle=40 0", "forced=15 2", "hold=40 0", "settle=40 0"]);
    assert!(db.store.check_ledger(10).await.unwrap().is_right());
}

async fn a_call_that_was_captured_for_lost_and_was_never_forwarded_is_refunded_whole(db: Database) {
    book(&db, vec![reserve(1, 1_400_000, &[(1, 9_000_000)]), reserve(2, 1_700_000, &[(1, 9_000_000)])]).await;
    end_elsewhere(&db, vec![end(1, End::Capture), end(2, End::Capture)]).await;
    let refunded = Booked::Refunded(money(1_400_000));
    assert_eq!(book(&db, vec![release(1), end(2, End::Capture)]).await, [refunded, Booked::EndedBefore]);
    assert_eq!(balance(&db.store, 1).await, (1_700_000, 0));
    assert!(db.store.check_ledger(10).await.unwrap().is_right());
    let (from, to) = (Timestamp::UNIX_EPOCH, db.clock.now() + std::time::Duration::from_secs(1));
    let filter = tollgate::store::ledger::UsageFilter { from, to, ..Default::default() };
    assert_eq!(db.store.usage(filter, 1).await.unwrap()[0].totals.cost, money(1_700_000));
}

async fn the_orphans_of_a_replica_are_its_own_until_they_come_back(db: Database) {
    book(&db, vec![reserve(1, 40, &[(1, 100)]), reserve(2, 40, &[(1, 100)])]).await;
    end_elsewhere(&db, vec![end(1, End::Capture), release(2)]).await;
    assert_eq!(db.store.orphans_of("here").await.unwrap(), [request(1), request(2)]);
    assert_eq!(db.store.orphans_of("elsewhere").await.unwrap(), []);
    let forced = Booked::Ended(Settlement { settled: money(0), forced: money(40) });
    assert_eq!(book(&db, vec![end(2, End::Capture)]).await, [forced]);
    assert_eq!(db.store.orphans_of("here").await.unwrap(), [request(1)]);
    assert!(db.store.check_ledger(10).await.unwrap().is_right());
}

async fn a_call_that_was_released_for_lost_and_comes_back_is_billed_whole(db: Database) {
    book(&db, vec![reserve(1, 40, &[(1, 100)]), reserve(2, 40, &[(1, 100)])]).await;
    end_elsewhere(&db, vec![release(1), release(2)]).await;
    let whole = Booked::Ended(Settlement { settled: money(0), forced: money(30) });
    assert_eq!(book(&db, vec![settle(1, 30), release(2)]).await, [whole, Booked::EndedBefore]);
    assert_eq!(balance(&db.store, 1).await, (30, 0));
    assert!(db.store.check_ledger(10).await.unwrap().is_right());
    assert_eq!(db.store.forget_orphans(db.clock.now() + std::time::Duration::from_secs(1)).await, Ok(0));
}

async fn an_alert_is_kept_once_for_each_account_and_fraction_until_it_is_told(db: Database) {
    let (clock, now) = (db.clock.clone(), db.clock.now());
    let watch = move |movement: &Movement| {
        let alert = |fraction_ppm| Alert {
            id: AlertId(clock.new_id()),
            account: movement.account,
            fraction_ppm,
            budget: "all".into(),
            spent: movement.after.spent,
            limit: money(100),
        };
        vec![alert(500_000), alert(800_000)]
    };
    let again = watch.clone();
    book(&db, vec![reserve(1, 10, &[(1, 100)]), reserve(2, 10, &[(1, 100)])]).await;
    db.store.book("here", vec![settle(1, 10)], watch, now).await.unwrap();
    db.replica().book("elsewhere", vec![settle(2, 10)], again, now).await.unwrap();
    let untold = async |owner: &str, left| db.store.untold_alerts(owner, left, 10).await.unwrap();
    let mine = untold("here", Unreported::Unrecorded).await;
    let told = |row: &AlertRow| (row.alert.fraction_ppm, row.alert.spent, row.raised_at);
    assert_eq!(mine.iter().map(told).collect::<Vec<_>>(), [(500_000, money(10), now), (800_000, money(10), now)]);
    assert_eq!(untold("elsewhere", Unreported::Unrecorded).await, []);
    db.store.alert_recorded(mine[0].alert.id, false, now).await.unwrap();
    db.store.alert_recorded(mine[1].alert.id, true, now).await.unwrap();
    assert_eq!(untold("here", Unreported::Unrecorded).await, []);
    assert_eq!(untold("here", Unreported::Recorded).await, [mine[0].clone()]);
    db.store.inherit("here", "elsewhere").await.unwrap();
    assert_eq!(untold("elsewhere", Unreported::Recorded).await, [mine[0].clone()]);
    db.store.alert_delivered(mine[0].alert.id, now).await.unwrap();
    assert_eq!(untold("elsewhere", Unreported::Recorded).await, []);
}

async fn balances_of_one_budget_and_period_are_added_up_and_no_others(db: Database) {
    let at = |subject: u128, since: i64| BudgetAccount {
        budget: BudgetId(Uuid::from_u128(1)),
        subject: Uuid::from_u128(subject).into(),
        since: Timestamp::from_second(since).unwrap(),
    };
    let hold = |number, account, amount| Order::Reserve {
        request: request(number),
        amount: Money::from_pusd(amount),
        claims: vec![Claim { account, limit: Money::MAX, mode: Mode::Enforce }],
        purpose: purpose(),
    };
    let orders = vec![
        hold(1, at(1, 0), i64::MAX - 10),
        hold(2, at(2, 0), 7),
        hold(3, at(1, 86_400), 1_000),
        reserve(4, 5, &[(2, 100)]),
    ];
    book(&db, orders).await;
    book(&db, vec![settle(2, 3)]).await;
    let budget = |number: u128| BudgetId(Uuid::from_u128(number));
    let sums = db.store.sums_of(vec![(budget(1), Timestamp::UNIX_EPOCH), (budget(3), Timestamp::UNIX_EPOCH)]).await;
    assert_eq!(sums, Ok(vec![(budget(1), Balance { spent: money(3), held: money(i64::MAX - 10) })]));
    let all = db.store.balances_of(vec![(budget(1), Timestamp::UNIX_EPOCH)]).await.unwrap();
    assert_eq!(all.keys().copied().collect::<Vec<_>>(), [at(1, 0), at(2, 0)]);
}

async fn a_replica_that_says_that_it_lives_is_seen_to(db: Database) {
    assert!(db.store.busy_replicas().await.unwrap().is_empty());
    book(&db, vec![reserve(1, 40, &[(1, 100)])]).await;
    let beats = async || db.store.busy_replicas().await.unwrap().into_iter().collect::<Vec<_>>();
    assert_eq!(beats().await, [("here".to_owned(), None)]);
    for beat in 1..=2 {
        db.store.beat("here").await.unwrap();
        db.store.beat("elsewhere").await.unwrap();
        assert_eq!(beats().await, [("here".to_owned(), Some(beat))]);
    }
    db.store.inherit("here", "elsewhere").await.unwrap();
    assert_eq!(beats().await, [("here".to_owned(), None)]);
    book(&db, vec![release(1)]).await;
    assert_eq!(beats().await, []);
}
