//! Prices, as an administrator keeps them: what is written is what calls are billed by, and what makes no sense changes
//! nothing.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Answer, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    a_first_start_has_the_built_in_prices,
    prices_are_set_shown_and_removed_and_every_version_stays,
    every_bad_price_names_its_place_and_changes_nothing,
    a_change_for_another_version_is_a_conflict,
    a_big_change_leaves_a_small_record,
    pages_follow_each_other_by_model,
    only_an_administrator_may_look_at_prices,
    another_replica_bills_by_a_change_within_a_second,
    the_configured_file_sets_its_prices_at_each_start_and_no_others,
);

fn price(model: &str, changes: Value) -> Value {
    let mut price = json!({ "model": model, "input_usd": "3", "output_usd": "15", "max_output_tokens": 64_000 });
    for (field, value) in changes.as_object().unwrap() {
        price[field] = value.clone();
    }
    price
}

async fn get(gateway: &TestGateway, query: &str) -> Answer {
    gateway.get(&format!("/admin/prices{query}")).token(&gateway.admin).send().await
}

async fn put(gateway: &TestGateway, body: &Value) -> Answer {
    gateway.request("PUT", "/admin/prices").token(&gateway.admin).json(body).send().await
}

/// Version and price of a model, as calls are billed now.
fn in_force(gateway: &TestGateway, model: &str) -> Option<(i64, u64)> {
    let book = gateway.running().office.accounting.prices.read();
    book.find(model).map(|priced| (priced.version, priced.price.base.input))
}

async fn a_first_start_has_the_built_in_prices(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    assert_eq!(in_force(&gateway, "demo"), Some((1, 1_000_000)));
    let page = get(&gateway, "?model=demo").await.expect(200).json();
    let demo = json!({ "model": "demo", "input_usd": "1", "output_usd": "2", "max_output_tokens": 4096 });
    assert_eq!((&page["version"], &page["items"], &page["next_cursor"]), (&json!(1), &json!([demo]), &Value::Null));
    assert!(page["source"].as_str().unwrap().starts_with("built-in table of 20"), "{page}");
    gateway.finish().await;
}

async fn prices_are_set_shown_and_removed_and_every_version_stays(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let written = price(
        "org/new model",
        json!({ "input_usd": "0.150", "cached_input_usd": "0.15",
        "tiers": [{ "above_input_tokens": 200_000, "input_usd": "0.3", "output_usd": "30" }] }),
    );
    let mut shown = written.clone();
    shown["input_usd"] = json!("0.15");
    shown.as_object_mut().unwrap().remove("cached_input_usd");
    let made = put(&gateway, &json!({ "items": [written, price("demo", json!({}))] })).await;
    assert_eq!(made.expect(200).json(), json!({ "version": 2, "added": 1, "changed": 1, "removed": 0 }));
    assert_eq!(in_force(&gateway, "org/new model"), Some((2, 150_000)));
    assert_eq!(in_force(&gateway, "demo"), Some((2, 3_000_000)));
    let page = get(&gateway, "?model=org/new%20model").await.expect(200).json();
    assert_eq!((&page["items"], &page["source"]), (&json!([shown]), &json!("administrator admin")));
    let change = gateway.record(made.request_id()).await.unwrap()["change"].clone();
    assert_eq!((&change["before"]["version"], &change["after"]["version"]), (&json!(1), &json!(2)));
    assert_eq!(change["before"]["changed"][0]["input_usd"], "1");
    assert_eq!(change["after"]["changed"], json!([price("demo", json!({}))]));
    assert_eq!(change["after"]["added"], json!([shown]));

    let same = put(&gateway, &json!({ "items": [shown] })).await.expect(200).json();
    assert_eq!(same, json!({ "version": 2, "added": 0, "changed": 0, "removed": 0 }));
    let gone = put(&gateway, &json!({ "remove": ["org/new model"] })).await.expect(200).json();
    assert_eq!(gone, json!({ "version": 3, "added": 0, "changed": 0, "removed": 1 }));
    assert_eq!(in_force(&gateway, "org/new model"), None);
    let all = put(&gateway, &json!({ "items": [price("only", json!({}))], "remove": ["*"] })).await.expect(200).json();
    assert!(all["removed"].as_u64().unwrap() > 100, "{all}");
    let items = get(&gateway, "?limit=200").await.expect(200).json()["items"].clone();
    assert_eq!(items, json!([price("only", json!({}))]));
    for (version, models) in [(1, 0), (2, 1), (3, 0)] {
        let page = get(&gateway, &format!("?version={version}&model=org/new%20model")).await.expect(200).json();
        assert_eq!(page["items"].as_array().unwrap().len(), models, "{page}");
    }
    gateway.finish().await;
}

