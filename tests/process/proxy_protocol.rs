//! The PROXY protocol on the listener: who the client is, everywhere.

use serde_json::json;

use super::support::{
    Authority, Gateway, Home, Message, Stage, Upstream, Wire, eventually, request, run, tls::TlsStream, with_upstream,
};

const ON: &str = "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\nproxy_protocol = true\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 10.0.0.1 4711 443\r\n").into_bytes()
}

fn v2_local() -> Vec<u8> {
    [V2, &[0x20, 0, 0, 0]].concat()
}

/// Of a client at `2001:db8::7`, with an addition that nobody knows.
fn v2_v6() -> Vec<u8> {
    let mut body = vec![0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    body.extend([0; 16]);
    body.extend([0x12, 0x67, 0x01, 0xbb, 0xee, 0, 2, b'h', b'i']);
    [V2, &[0x21, 0x21, 0, u8::try_from(body.len()).unwrap()], &body].concat()
}

fn after(gateway: &Gateway, header: &[u8], request: impl AsRef<[u8]>) -> Message {
    let mut wire = gateway.connect();
    wire.say([header, request.as_ref()].concat());
    wire.message()
}

fn healthz() -> &'static str {
    "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
}

/// The header in the way of what `Gateway` sends.
fn token(gateway: &Gateway) -> String {
    let body = json!({"username": "admin", "password": super::support::PASSWORD}).to_string();
    let login = format!(
        "POST /auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    after(gateway, &v2_local(), login).json()["access_token"].as_str().unwrap().to_owned()
}

fn record(gateway: &Gateway, token: &str, id: &str) -> serde_json::Value {
    eventually("the record has its outcome", || {
        let list = request("GET", &format!("/admin/audit?request_id={id}"), token);
        let page = after(gateway, &v2_local(), list).json();
        page["items"].as_array()?.first().filter(|record| record["outcome"] == "complete").cloned()
    })
}

fn ended(gateway: &Gateway, reason: &str) -> u64 {
    let mut ops = Wire::connect(gateway.ops);
    ops.say("GET /metrics HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n");
    let (text, name) = (ops.message().text(), format!("tollgate_connections_ended_total{{reason=\"{reason}\"}} "));
    text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

#[test]
fn the_client_is_the_one_that_the_header_names_in_the_record_for_the_upstream_and_for_limits() {
    let upstream = Upstream::start();
    let limit = "[[limits]]\nname = \"one\"\nroutes = [\"up\"]\nper = \"address\"\nunit = \"requests\"\nlimit = 1\n\
                 window_s = 3000\n";
    let gateway = Home::new().config(&with_upstream(upstream.address(), "", &format!("{ON}{limit}"))).start();
    let token = token(&gateway);
    for (header, client) in [
        (v1("192.0.2.1"), "192.0.2.1"),
        (v2_v6(), "2001:db8::7"),
        (v2_local(), "127.0.0.1"),
        (v1("192.0.2.2"), "192.0.2.2"),
    ] {
        let mut wire = gateway.connect();
        wire.say([&header[..], request("GET", "/up", &token).as_bytes()].concat());
        let mut exchange = upstream.exchange();
        assert_eq!(exchange.request.all("x-forwarded-for"), [client]);
        exchange.answer("ok");
        let answer = wire.message();
        assert_eq!(answer.status(), 200);
        assert_eq!(record(&gateway, &token, &answer.request_id())["peer"], client);
        // On the same connection and on another one the client is the same, and has used its one call.
        wire.say(request("GET", "/up", &token));
        wire.message().assert_problem(429, "quota-exceeded");
        after(&gateway, &header, request("GET", "/up", &token)).assert_problem(429, "quota-exceeded");
    }
    // What a client says of itself is not believed, because the proxy names it.
    let head = request("GET", "/up", &token);
    let lie = format!("{}x-forwarded-for: 198.51.100.1\r\n\r\n", head.strip_suffix("\r\n").unwrap());
    after(&gateway, &v1("192.0.2.1"), lie).assert_problem(429, "quota-exceeded");
    // A head that cannot be read is of that client too.
    let unread = after(&gateway, &v1("192.0.2.9"), "nonsense\r\n\r\n");
    assert_eq!(record(&gateway, &token, &unread.request_id())["peer"], "192.0.2.9");
}

#[test]
fn a_connection_without_a_header_is_closed_and_counted_and_said_once() {
    // Each worker has its own count of lines.
    let home = Home::new().config(&format!("{ON}workers = 1\n"));
    let gateway = home.start();
    let broken: [&[u8]; 6] = [
        healthz().as_bytes(),
        b"PROXY TCP4 nonsense\r\nGET /healthz HTTP/1.1\r\nhost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00\x00",
        b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n",
    ];
    for bytes in broken {
        let mut wire = gateway.connect();
        wire.say(bytes);
        assert!(wire.is_closed(), "{:?}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(ended(&gateway, "proxy-header"), 6);
    let told = || gateway.log().lines().filter(|line| line.contains("proxy-header")).count();
    eventually("the line", || (told() > 0).then_some(()));
    assert_eq!(told(), 1, "{}", gateway.log());
}

#[test]
fn a_header_that_is_cut_at_any_byte_and_comes_no_further_ends_in_time() {
    let gateway = Home::new().config(&format!("{ON}head_timeout_s = 1\n")).start();
    for header in [v1("192.0.2.1"), v2_v6(), v2_local()] {
        let mut open: Vec<Wire> = (0..header.len())
            .map(|cut| {
                let mut wire = gateway.connect();
                wire.say(&header[..cut]);
                wire
            })
            .collect();
        // Another one comes byte by byte.
        let mut slow = gateway.connect();
        for byte in [&header[..], healthz().as_bytes()].concat() {
            slow.say([byte]);
        }
        assert_eq!(slow.message().status(), 200);
        for wire in &mut open {
            assert!(wire.is_closed());
        }
    }
    let all = v1("192.0.2.1").len() + v2_v6().len() + v2_local().len();
    assert_eq!(ended(&gateway, "slow-proxy-header"), u64::try_from(all).unwrap());
}

#[test]
fn who_is_no_trusted_proxy_may_name_nobody() {
    let gateway = Home::new().config("[server]\ntrusted_proxies = [\"192.0.2.0/24\"]\nproxy_protocol = true\n").start();
    for header in [v1("192.0.2.1"), v2_v6()] {
        let mut wire = gateway.connect();
        wire.say([&header[..], healthz().as_bytes()].concat());
        wire.drain();
    }
    assert_eq!(ended(&gateway, "untrusted-proxy"), 2);
    // What runs on the same machine may claim nothing, and be answered: a health check.
    assert_eq!(after(&gateway, &v2_local(), healthz()).status(), 200);
}

#[test]
fn without_the_key_a_header_is_no_request() {
    let stage = Stage::with("", "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    let answer = stage.gateway.send([&v1("192.0.2.1")[..], healthz().as_bytes()].concat());
    answer.assert_problem(400, "invalid-request");
}

#[test]
fn each_client_behind_the_proxy_has_its_own_connections() {
    let gateway = Home::new().config(&format!("{ON}max_connections_per_address = 2\n")).start();
    let connect = |client: &str| {
        let mut wire = gateway.connect();
        wire.say([&v1(client)[..], healthz().as_bytes()].concat());
        let answer = wire.head();
        (wire, answer.complete)
    };
    let kept = [connect("192.0.2.1"), connect("192.0.2.1"), connect("192.0.2.2")];
    assert!(kept.iter().all(|(_, answered)| *answered));
    assert!(!connect("192.0.2.1").1, "a third one of the same client is not taken");
}

#[test]
fn the_header_stands_before_tls_and_health_is_asked_through_both() {
    let authority = Authority::new();
    let home = Home::new().config(&format!("{ON}tls_cert_file = \"main.pem\"\ntls_key_file = \"main.key\"\n"));
    authority.server(&["gateway.test"]).write(home.path(), "main");
    let gateway = home.start();
    let mut stream = std::net::TcpStream::connect(gateway.address).unwrap();
    std::io::Write::write_all(&mut stream, &v1("192.0.2.1")).unwrap();
    let mut wire = Wire::over(TlsStream::over(&authority.trusting().config(), stream, "gateway.test").unwrap());
    wire.say(healthz());
    assert_eq!(wire.message().status(), 200);
    let mut command = home.command(&["health"]);
    command.env("TOLLGATE__SERVER__PORT", gateway.address.port().to_string());
    let output = run(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
