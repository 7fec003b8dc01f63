//! The limits of a user: exact, honest about what is left, and given back where nothing reached the upstream.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tollgate::clock::Clock;

use super::support::{Answer, RawUpstream, Setup, TestGateway, TestStore};

on_both_stores!(
    a_burst_is_admitted_exactly_and_the_refusal_explains_itself,
    a_retry_at_the_announced_time_is_admitted,
    many_calls_at_once_are_admitted_exactly,
    users_share_nothing,
    a_heavy_route_takes_more,
    a_policy_speaks_only_of_the_routes_it_names,
    a_refused_call_charges_no_policy,
    a_call_that_never_reached_its_upstream_is_given_back,
    asking_what_is_left_takes_nothing,
);

/// A policy that refills so slowly that a test sees only its burst.
fn policy(name: &str, routes: &str, burst: u64) -> String {
    format!(
        "[[limits]]\nname = \"{name}\"\nroutes = [{routes}]\nper = \"user\"\nunit = \"requests\"\n\
         limit = 1\nwindow_s = 1000\nburst = {burst}\n"
    )
}

fn route(name: &str, weight: u64) -> String {
    format!(
        "[[routes]]\nname = \"{name}\"\npath = \"/{name}\"\nmatch = \"exact\"\nmethods = [\"GET\"]\n\
         roles = [\"admin\", \"user\"]\nupstream = \"builtin:echo\"\nweight = {weight}\n"
    )
}

async fn limited(store: &TestStore, lists: &str) -> TestGateway {
    Setup::default().lists(lists).clock(&Clock::manual(1_800_000_000)).start(store).await
}

async fn get(gateway: &TestGateway, path: &str) -> Answer {
    gateway.get(path).token(&gateway.admin).send().await
}

/// What `/me` says is left of each policy.
async fn left(gateway: &TestGateway) -> Value {
    let me = get(gateway, "/me").await.expect(200).json();
    let limits = me["limits"].as_array().unwrap().iter();
    limits.map(|limit| (limit["name"].as_str().unwrap().to_owned(), limit["remaining"].clone())).collect()
}

async fn a_burst_is_admitted_exactly_and_the_refusal_explains_itself(store: &TestStore) {
    let gateway = limited(store, &policy("slow", "\"*\"", 3)).await;
    for remaining in [2, 1, 0] {
        let admitted = get(&gateway, "/echo").await;
        assert_eq!(admitted.expect(200).rate_limit("ratelimit-policy", "slow"), "q=1;w=1000");
        let reset_s = (3 - remaining) * 1_000;
        assert_eq!(admitted.rate_limit("ratelimit", "slow"), format!("r={remaining};t={reset_s}"));
        assert_eq!(admitted.header("retry-after"), None);
    }
    let refused = get(&gateway, "/echo").await;
    let problem = refused.problem(429, "quota-exceeded");
    assert_eq!(problem["violated-policies"], json!(["slow"]));
    let standing = json!({ "name": "slow", "limit": 1, "window_s": 1000, "remaining": 0, "retry_after_s": 1000 });
    assert_eq!(problem["policies"], json!([standing]));
    assert_eq!(refused.header("retry-after"), Some("1000"));
    assert_eq!(refused.rate_limit("ratelimit", "slow"), "r=0;t=3000");
    let record = gateway.record(refused.request_id()).await.unwrap();
    assert_eq!((&record["decision"], &record["reason"]), (&json!("refused"), &json!("quota-exceeded: slow")));
    gateway.finish().await;
}

async fn a_retry_at_the_announced_time_is_admitted(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    // The window is no whole multiple of the limit, and the token must live through it all.
    let lists = policy("slow", "\"*\"", 2).replace("limit = 1\nwindow_s = 1000", "limit = 7\nwindow_s = 100");
    let gateway = Setup::default().lists(&lists).clock(&clock).start(store).await;
    for _ in 0..20 {
        let mut answer = get(&gateway, "/echo").await;
        while answer.status == 200 {
            answer = get(&gateway, "/echo").await;
        }
        let wait_s: u64 = answer.expect(429).header("retry-after").unwrap().parse().unwrap();
        clock.advance(Duration::from_secs(wait_s - 1));
        get(&gateway, "/echo").await.expect(429);
        clock.advance(Duration::from_secs(1));
        get(&gateway, "/echo").await.expect(200);
    }
    gateway.finish().await;
}

