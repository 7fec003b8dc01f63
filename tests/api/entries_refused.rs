//! What administrators cannot make of the lists: each refusal says what is wrong, and with what.

use serde_json::{Value, json};

use super::{
    entries::{call, made, route, upstream},
    support::{Setup, TestGateway, TestStore, eventually},
};

on_both_stores!(
    what_the_configuration_has_is_changed_there_alone,
    an_upstream_that_others_lead_to_stays,
    a_name_is_taken_once,
    all_that_is_wrong_is_told_at_once,
    nothing_takes_the_place_of_the_gateways_own_paths,
    names_for_models_are_held_against_each_other,
    a_name_for_other_models_is_not_that_of_a_model_with_a_price,
    what_names_the_machine_stands_in_the_file_alone,
    auditors_look_and_change_nothing,
);

const FILE: &str = r#"
[[upstreams]]
name = "filed"
url = "http://127.0.0.1:9"
[[routes]]
name = "filed"
path = "/filed"
match = "exact"
methods = ["GET"]
roles = ["admin"]
upstream = "filed"
[[routes]]
name = "chat"
path = "/v1/chat/completions"
match = "exact"
methods = ["POST"]
roles = ["admin"]
upstream = "builtin:llm"
meter = "openai-chat"
[[models]]
name = "filed"
targets = [{ upstream = "filed", model = "m" }]
"#;

async fn what_the_configuration_has_is_changed_there_alone(store: &TestStore) {
    let gateway = Setup::default().more_lists(FILE).start(store).await;
    for list in ["upstreams", "routes", "models"] {
        let place = format!("/admin/{list}/filed");
        let before = call(&gateway, "GET", &place, &Value::Null).await.expect(200).json();
        for (method, body) in [("PATCH", json!({})), ("DELETE", Value::Null)] {
            let refused = call(&gateway, method, &place, &body).await.problem(409, "conflict");
            assert!(refused["detail"].as_str().unwrap().contains("configuration file"), "{refused}");
        }
        let after = call(&gateway, "GET", &place, &Value::Null).await.expect(200).json();
        assert_eq!((&before["source"], before["url"].clone()), (&json!("file"), after["url"].clone()));
    }
    // What leads there may be made here.
    made(&gateway, "/admin/routes", &route("more", "filed")).await;
    gateway.finish().await;
}

async fn an_upstream_that_others_lead_to_stays(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    made(&gateway, "/admin/upstreams", &upstream("used", "http://127.0.0.1:9")).await;
    made(&gateway, "/admin/routes", &route("one", "used")).await;
    let mut two = route("two", "");
    two["upstream"] = Value::Null;
    two["targets"] = json!([{ "upstream": "builtin:echo" }, { "upstream": "used" }]);
    made(&gateway, "/admin/routes", &two).await;
    let model = json!({ "name": "three", "targets": [{ "upstream": "used", "model": "m" }] });
    made(&gateway, "/admin/models", &model).await;
    let refused = call(&gateway, "DELETE", "/admin/upstreams/used", &Value::Null).await.problem(409, "conflict");
    let told = refused["detail"].as_str().unwrap();
    for user in ["route \"one\"", "route \"two\"", "model \"three\""] {
        assert!(told.contains(user), "{told}");
    }
    for place in ["/admin/routes/one", "/admin/routes/two", "/admin/models/three", "/admin/upstreams/used"] {
        call(&gateway, "DELETE", place, &Value::Null).await.expect(204);
    }
    gateway.finish().await;
}

async fn a_name_is_taken_once(store: &TestStore) {
    let gateway = Setup::default().more_lists(FILE).start(store).await;
    let model = |name: &str| json!({ "name": name, "targets": [{ "upstream": "filed", "model": "other" }] });
    for name in ["filed", "new"] {
        let bodies = [
            ("/admin/upstreams", upstream(name, "http://127.0.0.1:9")),
            ("/admin/routes", route(name, "filed")),
            ("/admin/models", model(name)),
        ];
        for (list, body) in bodies {
            if name == "new" {
                made(&gateway, list, &body).await;
            }
            let refused = call(&gateway, "POST", list, &body).await.problem(409, "conflict");
            assert!(refused["detail"].as_str().unwrap().contains(&format!("\"{name}\" is there already")), "{refused}");
        }
    }
    gateway.finish().await;
}

