//! The OpenAPI document: it says what the gateway does, and it changes only when somebody means it to.

use std::{cmp::Reverse, collections::BTreeSet, io::Read, path::Path};

use serde_json::{Value, json};
use tollgate::{
    domain::access::Permission,
    http::routes::{self, TABLE},
};

use super::{
    entries::{call, made, route},
    support::{TestGateway, TestStore},
};

on_both_stores!(
    the_document_is_served_byte_for_byte,
    the_page_is_html_that_loads_nothing_from_elsewhere,
    the_routes_in_force_are_listed_without_what_nobody_may_know,
    the_documentation_is_compressed_for_those_who_take_it,
    every_example_is_taken_as_it_stands,
    every_word_that_a_query_lists_is_taken,
    nothing_but_the_credential_is_wrong_with_the_examples_that_have_one,
);

const UPDATE: &str = "UPDATE_SNAPSHOTS";

fn document() -> Vec<u8> {
    routes::document().unwrap().bytes().to_vec()
}

fn parsed() -> Value {
    serde_json::from_slice(&document()).unwrap()
}

#[test]
fn the_document_is_the_snapshot() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/openapi.snapshot.json");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    let snapshot = std::fs::read_to_string(&path).unwrap_or_default();
    let document = String::from_utf8(document()).unwrap();
    let difference = document.lines().zip(snapshot.lines()).find(|(now, before)| now != before);
    assert!(document == snapshot, "first difference: {difference:?}; if it is meant, run again with {UPDATE}=1");
}

/// Method and path of every operation, and the operation.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters");
        methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
    });
    operations.collect()
}

#[test]
fn every_url_of_the_table_is_documented_and_no_other() {
    let documented = operations(&parsed()).into_iter().map(|(method, path, _)| (method, path)).collect::<BTreeSet<_>>();
    let table = TABLE.iter().map(|(method, url)| ((*method).to_owned(), url.template.to_owned())).collect();
    assert_eq!(documented, table);
}

#[test]
fn every_operation_has_a_summary_a_tag_and_an_answer() {
    let document = parsed();
    let tags: Vec<&Value> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for (method, path, operation) in operations(&document) {
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{method} {path}");
        assert!(tags.contains(&&operation["tags"][0]), "{method} {path}: {}", operation["tags"]);
        let answers = operation["responses"].as_object().unwrap();
        assert!(answers.keys().any(|status| status.starts_with(['2', '3'])), "{method} {path}: {:?}", answers.keys());
    }
}

#[test]
fn every_refusal_is_documented_as_a_problem() {
    for (method, path, operation) in operations(&parsed()) {
        let answers = operation["responses"].as_object().unwrap();
        let refusals: Vec<_> = answers.iter().filter(|(status, _)| status.starts_with(['4', '5'])).collect();
        let has = |wanted: &str| refusals.iter().any(|(status, _)| *status == wanted);
        assert!(["400", "414", "429", "431", "500", "503"].into_iter().all(has), "{method} {path}");
        for (status, answer) in refusals {
            let schema = &answer["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}: {answer}");
            for (of, field) in [("401", "WWW-Authenticate"), ("429", "Retry-After")] {
                assert_eq!(answer["headers"].get(field).is_some(), status == of, "{method} {path} {status}: {field}");
            }
        }
    }
}

#[test]
fn everything_that_is_not_public_asks_for_the_bearer_scheme() {
    let document = parsed();
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    for (method, path, operation) in operations(&document) {
        let (_, url) = TABLE.iter().find(|(m, url)| *m == method && url.template == path).unwrap();
        let secured = operation["security"].as_array().is_some_and(|s| s.iter().any(|one| one.get("bearer").is_some()));
        let wanted = !matches!(
            url.permission,
            Permission::Public | Permission::Docs | Permission::Console | Permission::Provider
        );
        assert_eq!(secured, wanted, "{method} {path}: {}", operation["security"]);
        assert!(!wanted || operation["responses"].get("401").is_some(), "{method} {path} has no 401");
        let may_be_forbidden = matches!(url.permission, Permission::Admin | Permission::AdminOrReadonly);
        assert!(!may_be_forbidden || operation["responses"].get("403").is_some(), "{method} {path}");
    }
}

