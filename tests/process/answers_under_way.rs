//! Answers that last end when what they were asked with no longer holds: the secret, the caller, the route.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use super::support::{Stage, request};

/// A secret that is replaced with no overlap opens nothing, and keeps nothing open.
#[test]
fn an_answer_under_way_ends_with_the_secret_that_it_was_asked_with() {
    let stage = Stage::new();
    for (overlap_s, ends) in [(600, false), (0, true)] {
        let named = json!({ "name": format!("key {overlap_s}") });
        let key = stage.gateway.json("POST", "/me/api-keys", &stage.token, &named).json();
        let (mut client, mut exchange) = stage.call(request("GET", "/up", key["key"].as_str().unwrap()));
        exchange.wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        assert_eq!(client.head().status(), 200);
        assert_eq!(client.chunk().unwrap(), b"first");
        let path = format!("/me/api-keys/{}/rotate", key["id"].as_str().unwrap());
        let rotated = stage.gateway.json("POST", &path, &stage.token, &json!({ "overlap_s": overlap_s }));
        assert_eq!(rotated.status(), 201, "{}", rotated.text());
        if ends {
            assert!(client.chunk().is_none(), "it goes on");
            exchange.wire.drain();
        } else {
            thread::sleep(Duration::from_millis(1_500));
            exchange.wire.say("4\r\nlast\r\n0\r\n\r\n");
            assert_eq!(client.chunk().unwrap(), b"last");
        }
    }
}

#[test]
fn an_answer_under_way_ends_when_its_route_is_no_longer_for_its_caller() {
    let stage = Stage::new();
    let change = |method: &str, path: &str, body: &Value| {
        let changed = match method {
            "DELETE" => stage.gateway.send(stage.request(method, path, "", "")),
            _ => stage.gateway.json(method, path, &stage.token, body),
        };
        assert!((200..300).contains(&changed.status()), "{method} {path} {body}: {changed:?}");
        changed
    };
    let team = |name: &str| change("POST", "/admin/teams", &json!({"name": name})).json()["id"].clone();
    let (one, two) = (team("one"), team("two"));
    let user =
        json!({"username": "ann", "password": "a password for ann in this test", "role": "user", "team_id": one});
    change("POST", "/admin/users", &user);
    let token = stage.gateway.login("ann", "a password for ann in this test");
    let (route, ann) = ("/admin/routes/lent", "/admin/users/by-name/ann");
    for (method, path, body, ends) in [
        ("PATCH", route, json!({"methods": ["GET", "POST"]}), false),
        ("PATCH", route, json!({"users": ["ann"]}), false),
        ("PATCH", route, json!({"users": ["bob"], "teams": []}), true),
        ("PATCH", route, json!({"teams": ["two"]}), true),
        ("PATCH", route, json!({"roles": ["admin", "readonly"]}), true),
        ("DELETE", route, json!({}), true),
        ("PATCH", ann, json!({"team_id": two}), true),
    ] {
        let lent = json!({
            "path": "/lent", "match": "prefix", "methods": ["GET"], "roles": ["user"], "teams": ["one"], "upstream": "raw"
        });
        change("PUT", route, &lent);
        let (mut client, mut exchange) = stage.call(request("GET", "/lent", &token));
        exchange.wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        assert_eq!(client.head().status(), 200);
        assert_eq!(client.chunk().unwrap(), b"first");
        change(method, path, &body);
        if ends {
            assert!(client.chunk().is_none(), "it goes on after {method} {body}");
            exchange.wire.drain();
        } else {
            thread::sleep(Duration::from_millis(1_500));
            exchange.wire.say("4\r\nlast\r\n0\r\n\r\n");
            assert_eq!(client.chunk().unwrap(), b"last", "after {method} {body}");
        }
    }
}

#[test]
fn a_call_that_waits_for_its_upstream_ends_when_its_caller_is_revoked() {
    let stage = Stage::with("timeout_s = 3600", "");
    let user = json!({"username": "ann", "password": "a password for ann in this test", "role": "user"});
    let made = stage.gateway.json("POST", "/admin/users", &stage.token, &user).json();
    let token = stage.gateway.login("ann", "a password for ann in this test");
    let (mut waiting, mut upstream) = stage.call(request("GET", "/up/head", &token));
    let path = format!("/admin/users/{}", made["id"].as_str().unwrap());
    assert_eq!(stage.gateway.json("PATCH", &path, &stage.token, &json!({"status": "disabled"})).status(), 200);
    assert!(upstream.wire.is_closed(), "its place is given back");
    assert!(waiting.is_closed());
}
