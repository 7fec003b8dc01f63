//! Refreshing: rotation, the grace for an answer that was lost, and what a thief's reuse ends.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use serde_json::json;
use tollgate::clock::Clock;

use super::support::{ADMIN_PASSWORD, PASSWORD, Setup, TestGateway, TestStore, Tokens, eventually};

on_both_stores!(
    each_refresh_gives_a_new_pair_and_the_old_access_token_lives_on,
    the_token_just_used_gives_the_same_successor_within_the_grace,
    an_older_token_ends_the_session,
    the_token_just_used_ends_the_session_after_the_grace,
    many_refreshes_at_once_agree_on_one_successor,
    what_is_no_refresh_token_is_refused,
    a_disabled_user_cannot_refresh,
    tokens_expire_when_they_say,
    a_session_ended_on_one_replica_is_dead_on_the_other_within_a_second,
);

async fn each_refresh_gives_a_new_pair_and_the_old_access_token_lives_on(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let mut seen = vec![gateway.login("admin", ADMIN_PASSWORD).await];
    for _ in 0..5 {
        let next = Tokens::from(&gateway.refresh(&seen.last().unwrap().refresh).await);
        assert!(seen.iter().all(|old| old.refresh != next.refresh && old.access != next.access));
        gateway.get("/me").token(&next.access).send().await.expect(200);
        seen.push(next);
    }
    gateway.get("/me").token(&seen[0].access).send().await.expect(200);
    gateway.finish().await;
}

async fn the_token_just_used_gives_the_same_successor_within_the_grace(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().clock(&clock).start(store).await;
    let first = gateway.login("admin", ADMIN_PASSWORD).await;
    let second = Tokens::from(&gateway.refresh(&first.refresh).await);
    clock.advance(Duration::from_secs(10));
    let again = Tokens::from(&gateway.refresh(&first.refresh).await);
    assert_eq!(again.refresh, second.refresh);
    gateway.get("/me").token(&again.access).send().await.expect(200);
    gateway.refresh(&second.refresh).await.expect(200);
    gateway.finish().await;
}

async fn an_older_token_ends_the_session(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let first = gateway.login("admin", ADMIN_PASSWORD).await;
    let second = Tokens::from(&gateway.refresh(&first.refresh).await);
    let third = Tokens::from(&gateway.refresh(&second.refresh).await);
    gateway.refresh(&first.refresh).await.problem(401, "invalid-token");
    assert_is_dead(&gateway, &third).await;
    gateway.finish().await;
}

async fn the_token_just_used_ends_the_session_after_the_grace(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().clock(&clock).start(store).await;
    let first = gateway.login("admin", ADMIN_PASSWORD).await;
    let second = Tokens::from(&gateway.refresh(&first.refresh).await);
    clock.advance(Duration::from_secs(11));
    gateway.refresh(&first.refresh).await.problem(401, "invalid-token");
    assert_is_dead(&gateway, &second).await;
    gateway.finish().await;
}

async fn assert_is_dead(gateway: &TestGateway, tokens: &Tokens) {
    gateway.refresh(&tokens.refresh).await.problem(401, "invalid-token");
    let answer = eventually("the end of the access token", async || {
        let answer = gateway.get("/me").token(&tokens.access).send().await;
        (answer.status != 200).then_some(answer)
    });
    answer.await.problem(401, "revoked-token");
}

async fn many_refreshes_at_once_agree_on_one_successor(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let first = gateway.login("admin", ADMIN_PASSWORD).await;
    let answers = join_all((0..50).map(|_| gateway.refresh(&first.refresh))).await;
    let successors: HashSet<String> = answers.iter().map(|answer| Tokens::from(answer).refresh).collect();
    assert_eq!(successors.len(), 1);
    let successor = successors.into_iter().next().unwrap();
    assert_ne!(successor, first.refresh);
    gateway.refresh(&successor).await.expect(200);
    gateway.finish().await;
}

async fn what_is_no_refresh_token_is_refused(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let tokens = gateway.login("admin", ADMIN_PASSWORD).await;
    let cut = tokens.refresh.strip_suffix(|_: char| true).unwrap();
    for bad in ["", "x", "tgr_", "tgr_AAAA", cut, &format!("{}A", tokens.refresh), &tokens.access] {
        gateway.refresh(bad).await.problem(401, "invalid-token");
    }
    gateway.get("/me").token(&tokens.access).send().await.expect(200);
    gateway.refresh(&tokens.refresh).await.expect(200);
    gateway.finish().await;
}

async fn a_disabled_user_cannot_refresh(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let id = gateway.create("user", "user").await["id"].as_str().unwrap().to_owned();
    let tokens = gateway.login("user", PASSWORD).await;
    gateway.patch(&id, &json!({ "status": "disabled" })).await.expect(200);
    gateway.refresh(&tokens.refresh).await.problem(401, "invalid-token");
    gateway.patch(&id, &json!({ "status": "active" })).await.expect(200);
    gateway.refresh(&tokens.refresh).await.problem(401, "invalid-token");
    gateway.finish().await;
}

async fn tokens_expire_when_they_say(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().clock(&clock).start(store).await;
    let tokens = gateway.login("admin", ADMIN_PASSWORD).await;
    clock.advance(Duration::from_secs(899));
    gateway.get("/me").token(&tokens.access).send().await.expect(200);
    // Replicas' clocks may be a few seconds apart, so a token lives that much longer.
    clock.advance(Duration::from_secs(10));
    gateway.get("/me").token(&tokens.access).send().await.problem(401, "expired-token");
    clock.advance(Duration::from_hours(14 * 24));
    gateway.refresh(&tokens.refresh).await.problem(401, "invalid-token");
    gateway.finish().await;
}

async fn a_session_ended_on_one_replica_is_dead_on_the_other_within_a_second(store: &TestStore) {
    let one = TestGateway::start(store).await;
    let two = TestGateway::start(store).await;
    let tokens = one.login("admin", ADMIN_PASSWORD).await;
    two.get("/me").token(&tokens.access).send().await.expect(200);
    one.post("/auth/logout").token(&tokens.access).send().await.expect(204);
    let clock = Clock::system();
    let ended_ns = clock.monotonic_ns();
    eventually("the revocation on the other replica", async || {
        let answer = two.get("/me").token(&tokens.access).send().await;
        (answer.status == 401).then_some(())
    })
    .await;
    let took_ns = clock.monotonic_ns() - ended_ns;
    assert!(took_ns < 1_000_000_000, "it took {took_ns} ns");
    two.refresh(&tokens.refresh).await.problem(401, "invalid-token");
    // Both write to one store, so only the sum of their records can be counted.
    TestGateway::finish_all([one, two]).await;
}
