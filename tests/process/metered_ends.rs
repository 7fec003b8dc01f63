//! Calls billed by tokens that end in the middle: the gateway is killed or drains, the client goes away. What was delivered
//! is paid once, and nothing stays held.

use std::time::Duration;

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query,
    sql_types::{BigInt, Bool, Text},
};
use serde_json::{Value, json};
use socket2::SockRef;
use tollgate::domain::money::Money;

use super::support::{Database, Exchange, Gateway, Home, Message, Upstream, Wire, eventually, request, with_upstream};

/// Of `demo`, in pico-USD a token.
const INPUT: i64 = 1_000_000;
const OUTPUT: i64 = 2_000_000;
/// The longest answer that the calls here ask for.
const MOST_TOKENS: i64 = 10;

const BUDGET: &str = "[[budgets]]\nname = \"all\"\nscope = \"global\"\nlimit_usd = \"1\"\nperiod = \"total\"\n";
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// A gateway's folder, its upstream, and where its books are.
struct Scene {
    home: Home,
    upstream: Upstream,
    database: Option<Database>,
}

/// A row of `ledger_entries` that ended a hold.
#[derive(Debug, QueryableByName)]
struct End {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    amount_pusd: i64,
    #[diesel(sql_type = Bool)]
    estimated: bool,
}

const ENDS: &str = "SELECT kind, amount_pusd, estimated FROM ledger_entries WHERE kind <> 'hold' ORDER BY time";

impl Scene {
    /// The same on both stores.
    fn on_both(sections: &str, test: impl Fn(&Self)) {
        let (upstream, sections) = (Upstream::start(), format!("{sections}{BUDGET}"));
        let config = format!("{}meter = \"openai-chat\"\n", with_upstream(upstream.address(), "", &sections));
        test(&Self { home: Home::new().config(&config), upstream, database: None });
        let (upstream, database) = (Upstream::start(), Database::create());
        let config = format!("{}meter = \"openai-chat\"\n", with_upstream(upstream.address(), "", &sections));
        test(&Self { home: database.configure(Home::new().config(&config)), upstream, database: Some(database) });
    }

