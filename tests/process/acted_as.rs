//! Requests that ask to be acted on by another method than that of their request line, or as somebody else.

use serde_json::json;

use super::support::{Stage, request};

const PASSWORD: &str = "a password for ro in this test";

#[test]
fn a_field_that_asks_for_another_method_or_user_is_refused_with_what_to_do() {
    let stage = Stage::new();
    for (method, line, pointer) in [
        ("POST", "X-HTTP-Method: MERGE", "header:x-http-method"),
        ("POST", "X-HTTP-Method: DELETE", "header:x-http-method"),
        ("GET", "X-HTTP-Method-Override: delete", "header:x-http-method-override"),
        ("POST", "X-Method-Override: PUT", "header:x-method-override"),
        ("GET", "Impersonate-User: ann", "header:impersonate-user"),
        ("GET", "Impersonate-Group: system:masters", "header:impersonate-group"),
    ] {
        let answer = stage.gateway.send(stage.request(method, "/up", &format!("{line}\r\n"), ""));
        answer.assert_problem(400, "invalid-request");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{line}");
        // The gateway's own URLs heed none of them.
        let own = stage.gateway.send(stage.request("GET", "/me", &format!("{line}\r\n"), ""));
        assert_eq!(own.status(), 200, "{line}");
    }
    assert!(stage.upstream.try_accept().is_none(), "something reached the upstream");
    let (_, exchange) = stage.call(stage.request("GET", "/up", "X-HTTP-Method-Override: GET\r\n", ""));
    assert_eq!(exchange.request.header("x-http-method-override"), None);
}

#[test]
fn a_query_asks_only_for_methods_that_its_caller_may_use() {
    let stage = Stage::new();
    let user = json!({ "username": "ro", "password": PASSWORD, "role": "readonly" });
    assert_eq!(stage.gateway.json("POST", "/admin/users", &stage.token, &user).status(), 201);
    let readonly = stage.gateway.login("ro", PASSWORD);
    for (method, query, token, name) in [
        ("GET", "_method=DELETE", &readonly, "_method"),
        ("GET", "a=b&%5Fmethod=post", &readonly, "_method"),
        ("GET", "x-http-method-override=DELETE", &readonly, "x-http-method-override"),
        ("GET", "_HttpMethod=DELETE", &readonly, "_HttpMethod"),
        ("GET", "$httpmethod=DELETE", &readonly, "$httpmethod"),
        // The route does not take it.
        ("POST", "_method=PROPFIND", &stage.token, "_method"),
    ] {
        let answer = stage.gateway.send(request(method, &format!("/up?{query}"), token));
        answer.assert_problem(400, "invalid-request");
        assert_eq!(answer.json()["errors"][0]["pointer"], format!("?{name}"), "{query}");
    }
    assert!(stage.upstream.try_accept().is_none(), "something reached the upstream");
    for (method, query, token) in [
        ("GET", "_method=HEAD", &readonly),
        ("GET", "_method=GET", &readonly),
        ("GET", "method=DELETE&payment_method=card&_method=getUser", &readonly),
        ("POST", "_method=DELETE", &stage.token),
    ] {
        let path = format!("/up?{query}");
        let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
        let (got, told) = stage.carry(request(method, &path, token), answer);
        assert_eq!((got.target(), told.status()), (&*path, 200), "{method} {query}");
    }
}
