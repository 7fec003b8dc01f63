//! Header fields are for one hop, the gateway's own, or pass with every value: nothing that a client or an upstream sends makes
//! it otherwise.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tollgate::upstream::{
    Identity, Original, Secret,
    headers::{Additions, make_fit_for_client, make_fit_for_upstream},
};

/// About one connection (RFC 9110 §7.6.1), written down again.
const HOP: [&str; 11] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What an upstream may not have from a client, besides names with an underscore, those of these shapes and the gateway's own.
const KEPT: [&str; 72] = [
    "akamai-origin-hop",
    "api-key",
    "auth-user",
    "authorization",
    "base-url",
    "cf-access-authenticated-user-email",
    "cf-bot-score",
    "cf-metro-code",
    "cf-postal-code",
    "cf-pseudo-ipv4",
    "cf-timezone",
    "cf-verified-bot",
    "cf-visitor",
    "client-ip",
    "content-length",
    "disguised-host",
    "expect",
    "fastly-ssl",
    "forwarded",
    "front-end-https",
    "host",
    "proxy",
    "proxy-host",
    "proxy-remote-user",
    "proxy-user",
    "request-uri",
    "true-client-port",
    "x-akamai-edgescape",
    "x-amzn-request-context",
    "x-anonymous-consumer",
    "x-api-key",
    "x-arr-clientcert",
    "x-arr-ssl",
    "x-auth-groups",
    "x-auth-roles",
    "x-azure-fdid",
    "x-azure-socketip",
    "x-cf-forwarded-url",
    "x-client-dn",
    "x-client-verify",
    "x-coming-from",
    "x-forwarded",
    "x-host",
    "x-http-host",
    "x-http-method",
    "x-ingress-path",
    "x-istio-attributes",
    "x-jwt-payload",
    "x-matched-path",
    "x-method",
    "x-ms-original-url",
    "x-nf-client-connection-ip",
    "x-nginx-proxy",
    "x-now-route-matches",
    "x-originating-ip",
    "x-override-url",
    "x-proxyhost",
    "x-proxyport",
    "x-proxyscheme",
    "x-real-ip",
    "x-real-port",
    "x-replaced-path",
    "x-request-id",
    "x-request-uri",
    "x-rewrite-url",
    "x-scheme",
    "x-script-name",
    "x-source-ip",
    "x-token-subject",
    "x-tollgate",
    "x-url-scheme",
    "x-waws-unencoded-url",
];

/// Begins of names that are kept, and ends.
const KEPT_STARTS: [&str; 63] = [
    "-ws",
    "cf-cert-",
    "cf-client-cert-",
    "cf-ip",
    "cf-region",
    "client-cert",
    "clientcert",
    "cloudfront-",
    "fly-forwarded-",
    "forwarded-",
    "impersonate-",
    "iv-",
    "l5d-",
    "mellon-",
    "oam-",
    "oidc-",
    "osso-",
    "remote-",
    "shib-",
    "sm-auth",
    "sm-server",
    "sm-universalid",
    "sm-user",
    "ssl-",
    "tailscale-",
    "wl-proxy-",
    "x-accel-",
    "x-amzn-mtls-",
    "x-amzn-oidc-",
    "x-apigateway-",
    "x-appengine-",
    "x-auth-request-",
    "x-auth-user",
    "x-authelia-",
    "x-authenticated-",
    "x-authentik-",
    "x-client-cert",
    "x-clientcert",
    "x-consumer-",
    "x-credential-",
    "x-envoy-",
    "x-forwarded-",
    "x-goog-authenticated-user-",
    "x-invoke-",
    "x-kratos-",
    "x-middleware-",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-original-",
    "x-pomerium-",
    "x-proxied",
    "x-proxy-user",
    "x-proxycontext",
    "x-proxypath",
    "x-proxyuser",
    "x-remote-",
    "x-sendfile",
    "x-ssl-",
    "x-tls-client-",
    "x-token-user-",
    "x-vercel-ip-",
    "x-vouch-",
    "x-webauth-",
];
const KEPT_ENDS: [&str; 11] = [
    "-client-ip",
    "-clientip",
    "-connecting-ip",
    "-connecting-ipv6",
    "-forwarded-for",
    "-forwarded-host",
    "-forwarded-proto",
    "-override",
    "-real-ip",
    "-src-ip",
    "-userinfo",
];

/// What a client may not have from an upstream: commands to the proxy in front of the gateway.
const COMMANDS: [&str; 6] = [
    "x-appengine-blobkey",
    "x-envoy-degraded",
    "x-envoy-immediate-health-check-fail",
    "x-lighttpd-send-file",
    "x-lighttpd-send-tempfile",
    "x-litespeed-location",
];
const COMMAND_STARTS: [&str; 3] = ["x-accel-", "x-reproxy-", "x-sendfile"];

