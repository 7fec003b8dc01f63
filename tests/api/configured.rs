//! `/admin/upstreams`, `/admin/routes`, `/admin/models` and `/admin/status`: what is in force.

use serde_json::{Value, json};

use super::support::{Setup, TestGateway, TestStore};

on_both_stores!(
    what_the_configuration_says_is_shown_as_it_is_written,
    how_an_upstream_does_is_shown_beside_it,
    readiness_is_shown_in_detail_to_administrators,
    lists_are_tables_for_those_who_ask_for_csv,
);

const LISTS: &str = r#"
[[upstreams]]
name = "gone"
url = "http://127.0.0.1:9"
secret_env = "PATH"
max_in_flight = 7
breaker = { failures = 1, within_s = 60, open_s = 60 }
[[routes]]
name = "gone"
path = "/gone"
match = "exact"
methods = ["GET"]
roles = ["admin"]
upstream = "gone"
cache = { ttl_s = 60, per = "team" }
[[routes]]
name = "also"
path = "/also"
match = "prefix"
methods = ["GET"]
roles = ["admin"]
upstream = "builtin:echo"
[[models]]
name = "fast"
targets = [{ upstream = "builtin:llm", model = "demo", weight = 3 }]
"#;

async fn get(gateway: &TestGateway, path: &str) -> Value {
    gateway.get(path).token(&gateway.admin).send().await.expect(200).json()
}

async fn what_the_configuration_says_is_shown_as_it_is_written(store: &TestStore) {
    let gateway = Setup::default().more_lists(LISTS).start(store).await;
    let route = get(&gateway, "/admin/routes/gone").await;
    for (field, value) in [
        ("name", json!("gone")),
        ("source", json!("file")),
        ("path", json!("/gone")),
        ("match", json!("exact")),
        ("methods", json!(["GET"])),
        ("roles", json!(["admin"])),
        ("upstream", json!("gone")),
        ("cache", json!({ "ttl_s": 60, "per": "team", "posts": false })),
        ("meter", json!("none")),
        ("targets", Value::Null),
    ] {
        assert_eq!(route[field], value, "{field} of {route}");
    }
    assert_eq!(get(&gateway, "/admin/routes?name=gone").await, json!({ "items": [route], "next_cursor": null }));
    let model = get(&gateway, "/admin/models").await["items"][0].clone();
    let target = json!({ "upstream": "builtin:llm", "model": "demo", "weight": 3, "priority": 0 });
    assert_eq!(model, json!({ "name": "fast", "source": "file", "targets": [target] }));
    // Page by page in the order of their names.
    let (mut names, mut cursor) = (vec![], String::new());
    loop {
        let page = get(&gateway, &format!("/admin/routes?limit=1{cursor}")).await;
        names.extend(page["items"].as_array().unwrap().iter().map(|route| route["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let all = get(&gateway, "/admin/routes?limit=200").await["items"].as_array().unwrap().len();
    assert!(names.is_sorted() && names.len() == all && all > 1, "{names:?}");
    gateway.get("/admin/routes/nothing").token(&gateway.admin).send().await.problem(404, "not-found");
    gateway.get("/admin/models?limit=0").token(&gateway.admin).send().await.invalid("?limit");
    let user = gateway.user("ada", "user").await;
    for path in ["/admin/routes", "/admin/upstreams/gone", "/admin/status"] {
        gateway.get(path).token(&user.token).send().await.problem(403, "forbidden");
    }
    gateway.finish().await;
}

async fn how_an_upstream_does_is_shown_beside_it(store: &TestStore) {
    let gateway = Setup::default().more_lists(LISTS).start(store).await;
    let before = get(&gateway, "/admin/upstreams/gone").await;
    assert_eq!((&before["secret_env"], &before["max_in_flight"]), (&json!("PATH"), &json!(7)));
    let state = |breaker: &str, latency: Value| json!({ "health": "ok", "breaker": breaker, "in_flight": 0, "limit": 7, "latency_ms": latency });
    assert_eq!(before["state"], state("closed", json!({ "p50": null, "p99": null })));
    gateway.get("/gone").token(&gateway.admin).send().await.problem(502, "upstream-failed");
    let after = get(&gateway, "/admin/upstreams?name=gone").await["items"][0]["state"].clone();
    assert_eq!(after["breaker"], "open");
    assert!(after["latency_ms"]["p99"].as_f64().is_some_and(|p99| p99 > 0.0), "{after}");
    let secret = std::env::var("PATH").unwrap();
    assert!(!before.to_string().contains(&secret) && !after.to_string().contains(&secret));
    gateway.finish().await;
}

async fn readiness_is_shown_in_detail_to_administrators(store: &TestStore) {
    let gateway = Setup::default().more_lists(LISTS).start(store).await;
    let status = get(&gateway, "/admin/status").await;
    let ready = get(&gateway, "/readyz").await;
    assert_eq!((&status["status"], &status["dependencies"]), (&ready["status"], &ready["dependencies"]));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    let notary = &status["actors"]["notary"];
    assert_eq!((&notary["running"], &notary["started"]), (&json!(1), &json!(1)), "{status}");
    assert_eq!(status["upstreams"]["gone"]["limit"], 7);
    gateway.finish().await;
}

async fn lists_are_tables_for_those_who_ask_for_csv(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for _ in 0..3 {
        gateway.get("/echo").token(&gateway.admin).send().await.expect(200);
    }
    let csv = async |path: &str| {
        let answer = gateway.get(path).token(&gateway.admin).header("accept", "text/csv").send().await;
        assert_eq!(answer.expect(200).header("content-type"), Some("text/csv; charset=utf-8; header=present"));
        assert!(answer.header("vary").unwrap().contains("Accept"));
        answer
    };
    let page = csv("/admin/audit?route=echo&limit=2").await;
    let lines: Vec<&str> = page.text().lines().collect();
    assert!(lines[0].starts_with("time,id,request_id,") && lines.len() == 3, "{lines:?}");
    assert!(lines[1].contains(",GET,/echo,echo,allowed,") && lines[1].contains(",builtin:echo,200,"), "{lines:?}");
    let link = page.header("link").unwrap();
    let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
    let last = csv(next).await;
    assert_eq!((last.text().lines().count(), last.header("link")), (2, None));
    // The columns are those that were asked for, whether there are items or not.
    assert_eq!(csv("/admin/audit?route=none").await.text(), format!("{}\r\n", lines[0]));
    let sums = "requests,input_tokens,output_tokens,cached_tokens,cost_usd";
    let usage = csv("/admin/usage?group_by=day,route,key").await;
    assert_eq!(usage.text(), format!("key,key_name,route,day,{sums}\r\n"));
    assert_eq!(csv("/me/usage").await.text().lines().next(), Some(sums));
    for query in ["", "&from=2020-01-01&to=2020-01-02"] {
        let traffic = csv(&format!("/admin/traffic?group_by=status,route{query}")).await;
        assert_eq!(traffic.text().lines().next(), Some("time,route,status,requests,duration_ms,cost_usd"));
    }
    gateway.finish().await;
}
