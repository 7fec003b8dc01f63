//! What reaches an upstream.

use serde_json::json;

use super::support::{Exchange, Home, Message, Stage, Upstream, Wire, chunked, request, with_upstream};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn an_upstream_gets_its_own_secret_and_never_the_clients_credential() {
    let stage = Stage::with("secret_env = \"RAW_SECRET\"", "");
    let (got, _) = stage.carry(stage.get("/up"), OK);
    assert_eq!(got.all("authorization"), ["Bearer sk-upstream"]);
    assert!(!format!("{got:?}").contains(&stage.token));
    assert!(!stage.gateway.log().contains("sk-upstream"));
}

#[test]
fn an_upstream_without_a_secret_gets_no_credential() {
    let stage = Stage::new();
    let (got, _) = stage.carry(stage.get("/up"), OK);
    assert!(got.header("authorization").is_none() && got.header("x-api-key").is_none());
}

#[test]
fn a_secret_in_a_header_of_its_own_replaces_what_the_client_sent_there() {
    let stage = Stage::with("secret_env = \"RAW_SECRET\"\nsecret_header = \"api-key\"", "");
    let lines = "api-key: mine\r\nAPI_KEY: mine too\r\n";
    let (got, _) = stage.carry(stage.request("GET", "/up", lines, ""), OK);
    assert_eq!(got.all("api-key"), ["sk-upstream"]);
    assert!(got.header("authorization").is_none() && got.header("api_key").is_none());
}

