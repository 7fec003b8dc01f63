//! The bytes that well-known clients and the probes of balancers send, as they stand on the wire.

use super::support::{Home, Message, Stage, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// How each client begins, between its request line and its credential. `{}`: what says how long the body is.
const HEADS: [(&str, &str); 10] = [
    (
        "the JDK's HttpClient",
        "Connection: Upgrade, HTTP2-Settings\r\n{}Host: gateway.test\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n\
         Upgrade: h2c\r\nUser-Agent: Java-http-client/21.0.5\r\n",
    ),
    (
        "the JDK's HttpURLConnection",
        "User-Agent: Java/17.0.13\r\nHost: gateway.test\r\nAccept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2\r\n\
         Connection: keep-alive\r\n{}",
    ),
    (
        "Apache HttpClient 5.4",
        "Accept-Encoding: gzip, x-gzip, deflate\r\n{}Host: gateway.test\r\nConnection: keep-alive\r\n\
         User-Agent: Apache-HttpClient/5.4 (Java/17.0.13)\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\n",
    ),
    (
        "Apache HttpClient 5.4, one line",
        "Accept-Encoding: gzip, x-gzip, deflate\r\n{}Host: gateway.test\r\nUser-Agent: Apache-HttpClient/5.4.1 (Java/21)\r\n\
         Upgrade: TLS/1.2\r\nConnection: Upgrade, keep-alive\r\n",
    ),
    (
        "Apache HttpClient 4.5",
        "{}Host: gateway.test\r\nConnection: Keep-Alive\r\nUser-Agent: Apache-HttpClient/4.5.14 (Java/1.8.0_392)\r\n\
         Accept-Encoding: gzip,deflate\r\n",
    ),
    (
        "curl --http2",
        "Host: gateway.test\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n{}",
    ),
    ("Python's http.client", "Host: gateway.test\r\nAccept-Encoding: identity\r\n{}"),
    (
        "Node's fetch",
        "host: gateway.test\r\nconnection: keep-alive\r\naccept: */*\r\naccept-language: *\r\nsec-fetch-mode: cors\r\n\
         user-agent: node\r\naccept-encoding: gzip, deflate\r\n{}",
    ),
    ("Go's net/http", "Host: gateway.test\r\nUser-Agent: Go-http-client/1.1\r\n{}Accept-Encoding: gzip\r\n"),
    (
        ".NET's HttpClient",
        "Host: gateway.test\r\n{}traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00\r\n",
    ),
];

/// How a body is announced, and the body.
const BODIES: [(&str, &str, &str); 4] = [
    ("GET", "", ""),
    ("GET", "Content-Length: 0\r\n", ""),
    ("POST", "Content-Length: 5\r\nContent-Type: text/plain\r\n", "hello"),
    ("POST", "Transfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
];

#[test]
fn the_bytes_of_well_known_clients_are_served_and_an_offered_upgrade_is_not_passed_on() {
    let stage = Stage::new();
    let mut wrong = vec![];
    for (client, head) in HEADS {
        for (method, length, body) in BODIES {
            let head = head.replace("{}", length);
            let bytes = format!("{method} /up HTTP/1.1\r\n{head}Authorization: Bearer {}\r\n\r\n{body}", stage.token);
            let (got, answer) = stage.carry(bytes, OK);
            let expected = if body.is_empty() { "" } else { "hello" };
            let passed: Vec<_> = ["upgrade", "http2-settings"].iter().filter_map(|name| got.header(name)).collect();
            if answer.status() != 200 || got.text() != expected || !got.complete || !passed.is_empty() {
                wrong.push(format!("{client} {method} {length:?}: {answer:?} {got:?}"));
            }
        }
    }
    println!("{} cases", HEADS.len() * BODIES.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What balancers and orchestrators ask without being told more than a path.
#[test]
fn the_probes_of_balancers_are_answered() {
    let stage = Stage::new();
    for (prober, head) in [
        ("HAProxy", "GET /readyz HTTP/1.0\r\n"),
        ("HAProxy, with a host", "GET /healthz HTTP/1.1\r\nhost: gateway\r\n"),
        ("nginx, which passes a request on", "GET /healthz HTTP/1.0\r\nHost: gateways\r\nConnection: close\r\n"),
        (
            "Kubernetes",
            "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: kube-probe/1.31\r\nAccept: */*\r\nConnection: close\r\n",
        ),
        (
            "ALB",
            "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n",
        ),
        ("Google", "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1\r\nUser-Agent: GoogleHC/1.0\r\nConnection: keep-alive\r\n"),
        ("Envoy", "GET /healthz HTTP/1.1\r\nhost: gateway\r\nuser-agent: Envoy/HC\r\n"),
        (
            "Consul",
            "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: Consul Health Check\r\nAccept: text/plain, text/*, */*\r\nAccept-Encoding: gzip\r\nConnection: close\r\n",
        ),
        ("a monitor", "HEAD /healthz HTTP/1.0\r\n"),
        ("HAProxy's `option httpchk` alone", "OPTIONS / HTTP/1.0\r\n"),
        ("HAProxy's `option httpchk OPTIONS *`", "OPTIONS * HTTP/1.0\r\n"),
        ("HAProxy's `option httpchk` with a path", "OPTIONS /readyz HTTP/1.0\r\n"),
    ] {
        let answer = stage.gateway.send(format!("{head}\r\n"));
        assert_eq!(answer.status(), if head.starts_with("OPTIONS") { 204 } else { 200 }, "{prober}");
        assert_eq!(answer.header("transfer-encoding"), None, "{prober}");
    }
    // A connection that is opened and closed, with nothing said, is no fault.
    drop(stage.gateway.connect());
    assert_eq!(stage.gateway.send("GET /healthz HTTP/1.0\r\n\r\n").status(), 200);
}

/// HTTP of another major version is answered with 505, and not as a malformed request; a later minor version is served.
#[test]
fn versions_are_served_or_refused_by_their_major_number() {
    let stage = Stage::new();
    for (version, status) in [("HTTP/1.2", 200), ("HTTP/1.9", 200), ("HTTP/1.0", 200)] {
        let (got, answer) = stage.carry(stage.get("/up").replace("HTTP/1.1", version), OK);
        assert_eq!((answer.status(), got.start.as_str()), (status, "GET /up HTTP/1.1"), "{version}");
    }
    for head in ["PRI * HTTP/2.0", "GET /up HTTP/2.0", "GET /up HTTP/3.0", "GET /up HTTP/0.9"] {
        let answer = stage.gateway.send(format!("{head}\r\nhost: a\r\n\r\n"));
        answer.assert_problem(505, "version-not-supported");
        assert_eq!(stage.record(&answer.request_id())["status"], 505, "{head}");
    }
    // curl --http2-prior-knowledge.
    let mut client: Wire = stage.gateway.connect();
    client.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0");
    let answer: Message = client.message();
    answer.assert_problem(505, "version-not-supported");
}

/// RFC 9110 §9.3.7, for what answers without a credential; of all else nobody learns anything.
#[test]
fn options_says_the_methods_of_what_is_public_and_of_nothing_else() {
    let stage = Stage::new();
    for (path, allow) in [
        ("/", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/console/", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/auth/login", "OPTIONS, POST"),
        ("/oauth/token", "OPTIONS, POST"),
        ("*", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
    ] {
        let answer = stage.gateway.send(format!("OPTIONS {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!((answer.status(), answer.header("allow"), answer.body.len()), (204, Some(allow), 0), "{path}");
        assert_eq!(stage.record(&answer.request_id())["method"], "OPTIONS", "{path}");
    }
    for path in ["/me", "/admin/users", "/auth/logout", "/v1/models", "/echo", "/nowhere", "/healthz/"] {
        let answer = stage.gateway.send(format!("OPTIONS {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        answer.assert_problem(401, "missing-credential");
    }
    let hidden = Home::new().config("[console]\nenabled = false\n[docs]\npublic = false\n").start();
    for path in ["/", "/console/", "/docs"] {
        hidden.send(format!("OPTIONS {path} HTTP/1.0\r\n\r\n")).assert_problem(401, "missing-credential");
    }
}
