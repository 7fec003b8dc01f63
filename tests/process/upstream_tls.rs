//! Every way in which TLS to an upstream can fail: a 502 or a 504 for the client, and the reason in the log.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    thread,
};

use rustls::{ServerConfig, ServerConnection, Stream};
use socket2::SockRef;

use super::support::{Authority, Gateway, Home, Identity, PATIENCE, eventually, with_upstream};

/// What the upstream does with a connection.
pub(super) type Conduct = Box<dyn Fn(TcpStream) + Send>;

/// Speaks TLS, and answers one request with the host that it names and the name that the handshake asked for.
fn serving(config: Arc<ServerConfig>) -> Conduct {
    Box::new(move |mut stream| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut wire = Stream::new(&mut tls, &mut stream);
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if wire.read_exact(&mut byte).is_err() {
                return;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let said = format!("{host} {}", wire.conn.server_name().unwrap_or_default());
        let length = said.len();
        drop(write!(wire, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{said}"));
        drop(wire.flush());
    })
}

/// Says this whatever comes, and waits for the other side to go.
fn saying(bytes: &'static [u8]) -> Conduct {
    Box::new(move |mut stream| {
        drop(stream.write_all(bytes));
        drop(stream.read_to_end(&mut vec![]));
    })
}

/// An upstream of this conduct.
pub(super) fn upstream(conduct: Conduct) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            conduct(stream);
        }
    });
    address
}

/// A gateway that trusts this authority, before an upstream of this conduct.
fn before(conduct: Conduct, authority: &Authority) -> (Home, Gateway) {
    let address = upstream(conduct);
    let home = Home::new();
    let roots = home.path().join("roots.pem");
    std::fs::write(&roots, &authority.pem).unwrap();
    let config = with_upstream(address, "connect_timeout_s = 1\ntimeout_s = 5", "").replace("http://", "https://");
    let home = home.env("SSL_CERT_FILE", roots.to_str().unwrap()).config(&config);
    let gateway = home.start();
    (home, gateway)
}

