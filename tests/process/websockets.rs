//! WebSocket through a route that allows it, with a client and an upstream on bare sockets.

use std::net::Shutdown;

use serde_json::{Value, json};

use super::support::{Authority, Exchange, Home, Message, PASSWORD, Stage, Upstream, Wire, eventually, request};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A route that allows it, before the same upstream as `/up`.
const ROUTE: &str = "[[routes]]\nname = \"ws\"\npath = \"/ws\"\nmatch = \"prefix\"\nmethods = [\"GET\", \"POST\"]\n\
                     roles = [\"admin\", \"user\"]\nupstream = \"raw\"\nwebsocket = true\n";

fn stage() -> Stage {
    stage_with("")
}

fn stage_with(sections: &str) -> Stage {
    Stage::with("", &format!("{sections}{ROUTE}"))
}

fn opening(token: &str, lines: &str) -> String {
    let head = request("GET", "/ws/chat?x=1", token);
    let head = head.strip_suffix("\r\n").unwrap();
    format!(
        "{head}connection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: {KEY}\r\n{lines}\r\n"
    )
}

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// A WebSocket that is open on both sides.
fn open(stage: &Stage, token: &str) -> (Wire, Wire, Message) {
    let (mut client, Exchange { wire: mut upstream, .. }) = stage.call(opening(token, ""));
    upstream.say(format!("{SWITCHED}\r\n"));
    let answer = client.head();
    assert_eq!(answer.status(), 101, "{answer:?}");
    (client, upstream, answer)
}

/// A frame of text with this many bytes of content, as a server sends it.
fn frame(content: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    if content.len() < 126 {
        frame.push(u8::try_from(content.len()).unwrap());
    } else {
        frame.push(126);
        frame.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
    }
    frame.extend_from_slice(content);
    frame
}

fn close_of(code: u16) -> Vec<u8> {
    [&[0x88, 2], &code.to_be_bytes()[..]].concat()
}

#[test]
fn bytes_pass_both_ways_and_are_on_record_when_it_ends() {
    let stage = stage();
    let lines = "sec-websocket-protocol: chat, superchat\r\nsec-websocket-extensions: permessage-deflate\r\norigin: https://a.example\r\n";
    let (mut client, Exchange { wire: mut upstream, request }) = stage.call(opening(&stage.token, lines));
    assert_eq!(request.target(), "/ws/chat?x=1");
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-protocol", "chat, superchat"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("origin", "https://a.example"),
        ("x-forwarded-for", "127.0.0.1"),
    ] {
        assert_eq!(request.all(name), [value], "{name}");
    }
    assert_eq!((request.header("authorization"), request.header("content-length")), (None, None));
    // The upstream's first bytes come with its head.
    let first =
        [format!("{SWITCHED}sec-websocket-protocol: superchat\r\nx-own: a\r\n\r\n").into_bytes(), frame(b"hello")];
    upstream.say(first.concat());
    let answer = client.head();
    assert_eq!(answer.status(), 101);
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-accept", ACCEPT),
        ("sec-websocket-protocol", "superchat"),
        ("x-own", "a"),
    ] {
        assert_eq!(answer.all(name), [value], "{name}");
    }
    assert_eq!((answer.header("content-length"), answer.header("transfer-encoding")), (None, None));
    assert!(answer.header("ratelimit").is_some());
    assert_eq!(client.bytes(7), frame(b"hello"));
    let mut up = 0;
    for size in [1, 100, 20_000, 300_000] {
        // What passes is not looked into: these are no frames.
        let bytes = vec![b'x'; size];
        client.say(&bytes);
        assert_eq!(upstream.bytes(size), bytes);
        up += size;
    }
    upstream.say(close_of(1000));
    drop(upstream);
    assert_eq!(client.bytes(4), close_of(1000));
    assert!(client.is_closed());
    let record = stage.record(&answer.request_id());
    for (field, value) in [
        ("status", json!(101)),
        ("upstream_status", json!(101)),
        ("decision", json!("allowed")),
        ("outcome", json!("complete")),
        ("route", json!("ws")),
        ("username", json!("admin")),
        ("request_bytes", json!(up)),
        ("response_bytes", json!(7 + 4)),
    ] {
        assert_eq!(record[field], value, "{field} in {record}");
    }
}