#[test]
fn a_gateway_that_is_not_ready_is_described_with_the_body_that_says_why() {
    let document = parsed();
    let answers = &document["paths"]["/readyz"]["get"]["responses"];
    let schema = |status: &str| answers[status]["content"]["application/json"]["schema"].clone();
    assert_eq!(schema("503"), schema("200"));
    assert!(schema("200").is_object());
}

/// RFC 7396.
#[test]
fn the_body_of_every_patch_may_be_a_merge_patch_and_no_other_may() {
    let mut patches = 0;
    for (method, path, operation) in operations(&parsed()) {
        let Some(content) = operation["requestBody"]["content"].as_object() else { continue };
        let is_patch = method == "PATCH";
        assert_eq!(content.contains_key("application/merge-patch+json"), is_patch, "{method} {path}");
        assert!(!is_patch || content["application/merge-patch+json"] == content["application/json"], "{path}");
        patches += u32::from(is_patch);
    }
    assert!(patches > 10, "{patches}");
}

#[test]
fn the_models_are_described_with_the_field_that_chooses_their_form() {
    for (method, path, operation) in operations(&parsed()) {
        let is_of_models = path == "/v1/models" || path == "/v1/models/{model}";
        assert_eq!(has_parameter(&operation, "anthropic-version"), is_of_models, "{method} {path}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = parsed();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} is not there");
    }
}

/// Operations whose bodies are credentials.
const WITH_CREDENTIALS: [&str; 5] = ["/auth/login", "/auth/refresh", "/me/password", "/oauth/revoke", "/oauth/token"];

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

fn has_parameter(operation: &Value, name: &str) -> bool {
    operation["parameters"].as_array().into_iter().flatten().any(|parameter| parameter["name"] == name)
}

/// Sign-in and the like make nothing that a second request could make again, and a replay only reads.
#[test]
fn every_post_of_what_is_made_takes_an_idempotency_key_and_nothing_else_does() {
    for (method, path, operation) in operations(&parsed()) {
        let is_made = method == "POST" && operation["responses"].get("201").is_some();
        assert_eq!(has_parameter(&operation, IDEMPOTENCY_KEY), is_made, "{method} {path}");
        let makes = ["/admin/", "/me/api-keys"].iter().any(|place| path.starts_with(place)) && path != "/admin/replay";
        assert_eq!(is_made, method == "POST" && makes, "{method} {path}");
    }
}

/// POST and PUT, PATCH, GET, then DELETE: what is changed, seen or ended was made before, and what is within something ends first.
fn order(method: &str, path: &str) -> (u8, bool, bool, Reverse<usize>) {
    let (rank, within) = match method {
        "DELETE" => (3, path.len()),
        "GET" => (2, 0),
        "PATCH" => (1, 0),
        _ => (0, 0),
    };
    (rank, path.ends_with("/rotate"), path.contains("{id}"), Reverse(within))
}

/// The list that has what an `{id}` of this path stands for.
fn list_of(path: &str) -> &str {
    path.split("/{id}").next().unwrap()
}