async fn all_that_is_wrong_is_told_at_once(store: &TestStore) {
    let gateway = Setup::default().more_lists(FILE).start(store).await;
    for (list, body, pointers) in [
        ("/admin/upstreams", json!({}), vec!["/name", "/url"]),
        (
            "/admin/upstreams",
            json!({ "name": "a b", "url": "ftp://x", "secret_header": "no header", "health": { "path": "x" }, "size": 1 }),
            vec!["/size", "/name", "/url", "/secret_header", "/health/path"],
        ),
        (
            "/admin/upstreams",
            json!({ "name": "a", "url": "http://h/#x", "host": "a b", "secret_header": "host" }),
            vec!["/host"],
        ),
        ("/admin/upstreams", json!({ "name": "a", "url": "http://h/#x" }), vec!["/url"]),
        (
            "/admin/upstreams",
            json!({ "name": "a", "url": "http://h", "secret_header": "host" }),
            vec!["/secret_header"],
        ),
        ("/admin/upstreams", json!({ "name": "..", "url": "http://h" }), vec!["/name"]),
        ("/admin/upstreams", json!({ "name": "a", "url": "http://h", "secret": "" }), vec!["/secret"]),
        (
            "/admin/routes",
            json!({ "name": "r", "path": "/filed", "match": "exact", "methods": ["GET"], "roles": ["user"], "upstream": "no" }),
            vec!["/upstream", "/path"],
        ),
        (
            "/admin/routes",
            json!({ "name": "r", "path": "/a/../b", "match": "exact", "methods": [], "roles": ["auditor"], "upstream": "no",
                "targets": [], "weight": 0 }),
            vec!["/methods", "/targets", "/weight", "/path", "/roles"],
        ),
        (
            "/admin/routes",
            json!({ "name": "r", "path": "/r", "match": "exact", "methods": ["GET"], "roles": ["user"],
                "targets": [{ "upstream": "no" }, { "upstream": "filed", "weight": 0 }] }),
            vec!["/targets/0/upstream", "/targets/1/weight"],
        ),
        ("/admin/models", json!({ "name": "a", "targets": [] }), vec!["/targets"]),
        (
            "/admin/models",
            json!({ "name": "a", "targets": [{ "upstream": "no", "model": "b" },
                { "upstream": "filed", "model": "b", "weight": 0, "secret": "x" }] }),
            vec!["/targets/1/weight", "/targets/1/secret"],
        ),
        (
            "/admin/models",
            json!({ "name": "a", "targets": [{ "upstream": "no", "model": "b" }] }),
            vec!["/targets/0/upstream"],
        ),
        (
            "/admin/models",
            json!({ "name": "*", "targets": [{ "upstream": "no", "model": "" }] }),
            vec!["/targets/0/model"],
        ),
    ] {
        let problem = call(&gateway, "POST", list, &body).await.problem(400, "invalid-request");
        let told: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
        for pointer in pointers {
            assert!(told.contains(&pointer), "{pointer} of {body}: {problem}");
        }
    }
    gateway.finish().await;
}

async fn nothing_takes_the_place_of_the_gateways_own_paths(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for path in
        ["/admin", "/admin/users", "/auth/login", "/me", "/oauth/x", "/healthz", "/readyz", "/console/", "/docs"]
    {
        let mut body = route("r", "builtin:echo");
        body["path"] = path.into();
        call(&gateway, "POST", "/admin/routes", &body).await.invalid("/path");
    }
    made(&gateway, "/admin/routes", &route("r", "builtin:echo")).await;
    call(&gateway, "PATCH", "/admin/routes/r", &json!({ "path": "/admin" })).await.invalid("/path");
    // A route at the root leaves them as they are.
    let root = json!({ "path": "/", "match": "prefix" });
    call(&gateway, "PATCH", "/admin/routes/r", &root).await.expect(200);
    call(&gateway, "GET", "/admin/routes/r", &Value::Null).await.expect(200);
    gateway.get("/admin/nothing").token(&gateway.admin).send().await.problem(404, "not-found");
    gateway.finish().await;
}

