//! Every body that the document of the API names, spoiled in every way: a 400 that names each place in an operator's words.

use serde_json::{Map, Value, json};
use tollgate::http::routes;

use super::support::{Answer, TestGateway, TestStore};

on_both_stores!(
    a_spoiled_member_is_named_in_every_body,
    what_is_no_object_at_all_is_refused_as_every_body,
    all_that_is_missing_or_unknown_is_named_at_once,
    the_faults_of_a_change_are_told_at_once,
    a_spoiled_form_is_refused_without_the_words_of_a_library,
);

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// What only a library would say, or a reader of its source.
const FOREIGN: [&str; 22] = [
    "invalid type",
    "invalid value",
    "invalid digit",
    "expected ",
    "unexpected",
    "missing field",
    "unknown field",
    "unknown variant",
    "did not match any",
    "untagged",
    "deserializ",
    "serde",
    "trailing characters",
    "EOF",
    "recursion",
    "u64",
    "i64",
    "usize",
    "Some(",
    "None",
    "struct",
    "::",
];

/// One operation that takes a body.
struct Operation {
    method: String,
    /// With the ids of what is there.
    path: String,
    schema: Value,
}

fn document() -> Value {
    serde_json::from_slice(&routes::document().unwrap().bytes()).unwrap()
}

/// A schema with what it refers to in its place.
fn resolved(document: &Value, schema: &Value) -> Value {
    let named = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    let mut found = match named {
        Some(name) => resolved(document, document.pointer(name.trim_start_matches('#')).unwrap()),
        None => schema.clone(),
    };
    if schema["nullable"] == true {
        found["nullable"] = true.into();
    }
    found
}

/// The name of what is there, where others are found by their ids.
fn name_at(template: &str) -> Option<&'static str> {
    match template.strip_suffix("/by-name/{name}")? {
        "/admin/teams" => Some("Matrix"),
        "/admin/users/by-name/{username}/api-keys" => Some("matrix"),
        _ => Some("m"),
    }
}

/// Every operation that takes a body of this type, on things that are there.
async fn operations(gateway: &TestGateway, media_type: &str) -> Vec<Operation> {
    let made = async |path: &str, body: Value| {
        let answer = gateway.post(path).token(&gateway.admin).json(&body).send().await;
        answer.expect(201).json()["id"].as_str().unwrap().to_owned()
    };
    let limit = json!({ "name": "m", "routes": ["*"], "per": "user", "unit": "requests", "limit": 9, "window_s": 60 });
    let budget = json!({ "name": "m", "scope": "user", "limit_usd": "1", "period": "day" });
    let named = async |path: &str, body: Value| {
        gateway.post(path).token(&gateway.admin).json(&body).send().await.expect(201);
        "m".to_owned()
    };
    let route =
        json!({ "name": "m", "path": "/m", "match": "exact", "methods": ["GET"], "roles": ["admin"], "upstream": "m" });
    let model = json!({ "name": "m", "targets": [{ "upstream": "m", "model": "n" }] });
    let ids = [
        ("/admin/upstreams", named("/admin/upstreams", json!({ "name": "m", "url": "http://127.0.0.1:9" })).await),
        ("/admin/routes", named("/admin/routes", route).await),
        ("/admin/models", named("/admin/models", model).await),
        ("/admin/users", made("/admin/users", json!({ "username": "matrix", "role": "user" })).await),
        ("/admin/teams", made("/admin/teams", json!({ "name": "Matrix" })).await),
        ("/admin/limits", made("/admin/limits", limit).await),
        ("/admin/budgets", made("/admin/budgets", budget).await),
        ("/me/api-keys", made("/me/api-keys", json!({ "name": "matrix" })).await),
        ("/admin/api-keys", made("/me/api-keys", json!({ "name": "matrix too" })).await),
    ];
    let matrix = ids.iter().find(|(below, _)| *below == "/admin/users").map(|(_, id)| id.clone()).unwrap();
    made(&format!("/admin/users/{matrix}/api-keys"), json!({ "name": "matrix" })).await;
    let (document, mut operations) = (document(), vec![]);
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"][media_type]["schema"];
            if schema.is_object() {
                let id = ids.iter().find(|(below, _)| template.starts_with(&format!("{below}/"))).map(|(_, id)| id);
                let id = id.map_or("", String::as_str);
                let path = template.replace("{username}", "matrix").replace("{id}", id).replace("{model}", id);
                let path = path.replace("{name}", name_at(template).unwrap_or(id));
                let schema = resolved(&document, schema);
                operations.push(Operation { method: method.to_uppercase(), path, schema });
            }
        }
    }
    operations
}

impl Operation {
    fn properties(&self) -> Vec<(String, Value)> {
        let document = document();
        let properties = self.schema["properties"].as_object().unwrap();
        properties.iter().map(|(name, schema)| (name.clone(), resolved(&document, schema))).collect()
    }

    async fn send(&self, gateway: &TestGateway, body: &str) -> Answer {
        gateway.request(&self.method, &self.path).token(&gateway.admin).json_text(body).send().await
    }

