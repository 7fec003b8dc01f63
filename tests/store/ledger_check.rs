//! The check of the books: what is right passes while others book, and whoever writes into them behind the ledger's back
//! is found, with the call or the account.

use futures_util::future::join_all;
use tollgate::{
    domain::{
        ids::{BudgetId, RequestId, UserId},
        ledger::{BudgetAccount, Claim, End, Order, Purpose, check::Fault},
        limit::{Mode, Subject},
        money::Money,
        usage::Usage,
    },
    store::ledger::LedgerReport,
};
use uuid::Uuid;

use crate::support::{Database, on_both};

on_both!(
    an_empty_ledger_is_right,
    a_ledger_of_many_pages_is_right,
    a_ledger_is_checked_as_it_is_at_one_moment_while_others_book,
    whoever_writes_into_the_books_is_found_with_the_call,
    a_balance_that_is_not_what_its_entries_add_up_to_is_found,
    no_more_is_told_than_was_asked_for,
);

fn account(budget: u128) -> BudgetAccount {
    let since = jiff::Timestamp::UNIX_EPOCH;
    BudgetAccount { budget: BudgetId(Uuid::from_u128(budget)), subject: Subject::EVERYBODY, since }
}

fn reserve(number: u128) -> Order {
    let claim = |budget| Claim { account: account(budget), limit: Money::MAX, mode: Mode::Enforce };
    Order::Reserve {
        request: RequestId(Uuid::from_u128(number)),
        amount: Money::from_pusd(10),
        claims: vec![claim(1), claim(2 + number % 3)],
        purpose: Purpose {
            user: UserId(Uuid::from_u128(7)),
            team: None,
            key: None,
            route: "r".into(),
            model: None,
            price_version: None,
        },
    }
}

fn end(number: u128, end: End) -> Order {
    Order::End { request: RequestId(Uuid::from_u128(number)), end }
}

fn settle(number: u128, cost: i64) -> Order {
    end(number, End::Settle { cost: Money::from_pusd(cost), usage: Usage::default(), estimated: false, served: None })
}

async fn book(db: &Database, orders: Vec<Order>) {
    db.store.book("here", orders, |_| vec![], db.clock.now()).await.unwrap();
}

/// Call 1 is settled, 2 is forced beyond its hold, 3 is released, 4 is open.
async fn four_calls(db: &Database) {
    book(db, (1..=4).map(reserve).collect()).await;
    book(db, vec![settle(1, 10), settle(2, 25), end(3, End::Release)]).await;
}

async fn check(db: &Database) -> LedgerReport {
    db.store.check_ledger(10).await.unwrap()
}

/// Does what the triggers are there to refuse.
fn tamper(db: &Database, sql: &str) {
    if db.url.starts_with("sqlite:") {
        for trigger in ["update", "delete"] {
            db.execute(&format!("DROP TRIGGER IF EXISTS ledger_entries_refuse_{trigger}")).unwrap();
        }
    } else {
        db.execute("ALTER TABLE ledger_entries DISABLE TRIGGER ALL").unwrap();
    }
    db.execute(sql).unwrap();
}

async fn an_empty_ledger_is_right(db: Database) {
    let report = check(&db).await;
    assert!(report.is_right() && report.calls == 0 && report.balances == 0, "{report:?}");
}

async fn a_ledger_of_many_pages_is_right(db: Database) {
    let all = 12_000;
    book(&db, (0..all).map(reserve).collect()).await;
    book(&db, (0..all - 5).map(|number| settle(number, i64::try_from(number % 20).unwrap())).collect()).await;
    let report = check(&db).await;
    assert!(report.is_right(), "{report:?}");
    assert_eq!((report.calls, report.open, report.balances), (12_000, 5, 4));
}

async fn a_ledger_is_checked_as_it_is_at_one_moment_while_others_book(db: Database) {
    let busy = join_all((0..200).map(|number| {
        let (store, now) = (db.store.clone(), db.clock.now());
        async move {
            store.book("here", vec![reserve(number)], |_| vec![], now).await.unwrap();
            store.book("here", vec![settle(number, 7)], |_| vec![], now).await.unwrap();
        }
    }));
    let look = async {
        for _ in 0..10 {
            let report = check(&db).await;
            assert!(report.is_right(), "{report:?}");
        }
    };
    futures_util::future::join(busy, look).await;
    assert_eq!(check(&db).await.calls, 200);
}

/// What somebody does to the books, how it is undone, and what is found of it.
struct Forgery {
    change: String,
    back: String,
    call: u128,
    fault: Fault,
}

fn id(call: u128) -> String {
    Uuid::from_u128(call).to_string()
}

