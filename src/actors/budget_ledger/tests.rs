//! The ledger on a real store, with real panics.

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::{
    actors::{announcer::Announcements, roster::Roster, supervisor::Starts},
    clock::Clock,
    domain::{
        ids::{BudgetId, UserId},
        ledger::{Balance, BudgetAccount, Claim, Purpose},
        limit::{Mode, Subject},
        money::Money,
        usage::Usage,
    },
    snapshot::{Snapshot, budgets::BudgetBook},
    store::{Settings, Store, migrations, test_lock::Lock},
};

const LONG: Duration = Duration::from_secs(30);

/// Makes the actor panic with whatever it has in hand and in its queue.
struct Panic;

impl Request for Panic {
    type Answer = ();
}

impl Handler<Ask<Panic>> for BudgetLedger {
    type Result = ();

    fn handle(&mut self, _: Ask<Panic>, _: &mut Self::Context) {
        panic!("as asked");
    }
}

async fn ledger(folder: &tempfile::TempDir, silence: Duration) -> (Ledger, Store) {
    let store = open(folder, LONG);
    (start(&store, "here", silence).await, store)
}

/// A store on a file that another can lock; an operation waits this long for it.
fn open(folder: &tempfile::TempDir, statement_timeout: Duration) -> Store {
    let url = format!("sqlite:{}", folder.path().join("a.db").display());
    migrations::run(&url).unwrap();
    Store::open(&Settings { url, pool_size: 2, acquire_timeout: LONG, statement_timeout }).unwrap()
}

async fn start(store: &Store, owner: &str, silence: Duration) -> Ledger {
    start_with(Ledger::new(1_000, LONG), store, owner, silence).await
}

async fn start_with(ledger: Ledger, store: &Store, owner: &str, silence: Duration) -> Ledger {
    let blueprint = Blueprint {
        store: store.clone(),
        clock: Clock::system(),
        owner: owner.into(),
        budgets: Snapshot::new(BudgetBook::default()),
        announcements: Announcements::new(10, LONG),
        silence,
    };
    ledger.start_here(&Roster::default(), blueprint).await.unwrap();
    ledger
}

fn account() -> BudgetAccount {
    BudgetAccount { budget: BudgetId(Uuid::from_u128(1)), subject: Subject::EVERYBODY, since: Timestamp::UNIX_EPOCH }
}

fn purpose() -> Purpose {
    let user = UserId(Uuid::from_u128(7));
    Purpose { user, team: None, key: None, route: "r".into(), model: None, price_version: None }
}

fn quote(pusd: i64) -> Quote {
    let claim = Claim { account: account(), limit: Money::MAX, mode: Mode::Enforce };
    Quote { amount: Money::from_pusd(pusd), claims: vec![claim], purpose: purpose() }
}

async fn hold(ledger: &Ledger, number: u128) -> OpenHold {
    ledger.reserve(RequestId(Uuid::from_u128(number)), quote(10)).await.unwrap()
}

fn settle(hold: OpenHold) {
    hold.settle(End::Settle { cost: Money::from_pusd(3), usage: Usage::default(), estimated: false, served: None });
}

async fn until_running(ledger: &Ledger) {
    while !ledger.handle().is_running() {
        tokio::task::yield_now().await;
    }
}

/// What is spent, when nothing is held any more.
async fn spent_at_rest(store: &Store) -> i64 {
    loop {
        let balances = store.balances([account()].into()).await.unwrap();
        let Balance { spent, held } = balances[&account()];
        if held == Money::ZERO {
            return spent.pusd();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[actix::test]
async fn ends_that_were_queued_when_the_actor_panicked_are_booked_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, store) = ledger(&folder, LONG).await;
    let mut holds = vec![];
    for number in 0..40 {
        holds.push(hold(&ledger, number).await);
    }
    // Ten ends before the panic, ten behind it in the mailbox, ten when there is no actor, ten after that.
    let rest = holds.split_off(20);
    for (place, hold) in holds.into_iter().enumerate() {
        if place == 10 {
            drop(ledger.handle().hand_over(Panic, ledger.handle().permit().unwrap()));
        }
        settle(hold);
    }
    while ledger.handle().restarts() == 0 {
        tokio::task::yield_now().await;
    }
    let mut rest = rest.into_iter();
    rest.by_ref().take(10).for_each(settle);
    until_running(&ledger).await;
    rest.for_each(settle);
    assert_eq!(spent_at_rest(&store).await, 40 * 3);
    assert_eq!(store.open_holds("here").await, Ok(vec![]));
    assert!(store.check_ledger(10).await.unwrap().is_right());
}

#[actix::test]
async fn a_hold_that_is_being_written_when_the_actor_panics_does_not_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, store) = ledger(&folder, LONG).await;
    for round in 0..20 {
        until_running(&ledger).await;
        let request = RequestId(Uuid::from_u128(round));
        let asked = ledger.reserve(request, quote(10));
        futures_util::pin_mut!(asked);
        // The transaction begins, and then the actor dies with it.
        assert!(futures_util::poll!(&mut asked).is_pending());
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        let panicked = ledger.handle().hand_over(Panic, ledger.handle().permit().unwrap()).unwrap();
        drop(asked.await);
        // The hold may have been answered before the actor dies: what comes next must not be what dies with it.
        assert!(panicked.await.is_err());
    }
    until_running(&ledger).await;
    drop(hold(&ledger, 1_000).await);
    assert_eq!(spent_at_rest(&store).await, 0);
    assert_eq!(store.open_holds("here").await, Ok(vec![]));
}

