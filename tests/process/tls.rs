//! TLS on the listener, with real clients.

use std::{
    io::Write,
    process::Command,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
};

use rcgen::date_time_ymd;
use rustls::{
    HandshakeKind,
    version::{TLS12, TLS13},
};
use serde_json::{Value, json};

use super::support::{
    Authority, Gateway, Home, Identity, Message, PASSWORD, TlsClient, Upstream, Wire, eventually, request, run,
    tls::TlsStream, with_upstream,
};

const HOST: &str = "gateway.test";
const KEYS: &str = "[server]\ntls_cert_file = \"main.pem\"\ntls_key_file = \"main.key\"\n";

/// A gateway that speaks TLS, and a client that trusts it.
struct Secure {
    authority: Authority,
    main: Identity,
    client: TlsClient,
    home: Home,
    gateway: Gateway,
}

impl Secure {
    fn start() -> Self {
        Self::with("", |_, _| {})
    }

    /// `keys` follow those of the main pair; `prepare` writes further files.
    fn with(keys: &str, prepare: impl FnOnce(&Authority, &Home)) -> Self {
        let authority = Authority::new();
        let home = Home::new().config(&format!("{KEYS}{keys}"));
        let main = authority.server(&[HOST]);
        main.write(home.path(), "main");
        prepare(&authority, &home);
        let gateway = home.start();
        let client = authority.trusting();
        Self { authority, main, client, home, gateway }
    }

    fn connect(&self) -> TlsStream {
        self.client.connect(self.gateway.address, HOST).unwrap()
    }

    fn send(&self, bytes: impl AsRef<[u8]>) -> Message {
        self.client.send(self.gateway.address, HOST, bytes)
    }

