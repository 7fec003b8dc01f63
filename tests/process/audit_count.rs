//! The audit log under load with everything mixed that can become of a request: as many records as requests, each with the
//! right user and the right end. Requests are told apart by their trace ids.

use std::{
    collections::{BTreeMap, HashSet},
    net::Shutdown,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    thread,
};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::support::{
    Database, Entry, Gateway, Home, Upstream, Wire, check_chains, chunked, eventually, has_come, with_upstream,
};

const PASSWORD: &str = "a password for the tests of the count";
const CLIENTS: usize = 8;
const ROUNDS: usize = 3;
/// What is longer is too large.
const MAX_BODY: usize = 1024;

const SECTIONS: &str = r#"
[server]
max_body_bytes = 1024
body_timeout_s = 4
[actors]
deadline_ms = 20000
[cors]
allowed_origins = ["https://page.test"]
[auth]
throttle_account_failures = 1000000
throttle_address_failures = 1000000
[[limits]]
name = "one"
routes = ["few"]
per = "user"
unit = "requests"
limit = 1
window_s = 3600
[[budgets]]
name = "one-call"
scope = "global"
limit_usd = "0.002"
period = "total"
[[routes]]
name = "few"
path = "/few"
match = "exact"
methods = ["GET"]
roles = ["user"]
upstream = "builtin:echo"
[[routes]]
name = "paid"
path = "/paid"
match = "exact"
methods = ["GET"]
roles = ["user"]
upstream = "builtin:echo"
meter = { fixed_usd = "0.002" }
"#;

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    Admin,
    Ann,
    Bob,
}

/// What a client does after it has sent its request.
#[derive(Clone, Copy)]
enum Way {
    Reads,
    /// Of an answer to HEAD.
    ReadsHead,
    /// Has sent the same three times at once.
    ReadsThree,
    ClosesItsSideAndReads,
    /// While the answer comes.
    ResetsInAnswer,
    /// When the upstream has been asked.
    ResetsBeforeAnswer,
    /// In the middle of its own body.
    HangsUp,
    /// While a user is made.
    ResetsInChange,
}

/// One kind of request and its end.
struct Kind {
    who: Who,
    line: &'static str,
    /// More header lines.
    lines: String,
    body: String,
    way: Way,
    /// What may be answered.
    statuses: &'static [u16],
    outcome: &'static str,
    /// Whether the HTTP parser refuses the head, so that its record knows neither who called nor the trace.
    is_unread: bool,
}

/// A request that was sent.
struct Sent {
    kind: usize,
    trace: String,
}

fn kind(who: Who, line: &'static str, statuses: &'static [u16]) -> Kind {
    Kind {
        who,
        line,
        lines: String::new(),
        body: String::new(),
        way: Way::Reads,
        statuses,
        outcome: "complete",
        is_unread: false,
    }
}

impl Kind {
    fn lines(mut self, lines: &str) -> Self {
        self.lines.push_str(lines);
        self
    }

    fn json(self, body: &str) -> Self {
        let lines = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        Self { body: body.into(), ..self.lines(&lines) }
    }

    fn chunks(self, length: usize) -> Self {
        Self { body: chunked(&"x".repeat(length)), ..self.lines("transfer-encoding: chunked\r\n") }
    }

    /// A body that ends too early.
    fn half(self) -> Self {
        Self { body: "half".into(), ..self.lines("content-length: 100\r\n") }
    }

    fn way(self, way: Way) -> Self {
        Self { way, ..self }
    }

    fn aborted(self) -> Self {
        Self { outcome: "aborted", ..self }
    }

    fn unread(self) -> Self {
        Self { is_unread: true, ..self }
    }
}