async fn every_example_is_taken_as_it_stands(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let mut operations = operations(&parsed());
    operations.sort_by_key(|(method, path, _)| order(method, path));
    let mut sent = 0;
    for (method, path, operation) in operations {
        if WITH_CREDENTIALS.contains(&path.as_str()) || path == "/admin/replay" {
            continue;
        }
        let body = match operation["requestBody"]["content"].get("application/json") {
            Some(media) => Some(media.get("example").unwrap_or_else(|| panic!("{method} {path} has no example"))),
            None if path.contains('{') && !path.contains("{id}") => None,
            None => continue,
        };
        let mut target = path.clone();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            if parameter["in"] != "path" || name == "id" {
                continue;
            }
            let value = parameter["example"].as_str().unwrap_or_else(|| panic!("{method} {path}: {parameter}"));
            target = target.replace(&format!("{{{name}}}"), value);
        }
        if path.contains("{id}") {
            let list = match list_of(&path) {
                "/admin/api-keys" => "/admin/users/by-name/ann/api-keys",
                list => list,
            };
            let items = gateway.get(list).token(&gateway.admin).send().await.expect(200).json()["items"].clone();
            // Not the administrator who asks, and not the team that is ended at last: it cannot be with a user in it.
            let item = items.as_array().unwrap().iter().rfind(|item| item["name"] != "research");
            let item = item.unwrap_or_else(|| panic!("{method} {path}: nothing is there"));
            target = target.replace("{id}", item["id"].as_str().unwrap());
        }
        let request = || {
            let request = gateway.request(&method, &target).token(&gateway.admin);
            if let Some(body) = body { request.json(body) } else { request }
        };
        if has_parameter(&operation, IDEMPOTENCY_KEY) {
            let too_long = request().header(IDEMPOTENCY_KEY, "k".repeat(256)).send().await;
            too_long.invalid("header:idempotency-key");
        }
        let answer = request().header(IDEMPOTENCY_KEY, format!("{method} {path}")).send().await;
        assert!([200, 201, 204].contains(&answer.status), "{method} {target} {body:?}: {}", answer.text());
        sent += 1;
    }
    assert_eq!(sent, 53);
    gateway.finish().await;
}

async fn nothing_but_the_credential_is_wrong_with_the_examples_that_have_one(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let mut answers = vec![];
    for (method, path, operation) in operations(&parsed()) {
        if method != "POST" || !WITH_CREDENTIALS.contains(&path.as_str()) {
            continue;
        }
        let (media, content) = operation["requestBody"]["content"].as_object().unwrap().iter().next().unwrap();
        let fields = content["example"].as_object().unwrap_or_else(|| panic!("{path} has no example"));
        let mut request = gateway.post(&path);
        if path.starts_with("/me/") {
            request = request.token(&gateway.admin);
        }
        let request = if media == "application/json" {
            request.json(&content["example"])
        } else {
            let pairs = fields.iter().map(|(name, value)| (name, value.as_str().unwrap()));
            request.form(&form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
        };
        let answer = request.send().await;
        let code = if answer.status < 400 { Value::Null } else { answer.json()["type"].clone() };
        let code = code.as_str().and_then(|code| code.rsplit('/').next()).unwrap_or_default().to_owned();
        if code == "invalid-request" {
            answer.invalid("/current_password");
        }
        answers.push((path, code));
    }
    let expected = [
        ("/auth/login", "invalid-credentials"),
        ("/auth/refresh", "invalid-token"),
        ("/me/password", "invalid-request"),
        ("/oauth/revoke", ""),
        ("/oauth/token", "invalid-client"),
    ];
    assert_eq!(answers, expected.map(|(path, code)| (path.to_owned(), code.to_owned())));
    gateway.finish().await;
}

async fn every_word_that_a_query_lists_is_taken(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let mut lists = 0;
    for (method, path, operation) in operations(&parsed()) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["schema"].get("default") != Some(&Value::Null), "{method} {path}: {parameter}");
            if parameter["schema"]["type"] != "array" {
                continue;
            }
            assert_eq!((&parameter["style"], &parameter["explode"]), (&json!("form"), &json!(false)), "{path}");
            let words = parameter["schema"]["items"]["enum"].as_array().unwrap().iter();
            let mut values: Vec<&str> = words.map(|word| word.as_str().unwrap()).collect();
            assert!(values.len() > 5, "{path}: {values:?}");
            let all = values.join(",");
            values.push(&all);
            for value in values {
                let target = format!("{path}?{}={value}", parameter["name"].as_str().unwrap());
                gateway.request(&method, &target).token(&gateway.admin).send().await.expect(200);
            }
            lists += 1;
        }
    }
    assert_eq!(lists, 3, "usage, one's own usage, and traffic");
    gateway.finish().await;
}