    fn token(&self) -> String {
        let body = json!({"username": "admin", "password": PASSWORD}).to_string();
        let answer = self.send(format!(
            "POST /auth/login HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ));
        answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
    }

    fn record(&self, token: &str, id: &str) -> Value {
        eventually("the record has its outcome", || {
            let page = self.send(request("GET", &format!("/admin/audit?request_id={id}"), token)).json();
            page["items"].as_array()?.first().filter(|record| record["outcome"] == "complete").cloned()
        })
    }
}

fn metrics(gateway: &Gateway) -> String {
    let mut ops = Wire::connect(gateway.ops);
    ops.say("GET /metrics HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n");
    ops.message().text()
}

#[test]
fn both_versions_are_served_and_what_is_said_of_the_connection_is_right() {
    let upstream = Upstream::start();
    let up = with_upstream(upstream.address(), "", "");
    let secure = Secure::with(&up, |_, _| {});
    let token = secure.token();
    for version in [&TLS13, &TLS12] {
        let client = TlsClient { versions: vec![version], ..secure.client.clone() };
        let stream = client.connect(secure.gateway.address, HOST).unwrap();
        assert_eq!(stream.tls().protocol_version(), Some(version.version));
        assert_eq!(stream.tls().alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut wire = Wire::over(stream);
        wire.say(request("GET", "/up/x", &token));
        let mut exchange = upstream.exchange();
        assert_eq!(exchange.request.all("x-forwarded-proto"), ["https"]);
        exchange.wire.say(
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\nstrict-transport-security: max-age=1\r\n\r\nok",
        );
        let answer = wire.message();
        assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
        assert_eq!(answer.all("strict-transport-security"), ["max-age=31536000"]);
    }
    // Refusals too, by the gateway and by the HTTP parser.
    for bytes in ["GET /no HTTP/1.1\r\nhost: a\r\n\r\n", "nonsense\r\n\r\n"] {
        let answer = secure.send(bytes);
        assert!(answer.status() >= 400, "{bytes}");
        assert_eq!(answer.all("strict-transport-security"), ["max-age=31536000"], "{bytes}");
    }
    assert!(secure.gateway.output().contains("https://"), "{}", secure.gateway.output());
}

#[test]
fn a_plain_listener_says_nothing_of_transport_security() {
    let gateway = Home::new().start();
    assert_eq!(gateway.send("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").header("strict-transport-security"), None);
}

/// The hello of a client that knows nothing newer than this version.
fn hello(version: [u8; 2]) -> Vec<u8> {
    let mut body = [&version[..], &[7; 32], &[0]].concat();
    let suites = [0xc0, 0x2f, 0xc0, 0x2b, 0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f, 0x00, 0x35];
    body.extend([0, 12]);
    body.extend(suites);
    body.extend([1, 0]);
    let length = u8::try_from(body.len()).unwrap();
    [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat()
}

#[test]
fn older_versions_and_other_protocols_are_refused() {
    let secure = Secure::start();
    for version in [[3, 0], [3, 1], [3, 2]] {
        let mut wire = secure.gateway.connect();
        wire.say(hello(version));
        let alert = wire.bytes(7);
        // A fatal alert: of the handshake, or of its version (RFC 8446 §6).
        assert!(alert[0] == 0x15 && alert[5] == 2 && matches!(alert[6], 40 | 70), "{version:?} {alert:?}");
        assert!(wire.is_closed(), "{version:?}");
    }
    let h2 = TlsClient { protocols: vec![b"h2".to_vec()], ..secure.client.clone() };
    let error = h2.connect(secure.gateway.address, HOST).err().unwrap();
    assert!(error.contains("NoApplicationProtocol"), "{error}");
    for protocols in [vec![], vec![b"h2".to_vec(), b"http/1.1".to_vec()]] {
        let client = TlsClient { protocols, ..secure.client.clone() };
        let answer = client.send(secure.gateway.address, HOST, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(answer.status(), 200);
    }
    let text = metrics(&secure.gateway);
    assert!(text.contains("tollgate_connections_ended_total{reason=\"tls-handshake\"} 4"), "{text}");
    assert!(secure.gateway.log().contains("reason=\"tls-handshake\""), "{}", secure.gateway.log());
}

#[test]
fn a_request_without_tls_is_told_so_and_is_on_record() {
    let secure = Secure::start();
    let token = secure.token();
    for plain in ["GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n", "POST /auth/login HTTP/1.0\r\n\r\n", "P"] {
        let mut wire = secure.gateway.connect();
        wire.say(plain);
        let answer = wire.message();
        answer.assert_problem(400, "invalid-request");
        assert!(answer.text().contains("https://"), "{}", answer.text());
        assert_eq!(answer.header("strict-transport-security"), None, "RFC 6797 §7.2");
        assert!(wire.is_closed(), "{plain:?}");
        let record = secure.record(&token, &answer.request_id());
        assert_eq!((&record["reason"], &record["status"]), (&json!("without-tls"), &json!(400)), "{record}");
    }
    let text = metrics(&secure.gateway);
    assert!(text.contains("tollgate_connections_ended_total{reason=\"tls-handshake\"} 3"), "{text}");
}

#[test]
fn a_handshake_that_stops_anywhere_ends() {
    let secure = Secure::with("tls_handshake_timeout_s = 1\n", |_, _| {});
    let whole = hello([3, 3]);
    let mut open: Vec<Wire> = (0..whole.len())
        .map(|cut| {
            let mut wire = secure.gateway.connect();
            wire.say(&whole[..cut]);
            wire
        })
        .collect();
    assert_eq!(secure.send("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").status(), 200, "others are served meanwhile");
    for wire in &mut open {
        wire.drain();
    }
    let text = metrics(&secure.gateway);
    assert!(text.contains(&format!("reason=\"slow-handshake\"}} {}", whole.len())), "{text}");
    assert!(text.contains("tollgate_connections 0"), "{text}");
}

#[test]
fn handshakes_under_way_hold_up_no_stop() {
    let secure = Secure::with("tls_handshake_timeout_s = 3600\nshutdown_timeout_s = 3600\n", |_, _| {});
    let mut half = secure.gateway.connect();
    half.say(&hello([3, 3])[..20]);
    let _idle = secure.connect();
    assert!(secure.gateway.terminate().success());
}

#[test]
fn the_bounds_of_a_connection_hold_over_tls() {
    let bounds =
        "head_timeout_s = 1\nkeep_alive_s = 2\nbody_timeout_s = 1\nwrite_timeout_s = 2\nunread_body_ms = 500\n";
    let secure = Secure::with(bounds, |_, _| {});
    let post = "POST /auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n";
    let get = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    for (sent, statuses) in [
        (String::new(), vec![]),
        ("GET /heal".into(), vec![408]),
        (get.into(), vec![200]),
        (format!("{get}GET /heal"), vec![200, 408]),
        (post.into(), vec![408]),
        ("nonsense\r\n\r\n".into(), vec![400]),
    ] {
        let mut wire = Wire::over(secure.connect());
        wire.say(&sent);
        let answers = std::iter::from_fn(|| Some(wire.message()).filter(|answer| !answer.start.is_empty()));
        assert_eq!(answers.map(|answer| answer.status()).collect::<Vec<_>>(), statuses, "{sent:?}");
    }
    let mut unread = Wire::over(secure.connect());
    unread.say("GET /docs HTTP/1.1\r\nhost: a\r\n\r\n".repeat(200));
    eventually("who takes nothing is cut off", || unread.stream().take_error().unwrap());
}

#[test]
fn each_name_has_its_certificate() {
    let further = "[[server.tls]]\ncert_file = \"b.pem\"\nkey_file = \"b.key\"\n\
                   [[server.tls]]\ncert_file = \"c.pem\"\nkey_file = \"c.key\"\n";
    let mut others = vec![];
    let secure = Secure::with(further, |authority, home| {
        for (file, names) in [("b", vec!["b.test"]), ("c", vec!["*.c.test", "c.test"])] {
            let identity = authority.server(&names);
            identity.write(home.path(), file);
            others.push(identity);
        }
    });
    for (name, identity) in
        [(HOST, &secure.main), ("b.test", &others[0]), ("c.test", &others[1]), ("any.c.test", &others[1])]
    {
        let stream = secure.client.connect(secure.gateway.address, name).unwrap();
        assert!(stream.shows(identity), "{name}");
    }
    // A name that nobody has, and none at all (an address is never sent): the first, which this client does not take.
    for name in ["d.test", "a.b.c.test", "127.0.0.1"] {
        let error = secure.client.connect(secure.gateway.address, name).err().unwrap();
        assert!(error.contains("not valid for name"), "{name}: {error}");
    }
    let text = metrics(&secure.gateway);
    for name in [HOST, "b.test", "*.c.test"] {
        assert!(
            text.contains(&format!("tollgate_tls_certificate_expires_seconds{{certificate=\"{name}\"}} ")),
            "{text}"
        );
    }
}

#[test]
fn a_session_is_resumed() {
    let secure = Secure::start();
    for version in [&TLS13, &TLS12] {
        let config = TlsClient { versions: vec![version], ..secure.client.clone() }.config();
        let mut kinds = vec![];
        for _ in 0..2 {
            let stream = std::net::TcpStream::connect(secure.gateway.address).unwrap();
            let mut stream = TlsStream::over(&config, stream, HOST).unwrap();
            kinds.push(stream.tls().handshake_kind().unwrap());
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
            assert_eq!(Wire::over(stream).message().status(), 200);
        }
        assert_eq!(kinds[1], HandshakeKind::Resumed, "{:?}", version.version);
        assert_ne!(kinds[0], HandshakeKind::Resumed);
    }
}

#[test]
fn a_client_certificate_is_asked_for_and_on_record() {
    let secure = Secure::with("tls_client_ca_file = \"ca.pem\"\n", |authority, home| {
        std::fs::write(home.path().join("ca.pem"), &authority.pem).unwrap();
    });
    let token = secure.token();
    let known = TlsClient { identity: Some(secure.authority.client("ann")), ..secure.client.clone() };
    for version in [&TLS13, &TLS12] {
        for (client, subject) in [(&known, json!("CN=ann")), (&secure.client, Value::Null)] {
            let client = TlsClient { versions: vec![version], ..client.clone() };
            let answer = client.send(secure.gateway.address, HOST, request("GET", "/me", &token));
            assert_eq!(answer.status(), 200);
            assert_eq!(secure.record(&token, &answer.request_id())["client_certificate"], subject);
        }
    }
    let stranger = Authority::new();
    let expired = |params: &mut rcgen::CertificateParams| params.not_after = date_time_ymd(2021, 1, 1);
    for identity in [stranger.client("ann"), secure.authority.signed(&[], "ann", expired)] {
        let client = TlsClient { identity: Some(identity), ..secure.client.clone() };
        let mut wire = match client.connect(secure.gateway.address, HOST) {
            Ok(stream) => Wire::over(stream),
            Err(_) => continue,
        };
        // With TLS 1.3 the client is done before the server has looked.
        wire.try_say(request("GET", "/me", &token));
        let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| wire.message()));
        assert!(answer.is_err() || answer.unwrap().start.is_empty(), "a stranger was answered");
    }
}

#[test]
fn no_handshake_fails_while_certificates_change() {
    let secure = Secure::start();
    let (stop, made, failed) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let connected = secure.client.connect(secure.gateway.address, HOST);
                    let answered = connected.is_ok_and(|stream| {
                        let mut wire = Wire::over(stream);
                        wire.say("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
                        wire.message().status() == 200
                    });
                    made.fetch_add(1, Ordering::Relaxed);
                    failed.fetch_add(u32::from(!answered), Ordering::Relaxed);
                }
            });
        }
        let mut kept = Wire::over(secure.connect());
        for round in 0..4 {
            let next = secure.authority.server(&[HOST]);
            next.write(secure.home.path(), "main");
            if round % 2 == 0 {
                secure.gateway.signal("HUP");
            }
            eventually("the new certificate is shown", || secure.connect().shows(&next).then_some(()));
        }
        kept.say("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(kept.message().status(), 200, "an open connection goes on");
        stop.store(true, Ordering::Relaxed);
    });
    let (made, failed) = (made.into_inner(), failed.into_inner());
    println!("{made} handshakes, {failed} failed");
    assert_eq!(failed, 0, "of {made}");
    assert!(made > 20, "{made}");
}