fn kinds() -> Vec<Kind> {
    use Who::{Admin, Ann, Bob, Nobody};
    let login = |password| json!({ "username": "ann", "password": password }).to_string();
    vec![
        kind(Ann, "GET /echo", &[200]),
        kind(Bob, "POST /echo", &[200]).chunks(100),
        kind(Bob, "GET /echo", &[200]).way(Way::ReadsThree),
        kind(Ann, "HEAD /echo", &[200]).way(Way::ReadsHead),
        kind(Nobody, "OPTIONS /echo", &[200, 204])
            .lines("origin: https://page.test\r\naccess-control-request-method: POST\r\n"),
        kind(Admin, "GET /admin/audit", &[200]),
        kind(Nobody, "GET /echo", &[401]),
        kind(Nobody, "GET /echo", &[401]).lines("authorization: Bearer nonsense\r\n"),
        kind(Ann, "GET /admin/users", &[403]),
        kind(Bob, "GET /nowhere", &[404]),
        kind(Bob, "GET /echo", &[200]).lines("x-odd: \u{e9}\u{80}\r\nuser-agent: \u{e9}\r\n"),
        kind(Ann, "DELETE /me", &[405]),
        kind(Ann, "GET /echo/%2e%2e", &[400]),
        kind(Bob, "GET /echo/%00", &[400]),
        kind(Ann, "GET /echo", &[400]).lines("host: another.test\r\n").unread(),
        kind(Bob, "POST /echo", &[400]).lines("content-length: 1\r\ncontent-length: 2\r\n").unread(),
        kind(Nobody, "GE@T /echo", &[400]).unread(),
        kind(Ann, "GET /echo", &[431]).lines(&format!("x: {}\r\n", "y".repeat(40_000))),
        kind(Ann, "TRACE /echo", &[405]),
        kind(Bob, "GET /echo", &[400]).lines("connection: upgrade\r\nupgrade: websocket\r\n"),
        kind(Admin, "POST /admin/users", &[400]).json("{\"broken\": "),
        kind(Admin, "POST /admin/users", &[400]).json("{\"username\": \"\\ud800\"}"),
        kind(Admin, "POST /admin/users", &[400]).json("{\"username\": \"\\u0000\"}"),
        kind(Admin, "POST /admin/users", &[415]).chunks(10),
        // The user is known by the name, not by the right password.
        kind(Ann, "POST /auth/login", &[200]).json(&login(PASSWORD)),
        kind(Ann, "POST /auth/login", &[401]).json(&login("a wrong password")),
        kind(Nobody, "POST /auth/login", &[400]).json("[]"),
        kind(Bob, "POST /echo", &[413]).lines("content-length: 1025\r\n"),
        kind(Ann, "POST /up/sink", &[413]).chunks(MAX_BODY + 1),
        kind(Bob, "GET /few", &[200, 429]),
        kind(Ann, "GET /paid", &[200, 402]),
        kind(Bob, "GET /up/dead", &[502]),
        kind(Ann, "GET /up/cut", &[200]).aborted(),
        kind(Ann, "GET /up/whole", &[200]).way(Way::ClosesItsSideAndReads),
        kind(Bob, "GET /up/endless", &[200]).way(Way::ResetsInAnswer).aborted(),
        kind(Ann, "GET /up/silent", &[]).way(Way::ResetsBeforeAnswer).aborted(),
        kind(Ann, "POST /up/sink", &[408]).half(),
        kind(Bob, "POST /up/sink", &[]).half().way(Way::HangsUp).aborted(),
        kind(Admin, "POST /admin/users", &[201]).way(Way::ResetsInChange),
    ]
}

/// A gateway with its callers.
struct Field {
    gateway: Gateway,
    upstream: Upstream,
    /// Of the administrator, Ann and Bob.
    tokens: [String; 3],
    ids: [String; 3],
    kinds: Vec<Kind>,
    next: AtomicU64,
    sent: Mutex<Vec<Sent>>,
    /// Heads that the parser refused.
    unread: AtomicUsize,
    /// The targets that the upstream was asked for.
    asked: Mutex<HashSet<String>>,
    is_over: AtomicBool,
}

