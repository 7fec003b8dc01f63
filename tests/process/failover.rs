//! Routes with several targets: what is sent to whom when one fails, what the client sees, what is held, billed and recorded.

use std::{thread, time::Duration};

use serde_json::{Value, json};
use socket2::SockRef;

use super::support::{Exchange, Gateway, Home, Upstream, Wire, eventually, request};

/// The gateway before three upstreams `a`, `b` and `c`, asked in this order.
pub struct Row {
    pub upstreams: [Upstream; 3],
    pub gateway: Gateway,
    pub token: String,
    _home: Home,
}

impl Row {
    /// `settings` go into each upstream's entry, `lines` into the route's.
    pub fn start(settings: &str, lines: &str) -> Self {
        Self::start_in(Home::new(), settings, lines)
    }

    /// The same in this folder.
    pub fn start_in(home: Home, settings: &str, lines: &str) -> Self {
        let upstreams = [(); 3].map(|()| Upstream::start());
        let entry = |(name, upstream): (&str, &Upstream)| {
            format!("[[upstreams]]\nname = \"{name}\"\nurl = \"http://{}\"\n{settings}\n", upstream.address())
        };
        let entries: String = ["a", "b", "c"].into_iter().zip(&upstreams).map(entry).collect();
        let home = home.config(&format!(
            r#"
[server]
workers = 1
[[budgets]]
name = "all"
scope = "global"
limit_usd = "1"
period = "total"
{entries}
[[routes]]
name = "up"
path = "/up"
match = "prefix"
methods = ["GET", "HEAD", "POST", "PUT"]
roles = ["admin"]
targets = [{{ upstream = "c", priority = 2 }}, {{ upstream = "a" }}, {{ upstream = "b", priority = 1, weight = 3 }}]
{lines}
"#
        ));
        let gateway = home.start();
        let token = gateway.admin();
        Self { upstreams, gateway, token, _home: home }
    }

    pub fn call(&self, method: &str, body: &str) -> Wire {
        let head = request(method, "/up", &self.token);
        let length = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        let length = if body.is_empty() { "" } else { &length };
        let mut client = self.gateway.connect();
        client.say(format!("{}{length}\r\n{body}", head.strip_suffix("\r\n").unwrap()));
        client
    }

