//! Who the client is, and which URL it called, behind proxies that are trusted.

use super::support::{Message, Stage, Wire};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Sends a GET with these lines as they are, and gives what the upstream got.
fn forwarded(stage: &Stage, lines: &[u8]) -> (Message, Message) {
    let head = stage.get("/up");
    let mut bytes = head.strip_suffix("\r\n").unwrap().as_bytes().to_vec();
    bytes.extend_from_slice(lines);
    bytes.extend_from_slice(b"\r\n");
    let (mut client, mut exchange): (Wire, _) = stage.call(bytes);
    exchange.wire.say(OK);
    (exchange.request, client.message())
}

#[test]
fn the_url_that_the_client_called_is_that_of_the_outermost_proxy() {
    let stage = Stage::with("", "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    for (lines, host, scheme) in [
        ("", "gateway.test", "http"),
        ("x-forwarded-host: outer.example\r\n", "outer.example", "http"),
        // Left of what the proxy wrote, a client may have made up anything.
        ("x-forwarded-host: evil.example, outer.example\r\n", "outer.example", "http"),
        ("x-forwarded-host: evil.example\r\nx-forwarded-host: outer.example\r\n", "outer.example", "http"),
        ("x-forwarded-host: , outer.example,\r\n", "outer.example", "http"),
        ("x-forwarded-for: 192.0.2.1\r\nx-forwarded-host: evil, outer.example\r\n", "outer.example", "http"),
        ("x-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: http, https\r\n", "gateway.test", "https"),
        ("x-forwarded-for: 6.6.6.6, 192.0.2.1\r\nx-forwarded-proto: https, http\r\n", "gateway.test", "http"),
        // Two proxies that are trusted, each of which added to all lists: the outer one has seen the client's URL.
        (
            "x-forwarded-for: 192.0.2.1, 127.0.0.9\r\nx-forwarded-proto: https, http\r\nx-forwarded-host: outer.example, inner.example\r\n",
            "outer.example",
            "https",
        ),
        (
            "x-forwarded-for: 6.6.6.6, 192.0.2.1, 127.0.0.9\r\nx-forwarded-proto: http, https, http\r\nx-forwarded-host: evil, outer.example, inner.example\r\n",
            "outer.example",
            "https",
        ),
        ("x-forwarded-for: 192.0.2.1, unknown\r\nx-forwarded-host: evil, outer.example\r\n", "outer.example", "http"),
        ("x-forwarded-host: a/b\r\n", "gateway.test", "http"),
        ("x-forwarded-proto: https\r\n", "gateway.test", "https"),
        ("x-forwarded-proto: HTTPS\r\n", "gateway.test", "https"),
        ("x-forwarded-proto: https, http\r\n", "gateway.test", "https"),
        ("x-forwarded-proto: https\r\nx-forwarded-proto: http\r\n", "gateway.test", "https"),
        ("x-forwarded-proto: http\r\n", "gateway.test", "http"),
        ("x-forwarded-proto: gopher\r\n", "gateway.test", "http"),
        ("forwarded: for=192.0.2.1;proto=https;host=outer.example\r\n", "outer.example", "https"),
        (
            "forwarded: For=\"[2001:db8::1]:80\";Proto=HTTPS;Host=\"outer.example:8443\"\r\n",
            "outer.example:8443",
            "https",
        ),
        ("forwarded: proto=http;for=6.6.6.6, for=192.0.2.1;proto=https\r\n", "gateway.test", "https"),
        // What a client adds switches `Forwarded` off no more.
        (
            "forwarded: for=192.0.2.1;proto=https;host=outer.example\r\nx-forwarded-host: evil\r\n",
            "outer.example",
            "https",
        ),
        ("forwarded: for=192.0.2.1;proto=https\r\nx-forwarded-proto: http\r\n", "gateway.test", "https"),
        ("forwarded: for=192.0.2.1;proto=https\r\nx-forwarded-for: ,\r\n", "gateway.test", "https"),
        ("x-forwarded-for: 192.0.2.1\r\nforwarded: for=6.6.6.6;proto=https;host=evil\r\n", "gateway.test", "http"),
    ] {
        let (got, _) = forwarded(&stage, lines.as_bytes());
        assert_eq!(
            (got.all("x-forwarded-host"), got.all("x-forwarded-proto")),
            (vec![host], vec![scheme]),
            "{lines:?}"
        );
    }
}

