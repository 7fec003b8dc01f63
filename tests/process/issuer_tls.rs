//! Outside issuers and the provider at which people sign in, with certificate authorities of their own.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
};

use rustls::{ServerConfig, ServerConnection, Stream};

use super::{
    support::{Authority, Home, eventually},
    upstream_tls::{Conduct, upstream},
};

/// Answers each request with the discovery document or the keys of an issuer at this address, over TLS.
fn issuing(config: Arc<ServerConfig>) -> Conduct {
    Box::new(move |mut stream: TcpStream| {
        let issuer = format!("https://{}", stream.local_addr().unwrap());
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
        let body = if head.starts_with(b"GET /keys") {
            r#"{"keys":[]}"#.to_owned()
        } else {
            format!(
                r#"{{"issuer":"{issuer}","jwks_uri":"{issuer}/keys","authorization_endpoint":"{issuer}/authorize",
                "token_endpoint":"{issuer}/token"}}"#
            )
        };
        let head = format!("content-type: application/json\r\ncontent-length: {}\r\nconnection: close", body.len());
        drop(write!(wire, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}"));
        drop(wire.flush());
    })
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn issuer_and_provider(address: SocketAddr, lines: &str) -> String {
    format!(
        "[auth.login]\nissuer = \"https://{address}\"\nclient_id = \"console\"\nclient_secret_env = \"SECRET\"\n{lines}\n\
         [[auth.trusted_issuers]]\nissuer = \"https://{address}/\"\njwks_url = \"https://{address}/keys\"\naudience = \"a\"\n{lines}\n"
    )
}

#[test]
fn an_issuer_may_have_authorities_of_its_own() {
    let (authority, others) = (Authority::new(), Authority::new());
    let address = upstream(issuing(authority.server(&["127.0.0.1"]).serving(None)));
    let folder = Home::new();
    let roots = write(folder.path(), "others.pem", &others.pem);
    let own = format!("ca_file = \"{}\"", write(folder.path(), "own.pem", &authority.pem));
    for (lines, is_trusted) in [(own, true), (String::new(), false), (format!("ca_file = \"{roots}\""), false)] {
        // Those of the machine are others.
        let home = Home::new().env("SSL_CERT_FILE", &roots).env("SECRET", "of the client");
        let home = home.config(&issuer_and_provider(address, &lines));
        let gateway = home.start();
        let start = gateway.send("GET /auth/oidc/start HTTP/1.1\r\nhost: gateway.test\r\n\r\n");
        assert_eq!(start.status(), 303, "{lines}");
        let location = start.header("location").unwrap();
        assert_eq!(location.starts_with(&format!("https://{address}/authorize?")), is_trusted, "{lines}: {location}");
        // The provider and the trusted issuer are each asked by themselves.
        let expected = if is_trusted { "has no key that can be used here" } else { "invalid peer certificate" };
        eventually("each issuer's keys are looked for", || {
            (gateway.log().lines().filter(|line| line.contains(expected)).count() >= 2).then_some(())
        });
    }
}

#[test]
fn check_config_names_the_file_of_an_issuer_that_is_of_no_use() {
    let authority = Authority::new();
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let home = Home::new().env("SECRET", "of the client");
    let file = |name: &str, text: &str| write(home.path(), name, text);
    let key = file("a.key", &authority.server(&["a"]).key);
    let absent = home.path().join("absent.pem").to_str().unwrap().to_owned();
    for (path, reason) in
        [(absent, "cannot be read"), (file("none.pem", ""), "no certificate in PEM"), (key, "no certificate in PEM")]
    {
        home.rewrite_config(&issuer_and_provider(address, &format!("ca_file = \"{path}\"")));
        let output = home.run(&["check-config"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for place in ["auth.login.ca_file", "auth.trusted_issuers[0].ca_file"] {
            assert!(said.lines().any(|line| line.contains(place) && line.contains(reason)), "{place}: {said}");
        }
    }
    home.rewrite_config(&issuer_and_provider(address, "ca_file = \"a.pem\"").replace("https://", "http://"));
    let said = home.run(&["check-config"]).stderr;
    let said = String::from_utf8_lossy(&said);
    for place in ["auth.login.ca_file", "auth.trusted_issuers[0].ca_file"] {
        assert!(said.lines().any(|line| line.contains(place) && line.contains("https://")), "{place}: {said}");
    }
}