#[test]
fn a_bad_pair_is_not_taken_and_the_one_before_it_stays() {
    let secure = Secure::start();
    let file = |name: &str| secure.home.path().join(name);
    let expired = secure.authority.signed(&[HOST], "x", |params| params.not_after = date_time_ymd(2021, 1, 1));
    let other = secure.authority.server(&[HOST]);
    let wrong = Identity { certificate: other.certificate.clone(), key: secure.main.key.clone() };
    let empty = Identity { certificate: String::new(), key: other.key.clone() };
    for (identity, reason) in
        [(wrong, "is not the key of"), (expired, "expired on 2021"), (empty, "no certificate in PEM")]
    {
        identity.write(secure.home.path(), "main");
        eventually("it is warned of", || {
            let log = secure.gateway.log();
            log.lines()
                .any(|line| line.contains("WARN") && line.contains(reason) && line.contains("main."))
                .then_some(())
        });
        assert!(secure.connect().shows(&secure.main), "{reason}");
        secure.gateway.signal("HUP");
        eventually("the reload is refused", || {
            secure.gateway.log().lines().any(|line| line.contains("ERROR") && line.contains(reason)).then_some(())
        });
    }
    std::fs::remove_file(file("main.key")).unwrap();
    eventually("the loss is warned of", || secure.gateway.log().contains("cannot be read").then_some(()));
    assert!(secure.connect().shows(&secure.main));
    other.write(secure.home.path(), "main");
    eventually("a good pair is taken again", || secure.connect().shows(&other).then_some(()));
}

