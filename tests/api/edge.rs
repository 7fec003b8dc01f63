//! The limit per address, before anybody is asked who they are.

use futures_util::future::join_all;
use serde_json::json;

use super::support::{Setup, TestStore};

on_both_stores!(
    an_address_over_its_rate_is_refused_before_it_is_asked_who_it_is,
    a_refusal_at_the_edge_is_on_record,
    probes_are_answered_to_an_address_that_is_over_its_rate,
);

/// One a second, and few at once: far more than that at once is partly refused however slow the machine is.
fn narrow() -> Setup {
    Setup::default().set("edge.requests_per_s", 1).set("edge.burst", 5)
}

async fn an_address_over_its_rate_is_refused_before_it_is_asked_who_it_is(store: &TestStore) {
    let gateway = narrow().start(store).await;
    let calls = (0..100).map(|_| gateway.get("/me").token("garbage").send());
    let answers = join_all(calls).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 401).collect();
    assert!(refused.len() >= 50, "{} of 100", refused.len());
    for answer in refused {
        let problem = answer.problem(429, "quota-exceeded");
        assert_eq!(problem["violated-policies"], json!(["edge"]));
        assert_eq!(problem["policies"][0]["name"], "edge");
        let wait_s: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=5).contains(&wait_s), "{wait_s}");
    }
    gateway.finish().await;
}

async fn a_refusal_at_the_edge_is_on_record(store: &TestStore) {
    let gateway = narrow().start(store).await;
    let answers = join_all((0..100).map(|_| gateway.get("/.well-known/jwks.json").send())).await;
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    let record = gateway.record(refused.request_id()).await.unwrap();
    assert_eq!((&record["status"], &record["decision"]), (&json!(429), &json!("refused")));
    assert_eq!((&record["reason"], &record["peer"]), (&json!("quota-exceeded: edge"), &json!("127.0.0.1")));
    gateway.finish().await;
}

async fn probes_are_answered_to_an_address_that_is_over_its_rate(store: &TestStore) {
    let gateway = narrow().start(store).await;
    let answers = join_all((0..100).map(|_| gateway.get("/me").send())).await;
    assert!(answers.iter().any(|answer| answer.status == 429));
    for target in ["/healthz", "/readyz", "/healthz?x=1"] {
        let answers = join_all((0..20).map(|_| gateway.get(target).send())).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{target}");
    }
    gateway.finish().await;
}