#[test]
fn a_frame_that_the_upstream_cuts_is_no_whole_end() {
    let stage = stage();
    let (mut client, Exchange { wire: mut upstream, .. }) = stage.call(opening(&stage.token, ""));
    upstream.say([format!("{SWITCHED}\r\n").as_bytes(), b"\x81\x0ahal"].concat());
    let answer = client.head();
    assert_eq!(client.bytes(5), b"\x81\x0ahal");
    drop(upstream);
    assert!(client.is_closed());
    assert_eq!(stage.record(&answer.request_id())["outcome"], "aborted");
}

#[test]
fn who_may_not_call_opens_nothing() {
    let stage = stage_with(
        "[[limits]]\nname = \"two\"\nroutes = [\"ws\"]\nper = \"user\"\nunit = \"requests\"\nlimit = 1\nwindow_s = 3000\n",
    );
    let user = json!({"username": "rita", "password": PASSWORD, "role": "readonly"});
    assert_eq!(stage.gateway.json("POST", "/admin/users", &stage.token, &user).status(), 201);
    let readonly = stage.gateway.login("rita", PASSWORD);
    stage.gateway.send(opening("nonsense", "")).assert_problem(401, "invalid-token");
    stage.gateway.send(opening(&readonly, "")).assert_problem(403, "forbidden");
    stage.gateway.send(opening(&stage.token, "").replace("/ws", "/up")).assert_problem(400, "invalid-request");
    stage.gateway.send(opening(&stage.token, "").replace("/ws/chat", "/echo")).assert_problem(400, "invalid-request");
    stage.gateway.send(opening(&stage.token, "").replace("/ws/chat", "/nowhere")).assert_problem(404, "not-found");
    let (_client, _upstream, _) = open(&stage, &stage.token);
    stage.gateway.send(opening(&stage.token, "")).assert_problem(429, "quota-exceeded");
    assert!(stage.upstream.try_accept().is_none(), "something reached the upstream");
}

#[test]
fn a_handshake_that_is_none_is_refused_before_the_upstream() {
    let stage = stage();
    let good = opening(&stage.token, "");
    for (from, to, status) in [
        ("GET /ws", "POST /ws", 400),
        ("sec-websocket-version: 13\r\n", "", 426),
        ("version: 13", "version: 12", 426),
        (KEY, "c2hvcnQ=", 400),
        (KEY, "", 400),
        ("sec-websocket-key: ", "x: ", 400),
        ("sec-websocket-version", "content-length: 5\r\nsec-websocket-version", 400),
        ("sec-websocket-version", "transfer-encoding: chunked\r\nsec-websocket-version", 400),
        ("sec-websocket-version", "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version", 400),
    ] {
        assert!(good.contains(from));
        let answer = stage.gateway.send(good.replacen(from, to, 1));
        assert_eq!(answer.status(), status, "{from:?} {to:?}: {}", answer.text());
        if status == 426 {
            assert_eq!((answer.all("sec-websocket-version"), answer.all("upgrade")), (vec!["13"], vec!["websocket"]));
            answer.assert_problem(426, "websocket-version");
        }
    }
    assert!(stage.upstream.try_accept().is_none(), "something reached the upstream");
}

