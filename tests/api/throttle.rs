//! How often a password may be guessed, from where, and that nothing but the waiting tells of it.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tollgate::clock::Clock;

use super::support::{ADMIN_PASSWORD, Answer, PASSWORD, Setup, TestGateway, TestStore};

on_both_stores!(
    after_five_failures_one_try_is_admitted_each_time_the_wait_is_over,
    a_name_that_nobody_has_is_throttled_just_the_same,
    a_right_password_forgets_the_failures,
    an_attack_does_not_lock_the_owner_out_elsewhere,
    an_address_is_throttled_over_all_the_names_it_tries,
    many_right_logins_at_once_all_pass,
    many_wrong_logins_at_once_get_no_more_guesses_than_run_side_by_side,
    a_throttled_login_is_on_record,
    too_many_logins_at_once_are_told_so_while_other_calls_are_answered,
);

const WRONG: &str = "not the password of anybody";

/// A gateway behind a proxy that names who calls, on a clock that stands still.
fn behind_a_proxy(clock: &Clock) -> Setup {
    Setup::default().set("server.trusted_proxies", "[\"127.0.0.0/8\"]").clock(clock)
}

fn still() -> Clock {
    Clock::manual(1_800_000_000)
}

async fn login_from(gateway: &TestGateway, address: &str, username: &str, password: &str) -> Answer {
    let body = json!({ "username": username, "password": password });
    gateway.post("/auth/login").header("x-forwarded-for", address).json(&body).send().await
}

/// Fails as often as is free.
async fn exhaust(gateway: &TestGateway, address: &str, username: &str) {
    for _ in 0..5 {
        login_from(gateway, address, username, WRONG).await.problem(401, "invalid-credentials");
    }
}

fn wait_s(answer: &Answer) -> u64 {
    answer.expect(429).header("retry-after").unwrap().parse().unwrap()
}

fn without_instance(answer: &Answer) -> Value {
    let mut body = answer.json();
    body["instance"] = Value::Null;
    body
}

async fn after_five_failures_one_try_is_admitted_each_time_the_wait_is_over(store: &TestStore) {
    let clock = still();
    let gateway = behind_a_proxy(&clock).start(store).await;
    exhaust(&gateway, "192.0.2.1", "admin").await;
    for expected_s in [1, 2, 4, 8] {
        // The right password fares no better: it is not even looked at.
        let throttled = login_from(&gateway, "192.0.2.1", "admin", ADMIN_PASSWORD).await;
        let problem = throttled.problem(429, "quota-exceeded");
        assert_eq!(problem["violated-policies"], json!(["login-account"]));
        let told = format!("Too many wrong passwords for this name. Try again in {expected_s} s.");
        assert_eq!(problem["detail"], json!(told));
        let standing = json!({
            "name": "login-account", "limit": 5, "window_s": 3600, "remaining": 0, "retry_after_s": expected_s,
        });
        assert_eq!((&problem["policies"], wait_s(&throttled)), (&json!([standing]), expected_s));
        clock.advance(Duration::from_nanos(expected_s * 1_000_000_000 - 1));
        assert_eq!(wait_s(&login_from(&gateway, "192.0.2.1", "admin", WRONG).await), 1);
        clock.advance(Duration::from_nanos(1));
        login_from(&gateway, "192.0.2.1", "admin", WRONG).await.problem(401, "invalid-credentials");
    }
    clock.advance(Duration::from_secs(16));
    login_from(&gateway, "192.0.2.1", "admin", ADMIN_PASSWORD).await.expect(200);
    login_from(&gateway, "192.0.2.1", "admin", ADMIN_PASSWORD).await.expect(200);
    gateway.finish().await;
}