async fn every_bad_price_names_its_place_and_changes_nothing(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let good = price("good", json!({}));
    for (body, pointer) in [
        (json!({}), "/items"),
        (json!({ "items": [] }), "/items"),
        (json!({ "items": {} }), "/items"),
        (json!({ "prices": [good] }), "/prices"),
        (json!({ "items": [good, price("a", json!({ "input_usd": "-1" }))] }), "/items/1/input_usd"),
        (json!({ "items": [price("a", json!({ "input_usd": "NaN" }))] }), "/items/0/input_usd"),
        (json!({ "items": [price("a", json!({ "input_usd": "1e30" }))] }), "/items/0/input_usd"),
        (json!({ "items": [price("a", json!({ "output_usd": "0.0000001" }))] }), "/items/0/output_usd"),
        (json!({ "items": [price("a", json!({ "output_usd": "1,5" }))] }), "/items/0/output_usd"),
        (json!({ "items": [price("a", json!({ "max_output_tokens": -1 }))] }), "/items/0/max_output_tokens"),
        (json!({ "items": [price("a", json!({ "color": "red" }))] }), "/items/0/color"),
        (json!({ "items": [good, good] }), "/items/1/model"),
        (json!({ "items": [price(&"x".repeat(257), json!({}))] }), "/items/0/model"),
        (json!({ "items": [good], "remove": ["good"] }), "/remove/0"),
        (json!({ "items": [good], "version": "one" }), "/version"),
    ] {
        let problem = put(&gateway, &body).await.problem(400, "invalid-request");
        let found = &problem["errors"][0]["pointer"];
        assert!(pointer.is_empty() || found == pointer, "{found}: {body}");
    }
    let two = json!({ "items": [price("", json!({ "input_usd": "x" })), price("b", json!({ "output_usd": "-0.1" }))] });
    let problem = put(&gateway, &two).await.problem(400, "invalid-request");
    let pointers: Vec<&Value> = problem["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/items/0/input_usd", "/items/0/model", "/items/1/output_usd"]);
    let huge = json!({ "items": [price(&"x".repeat(10 << 20), json!({}))] });
    put(&gateway, &huge).await.problem(413, "body-too-large");
    assert_eq!(get(&gateway, "").await.expect(200).json()["version"], 1);
    assert_eq!(in_force(&gateway, "good"), None);
    for (query, pointer) in [("?version=x", "?version"), ("?cursor=a%00b", "?cursor"), ("?limit=0", "?limit")] {
        get(&gateway, query).await.invalid(pointer);
    }
    get(&gateway, "?version=2").await.problem(404, "not-found");
    assert_eq!(get(&gateway, "?model=%00").await.expect(200).json()["items"], json!([]));
    gateway.finish().await;
}

async fn a_change_for_another_version_is_a_conflict(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let body = |version: i64| json!({ "items": [price("a", json!({}))], "version": version });
    let problem = put(&gateway, &body(7)).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("version 1"), "{problem}");
    assert_eq!(put(&gateway, &body(1)).await.expect(200).json()["version"], 2);
    put(&gateway, &body(1)).await.problem(409, "conflict");
    gateway.finish().await;
}