    /// A call that the upstream has and has not answered.
    fn begin(&self, gateway: &Gateway, token: &str, stream: bool) -> (Wire, Exchange) {
        let body = json!({
            "model": "demo", "max_tokens": MOST_TOKENS, "stream": stream,
            "messages": [{ "role": "user", "content": "How long is it?" }],
        });
        let body = body.to_string();
        let mut client = gateway.connect();
        client.say(format!(
            "POST /up HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
        (client, self.upstream.exchange())
    }

    /// The same, and the client has the first word of its stream.
    fn begin_stream(&self, gateway: &Gateway, token: &str) -> (Wire, Exchange, Message) {
        let (mut client, mut exchange) = self.begin(gateway, token, true);
        exchange.wire.say(format!("{STREAM}{}", word()));
        let head = client.head();
        assert_eq!(head.status(), 200);
        client.chunk().unwrap();
        (client, exchange, head)
    }

    /// How holds ended.
    fn ends(&self) -> Vec<End> {
        let Some(database) = &self.database else {
            let mut connection = SqliteConnection::establish(self.home.database().to_str().unwrap()).unwrap();
            return sql_query(ENDS).load(&mut connection).unwrap();
        };
        let end = |row: &tokio_postgres::Row| End { kind: row.get(0), amount_pusd: row.get(1), estimated: row.get(2) };
        database.query(ENDS).iter().map(end).collect()
    }

    /// The one end there is, with the books right and nothing held.
    fn only_end(&self, gateway: &Gateway, token: &str) -> End {
        let spent = at_rest(gateway, token);
        let [end] = <[End; 1]>::try_from(self.ends()).unwrap_or_else(|ends| panic!("one end: {ends:?}"));
        assert_eq!((&*end.kind, end.amount_pusd), ("settle", spent));
        self.assert_books_are_right();
        end
    }

    fn assert_books_are_right(&self) {
        let output = self.home.run(&["ledger", "check"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

fn event(json: &str) -> String {
    let event = format!("data: {json}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}

/// A word of one token.
fn word() -> String {
    event(r#"{"choices":[{"index":0,"delta":{"content":"word"}}]}"#)
}

/// Usage, and the end of the stream.
fn stated_end() -> String {
    let usage = event(r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":8}}"#);
    format!("{usage}{}0\r\n\r\n", event("[DONE]"))
}

fn budget(gateway: &Gateway, token: &str) -> Value {
    gateway.get("/admin/budgets", token).json()["items"][0].clone()
}

fn pico(usd: &Value) -> i64 {
    usd.as_str().unwrap().parse::<Money>().unwrap().pusd()
}

/// What is spent, in pico-USD, once nothing is held any more.
fn at_rest(gateway: &Gateway, token: &str) -> i64 {
    let budget = eventually("the end of all holds", || {
        let budget = budget(gateway, token);
        (budget["held_usd"] == "0").then_some(budget)
    });
    pico(&budget["spent_usd"])
}

/// Fails the test unless so many words were paid, and a prompt of a few tokens.
#[track_caller]
fn assert_delivered(end: &End, words: std::ops::RangeInclusive<i64>) {
    let least = 5 * INPUT + words.start() * OUTPUT;
    let most = 60 * INPUT + words.end() * OUTPUT;
    assert!(end.estimated && (least..=most).contains(&end.amount_pusd), "{end:?}, words {words:?}");
}

#[test]
fn a_call_that_a_kill_cuts_costs_what_was_held_and_is_marked() {
    Scene::on_both("", |scene| {
        let gateway = scene.home.start();
        let token = gateway.admin();
        let silent = scene.begin(&gateway, &token, false);
        let streamed = scene.begin_stream(&gateway, &token);
        let held = pico(&budget(&gateway, &token)["held_usd"]);
        assert!(held > 2 * (100 * INPUT + MOST_TOKENS * OUTPUT), "{held}");
        gateway.kill();
        drop((silent, streamed));
        let gateway = scene.home.start();
        // The tokens of the last life are still good.
        assert_eq!(at_rest(&gateway, &token), held);
        let ends = scene.ends();
        assert!(ends.len() == 2 && ends.iter().all(|end| end.kind == "settle" && end.estimated), "{ends:?}");
        assert_eq!(ends.iter().map(|end| end.amount_pusd).sum::<i64>(), held);
        scene.assert_books_are_right();
    });
}

#[test]
fn a_stream_that_ends_within_a_drain_costs_what_it_says() {
    Scene::on_both("[server]\ndrain_delay_ms = 0\n", |scene| {
        let mut gateway = scene.home.start();
        let token = gateway.admin();
        let (mut client, mut exchange, head) = scene.begin_stream(&gateway, &token);
        gateway.signal("TERM");
        eventually("no connection is taken any more", || {
            std::net::TcpStream::connect(gateway.address).is_err().then_some(())
        });
        exchange.wire.say(format!("{}{}", word(), stated_end()));
        client.chunk().unwrap();
        client.drain();
        assert_eq!(gateway.wait().code(), Some(0), "{}", gateway.log());
        let gateway = scene.home.start();
        let end = scene.only_end(&gateway, &token);
        assert_eq!((end.amount_pusd, end.estimated), (9 * INPUT + 8 * OUTPUT, false));
        assert_eq!(gateway.record(&token, &head.request_id())["outcome"], "complete");
    });
}

#[test]
fn a_stream_that_a_drain_cuts_costs_what_was_delivered() {
    Scene::on_both("[server]\ndrain_delay_ms = 0\nshutdown_timeout_s = 1\n", |scene| {
        let mut gateway = scene.home.start();
        let token = gateway.admin();
        let (_client, _exchange, head) = scene.begin_stream(&gateway, &token);
        gateway.signal("TERM");
        assert_eq!(gateway.wait().code(), Some(0), "{}", gateway.log());
        let gateway = scene.home.start();
        assert_delivered(&scene.only_end(&gateway, &token), 1..=1);
        assert_eq!(gateway.record(&token, &head.request_id())["outcome"], "aborted");
    });
}

/// A client that resets a call before its answer, and the id of the call, once the gateway has found out.
fn leave_before_the_answer(scene: &Scene, gateway: &Gateway, token: &str) -> (Exchange, String) {
    let (client, exchange) = scene.begin(gateway, token, false);
    let id = exchange.request.header("x-request-id").unwrap().to_owned();
    SockRef::from(client.stream()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    eventually("the gateway has no client any more", || {
        let mut ops = Wire::connect(gateway.ops);
        ops.say(request("GET", "/metrics", ""));
        ops.message().text().contains("tollgate_connections 0\n").then_some(())
    });
    (exchange, id)
}

#[test]
fn a_call_that_its_client_left_before_the_answer_is_on_record_with_what_it_cost() {
    Scene::on_both("", |scene| {
        let gateway = scene.home.start();
        let token = gateway.admin();
        let (mut exchange, id) = leave_before_the_answer(scene, &gateway, &token);
        let answer = json!({
            "id": "x", "object": "chat.completion", "model": "demo",
            "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "Long." } }],
            "usage": { "prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11 },
        });
        let answer = answer.to_string();
        exchange.wire.say(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        ));
        let record = gateway.record(&token, &id);
        assert_eq!((&record["outcome"], &record["upstream_status"]), (&json!("aborted"), &json!(200)), "{record}");
        assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(9), &json!(2)), "{record}");
        assert_eq!(record["served_model"], "demo", "{record}");
        let end = scene.only_end(&gateway, &token);
        assert_eq!((end.amount_pusd, end.estimated), (9 * INPUT + 2 * OUTPUT, false));
        assert_eq!(pico(&record["cost_usd"]), end.amount_pusd);
    });
}

#[test]
fn a_call_that_its_client_left_and_that_failed_is_on_record_without_a_cost() {
    Scene::on_both("", |scene| {
        let gateway = scene.home.start();
        let token = gateway.admin();
        let (exchange, id) = leave_before_the_answer(scene, &gateway, &token);
        drop(exchange);
        let record = gateway.record(&token, &id);
        assert_eq!((&record["outcome"], &record["cost_usd"]), (&json!("aborted"), &Value::Null), "{record}");
        assert_eq!(at_rest(&gateway, &token), 0);
    });
}

/// How the client goes.
fn goes_away(by_reset: bool) {
    Scene::on_both("", |scene| {
        let gateway = scene.home.start();
        let token = gateway.admin();
        let (client, mut exchange, head) = scene.begin_stream(&gateway, &token);
        let mut words = 1;
        if by_reset {
            // What is closed with something unread is reset.
            exchange.wire.say(word());
            words += 1;
            eventually("it has come", || client.has_something().then_some(()));
        }
        drop(client);
        // The gateway finds out as it writes, and stops the upstream.
        eventually("the upstream is stopped", || {
            words += 1;
            (!exchange.wire.try_say(word())).then_some(())
        });
        let end = scene.only_end(&gateway, &token);
        assert_delivered(&end, 1..=words.min(MOST_TOKENS));
        assert_eq!(gateway.record(&token, &head.request_id())["outcome"], "aborted");
    });
}

#[test]
fn a_client_that_closes_within_a_stream_pays_for_what_was_delivered() {
    goes_away(false);
}

#[test]
fn a_client_that_resets_within_a_stream_pays_for_what_was_delivered() {
    goes_away(true);
}