/// `data` is lines of `name: value`.
pub fn run(data: &[u8]) {
    let sent = read(data);
    let named: Vec<String> = sent.get_all("connection").iter().flat_map(options).collect();
    let is_hop = |name: &str| HOP.contains(&name) || named.iter().any(|option| option == name);
    outgoing(&sent, &is_hop);
    answered(&sent, &is_hop);
}

fn outgoing(sent: &HeaderMap, is_hop: &dyn Fn(&str) -> bool) {
    let mut got = sent.clone();
    let secret = Secret::new("api-key", "sk-secret").expect("a secret");
    let original = Original {
        host: Some(HeaderValue::from_static("gateway.test")),
        client_address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        scheme: "https",
        version: http::Version::HTTP_11,
        forwarded_for: Some("198.51.100.1".into()),
        identity: Some(Identity { username: "ada".into(), team: None, role: "user", key: None }),
    };
    let host = HeaderValue::from_static("up.test");
    make_fit_for_upstream(
        &mut got,
        Additions { host, original: Some(&original), request_id: "id-1", secret: Some(&secret) },
    );
    for (name, expected) in [
        ("host", "up.test"),
        ("x-request-id", "id-1"),
        ("api-key", "sk-secret"),
        ("x-forwarded-for", "198.51.100.1, 192.0.2.7"),
        ("x-forwarded-host", "gateway.test"),
        ("x-forwarded-proto", "https"),
        ("x-tollgate-user", "ada"),
        ("x-tollgate-role", "user"),
        ("x-tollgate-request-id", "id-1"),
    ] {
        assert_eq!(got.get_all(name).iter().collect::<Vec<_>>(), [expected], "{name}");
    }
    let is_kept = |name: &str| {
        let read = dashed(name);
        let has_shape =
            KEPT_STARTS.iter().any(|start| read.starts_with(start)) || KEPT_ENDS.iter().any(|end| read.ends_with(end));
        is_hop(name)
            || HOP.contains(&&*read)
            || KEPT.contains(&&*read)
            || name.contains('_')
            || has_shape
            || is_own(name)
    };
    let overwritten = [
        "host",
        "x-request-id",
        "api-key",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-tollgate-user",
        "x-tollgate-role",
        "x-tollgate-request-id",
        // They pass without what is the gateway's own.
        "cookie",
        "x-goog-api-key",
        "sec-websocket-protocol",
    ];
    passes(sent, &got, &|name| is_kept(name) && !overwritten.contains(&name), &overwritten);
}

fn answered(sent: &HeaderMap, is_hop: &dyn Fn(&str) -> bool) {
    let mut got = sent.clone();
    make_fit_for_client(&mut got, StatusCode::OK, http::Version::HTTP_11);
    let is_command = |name: &str| {
        let has_shape = COMMAND_STARTS.iter().any(|start| name.starts_with(start)) && name != "x-accel-buffering";
        has_shape || COMMANDS.contains(&name)
    };
    let is_kept =
        |name: &str| is_hop(name) || matches!(name, "x-request-id" | "alt-svc") || is_own(name) || is_command(name);
    passes(sent, &got, &is_kept, &[]);
}

/// As a program reads the name that tells no signs between words apart.
fn dashed(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// Whether a CGI-like program may take the name for one of the gateway's.
fn is_own(name: &str) -> bool {
    let name = dashed(name);
    name == "x-tollgate" || name.starts_with("x-tollgate-")
}

/// What `is_kept` does not arrive, but for what is `overwritten`; all else arrives with every value in its order.
fn passes(sent: &HeaderMap, got: &HeaderMap, is_kept: &dyn Fn(&str) -> bool, overwritten: &[&str]) {
    for name in got.keys().filter(|name| !overwritten.contains(&name.as_str())) {
        assert!(*name == "via" || !is_kept(name.as_str()), "{name} passes");
        assert!(*name == "via" || sent.contains_key(name), "{name} is made up");
    }
    for name in sent.keys().filter(|name| !overwritten.contains(&name.as_str()) && !is_kept(name.as_str())) {
        let before: Vec<&HeaderValue> = sent.get_all(name).iter().collect();
        let after: Vec<&HeaderValue> = got.get_all(name).iter().collect();
        assert_eq!(after.get(..before.len()), Some(&*before), "values of {name} are lost");
        assert_eq!(after.len(), before.len() + usize::from(*name == "via"), "values of {name} are made up");
    }
    assert_eq!(got.get_all("via").iter().next_back().map(HeaderValue::as_bytes), Some(&b"1.1 tollgate"[..]));
}

fn options(value: &HeaderValue) -> Vec<String> {
    let text = String::from_utf8_lossy(value.as_bytes()).to_lowercase();
    text.split(',').map(|option| option.trim_matches([' ', '\t', '\x0c']).to_owned()).collect()
}

fn read(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(64) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii())) {
            headers.append(name, value);
        }
    }
    headers
}