/// Each is one of the codes that `/docs/problems` explains: a test of the examples holds them against that page.
#[test]
fn every_refusal_has_an_example_with_its_status() {
    let document = parsed();
    for (method, path, operation) in operations(&document) {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let forms = answer["content"].as_object().into_iter().flatten();
            let named = forms.filter_map(|(_, form)| form["examples"].as_object()).flatten();
            let named: Vec<&Value> = named
                .map(|(code, example)| {
                    assert_eq!(example["$ref"], format!("#/components/examples/{code}"), "{method} {path}");
                    &document["components"]["examples"][code]["value"]
                })
                .collect();
            let is_refusal = status.starts_with(['4', '5']);
            let described = answer["content"].get("application/problem+json").is_some();
            assert_eq!(!named.is_empty(), is_refusal && described, "{method} {path} {status}");
            assert!(
                named.iter().all(|value| value["status"].as_u64() == status.parse().ok()),
                "{method} {path} {status}"
            );
        }
    }
}

async fn the_document_is_served_byte_for_byte(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let answer = gateway.get("/openapi.json").send().await;
    assert_eq!(answer.expect(200).header("content-type"), Some("application/json"));
    assert!(answer.body == routes::document().unwrap().bytes(), "another document is served");
    gateway.finish().await;
}

async fn the_page_is_html_that_loads_nothing_from_elsewhere(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let answer = gateway.get("/docs").send().await;
    assert_eq!(answer.expect(200).header("content-type"), Some("text/html; charset=utf-8"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("http"), "{policy}");
    assert!(policy.contains("script-src 'sha256-") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));

    let problems = gateway.get("/docs/problems").send().await;
    assert_eq!(problems.expect(200).header("content-type"), Some("text/html; charset=utf-8"));
    let policy = problems.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
    assert!(problems.text().contains("<tr id=\"budget-exhausted\">"));
    for page in ["/docs", "/docs/problems"] {
        let answer = gateway.get(&format!("{page}/")).send().await;
        assert_eq!(answer.expect(308).header("location"), Some(page));
    }
    gateway.finish().await;
}

async fn the_documentation_is_compressed_for_those_who_take_it(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for path in ["/docs", "/docs/problems", "/openapi.json"] {
        let plain = gateway.get(path).header("accept-encoding", "gzip;q=0, identity").send().await;
        assert_eq!(
            (plain.expect(200).header("content-encoding"), plain.header("vary")),
            (None, Some("Accept-Encoding"))
        );
        let ask = || gateway.get(path).header("accept-encoding", "br, gzip;q=0.5, identity;q=0");
        let packed = ask().send().await;
        assert_eq!(packed.expect(200).header("content-encoding"), Some("gzip"), "{path}");
        assert!(packed.body.len() * 2 < plain.body.len(), "{path}: {}", packed.body.len());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == plain.body, "{path}: another document");
        let tag = packed.header("etag").unwrap();
        assert_ne!(plain.header("etag"), Some(tag), "{path}: each form has its own name");
        let again = ask().header("if-none-match", tag).send().await;
        assert_eq!((again.expect(304).header("etag"), again.body.len()), (Some(tag), 0), "{path}");
        assert_eq!(again.header("vary"), Some("Accept-Encoding"), "{path}");
    }
    gateway.finish().await;
}

async fn the_routes_in_force_are_listed_without_what_nobody_may_know(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let listed = async || gateway.get("/docs/routes").send().await.expect(200).json()["items"].clone();
    let before = listed().await;
    let chat =
        json!({ "path": "/v1/chat/completions", "match": "exact", "methods": ["POST"], "format": "openai-chat" });
    assert!(before.as_array().unwrap().contains(&chat), "{before}");
    assert!(before.as_array().unwrap().iter().any(|item| item["path"] == "/echo" && item["format"].is_null()));

    let mut priced = route("priced", "builtin:echo");
    priced["meter"] = json!({ "fixed_usd": "0.002" });
    priced["match"] = json!("prefix");
    made(&gateway, "/admin/routes", &priced).await;
    let after = listed().await;
    let priced = json!({ "path": "/priced", "match": "prefix", "methods": ["GET"], "format": null });
    assert!(after.as_array().unwrap().contains(&priced), "{after}");
    call(&gateway, "DELETE", "/admin/routes/priced", &Value::Null).await.expect(204);
    assert_eq!(listed().await, before);
    gateway.finish().await;
}