#[test]
fn a_reload_takes_further_names() {
    let secure = Secure::start();
    let further = secure.authority.server(&["further.test"]);
    further.write(secure.home.path(), "further");
    let keys = "[[server.tls]]\ncert_file = \"further.pem\"\nkey_file = \"further.key\"\n";
    secure.home.rewrite_config(&format!("{KEYS}{keys}"));
    secure.gateway.signal("HUP");
    eventually("it is shown", || {
        secure
            .client
            .connect(secure.gateway.address, "further.test")
            .ok()
            .filter(|stream| stream.shows(&further))
            .map(|_| ())
    });
    assert!(!secure.gateway.log().contains("need a restart"), "{}", secure.gateway.log());
}

#[test]
fn each_fault_of_the_files_stops_the_start_with_its_file_its_key_and_the_reason() {
    let authority = Authority::new();
    let (good, other) = (authority.server(&[HOST]), authority.server(&[HOST]));
    let dated = |from, to| {
        authority.signed(&[HOST], "x", |params| {
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        })
    };
    let swapped = Identity { certificate: good.key.clone(), key: good.certificate.clone() };
    let mixed = Identity { certificate: good.certificate.clone(), key: other.key.clone() };
    for (identity, key, file, reason) in [
        (mixed, "server.tls_key_file", "main.key", "is not the key of the first certificate"),
        (dated(2020, 2021), "server.tls_cert_file", "main.pem", "expired on 2021-01-01"),
        (dated(2200, 2201), "server.tls_cert_file", "main.pem", "not valid before 2200-01-01"),
        (swapped, "server.tls_cert_file", "main.pem", "no certificate in PEM"),
        (Identity { key: String::new(), ..good.clone() }, "server.tls_key_file", "main.key", "no private key in PEM"),
    ] {
        let home = Home::new().config(KEYS);
        identity.write(home.path(), "main");
        for command in [&["check-config"][..], &[]] {
            let output = home.run(command);
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{error}");
            for part in ["tollgate.toml", key, file, reason] {
                assert!(error.contains(part), "{part} is not in: {error}");
            }
        }
        assert!(!home.path().join("data").exists(), "nothing is made");
    }
    let home = Home::new().config(&format!("{KEYS}tls_client_ca_file = \"no.pem\"\n"));
    good.write(home.path(), "main");
    let error = String::from_utf8_lossy(&home.run(&["check-config"]).stderr).into_owned();
    assert!(error.contains("server.tls_client_ca_file") && error.contains("no.pem: cannot be read"), "{error}");
    std::fs::write(home.path().join("no.pem"), "none").unwrap();
    let error = String::from_utf8_lossy(&home.run(&["check-config"]).stderr).into_owned();
    assert!(error.contains("no certificate in PEM"), "{error}");
    std::fs::write(home.path().join("no.pem"), &authority.pem).unwrap();
    assert!(home.run(&["check-config"]).status.success());
}