async fn names_for_models_are_held_against_each_other(store: &TestStore) {
    let gateway = Setup::default().more_lists(FILE).start(store).await;
    let model = |name: &str, model: &str| json!({ "name": name, "targets": [{ "upstream": "filed", "model": model }] });
    // It would make the name of the file mean two things.
    let refused = call(&gateway, "POST", "/admin/models", &model("x", "filed")).await.problem(409, "conflict");
    assert!(refused["detail"].as_str().unwrap().contains("model \"filed\" would be wrong"), "{refused}");
    call(&gateway, "POST", "/admin/models", &model("m", "y")).await.invalid("/name");
    made(&gateway, "/admin/models", &model("x", "y")).await;
    let patch = json!({ "targets": [{ "upstream": "filed", "model": "x" }, { "upstream": "filed", "model": "z" }] });
    call(&gateway, "PATCH", "/admin/models/x", &patch).await.invalid("/name");
    // To the model of its own name alone, it is that model.
    let patch = json!({ "targets": [{ "upstream": "filed", "model": "x" }] });
    call(&gateway, "PATCH", "/admin/models/x", &patch).await.expect(200);
    call(&gateway, "PATCH", "/admin/models/x", &json!({ "name": "z" })).await.invalid("/name");
    gateway.finish().await;
}

async fn a_name_for_other_models_is_not_that_of_a_model_with_a_price(store: &TestStore) {
    let gateway = Setup::default().more_lists(FILE).start(store).await;
    let targets = |model: &str| json!({ "targets": [{ "upstream": "filed", "model": model }] });
    let named = |name: &str, model: &str| {
        let mut body = targets(model);
        body["name"] = name.into();
        body
    };
    made(&gateway, "/admin/models", &named("earlier", "y")).await;
    let price = |model: &str| json!({ "model": model, "input_usd": "1", "output_usd": "1", "max_output_tokens": 9 });
    let items = json!({ "items": [price("real"), price("earlier")] });
    call(&gateway, "PUT", "/admin/prices", &items).await.expect(200);
    eventually("the prices are in force", async || {
        gateway.running().office.accounting.prices.read().find("real").is_some().then_some(())
    })
    .await;
    for (method, place, body) in [
        ("POST", "/admin/models", named("real", "y")),
        ("PUT", "/admin/models/real", targets("y")),
        ("POST", "/admin/models", named("gpt-4o", "y")),
        ("PUT", "/admin/models/gpt-4o", targets("y")),
    ] {
        call(&gateway, method, place, &body).await.invalid("/name");
    }
    // Its own places it may have, and no others later.
    made(&gateway, "/admin/models", &named("real", "real")).await;
    for method in ["PATCH", "PUT"] {
        call(&gateway, method, "/admin/models/real", &targets("y")).await.invalid("/name");
    }
    // One that was there before its price can be changed still.
    for (method, model) in [("PATCH", "z"), ("PUT", "w")] {
        call(&gateway, method, "/admin/models/earlier", &targets(model)).await.expect(200);
    }
    gateway.finish().await;
}

async fn what_names_the_machine_stands_in_the_file_alone(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    made(&gateway, "/admin/upstreams", &upstream("u", "https://a.example")).await;
    for field in ["secret_env", "secret_file", "ca_file", "client_cert_file", "client_key_file"] {
        let mut body = upstream("v", "https://a.example");
        body[field] = "PATH".into();
        call(&gateway, "POST", "/admin/upstreams", &body).await.invalid(&format!("/{field}"));
        let patch = json!({ field: "PATH" });
        call(&gateway, "PATCH", "/admin/upstreams/u", &patch).await.invalid(&format!("/{field}"));
    }
    gateway.finish().await;
}

async fn auditors_look_and_change_nothing(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    made(&gateway, "/admin/upstreams", &upstream("u", "https://a.example")).await;
    for role in ["auditor", "user", "readonly"] {
        let user = gateway.user(role, role).await;
        let send = async |method: &str, place: &str, body: &Value| {
            gateway.request(method, place).token(&user.token).json(body).send().await
        };
        let looked = gateway.get("/admin/upstreams/u").token(&user.token).send().await;
        looked.expect(if role == "auditor" { 200 } else { 403 });
        send("POST", "/admin/upstreams", &upstream("v", "https://a.example")).await.problem(403, "forbidden");
        send("PATCH", "/admin/upstreams/u", &json!({ "timeout_s": 1 })).await.problem(403, "forbidden");
        let deleted = gateway.request("DELETE", "/admin/upstreams/u").token(&user.token).send().await;
        deleted.problem(403, "forbidden");
    }
    gateway.finish().await;
}