async fn a_name_that_nobody_has_is_throttled_just_the_same(store: &TestStore) {
    let gateway = behind_a_proxy(&still()).start(store).await;
    let id = gateway.create("disabled", "user").await["id"].as_str().unwrap().to_owned();
    gateway.patch(&id, &json!({ "status": "disabled" })).await.expect(200);
    let locked = json!({ "username": "locked", "role": "user" });
    gateway.post("/admin/users").token(&gateway.admin).json(&locked).send().await.expect(201);
    let mut seen = vec![];
    for name in ["admin", "nobody", "disabled", "locked", "no name at all!"] {
        let mut answers = vec![];
        for _ in 0..7 {
            let answer = login_from(&gateway, "192.0.2.1", name, WRONG).await;
            answers.push((answer.status, wait_or_none(&answer), without_instance(&answer)));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0].iter().map(|(status, ..)| *status).collect::<Vec<_>>(), [401, 401, 401, 401, 401, 429, 429]);
    assert!(seen.iter().all(|answers| *answers == seen[0]), "{seen:?}");
    gateway.finish().await;
}

fn wait_or_none(answer: &Answer) -> Option<String> {
    answer.header("retry-after").map(str::to_owned)
}

async fn a_right_password_forgets_the_failures(store: &TestStore) {
    let gateway = behind_a_proxy(&still()).start(store).await;
    for _ in 0..3 {
        for _ in 0..4 {
            login_from(&gateway, "192.0.2.1", "admin", WRONG).await.expect(401);
        }
        login_from(&gateway, "192.0.2.1", "admin", ADMIN_PASSWORD).await.expect(200);
    }
    gateway.finish().await;
}

async fn an_attack_does_not_lock_the_owner_out_elsewhere(store: &TestStore) {
    let gateway = behind_a_proxy(&still()).start(store).await;
    for attacker in ["192.0.2.1", "2001:db8:1:2::1"] {
        exhaust(&gateway, attacker, "admin").await;
        login_from(&gateway, attacker, "admin", WRONG).await.expect(429);
    }
    // All of a /64 is one network, and the next one another.
    login_from(&gateway, "2001:db8:1:2:3:4:5:6", "admin", WRONG).await.expect(429);
    for owner in ["192.0.2.2", "2001:db8:1:3::1"] {
        login_from(&gateway, owner, "admin", ADMIN_PASSWORD).await.expect(200);
    }
    login_from(&gateway, "192.0.2.1", "admin", ADMIN_PASSWORD).await.expect(429);
    gateway.finish().await;
}

async fn an_address_is_throttled_over_all_the_names_it_tries(store: &TestStore) {
    let clock = still();
    let gateway = behind_a_proxy(&clock).set("auth.throttle_address_failures", 8).start(store).await;
    for i in 0..8 {
        login_from(&gateway, "192.0.2.1", &format!("name-{i}"), WRONG).await.expect(401);
    }
    let throttled = login_from(&gateway, "192.0.2.1", "admin", ADMIN_PASSWORD).await;
    let problem = throttled.problem(429, "quota-exceeded");
    assert_eq!(problem["violated-policies"], json!(["login-address"]));
    assert_eq!((&problem["policies"][0]["limit"], wait_s(&throttled)), (&json!(8), 1));
    login_from(&gateway, "192.0.2.2", "admin", ADMIN_PASSWORD).await.expect(200);
    clock.advance(Duration::from_secs(1));
    // A right password goes on from there, and gives the address nothing but its own try back.
    login_from(&gateway, "192.0.2.1", "admin", ADMIN_PASSWORD).await.expect(200);
    login_from(&gateway, "192.0.2.1", "name-9", WRONG).await.expect(401);
    assert_eq!(wait_s(&login_from(&gateway, "192.0.2.1", "admin", ADMIN_PASSWORD).await), 2);
    gateway.finish().await;
}