fn of(call: u128, kind: &str) -> String {
    format!("request_id = '{}' AND kind = '{kind}'", id(call))
}

/// Writes `wrong` in place of `right` into the rows of a call.
fn forged(
    (table, column): (&str, &str),
    (wrong, right): (&str, &str),
    rows: &str,
    call: u128,
    fault: Fault,
) -> Forgery {
    let set = |value: &str| format!("UPDATE {table} SET {column} = {value} WHERE {rows}");
    Forgery { change: set(wrong), back: set(right), call, fault }
}

fn forgeries() -> Vec<Forgery> {
    let amount = |wrong, right, call, kind, fault| {
        forged(("ledger_entries", "amount_pusd"), (wrong, right), &of(call, kind), call, fault)
    };
    let rename = |column: &str, wrong: &str, rows: String, back: String, call, fault| Forgery {
        change: format!("UPDATE ledger_entries SET {column} = '{wrong}' WHERE {rows}"),
        back: format!("UPDATE ledger_entries SET {column} = {back}"),
        call,
        fault,
    };
    let hold_of_three = format!("(SELECT accounts FROM ledger_entries WHERE {})", of(3, "hold"));
    vec![
        amount("11", "10", 1, "settle", Fault::SettledBeyondHold),
        amount("9", "10", 2, "settle", Fault::ForcedBelowHold),
        amount("1", "0", 3, "release", Fault::ReleasedAmount),
        forged(
            ("ledger_holds", "amount_pusd"),
            ("9", "10"),
            &format!("request_id = '{}'", id(4)),
            4,
            Fault::OpenOtherAmount,
        ),
        forged(("ledger_entries", "accounts"), ("'x'", &hold_of_three), &of(3, "release"), 3, Fault::OtherAccounts),
        rename("kind", "x", of(2, "forced"), format!("'forced' WHERE {}", of(2, "x")), 2, Fault::UnknownKind),
        rename("request_id", &id(9), of(4, "hold"), format!("'{}' WHERE {}", id(4), of(9, "hold")), 4, Fault::NoHold),
    ]
}

async fn whoever_writes_into_the_books_is_found_with_the_call(db: Database) {
    four_calls(&db).await;
    assert!(check(&db).await.is_right());
    for Forgery { change, back, call, fault } in forgeries() {
        tamper(&db, &change);
        let report = check(&db).await;
        let found = report.wrong_calls.iter().find(|found| found.request == id(call));
        assert!(found.is_some_and(|found| found.faults.contains(&fault)), "{change}: {report:?}");
        assert!(!report.is_right());
        tamper(&db, &back);
        assert!(check(&db).await.is_right(), "{back}");
    }
    tamper(&db, &format!("DELETE FROM ledger_entries WHERE {}", of(1, "settle")));
    let report = check(&db).await;
    assert_eq!(report.wrong_calls[0].faults, [Fault::HoldWithoutEnd]);
    assert_eq!(report.wrong_accounts.len(), 2, "{report:?}");
}

async fn a_balance_that_is_not_what_its_entries_add_up_to_is_found(db: Database) {
    four_calls(&db).await;
    for column in ["spent_pusd", "held_pusd"] {
        for by in [1, -1, 1_000_000, 4_000_000_000_000_000_000_i64] {
            let first = "account = (SELECT MIN(account) FROM ledger_balances)";
            db.execute(&format!("UPDATE ledger_balances SET {column} = {column} + {by} WHERE {first}")).unwrap();
            let report = check(&db).await;
            let [wrong] = &report.wrong_accounts[..] else { panic!("{by}: {report:?}") };
            let differs = (wrong.spent - wrong.spent_by_entries) + (wrong.held - wrong.held_by_holds);
            assert_eq!((differs, report.wrong_calls.len()), (by.into(), 0), "{column} {by}");
            db.execute(&format!("UPDATE ledger_balances SET {column} = {column} - {by} WHERE {first}")).unwrap();
        }
    }
    db.execute("DELETE FROM ledger_balances").unwrap();
    let report = check(&db).await;
    // That of the call that was released alone has nothing, as it should.
    assert_eq!((report.balances, report.wrong_accounts.len()), (0, 3), "{report:?}");
}

async fn no_more_is_told_than_was_asked_for(db: Database) {
    four_calls(&db).await;
    tamper(&db, "UPDATE ledger_entries SET amount_pusd = -1 WHERE kind = 'hold'");
    let report = db.store.check_ledger(2).await.unwrap();
    assert_eq!((report.wrong_calls.len(), report.more, report.balances_checked), (2, true, false));
}
