//! Every layer and every unit of the limits: who shares a bucket with whom, and what is counted.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tollgate::clock::Clock;

use super::support::{Answer, RawUpstream, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    everybody_shares_a_global_limit,
    a_team_shares_its_limit,
    a_subject_has_its_own_limit_in_place_of_the_general_one,
    a_change_applies_at_once_and_keeps_what_was_used,
    an_address_is_limited_whoever_calls_from_it,
    an_api_key_has_a_limit_of_its_own,
    a_layer_that_refuses_late_charges_none_that_was_asked_before,
    a_refusal_names_every_layer_that_refuses,
    a_changed_rate_counts_from_when_it_was_changed,
    a_stream_holds_its_place_until_its_last_byte,
    a_client_that_goes_away_leaves_its_place,
    tokens_are_estimated_and_then_corrected,
    tokens_of_a_stream_are_corrected_at_its_end,
    an_estimate_larger_than_the_limit_is_admitted_to_a_full_bucket,
    a_shadow_policy_refuses_nothing_and_is_on_record,
);

/// A limit that refills so slowly that a test sees only its burst.
fn limit(name: &str, per: &str, unit: &str, burst: u64) -> String {
    format!(
        "[[limits]]\nname = \"{name}\"\nroutes = [\"*\"]\nper = \"{per}\"\nunit = \"{unit}\"\n\
         limit = 1\nwindow_s = 1000\nburst = {burst}\n"
    )
}

fn places(name: &str, places: u64) -> String {
    format!(
        "[[limits]]\nname = \"{name}\"\nroutes = [\"*\"]\nper = \"user\"\nunit = \"concurrent\"\nlimit = {places}\n"
    )
}

async fn limited(store: &TestStore, lists: &[String]) -> TestGateway {
    Setup::default().lists(&lists.concat()).clock(&Clock::manual(1_800_000_000)).start(store).await
}

async fn get(gateway: &TestGateway, token: &str, path: &str) -> Answer {
    gateway.get(path).token(token).send().await
}

async fn left(gateway: &TestGateway, token: &str) -> Value {
    let me = get(gateway, token, "/me").await.expect(200).json();
    let limits = me["limits"].as_array().unwrap().iter();
    limits.map(|limit| (limit["name"].as_str().unwrap().to_owned(), limit["remaining"].clone())).collect()
}

fn refused_by(answer: &Answer, policy: &str) {
    assert_eq!(answer.problem(429, "quota-exceeded")["violated-policies"], json!([policy]));
}

async fn everybody_shares_a_global_limit(store: &TestStore) {
    let gateway = limited(store, &[limit("all", "global", "requests", 10)]).await;
    let users = [gateway.user("a", "user").await, gateway.user("b", "user").await, gateway.user("c", "user").await];
    let calls = (0..30).map(|i| get(&gateway, &users[i % 3].token, "/echo"));
    let answers = join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 10);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        refused_by(answer, "all");
    }
    gateway.finish().await;
}

async fn admin(gateway: &TestGateway, method: &str, target: &str, body: Value) -> Answer {
    gateway.request(method, target).token(&gateway.admin).json(&body).send().await
}

async fn a_team_shares_its_limit(store: &TestStore) {
    let gateway = limited(store, &[limit("team", "team", "requests", 3)]).await;
    let (one, two) = (gateway.user("one", "user").await, gateway.user("two", "user").await);
    let team = admin(&gateway, "POST", "/admin/teams", json!({ "name": "crew" })).await.expect(201).json();
    for user in [&one, &two] {
        gateway.patch(&user.id, &json!({ "team_id": team["id"] })).await.expect(200);
    }
    for user in [&one, &two, &one] {
        get(&gateway, &user.token, "/echo").await.expect(200);
    }
    refused_by(&get(&gateway, &two.token, "/echo").await, "team");
    // Who is in no team is not limited by it.
    assert_eq!(get(&gateway, &gateway.admin, "/echo").await.expect(200).header("ratelimit"), None);
    gateway.finish().await;
}