#[test]
fn each_failure_is_a_502_or_a_504_with_its_reason_in_the_log() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = |names: &[&str]| authority.server(names).serving(None);
    let past = authority.signed(&["127.0.0.1"], "a server", |params| {
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let future = authority.signed(&["127.0.0.1"], "a server", |params| {
        params.not_before = rcgen::date_time_ymd(2999, 1, 1);
    });
    let table: Vec<(&str, Conduct, u16, &str)> = vec![
        ("a good one", serving(server(&["127.0.0.1"])), 200, ""),
        ("another authority", serving(other.server(&["127.0.0.1"]).serving(None)), 502, "invalid peer certificate"),
        ("another name", serving(server(&["other.test"])), 502, "not valid for name"),
        ("an end that is past", serving(past.serving(None)), 502, "expired"),
        ("a beginning that is to come", serving(future.serving(None)), 502, "not valid yet"),
        (
            "a client certificate asked for",
            serving(authority.server(&["127.0.0.1"]).serving(Some(&authority))),
            502,
            "ertificate",
        ),
        ("no TLS", saying(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"), 502, "corrupt message"),
        ("an older version", saying(b"\x15\x03\x01\x00\x02\x02\x46"), 502, "ProtocolVersion"),
        ("no cipher in common", saying(b"\x15\x03\x03\x00\x02\x02\x28"), 502, "HandshakeFailure"),
        ("an unknown name", saying(b"\x15\x03\x03\x00\x02\x02\x70"), 502, "Unrecogni"),
        ("a close", Box::new(|mut stream: TcpStream| drop(stream.read(&mut [0; 16_384]))), 502, "eof"),
        (
            "a reset",
            Box::new(|mut stream: TcpStream| {
                drop(stream.read(&mut [0; 16]));
                SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
            }),
            502,
            "reset",
        ),
        ("nothing at all", saying(b""), 504, "not made in time"),
        ("the beginning of a hello", saying(b"\x16\x03\x03\x00\x7a\x02\x00"), 504, "not made in time"),
    ];
    let mut wrong = vec![];
    let count = table.len();
    for (name, conduct, status, reason) in table {
        let (_home, gateway) = before(conduct, &authority);
        let token = gateway.admin();
        let answer = gateway.get("/up", &token);
        let record = gateway.record(&token, &answer.request_id());
        let line = (status != 200).then(|| {
            eventually("the failure is logged", || {
                gateway.log().lines().find(|line| line.contains("an upstream fails")).map(str::to_owned)
            })
        });
        let is_right = answer.status() == status
            && record["status"] == status
            && line.as_ref().is_none_or(|line| line.contains(reason) && line.contains(&answer.request_id()))
            && !answer.text().contains(reason) | reason.is_empty();
        if !is_right {
            wrong.push(format!("{name}: {} {line:?}", answer.status()));
        }
    }
    println!("{count} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The entry of an upstream at this address, with these further lines.
fn entry(address: SocketAddr, lines: &str) -> String {
    with_upstream(address, lines, "").replace("http://", "https://")
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_upstream_may_have_authorities_a_certificate_and_a_name_of_its_own() {
    let (authority, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let server = authority.server(&["api.example.test"]);
    let asks = || serving(server.serving(Some(&clients)));
    let (good, bad) = (clients.client("the gateway"), others.client("somebody"));
    let folder = Home::new();
    let file = |name: &str, text: &str| write(folder.path(), name, text);
    let ca = format!("ca_file = \"{}\"", file("ca.pem", &authority.pem));
    let identity = |name: &str, identity: &Identity| {
        let (certificate, key) = (&identity.certificate, &identity.key);
        let (certificate, key) = (file(&format!("{name}.pem"), certificate), file(&format!("{name}.key"), key));
        format!("client_cert_file = \"{certificate}\"\nclient_key_file = \"{key}\"")
    };
    let (good, bad) = (identity("good", &good), identity("bad", &bad));
    let host = "host = \"api.example.test:8443\"";
    let other_ca = format!("ca_file = \"{}\"", file("other.pem", &others.pem));
    for (name, conduct, lines, status) in [
        ("all three", asks(), vec![&*ca, &*good, host], 200),
        ("no certificate", asks(), vec![&*ca, host], 502),
        ("a certificate of others", asks(), vec![&*ca, &*bad, host], 502),
        ("authorities of others", asks(), vec![&*other_ca, &*good, host], 502),
        ("the machine's authorities", asks(), vec![&*good, host], 502),
        ("the name of the url", asks(), vec![&*ca, &*good], 502),
        ("nobody asks", serving(server.serving(None)), vec![&*ca, host], 200),
    ] {
        let text = entry(upstream(conduct), &lines.join("\n"));
        let roots = folder.path().join("other.pem");
        let home = Home::new().env("SSL_CERT_FILE", roots.to_str().unwrap()).config(&text);
        let gateway = home.start();
        let answer = gateway.get("/up", &gateway.admin());
        assert_eq!(answer.status(), status, "{name}: {}", gateway.log());
        if status == 200 {
            assert_eq!(answer.text(), "api.example.test:8443 api.example.test", "{name}");
        }
    }
}

#[test]
fn the_files_of_an_upstream_are_read_again_on_sighup_and_a_bad_one_changes_nothing() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let address = upstream(serving(authority.server(&["127.0.0.1"]).serving(Some(&clients))));
    let home = Home::new();
    let ca = write(home.path(), "ca.pem", &authority.pem);
    clients.client("the gateway").write(home.path(), "client");
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let lines = format!(
        "ca_file = \"{ca}\"\nclient_cert_file = \"{}\"\nclient_key_file = \"{}\"",
        path("client.pem"),
        path("client.key")
    );
    home.rewrite_config(&entry(address, &lines));
    let gateway = home.start();
    let token = gateway.admin();
    assert_eq!(gateway.get("/up", &token).status(), 200);
    // A certificate that nobody knows, then a key of another, then the good ones again.
    Authority::new().client("somebody").write(home.path(), "client");
    gateway.signal("HUP");
    eventually("the new certificate is shown", || (gateway.get("/up", &token).status() == 502).then_some(()));
    clients.client("the gateway").write(home.path(), "client");
    let good = std::fs::read(home.path().join("client.key")).unwrap();
    clients.client("the gateway").write(home.path(), "other");
    std::fs::copy(home.path().join("other.key"), home.path().join("client.key")).unwrap();
    gateway.signal("HUP");
    eventually("the reason is logged", || gateway.log().contains("upstreams[0].client_key_file").then_some(()));
    assert_eq!(gateway.get("/up", &token).status(), 502);
    std::fs::write(home.path().join("client.key"), good).unwrap();
    gateway.signal("HUP");
    eventually("the good certificate is shown", || (gateway.get("/up", &token).status() == 200).then_some(()));
}

#[test]
fn check_config_names_the_file_of_an_upstream_that_is_of_no_use() {
    let authority = Authority::new();
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let home = Home::new();
    let (one, other) = (authority.client("one"), authority.client("other"));
    let past = authority.signed(&[], "past", |params| params.not_after = rcgen::date_time_ymd(2021, 1, 1));
    let file = |name: &str, text: &str| write(home.path(), name, text);
    let (ca, none) = (file("ca.pem", &authority.pem), file("empty.pem", ""));
    let pair =
        |certificate: &str, key: &str| format!("client_cert_file = \"{certificate}\"\nclient_key_file = \"{key}\"");
    let (certificate, key) = (file("one.pem", &one.certificate), file("one.key", &one.key));
    let absent = home.path().join("absent.pem").to_str().unwrap().to_owned();
    for (lines, field, reason) in [
        (format!("ca_file = \"{absent}\""), "ca_file", "cannot be read"),
        (format!("ca_file = \"{}\"", home.path().display()), "ca_file", "cannot be read"),
        (format!("ca_file = \"{none}\""), "ca_file", "no certificate in PEM"),
        (format!("ca_file = \"{key}\""), "ca_file", "no certificate in PEM"),
        (pair(&absent, &key), "client_cert_file", "cannot be read"),
        (pair(&certificate, &absent), "client_key_file", "cannot be read"),
        (pair(&certificate, &file("other.key", &other.key)), "client_key_file", "is not the key of"),
        (pair(&certificate, &ca), "client_key_file", "no private key"),
        (pair(&file("past.pem", &past.certificate), &file("past.key", &past.key)), "client_cert_file", "expired"),
        (format!("client_cert_file = \"{certificate}\""), "client_key_file", "must be set"),
        ("host = \"a/b\"".into(), "host", "must be a name"),
    ] {
        home.rewrite_config(&entry(address, &lines));
        let output = home.run(&["check-config"]);
        let said = String::from_utf8_lossy(&output.stderr);
        let place = format!("upstreams[0].{field}");
        assert_eq!(output.status.code(), Some(2), "{lines}: {said}");
        assert!(said.contains(&place) && said.contains(reason), "{lines}: {said}");
    }
}
