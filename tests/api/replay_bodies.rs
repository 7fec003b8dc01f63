//! `/admin/replay`: bodies that make no sense, all that is wrong with each at once; and who may ask.

use serde_json::{Value, json};

use super::support::{TestGateway, TestStore};

on_both_stores!(
    every_fault_is_named_by_its_place_and_all_at_once,
    only_administrators_replay,
    nothing_is_made_by_a_replay,
    no_more_than_two_run_at_a_time,
);

fn limit(changes: Value) -> Value {
    let mut limit =
        json!({ "name": "a", "routes": ["*"], "per": "user", "unit": "requests", "limit": 10, "window_s": 60 });
    limit.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    limit
}

fn budget(changes: Value) -> Value {
    let mut budget = json!({ "name": "a", "scope": "user", "limit_usd": "1", "period": "day" });
    budget.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    budget
}

async fn every_fault_is_named_by_its_place_and_all_at_once(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let (day, next) = ("2026-11-28", "2026-11-29");
    for (body, pointers) in [
        (json!({}), vec!["/from", "/limit"]),
        (json!({ "from": day }), vec!["/limit"]),
        (json!({ "from": "soon", "limit": limit(json!({})) }), vec!["/from"]),
        (json!({ "from": next, "to": day, "limit": limit(json!({})) }), vec!["/from"]),
        (json!({ "from": day, "to": day, "limit": limit(json!({})) }), vec!["/from"]),
        (json!({ "from": day, "limit": 1 }), vec!["/limit"]),
        (
            json!({ "from": day, "limit": limit(json!({ "window_s": 0, "per": "nobody" })) }),
            vec!["/limit/per", "/limit/window_s"],
        ),
        (
            json!({ "from": day, "limit": limit(json!({ "routes": ["*", "nope"], "burst": 0 })) }),
            vec!["/limit/burst", "/limit/routes/0", "/limit/routes/1"],
        ),
        (json!({ "from": day, "limit": limit(json!({ "speed": 1 })), "for": 1 }), vec!["/for", "/limit/speed"]),
        (
            json!({ "from": day, "limit": { "name": "a" } }),
            vec!["/limit/limit", "/limit/per", "/limit/routes", "/limit/unit"],
        ),
        (
            json!({ "from": day, "budget": budget(json!({ "limit_usd": "-1", "models": [] })) }),
            vec!["/budget/limit_usd", "/budget/models"],
        ),
        (
            json!({ "from": day, "budget": budget(json!({ "scope": "global", "subject": "01890a5d-ac96-774b-bcce-b302099a8057" })) }),
            vec!["/budget/subject"],
        ),
        (json!({ "from": day, "limit": limit(json!({})), "budget": budget(json!({})) }), vec![""]),
        (json!({ "from": day, "candidates": [] }), vec!["/candidates"]),
        (json!({ "from": day, "candidates": vec![json!({ "limit": limit(json!({})) }); 11] }), vec!["/candidates"]),
        (
            json!({ "from": day, "candidates": [{}, { "limit": limit(json!({ "limit": 0 })) }] }),
            vec!["/candidates/0", "/candidates/1/limit/limit"],
        ),
        (json!({ "from": day, "budget": budget(json!({})), "tightest": { "below": 0.1 } }), vec!["/tightest"]),
        (json!({ "from": day, "limit": limit(json!({})), "tightest": { "below": 2 } }), vec!["/tightest/below"]),
    ] {
        let answer = gateway.post("/admin/replay").token(&gateway.admin).json(&body).send().await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        let problem = answer.problem(400, "invalid-request");
        let faults = problem["errors"].as_array().unwrap().iter();
        let mut found: Vec<&str> = faults.map(|fault| fault["pointer"].as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, pointers, "{body}: {problem}");
    }
    gateway.finish().await;
}

async fn only_administrators_replay(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let body = json!({ "from": "2026-11-28", "limit": limit(json!({})) });
    gateway.post("/admin/replay").json(&body).send().await.problem(401, "missing-credential");
    for role in ["user", "readonly", "auditor"] {
        let user = gateway.user(role, role).await;
        gateway.post("/admin/replay").token(&user.token).json(&body).send().await.problem(403, "forbidden");
    }
    gateway.post("/admin/replay").token(&gateway.admin).json(&body).send().await.expect(200);
    gateway.finish().await;
}

async fn nothing_is_made_by_a_replay(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let tight = limit(json!({ "limit": 1, "burst": 1 }));
    let body = json!({ "from": "2026-11-28", "candidates": [{ "limit": tight }, { "budget": budget(json!({})) }] });
    let answer = gateway.post("/admin/replay").token(&gateway.admin).json(&body).send().await.expect(200).json();
    assert_eq!(answer["candidates"].as_array().unwrap().len(), 2, "{answer}");
    for list in ["limits", "budgets"] {
        let list = gateway.get(&format!("/admin/{list}?name=a")).token(&gateway.admin).send().await.expect(200).json();
        assert_eq!(list["items"], json!([]));
    }
    for _ in 0..3 {
        gateway.get("/echo").token(&gateway.admin).send().await.expect(200);
    }
    gateway.finish().await;
}

async fn no_more_than_two_run_at_a_time(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let replays = gateway.running().office.administration.replays.clone();
    let body = json!({ "from": "2026-11-28", "limit": limit(json!({})) });
    let run = async || gateway.post("/admin/replay").token(&gateway.admin).json(&body).send().await;
    let first = replays.enter();
    run().await.expect(200);
    let second = replays.enter();
    run().await.problem(503, "temporary-reduced-capacity");
    drop((first, second));
    run().await.expect(200);
    gateway.finish().await;
}
