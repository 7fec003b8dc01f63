//! Secrets in every header, body, path and query, which must be nowhere afterwards: not in the store, not in any file of the
//! gateway, not in its log, not in its metrics.

use std::{fs, path::Path};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

use super::support::{Database, Gateway, Home, Wire, request};

/// Stands in every secret. Only its letters are never escaped.
const CANARY: &str = "kanarienvogel";

/// Of a head. The key of an idempotent request is not among them: it is kept so that the request can be told again.
const HEADERS: [&str; 20] = [
    "x-api-key: tg_0198_{}",
    "cookie: session={}",
    "proxy-authorization: Basic {}",
    "user-agent: {}",
    "referer: https://page.test/?token={}",
    "origin: https://{}.test",
    "traceparent: 00-{}-00f067aa0ba902b7-01",
    "tracestate: vendor={}",
    "x-forwarded-for: {}",
    "forwarded: for={}",
    "x-request-id: {}",
    "content-type: application/{}",
    "accept: text/{}",
    "range: {}",
    "if-none-match: \"{}\"",
    "content-encoding: {}",
    "upgrade: {}",
    "host: {}",
    "access-control-request-method: {}",
    "x-{}: {}",
];

/// Credentials in a path, as they are and in every disguise.
const PATHS: [&str; 7] = [
    "/echo/tg_0198_{}",
    "/echo/tg%5F0198_{}",
    "/echo/%74g_0198_{}",
    "/echo/tg%255F0198%255f{}",
    "/echo/eyJhbGciOiJFZERTQSJ9.{}.c2ln",
    "/echo/eyJhbGciOiJFZERTQSJ9%2E{}%2Ec2ln",
    "/nowhere/%65yJ{}.e30.c2ln",
];

const QUERIES: [&str; 6] = [
    "/echo?access_token={}",
    "/echo?{}",
    "/admin/users?limit={}",
    "/admin/users?cursor={}",
    "/admin/audit?request_id={}",
    "/admin/audit?{}=1",
];

const BODIES: [(&str, &str); 8] = [
    ("/auth/login", "{\"username\": \"admin\", \"password\": \"{}\"}"),
    ("/auth/login", "{\"username\": \"nobody\", \"password\": \"{}\"}"),
    ("/auth/login", "{\"{}\": \"{}\"}"),
    ("/auth/login", "{\"password\": \"{}\", "),
    ("/auth/refresh", "{\"refresh_token\": \"{}\"}"),
    ("/admin/users", "{\"username\": \"ann\", \"role\": \"user\", \"password\": \"{} is long enough\"}"),
    ("/admin/users", "{\"username\": \"bob\", \"role\": \"{}\", \"password\": \"{}\"}"),
    ("/echo", "{\"secret\": \"{}\"}"),
];

/// Stands beside credentials, and is none.
const SAID: &str = "bergfink";

/// Credentials in heads and bodies that `/echo` says again.
const SPOKEN: [(&str, &str); 12] = [
    ("content-type: application/json", "{\"password\": \"{} and more\", \"say\": \"bergfink\"}"),
    (
        "content-type: application/json",
        "{\"a\": [{\"apiKey\": {\"x\": \"{}\"}}], \"b\": \"{\\\"p\\u0061ssword\\\": \\\"{}\\\"}\"}",
    ),
    ("content-type: application/json", "{\"password\": \"{}"),
    ("content-type: application/json", "{\"x\": \"\\ud800\\u0000\", \"secret\": [1, \"{}\"]}"),
    ("content-type: application/x-www-form-urlencoded", "client_secret={}&a=bergfink"),
    ("content-type: text/plain", "ask bergfink with Bearer X3-{} and tg_0198_{}"),
    ("content-type: text/xml", "<a><Password Type=\"t\">{}</Password></a>"),
    ("content-type: multipart/form-data; boundary=b", "--b\r\nx: form-data; name=\"secret\"\r\n\r\n{}\r\n--b--"),
    ("content-type: text/plain", "postgres://ann:{}@host/db"),
    ("cookie: session={}", "bergfink"),
    ("x-auth-token: {}", "bergfink"),
    ("referer: https://page.test/?token={}", "bergfink"),
];

fn posted(path: &str, token: &str, line: &str, body: &str) -> String {
    let head = request("POST", path, token);
    let head = head.strip_suffix("\r\n").unwrap();
    format!("{head}{line}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Credentials in calls of which bodies are kept.
fn spoken(token: &str) -> Vec<String> {
    let bodies = SPOKEN.iter().map(|(line, body)| posted("/echo", token, &filled(line), &filled(body)));
    let targets = PATHS.iter().chain(&QUERIES[..1]).map(|target| request("GET", &filled(target), token));
    bodies.chain(targets).collect()
}

/// Credentials where bodies are kept, and tells how many answers came.
fn speak_of_credentials(gateway: &Gateway, token: &str) -> usize {
    let own = BODIES.iter().filter(|(path, _)| *path != "/echo");
    let own = own.map(|(path, body)| posted(path, token, "content-type: application/json", &filled(body)));
    spoken(token).into_iter().chain(own).map(|bytes| assert!(gateway.send(bytes).status() < 500)).count()
}

fn filled(text: &str) -> String {
    text.replace("{}", CANARY)
}

/// Says what must be forgotten, and tells how many answers came.
fn say_everything(gateway: &Gateway, token: &str) -> usize {
    let with = |line: &str| {
        let head = request("GET", "/echo", token);
        format!("{}{}\r\n\r\n", head.strip_suffix("\r\n").unwrap(), filled(line))
    };
    let headers = HEADERS.iter().map(|line| with(line));
    let tokens = ["Bearer {}", "Basic {}", "Bearer tg_0198_{}", "Bearer eyJhbGciOiJFZERTQSJ9.{}.c2ln", "{}"]
        .map(|value| format!("GET /me HTTP/1.1\r\nhost: gateway.test\r\nauthorization: {}\r\n\r\n", filled(value)));
    let targets = PATHS.iter().chain(&QUERIES).map(|target| request("GET", &filled(target), token));
    let bodies = BODIES.iter().map(|(path, body)| posted(path, token, "content-type: application/json", &filled(body)));
    let said = headers.chain(tokens).chain(targets).chain(bodies);
    said.map(|bytes| assert!(gateway.send(bytes).status() < 500)).count()
}

fn metrics(gateway: &Gateway) -> String {
    let mut wire = Wire::connect(gateway.ops);
    wire.say("GET /metrics HTTP/1.1\r\nhost: ops.test\r\n\r\n");
    wire.message().text()
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![(path.display().to_string(), text(&path))] })
        .collect()
}