async fn many_calls_at_once_are_admitted_exactly(store: &TestStore) {
    let gateway = limited(store, &policy("slow", "\"*\"", 10)).await;
    let answers = join_all((0..100).map(|_| get(&gateway, "/echo"))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 10);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 90);
    gateway.finish().await;
}

async fn users_share_nothing(store: &TestStore) {
    let gateway = limited(store, &policy("slow", "\"*\"", 2)).await;
    let others = [gateway.user("a", "user").await, gateway.user("b", "user").await, gateway.user("c", "user").await];
    for user in &others {
        for expected in [200, 200, 429] {
            gateway.get("/echo").token(&user.token).send().await.expect(expected);
        }
    }
    // Another session of the same user is still the same user.
    let again = gateway.login("a", super::support::PASSWORD).await;
    gateway.get("/echo").token(&again.access).send().await.expect(429);
    gateway.finish().await;
}

async fn a_heavy_route_takes_more(store: &TestStore) {
    let lists = [route("light", 1), route("heavy", 3), policy("slow", "\"*\"", 5)].concat();
    let gateway = limited(store, &lists).await;
    get(&gateway, "/heavy").await.expect(200);
    assert_eq!(left(&gateway).await, json!({ "slow": 2 }));
    let refused = get(&gateway, "/heavy").await;
    assert_eq!(refused.problem(429, "quota-exceeded")["policies"][0]["remaining"], 2);
    assert_eq!(refused.header("retry-after"), Some("1000"));
    get(&gateway, "/light").await.expect(200);
    get(&gateway, "/light").await.expect(200);
    get(&gateway, "/light").await.expect(429);
    gateway.finish().await;
}

async fn a_policy_speaks_only_of_the_routes_it_names(store: &TestStore) {
    let lists = [route("one", 1), route("two", 1), policy("of-one", "\"one\"", 1)].concat();
    let gateway = limited(store, &lists).await;
    get(&gateway, "/one").await.expect(200);
    get(&gateway, "/one").await.expect(429);
    for _ in 0..3 {
        let free = get(&gateway, "/two").await;
        assert_eq!(free.expect(200).header("ratelimit"), None);
    }
    gateway.finish().await;
}

async fn a_refused_call_charges_no_policy(store: &TestStore) {
    let lists = [route("one", 1), route("two", 1), policy("all", "\"*\"", 9), policy("of-one", "\"one\"", 1)].concat();
    let gateway = limited(store, &lists).await;
    get(&gateway, "/one").await.expect(200);
    for _ in 0..3 {
        let refused = get(&gateway, "/one").await;
        assert_eq!(refused.problem(429, "quota-exceeded")["violated-policies"], json!(["of-one"]));
        assert!(refused.rate_limit("ratelimit", "all").starts_with("r=8;"));
    }
    assert_eq!(left(&gateway).await, json!({ "all": 8, "of-one": 0 }));
    gateway.finish().await;
}

async fn a_call_that_never_reached_its_upstream_is_given_back(store: &TestStore) {
    let nowhere = RawUpstream::route_to(RawUpstream::nowhere().await);
    let gateway = limited(store, &[nowhere, policy("slow", "\"*\"", 2)].concat()).await;
    for _ in 0..5 {
        let failed = gateway.post("/up").token(&gateway.admin).body("x").send().await;
        failed.problem(502, "upstream-failed");
        assert_eq!(failed.rate_limit("ratelimit", "slow"), "r=2;t=0");
        let refunded = super::support::eventually("the refund", async || {
            (left(&gateway).await == json!({ "slow": 2 })).then_some(())
        });
        refunded.await;
    }
    gateway.finish().await;
}

async fn asking_what_is_left_takes_nothing(store: &TestStore) {
    let gateway = limited(store, &policy("slow", "\"*\"", 2)).await;
    for _ in 0..5 {
        assert_eq!(left(&gateway).await, json!({ "slow": 2 }));
    }
    get(&gateway, "/echo").await.expect(200);
    let me = get(&gateway, "/me").await.expect(200).json();
    let standing = json!({
        "name": "slow", "unit": "requests", "limit": 1, "window_s": 1000, "remaining": 1, "reset_s": 1000,
    });
    assert_eq!((&me["limits"], &me["budgets"]), (&json!([standing]), &json!([])));
    gateway.finish().await;
}