    /// What is wrong with the refusal of a body, if something is.
    async fn fault(&self, gateway: &TestGateway, body: &str, pointers: &[&str]) -> Option<String> {
        let answer = self.send(gateway, body).await;
        let call = format!("{} {} {body:.80}: {} {}", self.method, self.path, answer.status, answer.text());
        if answer.status != 400 {
            return Some(call);
        }
        let problem = answer.json();
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let is_named = |pointer: &&str| {
            let below = format!("{pointer}/");
            let places = errors.iter().filter_map(|error| error["pointer"].as_str());
            places.into_iter().any(|place| place == *pointer || place.starts_with(&below))
        };
        (!pointers.iter().all(is_named) || FOREIGN.iter().any(|word| answer.text().contains(word))).then_some(call)
    }
}

/// Values that a schema does not allow, as JSON.
fn spoiled(schema: &Value) -> Vec<String> {
    let huge = "9".repeat(400);
    let mut values: Vec<&str> = match schema["type"].as_str() {
        Some("string") => vec!["[]", "{}", "true", "[null]", "{\"a\":[{}]}"],
        Some("integer") => {
            vec!["[]", "{}", "true", "\"\"", "\"abc\"", "\"1,5\"", "1.5", "\"0x10\"", "\"NaN\"", "1e999", &huge]
        }
        Some("number") => vec!["[]", "{}", "true", "\"\"", "\"abc\"", "\"NaN\"", "\"inf\"", "\"1,5\""],
        Some("boolean") => vec!["[]", "{}", "1", "\"yes\"", "\"\""],
        Some("array") => vec!["{}", "1", "true", "\"x\"", "[[[[]]]]", "[null]", "[{}]"],
        Some("object") => vec!["[]", "1", "true", "\"x\""],
        // One of the alternatives may be a number.
        _ if schema["anyOf"].is_array() => vec!["[]", "{}", "true", "\"no such choice\""],
        _ => vec!["[]", "{}", "1", "\"no such choice\""],
    };
    if schema["enum"].is_array() {
        values.push("\"no such choice\"");
    }
    if schema["format"] == "money" {
        values.extend(["\"\"", "\"abc\"", "\"1,5\"", "\"$5\"", "\"NaN\"", "\"Infinity\"", "\"1e400\""]);
    }
    if schema["nullable"] != true {
        values.push("null");
    }
    values.into_iter().map(str::to_owned).collect()
}

fn assert_none(faults: &[String], cases: usize) {
    println!("{cases} cases");
    assert!(cases > 0 && faults.is_empty(), "{} of {cases}:\n{}", faults.len(), faults.join("\n"));
}

async fn a_spoiled_member_is_named_in_every_body(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let (mut faults, mut cases) = (vec![], 0);
    for operation in operations(&gateway, JSON).await {
        for (name, schema) in operation.properties() {
            let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
            for value in spoiled(&schema).into_iter().chain([deep]) {
                cases += 1;
                let body = format!("{{{}:{value}}}", Value::from(name.as_str()));
                faults.extend(operation.fault(&gateway, &body, &[&format!("/{name}")]).await);
            }
            // Not a number is no JSON, and neither is a name for it.
            for value in ["NaN", "Infinity", "-", "01", "'x'", "undefined", "\"\\ud800\"", "\"\u{0}\""] {
                cases += 1;
                faults.extend(operation.fault(&gateway, &format!("{{\"{name}\":{value}}}"), &[]).await);
            }
            let twice = format!("{{\"{name}\":null,\"{name}\":null}}");
            cases += 1;
            faults.extend(operation.fault(&gateway, &twice, &[&format!("/{name}")]).await);
        }
    }
    assert_none(&faults, cases);
    gateway.finish().await;
}

async fn what_is_no_object_at_all_is_refused_as_every_body(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let (mut faults, mut cases) = (vec![], 0);
    let deep =
        ["[".repeat(10_000), "{\"a\":".repeat(10_000), format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500))];
    let others =
        ["{", "[]", "[{}]", "null", "true", "1", "\"x\"", "{}{}", "{},", "{]", "NaN", "\u{0}", "{\"a\"}", "{a:1}"];
    for operation in operations(&gateway, JSON).await {
        for body in others.into_iter().chain(deep.iter().map(String::as_str)) {
            cases += 1;
            faults.extend(operation.fault(&gateway, body, &[]).await);
        }
    }
    assert_none(&faults, cases);
    gateway.finish().await;
}