async fn a_subject_has_its_own_limit_in_place_of_the_general_one(store: &TestStore) {
    let gateway = limited(store, &[limit("mine", "user", "requests", 2)]).await;
    let (rich, poor) = (gateway.user("rich", "user").await, gateway.user("poor", "user").await);
    get(&gateway, &rich.token, "/echo").await.expect(200);
    let own = json!({
        "name": "mine", "routes": ["*"], "per": "user", "subject": rich.id, "unit": "requests", "limit": 1,
        "window_s": 1000, "burst": 5,
    });
    let own = admin(&gateway, "POST", "/admin/limits", own).await;
    // One of five was used under the general limit.
    assert_eq!(left(&gateway, &rich.token).await, json!({ "mine": 4 }));
    assert_eq!(left(&gateway, &poor.token).await, json!({ "mine": 2 }));
    get(&gateway, &rich.token, "/echo").await.expect(200);
    let place = own.expect(201).header("location").unwrap();
    gateway.request("DELETE", place).token(&gateway.admin).send().await.expect(204);
    assert_eq!(left(&gateway, &rich.token).await, json!({ "mine": 0 }));
    gateway.finish().await;
}

async fn a_change_applies_at_once_and_keeps_what_was_used(store: &TestStore) {
    let gateway = limited(store, &[limit("mine", "user", "requests", 10)]).await;
    for _ in 0..7 {
        get(&gateway, &gateway.admin, "/echo").await.expect(200);
    }
    let list = gateway.get("/admin/limits").token(&gateway.admin).send().await.expect(200).json();
    let place = format!("/admin/limits/{}", list["items"][0]["id"].as_str().unwrap());
    for (change, remaining) in [
        (json!({ "burst": 9 }), 2),
        (json!({ "window_s": 500 }), 2),
        (json!({ "limit": 3, "burst": 12 }), 5),
        (json!({ "burst": 4 }), 0),
        (json!({ "burst": 8 }), 1),
        // From an hour on it is kept in the store; then it is not any more.
        (json!({ "window_s": 3600 }), 1),
        (json!({ "window_s": 86_400, "burst": 9 }), 2),
        (json!({ "window_s": 900, "burst": 8 }), 1),
    ] {
        admin(&gateway, "PATCH", &place, change.clone()).await.expect(200);
        assert_eq!(left(&gateway, &gateway.admin).await, json!({ "mine": remaining }), "{change}");
    }
    get(&gateway, &gateway.admin, "/echo").await.expect(200);
    refused_by(&get(&gateway, &gateway.admin, "/echo").await, "mine");
    gateway.finish().await;
}

async fn an_address_is_limited_whoever_calls_from_it(store: &TestStore) {
    let gateway = Setup::default().set("server.trusted_proxies", "[\"127.0.0.0/8\"]");
    let lists = limit("net", "address", "requests", 2);
    let gateway = gateway.lists(&lists).clock(&Clock::manual(1_800_000_000)).start(store).await;
    let user = gateway.user("a", "user").await;
    let from = async |token: &str, address: &str| {
        gateway.get("/echo").token(token).header("x-forwarded-for", address).send().await
    };
    from(&user.token, "192.0.2.1").await.expect(200);
    from(&gateway.admin, "192.0.2.1").await.expect(200);
    refused_by(&from(&user.token, "192.0.2.1").await, "net");
    from(&user.token, "192.0.2.2").await.expect(200);
    // An IPv6 network of 64 bits is one address.
    from(&user.token, "2001:db8::1").await.expect(200);
    from(&user.token, "2001:db8::2").await.expect(200);
    refused_by(&from(&gateway.admin, "2001:db8::3").await, "net");
    gateway.finish().await;
}

async fn an_api_key_has_a_limit_of_its_own(store: &TestStore) {
    let gateway = limited(store, &[limit("key", "key", "requests", 1)]).await;
    let (one, two) = (gateway.api_key(&gateway.admin, "one").await, gateway.api_key(&gateway.admin, "two").await);
    for key in [&one, &two] {
        get(&gateway, &key.text, "/echo").await.expect(200);
        refused_by(&get(&gateway, &key.text, "/echo").await, "key");
    }
    let unlimited = get(&gateway, &gateway.admin, "/echo").await;
    assert_eq!(unlimited.expect(200).header("ratelimit"), None);
    assert_eq!(left(&gateway, &one.text).await, json!({ "key": 0 }));
    assert_eq!(left(&gateway, &gateway.admin).await, json!({}));
    gateway.finish().await;
}

