//! Accounts of leases that outlive the process: exact, whoever asks at once and whatever is killed between.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use tollgate::{
    domain::{
        calendar::{Calendar, Every},
        lease::{Answer, Ask, HolderId, Kind, LeaseAccount, Past, Terms},
    },
    store::{Store, StoreError},
};

use crate::support::{Database, on_both};

on_both!(
    the_store_goes_by_the_pure_rules,
    another_process_finds_what_was_used,
    many_that_ask_at_once_are_granted_exactly_the_burst,
    asks_for_one_account_in_one_transaction_follow_each_other,
    an_unreadable_account_fails_nobody_else,
    the_count_of_a_calendar_window_is_kept_for_a_day_after_it,
    only_accounts_that_are_idle_are_forgotten,
    a_gateway_whose_clock_is_wrong_forgets_no_account_in_use,
    a_vault_is_recorded_once_whoever_is_first,
);

const HOUR: u64 = 3_600_000_000;

fn terms(burst: u64) -> Terms {
    Terms { kind: Kind::Rate { limit: 1, window: HOUR, burst }, version: 1 }
}

fn ask(holder: u128, seq: u64, need: u64, terms: Terms) -> Ask {
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
        lease: 5_000_000,
    }
}

async fn exchange(db: &Database, store: &Store, name: &str, ask: &Ask) -> Option<Answer> {
    let mut answers = store.exchange_quotas(vec![(name.into(), ask.clone())], db.clock.now()).await.unwrap();
    answers.remove(0).unwrap()
}

/// A day of UTC.
fn calendar(limit: u64) -> Terms {
    Terms { kind: Kind::Calendar { limit, calendar: Calendar::utc(Every::Day) }, version: 1 }
}

fn asks(terms: Terms) -> impl Strategy<Value = Vec<Ask>> {
    let one = (
        0u128..3,
        0u64..20,
        0u64..20,
        0u64..1_000,
        0u64..5,
        0u64..30,
        prop::collection::vec((0u64..9, 0u64..99), 0..3),
    );
    prop::collection::vec(one, 1..12).prop_map(move |all| {
        let ask = |(i, (holder, keep, back, used_ago, forced, need, refunds)): (usize, _)| {
            let refunds: Vec<(u64, u64)> = refunds;
            Ask {
                keep,
                back,
                used_ago,
                forced: vec![Past { units: forced, ago: used_ago / 2 }],
                refunds: refunds.into_iter().map(|(units, ago)| Past { units, ago }).collect(),
                want: need * 2,
                at_least: if need > 25 { need } else { 0 },
                ..ask(holder, u64::try_from(i).unwrap() / 2 + 1, need, terms)
            }
        };
        all.into_iter().enumerate().map(ask).collect()
    })
}

async fn the_store_goes_by_the_pure_rules(db: Database) {
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..Default::default() });
    for i in 0..30 {
        let (name, mut account) = (format!("requests/user/p/{i}"), None);
        let terms = if i % 2 == 0 { terms(200) } else { calendar(200) };
        for ask in asks(terms).new_tree(&mut runner).unwrap().current() {
            let answer = exchange(&db, &db.store, &name, &ask).await;
            let at = answer.map_or(0, |answer| answer.at);
            let account: &mut LeaseAccount = account.get_or_insert_with(|| LeaseAccount::full(ask.terms, at));
            assert_eq!(account.exchange(&ask, at).ok(), answer, "{ask:?}");
            db.clock.advance(Duration::from_millis(7));
        }
    }
}

async fn another_process_finds_what_was_used(db: Database) {
    let first = exchange(&db, &db.store, "a", &ask(1, 1, 7, terms(10))).await.unwrap();
    assert_eq!((first.granted, first.free), (7, 3));
    let next = exchange(&db, &db.replica(), "a", &ask(2, 1, 4, terms(10))).await.unwrap();
    assert_eq!((next.granted, next.free), (0, 3));
    let names: Vec<_> = db.texts("SELECT account AS text FROM quota_accounts");
    assert_eq!(names, ["a"]);
}

async fn many_that_ask_at_once_are_granted_exactly_the_burst(db: Database) {
    let stores: Vec<Store> = (0..2).map(|_| db.replica()).collect();
    let names: [Arc<str>; 3] = ["x".into(), "y".into(), "z".into()];
    let tasks = (0..8u128).map(|task| {
        let (store, names, now) = (&stores[usize::try_from(task % 2).unwrap()], &names, db.clock.now());
        async move {
            let mut granted = [0; 3];
            for seq in 1..20 {
                // Each begins elsewhere.
                let order = (0..3).map(|i| (i + usize::try_from(task).unwrap()) % 3).collect::<Vec<_>>();
                let asks = order.iter().map(|i| (names[*i].clone(), ask(task, seq, 1, terms(100)))).collect();
                for (i, answer) in order.iter().zip(store.exchange_quotas(asks, now).await.unwrap()) {
                    granted[*i] += answer.unwrap().unwrap().granted;
                }
            }
            granted
        }
    });
    let granted = join_all(tasks).await;
    assert_eq!([0, 1, 2].map(|i| granted.iter().map(|each| each[i]).sum::<u64>()), [100; 3]);
}