async fn all_that_is_missing_or_unknown_is_named_at_once(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let (mut faults, mut cases) = (vec![], 0);
    for operation in operations(&gateway, JSON).await {
        let required = operation.schema["required"].as_array().cloned().unwrap_or_default();
        let missing = required.iter().map(|name| format!("/{}", name.as_str().unwrap()));
        let all: Vec<String> = missing.chain(["/no such".into(), "/neither~1this".into()]).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        cases += 1;
        faults.extend(operation.fault(&gateway, r#"{"no such":1,"neither/this":{}}"#, &all).await);
        let spoiled: Map<String, Value> =
            operation.properties().into_iter().map(|(name, _)| (name, json!({ "a": [1] }))).collect();
        let pointers: Vec<String> = spoiled.keys().map(|name| format!("/{name}")).collect();
        let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
        cases += 1;
        faults.extend(operation.fault(&gateway, &Value::Object(spoiled).to_string(), &pointers).await);
    }
    assert_none(&faults, cases);
    gateway.finish().await;
}

/// Method, path or its beginning, body, and the pointers of all that is wrong in it.
fn spoiled_changes() -> Vec<(&'static str, &'static str, Value, Vec<&'static str>)> {
    vec![
        ("PATCH", "/admin/limits/", json!({ "limit": "x", "routes": ["nope"] }), vec!["/limit", "/routes/0"]),
        (
            "PATCH",
            "/admin/limits/",
            json!({ "mode": "x", "burst": 0, "subject": "zz" }),
            vec!["/mode", "/burst", "/subject"],
        ),
        ("PATCH", "/admin/limits/", json!({ "name": "", "window_s": null }), vec!["/name", "/window_s"]),
        (
            "PATCH",
            "/admin/budgets/",
            json!({ "limit_usd": "x", "models": ["a", "a"] }),
            vec!["/limit_usd", "/models/1"],
        ),
        ("PATCH", "/admin/budgets/", json!({ "period": "x", "alert_at": [7] }), vec!["/period", "/alert_at/0"]),
        (
            "PATCH",
            "/admin/users/",
            json!({ "role": "x", "models": ["a", "a"], "password": "x" }),
            vec!["/role", "/models/1", "/password"],
        ),
        ("PATCH", "/admin/users/", json!({ "username": "", "models": [] }), vec!["/username", "/models"]),
        (
            "POST",
            "/admin/users",
            json!({ "username": "x y", "role": "user", "status": "x", "models": ["a", "a"] }),
            vec!["/username", "/status", "/models/1"],
        ),
        (
            "POST",
            "/admin/users",
            json!({ "username": "longer", "role": "user", "password": "longer", "models": [] }),
            vec!["/password", "/models"],
        ),
        ("PATCH", "/admin/teams/", json!({ "name": 1, "models": ["a", "a"] }), vec!["/name", "/models/1"]),
        ("POST", "/admin/teams", json!({ "name": " ", "models": ["a", "a"] }), vec!["/name", "/models/1"]),
        (
            "PATCH",
            "/admin/upstreams/",
            json!({ "url": "http://u:p@h", "timeout_s": 0, "max_in_flight": "x", "breaker": { "failures": -1 } }),
            vec!["/url", "/timeout_s", "/max_in_flight", "/breaker/failures"],
        ),
        (
            "PATCH",
            "/admin/routes/",
            json!({ "path": "/admin/x", "weight": "x", "methods": ["TRACE"], "upstream": "nope", "meter": { "fixed_usd": "x" } }),
            vec!["/path", "/weight", "/methods", "/upstream", "/meter/fixed_usd"],
        ),
        (
            "POST",
            "/admin/models",
            json!({ "name": "gpt-*", "nme": 1, "targets": [{ "upstream": "nope", "model": "n" }] }),
            vec!["/name", "/nme", "/targets/0/upstream"],
        ),
        ("PUT", "/admin/prices", json!({ "version": "x", "items": [], "remove": [] }), vec!["/version", "/items"]),
    ]
}

/// What the schema says and what only the rules between fields, and what is there, can say.
async fn the_faults_of_a_change_are_told_at_once(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let (mut faults, mut cases) = (vec![], 0);
    let operations = operations(&gateway, JSON).await;
    for (method, below, body, pointers) in spoiled_changes() {
        let fits = |operation: &&Operation| {
            operation.method == method
                && (operation.path == below || below.ends_with('/') && operation.path.starts_with(below))
        };
        let operation = operations.iter().find(fits).unwrap();
        cases += 1;
        faults.extend(operation.fault(&gateway, &body.to_string(), &pointers).await);
    }
    assert_none(&faults, cases);
    gateway.finish().await;
}

async fn a_spoiled_form_is_refused_without_the_words_of_a_library(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let mut cases = 0;
    for operation in operations(&gateway, FORM).await {
        for body in [
            "",
            "x",
            "=",
            "&&",
            "grant_type",
            "grant_type=nope",
            "%zz=%",
            "token=a&token=b",
            "grant_type=a&grant_type=b",
            "a[b]=c",
            "%ff=%fe",
        ] {
            let answer = gateway.request(&operation.method, &operation.path).form(body).send().await;
            cases += 1;
            assert!(matches!(answer.status, 400 | 401), "{} {body:?}: {answer:?}", operation.path);
            assert!(
                !FOREIGN.iter().any(|word| answer.text().contains(word)),
                "{} {body:?}: {}",
                operation.path,
                answer.text()
            );
        }
    }
    assert!(cases > 0);
    gateway.finish().await;
}