#[test]
fn an_upstream_gets_its_own_host_our_request_id_and_who_called() {
    let stage = Stage::new();
    let lines = "x-forwarded-for: 9.9.9.9\r\nx-forwarded-host: evil\r\nx-forwarded-proto: https\r\n\
                 forwarded: for=9.9.9.9\r\nx-real-ip: 9.9.9.9\r\nx-request-id: mine\r\n";
    let (got, answer) = stage.carry(stage.request("GET", "/up", lines, ""), OK);
    assert_eq!(got.all("host"), [stage.upstream.address().to_string()]);
    assert_eq!(got.all("x-request-id"), [answer.request_id()]);
    assert_eq!(got.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(got.all("x-forwarded-host"), ["gateway.test"]);
    assert_eq!(got.all("x-forwarded-proto"), ["http"]);
    assert!(got.header("forwarded").is_none() && got.header("x-real-ip").is_none());
}

#[test]
fn the_chain_of_a_trusted_proxy_is_continued() {
    let stage = Stage::with("", "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    let (got, answer) = stage.carry(stage.request("GET", "/up", "x-forwarded-for: 203.0.113.7\r\n", ""), OK);
    assert_eq!(got.all("x-forwarded-for"), ["203.0.113.7, 127.0.0.1"]);
    assert_eq!(stage.record(&answer.request_id())["forwarded_for"], "203.0.113.7");
}

#[test]
fn headers_about_the_hop_are_dropped_on_the_way_out_and_all_others_kept() {
    let stage = Stage::new();
    let lines = "connection: keep-alive, X-Private\r\nx-private: 1\r\nkeep-alive: timeout=5\r\nte: trailers\r\n\
                 proxy-authorization: Basic eA==\r\nproxy-connection: keep-alive\r\ntrailer: x-sum\r\n\
                 cookie: a=1\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
                 accept-encoding: zstd\r\nx-many: 1\r\nx-many: 2\r\n";
    let (got, _) = stage.carry(stage.request("GET", "/up", lines, ""), OK);
    for name in ["x-private", "keep-alive", "te", "proxy-authorization", "proxy-connection", "trailer"] {
        assert_eq!(got.header(name), None, "{name}");
    }
    assert_eq!(got.all("cookie"), ["a=1"]);
    assert_eq!(got.all("accept-encoding"), ["zstd"]);
    assert_eq!(got.all("x-many"), ["1", "2"]);
    assert!(got.header("traceparent").is_some());
}

#[test]
fn path_and_query_arrive_byte_for_byte() {
    let stage = Stage::new();
    for target in [
        "/up",
        "/up/",
        "/up?",
        "/up/a%20b",
        "/up/%7Ea",
        "/up/a;v=1/b",
        "/up/!$&'()*+,=:@",
        "/up/%C3%A4%c3%a4",
        "/up/...",
        "/up?a=%2e%2e&b=%zz",
        "/up/x?q=/../admin&r=//&s=%00?",
        "/up?a=1&a=2&&=",
        "/up/x?a=b+c%20d",
    ] {
        let (got, answer) = stage.carry(stage.get(target), OK);
        assert_eq!(got.target(), target);
        let record = stage.record(&answer.request_id());
        assert_eq!(record["path"].as_str(), target.split('?').next());
    }
}

/// curl and browsers of old send these as they are; what checks, records and forwards sees them encoded.
#[test]
fn what_may_not_stand_in_a_query_arrives_percent_encoded() {
    let stage = Stage::new();
    for (target, arrives) in [
        ("/up?q=ä", "/up?q=%C3%A4"),
        ("/up/x?q=\"x\"&a=<b>", "/up/x?q=%22x%22&a=%3Cb%3E"),
        ("/up?日本=語", "/up?%E6%97%A5%E6%9C%AC=%E8%AA%9E"),
        ("/up?a|b^c`d\\e{f}[g]", "/up?a|b^c`d\\e{f}[g]"),
    ] {
        let (got, answer) = stage.carry(stage.get(target), OK);
        assert_eq!((got.target(), answer.status()), (arrives, 200));
    }
    for target in ["/up/ä", "/up/<x>", "/up?a b", "/up?a\u{7f}"] {
        let refused = stage.gateway.send(stage.get(target));
        assert_eq!(refused.status(), 400, "{target}");
        let says_how = refused.json()["detail"].as_str().unwrap().contains("percent");
        assert!(says_how || target.contains([' ', '\u{7f}']), "{target}: {}", refused.text());
    }
}

#[test]
fn a_path_that_two_readers_could_take_for_two_places_reaches_no_upstream() {
    let stage = Stage::new();
    for path in [
        "/up/../echo",
        "/up/..%2fadmin",
        "/up/%2e%2e/admin",
        "/up/%252e%252e/x",
        "/up//x",
        "/%75p/x",
        "/up/a%00",
        "/up/..;/admin",
        "/up/a%5cb",
    ] {
        stage.gateway.get(path, &stage.token).assert_problem(400, "unsafe-path");
    }
    assert!(stage.upstream.try_accept().is_none());
}

#[test]
fn a_prefix_is_stripped_where_the_route_says_so_and_the_upstreams_own_path_goes_before() {
    let upstream = Upstream::start();
    let config = with_upstream(upstream.address(), "", "").replace("/up\"", "/up\"\nstrip_prefix = true");
    let base = format!("http://{}", upstream.address());
    let home = Home::new().config(&config.replace(&base, &format!("{base}/base/")));
    let gateway = home.start();
    let token = gateway.admin();
    for (target, arrives) in
        [("/up", "/base"), ("/up/", "/base/"), ("/up/a%20b/?q=%7E", "/base/a%20b/?q=%7E"), ("/up?x", "/base?x")]
    {
        let mut client = gateway.connect();
        client.say(request("GET", target, &token));
        let mut exchange = upstream.exchange();
        assert_eq!(exchange.request.target(), arrives);
        exchange.answer("ok");
        assert_eq!(client.message().status(), 200);
    }
}

#[test]
fn method_and_body_arrive_intact_with_a_length_and_in_chunks() {
    let stage = Stage::new();
    let body = "0123456789".repeat(50_000);
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET"] {
        for is_chunked in [false, true] {
            let (line, content) = if is_chunked {
                ("transfer-encoding: chunked\r\n".to_owned(), chunked(&body))
            } else {
                (format!("content-length: {}\r\n", body.len()), body.clone())
            };
            let (got, answer) = stage.carry(stage.request(method, "/up", &line, &content), OK);
            assert!(got.start.starts_with(&format!("{method} ")), "{}", got.start);
            assert!(got.complete && got.text() == body, "{method}, chunked: {is_chunked}");
            let framing = (got.header("content-length").is_some(), got.header("transfer-encoding").is_some());
            assert_eq!(framing, (!is_chunked, is_chunked), "{method}");
            let record = stage.record(&answer.request_id());
            assert_eq!(record["request_bytes"].as_u64(), Some(500_000), "{record}");
        }
    }
}

#[test]
fn an_upstream_connection_is_used_again() {
    let stage = Stage::with("", "[server]\nworkers = 1\n");
    let (mut client, mut exchange) = stage.call(stage.get("/up/1"));
    exchange.answer("one");
    assert_eq!(client.message().text(), "one");
    let Exchange { mut wire, .. } = exchange;
    client.say(stage.get("/up/2"));
    assert_eq!(wire.message().target(), "/up/2");
    wire.say(OK);
    assert_eq!(client.message().text(), "ok");
    assert!(stage.upstream.try_accept().is_none());
}

#[test]
fn a_client_that_waits_to_be_told_to_continue_is_told_so() {
    let stage = Stage::new();
    let mut client: Wire = stage.gateway.connect();
    client.say(stage.request("POST", "/up", "content-length: 4\r\nexpect: 100-continue\r\n", ""));
    assert_eq!(client.head().status(), 100);
    client.say("body");
    let mut exchange = stage.upstream.exchange();
    assert_eq!((exchange.request.text().as_str(), exchange.request.header("expect")), ("body", None));
    exchange.answer("ok");
    assert_eq!(client.message().status(), 200);
}

#[test]
fn an_upstream_that_is_to_know_is_told_who_calls() {
    let upstream = Upstream::start();
    let text = with_upstream(upstream.address(), "", "") + "identity = true\n";
    let stage = Stage::of(upstream, Home::new().config(&text));
    let lines = "x-tollgate-user: root\r\nX_TOLLGATE_ROLE: admin\r\nx-tollgate-team: mine\r\nx-tollgate-key: mine\r\n";
    let (got, answer) = stage.carry(stage.request("GET", "/up", lines, ""), OK);
    let named = |got: &Message, name: &str| got.all(&format!("x-tollgate-{name}")).join("|");
    assert_eq!(["user", "role", "team", "key"].map(|name| named(&got, name)), ["admin", "admin", "", ""]);
    assert_eq!(named(&got, "request-id"), answer.request_id());

    let json = |method, path: &str, body| stage.gateway.json(method, path, &stage.token, &body).json();
    let team = json("POST", "/admin/teams", json!({ "name": "Größe" }))["id"].as_str().unwrap().to_owned();
    let user = json("POST", "/admin/users", json!({ "username": "ada", "role": "user", "team_id": team }));
    let id = user["id"].as_str().unwrap();
    let key = json("POST", &format!("/admin/users/{id}/api-keys"), json!({ "name": "k" }));
    let (got, _) = stage.carry(request("GET", "/up", key["key"].as_str().unwrap()), OK);
    let expected = ["ada", "user", "Gr%C3%B6%C3%9Fe", key["id"].as_str().unwrap()];
    assert_eq!(["user", "role", "team", "key"].map(|name| named(&got, name)), expected);
}

#[test]
fn options_are_forwarded_as_often_as_they_say() {
    let route = "[[routes]]\nname = \"any\"\npath = \"/any\"\nmatch = \"exact\"\nmethods = [\"OPTIONS\", \"GET\"]\nroles = [\"admin\", \"user\"]\n\
                 upstream = \"raw\"\n";
    let stage = Stage::with("", route);
    for (method, sent, got) in [("OPTIONS", "5", "4"), ("GET", "5", "5"), ("GET", "0", "0")] {
        let bytes = stage.request(method, "/any", &format!("max-forwards: {sent}\r\n"), "");
        assert_eq!(stage.carry(bytes, OK).0.all("max-forwards"), [got], "{method} {sent}");
    }
    let last = stage.gateway.send(stage.request("OPTIONS", "/any", "max-forwards: 0\r\n", ""));
    assert_eq!((last.status(), last.all("allow")), (204, vec!["OPTIONS, GET"]));
    assert!(stage.upstream.try_accept().is_none(), "it was forwarded");
}

#[test]
fn a_call_to_an_upstream_that_is_the_gateway_itself_ends() {
    let stage = Stage::new();
    let own = json!({
        "url": format!("http://{}", stage.gateway.address),
        "secret": format!("Bearer {}", stage.token),
        "secret_header": "authorization",
    });
    let route = json!({"path": "/loop", "match": "prefix", "methods": ["GET"], "roles": ["admin"], "upstream": "own"});
    for (path, body) in [("/admin/upstreams/own", own), ("/admin/routes/loop", route)] {
        assert_eq!(stage.gateway.json("PUT", path, &stage.token, &body).status(), 201, "{path}");
    }
    let answer = stage.gateway.send(stage.get("/loop"));
    assert_eq!(answer.status(), 508);
    assert!(answer.text().contains("/problems/loop-detected"), "{}", answer.text());
    let page = stage.gateway.get("/admin/audit?route=loop&limit=50", &stage.token).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 7, "{page}");
}