#[test]
fn each_client_behind_a_trusted_proxy_has_an_allowance_of_its_own() {
    let limit = "[server]\ntrusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\n[[limits]]\nname = \"one\"\nroutes = [\"up\"]\n\
                 per = \"address\"\nunit = \"requests\"\nlimit = 1\nwindow_s = 3000\n";
    let stage = Stage::with("", limit);
    let all: [&[u8]; 19] = [
        b"x-forwarded-for: 192.0.2.1\r\n",
        b"x-forwarded-for: 192.0.2.2:4711\r\n",
        b"x-forwarded-for: \"192.0.2.3:4711\"\r\n",
        b"x-forwarded-for: [192.0.2.4]\r\n",
        b"x-forwarded-for: ::ffff:192.0.2.5\r\n",
        b"x-forwarded-for: 2001:DB8:1::A\r\n",
        b"x-forwarded-for: [2001:db8:2::1]\r\n",
        b"x-forwarded-for: [2001:db8:3::1]:443\r\n",
        b"x-forwarded-for: fe80:0:0:4::1%eth0\r\n",
        b"x-forwarded-for: 6.6.6.6,192.0.2.6 , ,\r\n",
        b"x-forwarded-for: 192.0.2.7, 10.1.2.3, 10.1.2.4:80\r\n",
        b"x-forwarded-for: \xe4\xff, 192.0.2.8\r\n",
        b"x-forwarded-for: \xff\r\nx-forwarded-for: 192.0.2.9\r\n",
        b"forwarded: for=192.0.2.10\r\n",
        b"forwarded: for=6.6.6.6, For=\"192.0.2.11:80\";proto=https\r\n",
        b"forwarded: for=\"6.6.6.6, for=\"[2001:db8:5::1]:4711\"\r\n",
        b"forwarded: for=192.0.2.13\r\nx-forwarded-host: evil\r\n",
        b"x-forwarded-proto: http\r\nforwarded: for=6.6.6.6, for=192.0.2.14\r\n",
        b"forwarded: for=192.0.2.12, for=10.9.9.9;by=_hidden\r\n",
    ];
    for lines in all {
        let (_, answer) = forwarded(&stage, lines);
        assert_eq!(answer.status(), 200, "{}", String::from_utf8_lossy(lines));
        let mut again = stage.get("/up").strip_suffix("\r\n").unwrap().as_bytes().to_vec();
        again.extend_from_slice(lines);
        again.extend_from_slice(b"\r\n");
        stage.gateway.send(again).assert_problem(429, "quota-exceeded");
    }
}

#[test]
fn the_chain_goes_on_without_what_is_empty_in_it() {
    let stage = Stage::with("", "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    for (lines, chain) in [
        ("x-forwarded-for: 192.0.2.1,\r\n", "192.0.2.1, 127.0.0.1"),
        ("x-forwarded-for: , 6.6.6.6 ,, 192.0.2.1\r\nx-forwarded-for:\r\n", "6.6.6.6, 192.0.2.1, 127.0.0.1"),
        ("x-forwarded-for: ,\r\n", "127.0.0.1"),
        ("forwarded: for=192.0.2.1, ,\r\nx-forwarded-proto: https\r\n", "192.0.2.1, 127.0.0.1"),
    ] {
        assert_eq!(forwarded(&stage, lines.as_bytes()).0.all("x-forwarded-for"), [chain], "{lines:?}");
    }
}
