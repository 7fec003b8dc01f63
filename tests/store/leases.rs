//! Leases in Redis: the script does what the pure rules say, and a Redis that forgot grants nothing.

use std::time::Duration;

use deadpool_redis::redis::{self, Commands, Connection};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use tollgate::{
    clock::Clock,
    domain::{
        lease::{Ask, ExactTerms, HolderId, Kind, LeaseAccount, Past, Terms},
        limit::rate::Rate,
    },
    store::{
        StoreError,
        redis::{
            Redis, Timeouts, Way,
            leases::{Exchanged, PriorUse, account_key, history_key_of},
        },
    },
};

use crate::support::block_on;

/// A database of its own on the Redis that tests are given, empty.
fn database(number: u8) -> (Redis, Connection) {
    let server = std::env::var("TOLLGATE_TEST_REDIS")
        .unwrap_or_else(|_| panic!("TOLLGATE_TEST_REDIS is not set; run the tests with scripts/test"));
    let url = format!("{}/{number}", server.trim_end_matches('/'));
    let mut connection = redis::Client::open(url.as_str()).unwrap().get_connection().unwrap();
    let _: () = redis::cmd("FLUSHDB").query(&mut connection).unwrap();
    (Redis::connect(&url, &Way::Server, Timeouts::default()).unwrap(), connection)
}

/// A busy test machine may need longer than 50 ms.
fn patiently<T>(mut ask: impl FnMut() -> Result<T, StoreError>) -> T {
    (0..50).find_map(|_| ask().ok()).unwrap()
}

fn new_account() -> String {
    Clock::system().new_id().to_string()
}

fn stored(connection: &mut Connection, account: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = connection.hgetall(account_key(account)).unwrap();
    fields.sort();
    fields
}

/// What the script would store of this account.
fn as_stored(account: &LeaseAccount) -> Vec<(String, String)> {
    let (refill, unit, burst) = match account.terms.kind {
        Kind::Rate { limit, window, burst } => (limit, window, burst),
        Kind::Concurrent { limit } => (0, 1, limit),
        Kind::Calendar { .. } => unreachable!("what a calendar counts is kept in the store"),
    };
    let mut fields = vec![
        ("refill".to_owned(), refill.to_string()),
        ("unit".to_owned(), unit.to_string()),
        ("burst".to_owned(), burst.to_string()),
        ("version".to_owned(), account.terms.version.to_string()),
        ("level".to_owned(), account.level.to_string()),
        ("at".to_owned(), account.at.to_string()),
    ];
    fields.extend(
        account
            .holders
            .iter()
            .map(|(id, own)| (format!("h:{:032x}", id.0), format!("{} {} {}", own.units, own.seq, own.until))),
    );
    fields.sort();
    fields
}

fn terms() -> impl Strategy<Value = Terms> {
    let rate = (1u64..2_000, 1u64..20, 1u64..200).prop_map(|(limit, window_s, burst)| {
        let exact = ExactTerms::rate(Rate::new(limit, window_s, burst).unwrap(), 0).unwrap();
        assert_eq!(exact.moment_us, 1);
        exact.terms
    });
    prop_oneof![4 => rate, 1 => (1u64..50).prop_map(|limit| ExactTerms::concurrent(limit, 0).terms)]
}

fn past() -> impl Strategy<Value = Vec<Past>> {
    prop::collection::vec((0u64..10, 0u64..3_000).prop_map(|(units, ago)| Past { units, ago }), 0..3)
}

/// Asks that repeat numbers, outlive leases, know little of the time and change the terms now and then.
fn asks() -> impl Strategy<Value = Vec<(Ask, u64)>> {
    let versions = prop::collection::vec(terms(), 3);
    let one = (
        (0u128..4, 0usize..30, 0u64..3_000, 1u64..5, 0u64..20, 0u64..20, 0u64..3_000),
        (past(), 0u64..20, 0u64..20, 0u64..40),
        (prop_oneof![100u64..3_000, Just(5_000_000)], 0u64..2_000, past()),
    );
    (versions, prop::collection::vec(one, 1..25)).prop_map(|(versions, all)| {
        let ask = |(i, one): (usize, _)| {
            let (who, (forced, need, waiting, want), (lease, late, refunds)) = one;
            let (holder, age, terms_ago, step, keep, back, used_ago) = who;
            let version = [2, 1, 0][[age == 0, age < 15, true].iter().position(|yes| *yes).unwrap()];
            let ask = Ask {
                holder: HolderId(holder),
                terms: Terms { version: i64::try_from(version).unwrap(), ..versions[version] },
                terms_ago,
                seq: u64::try_from(i).unwrap() / step + 1,
                keep,
                back,
                used_ago,
                forced,
                at_least: if want > 35 { need } else { 0 },
                refunds,
                window: 0,
                sent: None,
                need,
                waiting,
                want,
                lease,
            };
            (ask, late)
        };
        all.into_iter().enumerate().map(ask).collect()
    })
}

