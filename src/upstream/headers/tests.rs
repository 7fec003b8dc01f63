mod not_for_upstreams;

use std::net::Ipv4Addr;

use bytes::Bytes;

use super::*;

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn original() -> Original {
    Original {
        host: Some(HeaderValue::from_static("gateway.example")),
        client_address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        scheme: "https",
        version: http::Version::HTTP_11,
        forwarded_for: None,
        identity: None,
    }
}

fn forwarded_with(lines: &[(&'static str, &str)], original: &Original, secret: Option<&Secret>) -> HeaderMap {
    let mut headers = headers(lines);
    let host = HeaderValue::from_static("upstream.example");
    make_fit_for_upstream(&mut headers, Additions { host, original: Some(original), request_id: "id-1", secret });
    headers
}

fn forwarded(lines: &[(&'static str, &str)]) -> HeaderMap {
    forwarded_with(lines, &original(), None)
}

#[test]
fn the_gateway_says_who_calls_where_it_calls_itself_and_not_for_a_client() {
    let mut own = HeaderMap::new();
    let host = HeaderValue::from_static("upstream.example");
    make_fit_for_upstream(&mut own, Additions { host, original: None, request_id: "id-1", secret: None });
    assert_eq!(own["user-agent"], concat!("tollgate/", env!("CARGO_PKG_VERSION")));
    assert_eq!(forwarded(&[("user-agent", "curl/8.0")])["user-agent"], "curl/8.0");
    assert_eq!(forwarded(&[]).get("user-agent"), None);
}

#[test]
fn an_end_to_end_header_passes_with_all_its_values() {
    for name in [
        "cookie",
        "traceparent",
        "tracestate",
        "accept-encoding",
        "anthropic-version",
        "content-type",
        "range",
        "client-id",
        "x-client-version",
        "x-client-data",
        "x-ms-client-request-id",
        "x-goog-user-project",
        "x-amzn-trace-id",
        "x-amz-date",
        "x-user-id",
        "x-stainless-os",
        "x-auth-token",
        "x-azure-ref",
        "x-ms-version",
        "x-ms-date",
        "x-access-token",
        "cf-access-client-id",
        "x-hasura-role",
        "x-scope-orgid",
        "x-nextjs-data",
        "origin",
        "x-csrf-token",
        // Signed: an upstream can verify them.
        "cf-access-jwt-assertion",
        "x-goog-iap-jwt-assertion",
        "sec-websocket-protocol",
        "override",
        // A credential of the client's own, with `X-Auth-Key`.
        "x-auth-email",
        "x-auth-key",
        "x-storage-user",
        "cf-ray",
        "x.custom",
        "x-real~name",
        "accept-client-hints",
        "iva",
        "x-proxy-key",
    ] {
        let values: Vec<_> = forwarded(&[(name, "a"), (name, "b")]).get_all(name).iter().cloned().collect();
        assert_eq!(values, ["a", "b"], "{name}");
    }
}

#[test]
fn a_hop_by_hop_header_named_by_connection_is_dropped() {
    let sent = forwarded(&[("connection", "close, X-Private ,,x-other"), ("x-private", "1"), ("x-other", "2")]);
    assert!(!sent.contains_key("x-private") && !sent.contains_key("x-other"));
}

#[test]
fn connection_cannot_take_away_what_the_gateway_adds() {
    let names = "authorization, host, content-length, via, x-forwarded-for, x-request-id";
    let secret = Secret::new("authorization", "upstream").unwrap();
    let mut sent = forwarded_with(&[("connection", names)], &original(), Some(&secret));
    frame_request(&mut sent, &Method::POST, &OutgoingBody::Whole(Bytes::from_static(b"abc")));
    for (name, value) in [
        ("authorization", "Bearer upstream"),
        ("host", "upstream.example"),
        ("content-length", "3"),
        ("via", "1.1 tollgate"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-request-id", "id-1"),
    ] {
        assert_eq!(sent.get(name).unwrap(), value, "{name}");
    }
}

#[test]
fn a_name_with_underscores_cannot_pose_as_another() {
    for name in ["x_forwarded_for", "x_api_key", "x_free", "content_length", "x-tollgate_user", "_", "a_"] {
        assert!(!forwarded(&[(name, "spoof")]).contains_key(name), "{name}");
    }
}

#[test]
fn the_gateways_own_names_never_come_from_a_client() {
    for name in
        ["x-tollgate-user", "x-tollgate-role", "x-tollgate-request-id", "x-tollgate", "x-tollgate.key", "x.tollgate~a"]
    {
        assert!(!forwarded(&[(name, "spoof")]).contains_key(name), "{name}");
    }
}

#[test]
fn an_upstream_that_is_to_know_gets_the_callers_name_and_no_other() {
    let identity = Identity {
        username: "ada".into(),
        team: Some("Größe 100%".into()),
        role: "user",
        key: Some("0196f2c5-0000-7000-8000-000000000001".into()),
    };
    let named = Original { identity: Some(identity.clone()), ..original() };
    let sent = forwarded_with(&[("x-tollgate-user", "root"), ("x-tollgate-key", "other")], &named, None);
    for (name, value) in [
        ("x-tollgate-user", "ada"),
        ("x-tollgate-team", "Gr%C3%B6%C3%9Fe 100%25"),
        ("x-tollgate-role", "user"),
        ("x-tollgate-key", "0196f2c5-0000-7000-8000-000000000001"),
        ("x-tollgate-request-id", "id-1"),
    ] {
        assert_eq!(sent.get_all(name).iter().collect::<Vec<_>>(), [value], "{name}");
    }
    let without = Original { identity: Some(Identity { team: None, key: None, ..identity }), ..original() };
    let sent = forwarded_with(&[("x-tollgate-team", "mine"), ("x-tollgate-key", "mine")], &without, None);
    assert!(!sent.contains_key("x-tollgate-team") && !sent.contains_key("x-tollgate-key"));
}

#[test]
fn what_the_client_claims_about_itself_is_replaced() {
    let sent = forwarded(&[
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "mine"),
    ]);
    for (name, value) in [
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-host", "gateway.example"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "id-1"),
    ] {
        assert_eq!(sent.get_all(name).iter().collect::<Vec<_>>(), [value], "{name}");
    }
}

#[test]
fn the_clients_address_is_written_as_usual() {
    for address in ["192.0.2.7", "0.0.0.0", "255.255.255.255", "10.0.0.100", "2001:db8::7", "::1"] {
        let client_address: IpAddr = address.parse().unwrap();
        let sent = forwarded_with(&[], &Original { client_address, ..original() }, None);
        assert_eq!(sent["x-forwarded-for"], address);
    }
    let client_address: IpAddr = "::ffff:192.0.2.7".parse().unwrap();
    let sent = forwarded_with(&[], &Original { client_address, ..original() }, None);
    assert_eq!(sent["x-forwarded-for"], "192.0.2.7");
}

#[test]
fn a_trusted_chain_is_continued_and_an_unusable_one_is_not() {
    let with = |chain: &str| Original { forwarded_for: Some(chain.to_owned()), ..original() };
    assert_eq!(forwarded_with(&[], &with("198.51.100.1"), None)["x-forwarded-for"], "198.51.100.1, 192.0.2.7");
    assert_eq!(forwarded_with(&[], &with("a\nb"), None)["x-forwarded-for"], "192.0.2.7");
}

#[test]
fn the_secret_replaces_whatever_the_client_sent_in_its_header() {
    let secret = Secret::new("api-key", "upstream").unwrap();
    let sent = forwarded_with(&[("api-key", "a"), ("api-key", "b"), ("api_key", "c")], &original(), Some(&secret));
    assert_eq!(sent.get_all("api-key").iter().collect::<Vec<_>>(), ["upstream"]);
    assert!(!sent.contains_key("api_key"));
}

#[test]
fn the_framing_follows_the_body_that_is_sent() {
    let framing = |method, body: &OutgoingBody| {
        let mut headers = HeaderMap::new();
        frame_request(&mut headers, &method, body);
        let line = headers.iter().next().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        line.unwrap_or_default()
    };
    let streamed = |length| OutgoingBody::channel(length).1;
    assert_eq!(framing(Method::GET, &OutgoingBody::Empty), "");
    assert_eq!(framing(Method::POST, &OutgoingBody::Empty), "content-length: 0");
    assert_eq!(framing(Method::DELETE, &OutgoingBody::Whole(Bytes::from_static(b"x"))), "content-length: 1");
    assert_eq!(framing(Method::PUT, &streamed(Some(9))), "content-length: 9");
    assert_eq!(framing(Method::GET, &streamed(None)), "transfer-encoding: chunked");
}

#[test]
fn an_answer_loses_what_is_about_the_hop_and_keeps_the_rest() {
    let mut answer = headers(&[
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("proxy-authenticate", "Basic"),
        ("trailer", "x-sum"),
        ("upgrade", "h2c"),
        ("alt-svc", "h3=\":443\""),
        ("nel", r#"{"report_to":"cf-nel","success_fraction":0.0,"max_age":604800}"#),
        ("report-to", r#"{"group":"cf-nel","max_age":604800,"endpoints":[{"url":"https://reports.example/"}]}"#),
        ("x-request-id", "theirs"),
        ("x-tollgate-cost-usd", "0"),
        ("server", "nginx"),
        ("x_tollgate_cost_usd", "9"),
        ("set-cookie", "a=1"),
        ("set-cookie", "tollgate_refresh=evil; Path=/auth"),
        ("set-cookie", " Tollgate_Refresh =evil"),
        ("set-cookie", "=tollgate_refresh=evil; Path=/auth"),
        ("set-cookie", " = tollgate_refresh=evil"),
        ("set-cookie", "=tollgate_refresh"),
        ("set-cookie", "tollgate_refresh;x=1"),
        ("set-cookie", "tollgate_sign_in=x; Path=/auth/oidc"),
        ("set-cookie", "Tollgate_Sign_In_abc=x; Path=/auth/oidc"),
        ("set-cookie", "=tollgate_sign_in_abc=x"),
        ("set-cookie", "b=2; note=tollgate_refresh"),
        ("ratelimit", "\"q\";r=1"),
        ("via", "1.1 cdn"),
    ]);
    make_fit_for_client(&mut answer, StatusCode::OK, Version::HTTP_11);
    let mut left: Vec<_> = answer.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
    left.sort();
    assert_eq!(
        left,
        [
            "ratelimit=\"q\";r=1",
            "server=nginx",
            "set-cookie=a=1",
            "set-cookie=b=2; note=tollgate_refresh",
            "via=1.1 cdn",
            "via=1.1 tollgate"
        ]
    );
}

#[test]
fn what_a_proxy_in_front_would_do_is_no_upstreams_to_say() {
    for (name, passes) in [
        ("x-accel-redirect", false),
        ("x-accel-limit-rate", false),
        ("x-accel-expires", false),
        ("x-accel-charset", false),
        ("x-accel-buffering", true),
        ("x-sendfile", false),
        ("x-sendfile2", false),
        ("x-sendfile-temporary", false),
        ("x-lighttpd-send-file", false),
        ("x-lighttpd-send-tempfile", false),
        ("x-litespeed-location", false),
        ("x-reproxy-url", false),
        ("x-reproxy-file", false),
        ("x-appengine-blobkey", false),
        ("x-envoy-immediate-health-check-fail", false),
        ("x-envoy-degraded", false),
        ("x-envoy-upstream-service-time", true),
        ("x-accelerated-by", true),
        ("surrogate-control", true),
        ("x-cache", true),
        ("location", true),
    ] {
        let mut answer = headers(&[(name, "/internal/secret")]);
        make_fit_for_client(&mut answer, StatusCode::OK, Version::HTTP_11);
        assert_eq!(answer.contains_key(name), passes, "{name}");
    }
    let (whole, starts) = (super::commands::COMMANDS, super::commands::COMMAND_STARTS);
    assert!(whole.is_sorted() && whole.iter().chain(&starts).all(|name| name.starts_with(super::commands::START)));
}

#[test]
fn a_secret_is_not_sent_twice_under_names_that_are_read_alike() {
    let secret = Secret::new("x-service.key", "upstream").unwrap();
    let sent = forwarded_with(
        &[("x-service-key", "a"), ("x.service.key", "b"), ("x-service.key", "c")],
        &original(),
        Some(&secret),
    );
    let keys: Vec<_> =
        sent.iter().filter(|(name, _)| name.as_str().contains("service")).map(|(_, value)| value).collect();
    assert_eq!(keys, ["upstream"]);
}

#[test]
fn an_answer_that_asks_for_another_protocol_names_it() {
    for (status, left) in [(StatusCode::UPGRADE_REQUIRED, vec!["websocket", "h2c"]), (StatusCode::OK, vec![])] {
        let mut answer = headers(&[("upgrade", "websocket"), ("upgrade", "h2c"), ("connection", "Upgrade")]);
        make_fit_for_client(&mut answer, status, Version::HTTP_11);
        assert_eq!(answer.get_all(UPGRADE).iter().collect::<Vec<_>>(), left);
        assert!(!answer.contains_key(CONNECTION));
    }
}

#[test]
fn the_gateways_own_credentials_in_other_places_go_no_further() {
    for (name, value, left) in [
        ("api-key", "tg_0198_secret", None),
        ("x-goog-api-key", "tg_0198_secret", None),
        ("api-key", "of-the-provider", Some("of-the-provider")),
        ("cookie", "tollgate_refresh=x", None),
        ("cookie", "a=1; tollgate_refresh=x; b=2", Some("a=1; b=2")),
        ("cookie", "Tollgate_Refresh =x;a=1", Some("a=1")),
        ("cookie", "a=1; tollgate_sign_in_abc=x; =tollgate_refresh=y; tollgate_refresh", Some("a=1")),
        ("cookie", "a=tollgate_refresh; b =\"x\"", Some("a=tollgate_refresh; b =\"x\"")),
        ("sec-websocket-protocol", "openai-insecure-api-key.tg_0198_secret", None),
        ("sec-websocket-protocol", "realtime, openai-insecure-api-key.tg_0198_secret", Some("realtime")),
        ("sec-websocket-protocol", "openai-insecure-api-key.tg_0198_secret, realtime,v1", Some("realtime,v1")),
        ("sec-websocket-protocol", "realtime, openai-insecure-api-key.eyJhbGciOiJFZERTQSJ9.e30.c2ln", Some("realtime")),
        ("sec-websocket-protocol", "tg_0198_secret, bearer.tg_0198_secret, chat", Some("chat")),
        (
            "sec-websocket-protocol",
            "realtime, openai-insecure-api-key.sk-of-the-provider",
            Some("realtime, openai-insecure-api-key.sk-of-the-provider"),
        ),
    ] {
        let sent = forwarded(&[(name, value)]);
        assert_eq!(sent.get(name).map(|value| value.to_str().unwrap()), left, "{name}: {value}");
    }
}

#[test]
fn via_says_in_which_version_it_was_received() {
    for (version, line) in [(Version::HTTP_10, "1.0 tollgate"), (Version::HTTP_11, "1.1 tollgate")] {
        let sent = forwarded_with(&[("via", "1.0 proxy")], &Original { version, ..original() }, None);
        assert_eq!(sent.get_all("via").iter().collect::<Vec<_>>(), ["1.0 proxy", line]);
        let mut answer = HeaderMap::new();
        make_fit_for_client(&mut answer, StatusCode::OK, version);
        assert_eq!(answer["via"], line);
        assert_eq!(line.split(' ').nth(1), Some(PSEUDONYM));
    }
}
