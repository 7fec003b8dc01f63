//! A budget under many calls at once, several gateways and `kill -9`: never overspent, and never refused while it lasts.
//!
//! Every call costs the same, so what a budget is enough for is known to the call. In `cargo test` there are a few kills;
//! with `TOLLGATE_CAMPAIGN_SECONDS` set there are fifty on each store.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use serde_json::{Value, json};

use tollgate::{
    clock::Clock,
    domain::{
        ids::{RequestId, UserId},
        ledger::{Order, Purpose},
        limit::Subject,
        money::Money,
    },
    store::{Settings, Store},
};

use super::support::{Database, Gateway, Home, Starting, Wire, audit::Entry, eventually, request};

/// What one call costs, in pico-USD, and how often the budget is enough for it.
const PRICE_PUSD: u64 = 2_000_000_000;
const CALLS: u64 = 100;
/// Calls in all, and at once.
const OFFERED: u64 = 2_000;
const AT_ONCE: u64 = 200;

fn kills() -> u64 {
    if std::env::var_os("TOLLGATE_CAMPAIGN_SECONDS").is_some() { 50 } else { 5 }
}

/// One priced route and one budget, in USD.
fn priced(limit_usd: &str) -> String {
    format!(
        r#"
[[routes]]
name = "paid"
path = "/paid"
match = "exact"
methods = ["GET"]
roles = ["admin"]
upstream = "builtin:echo"
meter = {{ fixed_usd = "0.002" }}
[[routes]]
name = "streamed"
path = "/v1/chat/completions"
match = "exact"
methods = ["POST"]
roles = ["admin"]
upstream = "builtin:llm"
meter = {{ fixed_usd = "0.002" }}
[[budgets]]
name = "all"
scope = "global"
limit_usd = "{limit_usd}"
period = "total"
"#
    )
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    passed: AtomicU64,
    refused: AtomicU64,
    /// Calls without an answer, which may have been paid.
    cut: AtomicU64,
}

impl Seen {
    /// So many calls one after the other, or fewer where the connection ends.
    fn call(&self, mut wire: Wire, token: &str, calls: u64) {
        for _ in 0..calls {
            if !wire.try_say(request("GET", "/paid", token)) {
                return;
            }
            let answer = wire.message();
            if !answer.complete {
                self.cut.fetch_add(1, Ordering::Relaxed);
                return;
            }
            match answer.status() {
                200 => self.passed.fetch_add(1, Ordering::Relaxed),
                402 => self.refused.fetch_add(1, Ordering::Relaxed),
                other => panic!("{other}: {}", answer.text()),
            };
        }
    }

    fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }
}