/// True if Redis has answered every ask in time. It may forget an account whose leases have ended and that has refilled;
/// until then it is kept from that.
fn agree(redis: &Redis, connection: &mut Connection, asks: &[(Ask, u64)]) -> bool {
    let name = new_account();
    let (mut known, mut at) = (None, 0u64);
    for (ask, late) in asks {
        let ask = Ask { sent: at.checked_sub(*late), ..ask.clone() };
        let mut account = known.take().unwrap_or_else(|| LeaseAccount::spent(ask.terms, 0));
        match block_on(redis.exchange(&name, &ask, 1)) {
            Ok(Exchanged::Answered(answer)) => assert_eq!(account.exchange(&ask, answer.at), Ok(answer), "{ask:?}"),
            Ok(Exchanged::Stale) => assert!(account.exchange(&ask, account.at).is_err(), "{ask:?} {account:?}"),
            Err(StoreError::Unavailable(text)) if text.contains("no answer") || text.contains("imed out") => {
                return false;
            }
            other => panic!("{other:?}"),
        }
        at = account.at;
        connection.persist::<_, ()>(account_key(&name)).unwrap();
        let stored = stored(connection, &name);
        if !stored.is_empty() {
            assert_eq!(stored, as_stored(&account), "{ask:?}");
            known = Some(account);
        }
    }
    true
}

#[test]
fn leases_in_redis_go_by_the_pure_rules() {
    let (redis, mut connection) = database(4);
    patiently(|| block_on(redis.begin_generation(PriorUse::None)));
    let mut answered = 0;
    let mut runner = TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() });
    for _ in 0..300 {
        let asks = asks().new_tree(&mut runner).unwrap().current();
        answered += u32::from(agree(&redis, &mut connection, &asks));
    }
    assert!(answered > 150, "only {answered} sequences were answered in time");
}

fn ask(terms: Terms, seq: u64, need: u64) -> Ask {
    Ask {
        holder: HolderId(1),
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
        lease: 500_000,
    }
}

#[test]
fn leases_in_a_redis_that_forgot_are_not_granted_until_a_generation_begins_and_then_at_the_rate_alone() {
    let (redis, mut connection) = database(5);
    let terms = ExactTerms::rate(Rate::new(1, 3_600, 10).unwrap(), 1).unwrap().terms;
    let name = new_account();
    let exchange = |seq| patiently(|| block_on(redis.exchange(&name, &ask(terms, seq, 1), 1)));
    assert_eq!(exchange(1), Exchanged::Forgotten);
    patiently(|| block_on(redis.begin_generation(PriorUse::None)));
    assert!(matches!(exchange(2), Exchanged::Answered(answer) if answer.granted == 1));
    let _: () = redis::cmd("FLUSHDB").query(&mut connection).unwrap();
    assert_eq!(exchange(3), Exchanged::Forgotten);
    patiently(|| block_on(redis.begin_generation(PriorUse::Unknown { lease: Duration::ZERO })));
    patiently(|| block_on(redis.begin_generation(PriorUse::None)));
    let Exchanged::Answered(answer) = exchange(4) else { panic!("not answered") };
    assert_eq!((answer.granted, answer.free), (0, 0));
    assert!(answer.fits_in.is_some_and(|us| (3_000_000_000..=3_600_000_000).contains(&us)));
}

#[test]
fn leases_may_still_be_held_when_redis_forgets_so_it_waits_for_their_end() {
    let (redis, _connection) = database(6);
    patiently(|| block_on(redis.begin_generation(PriorUse::Unknown { lease: Duration::from_mins(1) })));
    let terms = ExactTerms::concurrent(3, 1).terms;
    let answer = patiently(|| block_on(redis.exchange(&new_account(), &ask(terms, 1, 1), 1)));
    assert_eq!(answer, Exchanged::Forgotten);
}

#[test]
fn leases_at_a_key_of_another_type_are_an_error() {
    let (redis, mut connection) = database(7);
    patiently(|| block_on(redis.begin_generation(PriorUse::None)));
    let name = new_account();
    let _: () = connection.set(account_key(&name), "text").unwrap();
    let terms = ExactTerms::concurrent(3, 1).terms;
    assert!((0..3).all(|seq| block_on(redis.exchange(&name, &ask(terms, seq, 1), 1)).is_err()));
}

/// The keys of an account and of its slot, as they were.
struct Snapshot(Vec<(String, Vec<u8>)>);

impl Snapshot {
    fn of(connection: &mut Connection, account: &str) -> Self {
        let keys = [account_key(account), history_key_of(account)];
        Self(keys.map(|key| (key.clone(), redis::cmd("DUMP").arg(key).query(connection).unwrap())).into())
    }

    fn restore(&self, connection: &mut Connection) {
        for (key, bytes) in &self.0 {
            let () = redis::cmd("RESTORE").arg(key).arg(0).arg(bytes).arg("REPLACE").query(connection).unwrap();
        }
    }
}

