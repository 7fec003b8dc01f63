//! Alerts: a budget comes to a fraction that somebody wants to know of. It is on record and counted once, and a webhook
//! is called until it takes it.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};
use tollgate::crypto::MacKey;

use super::support::{Answer, PATIENCE, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    an_alert_is_on_record_and_counted_once_and_the_webhook_is_told,
    a_webhook_that_does_not_take_an_alert_is_called_again,
    an_alert_names_whom_it_is_about,
    an_upstream_that_is_down_is_told,
    a_wave_of_refusals_is_told,
    a_lowered_limit_is_told_with_the_next_call_and_a_raised_one_does_not_tell_again,
    an_alert_about_a_user_is_among_the_records_of_the_user,
    what_is_spent_and_held_is_in_the_metrics_by_name,
);

const ROUTES: &str = r#"
    [[routes]]
    name = "paid"
    path = "/paid"
    match = "exact"
    methods = ["GET"]
    roles = ["admin", "user"]
    upstream = "builtin:echo"
    meter = { fixed_usd = "0.002" }
"#;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Somebody who is called.
struct Receiver(TcpListener);

/// A call of the webhook.
struct Called {
    head: String,
    body: Vec<u8>,
}

impl Receiver {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks/a?b=c", listener.local_addr().unwrap());
        (Self(listener), url)
    }

    /// Takes one call and answers it with this status.
    async fn take(&self, status: &str) -> Called {
        let taking = async {
            let (mut stream, _) = self.0.accept().await.unwrap();
            let mut head = vec![];
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            Called { head, body }
        };
        timeout(PATIENCE, taking).await.expect("nobody was called")
    }
}

impl Called {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name}: {}", self.head))
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The signature in lower case, as the head is here.
    fn is_signed(&self) -> bool {
        let key = MacKey::new(&BASE64_STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap());
        let signed = format!("{}.{}.", self.header("webhook-id"), self.header("webhook-timestamp"));
        let signature = BASE64_STANDARD.encode(key.sign(&[signed.as_bytes(), &self.body].concat()));
        self.header("webhook-signature") == format!("v1,{signature}").to_lowercase()
    }
}

async fn start(store: &TestStore, webhook: &str) -> TestGateway {
    let setup = Setup::default().more_lists(ROUTES).set("alerts.webhook_url", webhook);
    setup.set("alerts.webhook_secret", SECRET).start(store).await
}

async fn make(gateway: &TestGateway, changes: Value) -> String {
    let mut budget = json!({ "name": "all", "scope": "global", "limit_usd": "0.008", "period": "day" });
    budget.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let made = gateway.post("/admin/budgets").token(&gateway.admin).json(&budget).send().await;
    made.expect(201).json()["id"].as_str().unwrap().to_owned()
}

async fn pay(gateway: &TestGateway, token: &str) -> Answer {
    let answer = gateway.get("/paid").token(token).send().await;
    answer.expect(200);
    answer
}

/// The records of alerts, the oldest first, once there are so many.
async fn alerts(gateway: &TestGateway, count: usize) -> Vec<Value> {
    eventually("the records of the alerts", async || {
        let mut alerts = gateway.records().await;
        alerts.retain(|record| record["method"] == "ALERT");
        alerts.reverse();
        (alerts.len() >= count).then_some(alerts)
    })
    .await
}

fn reasons(alerts: &[Value]) -> Vec<String> {
    let words = |alert: &Value| alert["reason"].as_str().unwrap().split(", since").next().unwrap().to_owned();
    alerts.iter().map(words).collect()
}