/// A streamed call.
fn streamed(token: &str) -> String {
    let body = json!({
        "model": "demo", "stream": true, "messages": [{ "role": "user", "content": "Say much of toll gates." }]
    });
    let body = body.to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Random numbers that are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

impl Seen {
    /// So many streamed calls, each of which hangs up at random: before the head, after some pieces, or not at all.
    fn call_and_hang_up(&self, gateway: &Gateway, token: &str, calls: u64, dice: &mut Dice) {
        for _ in 0..calls {
            let mut wire = gateway.connect();
            wire.say(streamed(token));
            let pieces = dice.below(8);
            if pieces == 0 {
                self.cut.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let head = wire.head();
            match head.status() {
                402 => self.refused.fetch_add(1, Ordering::Relaxed),
                200 => self.passed.fetch_add(1, Ordering::Relaxed),
                other => panic!("{other}"),
            };
            for _ in 1..pieces {
                if head.status() == 402 || wire.chunk().is_none() {
                    break;
                }
            }
        }
    }
}

/// The only budget, when nothing is held any more.
fn at_rest(gateway: &Gateway, token: &str) -> Value {
    eventually("the end of all holds", || {
        let list = gateway.get("/admin/budgets", token).json();
        let budget = list["items"][0].clone();
        (budget["held_usd"] == "0").then_some(budget)
    })
}

/// Many clients call all gateways at once until the budget is used up.
fn spend_at_once(name: &str, gateways: &[Gateway]) {
    let (token, seen) = (gateways[0].admin(), Seen::default());
    thread::scope(|scope| {
        for gateway in gateways.iter().cycle().take(usize::try_from(AT_ONCE).unwrap()) {
            let wire = gateway.connect();
            scope.spawn(|| seen.call(wire, &token, OFFERED / AT_ONCE));
        }
    });
    let (budget, passed) = (at_rest(&gateways[0], &token), seen.passed());
    let overspent = passed.saturating_sub(CALLS);
    let refused_wrongly = CALLS.saturating_sub(passed);
    println!(
        "spending/{name}: {OFFERED} calls, {AT_ONCE} at once, {} gateways: {passed} passed of {CALLS}, overspend \
         {overspent}, false refusals {refused_wrongly}, held {}",
        gateways.len(),
        budget["held_usd"]
    );
    assert_eq!((passed, seen.refused.load(Ordering::Relaxed)), (CALLS, OFFERED - CALLS));
    assert_eq!((&budget["spent_usd"], &budget["remaining_usd"]), (&"0.2".into(), &"0".into()));
}

/// Kills a gateway again and again under load, then spends what is left.
fn spend_and_kill(name: &str, homes: &[Home], enough_for: u64) {
    let mut gateways: Vec<Gateway> = homes.iter().map(Home::start).collect();
    let (token, seen) = (gateways[0].admin(), Seen::default());
    for kill in 0..kills() {
        let victim = usize::try_from(kill).unwrap() % gateways.len();
        let until = seen.passed() + 1 + kill * 7 % 13;
        thread::scope(|scope| {
            for gateway in gateways.iter().cycle().take(8) {
                let wire = gateway.connect();
                scope.spawn(|| seen.call(wire, &token, 4));
            }
            eventually("calls under way", || (seen.passed() >= until).then_some(()));
            gateways[victim].signal("KILL");
        });
        gateways.remove(victim).kill();
        gateways.insert(victim, homes[victim].start());
    }
    let before = at_rest(&gateways[0], &token);
    let spent = pico(&before["spent_usd"]);
    let left = enough_for - spent / PRICE_PUSD;
    assert_eq!(spent % PRICE_PUSD, 0);
    assert!(spent / PRICE_PUSD >= seen.passed(), "a call that was answered is not paid");
    let paid_unseen = spent / PRICE_PUSD - seen.passed();
    assert!(paid_unseen <= seen.cut.load(Ordering::Relaxed), "{paid_unseen} calls were paid that nobody made");
    let after = Seen::default();
    after.call(gateways[0].connect(), &token, left + 3);
    let budget = at_rest(&gateways[0], &token);
    println!(
        "spending/{name}: {} kills, {} calls passed and {paid_unseen} were cut and paid, then {} of {left} that were \
         left: overspend 0, false refusals {}, held {}",
        kills(),
        seen.passed(),
        after.passed(),
        left.saturating_sub(after.passed()),
        budget["held_usd"]
    );
    assert_eq!((after.passed(), after.refused.load(Ordering::Relaxed)), (left, 3));
    assert_eq!(budget["remaining_usd"], "0");
}

/// Clients that hang up at random, then what is left is spent to the last call.
fn spend_and_hang_up(name: &str, gateways: &[Gateway], enough_for: u64) {
    let (token, seen, calls) = (gateways[0].admin(), Seen::default(), enough_for / 20);
    thread::scope(|scope| {
        for (number, gateway) in (1..).zip(gateways.iter().cycle().take(16)) {
            let (token, seen) = (&token, &seen);
            scope.spawn(move || seen.call_and_hang_up(gateway, token, calls, &mut Dice(number * 0x9E37_79B9)));
        }
    });
    let spent = pico(&at_rest(&gateways[0], &token)["spent_usd"]);
    let paid_unseen = (spent / PRICE_PUSD).checked_sub(seen.passed()).expect("a call that was answered is not paid");
    assert!(spent.is_multiple_of(PRICE_PUSD) && paid_unseen <= seen.cut.load(Ordering::Relaxed), "{paid_unseen}");
    assert_eq!(seen.refused.load(Ordering::Relaxed), 0);
    let (left, after) = (enough_for - spent / PRICE_PUSD, Seen::default());
    after.call(gateways[0].connect(), &token, left + 3);
    let budget = at_rest(&gateways[0], &token);
    println!(
        "spending/{name}: {} calls that hang up at random, {} began to be answered, {paid_unseen} were paid and not \
         seen; then {} of {left} that were left: overspend 0, false refusals {}, held {}",
        16 * calls,
        seen.passed(),
        after.passed(),
        left.saturating_sub(after.passed()),
        budget["held_usd"]
    );
    assert_eq!((after.passed(), after.refused.load(Ordering::Relaxed)), (left, 3));
    assert_eq!(budget["remaining_usd"], "0");
}

/// What the books themselves say.
fn assert_books_are_right(home: &Home) {
    let output = home.run(&["ledger", "check"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn pico(usd: &Value) -> u64 {
    let money: Money = usd.as_str().unwrap().parse().unwrap();
    u64::try_from(money.pusd()).unwrap()
}

/// Enough for every call that the killed gateways may take, and some.
fn enough() -> (u64, String) {
    let calls = kills() * 40 + 50;
    (calls, Money::from_pusd(i64::try_from(calls * PRICE_PUSD).unwrap()).to_string())
}

fn home_on(database: &Database, limit_usd: &str) -> Home {
    let home = database.home();
    home.rewrite_config(&priced(limit_usd));
    home
}

#[test]
fn four_gateways_spend_a_budget_to_the_last_call_and_not_beyond() {
    let database = Database::create();
    let homes: Vec<Home> = (0..4).map(|_| home_on(&database, "0.2")).collect();
    let starting: Vec<Starting> = homes.iter().map(Home::spawn).collect();
    let gateways: Vec<Gateway> = starting.into_iter().map(Starting::serving).collect();
    spend_at_once("postgres", &gateways);
    let sum = "SELECT (SUM(amount_pusd) / 1000000)::bigint FROM ledger_entries WHERE kind IN ('settle', 'forced')";
    assert_eq!(database.query(sum)[0].get::<_, i64>(0), 200_000);
}

#[test]
fn one_gateway_spends_a_budget_to_the_last_call_and_not_beyond() {
    let home = Home::new().config(&priced("0.2"));
    spend_at_once("sqlite", &[home.start()]);
}

#[test]
fn kills_neither_overspend_nor_lose_money_on_sqlite() {
    let (calls, limit_usd) = enough();
    let homes = [Home::new().config(&priced(&limit_usd))];
    spend_and_kill("kills-sqlite", &homes, calls);
    assert_books_are_right(&homes[0]);
}

#[test]
fn kills_neither_overspend_nor_lose_money_on_postgres() {
    let database = Database::create();
    let (calls, limit_usd) = enough();
    let homes = [home_on(&database, &limit_usd), home_on(&database, &limit_usd)];
    spend_and_kill("kills-postgres", &homes, calls);
    assert_books_are_right(&homes[0]);
}

#[test]
fn clients_that_hang_up_leave_nothing_held_on_sqlite() {
    let (calls, limit_usd) = enough();
    let home = Home::new().config(&priced(&limit_usd));
    spend_and_hang_up("hang-ups-sqlite", &[home.start()], calls);
    assert_books_are_right(&home);
}

#[test]
fn clients_that_hang_up_leave_nothing_held_on_postgres() {
    let database = Database::create();
    let (calls, limit_usd) = enough();
    let homes = [home_on(&database, &limit_usd), home_on(&database, &limit_usd)];
    spend_and_hang_up("hang-ups-postgres", &homes.each_ref().map(Home::start), calls);
    assert_books_are_right(&homes[0]);
}

/// As a kill would leave them: one hold of a call whose decision is on record, one of a call nobody has heard of.
#[test]
fn the_next_start_captures_what_was_dispatched_and_releases_what_was_not() {
    let home = Home::new().config(&priced("0.2"));
    let gateway = home.start();
    let token = gateway.admin();
    gateway.get("/paid", &token);
    let before = at_rest(&gateway, &token);
    let target = format!("/admin/budgets/{}", before["id"].as_str().unwrap());
    let dispatched = gateway.json("PATCH", &target, &token, &json!({ "mode": "enforce" })).request_id();
    gateway.terminate();
    let replica = &Entry::all_in_file(&home.database())[0].chain;
    let clock = Clock::system();
    let orders = [(dispatched.parse().unwrap(), 5_000_000_000), (RequestId(clock.new_id()), 7_000_000_000)];
    let url = format!("sqlite:{}", home.database().display());
    leave_holds(&url, replica, &before["id"], &orders, &clock);
    let gateway = home.start();
    let after = at_rest(&gateway, &token);
    assert_eq!((pico(&before["spent_usd"]), pico(&after["spent_usd"])), (2_000_000_000, 7_000_000_000));
}

fn leave_holds(url: &str, replica: &str, budget: &Value, calls: &[(RequestId, i64)], clock: &Clock) {
    let patience = std::time::Duration::from_secs(5);
    let settings = Settings { url: url.into(), pool_size: 1, acquire_timeout: patience, statement_timeout: patience };
    let store = Store::open(&settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let budget = store.budget(budget.as_str().unwrap().parse().unwrap()).await.unwrap().unwrap().budget;
        let order = |(request, pusd): &(RequestId, i64)| Order::Reserve {
            request: *request,
            amount: Money::from_pusd(*pusd),
            claims: vec![budget.claim(Subject::EVERYBODY, clock.now())],
            purpose: Purpose {
                user: UserId(clock.new_id()),
                team: None,
                key: None,
                route: "paid".into(),
                model: None,
                price_version: None,
            },
        };
        store.book(replica, calls.iter().map(order).collect(), |_| vec![], clock.now()).await.unwrap();
    });
}