#[actix::test]
async fn whoever_waits_is_told_when_all_that_came_before_is_booked() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, store) = ledger(&folder, LONG).await;
    for number in 0..50 {
        settle(hold(&ledger, number).await);
        ledger.flushed().await.unwrap();
        let spent = store.balances([account()].into()).await.unwrap()[&account()].spent;
        assert_eq!(spent, Money::from_pusd(3 * i64::try_from(number + 1).unwrap()));
    }
}

/// As a commit that comes after its caller has given up would leave it.
async fn leave_a_hold(store: &Store, owner: &str, number: u128) {
    let Quote { amount, claims, purpose } = quote(10);
    let order = Order::Reserve { request: RequestId(Uuid::from_u128(number)), amount, claims, purpose };
    store.book(owner, vec![order], |_| vec![], Clock::system().now()).await.unwrap();
}

#[actix::test]
async fn a_hold_that_no_call_has_is_resolved_while_those_of_calls_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, store) = ledger(&folder, Duration::from_millis(400)).await;
    let open = hold(&ledger, 1).await;
    leave_a_hold(&store, "here", 2).await;
    while store.open_holds("here").await.unwrap().len() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.open_holds("here").await, Ok(vec![RequestId(Uuid::from_u128(1))]));
    settle(open);
    assert_eq!(spent_at_rest(&store).await, 3);
}

#[actix::test]
async fn the_holds_of_a_silent_replica_are_captured_and_those_of_a_living_one_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let silence = Duration::from_millis(400);
    let (_here, store) = ledger(&folder, silence).await;
    let there = start(&store, "there", silence).await;
    let open = hold(&there, 1).await;
    leave_a_hold(&store, "lost", 2).await;
    while !store.open_holds("lost").await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.open_holds("there").await, Ok(vec![RequestId(Uuid::from_u128(1))]));
    settle(open);
    assert_eq!(spent_at_rest(&store).await, 10 + 3);
}

#[actix::test]
async fn what_was_captured_of_a_call_that_was_never_forwarded_is_refunded_when_its_replica_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let silence = Duration::from_millis(400);
    let (_here, store) = ledger(&folder, silence).await;
    leave_a_hold(&store, "lost", 2).await;
    while !store.open_holds("lost").await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(spent_at_rest(&store).await, 10);
    let _again = start(&store, "lost", silence).await;
    assert_eq!(spent_at_rest(&store).await, 0);
    assert!(store.check_ledger(10).await.unwrap().is_right());
}

#[actix::test]
async fn reserves_are_answered_while_the_store_is_away_and_those_not_sent_leave_nothing_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, Duration::from_millis(50));
    let ledger = start(&store, "here", LONG).await;
    let lock = Lock::on(&folder.path().join("a.db"));
    let first = ledger.reserve(RequestId(Uuid::from_u128(0)), quote(10)).await;
    assert!(matches!(first, Err(NoHold::Unknown)));
    // More than one batch, one after the other and at once.
    for number in 1..600 {
        assert!(matches!(ledger.reserve(RequestId(Uuid::from_u128(number)), quote(10)).await, Err(NoHold::Unknown)));
    }
    let many = (600..1_200).map(|number| ledger.reserve(RequestId(Uuid::from_u128(number)), quote(10)));
    assert!(futures_util::future::join_all(many).await.iter().all(Result::is_err));
    assert!(ledger.flushed().await.is_err());
    // Of the first it is not known whether it is held, so its end waits.
    assert_eq!(ledger.handle().in_flight(), 1);
    drop(lock);
    let held = loop {
        if let Ok(held) = ledger.reserve(RequestId(Uuid::from_u128(2_000)), quote(10)).await {
            break held;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    settle(held);
    assert_eq!(spent_at_rest(&store).await, 3);
    assert_eq!(store.open_holds("here").await, Ok(vec![]));
}

#[actix::test]
async fn behind_a_transaction_that_hangs_for_as_long_as_a_caller_waits_nobody_else_waits() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, LONG);
    let ledger = start_with(Ledger::new(1_000, Duration::from_millis(300)), &store, "here", LONG).await;
    let _lock = Lock::on(&folder.path().join("a.db"));
    let first = ledger.reserve(RequestId(Uuid::from_u128(0)), quote(10)).await;
    assert!(matches!(first, Err(NoHold::Unknown)));
    // This one may come in the moment before the actor knows that the transaction hangs.
    assert!(matches!(ledger.reserve(RequestId(Uuid::from_u128(1)), quote(10)).await, Err(NoHold::Unknown)));
    for number in 2..100 {
        let asked = ledger.reserve(RequestId(Uuid::from_u128(number)), quote(10));
        futures_util::pin_mut!(asked);
        let mut turns = 0;
        while futures_util::poll!(&mut asked).is_pending() {
            turns += 1;
            assert!(turns < 1_000, "call {number} waits for the store");
            tokio::task::yield_now().await;
        }
    }
    assert!(ledger.handle().in_flight() <= 3, "the first reserve, its end, and perhaps the second reserve");
}
