//! What a running gateway does with `SIGHUP` and `SIGTERM`.

use serde_json::json;

use super::support::{Home, Upstream, eventually, request, with_upstream};

/// A route of this weight.
fn weighing(weight: u64) -> String {
    format!(
        "[[routes]]\nname = \"heavy\"\npath = \"/heavy\"\nmatch = \"exact\"\nmethods = [\"GET\"]\n\
         roles = [\"admin\"]\nupstream = \"builtin:echo\"\nweight = {weight}\n"
    )
}

#[test]
fn a_route_that_a_reload_makes_heavier_than_a_limit_takes_all_of_it_and_is_not_shut_for_ever() {
    let home = Home::new().config(&weighing(1));
    let gateway = home.start();
    let token = gateway.admin();
    let limit = json!({
        "name": "five", "routes": ["heavy"], "per": "user", "unit": "requests", "limit": 5, "window_s": 1000
    });
    assert_eq!(gateway.json("POST", "/admin/limits", &token, &limit).status(), 201);
    home.rewrite_config(&weighing(50));
    gateway.signal("HUP");
    eventually("it was read", || gateway.log().contains("read again").then_some(()));
    assert_eq!(
        gateway.get("/heavy", &token).header("ratelimit"),
        Some("\"per-user\";r=999950;t=1, \"five\";r=0;t=1000")
    );
    let refused = gateway.get("/heavy", &token);
    refused.assert_problem(429, "quota-exceeded");
    assert_eq!(refused.header("retry-after"), Some("1000"));
}

#[test]
fn a_good_file_is_taken_on_sighup_and_its_route_serves() {
    let upstream = Upstream::start();
    let home = Home::new();
    let gateway = home.start();
    let token = gateway.admin();
    gateway.get("/up/x", &token).assert_problem(404, "not-found");

    home.rewrite_config(&with_upstream(upstream.address(), "", ""));
    gateway.signal("HUP");
    let mut client = eventually("the new route is there", || {
        let mut wire = gateway.connect();
        wire.say(request("GET", "/up/x", &token));
        // A call that is forwarded gets no answer until the upstream gives one.
        eventually("an answer or a call", || {
            upstream.try_accept().map(Some).or_else(|| wire.has_something().then_some(None))
        })
        .map(|upstream| (wire, upstream))
    });
    client.1.message();
    client.1.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.0.message().text(), "ok");
}

#[test]
fn a_bad_file_is_refused_on_sighup_and_the_running_one_stays() {
    let upstream = Upstream::start();
    let home = Home::forwarding_to(upstream.address(), "", "");
    let gateway = home.start();
    let token = gateway.admin();
    for (file, reason) in [
        ("[server]\nprot = 1", "server.prot"),
        ("[server", "line 1"),
        ("[[upstreams]]\nname = \"a\"\nurl = \"http://h\"\nsecret_env = \"NO_SUCH_SECRET\"", "NO_SUCH_SECRET"),
    ] {
        home.write_config(file);
        gateway.signal("HUP");
        eventually("the reason is logged", || {
            let log = gateway.log();
            (log.contains(reason) && log.contains("the running one stays")).then_some(())
        });
        assert_eq!(gateway.get("/echo", &token).status(), 200);
    }
    let mut client = gateway.connect();
    client.say(request("GET", "/up/x", &token));
    upstream.exchange().answer("still here");
    assert_eq!(client.message().text(), "still here");
}

#[test]
fn a_call_that_began_before_a_reload_finishes_after_it() {
    let (old, new) = (Upstream::start(), Upstream::start());
    let home = Home::forwarding_to(old.address(), "", "");
    let gateway = home.start();
    let token = gateway.admin();
    let mut client = gateway.connect();
    client.say(request("GET", "/up/old", &token));
    let mut exchange = old.exchange();

    home.rewrite_config(&with_upstream(new.address(), "", ""));
    gateway.signal("HUP");
    eventually("it was read", || gateway.log().contains("read again").then_some(()));
    let mut second = gateway.connect();
    second.say(request("GET", "/up/new", &token));
    new.exchange().answer("new");
    assert_eq!(second.message().text(), "new");
    exchange.answer("old");
    assert_eq!(client.message().text(), "old");
}