async fn an_alert_is_on_record_and_counted_once_and_the_webhook_is_told(store: &TestStore) {
    let (receiver, url) = Receiver::start().await;
    let gateway = start(store, &url).await;
    let id = make(&gateway, json!({ "alert_at": [0.5, 1] })).await;
    pay(&gateway, &gateway.admin).await;
    pay(&gateway, &gateway.admin).await;
    let called = receiver.take("204 No Content").await;
    assert!(called.is_signed() && called.head.starts_with("post /hooks/a?b=c http/1.1"), "{}", called.head);
    for none in ["x-forwarded", "authorization", "via"] {
        assert!(!called.head.contains(none), "{}", called.head);
    }
    let (body, data) = (called.json(), called.json()["data"].clone());
    assert_eq!((&body["type"], &data["id"]), (&json!("budget.alert"), &json!(called.header("webhook-id"))));
    assert_eq!((&data["budget"]["id"], &data["budget"]["name"]), (&json!(id), &json!("all")));
    assert_eq!((&data["fraction"], &data["spent_usd"]), (&json!("0.5"), &json!("0.004")));
    assert_eq!((&data["limit_usd"], &data["subject"]), (&json!("0.008"), &Value::Null));
    assert!(data["resets_at"].as_str().unwrap().ends_with("T00:00:00Z"));
    assert_eq!((&data["scope"], &data["subject_name"]), (&json!("global"), &Value::Null));
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("The budget \"all\" has come to 50 %: 0.004 of 0.008 USD are spent."), "{text}");
    pay(&gateway, &gateway.admin).await;
    pay(&gateway, &gateway.admin).await;
    assert_eq!(receiver.take("200 OK").await.json()["data"]["fraction"], "1");
    let alerts = alerts(&gateway, 2).await;
    assert_eq!(
        reasons(&alerts),
        ["budget-alert: all at 0.5: 0.004 of 0.008 USD", "budget-alert: all at 1: 0.008 of 0.008 USD"]
    );
    assert_eq!((&alerts[0]["path"], &alerts[0]["request_id"]), (&json!(format!("/admin/budgets/{id}")), &data["id"]));
    assert_eq!((&alerts[0]["decision"], &alerts[0]["outcome"]), (&json!("allowed"), &json!("complete")));
    let text = eventually("the count of alerts", async || {
        let text = gateway.metrics().await;
        text.contains("tollgate_budget_alerts_total{budget=\"all\"} 2").then_some(text)
    })
    .await;
    assert!(!text.contains("whsec"));
    for entry in gateway.entries().await {
        assert!(!entry.contains("whsec") && !entry.contains("hooks/a"), "{entry}");
    }
    gateway.expect_record();
    gateway.expect_record();
    gateway.finish().await;
}

async fn a_webhook_that_does_not_take_an_alert_is_called_again(store: &TestStore) {
    let (receiver, url) = Receiver::start().await;
    let gateway = start(store, &url).await;
    make(&gateway, json!({ "alert_at": [0.25] })).await;
    pay(&gateway, &gateway.admin).await;
    let first = receiver.take("500 Internal Server Error").await;
    let second = receiver.take("204 No Content").await;
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert!(second.is_signed() && first.body == second.body);
    assert_eq!(alerts(&gateway, 1).await.len(), 1);
    gateway.expect_record();
    gateway.finish().await;
}

async fn an_alert_names_whom_it_is_about(store: &TestStore) {
    let (receiver, url) = Receiver::start().await;
    let gateway = start(store, &url).await;
    let ann = gateway.user("ann", "user").await;
    make(&gateway, json!({ "name": "each", "scope": "user", "limit_usd": "0.004", "alert_at": [0.5] })).await;
    pay(&gateway, &ann.token).await;
    let body = receiver.take("200 OK").await.json();
    let data = &body["data"];
    assert_eq!((&data["scope"], &data["subject"]), (&json!("user"), &json!(ann.id)));
    assert_eq!(data["subject_name"], "ann");
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("The budget \"each\" of the user \"ann\" has come to 50 %: "), "{text}");
    gateway.expect_record();
    gateway.finish().await;
}

async fn an_upstream_that_is_down_is_told(store: &TestStore) {
    let (receiver, url) = Receiver::start().await;
    let dead =
        "[[upstreams]]\nname = \"dead\"\nurl = \"http://127.0.0.1:1\"\nhealth = { path = \"/\", interval_s = 1 }\n";
    let setup = Setup::default().more_lists(ROUTES).more_lists(dead).set("alerts.webhook_url", &url);
    let gateway = setup.set("alerts.webhook_secret", SECRET).start(store).await;
    let called = receiver.take("200 OK").await;
    let (body, data) = (called.json(), called.json()["data"].clone());
    assert!(called.is_signed());
    assert_eq!((&body["type"], &data["state"]), (&json!("upstream.down"), &json!("begun")));
    assert_eq!((&data["details"]["upstream"], &data["id"]), (&json!("dead"), &json!(called.header("webhook-id"))));
    assert!(body["text"].as_str().unwrap().starts_with("The upstream \"dead\" is down"), "{body}");
    gateway.finish().await;
}

