//! A replica that does not come back, or only seems lost: what it held is resolved once, and `tollgate ledger check` finds
//! the books right, while gateways book and after all of it.

use serde_json::Value;

use super::support::{
    Database, Exchange, Gateway, Home, Message, Upstream, Wire, database, eventually, request, with_upstream,
};

/// One priced route to an upstream, one budget, and a second of silence before a replica is taken for lost.
fn priced(upstream: &Upstream) -> String {
    let sections = "[ledger]\nsilence_s = 1\n[[budgets]]\nname = \"all\"\nscope = \"global\"\nlimit_usd = \"1\"\n\
                    period = \"total\"\nalert_at = [0.000001]\n";
    let meter = "meter = { fixed_usd = \"0.002\" }\n";
    format!("{}{meter}", with_upstream(upstream.address(), "", sections))
}

fn home(database: &Database, upstream: &Upstream) -> Home {
    let home = database.home();
    home.rewrite_config(&priced(upstream));
    home
}

fn budget(gateway: &Gateway, token: &str) -> Value {
    gateway.get("/admin/budgets", token).json()["items"][0].clone()
}

fn at_rest(gateway: &Gateway, token: &str) -> Value {
    eventually("the end of all holds", || {
        let budget = budget(gateway, token);
        (budget["held_usd"] == "0").then_some(budget)
    })
}

/// A call that the upstream has and has not answered.
fn under_way(gateway: &Gateway, token: &str, upstream: &Upstream) -> (Wire, Exchange) {
    let mut client = gateway.connect();
    client.say(request("GET", "/up", token));
    (client, upstream.exchange())
}

fn answered((mut client, mut exchange): (Wire, Exchange)) -> Message {
    exchange.answer("done");
    client.message()
}

fn assert_ledger(home: &Home, code: i32, words: &str) {
    let output = home.run(&["ledger", "check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(code) && said.contains(words), "{:?}: {said}", output.status);
}

#[test]
fn what_a_replica_held_that_never_comes_back_is_captured_by_another() {
    let (database, upstream) = (Database::create(), Upstream::start());
    let homes = [home(&database, &upstream), home(&database, &upstream)];
    let [lost, left] = homes.each_ref().map(Home::start);
    let token = left.admin();
    let call = under_way(&lost, &token, &upstream);
    assert_eq!(budget(&left, &token)["held_usd"], "0.002");
    assert_ledger(&homes[1], 0, "1 open holds");
    lost.kill();
    let budget = at_rest(&left, &token);
    assert_eq!(budget["spent_usd"], "0.002", "{budget}");
    drop(call);
    // The one that is left tells what there is to tell.
    eventually("the record of the alert", || {
        let records = left.get("/admin/audit", &token).text();
        records.contains("budget-alert: all at 0.000001").then_some(())
    });
    assert_ledger(&homes[1], 0, "the ledger is right");
    database.query("UPDATE ledger_balances SET spent_pusd = spent_pusd + 1");
    assert_ledger(&homes[1], 1, "0.002000000001 USD spent");
}

#[test]
fn a_call_whose_decision_only_the_spool_of_a_lost_replica_has_is_captured_and_stays_so() {
    let (database, upstream) = (Database::create(), Upstream::start());
    let homes = [home(&database, &upstream), home(&database, &upstream)];
    let [lost, left] = homes.each_ref().map(Home::start);
    let token = left.admin();
    let lock = database::hold(&database.url(), "LOCK TABLE audit_entries IN ACCESS EXCLUSIVE MODE");
    let call = under_way(&lost, &token, &upstream);
    lost.kill();
    drop(lock);
    assert_eq!(at_rest(&left, &token)["spent_usd"], "0.002");
    drop(call);
    let again = homes[0].start();
    assert_eq!(at_rest(&again, &token)["spent_usd"], "0.002");
    assert_ledger(&homes[0], 0, "the ledger is right");
}

#[test]
fn what_an_earlier_release_gave_back_of_a_forwarded_call_is_booked_when_its_replica_starts_again() {
    let (database, upstream) = (Database::create(), Upstream::start());
    let homes = [home(&database, &upstream), home(&database, &upstream)];
    let [lost, left] = homes.each_ref().map(Home::start);
    let token = left.admin();
    let call = under_way(&lost, &token, &upstream);
    lost.kill();
    drop(call);
    assert_eq!(at_rest(&left, &token)["spent_usd"], "0.002");
    // As if it had been released: the settlement is not there, and nothing is spent.
    database.execute(
        "ALTER TABLE ledger_entries DISABLE TRIGGER USER; \
         UPDATE ledger_entries SET kind = 'release', amount_pusd = 0 WHERE kind = 'settle'; \
         UPDATE ledger_balances SET spent_pusd = 0; \
         ALTER TABLE ledger_entries ENABLE TRIGGER USER;",
    );
    for _ in 0..2 {
        let again = homes[0].start();
        assert_eq!(at_rest(&again, &token)["spent_usd"], "0.002");
        again.terminate();
    }
    assert_ledger(&homes[1], 0, "the ledger is right");
}

#[test]
fn a_replica_that_only_stood_still_settles_nothing_twice() {
    let (database, upstream) = (Database::create(), Upstream::start());
    let homes = [home(&database, &upstream), home(&database, &upstream)];
    let [slow, other] = homes.each_ref().map(Home::start);
    let token = other.admin();
    let call = under_way(&slow, &token, &upstream);
    slow.signal("STOP");
    assert_eq!(at_rest(&other, &token)["spent_usd"], "0.002");
    slow.signal("CONT");
    assert_eq!(answered(call).status(), 200);
    assert_eq!(answered(under_way(&slow, &token, &upstream)).status(), 200);
    assert_eq!(at_rest(&slow, &token)["spent_usd"], "0.004");
    assert_ledger(&homes[0], 0, "the ledger is right");
}

#[test]
fn a_replica_that_lives_and_is_busy_keeps_its_holds() {
    let (database, upstream) = (Database::create(), Upstream::start());
    let homes = [home(&database, &upstream), home(&database, &upstream)];
    let [busy, other] = homes.each_ref().map(Home::start);
    let token = other.admin();
    let call = under_way(&busy, &token, &upstream);
    let beats = || database.query("SELECT MIN(beats) FROM replicas")[0].get::<_, i64>(0);
    let begun = beats();
    eventually("twice the time in which a replica may be silent", || (beats() > begun + 40).then_some(()));
    assert_eq!(budget(&other, &token)["held_usd"], "0.002");
    assert_eq!(answered(call).status(), 200);
    assert_eq!(at_rest(&other, &token)["spent_usd"], "0.002");
}

#[test]
fn the_books_of_a_gateway_on_sqlite_are_checked_while_it_runs() {
    let upstream = Upstream::start();
    let home = Home::new().config(&priced(&upstream));
    let gateway = home.start();
    let token = gateway.admin();
    answered(under_way(&gateway, &token, &upstream));
    let call = under_way(&gateway, &token, &upstream);
    assert_ledger(&home, 0, "checked 2 calls with 3 entries, 1 open holds, 1 balances");
    answered(call);
}
