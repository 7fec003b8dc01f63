//! MOVE and COPY through routes: where something is put is held to the route that is called (RFC 4918 §10.3).

use super::support::{Home, Stage, Upstream};

const ANSWER: &str = "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n";

/// A route with a stricter one below it, and one whose path is taken off.
const ROUTES: &str = r#"
[[routes]]
name = "dav"
path = "/dav"
match = "prefix"
methods = ["GET", "PUT", "MOVE", "COPY"]
roles = ["admin", "user"]
upstream = "raw"
[[routes]]
name = "private"
path = "/dav/private"
match = "prefix"
methods = ["GET", "MOVE", "COPY"]
roles = ["admin"]
upstream = "raw"
[[routes]]
name = "stripped"
path = "/files"
match = "prefix"
methods = ["MOVE", "COPY"]
roles = ["admin"]
upstream = "raw"
strip_prefix = true
"#;

#[test]
fn a_destination_is_forwarded_as_the_path_of_the_call_is() {
    let stage = Stage::with("", ROUTES);
    let host = stage.upstream.address();
    for (path, destination, forwarded) in [
        ("/dav/a", "/dav/b", "/dav/b"),
        ("/dav/a", "http://gateway.test/dav/b%20c?x=1", "/dav/b%20c?x=1"),
        ("/dav/a", "https://gateway.test/dav", "/dav"),
        ("/files/a", "/files/b/c", "/b/c"),
        ("/files/a", "http://gateway.test/files", "/"),
        ("/dav/private/a", "/dav/private/b", "/dav/private/b"),
    ] {
        for method in ["MOVE", "COPY"] {
            let lines = format!("Destination: {destination}\r\noverwrite: F\r\n");
            let (request, answer) = stage.carry(stage.request(method, path, &lines, ""), ANSWER);
            assert_eq!(answer.status(), 201, "{method} {destination}");
            assert_eq!(request.all("destination"), [format!("http://{host}{forwarded}")], "{method} {destination}");
            assert_eq!(request.all("overwrite"), ["F"]);
        }
    }
    // It means nothing to other methods, and one that is missing is the upstream's to refuse.
    let (request, _) = stage.carry(stage.request("PUT", "/dav/a", "destination: elsewhere\r\n", ""), ANSWER);
    assert_eq!(request.all("destination"), ["elsewhere"]);
    let (request, _) = stage.carry(stage.request("MOVE", "/dav/a", "", ""), ANSWER);
    assert_eq!(request.header("destination"), None);
}

#[test]
fn a_destination_below_the_path_of_the_upstream_stays_there() {
    let upstream = Upstream::start();
    let url = format!("http://{}/base", upstream.address());
    let entry = format!("[[upstreams]]\nname = \"raw\"\nurl = \"{url}\"\n");
    let stage = Stage::of(upstream, Home::new().config(&format!("{entry}{ROUTES}")));
    let (request, _) = stage.carry(stage.request("MOVE", "/files/a", "destination: /files/b\r\n", ""), ANSWER);
    assert_eq!((request.target(), request.header("destination")), ("/base/a", Some(&*format!("{url}/b"))));
}

#[test]
fn a_destination_outside_the_route_is_refused_before_the_upstream() {
    let stage = Stage::with("", ROUTES);
    for destination in [
        "/dav/private/b",
        "/dav/PRIVATE/b",
        "/dav/private;x/b",
        "http://gateway.test/dav/private/b",
        "/files/b",
        "/davb",
        "/up",
        "/admin/users",
        "/nowhere",
        "/dav/../up",
        "/dav/%2e%2e/up",
        "http://other.test/dav/b",
        "//other.test/dav/b",
        "b",
        "",
        "/dav/b\r\ndestination: /dav/c",
    ] {
        let lines = format!("destination: {destination}\r\n");
        let answer = stage.gateway.send(stage.request("MOVE", "/dav/a", &lines, ""));
        answer.assert_problem(400, "invalid-request");
        let problem = answer.json();
        assert_eq!(problem["errors"][0]["pointer"], "header:destination", "{destination:?}: {problem}");
    }
    assert!(stage.upstream.try_accept().is_none(), "something reached the upstream");
}