fn assert_free(place: &str, text: &str) {
    if let Some(at) = text.find(CANARY) {
        let around = text.as_bytes()[at.saturating_sub(200)..].iter().copied().take(300);
        panic!("{place}: {}", String::from_utf8_lossy(&around.collect::<Vec<u8>>()));
    }
}

fn nothing_is_kept(home: &Home, say: fn(&Gateway, &str) -> usize, rows: impl FnOnce() -> Vec<(String, String)>) {
    let gateway = home.start();
    let token = gateway.admin();
    let said = say(&gateway, &token);
    let last = gateway.get("/echo/last", &token);
    gateway.record(&token, &last.request_id());
    assert_free("the metrics", &metrics(&gateway));
    assert_free("the log", &gateway.log());
    assert_free("the output", &gateway.output());
    let whole = [rows(), files(&home.path().join("data"))].concat();
    for (place, text) in &whole {
        assert_free(place, text);
    }
    let is_found = whole.iter().any(|(_, text)| text.contains(&last.request_id()));
    assert!(is_found, "what was searched is not where the audit log is");
    println!("{said} secrets, {} places", whole.len());
    gateway.terminate();
}

#[test]
fn no_secret_is_kept_with_sqlite() {
    nothing_is_kept(&Home::new(), say_everything, Vec::new);
}

fn tables(database: &Database) -> Vec<(String, String)> {
    let tables = database.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'");
    let rows = |table: String| {
        let rows = database.query(&format!("SELECT row_to_json(one)::text FROM {table} AS one"));
        (table, rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n"))
    };
    tables.iter().map(|row| rows(row.get(0))).collect()
}

#[test]
fn no_secret_is_kept_with_postgresql() {
    let database = Database::create();
    nothing_is_kept(&database.home(), say_everything, || tables(&database));
}

/// What the log has, without the bytes that a database has freed and not yet overwritten.
fn exported(home: &Home) -> String {
    let file = home.path().join("export.jsonl");
    drop(fs::remove_file(&file));
    assert!(home.run(&["audit", "export", "--output", file.to_str().unwrap()]).status.success());
    fs::read_to_string(file).unwrap()
}

fn bodies_are_kept_without_credentials_and_can_be_erased(home: &Home, rows: impl FnOnce() -> Vec<(String, String)>) {
    nothing_is_kept(home, speak_of_credentials, rows);
    let export = exported(home);
    assert!(export.contains(SAID) && export.contains("[redacted]"), "bodies are kept");
    assert_free("the export", &export);
    assert!(home.run(&["audit", "erase", "--user", "admin", "--yes"]).status.success());
    assert!(!exported(home).contains(SAID), "bodies are erased");
    let verified = home.run(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn no_credential_is_spooled_while_the_store_is_away() {
    let home = Home::new().env("TOLLGATE__AUDIT__BODIES", "full");
    let gateway = home.start();
    let token = gateway.admin();
    let mut lock = SqliteConnection::establish(home.database().to_str().unwrap()).unwrap();
    lock.batch_execute("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE").unwrap();
    let answers = spoken(&token).into_iter().map(|bytes| gateway.send(bytes).status());
    assert!(answers.filter(|status| *status == 200).count() > SPOKEN.len());
    let spool = files(&home.path().join("data/audit-spool"));
    assert!(spool.iter().any(|(_, text)| text.contains(SAID)), "what was said is not in the spool");
    for (place, text) in &spool {
        assert_free(place, text);
    }
    lock.batch_execute("COMMIT").unwrap();
    drop(lock);
    assert!(gateway.terminate().success());
    let export = exported(&home);
    assert!(export.contains(SAID));
    assert_free("the export", &export);
}

#[test]
fn no_credential_is_kept_in_a_body_and_bodies_are_erased_with_sqlite() {
    let home = Home::new().env("TOLLGATE__AUDIT__BODIES", "full");
    bodies_are_kept_without_credentials_and_can_be_erased(&home, Vec::new);
}

#[test]
fn no_credential_is_kept_in_a_body_and_bodies_are_erased_with_postgresql() {
    let database = Database::create();
    let home = database.home().env("TOLLGATE__AUDIT__BODIES", "full");
    bodies_are_kept_without_credentials_and_can_be_erased(&home, || tables(&database));
}