async fn a_layer_that_refuses_late_charges_none_that_was_asked_before(store: &TestStore) {
    let lists = [limit("mine", "user", "requests", 9), limit("all", "global", "requests", 1)];
    let gateway = limited(store, &lists).await;
    get(&gateway, &gateway.admin, "/echo").await.expect(200);
    for _ in 0..3 {
        let refused = get(&gateway, &gateway.admin, "/echo").await;
        refused_by(&refused, "all");
        assert!(refused.rate_limit("ratelimit", "mine").starts_with("r="), "{refused:?}");
    }
    eventually("the refunds", async || {
        (left(&gateway, &gateway.admin).await == json!({ "mine": 8, "all": 0 })).then_some(())
    })
    .await;
    gateway.finish().await;
}

async fn a_refusal_names_every_layer_that_refuses(store: &TestStore) {
    let lists = [limit("mine", "user", "requests", 1), limit("all", "global", "requests", 2)];
    let gateway = limited(store, &lists).await;
    let users = [gateway.user("one", "user").await, gateway.user("two", "user").await];
    for user in &users {
        get(&gateway, &user.token, "/echo").await.expect(200);
    }
    for user in &users {
        let refused = get(&gateway, &user.token, "/echo").await;
        let problem = refused.problem(429, "quota-exceeded");
        assert_eq!(problem["violated-policies"], json!(["mine", "all"]));
        for (i, name) in ["mine", "all"].into_iter().enumerate() {
            assert_eq!(problem["policies"][i]["remaining"], 0);
            assert!(refused.rate_limit("ratelimit", name).starts_with("r=0;"), "{refused:?}");
        }
    }
    gateway.finish().await;
}

