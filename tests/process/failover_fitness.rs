//! Which of several targets is asked at all: breakers, health checks, `Retry-After` and room.

use std::time::Duration;

use socket2::SockRef;

use super::{
    failover::{PATIENT, Row, tried},
    support::{Gateway, Home, Upstream, Wire, eventually, request},
};

fn metrics(row: &Row) -> String {
    let mut ops = Wire::connect(row.gateway.ops);
    ops.say(request("GET", "/metrics", ""));
    ops.message().text()
}

#[test]
fn an_upstream_that_fails_again_and_again_is_not_asked_until_its_breaker_closes() {
    let row = Row::start("breaker = { failures = 2, within_s = 60, open_s = 3600 }", "");
    for _ in 0..2 {
        let mut client = row.call("GET", "");
        row.answer(0, "500 Internal Server Error", "fail");
        row.answer(1, "200 OK", "b");
        assert_eq!(client.message().text(), "b");
    }
    let mut client = row.call("GET", "");
    row.answer(1, "200 OK", "b");
    let answer = client.message();
    assert_eq!(tried(&row.record(&answer.request_id())), [("b".into(), 200.into())]);
    row.assert_unasked(0);
    let metrics = metrics(&row);
    for line in ["tollgate_upstream_state{upstream=\"a\"} 3", "tollgate_upstream_state{upstream=\"b\"} 0"] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[test]
fn one_call_tries_whether_an_upstream_is_back() {
    let row = Row::start("breaker = { failures = 1, within_s = 60, open_s = 1 }", "");
    let mut client = row.call("GET", "");
    row.answer(0, "500 Internal Server Error", "fail");
    row.answer(1, "200 OK", "b");
    client.message();
    eventually("the first is tried again", || {
        let mut client = row.call("GET", "");
        let mut at = eventually("someone is asked", || {
            (0..2).find_map(|upstream| Some((upstream, row.upstreams[upstream].try_accept()?)))
        });
        at.1.message();
        at.1.say("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        client.message();
        (at.0 == 0).then_some(())
    });
    let mut client = row.call("GET", "");
    row.answer(0, "200 OK", "a");
    assert_eq!(client.message().text(), "a");
}

/// A route with one upstream, which has just failed once and is left alone for three seconds.
struct Alone {
    upstream: Upstream,
    gateway: Gateway,
    token: String,
    _home: Home,
}

impl Alone {
    fn start() -> Self {
        let upstream = Upstream::start();
        let home = Home::new().config(&format!(
            r#"
[server]
workers = 1
[[upstreams]]
name = "alone"
url = "http://{}"
breaker = {{ failures = 1, within_s = 60, open_s = 3 }}
[[routes]]
name = "up"
path = "/up"
match = "exact"
methods = ["GET"]
roles = ["admin"]
upstream = "alone"
"#,
            upstream.address()
        ));
        let gateway = home.start();
        let token = gateway.admin();
        let alone = Self { upstream, gateway, token, _home: home };
        let mut client = alone.call();
        alone.upstream.exchange().wire.say("HTTP/1.1 500 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(client.message().status(), 500);
        alone
    }

    fn call(&self) -> Wire {
        let mut client = self.gateway.connect();
        client.say(request("GET", "/up", &self.token));
        client
    }

    /// The first call that is sent again, and its connection to the upstream.
    fn trial(&self) -> (Wire, Wire) {
        eventually("a call tries whether the upstream is back", || {
            let client = self.call();
            let asked = eventually("the call is sent or refused", || match self.upstream.try_accept() {
                None => client.has_something().then_some(None),
                sent => Some(sent),
            });
            asked.map(|wire| (client, wire))
        })
    }
}

#[test]
fn a_call_that_is_refused_for_a_breaker_is_told_why_and_when_to_come_back() {
    let alone = Alone::start();
    let refused = alone.call().message();
    refused.assert_problem(503, "#temporary-reduced-capacity");
    let wait = refused.header("retry-after").unwrap();
    assert!(["1", "2", "3"].contains(&wait), "{wait}");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("failed repeatedly") && detail.contains(&format!("in {wait} s")), "{detail}");
    assert!(!refused.text().contains(&alone.upstream.address().to_string()), "{detail}");
    let (_client, mut asked) = alone.trial();
    asked.message();
    assert_eq!(alone.call().message().header("retry-after"), Some("1"), "one call tries");
}

#[test]
fn a_trial_whose_client_leaves_gives_its_place_to_the_next_call() {
    let alone = Alone::start();
    let (client, mut asked) = alone.trial();
    asked.message();
    SockRef::from(client.stream()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert!(asked.is_closed());
    let mut next = alone.call();
    alone.upstream.exchange().answer("back");
    assert_eq!(next.message().text(), "back");
}

#[test]
fn an_upstream_that_says_when_to_come_back_is_left_alone_until_then() {
    for said in ["429 Too Many Requests\r\nretry-after: 3600", "503 Service Unavailable\r\nretry-after: 3600"] {
        let row = Row::start(PATIENT, "");
        let mut client = row.call("GET", "");
        row.answer(0, said, "later");
        row.answer(1, "200 OK", "b");
        assert_eq!(client.message().text(), "b");
        let mut client = row.call("POST", "{}");
        row.answer(1, "200 OK", "b");
        assert_eq!(client.message().text(), "b");
        row.assert_unasked(0);
    }
}

#[test]
fn a_call_goes_past_an_upstream_that_has_no_room() {
    let row = Row::start("max_in_flight = 1", "");
    let mut first = row.call("POST", "{}");
    let mut held = row.upstreams[0].exchange();
    let mut second = row.call("POST", "{}");
    row.answer(1, "200 OK", "b");
    assert_eq!(second.message().text(), "b");
    held.answer("a");
    assert_eq!(first.message().text(), "a");
}

#[test]
fn where_no_target_is_fit_one_is_asked_unless_its_breaker_was_asked_for() {
    let row = Row::start("", "retry = { attempts = 0 }");
    // Twice as many as open the breakers of all three.
    for _ in 0..30 {
        let mut client = row.call("GET", "");
        let mut asked = eventually("one is asked", || row.upstreams.iter().find_map(Upstream::try_accept));
        asked.message();
        drop(asked);
        client.message().assert_problem(502, "upstream-failed");
    }
    let row = Row::start("breaker = { failures = 1, within_s = 60, open_s = 3600 }", "retry = { attempts = 0 }");
    for upstream in 0..3 {
        let mut client = row.call("GET", "");
        row.answer(upstream, "500 Internal Server Error", "fail");
        assert_eq!(client.message().status(), 500);
    }
    let mut client = row.call("GET", "");
    let answer = client.message();
    answer.assert_problem(503, "temporary-reduced-capacity");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((3_500..=3_600).contains(&wait), "{wait}");
    (0..3).for_each(|upstream| row.assert_unasked(upstream));
}

#[test]
fn an_upstream_whose_health_check_fails_is_not_asked_until_it_is_good() {
    let row = Row::start("health = { path = \"/health\", interval_s = 1 }\nbreaker = { failures = 0 }", "");
    let check = |upstream: &Upstream, status: &str| {
        let mut exchange = upstream.exchange();
        assert_eq!(exchange.request.target(), "/health");
        exchange.wire.say(format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"));
    };
    let is_state = |state: u32| metrics(&row).contains(&format!("state{{upstream=\"a\"}} {state}"));
    for (status, state) in [("500 Internal Server Error", 4), ("200 OK", 0)] {
        eventually("the check is believed", || {
            check(&row.upstreams[0], status);
            is_state(state).then_some(())
        });
    }
}
