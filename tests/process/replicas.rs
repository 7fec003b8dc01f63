//! Two gateways on one PostgreSQL database: one truth, seen by both within a second.

use std::{thread, time::Duration};

use serde_json::json;

use super::support::{Database, Entry, Gateway, Home, PASSWORD, Starting, check_chains, within};

/// How long what one replica changed may go unnoticed by another.
const A_SECOND: Duration = Duration::from_secs(1);

/// Two replicas with folders of their own.
struct Pair {
    a: Gateway,
    b: Gateway,
    _homes: [Home; 2],
    database: Database,
}

impl Pair {
    fn start() -> Self {
        let database = Database::create();
        let homes = [database.home(), database.home()];
        let (a, b) = (homes[0].start(), homes[1].start());
        Self { a, b, _homes: homes, database }
    }

    /// A user made on A, with their id.
    fn user(&self, admin: &str, name: &str) -> String {
        let body = json!({"username": name, "password": PASSWORD, "role": "user", "status": "active"});
        let answer = self.a.json("POST", "/admin/users", admin, &body);
        assert_eq!(answer.status(), 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }
}

fn assert_dead_within_a_second(gateway: &Gateway, token: &str) {
    let refused = || Some(gateway.get("/echo", token)).filter(|answer| answer.status() == 401);
    within(A_SECOND, "the token is refused", refused).assert_problem(401, "revoked-token");
}

#[test]
fn a_token_of_one_replica_is_good_on_the_other() {
    let pair = Pair::start();
    let token = pair.a.admin();
    assert_eq!(pair.b.get("/echo/x", &token).json()["path"], "/echo/x");
    assert_eq!(pair.a.get("/echo/x", &pair.b.admin()).status(), 200);
}

#[test]
fn a_user_made_on_one_replica_calls_on_the_other_at_once() {
    let pair = Pair::start();
    let admin = pair.a.admin();
    for i in 0..5 {
        let name = format!("user-{i}");
        pair.user(&admin, &name);
        let token = pair.b.login(&name, PASSWORD);
        assert_eq!(pair.b.get("/echo", &token).status(), 200);
        assert_eq!(pair.a.get("/echo", &token).status(), 200);
    }
}

#[test]
fn a_user_disabled_on_one_replica_is_refused_by_the_other_within_a_second() {
    let pair = Pair::start();
    let admin = pair.a.admin();
    let id = pair.user(&admin, "ada");
    let token = pair.b.login("ada", PASSWORD);
    assert_eq!(pair.b.get("/echo", &token).status(), 200);
    let answer = pair.a.json("PATCH", &format!("/admin/users/{id}"), &admin, &json!({"status": "disabled"}));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_dead_within_a_second(&pair.b, &token);
    assert_eq!(pair.b.try_login("ada", PASSWORD).status(), 401);
}

#[test]
fn a_role_changed_on_one_replica_holds_on_the_other_within_a_second() {
    let pair = Pair::start();
    let admin = pair.a.admin();
    let id = pair.user(&admin, "ada");
    let body = json!({"role": "admin"});
    let token = pair.b.login("ada", PASSWORD);
    pair.b.get("/admin/users", &token).assert_problem(403, "forbidden");
    assert_eq!(pair.a.json("PATCH", &format!("/admin/users/{id}"), &admin, &body).status(), 200);
    let is_over = || (pair.b.get("/admin/users", &token).status() != 403).then_some(());
    within(A_SECOND, "the old role is over", is_over);
}

#[test]
fn a_session_ended_on_one_replica_is_dead_on_the_other_within_a_second() {
    let pair = Pair::start();
    let token = pair.a.admin();
    assert_eq!(pair.b.get("/echo", &token).status(), 200);
    let answer = pair.a.json("POST", "/auth/logout", &token, &json!({}));
    assert_eq!(answer.status(), 204, "{}", answer.text());
    pair.a.get("/echo", &token).assert_problem(401, "revoked-token");
    assert_dead_within_a_second(&pair.b, &token);
}

/// A failover that lost commits, or a restore, as far as the followers can tell.
fn went_back(database: &Database, by: u32) {
    database.execute(&format!("UPDATE revisions SET value = value - {by} WHERE name IN ('identity', 'limits')"));
}

#[test]
fn changes_are_seen_by_every_replica_after_the_store_went_back() {
    let pair = Pair::start();
    let admin = pair.a.admin();
    let id = pair.user(&admin, "ada");
    let made = pair.a.json("POST", &format!("/admin/users/{id}/api-keys"), &admin, &json!({ "name": "k" }));
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let (token, of_admin) = (pair.b.login("ada", PASSWORD), pair.b.admin());
    for gateway in [&pair.a, &pair.b] {
        assert_eq!(gateway.get("/echo", &key).status(), 200);
        assert_eq!(gateway.get("/echo", &token).status(), 200);
    }
    went_back(&pair.database, 3);
    let ended = pair.a.json("POST", "/auth/logout", &token, &json!({}));
    assert_eq!(ended.status(), 204, "{}", ended.text());
    assert_dead_within_a_second(&pair.a, &token);
    assert_dead_within_a_second(&pair.b, &token);
    let change = json!({ "status": "disabled" });
    assert_eq!(pair.a.json("PATCH", &format!("/admin/users/{id}"), &admin, &change).status(), 200);
    assert_dead_within_a_second(&pair.a, &key);
    assert_dead_within_a_second(&pair.b, &key);
    let fresh = json!({"username": "bob", "password": PASSWORD, "role": "user", "status": "active"});
    assert_eq!(pair.b.json("POST", "/admin/users", &of_admin, &fresh).status(), 201);
    assert_eq!(pair.a.get("/echo", &pair.a.login("bob", PASSWORD)).status(), 200);
}

#[test]
fn what_the_store_no_longer_has_is_refused_after_it_went_back_and_on() {
    let pair = Pair::start();
    let admin = pair.a.admin();
    let id = pair.user(&admin, "ada");
    let made = pair.a.json("POST", &format!("/admin/users/{id}/api-keys"), &admin, &json!({ "name": "k" }));
    let key = made.json()["key"].as_str().unwrap().to_owned();
    for gateway in [&pair.a, &pair.b] {
        assert_eq!(gateway.get("/echo", &key).status(), 200);
    }
    pair.database.execute("DELETE FROM api_keys");
    went_back(&pair.database, 1);
    for name in ["bob", "cleo", "dora"] {
        pair.user(&admin, name);
    }
    for gateway in [&pair.a, &pair.b] {
        within(A_SECOND, "the key is gone", || (gateway.get("/echo", &key).status() == 401).then_some(()));
    }
}

#[test]
fn each_replica_writes_a_chain_of_its_own() {
    let pair = Pair::start();
    let token = pair.a.admin();
    for gateway in [&pair.a, &pair.b] {
        let answer = gateway.get("/echo", &token);
        let other = if gateway.address == pair.a.address { &pair.b } else { &pair.a };
        assert_eq!(other.record(&token, &answer.request_id())["route"], "echo");
    }
    let entries = Entry::all_in(&pair.database);
    assert_eq!(check_chains(&entries).1, 2);
}

#[test]
fn of_two_first_starts_at_once_one_makes_the_admin_and_both_serve() {
    for _ in 0..3 {
        let database = Database::create();
        let homes = [0, 1].map(|_| database.configure(Home::bare()));
        let starting = homes.each_ref().map(Home::spawn);
        let pair = starting.map(Starting::serving);
        let banners = pair.each_ref().map(Gateway::output);
        let shown = banners.iter().filter(|banner| banner.contains("password: ")).collect::<Vec<_>>();
        assert_eq!(shown.len(), 1, "{banners:?}");
        let password = shown[0].split("password: ").nth(1).unwrap().split_whitespace().next().unwrap();
        let tokens = pair.each_ref().map(|gateway| gateway.login("admin", password));
        for gateway in &pair {
            for token in &tokens {
                assert_eq!(gateway.get("/echo", token).status(), 200);
            }
        }
    }
}

#[test]
fn a_replica_that_is_killed_does_not_disturb_the_other() {
    let Pair { a, b, database, .. } = Pair::start();
    let token = a.admin();
    thread::scope(|scope| {
        let calls = scope.spawn(|| (0..200).all(|_| b.get("/echo", &token).status() == 200));
        a.kill();
        assert!(calls.join().unwrap());
    });
    check_chains(&Entry::all_in(&database));
}