/// An account of ten units that refills one in an hour, of which `used` are used.
fn used_account(number: u8, used: u64) -> (Redis, Connection, String, Terms) {
    let (redis, connection) = database(number);
    patiently(|| block_on(redis.begin_generation(PriorUse::None)));
    let terms = ExactTerms::rate(Rate::new(1, 3_600, 10).unwrap(), 1).unwrap().terms;
    let name = new_account();
    let answer = patiently(|| block_on(redis.exchange(&name, &ask(terms, 1, used), 1)));
    assert!(matches!(answer, Exchanged::Answered(answer) if answer.granted == used), "{answer:?}");
    (redis, connection, name, terms)
}

/// After `forget` Redis grants nothing until a generation begins, and then counts everything as used.
fn forgotten_is_not_granted_again(number: u8, forget: impl Fn(&mut Connection, &str)) {
    let (redis, mut connection, name, terms) = used_account(number, 3);
    forget(&mut connection, &name);
    let exchange = |seq| patiently(|| block_on(redis.exchange(&name, &ask(terms, seq, 1), 1)));
    assert_eq!(exchange(2), Exchanged::Forgotten);
    assert!(patiently(|| block_on(redis.begin_generation(PriorUse::Unknown { lease: Duration::ZERO }))));
    let Exchanged::Answered(answer) = exchange(3) else { panic!("not answered") };
    assert_eq!((answer.granted, answer.free), (0, 0));
    assert!(!patiently(|| block_on(redis.begin_generation(PriorUse::Unknown { lease: Duration::ZERO }))));
}

#[test]
fn leases_of_another_run_of_the_server_are_not_taken_at_their_word() {
    forgotten_is_not_granted_again(8, |connection, name| {
        let history = history_key_of(name);
        let members: Vec<(String, f64)> = connection.zrange_withscores(&history, 0, -1).unwrap();
        let (run, score) = members.into_iter().find(|(member, _)| member.starts_with("run:")).unwrap();
        let () = connection.zrem(&history, run).unwrap();
        let () = connection.zadd(&history, "run:0123456789abcdef0123456789abcdef01234567", score).unwrap();
    });
}

#[test]
fn leases_are_not_granted_where_the_history_of_the_slot_was_evicted_and_the_account_was_not() {
    forgotten_is_not_granted_again(9, |connection, name| connection.del(history_key_of(name)).unwrap());
}

#[test]
fn leases_are_not_granted_where_all_is_gone() {
    forgotten_is_not_granted_again(10, |connection, _| redis::cmd("FLUSHDB").query(connection).unwrap());
}

#[test]
fn leases_of_a_server_that_went_back_in_the_same_run_are_not_taken_at_their_word() {
    let (redis, mut connection, name, terms) = used_account(11, 3);
    let snapshot = Snapshot::of(&mut connection, &name);
    let exchange = |seq| patiently(|| block_on(redis.exchange(&name, &ask(terms, seq, 1), 1)));
    for seq in 2..9 {
        assert!(matches!(exchange(seq), Exchanged::Answered(answer) if answer.granted == 1));
    }
    snapshot.restore(&mut connection);
    assert_eq!(exchange(9), Exchanged::Forgotten);
    assert!(patiently(|| block_on(redis.begin_generation(PriorUse::Unknown { lease: Duration::ZERO }))));
    let Exchanged::Answered(answer) = exchange(10) else { panic!("not answered") };
    assert_eq!((answer.granted, answer.free), (0, 0));
    // A snapshot of an earlier generation is older than anything in this one.
    snapshot.restore(&mut connection);
    assert_eq!(exchange(11), Exchanged::Forgotten);
}

#[test]
fn leases_of_an_account_that_alone_was_deleted_or_evicted_count_as_held_and_then_as_used() {
    let (redis, mut connection, name, terms) = used_account(12, 3);
    let short = |seq| Ask { lease: 200_000, ..ask(terms, seq, 1) };
    let exchange = |seq| patiently(|| block_on(redis.exchange(&name, &short(seq), 1)));
    let () = connection.del(account_key(&name)).unwrap();
    let Exchanged::Answered(answer) = exchange(2) else { panic!("not answered") };
    assert_eq!((answer.granted, answer.free, answer.holders), (0, 0, 1));
    // Until the longest lease has ended, and one unit has refilled.
    let fits_in = answer.fits_in.unwrap();
    assert!((3_600_000_000..=3_600_200_000).contains(&fits_in), "{fits_in}");
    let is_charged = |seq: u64| matches!(exchange(seq), Exchanged::Answered(answer) if answer.holders == 0);
    assert!((3..1_000_000).any(is_charged));
    let Exchanged::Answered(answer) = exchange(2_000_000) else { panic!("not answered") };
    assert_eq!((answer.granted, answer.free), (0, 0));
}

#[test]
fn leases_hold_where_scripts_were_flushed() {
    let (redis, mut connection, name, terms) = used_account(13, 3);
    let () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut connection).unwrap();
    let Exchanged::Answered(answer) = patiently(|| block_on(redis.exchange(&name, &ask(terms, 2, 7), 1))) else {
        panic!("not answered")
    };
    assert_eq!((answer.granted, answer.free), (7, 0));
}