impl Field {
    fn new(configured: impl FnOnce(Home) -> Home) -> (Home, Self) {
        let upstream = Upstream::start();
        let home = configured(Home::new().config(&with_upstream(upstream.address(), "", SECTIONS)));
        let gateway = home.start();
        let admin = gateway.admin();
        let created = |name: &str, role: &str| {
            let user = json!({ "username": name, "password": PASSWORD, "role": role });
            let answer = gateway.json("POST", "/admin/users", &admin, &user);
            assert_eq!(answer.status(), 201, "{}", answer.text());
            answer.json()["id"].as_str().unwrap().to_owned()
        };
        let me = gateway.get("/me", &admin).json()["user"]["id"].as_str().unwrap().to_owned();
        let ids = [me, created("ann", "user"), created("bob", "user")];
        let tokens = [admin.clone(), gateway.login("ann", PASSWORD), gateway.login("bob", PASSWORD)];
        let field = Self {
            gateway,
            upstream,
            tokens,
            ids,
            kinds: kinds(),
            next: AtomicU64::new(1),
            sent: Mutex::default(),
            unread: AtomicUsize::new(0),
            asked: Mutex::default(),
            is_over: AtomicBool::new(false),
        };
        (home, field)
    }

    /// Where what belongs to this user lies; `None` for nobody.
    fn place_of(who: Who) -> Option<usize> {
        [Who::Admin, Who::Ann, Who::Bob].iter().position(|one| *one == who)
    }

