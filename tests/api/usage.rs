//! Usage: what the ledger adds up to, for everybody and for one's own.

use serde_json::{Value, json};

use super::support::{Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    usage_is_told_by_what_is_asked_for_and_adds_up,
    usage_is_narrowed_to_a_month_a_name_or_an_id,
    one_sees_only_ones_own_usage,
    a_bad_question_about_usage_names_its_place,
);

const ROUTES: &str = r#"
    [[routes]]
    name = "cheap"
    path = "/cheap"
    match = "exact"
    methods = ["GET"]
    roles = ["admin", "user"]
    upstream = "builtin:echo"
    meter = { fixed_usd = "0.000000000001" }

    [[routes]]
    name = "dear"
    path = "/dear"
    match = "exact"
    methods = ["GET"]
    roles = ["admin", "user"]
    upstream = "builtin:echo"
    meter = { fixed_usd = "9000" }
"#;

async fn start(store: &TestStore) -> TestGateway {
    Setup::default().more_lists(ROUTES).start(store).await
}

/// The sums, once so many calls are settled.
async fn usage(gateway: &TestGateway, token: &str, target: &str, requests: u64) -> Vec<Value> {
    eventually("the end of all calls", async || {
        let items = gateway.get(target).token(token).send().await.expect(200).json()["items"].clone();
        let items = items.as_array().unwrap().clone();
        let settled: u64 = items.iter().map(|item| item["requests"].as_u64().unwrap()).sum();
        (settled == requests).then_some(items)
    })
    .await
}

async fn usage_is_told_by_what_is_asked_for_and_adds_up(store: &TestStore) {
    let gateway = start(store).await;
    let ann = gateway.user("ann", "user").await;
    for (token, path, calls) in [(&gateway.admin, "/cheap", 3), (&ann.token, "/dear", 2), (&ann.token, "/cheap", 1)] {
        for _ in 0..calls {
            gateway.get(path).token(token).send().await.expect(200);
        }
    }
    let all = usage(&gateway, &gateway.admin, "/admin/usage", 6).await;
    let none = json!({ "input_tokens": 0, "output_tokens": 0, "cached_tokens": 0 });
    let with = |mut item: Value| {
        item.as_object_mut().unwrap().extend(none.as_object().unwrap().clone());
        item
    };
    assert_eq!(all, [with(json!({ "requests": 6, "cost_usd": "18000.000000000004" }))]);
    let mut routes = usage(&gateway, &gateway.admin, "/admin/usage?group_by=route,user,team", 6).await;
    routes.retain(|item| item["user"] == ann.id);
    let of = |route: &str, requests: u64, cost: &str| {
        with(
            json!({ "route": route, "user": ann.id, "user_name": "ann", "team": null, "team_name": null, "requests": requests, "cost_usd": cost }),
        )
    };
    assert_eq!(routes, [of("cheap", 1, "0.000000000001"), of("dear", 2, "18000")]);
    let day = &usage(&gateway, &gateway.admin, "/admin/usage?group_by=day", 6).await[0]["day"];
    let now = gateway.running().office.accounting.clock.now().to_string();
    assert!(now.starts_with(&format!("{}T", day.as_str().unwrap())), "{day} {now}");
    let later = "/admin/usage?group_by=route&from=2999-01-01T00:00:00Z";
    assert!(usage(&gateway, &gateway.admin, later, 0).await.is_empty());
    gateway.discard().await;
}

async fn usage_is_narrowed_to_a_month_a_name_or_an_id(store: &TestStore) {
    let gateway = start(store).await;
    let team = gateway.post("/admin/teams").token(&gateway.admin).json(&json!({ "name": "Research" })).send().await;
    let team = team.expect(201).json()["id"].as_str().unwrap().to_owned();
    let [ann, bob] = [gateway.user("ann", "user").await, gateway.user("bob", "user").await];
    gateway.patch(&ann.id, &json!({ "team_id": team })).await.expect(200);
    let key = gateway.post("/me/api-keys").token(&ann.token).json(&json!({ "name": "laptop" })).send().await;
    let key = key.expect(201).json();
    let [key, key_id] = ["key", "id"].map(|field| key[field].as_str().unwrap().to_owned());
    for (token, path) in [(&key, "/cheap"), (&ann.token, "/dear"), (&bob.token, "/cheap"), (&bob.token, "/cheap")] {
        gateway.get(path).token(token).send().await.expect(200);
    }
    usage(&gateway, &gateway.admin, "/admin/usage", 4).await;
    let now = gateway.running().office.accounting.clock.now().to_string();
    let month: String = now.chars().take("2026-11".len()).collect();
    let asked = |query: &str, requests| (query.to_owned(), requests);
    let queries = [
        asked("user=ann", 2),
        asked(&format!("user={}", bob.id), 2),
        asked("team=Research", 2),
        asked(&format!("team={team}"), 2),
        asked("key=laptop", 1),
        asked("key=ann/laptop", 1),
        asked(&format!("key={key_id}"), 1),
        asked("route=cheap", 3),
        asked("route=cheap&user=bob", 2),
        asked("route=dear&user=bob", 0),
        asked("model=demo", 0),
        asked(&format!("month={month}"), 4),
        asked("month=2020-01", 0),
    ];
    let check = async || {
        for (query, requests) in &queries {
            let items = usage(&gateway, &gateway.admin, &format!("/admin/usage?{query}"), *requests).await;
            assert_eq!(items.len(), 1, "{query}");
        }
    };
    check().await;
    // Nobody learns from their own usage which names there are.
    for query in ["user=bob", "user=nobody", "team=nobody"] {
        usage(&gateway, &ann.token, &format!("/me/usage?{query}"), 0).await;
    }
    usage(&gateway, &ann.token, "/me/usage?key=laptop&team=Research", 1).await;
    for path in [format!("/admin/users/{}", ann.id), format!("/admin/teams/{team}")] {
        gateway.request("DELETE", &path).token(&gateway.admin).send().await.expect(204);
    }
    check().await;
    gateway.discard().await;
}

async fn one_sees_only_ones_own_usage(store: &TestStore) {
    let gateway = start(store).await;
    let ann = gateway.user("ann", "user").await;
    gateway.get("/dear").token(&gateway.admin).send().await.expect(200);
    gateway.get("/cheap").token(&ann.token).send().await.expect(200);
    let mine = usage(&gateway, &ann.token, "/me/usage?group_by=route", 1).await;
    assert_eq!((mine.len(), &mine[0]["route"]), (1, &json!("cheap")));
    gateway.get("/admin/usage").token(&ann.token).send().await.problem(403, "forbidden");
    gateway.discard().await;
}

async fn a_bad_question_about_usage_names_its_place(store: &TestStore) {
    let gateway = start(store).await;
    for (query, pointer) in [
        ("group_by=planet", "?group_by"),
        ("group_by=user,user", "?group_by"),
        ("from=yesterday", "?from"),
        ("to=1", "?to"),
        ("month=2026-13", "?month"),
        ("month=2026-11-01", "?month"),
        ("month=2026-11&from=2026-11-02", "?month"),
        ("month=2026-11&to=2026-12-01", "?month"),
        ("user=nobody", "?user"),
        ("team=nobody", "?team"),
        ("key=nobody/laptop", "?key"),
    ] {
        gateway.get(&format!("/admin/usage?{query}")).token(&gateway.admin).send().await.invalid(pointer);
    }
    gateway.finish().await;
}
