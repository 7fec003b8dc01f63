//! Every way in which TLS to an upstream can fail: a 502 or a 504 for the client, and the reason in the log.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection, Stream,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use socket2::SockRef;

use super::support::{Authority, Gateway, Home, Identity, PATIENCE, eventually, with_upstream};

/// What the upstream does with a connection.
type Conduct = Box<dyn Fn(TcpStream) + Send>;

fn config(identity: &Identity, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    Arc::new(builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap()).unwrap())
}

/// Speaks TLS, and answers one request.
fn serving(config: Arc<ServerConfig>) -> Conduct {
    Box::new(move |mut stream| {
        let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut wire = Stream::new(&mut tls, &mut stream);
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match wire.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        drop(wire.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"));
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

/// A gateway that trusts this authority, before an upstream of this conduct.
fn before(conduct: Conduct, authority: &Authority) -> (Home, Gateway) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            conduct(stream);
        }
    });
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
    let server = |names: &[&str]| config(&authority.server(names), None);
    let past = authority.signed(&["127.0.0.1"], "a server", |params| {
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let future = authority.signed(&["127.0.0.1"], "a server", |params| {
        params.not_before = rcgen::date_time_ymd(2999, 1, 1);
    });
    let table: Vec<(&str, Conduct, u16, &str)> = vec![
        ("a good one", serving(server(&["127.0.0.1"])), 200, ""),
        ("another authority", serving(config(&other.server(&["127.0.0.1"]), None)), 502, "invalid peer certificate"),
        ("another name", serving(server(&["other.test"])), 502, "not valid for name"),
        ("an end that is past", serving(config(&past, None)), 502, "expired"),
        ("a beginning that is to come", serving(config(&future, None)), 502, "not valid yet"),
        (
            "a client certificate asked for",
            serving(config(&authority.server(&["127.0.0.1"]), Some(&authority))),
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
                gateway.log().lines().find(|line| line.contains("a call was not forwarded")).map(str::to_owned)
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