async fn a_big_change_leaves_a_small_record(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let items: Vec<Value> = (0..400).map(|i| price(&format!("model-{i:03}"), json!({}))).collect();
    let answer = put(&gateway, &json!({ "items": items, "remove": ["*"] })).await;
    assert_eq!(answer.expect(200).json()["added"], 400);
    let change = gateway.record(answer.request_id()).await.unwrap()["change"].clone();
    assert_eq!(change["after"]["counts"]["added"], 400);
    assert_eq!(change["after"]["added"].as_array().unwrap().len(), 10);
    assert_eq!(change["before"]["removed"].as_array().unwrap().len(), 10);
    assert!(change.to_string().len() < 8_192);
    gateway.finish().await;
}

async fn pages_follow_each_other_by_model(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let items: Vec<Value> = ["a/b c", "a", "é&="].map(|model| price(model, json!({}))).into();
    put(&gateway, &json!({ "items": items, "remove": ["*"] })).await.expect(200);
    let mut query = "?limit=1".to_owned();
    let mut models = vec![];
    loop {
        let page = get(&gateway, &query).await.expect(200).json();
        models.push(page["items"][0]["model"].as_str().unwrap().to_owned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = form_urlencoded::Serializer::new("?limit=1&".to_owned()).append_pair("cursor", cursor).finish();
    }
    assert_eq!(models, ["a", "a/b c", "é&="]);
    gateway.finish().await;
}

async fn only_an_administrator_may_look_at_prices(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for role in ["user", "readonly"] {
        let token = gateway.user(role, role).await.token;
        gateway.get("/admin/prices").token(&token).send().await.problem(403, "forbidden");
        let body = json!({ "items": [price("a", json!({}))] });
        gateway.request("PUT", "/admin/prices").token(&token).json(&body).send().await.problem(403, "forbidden");
    }
    let answer = gateway.request("POST", "/admin/prices").token(&gateway.admin).json(&json!({})).send().await;
    answer.problem(405, "method-not-allowed");
    assert_eq!(answer.header("allow"), Some("GET, HEAD, PUT"));
    gateway.finish().await;
}

async fn another_replica_bills_by_a_change_within_a_second(store: &TestStore) {
    let replicas = [TestGateway::start(store).await, TestGateway::start(store).await];
    put(&replicas[0], &json!({ "items": [price("demo", json!({}))] })).await.expect(200);
    let there = eventually("the change", async || {
        in_force(&replicas[1], "demo").filter(|found| *found == (2, 3_000_000)).map(drop)
    });
    tokio::time::timeout(Duration::from_secs(1), there).await.expect("within a second");
    TestGateway::finish_all(replicas).await;
}

async fn the_configured_file_sets_its_prices_at_each_start_and_no_others(store: &TestStore) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |input_usd: &str| {
        let text = format!(
            "date = \"2026-01-02\"\n[[prices]]\nmodel = \"mine\"\ninput_usd = \"{input_usd}\"\noutput_usd = \"1\"\nmax_output_tokens = 1\n"
        );
        std::fs::write(file.path(), text).unwrap();
    };
    let start = async || Setup::default().set("prices.file", file.path().display()).start(store).await;
    write("5");
    let gateway = start().await;
    assert_eq!(in_force(&gateway, "mine"), Some((2, 5_000_000)));
    assert_eq!(in_force(&gateway, "demo"), Some((2, 1_000_000)));
    let source = get(&gateway, "").await.expect(200).json()["source"].clone();
    assert!(source.as_str().unwrap().ends_with(" of 2026-01-02"), "{source}");
    put(&gateway, &json!({ "items": [price("demo", json!({}))] })).await.expect(200);
    gateway.finish().await;
    let gateway = start().await;
    assert_eq!((in_force(&gateway, "mine"), in_force(&gateway, "demo")), (Some((3, 5_000_000)), Some((3, 3_000_000))));
    gateway.discard().await;
    write("6");
    let gateway = start().await;
    assert_eq!(in_force(&gateway, "mine"), Some((4, 6_000_000)));
    gateway.discard().await;
}