#[test]
fn sigterm_fails_readiness_first_and_lets_a_slow_call_finish_with_its_record() {
    let upstream = Upstream::start();
    let home = Home::forwarding_to(upstream.address(), "", "[server]\ndrain_delay_ms = 1500\n");
    let mut gateway = home.start();
    let token = gateway.admin();
    let mut slow = gateway.connect();
    slow.say(request("GET", "/up/slow", &token));
    let mut exchange = upstream.exchange();

    gateway.signal("TERM");
    let ready = "GET /readyz HTTP/1.1\r\nhost: gateway.test\r\n\r\n";
    let answer = eventually("readiness fails", || Some(gateway.send(ready)).filter(|answer| answer.status() != 200));
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.json()["status"], "draining");
    eventually("no connection is taken any more", || {
        std::net::TcpStream::connect(gateway.address).is_err().then_some(())
    });
    exchange.answer("at last");
    let answer = slow.message();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "at last"));
    let status = gateway.wait();
    assert_eq!(status.code(), Some(0), "{}", gateway.log());

    let gateway = home.start();
    let record = gateway.record(&token, &answer.request_id());
    assert_eq!((record["outcome"].as_str(), record["status"].as_u64()), (Some("complete"), Some(200)));
}

#[test]
fn a_call_that_never_ends_is_cut_when_the_shutdown_time_is_over_and_is_on_record() {
    let upstream = Upstream::start();
    let sections = "[server]\ndrain_delay_ms = 0\nshutdown_timeout_s = 1\n";
    let home = Home::forwarding_to(upstream.address(), "", sections);
    let mut gateway = home.start();
    let token = gateway.admin();
    let mut client = gateway.connect();
    client.say(request("GET", "/up/forever", &token));
    let mut exchange = upstream.exchange();
    exchange.wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    let head = client.head();
    assert_eq!(client.chunk().unwrap(), b"first");

    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0), "{}", gateway.log());
    assert_eq!(client.chunk(), None);
    let gateway = home.start();
    let record = gateway.record(&token, &head.request_id());
    assert_eq!(record["outcome"], "aborted", "{record}");
}

#[test]
fn a_kept_connection_is_told_to_close_from_the_moment_readiness_fails() {
    let gateway = Home::new().config("[server]\ndrain_delay_ms = 600000\nshutdown_timeout_s = 3600\n").start();
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: gateway.test\r\n\r\n");
    let mut kept: Vec<_> = (0..3).map(|_| gateway.connect()).collect();
    for client in &mut kept {
        client.say(ask("/healthz"));
        assert_eq!(client.message().header("connection"), None);
    }
    gateway.signal("TERM");
    eventually("readiness fails", || (gateway.send(ask("/readyz")).status() == 503).then_some(()));
    for (client, path) in kept.iter_mut().zip(["/healthz", "/readyz", "/nowhere"]) {
        client.say(ask(path));
        assert_eq!(client.message().header("connection"), Some("close"), "{path}");
        assert!(client.is_closed(), "{path}");
    }
    assert_eq!(gateway.send(ask("/healthz")).status(), 200, "it still serves");
}

#[test]
fn a_second_signal_ends_at_once() {
    let upstream = Upstream::start();
    let sections = "[server]\ndrain_delay_ms = 0\nshutdown_timeout_s = 3600\n";
    let home = Home::forwarding_to(upstream.address(), "", sections);
    let mut gateway = home.start();
    let token = gateway.admin();
    let mut client = gateway.connect();
    client.say(request("GET", "/up/forever", &token));
    let _exchange = upstream.exchange();
    gateway.signal("TERM");
    eventually("it drains", || gateway.log().contains("draining").then_some(()));
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(1), "{}", gateway.log());
}