async fn a_wave_of_refusals_is_told(store: &TestStore) {
    let (receiver, url) = Receiver::start().await;
    let gateway = start(store, &url).await;
    for _ in 0..100 {
        gateway.get("/paid").send().await.problem(401, "missing-credential");
    }
    let body = receiver.take("200 OK").await.json();
    assert_eq!((&body["type"], &body["data"]["state"]), (&json!("refusals.wave"), &json!("begun")));
    assert!(body["text"].as_str().unwrap().contains("were refused"), "{body}");
    gateway.finish().await;
}

async fn a_lowered_limit_is_told_with_the_next_call_and_a_raised_one_does_not_tell_again(store: &TestStore) {
    let gateway = Setup::default().more_lists(ROUTES).start(store).await;
    let id = make(&gateway, json!({ "limit_usd": "1", "alert_at": [0.5] })).await;
    pay(&gateway, &gateway.admin).await;
    let limit = async |limit_usd: &str| {
        let patch = gateway.request("PATCH", &format!("/admin/budgets/{id}")).token(&gateway.admin);
        patch.json(&json!({ "limit_usd": limit_usd })).send().await.expect(200);
    };
    limit("0.004").await;
    pay(&gateway, &gateway.admin).await;
    assert_eq!(reasons(&alerts(&gateway, 1).await), ["budget-alert: all at 0.5: 0.004 of 0.004 USD"]);
    limit("0.016").await;
    for _ in 0..4 {
        pay(&gateway, &gateway.admin).await;
    }
    gateway.running().office.accounting.ledger.flushed().await.unwrap();
    assert_eq!(alerts(&gateway, 1).await.len(), 1);
    gateway.expect_record();
    gateway.finish().await;
}

async fn an_alert_about_a_user_is_among_the_records_of_the_user(store: &TestStore) {
    let gateway = Setup::default().more_lists(ROUTES).start(store).await;
    let (ann, bob) = (gateway.user("ann", "user").await, gateway.user("bob", "user").await);
    make(&gateway, json!({ "name": "each", "scope": "user", "limit_usd": "0.004", "alert_at": [1] })).await;
    for user in [&ann, &bob, &ann, &bob] {
        pay(&gateway, &user.token).await;
    }
    let alerts = alerts(&gateway, 2).await;
    let mut users: Vec<&str> = alerts.iter().map(|alert| alert["user_id"].as_str().unwrap()).collect();
    users.sort_unstable();
    let mut both = [ann.id.as_str(), bob.id.as_str()];
    both.sort_unstable();
    assert_eq!(users, both);
    gateway.expect_record();
    gateway.expect_record();
    gateway.finish().await;
}

async fn what_is_spent_and_held_is_in_the_metrics_by_name(store: &TestStore) {
    let gateway = Setup::default().more_lists(ROUTES).start(store).await;
    let ann = gateway.user("ann", "user").await;
    make(&gateway, json!({ "name": "each", "scope": "user", "limit_usd": "1" })).await;
    make(&gateway, json!({ "name": "each", "scope": "user", "subject": ann.id, "limit_usd": "2" })).await;
    make(&gateway, json!({ "name": "idle", "models": ["none"] })).await;
    for token in [&gateway.admin, &ann.token, &ann.token] {
        pay(&gateway, token).await;
    }
    gateway.running().office.accounting.ledger.flushed().await.unwrap();
    let text = gateway.metrics().await;
    for line in [
        "tollgate_budget_spent_usd{budget=\"each\"} 0.006",
        "tollgate_budget_held_usd{budget=\"each\"} 0",
        "tollgate_budget_spent_usd{budget=\"idle\"} 0",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    gateway.finish().await;
}