    /// Answers the next call at an upstream, which must be sent there, and gives its body.
    pub fn answer(&self, upstream: usize, status: &str, body: &str) -> String {
        let Exchange { mut wire, request } = self.upstreams[upstream].exchange();
        wire.say(format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
        request.text()
    }

    pub fn assert_unasked(&self, upstream: usize) {
        assert!(self.upstreams[upstream].try_accept().is_none(), "upstream {upstream} was asked");
    }

    pub fn record(&self, id: &str) -> Value {
        self.gateway.record(&self.token, id)
    }
}

/// The upstream of each attempt, with its status or error.
pub fn tried(record: &Value) -> Vec<(String, Value)> {
    let attempts = record["attempts"].as_array().unwrap_or_else(|| panic!("no attempts: {record}"));
    let said =
        |attempt: &Value| if attempt["status"].is_null() { &attempt["error"] } else { &attempt["status"] }.clone();
    attempts.iter().map(|attempt| (attempt["upstream"].as_str().unwrap().to_owned(), said(attempt))).collect()
}

/// No breaker, so that every call begins at the first.
pub const PATIENT: &str = "timeout_s = 1\nbreaker = { failures = 0 }";

/// How the first upstream fails, and what is on record of it.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Closes,
    Resets,
    Silent,
    Nonsense,
    Answers(&'static str),
}

impl Fault {
    fn happen(self, mut exchange: Exchange) {
        match self {
            Self::Closes => {}
            Self::Resets => SockRef::from(exchange.wire.stream()).set_linger(Some(Duration::ZERO)).unwrap(),
            // Until the gateway lets go.
            Self::Silent => exchange.wire.drain(),
            Self::Nonsense => exchange.wire.say("nonsense\r\n\r\n"),
            Self::Answers(status) => {
                exchange.wire.say(format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 4\r\n\r\nfail"));
            }
        }
    }
}

const FAULTS: [(Fault, &str, u16); 7] = [
    (Fault::Closes, "closed", 502),
    (Fault::Resets, "closed", 502),
    (Fault::Nonsense, "protocol", 502),
    (Fault::Silent, "head-timeout", 504),
    (Fault::Answers("429 Too Many Requests"), "429", 429),
    (Fault::Answers("500 Internal Server Error"), "500", 500),
    (Fault::Answers("503 Service Unavailable"), "503", 503),
];

#[test]
fn a_call_that_may_be_repeated_is_served_by_the_next_target_whatever_the_first_does() {
    let row = Row::start(PATIENT, "");
    for (method, body) in [("GET", ""), ("PUT", "{\"kept\":1}")] {
        for (fault, said, _) in FAULTS {
            let mut client = row.call(method, body);
            let exchange = row.upstreams[0].exchange();
            assert_eq!(exchange.request.text(), body);
            fault.happen(exchange);
            assert_eq!(row.answer(1, "200 OK", "served"), body, "{fault:?}");
            let answer = client.message();
            assert_eq!((answer.status(), answer.text().as_str()), (200, "served"), "{fault:?}");
            let record = row.record(&answer.request_id());
            let first = said.parse::<u16>().map_or_else(|_| json!(said), |status| json!(status));
            assert_eq!(tried(&record), [("a".into(), first), ("b".into(), json!(200))], "{fault:?}");
            assert_eq!((&record["upstream"], &record["upstream_status"]), (&json!("b"), &json!(200)));
            row.assert_unasked(2);
        }
    }
}

#[test]
fn an_upstream_that_fails_is_told_once_then_counted_though_another_serves() {
    let row = Row::start(PATIENT, "");
    let lines = |words: &str| -> Vec<String> {
        row.gateway.log().lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
    };
    let call = |_| {
        let mut client = row.call("GET", "");
        drop(row.upstreams[0].exchange());
        row.answer(1, "200 OK", "served");
        let answer = client.message();
        assert_eq!(answer.status(), 200);
        answer.request_id()
    };
    let ids: Vec<String> = (0..3).map(call).collect();
    let mut client = row.call("GET", "");
    row.answer(0, "200 OK", "served");
    assert_eq!(client.message().status(), 200);
    let over = eventually("its end is told", || lines("an upstream serves again").pop());
    let host = format!("host={}", row.upstreams[0].address());
    for words in ["INFO", "upstream=a", &host, "failures=3"] {
        assert!(over.contains(words), "{words}: {over}");
    }
    let told = lines("an upstream fails");
    let [line] = &told[..] else { panic!("one line: {told:?}") };
    for words in ["WARN", "upstream=a", &host, "attempt=1", "route=up", &ids[0], "without an answer", "failures=1"] {
        assert!(line.contains(words), "{words}: {line}");
    }
}

#[test]
fn a_call_that_may_have_had_an_effect_is_not_sent_again() {
    let row = Row::start(PATIENT, "retry = { attempts = 2 }");
    for (fault, _, status) in FAULTS {
        let mut client = row.call("POST", "{\"pay\":1}");
        fault.happen(row.upstreams[0].exchange());
        let answer = client.message();
        assert_eq!(answer.status(), status, "{fault:?}");
        assert_eq!(tried(&row.record(&answer.request_id())).len(), 1, "{fault:?}");
        row.assert_unasked(1);
    }
}

#[test]
fn a_call_of_which_nothing_was_sent_is_sent_to_the_next_whatever_its_method() {
    let Row { upstreams: [a, b, _c], gateway, token, _home } = Row::start(PATIENT, "");
    drop(a);
    for body in ["{\"pay\":1}".to_owned(), format!("\"{}\"", "x".repeat(900_000))] {
        let mut client = gateway.connect();
        let head = request("POST", "/up", &token);
        client.say(format!("{}content-length: {}\r\n\r\n{body}", head.strip_suffix("\r\n").unwrap(), body.len()));
        let mut exchange = b.exchange();
        assert_eq!(exchange.request.text(), body);
        exchange.wire.say("HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        let answer = client.message();
        assert_eq!(answer.status(), 201);
        let record = gateway.record(&token, &answer.request_id());
        assert_eq!(tried(&record), [("a".into(), json!("no-connection")), ("b".into(), json!(201))]);
    }
}

#[test]
fn a_body_that_is_too_long_to_be_kept_is_sent_once() {
    let row = Row::start(PATIENT, "");
    let body = "x".repeat((1 << 20) + 1);
    let mut client = row.call("PUT", &body);
    assert_eq!(row.answer(0, "500 Internal Server Error", "fail").len(), body.len());
    assert_eq!(client.message().status(), 500);
    row.assert_unasked(1);
}

#[test]
fn no_more_is_tried_than_the_route_allows_and_the_client_gets_the_last_answer() {
    let row = Row::start(PATIENT, "");
    let mut client = row.call("GET", "");
    row.answer(0, "500 Internal Server Error", "first");
    row.answer(1, "503 Service Unavailable", "second");
    let answer = client.message();
    assert_eq!((answer.status(), answer.text().as_str()), (503, "second"));
    row.assert_unasked(2);

    let row = Row::start(PATIENT, "retry = { attempts = 2, statuses = [503] }");
    let mut client = row.call("GET", "");
    row.answer(0, "503 Service Unavailable", "first");
    row.answer(1, "503 Service Unavailable", "second");
    drop(row.upstreams[2].exchange());
    let answer = client.message();
    assert_eq!((answer.status(), answer.text().as_str()), (503, "second"), "an answer rather than none");
    assert_eq!(tried(&row.record(&answer.request_id())).len(), 3);
    let mut client = row.call("GET", "");
    row.answer(0, "500 Internal Server Error", "not among the statuses");
    assert_eq!(client.message().status(), 500);
    row.assert_unasked(1);

    let row = Row::start(PATIENT, "retry = { attempts = 0 }");
    let mut client = row.call("GET", "");
    drop(row.upstreams[0].exchange());
    client.message().assert_problem(502, "upstream-failed");
    row.assert_unasked(1);
}

#[test]
fn an_answer_that_has_begun_is_cut_and_nothing_is_tried_again() {
    let row = Row::start(PATIENT, "");
    let mut client = row.call("GET", "");
    let mut exchange = row.upstreams[0].exchange();
    exchange.wire.say("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf");
    drop(exchange);
    let answer = client.message();
    assert_eq!((answer.status(), answer.complete, answer.text().as_str()), (200, false, "half"));
    row.assert_unasked(1);
}

const CHAT: &str = r#"{"model":"demo","max_tokens":10,"messages":[{"role":"user","content":"How long?"}]}"#;

/// What is spent and held of the budget.
fn books(row: &Row) -> (Value, Value) {
    let budget = row.gateway.get("/admin/budgets", &row.token).json()["items"][0].clone();
    (budget["spent_usd"].clone(), budget["held_usd"].clone())
}

#[test]
fn a_call_to_a_model_is_held_once_and_only_the_attempt_that_served_costs() {
    let row = Row::start(PATIENT, "meter = \"openai-chat\"\nretry = { attempts = 2 }");
    let answer = json!({
        "id": "x", "object": "chat.completion", "model": "demo",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "Long." } }],
        "usage": { "prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11 },
    });
    let mut spent = json!("0");
    for (fault, ..) in FAULTS {
        let mut client = row.call("POST", CHAT);
        fault.happen(row.upstreams[0].exchange());
        let Exchange { mut wire, request } = row.upstreams[1].exchange();
        assert_eq!(request.text(), CHAT);
        let (before, held) = books(&row);
        assert_eq!(before, spent, "{fault:?}");
        assert_ne!(held, "0", "{fault:?}");
        let body = answer.to_string();
        wire.say(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
        drop(wire);
        let served = client.message();
        assert_eq!((served.status(), served.header("x-tollgate-hold-usd").unwrap()), (200, held.as_str().unwrap()));
        let record = row.record(&served.request_id());
        assert_eq!((&record["model"], &record["input_tokens"]), (&json!("demo"), &json!(9)), "{record}");
        assert_eq!(record["cost_usd"], served.header("x-tollgate-cost-usd").unwrap());
        assert_eq!(tried(&record).len(), 2);
        spent = eventually("the call is settled", || {
            let (now, held) = books(&row);
            (now != spent && held == "0").then_some(now)
        });
    }
    assert_eq!(spent, "0.000091", "seven calls of 13 millionths each");

    let mut client = row.call("POST", CHAT);
    (0..3).for_each(|upstream| drop(row.answer(upstream, "500 Internal Server Error", "{\"error\":\"no\"}")));
    let failed = client.message();
    assert_eq!((failed.status(), failed.text().as_str()), (500, "{\"error\":\"no\"}"));
    eventually("nothing is held", || (books(&row) == (spent.clone(), json!("0"))).then_some(()));
}

#[test]
fn a_client_that_leaves_during_an_attempt_is_on_record_with_it() {
    let row = Row::start(PATIENT, "");
    let client = row.call("GET", "");
    let first = row.upstreams[0].exchange();
    let id = first.request.header("x-request-id").unwrap().to_owned();
    drop(first);
    let mut second = row.upstreams[1].exchange();
    SockRef::from(client.stream()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert!(thread::scope(|scope| scope.spawn(|| second.wire.is_closed()).join().unwrap()));
    let record = row.record(&id);
    assert_eq!(tried(&record), [("a".into(), json!("closed")), ("b".into(), json!("aborted"))]);
    assert_eq!((&record["outcome"], &record["upstream"]), (&json!("aborted"), &json!("b")));
}
