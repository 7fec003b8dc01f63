//! The models that a caller may call, as the SDKs of AI providers ask for them.

use serde_json::{Value, json};

use super::{
    metering::scene_of,
    support::{Answer, RawUpstream, Setup, TestGateway, TestStore, eventually},
};

on_both_stores!(
    only_what_is_priced_and_routed_is_listed_in_the_form_that_is_asked_for,
    names_have_slashes_and_pages_have_ends,
    a_route_with_the_path_goes_first,
    a_base_address_that_is_not_quite_right_is_pointed_at_the_path,
);

const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");

async fn get(gateway: &TestGateway, target: &str, token: &str, header: Option<(&str, &str)>) -> Answer {
    let request = gateway.get(target).token(token);
    header.into_iter().fold(request, |request, (name, value)| request.header(name, value)).send().await
}

fn ids(answer: &Answer) -> Vec<String> {
    let list = answer.expect(200).json();
    list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

async fn only_what_is_priced_and_routed_is_listed_in_the_form_that_is_asked_for(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("alice", "user").await.token;
    let reader = gateway.user("bob", "readonly").await.token;
    let openai = json!({ "id": "demo", "object": "model", "created": 0, "owned_by": "tollgate" });
    let anthropic =
        json!({ "type": "model", "id": "demo", "display_name": "demo", "created_at": "1970-01-01T00:00:00Z" });
    for (header, model, list) in [
        (None, &openai, json!({ "object": "list", "data": [&openai] })),
        (
            Some(VERSION),
            &anthropic,
            json!({ "data": [&anthropic], "has_more": false, "first_id": "demo", "last_id": "demo" }),
        ),
    ] {
        // Clients add parameters of their own.
        for target in ["/v1/models", "/v1/models?client_version=0.9&beta=true"] {
            assert_eq!(get(&gateway, target, &user, header).await.expect(200).json(), list);
        }
        assert_eq!(&get(&gateway, "/v1/models/demo", &user, header).await.expect(200).json(), model);
        assert_eq!(ids(&get(&gateway, "/v1/models", &reader, header).await), Vec::<String>::new());
        // It has a price, and no upstream that knows it.
        for name in ["gpt-4o", "nobody-knows"] {
            let refused = get(&gateway, &format!("/v1/models/{name}"), &user, header).await;
            let error = refused.problem(404, "not-found")["error"].clone();
            assert_eq!((&error["type"], &error["code"]), (&json!("not_found_error"), &json!("not-found")), "{error}");
        }
        get(&gateway, "/v1/models/demo", &reader, header).await.problem(404, "not-found");
    }
    gateway.get("/v1/models").send().await.problem(401, "missing-credential");
    gateway.post("/v1/models").token(&user).send().await.problem(405, "method-not-allowed");
    gateway.request("HEAD", "/v1/models").token(&user).send().await.expect(200);
    gateway.finish().await;
}

async fn names_have_slashes_and_pages_have_ends(store: &TestStore) {
    // Anthropic's form has what routes of this format take, and OpenAI's has it too.
    let scene = scene_of(store, "anthropic-messages").await;
    let (gateway, admin) = (&scene.gateway, &scene.gateway.admin);
    let items: Vec<Value> = ["a/b/one", "c", "a/two", "embeds"]
        .iter()
        .map(|model| {
            let most = if *model == "embeds" { 0 } else { 9 };
            json!({ "model": model, "input_usd": "1", "output_usd": "1", "max_output_tokens": most })
        })
        .collect();
    let put = gateway.request("PUT", "/admin/prices").token(admin).json(&json!({ "items": items, "remove": ["*"] }));
    put.send().await.expect(200);
    eventually("the prices are in force", async || {
        (gateway.running().office.accounting.prices.read().iter().count() == 4).then_some(())
    })
    .await;
    assert_eq!(ids(&get(gateway, "/v1/models", admin, None).await), ["a/b/one", "a/two", "c"]);
    // Clients escape the slashes.
    for (written, name) in
        [("a/b/one", "a/b/one"), ("a/two", "a/two"), ("c", "c"), ("a%2Fb%2Fone", "a/b/one"), ("a%2ftwo", "a/two")]
    {
        let shown = get(gateway, &format!("/v1/models/{written}"), admin, None).await.expect(200).json();
        assert_eq!(shown["id"], name);
    }
    get(gateway, "/v1/models/a%2Fthree", admin, None).await.problem(404, "not-found");
    get(gateway, "/v1/models/a%2F..%2Fc", admin, None).await.problem(400, "unsafe-path");
    let mut after = String::new();
    let mut seen = vec![];
    loop {
        let page = get(gateway, &format!("/v1/models?limit=2{after}"), admin, Some(VERSION)).await;
        seen.extend(ids(&page));
        let page = page.json();
        after = format!("&after_id={}", page["last_id"].as_str().unwrap());
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, ["a/b/one", "a/two", "c"]);
    let before = get(gateway, "/v1/models?limit=1&before_id=c", admin, Some(VERSION)).await;
    assert_eq!((ids(&before), before.json()["has_more"].clone()), (vec!["a/two".to_owned()], json!(true)));
    for query in ["limit=0", "limit=1001", "limit=x", "after_id=a&before_id=b"] {
        let refused = get(gateway, &format!("/v1/models?{query}"), admin, Some(VERSION)).await;
        assert!(refused.problem(400, "invalid-request")["error"]["message"].is_string(), "{query}");
    }
    scene.gateway.finish().await;
}

async fn a_route_with_the_path_goes_first(store: &TestStore) {
    let upstream = RawUpstream::start().await;
    let lists = RawUpstream::route_to(upstream.address).replace("/up", "/v1");
    let gateway = Setup::default().more_lists(&lists).start(store).await;
    for path in ["/v1/models", "/v1/models/a/b"] {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
        let (served, answer) = tokio::join!(upstream.take(answer), get(&gateway, path, &gateway.admin, None));
        drop(served);
        assert_eq!(answer.expect(200).text(), "{}");
    }
    get(&gateway, "/v1/models/a%2Fb", &gateway.admin, None).await.problem(400, "unsafe-path");
    gateway.finish().await;
}

async fn a_base_address_that_is_not_quite_right_is_pointed_at_the_path(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("alice", "user").await.token;
    for (method, path, instead) in [
        ("GET", "/models", "/v1/models"),
        ("GET", "/v1/v1/models", "/v1/models"),
        ("POST", "/chat/completions", "/v1/chat/completions"),
        ("POST", "/v1/v1/messages", "/v1/messages"),
        ("POST", "/v1/chat/completions/", "/v1/chat/completions"),
    ] {
        let answer = gateway.request(method, path).token(&user).json(&json!({})).send().await;
        let detail = answer.problem(404, "not-found")["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&format!("and {instead} is served")), "{path}: {detail}");
        gateway.request(method, path).send().await.problem(401, "missing-credential");
    }
    for path in ["/nothing", "/v1/nothing", "/v1/v1/nothing", "/nothing/"] {
        let answer = gateway.get(path).token(&user).send().await;
        assert_eq!(answer.problem(404, "not-found")["detail"], "There is nothing at this path.", "{path}");
    }
    gateway.finish().await;
}