async fn a_changed_rate_counts_from_when_it_was_changed(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    let kinds = [("user", 1, 10), ("user", 10, 1), ("global", 1, 10), ("global", 10, 1)];
    let name = |(per, before, after): &(&str, u64, u64)| format!("{per}-{before}-{after}");
    let lists: String = kinds
        .iter()
        .map(|kind| limit(&name(kind), kind.0, "requests", 10).replace("limit = 1\n", &format!("limit = {}\n", kind.1)))
        .collect();
    let gateway = Setup::default().lists(&lists).clock(&clock).start(store).await;
    for _ in 0..10 {
        get(&gateway, &gateway.admin, "/echo").await.expect(200);
    }
    let list = gateway.get("/admin/limits").token(&gateway.admin).send().await.expect(200).json();
    for kind in &kinds {
        let limits = list["items"].as_array().unwrap();
        let found = limits.iter().find(|limit| limit["name"] == name(kind)).unwrap();
        let place = format!("/admin/limits/{}", found["id"].as_str().unwrap());
        admin(&gateway, "PATCH", &place, json!({ "limit": kind.2 })).await.expect(200);
    }
    clock.advance(Duration::from_secs(501));
    let back = json!({ "user-1-10": 5, "user-10-1": 0, "global-1-10": 5, "global-10-1": 0 });
    assert_eq!(left(&gateway, &gateway.admin).await, back);
    gateway.finish().await;
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";

async fn a_stream_holds_its_place_until_its_last_byte(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let gateway = limited(store, &[RawUpstream::route_to(upstream.address), places("two", 2)]).await;
    let mut streams = vec![];
    for _ in 0..2 {
        let mut client = gateway.connect().await;
        client.send(&gateway.get("/up").token(&gateway.admin).bytes()).await;
        let served = upstream.take(HEAD).await;
        let head = client.head().await;
        assert_eq!(head.expect(200).header("ratelimit-policy"), Some("\"two\";q=2;qu=\"concurrent-requests\""));
        gateway.expect_record();
        streams.push((client, served));
    }
    let refused = get(&gateway, &gateway.admin, "/up").await;
    refused_by(&refused, "two");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(left(&gateway, &gateway.admin).await, json!({ "two": 0 }));
    for (client, mut served) in streams {
        tokio::io::AsyncWriteExt::write_all(&mut served, b"0\r\n\r\n").await.unwrap();
        drop(client.rest().await);
    }
    eventually("the places", async || (left(&gateway, &gateway.admin).await == json!({ "two": 2 })).then_some(()))
        .await;
    gateway.finish().await;
}

async fn a_client_that_goes_away_leaves_its_place(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let gateway = limited(store, &[RawUpstream::route_to(upstream.address), places("one", 1)]).await;
    for _ in 0..3 {
        let mut client = gateway.connect().await;
        client.send(&gateway.get("/up").token(&gateway.admin).bytes()).await;
        let served = upstream.take(HEAD).await;
        client.head().await.expect(200);
        gateway.expect_record();
        client.reset();
        drop(served);
        eventually("the place", async || (left(&gateway, &gateway.admin).await == json!({ "one": 1 })).then_some(()))
            .await;
    }
    gateway.finish().await;
}

fn chat(max_tokens: u64, stream: bool) -> String {
    let options = if stream { json!({ "include_usage": true }) } else { Value::Null };
    json!({
        "model": "demo", "max_tokens": max_tokens, "stream": stream, "stream_options": options,
        "messages": [{ "role": "user", "content": "How long is a piece of string?" }],
    })
    .to_string()
}

async fn ask(gateway: &TestGateway, body: String) -> Answer {
    let request = gateway.post("/v1/chat/completions").token(&gateway.admin);
    request.header("content-type", "application/json").body(body).send().await
}

async fn tokens_are_estimated_and_then_corrected(store: &TestStore) {
    let gateway = limited(store, &[limit("tokens", "user", "tokens", 1_000)]).await;
    let mut used = 0;
    for _ in 0..3 {
        let answer = ask(&gateway, chat(20, false)).await;
        let usage = &answer.expect(200).json()["usage"];
        used += usage["total_tokens"].as_u64().unwrap();
        eventually("the correction", async || {
            (left(&gateway, &gateway.admin).await == json!({ "tokens": 1_000 - used })).then_some(())
        })
        .await;
    }
    // A call that may take more than is left is refused, and one that cannot is admitted.
    refused_by(&ask(&gateway, chat(1_000, false)).await, "tokens");
    ask(&gateway, chat(10, false)).await.expect(200);
    // Other routes know no tokens.
    assert_eq!(get(&gateway, &gateway.admin, "/echo").await.expect(200).header("ratelimit"), None);
    gateway.finish().await;
}

async fn tokens_of_a_stream_are_corrected_at_its_end(store: &TestStore) {
    let gateway = limited(store, &[limit("tokens", "user", "tokens", 1_000)]).await;
    let answer = ask(&gateway, chat(20, true)).await;
    let events = answer.expect(200).text().lines().filter_map(|line| line.strip_prefix("data: {"));
    let usages = events.filter_map(|event| serde_json::from_str::<Value>(&format!("{{{event}")).ok());
    let used = usages.filter_map(|event| event["usage"]["total_tokens"].as_u64()).next_back().unwrap();
    eventually("the correction", async || {
        (left(&gateway, &gateway.admin).await == json!({ "tokens": 1_000 - used })).then_some(())
    })
    .await;
    gateway.finish().await;
}

async fn an_estimate_larger_than_the_limit_is_admitted_to_a_full_bucket(store: &TestStore) {
    let gateway = limited(store, &[limit("tokens", "user", "tokens", 100)]).await;
    let answer = ask(&gateway, chat(4_000, false)).await;
    let used = answer.expect(200).json()["usage"]["total_tokens"].as_u64().unwrap();
    eventually("the correction", async || {
        (left(&gateway, &gateway.admin).await == json!({ "tokens": 100 - used })).then_some(())
    })
    .await;
    refused_by(&ask(&gateway, chat(4_000, false)).await, "tokens");
    gateway.finish().await;
}

async fn a_shadow_policy_refuses_nothing_and_is_on_record(store: &TestStore) {
    let shadow = format!("{}mode = \"shadow\"\n", limit("would", "user", "requests", 1));
    let gateway = limited(store, &[shadow, limit("real", "user", "requests", 3)]).await;
    let first = get(&gateway, &gateway.admin, "/echo").await;
    assert_eq!(gateway.record(first.request_id()).await.unwrap()["reason"], Value::Null);
    let second = get(&gateway, &gateway.admin, "/echo").await;
    assert!(!second.expect(200).header("ratelimit").unwrap().contains("would"));
    let record = gateway.record(second.request_id()).await.unwrap();
    assert_eq!((&record["decision"], &record["reason"]), (&json!("allowed"), &json!("shadow-quota-exceeded: would")));
    assert_eq!(left(&gateway, &gateway.admin).await, json!({ "real": 1 }));
    gateway.finish().await;
}