#[test]
fn a_certificate_that_expires_soon_is_warned_of_and_measured() {
    let soon = time_in_days(10);
    let authority = Authority::new();
    let home = Home::new().config(KEYS);
    authority.signed(&[HOST], "x", |params| params.not_after = soon).write(home.path(), "main");
    let gateway = home.start();
    eventually("it is warned of", || {
        let log = gateway.log();
        log.lines()
            .any(|line| line.contains("WARN") && line.contains("expires soon") && line.contains(HOST))
            .then_some(())
    });
    let text = metrics(&gateway);
    let line = text.lines().find(|line| line.starts_with("tollgate_tls_certificate_expires_seconds{")).unwrap();
    let at: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
    assert!((at - f64::from(u32::try_from(soon.unix_timestamp()).unwrap())).abs() < 2.0, "{line}");
}

fn time_in_days(days: u64) -> time::OffsetDateTime {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + days * 86_400;
    time::OffsetDateTime::from_unix_timestamp(i64::try_from(since).unwrap()).unwrap()
}

#[test]
fn bodies_of_every_size_pass_both_ways_and_a_goodbye_is_not_needed() {
    let secure = Secure::start();
    let token = secure.token();
    for size in [0, 1, 16_383, 16_384, 16_385, 1_000_000, 5_000_000] {
        let body = "x".repeat(size);
        let head = request("POST", "/echo/x", &token);
        let head = head.strip_suffix("\r\n").unwrap();
        let answer = secure.send(format!("{head}content-length: {size}\r\n\r\n{body}"));
        assert!(answer.complete && answer.status() == 200, "{size}");
        let echoed = answer.json();
        assert_eq!(echoed["body"].as_str().map(str::len), Some(size), "{size}");
        let chunks = format!("{head}transfer-encoding: chunked\r\n\r\n{}", super::support::chunked(&body));
        assert!(size == 0 || secure.send(chunks).json()["body"] == echoed["body"], "{size}");
    }
    // The socket is closed for writing without a close_notify: the answer comes all the same.
    let mut stream = secure.connect();
    stream.write_all(b"GET /docs HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut wire = Wire::over(stream);
    wire.stream().shutdown(std::net::Shutdown::Write).unwrap();
    let answer = wire.message();
    assert!(answer.complete && answer.status() == 200);
}

#[test]
fn the_health_of_a_gateway_that_speaks_tls_is_asked_over_tls() {
    let secure = Secure::start();
    let port = secure.gateway.address.port().to_string();
    let mut command = secure.home.command(&["health"]);
    command.env("TOLLGATE__SERVER__PORT", port);
    let output = run(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ready\n");
}

#[test]
fn curl_and_openssl_are_served_where_they_are_installed() {
    let secure = Secure::start();
    let ca = secure.home.path().join("ca.pem");
    std::fs::write(&ca, &secure.authority.pem).unwrap();
    let port = secure.gateway.address.port();
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--http2", "--cacert"]).arg(&ca);
    curl.args(["--resolve", &format!("{HOST}:{port}:127.0.0.1"), &format!("https://{HOST}:{port}/healthz")]);
    curl.args(["-o", "/dev/null", "-w", "%{http_code} %{http_version} %{ssl_verify_result}"]);
    if let Ok(output) = curl.output() {
        assert_eq!(String::from_utf8_lossy(&output.stdout), "200 1.1 0", "{}", String::from_utf8_lossy(&output.stderr));
    }
    for (version, is_served) in [("-tls1_3", true), ("-tls1_2", true), ("-tls1_1", false), ("-tls1", false)] {
        let mut client = Command::new("openssl");
        client.args(["s_client", version, "-brief", "-cipher", "ALL:@SECLEVEL=0", "-servername", HOST]);
        client.args(["-verify_return_error", "-CAfile"]).arg(&ca).args(["-connect", &format!("127.0.0.1:{port}")]);
        client.stdin(std::process::Stdio::null());
        if let Ok(output) = client.output() {
            assert_eq!(output.status.success(), is_served, "{version}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
