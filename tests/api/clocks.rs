//! Replicas whose clocks are apart: what they compare is in the time of the store they share.

use jiff::SignedDuration;
use serde_json::json;
use tollgate::clock::Clock;

use super::support::{Kind, PASSWORD, Setup, TestGateway, TestStore, Tokens, eventually, run};

/// On PostgreSQL: the time of SQLite is that of the process.
macro_rules! on_a_shared_store {
    ($($name:ident),+ $(,)?) => {
        mod postgres {
            $(#[test]
            fn $name() {
                super::run(super::Kind::Postgres, super::$name);
            })+
        }
    };
}

on_a_shared_store!(
    a_session_that_is_ended_elsewhere_is_dead_where_the_clock_is_ahead,
    a_repeated_refresh_is_answered_where_the_clock_is_ahead,
    a_gateway_whose_clock_is_far_from_the_stores_is_not_ready,
    tokens_ahead_of_their_time_are_refused,
);

async fn replicas(store: &TestStore, ahead_s: i64) -> [TestGateway; 2] {
    let wrong = Clock::wrong_by(SignedDuration::from_secs(ahead_s));
    [TestGateway::start(store).await, Setup::default().clock(&wrong).start(store).await]
}

async fn a_session_that_is_ended_elsewhere_is_dead_where_the_clock_is_ahead(store: &TestStore) {
    let [right, ahead] = replicas(store, 3_600).await;
    let id = right.create("ada", "user").await["id"].as_str().unwrap().to_owned();
    let tokens = ahead.login("ada", PASSWORD).await;
    ahead.get("/me").token(&tokens.access).send().await.expect(200);
    right.request("DELETE", &format!("/admin/users/{id}/sessions")).token(&right.admin).send().await.expect(204);
    let refused = eventually("the end of the session", async || {
        let answer = ahead.get("/me").token(&tokens.access).send().await;
        (answer.status != 200).then_some(answer)
    });
    refused.await.problem(401, "revoked-token");
    TestGateway::finish_all([right, ahead]).await;
}

async fn a_repeated_refresh_is_answered_where_the_clock_is_ahead(store: &TestStore) {
    let [right, ahead] = replicas(store, 60).await;
    right.create("ada", "user").await;
    let first = right.login("ada", PASSWORD).await;
    let second = Tokens::from(&right.refresh(&first.refresh).await);
    let again = Tokens::from(&ahead.refresh(&first.refresh).await);
    assert_eq!(again.refresh, second.refresh);
    TestGateway::finish_all([right, ahead]).await;
}

async fn a_gateway_whose_clock_is_far_from_the_stores_is_not_ready(store: &TestStore) {
    let mut gateways = vec![];
    for (ahead_s, status, clock) in
        [(-60, 503, "unavailable"), (-3, 200, "ok"), (3, 200, "ok"), (60, 503, "unavailable")]
    {
        let wrong = Clock::wrong_by(SignedDuration::from_secs(ahead_s));
        let gateway = Setup::default().clock(&wrong).start(store).await;
        let answer = gateway.get("/readyz").send().await;
        assert_eq!((answer.expect(status).json()["dependencies"]["clock"].clone()), json!(clock), "{ahead_s}");
        gateways.push(gateway);
    }
    TestGateway::finish_all(gateways).await;
}

async fn tokens_ahead_of_their_time_are_refused(store: &TestStore) {
    let [right, ahead] = replicas(store, 60).await;
    right.get("/me").token(&ahead.admin).send().await.problem(401, "invalid-token");
    TestGateway::finish_all([right, ahead]).await;
}
