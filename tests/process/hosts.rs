//! The host of a request, and the credentials in every form that the standards allow.

use super::support::{Stage, request};

#[test]
fn a_host_is_asked_of_http_1_1_alone_and_is_one() {
    let stage = Stage::new();
    for (head, status) in [
        ("GET /healthz HTTP/1.0", 200),
        ("GET /healthz HTTP/1.0\r\nhost: gate.example", 200),
        ("GET /healthz HTTP/1.0\r\nhost: a/b", 400),
        ("GET /healthz HTTP/1.1", 400),
        ("GET /healthz HTTP/1.1\r\nhost:", 200),
        ("GET /.well-known/jwks.json HTTP/1.1\r\nhost:", 400),
        ("GET /healthz HTTP/1.1\r\nhost: gate.example", 200),
        ("GET /healthz HTTP/1.1\r\nhost: gate.example:8080", 200),
        ("GET /healthz HTTP/1.1\r\nhost: [::1]:80", 200),
        ("GET /healthz HTTP/1.1\r\nhost: [fe80::1%eth0]:80", 200),
        ("GET /healthz HTTP/1.1\r\nhost: [fe80::1%25eth0]", 200),
        ("GET /healthz HTTP/1.1\r\nhost: [fe80::1%]", 400),
        ("GET /healthz HTTP/1.1\r\nhost: fe80::1%eth0", 400),
        ("GET /healthz HTTP/1.1\r\nhost: gate.example:8a", 400),
        ("GET /healthz HTTP/1.1\r\nhost: gate.example:-1", 400),
        ("GET /healthz HTTP/1.1\r\nhost: gate.example:65536", 400),
        ("GET /healthz HTTP/1.1\r\nhost: a@gate.example", 400),
        ("GET /healthz HTTP/1.1\r\nhost: gate.example#x", 400),
        ("GET /healthz HTTP/1.1\r\nhost: gate.example,evil.example", 400),
        ("GET /healthz HTTP/1.1\r\nhost: gate.example;host=evil.example", 400),
        ("GET http://gate.example/healthz HTTP/1.1\r\nhost: gate.example", 200),
        ("GET http://gate.example:80/healthz HTTP/1.1\r\nhost: gate.example", 200),
        ("GET http://GATE.example/healthz HTTP/1.1\r\nhost: gate.example:80", 200),
        ("GET https://gate.example:443/healthz HTTP/1.1\r\nhost: gate.example", 200),
        ("GET https://gate.example:80/healthz HTTP/1.1\r\nhost: gate.example", 400),
        ("GET http://gate.example:8080/healthz HTTP/1.1\r\nhost: gate.example", 400),
        ("GET http://other.example/healthz HTTP/1.1\r\nhost: gate.example", 400),
        ("GET ftp://gate.example/healthz HTTP/1.1\r\nhost: gate.example", 400),
        ("GET ws://gate.example/healthz HTTP/1.1\r\nhost: gate.example", 400),
        ("GET ftp://gate.example/healthz HTTP/1.0", 400),
    ] {
        assert_eq!(stage.gateway.send(format!("{head}\r\n\r\n")).status(), status, "{head:?}");
    }
}

#[test]
fn an_upstream_is_not_told_of_the_zone_that_a_client_wrote() {
    let stage = Stage::new();
    let call = stage.get("/up").replace("host: gateway.test", "host: [fe80::1%eth0]:8080");
    let (sent, answer) = stage.carry(call, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!((sent.header("x-forwarded-host"), answer.status()), (Some("[fe80::1]:8080"), 200));
}

#[test]
fn a_credential_is_read_in_every_form_that_rfc_9110_allows() {
    let stage = Stage::new();
    for scheme in ["Bearer ", "bearer ", "BEARER  ", "Bearer     "] {
        let bytes = request("GET", "/me", &stage.token).replace("Bearer ", scheme);
        assert_eq!(stage.gateway.send(bytes).status(), 200, "{scheme:?}");
    }
}

#[test]
fn a_path_that_an_upstream_may_read_as_that_of_a_stricter_route_is_refused() {
    // The upstream's table comes behind: a route may name it before.
    let strict = "[[routes]]\nname = \"strict\"\npath = \"/up/s/admin\"\nmatch = \"prefix\"\nmethods = [\"GET\"]\n\
                  roles = [\"readonly\"]\nupstream = \"raw\"\n";
    let stage = Stage::with("", strict);
    stage.gateway.get("/up/s/admin", &stage.token).assert_problem(403, "forbidden");
    stage.gateway.get("/up/s/admin/x", &stage.token).assert_problem(403, "forbidden");
    for path in
        ["/up/s/admin;x", "/up/s/admin%3b", "/up/s/ADMIN", "/up/S/admin/x", "/up/s;v=1/admin", "/up/s/admin%20/x"]
            .into_iter()
            .chain(["/up/s/;/admin", "/up/s/;a=b/admin", "/up/s/%3b/admin", "/up/s/%20/admin", "/up/s/;/;/admin"])
            .chain([
                "/up/s/x/..%3b/admin",
                "/up/s/.%3B/admin",
                "/up/s/.%20/admin",
                "/up/s/%20./admin",
                "/up/s/x/..%20/admin",
            ])
            .chain(["/up/s/x/...;/admin"])
            // Characters in more bytes than they need.
            .chain(["/up/s/%c1%a1dmin", "/up/s/x/%c0%ae%c0%ae/admin", "/up/s%e0%80%afadmin", "/up/s%F0%80%80%AFadmin"])
            // Characters that are alike, not seen, or cut from the ends; names of streams.
            .chain(["/up/s/%EF%BD%81dmin", "/up/s/%EF%BC%A1DMIN", "/up/s/ad%C2%ADmin", "/up/s/admin%E2%80%8B/x"])
            .chain(["/up/s/admin%C2%A0", "/up/s/admin%E3%80%82", "/up/s/admin::$DATA", "/up/s%EF%BC%8Fadmin"])
    {
        stage.gateway.get(path, &stage.token).assert_problem(400, "unsafe-path");
    }
    let (got, _) = stage.carry(stage.get("/up/s/administer;x"), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(got.target(), "/up/s/administer;x");
    for path in ["/up/a|b^c", "/up/s/%EF%BD%81dministers", "/up/%E3%80%82/%C2%A0x"] {
        let (got, _) = stage.carry(stage.get(path), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(got.target(), path);
    }
}