#[test]
fn websocket_is_taken_from_among_other_offers() {
    let stage = stage();
    let good = opening(&stage.token, "");
    for offers in [
        "upgrade: h2c, websocket",
        "Upgrade: WebSocket, TLS/1.0",
        "upgrade: h2c\r\nupgrade: websocket",
        "upgrade: websocket\r\nupgrade: h2c",
        "upgrade: a/1 ,, WEBSOCKET",
    ] {
        let bytes = good.replacen("upgrade: WebSocket", offers, 1);
        let (mut client, Exchange { wire: mut upstream, request }) = stage.call(bytes.clone());
        assert_eq!(request.all("upgrade"), ["websocket"], "{offers}");
        upstream.say(format!("{SWITCHED}\r\n"));
        let answer = client.head();
        assert_eq!((answer.status(), answer.all("upgrade")), (101, vec!["websocket"]), "{offers}");
        client.say(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(upstream.bytes(18), b"GET / HTTP/1.1\r\n\r\n", "{offers}");
        upstream.say(close_of(1000));
        assert_eq!(client.bytes(4), close_of(1000));
        let with_body = bytes.replacen("GET /ws/chat", "POST /up", 1);
        stage.gateway.send(with_body).assert_problem(400, "invalid-request");
    }
}

#[test]
fn an_offer_that_is_none_here_is_ignored() {
    let stage = stage();
    let good = opening(&stage.token, "");
    // Made to somebody else, or to a server of HTTP/1.0 (RFC 9110 §7.8).
    for path in ["/ws/chat", "/echo/x", "/healthz"] {
        for (from, to) in
            [("HTTP/1.1", "HTTP/1.0"), ("keep-alive, Upgrade", "keep-alive"), ("keep-alive, Upgrade", "x")]
        {
            let bytes = good.replacen("/ws/chat", path, 1).replacen(from, to, 1);
            let got = if path == "/ws/chat" {
                stage.carry(bytes, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").1
            } else {
                stage.gateway.send(bytes)
            };
            assert_eq!((got.status(), got.complete), (200, true), "{path} {to}: {}", got.text());
        }
    }
    // The parser takes what is behind such a head for the other protocol, so a body cannot be read.
    let with_body = good.replacen("GET /ws/chat", "POST /echo/x", 1).replacen("HTTP/1.1", "HTTP/1.0", 1);
    let with_body = with_body.replacen("connection", "content-length: 5\r\nconnection", 1);
    stage.gateway.send(with_body).assert_problem(400, "invalid-request");
}

#[test]
fn a_handshake_at_a_path_of_models_is_told_to_ask_over_http() {
    let stage = stage_with(
        "[[routes]]\nname = \"chat\"\npath = \"/v1/chat/completions\"\nmatch = \"exact\"\nmethods = [\"POST\"]\nroles = [\"admin\"]\n\
         upstream = \"raw\"\nmeter = \"openai-chat\"\n",
    );
    let good = opening(&stage.token, "");
    for path in ["/v1/chat/completions", "/v1/models"] {
        let answer = stage.gateway.send(good.replacen("/ws/chat", path, 1).replacen("?x=1", "", 1));
        if path == "/v1/models" {
            answer.assert_problem(400, "invalid-request");
            continue;
        }
        assert_eq!(answer.all("upgrade"), vec!["HTTP/1.1"]);
        answer.assert_problem(426, "websocket-version");
    }
    stage.gateway.send(stage.get("/v1/chat/completions")).assert_problem(405, "method-not-allowed");
}

#[test]
fn an_upstream_that_does_not_switch_is_passed_on() {
    let stage = stage();
    for (answer, status, body) in [
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno", 403, "no"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, "ok"),
        ("HTTP/1.1 426 Upgrade Required\r\nsec-websocket-version: 8\r\ncontent-length: 0\r\n\r\n", 426, ""),
    ] {
        let (_, got) = stage.carry(opening(&stage.token, ""), answer);
        assert_eq!((got.status(), got.text().as_str(), got.complete), (status, body, true), "{answer:?}");
        assert_eq!(stage.record(&got.request_id())["upstream_status"], status);
    }
}

#[test]
fn an_upstream_that_switches_wrongly_is_a_502() {
    let stage = stage();
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n".to_owned(),
        SWITCHED.replace(ACCEPT, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=") + "\r\n",
        SWITCHED.replace("upgrade: websocket", "upgrade: h2c") + "\r\n",
        format!("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nsec-websocket-accept: {ACCEPT}\r\n\r\n"),
        SWITCHED.replace("connection: upgrade", "connection: close") + "\r\n",
        SWITCHED.replace("connection: upgrade", "connection: Upgrade, close") + "\r\n",
        format!("{SWITCHED}sec-websocket-protocol: chat\r\n\r\n"),
        format!("{SWITCHED}sec-websocket-extensions: permessage-deflate\r\n\r\n"),
    ] {
        let (_, got) = stage.carry(opening(&stage.token, ""), &answer);
        got.assert_problem(502, "upstream-failed");
        assert_eq!(stage.record(&got.request_id())["decision"], "failed", "{answer:?}");
    }
    // Unasked it is none either.
    let (_, got) = stage.carry(stage.get("/ws/chat"), &format!("{SWITCHED}\r\n"));
    got.assert_problem(502, "upstream-failed");
}

#[test]
fn it_counts_as_a_call_under_way_for_its_whole_life() {
    let limit = "[[limits]]\nname = \"one\"\nroutes = [\"ws\"]\nper = \"user\"\nunit = \"concurrent\"\nlimit = 1\n";
    let stage = stage_with(limit);
    for end in [Shutdown::Write, Shutdown::Both] {
        let (client, upstream, _) = open(&stage, &stage.token);
        stage.gateway.send(opening(&stage.token, "")).assert_problem(429, "quota-exceeded");
        client.stream().shutdown(end).unwrap();
        drop(upstream);
        eventually("its place is free", || {
            let mut wire = stage.gateway.connect();
            wire.say(request("GET", "/ws/plain", &stage.token));
            let taken = eventually("a call or an answer", || {
                stage.upstream.try_accept().map(Some).or_else(|| wire.has_something().then_some(None))
            });
            taken.map(|mut upstream| {
                upstream.message();
                upstream.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                wire.message();
            })
        });
    }
}

fn revoke(stage: &Stage, name: &str) -> (String, impl Fn()) {
    let user = json!({"username": name, "password": PASSWORD, "role": "user"});
    let made = stage.gateway.json("POST", "/admin/users", &stage.token, &user).json();
    let path = format!("/admin/users/{}", made["id"].as_str().unwrap());
    let token = stage.gateway.login(name, PASSWORD);
    (token, move || {
        let changed = stage.gateway.json("PATCH", &path, &stage.token, &json!({"status": "disabled"}));
        assert_eq!(changed.status(), 200);
    })
}

#[test]
fn it_is_closed_when_its_caller_is_revoked() {
    let stage = stage();
    let (token, disable) = revoke(&stage, "ann");
    let (mut between, mut between_upstream, answer) = open(&stage, &token);
    let (mut within, mut within_upstream, _) = open(&stage, &token);
    between_upstream.say(frame(b"whole"));
    assert_eq!(between.bytes(7), frame(b"whole"));
    // Half a frame has passed: nothing may be put into it.
    within_upstream.say(&frame(b"half of it")[..5]);
    assert_eq!(within.bytes(5).len(), 5);
    disable();
    assert_eq!(between.bytes(4), close_of(1008));
    assert!(between.is_closed() && within.is_closed());
    assert!(between_upstream.is_closed() && within_upstream.is_closed());
    assert_eq!(stage.record(&answer.request_id())["outcome"], "complete");
}

#[test]
fn it_is_closed_when_its_api_key_is_narrowed_away_from_its_route() {
    let stage = stage();
    let terms = json!({"name": "k", "routes": ["ws", "up"]});
    let made = stage.gateway.json("POST", "/me/api-keys", &stage.token, &terms).json();
    let path = format!("/admin/api-keys/{}", made["id"].as_str().unwrap());
    let narrow = |routes: Value| {
        let changed = stage.gateway.json("PATCH", &path, &stage.token, &json!({ "routes": routes }));
        assert_eq!(changed.status(), 200, "{changed:?}");
    };
    let (mut client, mut upstream, _) = open(&stage, made["key"].as_str().unwrap());
    narrow(json!(["ws"]));
    std::thread::sleep(std::time::Duration::from_secs(1));
    upstream.say(frame(b"still here"));
    assert_eq!(client.bytes(12), frame(b"still here"));
    narrow(json!(["up"]));
    assert_eq!(client.bytes(4), close_of(1008));
    assert!(client.is_closed() && upstream.is_closed());
}

#[test]
fn it_is_closed_when_the_gateway_stops() {
    let stage = stage_with("[server]\nshutdown_timeout_s = 3600\n");
    let (mut client, mut upstream, _) = open(&stage, &stage.token);
    let Stage { mut gateway, .. } = stage;
    gateway.signal("TERM");
    assert_eq!(client.bytes(4), close_of(1001));
    assert!(client.is_closed() && upstream.is_closed());
    assert!(gateway.wait().success());
}

#[test]
fn silence_is_bounded_and_a_body_timeout_is_not_its_bound() {
    let stage = stage_with("[server]\nwebsocket_idle_s = 3\nbody_timeout_s = 1\nbody_min_bytes_per_s = 1000\n");
    let (mut client, mut upstream, _) = open(&stage, &stage.token);
    // Words that come slower than a body may, from either side, keep it open.
    for _ in 0..3 {
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        client.say("x");
        assert_eq!(upstream.bytes(1), b"x");
    }
    assert_eq!(client.bytes(4), close_of(1001));
    assert!(client.is_closed() && upstream.is_closed());
}

#[test]
fn whoever_takes_nothing_holds_up_only_the_other_side() {
    let stage = stage_with("[server]\nwrite_timeout_s = 2\n");
    let (unread, mut flooding, _) = open(&stage, &stage.token);
    while flooding.try_say(vec![0; 65_536]) {}
    eventually("the client is cut off", || unread.stream().take_error().unwrap());
    let (mut client, mut upstream, _) = open(&stage, &stage.token);
    upstream.say("still served");
    assert_eq!(client.bytes(12), b"still served");
}

#[test]
fn it_is_served_over_tls() {
    let upstream = Upstream::start();
    let authority = Authority::new();
    let keys = "[server]\ntls_cert_file = \"main.pem\"\ntls_key_file = \"main.key\"\n";
    let text = super::support::with_upstream(upstream.address(), "", &format!("{keys}{ROUTE}"));
    let home = Home::new().config(&text);
    authority.server(&["gateway.test"]).write(home.path(), "main");
    let gateway = home.start();
    let client = authority.trusting();
    let body = json!({"username": "admin", "password": PASSWORD}).to_string();
    let login = format!(
        "POST /auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let tokens: Value = client.send(gateway.address, "gateway.test", login).json();
    let mut wire = Wire::over(client.connect(gateway.address, "gateway.test").unwrap());
    wire.say(opening(tokens["access_token"].as_str().unwrap(), ""));
    let mut exchange = upstream.exchange();
    exchange.wire.say(format!("{SWITCHED}\r\n"));
    assert_eq!(wire.head().status(), 101);
    for size in [1, 100_000] {
        exchange.wire.say(vec![b'd'; size]);
        assert_eq!(wire.bytes(size).len(), size);
        wire.say(vec![b'u'; size]);
        assert_eq!(exchange.wire.bytes(size).len(), size);
    }
}

/// A handshake as a browser makes it, which can set no header: without `Authorization`, with these protocols.
fn from_browser(path: &str, protocols: &str) -> String {
    let whole = opening("none", &format!("sec-websocket-protocol: {protocols}\r\n"));
    whole.replace("authorization: Bearer none\r\n", "").replace("/ws/chat", path)
}

#[test]
fn a_browser_has_its_credential_among_the_protocols_and_the_upstream_gets_none() {
    let stage = stage();
    let key = stage.gateway.json("POST", "/me/api-keys", &stage.token, &json!({ "name": "k" })).json();
    let key = key["key"].as_str().unwrap();
    for (credential, kind) in [(key, "api_key"), (stage.token.as_str(), "access_token")] {
        let protocols = format!("realtime, openai-insecure-api-key.{credential}, openai-beta.realtime-v1");
        let (mut client, Exchange { wire: mut upstream, request }) = stage.call(from_browser("/ws/chat", &protocols));
        assert_eq!(request.all("sec-websocket-protocol"), ["realtime, openai-beta.realtime-v1"]);
        assert!(!format!("{request:?}").contains(credential));
        upstream.say(format!("{SWITCHED}sec-websocket-protocol: realtime\r\n\r\n"));
        let answer = client.head();
        assert_eq!((answer.status(), answer.header("sec-websocket-protocol")), (101, Some("realtime")));
        drop(upstream);
        assert!(client.is_closed());
        let record = stage.record(&answer.request_id());
        assert_eq!((&record["username"], &record["credential"]["kind"]), (&json!("admin"), &json!(kind)), "{record}");
    }
    assert!(!stage.gateway.log().contains(key));
    // With a credential where it belongs, the one among the protocols is not looked at, and goes no further.
    let lines = format!("sec-websocket-protocol: realtime, openai-insecure-api-key.{key}\r\n");
    let (_client, Exchange { request, .. }) = stage.call(opening(&stage.token, &lines));
    assert_eq!(request.all("sec-websocket-protocol"), ["realtime"]);
    // A key of the provider's own passes.
    let lines = "sec-websocket-protocol: realtime, openai-insecure-api-key.sk-x\r\n";
    let (_client, Exchange { request, .. }) = stage.call(opening(&stage.token, lines));
    assert_eq!(request.all("sec-websocket-protocol"), ["realtime, openai-insecure-api-key.sk-x"]);
}

#[test]
fn protocols_are_no_credential_elsewhere() {
    let stage = stage();
    let with =
        |path: &str, credential: &str| from_browser(path, &format!("realtime, openai-insecure-api-key.{credential}"));
    for path in ["/up", "/echo", "/me", "/nowhere", "/admin/users"] {
        stage.gateway.send(with(path, &stage.token)).assert_problem(401, "missing-credential");
    }
    stage.gateway.send(from_browser("/ws/chat", "realtime")).assert_problem(401, "missing-credential");
    stage.gateway.send(with("/ws/chat", "sk-x")).assert_problem(401, "invalid-token");
    stage.gateway.send(with("/ws/chat", "tg_x_y")).assert_problem(401, "invalid-token");
    let plain = with("/ws/chat", &stage.token).replace("upgrade: WebSocket\r\n", "");
    stage.gateway.send(plain).assert_problem(401, "missing-credential");
    let both = format!("openai-insecure-api-key.{}, openai-insecure-api-key.tg_x", stage.token);
    stage.gateway.send(from_browser("/ws/chat", &both)).assert_problem(400, "ambiguous-credentials");
    assert!(stage.upstream.try_accept().is_none(), "something reached the upstream");
}
