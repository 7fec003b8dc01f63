//! Four gateways on one PostgreSQL and one Redis, and an upstream that dies and comes back under load: no call fails while
//! another target is fit, no budget is overspent, and nothing is held in the end.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::sync::Mutex;

use super::support::{Database, Gateway, Home, PASSWORD, RedisServer, Starting, Wire, eventually};

const GATEWAYS: usize = 4;
/// Clients of each gateway.
const CLIENTS: usize = 2;
const QUESTION: &str = r#"{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"hello"}]}"#;
/// What each call takes: nine tokens in and two out, a millionth of a dollar each.
const ANSWER: &str = r#"{"id":"x","object":"chat.completion","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hi"}}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;
const COST_MICRO_USD: u64 = 11;

/// An upstream that answers every call at once, until it dies; it comes back at its address.
struct Provider {
    address: SocketAddr,
    life: Mutex<Option<Life>>,
    served: Arc<AtomicUsize>,
}

/// From a start to a death.
struct Life {
    is_over: Arc<AtomicBool>,
    /// Each locked while it answers: who is dead says nothing more, but cuts no answer.
    connections: Arc<Mutex<Vec<Arc<Mutex<TcpStream>>>>>,
}

impl Provider {
    fn start() -> Self {
        let (address, life) = (SocketAddr::from(([127, 0, 0, 1], 0)), Mutex::new(None));
        let mut provider = Self { address, life, served: Arc::default() };
        let listener = listening(provider.address);
        provider.address = listener.local_addr().unwrap();
        provider.live(listener);
        provider
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    fn live(&self, listener: TcpListener) {
        let life = Life { is_over: Arc::default(), connections: Arc::default() };
        let (is_over, connections) = (Arc::clone(&life.is_over), Arc::clone(&life.connections));
        let served = Arc::clone(&self.served);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                let writing = Arc::new(Mutex::new(stream.try_clone().unwrap()));
                connections.blocking_lock().push(Arc::clone(&writing));
                let (is_over, served) = (Arc::clone(&is_over), Arc::clone(&served));
                thread::spawn(move || serve(stream, &writing, &is_over, &served));
            }
        });
        *self.life.blocking_lock() = Some(life);
    }

    /// Answers nothing any more: connections end, new ones are refused.
    fn die(&self) {
        let life = self.life.blocking_lock().take().unwrap();
        life.is_over.store(true, Ordering::SeqCst);
        // Wakes the one who accepts, who closes the listener.
        drop(TcpStream::connect(self.address));
        for connection in life.connections.blocking_lock().iter() {
            drop(connection.blocking_lock().shutdown(Shutdown::Both));
        }
        eventually("new connections are refused", || TcpStream::connect(self.address).is_err().then_some(()));
    }

    fn come_back(&self) {
        self.live(listening(self.address));
    }
}

fn listening(address: SocketAddr) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    eventually("the address is free", || socket.bind(&address.into()).ok());
    socket.listen(1_024).unwrap();
    socket.into()
}

/// Answers the calls on one connection, one after the other.
fn serve(stream: TcpStream, writing: &Mutex<TcpStream>, is_over: &AtomicBool, served: &AtomicUsize) {
    let mut reader = BufReader::new(stream);
    while let Some(length) = head(&mut reader) {
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let mut stream = writing.blocking_lock();
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ANSWER}",
            ANSWER.len()
        );
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
        served.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads the head of a request and gives the length of its body.
fn head(reader: &mut impl BufRead) -> Option<usize> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            return Some(length);
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
}

/// The gateways, and the upstreams `a`, which is asked first, and `b`.
struct Scene {
    a: Provider,
    b: Provider,
    gateways: Vec<Gateway>,
    token: String,
    _homes: Vec<Home>,
    _redis: RedisServer,
    _database: Database,
}

impl Scene {
    fn start() -> Self {
        let (a, b) = (Provider::start(), Provider::start());
        let (database, redis) = (Database::create(), RedisServer::start());
        let config = format!(
            r#"
[[upstreams]]
name = "a"
url = "http://{}"
breaker = {{ failures = 3, within_s = 10, open_s = 1 }}
[[upstreams]]
name = "b"
url = "http://{}"
[[routes]]
name = "up"
path = "/up"
match = "exact"
methods = ["POST"]
roles = ["admin", "user"]
targets = [{{ upstream = "a" }}, {{ upstream = "b", priority = 1 }}]
meter = "openai-chat"
[[budgets]]
name = "all"
scope = "global"
limit_usd = "1000"
period = "total"
"#,
            a.address, b.address
        );
        let home = || database.home().env("TOLLGATE__REDIS__URL", &redis.url()).config(&config);
        let homes: Vec<Home> = (0..GATEWAYS).map(|_| home()).collect();
        let starting: Vec<Starting> = homes.iter().map(Home::spawn).collect();
        let gateways: Vec<Gateway> = starting.into_iter().map(Starting::serving).collect();
        let token = gateways[0].admin();
        let price = json!({ "model": "m", "input_usd": "1", "output_usd": "1", "max_output_tokens": 100 });
        let put = gateways[0].json("PUT", "/admin/prices", &token, &json!({ "items": [price], "remove": ["*"] }));
        assert_eq!(put.status(), 200, "{}", put.text());
        let scene = Self { a, b, gateways, token, _homes: homes, _redis: redis, _database: database };
        for gateway in &scene.gateways {
            eventually("the price is known everywhere", || (ask(gateway, &scene.token).status() == 200).then_some(()));
        }
        scene
    }