async fn many_right_logins_at_once_all_pass(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let answers = join_all((0..50).map(|_| gateway.try_login("admin", ADMIN_PASSWORD))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    gateway.finish().await;
}

async fn many_wrong_logins_at_once_get_no_more_guesses_than_run_side_by_side(store: &TestStore) {
    let gateway = behind_a_proxy(&still()).set("auth.hash_concurrency", 2).start(store).await;
    let tries = (0..50).map(|_| login_from(&gateway, "192.0.2.1", "admin", WRONG));
    let answers = join_all(tries).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    // Five are free, and one more may have begun when the fifth was known to be wrong.
    assert!((5..=6).contains(&count(401)), "{} guesses", count(401));
    assert_eq!(count(401) + count(429), 50);
    gateway.finish().await;
}

async fn a_throttled_login_is_on_record(store: &TestStore) {
    let gateway = behind_a_proxy(&still()).start(store).await;
    exhaust(&gateway, "192.0.2.1", "admin").await;
    let throttled = login_from(&gateway, "192.0.2.1", "admin", WRONG).await;
    let record = gateway.record(throttled.request_id()).await.unwrap();
    assert_eq!((&record["status"], &record["decision"]), (&json!(429), &json!("refused")));
    assert_eq!((&record["reason"], &record["username"]), (&json!("quota-exceeded: login-account"), &json!("admin")));
    assert_eq!(record["forwarded_for"], "192.0.2.1");
    gateway.finish().await;
}

async fn too_many_logins_at_once_are_told_so_while_other_calls_are_answered(store: &TestStore) {
    let setup = Setup::default().set("auth.hash_concurrency", 1).set("auth.hash_queue", 1);
    let gateway = setup.start(store).await;
    let logins = join_all((0..20).map(|_| gateway.try_login("admin", ADMIN_PASSWORD)));
    let calls = async {
        for path in ["/echo", "/me"].repeat(10) {
            gateway.get(path).token(&gateway.admin).send().await.expect(200);
        }
    };
    let (logins, ()) = tokio::join!(logins, calls);
    let (passed, busy): (Vec<_>, Vec<_>) = logins.iter().partition(|answer| answer.status == 200);
    assert!(passed.len() >= 2 && !busy.is_empty(), "{} of 20 passed", passed.len());
    for answer in busy {
        answer.problem(503, "temporary-reduced-capacity");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    gateway.login("admin", ADMIN_PASSWORD).await;
    gateway.finish().await;
}

/// How many samples of each kind are taken; `scripts/logins --samples` asks for more.
const SAMPLES: &str = "TOLLGATE_LOGIN_SAMPLES";
const FEW: usize = 5;

/// The times are shown and not judged: on a machine that does something else meanwhile they say nothing.
#[test]
fn refused_logins_are_alike_in_all_but_their_times_which_are_shown() {
    super::support::run(super::support::Kind::Sqlite, time_refused_logins);
}

async fn time_refused_logins(store: &TestStore) {
    let lifted = Setup::default()
        .set("auth.throttle_account_failures", 1_000_000)
        .set("auth.throttle_address_failures", 1_000_000);
    let gateway = lifted.start(store).await;
    gateway.create("active", "user").await;
    let id = gateway.create("disabled", "user").await["id"].as_str().unwrap().to_owned();
    gateway.patch(&id, &json!({ "status": "disabled" })).await.expect(200);
    let locked = json!({ "username": "locked", "role": "user" });
    gateway.post("/admin/users").token(&gateway.admin).json(&locked).send().await.expect(201);
    let kinds = [("unknown", "nobody", WRONG), ("wrong", "active", WRONG)];
    let kinds = kinds.into_iter().chain([("locked", "locked", WRONG), ("disabled", "disabled", PASSWORD)]);
    let kinds: Vec<_> = kinds.collect();
    let samples = std::env::var(SAMPLES).ok().and_then(|text| text.parse().ok()).unwrap_or(FEW);
    let (mut times, mut bodies) = (vec![vec![]; kinds.len()], vec![]);
    let clock = Clock::system();
    for round in 0..samples {
        // Connections go to the workers in turn, and one is faster than another: no kind may keep to one of them.
        for place in 0..kinds.len() {
            let kind = (place + round) % kinds.len();
            let (_, username, password) = kinds[kind];
            let started_ns = clock.monotonic_ns();
            let answer = gateway.try_login(username, password).await;
            times[kind].push(clock.monotonic_ns() - started_ns);
            bodies.push((answer.expect(401).status, without_instance(&answer)));
        }
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    for (times, (kind, ..)) in times.iter_mut().zip(&kinds) {
        times.sort_unstable();
        let at = |percent: usize| Duration::from_nanos(times[times.len() * percent / 100]);
        println!("{kind:9} p25 {:?}  p50 {:?}  p75 {:?}  of {samples}", at(25), at(50), at(75));
    }
    gateway.finish().await;
}