    fn trace(&self) -> String {
        format!("c0de{:028x}", self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn note(&self, kind: usize, trace: &str) {
        if self.kinds[kind].is_unread {
            self.unread.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.sent.blocking_lock().push(Sent { kind, trace: trace.to_owned() });
    }

    /// One request of a kind, which is noted as sent.
    fn worded(&self, number: usize) -> (String, String) {
        let (kind, trace) = (&self.kinds[number], self.trace());
        self.note(number, &trace);
        let (method, path) = kind.line.split_once(' ').unwrap();
        let path = if path.starts_with("/up/") { format!("{path}/{trace}") } else { path.to_owned() };
        // A login has no credential but its password.
        let place = Self::place_of(kind.who).filter(|_| path != "/auth/login");
        let token = place.map(|at| format!("authorization: Bearer {}\r\n", self.tokens[at])).unwrap_or_default();
        let (lines, body) = if matches!(kind.way, Way::ResetsInChange) {
            let user = json!({ "username": named(&trace), "password": PASSWORD, "role": "user" }).to_string();
            (format!("content-type: application/json\r\ncontent-length: {}\r\n", user.len()), user)
        } else {
            (kind.lines.clone(), kind.body.clone())
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway.test\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\
             {token}{lines}\r\n{body}"
        );
        (request, trace)
    }

    fn call(&self, number: usize) {
        let kind = &self.kinds[number];
        let answered = |wire: &mut Wire| {
            let answer = wire.message();
            assert!(kind.statuses.contains(&answer.status()), "{}: {}", kind.line, answer.text());
        };
        let mut wire = self.gateway.connect();
        match kind.way {
            Way::Reads => {
                wire.say(self.worded(number).0);
                answered(&mut wire);
            }
            Way::ReadsHead => {
                wire.say(self.worded(number).0);
                assert!(kind.statuses.contains(&wire.head().status()));
            }
            Way::ReadsThree => {
                wire.say([0; 3].map(|_| self.worded(number).0).concat());
                (0..3).for_each(|_| answered(&mut wire));
            }
            Way::ClosesItsSideAndReads => {
                wire.say(self.worded(number).0);
                wire.stream().shutdown(Shutdown::Write).unwrap();
                answered(&mut wire);
            }
            Way::ResetsInAnswer => {
                wire.say(self.worded(number).0);
                assert!(kind.statuses.contains(&wire.head().status()));
                // Closing with something unread is a reset.
                assert!(has_come(|| wire.has_something()));
            }
            Way::ResetsBeforeAnswer => {
                let (request, trace) = self.worded(number);
                wire.say([self.worded(0).0, request].concat());
                assert!(has_come(|| wire.has_something() && self.was_asked(&trace)));
            }
            Way::HangsUp => {
                let (request, trace) = self.worded(number);
                wire.say(request);
                assert!(has_come(|| self.was_asked(&trace)));
            }
            Way::ResetsInChange => {
                wire.say([self.worded(0).0, self.worded(number).0].concat());
                assert!(has_come(|| wire.has_something()));
            }
        }
    }

    fn was_asked(&self, trace: &str) -> bool {
        self.asked.blocking_lock().contains(trace)
    }

    /// Answers whatever the gateway asks, each connection on a thread of its own.
    fn serve(&self) {
        thread::scope(|scope| {
            while !self.is_over.load(Ordering::Relaxed) {
                match self.upstream.try_accept() {
                    Some(wire) => drop(scope.spawn(|| self.answer(wire))),
                    None => thread::yield_now(),
                }
            }
        });
    }

    fn answer(&self, mut wire: Wire) {
        loop {
            let head = wire.head();
            if head.start.is_empty() {
                return;
            }
            let (path, trace) = head.target().rsplit_once('/').unwrap();
            self.asked.blocking_lock().insert(trace.to_owned());
            match path {
                "/up/whole" => assert!(wire.try_say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole")),
                "/up/cut" => return wire.say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart"),
                "/up/endless" => {
                    wire.try_say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
                    while wire.try_say("4\r\nmore\r\n") {
                        thread::yield_now();
                    }
                    return;
                }
                "/up/dead" => return,
                _ => return wire.drain(),
            }
        }
    }
}

fn named(trace: &str) -> String {
    format!("user-{trace}")
}

/// What the entries of a request say together.
#[derive(Default)]
struct OnRecord {
    stages: Vec<String>,
    trace: Option<String>,
    user: Option<String>,
    status: Option<u64>,
    reason: Option<String>,
    outcome: Option<String>,
    change: bool,
}

impl OnRecord {
    fn is_sent_by_client(&self) -> bool {
        self.trace.as_ref().is_some_and(|trace| trace.starts_with("c0de"))
    }

    fn is_unread(&self) -> bool {
        let is_named = matches!(self.reason.as_deref(), Some("unreadable-head" | "head-too-long" | "invalid-host"));
        is_named && matches!(self.status, Some(400 | 431)) && self.trace.is_none() && self.user.is_none()
    }
}

fn records(entries: &[Entry]) -> Vec<OnRecord> {
    let mut records: BTreeMap<&str, OnRecord> = BTreeMap::new();
    for entry in entries {
        let said: Value = serde_json::from_str(&entry.json).unwrap();
        let text = |name: &str| said[name].as_str().map(str::to_owned);
        let record = records.entry(&entry.request_id).or_default();
        record.stages.push(text("stage").unwrap());
        record.trace = record.trace.take().or(text("trace_id"));
        record.user = text("user_id").or(record.user.take());
        record.status = said["status"].as_u64().or(record.status);
        record.reason = text("reason").or(record.reason.take());
        record.outcome = text("outcome").or(record.outcome.take());
        record.change |= said["change_sha256"].is_string();
    }
    records.into_values().filter(|record| record.is_sent_by_client() || record.is_unread()).collect()
}

fn usernames(field: &Field) -> HashSet<String> {
    let page = field.gateway.get("/admin/users?limit=200", &field.tokens[0]).json();
    let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
    items.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

fn check(field: &Field, entries: &[Entry]) {
    let (unread, records): (Vec<_>, Vec<_>) = records(entries).into_iter().partition(OnRecord::is_unread);
    assert_eq!(unread.len(), field.unread.load(Ordering::Relaxed), "heads that the parser refused");
    let sent = field.sent.blocking_lock();
    let mut by_trace: BTreeMap<&str, Vec<&OnRecord>> = BTreeMap::new();
    for record in &records {
        by_trace.entry(record.trace.as_deref().unwrap()).or_default().push(record);
    }
    let usernames = usernames(field);
    let (mut changes, mut lost) = (0, 0);
    for Sent { kind, trace } in sent.iter() {
        let kind = &field.kinds[*kind];
        let found = by_trace.get(trace.as_str()).map(Vec::as_slice).unwrap_or_default();
        if matches!(kind.way, Way::ResetsInChange) {
            // Where a user was made although the client was gone, the record has what was made; where not, nothing was.
            let is_made = usernames.contains(&named(trace));
            assert_eq!(found.iter().any(|record| record.change), is_made, "{trace}");
            changes += u64::from(is_made);
            if found.is_empty() {
                // The connection was gone before the gateway had come to it.
                lost += 1;
                continue;
            }
        }
        let [record] = found else { panic!("{} records of {} {trace}", found.len(), kind.line) };
        check_record(field, kind, record);
    }
    println!(
        "{} requests, {} records, {changes} changes, {lost} never read; {} heads that were refused",
        sent.len(),
        records.len(),
        unread.len()
    );
    assert_eq!(records.len() + lost, sent.len());
    assert!(changes > 0, "no change was made after its client was gone");
}

fn check_record(field: &Field, kind: &Kind, record: &OnRecord) {
    let what = format!("{} {:?} {:?}", kind.line, record.trace, record.stages);
    let stages: Vec<_> = record.stages.iter().map(String::as_str).collect();
    assert!(matches!(stages[..], ["whole"] | ["decision", "outcome"]), "{what}");
    assert_eq!(record.user.as_ref(), Field::place_of(kind.who).map(|at| &field.ids[at]), "{what}");
    // Nothing is answered to a client that is gone.
    let is_expected = |status| kind.statuses.iter().any(|one| u64::from(*one) == status);
    assert!(kind.statuses.is_empty() || record.status.is_some_and(is_expected), "{what}: {:?}", record.status);
    let may_be_aborted = matches!(kind.way, Way::ResetsInChange);
    let outcome = record.outcome.as_deref();
    assert!(outcome == Some(kind.outcome) || may_be_aborted && outcome == Some("aborted"), "{what}: {outcome:?}");
}

/// Every client begins at another kind, so that everything meets everything.
fn under_load(field: &Field) {
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let count = field.kinds.len();
                let first = client * count / CLIENTS;
                (0..ROUNDS * count).for_each(|step| field.call((first + step) % count));
            });
        }
    });
}