async fn asks_for_one_account_in_one_transaction_follow_each_other(db: Database) {
    let asks = [(1, 6), (2, 6), (3, 4)].map(|(holder, need)| (Arc::from("a"), ask(holder, 1, need, terms(10))));
    let answers = db.store.exchange_quotas(asks.to_vec(), db.clock.now()).await.unwrap();
    let granted: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().unwrap().granted).collect();
    assert_eq!(granted, [6, 0, 4]);
}

async fn an_unreadable_account_fails_nobody_else(db: Database) {
    for name in ["good", "bad"] {
        exchange(&db, &db.store, name, &ask(1, 1, 1, terms(10))).await.unwrap();
    }
    db.execute("UPDATE quota_accounts SET state = '{\"version\":1}' WHERE account = 'bad'").unwrap();
    let asks = ["good", "bad"].map(|name| (name.into(), ask(2, 1, 1, terms(10)))).to_vec();
    let answers = db.store.exchange_quotas(asks, db.clock.now()).await.unwrap();
    assert_eq!(answers[0].clone().unwrap().unwrap().granted, 1);
    assert!(matches!(&answers[1], Err(StoreError::Corrupt(text)) if text.contains("bad")), "{answers:?}");
}

async fn only_accounts_that_are_idle_are_forgotten(db: Database) {
    let quick = Terms { kind: Kind::Rate { limit: 1_000, window: 1_000_000, burst: 10 }, version: 1 };
    let at = exchange(&db, &db.store, "quick", &ask(1, 1, 1, quick)).await.unwrap().at;
    exchange(&db, &db.store, "slow", &ask(1, 1, 1, terms(10))).await.unwrap();
    // Its lease ends after five seconds, and its one unit is back a millisecond later.
    let idle_at = db.texts("SELECT CAST(idle_at AS TEXT) AS text FROM quota_accounts WHERE account = 'quick'");
    assert_eq!(idle_at, [(at + 5_001_000).to_string()]);
    // What is idle was idle for less than a minute, and then for longer.
    for (kept_for_us, forgotten) in [(59_000_000, 0), (61_000_000, 1)] {
        let set = format!("UPDATE quota_accounts SET idle_at = {} WHERE account = 'quick'", at - kept_for_us);
        db.execute(&set).unwrap();
        assert_eq!(db.store.purge_quota_accounts(db.clock.now()).await.unwrap(), forgotten);
    }
    assert_eq!(db.texts("SELECT account AS text FROM quota_accounts"), ["slow"]);
}

async fn the_count_of_a_calendar_window_is_kept_for_a_day_after_it(db: Database) {
    let answer = exchange(&db, &db.store, "day", &ask(1, 1, 7, calendar(10))).await.unwrap();
    let next = exchange(&db, &db.replica(), "day", &ask(2, 1, 4, calendar(10))).await.unwrap();
    assert_eq!((answer.granted, next.granted, next.free), (7, 0, 3));
    let idle_at = db.texts("SELECT CAST(idle_at AS TEXT) AS text FROM quota_accounts");
    assert_eq!(idle_at, [(answer.window + 2 * 86_400_000_000).to_string()]);
    // What an older version, which knows no time zone of this name, would find.
    db.execute("UPDATE quota_accounts SET state = REPLACE(state, '\"UTC\"', '\"Mars\"')").unwrap();
    let asks = vec![("day".into(), ask(3, 1, 1, calendar(10)))];
    let answers = db.store.exchange_quotas(asks, db.clock.now()).await.unwrap();
    assert!(matches!(&answers[0], Err(StoreError::Corrupt(text)) if text.contains("Mars")), "{answers:?}");
}

/// On SQLite there is one process, whose clock is that of the accounts.
async fn a_gateway_whose_clock_is_wrong_forgets_no_account_in_use(db: Database) {
    exchange(&db, &db.store, "slow", &ask(1, 1, 1, terms(10))).await.unwrap();
    if !db.url.starts_with("sqlite:") {
        db.clock.advance(Duration::from_hours(48));
    }
    assert_eq!(db.store.purge_quota_accounts(db.clock.now()).await.unwrap(), 0);
    assert_eq!(db.texts("SELECT account AS text FROM quota_accounts"), ["slow"]);
}

async fn a_vault_is_recorded_once_whoever_is_first(db: Database) {
    let stores: Vec<Store> = (0..8).map(|_| db.replica()).collect();
    let recorded = join_all(stores.iter().map(|store| store.record_quota_vault("redis", db.clock.now()))).await;
    assert_eq!(recorded.into_iter().filter(|recorded| *recorded == Ok(true)).count(), 1);
    assert_eq!(db.store.record_quota_vault("redis", db.clock.now()).await, Ok(false));
    assert_eq!(db.store.record_quota_vault("another", db.clock.now()).await, Ok(true));
}