    /// Calls every gateway with every client as fast as they answer while `meanwhile` runs, and counts the answers by status.
    fn under_load(&self, token: &str, meanwhile: impl FnOnce()) -> BTreeMap<u16, u64> {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let clients = (0..GATEWAYS * CLIENTS).map(|client| {
                let (gateway, is_over) = (&self.gateways[client % GATEWAYS], &is_over);
                scope.spawn(move || call_until(gateway, token, is_over))
            });
            let clients: Vec<_> = clients.collect();
            meanwhile();
            is_over.store(true, Ordering::Relaxed);
            let mut counts = BTreeMap::new();
            for answers in clients.into_iter().map(|client| client.join().unwrap()) {
                for (status, count) in answers {
                    *counts.entry(status).or_default() += count;
                }
            }
            counts
        })
    }

    fn budget(&self, name: &str) -> Value {
        let list = self.gateways[0].get("/admin/budgets", &self.token).json();
        list["items"].as_array().unwrap().iter().find(|budget| budget["name"] == name).unwrap().clone()
    }

    /// What is spent in millionths of a dollar, once nothing is held.
    fn spent(&self, name: &str) -> u64 {
        let usd = eventually("nothing is held", || {
            let budget = self.budget(name);
            (budget["held_usd"] == "0").then(|| budget["spent_usd"].as_str().unwrap().to_owned())
        });
        let (whole, part) = usd.split_once('.').unwrap_or((&usd, ""));
        format!("{whole}{part:0<6}").parse().unwrap()
    }
}

/// Waits until the upstream has served 40 calls more.
fn more(provider: &Provider) {
    let before = provider.served();
    eventually("it is asked", || (provider.served() >= before + 40).then_some(()));
}

fn ask(gateway: &Gateway, token: &str) -> super::support::Message {
    gateway.send(call(token))
}

fn call(token: &str) -> String {
    format!(
        "POST /up HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{QUESTION}",
        QUESTION.len()
    )
}

fn call_until(gateway: &Gateway, token: &str, is_over: &AtomicBool) -> BTreeMap<u16, u64> {
    let (mut counts, mut wire) = (BTreeMap::new(), Wire::connect(gateway.address));
    while !is_over.load(Ordering::Relaxed) {
        wire.say(call(token));
        *counts.entry(wire.message().status()).or_default() += 1;
    }
    counts
}

#[test]
fn an_upstream_that_dies_and_returns_under_load_costs_no_call_and_no_cent() {
    let scene = Scene::start();
    let before = u64::try_from(scene.a.served() + scene.b.served()).unwrap();
    let counts = scene.under_load(&scene.token, || {
        for _ in 0..2 {
            more(&scene.a);
            scene.a.die();
            more(&scene.b);
            scene.a.come_back();
            more(&scene.a);
        }
    });
    println!("four_gateways: {counts:?}, a served {}, b {}", scene.a.served(), scene.b.served());
    assert_eq!(counts.keys().collect::<Vec<_>>(), [&200], "a call failed although another target was fit: {counts:?}");
    assert_eq!(scene.spent("all"), (before + counts[&200]) * COST_MICRO_USD);
}

#[test]
fn a_budget_that_runs_out_while_an_upstream_dies_is_not_overspent_by_a_cent() {
    const LIMIT_MICRO_USD: u64 = 10_000;
    let scene = Scene::start();
    let user = json!({ "username": "poor", "password": PASSWORD, "role": "user" });
    let made = scene.gateways[0].json("POST", "/admin/users", &scene.token, &user);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let budget = json!({ "name": "tight", "scope": "user", "subject": id, "limit_usd": "0.01", "period": "total" });
    assert_eq!(scene.gateways[0].json("POST", "/admin/budgets", &scene.token, &budget).status(), 201);
    let token = scene.gateways[0].login("poor", PASSWORD);
    for gateway in &scene.gateways {
        eventually("the budget is known everywhere", || {
            let me = gateway.get("/me", &token).json();
            me["budgets"].as_array()?.iter().any(|budget| budget["name"] == "tight").then_some(())
        });
    }
    let counts = scene.under_load(&token, || {
        more(&scene.a);
        scene.a.die();
        more(&scene.b);
        scene.a.come_back();
        eventually("nearly all is spent", || {
            let remaining = scene.budget("tight")["remaining_usd"].as_str().unwrap().parse::<f64>().unwrap();
            (remaining < 0.000_2).then_some(())
        });
    });
    println!("four_gateways: {counts:?}");
    assert!(counts.keys().all(|status| [200, 402].contains(status)), "{counts:?}");
    let spent = scene.spent("tight");
    assert_eq!(spent, counts[&200] * COST_MICRO_USD);
    assert!(spent <= LIMIT_MICRO_USD, "{spent} of {LIMIT_MICRO_USD}");
}