fn every_request_has_its_record(configured: impl FnOnce(Home) -> Home, entries: impl Fn(&Home) -> Vec<Entry>) {
    let (home, field) = Field::new(configured);
    thread::scope(|scope| {
        scope.spawn(|| field.serve());
        let ended = Ends(&field.is_over);
        under_load(&field);
        eventually("every record has its end", || is_settled(&field, &entries(&home)).then_some(()));
        let entries = entries(&home);
        check_chains(&entries);
        check(&field, &entries);
        field.gateway.signal("TERM");
        drop(ended);
    });
}

/// Also when a check fails: the scope waits for the upstream.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// No call is under way, and the heads that were refused are on record, which they are in the moment after the answer.
fn is_settled(field: &Field, entries: &[Entry]) -> bool {
    let has_end = |record: &OnRecord| record.outcome.as_ref().is_some_and(|outcome| outcome != "unknown");
    let records = records(entries);
    let unread = records.iter().filter(|record| record.is_unread()).count();
    records.iter().all(has_end) && unread >= field.unread.load(Ordering::Relaxed)
}

#[test]
fn every_request_has_its_record_on_sqlite() {
    every_request_has_its_record(|home| home, |home| Entry::all_in_file(&home.database()));
}

#[test]
fn every_request_has_its_record_on_postgresql() {
    let database = Database::create();
    every_request_has_its_record(|home| database.configure(home), |_| Entry::all_in(&database));
}
